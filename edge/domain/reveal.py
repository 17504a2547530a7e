"""How much of the picture a rule may reveal."""

from __future__ import annotations

from enum import Enum


class RevealLevel(Enum):
    """Reveal levels, from least to most. A rule uses one of the last three."""

    NONE = "none"
    PLATE = "plate"
    VEHICLE = "vehicle"
    OCCUPANTS = "occupants"
