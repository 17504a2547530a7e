"""Stores retention keys in one file of fixed size, in a folder that can be on its own medium.

`keyring.bin` consists of records of 128 bytes that are overwritten in place. Each lies within one
disk sector and has its own checksum. The file never grows, so keys can be made and destroyed even
on a full disk. A record that a power cut left unfinished is not used as a key: either no hit had
been encrypted under it yet, or it was being destroyed.

| record    | holds                                                          |
|-----------|----------------------------------------------------------------|
| 0         | the keyring's random id                                        |
| 1, 2      | in turn, the latest time seen (`RetentionClock`)               |
| 3 …       | one retention key each: id, purpose, expiry, key; zeros if free |

Overwriting reaches the old blocks if the file system overwrites in place (ext4, XFS). Flash memory
keeps older copies of a block until its controller erases them; see docs/retention.md.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import struct
import threading
import zlib
from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from typing_extensions import Self

from edge.adapters.state.state_folder import StateLock, storage_error
from edge.errors import KeyFileError, OutboxError
from edge.formats.atomic_files import write_file
from edge.pipeline.ports import Clock
from edge.privacy.keyring import RetentionClock, RetentionKey, slot_end

FILE_NAME = "keyring.bin"
CAPACITY: Final = 8192
"""Largest number of keys: 30 days of quarter hours for nearly three purposes."""

_RECORD_BYTES = 128
_MARK_PLACES = (1, 2)
_FIRST_KEY = 3
_EMPTY = bytes(_RECORD_BYTES)
_MAGIC: Final = b"edge-anpr/keyring/1"
_ID = struct.Struct(">19s16s")
_MARK = struct.Struct(">q")
_KEY_FORM = struct.Struct(">8sq32s41p")  # id, expiry in seconds, secret, purpose
_REMEMBER_EVERY = timedelta(minutes=5)

log = logging.getLogger(__name__)


class Keyring:
    """The retention keys that still exist; safe to use from several threads.

    Made by `Keyring.open`. Retention is judged by its `clock`.
    """

    def __init__(self, path: Path, descriptor: int, lock: StateLock, clock: Clock) -> None:
        self._path = path
        self._descriptor = descriptor
        self._folder_lock = lock
        self._lock = threading.RLock()
        self._keys: dict[str, tuple[int, RetentionKey]] = {}
        self.id, mark = self._load()
        self.clock = RetentionClock(clock.monotonic, clock.utc, mark if self._keys else None)
        self._mark = mark
        self._mark_place = 1

    @classmethod
    def open(cls, folder: Path, clock: Clock) -> Self:
        """Open or create the keyring in a folder, lock the folder, and destroy expired keys.

        Args:
            folder: the keyring's folder; created with mode 0700 if it is missing.
            clock: the machine's clock.

        Raises:
            OutboxError: the folder is in use or cannot be written, or its disk is full.
            KeyFileError: other users can read it, or the file is not a keyring.
        """
        path = folder / FILE_NAME
        lock = StateLock(folder, "keyring")
        descriptor = -1
        try:
            _require_private(folder)
            if not path.exists():
                _create(path)
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            ring = cls(path, descriptor, lock, clock)
            ring.destroy(ring.due(ring.clock.utc()))
        except BaseException as error:
            if descriptor >= 0:
                os.close(descriptor)
            lock.release()
            if isinstance(error, OSError):
                raise storage_error(path, error) from error
            raise
        return ring

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def key(self, purpose: str, expires_at: datetime) -> RetentionKey:
        """The key for items of a purpose that expire then; a new key is on disk when this returns.

        Raises:
            OutboxError: it cannot be written, or there is no room for another key.
        """
        end = slot_end(expires_at)
        with self._lock:
            for _, key in self._keys.values():
                if (key.purpose, key.expires_at) == (purpose, end):
                    return key
            taken = {place for place, _ in self._keys.values()}
            free = next((p for p in range(_FIRST_KEY, CAPACITY + _FIRST_KEY) if p not in taken), 0)
            if not free:
                raise OutboxError(
                    f"{self._path}: the keyring is full with {len(self._keys)} keys; the "
                    "box stores no more hits until some are delivered or expire",
                    code="E_OUTBOX_FULL",
                )
            key = RetentionKey.generate(purpose, end)
            self._write(free, _key_record(key))
            self._keys[key.key_id] = (free, key)
            self.remember(self.clock.utc(), at_once=len(self._keys) == 1)
            return key

    def find(self, key_id: str) -> RetentionKey | None:
        """The key with this id; None if it was destroyed or never existed."""
        with self._lock:
            found = self._keys.get(key_id)
            return None if found is None else found[1]

    def key_ids(self, purpose: str | None = None) -> frozenset[str]:
        """Ids of the keys of a purpose, or of all."""
        with self._lock:
            return frozenset(
                key_id
                for key_id, (_, key) in self._keys.items()
                if purpose is None or key.purpose == purpose
            )

    def due(self, now: datetime) -> frozenset[str]:
        """Ids of the keys that have expired."""
        with self._lock:
            return frozenset(
                key_id for key_id, (_, key) in self._keys.items() if key.expires_at <= now
            )

    def shorten(self, purpose: str, latest: datetime) -> dict[str, datetime]:
        """Let every key of a purpose expire by this time; returns the new ends of changed keys.

        Raises:
            OutboxError: it cannot be written.
        """
        changed = {}
        with self._lock:
            for key_id, (place, key) in self._keys.items():
                if key.purpose == purpose and key.expires_at > latest:
                    key.shorten(latest)
                    self._write(place, _key_record(key))
                    changed[key_id] = key.expires_at
        return changed

    def destroy(self, key_ids: Collection[str]) -> None:
        """Overwrite keys on disk and in memory; unknown ids are ignored.

        Raises:
            OutboxError: they cannot be overwritten.
        """
        with self._lock:
            doomed = [key_id for key_id in key_ids if key_id in self._keys]
            for key_id in doomed:
                place, key = self._keys[key_id]
                self._write(place, _EMPTY, sync=False)
                key.destroy()
            if doomed:
                self._sync()
            for key_id in doomed:
                del self._keys[key_id]
            if doomed and not self._keys:
                self._forget_mark()

    def remember(self, now: datetime, *, at_once: bool = False) -> None:
        """Store the latest time seen every few minutes; delete it if no key depends on it.

        Raises:
            OutboxError: it cannot be written.
        """
        with self._lock:
            if not self._keys:
                self._forget_mark()
                return
            if not at_once and self._mark is not None and now - self._mark < _REMEMBER_EVERY:
                return
            # Two records in turn, so that one of them is intact after a power cut.
            self._mark_place = 3 - self._mark_place
            self._write(self._mark_place, _sealed(_MARK.pack(int(now.timestamp()))))
            self._mark = now

    def close(self) -> None:
        """Overwrite the keys in memory, close the file and unlock the folder."""
        with self._lock:
            if self._descriptor < 0:
                return
            with contextlib.suppress(OutboxError):
                self.remember(self.clock.utc(), at_once=True)
            for _, key in self._keys.values():
                key.destroy()
            self._keys.clear()
            os.close(self._descriptor)
            self._descriptor = -1
            self._folder_lock.release()

    def _forget_mark(self) -> None:
        self.clock.give_up_mark()
        if self._mark is not None:
            for place in _MARK_PLACES:
                self._write(place, _EMPTY)
            self._mark = None

    def _load(self) -> tuple[str, datetime | None]:
        data = os.pread(self._descriptor, (CAPACITY + _FIRST_KEY) * _RECORD_BYTES, 0)
        records = [
            data[start : start + _RECORD_BYTES] for start in range(0, len(data), _RECORD_BYTES)
        ]
        identity = _opened(records[0], _ID.size) if records else None
        if len(records) != CAPACITY + _FIRST_KEY or identity is None:
            raise KeyFileError(
                f"{self._path}: not a keyring, or its first bytes are damaged; restore it, or move "
                "it and the outbox away: without it the waiting hits are lost",
                code="E_KEYRING",
            )
        magic, raw_id = _ID.unpack(identity)
        if magic != _MAGIC and magic.startswith(_MAGIC[:-1]):
            raise OutboxError(
                f"{self._path}: keyring of version {magic[-1:].decode(errors='replace')}, this "
                "program supports version 1; run the version that made it",
                code="E_STATE_VERSION",
            )
        if magic != _MAGIC:
            raise KeyFileError(f"{self._path}: not a keyring; move it away", code="E_KEYRING")
        marks = [_opened(record, _MARK.size) for record in records[1:_FIRST_KEY]]
        seen = [_moment(_MARK.unpack(mark)[0]) for mark in marks if mark is not None]
        for place, record in enumerate(records[_FIRST_KEY:], start=_FIRST_KEY):
            if record == _EMPTY:
                continue
            key = _read_key(record)
            if key is None:
                # A power cut left it half made or half destroyed; no item is encrypted under it.
                self._write(place, _EMPTY)
                log.warning("%s: an incomplete key was overwritten", self._path)
                continue
            self._keys[key.key_id] = (place, key)
        return raw_id.hex(), max(seen, default=None)

    def _write(self, place: int, record: bytes, *, sync: bool = True) -> None:
        try:
            os.pwrite(self._descriptor, record, place * _RECORD_BYTES)
        except OSError as error:
            raise storage_error(self._path, error) from error
        if sync:
            self._sync()

    def _sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise storage_error(self._path, error) from error


def _create(path: Path) -> None:
    """Create an empty keyring of the final size.

    Only this first content is written as a new file. Later keys are overwritten in place, because a
    replaced file would leave the destroyed keys in its old blocks.
    """
    header = _sealed(_ID.pack(_MAGIC, secrets.token_bytes(16)))
    free = _EMPTY * (CAPACITY + _FIRST_KEY - 1)
    write_file(path, header + free, sole_writer=True)


def _require_private(folder: Path) -> None:
    for place in (folder, folder / FILE_NAME):
        if place.exists() and (mode := place.stat().st_mode & 0o777) & 0o077:
            raise KeyFileError(
                f"{place}: other users can read the keyring (mode {mode:04o}); run "
                f"`chmod go= {place}`",
                code="E_KEY_MODE",
            )


def _sealed(content: bytes) -> bytes:
    """A record: the content, zeros, and a checksum in the last four bytes."""
    padded = content.ljust(_RECORD_BYTES - 4, b"\0")
    # Never all zeros, so that a free record is not read as a key.
    return padded + (zlib.crc32(padded) ^ 0xFFFFFFFF).to_bytes(4, "big")


def _opened(record: bytes, size: int) -> bytes | None:
    """The first `size` bytes of a record; None if its checksum is wrong."""
    whole = len(record) == _RECORD_BYTES and _sealed(record[:-4]) == record
    return record[:size] if whole else None


def _key_record(key: RetentionKey) -> bytes:
    expiry = int(key.expires_at.timestamp())
    return _sealed(
        _KEY_FORM.pack(bytes.fromhex(key.key_id), expiry, key.raw(), key.purpose.encode("ascii"))
    )


def _read_key(record: bytes) -> RetentionKey | None:
    content = _opened(record, _KEY_FORM.size)
    if content is None:
        return None
    key_id, expiry, secret, purpose = _KEY_FORM.unpack(content)
    try:
        return RetentionKey(key_id.hex(), purpose.decode("ascii"), _moment(expiry), secret)
    except (ValueError, OverflowError, OSError):
        return None


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.utc)
