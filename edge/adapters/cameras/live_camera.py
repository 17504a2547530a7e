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

import numpy as np

from edge.adapters.cameras.decoder import END, FRAME, GLANCE, UNWANTED, WANTED, DecoderRequest
from edge.adapters.cameras.decoder_process import (
    CameraClosedError,
    ConnectionCutError,
    DecoderProcess,
)
from edge.domain.imaging import Frame, Pixels
from edge.domain.motion import Cells
from edge.domain.stream_time import FrameRate, StreamTime, retry_delay_s
from edge.errors import CameraError, ConfigError
from edge.pipeline.ports import Clock

STALE_S = 4.5
"""A camera that gave no good frame for so long is cut off; detected within 5 s."""

CONNECT_S = 10.0
"""The same before its first frame: address, handshake, and the wait for a key frame."""

STARTUP_S = 20.0
"""How long a decoder process may take to load its libraries on a busy box."""

SLOW_AFTER_S = 10.0
"""How long a connection's rate is watched before it is judged."""

REST_S = 1.0
"""How often a camera that may not be open asks whether it may."""

LEAST_PER_SECOND = 5.0
"""SI 2022/71 (UK) asks for so many frames a second, each numbered and timed."""


log = logging.getLogger(__name__)


class CameraState(Enum):
    """What a camera does."""

    CONNECTING = "connecting"
    LIVE = "live"
    AWAY = "away"
    REFUSED = "refused"
    RESTING = "resting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """A camera at one moment; it holds no address.

    Attributes:
        state: what it does.
        problem: why it gives no frames; None while it does.
        since_s: since when it has been in this state, steady clock.
        connections: how often it has given a first frame; one less is how often it came back.
        per_second: frames per second as they arrive, None before it is known.
        size: width and height of the latest frame.
        unwanted: whole frames so far in which nothing was to be looked at.
    """

    state: CameraState
    problem: CameraError | None
    since_s: float
    connections: int
    per_second: float | None
    size: tuple[int, int] | None
    unwanted: int

    @property
    def works(self) -> bool:
        """Whether it gives frames, or rests because the policy says so."""
        return self.state in {CameraState.LIVE, CameraState.RESTING}


_PROBLEMS = {
    "refused-password": (
        "E_CAMERA_AUTH",
        "refuses user name or password; correct username and the password's file or variable",
    ),
    "refused": ("E_CAMERA_UNREACHABLE", "refuses the connection; check port and camera"),
    "no-name": ("E_CAMERA_UNREACHABLE", "has a name that does not resolve; check it"),
    "unreachable": ("E_CAMERA_UNREACHABLE", "cannot be reached; check address and network"),
    "silent": ("E_CAMERA_SILENT", "gives no frame; check the camera and its network"),
    "lost": ("E_CAMERA_LOST", "broke the connection off; it is tried again"),
    "ended": ("E_CAMERA_LOST", "ended its stream; it is tried again"),
    "broken": ("E_CAMERA_LOST", "sends what is no video; check the camera and its network"),
    "no-stream": ("E_CAMERA_STREAM", "has no video at this address; check its path"),
    "no-video": ("E_CAMERA_STREAM", "sends a stream without pictures; check its path"),
    "no-device": ("E_CAMERA_DEVICE", "is not there, or is no camera; check cable and name"),
    "no-permission": ("E_CAMERA_DEVICE", "may not be opened; put this user in its group"),
    "busy": ("E_CAMERA_DEVICE", "is used by another program; stop that one"),
    "no-gstreamer": ("E_CAMERA_PIPELINE", "needs gst-launch-1.0; install gstreamer1.0-tools"),
    "untrusted": (
        "E_CAMERA_CERTIFICATE",
        "shows a certificate of nobody trusted; name its authority, or itself, with tls_ca",
    ),
    "expired": (
        "E_CAMERA_CERTIFICATE",
        "shows a certificate that is not valid today; renew it, and check the clock of this box",
    ),
    "wrong-name": (
        "E_CAMERA_CERTIFICATE",
        "shows another name's certificate; correct the address, or give the name with tls_name",
    ),
    "no-tls": ("E_CAMERA_CERTIFICATE", "does not speak TLS at this port; correct the address"),
    "no-verification": (
        "E_CAMERA_CERTIFICATE",
        "cannot be verified by this build of FFmpeg, which lacks GnuTLS; install PyAV's own wheel",
    ),
    "crashed": ("E_CAMERA_LOST", "made the decoder crash; it is tried again"),
}


class _RestError(Exception):
    """The camera may not be open any longer."""


class LiveCamera:
    """A camera on a network, a cable or a pipeline, as an endless stream of frames.

    A frame's `stream_s` is the box's steady clock, so gaps in the stream are gaps in it, and
    `observed_at` is that moment on the wall clock. `index` counts all frames that arrived, so
    frames that were dropped as corrupt, or that nobody wanted, show as gaps.

    Args:
        name: the policy's camera.
        shown: its address for messages, without user, password and path.
        request: returns what to open; called for each connection, as a password may change.
        clock: the box's.
        jitter: gives numbers from 0 to 1.
        open_at: whether it may be open at a moment; outside it is not even connected to.
        stale_s: how long it may give no good frame, seconds.
        connect_s: the same before its first frame.
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
        open_at: Callable[[datetime], bool] = lambda _moment: True,
        stale_s: float = STALE_S,
        connect_s: float = CONNECT_S,
    ) -> None:
        self._name = name
        self._shown = shown
        self._request = request
        self._clock = clock
        self._jitter = jitter
        self._open_at = open_at
        self._called_slow = False
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
        """Its name in progress bars and summaries."""
        return self._name

    @property
    def corrupt_frames(self) -> int:
        """Frames that could not be decoded whole and were skipped so far."""
        return self._corrupt

    def status(self) -> CameraStatus:
        """How it is now; may be asked from any thread."""
        live = self._state is CameraState.LIVE
        return CameraStatus(
            self._state,
            self._problem,
            self._since_s,
            self._connections,
            self._rate.per_second() if live else None,
            self._size,
            self._unwanted,
        )

    def ask(self, wants: Callable[[Cells, float], bool]) -> None:
        """Give only frames that are wanted, the others stay in the decoder; call before `frames`.

        Args:
            wants: gets the means of a frame's cells and its `stream_s`, in order, in the thread
                that takes the frames.
        """
        self._wants = wants

    def close(self) -> None:
        """Close the camera for good, from any thread; `frames` ends within `LOOK_S`."""
        self._closing.set()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `close`; while the camera is away, wait for it."""
        lost_s = self._clock.monotonic()
        decoder = DecoderProcess()
        try:
            while not self._closing.is_set():
                if not self._open_at(self._clock.utc()):
                    self._enter(CameraState.RESTING, None)
                    self._closing.wait(REST_S)
                    continue
                connections = self._connections
                word: str | ConfigError
                try:
                    yield from self._connection(decoder)
                except CameraClosedError:
                    return
                except _RestError:
                    decoder.kill()
                    decoder = DecoderProcess()
                    continue
                except ConnectionCutError as cut:
                    word = str(cut)
                except ConfigError as error:  # the password is no longer where it was
                    word = error
                decoder.kill()
                if self._connections > connections:
                    lost_s = self._clock.monotonic()
                self._away(word)
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

    def _connection(self, decoder: DecoderProcess) -> Iterator[Frame]:
        decoder.begin(replace(self._request(), asking=self._wants is not None))
        deadline_s = time.monotonic() + STARTUP_S + self._connect_s
        times = StreamTime()
        first = True
        while True:
            message = decoder.message(deadline_s, self._closing)
            self._corrupt += message.corrupt
            self._index += message.corrupt
            if message.kind == END:
                raise ConnectionCutError(decoder.word(message, deadline_s, self._closing))
            if message.kind != (FRAME if self._wants is None else GLANCE):
                raise ConnectionCutError("broken")
            body = decoder.read(message.body_bytes, deadline_s, self._closing)
            now_s = time.monotonic()
            deadline_s = now_s + self._stale_s
            time_s = times.frame_time_s(message.stamp_s, min(message.arrival_s, now_s))
            if first:
                first = False
                self._connections += 1
                self._back()
            self._rate.add(time_s)
            self._size = (message.width, message.height)
            observed_at = self._observed_at(time_s)
            if not self._open_at(observed_at):
                raise _RestError
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
        """The wall-clock time of a moment of the steady clock; it never goes back."""
        moment = self._clock.utc() - timedelta(seconds=self._clock.monotonic() - time_s)
        if self._observed is not None:
            moment = max(moment, self._observed)
        self._observed = moment
        return moment

    def _watch_rate(self, now_s: float) -> None:
        """Log once for each connection that a camera is too slow for evidence."""
        rate = self._rate.per_second()
        if (
            rate is not None
            and rate < LEAST_PER_SECOND
            and now_s - self._since_s > SLOW_AFTER_S
            and not self._called_slow
        ):
            self._called_slow = True
            log.warning(
                "camera %s gives %.1f frames a second; %.0f are the least for evidence",
                self._name,
                rate,
                LEAST_PER_SECOND,
            )

    def _back(self) -> None:
        self._called_slow = False
        if self._problem is not None:
            log.warning("camera %s gives frames again", self._name)
        self._enter(CameraState.LIVE, None)
        self._rate = FrameRate()

    def _away(self, why: str | ConfigError) -> None:
        if isinstance(why, ConfigError):
            code, text = "E_CAMERA_AUTH", f"camera {self._name}: {why.message}"
        else:
            code, what = _PROBLEMS.get(why, _PROBLEMS["lost"])
            text = f"camera {self._name} ({self._shown}): it {what}"
        problem = CameraError(text, code=code)
        # A camera that is away for a night says so once, not at each attempt.
        if self._problem is None or self._problem.message != problem.message:
            log.warning("%s", problem)
        refused = code == "E_CAMERA_AUTH"
        self._enter(CameraState.REFUSED if refused else CameraState.AWAY, problem)

    def _enter(self, state: CameraState, problem: CameraError | None) -> None:
        if state is not self._state:
            self._since_s = self._clock.monotonic()
        self._state, self._problem = state, problem
