"""A live camera: a supervised decoder process, restarted on failure.

Each connection has a process of its own (`edge.adapters.cameras.decoder_process`). A process that
hangs is killed. The next one starts during the back-off and loads its libraries then, so that it
connects at once when the camera answers again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

import numpy as np

from edge.adapters.cameras.decoder import (
    CELLS,
    END,
    FRAME,
    NOTE,
    UNWANTED,
    WANTED,
    DecoderRequest,
)
from edge.adapters.cameras.decoder_process import (
    CameraClosedError,
    ConnectionCutError,
    DecoderProcess,
)
from edge.domain.imaging import Frame, Pixels
from edge.domain.motion import Cells
from edge.domain.schedule import closed_until
from edge.domain.stream_time import FrameRate, StreamTime, retry_delay_s
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


class CameraState(Enum):
    """The states of a live camera."""

    CONNECTING = "connecting"
    LIVE = "live"
    AWAY = "away"
    REFUSED = "refused"
    RESTING = "resting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """The status of a camera at one moment; it holds no address.

    Attributes:
        state: the camera's state.
        problem: why it gives no frames; None while it does.
        since_s: when it entered this state, on the monotonic clock, seconds.
        connections: how often it was connected and gave a first frame.
        per_second: frames per second as they arrive, None before it is known.
        size: width and height of the latest frame.
        unwanted: complete frames so far that were not selected for analysis.
        opens_at: when its hours start next, in the policy's zone, if it is closed outside them or
            was when it was closed for good; else None.
    """

    state: CameraState
    problem: CameraError | None
    since_s: float
    connections: int
    per_second: float | None
    size: tuple[int, int] | None
    unwanted: int
    opens_at: datetime | None = None

    @property
    def works(self) -> bool:
        """Whether it gives frames, or is closed outside the policy's hours."""
        return self.state in {CameraState.LIVE, CameraState.RESTING}


_PROBLEMS = {
    "refused-password": (
        "E_CAMERA_AUTH",
        "refuses user name or password; correct username and the password's file or variable",
    ),
    "refused": ("E_CAMERA_UNREACHABLE", "refuses the connection; check port and camera"),
    "no-name": ("E_CAMERA_UNREACHABLE", "has a host name that does not resolve; check its address"),
    "unreachable": ("E_CAMERA_UNREACHABLE", "cannot be reached; check address and network"),
    "silent": ("E_CAMERA_SILENT", "gives no frame; check the camera and its network"),
    "lost": ("E_CAMERA_LOST", "closed the connection; it is tried again"),
    "ended": ("E_CAMERA_LOST", "ended its stream; it is tried again"),
    "broken": ("E_CAMERA_LOST", "sends data that is not video; check the camera and its network"),
    "no-stream": ("E_CAMERA_STREAM", "has no video at this address; check its path"),
    "no-such-stream": (
        "E_CAMERA_STREAM",
        "has no video stream of the number in cameras.<name>.stream; correct it in site.yaml",
    ),
    "no-video": ("E_CAMERA_STREAM", "sends a stream without pictures; check its path"),
    "no-device": ("E_CAMERA_DEVICE", "is missing, or is not a camera; check cable and device name"),
    "no-permission": (
        "E_CAMERA_DEVICE",
        "cannot be opened by this user; add the user to the device's group",
    ),
    "busy": ("E_CAMERA_DEVICE", "is used by another program; stop that one"),
    "no-gstreamer": ("E_CAMERA_PIPELINE", "needs gst-launch-1.0; install gstreamer1.0-tools"),
    "not-decoded": (
        "E_CAMERA_PIPELINE",
        "sends video that the pipeline in `decoder` does not decode; correct it, or leave it out",
    ),
    "untrusted": (
        "E_CAMERA_CERTIFICATE",
        "has a certificate that is not trusted; name its authority, or the certificate, in tls_ca",
    ),
    "expired": (
        "E_CAMERA_CERTIFICATE",
        "has a certificate that is not valid today; renew it, and check the clock of this box",
    ),
    "wrong-name": (
        "E_CAMERA_CERTIFICATE",
        "has a certificate for another name; correct the address, or set the name in tls_name",
    ),
    "no-tls": ("E_CAMERA_CERTIFICATE", "does not speak TLS at this port; correct the address"),
    "no-verification": (
        "E_CAMERA_CERTIFICATE",
        "cannot be verified by this build of FFmpeg, which lacks GnuTLS; install PyAV's own wheel",
    ),
    "crashed": ("E_CAMERA_LOST", "made the decoder crash; it is tried again"),
}


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
        self._unwanted = 0
        self._corrupt = 0
        self._index = 0
        self._connections = 0
        self._rate = FrameRate()
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
        )

    def ask(self, wants: Callable[[Cells, float], bool]) -> None:
        """Yield only selected frames, the others stay in the decoder; call this before `frames`.

        Args:
            wants: whether a frame is selected. Gets the cell means and the `stream_s` of each frame
                in order, in the thread that iterates over `frames`.
        """
        self._wants = wants

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
        decoder.begin(replace(self._request(), asking=self._wants is not None))
        deadline_s = time.monotonic() + STARTUP_S + self._connect_s
        times = StreamTime()
        first = True
        while True:
            message = decoder.message(deadline_s, self._closing)
            self._corrupt += message.corrupt
            self._index += message.corrupt
            if message.kind == NOTE:
                self._say(decoder.word(message, deadline_s, self._closing))
                continue
            if message.kind == END:
                raise ConnectionCutError(decoder.word(message, deadline_s, self._closing))
            if message.kind != (FRAME if self._wants is None else CELLS):
                raise ConnectionCutError("broken")
            body = decoder.read(message.body_bytes, deadline_s, self._closing)
            now_s = time.monotonic()
            deadline_s = now_s + self._stale_s
            time_s = times.frame_time_s(message.stamp_s, min(message.arrival_s, now_s))
            if first:
                first = False
                self._connections += 1
                self._on_first_frame()
            self._rate.add(time_s)
            self._size = (message.width, message.height)
            observed_at = self._observed_at(time_s)
            if self._hours is not None and not self._hours.is_active(observed_at):
                raise _OutsideHoursError
            self._watch_rate(now_s)
            index = self._index
            self._index += 1
            if self._wants is not None:
                cells = np.frombuffer(body, np.float32)
                if not self._wants(cells.reshape(message.body_shape), time_s):
                    self._unwanted += 1
                    decoder.tell(UNWANTED)
                    continue
                decoder.tell(WANTED)
                message = decoder.message(deadline_s, self._closing)
                if (message.kind, (message.width, message.height)) != (FRAME, self._size):
                    raise ConnectionCutError("broken")
                body = decoder.read(message.body_bytes, deadline_s, self._closing)
            pixels: Pixels = np.frombuffer(body, np.uint8).reshape(message.body_shape)
            yield Frame(
                camera=self._name,
                index=index,
                stream_s=time_s,
                observed_at=observed_at,
                pixels=pixels,
                selected=self._wants is not None,
            )

    def _observed_at(self, time_s: float) -> datetime:
        """The wall-clock time of a moment on the monotonic clock; it never goes back."""
        moment = self._clock.utc() - timedelta(seconds=self._clock.monotonic() - time_s)
        if self._observed is not None:
            moment = max(moment, self._observed)
        self._observed = moment
        return moment

    def _watch_rate(self, now_s: float) -> None:
        """Log once for each connection that the frame rate is too low for evidence."""
        rate = self._rate.per_second()
        if (
            rate is not None
            and rate < LEAST_PER_SECOND
            and now_s - self._since_s > SLOW_AFTER_S
            and not self._slow_logged
        ):
            self._slow_logged = True
            log.warning(
                "camera %s gives %.1f frames a second; evidence needs at least %.0f",
                self._name,
                rate,
                LEAST_PER_SECOND,
            )

    def _say(self, note: str) -> None:
        """Log a note about the source, once as long as it is the same."""
        if note != self._said:
            self._said = note
            log.warning("camera %s: %s", self._name, note)

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
            code, what = _PROBLEMS.get(why, _PROBLEMS["lost"])
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
