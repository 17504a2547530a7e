"""Real weights on real recordings: a blank in the plate's own colour over a character.

The blank is drawn into the frames of a Dutch recording, over the plate that the detector finds.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache

import numpy as np
import pytest

from edge.adapters.cameras.recordings import open_recordings
from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Detection, Frame
from edge.pipeline.watcher import VehicleWatcher, settings_for_threshold
from edge.policy.limits import LIMITS
from scripts.fixtures.covers import OVER_CHARACTERS, draw_cover
from tests.support.kept_detections import KeptDetections
from tests.support.shared_material import SHARED, needs_shared

pytestmark = needs_shared

FOOTAGE = SHARED / "footage"
RECORDINGS = ("nl_i_Video20_2.avi", "nl_i_Video30_2.avi", "nl_i_Video235_2.avi")
LOWEST_FLOOR = min(limits.min_posterior for limits in LIMITS.values())
NOW = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)


@cache
def models() -> PlateModels:
    return load_plate_models(Manifest.load(environment={}))


@cache
def frames(name: str) -> tuple[Frame, ...]:
    (recording,) = open_recordings(FOOTAGE / name, camera="cam-1", started_at=NOW)
    return tuple(recording.frames())


def plates_of(name: str) -> set[str]:
    with (FOOTAGE / "labels.csv").open(encoding="utf-8", newline="") as opened:
        return {row["plate"] for row in csv.DictReader(opened) if row["clip"] == name}


@cache
def detector() -> KeptDetections:
    """A detector that looks once at each frame without a cover."""
    return KeptDetections(models().detector)


@cache
def plates_in(name: str) -> tuple[tuple[Detection, ...], ...]:
    """What is found in each frame without a cover."""
    return tuple(detector().detect(frame.pixels) for frame in frames(name))


def covered(frame: Frame, plates: Iterable[Detection], cover: str) -> Frame:
    """The frame with this cover on each of these plates."""
    pixels = frame.pixels.copy()
    for found in plates:
        if found.score >= models().threshold:
            height = found.box.height
            around = found.box.grown(left=height, right=height, top=height, bottom=height)
            part = around.clipped(pixels.shape[1], pixels.shape[0])
            left, top = int(part.x1), int(part.y1)
            area = slice(top, int(part.y2)), slice(left, int(part.x2))
            box = (
                found.box.x1 - left,
                found.box.y1 - top,
                found.box.x2 - left,
                found.box.y2 - top,
            )
            pixels[area] = draw_cover(cover, np.ascontiguousarray(pixels[area]), box, 1)
    return replace(frame, picture=pixels)


def sure_texts(name: str, cover: str | None) -> set[str]:
    """The texts at or above the lowest floor, in all handed-over states of all vehicles."""
    watcher = VehicleWatcher(
        "cam-1", detector(), models().reader, settings_for_threshold(models().threshold)
    )
    seen = [
        vehicle
        for frame, plates in zip(frames(name), plates_in(name), strict=True)
        for vehicle in watcher.observe(covered(frame, plates, cover) if cover else frame)
    ]
    return {
        vehicle.consensus.best.text.reveal()
        for vehicle in (*seen, *watcher.finish())
        if vehicle.consensus is not None and vehicle.consensus.posterior >= LOWEST_FLOOR
    }


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_plates_are_read_surely_without_a_cover(name: str) -> None:
    assert sure_texts(name, None) == plates_of(name)


@pytest.mark.parametrize("cover", OVER_CHARACTERS)
@pytest.mark.parametrize("name", RECORDINGS)
def test_p12_a_cover_over_characters_gives_no_sure_wrong_text(name: str, cover: str) -> None:
    assert sure_texts(name, cover) <= plates_of(name)
