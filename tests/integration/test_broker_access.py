"""The access rules of config/deploy on a real mosquitto: each client may do only its own task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.adapters.broker.messages import Discovery
from edge.adapters.broker.mqtt import BrokerLink, TooLargeError
from edge.adapters.broker.options import BrokerOptions, TlsFiles
from edge.adapters.broker.topics import BoxTopics
from edge.box.delivery import PACKET_OVERHEAD_BYTES
from edge.errors import PublishError
from edge.policy.bundles import MAX_BUNDLE_BYTES
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import HOST, Mosquitto, TestAuthority
from tests.support.publishing import Box
from tests.support.source_tree import ROOT

CONFIGURATION = ROOT / "config" / "deploy" / "mosquitto"
TOPICS = BoxTopics("school-street", "box-1", frozenset({"cam-1"}), frozenset({"permits"}))
HIT = TOPICS.hit("cam-1")
ELSEWHERE = BoxTopics("school-street", "box-2", frozenset({"cam-1"}))
NOT_AUTHORISED = 0x87


@pytest.fixture
def options(tmp_path: Path) -> Iterator[dict[str, BrokerOptions]]:
    """Connection options of each client, for a mosquitto with the shipped configuration."""
    folder = tmp_path / "tls"
    folder.mkdir()
    authority = TestAuthority(folder, "ca")
    server = authority.issue("broker")
    parties = ("box-1", "police-zone", "office", "supervisor", "stranger")
    places = {
        "/mosquitto/tls/ca.pem": authority.path,
        "/mosquitto/tls/broker.pem": server.certificate,
        "/mosquitto/tls/broker.key": server.key,
        "/mosquitto/config/acl": CONFIGURATION / "acl",
        "/mosquitto/data/": f"{tmp_path}/",
    }
    text = (CONFIGURATION / "mosquitto.conf").read_text()
    for shipped, here in places.items():
        assert shipped in text
        text = text.replace(shipped, str(here))
    # The test broker has its own listener and log; settings after a listener belong to it.
    lines = [line for line in text.splitlines() if not line.startswith(("listener", "log_"))]
    with Mosquitto(tmp_path, *lines) as broker:
        yield {
            name: BrokerOptions(
                HOST,
                broker.port,
                name,
                tls=TlsFiles(authority.path, pair.certificate, pair.key),
            )
            for name, pair in ((name, authority.issue(name)) for name in parties)
        }


@needs_mosquitto
def test_a_hit_goes_from_the_box_to_its_authority_and_the_receipt_back(
    options: dict[str, BrokerOptions],
) -> None:
    with (
        BrokerLink.open(options["box-1"]) as box,
        BrokerLink.open(options["police-zone"]) as authority,
    ):
        authority.subscribe([HIT])
        box.subscribe([TOPICS.receipt])
        box.publish(HIT, b"sealed")
        taken = authority.receive(5)
        authority.publish(TOPICS.receipt, b"stored")
        confirmed = box.receive(5)

    assert taken is not None
    assert (taken.topic, taken.payload) == (HIT, b"sealed")
    assert confirmed is not None
    assert confirmed.payload == b"stored"


@needs_mosquitto
def test_the_largest_list_reaches_the_box_and_its_answer_the_issuer(
    options: dict[str, BrokerOptions],
) -> None:
    """A policy allows 100,000 entries; a bundle of them fits the largest size class."""
    largest = bytes(MAX_BUNDLE_BYTES)
    takes = replace(options["box-1"], largest_packet_bytes=MAX_BUNDLE_BYTES + PACKET_OVERHEAD_BYTES)
    with BrokerLink.open(takes) as box, BrokerLink.open(options["office"]) as office:
        box.subscribe([TOPICS.bundle("permits")])
        office.subscribe([TOPICS.list_answer])
        sent = office.publish(TOPICS.bundle("permits"), largest, retain=True, timeout_s=60)
        received = box.receive(60)
        box.publish(TOPICS.list_answer, b"in force")
        answer = office.receive(5)

    assert sent < NOT_AUTHORISED
    assert received is not None
    assert received.payload == largest
    assert answer is not None
    assert answer.payload == b"in force"


@needs_mosquitto
def test_a_packet_that_no_box_or_issuer_sends_is_refused(
    options: dict[str, BrokerOptions],
) -> None:
    with BrokerLink.open(options["office"]) as office, pytest.raises(TooLargeError):
        office.publish(TOPICS.bundle("permits"), bytes(MAX_BUNDLE_BYTES + 64 * 1024))


def test_the_configuration_names_every_limit_and_no_option_that_has_gone() -> None:
    """Mosquitto 2.1 deprecates `per_listener_settings`, and takes 2,000,000 bytes by default."""
    lines = (CONFIGURATION / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    names = [line.split()[0] for line in lines if line and not line.startswith("#")]

    assert {"max_packet_size", "max_queued_messages", "allow_anonymous"} <= set(names)
    assert not {"per_listener_settings", "message_size_limit"} & set(names)
    # Each of them replaces a deprecated option, but 2.0 does not know it.
    assert not [name for name in names if name.startswith(("listener_", "plugin", "global_"))]


@needs_mosquitto
@pytest.mark.parametrize("topic", sorted(TOPICS.publishable))
def test_the_box_may_publish_on_all_its_topics(
    options: dict[str, BrokerOptions], topic: str
) -> None:
    with BrokerLink.open(options["box-1"]) as box:
        assert box.publish(topic, b"x") < NOT_AUTHORISED


@needs_mosquitto
@pytest.mark.parametrize(
    ("party", "topic"),
    [
        ("police-zone", HIT),
        ("police-zone", TOPICS.command),
        ("police-zone", TOPICS.bundle("permits")),
        ("police-zone", TOPICS.list_answer),
        ("office", TOPICS.list_answer),
        ("box-1", ELSEWHERE.hit("cam-1")),
        ("box-1", TOPICS.receipt),
        ("box-1", TOPICS.command),
        ("office", TOPICS.command),
        ("supervisor", HIT),
        ("stranger", HIT),
        ("stranger", TOPICS.availability),
    ],
)
def test_no_client_may_publish_for_another(
    options: dict[str, BrokerOptions], party: str, topic: str
) -> None:
    with BrokerLink.open(options[party]) as link:
        assert link.publish(topic, b"x") == NOT_AUTHORISED


@needs_mosquitto
@pytest.mark.parametrize("party", ["box-1", "office", "supervisor", "stranger"])
def test_only_the_authority_receives_a_hit(options: dict[str, BrokerOptions], party: str) -> None:
    with (
        BrokerLink.open(options["box-1"]) as box,
        BrokerLink.open(replace(options[party], client_id="listener")) as listener,
        BrokerLink.open(options["police-zone"]) as authority,
    ):
        authority.subscribe([HIT])
        try:
            listener.subscribe([HIT])
        except PublishError:
            return  # refused at once, which is equally good
        box.publish(HIT, b"sealed")
        assert authority.receive(5) is not None
        assert listener.receive(0.5) is None


@needs_mosquitto
def test_a_client_without_a_certificate_is_refused(options: dict[str, BrokerOptions]) -> None:
    known = options["box-1"]
    assert known.tls is not None
    without = replace(known, tls=TlsFiles(known.tls.ca, None, None))

    # With TLS 1.3 the refusal may come after the handshake, with the first packet.
    with pytest.raises(PublishError), BrokerLink.open(without) as link:
        link.subscribe([HIT])


# --- Home Assistant -------------------------------------------------------------------------

TOLD = replace(TOPICS, home_assistant=True)


def test_home_assistant_discovery_is_off_by_default() -> None:
    assert TOPICS.discovery not in TOPICS.publishable
    assert TOLD.publishable - TOPICS.publishable == {
        "homeassistant/sensor/school-street/box-1/config"
    }


def test_home_assistant_discovery_names_the_status_topic_and_no_other() -> None:
    said = json.loads(Discovery.of(TOLD).payload())

    topics = [value for value in said.values() if isinstance(value, str) and "anpr/" in value]
    assert topics == [TOLD.availability]
    assert said["options"] == ["online", "safe", "offline"]
    assert not {"json_attributes_topic", "state_class"} & set(said)


def test_each_box_is_its_own_device_in_home_assistant() -> None:
    one = Discovery.of(BoxTopics("a-b", "c", frozenset()))
    other = Discovery.of(BoxTopics("a", "b-c", frozenset()))

    assert one.unique_id != other.unique_id
    assert one.device["identifiers"] != other.device["identifiers"]


@needs_mosquitto
@pytest.mark.parametrize("asked", [True, False])
def test_a_connected_box_announces_itself_to_home_assistant_if_enabled(
    tmp_path: Path, *, asked: bool
) -> None:
    topics = TOLD if asked else TOPICS
    with Mosquitto(tmp_path) as broker:
        box = Box(tmp_path, broker, topics=topics)
        with BrokerLink.open(BrokerOptions(HOST, broker.port, "listener")) as listener:
            listener.subscribe(["homeassistant/#", topics.availability])
            box.publisher.start()
            heard: list[str] = []
            while (message := listener.receive(5 if not heard else 0.5)) is not None:
                listener.acknowledge(message)
                heard.append(message.topic)
        box.close()

    assert topics.availability in heard
    assert (topics.discovery in heard) is asked
