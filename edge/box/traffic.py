"""Adds up the traffic of closed epochs for telemetry, without small counts.

The counters of a running box are exact: two readings of them would reveal a vehicle that passed in
between. So they are read only when an epoch closes. Counts under ten in one epoch are left out;
others are rounded down to tens. Stage times and frame counts also depend on the traffic: they are
added only for epochs of ten vehicles or more, with two digits. So an epoch with one vehicle adds
nothing, as an empty one does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.domain.counting import SMALLEST_SHOWN, coarse, two_digits


@dataclass(frozen=True, slots=True)
class TrafficTotals:
    """The exact counters so far; they must not leave the box.

    Attributes:
        vehicles: vehicles judged, by outcome.
        hits: hits, by rule.
        contradicted: listed plates that made no hit, because the vehicle contradicts the list.
        analysed: frames that were analysed.
        dropped: frames that a newer one displaced.
        stage_s: seconds of work, by stage.
        waiting: hits that wait in the outbox now.
    """

    vehicles: Mapping[str, int] = field(default_factory=dict)
    hits: Mapping[str, int] = field(default_factory=dict)
    contradicted: Mapping[str, int] = field(default_factory=dict)
    analysed: int = 0
    dropped: int = 0
    stage_s: Mapping[str, float] = field(default_factory=dict)
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """The sums over all closed epochs that telemetry may show; each is a lower bound.

    Attributes:
        epochs: closed epochs.
        vehicles, hits, contradicted, analysed, dropped, stage_s: sums over epochs.
        waiting: hits that waited when the last epoch closed: 0 for fewer than ten, else tens.
        waiting_epochs: for how many epochs in a row ten or more have waited.
    """

    epochs: int
    vehicles: Mapping[str, int]
    hits: Mapping[str, int]
    contradicted: Mapping[str, int] = field(default_factory=dict)
    analysed: int = 0
    dropped: int = 0
    stage_s: Mapping[str, float] = field(default_factory=dict)
    waiting: int = 0
    waiting_epochs: int = 0


class ClosedEpochs:
    """Adds up closed epochs; safe to read from any thread.

    Args:
        outcomes: all outcomes of a read, so that each has a number from the start.
        rules: all rule ids, likewise.
        stages: all stages, likewise.
    """

    def __init__(
        self, outcomes: Iterable[str], rules: Iterable[str], stages: Iterable[str]
    ) -> None:
        self._lock = threading.Lock()
        self._before = TrafficTotals()
        rule_ids = tuple(rules)
        self._shown = Shown(
            epochs=0,
            vehicles=dict.fromkeys(outcomes, 0),
            hits=dict.fromkeys(rule_ids, 0),
            contradicted=dict.fromkeys(rule_ids, 0),
            stage_s=dict.fromkeys(stages, 0.0),
        )

    @property
    def shown(self) -> Shown:
        with self._lock:
            return self._shown

    def close(self, totals: TrafficTotals) -> None:
        """Add an epoch that has closed.

        Args:
            totals: the counters when it closed.
        """
        with self._lock:
            before, shown = self._before, self._shown
            passed = sum(totals.vehicles.values()) - sum(before.vehicles.values())
            busy = passed >= SMALLEST_SHOWN
            waiting = _tens(totals.waiting)
            self._shown = Shown(
                epochs=shown.epochs + 1,
                vehicles=_added(shown.vehicles, totals.vehicles, before.vehicles),
                hits=_added(shown.hits, totals.hits, before.hits),
                contradicted=_added(shown.contradicted, totals.contradicted, before.contradicted),
                analysed=shown.analysed
                + (int(two_digits(totals.analysed - before.analysed)) if busy else 0),
                dropped=shown.dropped
                + (int(two_digits(totals.dropped - before.dropped)) if busy else 0),
                stage_s={
                    name: sum_
                    + (
                        two_digits(totals.stage_s.get(name, 0.0) - before.stage_s.get(name, 0.0))
                        if busy
                        else 0.0
                    )
                    for name, sum_ in shown.stage_s.items()
                },
                waiting=waiting,
                waiting_epochs=shown.waiting_epochs + 1 if waiting else 0,
            )
            self._before = totals


def _added(
    sums: Mapping[str, int], totals: Mapping[str, int], before: Mapping[str, int]
) -> dict[str, int]:
    """The sums, with an epoch's counts in tens."""
    return {
        name: sum_ + _tens(totals.get(name, 0) - before.get(name, 0)) for name, sum_ in sums.items()
    }


def _tens(count: int) -> int:
    """A count as `coarse` rounds it, with 0 for `"<10"`."""
    shown = coarse(count)
    return shown if isinstance(shown, int) else 0
