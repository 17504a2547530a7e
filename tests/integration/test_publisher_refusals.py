"""Hits that a limit or the broker refuses: they stay, and do not block the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import PublisherLimits
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import (
    Broker,
    Mosquitto,
    tcp_server,
    wait_until,
)
from tests.support.publishing import (
    TOPICS,
    Address,
    Box,
    authority_of,
    payload_of,
    problem_of,
)

# --- receipts --------------------------------------------------------------------------------


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


# --- refusals --------------------------------------------------------------------------------


def test_a_hit_over_the_products_limit_is_not_sent_and_stays(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker, PublisherLimits(payload_cap_bytes=10_000))
    with authority_of(broker) as authority:
        box.put("large", size=10_000)
        box.put("small")
        box.publisher.start()
        assert wait_until(lambda: authority.hit_ids == ["small"])
    assert box.outbox.hit_ids() == ("large",)
    assert "over the limit of 10000" in problem_of(box)


@needs_mosquitto
@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("max_packet_size 20480", "accepts packets of at most 20480 bytes"),
        # Debian's mosquitto does not announce this limit: it disconnects.
        ("message_size_limit 20480", "check the broker's limit for payloads"),
    ],
)
def test_a_hit_over_the_brokers_limit_stays_and_does_not_block_others(
    tmp_path: Path, open_box: Callable[..., Box], limit: str, says: str
) -> None:
    with Mosquitto(tmp_path, limit) as broker:
        box = open_box(broker)
        with authority_of(broker, sends_receipts=False) as authority:
            box.put("large", size=30_000)
            box.put("small")
            box.publisher.start()
            assert wait_until(lambda: authority.hit_ids == ["small"])
        assert box.outbox.hit_ids() == ("large",)
        assert says in problem_of(box)
        box.publisher.stop()


def test_a_hit_that_makes_the_broker_disconnect_does_not_block_others(
    open_box: Callable[..., Box],
) -> None:
    with EmbeddedBroker(payload_cap_bytes=20_480) as broker:
        box = open_box(broker, PublisherLimits(first_hold_s=60))
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
    guarded: Guarded, open_box: Callable[..., Box]
) -> None:
    box = open_box(guarded.broker, PublisherLimits(first_hold_s=60))
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
    guarded: Guarded, open_box: Callable[..., Box]
) -> None:
    box = open_box(guarded.broker)
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


def test_only_topics_on_the_closed_list_are_published(open_box: Callable[..., Box]) -> None:
    with (
        EmbeddedBroker() as broker,
        BrokerLink.open(BrokerOptions(broker.host, broker.port, "listener")) as listener,
    ):
        listener.subscribe(["#"])
        box = open_box(broker, PublisherLimits(first_hold_s=60))
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


def test_stopping_is_quick_when_the_broker_never_answers(open_box: Callable[..., Box]) -> None:
    with tcp_server(None, close=False) as port:
        box = open_box(Address(port))
        box.put("a")
        box.publisher.start()
        assert not box.publisher.drain(0.3)
        before = time.monotonic()
        box.publisher.stop()
        assert time.monotonic() - before < 1.0, "shorter than the time-out for connecting"
    assert box.outbox.hit_ids() == ("a",)
