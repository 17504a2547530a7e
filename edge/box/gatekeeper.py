"""Checks every second, while the box runs, whether cameras may be open.

A second thread watches the first: a check that hangs, for example in a file system that does not
answer, closes the cameras too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from edge.errors import EdgeError, PolicyError
from edge.policy.gate import Condition

CHECK_EVERY_S = 1.0
"""Cameras are closed within this time and that of one frame after a condition fails."""

MISSED_CHECKS = 3
"""After so many intervals without a completed check the cameras are closed."""

STOP_WITHIN_S = 2.0
"""How long a check that hangs may delay the end of the run."""

log = logging.getLogger(__name__)


class Gatekeeper:
    """Checks every condition before the start and each second after it.

    Args:
        conditions: at least one; the first that does not hold is reported.
        now: the wall clock, which never goes back.
        on_refusal: called from one of the gatekeeper's own threads with the refusal; once, unless a
            check that had hung is refused later.
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
        self._checks = 0
        self._threads = (
            threading.Thread(target=self._watch, name="gatekeeper", daemon=True),
            threading.Thread(target=self._watch_checks, name="gatekeeper-watch", daemon=True),
        )

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
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        """Whether both threads run, so that the conditions are still checked."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End the threads; a second call does nothing. A check that hangs is left behind."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(STOP_WITHIN_S)

    def _watch(self) -> None:
        while not self._stopping.wait(self._every_s):
            error = self.refusal()
            self._checks += 1
            if error is not None:
                self._refuse(error)
                return

    def _watch_checks(self) -> None:
        """Refuse when no check was completed for some intervals of this thread.

        Counted in intervals, not in time: when the whole process was stopped, both threads were.
        """
        seen, missed = self._checks, 0
        while not self._stopping.wait(self._every_s):
            missed = missed + 1 if self._checks == seen else 0
            seen = self._checks
            if missed == MISSED_CHECKS and self._threads[0].is_alive():
                self._refuse(
                    PolicyError(
                        f"the conditions for open cameras could not be checked for "
                        f"{MISSED_CHECKS * self._every_s:.0f} s; check the disk and the file "
                        "systems of this box",
                        code="E_GATE_STALLED",
                    )
                )
                return

    def _refuse(self, error: EdgeError) -> None:
        log.error("safe state: %s", error)
        self._on_refusal(error)
