"""The characters and marks of a plate in their lines, found in its ink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.adapters.models.plate_ink import PlateInk

LEAST_HEIGHTS = 0.35, 0.2
"""Least height of a character as a share of the picture's: on a plate of one line, or of two."""

FEWEST = 3
"""With fewer characters that can be told apart, no line is found."""

_WHOLE = 0.8, 1.25
"""Least and largest height of a whole character, in heights of most characters."""

_SLENDER = 0.08
"""Least width of a character, in its own heights."""

_LOW = 0.28
"""Least height of the rest of a character of which a half is hidden, in the same unit."""


@dataclass(frozen=True, slots=True)
class LinePart:
    """A character or a mark: the box of its ink, in pixels.

    Attributes:
        x1, x2, y1, y2: left, right, top and foot.
        whole: it is as high as most characters.
        low: it is less high, but stands on the foot of the line or hangs from its top.
        pieced: it is two marks above each other: two seals, or the rest of a character.
    """

    x1: int
    x2: int
    y1: int
    y2: int
    whole: bool
    low: bool = False
    pieced: bool = False


@dataclass(frozen=True, slots=True)
class PlateLines:
    """The lines of a plate, the upper one first, each from left to right.

    Attributes:
        lines: characters and marks.
        lost: between characters stands ink that is no part of a line: a character touches another
            thing, such as the frame, and is not among the parts.
    """

    lines: tuple[tuple[LinePart, ...], ...]
    lost: bool

    def characters(self, count: int) -> list[tuple[int, int]]:
        """Line and place of each character, if there are as many as this; else none.

        A part that is low, or of two pieces, is a character or a seal: the count decides. At most
        one is low, and one that is not between whole ones comes last into question.
        """
        inner = [(line, at) for line, parts in enumerate(self.lines) for at in _inner(parts)]
        every = [(line, at) for line, parts in enumerate(self.lines) for at in range(len(parts))]
        for places, low, pieced in (
            (inner, True, False),
            (inner, False, False),
            (inner, True, True),
            (inner, False, True),
            (every, True, False),
            (every, True, True),
        ):
            chosen = [one for one in places if self._is_character(one, low=low, pieced=pieced)]
            if len(chosen) == count and sum(self.part(one).low for one in chosen) <= 1:
                return chosen
        return []

    def part(self, place: tuple[int, int]) -> LinePart:
        """The part at a place: number of the line, and number in it."""
        return self.lines[place[0]][place[1]]

    def _is_character(self, place: tuple[int, int], *, low: bool, pieced: bool) -> bool:
        part = self.part(place)
        return (part.whole or (low and part.low)) and (pieced or not part.pieced)


def plate_lines(found: PlateInk) -> PlateLines | None:
    """The lines of a plate; None if fewer than `FEWEST` characters can be told apart."""
    height, width = found.ink.shape
    x, y, w, h = found.parts.T
    inside = (x > 0) & (x + w < width) & (y > 0) & (y + h < height)
    shaped = inside & (h <= 0.9 * height) & (w >= _SLENDER * h) & (w <= 1.3 * h)
    sizes = (shaped & (h >= least * height) for least in LEAST_HEIGHTS)
    likely = next((one for one in sizes if one.sum() >= FEWEST), None)
    if likely is None:
        return None
    tall = float(np.median(h[likely]))
    whole = likely & (h >= _WHOLE[0] * tall) & (h <= _WHOLE[1] * tall)
    if whole.sum() < FEWEST:
        return None
    tall = float(np.median(h[whole]))
    near = inside & ~whole & (h <= 1.3 * tall) & (w <= 1.5 * tall)
    near &= (h >= 0.1 * tall) | (w >= 0.1 * tall)
    marks = _parts_of(found, near, whole=False)
    lines = tuple(
        tuple(_line(one, marks, tall)) for one in _apart(_parts_of(found, whole, whole=True), tall)
    )
    return PlateLines(lines, _lost(found, lines)) if lines else None


def _parts_of(found: PlateInk, chosen: np.ndarray, *, whole: bool) -> list[LinePart]:
    boxes = sorted(map(tuple, found.parts[chosen].tolist()))
    return [LinePart(x, x + w, y, y + h, whole) for x, y, w, h in boxes]


def _middle(part: LinePart) -> float:
    return (part.y1 + part.y2) / 2


def _apart(characters: Sequence[LinePart], tall: float) -> list[list[LinePart]]:
    """Whole characters by lines of at least two, the upper line first."""
    lines: list[list[LinePart]] = []
    for one in characters:
        line = next((own for own in lines if abs(_middle(own[-1]) - _middle(one)) < tall / 2), None)
        if line is None:
            lines.append([one])
        else:
            line.append(one)
    kept = [line for line in lines if len(line) >= 2]
    return sorted(kept, key=lambda line: sum(part.y1 for part in line) / len(line))


def _line(characters: Sequence[LinePart], marks: Sequence[LinePart], tall: float) -> list[LinePart]:
    """The characters of one line and the marks beside them; pieces above each other are one."""
    at = np.array([(part.x1 + part.x2) / 2 for part in characters])
    middles = np.array([_middle(part) for part in characters])
    first, second = np.triu_indices(len(at), 1)
    rises = (middles[second] - middles[first]) / np.maximum(at[second] - at[first], 1)
    slope = float(np.median(rises))
    start = float(np.median(middles - slope * at))

    def height_of(part: LinePart) -> float:
        """The middle of the line where a part is."""
        return start + slope * (part.x1 + part.x2) / 2

    beside = [one for one in marks if one.y1 - 0.6 * tall <= height_of(one) <= one.y2 + 0.6 * tall]
    joined: list[LinePart] = []
    for one in sorted((*characters, *beside), key=lambda part: (part.x1, part.x2)):
        if joined and _are_pieces(joined[-1], one):
            joined[-1] = _together(joined[-1], one)
        else:
            joined.append(one)
    return [_judged(one, height_of(one), tall) for one in joined]


def _are_pieces(one: LinePart, other: LinePart) -> bool:
    shared = min(one.x2, other.x2) - max(one.x1, other.x1)
    narrower = min(one.x2 - one.x1, other.x2 - other.x1)
    return not (one.whole and other.whole) and shared > narrower / 2


def _together(one: LinePart, other: LinePart) -> LinePart:
    return LinePart(
        min(one.x1, other.x1),
        max(one.x2, other.x2),
        min(one.y1, other.y1),
        max(one.y2, other.y2),
        one.whole or other.whole,
        pieced=not (one.whole or other.whole),
    )


def _judged(part: LinePart, middle: float, tall: float) -> LinePart:
    """The part, said to be whole, low or a mark by its height and place in the line."""
    high, wide = part.y2 - part.y1, part.x2 - part.x1
    off_top, off_foot = abs(part.y1 - middle + tall / 2), abs(part.y2 - middle - tall / 2)
    at_an_edge = min(off_top, off_foot) < 0.13 * tall and wide >= 0.15 * tall
    whole = part.whole or (high >= _WHOLE[0] * tall and wide >= _SLENDER * high)
    low = not whole and at_an_edge and _LOW * tall <= high < _WHOLE[0] * tall
    return replace(part, whole=whole, low=low)


def _inner(line: Sequence[LinePart]) -> range:
    """The places from the first whole character to the last."""
    whole = [at for at, part in enumerate(line) if part.whole]
    return range(whole[0], whole[-1] + 1)


def _lost(found: PlateInk, lines: Sequence[Sequence[LinePart]]) -> bool:
    rest = found.ink.copy()
    for part in (one for line in lines for one in line):
        rest[part.y1 : part.y2, part.x1 : part.x2] = 0
    return any(
        _ink_between(rest, line[at], line[at + 1]) > 0.25
        for line in lines
        for at in _inner(line)[:-1]
    )


def _ink_between(rest: np.ndarray, one: LinePart, other: LinePart) -> float:
    """The share of the columns between two parts that have ink at the height of the characters.

    A fifth of a column must be ink: seals and dirt leave single pixels.
    """
    if other.x1 - one.x2 < 2:
        return 0.0
    inner, outer = (max, min) if one.whole and other.whole else (min, max)
    top, foot = inner(one.y1, other.y1), outer(one.y2, other.y2)
    margin = 0.2 * (foot - top)
    between = rest[int(top + margin) : int(foot - margin) + 1, one.x2 : other.x1]
    return float((between.mean(axis=0) > 0.2).mean()) if between.size else 0.0
