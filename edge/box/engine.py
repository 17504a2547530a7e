"""The pipeline thread: turns frames into vehicles, judges them and queues offences."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain as chained
from typing import Protocol

from edge.box.evidence_worker import EvidenceCase, EvidenceWorker
from edge.box.frame_queue import FrameQueue, QueuedFrame, StreamCounts, StreamEnd, capture
from edge.domain.imaging import Frame
from edge.domain.vehicles import VehicleSeen
from edge.errors import CameraError, EdgeError
from edge.pipeline.ports import Camera
from edge.pipeline.rule_book import ReadOutcome, RuleBook

TURN_S = 1.0
"""How long the pipeline waits for a frame before it reports that it is alive."""

SILENT_S = 60.0
"""After so long without a frame of a live camera, which is closed outside its hours or away, nobody
knows what is in view, so what was in view is judged and dropped."""

SHUT_WITHIN_S = 2.0
"""How long a source may take to close before the run ends without it."""

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Turns one stream's frames into vehicles; `VehicleWatcher` is the real one."""

    stage_seconds: dict[str, float]

    def observe(self, frame: Frame) -> tuple[VehicleSeen, ...]: ...

    def finish(self) -> tuple[VehicleSeen, ...]: ...


@dataclass(slots=True)
class Stream:
    """One source of frames with a watcher of its own."""

    camera: Camera
    clip: str
    watcher: Watcher
    live: bool = False
    counts: StreamCounts = field(default_factory=StreamCounts)
    analysed: int = 0


@dataclass(slots=True)
class VehicleCounts:
    """Counters of the vehicles, and the seconds spent on judging them; nothing else is kept."""

    vehicles: int = 0
    with_hit: int = 0
    outcomes: Counter[ReadOutcome] = field(default_factory=Counter)
    judge_s: float = 0.0


@dataclass(slots=True)
class _Open:
    """A vehicle that was judged early, while it is still in view."""

    hit: bool
    ambiguous: bool


class Engine:
    """Runs recorded and live streams through the rules.

    Args:
        streams: the sources, each with its own watcher.
        rule_book: judges vehicles; its epochs advance with the streams' time, or with the monotonic
            clock in real time.
        evidence_worker: takes the offences.
        on_frame: called after each analysed frame with the stream's index; for progress.
        on_epoch: called when an epoch has closed, with the counters so far.
        on_turn: called after each wait for a frame, whether one came or not.
        monotonic: the monotonic clock, in seconds.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        rule_book: RuleBook,
        evidence_worker: EvidenceWorker,
        *,
        on_frame: Callable[[int], None] = lambda _index: None,
        on_epoch: Callable[[VehicleCounts], None] = lambda _counts: None,
        on_turn: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.streams = tuple(streams)
        self.counts = VehicleCounts()
        self._rule_book = rule_book
        self._evidence_worker = evidence_worker
        self._on_frame = on_frame
        self._on_epoch = on_epoch
        self._on_turn = on_turn
        self._monotonic = monotonic
        self._heard_s: dict[int, float] = {}
        self._open: dict[tuple[int, int], _Open] = {}
        self._shutting = threading.Lock()
        self._intake: FrameQueue | None = None
        self._shut: EdgeError | None = None

    def shut(self, reason: EdgeError) -> None:
        """Close every source now, from any thread; `run` ends with this reason.

        Vehicles in view are dropped without being judged.
        """
        with self._shutting:
            self._shut = reason
            if self._intake is not None:
                self._intake.interrupt(reason)
        # Here too: the pipeline's thread may be busy with a frame, or wait to hand over a hit.
        for stream in self.streams:
            stream.camera.close()

    def run(self, *, realtime: bool) -> None:
        """Run all streams to their end.

        Unless `realtime`, the streams run one after another as fast as possible, and no frame is
        dropped. In real time all cameras run at the same time, and recordings of one camera run
        one after another.

        Raises:
            CameraError: a stream could not be read; the other streams were still run.
            EdgeError: a hit could not be stored, or `shut` was called; the run stopped then.
        """
        failures: list[CameraError] = []
        elapsed_s = 0.0
        for group in self._groups(realtime=realtime):
            elapsed_s = self._run_group(group, elapsed_s, failures, realtime=realtime)
        if failures:
            raise (
                failures[0]
                if len(failures) == 1
                else CameraError(
                    "; ".join(failure.message for failure in failures), code=failures[0].code
                )
            )

    def _groups(self, *, realtime: bool) -> list[list[list[int]]]:
        """Groups of streams: groups run one after another, the chains in a group in parallel."""
        if not realtime:
            return [[[index]] for index in range(len(self.streams))]
        chains: dict[str, list[int]] = {}
        for index, stream in enumerate(self.streams):
            chains.setdefault(stream.camera.name, []).append(index)
        return [list(chains.values())]

    def _run_group(
        self,
        chains: list[list[int]],
        elapsed_s: float,
        failures: list[CameraError],
        *,
        realtime: bool,
    ) -> float:
        intake = self._new_intake(keep_all=not realtime)
        threads = [
            threading.Thread(
                target=self._capture_chain,
                args=(chain, intake, realtime),
                name=f"capture-{self.streams[chain[0]].camera.name}",
                daemon=True,
            )
            for chain in chains
        ]
        for thread in threads:
            thread.start()
        remaining = sum(len(chain) for chain in chains)
        now_s = elapsed_s
        try:
            while remaining:
                item = intake.take(TURN_S)
                self._on_turn()
                self._forget_silent()
                if item is None:
                    if realtime:  # the epoch's key must end on time even without frames
                        self._advance(self._monotonic())
                    continue
                if isinstance(item, StreamEnd):
                    remaining -= 1
                    self._end_stream(item, failures)
                    continue
                now_s = (
                    self._monotonic() if realtime else max(now_s, elapsed_s + item.frame.stream_s)
                )
                self._advance(now_s)
                self._observe(item)
        finally:
            intake.close()
            for index in chained.from_iterable(chains):
                self.streams[index].camera.close()
            if self._shut is not None:
                self._drop_what_is_in_view()
                for thread in threads:
                    # A source that hangs in its library must not delay the end of the run.
                    thread.join(SHUT_WITHIN_S)
        for thread in threads:
            thread.join()
        return now_s

    def _observe(self, item: QueuedFrame) -> None:
        stream = self.streams[item.stream]
        if stream.live:
            self._heard_s[item.stream] = self._monotonic()
        for vehicle in stream.watcher.observe(item.frame):
            self._judge(item.stream, vehicle)
        if not stream.analysed:
            log.info("camera %s: the first frame is analysed", stream.camera.name)
        stream.analysed += 1
        self._on_frame(item.stream)

    def _forget_silent(self) -> None:
        """Judge and drop what was in view of a live camera that has given no frame for long."""
        now_s = self._monotonic()
        for index, heard_s in tuple(self._heard_s.items()):
            if now_s - heard_s >= SILENT_S:
                del self._heard_s[index]
                for vehicle in self.streams[index].watcher.finish():
                    self._judge(index, vehicle)

    def _drop_what_is_in_view(self) -> None:
        """Empty the watchers, which hold the plates read so far, without judging them."""
        for stream in self.streams:
            stream.watcher.finish()

    def _new_intake(self, *, keep_all: bool) -> FrameQueue:
        with self._shutting:
            if self._shut is not None:
                raise self._shut
            self._intake = FrameQueue(keep_all=keep_all)
            return self._intake

    def _capture_chain(self, chain: list[int], intake: FrameQueue, realtime: bool) -> None:  # noqa: FBT001
        for index in chain:
            if intake.closed:
                return  # the next source is not even opened
            stream = self.streams[index]
            paced = realtime and not stream.live  # a live camera sets the pace itself
            capture(stream.camera, index, intake, stream.counts, paced=paced)

    def _end_stream(self, end: StreamEnd, failures: list[CameraError]) -> None:
        self._heard_s.pop(end.stream, None)
        for vehicle in self.streams[end.stream].watcher.finish():
            self._judge(end.stream, vehicle)
        if isinstance(end.error, CameraError):
            failures.append(end.error)
        elif end.error is not None:
            raise end.error

    def _advance(self, now_s: float) -> None:
        if self._rule_book.advance(now_s):
            self._on_epoch(self.counts)

    def _judge(self, stream: int, vehicle: VehicleSeen) -> None:
        started = time.perf_counter()
        key = (stream, vehicle.number)
        before = self._open.pop(key, None)
        ruling = self._rule_book.judge(vehicle, early=before is not None)
        state = _Open(
            hit=bool(ruling.offences) or (before is not None and before.hit),
            ambiguous=ruling.ambiguous or (before is not None and before.ambiguous),
        )
        self.counts.judge_s += time.perf_counter() - started
        for offence in ruling.offences:
            self._evidence_worker.submit(EvidenceCase(vehicle, offence, self._rule_book.epoch))
        if not vehicle.final:
            self._open[key] = state
            return
        self.counts.vehicles += 1
        self.counts.with_hit += state.hit
        self.counts.outcomes[_outcome(vehicle, state)] += 1


def _outcome(vehicle: VehicleSeen, state: _Open) -> ReadOutcome:
    if vehicle.consensus is None:
        return ReadOutcome.UNREADABLE
    return ReadOutcome.AMBIGUOUS if state.ambiguous else ReadOutcome.READ
