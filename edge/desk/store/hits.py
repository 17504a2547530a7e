"""Keeps received hits on the desk's database, each exactly once and still sealed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from edge.authority.store import MAX_ASIDE_BYTES, Outcome, SetAside
from edge.desk.store.database import DeskDatabase
from edge.desk.store.kept_payloads import desk_at_place, payload_of
from edge.desk.store.payloads import put_together
from edge.desk.store.tables import ASIDE, DELETION, HIT, HIT_PAYLOAD, RECEIPT, RETENTION_TIME
from edge.errors import OutboxError
from edge.formats.identifiers import shown_id
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.hit import Hit
from edge.privacy.keys import RETIRED_KEY_GRACE

_ASIDE_LOCK = 0x414E5041
"""Advisory lock on PostgreSQL: one process at a time counts what is set aside."""


def no_hit(hit_id: str) -> OutboxError:
    """The error of a hit that is not here."""
    return OutboxError(
        f"{shown_id(hit_id)}: no such hit at this desk; give its whole id", code="E_NO_HIT"
    )


@dataclass(frozen=True, slots=True)
class _NewHit:
    """A hit that may have to be stored, with its payload and the payload's digest."""

    hit: Hit
    payload: bytes = field(repr=False)
    sha256: str

    def row(self, stored_at: str) -> dict[str, Any]:
        hit = self.hit
        return {
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
            "payload": self.payload,
        }


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
            a known id changes nothing. A hit that retention has deleted is not stored again; one
            that it may have deleted comes with the time of its last run.

        Raises:
            OutboxError: it could not be written.
        """
        return self.put_all([(hit, payload)], now)[0]

    def put_all(
        self, hits: Sequence[tuple[Hit, bytes]], now: datetime
    ) -> list[tuple[Outcome, datetime]]:
        """Store verified hits in one transaction, each once; all are on disk when this returns.

        Args:
            hits: each with its payload; one id may occur twice.
            now: the time of storing.

        Returns:
            What `put` would return for each of them.

        Raises:
            OutboxError: they could not be written; then none is stored.
        """
        first: dict[str, _NewHit] = {}
        for hit, payload in hits:
            first.setdefault(hit.hit_id, _NewHit(hit, payload, hashlib.sha256(payload).hexdigest()))
        store = self._database.payloads
        desk = "" if store is None else desk_at_place(self._database, store)
        with self._database.writing() as connection:
            deleted = _deleted(connection, first)
            last = _last_run(connection)
            old = _old(last, [one.hit for one in first.values()]) - deleted.keys()
            # In one order for all consumers: so two that store the same hits never wait for each
            # other.
            new = [first[hit_id] for hit_id in sorted(first.keys() - deleted.keys() - old)]
            stored = self._insert_all(connection, desk, new, utc_text(now))
            known = _known(connection, first.keys() - deleted.keys() - stored)
        known |= {hit_id: (utc_text(now), first[hit_id].sha256) for hit_id in stored}
        outcomes = []
        for hit, payload in hits:
            if hit.hit_id in deleted:
                outcome, at = Outcome.KNOWN, deleted[hit.hit_id]
            elif hit.hit_id in old and hit.hit_id not in known:
                outcome, at = Outcome.FORGOTTEN, utc_text(last or now)
            else:
                at, digest = known[hit.hit_id]
                same = hashlib.sha256(payload).hexdigest() == digest
                outcome = Outcome.KNOWN if same else Outcome.CONFLICT
                if hit.hit_id in stored:  # the first of this id
                    stored.remove(hit.hit_id)
                    outcome = Outcome.NEW
            outcomes.append((outcome, parse_utc(at)))
        return outcomes

    def _insert_all(
        self, connection: Connection, desk: str, hits: Sequence[_NewHit], stored_at: str
    ) -> set[str]:
        """Insert those hits that are not known; returns their ids."""
        if not hits:
            return set()
        beside = self._put_beside(connection, desk, hits)
        rows = [one.row(stored_at) for one in hits]
        for row in rows:
            if row["hit_id"] in beside:
                row["payload"] = b""
        # On PostgreSQL this waits for a transaction that stores one of these hits just now.
        insert = _insert(connection, HIT).on_conflict_do_nothing().returning(HIT.c.hit_id)
        stored = set(connection.execute(insert, rows).scalars())
        if places := [row for hit_id, row in beside.items() if hit_id in stored]:
            connection.execute(HIT_PAYLOAD.insert().returning(HIT_PAYLOAD.c.hit_id), places)
        return stored

    def _put_beside(
        self, connection: Connection, desk: str, hits: Sequence[_NewHit]
    ) -> dict[str, dict[str, Any]]:
        """Write the payloads of new hits beside the database; returns their rows by id.

        Empty where payloads are in the database. They are written inside the transaction, which
        `sweep` waits for.
        """
        store = self._database.payloads
        if store is None:
            return {}
        query = select(HIT.c.hit_id).where(HIT.c.hit_id.in_([one.hit.hit_id for one in hits]))
        known = set(connection.execute(query).scalars())
        places, payloads = {}, {}
        for one in hits:
            hit_id = one.hit.hit_id
            if hit_id not in known:
                key = f"{desk}/{one.hit.observed_at[:10]}/{hit_id}.{one.sha256[:16]}"
                payloads[key] = one.payload
                places[hit_id] = {
                    "hit_id": hit_id,
                    "key": key,
                    "sha256": one.sha256,
                    "bytes": len(one.payload),
                }
        if payloads:
            put_together(store, payloads)
        return places

    def keep_receipts(self, receipts: Mapping[str, bytes], now: datetime) -> None:
        """Keep the receipts of stored hits by id; that of a second delivery is the same.

        Raises:
            OutboxError: they could not be written.
        """
        with self._database.writing() as connection:
            # A hit that was deleted keeps no receipt; the one that is sent says when it was stored.
            query = select(HIT.c.hit_id).where(HIT.c.hit_id.in_(receipts))
            there = set(connection.execute(query).scalars())
            rows = [
                {"hit_id": hit_id, "signed_at": utc_text(now), "payload": receipts[hit_id]}
                for hit_id in sorted(there)
            ]
            if rows:
                insert = _insert(connection, RECEIPT).on_conflict_do_nothing()
                connection.execute(insert.returning(RECEIPT.c.hit_id), rows)

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


def _deleted(connection: Connection, hit_ids: Collection[str]) -> dict[str, str]:
    """When each of these hits was stored that retention has deleted."""
    query = select(DELETION.c.hit_id, DELETION.c.stored_at).where(DELETION.c.hit_id.in_(hit_ids))
    return {row.hit_id: row.stored_at for row in connection.execute(query)}


def _last_run(connection: Connection) -> datetime | None:
    """By which time retention deleted last."""
    last = connection.execute(select(RETENTION_TIME.c.latest_at)).scalar_one_or_none()
    return None if last is None else parse_utc(last)


def _old(last: datetime | None, hits: Sequence[Hit]) -> set[str]:
    """The ids of hits that retention may have deleted so long ago that it keeps no id of them."""
    if last is None:
        return set()
    kept = (last - RETIRED_KEY_GRACE).date().isoformat()
    return {hit.hit_id for hit in hits if hit.observed_at[:10] < kept}


def _known(connection: Connection, hit_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """When each of these hits was stored, and the digest of its payload."""
    if not hit_ids:
        return {}
    query = (
        select(HIT.c.hit_id, HIT.c.stored_at, HIT.c.payload, HIT_PAYLOAD.c.sha256)
        .outerjoin(HIT_PAYLOAD, HIT_PAYLOAD.c.hit_id == HIT.c.hit_id)
        .where(HIT.c.hit_id.in_(hit_ids))
    )
    return {
        row.hit_id: (row.stored_at, row.sha256 or hashlib.sha256(bytes(row.payload)).hexdigest())
        for row in connection.execute(query)
    }


def _insert(connection: Connection, table: Table) -> Any:  # noqa: ANN401 - of two dialects
    """The dialect's INSERT, which knows ON CONFLICT; both dialects spell it alike."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
