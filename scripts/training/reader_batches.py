"""Training batches of the reader: rendered plates and plates cut from photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from scripts.training.camera_simulation import photograph
from scripts.training.command_line import tell
from scripts.training.countries import REGIONS
from scripts.training.image_degradation import degraded
from scripts.training.plate_crops import RealPlate
from scripts.training.plates import FlatPlate, random_plate
from scripts.training.reader_net import HEIGHT, WIDTH, encoded

Pixels = npt.NDArray[np.uint8]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Pictures (n, 64, 128, 3) uint8, texts (n, 10) and regions (n,) as indices."""
Rng = np.random.Generator

REAL_SHARE, PLAIN_SHARE = 0.2, 0.25
"""Shares of a batch: real plates, and rendered plates with a change of light only. The rest are
rendered plates after the full camera simulation."""

FLAT_WIDTH = 320
"""Greatest width in pixels of a stored rendered plate: photographs of them are smaller."""


class Pool:
    """Flat rendered plates, made once: one file of pixels, which all workers map into memory."""

    def __init__(self, data: Pixels, table: npt.NDArray[np.int64], texts: Sequence[str]) -> None:
        self._data, self._table, self._texts = data, table, texts

    @classmethod
    def load(cls, work: Path, count: int, seed: int) -> Pool:
        """The plates of an earlier call, or new ones."""
        folder = work / f"flat-{count}-{seed}"
        if not (folder / "texts.npy").is_file():
            cls._render(folder, count, seed)
        table = np.load(folder / "table.npy")
        sizes = table[:, 0] * table[:, 1] * 3
        starts = np.cumsum(sizes) - sizes
        data = np.memmap(folder / "pixels", np.uint8, "r")
        texts = [str(text) for text in np.load(folder / "texts.npy")]
        return cls(data, np.concatenate((table, starts[:, None]), 1), texts)

    @staticmethod
    def _render(folder: Path, count: int, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng((seed, 7))
        rows, texts = [], []
        with (folder / "pixels").open("wb") as file:
            for number in range(count):
                plate = random_plate(rng)
                pixels = plate.pixels
                if pixels.shape[1] > FLAT_WIDTH:
                    size = (FLAT_WIDTH, round(pixels.shape[0] * FLAT_WIDTH / pixels.shape[1]))
                    pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
                file.write(pixels.tobytes())
                rows.append((*pixels.shape[:2], REGIONS.index(plate.region)))
                texts.append(plate.text)
                tell("rendering", number + 1, count)
        np.save(folder / "table.npy", np.array(rows, np.int64))
        np.save(folder / "texts.npy", np.array(texts))

    def draw(self, rng: Rng) -> FlatPlate:
        """One of the plates, all equally likely."""
        index = int(rng.integers(len(self._table)))
        height, width, region, start = (int(v) for v in self._table[index])
        pixels = self._data[start : start + height * width * 3].reshape(height, width, 3)
        return FlatPlate(pixels, str(self._texts[index]), REGIONS[region])


def fitted(pixels: Pixels) -> Pixels:
    """A crop in size and colours of the network's input, prepared as the product does it."""
    resized = cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized[..., ::-1], np.uint8)


def jittered(plate: RealPlate, rng: Rng) -> Pixels:
    """A real plate as another detector would have cut it, in another light."""
    x1, y1, x2, y2 = plate.inner
    w, h = x2 - x1, y2 - y1
    spread = rng.normal(0.08, 0.05, 4).clip(-0.04, 0.3)
    height, width = plate.pixels.shape[:2]
    left, top = max(0, round(x1 - spread[0] * w)), max(0, round(y1 - spread[1] * h))
    right, bottom = min(width, round(x2 + spread[2] * w)), min(height, round(y2 + spread[3] * h))
    crop = plate.pixels[top:bottom, left:right]
    if rng.random() < 0.4:  # from further away
        factor = math.exp(rng.uniform(math.log(0.35), 0))
        size = (max(20, round(crop.shape[1] * factor)), max(8, round(crop.shape[0] * factor)))
        if size[0] < crop.shape[1]:
            crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.3:
        turn = cv2.getRotationMatrix2D(
            (crop.shape[1] / 2, crop.shape[0] / 2), rng.normal(0, 4), 1.0
        )
        turn[0, 1] += rng.normal(0, 0.08)
        crop = np.asarray(
            cv2.warpAffine(crop, turn, crop.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
    crop = crop[: min(760, crop.shape[0]), : min(1000, crop.shape[1])]
    return degraded(np.ascontiguousarray(crop), rng) if rng.random() < 0.8 else crop


def batch_of(pool: Pool, real: Sequence[RealPlate], size: int, rng: Rng) -> Batch:
    """A random batch of real, plain rendered and photographed rendered plates."""
    pictures, texts, regions = [], [], []
    for _ in range(size):
        kind = rng.random()
        if kind < PLAIN_SHARE or (kind < PLAIN_SHARE + REAL_SHARE and real):
            if kind < PLAIN_SHARE:
                plate = _with_border(pool.draw(rng), rng)
            else:
                plate = real[int(rng.integers(len(real)))]
            pictures.append(fitted(jittered(plate, rng)))
            texts.append(encoded(plate.text))
            regions.append(region_index(plate.region))
        else:
            photo = photograph(pool.draw(rng), rng)
            pictures.append(fitted(photo.pixels))
            texts.append(encoded(photo.text))
            regions.append(REGIONS.index(photo.region))
    return tensors(pictures, texts, regions)


def _with_border(plate: FlatPlate, rng: Rng) -> RealPlate:
    """A flat plate with a plain border, so that it can be jittered like a real one."""
    height, width = plate.pixels.shape[:2]
    border = round(0.3 * height)
    colour = rng.integers(0, 256, 3).tolist()
    pixels = cv2.copyMakeBorder(
        plate.pixels, border, border, border, border, cv2.BORDER_CONSTANT, value=colour
    )
    inner = (float(border), float(border), float(border + width), float(border + height))
    return RealPlate("", np.asarray(pixels, np.uint8), inner, plate.text, plate.region)


def region_index(name: str | None) -> int:
    """Index of a country: -1 where it is unknown, the last one where it is not listed."""
    if name is None:
        return -1
    return REGIONS.index(name) if name in REGIONS else len(REGIONS) - 1


def tensors(pictures: list[Pixels], texts: list[list[int]], regions: list[int]) -> Batch:
    """A batch of fitted pictures, encoded texts and country indices."""
    return (
        torch.from_numpy(np.ascontiguousarray(np.stack(pictures))),
        torch.tensor(texts),
        torch.tensor(regions),
    )
