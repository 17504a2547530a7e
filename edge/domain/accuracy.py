"""What detections and readings are worth against labels: matching, figures, reliability."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edge.domain.imaging import Box, Detection
from edge.domain.intervals import Interval, wilson

SAME_BOX = 0.5
"""A detection is of a labelled plate from this intersection over union on."""

BINS = 10
"""Bins of equal width, 0 to 1, of the reliability diagram and the calibration error."""

WIDTH_CLASSES: tuple[tuple[str, Callable[[float], bool]], ...] = (
    ("<20", lambda width: width < 20),
    ("20-40", lambda width: 20 <= width < 40),
    ("40-60", lambda width: 40 <= width < 60),
    ("60-100", lambda width: 60 <= width < 100),
    ("100-200", lambda width: 100 <= width <= 200),
    (">200", lambda width: width > 200),
)
"""Classes of a plate's labelled width, in pixels of the photo as it is stored."""


@dataclass(frozen=True, slots=True)
class PlateOutcome:
    """What became of one labelled plate. It holds no text.

    `width` is the labelled box's, in pixels of the photo. `exact` and `edits` are of the
    detection that found the plate; `edits` is at most `length`, and `length` where nothing was
    read. `posterior` is what the reader said of that reading's text, 0 where there is none.
    `exact_given_box` is of a reading on the labelled box itself.
    """

    country: str
    width: float
    length: int
    found: bool
    exact: bool
    edits: int
    posterior: float
    exact_given_box: bool


@dataclass(frozen=True, slots=True)
class ScoredRead:
    """One text that was read: what the reader said of it, 0 to 1, and whether it was right."""

    posterior: float
    exact: bool


def reads_of(outcomes: Iterable[PlateOutcome]) -> list[ScoredRead]:
    """The texts read on found plates: of a false positive there is no truth to compare with."""
    return [ScoredRead(o.posterior, o.exact) for o in outcomes if o.posterior > 0]


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of some labelled plates, each with its 95 % interval.

    `characters` is over the found plates alone: 1 less the edits from text read to label, over
    the label's length. Characters of one plate are not independent, so its interval is somewhat
    too narrow. None where no plate was found.
    """

    plates: int
    recall: Interval
    exact: Interval
    exact_given_box: Interval
    characters: Interval | None


def match(
    labelled: Sequence[Box], detections: Sequence[Detection], least: float = SAME_BOX
) -> tuple[int | None, ...]:
    """For each labelled box the index of the detection that found it, or None.

    One to one: detections in falling order of score take, of the boxes not yet taken, the one
    with the greatest IoU, if that is at least `least` (as in the PASCAL VOC benchmark). What
    takes none is a false positive, also a second detection of the same plate.
    """
    found: list[int | None] = [None] * len(labelled)
    for index in sorted(range(len(detections)), key=lambda i: -detections[i].score):
        overlaps = [
            (labelled[place].iou(detections[index].box), place)
            for place, taken in enumerate(found)
            if taken is None
        ]
        overlap, place = max(overlaps, key=lambda one: one[0], default=(0.0, 0))
        if overlap >= least:
            found[place] = index
    return tuple(found)


def shares(outcomes: Sequence[PlateOutcome]) -> Shares:
    """The figures of some labelled plates, at least one.

    Raises:
        ValueError: there is none.
    """
    plates = len(outcomes)
    found = [one for one in outcomes if one.found]
    characters = sum(one.length for one in found)
    right = characters - sum(one.edits for one in found)
    return Shares(
        plates=plates,
        recall=wilson(len(found), plates),
        exact=wilson(sum(one.exact for one in outcomes), plates),
        exact_given_box=wilson(sum(one.exact_given_box for one in outcomes), plates),
        characters=wilson(right, characters) if characters else None,
    )


def by_country(outcomes: Iterable[PlateOutcome]) -> dict[str, Shares]:
    """The figures of each country, in alphabetical order."""
    groups: dict[str, list[PlateOutcome]] = {}
    for one in outcomes:
        groups.setdefault(one.country, []).append(one)
    return {country: shares(groups[country]) for country in sorted(groups)}


def by_width(outcomes: Sequence[PlateOutcome]) -> dict[str, Shares]:
    """The figures of each class of width that holds a plate, narrow ones first."""
    groups = {name: [one for one in outcomes if holds(one.width)] for name, holds in WIDTH_CLASSES}
    return {name: shares(group) for name, group in groups.items() if group}


# --- calibration ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bin:
    """Readings whose posterior lies in [low, high): how many, what was said, what was right."""

    low: float
    high: float
    count: int
    said: float
    right: Interval


def reliability(reads: Sequence[ScoredRead], bins: int = BINS) -> tuple[Bin, ...]:
    """The bins that hold a reading; the last includes 1."""
    groups: dict[int, list[ScoredRead]] = {}
    for one in reads:
        groups.setdefault(min(int(one.posterior * bins), bins - 1), []).append(one)
    return tuple(
        Bin(
            low=place / bins,
            high=(place + 1) / bins,
            count=len(group),
            said=sum(one.posterior for one in group) / len(group),
            right=wilson(sum(one.exact for one in group), len(group)),
        )
        for place, group in sorted(groups.items())
    )


def calibration_error(reads: Sequence[ScoredRead], bins: int = BINS) -> float | None:
    """Expected calibration error, 0 to 1: the mean gap between said and right over the bins.

    Each bin counts by its number of readings (Naeini et al., Obtaining well calibrated
    probabilities using Bayesian binning, 2015). None without a reading.
    """
    if not reads:
        return None
    gaps = (one.count * abs(one.said - one.right.share) for one in reliability(reads, bins))
    return sum(gaps) / len(reads)


@dataclass(frozen=True, slots=True)
class Kept:
    """Readings with at least this posterior: their share of all, and how many are exact.

    `exact` is None where none is left.
    """

    threshold: float
    share: float
    exact: Interval | None


def kept_at(reads: Sequence[ScoredRead], thresholds: Iterable[float]) -> tuple[Kept, ...]:
    """What a posterior threshold keeps, and how right it is. Empty without a reading."""
    if not reads:
        return ()
    kept = []
    for threshold in thresholds:
        left = [one for one in reads if one.posterior >= threshold]
        exact = wilson(sum(one.exact for one in left), len(left)) if left else None
        kept.append(Kept(threshold, len(left) / len(reads), exact))
    return tuple(kept)
