"""For how many hours a week people are filmed or judged, added up over what belongs together.

Two cameras at one place that are open for half of the week each film the place all week, and two
rules of one purpose, or of one kind on one camera, judge the street all week. So the hours of
cameras at one place and of such rules add up; hours in which several are in force count once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timezone

from edge.domain.schedule import Schedule
from edge.formats.problems import Location
from edge.policy.duties import Flaw
from edge.policy.fields import Statements, Texts, WeeklySchedule
from edge.policy.limits import JUSTIFICATION_LETTERS, JUSTIFICATION_WORDS, LIMITS, ONE_PLACE_M
from edge.policy.model import Policy, PolicyCamera, Position
from edge.policy.rule_models import RuleModel
from edge.policy.separation import folded
from edge.policy.wording import is_sentence
from edge.texts import LANGUAGES

Week = date | None
"""The Monday of a week; None for a week without exceptions."""

_METRES_OF_A_DEGREE = 111_195
"""On a great circle of the mean earth (radius 6371 km)."""


@dataclass(frozen=True, slots=True)
class _LongHours:
    """A camera or rule without a justification whose hours need one.

    Attributes:
        location: its place in the policy.
        minutes: in its fullest week.
        others: the names of the cameras or rules that were added; none if it alone is enough.
    """

    location: Location
    minutes: int
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Holder:
    """A camera or rule: its minutes by week, and the indices of those that it is added to."""

    name: str
    location: Location
    justified: bool
    minutes: Mapping[Week, int]
    near: tuple[int, ...]


def camera_hours(policy: Policy) -> Iterator[Flaw]:
    """A camera that is open for long, alone or with others at its place, says in public why."""
    yield from _long("camera_hours", _long_cameras, policy)


def rule_hours(policy: Policy) -> Iterator[Flaw]:
    """A rule without a schedule, or in force for long, says in public why."""
    for index, rule in enumerate(policy.rules):
        if rule.hours_justification is None and rule.schedule is None:
            yield Flaw(("rules", index), "rule_schedule")
    yield from _long("rule_hours", _long_rules, policy)


def _long(
    fault: str, found: Callable[[Policy, int], Iterator[_LongHours]], policy: Policy
) -> Iterator[Flaw]:
    ceiling = LIMITS[policy.legal.regime].hours_per_week
    for one in found(policy, ceiling * 60):
        values = {"hours": _hours(one.minutes), "ceiling": str(ceiling)}
        if one.others:
            values["others"] = ", ".join(one.others)
        yield Flaw(one.location, f"{fault}_together" if one.others else fault, values)


def justifications(policy: Policy) -> Iterator[Flaw]:
    """A justification says in a sentence why, not in a word."""
    holders: list[tuple[Location, Statements | None]] = [
        *((("cameras", name), one.hours_justification) for name, one in policy.cameras.items()),
        *((("rules", index), one.hours_justification) for index, one in enumerate(policy.rules)),
    ]
    values = {"words": str(JUSTIFICATION_WORDS), "letters": str(JUSTIFICATION_LETTERS)}
    for at, given in holders:
        for language, written in (
            () if given is None else ((one, given.of(one)) for one in LANGUAGES)
        ):
            if not is_sentence(written, words=JUSTIFICATION_WORDS, letters=JUSTIFICATION_LETTERS):
                yield Flaw((*at, "hours_justification", language), "justification_short", values)


def _hours(minutes: int) -> str:
    """Hours, rounded up to a tenth, so that they are seen to be above a ceiling."""
    return f"{-(-minutes // 6) / 10:g}"


def _long_cameras(policy: Policy, ceiling: int) -> Iterator[_LongHours]:
    """The cameras that need a justification and have none.

    Args:
        policy: its cameras are filled in.
        ceiling: the most minutes a week without one.
    """
    cameras = list(policy.cameras.items())
    schedules = [_schedule(camera.hours) for _, camera in cameras]
    weeks = _weeks(schedules)
    holders = [
        _Holder(
            name=name,
            location=("cameras", name, "hours"),
            justified=camera.hours_justification is not None,
            minutes=_by_week(schedule, weeks),
            near=tuple(
                index
                for index, (other, known) in enumerate(cameras)
                if other != name and _at_one_place(camera, known)
            ),
        )
        for (name, camera), schedule in zip(cameras, schedules, strict=True)
    ]
    return _in_need(holders, ceiling)


def _long_rules(policy: Policy, ceiling: int) -> Iterator[_LongHours]:
    """The rules with a schedule that need a justification and have none.

    Args:
        policy: its cameras, rules and purposes are filled in.
        ceiling: the most minutes a week without one.
    """
    filmed = {name: _schedule(camera.hours) for name, camera in policy.cameras.items()}
    chosen = [_schedule(rule.schedule) for rule in policy.rules]
    weeks = _weeks([*filmed.values(), *chosen])
    open_ = {name: _by_week(schedule, weeks) for name, schedule in filmed.items()}
    holders = []
    for index, (rule, schedule) in enumerate(zip(policy.rules, chosen, strict=True)):
        cameras = [open_[name] for name in rule.cameras or filmed if name in open_]
        joined = {week: _joined(camera[week] for camera in cameras) for week in weeks}
        if rule.schedule is not None:
            own = _by_week(schedule, weeks)
            joined = {week: own[week] & minutes for week, minutes in joined.items()}
        holders.append(
            _Holder(
                name=rule.id,
                location=("rules", index, "schedule"),
                # A rule without a schedule is asked for a justification in any case.
                justified=rule.hours_justification is not None or rule.schedule is None,
                minutes=joined,
                near=tuple(
                    other
                    for other, known in enumerate(policy.rules)
                    if other != index
                    and (_of_one_purpose(policy, rule, known) or _of_one_kind(rule, known))
                ),
            )
        )
    return _in_need(holders, ceiling)


def _in_need(holders: Sequence[_Holder], ceiling: int) -> Iterator[_LongHours]:
    for one in holders:
        if one.justified:
            continue
        if _most(one) > ceiling:
            yield _LongHours(one.location, _most(one))
            continue
        # One that needs a justification by itself has one soon, or is shortened.
        near = [holders[index] for index in one.near]
        near = [other for other in near if other.justified or _most(other) <= ceiling]
        together = 0
        for week, minutes in one.minutes.items():
            justified = _joined(other.minutes[week] for other in near if other.justified)
            if minutes & ~justified:
                all_ = minutes | _joined(other.minutes[week] for other in near)
                together = max(together, all_.bit_count())
        if together > ceiling:
            adding = [other for other in near if _adds(other, one)]
            yield _LongHours(one.location, together, tuple(other.name for other in adding))


def _adds(other: _Holder, one: _Holder) -> bool:
    return any(other.minutes[week] & ~minutes for week, minutes in one.minutes.items())


def _most(one: _Holder) -> int:
    return max(map(int.bit_count, one.minutes.values()))


def _joined(minutes: Iterator[int]) -> int:
    found = 0
    for one in minutes:
        found |= one
    return found


def _schedule(hours: WeeklySchedule | None) -> Schedule | None:
    """The schedule; None if there is none, or if it contradicts itself."""
    try:
        # Wall-clock hours: any zone.
        return None if hours is None else hours.schedule(timezone.utc)
    except ValueError:
        return None  # `contradictions` reports it


def _weeks(schedules: Sequence[Schedule | None]) -> list[Week]:
    """A week without exceptions, and each that an exception of one of them changes."""
    weeks = [schedule.weeks_of_exceptions() for schedule in schedules if schedule is not None]
    return [None, *sorted(frozenset().union(*weeks))]


def _by_week(schedule: Schedule | None, weeks: Sequence[Week]) -> dict[Week, int]:
    if schedule is None:
        return dict.fromkeys(weeks, 0)
    changed = schedule.weeks_of_exceptions()
    ordinary = schedule.minutes_of_week()
    return {week: schedule.minutes_of_week(week) if week in changed else ordinary for week in weeks}


# --- what belongs together --------------------------------------------------------------------


def _at_one_place(one: PolicyCamera, other: PolicyCamera) -> bool:
    """Whether two cameras may film one place: one text, near, or a position is not given."""
    if _share_a_text(one.place, other.place):
        return True
    if one.position is None or other.position is None:
        return True
    seen = one.field_of_view.reach_m + other.field_of_view.reach_m
    return _distance_m(one.position, other.position) <= max(ONE_PLACE_M, seen)


def _distance_m(one: Position, other: Position) -> float:
    """The distance of two points that are near each other."""
    north = one.latitude - other.latitude
    east = (one.longitude - other.longitude + 180) % 360 - 180
    east *= math.cos(math.radians((one.latitude + other.latitude) / 2))
    return math.hypot(north, east) * _METRES_OF_A_DEGREE


def _of_one_purpose(policy: Policy, one: RuleModel, other: RuleModel) -> bool:
    """Whether two rules serve one purpose, by its name or its text, or look for one list."""
    if one.purpose == other.purpose:
        return True
    lists = (getattr(one, "list", None), getattr(other, "list", None))
    if one.type == other.type and lists[0] is not None and lists[0] == lists[1]:
        return True
    purposes = [policy.purposes.get(rule.purpose) for rule in (one, other)]
    texts = [purpose.text for purpose in purposes if purpose is not None]
    return len(texts) == 2 and _share_a_text(*texts)


def _of_one_kind(one: RuleModel, other: RuleModel) -> bool:
    """Whether two rules do the same on one camera, whatever their purposes are called."""
    if one.type != other.type:
        return False
    # A rule that names no cameras is in force on all.
    return not one.cameras or not other.cameras or bool(set(one.cameras) & set(other.cameras))


def _share_a_text(one: Texts, other: Texts) -> bool:
    return any(folded(one.of(each)) == folded(other.of(each)) for each in LANGUAGES)
