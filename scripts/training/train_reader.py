"""Train the plate reader: from rendered plates and photographs to plate_reader.onnx.

Needs `pip install -e '.[cpu,training]'` and the fonts that scripts/training/lettering.py names.
Goes on where it stopped when called again with the same --work folder; uses a GPU where there is
one. Rendered plates have known texts; those on photographs (--plates) get theirs from the
teachers, a detector and a reader of the manifest.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import yaml

from edge.adapters.onnx.eyes import load_eyes
from edge.adapters.weights import Manifest
from scripts.training.camera_simulation import photograph
from scripts.training.command_line import run, tell, training_parser
from scripts.training.countries import REGIONS
from scripts.training.image_degradation import developed
from scripts.training.loop import Schedule, load_averaged, train
from scripts.training.photos import held_apart
from scripts.training.plate_crops import RealPlate, real_plates
from scripts.training.plates import FlatPlate, random_plate
from scripts.training.pretrained_weights import start_from
from scripts.training.reader_net import (
    HEIGHT,
    WIDTH,
    PlateReaderNet,
    encoded,
    export_reader,
    plate_config,
    reader_loss,
)

Pixels = npt.NDArray[np.uint8]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Rng = np.random.Generator

REAL_SHARE, PLAIN_SHARE = 0.2, 0.25
"""Shares of a batch: real plates, and rendered ones in no more than another light. The rest is
photographed with all that a road does to a picture."""

FLAT_WIDTH = 320
"""Rendered plates are kept no wider, in pixels: photographs of them are smaller."""


def main(arguments: list[str] | None = None) -> int:
    """Train, export, calibrate; 0 when the weights are written."""
    parser = training_parser(
        __doc__,
        "  scripts/train_reader.py --plates DATA/plates --work runs/reader --out models\n\n"
        "to fine-tune on a camera of your own, give its photographs as --plates and\n"
        "the published weights as --start models/plate_reader.onnx, with a --rate of 2e-4.",
        steps=20_000,
        batch=64,
        rate=1e-3,
        rendered=40_000,
    )
    parser.add_argument("--plates", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--teacher-detector", help="a detector of the manifest")
    parser.add_argument("--teacher-reader", help="a reader of the manifest")
    return run(_train, parser.parse_args(arguments))


def _train(given: argparse.Namespace) -> int:
    real: list[RealPlate] = []
    if given.plates:
        eyes = load_eyes(Manifest.load(), given.teacher_detector, given.teacher_reader)
        for each in given.plates:
            cache = given.work / "cache"
            real += real_plates(each, eyes.detector, eyes.reader, cache, tell)
    apart = [plate for plate in real if held_apart(plate.photo)]
    real = [plate for plate in real if not held_apart(plate.photo)]
    check = _Check.of(apart, given.seed)
    print(f"{len(real)} real plates, {len(apart)} held apart")
    net = PlateReaderNet(len(REGIONS))
    folder = given.work / "reader"
    if not given.export_only:
        pool = Pool.load(given.work, given.rendered, given.seed)
        if given.start and not (folder / "last.pt").is_file():
            rng = np.random.default_rng((given.seed, 79))
            start_from(net, given.start, _batch(pool, real, given.batch, rng)[0])
        train(
            net,
            folder,
            Schedule(given.steps, given.batch, rate=given.rate, seed=given.seed),
            partial(_batch, pool, real, given.batch),
            _loss,
            check.figures,
            validate_every=1000,
            workers=given.workers,
            threads=given.threads,
        )
    step = load_averaged(net, folder)
    out = given.out or given.work
    export_reader(net, str(out / "plate_reader.onnx"))
    config = yaml.safe_dump(plate_config(REGIONS), sort_keys=False, width=1000)
    (out / "plate_reader.yaml").write_text(config, "utf-8")
    note = {"step": step, **check.figures(net), **check.calibrated(net)}
    (given.work / "plate_reader.json").write_text(json.dumps(note, indent=2) + "\n", "utf-8")
    print(json.dumps(note, indent=2))
    return 0


class Pool:
    """Flat rendered plates, made once: one file of bytes, which all workers map into memory."""

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
        index = int(rng.integers(len(self._table)))
        height, width, region, start = (int(v) for v in self._table[index])
        pixels = self._data[start : start + height * width * 3].reshape(height, width, 3)
        return FlatPlate(pixels, str(self._texts[index]), REGIONS[region])


def fitted(pixels: Pixels) -> Pixels:
    """A crop in the size and colours of the network's input, as the product prepares it."""
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
    return developed(np.ascontiguousarray(crop), rng) if rng.random() < 0.8 else crop


def _batch(pool: Pool, real: Sequence[RealPlate], size: int, rng: Rng) -> Batch:
    pictures, texts, regions = [], [], []
    for _ in range(size):
        kind = rng.random()
        if kind < PLAIN_SHARE or (kind < PLAIN_SHARE + REAL_SHARE and real):
            if kind < PLAIN_SHARE:
                plate = _in_a_frame(pool.draw(rng), rng)
            else:
                plate = real[int(rng.integers(len(real)))]
            pictures.append(fitted(jittered(plate, rng)))
            texts.append(encoded(plate.text))
            regions.append(_region(plate.region))
        else:
            photo = photograph(pool.draw(rng), rng)
            pictures.append(fitted(photo.pixels))
            texts.append(encoded(photo.text))
            regions.append(REGIONS.index(photo.region))
    return _tensors(pictures, texts, regions)


def _in_a_frame(plate: FlatPlate, rng: Rng) -> RealPlate:
    """A flat plate with a plain border, to be jittered like a real one."""
    height, width = plate.pixels.shape[:2]
    border = round(0.3 * height)
    colour = rng.integers(0, 256, 3).tolist()
    pixels = cv2.copyMakeBorder(
        plate.pixels, border, border, border, border, cv2.BORDER_CONSTANT, value=colour
    )
    inner = (float(border), float(border), float(border + width), float(border + height))
    return RealPlate("", np.asarray(pixels, np.uint8), inner, plate.text, plate.region)


def _region(name: str | None) -> int:
    """The country's index; -1 where it is not known, the last for one that is not listed."""
    if name is None:
        return -1
    return REGIONS.index(name) if name in REGIONS else len(REGIONS) - 1


def _tensors(pictures: list[Pixels], texts: list[list[int]], regions: list[int]) -> Batch:
    return (
        torch.from_numpy(np.ascontiguousarray(np.stack(pictures))),
        torch.tensor(texts),
        torch.tensor(regions),
    )


def _loss(
    net: torch.nn.Module, batch: Batch, device: torch.device
) -> tuple[torch.Tensor, dict[str, float]]:
    pictures, texts, regions = (part.to(device, non_blocking=True) for part in batch)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        plate, region = net(pictures)
    return reader_loss(plate.float(), region.float(), texts, regions)


# --- figures and calibration -----------------------------------------------------------------

RENDERED_CHECK = 1000


class _Check:
    """Plates that no training sees: real ones held apart, and rendered ones of another seed."""

    def __init__(self, real: Batch | None, rendered: Batch) -> None:
        self._sets = {"rendered": rendered} | ({"real": real} if real is not None else {})

    @classmethod
    def of(cls, apart: Sequence[RealPlate], seed: int) -> _Check:
        rng = np.random.default_rng((seed, 99))
        photos = [photograph(random_plate(rng), rng) for _ in range(RENDERED_CHECK)]
        rendered = _tensors(
            [fitted(p.pixels) for p in photos],
            [encoded(p.text) for p in photos],
            [REGIONS.index(p.region) for p in photos],
        )
        if not apart:
            return cls(None, rendered)
        # As cut by the product: a little margin, no other change.
        cut = [fitted(_plain(plate)) for plate in apart]
        texts, regions = [encoded(p.text) for p in apart], [_region(p.region) for p in apart]
        return cls(_tensors(cut, texts, regions), rendered)

    def figures(self, net: torch.nn.Module) -> dict[str, float]:
        """Exact reads and right countries, for each set."""
        result: dict[str, float] = {}
        for name, (_, texts, regions) in self._sets.items():
            plate, region = self._answers(net, name)
            result[f"{name}_exact"] = float((plate.argmax(-1) == texts).all(1).float().mean())
            known = regions >= 0
            right = (region.argmax(-1) == regions)[known].float().mean()
            result[f"{name}_region"] = float(right)
        return result

    def calibrated(self, net: torch.nn.Module) -> dict[str, float]:
        """The temperatures that make the truth most probable, and the error that is left."""
        answers = {name: self._answers(net, name) for name in self._sets}
        logits = torch.cat([plate.log_softmax(-1) for plate, _ in answers.values()])
        texts = torch.cat([self._sets[name][1] for name in answers])
        countries = torch.cat([region.log_softmax(-1) for _, region in answers.values()])
        regions = torch.cat([self._sets[name][2] for name in answers])
        known = regions >= 0
        temperature = _best_temperature(logits.flatten(0, 1), texts.flatten())
        return {
            "temperature": temperature,
            "region_temperature": _best_temperature(countries[known], regions[known]),
            "ece": expected_calibration_error(logits / temperature, texts),
            "ece_uncalibrated": expected_calibration_error(logits, texts),
        }

    def _answers(self, net: torch.nn.Module, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        device = next(net.parameters()).device
        net.eval()
        plates, regions = [], []
        with torch.no_grad():
            for part in self._sets[name][0].split(100):
                plate, region = net(part.to(device))
                plates.append(plate.float().cpu())
                regions.append(region.float().cpu())
        return torch.cat(plates), torch.cat(regions)


def _best_temperature(logits: torch.Tensor, truth: torch.Tensor) -> float:
    """The temperature of the least cross-entropy (Guo et al. 2017), from 0.3 to 3."""
    best = 1.0, math.inf
    for tried in np.exp(np.linspace(math.log(0.3), math.log(3), 93)):
        loss = float(torch.nn.functional.cross_entropy(logits / float(tried), truth))
        if loss < best[1]:
            best = float(tried), loss
    return round(best[0], 3)


def _plain(plate: RealPlate) -> Pixels:
    x1, y1, x2, y2 = plate.inner
    mx, my = 0.08 * (x2 - x1), 0.08 * (y2 - y1)
    rows = slice(max(0, int(y1 - my)), int(y2 + my))
    return np.ascontiguousarray(plate.pixels[rows, max(0, int(x1 - mx)) : int(x2 + mx)])


def expected_calibration_error(logits: torch.Tensor, texts: torch.Tensor, bins: int = 15) -> float:
    """ECE (Guo et al. 2017) of whole plates: the product of slots against exactness."""
    probability = logits.log_softmax(-1).amax(-1).sum(1).exp()
    exact = (logits.argmax(-1) == texts).all(1).float()
    place = (probability * bins).long().clamp(max=bins - 1)
    error = 0.0
    for one in range(bins):
        inside = place == one
        if inside.any():
            gap = (probability[inside].mean() - exact[inside].mean()).abs()
            error += float(gap) * float(inside.float().mean())
    return round(error, 4)


if __name__ == "__main__":
    sys.exit(main())
