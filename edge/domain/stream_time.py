"""Time of frames: of recordings from their time stamps, of live cameras from the arrivals too.

A recording's time stamps are all that is known. A live camera's clock gives the interval between
two frames but not the absolute time. Its offset is estimated from the arrivals: the network can
delay a frame but never deliver it early, so the smallest delay of the last seconds is the offset.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 10.0
"""Window for the smallest offset, in seconds: clocks drift and network routes change."""

MAX_CORRECTION_S = 0.1
"""A frame's time is at most this many seconds before its arrival."""

MIN_STEP_S = 1e-3
"""Smallest difference between two frames in seconds, so that repeated timestamps do no harm."""

LONGEST_BREAK_S = 5.0
"""Seconds without a frame after which what was in view may have left: a vehicle at 5 km/h has."""


class StreamTime:
    """Maps a stream's timestamps to the monotonic clock. One instance for each connection.

    A frame whose timestamp is missing, repeats, runs backwards or jumps gets its arrival time. No
    timestamp moves a frame by more than `MAX_CORRECTION_S`.
    """

    def __init__(self) -> None:
        self._offsets: deque[tuple[float, float]] = deque()
        self._last_timestamp_s: float | None = None
        self._last_s: float | None = None

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


LONGEST_GAP_S = 24 * 3600.0
"""A recording's time stamps may jump forwards by this many seconds; a longer jump is damage."""

SMALLEST_JUMP_S = 1.0
"""A time stamp that runs back by less, in seconds, is a small fault: the stream goes on."""

SMALLEST_STEP_S = 1e-6
"""Time stamps that are nearer to each other, in seconds, count as repeated."""

WRAP_S = 2**33 / 90_000
"""MPEG's time stamps have 33 bits and count to 26.5 hours, in seconds."""

LONGEST_WRAP_GAP_S = 60.0
"""Two frames with an overflow between them are at most this many seconds apart."""


class RecordedTime:
    """Maps a recording's time stamps to seconds since its first frame. One for each recording.

    Gaps are kept: a frame after a jump forwards is so much later. After a jump back, or one
    forwards by more than `LONGEST_GAP_S`, nobody knows how much time has passed. Time then goes
    on by one frame interval, so that no frame is dated too late, and a new section begins. An
    overflow of MPEG's counter is no jump.

    Args:
        interval_s: the nominal frame interval in seconds, for frames without a valid time stamp.

    Attributes:
        section: number of the section, from 0.
        jump_s: what the last section began with, in seconds of the time stamps; below 0: back.
        length_s: latest valid time stamp minus the first one, in seconds.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._offset_s: float | None = None
        self._first_stamp_s: float | None = None
        self._last_s = 0.0
        self._started = False
        self.section = 0
        self.jump_s = 0.0
        self.length_s = 0.0

    def frame_time_s(self, timestamp_s: float | None) -> float:
        """The time of the next frame in seconds; always later than that of the last one.

        Args:
            timestamp_s: its time stamp in seconds, None if it has none.
        """
        if not self._started:
            self._started = True
        elif timestamp_s is None or self._offset_s is None:
            self._last_s += self._interval_s
        else:
            self._last_s = self._next_s(timestamp_s)
        if timestamp_s is not None:
            if self._offset_s is None or self._first_stamp_s is None:
                self._offset_s, self._first_stamp_s = self._last_s - timestamp_s, timestamp_s
            self.length_s = max(self.length_s, timestamp_s - self._first_stamp_s)
        return self._last_s

    def _next_s(self, timestamp_s: float) -> float:
        assert self._offset_s is not None  # noqa: S101 - for the type checker
        after_s = timestamp_s + self._offset_s - self._last_s
        if 0 < after_s + WRAP_S <= LONGEST_WRAP_GAP_S:
            self._offset_s += WRAP_S
            after_s += WRAP_S
        if SMALLEST_STEP_S <= after_s <= LONGEST_GAP_S:
            if MIN_STEP_S <= after_s <= SMALLEST_JUMP_S:
                self._interval_s = after_s  # a container with jumps states a wrong rate
            return self._last_s + after_s
        if not -SMALLEST_JUMP_S < after_s < SMALLEST_STEP_S:
            self._offset_s += self._interval_s - after_s
            self.section += 1
            self.jump_s = after_s
        return self._last_s + self._interval_s


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
