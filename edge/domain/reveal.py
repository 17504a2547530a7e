"""How much of a picture an offence may reveal."""

from __future__ import annotations

from enum import Enum


class RevealLevel(Enum):
    """The least to the most; a rule names one of the last three."""

    NONE = "none"
    PLATE = "plate"
    VEHICLE = "vehicle"
    OCCUPANTS = "occupants"
