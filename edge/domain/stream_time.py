"""Time of live frames, from the camera's timestamps and the arrival times.

A camera's clock gives the interval between two frames but not the absolute time. Its offset is
estimated from the arrivals: the network can delay a frame but never deliver it early, so the
smallest delay of the last seconds is the offset.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 10.0
"""Window for the smallest offset, in seconds: clocks drift and network routes change."""

MAX_CORRECTION_S = 0.1
"""A frame's time is at most this many seconds before its arrival."""

MIN_STEP_S = 1e-3
"""Smallest difference between two frames in seconds, so that repeated timestamps do no harm."""


class StreamTime:
    """Maps a stream's timestamps to the monotonic clock. One instance for each connection.

    A frame whose timestamp is missing, repeats, runs backwards or jumps gets its arrival time. No
    timestamp moves a frame by more than `MAX_CORRECTION_S`.

    Attributes:
        rejected_timestamps: how often a timestamp was not later than the one before.
    """

    def __init__(self) -> None:
        self._offsets: deque[tuple[float, float]] = deque()
        self._last_timestamp_s: float | None = None
        self._last_s: float | None = None
        self.rejected_timestamps = 0

    def frame_time_s(self, timestamp_s: float | None, arrival_s: float) -> float:
        """The time of the next frame in seconds of the monotonic clock; always later than the last.

        Args:
            timestamp_s: the stream's own timestamp in seconds, None if the frame has none.
            arrival_s: arrival time in seconds of the monotonic clock; never smaller than before.
        """
        time_s = (
            arrival_s if timestamp_s is None else self._corrected_time_s(timestamp_s, arrival_s)
        )
        if self._last_s is not None:
            time_s = max(time_s, self._last_s + MIN_STEP_S)
        self._last_s = time_s
        return time_s

    def _corrected_time_s(self, timestamp_s: float, arrival_s: float) -> float:
        """The timestamp plus the estimated clock offset, limited to `MAX_CORRECTION_S`."""
        before, self._last_timestamp_s = self._last_timestamp_s, timestamp_s
        if before is not None and timestamp_s <= before:
            # The camera's clock was reset or stopped, so its earlier offsets are invalid.
            self.rejected_timestamps += 1
            self._offsets.clear()
        offset = arrival_s - timestamp_s
        # Earlier offsets that are larger can never be the minimum again (sliding minimum).
        # After a jump forwards none of them is left.
        while self._offsets and self._offsets[-1][1] >= offset:
            self._offsets.pop()
        self._offsets.append((arrival_s, offset))
        while self._offsets[0][0] < arrival_s - WINDOW_S:
            self._offsets.popleft()
        return max(timestamp_s + self._offsets[0][1], arrival_s - MAX_CORRECTION_S)


class FrameRate:
    """Measured frame rate over the last seconds. The rate that a camera declares is not used.

    Args:
        window_s: length of the window in seconds.
    """

    def __init__(self, window_s: float = 5.0) -> None:
        self._window_s = window_s
        self._arrivals: deque[float] = deque()

    def add(self, arrival_s: float) -> None:
        """Add a frame by its arrival time in seconds of the monotonic clock."""
        self._arrivals.append(arrival_s)
        while self._arrivals[0] < arrival_s - self._window_s:
            self._arrivals.popleft()

    def per_second(self) -> float | None:
        """Frames per second; None with fewer than two frames in the window."""
        if len(self._arrivals) < 2:
            return None
        length_s = self._arrivals[-1] - self._arrivals[0]
        return (len(self._arrivals) - 1) / length_s if length_s > 0 else None


SHORT_OUTAGE_S = 60.0
"""An outage below this many seconds is short."""
SHORT_OUTAGE_RETRY_S = 1.0
"""Longest wait between attempts in a short outage, in seconds."""
LONG_OUTAGE_RETRY_S = 10.0
"""Longest wait between attempts in a long outage, in seconds."""
LOGIN_REFUSED_RETRY_S = 60.0
"""Longest wait after a refused login, in seconds. Many cameras lock out frequent attempts."""


def retry_delay_s(outage_s: float, jitter: float, *, refused: bool = False) -> float:
    """Delay before the next connection attempt, in seconds.

    Args:
        outage_s: how long the camera has been unreachable, in seconds.
        jitter: a new random number from 0 to 1 for each attempt, so that many boxes do not
            reconnect at the same moment.
        refused: whether the camera refused the user name or password.
    """
    longest = (
        LOGIN_REFUSED_RETRY_S
        if refused
        else SHORT_OUTAGE_RETRY_S
        if outage_s < SHORT_OUTAGE_S
        else LONG_OUTAGE_RETRY_S
    )
    return longest * (0.5 + 0.5 * jitter)
