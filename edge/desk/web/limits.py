"""Limits of failed logins from one address, beside the lock of a name after failures."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request

FAILURES: Final = 20
WITHIN: Final = timedelta(minutes=5)
_MOST: Final = 10_000


class AddressLimits:
    """Counts failed logins by address, in memory: `FAILURES` within `WITHIN`.

    It remembers 10,000 addresses; if there are more, it forgets the one that tried least recently.

    Args:
        utc: the wall clock.
    """

    def __init__(self, utc: Callable[[], datetime]) -> None:
        self._utc = utc
        self._failed: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, address: str) -> bool:
        """Count an attempt as failed, before it is made; False if there were too many."""
        now = self._utc()
        with self._lock:
            times = self._failed.setdefault(address, deque(maxlen=FAILURES))
            self._failed.move_to_end(address)
            # A time later than now was noted while the clock was ahead: it does not count.
            while times and not timedelta(0) <= now - times[0] < WITHIN:
                times.popleft()
            if len(self._failed) > _MOST:
                self._failed.popitem(last=False)
            if len(times) == FAILURES:
                return False
            times.append(now)
        return True

    def succeeded(self, address: str) -> None:
        """Do not count the last attempt, because it did not fail."""
        with self._lock:
            if times := self._failed.get(address):
                times.pop()


def client_address(request: Request, *, behind_proxy: bool) -> str:
    """The address of a browser, as far as attempts are counted: IPv4, or the first half of IPv6.

    Args:
        request: of the browser.
        behind_proxy: a proxy on this machine adds the browser's address as the last one of
            `X-Forwarded-For`. Nobody else is believed about it.
    """
    peer = "" if request.client is None else request.client.host
    told = _parsed(peer)
    if behind_proxy and told is not None and told.is_loopback:
        forwarded = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2]
        told = _parsed(forwarded.strip()) or told
    if told is None:
        return peer
    if isinstance(told, ipaddress.IPv4Address):
        return str(told)
    return str(ipaddress.ip_network((told, 64), strict=False))


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
