"""How much of the picture a rule may reveal, and what decides where that is."""

from __future__ import annotations

from enum import Enum

PLATE_PICTURE, VEHICLE_PICTURE = "plate", "vehicle"
FIRST_PICTURE, LAST_PICTURE = "first", "last"
"""Names of the pictures of an offence."""


class RevealLevel(Enum):
    """Reveal levels, from least to most. A rule uses one of the last four."""

    NONE = "none"
    PLATE = "plate"
    VEHICLE = "vehicle"
    DRIVER = "driver"
    OCCUPANTS = "occupants"


class MaskMethod(Enum):
    """What decided which pixels of a picture are shown."""

    MEANING = "meaning"
    """The scene parser, which says what each part of the picture shows."""
    GEOMETRY = "geometry"
    """The geometry of the plate alone."""
