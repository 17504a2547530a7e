"""The packets of a live source in memory, with packets of a real recording."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import av
import pytest

from edge.adapters.cameras.packet_buffer import BUFFER_S, HeldPacket, PacketBuffer
from tests.support.product import CLIPS

STEP_S = 0.1


def packets(count: int, *, key_every: int = 10) -> list[HeldPacket]:
    """Packets of a recording, a tenth of a second apart, each n-th marked as a key frame."""

    def read() -> Iterator[HeldPacket]:
        with av.open(str(CLIPS / "street_day.mp4")) as container:
            stream = container.streams.video[0]
            for number, packet in enumerate(container.demux(stream)):
                begins = number % key_every == 0
                yield HeldPacket(packet, stream, number * STEP_S, whole=True, begins=begins)
                if number + 1 == count:
                    return

    return list(read())


def full(buffer: PacketBuffer, coming: list[HeldPacket]) -> threading.Thread:
    """A thread that puts all of them; it waits when there is no room."""

    def put_all() -> None:
        for one in coming:
            buffer.put(one)

    thread = threading.Thread(target=put_all, daemon=True)
    thread.start()
    thread.join(0.5)
    return thread


def rest(buffer: PacketBuffer) -> list[HeldPacket]:
    found = []
    while (held := buffer.pop()) is not None:
        found.append(held)
        time.sleep(0.01)  # the other thread may put one more
    return found


def test_p8_no_more_than_two_seconds_of_packets_are_held() -> None:
    buffer = PacketBuffer(threading.Condition(), tells=True)
    coming = packets(40, key_every=100)

    thread = full(buffer, coming)

    assert len(buffer) == round(BUFFER_S / STEP_S) + 1
    assert thread.is_alive(), "the source is read on only when there is room"
    assert buffer.is_over(now_s=2.0)
    assert [one.arrival_s for one in rest(buffer)] == [one.arrival_s for one in coming]
    thread.join(5)
    assert not thread.is_alive()


def test_p8_no_more_bytes_than_allowed_are_held_but_always_one_packet() -> None:
    coming = packets(12)
    most = sum(one.packet.size for one in coming[:4])
    buffer = PacketBuffer(threading.Condition(), tells=True, most_bytes=most)

    thread = full(buffer, coming)
    held = len(buffer)
    everything = rest(buffer)
    thread.join(5)

    assert held == 4
    assert len(everything) == 12
    tiny = PacketBuffer(threading.Condition(), tells=True, most_bytes=1)
    full(tiny, packets(3))
    assert len(tiny) == 1


def test_p8_a_packet_that_stays_alone_is_over_after_two_seconds() -> None:
    buffer = PacketBuffer(threading.Condition(), tells=True)
    buffer.put(packets(1)[0])

    assert not buffer.is_over(now_s=1.9)
    assert buffer.is_over(now_s=2.1)


@pytest.mark.parametrize(("until_s", "first"), [(0.5, 0), (1.0, 10), (1.35, 10), (9.0, 10)])
def test_packets_before_the_last_key_frame_that_was_watched_are_dropped(
    until_s: float, first: int
) -> None:
    buffer = PacketBuffer(threading.Condition(), tells=False)
    coming = packets(15)
    for one in coming:
        buffer.put(one)

    dropped = buffer.skip(until_s)

    assert dropped is (first > 0)
    assert buffer.begins_anew
    assert [one.arrival_s for one in rest(buffer)] == [one.arrival_s for one in coming[first:]]


def test_p8_dropped_packets_are_overwritten() -> None:
    buffer = PacketBuffer(threading.Condition(), tells=False)
    coming = packets(15)
    for one in coming:
        buffer.put(one)
    assert all(any(bytes(one.packet)) for one in coming)

    buffer.skip(9.0)

    assert not any(any(bytes(one.packet)) for one in coming[:10])
    assert all(any(bytes(one.packet)) for one in coming[10:])
