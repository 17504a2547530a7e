"""Notifies the service manager that the box is ready, of its status, and that it makes progress.

The protocol of sd_notify(3): datagrams of `NAME=value` lines to the socket in `NOTIFY_SOCKET`.
Without such a socket nothing is sent and nothing fails.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping

from typing_extensions import Self

STATUS_EVERY_S = 5.0

LONGEST_BUILD_S = 1800.0
"""How long a start may take while engines are built; a board takes minutes for each network."""

REST_OF_START_S = 120.0
"""How long the rest of a start may take after that; `TimeoutStartSec=` of the unit."""


@contextlib.contextmanager
def long_start(environment: Mapping[str, str], status: str) -> Iterator[None]:
    """Ask the service manager for more time until the block ends.

    The request is sent before the block, once: the block may run in a library that lets no other
    thread run. At a reload it is the watchdog that has to wait.

    Args:
        environment: as for `ServiceManager`.
        status: one line for people.
    """
    address = _address(environment)
    _, watched = _pace(environment)
    longer = [f"EXTEND_TIMEOUT_USEC={int(LONGEST_BUILD_S * 1e6)}", f"STATUS={status}"]
    shorter = [f"EXTEND_TIMEOUT_USEC={int(REST_OF_START_S * 1e6)}"]
    if watched:
        longer.append(f"WATCHDOG_USEC={int(LONGEST_BUILD_S * 1e6)}")
        shorter += [f"WATCHDOG_USEC={environment['WATCHDOG_USEC']}", "WATCHDOG=1"]
    _send(address, *longer)
    try:
        yield
    finally:
        _send(address, *shorter)


class ServiceManager:
    """Sends notifications to the service manager until it is closed.

    Args:
        environment: may hold `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
        is_alive: whether the box makes progress. While it does not, the watchdog gets no message,
            and the service manager restarts the process.
        status: returns one line for people; it must not contain data of a camera.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        is_alive: Callable[[], bool],
        status: Callable[[], str],
    ) -> None:
        self._address = _address(environment)
        self._every_s, self._watched = _pace(environment)
        self._is_alive = is_alive
        self._status = status
        self._said = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="service", daemon=True)

    def __enter__(self) -> Self:
        if self._address:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def ready(self) -> None:
        """Notify that the box is ready."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Notify that the box is stopping: it delivers waiting hits within its time limit."""
        self._send("STOPPING=1", "STATUS=stopping")

    def _run(self) -> None:
        while not self._ending.wait(self._every_s):
            status = self._status()
            if status != self._said:
                self._said = status
                self._send(f"STATUS={status}")
            if self._watched and self._is_alive():
                self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        _send(self._address, *lines)


def _address(environment: Mapping[str, str]) -> str:
    """The service manager's socket; empty if there is none."""
    address = environment.get("NOTIFY_SOCKET", "")
    # A leading @ means a socket in the abstract name space.
    return "\0" + address[1:] if address.startswith("@") else address


def _send(address: str, *lines: str) -> None:
    if not address:
        return
    # The service manager may be restarting; the box goes on.
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
    ):
        sender.settimeout(1.0)
        sender.sendto("\n".join(lines).encode(), address)


def _pace(environment: Mapping[str, str]) -> tuple[float, bool]:
    """Seconds between two rounds, and whether a watchdog waits for this process."""
    limit = environment.get("WATCHDOG_USEC", "")
    owner = environment.get("WATCHDOG_PID", "") or str(os.getpid())
    if not limit.isdecimal() or int(limit) == 0 or owner != str(os.getpid()):
        return STATUS_EVERY_S, False
    # A third of the watchdog's limit, so that two notifications may be lost.
    return min(STATUS_EVERY_S, int(limit) / 3e6), True
