"""A refused topic besides hits is shown once, tried again slowly, and never delays a hit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from edge.adapters.broker.publisher import PublisherLimits
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import Mosquitto, wait_until
from tests.support.publishing import TOPICS, Box, authority_of, problem_of, retained_message
from tests.support.refusing_gate import Refusal, RefusingGate
from tests.support.shared_material import SHARED

pytestmark = needs_mosquitto

CASES = SHARED / "cases"
SIDE = {
    "availability": TOPICS.availability,
    "audit": TOPICS.audit,
    "health": TOPICS.health,
    "list-answer": TOPICS.list_answer,
    "status": TOPICS.status,
    "discovery": TOPICS.discovery,
}
ALL = replace(TOPICS, home_assistant=True)
SLOW = PublisherLimits(first_hold_s=60)


def speak(box: Box) -> None:
    """Give the box something to send on every topic, and two hits."""
    box.publisher.publish_checkpoint(b"note")
    box.publisher.publish_health({"vehicles": 20})
    box.publisher.publish_list_answer("permits", b"answer")
    box.publisher.publish_status(b"status")
    box.put("1")
    box.put("2", "cam-2")


def complaints(box: Box) -> set[str]:
    return set(box.publisher.state.complaints)


def warnings(caplog: pytest.LogCaptureFixture, topic: str) -> list[str]:
    return [
        one.getMessage()
        for one in caplog.records
        if one.levelno == logging.WARNING and f"refuses {topic} " in one.getMessage()
    ]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return tmp_path / "acl"


def allow(rules: Path, *lacking: str) -> None:
    """An access list that lacks these of the optional topics."""
    allowed = [topic for word, topic in SIDE.items() if word not in lacking]
    topics = [*allowed, *map(TOPICS.hit, TOPICS.cameras), TOPICS.receipt]
    rules.write_text("".join(f"topic readwrite {topic}\n" for topic in topics))


@pytest.mark.parametrize("lacking", [*[(word,) for word in SIDE], tuple(SIDE)])
def test_an_access_list_without_an_optional_topic_delays_no_hit(
    tmp_path: Path,
    rules: Path,
    stack: ExitStack,
    caplog: pytest.LogCaptureFixture,
    lacking: tuple[str, ...],
) -> None:
    allow(rules, *lacking)
    broker = stack.enter_context(Mosquitto(tmp_path, f"acl_file {rules}"))
    authority = stack.enter_context(authority_of(broker, sends_receipts=False))
    box = Box(tmp_path, broker, SLOW, topics=ALL)
    stack.callback(box.close)
    speak(box)

    box.publisher.start()

    assert wait_until(lambda: set(authority.hit_ids) == {"1", "2"})
    assert wait_until(lambda: complaints(box) == {f"{word}-refused" for word in lacking})
    box.put("3")
    box.publisher.publish_health({"vehicles": 30})
    assert wait_until(lambda: "3" in authority.hit_ids)
    assert box.publisher.state.connections == 1, "the connection was given up"
    assert box.publisher.state.problem is None, "hits can be delivered"
    for word in lacking:
        (said,) = warnings(caplog, SIDE[word])
        assert "(reason 0x87): not authorized; allow it in the broker's access list" in said


def test_a_topic_is_used_again_once_it_is_allowed(
    tmp_path: Path, rules: Path, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    allow(rules, *SIDE)
    broker = stack.enter_context(Mosquitto(tmp_path, f"acl_file {rules}"))
    box = Box(tmp_path, broker, PublisherLimits(first_hold_s=0.3), topics=ALL)
    stack.callback(box.close)
    speak(box)
    caplog.set_level(logging.INFO)
    box.publisher.start()
    assert wait_until(lambda: len(complaints(box)) == len(SIDE))

    allow(rules)
    broker.reload()

    assert wait_until(lambda: complaints(box) == set())
    kept = retained_message(broker, TOPICS.availability, done=lambda m: m["state"] == "online")
    assert kept["state"] == "online"
    assert sum("accepts " in one for one in caplog.messages) == len(SIDE)
    for topic in SIDE.values():
        assert len(warnings(caplog, topic)) == 1


@pytest.mark.parametrize("refusal", ["close", "disconnect", 0x80, 0x87, 0x97, 0x95])
@pytest.mark.parametrize("words", [("audit",), tuple(SIDE)])
def test_however_a_broker_refuses_a_topic_no_hit_waits(
    tmp_path: Path, stack: ExitStack, refusal: Refusal, words: tuple[str, ...]
) -> None:
    broker = stack.enter_context(Mosquitto(tmp_path))
    authority = stack.enter_context(authority_of(broker, sends_receipts=False))
    gate = stack.enter_context(RefusingGate(broker, {SIDE[word]: refusal for word in words}))
    box = Box(tmp_path, gate, SLOW, topics=ALL)
    stack.callback(box.close)
    speak(box)

    box.publisher.start()

    assert wait_until(lambda: set(authority.hit_ids) == {"1", "2"})
    assert wait_until(lambda: complaints(box) == {f"{word}-refused" for word in words})
    tried = dict(gate.refused)
    assert all(count <= 3 for count in tried.values())
    box.put("3")
    assert wait_until(lambda: "3" in authority.hit_ids)
    assert dict(gate.refused) == tried, "a refused topic is tried again at once"


def test_a_broker_that_never_answers_on_a_topic_delays_hits_by_seconds_only(
    tmp_path: Path, stack: ExitStack
) -> None:
    broker = stack.enter_context(Mosquitto(tmp_path))
    authority = stack.enter_context(authority_of(broker, sends_receipts=False))
    gate = stack.enter_context(RefusingGate(broker, {TOPICS.audit: "silent"}))
    box = Box(tmp_path, gate, SLOW, topics=ALL)
    stack.callback(box.close)
    speak(box)

    box.publisher.start()

    assert wait_until(lambda: set(authority.hit_ids) == {"1", "2"})
    assert wait_until(lambda: complaints(box) == {"audit-refused"})


def test_a_broker_that_accepts_no_last_will_gets_hits_without_one(
    tmp_path: Path, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    broker = stack.enter_context(Mosquitto(tmp_path))
    authority = stack.enter_context(authority_of(broker, sends_receipts=False))
    gate = stack.enter_context(
        RefusingGate(broker, {TOPICS.availability: 0x87}, will=[TOPICS.availability])
    )
    box = Box(tmp_path, gate, SLOW)
    stack.callback(box.close)
    speak(box)

    box.publisher.start()

    assert wait_until(lambda: set(authority.hit_ids) == {"1", "2"})
    assert wait_until(lambda: complaints(box) == {"availability-refused"})
    assert len(warnings(caplog, TOPICS.availability)) == 1
    assert gate.refused["CONNECT"] == 1


def test_a_refused_subscription_to_receipts_delays_no_hit(tmp_path: Path, stack: ExitStack) -> None:
    broker = stack.enter_context(Mosquitto(tmp_path))
    authority = stack.enter_context(authority_of(broker, sends_receipts=False))
    gate = stack.enter_context(RefusingGate(broker, subscriptions=[TOPICS.receipt]))
    box = Box(tmp_path, gate, SLOW)
    stack.callback(box.close)
    box.put("1")

    box.publisher.start()

    assert wait_until(lambda: authority.hit_ids == ["1"])
    assert wait_until(lambda: complaints(box) == {"receipt-refused"})


def test_p17_a_box_that_may_not_hear_orders_delivers_nothing(
    tmp_path: Path, stack: ExitStack
) -> None:
    broker = stack.enter_context(Mosquitto(tmp_path))
    gate = stack.enter_context(RefusingGate(broker, subscriptions=[TOPICS.command]))
    box = Box(tmp_path, gate, SLOW, handlers={TOPICS.command: bytes})
    stack.callback(box.close)
    box.put("1")

    box.publisher.start()

    assert f"does not let this client subscribe to {TOPICS.command}" in problem_of(box)
    assert not box.publisher.drain(0.5)


def test_a_refused_hit_is_shown_by_its_topic_and_tried_again(
    tmp_path: Path, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    topic = TOPICS.hit("cam-1")
    broker = stack.enter_context(Mosquitto(tmp_path))
    authority = stack.enter_context(authority_of(broker, sends_receipts=False))
    gate = stack.enter_context(RefusingGate(broker, {topic: 0x97}))
    box = Box(tmp_path, gate, PublisherLimits(first_hold_s=0.2))
    stack.callback(box.close)
    box.put("1")
    box.put("2", "cam-2")

    box.publisher.start()

    assert wait_until(lambda: authority.hit_ids == ["2"])
    assert f"{topic} (reason 0x97): quota exceeded; raise the broker's quota" in problem_of(box)
    assert wait_until(lambda: "hit-refused" in complaints(box))
    assert wait_until(lambda: gate.refused[topic] > 1), "it is not tried again"
    gate.messages.clear()
    assert wait_until(lambda: authority.hit_ids == ["2", "1"])
    assert wait_until(lambda: complaints(box) == set())
    assert sum("refuses a hit" in one for one in caplog.messages) == 1


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases (../shared/cases) are not here")
@pytest.mark.parametrize("without", ["none", "audit"])
def test_the_access_list_that_stopped_every_hit_stops_none(
    tmp_path: Path, rules: Path, stack: ExitStack, without: str
) -> None:
    case = (CASES / "acl_without_homeassistant").read_text(encoding="utf-8")
    kept = [line for line in case.splitlines() if f"/{without}" not in line]
    topics = replace(ALL, site="demo-street")
    rules.write_text("\n".join([*kept, ""]), encoding="utf-8")
    broker = stack.enter_context(Mosquitto(tmp_path, f"acl_file {rules}"))
    authority = stack.enter_context(authority_of(broker, sends_receipts=False))
    box = Box(tmp_path, broker, SLOW, topics=topics)
    stack.callback(box.close)
    speak(box)

    box.publisher.start()

    assert wait_until(lambda: set(authority.hit_ids) == {"1", "2"})
    lacking = {"discovery-refused", "list-answer-refused", "status-refused"}
    expected = lacking | ({f"{without}-refused"} - {"none-refused"})
    assert wait_until(lambda: complaints(box) == expected)


# --- two boxes with one client id -----------------------------------------------------------------


def test_two_boxes_with_one_client_id_are_told_so_once(
    tmp_path: Path, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    """Mosquitto 2.0.11 closes the older connection without a reason."""
    broker = stack.enter_context(Mosquitto(tmp_path))
    authority = stack.enter_context(authority_of(broker, sends_receipts=False))
    boxes = [Box(tmp_path / name, broker) for name in ("one", "two")]
    for box in boxes:
        stack.callback(box.close)
        box.publisher.start()

    assert wait_until(lambda: all("client-id-shared" in complaints(box) for box in boxes)), (
        "each box knows"
    )
    said = len(caplog.messages)
    connections = boxes[0].publisher.state.connections
    assert wait_until(lambda: boxes[0].publisher.state.connections > connections + 3)

    told = [one for one in caplog.messages if "with client id edge-anpr-box-1 end again" in one]
    assert len(told) == 2, "once for each box"
    assert all("give each its own" in one for one in told)
    assert len(caplog.messages) <= said + 2, "it is said again and again"
    boxes[0].put("1")
    assert wait_until(lambda: authority.hit_ids == ["1"]), "hits are delivered in between"


def test_a_broker_that_restarts_is_no_second_client(tmp_path: Path, stack: ExitStack) -> None:
    broker = stack.enter_context(Mosquitto(tmp_path))
    box = Box(tmp_path, broker)
    stack.callback(box.close)
    box.publisher.start()
    for number in (1, 2):
        assert wait_until(partial(_has_connected, box, number))
        broker.kill()
        broker.start()
    assert wait_until(partial(_has_connected, box, 3))

    assert complaints(box) == set()


def _has_connected(box: Box, times: int) -> bool:
    return box.publisher.state.connections == times and box.publisher.state.connected
