"""The outbox: stores sealed hits in SQLite before they are published.

Durability: WAL with `synchronous=FULL`, so a hit is synced to disk when `put` returns. Disk space
is reserved in advance: while the reserve lasts, `put` works even if the disk is full, see
`outbox_file`.

Each hit is encrypted under its own key, which a key of the keyring wraps (`privacy.keyring`). That
key is destroyed at the end of the hit's retention or soon after its delivery. Then the hit cannot
be decrypted in any copy of this file. Only the other columns of a copy stay readable: the hit's id,
camera and topic, and the quarter of an hour in which it would have expired.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from typing_extensions import Self

from edge.adapters.state.database import transaction
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox_file import (
    FILE_NAME,
    KEYS_SCHEMA,
    OVERFLOW_BYTES,
    SPARE_PAGES,
    VERSION,
    OutboxFull,
    blank,
    check,
    connect,
    create_outbox,
    database_error,
    log_of,
    place_log,
    spare_of,
    translated,
)
from edge.adapters.state.state_folder import StateLock, storage_error
from edge.domain.counting import coarse
from edge.errors import EdgeError, KeyFileError, OutboxError
from edge.formats.identifiers import ID_PATTERN
from edge.privacy.keyring import ITEM_OVERHEAD_BYTES, StoredItem

# The largest hit that the log's reserve allows; brokers accept less (AWS IoT 128 KiB, EMQX 1 MiB).
MAX_PAYLOAD_BYTES = 2 * 1024 * 1024

_GROW_STEP_BYTES = 1024 * 1024
_UNKNOWN_PURPOSE = "unknown"


@dataclass(frozen=True, slots=True)
class QueuedHit:
    """One sealed hit in the outbox; `payload` is sent unchanged."""

    hit_id: str
    camera: str
    topic: str
    receipt_required: bool
    expires_at: datetime
    payload: bytes = field(repr=False)


class Outbox:
    """The hits that have not been delivered; safe to use from several threads.

    Made by `Outbox.open`. A hit is `pending` until the broker has acknowledged it. If its authority
    sends receipts, it is then `published` until the receipt has come. Then it is deleted. Other
    deleted hits are counted: `expired` ones, whose retention had ended, and `unreadable` ones,
    whose key was missing before that.
    """

    def __init__(
        self, path: Path, database: sqlite3.Connection, lock: StateLock, keyring: Keyring
    ) -> None:
        self._path = path
        self._database = database
        self._state_lock = lock
        self._keyring = keyring
        self.expired = 0
        self.unreadable = 0
        self._lock = threading.RLock()
        self._closed = False

    @classmethod
    def open(
        cls, folder: Path, keyring: Keyring, *, reserve_mib: int, drop_foreign: bool = False
    ) -> Self:
        """Open or create the outbox in a state folder and lock the folder.

        Hits that have expired, or can no longer be decrypted, are deleted at once.

        Args:
            folder: the state folder; created with mode 0700 if it is missing.
            keyring: the keys of the stored hits; retention is judged by its clock.
            reserve_mib: disk space to reserve for waiting hits, in MiB. A larger value than
                before grows the file; a smaller one does not change it.
            drop_foreign: accept another keyring than before, and delete the hits under the old one.

        Raises:
            OutboxError: the folder is locked or not writable, the disk is full, or the file
                is damaged or of another version.
            KeyFileError: this is not the keyring that was used before.
        """
        path = folder / FILE_NAME
        lock = StateLock(folder)
        try:
            if not path.exists() or path.stat().st_size == 0:
                create_outbox(path)
            place_log(path)
            database = connect(path)
        except OSError as error:
            lock.release()
            raise storage_error(path, error) from error
        except sqlite3.Error as error:
            lock.release()
            raise database_error(path, error) from error
        except OutboxError:
            lock.release()
            raise
        outbox = cls(path, database, lock, keyring)
        try:
            with translated(path):
                version = check(database, path)
                if version < VERSION:
                    outbox._upgrade()
                outbox._bind(drop_foreign=drop_foreign)
                outbox._reserve(reserve_mib)
            outbox.delete_expired(keyring.clock.utc())
            outbox._delete_unreadable()
        except EdgeError:
            outbox.close()
            raise
        return outbox

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(
        self,
        hit_id: str,
        camera: str,
        topic: str,
        payload: bytes,
        *,
        purpose: str,
        receipt_required: bool,
        expires_at: datetime,
    ) -> None:
        """Store a hit; it is on disk when this returns. A hit with a known id is not changed.

        Args:
            hit_id: the hit's id.
            camera: its camera; hits of one camera are sent in the order in which they were stored.
            topic: the topic that it is published to.
            payload: the sealed hit, at most `MAX_PAYLOAD_BYTES`.
            purpose: the purpose of the rule that made it.
            receipt_required: keep it after PUBACK until the authority's receipt has come.
            expires_at: the end of its retention, with time zone; it is deleted up to a quarter of
                an hour earlier.

        Raises:
            OutboxFull: the reserve has no room for it; it was not accepted.
            OutboxError: it could not be written.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise OutboxError(
                f"{self._path}: a hit of {len(payload)} bytes is over the outbox's limit of "
                f"{MAX_PAYLOAD_BYTES}; lower broker.payload_cap_kib in site.yaml"
            )
        with self._transaction():
            self._require_pages(len(payload))
            if self._database.execute("SELECT 1 FROM hit WHERE hit_id = ?", (hit_id,)).fetchone():
                return
            # The key is on disk before the hit that it encrypts.
            key = self._keyring.key(purpose, expires_at)
            stored = key.seal(hit_id, payload)
            ends_at = _seconds(key.expires_at)
            self._database.execute(
                "INSERT INTO hit (hit_id, camera, topic, receipt_required, expires_at, payload)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (hit_id, camera, topic, receipt_required, ends_at, stored.body),
            )
            self._database.execute(
                "INSERT INTO item_key VALUES (?, ?, ?)", (hit_id, key.key_id, stored.wrapped_key)
            )

    def require_room(self, payload_bytes: int) -> None:
        """Refuse when a hit of this size could not be stored now.

        Raises:
            OutboxFull: the reserve has no room for it.
            OutboxError: the outbox cannot be written.
        """
        with self._transaction():
            self._require_pages(payload_bytes)
            self._database.execute("UPDATE counter SET value = value")

    def _require_pages(self, payload_bytes: int) -> None:
        needed = -(-payload_bytes // OVERFLOW_BYTES) + SPARE_PAGES // 2
        if self._pragma("freelist_count") < needed:
            raise OutboxFull(
                f"{self._path}: the outbox is full with {coarse(self.depth())} hits waiting; check "
                "the broker connection, or raise outbox.reserve_mib"
            )

    def next_pending(
        self, *, held_cameras: Collection[str] = (), held_hits: Collection[str] = ()
    ) -> QueuedHit | None:
        """The oldest hit to publish next; None if there is none.

        Args:
            held_cameras: cameras to skip.
            held_hits: hits to skip.
        """
        while rows := self._rows(
            "SELECT hit_id, camera, topic, receipt_required, expires_at FROM hit"
            " WHERE published = 0"
            " AND camera NOT IN (SELECT value FROM json_each(?))"
            " AND hit_id NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY sequence LIMIT 1",
            (json.dumps(list(held_cameras)), json.dumps(list(held_hits))),
        ):
            hit_id, camera, topic, receipt_required, expires_at = rows[0]
            payload = self.find(hit_id)
            if payload is not None:
                return QueuedHit(
                    hit_id=hit_id,
                    camera=camera,
                    topic=topic,
                    receipt_required=bool(receipt_required),
                    expires_at=datetime.fromtimestamp(expires_at, tz=timezone.utc),
                    payload=payload,
                )
        return None

    def mark_published(self, hit_id: str) -> None:
        """Mark a hit as acknowledged by the broker; it stays until its receipt comes."""
        self._write("UPDATE hit SET published = 1 WHERE hit_id = ?", (hit_id,))

    def mark_pending(self, hit_id: str) -> None:
        """Mark a hit without receipt to be published again, at its old position."""
        self._write("UPDATE hit SET published = 0 WHERE hit_id = ?", (hit_id,))

    def mark_all_pending(self) -> None:
        """Mark all hits that wait for a receipt to be published again, as after a restart."""
        self._write("UPDATE hit SET published = 0 WHERE published = 1", ())

    def find(self, hit_id: str) -> bytes | None:
        """The payload of a waiting hit; None if there is no such hit.

        A hit that can no longer be decrypted is deleted.
        """
        with self._lock:
            rows = self._rows(
                "SELECT retention_key, wrapped, payload FROM hit LEFT JOIN item_key USING (hit_id)"
                " WHERE hit_id = ?",
                (hit_id,),
            )
            if not rows:
                return None
            key_id, wrapped, body = rows[0]
            key = self._keyring.find(key_id) if key_id is not None else None
            payload = None if key is None else key.open(hit_id, StoredItem(wrapped, body))
            if payload is None:
                self.unreadable += self.delete(hit_id)
            return payload

    def hit_ids(self) -> tuple[str, ...]:
        """Ids of all waiting hits, oldest first."""
        return tuple(row[0] for row in self._rows("SELECT hit_id FROM hit ORDER BY sequence", ()))

    def delete(self, hit_id: str) -> bool:
        """Delete a delivered hit; returns False if there is no such hit.

        Its bytes are overwritten: in the file at once, in the write-ahead log when the log is
        reused, at the latest when the outbox is closed.
        """
        with self._transaction():
            self._database.execute("DELETE FROM item_key WHERE hit_id = ?", (hit_id,))
            return (
                self._database.execute("DELETE FROM hit WHERE hit_id = ?", (hit_id,)).rowcount == 1
            )

    def delete_expired(self, now: datetime) -> int:
        """Delete hits whose retention has ended, delivered or not; returns how many.

        Their keys are destroyed first. Keys that no hit needs any more are destroyed too, so that
        delivered hits cannot be decrypted in an earlier copy of this file.
        """
        with self._lock:
            self._keyring.destroy(self._keyring.due(now))
            due = self._rows("SELECT hit_id FROM hit WHERE expires_at <= ?", (_seconds(now),))
            # One at a time: a transaction must fit the reserve of the log.
            gone = sum(self.delete(hit_id) for (hit_id,) in due)
            self._destroy_unused_keys()
            self._keyring.remember(now)
            self.expired += gone
        return gone

    def shorten(self, retention: Mapping[str, timedelta]) -> None:
        """Shorten the retention of stored hits to that of the present policy, counted from now.

        Args:
            retention: by purpose; hits of other purposes keep their end.

        Raises:
            OutboxError: it cannot be written.
        """
        with self._lock:
            now = self._keyring.clock.utc()
            for purpose, time in retention.items():
                for key_id, end in self._keyring.shorten(purpose, now + time).items():
                    self._write(
                        "UPDATE hit SET expires_at = ? WHERE hit_id IN"
                        " (SELECT hit_id FROM item_key WHERE retention_key = ?)",
                        (_seconds(end), key_id),
                    )

    def erase(self, purpose: str | None = None) -> int:
        """Destroy the keys of one purpose, or all, then delete their hits; returns how many."""
        with self._lock:
            doomed = self._keyring.key_ids(purpose)
            hits = [
                hit_id
                for hit_id, key_id in self._rows("SELECT hit_id, retention_key FROM item_key", ())
                if key_id in doomed or purpose is None
            ]
            self._keyring.destroy(doomed)
            return sum(self.delete(hit_id) for hit_id in hits)

    def depth(self) -> int:
        """How many hits wait."""
        return int(self._rows("SELECT count(*) FROM hit", ())[0][0])

    def bytes(self) -> int:
        """How many bytes of payload wait."""
        count, stored = self._rows(
            "SELECT count(*), coalesce(sum(length(payload)), 0) FROM hit", ()
        )[0]
        return int(stored) - int(count) * ITEM_OVERHEAD_BYTES

    def next_counter(self) -> int:
        """Increment the hit counter and return it: 1, 2, 3 …, never the same twice.

        Raises:
            OutboxError: it could not be written.
        """
        with self._transaction():
            self._database.execute("UPDATE counter SET value = value + 1")
            row = self._database.execute("SELECT value FROM counter").fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close the file and unlock the state folder; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(OutboxError):
                self._destroy_unused_keys()
            spare = spare_of(self._path)
            # Without hard links, the reserve for the log is not kept between runs.
            with contextlib.suppress(OSError):
                os.link(log_of(self._path), spare)
            try:
                self._database.close()
            finally:
                if not log_of(self._path).exists():
                    blank(spare)
                self._state_lock.release()

    def _upgrade(self) -> None:
        """Upgrade from version 1, which stored hits without a retention key: encrypt each.

        If the process is killed in between, the next start continues: the version is written last.
        """
        with self._transaction():
            if not self._rows("SELECT 1 FROM sqlite_schema WHERE name = 'item_key'", ()):
                for statement in KEYS_SCHEMA.split(";"):
                    self._database.execute(statement)
        self._bind(drop_foreign=False)
        for hit_id, expires_at in self._rows(
            "SELECT hit_id, expires_at FROM hit WHERE hit_id NOT IN (SELECT hit_id FROM item_key)",
            (),
        ):
            payload = bytes(self._rows("SELECT payload FROM hit WHERE hit_id = ?", (hit_id,))[0][0])
            ends_at = datetime.fromtimestamp(expires_at, tz=timezone.utc)
            key = self._keyring.key(_purpose_of(payload), ends_at)
            stored = key.seal(hit_id, payload)
            with self._transaction():
                self._database.execute(
                    "UPDATE hit SET payload = ?, expires_at = ? WHERE hit_id = ?",
                    (stored.body, _seconds(key.expires_at), hit_id),
                )
                self._database.execute(
                    "INSERT INTO item_key VALUES (?, ?, ?)",
                    (hit_id, key.key_id, stored.wrapped_key),
                )
        self._write(f"PRAGMA user_version = {VERSION}", ())

    def _bind(self, *, drop_foreign: bool) -> None:
        """Store the id of the keyring that these hits are encrypted under.

        Another keyring is refused even if no hit waits: most likely its medium is not mounted, and
        new keys must not be stored in the mount point.
        """
        rows = self._rows("SELECT id FROM keyring", ())
        if rows == [(self._keyring.id,)]:
            return
        if rows and not drop_foreign:
            raise KeyFileError(
                f"{self._path}: its hits ({coarse(self.depth())}) are encrypted under another "
                "keyring; restore that keyring, or mount its medium, at folders.keyring of "
                "site.yaml; if it is lost, so are the hits: start again with "
                "`edge-anpr erase --all`",
                code="E_KEYRING",
            )
        with self._transaction():
            self._database.execute("DELETE FROM keyring")
            self._database.execute("INSERT INTO keyring VALUES (?)", (self._keyring.id,))

    def _delete_unreadable(self) -> None:
        """Delete hits whose key was destroyed, by expiry or erasure."""
        for hit_id, key_id in self._rows(
            "SELECT hit_id, retention_key FROM hit LEFT JOIN item_key USING (hit_id)", ()
        ):
            if key_id is None or self._keyring.find(key_id) is None:
                self.unreadable += self.delete(hit_id)

    def _destroy_unused_keys(self) -> None:
        used = {key_id for (key_id,) in self._rows("SELECT retention_key FROM item_key", ())}
        self._keyring.destroy(self._keyring.key_ids() - used)

    def _reserve(self, reserve_mib: int) -> None:
        """Grow the file to its final size, once.

        If the process is killed in between, the next start continues.
        """
        needed = reserve_mib * 1024 * 1024 // OVERFLOW_BYTES + SPARE_PAGES
        pages = max(needed, self._pragma("page_count"))
        self._pragma(f"max_page_count = {pages}")
        self._empty_filler()
        # Filler uses free pages before the file grows, so this may take several rounds.
        while (missing := pages - self._pragma("page_count")) > 0:
            step = min(_GROW_STEP_BYTES, max(1, missing - 2) * OVERFLOW_BYTES)
            try:
                with self._transaction():
                    self._database.execute("INSERT INTO filler VALUES (zeroblob(?))", (step,))
            except OutboxFull:
                break  # the last few pages are tree nodes
        self._empty_filler()

    def _empty_filler(self) -> None:
        for (row,) in self._rows("SELECT rowid FROM filler", ()):
            self._write("DELETE FROM filler WHERE rowid = ?", (row,))

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        with self._transaction():
            return self._database.execute(statement, values).rowcount

    def _rows(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock, translated(self._path):
            # All rows are fetched, since an open cursor would prevent a checkpoint of the log.
            return self._database.execute(query, values).fetchall()

    def _pragma(self, text: str) -> int:
        return int(self._rows(f"PRAGMA {text}", ())[0][0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, translated(self._path), transaction(self._database):
            yield


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _purpose_of(payload: bytes) -> str:
    """The purpose that the payload of a hit of version 1 names."""
    try:
        purpose = json.loads(payload)["purpose"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return _UNKNOWN_PURPOSE
    known = isinstance(purpose, str) and re.fullmatch(ID_PATTERN, purpose)
    return purpose if known else _UNKNOWN_PURPOSE
