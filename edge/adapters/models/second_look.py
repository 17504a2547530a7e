"""Runs the detector on tiles or one region of the picture too, for cameras with small plates.

A detector scales the whole picture down to its network's size, where it often misses plates under
20 pixels. A part of the picture is scaled down less.
"""

from __future__ import annotations

import numpy as np

from edge.domain.imaging import Detection, Pixels, without_duplicates
from edge.pipeline.ports import PlateDetector
from edge.site.settings import NoSecondLook, Region, Tiles


class SecondLook:
    """A detector that analyses the whole picture and then parts of it.

    Each part takes one more pass of the network. Duplicate boxes are merged. A box cut off by the
    inner edge of a part is dropped, since another part contains it completely.

    Args:
        detector: analyses the picture and each part.
        parts: the parts to analyse again.
    """

    def __init__(self, detector: PlateDetector, parts: Tiles | Region) -> None:
        self._detector = detector
        self._parts = parts

    @classmethod
    def around(cls, detector: PlateDetector, look: NoSecondLook | Tiles | Region) -> PlateDetector:
        """The detector with a camera's second look, or the same detector if it has none."""
        return detector if isinstance(look, NoSecondLook) else cls(detector, look)

    def detect(self, pixels: Pixels) -> tuple[Detection, ...]:
        """Detections of all passes, in pixels of the whole picture, best first."""
        height, width = pixels.shape[:2]
        found = list(self._detector.detect(pixels))
        for x1, y1, x2, y2 in part_boxes(self._parts, width, height):
            part = np.ascontiguousarray(pixels[y1:y2, x1:x2])
            for one in self._detector.detect(part):
                box = one.box
                cut = (
                    (box.x1 < 2 and x1 > 0)
                    or (box.y1 < 2 and y1 > 0)
                    or (box.x2 > x2 - x1 - 2 and x2 < width)
                    or (box.y2 > y2 - y1 - 2 and y2 < height)
                )
                if not cut:
                    found.append(Detection(box.shifted(x1, y1), one.score))
        return without_duplicates(found)


def part_boxes(
    parts: Tiles | Region, width: int, height: int
) -> tuple[tuple[int, int, int, int], ...]:
    """The boxes of the parts in whole pixels, x1, y1, x2, y2; empty ones are left out."""
    if isinstance(parts, Region):
        a, b, c, d = parts.box
        boxes = [(a, b, c, d)]
    else:
        # n tiles of side s that share s·overlap with the next span 1: s·(n - (n-1)·overlap).
        across = 1 / (parts.columns - (parts.columns - 1) * parts.overlap)
        down = 1 / (parts.rows - (parts.rows - 1) * parts.overlap)
        boxes = [
            (left, top, left + across, top + down)
            for top in (row * down * (1 - parts.overlap) for row in range(parts.rows))
            for left in (c * across * (1 - parts.overlap) for c in range(parts.columns))
        ]
    whole = [
        (
            max(0, round(a * width)),
            max(0, round(b * height)),
            min(width, round(c * width)),
            min(height, round(d * height)),
        )
        for a, b, c, d in boxes
    ]
    return tuple(box for box in whole if box[2] - box[0] > 1 and box[3] - box[1] > 1)
