"""Accuracy of detections and readings against labels: matching, figures, calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.domain.imaging import Box, Detection
from edge.domain.intervals import Interval, wilson

MIN_IOU = 0.5
"""A detection matches a labelled plate from this intersection over union (IoU) on."""

BIN_COUNT = 10
"""Number of equal-width bins, 0 to 1, in the reliability diagram and the calibration error."""

WIDTH_CLASSES: tuple[tuple[str, Callable[[float], bool]], ...] = (
    ("<20", lambda width: width < 20),
    ("20-40", lambda width: 20 <= width < 40),
    ("40-60", lambda width: 40 <= width < 60),
    ("60-100", lambda width: 60 <= width < 100),
    ("100-200", lambda width: 100 <= width <= 200),
    (">200", lambda width: width > 200),
)
"""Classes of the labelled plate width, in pixels of the photo as stored."""

HEIGHT_CLASSES: tuple[tuple[str, Callable[[float], bool]], ...] = (
    ("<10", lambda height: height < 10),
    ("10-15", lambda height: 10 <= height < 15),
    ("15-20", lambda height: 15 <= height < 20),
    ("20-40", lambda height: 20 <= height <= 40),
    (">40", lambda height: height > 40),
)
"""Classes of the labelled plate height, in pixels of the photo as stored."""

LIGHT_CLASSES: tuple[tuple[str, Callable[[float], bool]], ...] = (
    ("dark", lambda level: level < 50),
    ("dim", lambda level: 50 <= level < 100),
    ("bright", lambda level: level >= 100),
)
"""Classes of the light around a plate: median grey level, 0 to 255, see `PlateOutcome.light`."""

SQUARE = 2.5
"""A box that is less than this many times as wide as high usually holds two lines or more."""


@dataclass(frozen=True, slots=True)
class PlateOutcome:
    """The result for one labelled plate. It holds no text.

    Attributes:
        country: the labelled country.
        width: width of the labelled box in pixels of the photo.
        height: its height in pixels of the photo.
        light: median grey level, 0 to 255, of what lies around the plate.
        lines: number of lines of text on the plate, None where the label does not say it.
        length: number of characters of the labelled text.
        found: whether a detection matches the plate.
        exact: whether the text read on that detection equals the label.
        edits: edit distance from that text to the label; at most `length`, and equal to `length`
            when nothing was read.
        posterior: the reader's probability for that text, 0 when there is no text.
        exact_given_box: whether the text read on the labelled box itself equals the label.
    """

    country: str
    width: float
    height: float
    light: float
    lines: int | None
    length: int
    found: bool
    exact: bool
    edits: int
    posterior: float
    exact_given_box: bool


@dataclass(frozen=True, slots=True)
class ScoredRead:
    """One text that was read: the reader's probability, 0 to 1, and whether the text is right."""

    posterior: float
    exact: bool


def scored_reads(outcomes: Iterable[PlateOutcome]) -> list[ScoredRead]:
    """The texts that were read on found plates. A false positive has no label to compare with."""
    return [ScoredRead(o.posterior, o.exact) for o in outcomes if o.posterior > 0]


@dataclass(frozen=True, slots=True)
class AccuracyFigures:
    """Accuracy over a set of labelled plates, each figure with its 95 % interval.

    Attributes:
        plates: number of labelled plates.
        recall: found plates / labelled plates.
        exact: plates read exactly / labelled plates.
        exact_given_box: the same, with the labelled boxes in place of the detections.
        characters: 1 - edits / characters, over the found plates only; None when no plate was
            found. The characters of one plate are not independent, so the interval is somewhat
            too narrow.
    """

    plates: int
    recall: Interval
    exact: Interval
    exact_given_box: Interval
    characters: Interval | None


def match(
    labelled: Sequence[Box], detections: Sequence[Detection], min_iou: float = MIN_IOU
) -> tuple[int | None, ...]:
    """Match detections to labelled boxes, one to one (as in the PASCAL VOC benchmark).

    Detections are taken in falling order of score. Each takes the free box with the greatest IoU,
    if that IoU is at least `min_iou`. A detection that takes no box is a false positive; so is a
    second detection of the same plate.

    Returns:
        For each labelled box the index of its detection, or None.
    """
    found: list[int | None] = [None] * len(labelled)
    for index in sorted(range(len(detections)), key=lambda i: -detections[i].score):
        overlaps = [
            (labelled[place].iou(detections[index].box), place)
            for place, taken in enumerate(found)
            if taken is None
        ]
        overlap, place = max(overlaps, key=lambda one: one[0], default=(0.0, 0))
        if overlap >= min_iou:
            found[place] = index
    return tuple(found)


def accuracy_figures(outcomes: Sequence[PlateOutcome]) -> AccuracyFigures:
    """The accuracy over a set of labelled plates.

    Raises:
        ValueError: the set is empty.
    """
    plates = len(outcomes)
    found = [one for one in outcomes if one.found]
    characters = sum(one.length for one in found)
    correct = characters - sum(one.edits for one in found)
    return AccuracyFigures(
        plates=plates,
        recall=wilson(len(found), plates),
        exact=wilson(sum(one.exact for one in outcomes), plates),
        exact_given_box=wilson(sum(one.exact_given_box for one in outcomes), plates),
        characters=wilson(correct, characters) if characters else None,
    )


def by_country(outcomes: Iterable[PlateOutcome]) -> dict[str, AccuracyFigures]:
    """The accuracy for each country, in alphabetical order."""
    return _grouped(outcomes, lambda one: one.country)


def by_lines(outcomes: Iterable[PlateOutcome]) -> dict[str, AccuracyFigures]:
    """The accuracy by lines of text: as labelled, else by the shape of the box."""
    return _grouped(outcomes, _lines)


def _lines(outcome: PlateOutcome) -> str:
    if outcome.lines is not None:
        return str(outcome.lines)
    return "square" if outcome.width < SQUARE * outcome.height else "long"


def _grouped(
    outcomes: Iterable[PlateOutcome], name: Callable[[PlateOutcome], str]
) -> dict[str, AccuracyFigures]:
    groups: dict[str, list[PlateOutcome]] = {}
    for one in outcomes:
        groups.setdefault(name(one), []).append(one)
    return {group: accuracy_figures(groups[group]) for group in sorted(groups)}


def by_width(outcomes: Sequence[PlateOutcome]) -> dict[str, AccuracyFigures]:
    """The accuracy for each width class that has at least one plate, narrowest class first."""
    return _classed(outcomes, WIDTH_CLASSES, lambda one: one.width)


def by_height(outcomes: Sequence[PlateOutcome]) -> dict[str, AccuracyFigures]:
    """The accuracy for each height class that has at least one plate, lowest class first."""
    return _classed(outcomes, HEIGHT_CLASSES, lambda one: one.height)


def by_light(outcomes: Sequence[PlateOutcome]) -> dict[str, AccuracyFigures]:
    """The accuracy for each class of light that has at least one plate, darkest class first."""
    return _classed(outcomes, LIGHT_CLASSES, lambda one: one.light)


def _classed(
    outcomes: Sequence[PlateOutcome],
    classes: Sequence[tuple[str, Callable[[float], bool]]],
    value: Callable[[PlateOutcome], float],
) -> dict[str, AccuracyFigures]:
    groups = {name: [one for one in outcomes if holds(value(one))] for name, holds in classes}
    return {name: accuracy_figures(group) for name, group in groups.items() if group}


BREAKDOWNS: Mapping[str, Callable[[Sequence[PlateOutcome]], dict[str, AccuracyFigures]]] = {
    "country": by_country,
    "width": by_width,
    "height": by_height,
    "lines": by_lines,
    "light": by_light,
}
"""What the accuracy can be broken down by."""


# --- calibration ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The readings whose posterior lies in [low, high).

    Attributes:
        low: lower edge of the bin.
        high: upper edge of the bin.
        count: number of readings.
        mean_posterior: mean of their posteriors.
        exact: share of them that is right, with its interval.
    """

    low: float
    high: float
    count: int
    mean_posterior: float
    exact: Interval


def reliability(reads: Sequence[ScoredRead], bins: int = BIN_COUNT) -> tuple[ReliabilityBin, ...]:
    """The bins of a reliability diagram that hold a reading. The last bin includes 1."""
    groups: dict[int, list[ScoredRead]] = {}
    for one in reads:
        groups.setdefault(min(int(one.posterior * bins), bins - 1), []).append(one)
    return tuple(
        ReliabilityBin(
            low=place / bins,
            high=(place + 1) / bins,
            count=len(group),
            mean_posterior=sum(one.posterior for one in group) / len(group),
            exact=wilson(sum(one.exact for one in group), len(group)),
        )
        for place, group in sorted(groups.items())
    )


def calibration_error(reads: Sequence[ScoredRead], bins: int = BIN_COUNT) -> float | None:
    """The expected calibration error (ECE), 0 to 1; None when there is no reading.

    It is the mean gap between posterior and accuracy over the bins, weighted by the number of
    readings in each bin (Naeini et al., Obtaining well calibrated probabilities using Bayesian
    binning, 2015).
    """
    if not reads:
        return None
    gaps = (
        one.count * abs(one.mean_posterior - one.exact.share) for one in reliability(reads, bins)
    )
    return sum(gaps) / len(reads)


def wrong_and_sure(reads: Sequence[ScoredRead], threshold: float) -> Interval | None:
    """The share of readings that are wrong although their posterior reaches a threshold.

    It is the share of all readings, so it bounds how often a vehicle gets a sure and wrong text.
    None when there is no reading.
    """
    if not reads:
        return None
    return wilson(sum(one.posterior >= threshold and not one.exact for one in reads), len(reads))


@dataclass(frozen=True, slots=True)
class ThresholdFigures:
    """Coverage and accuracy of the readings whose posterior reaches a threshold.

    Attributes:
        threshold: the smallest posterior that is accepted.
        coverage: accepted readings / all readings.
        exact: accepted readings that are right / accepted readings; None when none is accepted.
    """

    threshold: float
    coverage: float
    exact: Interval | None


def figures_at_thresholds(
    reads: Sequence[ScoredRead], thresholds: Iterable[float]
) -> tuple[ThresholdFigures, ...]:
    """Coverage and accuracy at each threshold. Empty when there is no reading."""
    if not reads:
        return ()
    figures = []
    for threshold in thresholds:
        left = [one for one in reads if one.posterior >= threshold]
        exact = wilson(sum(one.exact for one in left), len(left)) if left else None
        figures.append(ThresholdFigures(threshold, len(left) / len(reads), exact))
    return tuple(figures)
