"""Rounding of counts before they leave the box."""

from __future__ import annotations

from typing import Literal

SMALLEST_SHOWN = 10
"""Counts below this are published only as "<10"."""


def coarse(count: int) -> int | Literal["<10"]:
    """The count as it may be published: `"<10"`, or rounded down to a multiple of ten.

    A small count could show that one particular vehicle passed. Two exact counts could show the
    same by their difference.
    """
    return "<10" if count < SMALLEST_SHOWN else count - count % SMALLEST_SHOWN
