"""What a teacher gives for a plate: the probability of each character in each place.

A text says nothing about how sure the teacher was, and plates that it cannot read with certainty
have no text. The probabilities say which characters look alike at that size and in that light
(distillation: Hinton, Vinyals and Dean 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box, Pixels, PlatePatch
from edge.pipeline.ports import PlateReader
from scripts.training.errors import DataError
from scripts.training.plate_crops import RealPlate
from scripts.training.reader_net import ALPHABET, PAD, SLOTS

Probabilities = npt.NDArray[np.float32]

CUTS = ((0.03, 0.0), (0.08, 0.0), (0.13, 0.0), (0.06, 0.03), (0.06, -0.03))
"""Margin and shift of each cut that the teacher reads, as shares of the plate's width and height.

Where a pixel more or less changes its answer, the mean is less sure than each answer."""

LEAST_CONFIDENCE = 0.6
"""Plates without a text are left out if the teacher's answer is less sure, on average over the
places: most of them cannot be read at all."""

_BATCH = 64


def answered(
    plates: Sequence[RealPlate],
    teacher: PlateReader,
    tell: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> list[RealPlate]:
    """The plates with a teacher's answers; without those that nobody can read.

    Args:
        plates: with or without a text.
        teacher: a reader with the places and the alphabet of the network that is trained.
        tell: called with what is done, how much of it and of how much.

    Raises:
        DataError: the teacher has other places or another alphabet.
    """
    found: list[RealPlate] = []
    for start in range(0, len(plates), _BATCH):
        some = plates[start : start + _BATCH]
        answers = np.mean([_answers([_cut(one, *cut) for one in some], teacher) for cut in CUTS], 0)
        for plate, answer in zip(some, answers, strict=True):
            if plate.text or float(answer.max(axis=1).mean()) >= LEAST_CONFIDENCE:
                found.append(replace(plate, answer=answer))
        tell("teacher", min(start + _BATCH, len(plates)), len(plates))
    return found


def _answers(crops: Sequence[Pixels], teacher: PlateReader) -> Probabilities:
    whole = Box(0, 0, 1, 1)  # readers take the pixels only
    readings = teacher.read([PlatePatch(whole, 1.0, crop) for crop in crops])
    first = readings[0]
    if (first.alphabet, first.pad, len(first.slots)) != (ALPHABET, ALPHABET[PAD], SLOTS):
        raise DataError(
            "--teacher-reader: it has other places or another alphabet than the network; "
            "name another one"
        )
    return np.stack([reading.slots for reading in readings])


def _cut(plate: RealPlate, margin: float, shift: float) -> Pixels:
    x1, y1, x2, y2 = plate.inner
    wide, high = x2 - x1, y2 - y1
    left, right = int(x1 + (shift - margin) * wide), int(x2 + (shift + margin) * wide) + 1
    top, bottom = int(y1 + (shift - margin) * high), int(y2 + (shift + margin) * high) + 1
    return np.ascontiguousarray(plate.pixels[max(0, top) : bottom, max(0, left) : right])
