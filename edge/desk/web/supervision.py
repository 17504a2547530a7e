"""The page of figures: decisions, misreads with intervals, deletions and holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from edge.desk.decoys import DecoyFigures, decoy_figures
from edge.desk.deletion_figures import (
    DONE_DAYS,
    SOON,
    EndingHold,
    SiteDeletions,
    deletion_figures,
    ending_holds,
)
from edge.desk.figures import OutcomeCounts, ReadingFigures, figures
from edge.desk.fleet import fleet
from edge.desk.queue import HitQueue
from edge.desk.rights import APPROVERS, READERS, RightScope
from edge.desk.web.calls import Call
from edge.domain.counting import SMALLEST_SHOWN
from edge.domain.intervals import Interval


@dataclass(frozen=True, slots=True)
class ShownOutcome:
    """Decisions of a month, as a table shows them."""

    counts: OutcomeCounts
    decisions: str
    outcomes: dict[str, str]


@dataclass(frozen=True, slots=True)
class ShownReading:
    """Tested readings under one condition, as a table shows them."""

    condition: str
    value: str
    tested: str
    share: str


@dataclass(frozen=True, slots=True)
class ShownDeletions:
    """Deletions at a site, as a table shows them: not confirmed, and confirmed."""

    site: str
    due: tuple[str, str]
    done: tuple[str, str]


def show_figures(call: Call) -> Response:
    """The figures of the sites that the reader's rights cover."""
    sites = covered_sites(call)
    database, now = call.desk.database, call.desk.utc()
    found = figures(database, now.date(), sites)
    boxes = fleet(database, now, sites).boxes
    run = deletion_figures(database, call.desk.utc, sites)
    queue = [one for one in HitQueue(database).sites() if sites is None or one.site in sites]
    return call.page(
        "figures",
        queue=queue,
        outcomes=[_outcome(call, one) for one in found.outcomes],
        readings=[_reading(call, one) for one in found.readings],
        boxes=len(boxes),
        attention=sum(bool(one.problems) for one in boxes),
        decoys=_decoys(call, decoy_figures(database, now.date(), sites)),
        now=now,
        run=run,
        deletions=[_deleted(call, one) for one in run.sites],
        done_days=DONE_DAYS,
        holds=_holds(call),
        soon=SOON.days,
    )


def covered_sites(call: Call) -> frozenset[str] | None:
    """The sites that the reader may watch; None: all.

    Raises:
        MissingRole: she may watch none.
    """
    covered = {right.terms.scope.site for right in call.rights_of(*READERS)}
    return None if None in covered else frozenset(site for site in covered if site is not None)


def _deleted(call: Call, one: SiteDeletions) -> ShownDeletions:
    def done(count: int) -> str:
        if count == 0:
            return call.words("figures.few_each", count=SMALLEST_SHOWN)
        return call.words("figures.at_least", count=count)

    return ShownDeletions(
        one.due.site,
        (_count(call, one.due.not_confirmed), _count(call, one.due.confirmed)),
        (done(one.not_confirmed), done(one.confirmed)),
    )


def _holds(call: Call) -> list[EndingHold] | None:
    """The holds that end soon and that the reader may renew; None if she may renew none at all."""
    covering = [right for right in call.rights() if right.terms.role in APPROVERS]
    if not covering:
        return None
    authority = call.desk.authority
    return [
        one
        for one in ending_holds(call.desk.database, call.desk.utc().date())
        if any(
            right.terms.scope.covers(RightScope(authority, one.site, one.rule))
            for right in covering
        )
    ]


def _outcome(call: Call, one: OutcomeCounts) -> ShownOutcome:
    return ShownOutcome(
        one,
        _count(call, one.decisions),
        {name: _count(call, count) for name, count in one.outcomes.items()},
    )


def _reading(call: Call, one: ReadingFigures) -> ShownReading:
    value = one.value
    if one.condition == "light":
        site, _, light = value.partition("/")
        words = {"day": "figures.day", "night": "figures.night"}
        value = f"{site}: {call.words(words[light])}"
    name = {
        "site": "queue.site",
        "camera": "queue.camera",
        "light": "figures.light",
        "rule": "queue.rule",
    }[one.condition]
    if one.tested is None or one.misread is None:
        hidden = call.words("figures.hidden", count=SMALLEST_SHOWN)
        return ShownReading(call.words(name), value, "–", hidden)
    wrong = _count(call, one.misread) if one.share is None else share_text(call, one.share)
    return ShownReading(call.words(name), value, str(one.tested), wrong)


def share_text(call: Call, share: Interval) -> str:
    """A share with its interval, in percent."""
    return call.words(
        "figures.interval",
        share=_percent(share.share),
        low=_percent(share.low),
        high=_percent(share.high),
    )


def _decoys(call: Call, one: DecoyFigures) -> str:
    if one.decided is None or one.caught is None:
        return call.words("figures.decoys_few", count=SMALLEST_SHOWN)
    caught = _count(call, one.caught)
    if one.share is None:
        return call.words("figures.decoys_count", caught=caught, decided=one.decided)
    share = share_text(call, one.share)
    return call.words("figures.decoys_share", caught=caught, decided=one.decided, share=share)


def _count(call: Call, count: int | Literal["<10"]) -> str:
    return call.words("figures.few", count=SMALLEST_SHOWN) if count == "<10" else str(count)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
