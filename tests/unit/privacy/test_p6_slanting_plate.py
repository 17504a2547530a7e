"""The mask by meaning of a vehicle whose plate slants in the picture (P6)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.adapters.models.scene_parser import OnnxSceneParser
from edge.domain.imaging import Box
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.domain.scene import Scene, SceneClass, unit_of, window_around
from edge.privacy.scene_mask import SURROUNDINGS, ShownPixels, shown_pixels
from tests.support.colour_parser import colour_parser, painted

HEIGHT, WIDTH = 540, 960
SLANTING = Box(440, 380, 518, 444)
"""The box of a plate of 78 x 17 pixels whose lines run down."""
LEVEL = Box(440, 403, 518, 420)
BODY, GLASS = Box(344, 230, 614, 462), Box(370, 244, 588, 316)
CAR = ((SceneClass.BODY, BODY), (SceneClass.GLASS, GLASS))


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> OnnxSceneParser:
    return colour_parser(tmp_path_factory.mktemp("weights"))


def shown(scene: Scene) -> ShownPixels:
    return shown_pixels(SLANTING, (), RevealLevel.VEHICLE, HEIGHT, WIDTH, scene)


def test_p6_a_vehicle_is_as_large_as_its_level_plate_says(parser: OnnxSceneParser) -> None:
    """In units of the slanting box it would be too small for a vehicle."""
    below_glass = Box(389, 330, 569, 460)
    scene = parser.parse(painted(HEIGHT, WIDTH, ((SceneClass.BODY, below_glass),)), SLANTING)

    assert shown(replace(scene, level=None)).method is MaskMethod.GEOMETRY
    found = shown(replace(scene, level=LEVEL))

    assert found.method is MaskMethod.MEANING
    assert found.mask[round(SLANTING.y1) : round(SLANTING.y2), 440:518].all()


def test_p6_glass_above_a_slanting_plate_is_masked(parser: OnnxSceneParser) -> None:
    scene = parser.parse(painted(HEIGHT, WIDTH, CAR), SLANTING)

    found = shown(replace(scene, level=LEVEL))

    assert found.method is MaskMethod.MEANING
    assert not found.mask[250:310, 376:582].any()


def test_p6_around_glass_as_much_is_masked_as_the_unit_of_the_window_says(
    parser: OnnxSceneParser,
) -> None:
    scene = parser.parse(painted(HEIGHT, WIDTH, CAR), SLANTING)

    mask = shown(replace(scene, level=LEVEL)).mask

    rows, columns = np.nonzero(mask)
    shown_glass = (rows >= GLASS.y1) & (rows < GLASS.y2) & (columns >= GLASS.x1)
    assert not (shown_glass & (columns < GLASS.x2)).any()
    below = mask[round(GLASS.y2) :, round(GLASS.centre[0])]
    masked = int(np.argmax(below))
    assert masked >= SURROUNDINGS * unit_of(SLANTING) - 4 > SURROUNDINGS * unit_of(LEVEL)


@pytest.mark.parametrize("slant", [-0.5, 0.5])
def test_the_window_of_a_slanting_plate_lies_between_its_two_units(
    tmp_path: Path, slant: float
) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    flat = np.full((17 * 8, 78 * 8, 3), 235, np.uint8)
    cv2.putText(flat, "1-ABC-234", (30, 105), cv2.FONT_HERSHEY_SIMPLEX, 3.2, (20, 20, 20), 12)
    shear = np.array([[0.125, 0, 440], [slant * 0.125, 0.125, 403 - slant * 39]])
    cv2.warpAffine(flat, shear, (WIDTH, HEIGHT), dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
    box = Box(440, 403 - 19.5, 518, 420 + 19.5)

    scene = colour_parser(tmp_path).parse(picture, box)

    assert scene.level is not None
    assert unit_of(scene.level) == pytest.approx(78, abs=8)
    wide = window_around(box).width
    assert window_around(scene.level).width < scene.window.width < wide
    assert scene.window.width**2 == pytest.approx(window_around(scene.level).width * wide)
    centre = (scene.window.x1 + scene.window.x2) / 2
    assert centre == pytest.approx(box.centre[0])
