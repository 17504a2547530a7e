"""The receiving side for tests: a receiver, its subscription, and a box that waits for receipts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from edge.adapters.broker import topics
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.authority.store import HitStore
from edge.authority.tail import Fate, ReceivedMessage, Receiver, Tail, Until
from edge.privacy.hit import Hit
from edge.privacy.keys import BoxPublicKeys
from tests.support.brokers import Broker
from tests.support.parties import BOX, SITE, Parties, topic_of

QUIET = Until(idle_s=1.5)


def options(broker: Broker, client_id: str) -> BrokerOptions:
    return BrokerOptions(broker.host, broker.port, client_id)


def publish(broker: Broker, *hits: Hit, topic: str | None = None) -> None:
    with BrokerLink.open(options(broker, "a-box")) as link:
        for hit in hits:
            link.publish(topic or topic_of(hit), hit.to_payload())


def utc() -> datetime:
    return datetime.now(timezone.utc)


def boxes_of(*parties: Parties) -> dict[tuple[str, str], BoxPublicKeys]:
    return {(one.box_public.site, one.box_public.box): one.box_public for one in parties}


def receiver(parties: Parties, store: HitStore, **changed: Any) -> Receiver:
    return Receiver(store, boxes_of(parties), parties.authority, changed.get("utc", utc))


def tail(
    broker: Broker, by: Receiver, until: Until = QUIET, **changed: Any
) -> list[ReceivedMessage]:
    """Run `hits tail` until `until`; the broker keeps the session."""
    arrivals: list[ReceivedMessage] = []
    Tail(options(broker, "an-authority"), by, on_arrival=arrivals.append, **changed).run(until)
    return arrivals


def fates(arrivals: list[ReceivedMessage]) -> list[Fate]:
    return [arrival.fate for arrival in arrivals]


@contextmanager
def waiting_box(broker: Broker, count: int) -> Iterator[list[bytes]]:
    """A box that receives receipts; at the end of the block it has `count` of them."""
    received: list[bytes] = []
    ready = threading.Event()

    def listen() -> None:
        with BrokerLink.open(options(broker, "a-waiting-box")) as link:
            link.subscribe([topics.receipt(SITE, BOX)])
            ready.set()
            while len(received) < count:
                message = link.receive(10)
                if message is None:
                    return
                received.append(message.payload)
                link.acknowledge(message)

    thread = threading.Thread(target=listen)
    thread.start()
    assert ready.wait(10)
    yield received
    thread.join(15)


def take(by: Receiver, hit: Hit, topic: str | None = None) -> ReceivedMessage:
    return by.take(topic or topic_of(hit), hit.to_payload())
