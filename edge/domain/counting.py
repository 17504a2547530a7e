"""Counts that may leave the box."""

from __future__ import annotations

from typing import Literal

SMALLEST_SHOWN = 10


def coarse(count: int) -> int | Literal["<10"]:
    """A count as it may be published: `"<10"`, or rounded down to a multiple of ten.

    A small count could tell that one particular vehicle passed; an exact one could tell it
    by the difference of two.
    """
    return "<10" if count < SMALLEST_SHOWN else count - count % SMALLEST_SHOWN
