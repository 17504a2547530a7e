"""One decoder process (`edge.adapters.cameras.decoder`) and the pipe that carries its messages.

The process is killed when it is no longer needed or no longer answers. That frees its memory, its
threads and its descriptors.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from edge.adapters.cameras.decoder_messages import (
    CELLS,
    FRAME,
    HEADER,
    LONGEST_TEXT,
    SMALL_CELLS,
    DecoderRequest,
)
from edge.domain.motion import cells_shape

POLL_S = 0.2
"""How often a thread that waits for a silent camera checks whether it is to end."""

MAX_SIDE = 16384
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031


class ConnectionCutError(Exception):
    """The connection has ended; the text is one word that says why."""


class CameraClosedError(Exception):
    """The camera was closed by its owner."""


@dataclass(frozen=True, slots=True)
class DecoderMessage:
    """The header of a message from the decoder; `stamp_s` is None where the source gave none."""

    kind: bytes
    width: int
    height: int
    corrupt: int
    passed_over: int
    stamp_s: float | None
    arrival_s: float

    @property
    def body_shape(self) -> tuple[int, ...]:
        """Shape of the message's body: pixels, cell means, or the bytes of a word."""
        if self.kind == FRAME:
            return self.height, self.width, 3
        if self.kind in (CELLS, SMALL_CELLS):
            return cells_shape(self.height, self.width)
        return (self.width,)

    @property
    def body_bytes(self) -> int:
        return math.prod(self.body_shape) * (4 if self.kind in (CELLS, SMALL_CELLS) else 1)


class DecoderProcess:
    """One decoder process and the pipe that its frames come through."""

    def __init__(self) -> None:
        self._pipe, theirs = os.pipe()
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
        with contextlib.suppress(OSError):  # no process can be started: it is tried again
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, no shell
                [sys.executable, "-m", "edge.adapters.cameras.decoder", str(theirs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # a library's messages may hold the address
                pass_fds=(theirs,),
                env=_environment(),
                cwd="/",
                start_new_session=True,  # so that its child processes are killed with it
            )
        os.close(theirs)

    def begin(self, request: DecoderRequest) -> None:
        """Send the request on standard input: other users can see arguments and environment."""
        self.tell(request.line())

    def tell(self, what: bytes) -> None:
        """Write to its standard input; if the process has ended, the next `read` reports it."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(what)
                self._process.stdin.flush()

    def message(self, deadline_s: float, closing: threading.Event) -> DecoderMessage:
        """The next header.

        Raises:
            ConnectionCutError: it is invalid, the process has ended, or the deadline has passed.
            CameraClosedError: `closing` is set.
        """
        kind, width, height, corrupt, passed_over, stamp_s, arrival_s = HEADER.unpack(
            self.read(HEADER.size, deadline_s, closing)
        )
        has_picture = kind in (FRAME, CELLS, SMALL_CELLS)
        sides = (width, height) if has_picture else (width,)
        longest = MAX_SIDE if has_picture else LONGEST_TEXT
        if not all(0 < side <= longest for side in sides):
            raise ConnectionCutError("broken")
        stamp = None if math.isnan(stamp_s) else stamp_s
        return DecoderMessage(kind, width, height, corrupt, passed_over, stamp, arrival_s)

    def word(self, message: DecoderMessage, deadline_s: float, closing: threading.Event) -> str:
        """The text of a note, or why the source ended; raises as `read` does."""
        return self.read(message.body_bytes, deadline_s, closing).decode("ascii", "replace")

    def read(self, count: int, deadline_s: float, closing: threading.Event) -> bytearray:
        """Read this many bytes.

        Raises:
            ConnectionCutError: the process has ended, or the deadline has passed.
            CameraClosedError: `closing` is set.
        """
        data = bytearray(count)
        view = memoryview(data)
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        while view:
            left_s = deadline_s - time.monotonic()
            if closing.is_set():
                raise CameraClosedError
            if left_s <= 0:
                raise ConnectionCutError("silent")
            if not poll.poll(1000 * min(left_s, POLL_S)):
                continue
            got = os.readv(self._pipe, [view])
            if got == 0:
                raise ConnectionCutError("crashed")
            view = view[got:]
        return data

    def kill(self) -> None:
        """Kill the process and its child processes; a second call does nothing."""
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
        # A process that hangs in a driver ends only when the driver's call returns.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)


def _environment() -> dict[str, str]:
    """The variables that a decoder needs; passwords and keys are not among them."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR"} or name.startswith("GST_")
    }
    root = str(Path(__file__).resolve().parents[3])
    given = os.environ.get("PYTHONPATH")
    return {**kept, "PYTHONPATH": f"{root}{os.pathsep}{given}" if given else root}
