"""A box's outbox and publisher for tests."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher, PublisherLimits
from edge.adapters.broker.reception import MessageHandler
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.system import SystemClock
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.privacy.hit import Hit, ReceiptVerifier
from edge.privacy.keys import AuthorityPublicKeys
from tests.support.brokers import (
    Broker,
    StoringAuthority,
    verify_receipt,
    wait_until,
)

TOPICS = BoxTopics("school-street", "box-1", frozenset({"cam-1", "cam-2"}))
TOMORROW = datetime.now(timezone.utc) + timedelta(days=1)
SEALED = "5ea1" * 16
# Short enough for a test, long enough to tell waiting from not waiting.
LIMITS = PublisherLimits(receipt_wait_s=0.5, first_hold_s=0.3)


def payload_of(hit_id: str, size: int = 2000) -> bytes:
    filler = "x" * size
    return json.dumps(
        {
            "hit_id": hit_id,
            "site": TOPICS.site,
            "box": TOPICS.box,
            "sealed": filler,
            "sealed_sha256": SEALED,
        }
    ).encode()


class Box:
    """An outbox with a publisher, as the product wires them."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        limits: PublisherLimits = LIMITS,
        *,
        port: int | None = None,
        topics: BoxTopics = TOPICS,
        handlers: Mapping[str, MessageHandler] = MappingProxyType({}),
        authority: AuthorityPublicKeys | None = None,
        **changed: Any,
    ) -> None:
        self.options = BrokerOptions(
            broker.host,
            broker.port if port is None else port,
            "edge-anpr-box-1",
            **{"connect_timeout_s": 3.0, **changed},
        )
        self.keyring = Keyring.open(folder / "keyring", SystemClock())
        self.outbox = Outbox.open(folder / "state", self.keyring, reserve_mib=4)
        self.topics = topics
        self.publisher = Publisher(
            self.outbox,
            self.options,
            topics,
            verify_receipt
            if authority is None
            else ReceiptVerifier((authority,), self.outbox.find),
            clock=self.keyring.clock,
            jitter=random.Random(1).random,
            limits=limits,
            handlers=handlers,
        )

    def put(
        self,
        hit_id: str,
        camera: str = "cam-1",
        *,
        size: int = 2000,
        receipt_required: bool = False,
        expires_at: datetime = TOMORROW,
        topic: str | None = None,
    ) -> None:
        self.outbox.put(
            hit_id,
            camera,
            topic or self.topics.hit(camera),
            payload_of(hit_id, size),
            purpose="wanted-vehicles",
            receipt_required=receipt_required,
            expires_at=expires_at,
        )

    def put_hit(self, hit: Hit) -> None:
        """Keep a sealed hit until its authority has signed a receipt."""
        self.outbox.put(
            hit.hit_id,
            hit.camera,
            self.topics.hit(hit.camera),
            hit.to_payload(),
            purpose=hit.purpose,
            receipt_required=True,
            expires_at=TOMORROW,
        )

    def close(self) -> None:
        self.publisher.stop()
        self.outbox.close()
        self.keyring.close()


def authority_of(broker: Broker, *, sends_receipts: bool = True) -> StoringAuthority:
    return StoringAuthority(
        BrokerOptions(broker.host, broker.port, "authority", connect_timeout_s=1.0),
        sends_receipts=sends_receipts,
    )


def retained_message(
    broker: Broker, topic: str, *, done: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Read a retained topic until `done` accepts a message; returns the last message."""
    last: dict[str, Any] = {}
    with BrokerLink.open(BrokerOptions(broker.host, broker.port, "watcher")) as link:
        link.subscribe([topic])
        for _ in range(10):
            message = link.receive(1.0)
            if message is not None:
                last = json.loads(message.payload)
                if done(last):
                    break
    return last


def wait_for_acknowledged(box: Box, count: int) -> bool:
    return wait_until(lambda: box.publisher.state.acknowledged >= count)


def send_receipt(broker: Broker, payload: bytes) -> None:
    with BrokerLink.open(BrokerOptions(broker.host, broker.port, "receipts")) as link:
        assert link.publish(TOPICS.receipt, payload) < 0x80


class Address(EmbeddedBroker):
    """The address of a broker that is never started."""

    def __init__(self, port: int) -> None:
        super().__init__(port=port)


def problem_of(box: Box) -> str:
    assert wait_until(lambda: box.publisher.state.problem is not None)
    problem = box.publisher.state.problem
    assert problem is not None
    assert "\n" not in problem.message
    return problem.message
