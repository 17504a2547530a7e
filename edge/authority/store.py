"""Stores the hits that an authority has received, each exactly once and still sealed.

It is an SQLite database with a write-ahead log and `synchronous=FULL`: when `put` returns, the hit
is on disk. Several processes may use one store, so hits can be opened and reviewed while others
are received.

Deleted data is overwritten in the file, and the write-ahead log is emptied (`secure_delete`, a
truncating checkpoint). The file system, the disk and backups may still hold older copies. Those
become unreadable only when the private key is destroyed.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from typing_extensions import Self

from edge.adapters.state.database import transaction
from edge.adapters.state.state_folder import storage_error
from edge.authority.store_file import (
    APPLICATION_ID,
    FILE_NAME,
    LAST_PURGE,
    VERSION,
    create_store,
    require_content,
    require_new,
    translated,
)
from edge.domain.intervals import Interval, wilson
from edge.errors import OutboxError, UsageError
from edge.formats.identifiers import shown_id
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.hit import Hit
from edge.privacy.keys import RETIRED_KEY_GRACE
from edge.privacy.retention_clock import TrustedTime, trusted_time

MAX_ASIDE_BYTES = 64 * 1024 * 1024
"""Limit for all payloads that are set aside, so that a sender cannot fill the disk."""

_BUSY_S = 10.0

_HITS = """
SELECT hit.hit_id, site, box, camera, hit.rule, counter, human_check_required, observed_at,
    stored_at, reviewed_at IS NOT NULL, reason
FROM hit LEFT JOIN review USING (hit_id)
WHERE substr(hit.hit_id, 1, ?) = ?
ORDER BY observed_at, hit.hit_id
"""


class Outcome(Enum):
    """The result of storing a hit."""

    NEW = "new"
    KNOWN = "known"
    CONFLICT = "conflict"
    FORGOTTEN = "forgotten"
    """So old that it may have been deleted here, and its id too; it is not stored."""


class Reason(str, Enum):
    """Why a person rejected a hit. A closed list: free text could hold a plate or a name."""

    MISREAD = "misread"
    WRONG_VEHICLE = "wrong-vehicle"
    EXEMPT = "exempt"
    NO_OFFENCE = "no-offence"
    UNUSABLE_PICTURE = "unusable-picture"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Purged:
    """How many hits a run of `purge` has deleted, and by which time."""

    hits: int
    time: TrustedTime


@dataclass(frozen=True, slots=True)
class StoredHit:
    """One stored hit; `reason` is set only if it was rejected."""

    hit_id: str
    site: str
    box: str
    camera: str
    rule: str
    counter: int
    human_check_required: bool
    observed_at: datetime
    stored_at: datetime
    reviewed: bool
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A payload that could not be accepted yet and is kept to be tried again."""

    topic: str
    why: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RuleStatistics:
    """The review results of a rule's hits, purged ones included."""

    rule: str
    waiting: int
    confirmed: int
    rejected: dict[Reason, int]

    @property
    def reviewed(self) -> int:
        return self.confirmed + sum(self.rejected.values())

    @property
    def error_rate(self) -> Interval | None:
        """The rejected share of reviewed hits with its 95 % interval; None if none was reviewed."""
        return wilson(sum(self.rejected.values()), self.reviewed) if self.reviewed else None


class HitStore:
    """Sealed hits and their reviews. Made by `HitStore.open`.

    Not thread-safe: each thread opens the store for itself.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database

    @classmethod
    def open(cls, folder: Path, *, create: bool = False) -> Self:
        """Open the store in a folder.

        Args:
            folder: the store's folder.
            create: create the folder (mode 0700) and the store if they are missing.

        Raises:
            OutboxError: there is no store, it cannot be read or written, or it is damaged or of
                another version.
        """
        path = folder / FILE_NAME
        try:
            if not path.exists():
                require_new(path)
                if not create:
                    raise OutboxError(
                        f"{folder}: no store of hits; `edge-anpr hits tail --store` creates one",
                        code="E_NO_STORE",
                    )
                create_store(path)
            require_content(path)
            if path.stat().st_mode & 0o077:
                raise OutboxError(
                    f"{path}: other users can read it; run `chmod 600 {path}`", code="E_STORE_MODE"
                )
        except OSError as error:
            raise storage_error(path, error) from error
        with translated(path):
            database = sqlite3.connect(
                path, isolation_level=None, timeout=_BUSY_S, check_same_thread=False
            )
        store = cls(path, database)
        try:
            with translated(path):
                store._prepare()
        except OutboxError:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._database.close()

    def put(self, hit: Hit, payload: bytes, now: datetime) -> tuple[Outcome, datetime]:
        """Store a verified hit once; it is on disk when this returns.

        Returns:
            The outcome, and the time at which the hit of this id was stored. A second payload
            with a known id changes nothing. A hit that was purged is not stored again, also when
            its id is not kept any more.

        Raises:
            OutboxError: it could not be written.
        """
        return self.put_all([(hit, payload)], now)[0]

    def put_all(
        self, hits: Sequence[tuple[Hit, bytes]], now: datetime
    ) -> list[tuple[Outcome, datetime]]:
        """Store hits in one transaction, each as `put` does; returns what `put` would.

        Raises:
            OutboxError: they could not be written; then none is stored.
        """
        with self._transaction():
            last = self._last_purge()
            return [self._put(hit, payload, now, last) for hit, payload in hits]

    def _put(
        self, hit: Hit, payload: bytes, now: datetime, last_purge: datetime | None
    ) -> tuple[Outcome, datetime]:
        row = self._database.execute(
            "SELECT stored_at, payload FROM hit WHERE hit_id = :id"
            " UNION ALL SELECT stored_at, NULL FROM purged_hit WHERE hit_id = :id",
            {"id": hit.hit_id},
        ).fetchone()
        if row is not None:
            known = row[1] is None or bytes(row[1]) == payload
            return (Outcome.KNOWN if known else Outcome.CONFLICT), parse_utc(row[0])
        if last_purge is not None and hit.observed < last_purge - RETIRED_KEY_GRACE:
            return Outcome.FORGOTTEN, last_purge
        self._database.execute(
            "INSERT INTO hit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(hit.hit_id, hit.site, hit.box, hit.camera, hit.rule, hit.counter),
                *(hit.human_check_required, hit.observed_at, utc_text(now), payload),
            ),
        )
        return Outcome.NEW, now

    def set_aside(self, topic: str, payload: bytes, why: str, now: datetime) -> bool:
        """Keep a payload that cannot be accepted now; returns False if the limit is reached.

        Raises:
            OutboxError: it could not be written.
        """
        with self._transaction():
            (held,) = self._database.execute(
                "SELECT coalesce(sum(length(payload)), 0) FROM aside"
            ).fetchone()
            if held + len(payload) > MAX_ASIDE_BYTES:
                return False
            self._database.execute(
                "INSERT INTO aside VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (payload_sha256) DO UPDATE SET why = excluded.why",
                (hashlib.sha256(payload).hexdigest(), topic, why, utc_text(now), payload),
            )
        return True

    def aside(self) -> tuple[SetAside, ...]:
        """All payloads that are set aside, oldest first."""
        rows = self._rows("SELECT topic, why, payload FROM aside ORDER BY received_at, rowid")
        return tuple(SetAside(topic, why, bytes(payload)) for topic, why, payload in rows)

    def drop_aside(self, payload: bytes) -> None:
        """Delete a payload that was set aside."""
        digest = hashlib.sha256(payload).hexdigest()
        with self._transaction():
            self._database.execute("DELETE FROM aside WHERE payload_sha256 = ?", (digest,))

    def hits(self) -> tuple[StoredHit, ...]:
        """All hits in the order in which they were observed."""
        return self._hits("")

    def find(self, hit_id: str) -> StoredHit:
        """One hit by its id, or by the first characters of it if no other id begins with them.

        Raises:
            OutboxError: no such hit (`E_NO_HIT`), or several.
        """
        prefix = hit_id if set(hit_id) <= set("0123456789abcdef") and hit_id else "-"
        found = self._hits(prefix)
        if len(found) == 1:
            return found[0]
        if found:
            raise OutboxError(
                f"{hit_id}: the ids of {len(found)} hits begin like this; give more characters"
            )
        raise OutboxError(
            f"{shown_id(hit_id)}: no such hit in {self._path.parent}; see `edge-anpr hits list`",
            code="E_NO_HIT",
        )

    def payload(self, hit_id: str) -> bytes:
        """A hit's payload, byte for byte as it was received.

        Raises:
            OutboxError: no such hit (`E_NO_HIT`), or several.
        """
        hit = self.find(hit_id)
        rows = self._rows("SELECT payload FROM hit WHERE hit_id = ?", (hit.hit_id,))
        return bytes(rows[0][0])

    def review(
        self, hit_id: str, reason: Reason | None, now: datetime, *, again: bool = False
    ) -> None:
        """Record a person's decision on a hit: confirmed, or rejected for a reason.

        Args:
            hit_id: as for `find`.
            reason: why it is rejected; None: it is confirmed.
            now: the time of the decision.
            again: replace an earlier decision on this hit.

        Raises:
            OutboxError: no such hit, or it could not be written.
            UsageError: there is a decision already, and it is not to be replaced.
        """
        hit = self.find(hit_id)
        with self._transaction():
            before = self._database.execute(
                "SELECT reason, reviewed_at FROM review WHERE hit_id = ?", (hit.hit_id,)
            ).fetchone()
            if before is not None and not again:
                said = "confirmed" if before[0] is None else f"rejected as {before[0]}"
                raise UsageError(
                    f"hit {hit.hit_id} was {said} at {before[1]}; to replace that decision, "
                    "repeat this command with --again"
                )
            self._database.execute(
                "INSERT INTO review VALUES (?, ?, ?, ?) ON CONFLICT (hit_id) DO UPDATE"
                " SET reason = excluded.reason, reviewed_at = excluded.reviewed_at",
                (hit.hit_id, hit.rule, None if reason is None else reason.value, utc_text(now)),
            )

    def statistics(self) -> tuple[RuleStatistics, ...]:
        """The review results of each rule."""
        waiting = dict(
            self._rows(
                "SELECT hit.rule, count(*) FROM hit LEFT JOIN review USING (hit_id)"
                " WHERE review.hit_id IS NULL GROUP BY hit.rule"
            )
        )
        confirmed: dict[str, int] = {}
        rejected: dict[str, dict[Reason, int]] = {}
        for rule, reason, count in self._rows(
            "SELECT rule, reason, sum(count) FROM"
            " (SELECT rule, reason, 1 AS count FROM review"
            "  UNION ALL SELECT rule, reason, count FROM purged_review)"
            " GROUP BY rule, reason"
        ):
            if reason is None:
                confirmed[rule] = count
            else:
                rejected.setdefault(rule, {})[Reason(reason)] = count
        return tuple(
            RuleStatistics(
                rule, waiting.get(rule, 0), confirmed.get(rule, 0), rejected.get(rule, {})
            )
            for rule in sorted(waiting.keys() | confirmed.keys() | rejected.keys())
        )

    def purge(self, age: timedelta, now: datetime, *, confirmed: bool = False) -> Purged:
        """Delete hits observed longer ago than `age`, and payloads set aside for longer than that.

        Only counts of their reviews are kept. Ids of purged hits are kept for a while: a box that
        did not get the receipt sends its hit again, and it must not be stored a second time.

        Args:
            age: of what is deleted.
            now: the wall clock; `trusted_time` says how far it counts.
            confirmed: a person has compared the clock and says that it is right.

        Raises:
            OutboxError: it could not be written.
        """
        with self._transaction():
            time = self._time(now, confirmed=confirmed)
            limit = utc_text(time.at - age)
            self._database.execute(
                "INSERT INTO purged_review SELECT review.rule, reason, count(*) FROM review"
                " JOIN hit USING (hit_id) WHERE observed_at < ? GROUP BY review.rule, reason",
                (limit,),
            )
            self._database.execute(
                "INSERT INTO purged_hit SELECT hit_id, stored_at, ? FROM hit WHERE observed_at < ?",
                (utc_text(time.at), limit),
            )
            purged = self._database.execute(
                "DELETE FROM hit WHERE observed_at < ?", (limit,)
            ).rowcount
            self._database.execute("DELETE FROM aside WHERE received_at < ?", (limit,))
            self._database.execute(
                "DELETE FROM purged_hit WHERE purged_at < ?",
                (utc_text(time.at - RETIRED_KEY_GRACE),),
            )
        with translated(self._path):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return Purged(purged, time)

    def _time(self, now: datetime, *, confirmed: bool) -> TrustedTime:
        """The time by which a run purges, which is kept for the next run."""
        last = self._last_purge()
        signed = self._database.execute("SELECT max(observed_at) FROM hit GROUP BY site, box")
        time = trusted_time(
            now,
            last,
            [parse_utc(newest) for (newest,) in signed],
            confirmed=confirmed,
        )
        self._database.execute("DELETE FROM last_purge")
        self._database.execute("INSERT INTO last_purge VALUES (?)", (utc_text(time.at),))
        return time

    def _last_purge(self) -> datetime | None:
        """The time by which hits were deleted last; None: none ever were."""
        self._database.execute(LAST_PURGE)  # stores of earlier programs do not have it
        last = self._database.execute("SELECT ran_at FROM last_purge").fetchone()
        return None if last is None else parse_utc(last[0])

    def _prepare(self) -> None:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",
            "foreign_keys = ON",
            "temp_store = MEMORY",
        ):
            self._database.execute(f"PRAGMA {pragma}").fetchall()
        application, version = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        )
        if application != APPLICATION_ID:
            raise OutboxError(f"{self._path}: not a store of hits; give another folder")
        if version != VERSION:
            raise OutboxError(
                f"{self._path}: the store has version {version}, this program supports only "
                f"version {VERSION}; use the program that created it"
            )

    def _hits(self, prefix: str) -> tuple[StoredHit, ...]:
        rows = self._rows(_HITS, (len(prefix), prefix))
        return tuple(
            StoredHit(
                hit_id=row[0],
                site=row[1],
                box=row[2],
                camera=row[3],
                rule=row[4],
                counter=row[5],
                human_check_required=bool(row[6]),
                observed_at=parse_utc(row[7]),
                stored_at=parse_utc(row[8]),
                reviewed=bool(row[9]),
                reason=None if row[10] is None else Reason(row[10]),
            )
            for row in rows
        )

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with translated(self._path):
            return self._database.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated(self._path), transaction(self._database):
            yield
