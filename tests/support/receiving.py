"""The receiving side for tests: a receiver, its subscription, and a box that waits for receipts."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.adapters.broker import topics
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions, TlsFiles
from edge.adapters.broker.publisher import PublisherLimits
from edge.authority.store import HitStore
from edge.authority.tail import Fate, ReceivedMessage, Receiver, Tail, Until
from edge.privacy.hit import Hit
from edge.privacy.keys import BoxPublicKeys
from tests.support.brokers import Broker, Mosquitto, TestAuthority
from tests.support.parties import AUTHORITY, BOX, SITE, Parties, topic_of
from tests.support.product import verb
from tests.support.publishing import Box

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
def waiting_box(broker: Broker, count: int, *, alike: bool = False) -> Iterator[list[bytes]]:
    """A box that receives receipts; at the end of the block it has `count` of them.

    Receipts of the same bytes count once; with `alike` each counts.
    """
    received: list[bytes] = []
    ready = threading.Event()

    def listen() -> None:
        with BrokerLink.open(options(broker, "a-waiting-box")) as link:
            link.subscribe([topics.receipt(SITE, BOX)])
            ready.set()
            while len(received if alike else set(received)) < count:
                message = link.receive(60)
                if message is None:
                    return
                received.append(message.payload)
                link.acknowledge(message)

    thread = threading.Thread(target=listen)
    thread.start()
    assert ready.wait(60)
    yield received
    thread.join(60)


def take(by: Receiver, hit: Hit, topic: str | None = None) -> ReceivedMessage:
    return by.take(topic or topic_of(hit), hit.to_payload())


def received_over_tls(base: Path, desk: Path, parties: Parties, hits: Sequence[Hit]) -> None:
    """A box publishes the hits, a consumer stores them, and the box gets a receipt for each."""
    ours = TestAuthority(base, "ours")
    server, box, client = (ours.issue(name) for name in ("broker", "box", AUTHORITY))
    files = (f"cafile {ours.path}", f"certfile {server.certificate}", f"keyfile {server.key}")
    demands = ("require_certificate true", "use_identity_as_username true")
    its = topics.BoxTopics(SITE, BOX, frozenset({hits[0].camera}))
    with Mosquitto(base, *files, *demands) as broker:
        line: list[str | Path] = [
            "desk", "consume", "--desk", desk, "--broker", f"127.0.0.1:{broker.port}",
            "--box-keys", parties.box_file, "--keys", parties.authority_folder, "--json",
            "--tls-ca", ours.path, "--tls-cert", client.certificate, "--tls-key", client.key,
        ]  # fmt: skip
        assert verb(*line, "--idle", "0.3").status == 0  # from now on the broker keeps hits for it
        sender = Box(
            base / "sender",
            broker,
            PublisherLimits(),
            topics=its,
            authority=parties.authority_public,
            tls=TlsFiles(ours.path, box.certificate, box.key),
        )
        for hit in hits:
            sender.put_hit(hit)
        sender.publisher.start()
        done = verb(*line, "--once", str(len(hits)))
        assert (done.status, done.json["stored"]) == (0, len(hits)), done.err
        assert sender.publisher.drain(30), "each hit is deleted at the box on its receipt"
        sender.close()
