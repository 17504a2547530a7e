"""Which of several brokers the boxes of a site use: rendezvous hashing.

Every box computes it alone from the same list, in any order. If a broker joins, only sites that it
takes over change; if one leaves, only its own sites do.

Source: D. Thaler, C. Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM
Transactions on Networking 6(1), 1998, doi:10.1109/90.663936: each pair of name and server has a
pseudo-random weight, and the server with the greatest weight has the name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Host and port of a broker."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str, port: int) -> BrokerAddress:
    """The address in `HOST` or `HOST:PORT`; an IPv6 address stands in square brackets.

    Host names are the same in capitals and in small letters, so they become small ones.

    Args:
        text: as above; its port is digits, or there is none.
        port: used if the text has none.

    Raises:
        ValueError: its port is not digits.
    """
    host, colon, number = text.rpartition(":")
    if not colon or number.endswith("]"):
        host, number = text, str(port)
    if not (number.isascii() and number.isdecimal()):
        raise ValueError("a port is digits")
    return BrokerAddress(host.removeprefix("[").removesuffix("]").lower(), int(number))


def without_port(host: str) -> str:
    """The host, unless a port follows it; only an IPv6 address has colons, two or more.

    Raises:
        ValueError: a port follows it.
    """
    if host.count(":") == 1:
        raise ValueError("must be the name or address of a host alone; write the port in `port`")
    return host


def broker_of(site: str, addresses: Sequence[BrokerAddress]) -> BrokerAddress:
    """The broker whose weight for the site is the greatest.

    The weight is the SHA-256 of the site, a zero byte and `HOST:PORT`, as a number of 256 bits.

    Args:
        site: the id of the site.
        addresses: at least one, in any order.

    Raises:
        ValueError: there is no address.
    """
    if not addresses:
        raise ValueError("no broker to choose from")

    def weight(address: BrokerAddress) -> bytes:
        return hashlib.sha256(f"{site}\0{address}".encode()).digest()

    return max(addresses, key=weight)
