"""A live camera: a decoder process that is started anew for ever, watched and cut off.

Each connection is a process (`edge.adapters.cameras.decoder`), so whatever it held, memory,
threads and descriptors, is gone with it, and a hung one is killed. The next process is started
while the back-off runs: once the camera answers nothing is left to be loaded.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

import numpy as np

from edge.adapters.cameras.decoder import (
    END,
    FRAME,
    GLANCE,
    HEADER,
    UNWANTED,
    WANTED,
    DecoderRequest,
)
from edge.domain.imaging import Frame, Pixels
from edge.domain.motion import Cells, cells_shape
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
"""How often a camera that may not be open looks whether it may."""

LEAST_PER_SECOND = 5.0
"""SI 2022/71 (UK) asks for so many frames a second, each numbered and timed."""

LOOK_S = 0.2
"""How often a silent camera's thread looks whether it is to end."""

MAX_SIDE = 16384
_LONGEST_WORD = 64
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031

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
        unwanted: whole frames that nobody wanted to look at, so far.
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


class _CutError(Exception):
    """A connection is over; the word says why."""


class _RestError(Exception):
    """The camera may not be open any longer."""


class _ClosedError(Exception):
    """The camera was closed by its owner."""


class LiveCamera:
    """A camera on a network, a cable or a pipeline, as a stream of frames that never ends.

    A frame's `stream_s` is the box's steady clock, so gaps in the stream are gaps in it, and
    `observed_at` is that moment on the wall clock. `index` counts all frames that arrived, so
    frames that were dropped as corrupt, or that nobody wanted, show as gaps.

    Args:
        name: the policy's camera.
        shown: what messages call its address: no user, no password, no path.
        order: what to open, asked anew for each connection: a password may have changed.
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
        order: Callable[[], DecoderRequest],
        *,
        clock: Clock,
        jitter: Callable[[], float],
        open_at: Callable[[datetime], bool] = lambda _moment: True,
        stale_s: float = STALE_S,
        connect_s: float = CONNECT_S,
    ) -> None:
        self._name = name
        self._shown = shown
        self._order = order
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
        """What progress and summaries call it."""
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
        """Before `frames`: give only frames that are wanted; the others stay in the decoder.

        Args:
            wants: gets the means of a frame's cells and its `stream_s`, in order, in the thread
                that takes the frames.
        """
        self._wants = wants

    def close(self) -> None:
        """From any thread: cut the camera off; `frames` ends within `LOOK_S`. For good."""
        self._closing.set()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `close`; a camera that is away is waited for."""
        lost_s = self._clock.monotonic()
        decoder = _Decoder()
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
                except _ClosedError:
                    return
                except _RestError:
                    decoder.kill()
                    decoder = _Decoder()
                    continue
                except _CutError as cut:
                    word = str(cut)
                except ConfigError as error:  # the password is no longer where it was
                    word = error
                decoder.kill()
                if self._connections > connections:
                    lost_s = self._clock.monotonic()
                self._away(word)
                decoder = _Decoder()
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

    def _connection(self, decoder: _Decoder) -> Iterator[Frame]:
        decoder.begin(replace(self._order(), asking=self._wants is not None))
        deadline_s = time.monotonic() + STARTUP_S + self._connect_s
        times = StreamTime()
        first = True
        while True:
            message = decoder.message(deadline_s, self._closing)
            self._corrupt += message.corrupt
            self._index += message.corrupt
            if message.kind == END:
                raise _CutError(decoder.word(message, deadline_s, self._closing))
            if message.kind != (FRAME if self._wants is None else GLANCE):
                raise _CutError("broken")
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
                    raise _CutError("broken")
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
        """A moment of the steady clock on the wall clock, never before the frame before."""
        moment = self._clock.utc() - timedelta(seconds=self._clock.monotonic() - time_s)
        if self._observed is not None:
            moment = max(moment, self._observed)
        self._observed = moment
        return moment

    def _watch_rate(self, now_s: float) -> None:
        """Say once for each connection that a camera is too slow for evidence."""
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


@dataclass(frozen=True, slots=True)
class _Message:
    """The header of what a decoder says; `stamp_s` is None where the source gave none."""

    kind: bytes
    width: int
    height: int
    corrupt: int
    stamp_s: float | None
    arrival_s: float

    @property
    def body_shape(self) -> tuple[int, ...]:
        """Of what follows: pixels, means of cells, or the bytes of a word."""
        if self.kind == FRAME:
            return self.height, self.width, 3
        return cells_shape(self.height, self.width) if self.kind == GLANCE else (self.width,)

    @property
    def body_bytes(self) -> int:
        return math.prod(self.body_shape) * (4 if self.kind == GLANCE else 1)


class _Decoder:
    """One decoder process and the pipe that its frames come through."""

    def __init__(self) -> None:
        self._pipe, theirs = os.pipe()
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
        with contextlib.suppress(OSError):  # the box is out of processes: it is tried again
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, no shell
                [sys.executable, "-m", "edge.adapters.cameras.decoder", str(theirs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # a library's words may hold the address
                pass_fds=(theirs,),
                env=_environment(),
                cwd="/",
                start_new_session=True,  # so that what it starts is killed with it
            )
        os.close(theirs)

    def begin(self, order: DecoderRequest) -> None:
        """Tell it what to open; on standard input, which nobody else can see."""
        self.tell(order.line())

    def tell(self, what: bytes) -> None:
        """Say something on its standard input; if it is gone, the next `read` finds out."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(what)
                self._process.stdin.flush()

    def message(self, deadline_s: float, closing: threading.Event) -> _Message:
        """The next header.

        Raises:
            _CutError: it makes no sense, the process is gone, or the deadline has come.
            _ClosedError: `closing` is set.
        """
        kind, width, height, corrupt, stamp_s, arrival_s = HEADER.unpack(
            self.read(HEADER.size, deadline_s, closing)
        )
        sides = (width, height) if kind in (FRAME, GLANCE) else (width,)
        if not all(0 < side <= (_LONGEST_WORD if kind == END else MAX_SIDE) for side in sides):
            raise _CutError("broken")
        stamp = None if math.isnan(stamp_s) else stamp_s
        return _Message(kind, width, height, corrupt, stamp, arrival_s)

    def word(self, message: _Message, deadline_s: float, closing: threading.Event) -> str:
        """Why the source ended; raises as `read` does."""
        return self.read(message.body_bytes, deadline_s, closing).decode("ascii", "replace")

    def read(self, count: int, deadline_s: float, closing: threading.Event) -> bytearray:
        """So many bytes.

        Raises:
            _CutError: the process is gone, or the deadline has come.
            _ClosedError: `closing` is set.
        """
        data = bytearray(count)
        view = memoryview(data)
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        while view:
            left_s = deadline_s - time.monotonic()
            if closing.is_set():
                raise _ClosedError
            if left_s <= 0:
                raise _CutError("silent")
            if not poll.poll(1000 * min(left_s, LOOK_S)):
                continue
            got = os.readv(self._pipe, [view])
            if got == 0:
                raise _CutError("crashed")
            view = view[got:]
        return data

    def kill(self) -> None:
        """Cut it off, with all that it started; a second call does nothing."""
        if self._pipe < 0:
            return
        os.close(self._pipe)
        self._pipe = -1
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        # A process that hangs in a driver dies when the driver lets go.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)


def _environment() -> dict[str, str]:
    """What a decoder needs of the environment: no password, no key."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR"} or name.startswith("GST_")
    }
    root = str(Path(__file__).resolve().parents[3])
    given = os.environ.get("PYTHONPATH")
    return {**kept, "PYTHONPATH": f"{root}{os.pathsep}{given}" if given else root}
