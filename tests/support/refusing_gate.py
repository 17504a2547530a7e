"""A gate before a real broker that refuses some topics in the ways in which other brokers do.

Mosquitto answers a refused message with a reason code. Other brokers close the connection, say
DISCONNECT, never answer, or do not accept a last will or a subscription without permission.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal

from typing_extensions import Self

from tests.support.brokers import HOST, Broker

Refusal = Literal["close", "disconnect", "silent"] | int
"""What answers a refused message; a number is the reason code of the PUBACK."""

_CONNECT: Final = 1
_PUBLISH: Final = 3
_SUBSCRIBE: Final = 8
_SUBACK: Final = 9
_NOT_AUTHORISED: Final = 0x87


class RefusingGate:
    """Passes everything on to a broker, except what it refuses; a context manager.

    Args:
        broker: the broker behind it.
        messages: topics whose messages are refused, and how.
        will: refuse connections whose last will has one of these topics.
        subscriptions: filters that are refused.
    """

    host = HOST

    def __init__(
        self,
        broker: Broker,
        messages: Mapping[str, Refusal] | None = None,
        *,
        will: Collection[str] = (),
        subscriptions: Collection[str] = (),
    ) -> None:
        self._broker = broker
        self.messages = dict(messages or {})
        self._will = will
        self._subscriptions = subscriptions
        self.refused: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])

    def start(self) -> None:
        self._listener.settimeout(0.05)
        self._run(self._accept)

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    kill = stop

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """Pass packets on in both directions until one side ends, or a refusal closes both."""
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection((self._broker.host, self._broker.port)) as server,
            selectors.DefaultSelector() as selector,
        ):
            asked: dict[bytes, list[str]] = {}
            rest = {client: b"", server: b""}
            for one in rest:
                selector.register(one, selectors.EVENT_READ)
            while not self._stopping.is_set():
                for key, _ in selector.select(0.05):
                    source = client if key.fileobj is client else server
                    received = source.recv(65536)
                    if not received:
                        return
                    packets, rest[source] = _split(rest[source] + received)
                    for packet in packets:
                        if source is server:
                            client.sendall(self._answer(packet, asked))
                        elif not self._pass_on(packet, client, server, asked):
                            return

    def _pass_on(
        self,
        packet: bytes,
        client: socket.socket,
        server: socket.socket,
        asked: dict[bytes, list[str]],
    ) -> bool:
        """Pass a client's packet on or refuse it; returns whether the connection goes on."""
        kind, body = packet[0] >> 4, _body(packet)
        if kind == _CONNECT and any(topic.encode() in body for topic in self._will):
            self.refused["CONNECT"] += 1
            client.sendall(bytes([0x20, 3, 0, _NOT_AUTHORISED, 0]))
            return False
        if kind == _SUBSCRIBE:
            asked[body[:2]] = list(_filters(body))
        topic = _text(body, 0) if kind == _PUBLISH else ""
        refusal = self.messages.get(topic)
        if refusal is None:
            server.sendall(packet)
            return True
        self.refused[topic] += 1
        if isinstance(refusal, int):
            at = 2 + len(topic.encode())
            client.sendall(bytes([0x40, 3]) + body[at : at + 2] + bytes([refusal]))
        if refusal == "disconnect":
            client.sendall(bytes([0xE0, 1, _NOT_AUTHORISED]))
        return isinstance(refusal, int) or refusal == "silent"

    def _answer(self, packet: bytes, asked: dict[bytes, list[str]]) -> bytes:
        if packet[0] >> 4 != _SUBACK:
            return packet
        changed = bytearray(packet)
        filters = asked[_body(packet)[:2]]
        for place, one in enumerate(filters):
            if one in self._subscriptions:
                changed[len(packet) - len(filters) + place] = _NOT_AUTHORISED
        return bytes(changed)


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """The complete packets at the beginning, and the rest (MQTT 5, section 2.1)."""
    packets = []
    while (length := _length(data)) is not None and len(data) >= length:
        packets.append(data[:length])
        data = data[length:]
    return packets, data


def _length(data: bytes) -> int | None:
    """The length of the packet at the beginning with its header; None if it is not known yet."""
    value = 0
    for place, byte in enumerate(data[1:5]):
        value += (byte & 127) << (7 * place)
        if byte < 128:
            return 2 + place + value
    return None


def _body(packet: bytes) -> bytes:
    at = 1
    while packet[at] >= 128:
        at += 1
    return packet[at + 1 :]


def _text(body: bytes, at: int) -> str:
    length = int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : at + 2 + length].decode()


def _filters(body: bytes) -> Iterator[str]:
    at = 2 + 1 + body[2]  # packet id and properties, of less than 128 bytes
    while at < len(body):
        one = _text(body, at)
        yield one
        at += 2 + len(one.encode()) + 1
