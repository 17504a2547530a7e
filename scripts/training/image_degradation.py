"""Degrade a picture as a camera does: light, colour, blur, noise and compression."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Rng = np.random.Generator


def degraded(picture: Pixels, rng: Rng) -> Pixels:
    """The picture with random light, colour, blur, noise and compression."""
    image = picture
    if rng.random() < 0.85:
        gamma = math.exp(rng.normal(0, 0.28))
        table = 255 * (np.arange(256) / 255) ** gamma
        table = (table - 128) * rng.uniform(0.7, 1.25) + 128 + rng.normal(0, 14)
        cast = 1 + rng.normal(0, 0.06, 3)
        if rng.random() < 0.06:  # a strong cast: sodium lamps, failing infrared filter
            cast = 1 + rng.normal(0, 0.25, 3)
        tables = np.clip(table[:, None] * cast, 0, 255).astype(np.uint8)
        image = np.asarray(cv2.LUT(image, tables[None]), np.uint8)
    colourful = rng.random()
    if colourful < 0.5:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        keep = 0.0 if colourful < 0.14 else rng.uniform(0.2, 1.6)
        image = np.asarray(cv2.addWeighted(image, keep, grey, 1 - keep, 0), np.uint8)
    blur = rng.random()
    if blur < 0.18:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.5)), np.uint8)
    elif blur < 0.26:
        image = np.asarray(cv2.filter2D(image, -1, motion_blur(rng)), np.uint8)
    if rng.random() < 0.3:
        image = noisy(image, rng)
    if rng.random() < 0.25:
        quality = int(rng.integers(25, 80))
        ok, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if ok:
            image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image


def motion_blur(rng: Rng) -> Floats:
    """A motion blur kernel of 3 to 7 pixels in a random direction; its sum is 1."""
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    middle = length / 2 - 0.5
    spin = cv2.getRotationMatrix2D((middle, middle), rng.uniform(0, 180), 1)
    kernel = np.asarray(cv2.warpAffine(kernel, spin, (length, length)), np.float32)
    return kernel / max(float(kernel.sum()), 1e-3)


def noisy(image: Pixels, rng: Rng) -> Pixels:
    """The image with sensor noise, grey or coloured."""
    noise = _noise()
    top, left = (int(rng.integers(0, noise.shape[i] - image.shape[i])) for i in (0, 1))
    part = noise[top : top + image.shape[0], left : left + image.shape[1]]
    if rng.random() < 0.5:
        part = np.repeat(part[..., :1], 3, -1)
    strength = rng.uniform(2, 14)
    return np.asarray(
        cv2.addWeighted(image, 1, part, strength / NOISE_SIGMA, -128 * strength / NOISE_SIGMA),
        np.uint8,
    )


NOISE_SIGMA = 32.0


@lru_cache(maxsize=1)
def _noise() -> Pixels:
    """A field of normal noise around 128, from which parts are cut: drawing noise is slow."""
    field = np.random.default_rng(5).normal(128, NOISE_SIGMA, (768, 1024, 3))
    return np.clip(field, 0, 255).astype(np.uint8)
