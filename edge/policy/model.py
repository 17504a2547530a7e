"""`policy.yaml`: everything that touches people's rights, and nothing technical."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.domain.geometry import Direction, Line
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Rule, RuleKind
from edge.domain.schedule import DAYS, DatedHours, Dates, Hours, Schedule
from edge.policy.document import ID_PATTERN, Location, nearest

MIN_POSTERIOR_FLOOR = 0.5
"""No policy can let a rule fire on a read that is more likely wrong than right."""

RETENTION_CEILING_HOURS = 30 * 24
"""Article 5, section 4 of the Belgian camera act of 21 March 2007: at most one month."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Brussels") from None
    return name


def _hours(text: str) -> str:
    Hours.parse(text)
    return text


def _dates(text: str) -> str:
    Dates.parse(text)
    return text


def _day(text: str) -> str:
    if ".." in text:
        raise ValueError("one day, written as 2026-11-30")
    return _dates(text)


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Sentence = Annotated[str, Field(min_length=1, max_length=2000)]
FilePath = Annotated[str, Field(min_length=1, max_length=1000)]
HoursText = Annotated[str, AfterValidator(_hours), Field(examples=["08:15-08:45"])]
DatesText = Annotated[
    str, AfterValidator(_dates), Field(examples=["2026-12-25", "2026-12-24..2027-01-02"])
]
DayText = Annotated[str, AfterValidator(_day), Field(examples=["2026-11-30"])]
Fraction = Annotated[float, Field(ge=0, le=1)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Language = Literal["nl", "fr", "de", "en"]


class Strict(BaseModel):
    """A part of a file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Purpose(Strict):
    """What the processing is for. Every rule serves exactly one purpose."""

    text: dict[Language, Sentence] = Field(
        min_length=1, description="The purpose in plain words, by language."
    )
    retention_hours: int = Field(
        ge=1,
        le=RETENTION_CEILING_HOURS,
        description="How long an undelivered hit may stay on the box.",
    )


class Authority(Strict):
    """Who may open the hits of a rule."""

    name: Sentence
    keys: FilePath = Field(
        description="The authority's public keys, relative to the site folder; "
        "made by `edge-anpr keys new`."
    )
    receipts: Literal["required", "none"] = Field(
        default="required",
        description="Whether a hit stays on the box until the authority's signed receipt is in.",
    )


class PlateList(Strict):
    """A list of plates beside the policy."""

    kind: Literal["alert", "exempt"] = Field(
        description="alert: vehicles looked for (hotlist); exempt: vehicles let through "
        "(permit_zone)."
    )
    file: FilePath = Field(description="The CSV file, relative to the site folder.")
    max_entries: int = Field(ge=1, le=100_000, description="A longer list is refused whole.")


class PolicyCamera(Strict):
    """A camera that the policy allows."""

    place: Sentence = Field(description="Where it stands and looks, in words.")


class DatedException(Strict):
    """The hours of one date instead of those of week and holidays."""

    date: DayText
    hours: tuple[HoursText, ...] = Field(description="Empty: not in force on this date.")


class WeeklySchedule(Strict):
    """When a rule is in force, on the wall clocks of the policy's time zone."""

    weekly: dict[Weekday, tuple[HoursText, ...]] = Field(
        default={}, description="Hours by day. 22:00-06:00 belongs to the day it begins on."
    )
    holidays: tuple[DatesText, ...] = Field(
        default=(), description="Days or ranges on which the weekly hours do not begin."
    )
    exceptions: tuple[DatedException, ...] = Field(
        default=(), description="Dates with hours of their own; they stand above holidays."
    )

    def schedule(self, zone: ZoneInfo) -> Schedule:
        """The value that judges moments.

        Raises:
            ScheduleError: hours overlap, or a date has two exceptions.
        """
        by_day = dict(self.weekly)
        return Schedule(
            zone=zone,
            weekly=tuple(tuple(Hours.parse(text) for text in _of(by_day, day)) for day in DAYS),
            holidays=tuple(Dates.parse(text) for text in self.holidays),
            exceptions=tuple(
                DatedHours(
                    Dates.parse(exception.date).first,
                    tuple(Hours.parse(text) for text in exception.hours),
                )
                for exception in self.exceptions
            ),
        )


def _of(weekly: dict[Weekday, tuple[HoursText, ...]], day: str) -> tuple[HoursText, ...]:
    return next((hours for name, hours in weekly.items() if name == day), ())


class LineModel(Strict):
    """A line across the picture, in fractions of its width and height, origin top left."""

    from_: tuple[Fraction, Fraction] = Field(alias="from")
    to: tuple[Fraction, Fraction]

    def line(self) -> Line:
        """The value that trajectories are held against.

        Raises:
            ValueError: both ends are in one place.
        """
        return Line(self.from_, self.to)


class _RuleModel(Strict):
    id: Id
    purpose: Id = Field(description="One of the purposes above.")
    authority: Id = Field(description="Who may open this rule's hits.")
    reveal: Literal["plate", "vehicle", "occupants"] = Field(
        description="How much of the picture a hit shows."
    )
    cameras: tuple[Id, ...] | None = Field(
        default=None, min_length=1, description="Left out: all cameras of the policy."
    )
    min_posterior: float = Field(
        ge=MIN_POSTERIOR_FLOOR, le=1, description="How certain the read must be to make a hit."
    )
    min_margin: float = Field(
        gt=0, le=1, description="By how much the read must lead the next most probable plate."
    )
    human_check: bool = Field(default=True, description="Whether a person must confirm each hit.")
    schedule: WeeklySchedule | None = Field(default=None, description="Left out: always.")


class HotlistRule(_RuleModel):
    """A vehicle on an alert list."""

    type: Literal["hotlist"]
    list: Id = Field(description="A list of kind alert.")


class PermitZoneRule(_RuleModel):
    """A vehicle that is on no exempt list, in a zone that needs a permit."""

    type: Literal["permit_zone"]
    list: Id = Field(description="A list of kind exempt.")


class WrongWayRule(_RuleModel):
    """A vehicle that goes over a line against the allowed direction."""

    type: Literal["wrong_way"]
    line: LineModel
    allowed: Literal["left_to_right", "right_to_left"] = Field(
        description="Over the line, as seen looking from its `from` to its `to`."
    )


RuleModel = Annotated[HotlistRule | PermitZoneRule | WrongWayRule, Field(discriminator="type")]


class Policy(Strict):
    """The policy of one site: purposes, authorities, lists, cameras and rules."""

    schema_: Literal["edge-anpr/policy/1"] = Field(alias="schema")
    site: Id
    timezone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Brussels"
    epoch_minutes: int = Field(
        default=15, ge=1, le=24 * 60, description="How long one salt lives: 1 minute to a day."
    )
    purposes: dict[Id, Purpose] = Field(min_length=1)
    authorities: dict[Id, Authority] = Field(min_length=1)
    lists: dict[Id, PlateList] = Field(default={})
    cameras: dict[Id, PolicyCamera] = Field(min_length=1)
    rules: tuple[RuleModel, ...] = Field(
        min_length=1, max_length=64, description="A policy without rules is refused."
    )

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def domain_rules(self) -> tuple[Rule, ...]:
        """The rules as the judge knows them; `contradictions` must be empty.

        Raises:
            ValueError: a schedule or a line contradicts itself.
        """
        return tuple(_domain_rule(rule, self.zone) for rule in self.rules)

    def sha256(self) -> str:
        """Hex digest of the policy's canonical JSON (RFC 8785), defaults written out.

        Comments, order of keys and layout of the YAML file make no difference.
        """
        return hashlib.sha256(
            rfc8785.dumps(self.model_dump(mode="json", by_alias=True))
        ).hexdigest()


def _domain_rule(rule: HotlistRule | PermitZoneRule | WrongWayRule, zone: ZoneInfo) -> Rule:
    return Rule(
        id=rule.id,
        kind=RuleKind(rule.type),
        purpose=rule.purpose,
        authority=rule.authority,
        reveal=RevealLevel(rule.reveal),
        min_posterior=rule.min_posterior,
        min_margin=rule.min_margin,
        human_check=rule.human_check,
        cameras=frozenset(rule.cameras or ()),
        list_id=None if isinstance(rule, WrongWayRule) else rule.list,
        schedule=rule.schedule.schedule(zone) if rule.schedule is not None else None,
        line=rule.line.line() if isinstance(rule, WrongWayRule) else None,
        allowed=Direction(rule.allowed) if isinstance(rule, WrongWayRule) else None,
    )


def contradictions(policy: Policy) -> Iterator[tuple[Location, str]]:
    """What each part allows but the whole does not: a location and one line for each."""
    seen: set[str] = set()
    for index, rule in enumerate(policy.rules):
        at: Location = ("rules", index)
        if rule.id in seen:
            yield (*at, "id"), "another rule has this id; give each its own"
        seen.add(rule.id)
        yield from unknown_name((*at, "purpose"), rule.purpose, policy.purposes, "purpose")
        yield from unknown_name((*at, "authority"), rule.authority, policy.authorities, "authority")
        for position, camera in enumerate(rule.cameras or ()):
            yield from unknown_name((*at, "cameras", position), camera, policy.cameras, "camera")
        if not isinstance(rule, WrongWayRule):
            yield from _list_contradictions(at, rule, policy)
        else:
            try:
                rule.line.line()
            except ValueError as error:
                yield (*at, "line"), str(error)
        if rule.schedule is not None:
            yield from _schedule_contradictions((*at, "schedule"), rule.schedule, policy.zone)


def _list_contradictions(
    at: Location, rule: HotlistRule | PermitZoneRule, policy: Policy
) -> Iterator[tuple[Location, str]]:
    needed = "alert" if isinstance(rule, HotlistRule) else "exempt"
    yield from unknown_name((*at, "list"), rule.list, policy.lists, "list")
    found = policy.lists.get(rule.list)
    if found is not None and found.kind != needed:
        yield (
            (*at, "list"),
            f"a {rule.type} rule needs a list of kind {needed}, and this one is {found.kind}",
        )


def _schedule_contradictions(
    at: Location, schedule: WeeklySchedule, zone: ZoneInfo
) -> Iterator[tuple[Location, str]]:
    if not any(schedule.weekly.values()) and not any(e.hours for e in schedule.exceptions):
        yield at, "no hours at all, so the rule is never in force; give weekly hours"
    try:
        schedule.schedule(zone)
    except ValueError as error:
        yield at, str(error)


def unknown_name(
    at: Location, name: str, known: Mapping[str, object], what: str
) -> Iterator[tuple[Location, str]]:
    """A complaint about a name that refers to nothing; none if it is known."""
    if name in known:
        return
    near = nearest(name, known)
    if near is not None:
        yield at, f"no {what} has this name; did you mean {near!r}?"
    elif known:
        yield at, f"no {what} has this name; there are: {', '.join(sorted(known))}"
    else:
        yield at, f"no {what} has this name, and the policy defines none; add it"
