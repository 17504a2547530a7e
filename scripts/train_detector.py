#!/usr/bin/env python3
"""Train the plate detector, from photographs to weights in eight bits and in floats.

Writes plate_detector.onnx for CPUs and plate_detector_float.onnx, the same network, for GPUs.

Needs `pip install -e '.[cpu,training]'`. Goes on where it stopped when called again with the same
--work folder; uses a GPU where there is one. Photographs with a `labels/` folder beside
`images/` hold the plates; more folders (traffic without labels) are given with --unlabelled and
get their boxes from the teacher, any detector of the manifest.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from edge.adapters.models.detector import WEAK, OnnxPlateDetector  # noqa: E402 - found from the root
from edge.adapters.models.manifest import Contract  # noqa: E402
from edge.adapters.models.weights import Manifest  # noqa: E402
from edge.domain.imaging import Box, Detection  # noqa: E402
from scripts.training.command import run, tell, training_parser  # noqa: E402
from scripts.training.detector_net import (  # noqa: E402
    DETECTOR_ANSWERS,
    PlateDetectorNet,
    detector_loss,
    export_detector,
    padded,
)
from scripts.training.eight_bit import in_eight_bits  # noqa: E402
from scripts.training.loop import Schedule, load_averaged, measured_anew, train  # noqa: E402
from scripts.training.photos import Photo, held_apart, load_photos, views  # noqa: E402
from scripts.training.scenes import LEGIBLE, Scenes  # noqa: E402
from scripts.training.start import start_from  # noqa: E402

CLOSEST = 0.75
"""A plate that takes more of a photograph's longer side is cut out: no road shows one. It counts
neither way when the threshold is chosen, as one that is too small to be trained on."""

CALIBRATION = 96
"""So many training pictures show what the maps hold, before they are put into eight bits."""

Pixels = np.ndarray
Batch = tuple[torch.Tensor, torch.Tensor]


def main(arguments: list[str] | None = None) -> int:
    """Train, export, choose the threshold; 0 when the weights are written."""
    parser = training_parser(
        __doc__,
        "  scripts/train_detector.py --plates DATA/plates --unlabelled DATA/unlabelled \\\n"
        "      --teacher yolo-v9-t-416 --work runs/detector --out models",
        steps=20_000,
        batch=16,
        rate=2e-3,
        rendered=6000,
    )
    parser.add_argument("--plates", type=Path, action="append", required=True, metavar="DIR")
    parser.add_argument("--unlabelled", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--teacher", help="a detector of the manifest that mends the boxes")
    parser.add_argument(
        "--mean-with",
        type=Path,
        action="append",
        default=[],
        metavar="WORK",
        help="--work of another training from the same start: write the mean of both",
    )
    parser.add_argument("--size", type=int, default=416, help="side of the input, of 32")
    parser.add_argument(
        "--export-size", type=int, help="side of the weights' input, of 32 (default: --size)"
    )
    parser.add_argument("--small-size", type=int, default=320, help="side in the first part")
    parser.add_argument("--small-steps", type=int, default=0, help="length of the first part")
    return run(_train, parser.parse_args(arguments))


def _train(given: argparse.Namespace) -> int:
    teacher = _teacher(given.teacher)
    photos: list[Photo] = []
    for each in given.plates:
        photos += load_photos(each, teacher, given.work / "cache", tell)
    apart = [p for p in photos if held_apart(p.name)]
    photos = [p for p in photos if not held_apart(p.name)]
    for each in given.unlabelled:
        photos += load_photos(each, teacher, given.work / "cache", tell)
    plates = _rendered(given.rendered, given.seed, given.work)
    print(f"{len(photos)} photographs, {len(apart)} held apart, {len(plates)} plates rendered")
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
                    partial(_validate, apart, given.size),
                    validate_every=1000,
                    workers=given.workers,
                    threads=given.threads,
                    stop_after=until,
                )
    step = load_averaged(net, folder, *(other / "detector" for other in given.mean_with))
    to = given.out or given.work
    in_floats, out = to / "plate_detector_float.onnx", to / "plate_detector.onnx"
    size = given.export_size or given.size
    scenes = Scenes(photos, plates, size)
    if given.mean_with:
        measured_anew(net, _measuring(scenes, given.seed))
    export_detector(net, size, str(in_floats))
    in_eight_bits(in_floats, out, _calibration(scenes, given.seed), DETECTOR_ANSWERS)
    note: dict[str, object] = {"step": step, "size": size}
    for file in (out, in_floats):
        threshold, figures = _choose_threshold(file, size, apart)
        note[file.name] = {"threshold": threshold, "held_apart": figures}
    (given.work / "plate_detector.json").write_text(json.dumps(note, indent=2) + "\n", "utf-8")
    print(json.dumps(note, indent=2))
    return 0


def _teacher(name: str | None) -> OnnxPlateDetector | None:
    if name is None:
        return None
    weights = Manifest.load().find(name, Contract.DETECTOR)
    return OnnxPlateDetector(weights.path, input_size=weights.entry.input, threshold=0.1 / WEAK)


def _rendered(count: int, seed: int, work: Path) -> list[Pixels]:
    """Flat plates, made once and kept."""
    if count == 0:
        return []
    kept = work / f"plates-{count}-{seed}.npz"
    if kept.is_file():
        with np.load(kept) as held:
            return [held[name] for name in held.files]
    from scripts.training.elsewhere import american  # noqa: PLC0415 - needs fonts
    from scripts.training.plates import draw, random_plate  # noqa: PLC0415

    rng = np.random.default_rng((seed, 77))
    # The rest of the world and square plates are what few photographs show, American ones above
    # all in frames.
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
    """Training pictures to measure normalisations on."""
    for number in range(20):
        pictures, _truths = _batch(scenes, 16, np.random.default_rng((seed, 80, number)))
        yield pictures.float().div_(255)


def _calibration(scenes: Scenes, seed: int) -> Iterator[Pixels]:
    """Training pictures as the network takes them, to learn what its maps hold."""
    rng = np.random.default_rng((seed, 78))
    for _ in range(CALIBRATION):
        pictures, _truths = _batch(scenes, 1, rng)
        yield pictures.float().div_(255).numpy()


def _loss(
    net: torch.nn.Module, batch: Batch, device: torch.device
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    pictures = batch[0].to(device, non_blocking=True).float().div_(255)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    truths = batch[1].to(device, non_blocking=True)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        logits, boxes = net(pictures)
    size = (pictures.shape[2], pictures.shape[3])
    losses = detector_loss(logits.float(), boxes.float(), truths, size)
    return losses.total, {"score": losses.score, "box": losses.box}


# --- figures on what was held apart ----------------------------------------------------------


def _validate(apart: Sequence[Photo], size: int, net: torch.nn.Module) -> dict[str, float]:
    """Recall and false positives of the averaged network on the photographs held apart."""
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        clone = PlateDetectorNet()
        clone.load_state_dict(net.state_dict())
        with contextlib.redirect_stdout(None):
            export_detector(clone, size, str(path))
        threshold, figures = _choose_threshold(path, size, apart)
    return {"threshold": threshold, **figures}


def _choose_threshold(
    path: Path, size: int, apart: Sequence[Photo]
) -> tuple[float, dict[str, float]]:
    """The threshold with the best F1 on views of the photographs held apart, and its figures.

    Best is the mean over the thresholds around it: one plate more or less is not to decide.
    """
    detector = OnnxPlateDetector(path, input_size=(size, size), threshold=0.05 / WEAK)
    seen = [(view, detector.detect(view.pixels)) for photo in apart for view in views(photo)]
    thresholds = np.arange(0.10, 0.80, 0.025)
    figures = [_figures(seen, threshold, size) for threshold in thresholds]
    around = np.convolve([each["f1"] for each in figures], np.ones(5) / 5, "same")
    best = int(around.argmax())
    return round(float(thresholds[best]), 3), figures[best]


def _figures(
    seen: Sequence[tuple[Photo, Sequence[Detection]]], threshold: float, size: int
) -> dict[str, float]:
    """Recall at IoU 0.5, false positives a photograph, and F1, of a network with this input."""
    found = plates = false = 0
    for photo, detections in seen:
        left = [d for d in detections if d.score >= threshold]
        longest = max(photo.pixels.shape[:2])
        width = photo.plates[:, 2] - photo.plates[:, 0]
        counted = (width * size / longest >= LEGIBLE) & (width <= CLOSEST * longest)
        plates += int(counted.sum())
        for row in photo.plates[counted]:
            truth = Box(*(float(v) for v in row))
            hit = max(left, key=lambda d: d.box.iou(truth), default=None)
            if hit is not None and hit.box.iou(truth) >= 0.5:
                found += 1
                left.remove(hit)
        doubtful = np.concatenate((photo.unsure, photo.plates[~counted]))
        unsure = [Box(*(float(v) for v in row)) for row in doubtful]
        false += sum(all(d.box.iou(u) < 0.3 for u in unsure) for d in left)
    return {
        "recall": found / max(1, plates),
        "false_positives": false / max(1, len(seen)),
        "f1": 2 * found / max(1, found + false + plates),
    }


if __name__ == "__main__":
    sys.exit(main())
