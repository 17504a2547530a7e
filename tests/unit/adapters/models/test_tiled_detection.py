"""Tiled detection finds plates that are too small in the whole picture, each once."""

from __future__ import annotations

import numpy as np
import pytest

from edge.adapters.models.second_look import SecondLook, part_boxes
from edge.domain.imaging import Box
from edge.site.settings import NoSecondLook, Region, Tiles
from tests.support.fakes import PartDetector

TILES = Tiles(mode="tiles", columns=2, rows=2, overlap=0.2)


def picture(
    x: int, y: int, width: int = 30, height: int = 8
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[y : y + height, x : x + width] = 255
    return pixels


def test_without_tiling_the_detector_is_unchanged() -> None:
    detector = PartDetector()

    assert SecondLook.around(detector, NoSecondLook(mode="none")) is detector


@pytest.mark.parametrize(
    "look",
    [TILES, Region(mode="region", box=(0.5, 0.5, 1.0, 1.0))],
    ids=["tiles", "region"],
)
def test_a_small_plate_is_found_in_picture_coordinates(look: Tiles | Region) -> None:
    small = picture(500, 400)
    assert PartDetector().detect(small) == ()

    (found,) = SecondLook.around(PartDetector(), look).detect(small)

    assert found.box == Box(500, 400, 530, 408)


def test_a_plate_found_in_every_tile_is_reported_once() -> None:
    # In the middle, where all four tiles overlap.
    (found,) = SecondLook(PartDetector(), TILES).detect(picture(300, 230, width=40, height=16))

    assert found.box == Box(300, 230, 340, 246)


def test_a_plate_cut_by_a_tile_is_taken_from_the_tile_that_contains_it() -> None:
    # The left tile ends at 356 and contains most of it; the right one begins at 284.
    (found,) = SecondLook(PartDetector(), TILES).detect(picture(330, 100))

    assert found.box == Box(330, 100, 360, 108)


def test_only_the_given_region_is_searched() -> None:
    detector = PartDetector()
    left = Region(mode="region", box=(0.0, 0.0, 0.5, 1.0))

    assert SecondLook(detector, left).detect(picture(500, 400)) == ()
    assert detector.looks == 2


def test_with_a_region_only_its_share_of_each_tile_is_searched_again() -> None:
    detector = PartDetector(least_share=0.1)
    middle = Box(200, 200, 560, 440)
    assert PartDetector(least_share=0.1).detect(picture(500, 400), middle) == ()

    (found,) = SecondLook(detector, TILES).detect(picture(500, 400), middle)

    assert found.box == Box(500, 400, 530, 408)
    assert detector.looks == 5


def test_a_tile_that_contains_the_region_is_not_searched_again() -> None:
    detector = PartDetector()
    corner = Box(440, 360, 600, 440)

    (found,) = SecondLook(detector, TILES).detect(picture(500, 400), corner)

    assert found.box == Box(500, 400, 530, 408)
    assert detector.looks == 1


@pytest.mark.parametrize(("columns", "rows", "overlap"), [(1, 1, 0.2), (2, 1, 0.0), (3, 2, 0.3)])
def test_tiles_cover_the_picture_and_share_their_overlap(
    columns: int, rows: int, overlap: float
) -> None:
    look = Tiles(mode="tiles", columns=columns, rows=rows, overlap=overlap)

    boxes = part_boxes(look, 1280, 720)

    assert len(boxes) == columns * rows
    covered = np.zeros((720, 1280), bool)
    for x1, y1, x2, y2 in boxes:
        covered[y1:y2, x1:x2] = True
    assert covered.all()
    if columns > 1:
        shared, width = boxes[0][2] - boxes[1][0], boxes[0][2] - boxes[0][0]
        assert shared / width == pytest.approx(overlap, abs=0.01)
