"""P13, P17: lists, orders and hostile messages by MQTT, over real brokers."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from paho.mqtt import publish

from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.system import SystemClock
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.list_store import ListStore
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.suspension_store import SuspensionStore
from edge.errors import EdgeError, PublishError
from edge.formats.signing import SigningKey
from edge.policy.suspension import SuspensionOrder, SuspensionTerms, new_order
from tests.integration.conftest import needs_mosquitto
from tests.support import plate_lists, publishing
from tests.support.brokers import (
    Broker,
    Mosquitto,
    flooded,
    slow_broker,
    verify_receipt,
    wait_until,
)
from tests.support.parties import BOX, SITE, make_parties
from tests.support.plate_lists import ISSUED, LIST, entries_of

SUPERVISOR, CONTROLLER = SigningKey.generate("supervisor"), SigningKey.generate("mayor")
TOPICS = BoxTopics(SITE, BOX, frozenset({"cam-1"}), frozenset({LIST}))
TERMS = SuspensionTerms(
    site=SITE,
    box=BOX,
    suspending={SUPERVISOR.public.key_id: SUPERVISOR.public},
    controllers={CONTROLLER.public.key_id: CONTROLLER.public},
)


def order(action: str, *keys: SigningKey, after_s: float = 0, site: str = SITE) -> SuspensionOrder:
    moment = ISSUED + timedelta(seconds=after_s)
    made = new_order(site, "resume" if action == "resume" else "suspend", "no-dpia", moment)
    for key in keys:
        made = made.signed_by(key)
    return made


class Box:
    """A publisher with the stores of lists and suspensions."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.options = BrokerOptions(broker.host, broker.port, "box", connect_timeout_s=3.0)
        self.parties = make_parties(folder / "parties")
        self.lists = ListStore(
            folder / "state",
            self.parties.box,
            {LIST: plate_lists.terms()},
            lambda: ISSUED + timedelta(hours=1),
        )
        self.suspensions = SuspensionStore(folder / "state")
        self.heard: list[bytes] = []
        self._keyring = Keyring.open(folder / "keyring", SystemClock())
        self._outbox = Outbox.open(folder / "state", self._keyring, reserve_mib=1)
        self.publisher = Publisher(
            self._outbox,
            self.options,
            TOPICS,
            verify_receipt,
            clock=SystemClock(),
            jitter=random.Random(1).random,
            handlers={TOPICS.bundle(LIST): self._take_list, TOPICS.command: self._take_order},
        )

    def _take_list(self, payload: bytes) -> None:
        self.heard.append(payload)
        self.lists.install(payload, list_id=LIST)

    def _take_order(self, payload: bytes) -> None:
        self.heard.append(payload)
        self.suspensions.take(payload, TERMS)

    @property
    def suspended(self) -> bool:
        return self.suspensions.load().suspended

    @property
    def plates(self) -> list[str]:
        return [entry.plate.reveal() for entry in entries_of(self.lists)]

    def bundle(self, plate: str, counter: int) -> bytes:
        entry = plate_lists.entry(plate=plate)
        return plate_lists.bundle(self.parties.box_public, entry, counter=counter)

    def close(self) -> None:
        self.publisher.stop()
        self._outbox.close()
        self._keyring.close()


@pytest.fixture
def box(tmp_path: Path, broker: Broker) -> Iterator[Box]:
    made = Box(tmp_path, broker)
    yield made
    made.close()


def send(broker: Broker, topic: str, *payloads: bytes, retain: bool = True) -> None:
    """Publish as any MQTT client would."""
    with BrokerLink.open(BrokerOptions(broker.host, broker.port, "sender")) as link:
        for payload in payloads:
            assert link.publish(topic, payload, retain=retain) < 0x80


def test_p13_a_list_reaches_a_box_that_was_offline_when_it_was_sent(
    box: Box, broker: Broker
) -> None:
    send(broker, TOPICS.bundle(LIST), box.bundle("1QQQ777", 7))
    box.publisher.start()
    assert wait_until(lambda: len(box.heard) == 1)
    assert wait_until((box.folder / "state" / "list-counters.json").exists)
    assert box.plates == ["1QQQ777"]

    send(broker, TOPICS.bundle(LIST), box.bundle("1QQQ778", 8))
    assert wait_until(lambda: box.plates == ["1QQQ778"])


def test_p17_an_order_reaches_an_offline_box_and_an_online_box(box: Box, broker: Broker) -> None:
    send(broker, TOPICS.command, order("suspend", SUPERVISOR).to_bytes())
    box.publisher.start()
    assert wait_until(lambda: box.suspended)

    send(broker, TOPICS.command, order("resume", SUPERVISOR, CONTROLLER, after_s=1).to_bytes())
    assert wait_until(lambda: not box.suspended)


def test_p13_p17_hostile_messages_change_nothing_and_stop_nothing(
    box: Box, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = SigningKey.generate("control-room")
    good_list, good_order = box.bundle("1QQQ777", 7), order("suspend", SUPERVISOR).to_bytes()
    box.publisher.start()
    assert wait_until(lambda: box.publisher.state.connected)
    send(broker, TOPICS.bundle(LIST), good_list, good_order)
    assert wait_until(lambda: len(box.heard) == 2)
    bent = bytearray(box.bundle("1QQQ778", 8))
    bent[-20] ^= 1
    hostile_lists = [
        b"",
        b"\x00" * 1000,
        b"[" * 500_000,
        b"{}" * 300_000,
        bytes(bent),
        box.bundle("1QQQ778", 8)[:-1],
        box.bundle("1QQQ778", 6),
        plate_lists.bundle(box.parties.box_public, key=stranger, counter=8),
        good_order,
    ]
    hostile_orders = [
        b"",
        b"\xff" * 500_000,
        good_list,
        good_order[:-1],
        order("suspend", stranger).to_bytes(),
        order("suspend").to_bytes(),
        order("suspend", SUPERVISOR, site="elsewhere").to_bytes(),
        order("resume", SUPERVISOR, CONTROLLER).to_bytes(),
        order("resume", CONTROLLER, after_s=5).to_bytes(),
    ]
    send(broker, TOPICS.bundle(LIST), *hostile_lists, retain=False)
    send(broker, TOPICS.command, *hostile_orders, retain=False)

    assert wait_until(lambda: len(box.heard) == 2 + len(hostile_lists) + len(hostile_orders))
    send(broker, TOPICS.command, order("suspend", SUPERVISOR).to_bytes())
    assert wait_until(lambda: box.suspended), "the box no longer hears orders"
    assert box.plates == ["1QQQ777"]
    assert "1QQQ77" not in caplog.text
    shown = [line for line in caplog.messages if line.startswith(f"refused on {TOPICS.command}: ")]
    codes = [line.split(": ")[1] for line in shown]
    assert len(codes) > 1
    assert len(codes) == len(set(codes)), "one line for each code in a minute"


def test_p13_p17_messages_on_other_topics_are_not_received(box: Box, broker: Broker) -> None:
    box.publisher.start()
    assert wait_until(lambda: box.publisher.state.connected)
    for topic in (
        f"anpr/{SITE}/{BOX}/lists/permits",
        f"anpr/{SITE}/box-2/command",
        f"anpr/elsewhere/{BOX}/command",
        f"anpr/{SITE}/{BOX}/command/now",
    ):
        send(broker, topic, order("suspend", SUPERVISOR).to_bytes())
    send(broker, TOPICS.command, b"last")
    assert wait_until(lambda: box.heard == [b"last"])
    assert not box.suspended


def test_p17_an_order_is_received_while_a_hit_waits_for_its_puback() -> None:
    """A broker that sends its PUBACK late must not delay orders."""
    heard: list[bytes] = []
    with slow_broker(TOPICS.command, b"order") as port:
        options = BrokerOptions("127.0.0.1", port, "box")
        link = BrokerLink.open(options, urgent={TOPICS.command: heard.append})
        with pytest.raises(PublishError, match="did not acknowledge a message"):
            link.publish("anpr/s/b/c/hit", b"never acknowledged", timeout_s=1.0)
        link.abort()
    assert heard == [b"order"]


@needs_mosquitto
def test_p17_an_order_that_was_sent_with_qos_0_does_not_end_the_connection(tmp_path: Path) -> None:
    """Such a message has no packet id; a broker cuts off a client that acknowledges number 0."""
    heard: list[bytes] = []
    with Mosquitto(tmp_path) as broker:
        options = BrokerOptions(broker.host, broker.port, "box")
        with BrokerLink.open(options, urgent={TOPICS.command: heard.append}) as link:
            link.subscribe([TOPICS.command])
            publish.single(TOPICS.command, b"order", 0, hostname=broker.host, port=broker.port)
            while not heard:
                assert link.receive(5.0) is None
            assert link.publish("anpr/s/b/c/hit", b"after it") < 0x80
    assert heard == [b"order"]


@needs_mosquitto
def test_the_broker_withholds_packets_over_the_boxs_limit(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        options = BrokerOptions(broker.host, broker.port, "box", largest_packet_bytes=2000)
        with BrokerLink.open(options) as link:
            link.subscribe(["anpr/#"])
            send(broker, "anpr/a", bytes(1000), bytes(5000), bytes(1001))
            sizes: list[int] = []
            while len(sizes) < 2 and (message := link.receive(5.0)) is not None:
                link.acknowledge(message)
                sizes.append(len(message.payload))
    assert sizes == [1000, 1001]


def test_a_publisher_accepts_only_topics_of_its_own_box(tmp_path: Path) -> None:
    with (
        Keyring.open(tmp_path / "keyring", SystemClock()) as keyring,
        Outbox.open(tmp_path / "state", keyring, reserve_mib=1) as outbox,
        pytest.raises(EdgeError, match="closed"),
    ):
        Publisher(
            outbox,
            BrokerOptions("127.0.0.1", 1, "box"),
            TOPICS,
            verify_receipt,
            clock=SystemClock(),
            jitter=lambda: 0.5,
            handlers={"anpr/#": json.loads},
        )


@needs_mosquitto
def test_p10_p17_messages_without_an_end_hold_up_neither_hits_nor_expiry_nor_a_stop(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Whoever may write to one topic of a box could send there without a pause."""
    topic = TOPICS.bundle(LIST)
    handlers = {topic: lambda _payload: time.sleep(0.01)}  # as long as it takes to refuse a list
    box = publishing.Box(tmp_path, mosquitto, topics=TOPICS, handlers=handlers)
    box.publisher.start()
    stopping = threading.Thread(target=box.publisher.stop, daemon=True)
    assert wait_until(lambda: box.publisher.state.connections == 1)
    with flooded(mosquitto, topic, b"no list"):
        time.sleep(1)
        box.put("a")
        box.put("old", receipt_required=True, expires_at=datetime.now(timezone.utc))
        assert wait_until(lambda: not box.outbox.depth())
        stopping.start()
        stopping.join(30)
        assert not stopping.is_alive()
    box.close()
    assert (box.publisher.state.acknowledged, box.publisher.state.expired) == (1, 1)
