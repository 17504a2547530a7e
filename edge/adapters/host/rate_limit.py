"""Rate-limits repeated events: one of each kind at a time passes, the others are counted."""

from __future__ import annotations

import threading
from collections.abc import Callable

LOG_INTERVAL_S = 60.0
"""A sender of messages must not be able to fill the box's journal or its audit log."""


class RateLimit:
    """Lets one event of each kind pass per interval; safe to use from several threads.

    Args:
        seconds: a clock, monotonic or not; after a step an event passes earlier, never later.
        every_s: the interval, seconds.
    """

    def __init__(self, seconds: Callable[[], float], every_s: float = LOG_INTERVAL_S) -> None:
        self._seconds = seconds
        self._every_s = every_s
        self._lock = threading.Lock()
        self._kinds: dict[str, tuple[float, int]] = {}

    def passes(self, kind: str) -> bool:
        """Whether an event of this kind passes; it is counted if not.

        Args:
            kind: one of a closed set of names, never text from outside.
        """
        now = self._seconds()
        with self._lock:
            since, held = self._kinds.get(kind, (None, 0))
            if since is None or abs(now - since) >= self._every_s:
                self._kinds[kind] = (now, 0)
                return True
            self._kinds[kind] = (since, held + 1)
            return False

    def over(self) -> list[tuple[str, int]]:
        """Kinds whose interval is over, each with its count of suppressed events; resets them."""
        now = self._seconds()
        with self._lock:
            ended = [
                (kind, held)
                for kind, (since, held) in self._kinds.items()
                if abs(now - since) >= self._every_s
            ]
            for kind, _ in ended:
                del self._kinds[kind]
        return [(kind, held) for kind, held in ended if held]
