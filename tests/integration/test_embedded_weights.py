"""The embedded weights: their size, and that the float and the int8 detector agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import av
import numpy as np
import pytest

from edge.adapters.models.detector import OnnxPlateDetector
from edge.adapters.models.loading import open_detector, threshold_of
from edge.adapters.models.manifest import Contract
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, Detection, Pixels
from tests.support.product import CLIPS

EMBEDDED = ("embedded-detector", "embedded-detector-float")
CLIP_NAMES = ("street_day", "side_by_side", "rain", "night")
WIDE_ENOUGH = 40.0
EVERY = 5


def _pictures(clip: str) -> Iterator[tuple[Pixels, list[Box]]]:
    """Every fifth frame, with the boxes of its plates that are wide enough to detect."""
    truth = json.loads((CLIPS / f"{clip}.json").read_text("utf-8"))
    with av.open(str(CLIPS / f"{clip}.mp4")) as container:
        for told, frame in zip(truth["frames"], container.decode(video=0), strict=True):
            if told["index"] % EVERY == 0:
                boxes = [Box(*v["plate_box"]) for v in told["vehicles"] if "plate_box" in v]
                pixels = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                yield pixels, [box for box in boxes if box.width >= WIDE_ENOUGH]


@cache
def _detector(name: str) -> tuple[OnnxPlateDetector, float]:
    weights = Manifest.load(environment={}).find(name, Contract.DETECTOR)
    return open_detector(weights), threshold_of(weights)


@cache
def _seen(clip: str) -> list[tuple[list[Box], dict[str, list[Detection]]]]:
    """The plates in each picture of a clip, and what each detector finds there."""
    return [
        (plates, {name: _found(name, pixels) for name in EMBEDDED})
        for pixels, plates in _pictures(clip)
    ]


def _found(name: str, pixels: Pixels) -> list[Detection]:
    detector, threshold = _detector(name)
    return [found for found in detector.detect(pixels) if found.score >= threshold]


def test_all_embedded_weights_are_under_ten_megabytes() -> None:
    folder = Manifest.load(environment={}).find(EMBEDDED[0], Contract.DETECTOR).path.parent

    assert sum(file.stat().st_size for file in folder.glob("*.onnx")) < 10_000_000


@pytest.mark.parametrize("clip", CLIP_NAMES)
@pytest.mark.parametrize("name", EMBEDDED)
def test_the_float_and_the_int8_detector_find_the_plates_of_the_committed_clips(
    name: str, clip: str
) -> None:
    asked = found = 0
    for plates, seen in _seen(clip):
        asked += len(plates)
        found += sum(any(d.box.iou(plate) >= 0.5 for d in seen[name]) for plate in plates)

    assert asked > 0
    assert found >= 0.8 * asked


def test_the_int8_detector_finds_the_same_plates_as_the_float_detector() -> None:
    overlaps = []
    for clip in CLIP_NAMES:
        for in_bytes, in_floats in ([seen[name] for name in EMBEDDED] for _, seen in _seen(clip)):
            overlaps += [
                max((other.box.iou(one.box) for other in in_floats), default=0.0)
                for one in in_bytes
            ]

    assert len(overlaps) > 20
    assert np.mean(np.array(overlaps) > 0.7) >= 0.9
