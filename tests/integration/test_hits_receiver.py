"""Which messages the authority stores, refuses or quarantines."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from edge.adapters.state.key_making import rotate_authority_keys, rotate_box_keys
from edge.authority.store import HitStore
from edge.authority.tail import Fate, Receiver, Until
from edge.privacy.hit import ReceiptVerifier
from tests.support.brokers import Broker
from tests.support.parties import BOX, SITE, Parties, make_parties, topic_of
from tests.support.receiving import (
    fates,
    publish,
    receiver,
    tail,
    take,
    utc,
    waiting_box,
)

# --- what is not stored ----------------------------------------------------------------------


def test_anything_but_a_hit_of_a_known_box_is_refused(parties: Parties, store: HitStore) -> None:
    hit = parties.hit()
    forged = hit.model_copy(update={"epoch": hit.epoch + 1})
    by = receiver(parties, store)

    assert by.take(topic_of(hit), b"junk").fate is Fate.REFUSED
    assert take(by, forged).fate is Fate.REFUSED
    for topic in (f"anpr/{SITE}/{BOX}/cam-2/hit", f"anpr/{SITE}/box-2/cam-1/hit", "anpr/x", ""):
        arrival = by.take(topic, hit.to_payload())
        assert (arrival.fate, arrival.receipt) == (Fate.REFUSED, None)
    assert store.hits() == ()
    assert store.aside() == ()


def test_a_hit_for_another_authority_is_ignored(
    parties: Parties, store: HitStore, tmp_path: Path
) -> None:
    other = make_parties(tmp_path / "other", authority="city")
    arrival = take(receiver(parties, store), other.hit(authority="city"))

    assert (arrival.fate, arrival.receipt) == (Fate.FOR_OTHERS, None)
    assert store.hits() == ()


def test_a_signature_of_a_key_retired_too_long_ago_is_refused(
    parties: Parties, store: HitStore
) -> None:
    old = parties.hit()
    rotate_box_keys(parties.box_folder, utc())
    in_time = receiver(parties, store, utc=lambda: utc() + timedelta(days=30))
    too_late = receiver(parties, store, utc=lambda: utc() + timedelta(days=32))

    assert take(too_late, old).fate is Fate.REFUSED
    assert take(in_time, old).fate is Fate.STORED


def test_p10_a_hit_that_was_deleted_long_ago_is_refused(parties: Parties, store: HitStore) -> None:
    hit = parties.hit()
    by = receiver(parties, store)
    assert take(by, hit).fate is Fate.STORED
    for day in (0, 40):
        store.purge(timedelta(0), hit.observed + timedelta(days=1 + day), confirmed=True)

    arrival = take(by, hit)

    assert (arrival.fate, arrival.receipt) == (Fate.REFUSED, None)
    assert "may be one that was deleted" in arrival.why
    assert (store.hits(), store.aside()) == ((), ())


def test_p8_garbage_names_the_box_on_whose_topic_it_came_and_quotes_nothing_else(
    parties: Parties, store: HitStore
) -> None:
    by = receiver(parties, store)
    told = by.take(topic_of(parties.hit()), b"1-ABC-234").why
    assert told.startswith(f"on the topic of box box-1 of site {SITE}: ")
    for topic in (f"anpr/{SITE}/1abc234/cam-1/hit", "anpr/1ABC234", ""):
        told += by.take(topic, b"1-ABC-234").why
        assert "on a topic of no known box: " in told
    assert "abc" not in told.lower()


def test_another_hit_with_a_known_id_is_quarantined_and_gets_no_receipt(
    parties: Parties, store: HitStore
) -> None:
    hit = parties.hit()
    by = receiver(parties, store)
    take(by, hit)

    arrival = take(by, parties.hit(hit_id=hit.hit_id))

    assert (arrival.fate, arrival.receipt) == (Fate.SET_ASIDE, None)
    assert store.payload(hit.hit_id) == hit.to_payload()


# --- what may be stored later ----------------------------------------------------------------


def test_a_hit_of_an_unknown_box_is_stored_once_its_public_file_exists(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    stranger = Receiver(store, {}, parties.authority, utc)
    tail(broker, stranger, Until(idle_s=0))
    hit = parties.hit()
    publish(broker, hit)
    assert fates(tail(broker, stranger)) == [Fate.SET_ASIDE]
    assert store.hits() == ()

    with waiting_box(broker, 1) as receipts:
        arrivals = tail(broker, receiver(parties, store))

    assert fates(arrivals) == [Fate.STORED]
    assert store.payload(hit.hit_id) == hit.to_payload()
    assert store.aside() == ()
    verify = ReceiptVerifier((parties.authority_public,), lambda _hit_id: hit.to_payload())
    assert verify(receipts[0]) is not None


@pytest.mark.parametrize("rotated", ["the box's key", "the authority's key"])
def test_a_hit_under_unknown_keys_waits_until_they_are_known(
    parties: Parties, store: HitStore, rotated: str
) -> None:
    before = receiver(parties, store)
    if rotated == "the box's key":
        rotate_box_keys(parties.box_folder, utc())
    else:
        rotate_authority_keys(parties.authority_folder, utc())
    hit = parties.hit()

    assert take(before, hit).fate is Fate.SET_ASIDE
    assert before.retry_aside() == []
    assert len(store.aside()) == 1
    (arrival,) = receiver(parties, store).retry_aside()
    assert (arrival.fate, arrival.receipt is not None) == (Fate.STORED, True)
