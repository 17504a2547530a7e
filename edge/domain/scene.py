"""The scene around one number plate: what each part of the picture shows, as probabilities.

A scene parser sees a window around the plate. The window is measured in units of the plate, so that
every vehicle arrives in the same place and at the same scale.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from edge.domain.appearance import UNKNOWN, Appearance
from edge.domain.imaging import Box


class SceneClass(IntEnum):
    """What a point of the picture shows; the number is the place in `Scene.probabilities`."""

    BACKGROUND = 0
    BODY = 1
    """Bodywork of the vehicle with the plate, with its wheels, lamps and mirrors."""
    GLASS = 2
    """Its windows, and what can be seen through them."""
    HEAD = 3
    """Its occupants, where they can be seen."""
    OTHER = 4
    """Another vehicle."""
    PERSON = 5
    """A person outside, or a rider."""


COLUMNS, ROWS = 208, 192
"""Pixels of the window that a parser sees."""

UNIT = 20.8
"""Pixels of the window for one unit."""

CELL = 2
"""Pixels of the window for each cell of a parser's answer, in rows and columns."""

SIDE = COLUMNS / 2 / UNIT
DOWN = 2.6
UP = ROWS / UNIT - DOWN
"""Extent of the window from the centre of the plate, in units: a lorry 4 m high fits."""


def unit_of(plate: Box) -> float:
    """The unit of lengths around a plate, in pixels: its width, or three heights if that is more.

    A plate seen at a slant or one of two lines is narrow for its vehicle; its height is not.
    """
    return max(plate.width, 3 * plate.height)


def window_around(plate: Box) -> Box:
    """The part of the picture that a parser sees; it may reach past the edges of the picture."""
    x, y = plate.centre
    unit = unit_of(plate)
    return Box(x - SIDE * unit, y - UP * unit, x + SIDE * unit, y + DOWN * unit)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a window around a plate shows.

    Attributes:
        window: the part of the picture, in pixels of the picture (`window_around`).
        probabilities: shape (classes, rows, columns), float32; each cell sums to 1. Equal cells
            fill the window.
        sure: the calibrated probability from which on what a cell shows is sure, 0 to 1.
        suspected: the one from which on a cell may show a class, 0 to 1.
        appearance: kind and colour of the vehicle with the plate.
        level: the box that the plate would have if its lines were level; lengths on the vehicle
            are measured in its unit. None: the plate's own box.
    """

    window: Box
    probabilities: npt.NDArray[np.float32] = field(repr=False, compare=False)
    sure: float
    suspected: float
    appearance: Appearance = UNKNOWN
    level: Box | None = None
