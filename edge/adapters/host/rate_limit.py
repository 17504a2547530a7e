"""What may come in floods is said seldom: once in a while for each kind, the rest are counted."""

from __future__ import annotations

import threading
from collections.abc import Callable

SAY_EVERY_S = 60.0
"""Whoever may write to a box's topics must not fill its journal or its audit log."""


class RateLimit:
    """Lets each kind of event through once in a while; safe to use from several threads.

    Args:
        seconds: a clock, steady or not: a step lets something through sooner, never later.
        every_s: how long a kind is held back after one was let through, seconds.
    """

    def __init__(self, seconds: Callable[[], float], every_s: float = SAY_EVERY_S) -> None:
        self._seconds = seconds
        self._every_s = every_s
        self._lock = threading.Lock()
        self._kinds: dict[str, tuple[float, int]] = {}

    def passes(self, kind: str) -> bool:
        """Whether one of this kind may be said; it is counted if not.

        Args:
            kind: of a closed set, and nothing that came from outside.
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
        """Kinds whose time is over, each with how many were held back; they begin anew."""
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
