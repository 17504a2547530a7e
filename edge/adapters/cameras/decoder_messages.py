"""What the decoder process and the box tell each other: the request, and messages over a pipe."""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
import sys
import time
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from edge.domain.motion import PASSED_OVER_S, Cells

HEADER = struct.Struct("<cIIIIdd")
"""Kind, width, height, corrupt frames and frames passed over before this message, time stamp (NaN:
none), arrival time."""

FRAME, CELLS, SMALL_CELLS = b"F", b"G", b"S"
"""Kinds of messages: the pixels of a frame, or cell means (`cells_shape`), of a frame or of a
picture of the substream."""

NOTE, SUBSTREAM, MISSED, END = b"N", b"T", b"M", b"E"
"""Kinds of messages with a text: a line about the source that holds neither address nor login, a
word about the substream, that there is no picture for a look, or why the source ended."""

WATCHED, RARE_KEY_FRAMES = "watched", "rare-key-frames"
"""Words about the substream; any other one says why the main stream is watched instead."""

LONGEST_TEXT = 400
"""Bytes of a note or a word, at most."""

WANTED, GLANCE, NOT_NOW, IDLE = b"y", b"g", b"n", b"i"
"""Answers to cell means. For a glance, a picture of the last seconds will do. Idle: it is unwanted,
and nothing moves, so what follows at once need not be asked about (`PASSED_OVER_S`)."""

UNWANTED = (NOT_NOW, IDLE)


@dataclass(frozen=True, slots=True)
class DecoderRequest:
    """The source that the decoder opens, and its options.

    Attributes:
        address: FFmpeg's address of the source; it may hold a password and is not in the repr.
        format: FFmpeg's name of the format; None: FFmpeg detects it.
        options: FFmpeg's options.
        pipeline: words of a `gst-launch-1.0` command whose frames are read instead; if there is an
            address as well, it is fed with that source's packets and decodes them.
        stream: the number among the video streams to use, from 0; None: the largest.
        stamped: whether the source's time stamps are more exact than its stated rate.
        substream: address of a smaller stream of the same camera that is watched instead, as long
            as it gives pictures; only if `asking`. It has the same format and options.
        asking: whether to send each frame's cell means first and wait for the answer.
        open_s: how long opening may take, seconds.
        read_s: how long the source may be silent, seconds.
    """

    address: str = field(repr=False)
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    pipeline: tuple[str, ...] = ()
    stream: int | None = None
    stamped: bool = True
    substream: str = field(default="", repr=False)
    asking: bool = False
    open_s: float = 8.0
    read_s: float = 4.5

    @property
    def verified(self) -> bool:
        """Whether the source must show a trusted certificate."""
        return "tls_verify" in self.options

    def line(self) -> bytes:
        """The request as one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def parse(cls, line: str) -> DecoderRequest:
        """The request of a line that `line` made."""
        fields = json.loads(line)
        return cls(**{**fields, "pipeline": tuple(fields["pipeline"])})


class MessageWriter:
    """Writes messages to the parent process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._idle: tuple[bytes, float, float] | None = None
        self._passed_over = 0
        self.corrupt = 0

    def passes_over(self, stamp_s: float, arrival_s: float, kind: bytes = CELLS) -> bool:
        """Whether a picture need not be asked about, since nothing moved a moment before.

        It is counted, and the next message says so. See `answer` for the arguments.
        """
        if self._idle is None or self._idle[0] != kind:
            return False
        since_s = stamp_s - self._idle[1]
        if math.isnan(since_s):
            since_s = arrival_s - self._idle[2]
        passes = 0 < since_s < PASSED_OVER_S
        self._passed_over += passes
        return passes

    def answer(
        self,
        cells: Cells,
        size: tuple[int, int],
        stamp_s: float,
        arrival_s: float,
        kind: bytes = CELLS,
    ) -> bytes:
        """Send cell means and return the answer: `WANTED`, `GLANCE`, `NOT_NOW` or `IDLE`.

        Args:
            cells: the cell means.
            size: height and width of their picture.
            stamp_s: its time stamp in seconds; NaN: none.
            arrival_s: its arrival on the monotonic clock, in seconds.
            kind: `CELLS` or `SMALL_CELLS`.

        Raises:
            BrokenPipeError: the parent has ended.
        """
        height, width = size
        self._write(self._header(kind, width, height, stamp_s, arrival_s))
        self._write(cells.tobytes())
        answer = os.read(sys.stdin.fileno(), 1)
        if not answer:
            raise BrokenPipeError
        self._idle = (kind, stamp_s, arrival_s) if answer == IDLE else None
        return answer

    def frame(self, pixels: npt.NDArray[np.uint8], stamp_s: float, arrival_s: float) -> None:
        height, width = pixels.shape[:2]
        self._write(self._header(FRAME, width, height, stamp_s, arrival_s))
        self._write(pixels.tobytes())

    def note(self, line: str) -> None:
        self._message(NOTE, line)

    def substream(self, word: str) -> None:
        self._message(SUBSTREAM, word)

    def missed(self) -> None:
        self._message(MISSED, "missed")

    def end(self, word: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._message(END, word)

    def _message(self, kind: bytes, line: str) -> None:
        text = line.encode()[:LONGEST_TEXT]
        self._write(self._header(kind, len(text), 0, math.nan, time.monotonic()) + text)

    def _header(
        self, kind: bytes, width: int, height: int, stamp_s: float, arrival_s: float
    ) -> bytes:
        left_out = self.corrupt, self._passed_over
        self.corrupt = self._passed_over = 0
        return HEADER.pack(kind, width, height, *left_out, stamp_s, arrival_s)

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
