"""Shares of what is shown: counted in whole blocks, strictly for what a level hides."""

from __future__ import annotations

import numpy as np
import pytest

from edge.domain.reveal import MaskMethod
from edge.domain.scene import SceneClass
from edge.domain.shown import BLOCK, Blocks, Counted, LevelShown, blocks, level_figures

HEIGHT, WIDTH = 10 * BLOCK + 5, 20 * BLOCK + 7


def empty() -> np.ndarray:
    return np.zeros((HEIGHT, WIDTH), bool)


def test_only_blocks_that_lie_in_the_part_entirely_are_counted() -> None:
    part, shown = empty(), empty()
    part[: 3 * BLOCK + 1, : 4 * BLOCK - 1] = True

    assert blocks(part, shown, hidden_kind=True) == Blocks(0, 9)


@pytest.mark.parametrize(
    ("pixels", "leaks", "shows"), [(0, 0, 0), (1, 1, 0), (71, 1, 0), (72, 1, 1), (144, 1, 1)]
)
def test_one_pixel_of_what_is_hidden_is_a_leak_and_half_a_block_of_the_rest_is_shown(
    pixels: int, leaks: int, shows: int
) -> None:
    part, shown = empty(), empty()
    part[: 2 * BLOCK, : 2 * BLOCK] = True
    block = shown[:BLOCK, :BLOCK].copy()
    block.ravel()[:pixels] = True
    shown[:BLOCK, :BLOCK] = block

    assert blocks(part, shown, hidden_kind=True) == Blocks(leaks, 4)
    assert blocks(part, shown, hidden_kind=False) == Blocks(shows, 4)


def test_a_part_without_a_whole_block_is_counted_in_pixels() -> None:
    part, shown = empty(), empty()
    part[3:9, 3:9] = True
    shown[3:9, 3:6] = True

    assert blocks(part, shown, hidden_kind=True) == Blocks(18, 36)


def test_a_part_that_is_not_there_has_no_share() -> None:
    assert blocks(empty(), ~empty(), hidden_kind=True) == Blocks(0, 0)
    assert Blocks(0, 0).share is None


def level(body: Blocks, glass: Blocks, **more: object) -> LevelShown:
    rest: dict[str, object] = {"heads": (), "others": Blocks(), "people": (), **more}
    return LevelShown(MaskMethod.MEANING, body, glass, **rest)  # type: ignore[arg-type]


def test_the_figures_count_vehicles_heads_and_people() -> None:
    found = [
        level(Blocks(60, 100), Blocks(3, 100), heads=(Blocks(2, 4), Blocks(1, 4))),
        level(Blocks(59, 100), Blocks(4, 100), people=(Blocks(0, 9), Blocks(1, 9))),
        level(Blocks(0, 0), Blocks(0, 0), others=Blocks(2, 50)),
    ]

    figures = level_figures(found)

    assert figures.vehicles == figures.by_meaning == 3
    assert figures.body_enough == Counted(1, 2)
    assert figures.body_median == pytest.approx(0.595)
    assert figures.glass_leaks == Counted(1, 2)
    assert figures.glass_blocks == Counted(7, 200)
    assert figures.heads == Counted(1, 2)
    assert figures.others_blocks == Counted(2, 50)
    assert figures.people == Counted(1, 2)


def test_what_is_labelled_nowhere_has_no_figure() -> None:
    figures = level_figures([level(Blocks(9, 10), Blocks())])

    assert figures.glass_leaks is None
    assert figures.glass_blocks is None
    assert figures.heads is None
    assert figures.others_blocks is None
    assert figures.people is None


@pytest.mark.parametrize(("occupants", "glass_shown"), [(False, 1), (True, 0)])
def test_glass_is_a_leak_at_the_level_of_the_vehicle_and_meant_at_that_of_occupants(
    occupants: bool, glass_shown: int
) -> None:
    meaning = np.full((HEIGHT, WIDTH), SceneClass.BODY)
    meaning[:BLOCK, :BLOCK] = SceneClass.GLASS
    shown = empty()
    shown[0, 0] = True

    found = LevelShown.of(meaning, (), (), shown, MaskMethod.GEOMETRY, occupants=occupants)

    assert found.glass == Blocks(glass_shown, 1)
    assert found.body.all == 10 * 20 - 1
