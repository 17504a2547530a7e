"""An approved still shows nothing where the policy has a privacy mask."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from edge.adapters.cameras.jpeg import encode_jpeg
from edge.adapters.cameras.place_masks import require_masked
from edge.domain.geometry import Point
from edge.errors import RedactionError
from edge.privacy.place_still import MAX_BYTES, PlaceStill
from edge.privacy.redaction import place_of_regular_file
from tests.support.place_stills import APPROVED

CORNER: tuple[Point, ...] = ((0, 0), (0.4, 0), (0.4, 0.5), (0, 0.5))
SLOPE: tuple[Point, ...] = ((0.5, 1), (1, 1), (1, 0.2))


def approved(jpeg: bytes) -> PlaceStill:
    return PlaceStill(jpeg, hashlib.sha256(jpeg).hexdigest(), APPROVED)


def still(*grey: tuple[float, float, float, float], seed: int = 1) -> PlaceStill:
    """A still of coarse noise, the hardest content for JPEG, with grey rectangles."""
    blocks = np.random.default_rng(seed).integers(0, 256, (23, 40, 3), dtype=np.uint8)
    pixels = np.kron(blocks, np.ones((8, 8, 1), np.uint8))[:180]
    visible = np.ones(pixels.shape[:2], np.bool_)
    for x1, y1, x2, y2 in grey:
        visible[round(y1 * 180) : round(y2 * 180), round(x1 * 320) : round(x2 * 320)] = False
    return approved(encode_jpeg(place_of_regular_file(pixels, visible), max_bytes=MAX_BYTES))


@pytest.mark.parametrize("masks", [[], [CORNER], [SLOPE], [CORNER, SLOPE]])
def test_a_still_that_masks_what_the_policy_masks_is_taken(
    masks: Sequence[Sequence[Point]],
) -> None:
    require_masked(still((0, 0, 0.4, 0.5), (0.5, 0.2, 1, 1)), masks)


@pytest.mark.parametrize(
    ("masks", "number"), [([CORNER], 0), ([SLOPE], 0), ([CORNER, SLOPE], 0), ([SLOPE, CORNER], 1)]
)
def test_p6_a_still_that_shows_what_a_privacy_mask_hides_is_refused(
    masks: Sequence[Sequence[Point]], number: int
) -> None:
    half_masked = still((0, 0, 0.4, 0.35), *[(0.5, 0.2, 1, 1)] * (number > 0))
    with pytest.raises(RedactionError, match=rf"privacy_masks\[{number}\]"):
        require_masked(half_masked, masks)


def test_a_mask_that_is_thinner_than_its_own_edge_hides_nothing_to_compare() -> None:
    require_masked(still(), [((0.2, 0.1), (0.8, 0.1), (0.8, 0.105), (0.2, 0.105))])


def test_p6_even_a_small_part_that_is_shown_in_a_large_mask_is_refused() -> None:
    half = ((0, 0), (1, 0), (1, 0.9), (0, 0.9))
    around_a_person = [(0, 0, 0.5, 0.9), (0.54, 0, 1, 0.9), (0.5, 0, 0.54, 0.4), (0.5, 0.6, 1, 0.9)]
    with pytest.raises(RedactionError, match=r"privacy_masks\[0\]"):
        require_masked(still(*around_a_person), [half])
    require_masked(still((0, 0, 1, 0.9)), [half])
