"""Training batches of the reader: rendered plates and plates cut from photographs.

Some plates are behind a cover that hides characters. For those the target is no character but
doubt: all characters equally likely. Where a teacher gave probabilities (`teacher_answers`), they
are the target of a plate without a text, and half of the target of one with a text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from scripts.fixtures.covers import COVERS
from scripts.training.camera_simulation import photograph
from scripts.training.character_boxes import Box as CharacterBox
from scripts.training.character_boxes import character_boxes, covered, shuffled
from scripts.training.command_line import tell
from scripts.training.countries import REGIONS
from scripts.training.image_degradation import degraded
from scripts.training.plate_crops import RealPlate
from scripts.training.plates import FlatPlate, random_plate
from scripts.training.reader_net import (
    ALPHABET,
    HEIGHT,
    PAD,
    SMOOTHING,
    WIDTH,
    encoded,
)

Pixels = npt.NDArray[np.uint8]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Pictures (n, 64, 128, 3) uint8; targets (n, 10, 37), probabilities; regions (n,) as indices. Of
the validation set, texts (n, 10) as indices in place of targets."""
Targets = npt.NDArray[np.float32]
Rng = np.random.Generator

REAL_SHARE, PLAIN_SHARE = 0.4, 0.15
"""Shares of a batch: real plates, and rendered plates with a change of light only. The rest are
rendered plates after the full camera simulation."""

COVERED_SHARE = 0.12
"""Share of plates, of those whose characters were found, that get a cover."""

SHUFFLED_SHARE = 0.5
"""Share of real plates, of those whose characters were found, whose characters change places."""

TEXTLESS_SHARE = 0.25
"""Share of the real plates that have a teacher's answer and no text."""

MOST_OF_A_SET = 1 / 3
"""Greatest share of one set of real plates in the real plates of a batch."""

TEACHER_SMOOTHING = 0.01
"""Share of a teacher's answer that is spread evenly over the characters."""

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


class RealPlates:
    """Real plates by set, with the places of their characters where they are clear.

    Args:
        sets: the plates of each set. A large set is drawn less often, see `MOST_OF_A_SET`.
        textless: plates with a teacher's answer only.
    """

    def __init__(
        self, sets: Sequence[Sequence[RealPlate]], textless: Sequence[RealPlate] = ()
    ) -> None:
        self._textless = textless
        self.sets = [
            [(plate, character_boxes(plate.pixels, plate.inner, len(plate.text))) for plate in one]
            for one in sets
            if one
        ]
        sizes = np.array([len(one) for one in self.sets], float)
        share = sizes / sizes.sum() if len(sizes) else sizes
        for _ in range(len(share)):  # what one set may not have, the others get
            over = share > MOST_OF_A_SET + 1e-9
            if not over.any() or over.all() or len(share) * MOST_OF_A_SET < 1:
                break
            share[over] = MOST_OF_A_SET
            share[~over] *= (1 - share[over].sum()) / share[~over].sum()
        self.share = share

    def __len__(self) -> int:
        return sum(len(one) for one in self.sets) + len(self._textless)

    def draw(self, rng: Rng) -> tuple[RealPlate, list[bool]]:
        """A plate, perhaps changed: characters in other places, or a cover; what it hides."""
        if self._textless and rng.random() < TEXTLESS_SHARE:
            return self._textless[int(rng.integers(len(self._textless)))], []
        one = self.sets[int(rng.choice(len(self.sets), p=self.share))]
        plate, boxes = one[int(rng.integers(len(one)))]
        if boxes is not None and rng.random() < COVERED_SHARE:
            return _behind_cover(plate, boxes, rng)
        if boxes is not None and rng.random() < SHUFFLED_SHARE:
            plate = shuffled(plate, boxes, rng)
        return plate, [False] * len(plate.text)


def _behind_cover(
    plate: RealPlate, boxes: Sequence[CharacterBox], rng: Rng
) -> tuple[RealPlate, list[bool]]:
    kind = list(COVERS)[int(rng.integers(len(COVERS)))] if rng.random() < 0.6 else "patch"
    drawn = covered(plate.pixels, plate.inner, boxes, kind, rng)
    if drawn is None:
        return plate, [False] * len(plate.text)
    return replace(plate, pixels=drawn[0], answer=None), drawn[1]


def jittered(plate: RealPlate, rng: Rng) -> Pixels:
    """A real plate as another detector would have cut it, in another light."""
    w, h = plate.inner[2] - plate.inner[0], plate.inner[3] - plate.inner[1]
    crop = recut(plate, rng)
    if rng.random() < 0.45:  # from further away
        factor = math.exp(rng.uniform(math.log(0.2), 0))
        least = max(factor, LEAST_WIDTH / w, LEAST_HEIGHT / h)
        size = (round(crop.shape[1] * least), round(crop.shape[0] * least))
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


def recut(plate: RealPlate, rng: Rng) -> Pixels:
    """A real plate as another detector would have cut it."""
    x1, y1, x2, y2 = plate.inner
    w, h = x2 - x1, y2 - y1
    spread = rng.normal(0.08, 0.05, 4).clip(-0.04, 0.3)
    height, width = plate.pixels.shape[:2]
    left, top = max(0, round(x1 - spread[0] * w)), max(0, round(y1 - spread[1] * h))
    right, bottom = min(width, round(x2 + spread[2] * w)), min(height, round(y2 + spread[3] * h))
    return np.ascontiguousarray(plate.pixels[top:bottom, left:right])


LEAST_WIDTH, LEAST_HEIGHT = 36, 10
"""A real plate is not shrunk below this, in pixels."""


def batch_of(pool: Pool, real: RealPlates, size: int, rng: Rng) -> Batch:
    """A random batch of real, plain rendered and photographed rendered plates."""
    pictures, targets, regions = [], [], []
    for _ in range(size):
        kind = rng.random()
        if kind < REAL_SHARE and len(real):
            plate, hidden = real.draw(rng)
            # A teacher's doubt is about the plate as it is; much worse, nobody could read it.
            as_it_is = not plate.text and rng.random() < 0.5
            pictures.append(fitted(recut(plate, rng) if as_it_is else jittered(plate, rng)))
        else:
            flat, hidden = _perhaps_covered(pool.draw(rng), rng)
            plate = _with_border(flat, rng)
            plain = kind < REAL_SHARE + PLAIN_SHARE
            pictures.append(fitted(jittered(plate, rng) if plain else photograph(flat, rng).pixels))
        targets.append(target_of(plate, hidden))
        regions.append(region_index(plate.region))
    return (
        torch.from_numpy(np.stack(pictures)),
        torch.from_numpy(np.stack(targets)),
        torch.tensor(regions),
    )


def _perhaps_covered(plate: FlatPlate, rng: Rng) -> tuple[FlatPlate, list[bool]]:
    nothing = [False] * len(plate.text)
    if rng.random() > COVERED_SHARE:
        return plate, nothing
    height, width = plate.pixels.shape[:2]
    inner = (0.0, 0.0, float(width), float(height))
    boxes = character_boxes(plate.pixels, inner, len(plate.text))
    if boxes is None:
        return plate, nothing
    drawn, hidden = _behind_cover(
        RealPlate("", plate.pixels, inner, plate.text, plate.region), boxes, rng
    )
    return replace(plate, pixels=drawn.pixels), hidden


def target_of(plate: RealPlate | FlatPlate, hidden: Sequence[bool] = ()) -> Targets:
    """What the network is to answer: the probability of each character in each place, (10, 37).

    Args:
        plate: with a text, a teacher's answer, or both.
        hidden: for each character whether something hides it.
    """
    answer = plate.answer if isinstance(plate, RealPlate) else None
    if not plate.text:
        assert answer is not None  # noqa: S101 - `answered` was called
        return _smooth(answer, TEACHER_SMOOTHING)
    text = encoded(plate.text)
    target = _smooth(np.eye(len(ALPHABET), dtype=np.float32)[text], SMOOTHING)
    for at, is_hidden in enumerate(hidden):
        if is_hidden:
            target[at] = np.arange(len(ALPHABET)) != PAD
            target[at] /= PAD
    if answer is None or any(hidden) or answer.argmax(axis=1).tolist() != text:
        return target
    return np.asarray((target + answer) / 2, np.float32)


def _smooth(target: Targets, share: float) -> Targets:
    return np.asarray((1 - share) * target + share / target.shape[-1], np.float32)


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
