"""Train the plate detector and write its weights, in eight bits and in floats."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from edge.adapters.models.detector import WEAK, OnnxPlateDetector
from edge.adapters.models.manifest import Contract
from edge.adapters.models.weights import Manifest
from scripts.training.arithmetic import Compute, forced
from scripts.training.command_line import tell
from scripts.training.detector_net import (
    DETECTOR_ANSWERS,
    PlateDetectorNet,
    detector_loss,
    export_detector,
    padded,
)
from scripts.training.detector_validation import choose_threshold, validate
from scripts.training.loop import Schedule, load_averaged, recompute_normalisation, train
from scripts.training.photos import Photo, in_validation_set, load_photos
from scripts.training.pretrained_weights import start_from
from scripts.training.quantisation import quantise
from scripts.training.scenes import Scenes

CALIBRATION = 96
"""Number of training pictures from which the ranges of the eight-bit network are measured."""

Pixels = np.ndarray
Batch = tuple[torch.Tensor, torch.Tensor]


def train_as_given(given: argparse.Namespace) -> int:
    """Train, export and choose the threshold, as the command line says; 0 when it is done.

    Raises:
        DataError: photographs, labels or weights cannot be used.
        EdgeError: the teacher cannot be loaded.
        MissingFontError: a font for rendered plates is not installed.
    """
    teacher = _teacher(given.teacher)
    photos: list[Photo] = []
    for each in given.plates:
        photos += load_photos(each, teacher, given.work / "cache", tell)
    validation_set = [p for p in photos if in_validation_set(p.name)]
    photos = [p for p in photos if not in_validation_set(p.name)]
    for each in given.unlabelled:
        photos += load_photos(each, teacher, given.work / "cache", tell)
    plates = _rendered(given.rendered, given.seed, given.work)
    print(
        f"training set: {len(photos)} photographs; validation set: {len(validation_set)}; "
        f"rendered plates: {len(plates)}"
    )
    net = PlateDetectorNet()
    folder = given.work / "detector"
    if not given.export_only:
        if given.start and not (folder / "last.pt").is_file():
            rng = np.random.default_rng((given.seed, 79))
            pictures, _ = _batch(Scenes(photos, plates, given.size), given.batch, rng)
            start_from(net, given.start, pictures.float().div_(255))
        parts = [(given.small_size, given.small_steps), (given.size, given.steps)]
        for size, until in parts:
            schedule = Schedule(
                steps=given.steps, batch=given.batch, rate=given.rate, seed=given.seed
            )
            if until:
                train(
                    net,
                    folder,
                    schedule,
                    partial(_batch, Scenes(photos, plates, size), given.batch),
                    _loss,
                    partial(validate, validation_set, given.size),
                    validate_every=1000,
                    workers=given.workers,
                    threads=given.threads,
                    stop_after=until,
                    arithmetic=forced(given.arithmetic),
                )
    step = load_averaged(net, folder, *(other / "detector" for other in given.mean_with))
    to = given.out or given.work
    in_floats, out = to / "plate_detector_float.onnx", to / "plate_detector.onnx"
    size = given.export_size or given.size
    scenes = Scenes(photos, plates, size)
    if given.mean_with:
        recompute_normalisation(net, _measuring(scenes, given.seed))
    export_detector(net, size, str(in_floats))
    with tempfile.TemporaryDirectory() as folder:
        of_any_shape = Path(folder) / "any_shape.onnx"
        export_detector(net, size, str(of_any_shape), any_shape=True)
        quantise(of_any_shape, out, _calibration(scenes, given.seed), DETECTOR_ANSWERS)
    note: dict[str, object] = {"step": step, "size": size}
    for file in (out, in_floats):
        threshold, figures = choose_threshold(file, size, validation_set)
        note[file.name] = {"threshold": threshold, "validation": figures}
    (given.work / "plate_detector.json").write_text(json.dumps(note, indent=2) + "\n", "utf-8")
    print(json.dumps(note, indent=2))
    return 0


def _teacher(name: str | None) -> OnnxPlateDetector | None:
    if name is None:
        return None
    weights = Manifest.load().find(name, Contract.DETECTOR)
    return OnnxPlateDetector(weights.path, input_size=weights.entry.input, threshold=0.1 / WEAK)


def _rendered(count: int, seed: int, work: Path) -> list[Pixels]:
    """Flat plates, rendered once and kept in a file."""
    if count == 0:
        return []
    kept = work / f"plates-{count}-{seed}.npz"
    if kept.is_file():
        with np.load(kept) as held:
            return [held[name] for name in held.files]
    from scripts.training.countries.americas import american  # noqa: PLC0415 - needs fonts
    from scripts.training.plate_drawing import draw  # noqa: PLC0415
    from scripts.training.plates import random_plate  # noqa: PLC0415

    rng = np.random.default_rng((seed, 77))
    # A quarter from outside the listed countries and a quarter American: photographs show few of
    # those, of square plates, and of plates in frames.
    drawn = []
    for n in range(count):
        if n % 4 == 3:
            drawn.append(draw(american(rng), rng))
        else:
            drawn.append(random_plate(rng, "Unknown" if n % 4 == 0 else None).pixels)
    np.savez(kept, *drawn)
    return drawn


def _batch(scenes: Scenes, size: int, rng: np.random.Generator) -> Batch:
    pictures, truths = zip(*(scenes.draw(rng) for _ in range(size)), strict=True)
    stacked = np.stack(pictures)[..., ::-1].transpose(0, 3, 1, 2)
    rows = padded([torch.from_numpy(t) for t in truths])
    return torch.from_numpy(np.ascontiguousarray(stacked)), rows


def _measuring(scenes: Scenes, seed: int) -> Iterator[torch.Tensor]:
    """Training pictures to measure the statistics of batch normalisation on."""
    for number in range(20):
        pictures, _truths = _batch(scenes, 16, np.random.default_rng((seed, 80, number)))
        yield pictures.float().div_(255)


def _calibration(scenes: Scenes, seed: int) -> Iterator[Pixels]:
    """Training pictures as the network takes them, to calibrate the eight-bit network."""
    rng = np.random.default_rng((seed, 78))
    for _ in range(CALIBRATION):
        pictures, _truths = _batch(scenes, 1, rng)
        yield pictures.float().div_(255).numpy()


def _loss(
    net: torch.nn.Module, batch: Batch, compute: Compute
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    pictures = batch[0].to(compute.device, non_blocking=True).float().div_(255)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    truths = batch[1].to(compute.device, non_blocking=True)
    with compute.autocast():
        logits, boxes = net(pictures)
    size = (pictures.shape[2], pictures.shape[3])
    losses = detector_loss(logits.float(), boxes.float(), truths, size)
    return losses.total, {"score": losses.score, "box": losses.box}
