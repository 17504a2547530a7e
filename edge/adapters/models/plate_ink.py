"""The ink of a plate, and its connected parts: characters, dashes, seals, frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Pixels

Value = TypeVar("Value", bound=np.generic)

TALL = 48
"""Larger pictures are shrunk to this height, in pixels."""

_SMALLEST = 3
"""Fewest rows and columns of the middle of a picture in which ink is looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class PlateInk:
    """What has the colour of the characters in the picture of a plate.

    Attributes:
        grey: the picture in grey, at most `TALL` pixels high, uint8 (height, width).
        ink: 1 where the picture has the colour of the characters, else 0; the same shape.
        parts: x, y, width and height of each connected part of the ink, shape (parts, 4).
    """

    grey: npt.NDArray[np.uint8]
    ink: npt.NDArray[np.uint8]
    parts: npt.NDArray[np.int32]


def plate_ink(pixels: Pixels) -> PlateInk | None:
    """The ink of a plate; None if the picture is too small.

    Args:
        pixels: BGR, the plate with a little of its surroundings.
    """
    if pixels.shape[0] > TALL:
        size = max(1, round(pixels.shape[1] * TALL / pixels.shape[0])), TALL
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    middle = middle_of(grey)
    if min(middle.shape) < _SMALLEST:
        return None
    limit, _ = cv2.threshold(
        np.ascontiguousarray(middle), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU
    )
    light = grey > limit
    ground_is_light = middle_of(light).mean() >= 0.5  # most of a plate's middle is its ground
    ink = (light != ground_is_light).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=4)
    return PlateInk(grey, ink, np.asarray(stats[1:, :4], np.int32))


def middle_of(picture: npt.NDArray[Value]) -> npt.NDArray[Value]:
    """The part of a picture (height, width) where a plate has characters and ground only."""
    height, width = picture.shape
    return picture[height // 5 : height - height // 5, width // 6 : width - width // 6]
