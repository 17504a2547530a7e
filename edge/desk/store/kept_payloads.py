"""Reads the payload of a hit from wherever it is, and deletes payloads beside the database.

A payload that is missing or altered is an error that names the hit; it is never passed over.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, select

from edge.desk.store.database import DeskDatabase, payloads_of
from edge.desk.store.payloads import SealedPayloads, is_key, unusable
from edge.desk.store.tables import HIT, HIT_PAYLOAD, PAYLOAD_DESK
from edge.errors import EdgeError, OutboxError

_SOME = 500
_MARK = b"payloads of an edge-anpr desk\n"


def payload_of(connection: Connection, hit_id: str, stored: bytes | memoryview) -> bytes:
    """A hit byte for byte as it was received.

    Args:
        connection: of the database.
        hit_id: of the hit.
        stored: its column `payload`; empty if the payload is beside the database.

    Raises:
        OutboxError: `E_PAYLOAD`: it is missing or was altered; `E_PAYLOADS`: its store cannot be
            used, or is not named.
    """
    if stored:
        return bytes(stored)
    query = select(HIT_PAYLOAD).where(HIT_PAYLOAD.c.hit_id == hit_id)
    if (row := connection.execute(query).one_or_none()) is None:
        raise _damaged(hit_id, "the database does not say where its payload is", "its row")
    store = _store(payloads_of(connection))
    payload = store.get(row.key) if is_key(row.key) else None
    if payload is None:
        raise _damaged(hit_id, f"there is no {row.key} in {store.place}", row.key)
    if len(payload) != row.bytes or hashlib.sha256(payload).hexdigest() != row.sha256:
        raise _damaged(hit_id, f"{row.key} in {store.place} was altered", row.key)
    return payload


def desk_at_place(database: DeskDatabase, store: SealedPayloads) -> str:
    """The name of this desk at its place. It is committed before the first payload is written.

    A small object under this name tells the place from an empty mount point and from another place.

    Raises:
        OutboxError: `E_PAYLOADS`: it is another place, or cannot be used.
    """
    with database.reading() as connection:
        name = _desk_name(connection)
    if name is None:
        new = secrets.token_hex(8)
        store.put(_mark(new), _MARK)
        with database.writing(alone=True) as connection:
            if (name := _desk_name(connection)) is None:
                connection.execute(PAYLOAD_DESK.insert().values(id=1, name=new))
                name = new
    _require_place(store, name)
    return name


def delete_payloads(connection: Connection, hit_ids: Sequence[str]) -> None:
    """Delete the payloads of hits whose rows this transaction deletes, before it commits.

    If the transaction then fails, these hits are damaged until the next run deletes them too. In
    the other order a statement could say that hits were deleted that are still there.

    Raises:
        OutboxError: `E_PAYLOADS`: it is another place, or not all could be deleted.
    """
    query = select(HIT_PAYLOAD.c.key).where(HIT_PAYLOAD.c.hit_id.in_(hit_ids))
    keys = [key for key in connection.execute(query).scalars() if is_key(key)]
    if keys:
        store = _store(payloads_of(connection))
        for name in sorted({key.partition("/")[0] for key in keys}):
            _require_place(store, name)
        store.delete(keys)


def sweep(database: DeskDatabase) -> int:
    """Delete payloads without a row, which consumers that died have left; returns how many.

    While it looks a second time and deletes, no other transaction writes: a consumer that has just
    written a payload has committed its row, or has not begun.

    Raises:
        OutboxError: `E_PAYLOADS`: the store cannot be used, or is another place.
    """
    store = database.payloads
    if store is None:
        return 0
    with database.reading() as connection:
        desk = _desk_name(connection)
    if desk is None:
        return 0
    _require_place(store, desk)
    found = 0
    keys = store.keys(desk)
    while some := set(islice(keys, _SOME)):
        with database.reading() as connection:
            suspects = some - _with_row(connection, some)
        if suspects:
            with database.writing(alone=True) as connection:
                orphans = suspects - _with_row(connection, suspects)
                store.delete(sorted(orphans))
            found += len(orphans)
    return found


def _desk_name(connection: Connection) -> str | None:
    return connection.execute(select(PAYLOAD_DESK.c.name)).scalar_one_or_none()


def _mark(desk: str) -> str:
    return f"{desk}/desk"


def _require_place(store: SealedPayloads, desk: str) -> None:
    """Refuse an empty mount point or another place, where deletes would find nothing to delete.

    Where only the small object was lost or damaged, payloads of this desk prove the place, and it
    is written again.

    Raises:
        OutboxError: `E_PAYLOADS`.
    """
    if store.get(_mark(desk)) == _MARK:
        return
    if next(store.keys(desk), None) is None:
        raise unusable(
            store.place,
            "it is not the place of this desk's payloads; mount it, or name the right one",
        )
    store.put(_mark(desk), _MARK)


def _with_row(connection: Connection, keys: set[str]) -> set[str]:
    query = select(HIT_PAYLOAD.c.key).where(HIT_PAYLOAD.c.key.in_(keys))
    return set(connection.execute(query).scalars())


def damaged_hits(database: DeskDatabase) -> Iterator[tuple[str, EdgeError]]:
    """Read every hit; the id of each one that is damaged, and why.

    Raises:
        OutboxError: the database, or the store of payloads, cannot be used.
    """
    last = ""
    while True:
        with database.reading() as connection:
            query = select(HIT.c.hit_id, HIT.c.payload).where(HIT.c.hit_id > last)
            rows = connection.execute(query.order_by(HIT.c.hit_id).limit(_SOME)).all()
            for hit_id, stored in rows:
                try:
                    payload_of(connection, hit_id, stored)
                except OutboxError as error:
                    if error.code != "E_PAYLOAD":
                        raise
                    yield hit_id, error
        if not rows:
            return
        last = rows[-1].hit_id


def _store(store: SealedPayloads | None) -> SealedPayloads:
    if store is None:
        raise OutboxError(
            "hits of this desk have their payloads beside the database; name the place in "
            "`payloads` of desk.json, or with --payloads",
            code="E_PAYLOADS",
        )
    return store


def _damaged(hit_id: str, why: str, key: str) -> OutboxError:
    return OutboxError(
        f"hit {hit_id} is damaged: {why}; restore {key} from a backup", code="E_PAYLOAD"
    )
