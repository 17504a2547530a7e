"""The rules of a policy: what makes a hit, on which cameras, at which hours."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from edge.domain.geometry import Direction, Line
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Rule, RuleKind
from edge.domain.wheel import wheel_of_zone
from edge.formats.identifiers import Id
from edge.formats.strict import Strict
from edge.policy.fields import Fraction, Statements, WeeklySchedule
from edge.policy.limits import HIT_SHARES

MIN_POSTERIOR_FLOOR = 0.5
"""The lowest `min_posterior`: a read must be more likely right than wrong."""


class LineModel(Strict):
    """A line across the picture, in fractions of its width and height, origin top left."""

    from_: tuple[Fraction, Fraction] = Field(alias="from")
    to: tuple[Fraction, Fraction]

    def line(self) -> Line:
        """The line as a domain value, which trajectories are compared with.

        Raises:
            ValueError: both ends are in one place.
        """
        return Line(self.from_, self.to)


class _RuleModel(Strict):
    id: Id
    purpose: Id = Field(description="One of the purposes above.")
    authority: Id = Field(description="Who may open this rule's hits.")
    reveal: Literal["plate", "vehicle", "driver", "occupants"] = Field(
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
    hours_justification: Statements | None = Field(
        default=None,
        description="Why the rule must be in force for so long, for the public notice. Required "
        "without a schedule, and above the hours per week of the legal regime.",
    )
    max_hit_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="The rule stops itself if a larger share of the vehicles that it judges are "
        "hits. Left out: 0.02 (hotlist), 0.5 (permit_zone) or 0.1 (wrong_way). At most 0.1, 0.9 "
        "or 0.5.",
    )


class HotlistRule(_RuleModel):
    """A vehicle on an alert list."""

    type: Literal["hotlist"]
    list: Id = Field(description="A list of kind alert.")


class PermitZoneRule(_RuleModel):
    """A vehicle that is on no exempt list, in a zone that needs a permit."""

    type: Literal["permit_zone"]
    list: Id = Field(description="A list of kind exempt.")


class WrongWayRule(_RuleModel):
    """A vehicle that crosses a line against the allowed direction."""

    type: Literal["wrong_way"]
    line: LineModel
    allowed: Literal["left_to_right", "right_to_left"] = Field(
        description="Over the line, as seen looking from its `from` to its `to`."
    )


RuleModel = Annotated[HotlistRule | PermitZoneRule | WrongWayRule, Field(discriminator="type")]


def hit_share(rule: HotlistRule | PermitZoneRule | WrongWayRule) -> float:
    """The share of hits at which the rule stops itself, 0 to 1."""
    return HIT_SHARES[rule.type].usual if rule.max_hit_share is None else rule.max_hit_share


def domain_rule(rule: HotlistRule | PermitZoneRule | WrongWayRule, zone: ZoneInfo) -> Rule:
    """The rule as a domain value.

    Raises:
        ValueError: its schedule or its line contradicts itself.
    """
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
        max_hit_share=hit_share(rule),
        usual_wheel=wheel_of_zone(zone.key),
    )
