"""What one decoder process sends, each picture with its time."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from edge.adapters.cameras.decoder_messages import (
    CELLS,
    END,
    FRAME,
    MISSED,
    NOTE,
    SMALL_CELLS,
    SUBSTREAM,
    UNWANTED,
    DecoderRequest,
)
from edge.adapters.cameras.decoder_process import (
    ConnectionCutError,
    DecoderMessage,
    DecoderProcess,
)
from edge.domain.imaging import Pixels
from edge.domain.motion import Cells
from edge.domain.stream_time import MIN_STEP_S, StreamTime


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message of the decoder.

    Attributes:
        kind: of the message.
        corrupt: damaged frames before it that were left out.
        passed_over: whole frames before it about which nothing was asked.
        text: a note, or a word about the substream; else empty.
        size: width and height of the picture.
        time_s: its time on the monotonic clock, seconds.
        asked_s: the same for the question whether it is wanted; always later than the last one.
        body: its pixels or its cell means.
        body_shape: their shape.
    """

    kind: bytes
    corrupt: int
    passed_over: int
    text: str = ""
    size: tuple[int, int] = (0, 0)
    time_s: float = 0.0
    asked_s: float = 0.0
    body: bytearray = field(default_factory=bytearray, repr=False)
    body_shape: tuple[int, ...] = ()

    @property
    def is_small(self) -> bool:
        """Whether it is of the substream."""
        return self.kind == SMALL_CELLS

    @property
    def cells(self) -> Cells:
        return np.frombuffer(self.body, np.float32).reshape(self.body_shape)

    @property
    def pixels(self) -> Pixels:
        return np.frombuffer(self.body, np.uint8).reshape(self.body_shape)


class Connection:
    """The messages of one decoder process, within their time limits.

    As long as the main stream gives a picture when it is asked for one, pictures of the substream
    keep the connection too.

    Args:
        decoder: the process; the request is sent to it.
        request: its sources.
        closing: set when the camera is closed.
        stale_s: how long there may be no picture, seconds.
        first_s: the same before the first one.
    """

    def __init__(
        self,
        decoder: DecoderProcess,
        request: DecoderRequest,
        closing: threading.Event,
        stale_s: float,
        first_s: float,
    ) -> None:
        self._decoder = decoder
        self._closing = closing
        self._stale_s = stale_s
        self._deadline_s = time.monotonic() + first_s
        self._times, self._small_times = StreamTime(), StreamTime()
        self._asked_s = -math.inf
        self._main_works = False
        self._kinds = {CELLS if request.asking else FRAME}
        if request.asking and request.substream:
            self._kinds.add(SMALL_CELLS)
        decoder.begin(request)

    def next(self) -> Arrival:
        """The next picture or text.

        Raises:
            ConnectionCutError: the source or the process has ended, or gives nothing.
            CameraClosedError: the camera was closed.
        """
        message = self._decoder.message(self._deadline_s, self._closing)
        if message.kind in (NOTE, SUBSTREAM):
            return Arrival(
                message.kind, message.corrupt, message.passed_over, self._words_of(message)
            )
        if message.kind == END:
            raise ConnectionCutError(self._words_of(message))
        if message.kind not in self._kinds:
            raise ConnectionCutError("broken")
        return self._picture(message)

    def answer(self, answer: bytes, arrival: Arrival) -> Arrival | None:
        """Answer whether a picture is wanted; the frame, or None if it is not, or there is none.

        Raises:
            ConnectionCutError: the source or the process has ended, or gives nothing.
            CameraClosedError: the camera was closed.
        """
        self._decoder.tell(answer)
        if answer in UNWANTED:
            return None
        message = self._decoder.message(self._deadline_s, self._closing)
        if arrival.is_small:
            if message.kind == MISSED:
                self._words_of(message)
                self._main_works = False
                return None
            if message.kind != FRAME:
                raise ConnectionCutError("broken")
            return self._picture(message)
        if (message.kind, (message.width, message.height)) != (FRAME, arrival.size):
            raise ConnectionCutError("broken")
        body = self._decoder.read(message.body_bytes, self._deadline_s, self._closing)
        return Arrival(
            FRAME, 0, 0, "", arrival.size, arrival.time_s, arrival.asked_s, body, message.body_shape
        )

    def _picture(self, message: DecoderMessage) -> Arrival:
        body = self._decoder.read(message.body_bytes, self._deadline_s, self._closing)
        now_s = time.monotonic()
        small = message.kind == SMALL_CELLS
        self._main_works |= not small
        if self._main_works:
            self._deadline_s = now_s + self._stale_s
        times = self._small_times if small else self._times
        time_s = times.frame_time_s(message.stamp_s, min(message.arrival_s, now_s))
        if message.kind != FRAME:
            self._asked_s = max(self._asked_s + MIN_STEP_S, time_s)
        size = (message.width, message.height)
        return Arrival(
            message.kind,
            message.corrupt,
            message.passed_over,
            "",
            size,
            time_s,
            self._asked_s,
            body,
            message.body_shape,
        )

    def _words_of(self, message: DecoderMessage) -> str:
        return self._decoder.word(message, self._deadline_s, self._closing)
