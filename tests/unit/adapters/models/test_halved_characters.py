"""Halves of characters on drawn plates of several countries: found where one is, and only there."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from edge.adapters.models.halved_characters import halved
from edge.adapters.models.plate_ink import plate_ink
from edge.adapters.models.plate_lines import plate_lines
from edge.domain.imaging import Pixels
from scripts.fixtures.covers import area_of_half, area_of_halves, blank, characters
from scripts.fixtures.plates import FONTS, Plate, draw
from tests.support.patched_plates import LONG, SQUARE, whole
from tests.support.plate_fonts import needs_fonts

pytestmark = needs_fonts(*FONTS)

PATCH_HEIGHTS = 24, 40, 66


def probability(face: Pixels, text: str, tall: int = 40) -> float:
    """Of the face as a picture with a dark edge, `tall` pixels high."""
    size = round(face.shape[1] * tall / face.shape[0]), tall
    small = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(small, 2, 2, 4, 4, cv2.BORDER_CONSTANT, value=(50, 50, 50))
    ink = plate_ink(np.asarray(framed, np.uint8))
    lines = plate_lines(ink) if ink is not None else None
    return halved(lines, text) if lines is not None else 0.0


@cache
def face_of(plate: Plate) -> tuple[Pixels, tuple[tuple[float, float, float, float], ...]]:
    drawn = draw(plate)
    size = drawn.shape[1] // 3, drawn.shape[0] // 3
    face = np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), np.uint8)
    found = tuple(characters(face, whole(face)))
    assert len(found) == len(plate.text)
    return face, found


def half_hidden(plate: Plate, at: int, side: str) -> Pixels:
    face, found = face_of(plate)
    rng = np.random.default_rng(at)
    return blank(face, whole(face), rng, area_of_half(found, at, side, rng))


@pytest.mark.parametrize("tall", PATCH_HEIGHTS)
@pytest.mark.parametrize("plate", LONG, ids=lambda plate: plate.printed)
def test_whole_characters_are_not_suspected(plate: Plate, tall: int) -> None:
    assert probability(face_of(plate)[0], plate.text, tall) < 0.1


@pytest.mark.parametrize("plate", SQUARE, ids=lambda plate: plate.printed)
def test_whole_characters_in_two_lines_are_not_suspected(plate: Plate) -> None:
    assert probability(face_of(plate)[0], plate.text, 60) < 0.1


@pytest.mark.parametrize("text", ["", "1FHB26", "1FHB2644"])
def test_a_text_of_another_length_says_nothing(text: str) -> None:
    assert probability(half_hidden(LONG[0], 2, "left"), text) == 0.0


def test_a_narrow_part_is_suspected_only_where_no_narrow_character_is_read() -> None:
    face, found = face_of(Plate("FR", "GH-437-KP"))
    x1, y1, x2, y2 = found[-1]  # the last one, so that no gap becomes wider
    bowl = x1 + 0.4 * (x2 - x1), y1 - 2, x2 + 2, y2 + 2
    stem = blank(face, whole(face), np.random.default_rng(1), bowl)

    assert probability(stem, "GH437KF") > 0.9
    assert probability(stem, "GH437KI") < 0.1


def test_a_whole_stroke_that_is_missing_leaves_nothing_to_notice() -> None:
    face, found = face_of(Plate("FR", "EX-926-TR"))
    x1, y1, x2, y2 = found[-1]
    leg = x1 + 0.45 * (x2 - x1), y1 + 0.55 * (y2 - y1), x2 + 2, y2 + 2
    looks_like_p = blank(face, whole(face), np.random.default_rng(1), leg)

    assert probability(looks_like_p, "EX926TP") < 0.1


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 400, 3), (400, 3, 3), (40, 160, 3)])
def test_a_picture_without_characters_has_no_lines(shape: tuple[int, ...]) -> None:
    ink = plate_ink(np.full(shape, 128, np.uint8))

    assert ink is None or plate_lines(ink) is None


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
@pytest.mark.parametrize("plate", LONG, ids=lambda plate: plate.printed)
def test_p12_most_hidden_halves_are_suspected(plate: Plate, side: str) -> None:
    found = [probability(half_hidden(plate, at, side), plate.text) for at in range(len(plate.text))]
    assert np.mean(np.array(found) > 0.5) >= 0.5


@pytest.mark.parametrize("plate", LONG, ids=lambda plate: plate.printed)
def test_p12_most_hidden_facing_halves_are_suspected(plate: Plate) -> None:
    face, places = face_of(plate)
    found = []
    for first in range(len(places) - 1):
        rng = np.random.default_rng(first)
        area = area_of_halves(places, first, rng)
        found.append(probability(blank(face, whole(face), rng, area), plate.text))
    assert np.mean(np.array(found) > 0.5) >= 0.5
