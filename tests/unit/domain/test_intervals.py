"""Wilson's interval against published values."""

from __future__ import annotations

import pytest

from edge.domain.intervals import wilson


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_the_interval_equals_published_wilson_intervals(
    count: int, total: int, low: float, high: float
) -> None:
    interval = wilson(count, total)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
    assert interval.share == count / total


@pytest.mark.parametrize(("count", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_invalid_counts_are_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="proportion"):
        wilson(count, total)
