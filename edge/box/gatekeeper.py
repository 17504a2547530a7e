"""Checks every second, while the box runs, whether cameras may be open."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from edge.errors import EdgeError, PolicyError
from edge.policy.gate import Condition

CHECK_EVERY_S = 1.0
"""Cameras are closed within this time and that of one frame after a condition fails."""

log = logging.getLogger(__name__)


class Gatekeeper:
    """Checks every condition before the start and each second after it.

    Args:
        conditions: at least one; the first that does not hold is reported.
        now: the wall clock, which never goes back.
        on_refusal: called once, from the gatekeeper's own thread, with the refusal.
        every_s: seconds between two checks.

    Raises:
        ValueError: there is no condition, so the gate would always be open.
    """

    def __init__(
        self,
        conditions: Sequence[Condition],
        now: Callable[[], datetime],
        on_refusal: Callable[[EdgeError], None],
        *,
        every_s: float = CHECK_EVERY_S,
    ) -> None:
        if not conditions:
            message = "a gate without conditions would always be open"
            raise ValueError(message)
        self._conditions = tuple(conditions)
        self._now = now
        self._on_refusal = on_refusal
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gatekeeper", daemon=True)

    def refusal(self) -> EdgeError | None:
        """Return why no camera may be open now, or None; a failed check counts as a refusal."""
        try:
            now = self._now()
            for condition in self._conditions:
                error = condition(now)
                if error is not None:
                    return error
        except EdgeError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a bug here must shut the cameras, not leave them open
            # The text of any other exception could quote a plate.
            return PolicyError(f"the gate could not be judged ({type(error).__name__})")
        return None

    def require_open(self) -> None:
        """Raise the refusal, if there is one.

        Raises:
            EdgeError: a condition does not hold.
        """
        error = self.refusal()
        if error is not None:
            raise error

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread runs, so that the conditions are still checked."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the thread; a second call does nothing."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(self._every_s):
            error = self.refusal()
            if error is not None:
                log.error("safe state: %s", error)
                self._on_refusal(error)
                return
