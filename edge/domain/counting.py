"""Rounding of counts before they leave the box."""

from __future__ import annotations

import math
from typing import Literal

SMALLEST_SHOWN = 10
"""Counts below this are published only as "<10"."""


def coarse(count: int) -> int | Literal["<10"]:
    """The count as it may be published: `"<10"`, or rounded down to a multiple of ten.

    A small count could show that one particular vehicle passed. Two exact counts could show the
    same by their difference.
    """
    return "<10" if count < SMALLEST_SHOWN else count - count % SMALLEST_SHOWN


def two_digits(value: float) -> float:
    """Rounded down to two significant digits: the amount of work, not the exact traffic."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.floor(value / step) * step
