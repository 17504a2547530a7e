"""A camera that changes the size of its pictures makes no vehicle move that did not move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edge.domain.geometry import Direction, Line, crossing_direction
from edge.domain.imaging import Box, Frame
from edge.domain.vehicles import VehicleSeen
from edge.pipeline.attention import Attention
from edge.pipeline.watcher import VehicleWatcher
from tests.support.fakes import ScriptedModels, ScriptedPlate, reading_of

PLATE = "1ABC123"
LINE = Line((0.6, 0.0), (0.6, 1.0))
"""Upright, right of the middle."""

Size = tuple[int, int]
SIZES = [
    [(1280, 720), (640, 360)],
    [(640, 360), (1280, 720)],
    [(1920, 1080), (1600, 900)],
    [(1280, 720), (1280, 960)],
    [(720, 1280), (1280, 720)],
    [(1280, 720), (640, 360), (1280, 720)],
]


def at(share: float, size: Size, text: str = PLATE) -> ScriptedPlate:
    """A plate whose middle is at this share of the picture's width."""
    width, height = size
    x, y, half = share * width, 0.6 * height, 0.05 * width
    return ScriptedPlate(Box(x - half, y - half / 4, x + half, y + half / 4), reading_of(text))


def watch(
    script: Sequence[tuple[Size, list[ScriptedPlate]]], attention: Attention | None = None
) -> list[VehicleSeen]:
    """All hand-overs of ten frames a second, each of its own size."""
    models = ScriptedModels([plates for _, plates in script])
    watcher = VehicleWatcher("cam-1", models, models, attention=attention, keeps_path=True)
    seen: list[VehicleSeen] = []
    for frame, ((width, height), _) in zip(models.frames(), script, strict=True):
        sized = np.full((height, width, 3), 90, np.uint8)
        seen += watcher.observe(replace(frame, picture=sized))
    return [*seen, *watcher.finish()]


def crossings(vehicles: Sequence[VehicleSeen]) -> list[Direction]:
    """Which way each vehicle crossed the line, as a rule judges it."""
    found = []
    for one in vehicles:
        assert one.key_frame is not None
        height, width = one.key_frame.pixels.shape[:2]
        direction = crossing_direction(one.trajectory, LINE, width, height)
        if direction is not None:
            found.append(direction)
    return found


def test_the_line_is_crossed_by_who_crosses_it() -> None:
    """Shows that the tests below could see a crossing."""
    size = (1280, 720)
    script = [(size, [at(0.3 + 0.02 * step, size)]) for step in range(30)]

    assert crossings(watch(script)) == [Direction.RIGHT_TO_LEFT]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("share", [0.35, 0.5, 0.75, 0.9])
def test_p12_a_vehicle_that_stands_crosses_no_line_when_the_size_changes(
    sizes: Sequence[Size], share: float
) -> None:
    script = [(size, [at(share, size)]) for size in sizes for _ in range(12)]

    assert crossings(watch(script)) == []


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_p12_a_vehicle_that_drives_away_from_the_line_does_not_cross_it(
    sizes: Sequence[Size],
) -> None:
    frames = [size for size in sizes for _ in range(10)]
    script = [(size, [at(0.66 + 0.008 * step, size)]) for step, size in enumerate(frames)]

    assert crossings(watch(script)) == []


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_p12_what_stands_is_no_passage_because_the_size_changes(sizes: Sequence[Size]) -> None:
    """Beside it others pass, so the street moves."""
    frames = [size for size in sizes for _ in range(60)]
    script = [
        (size, [at(0.2, size), at(0.4 + 0.01 * (step % 60), size, f"2XYZ{step // 60:03}")])
        for step, size in enumerate(frames)
    ]
    seen = watch(script)

    assert PLATE not in {one.consensus.best.text.reveal() for one in seen if one.consensus}
    assert len({one.number for one in seen}) == len(sizes)


SAME_SHAPE = [sizes for sizes in SIZES if len({w / h for w, h in sizes}) == 1]


@pytest.mark.parametrize("sizes", SAME_SHAPE, ids=str)
def test_p12_what_stood_for_long_is_still_known_in_another_size(sizes: Sequence[Size]) -> None:
    """It is hidden soon after the change, when it has stood for a short time in the new size."""
    frames = [(size, number) for size in sizes for number in range(310 if size == sizes[0] else 20)]
    script = [(size, [at(0.2, size)]) for size, _ in frames]
    script += [(sizes[-1], []) for _ in range(60)]

    assert watch(script) == []


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_p12_a_vehicle_is_handed_over_once_when_the_size_changes(sizes: Sequence[Size]) -> None:
    frames = [size for size in sizes for _ in range(10)]
    script = [(size, [at(0.1 + 0.02 * step, size)]) for step, size in enumerate(frames)]
    seen = watch(script)

    assert [one.number for one in seen if one.final] == [1]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_p6_the_pictures_of_a_vehicle_have_its_plate_in_the_right_place(
    sizes: Sequence[Size],
) -> None:
    frames = [size for size in sizes for _ in range(10)]
    script = [(size, [at(0.1 + 0.02 * step, size)]) for step, size in enumerate(frames)]
    pictures = [
        picture
        for one in watch(script, Attention())
        for picture in (one.key_frame, *one.path_frames)
        if picture is not None
    ]

    assert pictures
    for picture in pictures:
        height, width = picture.pixels.shape[:2]
        assert picture.plate.clipped(width, height) == picture.plate
        assert picture.plate.width == pytest.approx(0.1 * width)
        assert picture.plate.centre[1] == pytest.approx(0.6 * height)


def test_a_frame_without_attention_is_converted_once() -> None:
    """The size of a picture is asked of the frames only that are looked at."""
    made = []

    def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        made.append(1)
        return np.full((480, 640, 3), 90, np.uint8)

    models = ScriptedModels([[]])
    (frame,) = models.frames()
    VehicleWatcher("cam-1", models, models).observe(
        Frame("cam-1", 0, 0.0, frame.observed_at, picture)
    )
    assert made == [1]
