"""On which side of a vehicle the steering wheel is, and whether a camera sees the vehicle's front.

The level `driver` needs both: they say which half of the windscreen the driver sits behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.domain.vehicles import TrackPoint


class WheelSide(Enum):
    """The side of the steering wheel, as the driver sees it."""

    LEFT = "left"
    RIGHT = "right"


RIGHT_WHEEL_ZONES = frozenset(
    {
        "Asia/Famagusta", "Asia/Nicosia", "Eire", "Europe/Belfast", "Europe/Dublin",
        "Europe/Guernsey", "Europe/Isle_of_Man", "Europe/Jersey", "Europe/London", "Europe/Malta",
        "Europe/Nicosia", "GB", "GB-Eire",
    }
)  # fmt: skip
"""Time zones of the countries of Europe that drive on the left."""

RIGHT_WHEEL_REGIONS = frozenset({"Cyprus", "Ireland", "Malta", "United Kingdom"})
"""Countries of Europe that drive on the left, as readers of plates name them."""

NEARER = 1.25
"""A plate comes nearer if its last height is at least this many times its first height. That is
more than a detector's random errors, and less than a third of what a vehicle that passes shows."""

LEAST_POINTS = 6
"""Fewest positions from which this can be said."""


def wheel_of_zone(zone: str) -> WheelSide | None:
    """The usual side in the country of a time zone of Europe; None for another zone."""
    if zone in RIGHT_WHEEL_ZONES:
        return WheelSide.RIGHT
    return WheelSide.LEFT if zone.startswith("Europe/") else None


def wheel_of_vehicle(
    usual: WheelSide | None, region: str | None, *, certain: bool
) -> WheelSide | None:
    """The side in one vehicle; None where it cannot be told.

    Args:
        usual: the side that is usual where the camera stands.
        region: the country of its plate as read, None if it was not read.
        certain: whether the reading of the country is certain.
    """
    if region is None:
        return usual
    read = WheelSide.RIGHT if region in RIGHT_WHEEL_REGIONS else WheelSide.LEFT
    return read if certain or read is usual else None


def comes_nearer(trajectory: Sequence[TrackPoint]) -> bool:
    """Whether a vehicle drives towards the camera, so that the plate is the one at its front.

    Args:
        trajectory: positions of its plate, oldest first.
    """
    if len(trajectory) < LEAST_POINTS:
        return False
    third = len(trajectory) // 3
    heights = [point.box.height for point in trajectory]
    return median(heights[-third:]) >= NEARER * median(heights[:third])
