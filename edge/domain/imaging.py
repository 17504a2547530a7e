"""Frames, boxes and patches: the values that carry pixels or point into them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""An image of shape (height, width, 3), BGR, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box in pixels, `x1 < x2` and `y1 < y2`, origin top left."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def intersection(self, other: Box) -> float:
        """Shared area in square pixels."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(0.0, width) * max(0.0, height)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def grown(self, *, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Box:
        """The box with each side moved outwards by so many pixels."""
        return Box(self.x1 - left, self.y1 - top, self.x2 + right, self.y2 + bottom)

    def clipped(self, width: int, height: int) -> Box:
        """The part inside an image of this size (may be empty)."""
        return Box(
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
            min(max(self.x2, 0.0), width),
            min(max(self.y2, 0.0), height),
        )

    def shifted(self, dx: float, dy: float) -> Box:
        return Box(self.x1 + dx, self.y1 + dy, self.x2 + dx, self.y2 + dy)


@dataclass(frozen=True, slots=True)
class Detection:
    """One number plate found in a frame; `score` is the detector's, 0 to 1."""

    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera.

    `stream_s` is the stream's own steady time in seconds (never the wall clock);
    `observed_at` is UTC. Pixels never show in a repr and never take part in equality.
    `wanted` says that it was asked for when it was made (`Attention`), and is to be looked at.
    """

    camera: str
    index: int
    stream_s: float
    observed_at: datetime
    pixels: Pixels = field(repr=False, compare=False)
    wanted: bool = False

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class PlatePatch:
    """The pixels of one detected plate, cut from a frame with a little margin.

    `quality` in (0, 1] weighs its reading against others: size, sharpness, cut edges.
    """

    box: Box
    quality: float
    pixels: Pixels = field(repr=False, compare=False)


SAME_PLATE = 0.6
"""Two boxes are of one plate when they share this much of the smaller one."""


def without_duplicates(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """Best first, without boxes that mostly lie on a better one (greedy suppression)."""
    kept: list[Detection] = []
    for one in sorted(detections, key=lambda d: -d.score):
        if all(_covered(one.box, better.box) < SAME_PLATE for better in kept):
            kept.append(one)
    return tuple(kept)


def _covered(box: Box, other: Box) -> float:
    """Shared area as a share of the smaller box."""
    smaller = min(box.area, other.area)
    return box.intersection(other) / smaller if smaller > 0 else 1.0
