"""Halves of characters: what a cover in the plate's own colour leaves of one is narrow or low.

Such a cover leaves no edge and no colour. But the characters of a plate are about equally wide and
high, all but I, 1 and J. A narrow character is therefore the rest of a wider one, and a low one
that stands on the line is the rest of a higher one. An I, 1 or J is suspected only if it has a wide
gap on one side, towards a character of its own kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from edge.adapters.models.plate_lines import PlateLines

NARROW = 0.36
"""How much narrower than the others a character is, as a share of their width, if a cover is as
likely as not. Chosen, like the other numbers here, on photographed plates (models/plate_covers.md).
"""

GAP_WEIGHT = 0.25
"""How much of a gap's excess counts as narrowness of the character beside it."""

ONE_SIDED = 0.4
"""The same for the gap beside a 1 or I, and for its narrowness, whichever is less."""

NARROW_J = 0.6
"""The same for the gap beside a J and its narrowness together."""

_SOFT_WIDTH, _SOFT_GAP = 0.02, 0.03
"""Widths of the transitions."""

FEWEST_USUAL = 2
"""With fewer characters of usual width, the probability is 0."""

LEAST_WIDTH = 0.45
"""Least width of the rest of a character that is low, in widths of the others: a seal is narrower.
"""

_VARYING = "1IJ"
"""Characters that are much narrower on some plates than on others."""


def halved(found: PlateLines, text: str) -> float:
    """The probability that something in the plate's colour hides a half of a character, 0 to 1.

    It is 0 where the characters cannot be told apart, or are not as many as the text has.

    Args:
        found: the characters and marks of the plate.
        text: what the reader reads: capitals and digits without separators.
    """
    places = found.characters(len(text))
    if found.lost or not places:
        return 0.0
    wide = np.array([found.part(one).x2 - found.part(one).x1 for one in places], float)
    usual = [one for one, shown in zip(wide, text, strict=True) if shown not in _VARYING]
    if len(usual) < FEWEST_USUAL:
        return 0.0
    width = float(np.median(usual))
    low = np.array([found.part(one).low for one in places])
    if (low & (wide > LEAST_WIDTH * width)).any():
        return 1.0
    excess = _excess(found, places, text, width)
    return max(
        _of_character(text, at, float(narrow), excess[at])
        for at, narrow in enumerate(1 - wide / width)
    )


def _excess(
    found: PlateLines, places: Sequence[tuple[int, int]], text: str, width: float
) -> list[tuple[float, float]]:
    """How much wider than others the gaps before and after each character are, in widths.

    It is 0 for a gap with a mark in it, and towards a character of another kind: between letters
    and digits many plates have room.
    """
    gaps = [
        (found.part(after).x1 - found.part(before).x2) / width
        if before[0] == after[0] and after[1] == before[1] + 1
        else None
        for before, after in pairwise(places)
    ]
    alike = [one.isdigit() == other.isdigit() for one, other in pairwise(text)]
    known = [gap for gap in gaps if gap is not None]
    usual = [
        gap
        for at, gap in enumerate(gaps)
        if gap is not None and alike[at] and not set(text[at : at + 2]) & set("1I")
    ]
    least = min(known, default=0.0)
    base = float(np.median(usual)) if len(usual) > 1 else least
    excess = [
        gap - base if gap is not None and same else 0.0
        for gap, same in zip(gaps, alike, strict=True)
    ]
    return list(zip([0.0, *excess], [*excess, 0.0], strict=True))


def _of_character(text: str, at: int, narrow: float, excess: tuple[float, float]) -> float:
    """The probability that a half of the character at a place in the text is hidden.

    Args:
        text: what is read.
        at: the character's place.
        narrow: how much narrower than the others it is, as a share of their width.
        excess: how much wider than others the gaps before and after it are, in the same unit.
    """
    gap = float(np.clip(max(excess), 0, 0.6))
    if text[at] == "J":
        both = gap > 0.2 and narrow > 0.1
        return _logistic(narrow + gap, NARROW_J, _SOFT_GAP) if both else 0.0
    if text[at] not in _VARYING:
        gap = max(0.0, gap - 0.1) if narrow > 0.12 else 0.0
        return _logistic(narrow + GAP_WEIGHT * gap, NARROW, _SOFT_WIDTH)
    beside = at + (1 if excess[1] > excess[0] else -1)
    if 0 <= beside < len(text) and text[beside] in "1I":
        gap /= 2  # both of them leave room
    return _logistic(min(narrow, gap - max(0.0, min(excess)) / 2), ONE_SIDED, _SOFT_GAP)


def _logistic(value: float, middle: float, softness: float) -> float:
    return float(1 / (1 + np.exp(-np.clip((value - middle) / softness, -30, 30))))
