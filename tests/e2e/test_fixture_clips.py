"""The committed clips match their truth files, and the default weights can read them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import av
import pytest

from tests.support.product import CLIPS, product

FILMS = sorted(CLIPS.glob("*.mp4"))
MAX_BYTES = 2_000_000


def _truth(film: Path) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads(film.with_suffix(".json").read_text("utf-8"))
    return truth


def test_there_are_clips_of_every_situation() -> None:
    assert {film.stem for film in FILMS} >= {
        "street_day", "side_by_side", "wrong_way", "night", "rain",
        "twin_a", "twin_b", "empty_road",
    }  # fmt: skip


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.stem)
def test_a_clip_has_the_frames_of_its_truth_file(film: Path) -> None:
    truth = _truth(film)
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        frames = list(container.decode(stream))
    assert {(f.width, f.height) for f in frames} == {(truth["width"], truth["height"])}
    assert len(frames) == truth["frame_count"] == len(truth["frames"])
    assert [frame["index"] for frame in truth["frames"]] == list(range(truth["frame_count"]))


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.stem)
def test_a_clip_is_small(film: Path) -> None:
    assert film.stat().st_size < MAX_BYTES


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.stem)
def test_every_true_box_lies_in_the_picture(film: Path) -> None:
    truth = _truth(film)
    for frame in truth["frames"]:
        boxes = [v["vehicle_box"] for v in frame["vehicles"]]
        boxes += [v["plate_box"] for v in frame["vehicles"] if "plate_box" in v]
        boxes += [w["box"] for v in frame["vehicles"] for w in v["windows"]]
        boxes += [p["box"] for p in frame["persons"]]
        for x1, y1, x2, y2 in boxes:
            assert 0 <= x1 < x2 <= truth["width"]
            assert 0 <= y1 < y2 <= truth["height"]


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.stem)
def test_every_vehicle_is_legible_for_some_frames(film: Path) -> None:
    for vehicle in _truth(film)["vehicles"]:
        first, last = vehicle["legible_frames"]
        assert vehicle["first_frame"] <= first < last <= vehicle["last_frame"]
        assert last - first >= 5


def test_the_labels_are_those_of_the_truth_files() -> None:
    with (CLIPS / "labels.csv").open(encoding="utf-8", newline="") as file:
        labelled = {(row["clip"], row["plate"], row["country"]) for row in csv.DictReader(file)}
    known = {
        (film.name, vehicle["plate"], vehicle["country"])
        for film in FILMS
        for vehicle in _truth(film)["vehicles"]
    }
    assert labelled == known


def test_the_default_weights_read_nine_in_ten_vehicles_exactly() -> None:
    done = product(
        "evaluate", "clips", "--labels", CLIPS / "labels.csv", "--root", CLIPS, "--json",
        timeout_s=600,
    )  # fmt: skip
    assert done.status == 0, done.err
    score = done.json
    assert score["vehicles"] == sum(len(_truth(film)["vehicles"]) for film in FILMS)
    assert score["exact"] >= 0.9
    assert score["spurious"] == 0
    assert score["split"] <= 1
