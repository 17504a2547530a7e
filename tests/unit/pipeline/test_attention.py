"""Frame selection: every frame while there is motion or a track, few frames otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from edge.domain.imaging import Box, Detection, Pixels
from edge.domain.motion import cell_means
from edge.pipeline.attention import Attention
from edge.pipeline.watcher import VehicleWatcher, cut_patch
from tests.support.fakes import ScriptedModels, ScriptedPlate, reading_of

FPS = 25.0
SCORE = 0.9


def selects(attention: Attention, index: int, pixels: Pixels, *, has_tracks: bool) -> bool:
    attention.has_tracks = has_tracks
    return attention.selects(cell_means(pixels[..., 1]), index / FPS)


def empty(index: int) -> Pixels:
    return np.random.default_rng(index).integers(80, 100, (270, 480, 3), np.uint8)


def test_one_frame_a_second_is_selected_on_an_empty_road() -> None:
    attention = Attention()
    selected = [selects(attention, i, empty(i), has_tracks=False) for i in range(500)]
    assert sum(selected[100:]) == 16


def test_every_frame_is_selected_while_a_vehicle_is_tracked() -> None:
    attention = Attention()
    assert all(selects(attention, i, empty(i), has_tracks=True) for i in range(100))


def test_two_frames_a_second_are_selected_for_a_stationary_vehicle() -> None:
    attention = Attention()
    selected = [selects(attention, i, empty(i), has_tracks=True) for i in range(500)]
    assert all(selected[:125])  # five seconds
    assert 19 <= sum(selected[250:]) <= 21  # of ten


def test_every_frame_is_selected_when_something_moves_near_a_stationary_vehicle() -> None:
    attention = Attention()
    for index in range(300):
        selects(attention, index, empty(index), has_tracks=True)
    moving = empty(300)
    moving[100:160, 100:200] = 200
    assert selects(attention, 300, moving, has_tracks=True)
    assert all(selects(attention, 301 + i, empty(i), has_tracks=True) for i in range(100))


def test_every_frame_is_selected_after_a_periodic_frame_starts_a_track() -> None:
    attention = Attention()
    for index in range(300):
        selects(attention, index, empty(index), has_tracks=False)
    assert all(selects(attention, 300 + i, empty(i), has_tracks=True) for i in range(1, 120))


def test_every_frame_is_selected_during_motion_and_shortly_after() -> None:
    attention = Attention()
    for index in range(200):
        selects(attention, index, empty(index), has_tracks=False)
    moving = empty(200)
    moving[100:160, 100:200] = 200
    selected = [
        selects(attention, 200 + i, moving if i == 0 else empty(200 + i), has_tracks=False)
        for i in range(20)
    ]
    assert selected[:13] == [True] * 13
    assert not any(selected[13:])


def test_every_frame_of_a_slow_stream_is_selected() -> None:
    attention = Attention()
    slow = [selects(attention, round(i * FPS), empty(i), has_tracks=False) for i in range(20)]
    assert all(slow)


def seen(
    fps: float, script: list[list[ScriptedPlate]], attention: Attention | None
) -> VehicleWatcher:
    models = ScriptedModels(script, fps)
    watcher = VehicleWatcher("cam-1", models, models, attention=attention)
    vehicles = [one for picture in models.frames() for one in watcher.observe(picture)]
    vehicles += watcher.finish()
    assert len([one for one in vehicles if one.final]) == 1
    assert vehicles[-1].consensus is not None
    assert vehicles[-1].consensus.best.text.reveal() == "1ABC123"
    return watcher


def sight(box: Box, text: str = "1ABC123") -> ScriptedPlate:
    """A plate whose reading has the quality of its patch, as with the real reader."""
    patch = cut_patch(np.zeros((480, 640, 3), np.uint8), Detection(box, SCORE), 0.1)
    return ScriptedPlate(box, reading_of(text, quality=patch.quality), SCORE)


def standing(frames: int, text: str = "1ABC123") -> list[list[ScriptedPlate]]:
    return [[sight(Box(100, 100, 180, 120), text)]] * frames


def arriving(frames: int) -> list[list[ScriptedPlate]]:
    return [[sight(Box(100 + 20 * i, 100, 180 + 20 * i, 120))] for i in range(-frames, 0)]


def test_a_plate_without_motion_is_found_in_a_periodic_frame() -> None:
    # The scripted stream is uniform grey, so only a periodic frame can show the plate.
    script: list[list[ScriptedPlate]] = [[]] * 60 + standing(40)
    watcher = seen(FPS, script, Attention())
    assert watcher.detector_runs < 100


def test_a_stationary_vehicle_stays_one_vehicle_with_few_selected_frames() -> None:
    watcher = seen(FPS, arriving(5) + standing(1000), Attention())
    assert watcher.detector_runs < 1000 / 4


def test_a_stationary_vehicle_is_read_a_bounded_number_of_times() -> None:
    watcher = seen(10.0, standing(300), None)
    assert watcher.detector_runs == 300
    # 24 readings are stored; after that the vehicle is read every half second.
    assert 24 <= watcher.reads <= 24 + 2 * 30 + 2


def test_a_plate_that_replaces_another_one_is_read_as_a_new_vehicle() -> None:
    models = ScriptedModels(standing(100) + standing(100, "9XYZ987"), 10.0)
    watcher = VehicleWatcher("cam-1", models, models)
    vehicles = [one for picture in models.frames() for one in watcher.observe(picture)]
    vehicles += watcher.finish()
    texts = {one.consensus.best.text.reveal() for one in vehicles if one.consensus is not None}
    assert texts == {"1ABC123", "9XYZ987"}


@pytest.mark.parametrize("fps", [8.0, 10.0, 25.0])
def test_the_key_frame_of_an_approaching_plate_is_one_of_the_nearest(fps: float) -> None:
    # The key frame is the evidence.
    boxes = [Box(100, 100, 140 + i, 110 + i / 4) for i in range(60)]
    models = ScriptedModels([[sight(box)] for box in boxes], fps)
    watcher = VehicleWatcher("cam-1", models, models)
    vehicles = [one for picture in models.frames() for one in watcher.observe(picture)]
    vehicles += watcher.finish()
    picture = vehicles[-1].key_frame
    assert picture is not None
    assert picture.plate.area > 0.9 * boxes[-1].area
