"""Direction of a line crossing: clear crossings count; jitter, U-turns and jumps do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.geometry import Direction, Line, crossing_direction
from edge.domain.imaging import Box
from edge.domain.vehicles import TrackPoint

WIDTH, HEIGHT = 1000, 500
PLATE = 100.0  # pixels wide, 20 high
LEFT_TO_RIGHT, RIGHT_TO_LEFT = Direction.LEFT_TO_RIGHT, Direction.RIGHT_TO_LEFT

# The line runs from left to right, so its left side is the upper half of the picture.
ACROSS = Line((0.1, 0.5), (0.9, 0.5))


def path(*centres: tuple[float, float], plate: float = PLATE, fps: float = 10) -> list[TrackPoint]:
    return [
        TrackPoint(index / fps, Box(x - plate / 2, y - plate / 10, x + plate / 2, y + plate / 10))
        for index, (x, y) in enumerate(centres)
    ]


def down(*heights: float, x: float = 500) -> list[TrackPoint]:
    return path(*((x, y) for y in heights))


@pytest.mark.parametrize(
    ("what", "trajectory", "expected"),
    [
        ("down the picture", down(100, 150, 200, 250, 300, 350), LEFT_TO_RIGHT),
        ("up the picture", down(350, 300, 250, 200, 150, 100), RIGHT_TO_LEFT),
        ("never seen on the line", down(100, 150, 350, 400), LEFT_TO_RIGHT),
        ("stops before the line", down(100, 150, 190, 190, 190), None),
        ("stops on the line", down(100, 150, 200, 250, 250, 251), None),
        ("stands on the line and jitters", down(250, 258, 241, 262, 239, 255, 250), None),
        ("jitters over the line by almost half a plate", down(201, 299, 201, 299, 201, 299), None),
        ("jitters while it crosses", down(150, 190, 255, 245, 260, 240, 310, 350), LEFT_TO_RIGHT),
        ("U-turn on the line", down(100, 150, 200, 249, 260, 249, 200, 150), None),
        ("U-turn behind the line", down(100, 150, 250, 350, 400, 350, 250, 150, 100), None),
        (
            "two U-turns, then over the line",
            down(100, 150, 350, 400, 350, 150, 100, 150, 350, 400),
            LEFT_TO_RIGHT,
        ),
        ("one false detection on the far side", down(100, 150, 190, 310, 190, 150), None),
        ("a last false detection on the far side", down(100, 150, 190, 310), None),
        ("a first false detection on the near side", down(190, 310, 350, 400), None),
        ("seen once", down(100), None),
        ("never seen", [], None),
    ],
)
def test_a_crossing_needs_clear_motion_from_one_side_to_the_other(
    what: str, trajectory: list[TrackPoint], expected: Direction | None
) -> None:
    assert crossing_direction(trajectory, ACROSS, WIDTH, HEIGHT) is expected, what


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ((0.1, 0.5), (0.9, 0.5), LEFT_TO_RIGHT),
        ((0.9, 0.5), (0.1, 0.5), RIGHT_TO_LEFT),
        ((0.1, 0.3), (0.9, 0.7), LEFT_TO_RIGHT),
        ((0.1, 0.7), (0.9, 0.3), LEFT_TO_RIGHT),
    ],
)
def test_the_direction_depends_on_the_order_of_the_lines_ends(
    start: tuple[float, float], end: tuple[float, float], expected: Direction
) -> None:
    trajectory = down(50, 100, 150, 350, 400, 450)
    assert crossing_direction(trajectory, Line(start, end), WIDTH, HEIGHT) is expected


def test_left_and_right_of_a_vertical_line_from_bottom_to_top() -> None:
    upright = Line((0.5, 0.9), (0.5, 0.1))
    rightwards = path((300, 250), (400, 250), (600, 250), (700, 250))
    assert crossing_direction(rightwards, upright, WIDTH, HEIGHT) is LEFT_TO_RIGHT
    leftwards = path((700, 250), (600, 250), (400, 250), (300, 250))
    assert crossing_direction(leftwards, upright, WIDTH, HEIGHT) is RIGHT_TO_LEFT


@pytest.mark.parametrize(
    ("x", "expected"),
    [(90, None), (110, LEFT_TO_RIGHT), (500, LEFT_TO_RIGHT), (890, LEFT_TO_RIGHT), (910, None)],
)
def test_passing_beyond_the_end_of_the_line_is_no_crossing(
    x: float, expected: Direction | None
) -> None:
    trajectory = down(100, 150, 200, 300, 350, 400, x=x)
    assert crossing_direction(trajectory, ACROSS, WIDTH, HEIGHT) is expected


def test_returning_around_the_end_of_the_line_does_not_undo_the_crossing() -> None:
    short = Line((0.4, 0.5), (0.6, 0.5))
    there_and_round = path(
        *((500, y) for y in (100, 150, 350, 400)),
        *((x, 400) for x in (600, 700, 800)),
        *((800, y) for y in (350, 150, 100)),
    )
    assert crossing_direction(there_and_round, short, WIDTH, HEIGHT) is LEFT_TO_RIGHT


def test_an_impossibly_fast_jump_is_no_crossing() -> None:
    # 300 px is 15 widths of this plate, in 1/25 s.
    points = [(500.0, 80.0), (500.0, 90.0), (500.0, 390.0), (500.0, 400.0)]
    assert crossing_direction(path(*points, plate=20, fps=25), ACROSS, WIDTH, HEIGHT) is None
    slower = path(*points, plate=20, fps=5)
    assert crossing_direction(slower, ACROSS, WIDTH, HEIGHT) is LEFT_TO_RIGHT


def test_a_crossing_after_a_jump_counts() -> None:
    elsewhere = [(100.0, 440.0), (100.0, 450.0)]
    crosses = [(500.0, 100.0), (500.0, 130.0), (500.0, 380.0), (500.0, 400.0)]
    trajectory = path(*elsewhere, *crosses, plate=40, fps=10)
    assert crossing_direction(trajectory, ACROSS, WIDTH, HEIGHT) is LEFT_TO_RIGHT
    travelled = path(*elsewhere, *crosses, plate=40, fps=5)
    assert crossing_direction(travelled, ACROSS, WIDTH, HEIGHT) is None  # there and back


@pytest.mark.parametrize(("gap_s", "expected"), [(1.9, LEFT_TO_RIGHT), (2.1, None)])
def test_a_long_gap_between_the_sides_is_no_crossing(
    gap_s: float, expected: Direction | None
) -> None:
    before, after = down(100, 150), down(350, 400)
    resumed = [TrackPoint(0.1 + gap_s + point.stream_s, point.box) for point in after]
    assert crossing_direction([*before, *resumed], ACROSS, WIDTH, HEIGHT) is expected


@pytest.mark.parametrize(("width", "height"), [(0, 500), (1000, 0), (0, 0)])
def test_without_a_picture_size_there_is_no_direction(width: int, height: int) -> None:
    assert crossing_direction(down(100, 150, 350, 400), ACROSS, width, height) is None


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((-0.1, 0.5), (0.9, 0.5)),
        ((0.1, 0.5), (1.1, 0.5)),
        ((0.5, 0.5), (0.5, 0.5)),
        ((0.5, float("nan")), (0.9, 0.5)),
    ],
)
def test_a_line_outside_the_picture_or_without_length_is_refused(
    start: tuple[float, float], end: tuple[float, float]
) -> None:
    with pytest.raises(ValueError, match="line"):
        Line(start, end)


COORDINATES = st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT))


@given(st.lists(COORDINATES, max_size=12))
def test_swapping_the_lines_ends_reverses_the_direction(
    centres: list[tuple[float, float]],
) -> None:
    trajectory = path(*centres, fps=2)
    there = crossing_direction(trajectory, ACROSS, WIDTH, HEIGHT)
    back = crossing_direction(trajectory, Line(ACROSS.end, ACROSS.start), WIDTH, HEIGHT)
    opposite = {None: None, LEFT_TO_RIGHT: RIGHT_TO_LEFT, RIGHT_TO_LEFT: LEFT_TO_RIGHT}
    assert back is opposite[there]


@given(st.lists(st.floats(HEIGHT / 2 - 49, HEIGHT / 2 + 49), max_size=30))
def test_jitter_below_half_a_plate_width_is_no_crossing(heights: list[float]) -> None:
    assert crossing_direction(down(*heights), ACROSS, WIDTH, HEIGHT) is None
