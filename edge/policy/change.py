"""One change between two policies, and how numbers, names and hours change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta, timezone
from enum import Enum
from typing import TypeVar

from edge.domain.schedule import Schedule
from edge.formats.problems import Location, path_text
from edge.policy.fields import WeeklySchedule
from edge.policy.model import Policy
from edge.texts import Language, catalogue, colon


class ChangeEffect(Enum):
    """What a change does, and who must sign it.

    - `WIDENING`: the box may do more, or work longer. All roles, and a DPIA that covers it.
    - `SUBSTANTIVE`: the box may do no more, but what the policy rests on or tells people changes,
      or an evaluation renews it. All roles.
    - `NARROWING`: the box may do less, and enforces it. One signer.
    - `NEUTRAL`: nobody's rights are touched. One signer.
    """

    WIDENING = "WIDENING"
    SUBSTANTIVE = "SUBSTANTIVE"
    NARROWING = "NARROWING"
    NEUTRAL = "neutral"

    @property
    def needs_all_roles(self) -> bool:
        return self in {ChangeEffect.WIDENING, ChangeEffect.SUBSTANTIVE}


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `what` is a word such as `hours`, `phrase` says what changed.

    `phrase` is in English, with `values` in its `{…}`. `edge/texts` has it in the other languages,
    in the section `diff.detail`; what is not there, such as `30 → 60`, is the same in each.
    """

    direction: ChangeEffect
    what: str
    location: Location
    phrase: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def detail(self) -> str:
        """What changed, in English."""
        return self._said(self.phrase)

    @property
    def name(self) -> str:
        """The name of the change, which `dpia.covers` refers to: `rules.school-street.reveal`.

        A party's name, which may be any text, is left out: `processors`.
        """
        return path_text(self.location).removesuffix(".…")

    def __str__(self) -> str:
        return self.text("en")

    def text(self, language: Language) -> str:
        """The change in one line."""
        words = catalogue(language)
        effect = self.direction
        direction = words.get(f"diff.direction.{effect.name.lower()}", effect.value)
        what = words.get(f"diff.what.{self.what}", self.what)
        detail = self._said(words.get(f"diff.detail.{self.phrase}", self.phrase))
        mark = colon(language)
        return f"{direction} {what}{mark}{path_text(self.location)}{mark}{detail}"

    def _said(self, phrase: str) -> str:
        return phrase.format_map(self.values) if self.values else phrase


def widening(what: str, at: Location, old: object, new: object) -> Change:
    """A change from one value to another that counts as widening."""
    return Change(ChangeEffect.WIDENING, what, at, f"{old} → {new}")


def named(
    what: str,
    at: Location,
    before: Mapping[str, object],
    after: Mapping[str, object],
    *,
    gone: ChangeEffect = ChangeEffect.NARROWING,
) -> Iterator[Change]:
    """Named parts that were added (a widening) or removed (by default a narrowing)."""
    for name in sorted(after.keys() - before.keys()):
        yield Change(ChangeEffect.WIDENING, what, (*at, name), "new")
    for name in sorted(before.keys() - after.keys()):
        yield Change(gone, what, (*at, name), "gone")


_Size = TypeVar("_Size", int, float, str)


def grows(
    what: str, at: Location, old: _Size, new: _Size, *, reverse: bool = False
) -> Iterator[Change]:
    """A number or day that changed: an increase widens; with `reverse` a decrease widens."""
    if old != new:
        wider = (new < old) if reverse else (new > old)
        direction = ChangeEffect.WIDENING if wider else ChangeEffect.NARROWING
        yield Change(direction, what, at, f"{old} → {new}")


def more(what: str, at: Location, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    """Names that were added to a set (a widening) or removed from it (a narrowing)."""
    added, removed = sorted(set(new) - set(old)), sorted(set(old) - set(new))
    if added:
        yield Change(ChangeEffect.WIDENING, what, at, "and {names}", {"names": ", ".join(added)})
    if removed:
        names = {"names": ", ".join(removed)}
        yield Change(ChangeEffect.NARROWING, what, at, "without {names}", names)


def days_in_force(before: Policy, after: Policy) -> tuple[date, ...]:
    """Every day on which one of the two may be in force."""
    first = min(before.activation.not_before, after.activation.not_before)
    last = date.fromisoformat(max(before.activation.sunset, after.activation.sunset))
    start = date.fromisoformat(first)
    return tuple(start + timedelta(days=number) for number in range((last - start).days + 1))


def hours_changed(
    at: Location,
    before: WeeklySchedule | None,
    after: WeeklySchedule | None,
    days: Sequence[date],
) -> Iterator[Change]:
    """Hours that are added or taken away, day by day; no schedule means all day, every day.

    A later version may move the start or the sunset, so hours on other days count as well: those
    of dated exceptions and holidays, and those of a week without any.
    """
    if before == after:
        return
    more, less = _compared(before, after, days)
    beyond = _days_beyond(before, after, days)
    more_beyond, less_beyond = _compared(before, after, beyond)
    for direction, phrase, within, without in (
        (ChangeEffect.WIDENING, "{length} more until {date}", more, more_beyond),
        (ChangeEffect.NARROWING, "{length} less until {date}", less, less_beyond),
    ):
        if within or without:
            until = days[-1] if within else beyond[-1]
            values = {"length": _length(within or without), "date": until.isoformat()}
            yield Change(direction, "hours", at, phrase, values)
    if not (more or less or more_beyond or less_beyond):
        yield Change(ChangeEffect.NEUTRAL, "hours", at, "the same hours, written differently")


def _compared(
    before: WeeklySchedule | None, after: WeeklySchedule | None, days: Sequence[date]
) -> tuple[int, int]:
    """How many minutes the second has more on these days, and how many less."""
    # Most days are like others: each pair is compared once.
    pairs = Counter(zip(_open(before, days), _open(after, days), strict=True))
    more = sum(times * len(new - old) for (old, new), times in pairs.items())
    less = sum(times * len(old - new) for (old, new), times in pairs.items())
    return more, less


def _days_beyond(
    before: WeeklySchedule | None, after: WeeklySchedule | None, days: Sequence[date]
) -> list[date]:
    """Days outside `days` on which the hours may differ: every dated one, and a week after."""
    named: set[date] = set()
    for hours in (before, after):
        schedule = None if hours is None else hours.schedule(timezone.utc)
        if schedule is not None:
            named.update(one.day for one in schedule.exceptions)
            for span in schedule.holidays:
                length = (span.last - span.first).days + 1
                named.update(span.first + timedelta(days=number) for number in range(length))
    # The calendar ends with the year 9999.
    last = min(max(named | {days[-1]}), date.max - timedelta(days=7))
    week = [last + timedelta(days=number) for number in range(1, 8)]
    return sorted(named - set(days) | set(week))


def _length(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def _open(hours: WeeklySchedule | None, days: Sequence[date]) -> list[frozenset[int]]:
    """The minutes of each day that are in force, by the day on which they begin."""
    if hours is None:
        return [frozenset(range(24 * 60))] * len(days)
    # The zone is not used: hours are wall-clock hours, and the zone is compared separately.
    schedule = hours.schedule(timezone.utc)
    known: dict[tuple[tuple[int, int], ...], frozenset[int]] = {}
    return [_minutes(schedule, day, known) for day in days]


def _minutes(
    schedule: Schedule, day: date, known: dict[tuple[tuple[int, int], ...], frozenset[int]]
) -> frozenset[int]:
    spans = tuple((hours.start, hours.end) for hours in schedule.hours_on(day))
    if spans not in known:
        known[spans] = frozenset(minute for start, end in spans for minute in range(start, end))
    return known[spans]
