"""A broker that is cut off, hangs or is slow: no hit is lost, duplicated or out of order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from edge.adapters.state.outbox_file import OutboxFull
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import Mosquitto, StoringAuthority, wait_until
from tests.support.network import NEEDS_NAMESPACES, IsolatedNetwork, SlowLink, has_namespaces
from tests.support.publishing import Box, authority_of

pytestmark = needs_mosquitto
needs_namespaces = pytest.mark.skipif(not has_namespaces(), reason=NEEDS_NAMESPACES)

NOTICED_S = 2.0
"""After so long without an acknowledgement a box gives its connection up, here."""
SLACK_S = 6.0
"""What a machine may add that runs all tests at once."""

Wall = Callable[[IsolatedNetwork], AbstractContextManager[None]]


@contextmanager
def box_at(folder: Path, broker: Mosquitto, *, port: int | None = None) -> Iterator[Box]:
    """A box with shorter timeouts than the product's."""
    box = Box(
        folder,
        broker,
        port=port,
        keepalive_s=2,
        connect_timeout_s=1.0,
        acknowledge_timeout_s=NOTICED_S,
    )
    try:
        box.publisher.start()
        assert wait_until(lambda: box.publisher.state.connected)
        yield box
    finally:
        box.close()


@pytest.fixture
def network() -> Iterator[IsolatedNetwork]:
    with IsolatedNetwork() as made:
        yield made


def mosquitto_in(network: IsolatedNetwork, folder: Path) -> Mosquitto:
    # The broker keeps its messages for clients that were cut off.
    lines = ("max_queued_messages 10000",)
    return Mosquitto(folder, *lines, host=network.host, enter=network.enter)


def put(box: Box, *numbers: int, size: int = 20_000) -> list[str]:
    ids = [f"{number:03d}-cam-1" for number in numbers]
    for hit_id in ids:
        box.put(hit_id, size=size)
    return ids


def arrived(authority: StoringAuthority, ids: list[str]) -> bool:
    return wait_until(lambda: authority.hit_ids == ids)


def passed(line: SlowLink, hits: int) -> bool:
    return len(line.acknowledged) >= hits


@pytest.mark.parametrize("remembers", [True, False], ids=["with its memory", "without"])
def test_a_restarted_broker_receives_each_hit_once_and_in_order(
    remembers: bool, tmp_path: Path
) -> None:
    lines = ("persistence true", f"persistence_location {tmp_path}/") if remembers else ()
    with (
        Mosquitto(tmp_path, *lines) as broker,
        SlowLink(broker.port) as line,
        box_at(tmp_path, broker, port=line.port) as box,
    ):
        ids = put(box, *range(60))
        for moment in (10, 35):
            assert wait_until(partial(passed, line, moment))
            broker.stop()
            assert wait_until(lambda: not box.publisher.state.connected)
            broker.start()
        assert box.publisher.drain(30)
        assert box.publisher.state.connections >= 3
        assert line.acknowledged == ids


@needs_namespaces
@pytest.mark.parametrize("wall", [IsolatedNetwork.cut, IsolatedNetwork.mute])
def test_a_silent_connection_is_dropped_and_every_hit_is_delivered_afterwards(
    wall: Wall, network: IsolatedNetwork, tmp_path: Path
) -> None:
    with mosquitto_in(network, tmp_path) as broker, box_at(tmp_path, broker) as box:
        with authority_of(broker, sends_receipts=False) as authority:
            ids = put(box, *range(5))
            assert arrived(authority, ids)
            with wall(network):
                ids += put(box, *range(5, 10))
                silent = time.monotonic()
                assert wait_until(lambda: not box.publisher.state.connected)
                assert time.monotonic() - silent < NOTICED_S + SLACK_S
                assert wait_until(lambda: box.publisher.state.problem is not None)
                problem = str(box.publisher.state.problem)
                assert "did not acknowledge a message" in problem or "no answer" in problem
                assert box.outbox.hit_ids() == tuple(ids[5:])
                ids += put(box, 10)
                assert not box.publisher.drain(1.5), "nothing leaves through a wall"
            assert box.publisher.drain(30)
            assert arrived(authority, ids)
        assert box.outbox.depth() == 0
        assert box.publisher.state.acknowledged == len(ids)
        assert box.publisher.state.problem is None


@needs_namespaces
def test_a_silent_idle_connection_is_detected_within_two_keepalives(
    network: IsolatedNetwork, tmp_path: Path
) -> None:
    with mosquitto_in(network, tmp_path) as broker, box_at(tmp_path, broker) as box:
        with network.cut():
            silent = time.monotonic()
            assert wait_until(lambda: not box.publisher.state.connected)
            assert time.monotonic() - silent < 2 * box.options.keepalive_s + SLACK_S
        assert wait_until(lambda: box.publisher.state.connected)


def test_a_hanging_broker_is_disconnected_and_tried_again(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, box_at(tmp_path, broker) as box:
        with authority_of(broker, sends_receipts=False) as authority:
            ids = put(box, *range(20))
            assert wait_until(lambda: box.publisher.state.acknowledged >= 3)
            broker.hang()
            try:
                ids += put(box, *range(20, 30))
                assert wait_until(lambda: not box.publisher.state.connected)
                # The box tries again, and gets no answer.
                assert wait_until(
                    lambda: "did not accept the connection" in str(box.publisher.state.problem), 30
                )
                kept = box.outbox.hit_ids()
                assert not box.publisher.state.connected
            finally:
                broker.go_on()
            assert kept == tuple(ids[-len(kept) :])
            assert len(kept) >= 10
            assert box.publisher.drain(30)
            assert arrived(authority, ids)
        assert box.publisher.state.acknowledged == len(ids)


def test_a_broker_that_stalls_repeatedly_receives_every_hit_once(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        SlowLink(broker.port) as line,
        box_at(tmp_path, broker, port=line.port) as box,
    ):
        done = threading.Event()

        def pulse() -> None:
            while not done.wait(0.02):
                broker.hang()
                time.sleep(0.2)
                broker.go_on()

        pulses = threading.Thread(target=pulse)
        pulses.start()
        try:
            ids = put(box, *range(40))
            assert box.publisher.drain(60)
        finally:
            done.set()
            pulses.join()
        # A slow network is not a silent one: the box keeps one connection and sends each hit once.
        assert box.publisher.state.connections == 1
        assert line.acknowledged == ids


def test_a_slow_network_delivers_each_hit_once_with_bounded_memory(tmp_path: Path) -> None:
    size, hits, bytes_per_s = 100_000, 150, 5_000_000
    ids: list[str] = []
    before = 0
    with (
        Mosquitto(tmp_path) as broker,
        SlowLink(broker.port, bytes_per_s) as line,
        box_at(tmp_path, broker, port=line.port) as box,
    ):
        for number in range(hits):
            while True:
                try:
                    ids += put(box, number, size=size)
                except OutboxFull:
                    time.sleep(0.05)  # the box waits equally long
                    continue
                break
            if number == 20:
                before = resident_bytes()
        assert box.publisher.drain(120)
        grown = resident_bytes() - before
        assert box.publisher.state.connections == 1
        assert line.acknowledged == ids
    # Waiting hits are on the disk, with one at a time in memory.
    assert grown < hits * size / 3


def resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
