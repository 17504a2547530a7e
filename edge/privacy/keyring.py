"""Retention keys, which are destroyed when a retention ends, and the clock that decides when.

    retention key   32 random bytes for one purpose and one quarter of an hour of expiry
    item key        32 random bytes for one item, wrapped by its retention key
    stored item     the item under its item key (AES-256-GCM, NIST SP 800-38D, 96-bit nonces)

Destroying a retention key makes every item of that purpose and quarter unreadable for good, in all
copies of where they are stored. A quarter and not a day: a key that served a whole day would have
to end with its first item, most of a day too early, or with its last, too late. So an item ends up
to fifteen minutes before its retention does, and never after it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.errors import KeyFileError
from edge.formats.framing import framed

SLOT: Final = timedelta(minutes=15)
KEY_BYTES: Final = 32
ITEM_OVERHEAD_BYTES: Final = 12 + 16
"""Bytes that encryption adds to a stored item: nonce and tag."""

LARGEST_STEP: Final = timedelta(days=1)
SETTLING_S: Final = 600.0

_NONCE_BYTES = 12
_WRAP: Final = b"edge-anpr/item-key/1"


def slot_end(expires_at: datetime) -> datetime:
    """When the key of an item ends: the quarter of an hour (UTC) before the item's own end."""
    whole = expires_at.astimezone(timezone.utc).replace(second=0, microsecond=0)
    return whole - timedelta(minutes=whole.minute) % SLOT


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An encrypted item as it is stored on disk."""

    wrapped_key: bytes = field(repr=False)
    body: bytes = field(repr=False)


class RetentionKey:
    """A key that wraps the item keys of one purpose and one quarter of an hour of expiry.

    Args:
        key_id: 16 hex digits, random.
        purpose: what the items were made for.
        expires_at: when it is destroyed.
        secret: 32 bytes; overwritten by `destroy`.
    """

    def __init__(
        self, key_id: str, purpose: str, expires_at: datetime, secret: bytes | bytearray
    ) -> None:
        self.key_id = key_id
        self.purpose = purpose
        self.expires_at = expires_at
        self._secret = bytearray(secret)

    @classmethod
    def generate(cls, purpose: str, expires_at: datetime) -> RetentionKey:
        """A fresh key from the system's randomness."""
        secret = secrets.token_bytes(KEY_BYTES)
        return cls(secrets.token_hex(8), purpose, slot_end(expires_at), secret)

    def shorten(self, expires_at: datetime) -> None:
        """End earlier than planned; a later end changes nothing."""
        self.expires_at = min(self.expires_at, slot_end(expires_at))

    def raw(self) -> bytes:
        """The key, 32 bytes. Only for storing it on disk."""
        return bytes(self._secret)

    def seal(self, item_id: str, item: bytes) -> StoredItem:
        """Encrypt an item with its own item key.

        Raises:
            KeyFileError: the key was destroyed.
        """
        key = secrets.token_bytes(KEY_BYTES)
        return StoredItem(
            _encrypt(self._require(), framed(_WRAP, self.key_id.encode(), item_id.encode()), key),
            # The key is used for this item only, so no further data need be authenticated.
            _encrypt(key, b"", item),
        )

    def open(self, item_id: str, stored: StoredItem) -> bytes | None:
        """The item, or None if it is not what was stored under this id and key.

        Raises:
            KeyFileError: the key was destroyed.
        """
        wrapping = self._require()
        bound = framed(_WRAP, self.key_id.encode(), item_id.encode())
        key = _decrypt(wrapping, bound, stored.wrapped_key)
        return None if key is None else _decrypt(key, b"", stored.body)

    def destroy(self) -> None:
        """Overwrite the secret; a second call does nothing."""
        self._secret[:] = bytes(len(self._secret))
        self._secret = bytearray()

    def _require(self) -> bytes:
        if not self._secret:
            raise KeyFileError(
                "the retention of this item has ended and its key was destroyed",
                code="E_RETENTION_ENDED",
            )
        return bytes(self._secret)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a retention key is never copied or serialised")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()


def _encrypt(key: bytes, bound: bytes, plain: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def _decrypt(key: bytes, bound: bytes, stored: bytes) -> bytes | None:
    if len(stored) < ITEM_OVERHEAD_BYTES:
        return None
    try:
        return AESGCM(key).decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        return None


class RetentionClock:
    """A wall clock for retention that never goes back.

    - A clock that is turned back is not followed: time continues from the latest time seen, at
      the rate of the monotonic clock. So nothing is kept longer.
    - A clock that is turned forward by up to a day is followed at once.
    - If it is turned forward by more than a day while running, it is followed after it has stayed
      so for ten minutes: a time server's error must not destroy keys that are due in a month.
    - At the start the clock is used as it is, unless it is before the mark. A box that was off
      cannot distinguish a wrong clock from elapsed time; in doubt, keys are destroyed too early.

    A mark may be in the future by mistake. While the clock is behind it, time that the box is off
    does not count; there is no other effect. The mark is deleted when no key depends on it.

    Args:
        monotonic: steady seconds.
        utc: the wall clock.
        mark: the latest time seen by the run before, if any key depends on it.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        utc: Callable[[], datetime],
        mark: datetime | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._wall = utc
        self._lock = threading.Lock()
        wall = utc()
        self._now = wall if mark is None else max(mark, wall)
        self._read_at = monotonic()
        self._ahead_since: float | None = None

    def monotonic(self) -> float:
        """Seconds of the monotonic clock, which is never set back."""
        return self._monotonic()

    def utc(self) -> datetime:
        """The time by which retention is judged, aware."""
        with self._lock:
            wall, read_at = self._wall(), self._monotonic()
            steady = self._now + timedelta(seconds=read_at - self._read_at)
            if wall <= steady + LARGEST_STEP:
                self._ahead_since = None
                now = max(wall, steady)
            else:
                if self._ahead_since is None:
                    self._ahead_since = read_at
                settled = read_at - self._ahead_since >= SETTLING_S
                now = wall if settled else steady
            self._now, self._read_at = now, read_at
            return now

    def give_up_mark(self) -> None:
        """Delete the mark and follow the wall clock again; for when no key depends on it."""
        with self._lock:
            self._now, self._read_at = self._wall(), self._monotonic()
            self._ahead_since = None
