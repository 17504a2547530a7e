"""Publishes and records the coarse counts of closed epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edge.adapters.broker.publisher import Publisher
from edge.adapters.state.statistics import EpochStatistics
from edge.box.engine import Stream, VehicleCounts
from edge.box.evidence_worker import EvidenceWorker
from edge.box.figures import traffic_totals
from edge.box.storage import Storage
from edge.box.traffic import ClosedEpochs
from edge.domain.counting import coarse
from edge.pipeline.rule_book import ReadOutcome, RuleBook
from edge.privacy.audit_events import EpochClosed


class EpochRecord:
    """Publishes and records each closed epoch.

    Each epoch leaves the same messages and lines, however many vehicles passed.

    Args:
        publisher: publishes the counts.
        evidence_worker: has the counts of hits.
        storage: the outbox, the audit log and the statistics.
        rule_book: has the number of the epoch.
        streams: the sources, whose frames and times are counted.
        traffic: sums over closed epochs, for telemetry.
    """

    def __init__(
        self,
        publisher: Publisher,
        evidence_worker: EvidenceWorker,
        storage: Storage,
        rule_book: RuleBook,
        streams: Sequence[Stream],
        traffic: ClosedEpochs,
    ) -> None:
        self._publisher = publisher
        self._evidence_worker = evidence_worker
        self._storage = storage
        self._rule_book = rule_book
        self._streams = streams
        self._traffic = traffic
        self._epoch = rule_book.epoch
        self._vehicles: Counter[str] = Counter()
        self._hits: Counter[str] = Counter()
        self._deleted = 0

    def epoch_closed(self, counts: VehicleCounts) -> None:
        """Publish and record the epoch that has just ended.

        Args:
            counts: the vehicles of all epochs so far.

        Raises:
            EdgeError: it could not be recorded; the box must stop.
        """
        now, outbox = self._storage.clock.utc(), self._storage.outbox
        outbox.delete_expired(now)
        vehicles = Counter({each.value: counts.outcomes[each] for each in ReadOutcome})
        hits = Counter(self._evidence_worker.counts.by_rule)
        deleted = outbox.expired + outbox.unreadable
        new_vehicles = {name: vehicles[name] - self._vehicles[name] for name in vehicles}
        new_hits = {rule: hits[rule] - self._hits[rule] for rule in self._rule_book.rule_ids}
        all_vehicles, all_hits = sum(new_vehicles.values()), sum(new_hits.values())
        self._publisher.publish_health(
            {"vehicles": all_vehicles, "hits": all_hits, "outbox": outbox.depth()}
        )
        self._storage.audit.append(
            EpochClosed(
                self._epoch,
                vehicles=coarse(all_vehicles),
                hits=coarse(all_hits),
                deleted=coarse(deleted - self._deleted),
            )
        )
        self._storage.statistics.append(EpochStatistics.of(now, new_vehicles, new_hits))
        self._vehicles, self._hits, self._deleted = vehicles, hits, deleted
        self._epoch = self._rule_book.epoch
        totals = traffic_totals(
            self._streams, counts, self._evidence_worker.counts, waiting=outbox.depth()
        )
        self._traffic.close(totals)
