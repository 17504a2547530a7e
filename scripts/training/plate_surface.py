"""What a plate is like before a camera sees it: screws, dirt, shadow, drops, a frame, bends."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from scripts.training.lettering import Face, line_of
from scripts.training.plate_design import pick

Pixels = npt.NDArray[np.uint8]
Rng = np.random.Generator
Picture = npt.NDArray[np.float32]


def as_bytes(picture: npt.NDArray[np.generic] | cv2.typing.MatLike) -> Pixels:
    """The picture as uint8; a copy only if needed."""
    return np.asarray(picture).astype(np.uint8, copy=False)


def as_floats(picture: npt.NDArray[np.generic] | cv2.typing.MatLike) -> Picture:
    """The picture as float32; a copy only if needed."""
    return np.asarray(picture).astype(np.float32, copy=False)


def near_infrared(face: Pixels, rng: Rng) -> Pixels:
    """The plate in near infrared: its reflective film returns the light of the camera's lamp."""
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY).astype(np.float32)
    low, high = float(grey.min()), float(grey.max())
    grey = (grey - low) / max(1.0, high - low)
    gamma = 0.6 + 0.7 * rng.random()
    grey = (20 + 50 * rng.random()) + (150 + 60 * rng.random()) * grey**gamma
    return as_bytes(cv2.cvtColor(as_bytes(np.clip(grey, 0, 255)), cv2.COLOR_GRAY2BGR))


def add_wear(face: Pixels, rng: Rng, hard: float) -> None:
    """Draw screws, dirt, a shadow and drops of water on the plate, in place."""
    height, width = face.shape[:2]
    if rng.random() < 0.45:
        radius = max(1, round((0.025 + 0.02 * rng.random()) * height))
        shade = int(40 + 190 * rng.random())
        y = int(height * (0.5 if rng.random() < 0.5 else 0.12 + 0.1 * rng.random()))
        apart = 0.03 + 0.3 * rng.random()
        for x in (int(apart * width), int((1 - apart) * width)):
            cv2.circle(face, (x, y), radius, (shade, shade, shade), -1, cv2.LINE_AA)
    if rng.random() < 0.35:
        _soil(face, rng, hard)
    if rng.random() < 0.22:
        _cross_shadow(face, rng)
    if rng.random() < 0.06:
        for _ in range(int(rng.integers(3, 14))):
            _drop(face, rng)


def _soil(face: Pixels, rng: Rng, hard: float) -> None:
    height, width = face.shape[:2]
    cells = int(rng.integers(3, 9)), int(rng.integers(5, 24))
    cells_of = rng.random(cells, dtype=np.float32)
    cloud = as_floats(cv2.resize(cells_of, (width, height), interpolation=cv2.INTER_CUBIC))
    threshold = 0.2 + 0.5 * rng.random()
    share = np.clip((cloud - threshold) * 2.0, 0, 1) * min(0.75, (0.15 + 0.4 * rng.random()) * hard)
    if rng.random() < 0.5:  # splashed from below
        share *= np.linspace(0.2, 1.0, height, dtype=np.float32)[:, None]
    mud = np.array((70, 90, 105), np.float32) * (0.5 + 0.9 * rng.random())
    face[:] = as_bytes(face + (mud - face) * share[..., None])


def _cross_shadow(face: Pixels, rng: Rng) -> None:
    height, width = face.shape[:2]
    depth = 0.35 + 0.4 * rng.random()
    mask = np.ones((height, width), np.float32)
    if rng.random() < 0.6:  # of the bumper, along the upper edge
        mask[: int(height * (0.15 + 0.6 * rng.random()))] = depth
    else:
        x1, x2 = int(rng.random() * width), int(rng.random() * width)
        shape = np.array([(x1, 0), (width, 0), (width, height), (x2, height)])
        cv2.fillPoly(mask, [shape], (float(depth),))
    soft = cv2.GaussianBlur(mask, (0, 0), 0.5 + 0.05 * height * rng.random())
    face[:] = as_bytes(face * soft[..., None])


def _drop(face: Pixels, rng: Rng) -> None:
    """Draw a drop of water: the mean of its surroundings with a bright spot."""
    height, width = face.shape[:2]
    radius = max(1, int((0.02 + 0.06 * rng.random()) * height))
    x, y = int(rng.random() * width), int(rng.random() * height)
    around = face[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
    mean = around.reshape(-1, 3).mean(axis=0)
    cv2.circle(face, (x, y), radius, tuple(float(one) for one in mean), -1, cv2.LINE_AA)
    cv2.circle(face, (x - radius // 3, y - radius // 3), max(1, radius // 4), (235, 235, 235), -1)


_ADVERTS = (
    "AUTO",
    "GARAGE",
    "MOTORS",
    "CARS",
    "CENTER",
    "SERVICE",
    "AUTOHAUS",
    "DEALER",
    "WWW.CARS",
)


@lru_cache(maxsize=512)
def _advert(text: str, height: int, room: int) -> Pixels:
    return line_of(text, Face("LiberationSans-Bold.ttf", spacing=0.2), height, room).mask


def in_frame(face: Pixels, rng: Rng) -> tuple[Pixels, tuple[int, int, int, int]]:
    """The plate as BGRA, with or without a dealer's frame, with round corners; and its box.

    The box is left, top, right and lower edge in pixels of the picture returned.
    """
    height, width = face.shape[:2]
    kind = rng.random()
    side = below = 0
    if kind < 0.45:
        side = max(1, round((0.03 + 0.05 * rng.random()) * height))
        below = side if kind < 0.2 else round((0.10 + 0.08 * rng.random()) * height)
        shade = 10 + 45 * rng.random() if rng.random() < 0.85 else 120 + 110 * rng.random()
        framed = np.empty((height + side + below, width + 2 * side, 3), np.uint8)
        framed[:] = int(shade)
        framed[side : side + height, side : side + width] = face
        if below > 7 and rng.random() < 0.7:
            words = f"{pick(rng, _ADVERTS)} {pick(rng, _ADVERTS)}"
            mask = _advert(words, max(4, int(0.55 * below)), int(0.8 * width))
            tall, wide = mask.shape
            y, x = side + height + (below - tall) // 2, (framed.shape[1] - wide) // 2
            patch = framed[y : y + tall, x : x + wide]
            ink = 225.0 if shade < 100 else 30.0
            patch[:] = as_bytes(patch + (ink - patch) * (mask[..., None] / 255.0))
        face = framed
    tall, wide = face.shape[:2]
    alpha = np.full((tall, wide), 255, np.uint8)
    radius = round(0.09 * rng.random() * height)
    if radius > 1:
        alpha[:] = 0
        cv2.rectangle(alpha, (radius, 0), (wide - 1 - radius, tall - 1), (255,), -1)
        cv2.rectangle(alpha, (0, radius), (wide - 1, tall - 1 - radius), (255,), -1)
        for x in (radius, wide - 1 - radius):
            for y in (radius, tall - 1 - radius):
                cv2.circle(alpha, (x, y), radius, (255,), -1, cv2.LINE_AA)
    merged = as_bytes(cv2.merge((*cv2.split(face), alpha)))
    return merged, (side, side, side + width, side + height)


def bent(
    mounted: Pixels, box: tuple[int, int, int, int], rng: Rng
) -> tuple[Pixels, tuple[int, int, int, int]]:
    """The mounted plate bowed in its middle, or with one end bent up or down; and its box.

    Args:
        mounted: BGRA.
        box: where in it the plate lies: left, top, right and lower edge.
        rng: draws how it is bent.
    """
    tall, wide = mounted.shape[:2]
    most = (0.05 + 0.13 * rng.random()) * tall
    along = np.linspace(0.0, 1.0, wide, dtype=np.float32)
    if rng.random() < 0.5:
        lower = 1 - (2 * along - 1) ** 2
    else:
        fold = 0.45 + 0.4 * rng.random()
        lower = np.clip((along - fold) / (1 - fold), 0, 1)
        lower = lower[::-1] if rng.random() < 0.5 else lower
    lower = most * (1 - lower if rng.random() < 0.5 else lower)
    room = int(np.ceil(most))
    columns, rows = np.meshgrid(
        np.arange(wide, dtype=np.float32), np.arange(tall + room, dtype=np.float32)
    )
    picture = cv2.remap(mounted, columns, rows - lower.astype(np.float32), cv2.INTER_LINEAR)
    left, top, right, foot = box
    return as_bytes(picture), (left, top, right, foot + room)
