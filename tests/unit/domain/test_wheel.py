"""On which side of a vehicle the driver sits, and whether a camera sees its front."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.imaging import Box
from edge.domain.plate_registers import REGISTERS
from edge.domain.vehicles import TrackPoint
from edge.domain.wheel import (
    RIGHT_WHEEL_REGIONS,
    WheelSide,
    comes_nearer,
    wheel_of_vehicle,
    wheel_of_zone,
)

LEFT, RIGHT = WheelSide.LEFT, WheelSide.RIGHT


@pytest.mark.parametrize(
    ("zone", "side"),
    [
        ("Europe/Brussels", LEFT),
        ("Europe/Paris", LEFT),
        ("Europe/London", RIGHT),
        ("Europe/Dublin", RIGHT),
        ("Europe/Malta", RIGHT),
        ("Asia/Nicosia", RIGHT),
        ("Europe/Nicosia", RIGHT),
        ("UTC", None),
        ("Asia/Tokyo", None),
        ("America/New_York", None),
    ],
)
def test_the_usual_side_is_that_of_the_country_and_unknown_outside_europe(
    zone: str, side: WheelSide | None
) -> None:
    assert wheel_of_zone(zone) is side


def test_the_countries_that_drive_on_the_left_are_known_to_the_registers() -> None:
    assert set(REGISTERS) >= RIGHT_WHEEL_REGIONS


@pytest.mark.parametrize(
    ("usual", "region", "certain", "side"),
    [
        (LEFT, None, False, LEFT),
        (LEFT, "Belgium", False, LEFT),
        (LEFT, "United Kingdom", True, RIGHT),
        (LEFT, "United Kingdom", False, None),
        (RIGHT, "Ireland", False, RIGHT),
        (RIGHT, "France", True, LEFT),
        (RIGHT, "France", False, None),
        (None, None, False, None),
        (None, "Belgium", True, LEFT),
        (None, "Belgium", False, None),
    ],
)
def test_p6_a_plate_that_contradicts_the_country_must_be_certain(
    usual: WheelSide | None, region: str | None, side: WheelSide | None, *, certain: bool
) -> None:
    assert wheel_of_vehicle(usual, region, certain=certain) is side


def path(heights: list[float]) -> list[TrackPoint]:
    return [
        TrackPoint(at / 10, Box(100, 100, 100 + 4.7 * height, 100 + height))
        for at, height in enumerate(heights)
    ]


@given(st.floats(10, 60), st.floats(1.4, 6), st.integers(6, 60))
def test_what_drives_towards_the_camera_comes_nearer_and_what_drives_away_does_not(
    start: float, growth: float, points: int
) -> None:
    heights = [start * growth ** (1.6 * at / (points - 1)) for at in range(points)]

    assert comes_nearer(path(heights))
    assert not comes_nearer(path(heights[::-1]))


@given(st.lists(st.floats(18, 21), min_size=0, max_size=40))
def test_p6_what_stands_or_passes_sideways_does_not_come_nearer(heights: list[float]) -> None:
    assert not comes_nearer(path(heights))


@given(st.lists(st.floats(5, 200), max_size=5))
def test_p6_from_a_few_positions_it_cannot_be_told(heights: list[float]) -> None:
    assert not comes_nearer(path(heights))
