"""Hits on their way from the outbox to the authority, over real brokers."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher, PublisherLimits
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.system import SystemClock
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.errors import PublishError
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import (
    HOST,
    Broker,
    Mosquitto,
    StoringAuthority,
    free_port,
    receipt,
    tcp_server,
    verify_receipt,
    wait_until,
)
from tests.support.product import REPOSITORY
from tests.support.wiretap import Wiretap

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
        self.publisher = Publisher(
            self.outbox,
            self.options,
            TOPICS,
            verify_receipt,
            clock=self.keyring.clock,
            jitter=random.Random(1).random,
            limits=limits,
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
            topic or TOPICS.hit(camera),
            payload_of(hit_id, size),
            purpose="wanted-vehicles",
            receipt_required=receipt_required,
            expires_at=expires_at,
        )

    def close(self) -> None:
        self.publisher.stop()
        self.outbox.close()
        self.keyring.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Box]]:
    """Makes boxes on one state folder, and closes them."""
    with ExitStack() as stack:

        def open_box(broker: Broker, limits: PublisherLimits = LIMITS) -> Box:
            box = Box(tmp_path, broker, limits)
            stack.callback(box.close)
            return box

        yield open_box


def authority_of(broker: Broker, *, sends_receipts: bool = True) -> StoringAuthority:
    return StoringAuthority(
        BrokerOptions(broker.host, broker.port, "authority", connect_timeout_s=1.0),
        sends_receipts=sends_receipts,
    )


def said(broker: Broker, topic: str, *, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Watch a retained topic until it says what is awaited; returns the last it said."""
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


# --- delivery ----------------------------------------------------------------------------------


def test_an_acknowledged_hit_arrives_byte_for_byte_and_leaves_the_outbox(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    box = opened(broker)
    with authority_of(broker) as authority:
        box.put("a" * 32, size=100_000)
        box.publisher.start()
        assert box.publisher.drain(10)
        assert wait_until(lambda: len(authority.deliveries) == 1)
    assert authority.deliveries == [("a" * 32, payload_of("a" * 32, 100_000))]
    assert box.publisher.state.acknowledged == 1
    with BrokerLink.open(BrokerOptions(broker.host, broker.port, "late")) as late:
        late.subscribe([TOPICS.hit("cam-1")])
        assert late.receive(0.5) is None, "a hit is never retained"


def test_each_cameras_hits_arrive_in_order(broker: Broker, opened: Callable[..., Box]) -> None:
    box = opened(broker)
    ids = [f"{number:03d}-{camera}" for number in range(40) for camera in ("cam-1", "cam-2")]
    with authority_of(broker, sends_receipts=False) as authority:
        box.publisher.start()
        for hit_id in ids:
            box.put(hit_id, hit_id[4:])
        assert box.publisher.drain(20)
        assert wait_until(lambda: len(authority.deliveries) == len(ids))
    for camera in ("cam-1", "cam-2"):
        assert _of(camera, authority.hit_ids) == _of(camera, ids)


def _of(camera: str, ids: Sequence[str]) -> list[str]:
    return [hit_id for hit_id in ids if hit_id.endswith(camera)]


def test_without_a_broker_hits_wait_and_the_reason_is_reported(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    broker.stop()
    box = opened(broker)
    box.put("a")
    box.publisher.start()
    assert not box.publisher.drain(0.5)
    problem = box.publisher.state.problem
    assert isinstance(problem, PublishError)
    assert f"{HOST}:{broker.port}: nothing listens there" in problem.message
    broker.start()
    assert box.publisher.drain(10)
    assert box.publisher.state.problem is None


def test_hits_stored_without_a_broker_are_published_by_the_next_run(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    broker.stop()
    first = opened(broker)
    first.put("a")
    first.put("b")
    first.publisher.start()
    assert not first.publisher.drain(0.2)
    first.close()
    broker.start()
    second = opened(broker)
    with authority_of(broker) as authority:
        second.publisher.start()
        assert second.publisher.drain(10)
        assert wait_until(lambda: authority.hit_ids == ["a", "b"])


def test_a_killed_broker_loses_no_hit_and_keeps_their_order(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    box = opened(broker)
    ids = [f"{number:03d}-{camera}" for number in range(60) for camera in ("cam-1", "cam-2")]
    with authority_of(broker) as authority:
        for hit_id in ids:
            box.put(hit_id, hit_id[4:], size=20_000, receipt_required=True)
        box.publisher.start()
        for moment in (15, 50):
            assert wait_for_acknowledged(box, moment)
            broker.kill()
            assert wait_until(lambda: not box.publisher.state.connected)
            broker.start()
        assert box.publisher.drain(30)
    assert sorted(authority.hit_ids) == sorted(ids)
    assert box.publisher.state.receipts == len(ids)


@needs_mosquitto
def test_a_broker_that_restarts_with_its_sessions_receives_every_hit_in_order(
    tmp_path: Path, opened: Callable[..., Box]
) -> None:
    place = tmp_path / "broker"
    place.mkdir()
    ids = [f"{number:03d}-cam-1" for number in range(100)]
    with Mosquitto(place, "persistence true", f"persistence_location {place}/") as broker:
        box = opened(broker)
        with authority_of(broker, sends_receipts=False) as authority:
            for hit_id in ids:
                box.put(hit_id, size=20_000)
            box.publisher.start()
            assert wait_until(lambda: box.publisher.state.acknowledged >= 20)
            broker.stop()
            broker.start()
            assert box.publisher.drain(20)
            assert wait_until(lambda: len(authority.hit_ids) == len(ids))
        assert authority.hit_ids == ids


def test_hits_that_reach_the_end_of_their_retention_are_deleted_unsent(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    box = opened(broker)
    box.put("old", expires_at=datetime.now(timezone.utc) - timedelta(seconds=1))
    with authority_of(broker) as authority:
        box.publisher.start()
        assert box.publisher.drain(5)
        box.put("new")
        assert box.publisher.drain(5)
        assert wait_until(lambda: len(authority.deliveries) == 1)
    assert authority.hit_ids == ["new"]
    assert box.publisher.state.expired == 1


def test_retention_ends_without_a_broker_too(opened: Callable[..., Box]) -> None:
    box = opened(_Address(free_port()))
    box.put("old", expires_at=datetime.now(timezone.utc) - timedelta(seconds=1))
    box.put("new")
    box.publisher.start()
    assert wait_until(lambda: box.outbox.hit_ids() == ("new",))


def test_a_hit_expires_at_the_broker(opened: Callable[..., Box]) -> None:
    with EmbeddedBroker() as broker:
        authority = BrokerOptions(broker.host, broker.port, "authority")
        with BrokerLink.open(authority, session_expiry_s=3600) as link:
            link.subscribe([TOPICS.hit("cam-1")])
        box = opened(broker, PublisherLimits(message_expiry_s=1))
        box.put("a")
        box.publisher.start()
        assert box.publisher.drain(5)
        box.publisher.stop()
        with BrokerLink.open(BrokerOptions(broker.host, broker.port, "pause")) as pause:
            pause.receive(2.2)
        with BrokerLink.open(authority, session_expiry_s=3600) as link:
            assert link.session_present
            assert link.receive(0.5) is None


# --- receipts ----------------------------------------------------------------------------------


def test_a_hit_that_needs_a_receipt_stays_until_the_receipt_arrives(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    box = opened(broker, PublisherLimits(receipt_wait_s=60))
    with authority_of(broker, sends_receipts=False) as authority:
        box.put("a", receipt_required=True)
        box.publisher.start()
        assert wait_until(lambda: box.publisher.state.acknowledged == 1)
        assert not box.publisher.drain(0.3)
        send_receipt(broker, receipt("a", SEALED))
        assert box.publisher.drain(5)
        assert len(authority.deliveries) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(receipt("a", SEALED, signed=False), id="not signed by the authority"),
        pytest.param(receipt("a", "0" * 64), id="for other evidence"),
        pytest.param(receipt("b", SEALED), id="for another hit"),
    ],
)
def test_an_invalid_receipt_deletes_nothing(
    broker: Broker, opened: Callable[..., Box], wrong: bytes
) -> None:
    box = opened(broker, PublisherLimits(receipt_wait_s=60))
    box.put("a", receipt_required=True)
    box.publisher.start()
    assert wait_until(lambda: box.publisher.state.acknowledged == 1)
    send_receipt(broker, wrong)
    assert not box.publisher.drain(0.5)
    assert box.outbox.hit_ids() == ("a",)
    send_receipt(broker, receipt("a", SEALED))
    assert box.publisher.drain(5)


def test_without_a_receipt_the_hit_is_published_again(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    box = opened(broker)
    with authority_of(broker, sends_receipts=False) as authority:
        box.put("a", receipt_required=True)
        box.publisher.start()
        assert wait_until(lambda: len(authority.deliveries) >= 2)
        authority.sends_receipts = True
        assert box.publisher.drain(10)
    assert authority.hit_ids == ["a"]


def test_after_a_restart_a_hit_without_receipt_is_published_again_at_once(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    patient = PublisherLimits(receipt_wait_s=3600)
    first = opened(broker, patient)
    first.put("a", receipt_required=True)
    first.publisher.start()
    assert wait_until(lambda: first.publisher.state.acknowledged == 1)
    first.close()
    second = opened(broker, patient)
    with authority_of(broker) as authority:
        second.publisher.start()
        assert second.publisher.drain(10)
    assert authority.hit_ids == ["a"]


def test_a_broker_without_the_session_receives_unconfirmed_hits_again_at_once(
    opened: Callable[..., Box],
) -> None:
    with EmbeddedBroker() as broker:  # it keeps everything in memory
        box = opened(broker, PublisherLimits(receipt_wait_s=3600))
        box.put("a", receipt_required=True)
        box.publisher.start()
        assert wait_until(lambda: box.publisher.state.acknowledged == 1)
        broker.kill()
        broker.start()
        assert wait_for_acknowledged(box, 2)


def test_a_receipt_sent_while_the_box_was_offline_is_accepted(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    patient = PublisherLimits(receipt_wait_s=3600)
    first = opened(broker, patient)
    first.put("a", receipt_required=True)
    first.publisher.start()
    assert wait_until(lambda: first.publisher.state.acknowledged == 1)
    first.close()
    send_receipt(broker, receipt("a", SEALED))
    second = opened(broker, patient)
    second.publisher.start()
    assert second.publisher.drain(5)


def wait_for_acknowledged(box: Box, count: int) -> bool:
    return wait_until(lambda: box.publisher.state.acknowledged >= count)


def send_receipt(broker: Broker, payload: bytes) -> None:
    with BrokerLink.open(BrokerOptions(broker.host, broker.port, "receipts")) as link:
        assert link.publish(TOPICS.receipt, payload) < 0x80


@dataclass(frozen=True, slots=True)
class Guarded:
    """A mosquitto with an access list, which lets cam-2 publish and cam-1 not."""

    broker: Mosquitto
    rules: Path

    def allow(self, *cameras: str) -> None:
        topics = [TOPICS.availability, TOPICS.receipt, *map(TOPICS.hit, cameras)]
        self.rules.write_text("".join(f"topic readwrite {topic}\n" for topic in topics))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    rules = tmp_path / "acl"
    guard = Guarded(Mosquitto(tmp_path, f"acl_file {rules}"), rules)
    guard.allow("cam-2")
    with guard.broker:
        yield guard


# --- refusals ----------------------------------------------------------------------------------


def test_a_hit_over_the_products_limit_is_not_sent_and_stays(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    box = opened(broker, PublisherLimits(payload_cap_bytes=10_000))
    with authority_of(broker) as authority:
        box.put("large", size=10_000)
        box.put("small")
        box.publisher.start()
        assert wait_until(lambda: authority.hit_ids == ["small"])
    assert box.outbox.hit_ids() == ("large",)
    assert "over the cap of 10000" in problem_of(box)


@needs_mosquitto
@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("max_packet_size 20480", "takes packets of at most 20480 bytes"),
        # Debian's mosquitto does not announce this one: it cuts the connection.
        ("message_size_limit 20480", "check the broker's limit for payloads"),
    ],
)
def test_a_hit_over_the_brokers_limit_stays_and_does_not_block_others(
    tmp_path: Path, opened: Callable[..., Box], limit: str, says: str
) -> None:
    with Mosquitto(tmp_path, limit) as broker:
        box = opened(broker)
        with authority_of(broker, sends_receipts=False) as authority:
            box.put("large", size=30_000)
            box.put("small")
            box.publisher.start()
            assert wait_until(lambda: authority.hit_ids == ["small"])
        assert box.outbox.hit_ids() == ("large",)
        assert says in problem_of(box)
        box.publisher.stop()


def test_a_hit_that_makes_the_broker_disconnect_does_not_block_others(
    opened: Callable[..., Box],
) -> None:
    with EmbeddedBroker(payload_cap_bytes=20_480) as broker:
        box = opened(broker, PublisherLimits(first_hold_s=60))
        with authority_of(broker, sends_receipts=False) as authority:
            box.put("large", size=30_000)
            box.put("small")
            box.publisher.start()
            assert wait_until(lambda: authority.hit_ids == ["small"])
        assert box.outbox.hit_ids() == ("large",)
        assert "check the broker's limit for payloads" in problem_of(box)
        box.publisher.stop()


@needs_mosquitto
def test_a_camera_whose_topic_is_denied_waits_and_does_not_block_others(
    guarded: Guarded, opened: Callable[..., Box]
) -> None:
    box = opened(guarded.broker, PublisherLimits(first_hold_s=60))
    box.put("1", "cam-1", size=1000)
    box.put("2", "cam-1", size=2000)
    box.put("3", "cam-2")
    box.publisher.start()
    assert wait_until(lambda: box.outbox.hit_ids() == ("1", "2"))
    assert not box.publisher.drain(0.3)
    first = len(payload_of("1", 1000))
    assert f"refuses a hit of {first} bytes" in problem_of(box), "the second was not tried"
    assert "(reason 0x87)" in problem_of(box)


@needs_mosquitto
def test_a_camera_continues_once_its_topic_is_allowed(
    guarded: Guarded, opened: Callable[..., Box]
) -> None:
    box = opened(guarded.broker)
    box.put("1", "cam-1")
    box.put("2", "cam-1")
    box.publisher.start()
    assert "see the broker's log" in problem_of(box)
    guarded.allow("cam-1", "cam-2")
    guarded.broker.stop()
    guarded.broker.start()
    assert box.publisher.drain(10)
    assert box.publisher.state.problem is None


UNLISTED_TOPICS = (
    "anpr/school-street/box-1/cam-3/hit",
    "anpr/school-street/box-2/cam-1/hit",
    "anpr/school-street/box-1/receipt",
    "anpr/school-street/box-1/cam-1/picture",
    "debug",
)


def test_only_topics_on_the_closed_list_are_published(opened: Callable[..., Box]) -> None:
    with (
        EmbeddedBroker() as broker,
        BrokerLink.open(BrokerOptions(broker.host, broker.port, "listener")) as listener,
    ):
        listener.subscribe(["#"])
        box = opened(broker, PublisherLimits(first_hold_s=60))
        for topic in UNLISTED_TOPICS:
            box.put(f"to {topic}", topic=topic)
        box.put("to its own topic")
        box.publisher.start()
        seen = set()
        while (message := listener.receive(0.7)) is not None:
            seen.add(message.topic)
        assert seen == {TOPICS.availability, TOPICS.hit("cam-1")}
        assert box.outbox.hit_ids() == tuple(f"to {topic}" for topic in UNLISTED_TOPICS)
        assert "the list is closed" in problem_of(box)
        box.publisher.stop()


def test_stopping_is_quick_when_the_broker_never_answers(opened: Callable[..., Box]) -> None:
    with tcp_server(None, close=False) as port:
        box = opened(_Address(port))
        box.put("a")
        box.publisher.start()
        assert not box.publisher.drain(0.3)
        before = time.monotonic()
        box.publisher.stop()
        assert time.monotonic() - before < 1.0, "shorter than the time-out for connecting"
    assert box.outbox.hit_ids() == ("a",)


class _Address(EmbeddedBroker):
    """A broker that is not started: an address only."""

    def __init__(self, port: int) -> None:
        super().__init__(port=port)


def problem_of(box: Box) -> str:
    assert wait_until(lambda: box.publisher.state.problem is not None)
    problem = box.publisher.state.problem
    assert problem is not None
    assert "\n" not in problem.message
    return problem.message


# --- availability and health -----------------------------------------------------------------


def test_availability_is_retained_with_its_reason(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    box = opened(broker)
    box.publisher.start()
    expected = {
        "schema": "edge-anpr/availability/1",
        "site": "school-street",
        "box": "box-1",
        "state": "online",
        "reason": "running",
    }
    assert said(broker, TOPICS.availability, done=lambda m: m["state"] == "online") == expected
    box.publisher.set_availability("safe", "outbox-full")
    last = said(broker, TOPICS.availability, done=lambda m: m["state"] == "safe")
    assert last == {**expected, "state": "safe", "reason": "outbox-full"}
    box.publisher.set_availability("online", "running")
    box.publisher.stop()
    last = said(broker, TOPICS.availability, done=lambda m: m["state"] == "offline")
    assert last == {**expected, "state": "offline", "reason": "stopped"}


def test_p11_after_a_stop_in_the_safe_state_the_broker_retains_the_reason(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    box = opened(broker)
    box.publisher.start()
    said(broker, TOPICS.availability, done=lambda m: m["state"] == "online")
    box.publisher.set_availability("safe", "E_SUNSET")

    box.publisher.stop()

    last = said(broker, TOPICS.availability, done=lambda m: m["state"] != "online")
    assert (last["state"], last["reason"]) == ("safe", "E_SUNSET")


def test_health_shows_no_small_or_exact_count(broker: Broker, opened: Callable[..., Box]) -> None:
    box = opened(broker)
    with BrokerLink.open(BrokerOptions(broker.host, broker.port, "watcher")) as link:
        link.subscribe([TOPICS.health])
        box.publisher.start()
        box.publisher.publish_health({"vehicles": 1234, "dropped": 9, "reads.ambiguous": 0})
        message = link.receive(5)
    assert message is not None
    assert not message.retained
    assert json.loads(message.payload) == {
        "schema": "edge-anpr/health/1",
        "site": "school-street",
        "box": "box-1",
        "counters": {"vehicles": 1230, "dropped": "<10", "reads.ambiguous": "<10"},
    }


def test_p21_every_checkpoint_is_published_in_order_and_the_newest_is_retained(
    broker: Broker, opened: Callable[..., Box]
) -> None:
    box = opened(broker)
    notes = [f"note {number}".encode() for number in range(5)]
    for note in notes[:3]:
        box.publisher.publish_checkpoint(note)
    heard: list[bytes] = []
    with BrokerLink.open(BrokerOptions(broker.host, broker.port, "witness")) as link:
        link.subscribe([TOPICS.audit])
        box.publisher.start()
        for note in notes[3:]:
            box.publisher.publish_checkpoint(note)
        while len(heard) < len(notes) and (message := link.receive(5)) is not None:
            link.acknowledge(message)
            heard.append(message.payload)
    assert heard == notes
    with BrokerLink.open(BrokerOptions(broker.host, broker.port, "late witness")) as link:
        link.subscribe([TOPICS.audit])
        last = link.receive(5)
    assert last is not None
    assert (last.payload, last.retained) == (notes[-1], True)


VANISHING_BOX = """
import sys, time
from pathlib import Path
from tests.integration.test_publisher import Box
from tests.support.brokers import Mosquitto
class Address:
    host, port = "127.0.0.1", int(sys.argv[2])
box = Box(Path(sys.argv[1]), Address())
box.publisher.start()
while not box.publisher.state.connected:
    time.sleep(0.01)
time.sleep(0.2)
print("running", flush=True)
time.sleep(60)
"""


def test_the_last_will_announces_that_a_killed_box_is_offline(
    broker: Broker, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", VANISHING_BOX, str(tmp_path), str(broker.port)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        online = said(broker, TOPICS.availability, done=lambda m: m["state"] == "online")
        assert online["state"] == "online"
        process.send_signal(signal.SIGKILL)
    last = said(broker, TOPICS.availability, done=lambda m: m["state"] == "offline")
    assert (last["state"], last["reason"]) == ("offline", "connection-lost")


# --- nonsense, and the last word ---------------------------------------------------------------

CONNACK = bytes.fromhex("2003000000")
NO_UTF8_TOPIC = bytes.fromhex("30050002fffe00")


def test_a_broker_that_sends_invalid_packets_is_disconnected_and_tried_again() -> None:
    with (
        tcp_server(CONNACK + NO_UTF8_TOPIC, close=False) as port,
        pytest.raises(PublishError, match="no MQTT"),
        BrokerLink.open(BrokerOptions("127.0.0.1", port, "box")) as link,
    ):
        link.subscribe(["#"])


def test_messages_queued_before_a_stop_are_published(opened: Callable[..., Box]) -> None:
    with EmbeddedBroker() as broker, Wiretap(broker.port) as overheard:
        box = opened(broker)
        box.publisher.start()
        assert wait_until(lambda: len(overheard.of_kind("availability")) == 1)
        box.publisher.set_availability("safe", "outbox-full")
        box.publisher.publish_health({"hits": 3})
        box.publisher.stop()
    states = [json.loads(one.payload)["state"] for one in overheard.of_kind("availability")]
    assert states == ["online", "safe"]
    assert len(overheard.of_kind("health")) == 1
