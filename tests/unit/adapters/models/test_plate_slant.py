"""How much a plate slants in a picture, and what its height would be without that."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.adapters.models.plate_slant import level_plate, plate_slant
from edge.domain.imaging import Box, Pixels
from edge.domain.scene import unit_of

WIDTH, HEIGHT = 80, 26
"""Of the drawn plate, in pixels, before it slants."""


def slanting(slant: float, *, noise: float = 0.0, scale: float = 1.0) -> tuple[Pixels, Box]:
    """A grey picture with one drawn plate whose lines run down by `slant`, and its box."""
    plate = np.full((HEIGHT * 4, WIDTH * 4, 3), 235, np.uint8)
    cv2.rectangle(plate, (2, 2), (WIDTH * 4 - 3, HEIGHT * 4 - 3), (20, 20, 20), 4)
    cv2.putText(plate, "AB 1234", (24, 78), cv2.FONT_HERSHEY_SIMPLEX, 2.2, (20, 20, 20), 8)
    picture = np.full((240, 320, 3), 110, np.uint8)
    shear = np.array([[0.25, 0, 120], [slant * 0.25, 0.25, 107 - slant * WIDTH / 2]])
    cv2.warpAffine(plate, shear, (320, 240), dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
    if noise:
        grain = np.random.default_rng(3).normal(0, noise, picture.shape)
        picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
    rise = abs(slant) * WIDTH / 2
    box = Box(120, 120 - HEIGHT / 2 - rise, 200, 120 + HEIGHT / 2 + rise)
    if scale != 1.0:
        size = (round(320 * scale), round(240 * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        box = box.scaled(scale, scale)
    return picture, box


@pytest.mark.parametrize("slant", [-0.7, -0.4, -0.2, 0.0, 0.12, 0.3, 0.6])
@pytest.mark.parametrize(("noise", "scale"), [(0.0, 1.0), (8.0, 1.0), (0.0, 0.4)])
def test_the_slant_of_a_plate_is_seen(slant: float, noise: float, scale: float) -> None:
    assert plate_slant(*slanting(slant, noise=noise, scale=scale)) == pytest.approx(slant, abs=0.09)


@pytest.mark.parametrize("slant", [-0.6, 0.4])
def test_a_slanting_plate_is_as_wide_and_as_high_as_it_would_be_level(slant: float) -> None:
    picture, box = slanting(slant)

    level = level_plate(picture, box)

    assert (level.x1, level.x2) == (box.x1, box.x2)
    assert level.centre == pytest.approx(box.centre)
    assert level.height == pytest.approx(HEIGHT, abs=8)
    assert unit_of(level) < 0.6 * unit_of(box)


def test_a_plate_of_two_lines_that_does_not_slant_keeps_its_box() -> None:
    picture = np.full((240, 320, 3), 110, np.uint8)
    box = Box(120, 90, 190, 140)
    cv2.rectangle(picture, (120, 90), (190, 140), (235, 235, 235), -1)
    for text, y in (("AB 12", 112), ("345", 135)):
        cv2.putText(picture, text, (124, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 2)

    assert level_plate(picture, box) == box


def test_a_long_plate_is_not_looked_at() -> None:
    box = Box(120, 100, 200, 100 + 80 / 2.3)

    assert level_plate(np.zeros((240, 320, 3), np.uint8), box) is box


@pytest.mark.parametrize(
    "box",
    [
        Box(100, 100, 140, 140),
        Box(0, 0, 30, 30),
        Box(300, 220, 320, 240),
        Box(10, 10, 11, 11),
        Box(400, 300, 440, 340),
    ],
)
def test_where_nothing_can_be_seen_the_box_stays_as_it_is(box: Box) -> None:
    picture = np.full((240, 320, 3), 110, np.uint8)

    assert plate_slant(picture, box) == 0
    assert level_plate(picture, box) == box


def test_a_level_plate_is_never_longer_than_the_longest_one() -> None:
    """Whatever is taken for its lines: its unit is never less than its width."""
    rng = np.random.default_rng(5)
    for _ in range(60):
        picture = rng.integers(0, 256, (60, 60, 3)).astype(np.uint8)
        box = Box(10, 10, 10 + float(rng.uniform(5, 40)), 10 + float(rng.uniform(5, 40)))

        level = level_plate(picture, box)

        assert level.height <= box.height
        assert unit_of(box) >= unit_of(level) >= level.width
        assert level == box or level.width <= 4.7 * level.height + 1e-6
