"""Views whose labels a trained scene parser guesses, limited by boxes; needs PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")

from edge.adapters.models.loading import load_plate_models
from edge.adapters.models.scene_parser import OnnxSceneParser
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, Pixels
from edge.domain.scene import CELL, COLUMNS, ROWS, Scene, SceneClass, window_around
from scripts.training.errors import DataError
from scripts.training.guessed_views import EXCLUDED, guessed, guessed_views, not_excluded
from scripts.training.parser_views import BACKGROUND, BODY, ELSEWHERE, GLASS, OTHER, PERSON

PLATE = Box(85, 146, 115, 154)
ROAD = np.full((200, 200, 3), 90, np.uint8)
"""A picture so small that the parser's window covers it, and that is not cut or shrunk."""
AROUND = ("vehicle", Box(40, 60, 140, 180))


class OneAnswer:
    """A parser that says the same of every cell."""

    def __init__(self, **shares: float) -> None:
        self.found = np.zeros((len(SceneClass), ROWS // CELL, COLUMNS // CELL), np.float32)
        for name, share in shares.items():
            self.found[SceneClass[name.upper()]] = share

    def parse(self, pixels: Pixels, plate: Box) -> Scene:
        return Scene(window_around(plate), self.found, 0.8, 0.04)


def labelled(
    parser: Any,
    others: tuple[Box, ...] = (),
    boxes: tuple[tuple[str, Box], ...] = (),
) -> npt.NDArray[np.uint8]:
    """The label of the whole picture, and so of each of its points."""
    view = guessed("one", ROAD, PLATE, list(others), list(boxes), cast("OnnxSceneParser", parser))
    assert view is not None
    assert view.allowed.shape == ROAD.shape[:2]
    return view.allowed


BODYWORK = OneAnswer(body=0.9, glass=0.07, background=0.03)


def test_a_label_allows_each_class_that_the_parser_does_not_exclude() -> None:
    scene = OneAnswer(body=0.5, other=0.44, glass=0.06).parse(ROAD, PLATE)
    assert (not_excluded(scene) == BODY | OTHER | GLASS).all()

    scene = OneAnswer(body=0.97, other=EXCLUDED - 0.02).parse(ROAD, PLATE)
    assert (not_excluded(scene) == BODY).all()


def test_the_likeliest_class_is_always_allowed() -> None:
    scene = OneAnswer(body=EXCLUDED / 2).parse(ROAD, PLATE)

    assert (not_excluded(scene) == BODY).all()


def test_where_another_plate_is_there_is_nothing_of_this_vehicle() -> None:
    label = labelled(BODYWORK, others=(Box(150, 100, 180, 108),))

    assert label[104, 165] == ELSEWHERE
    assert label[150, 100] == BODY | GLASS


def test_outside_of_the_box_around_a_vehicle_there_is_nothing_of_it() -> None:
    label = labelled(BODYWORK, boxes=(AROUND,))

    assert label[70, 100] == BODY | GLASS
    assert label[150, 180] == ELSEWHERE
    assert label[100, 142] == BODY | GLASS, "a box may be a little too small"


def test_a_box_of_another_vehicle_limits_nothing() -> None:
    label = labelled(BODYWORK, boxes=(("vehicle", Box(150, 20, 190, 60)),))

    assert (label == BODY | GLASS).all()


def test_a_person_apart_from_the_vehicle_is_no_part_of_it() -> None:
    beside, before = ("person", Box(165, 90, 175, 150)), ("person", Box(110, 90, 120, 150))
    label = labelled(OneAnswer(body=0.7, background=0.3), boxes=(AROUND, beside, before))

    assert label[120, 170] == BACKGROUND
    assert label[120, 115] == BODY | BACKGROUND, "perhaps somebody in it"


def test_a_parser_that_contradicts_the_boxes_is_not_followed() -> None:
    beside = ("person", Box(165, 90, 175, 150))
    label = labelled(OneAnswer(body=1.0), boxes=(AROUND, beside))

    assert label[120, 190] == ELSEWHERE
    assert label[120, 170] == BACKGROUND | PERSON | OTHER


@pytest.mark.parametrize(
    "plate",
    [Box(85, 146, 100, 150), Box(-4, 146, 26, 154)],
    ids=["narrow", "cut by the edge"],
)
def test_of_a_plate_that_says_little_there_is_no_view(plate: Box) -> None:
    parser = cast("OnnxSceneParser", BODYWORK)
    assert guessed("one", ROAD, plate, [], [], parser) is None


def test_what_the_parser_takes_for_no_vehicle_gives_no_view() -> None:
    parser = cast("OnnxSceneParser", OneAnswer(background=0.6, body=0.4))
    assert guessed("one", ROAD, PLATE, [], [], parser) is None


def test_a_folder_without_photographs_is_named(tmp_path: Path) -> None:
    models = load_plate_models(Manifest.load())
    with pytest.raises(DataError, match="no photographs in images"):
        next(
            guessed_views(
                tmp_path, tmp_path, models, cast("OnnxSceneParser", BODYWORK), lambda _: True, 1
            )
        )
