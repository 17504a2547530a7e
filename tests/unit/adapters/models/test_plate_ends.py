"""The room at a plate's two ends: even where nothing is hidden, uneven where an end is."""

from __future__ import annotations

import numpy as np
import pytest

from edge.adapters.models import plate_ends
from edge.adapters.models.plate_ink import plate_ink
from edge.domain.imaging import Pixels

DARK, LIGHT = 40, 210


def uneven_ends(pixels: Pixels) -> float:
    ink = plate_ink(pixels)
    return 0.0 if ink is None else plate_ends.uneven_ends(ink)


def plate(shown: str, *, tall: int = 40, ink: int = DARK, ground: int = LIGHT) -> Pixels:
    """A plate with frames as characters; a space in `shown` leaves the room of one."""
    pixels = np.full((tall, 5 * tall, 3), ground, np.uint8)
    pixels[[0, 1, -2, -1]] = ink
    pixels[:, [0, 1, -2, -1]] = ink
    step = (5 * tall - 8) / len(shown)
    for number, one in enumerate(shown):
        if one != " ":
            left = int(4 + (number + 0.15) * step)
            right, stroke = int(left + 0.7 * step), max(2, tall // 9)
            pixels[tall // 5 : -(tall // 5), left:right] = ink
            pixels[tall // 5 + stroke : -(tall // 5) - stroke, left + stroke : right - stroke] = (
                ground
            )
    return pixels


@pytest.mark.parametrize("tall", [18, 40, 130])
@pytest.mark.parametrize("ink", [DARK, LIGHT])
def test_an_even_plate_is_not_taken_for_hidden(tall: int, ink: int) -> None:
    ground = LIGHT if ink == DARK else DARK

    assert uneven_ends(plate("xxxxxxx", tall=tall, ink=ink, ground=ground)) < 0.1
    assert uneven_ends(plate("xxx xxx", tall=tall, ink=ink, ground=ground)) < 0.1


@pytest.mark.parametrize("shown", [" xxxxxx", "xxxxxx ", "  xxxxx", "xxxxx  "])
@pytest.mark.parametrize("tall", [18, 40, 130])
@pytest.mark.parametrize("ink", [DARK, LIGHT])
def test_p12_a_blank_at_one_end_is_taken_for_hidden(shown: str, tall: int, ink: int) -> None:
    ground = LIGHT if ink == DARK else DARK

    assert uneven_ends(plate(shown, tall=tall, ink=ink, ground=ground)) > 0.5


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 400, 3), (400, 3, 3), (40, 160, 3)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_without_characters_says_nothing(shape: tuple[int, ...], value: int) -> None:
    assert uneven_ends(np.full(shape, value, np.uint8)) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_noise_says_nothing_that_is_no_probability(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (30, 120, 3), dtype=np.uint8)

    assert 0 <= uneven_ends(noise) <= 1
