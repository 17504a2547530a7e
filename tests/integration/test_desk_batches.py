"""Hits that have arrived together are stored in one transaction, each as if it had come alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from edge.authority.store import HitStore, Outcome
from edge.authority.tail import Fate, Receiver
from edge.desk.folder import DeskFolder
from edge.desk.receiving import DeskReceiver
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import DeskHits
from edge.desk.store.payloads import FolderPayloads, unusable
from edge.desk.store.tables import DELETION, HIT_PAYLOAD
from edge.errors import OutboxError
from edge.privacy.hit import Hit, ReceiptVerifier
from tests.support.desks import NOW, make_desk, now
from tests.support.parties import Parties, make_parties, topic_of
from tests.support.postgres import Postgres
from tests.support.receiving import boxes_of


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def pairs(hits: Sequence[Hit]) -> list[tuple[Hit, bytes]]:
    return [(hit, hit.to_payload()) for hit in hits]


def messages(
    parties: Parties, folder: Path, good: Hit, other: Hit
) -> list[tuple[str, bytes, Fate]]:
    """Topic, payload and fate of messages that arrive together; all but two are no new hits."""
    (folder / "stranger").mkdir()
    stranger = make_parties(folder / "stranger", box="box-2", authority="city")
    unknown = replace(stranger, authority_file=parties.authority_file).hit(box="box-2")
    forged = parties.hit().model_copy(update={"counter": 77})
    changed = parties.hit(hit_id=good.hit_id)
    elsewhere = replace(parties, authority_file=stranger.authority_file).hit(authority="city")
    return [
        (topic_of(good), b"junk", Fate.REFUSED),
        (topic_of(good), good.to_payload(), Fate.STORED),
        (topic_of(forged), forged.to_payload(), Fate.REFUSED),
        ("anpr/test-street/box-9/cam-1/hit", parties.hit().to_payload(), Fate.REFUSED),
        (topic_of(good), unknown.to_payload(), Fate.REFUSED),
        (topic_of(unknown), unknown.to_payload(), Fate.SET_ASIDE),
        (topic_of(elsewhere), elsewhere.to_payload(), Fate.FOR_OTHERS),
        (topic_of(good), good.to_payload(), Fate.KNOWN),
        (topic_of(changed), changed.to_payload(), Fate.SET_ASIDE),
        (topic_of(other), other.to_payload(), Fate.STORED),
    ]  # fmt: skip


def test_bad_hits_among_good_ones_change_nothing_for_the_good_ones(
    desk: DeskFolder, parties: Parties, tmp_path: Path
) -> None:
    good, other = parties.hit(), parties.hit()
    sent = messages(parties, tmp_path, good, other)
    with desk.open_database() as database:
        hits = DeskHits(database)
        by = DeskReceiver(hits, boxes_of(parties), parties.authority, now)
        arrivals = by.take_all([(topic, payload) for topic, payload, _ in sent])

        assert [one.fate for one in arrivals] == [fate for _, _, fate in sent]
        assert hits.counts() == {"hits": 2, "receipts": 2, "set_aside": 2}
        for hit in (good, other):
            assert hits.payload(hit.hit_id) == hit.to_payload()
    payloads = {hit.hit_id: hit.to_payload() for hit in (good, other)}
    verify = ReceiptVerifier((parties.authority_public,), payloads.get)
    signed = [one.receipt for one in arrivals if one.receipt is not None]
    assert [verify(receipt) for receipt in signed] == [
        (hit.hit_id, hit.sealed_sha256) for hit in (good, good, other)
    ]


def test_the_store_without_a_desk_keeps_good_ones_too(parties: Parties, tmp_path: Path) -> None:
    good, other = parties.hit(), parties.hit()
    sent = messages(parties, tmp_path, good, other)
    with HitStore.open(tmp_path / "store", create=True) as store:
        by = Receiver(store, boxes_of(parties), parties.authority, now)
        arrivals = by.take_all([(topic, payload) for topic, payload, _ in sent])

        assert [one.fate for one in arrivals] == [fate for _, _, fate in sent]
        assert {hit.hit_id for hit in store.hits()} == {good.hit_id, other.hit_id}


def test_known_deleted_and_new_hits_arrive_together(desk: DeskFolder, parties: Parties) -> None:
    known, deleted, new = (parties.hit() for _ in range(3))
    with desk.open_database() as database:
        hits = DeskHits(database)
        hits.put(known, known.to_payload(), NOW)
        gone = {
            "hit_id": deleted.hit_id,
            "hit_day": "2026-10-01",
            "due_day": "2026-11-01",
            "on_day": "2026-11-01",
            "stored_at": "2026-10-01T08:00:00.000Z",
        }
        with database.writing() as connection:
            connection.execute(DELETION.insert().values(gone))

        outcomes = hits.put_all(pairs([deleted, known, new, new]), NOW)
        hits.keep_receipts({one.hit_id: b"receipt" for one in (deleted, known, new)}, NOW)

        assert [outcome for outcome, _ in outcomes] == [
            Outcome.KNOWN,
            Outcome.KNOWN,
            Outcome.NEW,
            Outcome.KNOWN,
        ]
        assert [at.date().isoformat() for _, at in outcomes] == ["2026-10-01"] + ["2026-12-01"] * 3
        assert hits.payload(deleted.hit_id) is None
        assert hits.counts() == {"hits": 2, "receipts": 2, "set_aside": 0}


def test_payloads_beside_the_database_are_those_of_new_hits(
    desk: DeskFolder, parties: Parties, tmp_path: Path
) -> None:
    sent = [parties.hit() for _ in range(4)]
    with DeskDatabase.open(desk.address, f"file://{tmp_path / 'beside'}") as database:
        hits = DeskHits(database)
        hits.put(sent[1], sent[1].to_payload(), NOW)
        outcomes = hits.put_all(pairs(sent), NOW)

        assert [outcome is Outcome.NEW for outcome, _ in outcomes] == [True, False, True, True]
        with database.reading() as connection:
            rows = {row.hit_id: row.key for row in connection.execute(HIT_PAYLOAD.select())}
            inside = connection.execute(text("SELECT sum(length(payload)) FROM hit")).scalar_one()
        assert inside == 0
        assert {(tmp_path / "beside" / key).read_bytes() for key in rows.values()} == {
            hit.to_payload() for hit in sent
        }
        assert [hits.payload(hit.hit_id) for hit in sent] == [hit.to_payload() for hit in sent]


def test_no_hit_is_stored_if_one_payload_of_them_cannot_be_written(
    desk: DeskFolder, parties: Parties, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [parties.hit() for _ in range(5)]
    whole = FolderPayloads.put

    def put(store: FolderPayloads, key: str, payload: bytes) -> None:
        if payload == sent[3].to_payload():
            raise unusable(store.place, "no space left")
        whole(store, key, payload)

    with DeskDatabase.open(desk.address, f"file://{tmp_path / 'beside'}") as database:
        hits = DeskHits(database)
        with monkeypatch.context() as full:
            full.setattr(FolderPayloads, "put", put)
            with pytest.raises(OutboxError, match="no space left"):
                hits.put_all(pairs(sent), NOW)
        assert hits.counts()["hits"] == 0
        assert [outcome for outcome, _ in hits.put_all(pairs(sent), NOW)] == [Outcome.NEW] * 5


def test_consumers_that_store_the_same_hits_in_another_order_do_not_wait_for_each_other(
    postgres: Postgres, parties: Parties, tmp_path: Path
) -> None:
    desk = make_desk(tmp_path / "desk", postgres.new_database())
    sent = pairs([parties.hit() for _ in range(40)])
    outcomes: list[Outcome] = []
    failed: list[Exception] = []

    def write(hits: list[tuple[Hit, bytes]], together: threading.Barrier) -> None:
        try:
            with desk.open_database() as own:
                store = DeskHits(own)
                for first in range(0, len(hits), 20):
                    together.wait(30)
                    some = hits[first : first + 20]
                    outcomes.extend(one for one, _ in store.put_all(some, NOW))
        except Exception as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    both = threading.Barrier(2)
    halves = (sent, [*reversed(sent[:20]), *reversed(sent[20:])])
    threads = [threading.Thread(target=write, args=(one, both)) for one in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert (outcomes.count(Outcome.NEW), outcomes.count(Outcome.KNOWN)) == (40, 40)
