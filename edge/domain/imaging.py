"""Frames, boxes, detections and plate patches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from edge.domain.motion import Cells

Pixels = npt.NDArray[np.uint8]
"""Image of shape (height, width, 3), BGR, uint8."""


@dataclass(frozen=True, slots=True)
class Box:
    """Axis-aligned box in pixels, origin top left, `x1 < x2` and `y1 < y2`."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Area in square pixels; 0 for an empty box."""
        return max(0.0, self.width) * max(0.0, self.height)

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(
            min(self.x1, other.x1),
            min(self.y1, other.y1),
            max(self.x2, other.x2),
            max(self.y2, other.y2),
        )

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def intersection(self, other: Box) -> float:
        """Area of the intersection in square pixels."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(0.0, width) * max(0.0, height)

    def shared(self, other: Box) -> Box:
        """The part that lies in both; its sides are inside out if there is none."""
        return Box(
            max(self.x1, other.x1),
            max(self.y1, other.y1),
            min(self.x2, other.x2),
            min(self.y2, other.y2),
        )

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def grown(self, *, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Box:
        """The box with each side moved outwards by the given number of pixels."""
        return Box(self.x1 - left, self.y1 - top, self.x2 + right, self.y2 + bottom)

    def clipped(self, width: int, height: int) -> Box:
        """The part of the box inside an image of this size in pixels; it may be empty."""
        return Box(
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
            min(max(self.x2, 0.0), width),
            min(max(self.y2, 0.0), height),
        )

    def whole_pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 of the pixels that the box touches in an image of this size.

        `x1 >= x2` or `y1 >= y2` if the box is empty or outside the image.
        """
        part = self.clipped(width, height)
        return int(part.x1), int(part.y1), math.ceil(part.x2), math.ceil(part.y2)

    def contains(self, other: Box) -> bool:
        """Whether the other box lies in this one."""
        return (
            self.x1 <= other.x1
            and self.y1 <= other.y1
            and self.x2 >= other.x2
            and self.y2 >= other.y2
        )

    def scaled(self, across: float, down: float) -> Box:
        """The box in a picture that is so many times as wide and as high."""
        return Box(self.x1 * across, self.y1 * down, self.x2 * across, self.y2 * down)

    def shifted(self, dx: float, dy: float) -> Box:
        """The box moved by (dx, dy) pixels."""
        return Box(self.x1 + dx, self.y1 + dy, self.x2 + dx, self.y2 + dy)


@dataclass(frozen=True, slots=True)
class Detection:
    """One number plate found in a frame.

    Attributes:
        box: in pixels.
        score: the detector's confidence, 0 to 1.
        pieces: number of boxes that were joined into this one (`joined_pieces`); above 1 a part of
            the plate is hidden.
    """

    box: Box
    score: float
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera.

    Pixels are neither in the repr nor part of equality. Most frames of a quiet street are never
    looked at, so a decoder may give a function that converts the picture; it is called once, when
    `pixels` is first used.

    Attributes:
        camera: the camera's name.
        index: number of the frame in its stream.
        stream_s: monotonic time of the stream in seconds, independent of the wall clock.
        observed_at: time of capture, UTC.
        picture: the image, or a function that makes it.
        selected: whether `Attention` already selected this frame for the detector, before the
            decoder gave it out.
        section: number of the part of a recording, from 0. A new one begins where the time stamps
            run back; nobody knows how much later than the frame before it is.
        breaks: how often a live camera gave no picture for longer than `LONGEST_BREAK_S` before
            this one. None: each frame of the stream is given, so that the times show it.
        cells: computes `cell_means` of the luma; None if the decoder has no luma plane.
    """

    camera: str
    index: int
    stream_s: float
    observed_at: datetime
    picture: Pixels | Callable[[], Pixels] = field(repr=False, compare=False)
    selected: bool = False
    section: int = 0
    breaks: int | None = None
    cells: Callable[[], Cells] | None = field(default=None, repr=False, compare=False)

    @property
    def pixels(self) -> Pixels:
        """The image."""
        picture = self.picture
        if callable(picture):
            picture = picture()
            object.__setattr__(self, "picture", picture)
        return picture

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class PlatePatch:
    """The pixels of one detected plate, cut from a frame with a small margin.

    `quality` in (0, 1] is the weight of its reading in the fusion. It depends on the plate's
    height, the detector's score and whether the picture's edge cuts the plate.
    """

    box: Box
    quality: float
    pixels: Pixels = field(repr=False, compare=False)


DIVIDED_QUALITY = 0.3
"""Factor of the quality of a plate that was detected in pieces."""


def cut_patch(pixels: Pixels, detection: Detection, margin: float) -> PlatePatch:
    """Cut the plate's pixels with a margin, and rate their quality.

    Quality grows with the plate's height up to 20 pixels, where the strokes of characters become
    two pixels wide, and with the detector's score. It is divided by ten if the picture's edge cuts
    the plate, and reduced if something divides it: such views alone never give a sure consensus.

    Args:
        pixels: the frame.
        detection: the plate in the frame.
        margin: margin on each side, as a share of the plate's size.
    """
    height, width = pixels.shape[:2]
    box = detection.box
    expanded = box.grown(
        left=box.width * margin,
        right=box.width * margin,
        top=box.height * margin,
        bottom=box.height * margin,
    ).clipped(width, height)
    x1, y1 = int(expanded.x1), int(expanded.y1)
    x2, y2 = max(x1 + 1, math.ceil(expanded.x2)), max(y1 + 1, math.ceil(expanded.y2))
    whole = box.x1 > 1 and box.y1 > 1 and box.x2 < width - 1 and box.y2 < height - 1
    quality = min(1.0, max(0.1, box.height / 20)) * math.sqrt(max(detection.score, 0.01))
    if detection.pieces > 1:
        quality *= DIVIDED_QUALITY
    return PlatePatch(
        box, quality if whole else quality / 10, np.ascontiguousarray(pixels[y1:y2, x1:x2])
    )


DUPLICATE_OVERLAP = 0.6
"""Two boxes show the same plate from this overlap on, as a share of the smaller box."""


def without_duplicates(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """Greedy non-maximum suppression: drop each box that mostly overlaps one with a higher score.

    Returns:
        The detections that are left, highest score first.
    """
    kept: list[Detection] = []
    for one in sorted(detections, key=lambda d: -d.score):
        if all(_overlap_of_smaller(one.box, better.box) < DUPLICATE_OVERLAP for better in kept):
            kept.append(one)
    return tuple(kept)


def _overlap_of_smaller(box: Box, other: Box) -> float:
    """Intersection area as a share of the smaller box, 0 to 1."""
    smaller = min(box.area, other.area)
    return box.intersection(other) / smaller if smaller > 0 else 1.0


# --- pieces of one plate ----------------------------------------------------------------------

LONGEST_PLATE = 6.0
"""Largest width of a plate in heights. The long European plate has 4.7; a detector's box may have a
little more. Two vehicles side by side span more than ten."""


def are_pieces(one: Box, other: Box) -> bool:
    """Whether two boxes may show two pieces of one plate, with something in front of it between.

    They lie on one line and have about the same height. What is between them is not wider than both
    together, and all of it is not longer than a plate. Between the plates of two vehicles that
    stand or drive side by side there are at least two plate widths.
    """
    left, right = sorted((one, other), key=lambda box: box.x1)
    height = (left.height + right.height) / 2
    gap = right.x1 - left.x2
    return (
        max(left.height, right.height) <= 1.6 * min(left.height, right.height)
        and abs(left.centre[1] - right.centre[1]) <= 0.7 * height
        and -0.3 * height <= gap <= 0.8 * (left.width + right.width)
        and right.x2 - left.x1 <= LONGEST_PLATE * height
    )


def joined_pieces(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """Join the boxes of each plate that something divides: a tow bar, a pole, a rack.

    Returns:
        The detections in the same order; joined ones stand at the place of their best piece and
        have its score.
    """
    kept = list(detections)
    for at, one in enumerate(kept):
        for later in range(at + 1, len(kept)):
            other = kept[later]
            if are_pieces(one.box, other.box):
                kept[at] = Detection(
                    one.box.union(other.box),
                    max(one.score, other.score),
                    one.pieces + other.pieces,
                )
                del kept[later]
                return joined_pieces(kept)
    return tuple(kept)


def plates_among(
    detections: Iterable[Detection], threshold: float
) -> tuple[tuple[Detection, ...], tuple[Detection, ...]]:
    """The plates among the detections of one picture, and what may be a plate.

    Args:
        detections: as the detector gives them.
        threshold: the score from which a detection counts.

    Returns:
        Detections from the threshold on, and those below it; each plate once, joined from its
        pieces, highest score first.
    """
    whole = joined_pieces(without_duplicates(detections))
    return (
        tuple(one for one in whole if one.score >= threshold),
        tuple(one for one in whole if one.score < threshold),
    )


CERTAIN_SCORE = 0.5
"""Score from which on a detection certainly is a plate. Of what the embedded detector finds on
street photographs between its threshold and this, two in five are lettering, lamps or badges."""


def told_apart(
    others: Iterable[Detection], threshold: float
) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """The boxes of what certainly is another plate, and of what only may be one.

    Args:
        others: detections in one picture, without the plate that it is about.
        threshold: the detector's; with a lower score than this nothing is certain.
    """
    certain = max(threshold, CERTAIN_SCORE)
    listed = tuple(others)
    return (
        tuple(one.box for one in listed if one.score >= certain),
        tuple(one.box for one in listed if one.score < certain),
    )
