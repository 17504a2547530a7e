"""Counts that may leave the box."""

from __future__ import annotations

SMALLEST_SHOWN = 10


def coarse(count: int) -> int | str:
    """A count as it may be published: `"<10"`, or rounded down to a multiple of ten.

    A small count could tell that one particular vehicle passed; an exact one could tell it
    by the difference of two.
    """
    return f"<{SMALLEST_SHOWN}" if count < SMALLEST_SHOWN else count - count % SMALLEST_SHOWN
