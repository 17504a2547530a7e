"""Challenges that a browser answers with a passkey: for one purpose and browser, and only once.

A challenge holds its own time and a MAC, so nothing is kept until it is answered, and nobody can
fill the memory of the desk by asking for many. It is 56 bytes:

    seconds since 1970 (8) ‖ random (16) ‖ HMAC-SHA256 of both, purpose and browser's secret (32).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from edge.formats.framing import framed

LASTS: Final = timedelta(minutes=10)
_HEAD: Final = 24
_LENGTH: Final = _HEAD + 32


class Challenges:
    """Makes challenges, and takes each back once. They end with the process.

    Args:
        utc: the wall clock.
    """

    def __init__(self, utc: Callable[[], datetime]) -> None:
        self._utc = utc
        self._key = secrets.token_bytes(32)
        self._spent: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def new(self, purpose: str, secret: str) -> bytes:
        """A challenge.

        Args:
            purpose: what its answer will allow.
            secret: of the browser that will answer.
        """
        head = int(self._utc().timestamp()).to_bytes(8, "big") + secrets.token_bytes(16)
        return head + self._mac(head, purpose, secret)

    def spend(self, challenge: bytes, purpose: str, secret: str) -> bool:
        """Whether this challenge was made for this purpose and browser, is new, and not answered.

        A second call with the same challenge returns False.
        """
        head, mac = challenge[:_HEAD], challenge[_HEAD:]
        own = len(challenge) == _LENGTH and hmac.compare_digest(
            mac, self._mac(head, purpose, secret)
        )
        now, made = self._utc().timestamp(), int.from_bytes(head[:8], "big")
        if not own or not -1 <= now - made < LASTS.total_seconds():
            return False
        with self._lock:
            for old in [one for one, end in self._spent.items() if end < now]:
                del self._spent[old]
            if head in self._spent:
                return False
            self._spent[head] = now + LASTS.total_seconds() + 1
        return True

    def _mac(self, head: bytes, purpose: str, secret: str) -> bytes:
        message = framed(head, purpose.encode(), secret.encode())
        return hmac.new(self._key, message, hashlib.sha256).digest()
