"""Random training batches of the scene parser: windows around the plate, posed and degraded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from edge.adapters.models.scene_parser import cut_window, from_middles
from edge.domain.imaging import Box, Pixels
from edge.domain.scene import CELL, COLUMNS, DOWN, ROWS, UNIT, unit_of
from scripts.training.image_degradation import degraded
from scripts.training.parser_views import PERSON, Allowed, View
from scripts.training.view_pasting import Cutout, with_person, with_vehicle

Rng = np.random.Generator

CENTRE = (COLUMNS / 2, ROWS - DOWN * UNIT)
"""Where the plate's centre lies in the window, in pixels."""

GROUNDS = ((235, 235, 235), (240, 240, 240), (60, 200, 235), (200, 200, 200), (40, 40, 40))
"""Colours of drawn plates, BGR."""

PEOPLE_SHARE, VEHICLE_SHARE = 0.3, 0.25
"""Shares of the windows into which people, and another vehicle, are pasted."""

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Pose:
    """How a view comes into the window: random for training, neutral for measuring."""

    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    degrees: float = 0.0
    mirrored: bool = False

    @classmethod
    def random(cls, rng: Rng) -> Pose:
        return cls(
            scale=float(np.exp(rng.normal(0, 0.12))),
            shift=(float(rng.normal(0, 0.12)), float(rng.normal(0, 0.08))),
            degrees=float(rng.normal(0, 3.5)),
            mirrored=bool(rng.random() < 0.5),
        )


def matrix_of(plate: Box, pose: Pose) -> npt.NDArray[np.float64]:
    """From pixels of the picture to pixels of the window, shape (2, 3), on pixel edges."""
    x, y = plate.centre
    scale = UNIT / unit_of(plate) * pose.scale
    turn = np.deg2rad(pose.degrees)
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    flip = -1.0 if pose.mirrored else 1.0
    linear = np.array([[cos * flip, -sin], [sin * flip, cos]])
    to = np.array(CENTRE) + np.array(pose.shift) * UNIT
    return np.hstack([linear, (to - linear @ np.array([x, y]))[:, None]])


def window_of(
    pixels: Pixels, plate: Box, allowed: Allowed | None, pose: Pose
) -> tuple[Pixels, npt.NDArray[np.uint8], Allowed]:
    """The window's picture, its plate channel, and its label at the output's resolution."""
    matrix = matrix_of(plate, pose)
    window = cut_window(pixels, plate, matrix)
    if allowed is None:
        allowed = np.zeros(pixels.shape[:2], np.uint8)
    label = cv2.warpAffine(
        allowed, from_middles(matrix / CELL), (COLUMNS // CELL, ROWS // CELL),
        flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0,
    )  # fmt: skip
    return window[:, :, :3], window[:, :, 3], np.asarray(label, np.uint8)


def batch_of(
    views: Sequence[View],
    shares: Sequence[float],
    cutouts: Sequence[Cutout],
    size: int,
    rng: Rng,
) -> Batch:
    """A random batch: windows (n, 192, 208, 4) and labels (n, 96, 104), both uint8.

    Args:
        views: of the training set.
        shares: the probability of each view, summing to 1.
        cutouts: people and vehicles to paste into some of the views; none if it is empty.
        size: number of windows.
        rng: source of random numbers.
    """
    chosen = rng.choice(len(views), size, p=np.asarray(shares))
    people = [one for one in cutouts if one.meaning == PERSON]
    vehicles = [one for one in cutouts if one.meaning != PERSON]
    made = [_drawn(views[int(at)], people, vehicles, rng) for at in chosen]
    windows, labels = zip(*made, strict=True)
    return torch.from_numpy(np.stack(windows)), torch.from_numpy(np.stack(labels))


def _drawn(
    view: View, people: Sequence[Cutout], vehicles: Sequence[Cutout], rng: Rng
) -> tuple[npt.NDArray[np.uint8], Allowed]:
    if vehicles and rng.random() < VEHICLE_SHARE:
        view = with_vehicle(view, vehicles[int(rng.integers(len(vehicles)))], rng)
    if people and rng.random() < PEOPLE_SHARE:
        for _ in range(int(rng.integers(1, 3))):
            view = with_person(view, people[int(rng.integers(len(people)))], rng)
    pose = Pose.random(rng)
    jitter = rng.normal(0, 0.03, 4) * np.array([1, 0.6, 1, 0.6]) * view.plate.width
    x1, y1, x2, y2 = np.array([view.plate.x1, view.plate.y1, view.plate.x2, view.plate.y2]) + jitter
    plate = Box(x1, y1, max(x2, x1 + 4), max(y2, y1 + 2))
    picture, where, label = window_of(view.pixels, plate, view.allowed, pose)
    if view.drawn or rng.random() < 0.15:
        picture = _with_plate(picture, where, rng)
    if rng.random() < 0.35:  # a small vehicle in a large picture: few pixels
        few = rng.uniform(0.3, 0.9)
        small = cv2.resize(picture, None, fx=few, fy=few, interpolation=cv2.INTER_AREA)
        picture = np.asarray(cv2.resize(small, (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR))
    picture = degraded(picture, rng)
    return np.dstack([picture, where]), label


def _with_plate(picture: Pixels, where: npt.NDArray[np.uint8], rng: Rng) -> Pixels:
    """A rough plate drawn where one is: dark strokes on a light ground, or light ones on black."""
    ground = GROUNDS[int(rng.integers(len(GROUNDS)))]
    ink = (230, 230, 230) if max(ground) < 100 else (30, 30, 30)
    lit = rng.uniform(0.5, 1.0)
    out = picture.copy()
    inside = where > 0
    out[inside] = np.array(ground) * lit
    rows, columns = np.nonzero(inside)
    if rows.size:
        top, bottom = int(rows.min()), int(rows.max())
        left, right = int(columns.min()), int(columns.max())
        for x in range(left + 2, right - 1, 3):
            if rng.random() < 0.8:
                cv2.line(out, (x, top + 1), (x, bottom - 1), tuple(int(c * lit) for c in ink), 1)
        out[~inside] = picture[~inside]
    return np.asarray(out, np.uint8)
