"""The report's figures as text, and the rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.cli.certainty import FLOORS
from edge.cli.report.plots import Plot, reliability_plot, threshold_plot
from edge.domain.accuracy import (
    BIN_COUNT,
    ScoredRead,
    calibration_error,
    reliability,
    wrong_and_sure,
)

if TYPE_CHECKING:
    from edge.adapters.models.weights import Weights

NOTHING = "–"
"""The text where there is no figure."""

_GROUP_FIGURES = (
    ("recall_iou50", "recall_ci95"),
    ("exact", "exact_ci95"),
    ("exact_given_box", "exact_given_box_ci95"),
    ("character_accuracy", "character_accuracy_ci95"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A share and its 95 % interval."""

    share: str
    interval: str


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group of plates: its name, how many they are, and its figures."""

    name: str
    plates: int
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BinRow:
    """A bin of the reliability diagram: its posteriors, readings, mean posterior, share exact."""

    posteriors: str
    readings: int
    mean: str
    exact: Figure


@dataclass(frozen=True, slots=True)
class Posteriors:
    """Accuracy over the posterior's threshold, and the reliability diagram with its bins."""

    readings: int
    threshold_plot: Plot
    reliability_plot: Plot
    calibration_error: str
    wrong_and_sure: tuple[tuple[float, Figure], ...]
    bin_count: int
    bins: tuple[BinRow, ...]


@dataclass(frozen=True, slots=True)
class WeightsText:
    """Weights as shown at the top of the page."""

    half: str
    name: str
    source: str
    calibration: str
    sha256: str


def figure(result: Mapping[str, Any], share: str, interval: str | None = None) -> Figure:
    """A share of a result.

    Args:
        result: a summary of an evaluation.
        share: the share's key.
        interval: the interval's key; None for the share's key followed by `_ci95`.
    """
    value, bounds = result[share], result[interval or f"{share}_ci95"]
    return Figure(
        NOTHING if value is None else f"{value:.3f}",
        NOTHING if bounds is None else _span(*bounds),
    )


def group_rows(groups: Mapping[str, Mapping[str, Any]]) -> list[GroupRow]:
    """A row for each group of plates."""
    return [
        GroupRow(
            name,
            one["plates"],
            tuple(
                NOTHING if one[key] is None else f"{one[key]:.3f} ({_span(*one[interval])})"
                for key, interval in _GROUP_FIGURES
            ),
        )
        for name, one in groups.items()
    ]


def posteriors(reads: Sequence[ScoredRead]) -> Posteriors | None:
    """Accuracy by posterior threshold and by bin; None if nothing was read."""
    error = calibration_error(reads)
    if error is None:
        return None
    return Posteriors(
        readings=len(reads),
        threshold_plot=threshold_plot(reads),
        reliability_plot=reliability_plot(reads),
        calibration_error=f"{error:.3f}",
        wrong_and_sure=tuple(
            (floor, Figure(f"{share.share:.4f}", f"{share.low:.4f}–{share.high:.4f}"))
            for floor, share in ((one, wrong_and_sure(reads, one)) for one in FLOORS)
            if share is not None
        ),
        bin_count=BIN_COUNT,
        bins=tuple(
            BinRow(
                f"{one.low:.1f}–{one.high:.1f}",
                one.count,
                f"{one.mean_posterior:.3f}",
                Figure(f"{one.exact.share:.3f}", _span(one.exact.low, one.exact.high)),
            )
            for one in reliability(reads)
        ),
    )


def weights_text(half: str, weights: Weights) -> WeightsText:
    """The detector's or the reader's weights."""
    entry = weights.entry
    calibration = f"temperature {entry.calibration.temperature:.3g}"
    if entry.calibration.threshold is not None:
        calibration = f"threshold {entry.calibration.threshold:.3g}, {calibration}"
    return WeightsText(half, entry.name, entry.source, calibration, entry.sha256 or "")


def _span(low: float, high: float) -> str:
    return f"{low:.3f}–{high:.3f}"
