"""The controller's plan of waves, and when a wave goes on, halts or is done.

A plan opens an archive to a growing share of the boxes. The next wave opens when nothing is awaited
from a box any more, fewer than the limit are bad, and the wave has been open for the hours of the
plan. A box is bad if it reports that it has gone back or failed, or if nothing was heard of the
archive from it for the plan's silent hours. Bad boxes of all waves so far count, against a limit
that follows from the size of the newest wave:

    limit = two boxes, or one in twenty if that is more; never more than half of the wave

So of 20 boxes two halt it, of 200 ten, and of one box that one. A halted plan goes on by a named
command only, which says why; the boxes that were bad then no longer count.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from edge.adapters.state.state_folder import read_file, replace_file
from edge.formats.identifiers import Id
from edge.formats.plurals import quantity
from edge.formats.strict import StrictMessage
from edge.formats.timestamps import UtcText, parse_utc, utc_text
from edge.privacy.box_status import Outcome
from edge.updates.problems import WaveError
from edge.updates.waves import OpenWave, WavesDocument, in_wave

PLANS: Final = "waves.json"
DEFAULT_STEPS: Final = (5, 25, 100)
_LARGEST: Final = 64 * 1024 * 1024
_COLUMNS: Final = ("site", "box", "target", "outcome", "said_at")

BoxName = tuple[str, str]
"""Site and box."""


class UpdateReport(StrictMessage):
    """What one box has said of its last update; the box has signed it where it comes from the desk.

    Attributes:
        site: the box's site.
        box: its id.
        target: kind and version, such as `release-0.2.0`.
        outcome: how it ended; `started`: not ended yet.
        said_at: when the box said so.
    """

    site: Id
    box: Id
    target: str = Field(max_length=60)
    outcome: Outcome
    said_at: UtcText


class WavePlan(StrictMessage):
    """How one archive is opened.

    Attributes:
        steps: the share of the boxes after each step, percent, growing.
        first: boxes that belong to the first step whatever their place.
        hold_hours: how long each wave stays open before the next.
        silent_hours: after this time a box that was not heard is bad.
        step: the step that is open, from 0.
        opened_at: when it was opened.
        halted: why it is halted; None: it is not.
        excused: boxes that no longer count, `site/box`.
    """

    steps: tuple[Annotated[int, Field(ge=0, le=100)], ...] = Field(min_length=1, max_length=20)
    first: tuple[str, ...] = ()
    hold_hours: int = Field(ge=0, le=24 * 90)
    silent_hours: int = Field(ge=1, le=24 * 90)
    step: int = Field(default=0, ge=0)
    opened_at: UtcText
    halted: str | None = None
    excused: tuple[str, ...] = ()

    def wave(self) -> OpenWave:
        """To whom it is open now, for the signed document."""
        return OpenWave(
            percent=self.steps[self.step], boxes=self.first, halted=self.halted is not None
        )


class WavePlans(StrictMessage):
    """All plans of a repository, by kind and version."""

    schema_: Literal["edge-anpr/wave-plans/1"] = Field(
        default="edge-anpr/wave-plans/1", alias="schema"
    )
    plans: dict[str, WavePlan] = Field(default={})

    def document(self) -> WavesDocument:
        """The document that the boxes read."""
        return WavesDocument(waves={name: plan.wave() for name, plan in self.plans.items()})


@dataclass(frozen=True, slots=True)
class WaveCount:
    """The boxes of a plan now.

    Attributes:
        open: how many may install it.
        newest: how many of them came with the newest wave.
        healthy: how many have installed it.
        awaited: how many may still install it, or are trying it.
        bad: those that failed, went back or are silent, `site/box`.
        limit: so many bad ones halt it.
    """

    open: int
    newest: int
    healthy: int
    awaited: int
    bad: tuple[str, ...]
    limit: int


def limit_of(boxes: int) -> int:
    """How many bad boxes halt a wave of so many boxes."""
    return min(max(2, math.ceil(boxes / 20)), max(1, math.ceil(boxes / 2)))


def new_plan(
    now: datetime,
    *,
    steps: tuple[int, ...] = DEFAULT_STEPS,
    first: tuple[str, ...] = (),
    hold_hours: int = 24,
    silent_hours: int = 24,
) -> WavePlan:
    """A plan whose first wave is open from now on.

    Raises:
        WaveError: the steps do not grow, or do not end at 100.
    """
    if list(steps) != sorted(set(steps)) or steps[-1:] != (100,):
        raise WaveError(
            f"--steps {','.join(map(str, steps))}: write growing shares that end with 100, such as "
            "5,25,100"
        )
    try:
        plan = WavePlan(
            steps=steps,
            first=first,
            hold_hours=hold_hours,
            silent_hours=silent_hours,
            opened_at=utc_text(now),
        )
        plan.wave()
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        told = {"steps": "--steps: a share is from 0 to 100", "boxes": "--first: write SITE.BOX"}
        hours = f"--{field.replace('_', '-')}: write hours, at most {24 * 90}"
        raise WaveError(told.get(field, hours)) from None
    return plan


def unknown_first(plan: WavePlan, boxes: Collection[BoxName]) -> tuple[str, ...]:
    """The boxes that a plan names for its first wave and the fleet does not have, `site/box`."""
    known = {"/".join(one) for one in boxes}
    return tuple(one for one in plan.first if one not in known)


def counted(
    name: str,
    plan: WavePlan,
    boxes: Collection[BoxName],
    reports: Mapping[BoxName, UpdateReport],
    now: datetime,
) -> WaveCount:
    """Count the boxes of a plan.

    Args:
        name: kind and version.
        plan: its plan.
        boxes: every box of the fleet.
        reports: the newest report of each box.
        now: the time.
    """
    wave = plan.wave()
    opened = [one for one in boxes if in_wave(wave, name, *one)]
    earlier: set[BoxName] = set()
    if plan.step:
        before = OpenWave(percent=plan.steps[plan.step - 1], boxes=plan.first)
        earlier = {one for one in opened if in_wave(before, name, *one)}
    silent = now - parse_utc(plan.opened_at) >= timedelta(hours=plan.silent_hours)
    healthy, awaited, bad = 0, 0, []
    for one in sorted(opened):
        said = reports.get(one)
        outcome = said.outcome if said and said.target == name.replace("/", "-") else None
        written = "/".join(one)
        if outcome == "installed":
            healthy += 1
        elif written in plan.excused:
            continue
        elif outcome in {"rolled-back", "failed"} or silent:
            bad.append(written)
        else:
            awaited += 1
    newest = len(opened) - len(earlier)
    return WaveCount(len(opened), newest, healthy, awaited, tuple(bad), limit_of(newest))


def judged(plan: WavePlan, count: WaveCount, now: datetime) -> WavePlan:
    """The plan after one look at the boxes: unchanged, halted, or one step further.

    A wave that was opened while the clock was ahead counts as opened now; else it would stand still
    until the clock is there again.
    """
    if plan.halted is not None:
        return plan
    if count.bad and len(count.bad) >= count.limit:
        shown = ", ".join(count.bad[:5]) + (", …" if len(count.bad) > 5 else "")
        why = (
            f"{quantity(len(count.bad), 'box failed or is silent', 'boxes failed or are silent')}, "
            f"and {count.limit} halt a wave of "
            f"{count.newest}: {shown}"
        )
        return plan.model_copy(update={"halted": why})
    if parse_utc(plan.opened_at) > now:
        return plan.model_copy(update={"opened_at": utc_text(now)})
    held = now - parse_utc(plan.opened_at) >= timedelta(hours=plan.hold_hours)
    if held and not count.awaited and plan.step + 1 < len(plan.steps):
        return plan.model_copy(update={"step": plan.step + 1, "opened_at": utc_text(now)})
    return plan


def resumed(plan: WavePlan, count: WaveCount, now: datetime) -> WavePlan:
    """A halted plan that goes on; its bad boxes no longer count.

    Raises:
        WaveError: it is not halted.
    """
    if plan.halted is None:
        raise WaveError("this plan is not halted, so there is nothing to resume")
    excused = tuple(sorted({*plan.excused, *count.bad}))
    return plan.model_copy(update={"halted": None, "excused": excused, "opened_at": utc_text(now)})


# --- files ----------------------------------------------------------------------------------


def load_plans(folder: Path) -> WavePlans:
    """The plans of a repository; none before the first.

    Raises:
        WaveError: the file is damaged.
    """
    content = read_file(folder / PLANS, _LARGEST)
    try:
        return WavePlans() if content is None else WavePlans.model_validate_json(content)
    except ValidationError:
        raise WaveError(
            f"{folder / PLANS}: damaged, or of a newer version; restore it from a copy, or plan "
            "the waves again"
        ) from None


def save_plans(folder: Path, plans: WavePlans) -> None:
    """Write the plans; on disk when this returns."""
    replace_file(folder / PLANS, plans.model_dump_json(by_alias=True, indent=1).encode() + b"\n")


def newest_reports(reports: Iterable[UpdateReport]) -> dict[BoxName, UpdateReport]:
    """The newest report of each box."""
    newest: dict[BoxName, UpdateReport] = {}
    for one in reports:
        known = newest.get((one.site, one.box))
        if known is None or parse_utc(one.said_at) >= parse_utc(known.said_at):
            newest[one.site, one.box] = one
    return newest


def read_reports(file: Path) -> tuple[UpdateReport, ...]:
    """Reports from a JSON list, or from CSV with the columns site, box, target, outcome, said_at.

    Raises:
        WaveError: it cannot be read; the message names the row and the field.
    """
    content = read_file(file, _LARGEST)
    if content is None:
        raise WaveError(f"{file}: no such file; name the reports of the boxes")
    try:
        text = content.decode()
        if file.suffix == ".csv":
            rows = csv.DictReader(io.StringIO(text), strict=True)
            if tuple(rows.fieldnames or ()) != _COLUMNS:
                raise WaveError(f"{file}: row 1: write the columns {','.join(_COLUMNS)}")
            return _REPORTS.validate_python(tuple(rows))
        return _REPORTS.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        number, field = (*first["loc"], 0, "all")[:2]
        row = int(number) + (2 if file.suffix == ".csv" else 1)
        raise WaveError(f"{file}: row {row}: {field}: {first['msg']}") from None
    except (UnicodeDecodeError, csv.Error):
        raise WaveError(f"{file}: not UTF-8 text of this form; write it again") from None


_REPORTS: Final = TypeAdapter(tuple[UpdateReport, ...])
