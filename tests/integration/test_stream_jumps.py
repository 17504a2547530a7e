"""Recordings whose time stamps jump: each passage is a vehicle of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest

from edge.adapters.cameras.recordings import RecordedCamera, open_recordings
from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.weights import Manifest
from edge.box.read_files import vehicles_of
from edge.domain.stream_time import WRAP_S
from edge.domain.vehicles import VehicleSeen
from edge.errors import CameraError
from tests.support.kept_detections import KeptDetections
from tests.support.product import CLIPS
from tests.support.recordings import joined, with_edits

STARTED = datetime(2026, 3, 10, 6, 25, tzinfo=timezone.utc)
TWINS = ["1ETB392", "1WNC846"]
LENGTH_S = 3.0
"""Of the clip: the first of two vehicles leaves before its end, the other is still in view."""


@cache
def models() -> PlateModels:
    loaded = load_plate_models(Manifest.load())
    return replace(loaded, detector=KeptDetections(loaded.detector))


def recording(path: Path) -> RecordedCamera:
    (camera,) = open_recordings(path, camera="cam-1", started_at=STARTED)
    return camera


def vehicles(path: Path) -> tuple[VehicleSeen, ...]:
    return vehicles_of(recording(path).frames(), models())


def texts(seen: tuple[VehicleSeen, ...]) -> list[str]:
    return [one.consensus.best.text.reveal() for one in seen if one.consensus is not None]


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4"])
@pytest.mark.parametrize("gap_s", [8.0, 47.0, 3600.0, 5 * 3600.0])
def test_vehicles_that_pass_again_after_a_gap_are_others(
    gap_s: float, suffix: str, tmp_path: Path
) -> None:
    path = joined(CLIPS / "twin_a.mp4", tmp_path / f"a{suffix}", [0.0, LENGTH_S + gap_s])

    seen = vehicles(path)

    assert texts(seen) == 2 * TWINS
    assert all(one.last_seen - one.first_seen < timedelta(seconds=LENGTH_S) for one in seen)
    late = STARTED + timedelta(seconds=LENGTH_S + gap_s - 0.1)
    assert [one.first_seen > late for one in seen] == [False, False, True, True]


@pytest.mark.parametrize("back_s", [8.0, 47.0, 3600.0, 5 * 3600.0, 22 * 3600.0])
def test_vehicles_that_pass_again_after_a_jump_back_are_others(
    back_s: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start_s = back_s + 1
    path = joined(CLIPS / "twin_a.mp4", tmp_path / "a.ts", [start_s, start_s + LENGTH_S - back_s])

    seen = vehicles(path)

    assert texts(seen) == 2 * TWINS
    # Nobody knows how much later it is, so nothing is dated later than it can have been.
    assert max(one.last_seen for one in seen) < STARTED + timedelta(seconds=2 * LENGTH_S + 0.1)
    assert "the time stamps jump back by" in caplog.text


def test_an_overflow_of_mpegs_counter_ends_no_vehicle(tmp_path: Path) -> None:
    path = joined(CLIPS / "twin_a.mp4", tmp_path / "a.ts", [WRAP_S - 1.2])

    assert texts(vehicles(path)) == TWINS
    assert {frame.section for frame in recording(path).frames()} == {0}


@pytest.mark.parametrize("edits", [[(None, 10.0), (0.2, 2.8)], [(0.2, 2.8)], [(1.0, 1.0)]])
def test_an_mp4_that_plays_only_a_part_of_its_frames_is_complete(
    edits: list[tuple[float | None, float]], tmp_path: Path
) -> None:
    path = with_edits(CLIPS / "twin_a.mp4", tmp_path / "a.mp4", edits)

    times = [frame.stream_s for frame in recording(path).frames()]

    assert times[0] == 0
    assert times[-1] == pytest.approx(edits[-1][1], abs=0.3)


# --- a recording that ends early is no success ----------------------------------------------


def half_of(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeros_from_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    begin, end = len(data) // 3, len(data) * 4 // 5
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [half_of, zeros_from_the_middle])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_damaged_recording_gives_its_frames_and_then_an_error(
    suffix: str, damage: object, tmp_path: Path
) -> None:
    assert callable(damage)
    path = tmp_path / f"a{suffix}"
    if suffix == ".mp4":
        path.write_bytes((CLIPS / "twin_a.mp4").read_bytes())  # its index comes first
    else:
        joined(CLIPS / "twin_a.mp4", path, [0.0, LENGTH_S, 2 * LENGTH_S])
    damage(path)
    frames = []

    def collect() -> Iterator[None]:
        for frame in recording(path).frames():
            frames.append(frame.index)
            yield

    with pytest.raises(CameraError) as refused:
        list(collect())

    assert refused.value.code == "E_SOURCE_TRUNCATED"
    assert len(frames) > 5
