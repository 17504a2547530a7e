"""Two vehicles of a fleet, whose plates differ in one character, may share one track.

The tracker takes a text with one other character for a misread of the same plate. So what a track
has seen of the other vehicle is neither a movement of the vehicle nor evidence against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from edge.domain.geometry import Line, crossing_direction
from edge.domain.imaging import Box
from edge.domain.vehicles import VehicleSeen
from edge.pipeline.watcher import VehicleWatcher
from tests.support.fakes import STARTED, ScriptedModels, ScriptedPlate, reading_of

OFFENDER, OTHER = "1ABC123", "1ABC124"
FPS = 10.0
MIDDLE = Line((0.5, 0.0), (0.5, 1.0))

Script = list[list[ScriptedPlate]]


def plate(text: str, box: Box, quality: float = 1.0) -> ScriptedPlate:
    return ScriptedPlate(box, reading_of(text, quality=quality), 0.9)


def far(text: str, quality: float = 1.0) -> Script:
    """It drives through the far lane, to the right."""
    return [[plate(text, Box(40 * at, 120, 40 * at + 70, 144), quality)] for at in range(1, 15)]


def near(text: str, quality: float) -> Script:
    """A moment of the near lane: a larger plate, which is seen less clearly."""
    return [[plate(text, Box(60 * at, 240, 60 * at + 150, 286), quality)] for at in range(3, 6)]


def on_the_right(text: str, quality: float = 1.0) -> Script:
    """It drives to the right, and is seen to the right of the middle only."""
    return [
        [plate(text, Box(340 + 12 * at, 200, 420 + 12 * at, 224), quality)] for at in range(1, 16)
    ]


def on_the_left(text: str, quality: float) -> Script:
    """It drives to the right too, and turns off before the middle."""
    return [[plate(text, Box(150 + 6 * at, 200, 230 + 6 * at, 224), quality)] for at in range(1, 6)]


def watched(script: Sequence[Sequence[ScriptedPlate]]) -> list[VehicleSeen]:
    models = ScriptedModels([*script, *[[]] * 60], FPS)
    watcher = VehicleWatcher("cam-1", models, models, keeps_path=True)
    seen = [vehicle for frame in models.frames() for vehicle in watcher.observe(frame)]
    return [one for one in (*seen, *watcher.finish()) if one.final]


def the_offender(script: Sequence[Sequence[ScriptedPlate]]) -> VehicleSeen:
    """The vehicle, whose plate is sure enough for a hit in some regimes."""
    (found,) = [one for one in watched(script) if one.consensus is not None]
    assert found.consensus is not None
    assert found.consensus.best.text.reveal() == OFFENDER
    assert found.consensus.posterior >= 0.9
    return found


GAPS = pytest.mark.parametrize("gap", [1, 4, 10, 15])


@GAPS
@pytest.mark.parametrize("quality", [0.45, 0.5, 0.55])
def test_p6_no_picture_of_a_hit_shows_the_vehicle_that_follows(quality: float, gap: int) -> None:
    own = far(OFFENDER)

    seen = the_offender([*own, *[[]] * gap, *near(OTHER, quality)])

    shown = [seen.key_frame, *seen.path_frames]
    assert all(one is not None and one.frame_index < len(own) for one in shown)
    assert [point.box for point in seen.trajectory] == [frame[0].box for frame in own]
    assert (seen.last_seen - STARTED).total_seconds() == pytest.approx((len(own) - 1) / FPS)


@GAPS
def test_p6_no_picture_of_a_hit_shows_the_vehicle_that_went_ahead(gap: int) -> None:
    ahead = near(OTHER, 0.5)

    seen = the_offender([*ahead, *[[]] * gap, *far(OFFENDER)])

    begun = len(ahead) + gap
    shown = [seen.key_frame, *seen.path_frames]
    assert all(one is not None and one.frame_index >= begun for one in shown)
    assert len(seen.path_frames) == 2
    assert seen.trajectory[0].stream_s == pytest.approx(begun / FPS)
    assert (seen.first_seen - STARTED).total_seconds() == pytest.approx(begun / FPS)


@pytest.mark.parametrize("gap", [1, 2, 4, 6, 10])
@pytest.mark.parametrize("quality", [0.38, 0.45, 0.5])
@pytest.mark.parametrize("first", [OFFENDER, OTHER])
def test_p12_two_that_drive_on_cross_no_line_against_their_direction(
    first: str, quality: float, gap: int
) -> None:
    own, other = on_the_right(OFFENDER), on_the_left(OTHER, quality)
    parts = (own, other) if first == OFFENDER else (other, own)

    for seen in watched([*parts[0], *[[]] * gap, *parts[1]]):
        assert crossing_direction(seen.trajectory, MIDDLE, 640, 480) is None
        assert all(one.box.x1 < two.box.x1 for one, two in pairwise(seen.trajectory))


def test_a_reading_with_a_wrong_character_leaves_path_and_pictures_as_they_are() -> None:
    own = far(OFFENDER)
    own[6] = [plate("1A8C123", own[6][0].box, 0.5)]
    own[9] = [plate("BC123", own[9][0].box, 0.9)]

    seen = the_offender(own)

    assert [one.frame_index for one in seen.path_frames] == [0, len(own) - 1]
    boxes = [frame[0].box for at, frame in enumerate(own) if at != 6]
    assert [point.box for point in seen.trajectory] == boxes
