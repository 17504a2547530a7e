"""Rules and verdicts: when is a vehicle an offender, and when do we not know."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from edge.domain.pseudonym import Candidate
from edge.domain.reveal import RevealLevel
from edge.domain.vehicles import TrackPoint


class RuleKind(Enum):
    HOTLIST = "hotlist"
    PERMIT_ZONE = "permit_zone"
    WRONG_WAY = "wrong_way"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy, bound to one purpose, one authority and one reveal level.

    `cameras` empty means all cameras of the site.
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
