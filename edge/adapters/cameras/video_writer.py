"""Writes a masked recording; no unmasked pixel is written, not even to the temporary file."""

from __future__ import annotations

import os
import tempfile
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from typing_extensions import Self

from edge.adapters.cameras.recordings import open_regular
from edge.adapters.cameras.stream_choice import choose_stream
from edge.errors import EdgeError, RedactionError
from edge.formats.atomic_files import unwritable
from edge.privacy.redaction import MASK_GREY, RedactedImage

TIME_BASE = Fraction(1, 60_000)
"""Seconds per tick: frames at 24, 25, 30 or 30000/1001 a second fall on whole ticks, and
MPEG-4 part 2 allows no more than 65,535 ticks a second."""

VIDEO_FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"}
"""Containers by suffix."""

# H.264 where the wheel has an encoder for it, else MPEG-4 part 2, which FFmpeg always has.
CODECS = {
    "libx264": {"preset": "veryfast", "crf": "23"},
    "mpeg4": {"qscale": "3", "flags": "+qscale"},
}


_FALLBACK_RATE = Fraction(25)


def nominal_rate(recording: Path) -> Fraction:
    """Frames per second as a recording's container states them; 25 where it does not."""
    try:
        with open_regular(recording) as container:
            choice = choose_stream(container, probe=True)
            rate = None if choice is None else container.streams[choice.index].average_rate
    except (av.error.FFmpegError, OSError):
        rate = None  # decoding the recording reports what is wrong with it
    return rate or _FALLBACK_RATE


class MaskedRecording:
    """Writes a masked video; the file appears at `path` only when it is complete.

    Use it as a context manager. Frames keep their times; there is no sound and no metadata.
    Until then it is a hidden file beside `path` that only its owner can read.

    Args:
        path: the file; its suffix, one of `VIDEO_FORMATS`, selects the container.
        frames_per_second: the recording's nominal rate, for players.
        codec: one of `CODECS`; None: the first that this FFmpeg can encode.

    Raises:
        RedactionError: unknown suffix, or the encoder fails.
        OutboxError: the folder cannot be written.
    """

    def __init__(
        self, path: Path, frames_per_second: Fraction, *, codec: str | None = None
    ) -> None:
        if path.suffix.lower() not in VIDEO_FORMATS:
            known = ", ".join(VIDEO_FORMATS)
            raise RedactionError(f"{path}: unknown suffix; use one of {known}")
        self._path = path
        self._rate = frames_per_second
        self._codec = codec or next(name for name in CODECS if name in av.codec.codecs_available)
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._last_pts = -1
        try:
            # FFmpeg opens and seeks in the file itself, which `formats.atomic_files` cannot offer.
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".masked-")
        except OSError as error:
            raise self._unwritable(error) from None
        os.close(descriptor)
        self._temporary = Path(name)
        self._container = av.open(
            name,
            "w",
            format=VIDEO_FORMATS[path.suffix.lower()],
            # Without this the muxer writes its own name and the time of writing.
            container_options={"fflags": "+bitexact"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._container.close()
            self._temporary.unlink(missing_ok=True)

    def write(self, image: RedactedImage, stream_s: float) -> None:
        """Append a picture shown from `stream_s` seconds on; sizes must not change.

        Raises:
            TypeError: `image` is anything but a `RedactedImage`.
            RedactionError: the size differs from the first picture's, or the encoder fails.
            OutboxError: the file cannot be written.
        """
        if type(image) is not RedactedImage:
            raise TypeError("only a RedactedImage is ever written to a recording")
        if self._stream is None:
            self._stream = self._opened(image.width, image.height)
        if (image.width, image.height) != self._size:
            raise RedactionError(
                f"{self._path}: the picture size changes within the recording; split it there"
            )
        # 4:2:0 stores colour for pairs of rows and columns, so an odd side gets one pixel more.
        even = ((0, image.height % 2), (0, image.width % 2), (0, 0))
        frame = VideoFrame.from_ndarray(
            np.pad(image.pixels, even, constant_values=MASK_GREY), format="bgr24"
        )
        frame.time_base = TIME_BASE
        self._last_pts = max(round(stream_s / TIME_BASE), self._last_pts + 1)
        frame.pts = self._last_pts
        self._mux(frame)

    def _opened(self, width: int, height: int) -> VideoStream:
        stream = self._container.add_stream(
            self._codec, rate=self._rate, options=CODECS[self._codec]
        )
        assert isinstance(stream, VideoStream)  # noqa: S101 - both codecs are video codecs
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        self._size = (width, height)
        return stream

    def _finish(self) -> None:
        if self._stream is None:
            raise RedactionError(f"{self._path}: the recording has no picture; check the source")
        self._mux(None)
        try:
            self._container.close()
            self._temporary.replace(self._path)
        except (av.error.FFmpegError, OSError) as error:
            raise self._unwritable(error) from None

    def _mux(self, frame: VideoFrame | None) -> None:
        assert self._stream is not None  # noqa: S101 - opened with the first picture
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> EdgeError:
        if isinstance(error, OSError):
            return unwritable(self._path, error)
        return RedactionError(f"{self._path}: cannot be encoded ({type(error).__name__})")
