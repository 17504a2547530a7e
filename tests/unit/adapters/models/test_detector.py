"""The detector looks at a whole picture or at a region of it, and only at its own pixels."""

from __future__ import annotations

from functools import cache

import av
import numpy as np
import pytest

from edge.adapters.models.detector import PADDING, OnnxPlateDetector
from edge.adapters.models.loading import open_detector
from edge.adapters.models.manifest import Contract
from edge.adapters.models.session import open_session
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, Detection, Pixels
from tests.support.product import CLIPS

EMBEDDED = ("embedded-detector", "embedded-detector-float")
SURE = 0.6


@cache
def detector(name: str = EMBEDDED[0]) -> OnnxPlateDetector:
    return open_detector(Manifest.load(environment={}).find(name, Contract.DETECTOR))


@cache
def frames(clip: str = "street_day") -> tuple[Pixels, ...]:
    """Every twentieth frame of a committed clip."""
    with av.open(str(CLIPS / f"{clip}.mp4")) as container:
        return tuple(
            np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            for index, frame in enumerate(container.decode(video=0))
            if index % 20 == 0
        )


def plate(pixels: Pixels, name: str = EMBEDDED[0]) -> Detection:
    """The best detection in a picture."""
    return detector(name).detect(pixels)[0]


def picture() -> tuple[Pixels, Detection]:
    """The frame with the most certain plate, and that plate."""
    seen = [(pixels, detector().detect(pixels)) for pixels in frames()]
    pixels, found = max((one for one in seen if one[1]), key=lambda one: one[1][0].score)
    return pixels, found[0]


def around(box: Box, margin: float) -> Box:
    return box.grown(left=margin, top=margin, right=margin, bottom=margin)


@pytest.mark.parametrize("margin", [40, 150, 400])
def test_a_region_gives_boxes_in_pixels_of_the_whole_picture(margin: float) -> None:
    pixels, seen = picture()

    best, *_ = detector().detect(pixels, around(seen.box, margin))

    assert best.box.iou(seen.box) > 0.6


def test_a_region_gives_what_its_pixels_alone_give() -> None:
    pixels, seen = picture()
    region = around(seen.box, 120.4)
    x1, y1, x2, y2 = region.whole_pixels(pixels.shape[1], pixels.shape[0])

    alone = detector().detect(np.ascontiguousarray(pixels[y1:y2, x1:x2]))

    assert alone
    assert detector().detect(pixels, region) == tuple(
        Detection(one.box.shifted(x1, y1), one.score) for one in alone
    )


def test_nothing_outside_the_region_is_found() -> None:
    pixels, seen = picture()
    height, width = pixels.shape[:2]
    beside = Box(0, 0, seen.box.x1 - 20, height)

    assert all(beside.contains(one.box) for one in detector().detect(pixels, beside))
    assert detector().detect(pixels, Box(0, 0, width, height)) == detector().detect(pixels)


@pytest.mark.parametrize(
    "region",
    [Box(-50, -50, -10, -10), Box(5000, 10, 6000, 90), Box(20, 20, 20.5, 20.5), Box(9, 9, 3, 3)],
    ids=["above", "right", "one pixel", "inside out"],
)
def test_a_region_without_pixels_has_no_plate(region: Box) -> None:
    assert detector().detect(frames()[0], region) == ()


def input_of(pixels: Pixels, name: str = EMBEDDED[0]) -> int:
    """Number of pixels that the network is given for a picture."""
    before = detector(name).network_pixels
    detector(name).detect(pixels)
    return detector(name).network_pixels - before


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1080, 1920), (352, 608)),
        ((480, 640), (480, 608)),
        ((608, 608), (608, 608)),
        ((1920, 1080), (608, 352)),
        ((90, 400), (160, 608)),
        ((4, 3000), (32, 608)),
    ],
)
def test_a_network_of_eight_bits_gets_no_more_pixels_than_the_picture_needs(
    shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    height, width = expected

    assert input_of(np.full((*shape, 3), 90, np.uint8)) == height * width


def test_p8_the_detector_keeps_nothing_of_the_last_picture() -> None:
    pixels = frames()[0]
    height, width = pixels.shape[:2]
    detector().detect(pixels)

    kept = detector()._canvas((608, round(height * 608 / width)))

    assert np.unique(kept).tolist() == [np.float32(PADDING / 255)]


def test_a_network_of_one_size_always_gets_that_size() -> None:
    assert input_of(np.full((1080, 1920, 3), 90, np.uint8), EMBEDDED[1]) == 608 * 608


def test_a_network_on_an_accelerator_has_one_size() -> None:
    path = Manifest.load(environment={}).find(EMBEDDED[0], Contract.DETECTOR).path

    session = open_session(path, "cpu", 1, {"height": 608, "width": 608})

    assert session.get_inputs()[0].shape == [1, 3, 608, 608]


def test_a_plate_is_found_at_the_same_place_whatever_lies_beside_the_picture() -> None:
    for pixels in frames():
        height, width = pixels.shape[:2]
        square = np.full((width, width, 3), PADDING, np.uint8)
        top = (width - height) // 2
        square[top : top + height] = pixels

        wide = [one for one in detector().detect(pixels) if one.score > SURE]
        padded = [one for one in detector().detect(square) if one.score > SURE]

        assert len(wide) == len(padded)
        for one in wide:
            assert max(one.box.iou(other.box.shifted(0, -top)) for other in padded) > 0.85
