"""Where the characters of a plate with a known text are, and what follows from that.

Real plates are few. With the place of each character, one photograph gives many texts: characters
of the same kind change places. And a cover can be drawn over characters, with the knowledge of
which ones it hides.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from scripts.fixtures.covers import draw_cover, hidden_share
from scripts.training.plate_crops import RealPlate

Pixels = npt.NDArray[np.uint8]
Rng = np.random.Generator
Box = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels of the picture."""

_TALL = 96
"""Height in pixels to which a plate is scaled before its characters are looked for."""

_LIKE_HEIGHTS = 0.16
"""Share by which the height of a character may differ from the median."""

HIDDEN, GUESSED = 0.4, 0.12
"""Shares of a character's box: with more of it hidden it cannot be read; with less it can."""

DIGITS = "0123456789"


def character_boxes(
    pixels: Pixels, inner: tuple[float, float, float, float], count: int
) -> list[Box] | None:
    """The boxes of a plate's characters in reading order, or None where they are not clear.

    They are clear where exactly `count` connected areas of ink have about the same height, in one
    line or in two.

    Args:
        pixels: (h, w, 3) BGR, a plate with its surroundings.
        inner: x1, y1, x2, y2 of the plate in it.
        count: number of its characters.
    """
    x1, y1, x2, y2 = (max(0, round(side)) for side in inner)
    part = pixels[y1:y2, x1:x2]
    if min(part.shape[:2]) < 8 or count < 2:
        return None
    scale = _TALL / part.shape[0]
    size = max(8, round(part.shape[1] * scale)), _TALL
    grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_BGR2GRAY)
    grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    for picture in (255 - grey, grey):
        found = _clear(np.asarray(picture, np.uint8), count)
        if found is not None:
            return [
                (
                    x1 + int(left / scale),
                    y1 + int(top / scale),
                    x1 + int(np.ceil(right / scale)),
                    y1 + int(np.ceil(foot / scale)),
                )
                for left, top, right, foot in found
            ]
    return None


def _clear(ink: Pixels, count: int) -> list[Box] | None:
    height, _width = ink.shape
    block = 2 * (height // 3) + 1
    marked = cv2.adaptiveThreshold(
        ink, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block, -12
    )
    _, _, stats, _ = cv2.connectedComponentsWithStats(marked, connectivity=4)
    boxes = [
        (int(x), int(y), int(x + w), int(y + h))
        for x, y, w, h, area in stats[1:]
        if h >= 0.2 * height and w <= 1.2 * h and w >= 0.06 * h and area >= 0.12 * w * h
        and not (y <= 0 and y + h >= height)
    ]  # fmt: skip
    if len(boxes) < count:
        return None
    heights = np.array([box[3] - box[1] for box in boxes], float)
    for tall in sorted(set(heights), reverse=True):
        alike = [
            box for box, h in zip(boxes, heights, strict=True) if abs(h / tall - 1) < _LIKE_HEIGHTS
        ]
        if len(alike) == count:
            return _ordered(alike, tall)
    return None


def _ordered(boxes: Sequence[Box], tall: float) -> list[Box] | None:
    """In reading order: one line, or two of which the upper comes first."""
    middles = np.array([(box[1] + box[3]) / 2 for box in boxes])
    slope = np.polyfit([box[0] for box in boxes], middles, 1) if len(boxes) > 2 else (0.0, 0.0)
    level = middles - np.polyval(slope, [box[0] for box in boxes]) if len(boxes) > 2 else middles
    if np.ptp(level) < 0.4 * tall:
        return sorted(boxes)
    upper = middles < (middles.min() + middles.max()) / 2
    first = sorted(box for box, up in zip(boxes, upper, strict=True) if up)
    second = sorted(box for box, up in zip(boxes, upper, strict=True) if not up)
    apart = min(box[1] for box in second) - max(box[1] for box in first)
    return first + second if apart > 0.6 * tall else None


def shuffled(plate: RealPlate, boxes: Sequence[Box], rng: Rng) -> RealPlate:
    """The plate with characters in other places: letters with letters, digits with digits.

    Only the columns between the first and the last character change; the gaps stay. A plate in two
    lines, or with characters that overlap, comes back as it is.
    """
    places = list(range(len(boxes)))
    for kind in (True, False):
        same = [at for at in places if (plate.text[at] in DIGITS) is kind]
        for at, taken in zip(same, rng.permutation(same), strict=True):
            places[at] = int(taken)
    x1, x2 = boxes[0][0], boxes[-1][2]
    edges = [(box[0], box[2]) for box in boxes]
    level = [(box[1] + box[3]) // 2 for box in boxes]
    if any(left < right for (_, right), (left, _) in itertools.pairwise(edges)):
        return plate
    parts: list[Pixels] = []
    for at, taken in enumerate(places):
        left, right = edges[taken]
        # On a sloping plate the character moves up or down as well.
        parts.append(np.roll(plate.pixels[:, left:right], level[at] - level[taken], axis=0))
        if at + 1 < len(edges):
            parts.append(plate.pixels[:, edges[at][1] : edges[at + 1][0]])
    pixels = plate.pixels.copy()
    pixels[:, x1:x2] = np.concatenate(parts, axis=1)
    text = "".join(plate.text[at] for at in places)
    return RealPlate(plate.photo, pixels, plate.inner, text, plate.region)


def covered(
    pixels: Pixels,
    inner: tuple[float, float, float, float],
    boxes: Sequence[Box],
    cover: str,
    rng: Rng,
) -> tuple[Pixels, list[bool]] | None:
    """The plate behind a cover, and which of its characters cannot be read any more.

    None where a character is hidden by so much that nobody can say whether it can be read.
    """
    if cover == "patch" and rng.random() < 0.7:
        drawn = _patched(pixels, boxes, rng)
        mask = (np.abs(drawn.astype(np.int16) - pixels).max(axis=2) > 0).astype(np.float32)
    else:
        drawn = draw_cover(cover, pixels, inner, int(rng.integers(1 << 31)))
        mask = hidden_share(pixels, drawn, inner)
    shares = [float(mask[y1:y2, x1:x2].mean()) for x1, y1, x2, y2 in boxes]
    if any(GUESSED < share < HIDDEN for share in shares):
        return None
    return drawn, [share >= HIDDEN for share in shares]


def _patched(pixels: Pixels, boxes: Sequence[Box], rng: Rng) -> Pixels:
    """A patch in the colour of the ground over one character, mostly the first or the last."""
    last = len(boxes) - 1
    at = int(rng.choice((0, last, int(rng.integers(len(boxes))))))
    x1, y1, x2, y2 = boxes[at]
    grow = round(0.08 * (y2 - y1)) + 1
    left, top = max(0, x1 - grow), max(0, y1 - grow)
    around = pixels[top : y2 + grow, left : x2 + grow]
    grey = cv2.cvtColor(np.ascontiguousarray(around), cv2.COLOR_BGR2GRAY)
    rim = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    near = np.abs(grey.astype(np.int16) - int(np.median(rim))) < 12
    colour = np.median(around[near], axis=0) if near.any() else np.median(around, axis=(0, 1))
    drawn: Pixels = np.array(pixels)
    grain = rng.normal(0, rng.uniform(0.5, 4), (*around.shape[:2], 1)) + rng.normal(0, 3, 3)
    drawn[top : top + around.shape[0], left : left + around.shape[1]] = np.clip(
        colour + grain, 0, 255
    )
    return drawn
