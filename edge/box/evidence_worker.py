"""The evidence thread: masks, seals and stores offences one by one from a short queue.

When the queue is full the pipeline waits. A live camera then drops frames, but no hit is lost.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.domain.rules import Offence
from edge.domain.vehicles import VehicleSeen
from edge.errors import EdgeError, OutboxError
from edge.pipeline.evidence import SealedHit

WAITING_OFFENCES = 8


@dataclass(frozen=True, slots=True)
class EvidenceCase:
    """One offence of one vehicle, with the epoch in which it was judged."""

    vehicle: VehicleSeen
    offence: Offence
    epoch: int


@dataclass(slots=True)
class EvidenceCounts:
    """The evidence worker's counts so far.

    `contradicted` counts, by rule, listed plates on vehicles that contradict their entries.
    """

    by_rule: Counter[str] = field(default_factory=Counter)
    contradicted: Counter[str] = field(default_factory=Counter)
    without_picture: int = 0
    vehicle_by_geometry: int = 0
    busy_s: float = 0.0


class EvidenceWorker:
    """Runs `store` for each case in one thread, in order.

    Args:
        store: masks, seals and writes one case; None if the case makes no hit, because the vehicle
            contradicts its list. It raises an `EdgeError` when it cannot.
        on_failure: called once, from the evidence thread, with the first failure.

    The first failure stops the worker: later cases are refused with the same error, so that the
    box stops instead of losing hits silently.
    """

    def __init__(
        self,
        store: Callable[[EvidenceCase], SealedHit | None],
        on_failure: Callable[[EdgeError], None] = lambda _error: None,
    ) -> None:
        self._store = store
        self._on_failure = on_failure
        self._closing = False
        self._cases: queue.Queue[EvidenceCase | None] = queue.Queue(maxsize=WAITING_OFFENCES)
        self._failure: EdgeError | None = None
        self._thread = threading.Thread(target=self._work, name="evidence", daemon=True)
        self.counts = EvidenceCounts()

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread runs, or was closed in order."""
        return self._closing or self._thread.is_alive()

    def submit(self, case: EvidenceCase) -> None:
        """Queue a case; waits while the queue is full.

        Raises:
            EdgeError: an earlier case could not be stored.
        """
        while True:
            self._refuse_after_failure()
            try:
                self._cases.put(case, timeout=0.1)
            except queue.Full:
                continue
            return

    def close(self) -> None:
        """Store the queued cases and end the thread.

        Raises:
            EdgeError: a case could not be stored.
        """
        self._closing = True
        if self._thread.is_alive():
            self._cases.put(None)
            self._thread.join()
        self._refuse_after_failure()

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while (case := self._cases.get()) is not None:
            if self._failure is None:
                self._take(case)
            del case  # plate and pictures; the next one may come in hours only

    def _take(self, case: EvidenceCase) -> None:
        started = time.perf_counter()
        try:
            stored = self._store(case)
        except EdgeError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a bug here must stop the box, not one thread
            # The text of any other exception could quote a plate.
            message = f"storing a hit failed ({type(error).__name__})"
            self._fail(OutboxError(message, code="E_EVIDENCE"))
        else:
            self._count(case.offence.rule.id, stored)
        self.counts.busy_s += time.perf_counter() - started

    def _count(self, rule: str, stored: SealedHit | None) -> None:
        if stored is None:
            self.counts.contradicted[rule] += 1
            return
        self.counts.by_rule[rule] += 1
        self.counts.without_picture += stored.pictures_left_out > 0
        self.counts.vehicle_by_geometry += stored.vehicle_by_geometry

    def _fail(self, error: EdgeError) -> None:
        self._failure = error
        self._on_failure(error)
