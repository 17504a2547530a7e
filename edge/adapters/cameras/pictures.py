"""Pictures as FFmpeg decodes them: which are whole, and their pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import av.logging
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge.adapters.cameras.interlacing import FieldSplitter
from edge.domain.motion import Plane

_LUMA_FIRST = frozenset(
    {"gray", "nv12", "yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"}
)
"""Formats whose first plane is luma, a byte for each pixel."""

CONCEALED = range(126, 133)
"""BGR values that a decoder uses for missing parts of a picture: mid-grey."""

_CONCEALED_LUMA = range(124, 133)
"""The same as luma values, in limited or full range."""

GREY_SHARE = 0.5
"""A picture counts as grey if at least this share of it has one colour, a mid-grey."""


class WholePictures:
    """The complete pictures of one stream; after a damaged one, none until the next key frame.

    Args:
        stream: its decoder gets the threads with which damage is reported.
        both_fields: whether each field of an interlaced picture becomes a picture.
    """

    def __init__(self, stream: VideoStream, *, both_fields: bool) -> None:
        self._splitter = FieldSplitter(stream.codec_context.name, both=both_fields)
        self._damaged = False
        self._corrupt = 0
        # Frame threading would delay the stream by as many frames as there are threads.
        stream.thread_type = "SLICE"
        if stream.codec_context.name == "h264":
            # With several threads missing slices are not reported; they are shown in green.
            stream.codec_context.thread_count = 1

    def corrupt_frames(self) -> int:
        """How many frames were left out since the last call."""
        count, self._corrupt = self._corrupt, 0
        return count

    def restart(self) -> None:
        """The next packet does not follow the last one: it must be a key frame."""
        self._splitter.drop()
        self._damaged = True

    def of(self, frames: Sequence[VideoFrame], *, whole: bool) -> Iterator[VideoFrame]:
        """Yield the complete pictures among the frames of the next packet.

        Args:
            frames: what was decoded.
            whole: whether the packet arrived and was decoded without damage.
        """
        self._damaged = self._damaged or not whole
        self._corrupt += not whole and not frames
        for frame in frames:
            self._damaged = self._damaged or frame.is_corrupt
            if not self._damaged or (whole and frame.key_frame and not frame.is_corrupt):
                # Converting to BGR is slow and is needed here only if the luma looks grey.
                self._damaged = is_one_grey(luma_of(frame)) and is_grey(upright(frame))
            if self._damaged:
                self._corrupt += 1
                self._splitter.drop()
                continue
            yield from self._splitter.pictures(frame)


def upright(frame: VideoFrame) -> npt.NDArray[np.uint8]:
    """The frame in BGR, rotated as its metadata says."""
    pixels = np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, _quarter_turns(frame)))


def luma_of(frame: VideoFrame) -> Plane:
    """The frame's luma, rotated likewise; a view if the frame has a luma plane."""
    turns = _quarter_turns(frame)
    if frame.format.name not in _LUMA_FIRST:
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.rot90(rows[:, : plane.width], turns)


def stamp_s(frame: VideoFrame, *, stamped: bool) -> float:
    """The frame's time stamp in seconds; NaN if it has none, or none that means anything.

    Args:
        frame: the frame.
        stamped: whether time stamps of this source mean anything.
    """
    time_s: float | None = frame.time if stamped else None
    return math.nan if time_s is None else time_s


def _quarter_turns(frame: VideoFrame) -> int:
    return round(frame.rotation / 90) % 4  # counter-clockwise, as np.rot90 counts


def is_one_grey(luma: Plane) -> bool:
    """Whether a picture may be grey for lack of data: a quick test before `is_grey`."""
    counts = np.bincount(luma[::16, ::16].ravel(), minlength=256)
    return bool(
        counts.max() >= GREY_SHARE * counts.sum() and int(counts.argmax()) in _CONCEALED_LUMA
    )


def is_grey(pixels: npt.NDArray[np.uint8]) -> bool:
    """Whether the picture is grey because the decoder had no data.

    Args:
        pixels: shape (height, width, 3), BGR.
    """
    sample = pixels[::16, ::16].reshape(-1, 3).astype(np.int32)
    values, counts = np.unique(sample @ (1, 256, 65536), return_counts=True)
    most = int(values[counts.argmax()])
    channels = (most & 255, most >> 8 & 255, most >> 16)
    return bool(counts.max() >= GREY_SHARE * len(sample)) and all(
        channel in CONCEALED for channel in channels
    )


def is_complaint(entry: tuple[int, str, str]) -> bool:
    """Whether a line of the library's log reports a damaged picture."""
    level, _, text = entry
    return level <= av.logging.ERROR or text.startswith("concealing ")
