"""Runs the detector on tiles or one region of the picture too, for cameras with small plates.

A detector scales the whole picture down to its network's size, where it often misses plates under
20 pixels. A part of the picture is scaled down less.
"""

from __future__ import annotations

from edge.domain.imaging import Box, Detection, Pixels, without_duplicates
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

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        """Detections of all passes, in pixels of the whole picture, best first.

        With a region, only what the parts share with it is analysed again. If a part contains the
        region, nothing is: the part would be scaled down more than the region was.
        """
        height, width = pixels.shape[:2]
        found = list(self._detector.detect(pixels, region))
        parts = [Box(*corners) for corners in part_boxes(self._parts, width, height)]
        if region is not None:
            within = region.clipped(width, height)
            if any(part.contains(within) for part in parts):
                return without_duplicates(found)
            parts = [part.shared(within) for part in parts if part.intersection(within) > 0]
        for part in parts:
            for one in self._detector.detect(pixels, part):
                box = one.box
                cut = (
                    (box.x1 < part.x1 + 2 and part.x1 > 0)
                    or (box.y1 < part.y1 + 2 and part.y1 > 0)
                    or (box.x2 > part.x2 - 2 and part.x2 < width)
                    or (box.y2 > part.y2 - 2 and part.y2 < height)
                )
                if not cut:
                    found.append(one)
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
