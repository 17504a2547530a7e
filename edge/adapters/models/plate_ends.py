"""The room at the two ends of a plate's characters: a hidden end character leaves it uneven."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.adapters.models.plate_ink import PlateInk, middle_of

FEWEST = 3
"""With fewer characters that can be told apart, the probability is 0."""

UNEVEN, SOFTNESS = 0.5, 0.06
"""Difference in heights of a character at which a cover is as likely as not, and the width of the
transition. Chosen on photographed plates (models/plate_covers.md)."""


def uneven_ends(found: PlateInk) -> float:
    """The probability that something in the plate's colour hides a character at one end, 0 to 1.

    The room at an end is the plate's ground between the first or last character and a band, the
    border or the end of the plate. Most plates have about as much room at both ends.

    Args:
        found: the ink of the plate.
    """
    grey, ink = found.grey, found.ink
    height = len(grey)
    ends = _characters(found)
    if len(ends) < FEWEST:
        return 0.0
    shade, inked = middle_of(grey)[::2, ::2], middle_of(ink)[::2, ::2] > 0
    if inked.all() or not inked.any():
        return 0.0
    ground = float(np.median(shade[~inked]))
    contrast = abs(ground - float(np.median(shade[inked])))
    plain = np.abs(grey.astype(np.float32) - ground) < max(12.0, 0.35 * contrast)
    x1, y1, _, tall = ends[0]
    before = max(_run(plain[_row(y1, tall, at, height), : max(0, x1 - 1)][::-1]) for at in _ROWS)
    x1, y1, wide, last_tall = ends[-1]
    after = max(_run(plain[_row(y1, last_tall, at, height), x1 + wide + 1 :]) for at in _ROWS)
    uneven = abs(before - after) / float(np.median([box[3] for box in ends]))
    return float(1 / (1 + np.exp(-np.clip((uneven - UNEVEN) / SOFTNESS, -30, 30))))


_ROWS = (0.25, 0.75)
"""Where the room is measured, in heights of a character: a dash stands between them."""


def _characters(found: PlateInk) -> list[tuple[int, int, int, int]]:
    """x, y, width and height of the connected parts that may be characters, from left to right."""
    height, width = found.ink.shape
    x, _, w, h = found.parts.T
    likely = (h >= 0.35 * height) & (h <= 0.9 * height) & (x > 0) & (x + w < width)
    likely &= (w >= 0.1 * h) & (w <= 1.1 * h)
    if likely.sum() < FEWEST:
        return []
    tall = np.median(h[likely])
    likely &= (h >= 0.75 * tall) & (h <= 1.3 * tall)
    return sorted((int(a), int(b), int(c), int(d)) for a, b, c, d in found.parts[likely])


def _row(top: int, tall: int, at: float, height: int) -> int:
    return min(height - 1, int(top + at * tall))


def _run(plain: npt.NDArray[np.bool_]) -> int:
    """How many values are true before the first that is not."""
    return int(plain.argmin()) if not plain.all() else len(plain)
