"""P6 on rendered clips, where every face, window and plate is known to the pixel.

No weights are needed: the plates are those of the truth files, so that nothing is hidden merely
because a detector missed it.
"""

from __future__ import annotations

import functools
import json
import math
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from edge.adapters.cameras.recordings import open_recordings
from edge.domain.imaging import Box, Pixels
from edge.domain.reveal import RevealLevel
from edge.privacy.redaction import MASK_GREY, preview_of_regular_file
from tests.support.product import CLIPS

STEP = 5  # frames; a plate moves by less than its own width in that time
LEGIBLE_PX = 30
NAMES = sorted(path.stem for path in CLIPS.glob("*.mp4") if path.stem != "empty_road")


@functools.lru_cache(maxsize=1)  # the tests of a clip follow one another
def frames_of(name: str) -> list[tuple[Pixels, dict[str, Any]]]:
    truth = json.loads((CLIPS / f"{name}.json").read_text("utf-8"))["frames"]
    (camera,) = open_recordings(
        CLIPS / f"{name}.mp4", camera="cam-1", started_at=datetime.now(timezone.utc)
    )
    return [
        (frame.pixels, truth[frame.index]) for frame in camera.frames() if frame.index % STEP == 0
    ]


def plates_in(truth: dict[str, Any]) -> list[Box]:
    return [
        Box(*vehicle["plate_box"])
        for vehicle in truth["vehicles"]
        if vehicle.get("plate_visible", 0) > 0.9
        and vehicle["plate_box"][2] - vehicle["plate_box"][0] >= LEGIBLE_PX
    ]


def inside(pixels: Pixels, box: list[float]) -> Pixels:
    x1, y1, x2, y2 = box
    return pixels[max(0, math.ceil(y1)) : math.floor(y2), max(0, math.ceil(x1)) : math.floor(x2)]


@pytest.mark.parametrize("level", [RevealLevel.NONE, RevealLevel.PLATE, RevealLevel.VEHICLE])
@pytest.mark.parametrize("name", NAMES)
def test_p6_no_face_and_no_window_shows_whichever_vehicle_offends(
    name: str, level: RevealLevel
) -> None:
    faces = windows = 0
    for pixels, truth in frames_of(name):
        plates = plates_in(truth)
        for index, plate in enumerate(plates):
            others = [*plates[:index], *plates[index + 1 :]]
            shown = preview_of_regular_file(
                pixels, [plate], level, show_plates=True, others=others
            ).pixels
            for face in truth["faces"]:
                faces += 1
                assert (inside(shown, face) == MASK_GREY).all()
            for vehicle in truth["vehicles"]:
                for window in vehicle["windows"]:
                    windows += 1
                    assert (inside(shown, window["box"]) == MASK_GREY).all(), window["name"]
    assert faces > 0
    assert windows > 10


@pytest.mark.parametrize("name", NAMES)
def test_plate_and_bodywork_are_visible(name: str) -> None:
    seen = 0
    for pixels, truth in frames_of(name):
        for plate in plates_in(truth):
            picture = preview_of_regular_file(
                pixels, [plate], RevealLevel.VEHICLE, show_plates=True
            ).pixels
            shown = (picture != MASK_GREY).any(axis=2)
            assert np.array_equal(
                inside(picture, [plate.x1, plate.y1, plate.x2, plate.y2]),
                inside(pixels, [plate.x1, plate.y1, plate.x2, plate.y2]),
            )
            if plate.y2 + plate.height < pixels.shape[0] and plate.x1 > plate.width:
                assert shown.sum() > 2 * plate.area
                seen += 1
    assert seen > 0
