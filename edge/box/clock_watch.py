"""Compares the wall clock with the monotonic clock while cameras are open."""

from __future__ import annotations

import logging
from datetime import datetime

from edge.errors import EdgeError, PolicyError
from edge.pipeline.ports import Clock

MOST_OFF_S = 10.0
"""SI 2022/71 (UK) asks for a clock within 10 s over 14 days."""

STEP_S = 0.5
"""A larger difference between two checks is a step; slewing changes the clock by less."""

log = logging.getLogger(__name__)


class ClockWatch:
    """A condition of the gate: the wall clock has not gone back by more than 10 s.

    The box's own time never goes back. After a backward step of the wall clock it stays the same
    until the wall clock has caught up. Up to 10 s this is accurate enough for evidence. After a
    larger step it is unknown which of the two times is wrong, so the cameras are closed.

    Args:
        clock: the machine's clock, which may go back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: tuple[datetime, float] | None = None
        self.steps = 0

    def __call__(self, now: datetime) -> EdgeError | None:
        """Return why no camera may be open, or None.

        Args:
            now: the box's time, which never goes back.
        """
        utc, steady_s = self._clock.utc(), self._clock.monotonic()
        if self._last is not None:
            step_s = (utc - self._last[0]).total_seconds() - (steady_s - self._last[1])
            if abs(step_s) > STEP_S:
                self.steps += 1
                log.warning("the wall clock was stepped by %+.1f s", step_s)
        self._last = utc, steady_s
        behind_s = (now - utc).total_seconds()
        if behind_s <= MOST_OFF_S:
            return None
        return PolicyError(
            f"the wall clock is {behind_s:.0f} s behind the latest time of this box; synchronise "
            "it (NTP), or if the latest time was wrong, start again as a new box (docs/audit.md)",
            code="E_CLOCK",
        )
