"""A full outbox is tried again while the patience lasts; no hit is dropped to make room."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from edge.adapters.broker.topics import BoxTopics
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.outbox_file import OutboxFull
from edge.box.evidence_worker import EvidenceCase
from edge.box.hit_storage import FULL_OUTBOX_RETRY_S, HitStorage, HitTerms
from edge.domain.imaging import Box
from edge.domain.pseudonym import Candidate, PlateToken
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Offence, Rule, RuleKind
from edge.domain.vehicles import KeyFrame, VehicleSeen
from edge.pipeline.evidence import SealedHit
from tests.support.fakes import SetClock

NOW = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)
HIT_BYTES = 60_000
TERMS = HitTerms(retention=timedelta(hours=20), receipt_required=True)
RULE = Rule(
    id="stolen",
    kind=RuleKind.HOTLIST,
    purpose="wanted-vehicles",
    authority="police",
    reveal=RevealLevel.PLATE,
    min_posterior=0.9,
    min_margin=0.5,
    list_id="stolen",
)


class Store:
    """A hit storage over a real outbox of 1 MiB, whose time passes only while it sleeps."""

    def __init__(self, outbox: Outbox, clock: SetClock, patience_s: float) -> None:
        self.outbox = outbox
        self.clock = clock
        self.slept: list[float] = []
        self.full: list[OutboxFull] = []
        self.contradicted = False
        self.on_sleep: Callable[[], object] = lambda: None
        self.storage = HitStorage(
            self.make,
            outbox,
            BoxTopics("street", "box-1", frozenset({"cam-1"})),
            lambda _rule: TERMS,
            clock=clock,
            patience_s=patience_s,
            on_full=self.full.append,
            sleep=self.sleep,
        )

    def make(self, _case: EvidenceCase, next_counter: Callable[[], int]) -> SealedHit | None:
        if self.contradicted:
            return None
        return SealedHit(f"{next_counter():032x}", os.urandom(HIT_BYTES), pictures_left_out=0)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.pass_time(timedelta(seconds=seconds))
        self.on_sleep()

    def fill(self) -> tuple[str, ...]:
        with contextlib.suppress(OutboxFull):
            while True:
                self.outbox.put(
                    os.urandom(16).hex(),
                    "cam-1",
                    "anpr/street/box-1/cam-1/hit",
                    os.urandom(HIT_BYTES),
                    purpose="wanted-vehicles",
                    receipt_required=True,
                    expires_at=NOW + TERMS.retention,
                )
        return tuple(self.outbox.hit_ids())


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[[float], Store]]:
    clock = SetClock(NOW)
    with (
        Keyring.open(tmp_path / "keyring", clock) as keyring,
        Outbox.open(tmp_path / "state", keyring, reserve_mib=1) as outbox,
    ):
        yield lambda patience_s: Store(outbox, clock, patience_s)


def case() -> EvidenceCase:
    offence = Offence(RULE, Candidate(PlateToken(bytes(16)), 0.99), 0.99, 0.9)
    frame = KeyFrame(2, NOW, Box(10, 10, 50, 20), (), np.zeros((100, 100, 3), np.uint8))
    vehicle = VehicleSeen("cam-1", 1, True, NOW, NOW, (), None, frame)
    return EvidenceCase(vehicle, offence, 0)


def test_a_hit_is_stored_at_once_if_the_outbox_has_room(made: Callable[[float], Store]) -> None:
    store = made(10)
    hit = store.storage.store(case())

    assert hit is not None
    assert store.outbox.find(hit.hit_id) == hit.payload
    waiting = store.outbox.next_pending()
    assert waiting is not None
    assert (waiting.topic, waiting.receipt_required) == ("anpr/street/box-1/cam-1/hit", True)
    # The outbox rounds an end down by a quarter of an hour at most.
    assert timedelta() <= NOW + TERMS.retention - waiting.expires_at <= timedelta(minutes=15)
    assert (store.slept, store.full) == ([], [])


def test_a_case_without_a_hit_takes_no_number(made: Callable[[float], Store]) -> None:
    """A gap in the numbers of hits means a lost hit, so a contradicted vehicle leaves none."""
    store = made(10)
    store.contradicted = True
    assert store.storage.store(case()) is None
    assert store.outbox.hit_ids() == ()

    store.contradicted = False
    hit = store.storage.store(case())
    assert hit is not None
    assert int(hit.hit_id, 16) == 1


def test_a_full_outbox_is_tried_again_until_a_hit_is_delivered(
    made: Callable[[float], Store],
) -> None:
    store = made(10)
    before = store.fill()

    def deliver() -> None:
        if len(store.slept) == 3:
            store.outbox.delete(before[0])
            store.outbox.delete(before[1])

    store.on_sleep = deliver
    hit = store.storage.store(case())

    assert hit is not None
    assert set(store.outbox.hit_ids()) == {*before[2:], hit.hit_id}
    assert store.slept == [FULL_OUTBOX_RETRY_S] * 3
    assert store.full == []


def test_after_the_patience_the_box_is_shut_once_and_every_hit_is_kept(
    made: Callable[[float], Store],
) -> None:
    store = made(1)
    before = store.fill()

    with pytest.raises(OutboxFull) as caught:
        store.storage.store(case())

    assert store.full == [caught.value]
    assert 1 <= sum(store.slept) < 1 + 2 * FULL_OUTBOX_RETRY_S
    assert tuple(store.outbox.hit_ids()) == before


def test_without_patience_a_full_outbox_is_not_tried_again(made: Callable[[float], Store]) -> None:
    store = made(0)
    store.fill()

    with pytest.raises(OutboxFull) as caught:
        store.storage.store(case())

    assert store.full == [caught.value]
    assert store.slept == []
