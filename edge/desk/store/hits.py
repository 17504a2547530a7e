"""Keeps received hits on the desk's database, each exactly once and still sealed."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from edge.authority.store import MAX_ASIDE_BYTES, Outcome, SetAside
from edge.desk.store.database import DeskDatabase
from edge.desk.store.kept_payloads import desk_at_place, payload_of
from edge.desk.store.tables import ASIDE, DELETION, HIT, HIT_PAYLOAD, RECEIPT
from edge.errors import OutboxError
from edge.formats.identifiers import shown_id
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.hit import Hit

_ASIDE_LOCK = 0x414E5041
"""Advisory lock on PostgreSQL: one process at a time counts what is set aside."""


def no_hit(hit_id: str) -> OutboxError:
    """The error of a hit that is not here."""
    return OutboxError(
        f"{shown_id(hit_id)}: no such hit at this desk; give its whole id", code="E_NO_HIT"
    )


class DeskHits:
    """Hits, receipts and messages set aside; several processes may use one database.

    Implements `edge.authority.tail.HitKeeper`.
    """

    def __init__(self, database: DeskDatabase) -> None:
        self._database = database

    def put(self, hit: Hit, payload: bytes, now: datetime) -> tuple[Outcome, datetime]:
        """Store a verified hit once; it is on disk when this returns.

        Returns:
            The outcome, and the time at which the hit of this id was stored. A second payload with
            a known id changes nothing. A hit that retention has deleted is not stored again.

        Raises:
            OutboxError: it could not be written.
        """
        stored_at = utc_text(now)
        row: dict[str, Any] = {
            "hit_id": hit.hit_id,
            # A box whose clock is ahead does not have its hits kept longer.
            "day": min(hit.observed_at, stored_at)[:10],
            "site": hit.site,
            "box": hit.box,
            "camera": hit.camera,
            "rule": hit.rule,
            "counter": hit.counter,
            "human_check_required": hit.human_check_required,
            "observed_at": hit.observed_at,
            "stored_at": stored_at,
            "payload": payload,
        }
        digest = hashlib.sha256(payload).hexdigest()
        store = self._database.payloads
        desk = "" if store is None else desk_at_place(self._database, store)
        with self._database.writing() as connection:
            gone = select(DELETION.c.stored_at).where(DELETION.c.hit_id == hit.hit_id)
            if (before := connection.execute(gone).scalar_one_or_none()) is not None:
                return Outcome.KNOWN, parse_utc(before)
            beside = self._put_beside(connection, desk, hit, payload, digest)
            if beside is not None:
                row["payload"] = b""
            # On PostgreSQL this waits for a transaction that stores the same hit just now.
            insert = _insert(connection, HIT).values(row).on_conflict_do_nothing()
            if connection.execute(insert.returning(HIT.c.hit_id)).first() is not None:
                if beside is not None:
                    connection.execute(HIT_PAYLOAD.insert().values(beside))
                return Outcome.NEW, parse_utc(stored_at)
            query = (
                select(HIT.c.stored_at, HIT.c.payload, HIT_PAYLOAD.c.sha256)
                .outerjoin(HIT_PAYLOAD, HIT_PAYLOAD.c.hit_id == HIT.c.hit_id)
                .where(HIT.c.hit_id == hit.hit_id)
            )
            known = connection.execute(query).one()
        same = digest == (known.sha256 or hashlib.sha256(bytes(known.payload)).hexdigest())
        return (Outcome.KNOWN if same else Outcome.CONFLICT), parse_utc(known.stored_at)

    def _put_beside(
        self, connection: Connection, desk: str, hit: Hit, payload: bytes, digest: str
    ) -> dict[str, str | int] | None:
        """Write a new hit's payload beside the database; its row. None: the hit is known.

        None, too, where payloads are in the database. It is written inside the transaction, which
        `sweep` waits for.
        """
        store = self._database.payloads
        query = select(HIT.c.hit_id).where(HIT.c.hit_id == hit.hit_id)
        if store is None or connection.execute(query).first() is not None:
            return None
        key = f"{desk}/{hit.observed_at[:10]}/{hit.hit_id}.{digest[:16]}"
        store.put(key, payload)
        return {"hit_id": hit.hit_id, "key": key, "sha256": digest, "bytes": len(payload)}

    def keep_receipt(self, hit_id: str, receipt: bytes, now: datetime) -> None:
        """Keep the receipt of a stored hit; that of a second delivery is the same.

        Raises:
            OutboxError: it could not be written.
        """
        row = {"hit_id": hit_id, "signed_at": utc_text(now), "payload": receipt}
        with self._database.writing() as connection:
            # A hit that was deleted keeps no receipt; the one that is sent says when it was stored.
            if (
                connection.execute(select(HIT.c.hit_id).where(HIT.c.hit_id == hit_id)).first()
                is None
            ):
                return
            connection.execute(_insert(connection, RECEIPT).values(row).on_conflict_do_nothing())

    def set_aside(self, topic: str, payload: bytes, why: str, now: datetime) -> bool:
        """Keep a payload that cannot be accepted now; returns False if the limit is reached.

        Raises:
            OutboxError: it could not be written.
        """
        row = {
            "payload_sha256": hashlib.sha256(payload).hexdigest(),
            "topic": topic,
            "why": why,
            "received_at": utc_text(now),
            "payload": payload,
        }
        with self._database.writing() as connection:
            if self._database.is_postgresql:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_ASIDE_LOCK})"))
            size = func.coalesce(func.sum(func.length(ASIDE.c.payload)), 0)
            if int(connection.execute(select(size)).scalar_one()) + len(payload) > MAX_ASIDE_BYTES:
                return False
            connection.execute(
                _insert(connection, ASIDE)
                .values(row)
                .on_conflict_do_update(index_elements=["payload_sha256"], set_={"why": why})
            )
        return True

    def aside(self) -> tuple[SetAside, ...]:
        """All payloads that are set aside, oldest first."""
        order = (ASIDE.c.received_at, ASIDE.c.payload_sha256)
        with self._database.reading() as connection:
            rows = connection.execute(select(ASIDE).order_by(*order)).all()
        return tuple(SetAside(row.topic, row.why, bytes(row.payload)) for row in rows)

    def drop_aside(self, payload: bytes) -> None:
        """Delete a payload that was set aside."""
        digest = hashlib.sha256(payload).hexdigest()
        with self._database.writing() as connection:
            connection.execute(ASIDE.delete().where(ASIDE.c.payload_sha256 == digest))

    def payload(self, hit_id: str) -> bytes | None:
        """A hit byte for byte as it was received; None if there is none of this id."""
        with self._database.reading() as connection:
            found = connection.execute(
                select(HIT.c.payload).where(HIT.c.hit_id == hit_id)
            ).scalar_one_or_none()
            return None if found is None else payload_of(connection, hit_id, found)

    def counts(self) -> dict[str, int]:
        """How many hits, receipts and messages set aside there are."""
        with self._database.reading() as connection:
            return {
                name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for name, table in (("hits", HIT), ("receipts", RECEIPT), ("set_aside", ASIDE))
            }


def _insert(connection: Connection, table: Table) -> Any:  # noqa: ANN401 - of two dialects
    """The dialect's INSERT, which knows ON CONFLICT; both dialects spell it alike."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
