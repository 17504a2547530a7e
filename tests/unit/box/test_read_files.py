from __future__ import annotations

import numpy as np

from edge.adapters.models.loading import PlateModels
from edge.adapters.models.manifest import Contract
from edge.adapters.models.weights import Manifest
from edge.box.read_files import read_photo
from edge.cli.read import _of_photo
from edge.domain.imaging import Box, Detection, Frame
from edge.domain.plates import PlateText
from tests.support.fakes import STARTED, DrawnModels

NEAR, FAR, FAINT = Box(300, 300, 400, 320), Box(10, 40, 60, 50), Box(120, 60, 160, 70)


def models(*found: Detection) -> PlateModels:
    """A detector with the threshold 0.4 that finds these, and a reader of their texts."""
    drawn = DrawnModels({NEAR: "1ABC234", FAR: "2DEF345"}, found)
    manifest = Manifest.load()
    pair = manifest.pair(manifest.default_pair)
    return PlateModels(
        drawn,
        drawn,
        0.4,
        manifest.find(pair.detector, Contract.DETECTOR),
        manifest.find(pair.reader, Contract.READER),
    )


def test_plates_are_read_from_the_top_left_and_weak_detections_are_kept_apart() -> None:
    pixels = np.zeros((400, 640, 3), np.uint8)
    found = read_photo(
        pixels, models(Detection(NEAR, 0.9), Detection(FAINT, 0.3), Detection(FAR, 0.5))
    )
    assert [one.box for one in found.plates] == [FAR, NEAR]
    texts = [one.consensus.best.text for one in found.plates if one.consensus is not None]
    assert texts == [PlateText("2DEF345"), PlateText("1ABC234")]
    assert found.weak == (FAINT,)


def test_a_photo_without_a_plate_gives_none() -> None:
    found = read_photo(np.zeros((40, 60, 3), np.uint8), models())
    assert found.plates == ()
    assert found.weak == ()


def test_read_hands_weak_detections_to_the_picture_as_what_may_be_plates() -> None:
    frame = Frame("file", 0, 0.0, STARTED, np.zeros((400, 640, 3), np.uint8))
    found = models(Detection(NEAR, 0.9), Detection(FAINT, 0.3))
    read, previews = _of_photo(iter([frame]), found)
    assert [one.box for one in read] == [NEAR]
    assert [(one.shown, one.others, one.weak) for one in previews] == [((NEAR,), (), (FAINT,))]
