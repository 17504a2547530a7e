"""Draw a plate design as a flat picture: ground, bands, characters, small print and border."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from scripts.training.lettering import Face, line_of
from scripts.training.plate_design import GOLD, Band, Colour, Design, Small
from scripts.training.plate_marks import draw_mark

Pixels = npt.NDArray[np.uint8]


def draw(design: Design, rng: np.random.Generator) -> Pixels:
    """A picture of the design (h, w, 3), BGR; font, weight, spacing and colours vary a little."""
    width, height = design.size
    ground, ink = _varied(design.ground, rng, 12), _varied(design.ink, rng, 10)
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = ground
    if design.first_ground is not None:
        share, colour = design.first_ground
        picture[:, : round(share * width)] = _varied(colour, rng, 12)
    if design.scenery:
        _paint_scenery(picture, ground, rng)
    left, right = _bands(picture, design)
    first = min(int(rng.random() ** 1.7 * len(design.fonts)), len(design.fonts) - 1)
    face = Face(
        design.fonts[first],
        design.stretch * (0.92 + 0.16 * rng.random()),
        design.spacing * (0.6 + 0.9 * rng.random()),
        even=design.even,
        weight=float(np.clip(rng.normal(0.0, 0.32), -0.8, 0.8)),
        softness=1.8 * rng.random(),
        letter_share=design.letter_share,
    )
    upper, lower = design.area or (0.0, 1.0)
    margin = 7 + 0.015 * width * rng.random()
    area = (left + margin, upper * height, width - right - margin, lower * height)
    emboss = 0 if rng.random() < 0.4 else int(60 * rng.random())
    _write(picture, design, face, ink, area, emboss, rng)
    for small in design.small:
        _print_small(picture, small)
    if design.edges:
        _draw_edges(picture, design.edges)
    if design.border is not None:
        inset = int(1 + 3 * rng.random())
        thick = max(1, round(design.border_mm * (0.7 + 0.6 * rng.random())))
        _rounded(picture, inset, 4 + int(6 * rng.random()), _varied(design.border, rng, 10), thick)
    return picture


def _varied(colour: Colour, rng: np.random.Generator, by: float) -> Colour:
    """The colour with a random change of brightness and hue."""
    shift = rng.normal(0.0, by) + rng.normal(0.0, 0.35 * by, 3)
    b, g, r = np.clip(np.asarray(colour) + shift, 0, 255).astype(int)
    return int(b), int(g), int(r)


def _write(
    picture: Pixels,
    design: Design,
    face: Face,
    ink: Colour,
    area: tuple[float, float, float, float],
    emboss: int,
    rng: np.random.Generator,
) -> None:
    """Draw the lines of text and the marks between the groups."""
    x1, y1, x2, y2 = area
    count = len(design.lines)
    step = (y2 - y1) / count
    height = int(min(design.text_mm * (0.95 + 0.08 * rng.random()), 0.9 * step))
    aside = rng.normal(0.0, 0.012) * (x2 - x1)
    for number, text in enumerate(design.lines):
        line = line_of(text, face, height, int(x2 - x1))
        wide = line.mask.shape[1]
        slack = x2 - x1 - wide
        x = int(np.clip(x1 + slack / 2 + aside, x1, x1 + slack))
        middle = y1 + (number + 0.5) * step
        if count > 1:  # lines of a two-line plate stand closer together than the halves do
            middle += (0.5 - number) * max(0.0, step - height) * 0.3
        y = int(np.clip(middle - height / 2, 0, picture.shape[0] - height))
        _ink(picture[y : y + height, x : x + wide], line.mask, ink, emboss)
        for mark, left, wide in line.marks:
            place = (x + left, y, wide, height)
            draw_mark(picture, mark, place, design.mark, ink, design.arms, rng)


def _ink(patch: Pixels, mask: Pixels, ink: Colour, emboss: int) -> None:
    """Colour the patch where the mask is; an embossed edge is light above and dark below."""
    share = cv2.merge((mask, mask, mask))
    inked = np.full_like(patch, ink)
    # patch + (ink - patch) * share, in whole numbers: this is the slowest step of a plate.
    kept = cv2.multiply(patch, cv2.bitwise_not(share), scale=1 / 255)
    mixed = cv2.add(kept, cv2.multiply(inked, share, scale=1 / 255))
    if emboss:
        lower = np.zeros_like(share)
        lower[2:, 1:] = share[:-2, :-1]
        rim = emboss / 255
        mixed = cv2.add(mixed, cv2.convertScaleAbs(cv2.subtract(share, lower), alpha=rim))
        mixed = cv2.subtract(mixed, cv2.convertScaleAbs(cv2.subtract(lower, share), alpha=rim))
    patch[:] = mixed


def _bands(picture: Pixels, design: Design) -> tuple[int, int]:
    """Draw the coloured bands; return the widths of the left and the right one in pixels."""
    height, width = picture.shape[:2]
    if design.top is not None:
        tall = design.top.mm
        picture[:tall] = design.top.colour
        word = Small(design.top.letters, (0.5, 0.5 * tall / height), 0.55 * tall, design.top.ink)
        _print_small(picture, word)
    left = right = 0
    if design.left is not None:
        left = design.left.mm
        picture[:, :left] = _band(design.left, height)
    if design.right is not None:
        right = design.right.mm
        picture[:, width - right :] = _band(design.right, height)
    return left, right


@lru_cache(maxsize=4096)
def _band(band: Band, height: int) -> Pixels:
    """A picture of a band, (height, band.mm, 3)."""
    picture = np.empty((height, band.mm, 3), np.uint8)
    picture[:] = band.colour
    wide = band.mm
    if band.stars:
        for star in range(12):
            angle = star * np.pi / 6
            x = wide / 2 + 0.30 * wide * np.sin(angle)
            y = 0.32 * height - 0.30 * wide * np.cos(angle)
            radius = max(1, round(0.055 * wide))
            cv2.circle(picture, (round(x), round(y)), radius, GOLD, -1, cv2.LINE_AA)
    if len(band.flag) == 1:  # the year of registration in a ring
        middle = (wide // 2, round(0.28 * height))
        cv2.circle(picture, middle, round(0.3 * wide), band.flag[0], 2, cv2.LINE_AA)
    if len(band.flag) > 1:
        side, top = wide // 6, round(0.14 * height)
        foot = top + round(min(0.34 * height, 0.8 * wide))
        _flag(picture[top:foot, side : wide - side], band)
    if band.letters:
        tall = min(0.5 * wide, 0.86 * wide / len(band.letters))
        _print_small(picture, Small(band.letters, (0.5, 0.78), tall, band.ink))
    picture.flags.writeable = False
    return picture


def _flag(room: Pixels, band: Band) -> None:
    """Draw the flag of a band into a part of its picture."""
    tall, wide = room.shape[:2]
    if band.flag_kind == "cross":
        room[:] = band.flag[0]
        middle = wide // 2 if len(band.flag) == 2 else wide * 2 // 5  # nearer to the mast
        for number, colour in enumerate(band.flag[1:]):
            half = max(1, round((0.14 - 0.07 * number) * tall))
            room[tall // 2 - half : tall // 2 + half] = colour
            room[:, middle - half : middle + half] = colour
        return
    for number, colour in enumerate(band.flag):
        start, end = number / len(band.flag), (number + 1) / len(band.flag)
        if band.flag_kind == "columns":
            room[:, round(start * wide) : round(end * wide)] = colour
        else:
            room[round(start * tall) : round(end * tall)] = colour


@lru_cache(maxsize=1024)
def _small_mask(text: str, font: str, height: int, room: int) -> Pixels:
    return line_of(text, Face(font, spacing=0.12), height, room).mask


def _print_small(picture: Pixels, small: Small) -> None:
    height, width = picture.shape[:2]
    tall = max(5, min(round(small.mm), height))
    mask = _small_mask(small.text, small.font, tall, int(0.92 * width))
    x = int(np.clip(small.at[0] * width - mask.shape[1] / 2, 0, width - mask.shape[1]))
    y = int(np.clip(small.at[1] * height - tall / 2, 0, height - tall))
    _ink(picture[y : y + tall, x : x + mask.shape[1]], mask, small.ink, 0)


def _draw_edges(picture: Pixels, edges: tuple[Colour, ...]) -> None:
    """Draw thin lines along the upper and lower edge, the outermost first."""
    height = picture.shape[0]
    for number, colour in enumerate(edges):
        y = 3 + 3 * number
        picture[y : y + 3] = colour
        picture[height - y - 3 : height - y] = colour


def _rounded(picture: Pixels, inset: int, radius: int, colour: Colour, thick: int) -> None:
    """Draw the outline of a rounded rectangle."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = inset, inset, width - 1 - inset, height - 1 - inset
    for centre, turn in (
        ((x1 + radius, y1 + radius), 180),
        ((x2 - radius, y1 + radius), 270),
        ((x2 - radius, y2 - radius), 0),
        ((x1 + radius, y2 - radius), 90),
    ):
        cv2.ellipse(picture, centre, (radius, radius), turn, 0, 90, colour, thick, cv2.LINE_AA)
    for start, end in (
        ((x1 + radius, y1), (x2 - radius, y1)),
        ((x1 + radius, y2), (x2 - radius, y2)),
        ((x1, y1 + radius), (x1, y2 - radius)),
        ((x2, y1 + radius), (x2, y2 - radius)),
    ):
        cv2.line(picture, start, end, colour, thick)


def _paint_scenery(picture: Pixels, ground: Colour, rng: np.random.Generator) -> None:
    """Paint a gradient, hills, a sun or stripes, so faint that the characters stay readable."""
    height, width = picture.shape[:2]
    base = np.asarray(ground, np.float32)
    other = np.clip(base + rng.normal(0.0, 55.0, 3), 0, 255).astype(np.float32)
    kind = rng.random()
    if kind < 0.45:
        ramp = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
        ramp = np.abs(2 * ramp - 1) if rng.random() < 0.4 else ramp
        picture[:] = (base + (other - base) * ramp).astype(np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        tint = np.clip(base + rng.normal(0.0, 38.0, 3), 0, 255)
        colour = (int(tint[0]), int(tint[1]), int(tint[2]))
        shape = rng.random()
        x, y = int(rng.random() * width), int(rng.random() * height)
        if shape < 0.35:
            size = int((0.1 + 0.3 * rng.random()) * width)
            cv2.ellipse(picture, (x, height), (size, int(size * 0.6)), 0, 0, 360, colour, -1)
        elif shape < 0.6:
            cv2.circle(picture, (x, y), int((0.05 + 0.2 * rng.random()) * width), colour, -1)
        elif shape < 0.8:
            picture[int(0.8 * height) :] = colour
        else:
            cv2.line(picture, (0, y), (width, height - y), colour, int(4 + 20 * rng.random()))
    cv2.GaussianBlur(picture, (0, 0), 1.0 + 4.0 * rng.random(), dst=picture)
