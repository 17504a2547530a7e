"""Training batches of the cover check: plates with and without something in front of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from edge.domain.imaging import Box
from scripts.fixtures.covers import (
    COVERS,
    characters,
    closed,
    draw_cover,
    ground_colour,
    hidden_share,
)
from scripts.training.camera_simulation import photograph
from scripts.training.cover_net import CELLS, HEIGHT, WIDTH
from scripts.training.errors import DataError
from scripts.training.image_degradation import degraded
from scripts.training.photos import photo_files, read_boxes, table_boxes
from scripts.training.plate_crops import AROUND, NARROW, RealPlate
from scripts.training.plates import FlatPlate
from scripts.training.reader_batches import Pool

Pixels = npt.NDArray[np.uint8]
Shares = npt.NDArray[np.float32]
Batch = tuple[torch.Tensor, torch.Tensor]
"""Pictures (n, 32, 96, 3) uint8, RGB, and the hidden share of each cell (n, 8, 24)."""
Rng = np.random.Generator

REAL_SHARE, COVERED_SHARE = 0.6, 0.55
"""Shares of a batch: plates of photographs, and plates with a cover."""

KINDS = (*COVERS, *(name for name in COVERS if name.startswith("blank")))
"""Kinds of covers, equally likely; one that leaves no trace is the hardest to notice."""

RESPACED_SHARE = 0.35
"""Share of the rendered plates whose groups of characters stand further apart, as in Turkey."""

LEAST_WIDTH = 0.5
"""The narrowest that characters become when their groups move apart, as a share of their width."""

TIGHT_SHARE = 0.2
"""Share of the photographed plates that are cut without their surroundings."""

WIDEST = 240
"""Real plates are stored at most this wide, in pixels."""

SHALLOW = 8.0
"""Plates less high than this, in pixels, are left out."""

SAME_LIGHT = 14.0
"""Grey levels by which a photograph with a cover may differ where nothing is hidden."""


def labelled_plates(folder: Path) -> list[RealPlate]:
    """The plates on the photographs of a folder, with their surroundings and without texts.

    The boxes are in `labels/`, as for the detector, or in a `labels.csv` with the columns
    `image,x,y,w,h` in pixels.

    Raises:
        DataError: a photograph or label cannot be used.
    """
    table = table_boxes(folder)
    plates: list[RealPlate] = []
    for file in photo_files(folder) if table is None else sorted(table):
        pixels = cv2.imread(str(file))
        if pixels is None:
            raise DataError(f"{file}: no photograph that can be read; remove or replace it")
        height, width = pixels.shape[:2]
        found = (
            read_boxes(folder / "labels" / f"{file.stem}.txt", width, height)
            if table is None
            else table[file]
        )
        plates += [
            _cut(file.name, np.asarray(pixels, np.uint8), box)
            for box in found
            if box.width >= NARROW and box.height >= SHALLOW
        ]
    return plates


def _cut(name: str, pixels: Pixels, box: Box) -> RealPlate:
    x, y = box.width * AROUND, box.height * AROUND
    grown = box.grown(left=x, right=x, top=y, bottom=y).clipped(pixels.shape[1], pixels.shape[0])
    left, top = int(grown.x1), int(grown.y1)
    part = np.ascontiguousarray(pixels[top : int(grown.y2), left : int(grown.x2)])
    factor = min(1.0, WIDEST / box.width)
    if factor < 1:
        size = max(1, round(part.shape[1] * factor)), max(1, round(part.shape[0] * factor))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    inner = tuple(
        side * factor for side in (box.x1 - left, box.y1 - top, box.x2 - left, box.y2 - top)
    )
    return RealPlate(name, part, (inner[0], inner[1], inner[2], inner[3]), "", None)


def cover_batch(pool: Pool, real: Sequence[RealPlate], size: int, rng: Rng) -> Batch:
    """A random batch of real and rendered plates, with and without covers."""
    pictures: list[Pixels] = []
    masks: list[Shares] = []
    while len(pictures) < size:
        cover = KINDS[int(rng.integers(len(KINDS)))]
        name = cover if rng.random() < COVERED_SHARE else None
        if rng.random() < REAL_SHARE and real:
            picture, mask = _of_photograph(real[int(rng.integers(len(real)))], name, rng)
        else:
            plate = pool.draw(rng)
            if rng.random() < RESPACED_SHARE:
                plate = respaced(plate, rng)
            picture, mask = _of_rendered(plate, name, rng)
        if min(picture.shape[:2]) >= 8:
            pictures.append(fitted(picture))
            cells = cv2.resize(mask, CELLS[::-1], interpolation=cv2.INTER_AREA)
            masks.append(np.asarray(cells, np.float32))
    return (
        torch.from_numpy(np.ascontiguousarray(np.stack(pictures))),
        torch.from_numpy(np.stack(masks)),
    )


def fitted(pixels: Pixels) -> Pixels:
    """A crop in size and colours of the network's input, prepared as the product does it."""
    shrinks = pixels.shape[0] > HEIGHT and pixels.shape[1] > WIDTH
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=how)[..., ::-1], np.uint8)


def _of_photograph(plate: RealPlate, cover: str | None, rng: Rng) -> tuple[Pixels, Shares]:
    """A real plate, perhaps with a cover, as another detector would have cut it."""
    pixels, inner = plate.pixels, np.array(plate.inner)
    if rng.random() < 0.4 and inner[3] - inner[1] > 24:  # from further away
        factor = math.exp(rng.uniform(math.log(0.4), 0))
        size = max(8, round(pixels.shape[1] * factor)), max(8, round(pixels.shape[0] * factor))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        inner = inner * factor
    x1, y1, x2, y2 = (float(side) for side in inner)
    mask = np.zeros(pixels.shape[:2], np.float32)
    if cover is not None:
        seed = int(rng.integers(1 << 31))
        drawn = draw_cover(cover, pixels, (x1, y1, x2, y2), seed)
        mask = hidden_share(pixels, drawn, (x1, y1, x2, y2))
        # The cover gets about the sharpness of the photograph.
        sigma = rng.uniform(0.3, 0.9) * max(1.0, (y2 - y1) / 30)
        soft = cv2.GaussianBlur(drawn, (0, 0), sigma)
        near = cv2.dilate((mask > 0.02).astype(np.uint8), np.ones((3, 3), np.uint8))
        pixels = np.where(near[..., None] > 0, soft, pixels).astype(np.uint8)
    w, h = x2 - x1, y2 - y1
    tight = rng.random() < TIGHT_SHARE
    spread = (rng.normal(0, 0.02, 4) if tight else rng.normal(0.08, 0.06, 4)).clip(-0.03, 0.3)
    rows = slice(max(0, round(y1 - spread[1] * h)), round(y2 + spread[3] * h))
    columns = slice(max(0, round(x1 - spread[0] * w)), round(x2 + spread[2] * w))
    picture = np.ascontiguousarray(pixels[rows, columns])
    if rng.random() < 0.7 and picture.size:
        picture = degraded(picture, rng)
    return picture, mask[rows, columns]


def respaced(plate: FlatPlate, rng: Rng) -> FlatPlate:
    """A plate of one line with narrower characters, and with the room gained between groups.

    A wide gap is no sign of a cover where the country leaves it between groups. The plate is
    returned as it is if it has two lines, or if its characters cannot all be told apart.
    """
    height, width = plate.pixels.shape[:2]
    whole = 0.0, 0.0, float(width), float(height)
    found = characters(plate.pixels, whole)
    if len(found) != len(plate.text) or len(found) < 4:
        return plate
    top, foot = min(y1 for _, y1, _, _ in found), max(y2 for *_, y2 in found)
    tall = found[0][3] - found[0][1]
    if foot - top > 1.4 * tall:
        return plate
    start, end = int(found[0][0]), int(max(found[-1][2], width - rng.uniform(0.2, 0.4) * tall))
    splits = rng.choice(np.arange(1, len(found)), size=int(rng.integers(1, 3)), replace=False)
    gaps = {int(split): rng.uniform(0.35, 0.85) * tall for split in splits}
    between = rng.uniform(0.08, 0.2) * tall
    room = end - start - sum(gaps.values()) - between * (len(found) - 1)
    narrower = room / sum(x2 - x1 for x1, _, x2, _ in found)
    if not LEAST_WIDTH < narrower < 1:
        return plate
    pixels = plate.pixels.copy()
    edge = max(2, round(0.03 * tall))
    rows = slice(max(0, int(top) - edge), int(foot) + edge)
    pixels[rows, max(0, start - edge) : end + edge] = ground_colour(pixels, whole)
    at = float(start)
    for number, (x1, _, x2, _) in enumerate(found):
        at += gaps.get(number, 0.0)
        shape = plate.pixels[int(top) : int(foot), int(x1) : int(x2)]
        size = max(2, round((x2 - x1) * narrower)), shape.shape[0]
        cut = cv2.resize(shape, size, interpolation=cv2.INTER_AREA)
        left = min(int(at), width - size[0])
        pixels[int(top) : int(foot), left : left + size[0]] = cut
        at += size[0] + between
    return FlatPlate(pixels, plate.text, plate.region)


def _of_rendered(plate: FlatPlate, cover: str | None, rng: Rng) -> tuple[Pixels, Shares]:
    """A rendered plate, perhaps with a cover, as a camera sees it."""
    seed, light = int(rng.integers(1 << 31)), int(rng.integers(1 << 31))
    clean = photograph(plate, np.random.default_rng(light)).pixels
    if cover is None:
        return clean, np.zeros(clean.shape[:2], np.float32)
    height, width = plate.pixels.shape[:2]
    face = draw_cover(cover, plate.pixels, (0, 0, width, height), seed)
    covered = FlatPlate(face, plate.text, plate.region)
    picture = photograph(covered, np.random.default_rng(light)).pixels
    if picture.shape != clean.shape:
        return clean, np.zeros(clean.shape[:2], np.float32)
    difference = np.abs(clean.astype(np.float32) - picture).max(axis=2)
    smooth = cv2.GaussianBlur(difference, (0, 0), 1.0)
    return picture, closed(smooth > SAME_LIGHT, 0.85 * clean.shape[0])
