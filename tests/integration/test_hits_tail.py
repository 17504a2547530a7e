"""`hits tail` over real brokers: each hit is stored exactly once, also after a kill."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.options import BrokerOptions
from edge.authority.store import HitStore
from edge.authority.tail import Fate, ReceivedMessage, Tail, Until
from edge.errors import PublishError
from edge.privacy.hit import ReceiptVerifier
from tests.support.brokers import Broker, wait_until
from tests.support.parties import Parties
from tests.support.product import run_program
from tests.support.receiving import (
    fates,
    options,
    publish,
    receiver,
    tail,
    waiting_box,
)

# --- the way it should go --------------------------------------------------------------------


def test_hits_are_stored_in_order_and_confirmed_by_receipts(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0))
    hits = [parties.hit(counter=number) for number in range(5)]
    publish(broker, *hits)

    with waiting_box(broker, 5) as receipts:
        arrivals = tail(broker, receiver(parties, store))

    assert fates(arrivals) == [Fate.STORED] * 5
    assert [arrival.hit for arrival in arrivals] == hits
    assert [store.payload(hit.hit_id) for hit in hits] == [hit.to_payload() for hit in hits]
    payloads = {hit.hit_id: hit.to_payload() for hit in hits}
    verify = ReceiptVerifier((parties.authority_public,), payloads.get)
    assert [verify(receipt) for receipt in receipts] == [
        (hit.hit_id, hit.sealed_sha256) for hit in hits
    ]


def test_hits_sent_while_no_subscriber_is_connected_are_not_lost(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0))
    hit = parties.hit()

    publish(broker, hit)

    assert fates(tail(broker, receiver(parties, store), Until(stored=1))) == [Fate.STORED]
    # Acknowledged: the broker does not send it again.
    assert tail(broker, receiver(parties, store)) == []


def test_a_hit_sent_twice_is_stored_once_and_confirmed_twice(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0))
    hit = parties.hit()
    publish(broker, hit, hit)

    with waiting_box(broker, 2, alike=True) as receipts:
        arrivals = tail(broker, receiver(parties, store))

    assert fates(arrivals) == [Fate.STORED, Fate.KNOWN]
    assert len(store.hits()) == 1
    assert receipts[0] == receipts[1]


def test_a_subscription_can_be_limited_to_one_site(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0), site="elsewhere")
    publish(broker, parties.hit())

    assert tail(broker, receiver(parties, store), site="elsewhere") == []


# --- killed ----------------------------------------------------------------------------------


KILLED_TAIL = """
import os, sys
from datetime import datetime, timezone
from pathlib import Path
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.authority.store import HitStore
from edge.authority.tail import Receiver, Tail
from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys

port, store, boxes, keys, moment = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), 9)

class DiesAfterStoring(Receiver):
    def take_all(self, messages):
        super().take_all(messages)
        die()

class DiesBeforeStoring(Receiver):
    def take_all(self, messages):
        die()

if moment == "after the receipt, before the acknowledgement":
    BrokerLink.acknowledge = die
receiver = {"before storing": DiesBeforeStoring, "after storing": DiesAfterStoring}.get(
    moment, Receiver
)
Tail(
    BrokerOptions("127.0.0.1", int(port), "an-authority"),
    receiver(
        HitStore.open(Path(store), create=True),
        load_all_box_public_keys(Path(boxes)),
        load_authority_private_keys(Path(keys)),
        lambda: datetime.now(timezone.utc),
    ),
).run()
"""


@pytest.mark.parametrize(
    "moment",
    ["before storing", "after storing", "after the receipt, before the acknowledgement"],
)
def test_each_hit_is_stored_exactly_once_after_a_kill_at_any_moment(
    broker: Broker, parties: Parties, store: HitStore, tmp_path: Path, moment: str
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0))
    hits = [parties.hit() for _ in range(3)]
    publish(broker, *hits)
    arguments = [broker.port, tmp_path / "store", parties.box_file, parties.authority_folder]

    for _ in range(2):
        killed = run_program(KILLED_TAIL, *map(str, arguments), moment)
        assert killed.status == -signal.SIGKILL
    arrivals = tail(broker, receiver(parties, store))

    assert sorted(hit.hit_id for hit in store.hits()) == sorted(hit.hit_id for hit in hits)
    confirmed = {arrival.hit.hit_id for arrival in arrivals if arrival.hit is not None}
    assert confirmed == {hit.hit_id for hit in hits}
    expected = 0 if moment == "before storing" else 1
    assert fates(arrivals).count(Fate.KNOWN) >= expected


def test_the_subscriber_reconnects_to_a_restarted_broker(parties: Parties, store: HitStore) -> None:
    stop = threading.Event()
    arrivals: list[ReceivedMessage] = []
    broker = EmbeddedBroker()
    broker.start()
    follower = Tail(
        options(broker, "an-authority"), receiver(parties, store), on_arrival=arrivals.append
    )
    thread = threading.Thread(target=follower.run, kwargs={"cancelled": stop.is_set})

    def arrived(count: int) -> bool:
        # The broker forgets sessions when it ends, so the box sends until it is confirmed.
        publish(broker, parties.hit())
        return wait_until(lambda: len(arrivals) >= count, 1.0)

    try:
        thread.start()
        assert wait_until(lambda: arrived(1))
        before = len(arrivals)
        broker.kill()
        broker.start()
        assert wait_until(lambda: arrived(before + 1))
    finally:
        stop.set()
        thread.join(60)
        broker.stop()
    assert not thread.is_alive()


# --- the verbs -------------------------------------------------------------------------------


def test_the_first_connection_must_succeed(parties: Parties, store: HitStore) -> None:
    nobody = Tail(BrokerOptions("127.0.0.1", 1, "an-authority"), receiver(parties, store))

    with pytest.raises(PublishError):
        nobody.run()
