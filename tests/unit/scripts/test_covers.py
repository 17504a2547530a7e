"""Covers over parts of characters: where they lie, and what counts as hidden."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.fixtures.covers import (
    HALVES,
    OVER_PARTS,
    area_of_half,
    area_of_halves,
    characters,
    draw_cover,
    hidden_share,
)

TALL, WIDE = 60, 300
PLATE = (0.0, 0.0, float(WIDE), float(TALL))
EDGES = [(20 + 45 * at, 10, 50 + 45 * at, 50) for at in range(6)]


def plate() -> np.ndarray:
    """A white plate with six dark, square rings as characters."""
    pixels = np.full((TALL, WIDE, 3), 230, np.uint8)
    for x1, y1, x2, y2 in EDGES:
        pixels[y1:y2, x1:x2] = 30
        pixels[y1 + 8 : y2 - 8, x1 + 8 : x2 - 8] = 230
    return pixels


def test_the_area_of_facing_halves_ends_inside_both_characters() -> None:
    found = characters(plate(), PLATE)
    assert len(found) == len(EDGES)
    for seed in range(20):
        left, top, right, foot = area_of_halves(found, 2, np.random.default_rng(seed))

        assert found[2][0] < left < found[2][2] < found[3][0] < right < found[3][2]
        assert top < found[2][1] < found[2][3] < foot


@pytest.mark.parametrize("side", HALVES)
def test_the_area_of_a_half_covers_that_side_of_one_character_only(side: str) -> None:
    found = characters(plate(), PLATE)
    x1, y1, x2, y2 = found[2]
    for seed in range(20):
        left, top, right, foot = area_of_half(found, 2, side, np.random.default_rng(seed))

        assert found[1][2] <= left
        assert right <= found[3][0]
        covered = {"left": left < x1, "right": right > x2, "top": top < y1, "bottom": foot > y2}
        other = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
        assert covered[side]
        assert not covered[other[side]]


@pytest.mark.parametrize("cover", OVER_PARTS)
def test_ink_that_vanishes_counts_as_hidden_and_no_other_character_does(cover: str) -> None:
    clean = plate()
    for seed in range(20):
        drawn = draw_cover(cover, clean, PLATE, seed)
        hidden = hidden_share(clean, drawn, PLATE) > 0.5
        gone = np.abs(clean.astype(int) - drawn).max(axis=2) > 100

        assert hidden[gone].all()
        untouched = [
            (y1, y2, x1, x2)
            for x1, y1, x2, y2 in EDGES
            if not (np.abs(clean.astype(int) - drawn)[y1:y2, x1 - 8 : x2 + 8] > 14).any()
        ]
        assert len(untouched) >= 1 or cover == "strip"
        assert not any(hidden[y1:y2, x1:x2].any() for y1, y2, x1, x2 in untouched)
