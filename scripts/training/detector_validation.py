"""Measure the detector on the validation set and choose its threshold."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from edge.adapters.models.detector import WEAK, OnnxPlateDetector
from edge.domain.imaging import Box, Detection
from scripts.training.detector_net import PlateDetectorNet, export_detector
from scripts.training.photos import Photo, views
from scripts.training.scenes import LEGIBLE

WIDEST = 0.75
"""A plate wider than this share of the photograph's longer side does not count: no camera over a
road sees one."""


def validate(validation_set: Sequence[Photo], size: int, net: torch.nn.Module) -> dict[str, float]:
    """Threshold, recall and false positives of a network on the validation set."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        clone = PlateDetectorNet()
        clone.load_state_dict(net.state_dict())
        with contextlib.redirect_stdout(None):
            export_detector(clone, size, str(path))
        threshold, figures = choose_threshold(path, size, validation_set)
    return {"threshold": threshold, **figures}


def choose_threshold(
    path: Path, size: int, validation_set: Sequence[Photo]
) -> tuple[float, dict[str, float]]:
    """The threshold with the best F1 on the validation set, and its figures.

    Four views of each photograph are counted. F1 is averaged over five neighbouring thresholds, so
    that a single plate does not decide.
    """
    detector = OnnxPlateDetector(path, input_size=(size, size), threshold=0.05 / WEAK)
    seen = [
        (view, detector.detect(view.pixels)) for photo in validation_set for view in views(photo)
    ]
    thresholds = np.arange(0.10, 0.80, 0.025)
    figures = [_figures(seen, threshold, size) for threshold in thresholds]
    around = np.convolve([each["f1"] for each in figures], np.ones(5) / 5, "same")
    best = int(around.argmax())
    return round(float(thresholds[best]), 3), figures[best]


def _figures(
    seen: Sequence[tuple[Photo, Sequence[Detection]]], threshold: float, size: int
) -> dict[str, float]:
    """Recall at IoU 0.5, false positives for each view, and F1, at one threshold.

    Plates that are too small to be trained on, or that fill the photograph, do not count.
    """
    found = plates = false = 0
    for photo, detections in seen:
        left = [d for d in detections if d.score >= threshold]
        longest = max(photo.pixels.shape[:2])
        width = photo.plates[:, 2] - photo.plates[:, 0]
        counted = (width * size / longest >= LEGIBLE) & (width <= WIDEST * longest)
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
