"""A live camera: a supervised decoder process, restarted on failure.

Each connection has a process of its own (`edge.adapters.cameras.decoder_process`). A process that
hangs is killed. The next one starts during the back-off and loads its libraries then, so that it
connects at once when the camera answers again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from edge.adapters.cameras.camera_status import (
    PROBLEMS,
    RARE_KEY_FRAMES_TEXT,
    CameraState,
    CameraStatus,
    SubstreamStatus,
    substream_problem,
)
from edge.adapters.cameras.connection import Arrival, Connection
from edge.adapters.cameras.decoder_messages import (
    GLANCE,
    IDLE,
    NOT_NOW,
    NOTE,
    RARE_KEY_FRAMES,
    UNWANTED,
    WANTED,
    WATCHED,
    DecoderRequest,
)
from edge.adapters.cameras.decoder_process import (
    CameraClosedError,
    ConnectionCutError,
    DecoderProcess,
)
from edge.domain.imaging import Frame
from edge.domain.motion import Cells
from edge.domain.schedule import closed_until
from edge.domain.stream_time import LONGEST_BREAK_S, FrameRate, retry_delay_s
from edge.errors import CameraError, ConfigError
from edge.pipeline.ports import Clock

STALE_S = 4.5
"""A connection without a good frame for this long is closed; detected within 5 s."""

CONNECT_S = 10.0
"""The same before the first frame: address look-up, handshake, and the wait for a key frame."""

STARTUP_S = 20.0
"""How long a decoder process may take to load its libraries on a busy box."""

SLOW_AFTER_S = 10.0
"""How long a connection's frame rate is measured before it may be called too low."""

REST_S = 1.0
"""How often a camera that is closed outside its hours checks whether it may open."""

LEAST_PER_SECOND = 5.0
"""The least frames a second by SI 2022/71 (UK), each numbered and timed."""


log = logging.getLogger(__name__)


class _OutsideHoursError(Exception):
    """The policy's hours for this camera have ended."""


class OpeningHours(Protocol):
    """When a camera may be open; a `Schedule` is such hours."""

    def is_active(self, moment: datetime) -> bool:
        """Whether it may be open at this moment."""
        ...

    def next_opening(self, moment: datetime) -> datetime | None:
        """When it may be open next; None: not within a year."""
        ...


class LiveCamera:
    """A camera on a network, a cable or a pipeline, as an endless stream of frames.

    A frame's `stream_s` is the time on the monotonic clock, and `observed_at` is the same moment on
    the wall clock. `index` counts all frames that arrived, so it skips the numbers of frames that
    were corrupt or not selected.

    Args:
        name: the policy's camera.
        shown: its address for messages, without user, password and path.
        request: returns the decoder request; called for each connection, as a password may change.
        clock: the box's clock.
        jitter: returns numbers from 0 to 1.
        hours: when the camera may be open; outside them it is not connected to. None: always.
        stale_s: how long it may give no good frame, seconds.
        connect_s: the same before the first frame.
    """

    expected_frames = None

    def __init__(
        self,
        name: str,
        shown: str,
        request: Callable[[], DecoderRequest],
        *,
        clock: Clock,
        jitter: Callable[[], float],
        hours: OpeningHours | None = None,
        stale_s: float = STALE_S,
        connect_s: float = CONNECT_S,
    ) -> None:
        self._name = name
        self._shown = shown
        self._request = request
        self._clock = clock
        self._jitter = jitter
        self._hours = hours
        self._opens_at: datetime | None = None
        self._slow_logged = False
        self._said = ""
        self._observed: datetime | None = None
        self._stale_s = stale_s
        self._connect_s = connect_s
        self._wants: Callable[[Cells, float], bool] | None = None
        self._idles: Callable[[], bool] = bool
        self._substream: SubstreamStatus | None = None
        self._unwanted = 0
        self._corrupt = 0
        self._index = 0
        self._connections = 0
        self._rate = FrameRate()
        self._last_s = clock.monotonic()
        self._breaks = 0
        self._size: tuple[int, int] | None = None
        self._state = CameraState.CONNECTING
        self._since_s = clock.monotonic()
        self._problem: CameraError | None = None
        self._closing = threading.Event()

    @property
    def name(self) -> str:
        return self._name

    @property
    def clip(self) -> str:
        """The camera's name in progress bars and summaries."""
        return self._name

    @property
    def corrupt_frames(self) -> int:
        """How many frames could not be decoded completely and were skipped so far."""
        return self._corrupt

    def status(self) -> CameraStatus:
        """The camera's status now; may be called from any thread."""
        live = self._state is CameraState.LIVE
        return CameraStatus(
            self._state,
            self._problem,
            self._since_s,
            self._connections,
            self._rate.per_second() if live else None,
            self._size,
            self._unwanted,
            self._opens_at,
            self._substream,
        )

    def ask(self, wants: Callable[[Cells, float], bool], idles: Callable[[], bool] = bool) -> None:
        """Yield only selected frames, the others stay in the decoder; call this before `frames`.

        Args:
            wants: whether a frame is selected. Gets the cell means and the time of each frame, or
                of each picture of the substream, in order, in the thread that iterates over
                `frames`.
            idles: whether nothing moved in the last one. If it was selected all the same, a frame
                of the last seconds will do for a camera with a substream. If not, a frame that
                follows at once is passed over.
        """
        self._wants, self._idles = wants, idles

    def close(self) -> None:
        """Close the camera for good, from any thread; `frames` ends within `POLL_S`."""
        self._closing.set()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `close`; while the camera gives none, connect again and wait."""
        lost_s = self._clock.monotonic()
        decoder = DecoderProcess()
        try:
            while not self._closing.is_set():
                now = self._clock.utc()
                if self._hours is not None and not self._hours.is_active(now):
                    self._rest(self._hours.next_opening(now))
                    self._closing.wait(REST_S)
                    continue
                connections = self._connections
                word: str | ConfigError
                try:
                    yield from self._connection(decoder)
                except CameraClosedError:
                    return
                except _OutsideHoursError:
                    decoder.kill()
                    decoder = DecoderProcess()
                    continue
                except ConnectionCutError as cut:
                    word = str(cut)
                except ConfigError as error:  # the password cannot be read any more
                    word = error
                decoder.kill()
                if self._connections > connections:
                    lost_s = self._clock.monotonic()
                self._on_failure(word)
                decoder = DecoderProcess()
                self._closing.wait(
                    retry_delay_s(
                        self._clock.monotonic() - lost_s,
                        self._jitter(),
                        refused=self._state is CameraState.REFUSED,
                    )
                )
        finally:
            decoder.kill()
            self._enter(CameraState.CLOSED, None)

    def _rest(self, opening: datetime | None) -> None:
        """Enter the state in which the policy keeps it closed; say once until when."""
        self._opens_at = opening
        if self._state is not CameraState.RESTING:
            self._enter(CameraState.RESTING, None)
            until = closed_until(opening)
            log.warning("camera %s: closed %s by the policy's hours", self._name, until)

    def _connection(self, decoder: DecoderProcess) -> Iterator[Frame]:
        request = replace(self._request(), asking=self._wants is not None)
        if request.substream and request.asking:
            self._substream = self._substream or SubstreamStatus()
        before = self._connections
        connection = Connection(
            decoder, request, self._closing, self._stale_s, STARTUP_S + self._connect_s
        )
        while True:
            arrival = connection.next()
            self._count_left_out(arrival)
            if arrival.text:
                (self._say if arrival.kind == NOTE else self._on_substream)(arrival.text)
                continue
            self._on_arrival(arrival, first=self._connections == before)
            for _ in range(1 + arrival.passed_over):
                self._rate.add(arrival.time_s)
            self._breaks += arrival.time_s - self._last_s > LONGEST_BREAK_S
            self._last_s = arrival.time_s
            # The frame itself, if it is wanted, may be older than a picture of the substream.
            observed_at = self._observed_at(arrival.time_s, keep=not arrival.is_small)
            if self._hours is not None and not self._hours.is_active(observed_at):
                raise _OutsideHoursError
            self._watch_rate()
            index = self._index
            self._index += 1
            if self._wants is not None:
                answer = self._answer(self._wants, arrival)
                picture = connection.answer(answer, arrival)
                if picture is None:
                    self._unwanted += answer in UNWANTED
                    continue
                self._count_left_out(picture)
                self._on_arrival(picture, first=self._connections == before)
                observed_at = self._observed_at(picture.time_s)
                arrival = picture
            self._size = arrival.size
            yield Frame(
                camera=self._name,
                index=index,
                stream_s=arrival.time_s,
                observed_at=observed_at,
                picture=arrival.pixels,
                selected=self._wants is not None,
                breaks=self._breaks,
            )

    def _answer(self, wants: Callable[[Cells, float], bool], arrival: Arrival) -> bytes:
        if not wants(arrival.cells, arrival.asked_s):
            return IDLE if self._idles() else NOT_NOW
        return GLANCE if arrival.is_small and self._idles() else WANTED

    def _observed_at(self, time_s: float, *, keep: bool = True) -> datetime:
        """The wall-clock time of a moment on the monotonic clock; never before a kept one."""
        moment = self._clock.utc() - timedelta(seconds=self._clock.monotonic() - time_s)
        if self._observed is not None:
            moment = max(moment, self._observed)
        if keep:
            self._observed = moment
        return moment

    def _count_left_out(self, arrival: Arrival) -> None:
        self._corrupt += arrival.corrupt
        self._unwanted += arrival.passed_over
        self._index += arrival.corrupt + arrival.passed_over

    def _watch_rate(self) -> None:
        """Log once for each connection that the frame rate is too low for evidence."""
        rate = self._rate.per_second()
        if (
            rate is not None
            and rate < LEAST_PER_SECOND
            and self._clock.monotonic() - self._since_s > SLOW_AFTER_S
            and not self._slow_logged
        ):
            self._slow_logged = True
            log.warning(
                "camera %s gives %.1f frames a second; evidence needs at least %.0f",
                f"{self._name}: its substream" if self._watches_substream else self._name,
                rate,
                LEAST_PER_SECOND,
            )

    def _say(self, note: str) -> None:
        """Log a note about the source, once as long as it is the same."""
        if note != self._said:
            self._said = note
            log.warning("camera %s: %s", self._name, note)

    @property
    def _watches_substream(self) -> bool:
        return self._substream is not None and self._substream.works

    def _on_substream(self, word: str) -> None:
        """Keep and log a change of the substream."""
        before = self._substream or SubstreamStatus()
        if word == RARE_KEY_FRAMES:
            if not before.rare_key_frames:
                log.warning("camera %s: %s", self._name, RARE_KEY_FRAMES_TEXT)
            self._substream = replace(before, rare_key_frames=True)
            return
        if word == WATCHED:
            if before.problem is not None:
                log.warning("camera %s: its substream is watched again", self._name)
            self._substream = replace(before, works=True, problem=None)
            return
        problem = substream_problem(word)
        if problem != before.problem:
            log.warning("camera %s: %s", self._name, problem)
        self._substream = replace(before, works=False, problem=problem)

    def _on_arrival(self, arrival: Arrival, *, first: bool) -> None:
        """Keep what a picture says about its stream; only the main one makes the camera live."""
        if not arrival.is_small:
            if first:
                self._connections += 1
                self._on_first_frame()
        elif self._substream is not None:
            self._substream = replace(self._substream, size=arrival.size)

    def _on_first_frame(self) -> None:
        self._slow_logged = False
        if self._problem is not None:
            log.warning("camera %s gives frames again", self._name)
        self._enter(CameraState.LIVE, None)
        self._rate = FrameRate()

    def _on_failure(self, why: str | ConfigError) -> None:
        if isinstance(why, ConfigError):
            code, text = "E_CAMERA_AUTH", f"camera {self._name}: {why.message}"
        else:
            code, what = PROBLEMS.get(why, PROBLEMS["lost"])
            text = f"camera {self._name} ({self._shown}): it {what}"
        problem = CameraError(text, code=code)
        # A camera that is off for a night is logged once, not at each attempt.
        if self._problem is None or self._problem.message != problem.message:
            log.warning("%s", problem)
        refused = code == "E_CAMERA_AUTH"
        self._enter(CameraState.REFUSED if refused else CameraState.AWAY, problem)

    def _enter(self, state: CameraState, problem: CameraError | None) -> None:
        if state is not self._state:
            self._since_s = self._clock.monotonic()
        self._state, self._problem = state, problem
        if state not in {CameraState.RESTING, CameraState.CLOSED}:
            self._opens_at = None
