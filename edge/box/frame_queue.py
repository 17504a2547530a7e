"""Passes frames from capture threads to the one pipeline thread.

A live camera (and `--realtime`) overwrites a single slot, so that the pipeline always gets the
newest frame; dropped frames are counted. A recording that runs as fast as possible waits instead,
so that no frame is lost.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edge.domain.imaging import Frame
from edge.pipeline.ports import Camera

QUEUED_FRAMES = 4


@dataclass(slots=True)
class StreamCounts:
    """Counts of the frames of a capture thread."""

    decoded: int = 0
    dropped: int = 0
    corrupt: int = 0
    decode_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The last item of a stream; `error` is the error that ended it, if any."""

    stream: int
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class QueuedFrame:
    """One frame of one stream."""

    stream: int
    frame: Frame = field(repr=False)


class FrameQueue:
    """Frames of several streams on their way to one consumer.

    Args:
        keep_all: wait for room instead of overwriting the oldest frame.
    """

    def __init__(self, *, keep_all: bool) -> None:
        self._keep_all = keep_all
        self._queued: deque[QueuedFrame] = deque()
        self._latest: OrderedDict[int, QueuedFrame] = OrderedDict()
        self._ended: deque[StreamEnd] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._interruption: Exception | None = None

    def put(self, arrival: QueuedFrame) -> int:
        """Queue a frame; returns how many older frames it displaced (0 or 1)."""
        with self._changed:
            if self._keep_all:
                self._changed.wait_for(lambda: len(self._queued) < QUEUED_FRAMES or self._closed)
            if self._closed:
                return 0  # nobody would take it
            if self._keep_all:
                self._queued.append(arrival)
                self._changed.notify_all()
                return 0
            displaced = 1 if self._latest.pop(arrival.stream, None) is not None else 0
            self._latest[arrival.stream] = arrival
            self._changed.notify_all()
            return displaced

    def end(self, end: StreamEnd) -> None:
        """Report that a stream has ended."""
        with self._changed:
            self._ended.append(end)
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> QueuedFrame | StreamEnd | None:
        """Wait for the next item; a stream's end comes after all its frames.

        Args:
            timeout_s: how long at most, in seconds; None: without limit.

        Returns:
            The item, or None when none came in time.

        Raises:
            Exception: the argument of `interrupt`, even if frames are still queued.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._interruption or self._queued or self._latest or self._ended,
                timeout_s,
            )
            if self._interruption is not None:
                raise self._interruption
            if self._queued:
                item = self._queued.popleft()
                self._changed.notify_all()
                return item
            for end in self._ended:
                if end.stream not in self._latest:
                    self._ended.remove(end)
                    return end
            return self._latest.popitem(last=False)[1] if self._latest else None

    def interrupt(self, reason: Exception) -> None:
        """Let the consumer's `take` raise this error from now on; call it from any thread."""
        with self._changed:
            self._interruption = reason
        self.close()

    def close(self) -> None:
        """Stop producers at their next frame, since the consumer has ended."""
        with self._changed:
            self._closed = True
            self._queued.clear()
            self._latest.clear()
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed


def _paced(frames: Iterator[Frame], sleep: Callable[[float], None]) -> Iterator[Frame]:
    """The same frames, none before its stream time."""
    started: float | None = None
    for frame in frames:
        now = time.monotonic()
        if started is None:
            started = now - frame.stream_s
        ahead = started + frame.stream_s - now
        if ahead > 0:
            sleep(ahead)
        yield frame


def capture(
    camera: Camera,
    stream: int,
    intake: FrameQueue,
    counts: StreamCounts,
    *,
    paced: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Queue a source's frames until it ends or the queue is closed: the body of a capture thread.

    The end of the stream, including an error, is passed to the consumer as a `StreamEnd`.
    """
    error: BaseException | None = None
    try:
        frames = camera.frames()
        source = _paced(_timed(frames, counts), sleep) if paced else _timed(frames, counts)
        for frame in source:
            counts.corrupt = camera.corrupt_frames
            counts.dropped += intake.put(QueuedFrame(stream, frame))
            del frame  # the next one may come in hours only
            if intake.closed:
                break
        counts.corrupt = camera.corrupt_frames
    except BaseException as caught:  # noqa: BLE001 - re-raised by the pipeline thread
        error = caught
    intake.end(StreamEnd(stream, error))


def _timed(frames: Iterator[Frame], counts: StreamCounts) -> Iterator[Frame]:
    """The same frames, counted, with the wall time that decoding took."""
    while True:
        before = time.perf_counter()
        frame = next(frames, None)
        counts.decode_s += time.perf_counter() - before
        if frame is None:
            return
        counts.decoded += 1
        yield frame
        del frame
