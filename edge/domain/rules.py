"""Rules and verdicts: does a vehicle break a rule, or is the read too uncertain to say?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from edge.domain.geometry import Direction, Line, crossing_direction
from edge.domain.pseudonym import Candidate, ListedPeriod, PlateToken
from edge.domain.reveal import RevealLevel
from edge.domain.schedule import Schedule
from edge.domain.vehicles import TrackPoint
from edge.domain.wheel import WheelSide

MIN_AMBIGUOUS_PROBABILITY = 0.05
"""A listed candidate below this probability does not make the verdict ambiguous."""

ListTokens = Mapping[PlateToken, tuple[ListedPeriod, ...]]
"""A list during one epoch: each plate's token with the periods of its entries."""


class RuleKind(Enum):
    """The condition that a rule checks."""

    HOTLIST = "hotlist"
    PERMIT_ZONE = "permit_zone"
    WRONG_WAY = "wrong_way"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy, with one purpose, one authority and one reveal level.

    Attributes:
        id: id of the rule in the policy.
        kind: the condition that it checks.
        purpose: id of the purpose.
        authority: id of the authority that receives the hits.
        reveal: how much of the picture a hit reveals.
        min_posterior: smallest probability of the first candidate, 0 to 1.
        min_margin: smallest lead of the first candidate over the next, 0 to 1.
        human_check: whether a person must check each hit.
        cameras: names of its cameras; empty means all cameras of the site.
        list_id: id of its list, if it has one.
        schedule: when it is in force; None means always.
        line: the line of a `wrong_way` rule.
        allowed: the direction that a `wrong_way` rule allows over its line.
        max_hit_share: the largest plausible share of hits among judged vehicles, 0 to 1.
        usual_wheel: the side of the steering wheel that is usual where the cameras stand; None if
            it is not known, and then no driver is shown.

    Raises:
        ValueError: a `wrong_way` rule without line or allowed direction.
    """

    id: str
    kind: RuleKind
    purpose: str
    authority: str
    reveal: RevealLevel
    min_posterior: float
    min_margin: float
    human_check: bool = True
    cameras: frozenset[str] = frozenset()
    list_id: str | None = None
    schedule: Schedule | None = None
    line: Line | None = None
    allowed: Direction | None = None
    max_hit_share: float = 1.0
    usual_wheel: WheelSide | None = None

    def __post_init__(self) -> None:
        if self.kind is RuleKind.WRONG_WAY and (self.line is None or self.allowed is None):
            raise ValueError("a wrong_way rule needs a line and an allowed direction")

    @property
    def needs_movement(self) -> bool:
        """Whether a picture of one moment cannot show the offence."""
        return self.kind is RuleKind.WRONG_WAY

    def is_in_force(self, camera: str, moment: datetime) -> bool:
        """Whether the rule applies at a camera at a moment, which must be aware."""
        return (not self.cameras or camera in self.cameras) and (
            self.schedule is None or self.schedule.is_active(moment)
        )


@dataclass(frozen=True, slots=True)
class Sighting:
    """A vehicle at the moment of judgement.

    Attributes:
        camera: name of the camera.
        observed_at: time of the observation, aware.
        candidates: tokens, most probable first; empty when nothing was read.
        trajectory: positions of its plate, boxes in pixels, oldest first.
        width: picture width in pixels.
        height: picture height in pixels.
        twins: tokens of the plates that the first candidate may be instead, because readers confuse
            their characters in every picture (`PlateConsensus.twins`).
    """

    camera: str
    observed_at: datetime
    candidates: tuple[Candidate, ...]
    trajectory: tuple[TrackPoint, ...]
    width: int
    height: int
    twins: frozenset[PlateToken] = frozenset()


@dataclass(frozen=True, slots=True)
class NoOffence:
    """Verdict: nothing to report under this rule."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Verdict: the rule may apply but the read is too uncertain. No hit; it is only counted."""


@dataclass(frozen=True, slots=True)
class Offence:
    """Verdict: the rule applies to the sighting's first candidate.

    Attributes:
        rule: the rule.
        candidate: the first candidate.
        posterior: its probability, 0 to 1.
        margin: its lead over the next candidate, 0 to 1.
        entries: the valid entries of a `hotlist` rule's list with the first candidate's plate, in
            the order of the list; none for the other kinds of rule.
    """

    rule: Rule
    candidate: Candidate
    posterior: float
    margin: float
    entries: tuple[ListedPeriod, ...] = field(default=(), repr=False)


Verdict = NoOffence | Ambiguous | Offence


def judge(rule: Rule, sighting: Sighting, listed: ListTokens) -> Verdict:
    """The verdict of one rule on one vehicle.

    A hit needs a first candidate that reaches `min_posterior` and leads the next one by
    `min_margin`. Without that, and if the outcome may depend on it, the verdict is `Ambiguous`,
    never `Offence`.

    - `hotlist`: the first candidate is listed. Probabilities of several candidates are never
      added, even if all of them are listed. If only a twin of it is listed: `Ambiguous`.
    - `permit_zone`: neither the first candidate, nor any other within the margin, nor any of its
      twins is exempt. While no entry of the list is valid, every verdict is `Ambiguous`: an empty
      list would make an offender of everybody.
    - `wrong_way`: the vehicle crossed the line against the allowed direction.

    Args:
        rule: the rule with its thresholds.
        sighting: the vehicle.
        listed: the tokens of the rule's list; empty for `wrong_way`.
    """
    if not rule.is_in_force(sighting.camera, sighting.observed_at):
        return NoOffence()
    if rule.kind is RuleKind.HOTLIST:
        return _judge_hotlist(rule, sighting, listed)
    if rule.kind is RuleKind.PERMIT_ZONE:
        return _judge_permit_zone(rule, sighting, listed)
    return _judge_wrong_way(rule, sighting)


def _judge_hotlist(rule: Rule, sighting: Sighting, listed: ListTokens) -> Verdict:
    """Offence if the first candidate is listed and certain."""
    listed_candidates = [
        candidate
        for candidate in sighting.candidates
        if _valid_entry(candidate, sighting, listed) is not None
    ]
    if not listed_candidates:
        return Ambiguous() if _has_listed_twin(sighting, listed) else NoOffence()
    first = sighting.candidates[0]
    entries = tuple(_valid_periods(first.token, sighting, listed))
    if entries and _is_certain(rule, sighting):
        return _offence(rule, sighting, entries)
    if _has_listed_twin(sighting, listed) or any(
        candidate.probability >= MIN_AMBIGUOUS_PROBABILITY for candidate in listed_candidates
    ):
        return Ambiguous()
    return NoOffence()


def _judge_permit_zone(rule: Rule, sighting: Sighting, listed: ListTokens) -> Verdict:
    """Offence if the first candidate is certain and neither it nor a likely other is exempt."""
    if not sighting.candidates or not _any_valid(sighting, listed):
        return Ambiguous()
    first = sighting.candidates[0]
    if _valid_entry(first, sighting, listed) is not None:
        return NoOffence()
    may_be_exempt = _has_listed_twin(sighting, listed) or any(
        _valid_entry(candidate, sighting, listed) is not None
        for candidate in sighting.candidates
        if candidate.probability >= first.probability - rule.min_margin
    )
    if may_be_exempt or not _is_certain(rule, sighting):
        return Ambiguous()
    return _offence(rule, sighting)


def _judge_wrong_way(rule: Rule, sighting: Sighting) -> Verdict:
    """Offence if a certain first candidate crossed the line against the allowed direction."""
    if rule.line is None:  # for the type checker: `Rule` refuses this
        return NoOffence()
    direction = crossing_direction(sighting.trajectory, rule.line, sighting.width, sighting.height)
    if direction is None or direction is rule.allowed:
        return NoOffence()
    return _offence(rule, sighting) if _is_certain(rule, sighting) else Ambiguous()


def _valid_entry(
    candidate: Candidate, sighting: Sighting, listed: ListTokens
) -> ListedPeriod | None:
    """The candidate's list entry that is valid at the sighting's moment, or None."""
    return _valid_period(candidate.token, sighting, listed)


def _valid_period(token: PlateToken, sighting: Sighting, listed: ListTokens) -> ListedPeriod | None:
    """The token's first list entry that is valid at the sighting's moment, or None."""
    return next(_valid_periods(token, sighting, listed), None)


def _valid_periods(
    token: PlateToken, sighting: Sighting, listed: ListTokens
) -> Iterator[ListedPeriod]:
    """The token's list entries that are valid at the sighting's moment."""
    return (one for one in listed.get(token, ()) if one.covers(sighting.observed_at))


def _any_valid(sighting: Sighting, listed: ListTokens) -> bool:
    """Whether the list has any entry that is valid at the sighting's moment."""
    return any(
        period.covers(sighting.observed_at) for periods in listed.values() for period in periods
    )


def _has_listed_twin(sighting: Sighting, listed: ListTokens) -> bool:
    """Whether a plate that the first candidate may be instead has a valid list entry."""
    return any(_valid_period(twin, sighting, listed) is not None for twin in sighting.twins)


def _margin(sighting: Sighting) -> float:
    """Lead of the first candidate over the next one, 0 to 1."""
    first, *others = sighting.candidates
    return first.probability - (others[0].probability if others else 0.0)


def _is_certain(rule: Rule, sighting: Sighting) -> bool:
    """Whether the first candidate reaches both thresholds of the rule."""
    return (
        bool(sighting.candidates)
        and sighting.candidates[0].probability >= rule.min_posterior
        and _margin(sighting) >= rule.min_margin
    )


def _offence(rule: Rule, sighting: Sighting, entries: tuple[ListedPeriod, ...] = ()) -> Offence:
    """The offence of the first candidate."""
    first = sighting.candidates[0]
    return Offence(rule, first, first.probability, _margin(sighting), entries)
