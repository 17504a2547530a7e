"""How much a plate slants in a picture, and the box that it would have without that.

Seen from the side, the lines of a plate run up or down in the picture. Its box is then much higher
than the plate, and its height says little about the size of the vehicle.
"""

from __future__ import annotations

import cv2
import numpy as np

from edge.domain.imaging import Box, Pixels

LEVEL = 2.2
"""A box at least so many heights wide belongs to a plate that hardly slants."""

LONGEST = 4.7
"""Width of the longest plate, in its heights: 520 x 110 mm."""

MARGIN = 0.08
"""Margin around the plate in which its edges are looked for, as a share of its size."""

SIDE = 96
"""Longer side of the picture in which they are looked for, in pixels."""

STEEPEST, STEP = 1.0, 0.04
"""The steepest slant that is tried, and the step, as pixels down for one pixel to the right."""

ENDS = 0.1
"""Share of the width left out at both ends."""


def level_plate(pixels: Pixels, plate: Box) -> Box:
    """The box that the plate would have if its lines were level: as wide, and less high.

    Args:
        pixels: shape (height, width, 3), BGR.
        plate: its box, inside the picture.
    """
    if plate.width >= LEVEL * plate.height:
        return plate
    slant = abs(plate_slant(pixels, plate))
    if not slant:
        return plate
    height = min(plate.height, max(plate.height - slant * plate.width, plate.width / LONGEST))
    x, y = plate.centre
    return Box(x - plate.width / 2, y - height / 2, x + plate.width / 2, y + height / 2)


def plate_slant(pixels: Pixels, plate: Box) -> float:
    """How far the lines of a plate run down for each pixel to the right; below 0: up.

    The picture is sheared by one slant after the other. Where the lines of the plate become rows,
    neighbouring rows differ most (the method of projection profiles, Postl 1986).

    Args:
        pixels: shape (height, width, 3), BGR.
        plate: its box, inside the picture.
    """
    across, down = MARGIN * plate.width, MARGIN * plate.height
    part = plate.grown(left=across, top=down, right=across, bottom=down)
    x1, y1, x2, y2 = part.whole_pixels(pixels.shape[1], pixels.shape[0])
    if x2 - x1 < 2 or y2 - y1 < 2:
        return 0.0
    grey = cv2.cvtColor(pixels[y1:y2, x1:x2], cv2.COLOR_BGR2GRAY)
    scale = SIDE / max(grey.shape)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=way).astype(np.float32)
    height, width = grey.shape
    end = int(ENDS * width)
    best, found = -1.0, 0.0
    # The smallest slant first: among equals it is the most probable.
    most = round(STEEPEST / STEP)
    for slant in (STEP * step for step in sorted(range(-most, most + 1), key=abs)):
        shear = np.array([[1, 0, 0], [-slant, 1, slant * width / 2]], np.float64)
        level = cv2.warpAffine(grey, shear, (width, height), borderMode=cv2.BORDER_REPLICATE)
        steps = np.diff(level[:, end : width - end], axis=0).mean(axis=1)
        contrast = float((steps**2).sum())
        if contrast > best * (1 + 1e-6):
            best, found = contrast, slant
    return found
