"""Summary of measured durations."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def median_and_p95_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile of at least one duration.

    Both are robust against a single slow run.

    Args:
        seconds: durations in seconds.

    Returns:
        `median` and `p95` in milliseconds.
    """
    ordered = sorted(seconds)
    return {
        "median": round(1000 * statistics.median(ordered), 3),
        "p95": round(1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 3),
    }
