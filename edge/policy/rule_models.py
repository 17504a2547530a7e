"""The rules of a policy: what makes a hit, on which cameras, at which hours."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from edge.domain.geometry import Direction, Line
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Rule, RuleKind
from edge.formats.identifiers import Id
from edge.formats.strict import Strict
from edge.policy.fields import Fraction, WeeklySchedule

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
    """A vehicle that crosses a line against the allowed direction."""

    type: Literal["wrong_way"]
    line: LineModel
    allowed: Literal["left_to_right", "right_to_left"] = Field(
        description="Over the line, as seen looking from its `from` to its `to`."
    )


RuleModel = Annotated[HotlistRule | PermitZoneRule | WrongWayRule, Field(discriminator="type")]


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
    )
