"""Whether a moment lies in daylight: the sun's elevation at a place, without refraction.

The place is the middle of Belgium. Within the country the sun rises and sets at most 20 minutes
earlier or later; a moment so near to it may be counted with the other half.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Literal

LATITUDE, LONGITUDE = 50.6, 4.7
"""Degrees north and east."""

J2000 = datetime(2000, 1, 1, 12, tzinfo=timezone.utc)
_RISE_DEG = -0.833  # the upper edge of the disc is on the horizon, with refraction there


def sun_elevation(
    moment: datetime, latitude: float = LATITUDE, longitude: float = LONGITUDE
) -> float:
    """The elevation of the sun's centre in degrees, right to about half a degree.

    Args:
        moment: aware.
        latitude: degrees north.
        longitude: degrees east.

    Source: the approximate formulas of The Astronomical Almanac, section C, "Low-precision
    formulas for the Sun's coordinates".
    """
    days = (moment - J2000).total_seconds() / 86400
    mean = math.radians((280.460 + 0.9856474 * days) % 360)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = mean + math.radians(1.915) * math.sin(anomaly)
    ecliptic += math.radians(0.020) * math.sin(2 * anomaly)
    obliquity = math.radians(23.439 - 0.0000004 * days)
    ascension = math.atan2(math.cos(obliquity) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(obliquity) * math.sin(ecliptic))
    sidereal = math.radians((280.46062 + 360.98564737 * days + longitude) % 360)
    north = math.radians(latitude)
    sine = math.sin(north) * math.sin(declination) + math.cos(north) * math.cos(
        declination
    ) * math.cos(sidereal - ascension)
    return math.degrees(math.asin(sine))


def light_at(moment: datetime) -> Literal["day", "night"]:
    """`day` while the sun is above the horizon, else `night`."""
    return "day" if sun_elevation(moment) > _RISE_DEG else "night"
