"""Hits from the outbox to the authority, over real brokers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import PublisherLimits
from edge.errors import PublishError
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import (
    HOST,
    Broker,
    Mosquitto,
    free_port,
    tcp_server,
    wait_until,
)
from tests.support.message_recorder import MessageRecorder
from tests.support.publishing import (
    TOPICS,
    Address,
    Box,
    authority_of,
    payload_of,
    wait_for_acknowledged,
)

# --- delivery --------------------------------------------------------------------------------


def test_an_acknowledged_hit_arrives_byte_for_byte_and_leaves_the_outbox(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker)
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


def test_a_reconnection_on_request_loses_no_hit_and_announces_no_end(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    """As after the renewal of the box's certificate."""
    box = open_box(broker)
    with (
        authority_of(broker, sends_receipts=False) as authority,
        BrokerLink.open(BrokerOptions(broker.host, broker.port, "listener")) as listener,
    ):
        listener.subscribe([TOPICS.availability])
        box.publisher.start()
        assert wait_until(lambda: box.publisher.state.connections == 1)
        box.publisher.reconnect()
        assert wait_until(lambda: box.publisher.state.connections == 2)
        box.put("a" * 32)
        assert box.publisher.drain(10)
        assert wait_until(lambda: authority.hit_ids == ["a" * 32])
        said = []
        while (message := listener.receive(0.5)) is not None:
            listener.acknowledge(message)
            said.append(json.loads(message.payload)["state"])
    assert set(said) <= {"online"}


def test_each_cameras_hits_arrive_in_order(broker: Broker, open_box: Callable[..., Box]) -> None:
    box = open_box(broker)
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
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    broker.stop()
    box = open_box(broker)
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
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    broker.stop()
    first = open_box(broker)
    first.put("a")
    first.put("b")
    first.publisher.start()
    assert not first.publisher.drain(0.2)
    first.close()
    broker.start()
    second = open_box(broker)
    with authority_of(broker) as authority:
        second.publisher.start()
        assert second.publisher.drain(10)
        assert wait_until(lambda: authority.hit_ids == ["a", "b"])


def test_a_killed_broker_loses_no_hit_and_keeps_their_order(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker)
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
    tmp_path: Path, open_box: Callable[..., Box]
) -> None:
    place = tmp_path / "broker"
    place.mkdir()
    ids = [f"{number:03d}-cam-1" for number in range(100)]
    with Mosquitto(place, "persistence true", f"persistence_location {place}/") as broker:
        box = open_box(broker)
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
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker)
    box.put("old", expires_at=datetime.now(timezone.utc) - timedelta(seconds=1))
    with authority_of(broker) as authority:
        box.publisher.start()
        assert box.publisher.drain(5)
        box.put("new")
        assert box.publisher.drain(5)
        assert wait_until(lambda: len(authority.deliveries) == 1)
    assert authority.hit_ids == ["new"]
    assert box.publisher.state.expired == 1


def test_retention_ends_without_a_broker_too(open_box: Callable[..., Box]) -> None:
    box = open_box(Address(free_port()))
    box.put("old", expires_at=datetime.now(timezone.utc) - timedelta(seconds=1))
    box.put("new")
    box.publisher.start()
    assert wait_until(lambda: box.outbox.hit_ids() == ("new",))


def test_a_hit_expires_at_the_broker(open_box: Callable[..., Box]) -> None:
    with EmbeddedBroker() as broker:
        authority = BrokerOptions(broker.host, broker.port, "authority")
        with BrokerLink.open(authority, session_expiry_s=3600) as link:
            link.subscribe([TOPICS.hit("cam-1")])
        box = open_box(broker, PublisherLimits(message_expiry_s=1))
        box.put("a")
        box.publisher.start()
        assert box.publisher.drain(5)
        box.publisher.stop()
        with BrokerLink.open(BrokerOptions(broker.host, broker.port, "pause")) as pause:
            pause.receive(2.2)
        with BrokerLink.open(authority, session_expiry_s=3600) as link:
            assert link.session_present
            assert link.receive(0.5) is None


# --- nonsense, and the last word -------------------------------------------------------------


CONNACK = bytes.fromhex("2003000000")

NO_UTF8_TOPIC = bytes.fromhex("30050002fffe00")


def test_a_broker_that_sends_invalid_packets_is_disconnected_and_tried_again() -> None:
    with (
        tcp_server(CONNACK + NO_UTF8_TOPIC, close=False) as port,
        pytest.raises(PublishError, match="not MQTT"),
        BrokerLink.open(BrokerOptions("127.0.0.1", port, "box")) as link,
    ):
        link.subscribe(["#"])


def test_messages_queued_before_a_stop_are_published(open_box: Callable[..., Box]) -> None:
    with EmbeddedBroker() as broker, MessageRecorder(broker.port) as recorder:
        box = open_box(broker)
        box.publisher.start()
        assert wait_until(lambda: len(recorder.of_kind("availability")) == 1)
        box.publisher.set_availability("safe", "outbox-full")
        box.publisher.publish_health({"hits": 3})
        box.publisher.stop()
    states = [json.loads(one.payload)["state"] for one in recorder.of_kind("availability")]
    assert states == ["online", "safe"]
    assert len(recorder.of_kind("health")) == 1
