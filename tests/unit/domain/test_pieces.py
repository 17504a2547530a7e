"""Boxes that show pieces of one plate are joined; plates of two vehicles are not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.imaging import Box, Detection, are_pieces, joined_pieces

PLATE = Box(300, 200, 404, 222)
"""A long European plate: 520 mm x 110 mm."""


def cut(plate: Box, start: float, end: float, *, tilt: float = 0.0) -> Box:
    """The piece between two shares of the plate's width; the plate falls by `tilt` (dy/dx)."""
    x1, x2 = plate.x1 + start * plate.width, plate.x1 + end * plate.width
    fall = tilt * ((x1 + x2) / 2 - plate.x1)
    growth = abs(tilt) * (x2 - x1) / 2
    return Box(x1, plate.y1 + fall - growth, x2, plate.y2 + fall + growth)


@pytest.mark.parametrize("tilt", [-0.2, -0.1, 0.0, 0.1, 0.2])
@pytest.mark.parametrize(
    ("first_ends", "second_starts"),
    [(0.4, 0.5), (0.45, 0.47), (0.3, 0.5), (0.6, 0.7), (0.25, 0.45), (0.7, 0.78)],
    ids=["bar", "pole", "wide bar", "bar right", "bar left", "bar far right"],
)
def test_two_pieces_of_a_plate_with_something_between_them_are_one_plate(
    first_ends: float, second_starts: float, tilt: float
) -> None:
    left = Detection(cut(PLATE, 0, first_ends, tilt=tilt), 0.6)
    right = Detection(cut(PLATE, second_starts, 1, tilt=tilt), 0.8)

    for given_order in ([left, right], [right, left]):
        (whole,) = joined_pieces(given_order)
        assert whole.box == left.box.union(right.box)
        assert (whole.score, whole.pieces) == (0.8, 2)


def test_three_pieces_behind_a_rack_are_one_plate() -> None:
    pieces = [Detection(cut(PLATE, *ends), 0.7) for ends in ((0, 0.28), (0.36, 0.62), (0.7, 1))]

    (whole,) = joined_pieces(pieces)

    assert whole.pieces == 3
    assert whole.box.width == pytest.approx(PLATE.width)


@pytest.mark.parametrize("turned", [1.0, 0.7, 0.4, 0.25])
@pytest.mark.parametrize("apart_m", [1.8, 2.3, 3.2, 5.0])
def test_vehicles_side_by_side_with_plates_on_one_line_stay_two(
    apart_m: float, turned: float
) -> None:
    """Centres of the plates are at least a car's width apart; seen at a slant all is narrower."""
    pixels_per_m = 200 * turned
    width = 0.52 * pixels_per_m
    left = Box(100, 200, 100 + width, 222)
    right = left.shifted(apart_m * pixels_per_m, 2)

    assert not are_pieces(left, right)
    detections = (Detection(left, 0.8), Detection(right, 0.7))
    assert joined_pieces(detections) == detections


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("above, on a lorry's cab", Box(300, 150, 404, 172)),
        ("the next full plate without a gap", Box(410, 200, 514, 222)),
        ("further away: half as high", Box(410, 205, 450, 216)),
        ("a width too far to the right", Box(560, 200, 600, 222)),
        ("lower, on the other lane", Box(410, 222, 450, 244)),
    ],
)
def test_what_is_no_piece_of_the_same_plate(what: str, other: Box) -> None:
    assert not are_pieces(PLATE, other), what


@given(
    st.floats(0.15, 0.8), st.floats(0.02, 0.3), st.floats(20, 300), st.floats(2.5, 5.0),
    st.floats(-0.12, 0.12),
)  # fmt: skip
def test_the_scale_does_not_matter(
    first: float, gap: float, width: float, aspect: float, tilt: float
) -> None:
    plate = Box(50, 300, 50 + width, 300 + width / aspect)
    if first + gap > 0.85:
        return
    left, right = cut(plate, 0, first, tilt=tilt), cut(plate, first + gap, 1, tilt=tilt)

    assert are_pieces(left, right) == are_pieces(right, left)
    heights = left.height / right.height
    if abs(math.log(heights)) < math.log(1.5) and gap < 0.4:
        assert are_pieces(left, right)
