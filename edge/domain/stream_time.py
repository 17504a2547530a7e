"""When a live frame was: the camera's time stamps, held against when its frames arrived.

A camera's clock is good for the distance between two frames and for nothing else. Where it
stands is learnt from arrivals: the network can make a frame late, never early, so the smallest
delay of the last seconds is the clock's offset.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 10.0
"""Offsets are looked at over so many seconds: a camera's clock drifts, and a route changes."""

BELIEVED_S = 0.1
"""A frame's time lies at most so far before its arrival, and never after it."""

STEP_S = 1e-3
"""Two frames are at least so far apart: time stamps that repeat do not stop the stream."""


class StreamTime:
    """Maps a stream's time stamps to the steady clock. One for each connection.

    A frame whose stamp is missing, repeats, runs backwards or jumps has the time of its arrival;
    no stamp moves a frame by more than `BELIEVED_S`.
    """

    def __init__(self) -> None:
        self._offsets: deque[tuple[float, float]] = deque()
        self._last_stamp_s: float | None = None
        self._last_s: float | None = None
        self.disbelieved = 0

    def of(self, stamp_s: float | None, arrival_s: float) -> float:
        """The next frame's time in seconds of the steady clock; later than the one before.

        Args:
            stamp_s: the stream's own time of the frame in seconds, None where it has none.
            arrival_s: when the frame arrived, by the steady clock; never smaller than before.
        """
        time_s = arrival_s if stamp_s is None else self._believed(stamp_s, arrival_s)
        if self._last_s is not None:
            time_s = max(time_s, self._last_s + STEP_S)
        self._last_s = time_s
        return time_s

    def _believed(self, stamp_s: float, arrival_s: float) -> float:
        before, self._last_stamp_s = self._last_stamp_s, stamp_s
        if before is not None and stamp_s <= before:
            # What was learnt of the camera's clock is worth nothing now.
            self.disbelieved += 1
            self._offsets.clear()
        offset = arrival_s - stamp_s
        # Larger offsets before this one can never be the smallest again; after a jump forwards
        # none is left.
        while self._offsets and self._offsets[-1][1] >= offset:
            self._offsets.pop()
        self._offsets.append((arrival_s, offset))
        while self._offsets[0][0] < arrival_s - WINDOW_S:
            self._offsets.popleft()
        return max(stamp_s + self._offsets[0][1], arrival_s - BELIEVED_S)


class FrameRate:
    """Frames per second as they arrive, over the last seconds; what a camera claims is not asked.

    Args:
        window_s: how far back is looked.
    """

    def __init__(self, window_s: float = 5.0) -> None:
        self._window_s = window_s
        self._arrivals: deque[float] = deque()

    def add(self, arrival_s: float) -> None:
        self._arrivals.append(arrival_s)
        while self._arrivals[0] < arrival_s - self._window_s:
            self._arrivals.popleft()

    def per_second(self) -> float | None:
        """None before there are two frames."""
        if len(self._arrivals) < 2:
            return None
        length_s = self._arrivals[-1] - self._arrivals[0]
        return (len(self._arrivals) - 1) / length_s if length_s > 0 else None


FIRST_MINUTE_S = 60.0
SOON_S = 1.0
LATER_S = 10.0
REFUSED_S = 60.0
"""A camera that refuses the password is asked seldom: many lock out whoever asks often."""


def retry_delay_s(outage_s: float, jitter: float, *, refused: bool = False) -> float:
    """How long to wait before the next attempt, in seconds.

    Args:
        outage_s: how long the camera has been away.
        jitter: 0 to 1, drawn anew each time, so that many boxes do not come back in step.
        refused: whether it refused user name or password.
    """
    longest = REFUSED_S if refused else SOON_S if outage_s < FIRST_MINUTE_S else LATER_S
    return longest * (0.5 + 0.5 * jitter)
