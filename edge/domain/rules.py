"""Rules and verdicts: when is a vehicle an offender, and when do we not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from edge.domain.geometry import Direction, Line, crossing_direction
from edge.domain.pseudonym import Candidate, ListedPeriod, PlateToken
from edge.domain.reveal import RevealLevel
from edge.domain.schedule import Schedule
from edge.domain.vehicles import TrackPoint

NEGLIGIBLE = 0.05
"""A candidate less probable than this does not make a read ambiguous."""

Listed = Mapping[PlateToken, tuple[ListedPeriod, ...]]
"""A list as the rule sees it: the tokens of one epoch, and when each is valid."""


class RuleKind(Enum):
    """Which question a rule asks of a vehicle."""

    HOTLIST = "hotlist"
    PERMIT_ZONE = "permit_zone"
    WRONG_WAY = "wrong_way"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy, bound to one purpose, one authority and one reveal level.

    `cameras` empty means all cameras of the site; no `schedule` means always. A `wrong_way`
    rule has a `line` and the `allowed` direction over it.

    Raises:
        ValueError: a `wrong_way` rule without line or direction.
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

    def __post_init__(self) -> None:
        if self.kind is RuleKind.WRONG_WAY and (self.line is None or self.allowed is None):
            raise ValueError("a wrong_way rule needs a line and the allowed direction")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A vehicle at judgement: candidates (tokens, most probable first), when, and its path.

    `trajectory` boxes are in pixels of a picture of `width` x `height`.
    """

    camera: str
    observed_at: datetime
    candidates: tuple[Candidate, ...]
    trajectory: tuple[TrackPoint, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class NoOffence:
    """Nothing to report under this rule."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The rule might have fired but the read is too uncertain: no hit, a counter moves."""


@dataclass(frozen=True, slots=True)
class Offence:
    """The rule fired for the sighting's first candidate."""

    rule: Rule
    candidate: Candidate
    posterior: float
    margin: float
    entry_id: str | None = field(default=None, repr=False)


Verdict = NoOffence | Ambiguous | Offence


def judge(rule: Rule, sighting: Sighting, listed: Listed) -> Verdict:
    """One rule's verdict on one vehicle.

    Args:
        rule: the rule, with its thresholds.
        sighting: the vehicle; candidates most probable first, none if nothing could be read.
        listed: the rule's list; empty for `wrong_way`.

    A hit always takes a first candidate that reaches `min_posterior` and leads the next one
    by `min_margin`. When it does not, and the outcome may depend on it, the verdict is
    `Ambiguous` and never `Offence`.

    - `hotlist`: the first candidate is listed. Probabilities of several candidates are never
      added up, even if all of them are listed.
    - `permit_zone`: the first candidate is not exempt, nor is any other within the margin.
    - `wrong_way`: the line was crossed against the allowed direction.
    """
    if rule.cameras and sighting.camera not in rule.cameras:
        return NoOffence()
    if rule.schedule is not None and not rule.schedule.is_active(sighting.observed_at):
        return NoOffence()
    if rule.kind is RuleKind.HOTLIST:
        return _judge_hotlist(rule, sighting, listed)
    if rule.kind is RuleKind.PERMIT_ZONE:
        return _judge_permit_zone(rule, sighting, listed)
    return _judge_wrong_way(rule, sighting)


def _judge_hotlist(rule: Rule, sighting: Sighting, listed: Listed) -> Verdict:
    wanted = [
        candidate
        for candidate in sighting.candidates
        if _valid_entry(candidate, sighting, listed) is not None
    ]
    if not wanted:
        return NoOffence()
    first = sighting.candidates[0]
    entry = _valid_entry(first, sighting, listed)
    if entry is not None and _certain(rule, sighting):
        return _offence(rule, sighting, entry.entry_id)
    if any(candidate.probability >= NEGLIGIBLE for candidate in wanted):
        return Ambiguous()
    return NoOffence()


def _judge_permit_zone(rule: Rule, sighting: Sighting, listed: Listed) -> Verdict:
    if not sighting.candidates:
        return Ambiguous()
    first = sighting.candidates[0]
    if _valid_entry(first, sighting, listed) is not None:
        return NoOffence()
    perhaps_exempt = any(
        _valid_entry(candidate, sighting, listed) is not None
        for candidate in sighting.candidates
        if candidate.probability >= first.probability - rule.min_margin
    )
    if perhaps_exempt or not _certain(rule, sighting):
        return Ambiguous()
    return _offence(rule, sighting)


def _judge_wrong_way(rule: Rule, sighting: Sighting) -> Verdict:
    if rule.line is None:  # refused when the rule was made; said here for the type checker
        return NoOffence()
    direction = crossing_direction(sighting.trajectory, rule.line, sighting.width, sighting.height)
    if direction is None or direction is rule.allowed:
        return NoOffence()
    return _offence(rule, sighting) if _certain(rule, sighting) else Ambiguous()


def _valid_entry(candidate: Candidate, sighting: Sighting, listed: Listed) -> ListedPeriod | None:
    for period in listed.get(candidate.token, ()):
        if period.covers(sighting.observed_at):
            return period
    return None


def _margin(sighting: Sighting) -> float:
    first, *others = sighting.candidates
    return first.probability - (others[0].probability if others else 0.0)


def _certain(rule: Rule, sighting: Sighting) -> bool:
    return (
        bool(sighting.candidates)
        and sighting.candidates[0].probability >= rule.min_posterior
        and _margin(sighting) >= rule.min_margin
    )


def _offence(rule: Rule, sighting: Sighting, entry_id: str | None = None) -> Offence:
    first = sighting.candidates[0]
    return Offence(rule, first, first.probability, _margin(sighting), entry_id)
