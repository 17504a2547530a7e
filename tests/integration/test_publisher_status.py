"""Availability, health, checkpoints and the last will: what a box publishes besides hits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from tests.support.brokers import (
    Broker,
)
from tests.support.product import REPOSITORY
from tests.support.publishing import (
    TOPICS,
    Box,
    retained_message,
)


def test_availability_is_retained_with_its_reason(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker)
    box.publisher.start()
    expected = {
        "schema": "edge-anpr/availability/1",
        "site": "school-street",
        "box": "box-1",
        "state": "online",
        "reason": "running",
    }
    assert (
        retained_message(broker, TOPICS.availability, done=lambda m: m["state"] == "online")
        == expected
    )
    box.publisher.set_availability("safe", "outbox-full")
    last = retained_message(broker, TOPICS.availability, done=lambda m: m["state"] == "safe")
    assert last == {**expected, "state": "safe", "reason": "outbox-full"}


def test_a_box_that_stops_is_retained_as_offline(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker)
    box.publisher.start()
    retained_message(broker, TOPICS.availability, done=lambda m: m["state"] == "online")
    box.publisher.set_availability("online", "E_HIT_SHARE")
    box.publisher.stop()
    last = retained_message(broker, TOPICS.availability, done=lambda m: m["state"] == "offline")
    assert last["reason"] == "stopped"


def test_p17_a_rule_that_stops_later_does_not_make_a_safe_box_online(
    open_box: Callable[..., Box], broker: Broker
) -> None:
    """The pipeline ends its last frame after another thread has entered the safe state."""
    publisher = open_box(broker).publisher
    publisher.set_availability("safe", "E_SUSPENDED")
    publisher.set_availability("online", "E_HIT_SHARE")
    told: list[tuple[str, str]] = []
    publisher.follow(lambda state, reason: told.append((state, reason)))
    publisher.set_availability("safe", "E_SUNSET")
    publisher.set_availability("online", "E_HIT_SHARE")
    assert told == [("safe", "E_SUSPENDED")]


def test_p11_after_a_stop_in_the_safe_state_the_broker_retains_the_reason(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker)
    box.publisher.start()
    retained_message(broker, TOPICS.availability, done=lambda m: m["state"] == "online")
    box.publisher.set_availability("safe", "E_SUNSET")

    box.publisher.stop()

    last = retained_message(broker, TOPICS.availability, done=lambda m: m["state"] != "online")
    assert (last["state"], last["reason"]) == ("safe", "E_SUNSET")


def test_health_shows_no_small_or_exact_count(broker: Broker, open_box: Callable[..., Box]) -> None:
    box = open_box(broker)
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
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker)
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
from tests.support.publishing import Box
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
        online = retained_message(
            broker, TOPICS.availability, done=lambda m: m["state"] == "online"
        )
        assert online["state"] == "online"
        process.send_signal(signal.SIGKILL)
    last = retained_message(broker, TOPICS.availability, done=lambda m: m["state"] == "offline")
    assert (last["state"], last["reason"]) == ("offline", "connection-lost")
