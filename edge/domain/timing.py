"""Durations told so that one slow run does not hide the others."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile of at least one duration, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "median": round(1000 * statistics.median(ordered), 3),
        "p95": round(1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 3),
    }
