"""The benchmark of delivery puts its own worker in the place of the box's."""

from __future__ import annotations

from inspect import signature

from edge.box.evidence_worker import EvidenceWorker
from scripts.benchmarks.delivery import ReplayingWorker


def test_the_benchmarks_worker_is_made_like_the_boxs() -> None:
    assert list(signature(ReplayingWorker).parameters) == list(signature(EvidenceWorker).parameters)
