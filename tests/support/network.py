"""Real networks between a box and its broker that fall silent or are slow."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from typing_extensions import Self

from tests.support.brokers import HOST

IP = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
NEEDS_NAMESPACES = "needs network namespaces: root, and `ip` of package iproute2"


@functools.cache
def has_namespaces() -> bool:
    """Whether this user may make network namespaces."""
    if IP is None or os.geteuid() != 0:
        return False
    with contextlib.suppress(subprocess.CalledProcessError), IsolatedNetwork():
        return True
    return False


class IsolatedNetwork:
    """A network namespace behind a virtual cable, which can be cut.

    A context manager; its processes are started with `enter` before their command line.
    """

    def __init__(self) -> None:
        self._name = f"edge-{uuid4().hex[:8]}"
        self._here, self._there = f"{self._name[-8:]}-h", f"{self._name[-8:]}-t"
        # One of 16,384 small networks that are unlikely to be in use.
        number = int(self._name[-4:], 16) * 4 % 65536
        network = f"198.{18 + number // 65536}.{number // 256}"
        self._near = f"{network}.{number % 256 + 1}"
        self.host = f"{network}.{number % 256 + 2}"

    def __enter__(self) -> Self:
        try:
            _ip("netns", "add", self._name)
            _ip(
                "link", "add", self._here, "type", "veth",
                "peer", "name", self._there, "netns", self._name,
            )  # fmt: skip
            _ip("address", "add", f"{self._near}/30", "dev", self._here)
            _ip("link", "set", self._here, "up")
            self._inside("address", "add", f"{self.host}/30", "dev", self._there)
            self._inside("link", "set", self._there, "up")
            self._inside("link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Deleting the namespace deletes the cable.
        subprocess.run([str(IP), "netns", "del", self._name], capture_output=True, check=False)

    @property
    def enter(self) -> tuple[str, ...]:
        return (str(IP), "netns", "exec", self._name)

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Drop all packets in both directions, silently."""
        self._inside("link", "set", self._there, "down")
        try:
            yield
        finally:
            self._inside("link", "set", self._there, "up")

    @contextlib.contextmanager
    def mute(self) -> Iterator[None]:
        """Drop all answers; packets to the broker arrive."""
        self._inside("route", "add", "blackhole", self._near)
        try:
            yield
        finally:
            self._inside("route", "del", "blackhole", self._near)

    def _inside(self, *words: str) -> None:
        _ip("-n", self._name, *words)


def _ip(*words: str) -> None:
    subprocess.run([str(IP), *words], capture_output=True, check=True)


@dataclass(slots=True)
class SlowLink:
    """A proxy to a broker with limited bytes a second, which records what was acknowledged.

    Args:
        broker: the port that it leads to.
        bytes_per_s: from the box to the broker; None: as many as come.
        hold_until: no PUBACK comes through before so many PUBLISH have.
    """

    broker: int
    bytes_per_s: int | None = None
    hold_until: int = 0
    _published: int = 0
    acknowledged: list[str] = field(default_factory=list)
    """Ids of hits in the order in which their PUBACK came back."""
    counters: list[int] = field(default_factory=list)
    """Their numbers, where they have any."""
    _listener: socket.socket = field(default_factory=lambda: socket.create_server((HOST, 0)))
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener.settimeout(0.05)
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _start(self, work: object, *arguments: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                box, _ = self._listener.accept()
                try:
                    broker = socket.create_connection((HOST, self.broker), 5)
                except OSError:
                    box.close()
                    continue
                sent: dict[int, dict[str, Any]] = {}
                self._start(self._forward, box, broker, sent, self.bytes_per_s)
                self._start(self._forward, broker, box, sent, None)

    def _hold(self, packets: list[tuple[int, bytes]]) -> None:
        while any(kind == _PUBACK for kind, _ in packets) and self._published < self.hold_until:
            if self._stopping.wait(0.01):
                return

    def _forward(
        self,
        source: socket.socket,
        to: socket.socket,
        sent: dict[int, dict[str, Any]],
        rate: int | None,
    ) -> None:
        packets = _Packets()
        source.settimeout(0.05)
        step = 65536 if rate is None else max(1, rate // 50)
        with contextlib.suppress(OSError):
            while not self._stopping.is_set():
                try:
                    data = source.recv(step)
                except TimeoutError:
                    continue
                if not data:
                    break
                whole = list(packets.take(data))
                for kind, body in whole:
                    if kind == _PUBLISH:
                        self._published += 1
                        _remember(body, sent)
                self._hold(whole)
                to.sendall(data)
                for kind, body in whole:
                    if kind == _PUBACK and (hit := sent.pop(_number(body), None)) is not None:
                        self.acknowledged.append(hit["hit_id"])
                        self.counters += [hit["counter"]] if "counter" in hit else []
                if rate is not None:
                    time.sleep(len(data) / rate)
        for end in (source, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()


_PUBLISH, _PUBACK = 3, 4


def _remember(publish: bytes, sent: dict[int, dict[str, Any]]) -> None:
    """Which hit a packet number stands for, if it is one (3.3)."""
    name = 2 + _number(publish)
    if publish[2:name].endswith(b"/hit"):
        # Properties begin with their length, here always in one byte (2.2.2).
        payload = publish[name + 3 + publish[name + 2] :]
        sent[_number(publish[name:])] = json.loads(payload)


def _number(body: bytes) -> int:
    return int.from_bytes(body[:2], "big")


class _Packets:
    """Cuts a stream into MQTT packets (2.1)."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def take(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Type and body of each packet that is whole with these bytes."""
        self._buffer += data
        while len(self._buffer) >= 2:
            length, place = 0, 1
            while place < len(self._buffer):
                length |= (self._buffer[place] & 127) << 7 * (place - 1)
                place += 1
                if not self._buffer[place - 1] & 128:
                    break
            else:
                return
            if len(self._buffer) < place + length:
                return
            kind, body = self._buffer[0] >> 4, bytes(self._buffer[place : place + length])
            del self._buffer[: place + length]
            yield kind, body
