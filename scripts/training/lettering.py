"""Draw lines of plate characters as masks; each glyph is rendered once and then scaled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from scripts.fixtures.fonts import font_path, pillow

Pixels = npt.NDArray[np.uint8]

_TALL = 96
"""Height in pixels at which a glyph is rendered; plates are drawn with smaller ones."""

GAPS = {" ": 0.34, "~": 0.14, "-": 0.36, ".": 0.22, "|": 0.62, "*": 0.72, ":": 0.40, "^": 0.30}
"""Width of a separator as a share of the characters' height. `|` leaves room for seals, `*` for
a coat of arms, `:` for small stickers, `^` for a line across the plate; the caller draws all of
these. The characters after `^` are smaller and stand higher."""

_RAISED = 0.72
"""Height of the characters after `^`, as a share of the others' height."""


@dataclass(frozen=True, slots=True)
class Face:
    """A font and its distortion: plate makers stamp slightly different letters."""

    font: str
    stretch: float = 1.0
    """Width of a character relative to the font's own width."""
    spacing: float = 0.11
    """Between characters, as a share of their height."""
    even: bool = False
    """Make all characters but I and 1 equally wide, as on British and Czech plates."""
    weight: float = 0.0
    """From -1 (thin) to 1 (bold)."""
    softness: float = 0.0
    """Standard deviation in pixels of the rounding of corners."""
    letter_share: float = 1.0
    """Height of letters as a share of the digits' height; they stand on the same line."""


@dataclass(frozen=True, slots=True)
class Line:
    """A mask of a line, uint8 (height, width), 255 is ink; and the places of its separators."""

    mask: Pixels
    marks: tuple[tuple[str, int, int], ...]
    """For each separator: its character, left edge and width in pixels."""


_PLAIN_ONES = {"routed-gothic.ttf", "routed-gothic-narrow.ttf"}
"""Fonts whose 1 is a plain stroke, which no plate has; the 1 of another font is used."""


@lru_cache(maxsize=2048)
def _glyph(font: str, character: str) -> Pixels:
    """A mask of a character, as high as a capital; descenders are squeezed into that height."""
    image_of, draw_on, font_of = pillow()
    if character == "1" and font in _PLAIN_ONES:
        font = "RG2014C.ttf"
    path = str(font_path(font))
    _, top, _, foot = font_of.truetype(path, 200).getbbox("H")
    face = font_of.truetype(path, round(200 * _TALL / (foot - top)))
    _, top, _, foot = face.getbbox("H")
    left, upper, right, lower = face.getbbox(character)
    if upper > top - 0.05 * _TALL:
        upper = top
    if lower < foot + 0.05 * _TALL:
        lower = foot
    image = image_of.new("L", (max(1, right - left), max(1, lower - upper)), 0)
    draw_on.Draw(image).text((-left, -upper), character, font=face, fill=255)
    mask = np.asarray(image, dtype=np.uint8)
    inked = np.flatnonzero(mask.max(axis=0) > 64)
    mask = mask[:, inked[0] : inked[-1] + 1]
    fitted = cv2.resize(mask, (mask.shape[1], _TALL), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(fitted, dtype=np.uint8)


@lru_cache(maxsize=64)
def _even_width(font: str) -> float:
    return float(np.median([_glyph(font, one).shape[1] for one in "ABCDEFGHKLNPRSTUVXZ023456789"]))


def line_of(text: str, face: Face, height: int, room: int) -> Line:
    """A line of capitals `height` pixels high; squeezed if it is wider than `room` pixels."""
    scale = face.stretch * height / _TALL
    raised = text.find("^") if "^" in text else len(text)
    widths, talls = [], []
    for at, character in enumerate(text):
        share = (face.letter_share if character.isalpha() else 1.0) * (
            _RAISED if at > raised else 1.0
        )
        talls.append(max(1, round(height * share)))
        if character in GAPS:
            widths.append(GAPS[character] * height)
        elif face.even and character not in "I1":
            widths.append(_even_width(face.font) * scale * share)
        else:
            widths.append(_glyph(face.font, character).shape[1] * scale * share)
    gap = face.spacing * height
    total = sum(widths) + gap * (len(text) - 1)
    squeeze = min(1.0, room / total)
    mask = np.zeros((height, max(1, round(total * squeeze) + 1)), np.uint8)
    marks = []
    x = 0.0
    for at, (character, width, tall) in enumerate(zip(text, widths, talls, strict=True)):
        left, wide = round(x * squeeze), max(1, round(width * squeeze))
        if character == "-":
            thick = max(2, round(height * 0.11))
            top = (height - thick) // 2
            mask[top : top + thick, left + wide // 7 : left + wide - wide // 7] = 255
        elif character == ".":
            radius = max(1, round(height * 0.065))
            cv2.circle(mask, (left + wide // 2, height // 2), radius, (255,), -1, cv2.LINE_AA)
        elif character in GAPS:
            marks.append((character, left, wide))
        else:
            glyph = cv2.resize(
                _glyph(face.font, character), (wide, tall), interpolation=cv2.INTER_AREA
            )
            room_left = mask.shape[1] - left
            top = 0 if at > raised else height - tall
            mask[top : top + tall, left : left + wide] = glyph[:, :room_left]
        x += width + gap
    return Line(_inked(mask, face), tuple(marks))


def _inked(mask: Pixels, face: Face) -> Pixels:
    """The mask with bolder or thinner strokes and rounder corners."""
    if not face.weight and not face.softness:
        return mask
    sigma = max(0.8, face.softness, 0.02 * mask.shape[0])
    soft = cv2.GaussianBlur(mask, (0, 0), sigma)
    level = 127.5 - 75.0 * face.weight
    table = np.clip((np.arange(256) - level) * 1.9 + 127.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.LUT(soft, table))
