"""How signals end a run early."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Reload(KeyboardInterrupt):
    """Raised by a signal handler to stop cleanly and run again with reloaded site files.

    The run does not wait for deliveries, and does not report a stop to the service manager.
    """


@contextlib.contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Let no signal interrupt the block; yields the numbers of Ctrl-C and SIGTERM that came.

    SIGHUP is ignored meanwhile.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
