"""The decoder's check of a frame before conversion."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame

from edge.adapters.cameras.pictures import is_grey, is_one_grey, luma_of, upright
from edge.domain.motion import cell_means

FORMATS = ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "nv12", "gray", "yuyv422", "bgr24"]


def frame_of(format_name: str, height: int = 270, width: int = 478) -> VideoFrame:
    """A ramp from left to right with a bright corner, in a width that needs padding."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = np.linspace(30, 150, width).astype(np.uint8)[None, :, None]
    pixels[: height // 3, : width // 4] = 220
    return VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format=format_name)


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_luma_is_that_of_the_picture_in_every_format(format_name: str) -> None:
    frame = frame_of(format_name)

    luma, pixels = luma_of(frame), upright(frame)

    assert luma.shape == pixels.shape[:2]
    # Luma may be of the limited range, so that levels differ and their order does not.
    together = np.corrcoef(cell_means(luma).ravel(), cell_means(pixels[..., 1]).ravel())
    assert together[0, 1] > 0.999


@pytest.mark.parametrize("format_name", ["yuv420p", "yuvj420p", "nv12"])
def test_the_decoders_grey_filler_is_detected_in_luma(format_name: str) -> None:
    frame = VideoFrame(320, 240, format_name)
    for plane in frame.planes:
        plane.update(bytes([128]) * plane.buffer_size)

    assert is_one_grey(luma_of(frame))
    assert is_grey(upright(frame))


def test_a_picture_with_grey_areas_is_not_damaged() -> None:
    assert not is_one_grey(luma_of(frame_of("yuv420p")))
    night = VideoFrame.from_ndarray(np.full((240, 320, 3), 20, np.uint8), format="bgr24")
    assert not is_one_grey(luma_of(night.reformat(format="yuv420p")))
