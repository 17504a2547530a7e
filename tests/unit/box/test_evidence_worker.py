"""The evidence worker: a failure stops the box, and nothing of a case is kept."""

from __future__ import annotations

import contextlib
import threading
import weakref
from datetime import datetime, timezone

import numpy as np
import pytest

from edge.box.evidence_worker import EvidenceCase, EvidenceWorker
from edge.domain.imaging import Box
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.pseudonym import Candidate, PlateToken
from edge.domain.reading import PlateConsensus
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Offence, Rule, RuleKind
from edge.domain.vehicles import KeyFrame, VehicleSeen
from edge.errors import EdgeError, OutboxError
from edge.pipeline.evidence import SealedHit
from tests.support.brokers import wait_until

START = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)
PLATE = "1ABC123"
RULE = Rule(
    id="stolen",
    kind=RuleKind.HOTLIST,
    purpose="wanted",
    authority="police",
    reveal=RevealLevel.PLATE,
    min_posterior=0.9,
    min_margin=0.5,
    list_id="stolen",
)


def case_of(pixels: np.ndarray) -> EvidenceCase:
    """An offence of a vehicle with this picture."""
    vehicle = VehicleSeen(
        camera="cam-1",
        number=1,
        final=True,
        first_seen=START,
        last_seen=START,
        trajectory=(),
        consensus=PlateConsensus((Hypothesis(PlateText(PLATE), 0.99),), reads=5),
        key_frame=KeyFrame(2, START, Box(40, 48, 50, 52), (), pixels),
    )
    return EvidenceCase(
        vehicle, Offence(RULE, Candidate(PlateToken(bytes(16)), 0.99), 0.99, 0.9), 0
    )


def picture() -> np.ndarray:
    return np.zeros((100, 100, 3), np.uint8)


@pytest.mark.parametrize("error", [OutboxError("full", code="E_DISK_FULL"), ValueError(PLATE)])
def test_p1_a_case_that_cannot_be_stored_is_told_without_waiting_for_the_next_one(
    error: Exception,
) -> None:
    def refuse(case: EvidenceCase) -> SealedHit:
        raise error

    told = threading.Event()
    said: list[EdgeError] = []

    def on_failure(failure: EdgeError) -> None:
        said.append(failure)
        told.set()

    worker = EvidenceWorker(refuse, on_failure)
    assert not worker.is_alive()
    worker.start()
    assert worker.is_alive()
    for _ in range(2):
        with contextlib.suppress(EdgeError):
            worker.submit(case_of(picture()))
    assert told.wait(5)
    assert [each.code for each in said] == [getattr(error, "code", "E_EVIDENCE")]
    assert PLATE not in str(said)
    with pytest.raises(OutboxError):
        worker.close()
    assert worker.is_alive(), "a thread that was closed in order is no fault"


def test_a_bug_in_storing_stops_the_run_without_quoting_data() -> None:
    def choke(case: EvidenceCase) -> SealedHit:
        raise ValueError(PLATE)

    worker = EvidenceWorker(choke)
    worker.start()
    worker.submit(case_of(picture()))
    with pytest.raises(OutboxError, match="ValueError") as raised:
        worker.close()
    assert PLATE not in str(raised.value)


def test_p8_nothing_of_a_case_is_kept_until_the_next_one() -> None:
    """The next offence may come in hours only, and the case may have made no hit."""
    stored = threading.Event()

    def store(case: EvidenceCase) -> SealedHit:
        stored.set()
        return SealedHit("0" * 32, b"", 0)

    worker = EvidenceWorker(store)
    worker.start()
    pixels = picture()
    kept = weakref.ref(pixels)
    worker.submit(case_of(pixels))
    del pixels
    assert stored.wait(5)
    assert wait_until(lambda: kept() is None, 5)
    worker.close()
