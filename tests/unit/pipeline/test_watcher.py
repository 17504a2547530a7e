"""The watcher hands each vehicle over once, with the right plate and pictures.

Longer than 500 lines because one made-up street serves all of its tests.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from edge.domain.imaging import Box, PlatePatch, cut_patch
from edge.domain.motion import cell_means
from edge.domain.reading import PlateReading
from edge.domain.vehicles import VehicleSeen
from edge.pipeline.attention import Attention
from edge.pipeline.views import MAX_POINTS
from edge.pipeline.watcher import VehicleWatcher
from tests.support.fakes import STARTED, ScriptedModels, ScriptedPlate, noise_reading, reading_of

EMPTY: list[ScriptedPlate] = []


def sight(
    text: str, x: float, y: float = 200, *, score: float = 0.9, width: float = 80, **of: Any
) -> ScriptedPlate:
    return ScriptedPlate(Box(x, y, x + width, y + 24), reading_of(text, **of), score)


def arrival(text: str, x: float) -> list[list[ScriptedPlate]]:
    """Ten frames in which a vehicle drives to this place."""
    return [[sight(text, x - 10 * i)] for i in range(10, 0, -1)]


def watch(
    script: Sequence[Sequence[ScriptedPlate]], fps: float = 10.0, *, keeps_path: bool = False
) -> list[VehicleSeen]:
    """All hand-overs of a stream, in order."""
    models = ScriptedModels(script, fps)
    watcher = VehicleWatcher("cam-1", models, models, keeps_path=keeps_path)
    seen = [vehicle for frame in models.frames() for vehicle in watcher.observe(frame)]
    return [*seen, *watcher.finish()]


def texts(vehicles: Sequence[VehicleSeen]) -> list[str | None]:
    return [v.consensus.best.text.reveal() if v.consensus else None for v in vehicles]


def test_a_vehicle_is_handed_over_once_when_it_has_left() -> None:
    script = [[sight("1ABC123", 20 * i)] for i in range(20)] + [EMPTY] * 40

    (vehicle,) = watch(script)

    assert (vehicle.camera, vehicle.number, vehicle.final) == ("cam-1", 1, True)
    assert vehicle.consensus is not None
    assert vehicle.consensus.posterior > 0.95
    assert (vehicle.last_seen - vehicle.first_seen).total_seconds() == pytest.approx(1.9)
    assert [point.stream_s for point in vehicle.trajectory] == [i / 10 for i in range(20)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([[sight("1ABC123", 100)], [sight("1ABC123", 150)]], ["1ABC123"]),
        ([EMPTY, [sight("1ABC123", 100)]], []),
        ([[sight("1ABC123", 100, score=0.2)], EMPTY, EMPTY], []),
        ([[ScriptedPlate(Box(9, 9, 89, 33), noise_reading(i))] for i in range(6)], []),
        ([[sight("", 100)] for _ in range(6)], []),
        ([[sight("", 100)] for _ in range(12)], [None]),
        ([[sight("", 100, width=20)] for _ in range(12)], []),
        ([[sight("AB", 100)] for _ in range(4)], []),
    ],
    ids=["two frames", "one frame", "flicker", "noise", "blank for a moment", "blank for long",
         "too far to read", "two characters"],
)  # fmt: skip
def test_which_tracks_are_confirmed_as_vehicles(
    script: list[list[ScriptedPlate]], expected: list[str | None]
) -> None:
    assert texts(watch(script)) == expected


def test_in_a_slow_stream_one_clear_frame_is_a_vehicle() -> None:
    script = [[sight("1ABC123", 100)], [sight("2XYZ987", 120)], EMPTY, EMPTY]

    assert texts(watch(script, fps=1.0)) == ["1ABC123", "2XYZ987"]


def test_a_single_picture_is_a_valid_stream() -> None:
    assert texts(watch([[sight("1ABC123", 100)]])) == ["1ABC123"]


def test_a_vehicle_that_stays_is_handed_over_early_and_again_when_it_leaves() -> None:
    script = arrival("1ABC123", 100) + [[sight("1ABC123", 100)] for _ in range(110)] + [EMPTY] * 30

    early, final = watch(script)

    assert [early.number, final.number] == [1, 1]
    assert [early.final, final.final] == [False, True]
    assert (early.last_seen - early.first_seen).total_seconds() == pytest.approx(4.0, abs=0.6)
    assert (final.last_seen - final.first_seen).total_seconds() == pytest.approx(11.9)


def test_an_unsure_vehicle_is_never_handed_over_early() -> None:
    ambiguous = reading_of("1ABC123", doubts={2: {"B": 0.5, "8": 0.49}})
    script = [[ScriptedPlate(Box(100, 200, 180, 224), ambiguous)] for _ in range(80)]

    assert [vehicle.final for vehicle in watch(script)] == [True]


@pytest.mark.parametrize("gap_s", [1, 3, 8])
def test_a_vehicle_that_comes_back_is_not_reported_again(gap_s: int) -> None:
    there = [[sight("1ABC123", 100)] for _ in range(10)]
    back = [[sight("1ABC123", 400)] for _ in range(10)]

    assert texts(watch([*there, *[EMPTY] * (10 * gap_s), *back])) == ["1ABC123"]


def test_a_vehicle_that_comes_back_much_later_is_a_new_passage() -> None:
    there = [[sight("1ABC123", 100)] for _ in range(10)]

    assert texts(watch([*there, *[EMPTY] * 200, *there])) == ["1ABC123", "1ABC123"]


def test_a_parked_vehicle_that_is_hidden_at_times_is_reported_once() -> None:
    parked = [sight("1ABC123", 100)]
    script = [EMPTY if (i // 35) % 4 == 3 else parked for i in range(600)]

    assert {v.number for v in watch(arrival("1ABC123", 100) + script)} == {1}


# --- what stands ------------------------------------------------------------------------------

SIGN = "SALE2000"
STANDING = {
    "all the time": [True] * 200,
    "for 40 s before and after": [True] * 1000,
    "found at times": [i % 40 < 25 for i in range(200)],
    "found from the second vehicle on": [i > 90 for i in range(200)],
}


@pytest.mark.parametrize("found", STANDING.values(), ids=list(STANDING))
@pytest.mark.parametrize("text", [SIGN, ""], ids=["legible", "illegible"])
def test_p12_a_sign_that_stands_while_vehicles_pass_is_no_passage(
    text: str, found: list[bool]
) -> None:
    script: list[list[ScriptedPlate]] = [[] for _ in found]
    for i, shown in enumerate(found):
        jitter = (i * 7 % 5 - 2) * 1.5
        if shown:
            script[i].append(sight(text, 300 + jitter, 100, width=70 + jitter))
        if 30 <= i < 50:
            script[i].append(sight("1ABC123", 25 * (i - 30)))
        if 120 <= i < 140:
            script[i].append(sight("2XYZ987", 25 * (i - 120)))

    assert texts(watch(script)) == ["1ABC123", "2XYZ987"]


def test_a_sign_is_no_passage_even_where_nothing_passes() -> None:
    assert watch([[sight(SIGN, 300)] for _ in range(400)]) == []


def test_a_car_that_is_parked_all_the_time_is_no_passage_and_one_that_leaves_is() -> None:
    parked = [[sight("1ABC123", 300)] for _ in range(400)]
    leaves = [[sight("1ABC123", 300 + 12 * i)] for i in range(25)]

    assert watch(parked) == []
    seen = watch([*parked, *leaves, *[EMPTY] * 60])
    assert texts([vehicle for vehicle in seen if vehicle.final]) == ["1ABC123"]


def test_a_car_that_leaves_after_hours_in_view_is_a_passage() -> None:
    parked = [[sight("1ABC123", 300)] for _ in range(2250)]
    leaves = [[sight("1ABC123", 300 + 40 * i)] for i in range(8)]

    seen = watch([*parked, *leaves, *[EMPTY] * 60], fps=0.5)
    assert texts([vehicle for vehicle in seen if vehicle.final]) == ["1ABC123"]


def test_a_vehicle_that_stands_in_a_queue_and_drives_off_later_counts_once() -> None:
    """It stands from the first frame on, while the other lane moves."""
    script: list[list[ScriptedPlate]] = []
    for i in range(160):
        x = 300 + max(0, i - 110) * 12
        script.append([sight("1ABC123", x, 300)] if x < 560 else [])
        if i % 50 < 22:
            script[i].append(sight(f"{1 + i // 50}XYZ987", 25 * (i % 50), 150))

    assert sorted(str(one) for one in texts([v for v in watch(script) if v.final])) == [
        "1ABC123", "1XYZ987", "2XYZ987", "3XYZ987", "4XYZ987",
    ]  # fmt: skip


def test_a_vehicle_that_drives_straight_towards_the_camera_moves() -> None:
    script: list[list[ScriptedPlate]] = []
    for i in range(40):
        width = 40 + i
        far = ScriptedPlate(
            Box(300 - width / 2, 200 - width / 8, 300 + width / 2, 200 + width / 8),
            reading_of("1ABC123"),
        )
        script.append([far, sight("2XYZ987", 12 * i, 350)])

    assert sorted(str(one) for one in texts(watch(script))) == ["1ABC123", "2XYZ987"]


def test_in_a_short_recording_in_which_nothing_moves_a_vehicle_counts() -> None:
    assert texts(watch([[sight("1ABC123", 100)] for _ in range(36)])) == ["1ABC123"]


def test_p12_a_standing_thing_is_never_handed_over_before_it_moves() -> None:
    """No vehicle has passed yet, so it could still be one; but it is not judged early."""
    models = ScriptedModels([[sight(SIGN, 300)] for _ in range(280)])
    watcher = VehicleWatcher("cam-1", models, models)

    assert [vehicle for frame in models.frames() for vehicle in watcher.observe(frame)] == []


def test_an_unsure_vehicle_waits_for_a_better_view() -> None:
    """Far away it is misread in two characters; the track ends; then it is read well."""
    far = reading_of("1A8C128", sure=0.9, quality=0.3, doubts={2: {"8": 0.6, "B": 0.3}})
    script = [[ScriptedPlate(Box(100, 100, 130, 108), far)] for _ in range(5)]
    script += [EMPTY] * 25
    script += [[sight("1ABC123", 300)] for _ in range(10)]

    assert texts(watch(script)) == ["1ABC123"]


@pytest.mark.parametrize("gap", [22, 38, 45, 70])
@pytest.mark.parametrize(
    ("unsure", "doubts"),
    [("1ABC128", {6: {"8": 0.60, "3": 0.39}}), ("1ABC188", {5: {"8": 0.6, "2": 0.3}})],
)
def test_pictures_of_an_unsure_vehicle_are_never_evidence_against_a_similar_plate(
    unsure: str, doubts: dict[int, dict[str, float]], gap: int
) -> None:
    before = [[sight(unsure, 20 * i, width=160, doubts=doubts)] for i in range(20)]
    after = [[sight("1ABC123", 20 * i, width=80)] for i in range(20)]
    vehicles = watch([*before, *[EMPTY] * gap, *after, *[EMPTY] * 60])

    (second,) = [v for v in vehicles if v.consensus and v.consensus.posterior >= 0.95]
    assert texts([second]) == ["1ABC123"]
    assert second.key_frame is not None
    assert second.key_frame.plate.width == pytest.approx(80)
    arrived_s = (20 + gap) / 10
    assert second.trajectory[0].stream_s == pytest.approx(arrived_s)
    assert (second.first_seen - STARTED).total_seconds() == pytest.approx(arrived_s)


def test_half_a_plate_after_the_whole_plate_is_the_same_vehicle() -> None:
    script = [[sight("1ABC123", 100)] for _ in range(10)]
    script += [EMPTY] * 25 + [[sight("C123", 140, width=40)] for _ in range(4)]

    assert texts(watch(script)) == ["1ABC123"]


def test_half_a_plate_before_the_whole_plate_does_not_suppress_it() -> None:
    script = [[sight("1ABC", 100, width=40)] for _ in range(4)] + [EMPTY] * 25
    script += [[sight("1ABC123", 100)] for _ in range(10)]

    assert texts(watch(script))[-1] == "1ABC123"


def test_vehicles_that_swap_positions_keep_their_plates() -> None:
    script: list[list[ScriptedPlate]] = []
    for i in range(41):
        pair = [sight("1ABC123", 50 + 10 * i), sight("2XYZ987", 450 - 10 * i)]
        script.append(pair if abs(i - 20) > 3 else EMPTY)

    seen = [vehicle for vehicle in watch(script) if vehicle.final]

    assert sorted(str(text) for text in texts(seen)) == ["1ABC123", "2XYZ987"]
    for vehicle in seen:
        first, last = vehicle.trajectory[0].box, vehicle.trajectory[-1].box
        to_the_right = last.x1 > first.x1
        assert to_the_right == (texts([vehicle]) == ["1ABC123"])


def test_similar_texts_in_one_frame_are_two_vehicles() -> None:
    script = [[sight("1ABC123", 50), sight("1ABC124", 400)] for _ in range(10)]

    assert sorted(str(text) for text in texts(watch(script))) == ["1ABC123", "1ABC124"]


def test_the_key_frame_is_the_best_picture_and_has_all_plate_boxes() -> None:
    script = [
        [sight("1ABC123", 100, quality=0.2), sight("2XYZ987", 400)],
        [sight("1ABC123", 110, quality=1.0), sight("2XYZ987", 400, quality=0.5)],
        [sight("1ABC123", 120, quality=0.2)],
    ]

    first, second = sorted(watch(script), key=lambda v: str(texts([v])))

    assert first.key_frame is not None
    assert second.key_frame is not None
    assert first.key_frame.frame_index == 1
    assert first.key_frame.plate == script[1][0].box
    assert first.key_frame.other_plates == (script[1][1].box,)
    assert second.key_frame.frame_index == 0


@pytest.mark.parametrize(
    "cut",
    [Box(540, 448, 628, 474), Box(276, 456, 364, 480), Box(2, 300, 90, 326), Box(556, 20, 640, 44)],
    ids=["corner", "below", "left", "above"],
)
def test_the_key_frame_shows_the_whole_vehicle_rather_than_a_larger_plate(cut: Box) -> None:
    """The plate is a tenth larger where the picture's edge cuts the vehicle."""
    path = [Box(280 + (cut.x1 - 280) * at / 9, 260 + (cut.y1 - 260) * at / 9, 0, 0)
            for at in range(10)]  # fmt: skip
    boxes = [Box(one.x1, one.y1, one.x1 + 80, one.y1 + 24) for one in path]
    script = [[ScriptedPlate(box, reading_of("1ABC123"), 0.9)] for box in (*boxes[:-1], cut)]

    (seen,) = watch(script)

    assert seen.key_frame is not None
    plate = seen.key_frame.plate
    assert plate.width == pytest.approx(80)
    assert min(plate.x1, 640 - plate.x2) >= 75
    assert plate.y1 >= 165
    assert plate.y2 <= 445


@pytest.mark.parametrize("score", [0.2, 0.49], ids=["no plate", "a plate that is not certain"])
def test_the_key_frame_tells_plates_from_what_may_be_one(score: float) -> None:
    script = [[sight("1ABC123", 100), sight("2XYZ987", 400), sight("", 250, score=score)]] * 3

    first, _ = sorted(watch(script), key=lambda v: str(texts([v])))

    assert first.key_frame is not None
    assert first.key_frame.other_plates == (script[0][1].box,)
    assert first.key_frame.weak_plates == (script[0][2].box,)


@pytest.mark.parametrize("cut_at_first", [False, True])
@pytest.mark.parametrize("cut_at_last", [False, True])
def test_the_first_and_the_last_frame_with_a_whole_plate_show_how_it_moved(
    *, cut_at_first: bool, cut_at_last: bool
) -> None:
    script = [
        [sight("1ABC123", 20 + 20 * i), sight("2XYZ987", 300 + 15 * i, 400)] for i in range(12)
    ]
    if cut_at_first:
        script[0][0] = sight("1ABC123", 0, width=70)
    if cut_at_last:
        script[-1][0] = sight("1ABC123", 240, -5)

    vehicle, _ = sorted(watch(script, keeps_path=True), key=lambda v: str(texts([v])))

    first, last = vehicle.path_frames
    assert first.frame_index == int(cut_at_first)
    assert last.frame_index == 11 - cut_at_last
    assert first.plate == script[first.frame_index][0].box
    assert last.other_plates == (script[last.frame_index][1].box,)
    assert (first.observed_at - STARTED).total_seconds() == pytest.approx(0.1 * cut_at_first)
    assert (last.observed_at - STARTED).total_seconds() == pytest.approx(1.1 - 0.1 * cut_at_last)


def test_p8_without_a_rule_that_needs_movement_no_other_frame_is_kept() -> None:
    script = [[sight("1ABC123", 20 * i)] for i in range(12)]

    (vehicle,) = watch(script)

    assert vehicle.path_frames == ()


def test_p8_of_each_vehicle_in_view_at_most_three_frames_are_kept() -> None:
    script = [[sight("1ABC123", 15 * i), sight("2XYZ987", 100 + 15 * i, 400)] for i in range(30)]
    models = ScriptedModels(script, 10.0)
    watcher = VehicleWatcher("cam-1", models, models, keeps_path=True)
    frames = []
    # Each collection below looks at what this test has made, and at nothing of others.
    gc.collect()
    gc.freeze()
    for frame in models.frames():
        watcher.observe(frame)
        frames.append(weakref.ref(frame.pixels))
        del frame
        gc.collect()
        alive = sum(one() is not None for one in frames)
        assert alive <= 2 * 2 + 1  # the last frame is that of both
    watcher.finish()
    gc.collect()
    assert not any(one() is not None for one in frames)


def test_the_frames_of_one_vehicle_on_two_tracks_are_those_of_its_whole_path() -> None:
    """The plate is hidden for a while, and then seen under another track."""
    script = [[sight("1ABC123", 20 + 20 * i)] for i in range(6)] + [EMPTY] * 2
    script += [[sight("1ABC123", 380 + 8 * i, 240)] for i in range(20)]

    (vehicle,) = watch(script, keeps_path=True)

    assert [one.frame_index for one in vehicle.path_frames] == [0, len(script) - 1]


def test_a_long_trajectory_is_thinned_and_keeps_both_ends() -> None:
    script = [[sight("1ABC123", 100 + i / 10)] for i in range(1500)]

    final = watch(script)[-1]

    assert len(final.trajectory) <= MAX_POINTS + 1
    assert final.trajectory[0].stream_s == 0
    assert final.trajectory[-1].stream_s == pytest.approx(149.9)


def test_the_repr_of_vehicle_and_watcher_hides_the_plate() -> None:
    models = ScriptedModels([[sight("1ABC123", 100)] for _ in range(5)])
    watcher = VehicleWatcher("cam-1", models, models)
    for frame in models.frames():
        watcher.observe(frame)
    (vehicle,) = watcher.finish()

    assert "1ABC123" not in f"{vehicle!r}{watcher!r}{vars(watcher)!r}"


def test_processing_time_is_measured_for_each_stage() -> None:
    models = ScriptedModels([[sight("1ABC123", 100)]])
    watcher = VehicleWatcher("cam-1", models, models)
    for frame in models.frames():
        watcher.observe(frame)

    assert set(watcher.stage_seconds) == {"attend", "detect", "read", "track"}
    assert all(seconds > 0 for seconds in watcher.stage_seconds.values())


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        (Box(100, 100, 180, 124), True),
        (Box(0, 100, 80, 124), False),
        (Box(560, 100, 640, 124), False),
        (Box(100, 456, 180, 480), False),
    ],
    ids=["inside", "left edge", "right edge", "bottom edge"],
)
def test_a_plate_cut_by_the_pictures_edge_has_a_low_quality(box: Box, whole: bool) -> None:
    models = ScriptedModels([[ScriptedPlate(box, reading_of("1ABC123"))]])
    (frame,) = models.frames()
    (detection,) = models.detect(frame.pixels)

    patch = cut_patch(frame.pixels, detection, 0.08)

    assert (patch.quality > 0.5) == whole
    assert patch.quality > 0
    assert patch.pixels.shape[0] >= box.height


# --- gaps in the stream -----------------------------------------------------------------------


def watch_twice(
    first: Sequence[Sequence[ScriptedPlate]],
    second: Sequence[Sequence[ScriptedPlate]],
    *,
    gap_s: float | None,
    live: bool = False,
) -> list[VehicleSeen]:
    """All hand-overs of a stream with a gap; None: the time stamps jump back, so nobody knows."""
    models = ScriptedModels([*first, *second])
    watcher = VehicleWatcher("cam-1", models, models, attention=Attention())
    seen: list[VehicleSeen] = []
    for frame in models.frames():
        late = frame.index >= len(first)
        moved_s = frame.stream_s + (gap_s or 0.0) * late
        changed = replace(
            frame,
            stream_s=moved_s,
            observed_at=STARTED + timedelta(seconds=moved_s),
            section=int(late and gap_s is None),
            breaks=int(late) if live else None,
        )
        seen += watcher.observe(changed)
    return [*seen, *watcher.finish()]


GAPS = [None, 6.0, 8.0, 30.0, 59.0]


@pytest.mark.parametrize("gap_s", GAPS)
def test_a_vehicle_that_stands_still_over_a_gap_is_reported_once(gap_s: float | None) -> None:
    standing = [[sight("1ABC123", 100)]] * 60

    seen = watch_twice(standing, standing, gap_s=gap_s)

    assert len({vehicle.number for vehicle in seen}) == 1


@pytest.mark.parametrize(
    ("gap_s", "live"),
    [*((gap_s, False) for gap_s in [*GAPS, 3600.0, 5 * 3600.0]), (6.0, True), (3600.0, True)],
)
def test_p12_a_vehicle_that_is_elsewhere_after_a_gap_is_another_passage(
    gap_s: float | None, live: bool
) -> None:
    passing = [[sight("1ABC123", 10 * i)] for i in range(40)]

    seen = watch_twice(passing, passing, gap_s=gap_s, live=live)

    finals = [vehicle for vehicle in seen if vehicle.final]
    assert texts(finals) == ["1ABC123", "1ABC123"]
    for vehicle in finals:
        assert (vehicle.last_seen - vehicle.first_seen).total_seconds() < 4
        xs = [point.box.x1 for point in vehicle.trajectory]
        assert xs == sorted(xs), "no path leads across the gap"


def test_frames_that_a_live_camera_gives_seldom_are_no_gap() -> None:
    models, attention = ScriptedModels([EMPTY] * 1200), Attention()
    watcher = VehicleWatcher("cam-1", models, models, attention=attention)
    looks_s = []
    for frame in models.frames():  # a camera of which the decoder asks which frames are wanted
        if attention.selects(cell_means(frame.pixels[..., 1]), frame.stream_s):
            looks_s.append(frame.stream_s)
            watcher.observe(replace(frame, selected=True, breaks=0))

    # A gap would restart the attention, and the frame after it would count as motion everywhere.
    assert looks_s[-1] - looks_s[-2] == pytest.approx(10, abs=0.2)


def test_a_vehicle_that_stands_still_for_hours_without_frames_is_another_passage() -> None:
    standing = [[sight("1ABC123", 100)]] * 60

    seen = watch_twice(standing, standing, gap_s=3600.0)

    assert len({vehicle.number for vehicle in seen}) == 2


# --- plates with something in front of them -----------------------------------------------------


def piece(text: str, x: float, width: float, **of: Any) -> ScriptedPlate:
    """A part of a plate that is 120 pixels wide and 26 high."""
    return ScriptedPlate(Box(x, 200, x + width, 226), reading_of(text, **of))


def driving(*pieces: tuple[str, float, float], frames: int) -> list[list[ScriptedPlate]]:
    """Pieces (text, x, width) of one plate that moves by 12 pixels a frame."""
    return [[piece(text, x + 12 * i, width) for text, x, width in pieces] for i in range(frames)]


LEFT, RIGHT, WHOLE = ("7K2", 20.0, 45.0), ("8154", 80.0, 60.0), ("7K28154", 20.0, 120.0)
JOINED = ("7K2I8154", 20.0, 120.0)


class TornPlate(ScriptedModels):
    """The reader sees the joined plate as a text with the bar in it."""

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        known = {sight.box for sight in self._now}
        return tuple(
            super(TornPlate, self).read([patch])[0]
            if patch.box in known
            else reading_of(JOINED[0], quality=patch.quality)
            for patch in patches
        )


def watch_torn(script: Sequence[Sequence[ScriptedPlate]]) -> list[VehicleSeen]:
    models = TornPlate(script)
    watcher = VehicleWatcher("cam-1", models, models)
    seen = [vehicle for frame in models.frames() for vehicle in watcher.observe(frame)]
    return [*seen, *watcher.finish()]


@pytest.mark.parametrize(
    "script",
    [
        driving(LEFT, RIGHT, frames=20),
        driving(LEFT, frames=10) + driving(("7K2", 140, 45), ("8154", 200, 60), frames=10),
        driving(LEFT, RIGHT, frames=10) + driving(("7K2", 140, 45), frames=10),
        [frame[i % 2 : i % 2 + 1] for i, frame in enumerate(driving(LEFT, RIGHT, frames=24))],
    ],
    ids=["in every frame", "in later frames only", "in the first frames only", "one at a time"],
)  # fmt: skip
def test_p12_a_plate_in_two_pieces_is_one_vehicle_and_never_sure(
    script: list[list[ScriptedPlate]],
) -> None:
    (vehicle,) = watch_torn([*script, *[EMPTY] * 60])

    assert vehicle.final
    assert vehicle.consensus is None or vehicle.consensus.posterior < 0.95


def test_p12_a_plate_that_is_whole_in_other_frames_is_read_from_those() -> None:
    """A pole stands before the street: the plate is in pieces in some frames only."""
    behind = driving(LEFT, RIGHT, frames=6)
    free = [[piece("7K28154", 92 + 12 * i, 120)] for i in range(14)]

    (vehicle,) = watch_torn([*behind, *free, *[EMPTY] * 60])

    assert texts([vehicle]) == ["7K28154"]
    assert vehicle.consensus is not None
    assert vehicle.consensus.posterior > 0.95


def test_two_vehicles_whose_plates_are_on_one_line_stay_two() -> None:
    """Two lanes of a queue, and a parked row: the plates move together or stand."""
    script = [
        [piece("7K28154", 20 + 6 * i, 120), piece("1ABC123", 320 + 6 * i, 120)] for i in range(20)
    ]

    seen = watch([*script, *[EMPTY] * 60])

    assert sorted(str(one) for one in texts(seen)) == ["1ABC123", "7K28154"]
    for vehicle in seen:
        assert vehicle.consensus is not None
        assert vehicle.consensus.posterior > 0.95


def test_a_short_text_in_a_short_box_is_never_sure_unless_its_country_has_such_plates() -> None:
    (fragment,) = watch(driving(LEFT, frames=20))
    (short,) = watch([[piece("KDD4", 20 + 12 * i, 80)] for i in range(20)])
    (swiss,) = watch([[piece("GE1", 20 + 12 * i, 45, region="Switzerland")] for i in range(20)])

    assert fragment.consensus is not None
    assert short.consensus is not None
    assert swiss.consensus is not None
    assert fragment.consensus.posterior < 0.8
    assert short.consensus.posterior > 0.95
    assert swiss.consensus.posterior > 0.95
