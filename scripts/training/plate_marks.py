"""Draws what stands between the characters of a plate: seals, arms, stickers, a line across.

A reader must not take them for characters. Arms and stickers therefore vary in shape, colour and
content, also within a country: the arms of towns differ, and stickers fade and wear off.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from scripts.training.plate_design import (
    BLACK,
    BLUE,
    BRIGHT_RED,
    GOLD,
    GREEN,
    WHITE,
    Colour,
    Rng,
    pick,
)

Pixels = npt.NDArray[np.uint8]

ARMS = ("bar", "cross", "checks", "columns", "bird", "halves", "plain")
"""What can be on a coat of arms."""

_GREY: Colour = (150, 150, 150)
_TINTS = (WHITE, WHITE, GOLD, BLUE, BRIGHT_RED, GREEN, BLACK)


def draw_mark(
    picture: Pixels,
    mark: str,
    box: tuple[int, int, int, int],
    colour: Colour | None,
    ink: Colour,
    arms: str,
    rng: Rng,
) -> None:
    """Draw one separator into a picture.

    Args:
        picture: of the plate, changed in place.
        mark: `|` seals, `*` arms, `:` stickers, `^` a line across; others draw nothing.
        box: left, top, width and height in pixels of its place in the line of characters.
        colour: of the seals, arms or stickers; None: grey.
        ink: colour of the characters.
        arms: one of ARMS, or "" for any.
        rng: chooses what varies.
    """
    left, top, wide, height = box
    x, y = left + wide // 2, top + height // 2
    if mark == "|":
        _seals(picture, (x, y), wide, height, colour or _GREY)
    elif mark == "*":
        _arms(picture, (x, y), height, (colour or _GREY, ink), arms or pick(rng, ARMS), rng)
    elif mark == ":":
        _stickers(picture, (x, y), height, colour or _GREY, rng)
    elif mark == "^":
        ends = max(3, y - height), min(picture.shape[0] - 4, y + height)
        cv2.line(picture, (x, ends[0]), (x, ends[1]), ink, 2)


def _seals(
    picture: Pixels, middle: tuple[int, int], wide: int, height: int, colour: Colour
) -> None:
    """The inspection sticker above the seal of the authority."""
    x, y = middle
    up, down = (x, y - height // 4), (x, y + height // 4)
    radius = max(3, int(min(0.46 * wide, 0.22 * height)))
    cv2.circle(picture, up, radius, colour, -1, cv2.LINE_AA)
    cv2.circle(picture, up, radius // 3, GOLD, -1, cv2.LINE_AA)
    cv2.circle(picture, down, radius, (200, 205, 205), -1, cv2.LINE_AA)
    cv2.circle(picture, down, radius, (110, 110, 110), 1, cv2.LINE_AA)
    cv2.circle(picture, down, max(1, radius // 2), colour, 1, cv2.LINE_AA)


def _stickers(
    picture: Pixels, middle: tuple[int, int], height: int, colour: Colour, rng: Rng
) -> None:
    """Two round stickers, or one round or square one."""
    x, y = middle
    radius = max(2, int((0.09 + 0.05 * rng.random()) * height))
    kind = rng.random()
    if kind < 0.7:
        for at in (y - height // 5, y + height // 5):
            cv2.circle(picture, (x, at), radius, colour, -1, cv2.LINE_AA)
            if kind < 0.25:
                cv2.circle(picture, (x, at), max(1, radius // 2), WHITE, 1, cv2.LINE_AA)
    elif kind < 0.83:
        at = y + int((rng.random() - 0.5) * 0.5 * height)
        cv2.circle(picture, (x, at), radius + 2, colour, -1, cv2.LINE_AA)
    else:
        at = y + int((rng.random() - 0.5) * 0.3 * height)
        high = int((1.0 + 0.8 * rng.random()) * radius)
        cv2.rectangle(picture, (x - radius, at - high), (x + radius, at + high), colour, -1)
        cv2.rectangle(picture, (x - radius, at - high), (x + radius, at + high), _GREY, 1)


def _arms(
    picture: Pixels,
    middle: tuple[int, int],
    height: int,
    colours: tuple[Colour, Colour],
    content: str,
    rng: Rng,
) -> None:
    """A shield, an oval or a disc with a content, at times below a crown."""
    x, y = middle
    half = max(3, int((0.26 + 0.08 * rng.random()) * height))
    tall = max(3, int((0.30 + 0.11 * rng.random()) * height))
    form = np.zeros((2 * tall + 1, 2 * half + 1), np.uint8)
    stamp = _content((2 * half + 1, 2 * tall + 1), colours[0], content, rng)
    kind = rng.random()
    if kind < 0.72:  # a shield, straight or round below
        foot = tall + tall // 3
        if kind < 0.45:
            outline = [(0, 0), (2 * half, 0), (2 * half, foot), (half, 2 * tall), (0, foot)]
            cv2.fillPoly(form, [np.array(outline)], 255)
        else:
            form[:foot] = 255
            cv2.ellipse(form, (half, foot), (half, 2 * tall - foot), 0, 0, 180, 255, -1)
    else:
        across = half if kind < 0.86 else min(half, tall)
        cv2.ellipse(form, (half, tall), (across, min(tall, across + 3)), 0, 0, 360, 255, -1)
    top, left = y - tall, x - half
    above, before = max(0, -top), max(0, -left)
    room = picture[top + above : top + form.shape[0], left + before : left + form.shape[1]]
    form = form[above : above + room.shape[0], before : before + room.shape[1]]
    stamp = stamp[above : above + room.shape[0], before : before + room.shape[1]]
    np.copyto(room, stamp, where=form[..., None] > 0)
    contours, _ = cv2.findContours(form, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(room, contours, -1, colours[1], 1, cv2.LINE_AA)
    if rng.random() < 0.15:
        crown = [(x - half, top - 2), (x - half, top - 7), (x, top - 3), (x + half, top - 7)]
        cv2.fillPoly(picture, [np.array([*crown, (x + half, top - 2)])], GOLD, cv2.LINE_AA)


def _content(size: tuple[int, int], colour: Colour, content: str, rng: Rng) -> Pixels:
    """A picture of what is on the arms, (height, width, 3)."""
    wide, tall = size
    stamp = np.empty((tall, wide, 3), np.uint8)
    stamp[:] = colour
    other = pick(rng, _TINTS)
    if other == colour:
        other = WHITE
    if content == "bar":
        thick = max(2, tall // 10)
        stamp[tall // 2 - thick : tall // 2 + thick] = other
    elif content == "cross":
        thick = max(2, wide // 9)
        centre = int(0.45 * tall)
        stamp[centre - thick : centre + thick, wide // 6 : wide - wide // 6] = other
        stamp[centre - wide // 3 : centre + wide // 3, wide // 2 - thick : wide // 2 + thick] = (
            other
        )
    elif content == "checks":
        cell = max(2, wide // 5)
        rows, columns = np.indices((tall, wide))
        stamp[(rows // cell + columns // cell) % 2 == 0] = WHITE
    elif content == "columns":
        stamp[:, wide // 3 : 2 * wide // 3] = other
    elif content == "halves":
        stamp[tall // 2 :] = other
    elif content == "bird":
        body = [(0.5, 0.15), (0.62, 0.4), (0.92, 0.25), (0.8, 0.6), (0.58, 0.65), (0.65, 0.88)]
        body += [(0.5, 0.78)] + [(1 - u, v) for u, v in reversed(body[1:])]
        points = np.array([(int(u * wide), int(v * tall)) for u, v in body])
        cv2.fillPoly(stamp, [points], other, cv2.LINE_AA)
    return stamp
