"""Looks follow what is to be learnt: motion, speed, doubt. What is known is seldom looked at."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from edge.domain.imaging import Box, Detection, Pixels, cut_patch
from edge.domain.motion import cell_means
from edge.domain.vehicles import VehicleSeen
from edge.pipeline.attention import Attention, Followed
from edge.pipeline.following import Outlook, look_interval_s, remaining_s
from edge.pipeline.watcher import VehicleWatcher
from tests.support.fakes import ScriptedModels, ScriptedPlate, noise_reading, reading_of

FPS = 25.0
SCORE = 0.9


def selects(
    attention: Attention, index: int, pixels: Pixels, followed: tuple[Followed, ...] = ()
) -> bool:
    attention.followed = followed
    return attention.selects(cell_means(pixels[..., 1]), index / FPS)


@cache
def noise(number: int) -> Pixels:
    return np.random.default_rng(number).integers(80, 100, (270, 480, 3), np.uint8)


def empty(index: int) -> Pixels:
    return np.array(noise(index % 50), np.uint8)


def moving(index: int, x: int = 100) -> Pixels:
    """A bright thing that is elsewhere in each frame."""
    pixels, at = empty(index), x + 7 * index % 60
    pixels[100:160, at : at + 80] = 200
    return pixels


def followed(interval_s: float, seen_s: float = 0.0) -> tuple[Followed, ...]:
    """A standing vehicle around (180, 130), as `moving` shows it."""
    return (Followed.of(Box(160, 140, 190, 150), (0.0, 0.0), (480, 270), seen_s, interval_s),)


def settled() -> tuple[Attention, int]:
    """An attention that knows its empty road, and the number of its next frame."""
    attention = Attention()
    for index in range(300):
        selects(attention, index, empty(index))
    return attention, 300


def test_an_idle_road_is_looked_at_once_a_second_and_later_every_ten() -> None:
    attention = Attention()
    selected = [i for i in range(1500) if selects(attention, i, empty(i))]
    gaps_s = [(later - one) / FPS for one, later in pairwise(one for one in selected if one > FPS)]
    assert gaps_s[0] == pytest.approx(1, abs=1 / FPS)
    assert gaps_s[-1] == pytest.approx(10, abs=1 / FPS)
    assert gaps_s == sorted(gaps_s)


def compared(attention: Attention, first: int, frames: int, fps: float = FPS) -> list[bool]:
    """Which of these frames of an empty road are compared, as a watcher calls the attention."""
    seen = []
    for index in range(first, first + frames):
        passes = attention.passes_over(index / fps)
        if not passes:
            attention.selects(cell_means(empty(index)[..., 1]), index / fps)
        seen.append(not passes)
    return seen


def test_while_nothing_moves_each_second_frame_is_compared() -> None:
    attention, at = settled()
    assert attention.idles
    assert sum(compared(attention, at, 100)) == 50
    assert attention.frame_interval_s == pytest.approx(1 / FPS)


def test_what_moves_again_is_compared_in_each_frame() -> None:
    attention, at = settled()
    compared(attention, at, 10)
    selects(attention, at + 11, moving(at + 11))
    assert not attention.passes_over((at + 12) / FPS)
    selects(attention, at + 12, moving(at + 12))
    assert not attention.passes_over((at + 13) / FPS)


def test_each_frame_is_compared_while_a_vehicle_is_followed_and_after_a_break() -> None:
    attention, at = settled()
    attention.followed = followed(0.5, at / FPS)
    assert not attention.passes_over(at / FPS)
    attention.followed = ()
    assert attention.passes_over(at / FPS)
    attention.restart()
    assert not attention.passes_over((at + 1) / FPS)


def test_no_frame_of_a_slow_stream_is_passed_over() -> None:
    attention = Attention()
    assert all(compared(attention, 0, 300, fps=20))
    assert attention.idles


def creeping(index: int, since: int) -> Pixels:
    """Something as dark as most of the road comes in by 12 pixels a second, too slow for motion."""
    pixels, width = empty(index), min(80, (index - since) // 2)
    pixels[100:160, 100 : 100 + width] = pixels[100:160, 100 : 100 + width] // 20 * 20 + 12
    return pixels


def test_what_comes_too_slowly_for_motion_is_looked_at_within_four_seconds() -> None:
    attention, at = Attention(), 60 * round(FPS)
    before = [i for i in range(at) if selects(attention, i, empty(i))]
    while not selects(attention, at, empty(at)):  # the next look is ten seconds away
        at += 1
    after: list[int] = []
    for index in range(at + 1, at + 300):
        after += [index] if selects(attention, index, creeping(index, at)) else []
        assert attention.idles, "it would be looked at without this"
    assert (before[-1] - before[-2]) / FPS == pytest.approx(10, abs=1 / FPS)
    assert (after[0] - at) / FPS < 6
    assert max(later - one for one, later in pairwise(after[:3])) <= 4 * FPS + 1


def test_motion_shortens_the_interval_of_an_idle_road_again() -> None:
    attention = Attention()
    at = 60 * round(FPS)
    for index in range(at):
        selects(attention, index, empty(index))
    for _ in range(round(FPS)):
        at += 1
        selects(attention, at, moving(at))
    # What has left is looked after for half a second.
    later = [i for i in range(at + 1, at + 1 + 3 * round(FPS)) if selects(attention, i, empty(i))]
    assert (later[-1] - later[-2]) / FPS == pytest.approx(1, abs=1 / FPS)


def test_what_begins_to_move_is_looked_at_at_once() -> None:
    attention, at = settled()
    while selects(attention, at, empty(at)):  # not the frame of the slow rhythm
        at += 1
    for _ in range(6):
        at += 1
        selects(attention, at, empty(at))
    assert selects(attention, at + 1, moving(at + 1))


def test_unknown_motion_is_looked_at_four_times_a_second_and_shortly_after() -> None:
    attention, at = settled()
    selected = [selects(attention, at + i, moving(at + i)) for i in range(100)]
    assert 16 <= sum(selected) <= 18
    after = [selects(attention, at + 100 + i, empty(at)) for i in range(50)]
    assert 2 <= sum(after[:14]) <= 4
    assert sum(after[14:]) <= 2


@pytest.mark.parametrize(("view_s", "looks"), [(0.7, 6), (1.5, 4)])
def test_where_vehicles_are_in_view_for_a_short_time_there_are_more_looks(
    view_s: float, looks: int
) -> None:
    attention, at = settled()
    attention.learn_view(30.0)
    attention.learn_view(view_s)
    attention.learn_view(10.0)
    selected = [selects(attention, at + i, moving(at + i)) for i in range(25)]
    assert sum(selected) >= looks


def far_off(index: int, x: int = 40, y: int = 40) -> Pixels:
    """Traffic far away: each four seconds something of 12 x 8 pixels crosses a gap of 36 pixels."""
    pixels = empty(index)
    at = index % 100
    if at < 36:
        pixels[y : y + 8, x + at : x + at + 12] = 200
    return pixels


def watched_far_off() -> tuple[Attention, int]:
    """An attention that has looked at traffic far away for a minute."""
    attention, at = settled()
    for index in range(at, at + 1500):
        selects(attention, index, far_off(index))
    return attention, at + 1500


def test_small_motion_where_many_looks_found_nothing_is_looked_at_once_a_second() -> None:
    attention, at = settled()
    first = sum(selects(attention, i, far_off(i)) for i in range(at, at + 100))
    attention, at = watched_far_off()

    assert first >= 8
    assert sum(selects(attention, i, far_off(i)) for i in range(at, at + 100)) <= 5


def test_small_motion_at_another_place_is_looked_at_often() -> None:
    attention, at = watched_far_off()

    assert sum(selects(attention, i, far_off(i, x=300)) for i in range(at, at + 100)) >= 8


def test_a_car_where_small_motion_was_is_looked_at_often() -> None:
    attention, at = watched_far_off()

    assert sum(selects(attention, i, moving(i, x=20)) for i in range(at, at + 50)) >= 8


def test_a_place_where_a_vehicle_was_found_is_looked_at_often() -> None:
    attention, at = watched_far_off()
    there = (Followed.of(Box(50, 42, 60, 46), (0.0, 0.0), (480, 270), at / FPS, 0.5),)
    selects(attention, at, far_off(at), there)

    assert sum(selects(attention, at + i, far_off(at + i)) for i in range(1, 101)) >= 8


def test_a_place_that_rested_is_new_when_something_moves_there_again() -> None:
    attention, at = watched_far_off()
    for index in range(at, at + 300):
        selects(attention, index, empty(index))

    assert sum(selects(attention, i, far_off(i)) for i in range(at + 300, at + 400)) >= 8


def test_where_vehicles_stay_for_long_unknown_motion_is_looked_at_three_times_a_second() -> None:
    attention, at = settled()
    attention.learn_view(30.0)
    selected = [selects(attention, at + i, moving(at + i)) for i in range(100)]
    assert 12 <= sum(selected) <= 15


def test_a_fast_vehicle_is_forgotten_after_eight_slow_ones() -> None:
    attention, at = settled()
    attention.learn_view(0.5)
    for _ in range(8):
        attention.learn_view(20.0)
    selected = [selects(attention, at + i, moving(at + i)) for i in range(100)]
    assert 12 <= sum(selected) <= 15


@pytest.mark.parametrize("interval_s", [0.12, 0.28, 0.48])
def test_the_vehicle_that_is_due_first_sets_the_interval(interval_s: float) -> None:
    attention, at = settled()
    vehicles = (*followed(0.5), *followed(interval_s), *followed(0.6))
    selected = [selects(attention, at + i, empty(at + i), vehicles) for i in range(300)]
    assert sum(selected) == pytest.approx(12 / interval_s, rel=0.1)


def test_the_motion_of_a_followed_vehicle_is_no_new_vehicle() -> None:
    attention, at = settled()
    vehicle = followed(0.48, seen_s=at / FPS)
    selected = [selects(attention, at + i, moving(at + i), vehicle) for i in range(100)]
    assert sum(selected) <= 10


def test_the_motion_beside_a_followed_vehicle_is_a_new_vehicle() -> None:
    attention, at = settled()
    vehicle = followed(0.48, seen_s=at / FPS)
    selected = [selects(attention, at + i, moving(at + i, x=300), vehicle) for i in range(100)]
    assert 16 <= sum(selected) <= 18


def test_where_a_followed_vehicle_is_now_is_predicted() -> None:
    attention, at = settled()
    start = Followed.of(Box(160, 140, 190, 150), (100.0, 0.0), (480, 270), at / FPS, 0.48)
    selected = [
        selects(attention, at + i, moving(at + i, x=100 + 4 * i), (start,)) for i in range(40)
    ]
    assert sum(selected) <= 6


def test_a_path_that_a_rule_needs_is_followed_at_every_second_frame() -> None:
    attention, at = settled()
    attention.follows_paths = True
    selected = [selects(attention, at + i, moving(at + i)) for i in range(100)]
    assert sum(selected) >= 50


def test_every_frame_of_a_slow_stream_is_selected() -> None:
    attention = Attention()
    slow = [selects(attention, round(i * FPS), empty(i)) for i in range(20)]
    assert all(slow)


# --- one vehicle ------------------------------------------------------------------------------

DRIVING = Outlook(
    is_lost=False,
    detections=6,
    readings=6,
    is_disputed=False,
    is_unreadable=False,
    is_known=False,
    is_sure=False,
    is_settled=False,
    speed=10.0,
    growth=0.0,
    certain_s=0.6,
    remains_s=5.0,
)


@pytest.mark.parametrize(
    ("what", "change", "least_s", "most_s"),
    [
        ("new", {"detections": 1, "readings": 1}, 0.0, 0.09),
        ("hardly read", {"readings": 2}, 0.1, 0.15),
        ("in doubt, as large as before", {}, 0.25, 0.35),
        ("in doubt, grows fast", {"growth": 0.7}, 0.12, 0.15),
        ("in doubt, shrinks", {"growth": -0.7}, 0.25, 0.35),
        ("in doubt, leaves soon", {"remains_s": 0.4}, 0.0, 0.11),
        ("sure", {"is_sure": True}, 0.4, 0.5),
        ("sure, leaves soon", {"is_sure": True, "remains_s": 0.4}, 0.4, 0.5),
        ("sure, beside another", {"is_sure": True, "certain_s": 0.2}, 0.0, 0.2),
        ("readings disagree", {"is_disputed": True}, 0.1, 0.15),
        ("readings disagree, grows", {"is_disputed": True, "growth": 0.4}, 0.2, 0.3),
        ("in doubt, and no reading helps", {"is_known": True}, 0.35, 0.45),
        ("in doubt, no such reading helps, grows", {"is_known": True, "growth": 0.5}, 0.15, 0.25),
        ("illegible", {"is_unreadable": True}, 0.35, 0.45),
        ("stands", {"is_settled": True, "certain_s": 0.1}, 0.5, 0.5),
        ("not found again", {"is_lost": True}, 0.1, 0.2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_when_a_vehicle_is_looked_at_again(
    what: str, change: dict[str, Any], least_s: float, most_s: float
) -> None:
    assert least_s <= look_interval_s(replace(DRIVING, **change)) <= most_s, what


def test_a_vehicle_whose_path_is_needed_moves_two_widths_between_looks() -> None:
    fast = replace(DRIVING, is_sure=True, speed=20.0)
    assert look_interval_s(fast, needs_path=True) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("velocity", "expected"),
    [((0.0, 0.0), np.inf), ((10.0, 0.0), 30.0), ((-10.0, 0.0), 10.0), ((-10.0, 50.0), 3.0)],
)
def test_how_long_a_vehicle_remains_in_view(velocity: tuple[float, float], expected: float) -> None:
    plate = Box(90, 45, 110, 55)
    assert remaining_s(plate, velocity, (400, 200)) == pytest.approx(expected)


# --- with the watcher ---------------------------------------------------------------------------


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
    # Once its plate is sure, or cannot be seen better, it is read once in a second.
    assert 30 <= watcher.reads <= 30 + 24


def test_p12_a_plate_that_replaces_another_one_is_read_as_a_new_vehicle() -> None:
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


@pytest.mark.parametrize(("frame_interval_s", "vehicles"), [(0.04, 0), (1.0, 1)])
def test_p12_a_gap_between_looks_does_not_make_a_live_camera_slow(
    frame_interval_s: float, vehicles: int
) -> None:
    # A live camera gives out the frames that were selected only. One reading is enough where a
    # vehicle can be in one frame only, so the interval of all frames counts.
    models = ScriptedModels([*[[]] * 3, standing(1)[0], *[[]] * 5], 1.0)
    attention = Attention()
    watcher = VehicleWatcher("cam-1", models, models, attention=attention)
    found: list[VehicleSeen] = []
    for picture in models.frames():
        attention.frame_interval_s = frame_interval_s
        found += watcher.observe(replace(picture, selected=True))
    assert len([*found, *watcher.finish()]) == vehicles


def test_a_sure_vehicle_is_read_only_to_notice_another_one() -> None:
    script = arriving(20) + standing(400)
    models = ScriptedModels(script, FPS)
    watcher = VehicleWatcher("cam-1", models, models, attention=Attention())
    for picture in models.frames():
        watcher.observe(picture)
    assert watcher.reads <= 12 + 400 / FPS


def test_a_known_plate_is_not_read_more_often_because_later_views_are_poorer() -> None:
    clear = reading_of("1ABC123", region="Belgium")
    poor = replace(noise_reading(1), region="Belgium", region_probability=0.9)
    script = [
        [ScriptedPlate(Box(100 + 4 * i, 100, 180 + 4 * i, 120), poor if i > 5 else clear, SCORE)]
        for i in range(22)
    ]
    models = ScriptedModels(script, 10.0)
    watcher = VehicleWatcher("cam-1", models, models)
    for picture in models.frames():
        watcher.observe(picture)
    # Three readings make it known; it is read once a second to notice another vehicle.
    assert watcher.reads == 4


@pytest.mark.parametrize("score", [0.2, 0.9])
def test_a_sign_is_read_seldom_and_does_not_keep_looks_going(score: float) -> None:
    sign = ScriptedPlate(Box(100, 100, 180, 124), noise_reading(1), score)
    script = [[sign] if i % 50 < 40 else [] for i in range(1500)]  # a minute; it is lost at times
    models = ScriptedModels(script, FPS)
    watcher = VehicleWatcher("cam-1", models, models, attention=Attention())
    for picture in models.frames():
        watcher.observe(picture)
    assert watcher.reads <= 70
    assert watcher.detector_runs <= 60 * 2.5


@pytest.mark.parametrize("score", [0.2, 0.9])
def test_a_plate_that_comes_where_a_sign_was_is_read(score: float) -> None:
    place = Box(100, 100, 180, 124)
    sign = ScriptedPlate(place, noise_reading(1), score)
    plate = ScriptedPlate(place, reading_of("1ABC123"), 0.9)
    # In the scripted stream no cell ever changes, so that the plate waits ten seconds for a look.
    script = [*[[sign]] * 200, *[[]] * 60, *arriving(10), *[[plate]] * 300, *[[]] * 60]
    models = ScriptedModels(script, FPS)
    watcher = VehicleWatcher("cam-1", models, models, attention=Attention())
    found = [one for picture in models.frames() for one in watcher.observe(picture)]
    found += watcher.finish()
    texts = {one.consensus.best.text.reveal() for one in found if one.consensus is not None}
    assert texts == {"1ABC123"}
