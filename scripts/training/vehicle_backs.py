"""Draw backs of vehicles that few photographs show: service vehicles and trailers.

A network finds a plate on such a back less often than between two lamps, and takes the writing
beside it for a plate. So backs are drawn with a plate and without one.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from scripts.training.distractors import WORDS

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

MESHED = 0.4
"""Share of backs that are a frame with a transparent mesh; the others are sheet metal."""

LAMPS = ((40, 40, 200), (30, 120, 235), (215, 220, 225), (25, 25, 90))
"""Colours of lamps and reflectors, BGR: lit red, amber, reversing light, dark red."""


def draw_back(
    pixels: Pixels, centre: tuple[float, float], width: float, light: float, rng: Rng
) -> None:
    """Draw the back of a vehicle around the place of a plate, in place.

    Args:
        pixels: the picture (h, w, 3), BGR.
        centre: x and y of the plate's centre, in pixels.
        width: of the plate, in pixels.
        light: brightness of a light surface in this picture, 0 to 255.
        rng: source of random numbers.
    """
    tall, wide = pixels.shape[:2]
    left, right = width * np.exp(rng.uniform(math.log(0.7), math.log(4), 2))
    up, down = width * np.exp(rng.uniform(math.log(0.35), math.log(2.5), 2))
    x1, x2 = max(0, int(centre[0] - left)), min(wide, int(centre[0] + right))
    y1, y2 = max(0, int(centre[1] - up)), min(tall, int(centre[1] + down))
    if min(x2 - x1, y2 - y1) < 8:
        return
    part = pixels[y1:y2, x1:x2]
    if rng.random() < MESHED:
        _mesh(part, width, light, rng)
    else:
        _sheet(part, light, rng)
        for _ in range(int(rng.integers(1, 6))):
            _lettering(part, width, rng)
    for _ in range(int(rng.integers(0, 4))):
        _lamp(part, width, light, rng)


def _sheet(part: Pixels, light: float, rng: Rng) -> None:
    """Draw sheet metal, mostly light, with shade, stains, seams and edges."""
    tall, wide = part.shape[:2]
    colour = np.full(3, light) if rng.random() < 0.6 else rng.uniform(0, light, 3)
    ground = np.broadcast_to(colour * rng.uniform(0.6, 1.05), part.shape).astype(np.float32)
    shade = np.linspace(1, rng.uniform(0.6, 1.1), tall, dtype=np.float32)[:, None, None]
    coarse = rng.normal(0, rng.uniform(2, 14), (max(2, tall // 16), max(2, wide // 24), 3))
    stains = cv2.resize(coarse.astype(np.float32), (wide, tall), interpolation=cv2.INTER_CUBIC)
    part[:] = np.clip(ground * shade + stains, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 6))):
        bright = rng.uniform(0.2, 0.8) * light
        thick = int(rng.integers(1, 1 + max(2, tall // 30)))
        if rng.random() < 0.5:
            at = int(rng.integers(wide))
            cv2.line(part, (at, 0), (at, tall), (bright,) * 3, thick, cv2.LINE_AA)
        else:
            at = int(rng.integers(tall))
            cv2.line(part, (0, at), (wide, at), (bright,) * 3, thick, cv2.LINE_AA)


def _mesh(part: Pixels, width: float, light: float, rng: Rng) -> None:
    """Draw a mesh between posts and darken what is behind it."""
    tall, wide = part.shape[:2]
    part[:] = (cv2.GaussianBlur(part, (0, 0), 1.0) * rng.uniform(0.15, 0.7)).astype(np.uint8)
    step = max(3, round(width * math.exp(rng.uniform(math.log(0.04), math.log(0.2)))))
    lean = float(rng.choice([0.0, 0.6, 1.0, 1.7]))
    colour = [float(rng.uniform(0.1, 0.8) * light)] * 3
    reach = round(lean * tall)
    for at in range(-reach, wide + reach, step):
        for way in (lean, -lean) if lean else (0.0,):
            cv2.line(part, (at, 0), (round(at + way * tall), tall), colour, 1, cv2.LINE_AA)
    if not lean:
        for at in range(0, tall, step):
            cv2.line(part, (0, at), (wide, at), colour, 1, cv2.LINE_AA)
    bar = [float(rng.uniform(0.05, 0.6) * light)] * 3
    thick = max(1, round(width * rng.uniform(0.03, 0.2)))
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(wide))
        cv2.line(part, (at, 0), (at, tall), bar, thick, cv2.LINE_AA)
    if rng.random() < 0.7:
        at = int(rng.integers(tall))
        cv2.line(part, (0, at), (wide, at), bar, thick, cv2.LINE_AA)


def _lettering(part: Pixels, width: float, rng: Rng) -> None:
    """Draw a word or a telephone number, between a third and twice a plate's height."""
    tall, wide = part.shape[:2]
    if rng.random() < 0.5:
        text = str(WORDS[rng.integers(len(WORDS))])
    else:
        d = "".join(str(n) for n in rng.integers(0, 10, 10))
        text = f"{d[:3]}-{d[3:6]}-{d[6:]}" if rng.random() < 0.6 else d[: rng.integers(1, 8)]
    font = int(rng.integers(0, 8)) | (cv2.FONT_ITALIC if rng.random() < 0.3 else 0)
    size = width * math.exp(rng.uniform(math.log(0.12), math.log(0.8)))
    scale = size / 22
    thick = max(1, round(scale * rng.uniform(1, 4)))
    under = part.mean((0, 1))
    ink = np.clip(under + rng.choice([-1, 1]) * rng.uniform(30, 190, 3), 0, 255)
    at = (int(rng.uniform(-0.2, 0.9) * wide), int(rng.uniform(0.05, 1.1) * tall))
    cv2.putText(part, text, at, font, scale, ink.tolist(), thick, cv2.LINE_AA)


def _lamp(part: Pixels, width: float, light: float, rng: Rng) -> None:
    """Draw a lamp or a reflector, round or rectangular, with or without a dark rim."""
    tall, wide = part.shape[:2]
    lamp = np.array(LAMPS[rng.integers(len(LAMPS))], np.float64)
    colour = np.clip(lamp * light / 200 + rng.normal(0, 15, 3), 0, 255).tolist()
    rim = (float(rng.uniform(10, 120)),) * 3
    x, y = int(rng.integers(wide)), int(rng.integers(tall))
    size = max(2, round(width * rng.uniform(0.06, 0.3)))
    if rng.random() < 0.5:
        cv2.circle(part, (x, y), size, colour, -1, cv2.LINE_AA)
        if rng.random() < 0.6:
            cv2.circle(part, (x, y), size, rim, max(1, size // 6), cv2.LINE_AA)
    else:
        corner = (x + round(size * rng.uniform(0.6, 4)), y + size)
        cv2.rectangle(part, (x, y), corner, colour, -1)
        if rng.random() < 0.6:
            cv2.rectangle(part, (x, y), corner, rim, max(1, size // 6))
