"""What is released of the committed clips, with the networks of a box, compared pixel by pixel.

`scripts/bench releases` does the same with many more pictures.
"""

from __future__ import annotations

import functools
import json
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from edge.adapters.cameras.recordings import open_recordings
from edge.adapters.models.loading import load_plate_models, load_scene_parser
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box
from edge.domain.reveal import MaskMethod, RevealLevel
from scripts.benchmarks.released_pictures import (
    LEVELS,
    RENDERED,
    Picture,
    leaks_of,
    offender_in,
    plates_of,
    released,
    summarised,
)
from scripts.fixtures.clips import CLIPS as RECIPES
from scripts.fixtures.pixel_truth import things_in
from tests.support.product import CLIPS

NAMES = ("wrong_way", "side_by_side", "night")
STEP = 15


@functools.cache
def pictures_of(name: str) -> tuple[Picture, ...]:
    """Every `STEP`th picture of a committed clip with a visible plate, and what it shows."""
    truth: list[dict[str, Any]] = json.loads((CLIPS / f"{name}.json").read_text("utf-8"))["frames"]
    (camera,) = open_recordings(
        CLIPS / f"{name}.mp4", camera="cam-1", started_at=datetime.now(timezone.utc)
    )
    recipe = RECIPES[name]()
    return tuple(
        Picture(
            RENDERED,
            f"{name}-{frame.index}",
            frame.pixels,
            plates_of(truth[frame.index]),
            tuple(things_in(recipe, frame.index)),
        )
        for frame in camera.frames()
        if frame.index % STEP == 0 and plates_of(truth[frame.index])
    )


@pytest.mark.parametrize("name", NAMES)
def test_p6_released_pictures_of_a_clip_show_no_glass_no_stranger_and_no_person(name: str) -> None:
    manifest = Manifest.load()
    result = summarised(
        released(pictures_of(name), load_plate_models(manifest), load_scene_parser(manifest))
    )

    rows = {row["level"]: row for row in result["rows"]}
    ahead = sum(
        thing is offender_in(picture, box) and thing.from_ahead
        for picture in pictures_of(name)
        for box, _ in picture.things or ()
        for thing in picture.drawn
    )
    assert set(rows) == {"vehicle", "occupants", *(["driver"] if ahead else [])}
    for level, row in rows.items():
        assert row["released"] >= (1 if level == "driver" else 4)
        assert row["by_meaning"] > 0 or level == "driver"
        assert row["leaking"] == []
        assert row["leak_ci95"][0] == pytest.approx(0)


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_of_each_pixel_agrees_with_the_truth_file(name: str) -> None:
    truth = json.loads((CLIPS / f"{name}.json").read_text("utf-8"))["frames"]
    seen = 0
    for picture in pictures_of(name):
        boxes = {one["id"]: one for one in truth[int(picture.name.split("-")[-1])]["vehicles"]}
        for thing in picture.drawn:
            if thing.mover.id not in boxes or thing.whole.sum() < 400:
                continue
            rows, columns = np.nonzero(thing.whole)
            x1, y1, x2, y2 = boxes[thing.mover.id]["vehicle_box"]
            assert x1 - 8 <= columns.min()
            assert columns.max() <= x2 + 8
            assert y1 - 8 <= rows.min()
            assert rows.max() <= y2 + 8
            assert not (thing.glass & ~thing.whole).any()
            for head in thing.heads:
                assert not (head & ~thing.glass).any()
            seen += bool(thing.glass.any())
    assert seen > 3


@pytest.mark.parametrize("level", LEVELS)
def test_a_picture_that_shows_all_leaks_everything_that_the_level_hides(level: RevealLevel) -> None:
    picture = pictures_of("side_by_side")[1]
    assert picture.things is not None
    plate, offender = picture.things[-1]
    leaks = leaks_of(picture, plate, np.ones(picture.pixels.shape[:2], bool), level)

    found = {*leaks.parts, *leaks.slivers}
    others = {thing.mover.id for thing in picture.drawn} - {offender}
    assert {f"vehicle {one}" for one in others} <= found
    assert (f"glass of {offender}" in found) == (level is RevealLevel.VEHICLE)
    beside = f"glass beside the driver of {offender}"
    assert (beside in found) == (level is RevealLevel.DRIVER)
    assert f"vehicle {offender}" not in found
    nothing = leaks_of(picture, plate, np.zeros(picture.pixels.shape[:2], bool), level)
    assert nothing.parts == nothing.slivers == ()


def test_a_plate_that_belongs_to_nothing_has_no_vehicle_that_may_be_shown() -> None:
    picture = pictures_of("side_by_side")[1]
    shown = np.ones(picture.pixels.shape[:2], bool)
    leaks = leaks_of(picture, Box(2, 2, 60, 14), shown, RevealLevel.OCCUPANTS)

    assert {f"vehicle {thing.mover.id}" for thing in picture.drawn} <= {
        *leaks.parts,
        *leaks.slivers,
    }


def test_what_decided_is_counted() -> None:
    manifest = Manifest.load()
    made = list(released(pictures_of("night")[:2], load_plate_models(manifest), None))

    assert {one.method for one in made} == {MaskMethod.GEOMETRY}
    assert all(row["by_meaning"] == 0 for row in summarised(made)["rows"])
