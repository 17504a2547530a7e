"""The empty place as a recording shows it: what stays the same while the street moves.

It is for a regular file, before a person looks at the result. What stands still for the whole
recording, such as a parked car or somebody on a bench, looks like the place itself: only a person
can see that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.domain.imaging import Box, Pixels
from edge.privacy.geometric_mask import Mask, fill, protected_region

TOLERANCE = 24
"""Grey levels by which a pixel may differ and still be the same: three times the noise at night."""

SETTLED_SHARE = 2 / 3
"""A pixel is settled if at least this share of the frames show its median."""

PARTS = 4
"""The frames are divided into so many parts of about equal length. Each must show the same, so that
what came and stayed, or stood for a while and left, is masked. Of fewer frames each is a part."""

MARGIN = 0.015
"""Share of the picture's longer side by which what is masked grows: a shadow, a blurred edge."""


def empty_place(frames: Sequence[Pixels]) -> tuple[Pixels, Mask]:
    """The median of frames of one view, and where it may be shown.

    Args:
        frames: at least one, in the order of time, each of shape (height, width, 3), BGR.

    Returns:
        The median, and True where it is settled. A single frame is settled everywhere.
    """
    median = _median(frames)
    shown = sum(_same(one, median).astype(np.uint16) for one in frames)
    settled = np.asarray(shown >= SETTLED_SHARE * len(frames))
    parts = min(PARTS, len(frames))
    for part in range(parts):
        start, end = part * len(frames) // parts, (part + 1) * len(frames) // parts
        settled &= _same(_median(frames[start:end]), median)
    return median, ~_grown(~settled, round(MARGIN * max(settled.shape)))


def hide_vehicles(visible: Mask, plates: Sequence[Box]) -> None:
    """Mask where the vehicle of each plate may be, wherever its plate is mounted."""
    for plate in plates:
        fill(visible, protected_region(plate), value=False)


def _median(frames: Sequence[Pixels]) -> Pixels:
    return np.asarray(np.median(np.stack(frames), axis=0), dtype=np.uint8)


def _same(one: Pixels, other: Pixels) -> Mask:
    """Where two pictures show the same in every channel."""
    different = np.abs(one.astype(np.int16) - other.astype(np.int16))
    return np.asarray(different.max(axis=2) <= TOLERANCE)


def _grown(mask: Mask, by: int) -> Mask:
    """A mask that also holds every pixel at most so far away, across or along."""
    grown: Mask = mask.copy()
    for _ in range(by):
        grown[1:] |= grown[:-1].copy()
        grown[:-1] |= grown[1:].copy()
        grown[:, 1:] |= grown[:, :-1].copy()
        grown[:, :-1] |= grown[:, 1:].copy()
    return grown
