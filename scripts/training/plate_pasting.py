"""Paste rendered plates into photographs: in perspective and light, with frame and recess.

The box is around the plate alone, without the dealer's frame or recess that it may lie in. Few
photographs show frames, and a network trained on those only takes the frame for the plate.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from scripts.training.distractors import WORDS

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

WIDE = 2.7
"""A plate at least so many times wider than high counts as a long European plate."""

FRAMED_WIDE, FRAMED = 0.15, 0.6
"""Shares of long plates, and of others, that are drawn in a dealer's frame."""

RECESSED = 0.45
"""Share of plates that lie in a holder or a recess of the bodywork."""


def paste_plate(
    pixels: Pixels, plate: Pixels, centre: tuple[float, float], width: float, light: float, rng: Rng
) -> Floats:
    """Paste a plate into a picture, in place; return the box x1, y1, x2, y2 of the plate alone.

    Args:
        pixels: the picture (h, w, 3), BGR.
        plate: the flat plate, BGR.
        centre: x and y of the plate's centre, in pixels.
        width: of the plate, in pixels.
        light: brightness of a light plate in this picture, 0 to 255.
        rng: source of random numbers.
    """
    height = width * plate.shape[0] / plate.shape[1]
    quad = _corners(centre, width, height, rng)
    box = np.concatenate((quad.min(0), quad.max(0)))
    wide = plate.shape[1] >= WIDE * plate.shape[0]
    if rng.random() < RECESSED:
        deepest = 0.35 if wide else 0.6
        _recess(pixels, quad, height * rng.uniform(0.02, deepest, 4), light, rng)
    picture, (left, top) = plate, (0, 0)
    if rng.random() < (FRAMED_WIDE if wide else FRAMED):
        picture, (left, top) = framed(plate, rng)
    scale = np.array([max(4, round(width * 1.3)), max(3, round(height * 1.3))]) / plate.shape[1::-1]
    reduced = np.maximum(np.round(picture.shape[1::-1] * scale), 3).astype(int)
    small = cv2.resize(
        picture, (int(reduced[0]), int(reduced[1])), interpolation=cv2.INTER_AREA
    ).astype(np.float32)
    bright = max(30.0, float(np.percentile(cv2.resize(plate, (64, 32)), 80)))
    gain = np.clip(light / bright * rng.uniform(0.85, 1.15), 0.15, 1.4)
    lit = np.clip(small * (gain * rng.normal(1, 0.04, 3)), 0, 255)
    first = np.array([left, top]) * scale
    last = first + np.array(plate.shape[1::-1]) * scale
    matrix = cv2.getPerspectiveTransform(_rectangle(first, last), quad)
    whole = cv2.perspectiveTransform(_rectangle(np.zeros(2), reduced)[None], matrix)[0]
    _blend(pixels, lit, matrix, whole, rng)
    return box


def framed(plate: Pixels, rng: Rng) -> tuple[Pixels, tuple[int, int]]:
    """A flat plate in a random dealer's frame, and the plate's x and y in that picture."""
    tall, wide = plate.shape[:2]
    left, right = (max(1, round(tall * rng.uniform(0.02, 0.14))) for _ in range(2))
    top, bottom = (max(1, round(tall * rng.uniform(0.02, 0.24))) for _ in range(2))
    ground = rng.uniform(5, 50, 3)
    kind = rng.random()
    if kind > 0.8:
        ground = rng.uniform(0, 255, 3)
    elif kind > 0.55:  # chrome, white
        ground = np.full(3, rng.uniform(130, 250))
    ink = (235 if ground.mean() < 120 else 20) + rng.normal(0, 12, 3)
    colour = [float(value) for value in ground]
    picture = cv2.copyMakeBorder(plate, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour)
    for first, bar in ((0, top), (top + tall, bottom)):
        if bar >= 0.08 * tall and rng.random() < 0.75:
            words = " ".join(str(WORDS[k]) for k in rng.integers(len(WORDS), size=2))
            (w, h), _ = cv2.getTextSize(words, 0, 1.0, 2)
            scale = min(0.6 * bar / h, 0.9 * wide / w)
            at = (round((picture.shape[1] - w * scale) / 2), round(first + bar / 2 + h * scale / 2))
            cv2.putText(picture, words, at, 0, scale, ink.tolist(), 1, cv2.LINE_AA)
    return np.asarray(picture, np.uint8), (left, top)


def _corners(centre: tuple[float, float], width: float, height: float, rng: Rng) -> Floats:
    """The four corners (4, 2) of a plate seen slightly from the side."""
    # Keep the turn small: the whole picture is turned again later, and a box around a box that was
    # turned twice is too large. So is the box around a plate whose nearer side is much higher.
    turn = math.radians(rng.normal(0, 0.8))
    yaw = rng.normal(0, 0.04)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64) / 2
    corners *= [width * (1 - abs(yaw)), height * rng.uniform(0.85, 1.05)]
    corners[:, 1] *= 1 + yaw * np.sign(corners[:, 0])
    corners[:, 1] += rng.normal(0, 0.015) * corners[:, 0]
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return np.asarray(corners @ rotation.T + centre, np.float32)


def _rectangle(first: npt.ArrayLike, last: npt.ArrayLike) -> Floats:
    (x1, y1), (x2, y2) = np.asarray(first), np.asarray(last)
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)


def _around(quad: Floats, pixels: Pixels) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """The part of a picture that contains four corners, as first and last x and y."""
    low = np.maximum(np.floor(quad.min(0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(quad.max(0)).astype(int) + 3, [pixels.shape[1], pixels.shape[0]])
    return low, high


def _filled(quad: Floats, size: npt.NDArray[np.int_]) -> Pixels:
    mask = np.zeros((int(size[1]), int(size[0])), np.uint8)
    cv2.fillConvexPoly(mask, np.round((quad - 0.5) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    return mask


def _blend(pixels: Pixels, flat: Floats, matrix: npt.NDArray[Any], quad: Floats, rng: Rng) -> None:
    """Draw a flat picture where `matrix` places it, as soft as the rest of the photograph."""
    low, high = _around(quad, pixels)
    if (high - low < 3).any():
        return
    shifted = between_centres(np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]]) @ matrix)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    warped = cv2.warpPerspective(
        flat, shifted, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    # Not fillConvexPoly: it fills 0.7 pixels too much on each side.
    mask = cv2.warpPerspective(np.ones(flat.shape[:2], np.float32), shifted, size)
    blur = rng.uniform(0.2, 0.9)
    alpha = cv2.GaussianBlur(mask, (0, 0), max(0.3, blur * 0.7))[..., None]
    warped = cv2.GaussianBlur(warped, (0, 0), blur)
    region = pixels[low[1] : high[1], low[0] : high[0]]
    region[:] = (region * (1 - alpha) + warped * alpha + 0.5).astype(np.uint8)


def between_centres(matrix: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """For OpenCV's warps, a map (2 or 3, 3) of positions that are counted from pixels' corners.

    Boxes count from the corner of the first pixel, OpenCV's warps from its centre. Without this
    correction, a warped picture lies up to one pixel beside its box.
    """
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    back = half.copy()
    back[:2, 2] = -0.5
    whole = matrix if len(matrix) == 3 else np.vstack((matrix, [0, 0, 1]))
    return np.asarray((back @ whole @ half)[: len(matrix)], np.float64)


def _recess(pixels: Pixels, quad: Floats, sides: Floats, light: float, rng: Rng) -> None:
    """Paint the holder or recess of a plate, `sides` pixels wide: left, right, top, bottom."""
    along = (quad[1] - quad[0]) / max(1e-3, float(np.linalg.norm(quad[1] - quad[0])))
    down = (quad[3] - quad[0]) / max(1e-3, float(np.linalg.norm(quad[3] - quad[0])))
    left, right, top, bottom = sides
    outer = quad + np.array(
        [
            -left * along - top * down,
            right * along - top * down,
            right * along + bottom * down,
            -left * along + bottom * down,
        ]
    )
    low, high = _around(outer, pixels)
    if (high - low < 3).any():
        return
    bright = rng.uniform(10, 90) if rng.random() < 0.7 else rng.uniform(120, 235)
    colour = np.clip(bright * light / 200 * rng.normal(1, 0.08, 3), 0, 255)
    mask = _filled(outer - low, high - low)
    soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.5)).astype(np.float32)[..., None] / 255
    soft *= rng.uniform(0.6, 1)
    region = pixels[low[1] : high[1], low[0] : high[0]]
    region[:] = (region * (1 - soft) + colour * soft + 0.5).astype(np.uint8)
