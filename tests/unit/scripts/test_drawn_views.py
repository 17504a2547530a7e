"""Views of drawn streets for the scene parser's training; needs PyTorch, scikit-image and fonts."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("skimage", reason="drawing needs scikit-image")

import itertools

from edge.domain.imaging import Box
from edge.domain.scene import unit_of
from scripts.fixtures.plates import FONTS
from scripts.training.drawn_views import drawn_views, random_plate, random_street
from scripts.training.parser_views import (
    BACKGROUND,
    BODY,
    FINEST,
    GLASS,
    HEAD,
    NARROWEST,
    OTHER,
    PERSON,
    View,
    cropped,
)
from tests.support.plate_fonts import needs_fonts

pytestmark = needs_fonts(*FONTS)

TRUE = (BACKGROUND, BODY, GLASS, GLASS | HEAD, OTHER, PERSON)


@pytest.fixture(scope="module")
def views() -> list[View]:
    return list(drawn_views(12, seed=5))


def test_each_view_is_of_the_vehicle_that_carries_the_plate(views: list[View]) -> None:
    assert len(views) == 12
    for view in views:
        rows = slice(round(view.plate.y1) + 1, round(view.plate.y2) - 1)
        columns = slice(round(view.plate.x1) + 1, round(view.plate.x2) - 1)
        on_plate = view.allowed[rows, columns]
        assert (on_plate == BODY).mean() > 0.6, "what is not hidden of a plate is bodywork"
        assert np.isin(view.allowed, TRUE).all()
        assert view.pixels.shape == (*view.allowed.shape, 3)


def test_they_show_what_leaks_most(views: list[View]) -> None:
    touching = 0
    for view in views:
        strangers = np.isin(view.allowed, (OTHER, PERSON))
        own = np.isin(view.allowed, (BODY, GLASS))
        touching += bool((strangers[:, 1:] & own[:, :-1]).any())
    assert touching > len(views) / 3, "strangers right beside the vehicle"
    assert any((view.allowed == PERSON).any() for view in views)


def test_a_seed_gives_the_same_views_and_another_one_others(views: list[View]) -> None:
    first = next(drawn_views(1, seed=5))
    other = next(drawn_views(1, seed=6))

    assert (first.pixels == views[0].pixels).all()
    assert first.plate == views[0].plate
    assert first.pixels.shape != other.pixels.shape or (first.pixels != other.pixels).any()


def test_plates_are_invented_and_wide_enough(views: list[View]) -> None:
    rng = np.random.default_rng(1)
    texts = {random_plate(rng).text for _ in range(100)}

    assert len(texts) > 95
    for view in views:
        assert view.plate.width >= NARROWEST * min(1, FINEST / unit_of(view.plate)) - 1e-6


def test_no_two_vehicles_of_a_lane_stand_in_each_other() -> None:
    for number in range(30):
        street = random_street(np.random.default_rng((3, number)), number)
        vehicles = [one for one in street.movers if one.plate is not None]
        for one, other in itertools.pairwise(vehicles):
            if abs(one.road.pose(0).y - other.road.pose(0).y) > 1.2:
                continue  # of another lane
            apart = other.road.pose(0).x - one.road.pose(0).x
            assert apart > other.reach()[0], "the next one begins behind this one's middle"


def test_a_large_view_is_cut_and_shrunk_around_its_plate() -> None:
    allowed = np.full((1500, 2000), BACKGROUND, np.uint8)
    allowed[900:1000, 900:1100] = BODY
    pixels = np.repeat(allowed[:, :, None], 3, axis=2) * 50
    view = cropped(View("one", pixels, Box(940, 940, 1060, 966), allowed))

    assert unit_of(view.plate) == pytest.approx(FINEST, rel=0.02)
    x, y = view.plate.centre
    assert view.allowed[int(y), int(x)] == BODY
    assert (view.pixels[int(y), int(x)] == BODY * 50).all()
    # 200 x 100 pixels of bodywork, shrunk like the plate.
    scale = FINEST / 120
    assert (view.allowed == BODY).sum() == pytest.approx(200 * 100 * scale**2, rel=0.05)


def test_a_view_at_the_edge_of_its_picture_ends_there() -> None:
    allowed = np.full((200, 300), BACKGROUND, np.uint8)
    view = cropped(View("one", np.zeros((200, 300, 3), np.uint8), Box(4, 180, 34, 188), allowed))

    assert view.allowed.shape == (200, 259)
    assert view.plate == Box(4, 180, 34, 188)
