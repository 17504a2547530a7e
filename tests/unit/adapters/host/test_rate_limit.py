"""Rate-limit repeated events: one log line a minute."""

from __future__ import annotations

import logging
import random
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.adapters.broker.mqtt import Message
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.rate_limit import LOG_INTERVAL_S, RateLimit
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.errors import PolicyError
from tests.support.brokers import verify_receipt
from tests.support.fakes import SetClock

NOON = datetime(2026, 3, 2, 11, tzinfo=timezone.utc)
TOPICS = BoxTopics("street", "box-1", frozenset({"cam-1"}), frozenset())


def test_one_event_of_a_kind_passes_in_each_interval_and_the_rest_are_counted() -> None:
    clock = SetClock(NOON)
    limit = RateLimit(clock.monotonic)

    assert [limit.passes(kind) for kind in "aabab"] == [True, False, True, False, False]
    assert limit.over() == []
    clock.steady += LOG_INTERVAL_S
    assert limit.over() == [("a", 2), ("b", 1)]
    assert limit.over() == []
    assert limit.passes("a")


def test_turning_the_clock_back_suppresses_no_event() -> None:
    clock = SetClock(NOON)
    limit = RateLimit(clock.monotonic)
    assert limit.passes("a")
    clock.steady -= 10 * LOG_INTERVAL_S
    assert limit.passes("a")


def test_a_flood_of_refusals_logs_one_line_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SetClock(NOON)
    heard = 0

    def refuse(payload: bytes) -> None:
        nonlocal heard
        heard += 1
        raise PolicyError(f"refused for reason {heard}", code="E_SIGNATURE")

    with (
        Keyring.open(tmp_path / "keyring", clock) as keyring,
        Outbox.open(tmp_path / "state", keyring, reserve_mib=1) as outbox,
        caplog.at_level(logging.INFO),
    ):
        publisher = Publisher(
            outbox,
            BrokerOptions("127.0.0.1", 1, "box"),
            TOPICS,
            verify_receipt,
            clock=clock,
            jitter=random.Random(1).random,
            handlers={TOPICS.command: refuse},
        )
        foreign = b'{"hit_id": "x", "sealed_sha256": "0", "signed": false}'
        for second in range(150):
            for number in range(50):
                publisher._receive(
                    Message(TOPICS.command, b"%d %d" % (second, number), retained=False, number=1)
                )
                publisher._receive(Message(TOPICS.receipt, foreign, retained=False, number=1))
            clock.steady += 1
        publisher._expire()
        clock.steady += LOG_INTERVAL_S
        publisher._expiry_check_due = 0
        publisher._expire()

    assert heard == 150 * 50
    shown = [line for line in caplog.messages if line.startswith("refused on")]
    assert len(shown) == 3
    receipts = [line for line in caplog.messages if "ignored a receipt" in line]
    assert len(receipts) == 3
    held = [line for line in caplog.messages if "not logged one by one" in line]
    counts = [int(line.split(": ")[1].split()[0]) for line in held if "E_SIGNATURE" in line]
    assert sum(counts) + len(shown) == heard
    assert len(caplog.messages) <= 12
