"""A camera under its policy: shut outside its hours, black in its privacy masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.adapters.cameras.guarded_camera import GuardedCamera, masked, masked_cells
from edge.domain.geometry import is_self_intersecting
from edge.domain.imaging import Frame, Pixels
from edge.domain.schedule import Dates, Hours, Schedule

START = datetime(2026, 3, 10, 8, 59, 58, tzinfo=timezone.utc)
MORNING = Schedule(timezone.utc, (((Hours.parse("08:00-09:00")),),) * 7)
ALWAYS = Schedule(timezone.utc, (((Hours.parse("00:00-24:00")),),) * 7)
CORNER = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5))


class White:
    """A camera of white frames, one a second."""

    name = "cam-1"
    expected_frames = 5
    corrupt_frames = 2

    def __init__(self, *, writeable: bool = True) -> None:
        self._writeable = writeable

    def close(self) -> None:
        pass

    def frames(self) -> Iterator[Frame]:
        for index in range(5):
            pixels = white(40, 60)
            pixels.flags.writeable = self._writeable
            yield Frame("cam-1", index, float(index), START + timedelta(seconds=index), pixels)


def white(height: int, width: int) -> Pixels:
    return np.full((height, width, 3), 255, np.uint8)


def test_p11_outside_its_hours_a_camera_gives_no_frame() -> None:
    camera = GuardedCamera(White(), MORNING)

    assert [frame.index for frame in camera.frames()] == [0, 1]
    assert camera.out_of_hours == 3
    assert (camera.name, camera.expected_frames, camera.corrupt_frames) == ("cam-1", 5, 2)


def test_p11_a_holiday_shuts_a_camera_all_day() -> None:
    holiday = Schedule(timezone.utc, MORNING.weekly, (Dates.parse("2026-03-10"),))

    assert list(GuardedCamera(White(), holiday).frames()) == []


@pytest.mark.parametrize("writeable", [True, False])
def test_p11_masked_areas_are_black_before_any_analysis(writeable: bool) -> None:
    frames = list(GuardedCamera(White(writeable=writeable), ALWAYS, [CORNER]).frames())

    assert len(frames) == 5
    for frame in frames:
        assert not frame.pixels[:20, :30].any()
        assert (frame.pixels[24:, 34:] == 255).all()
        assert frame.observed_at == START + timedelta(seconds=frame.index)


def test_p11_a_picture_that_is_converted_late_is_masked_too() -> None:
    class Late(White):
        def frames(self) -> Iterator[Frame]:
            for frame in super().frames():
                yield replace(
                    frame,
                    picture=frame.pixels.copy,
                    cells=lambda: np.full((45, 80), 200, np.float32),
                )

    for frame in GuardedCamera(Late(), ALWAYS, [CORNER]).frames():
        assert callable(frame.picture)
        assert frame.cells is not None
        cells = frame.cells()
        assert not cells[:22, :39].any()
        assert (cells[24:, 41:] == 200).all()
        assert not frame.pixels[:20, :30].any()
        assert (frame.pixels[24:, 34:] == 255).all()


class Sized(White):
    """A camera whose pictures have these sizes, width and height."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        super().__init__()
        self._sizes = sizes

    def frames(self) -> Iterator[Frame]:
        for index, (width, height) in enumerate(self._sizes):
            yield Frame("cam-1", index, float(index), START, white(height, width))


@pytest.mark.parametrize(
    ("sizes", "seen"),
    [
        ([(160, 90), (320, 180), (80, 45), (159, 90)], [True, True, True, True]),
        ([(160, 90), (90, 160), (160, 120), (160, 90)], [True, False, False, True]),
        ([(90, 160), (160, 90)], [True, False]),
        ([(160, 90), (160, 100)], [True, False]),
    ],
)
def test_p11_a_view_of_another_shape_shows_nothing_where_there_are_masks(
    sizes: list[tuple[int, int]], seen: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    """A mask over a window would lie elsewhere in a picture that is turned or cut otherwise."""
    pictures = [frame.pixels for frame in GuardedCamera(Sized(*sizes), ALWAYS, [CORNER]).frames()]

    assert [bool(picture.any()) for picture in pictures] == seen
    assert [picture.shape[1::-1] for picture in pictures] == sizes
    assert sum("privacy masks" in one.message for one in caplog.records) == (False in seen)
    plain = GuardedCamera(Sized(*sizes), ALWAYS).frames()
    assert all(bool(frame.pixels.all()) for frame in plain), "without masks nothing changes"


def test_p11_without_masks_a_picture_is_as_it_was() -> None:
    assert all((frame.pixels == 255).all() for frame in GuardedCamera(White(), ALWAYS).frames())


def test_p11_motion_under_a_mask_selects_no_frame() -> None:
    cells = np.full((45, 80), 200, np.float32)
    cells.flags.writeable = False

    seen = masked_cells(cells, [CORNER])

    assert not seen[:22, :39].any()
    assert (seen[24:, 41:] == 200).all()
    assert masked_cells(cells, []) is cells


def inside(polygon: list[tuple[float, float]], x: float, y: float) -> bool:
    """Whether a point is inside, by the even-odd rule."""
    hit = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            hit = not hit
    return hit


POINT = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(
    polygon=st.lists(POINT, min_size=3, max_size=6),
    height=st.integers(8, 60),
    width=st.integers(8, 60),
)
@settings(max_examples=100, deadline=None)
def test_p11_every_pixel_inside_a_mask_is_black(
    polygon: list[tuple[float, float]], height: int, width: int
) -> None:
    if is_self_intersecting(polygon):
        return  # refused when the policy is read
    pixels = masked(white(height, width), [polygon])

    for row in range(height):
        for column in range(width):
            if inside(polygon, (column + 0.5) / width, (row + 0.5) / height):
                assert not pixels[row, column].any()
