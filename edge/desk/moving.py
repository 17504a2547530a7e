"""Moves a desk's store to another database, with a digest over all rows of both as proof.

The old store is first closed: from then on every write to it is refused, and consumers that still
use it end with a line that says so, without an acknowledgement. Then all rows are copied in one
transaction of the new database, read back there, and compared before the commit. If this fails,
the old store is opened again. If the process is killed, the same command finishes: it copies again,
or finds in the new database exactly these rows.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, Table, inspect, select

from edge.desk.folder import DeskFolder
from edge.desk.people import DeskPeople
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import CONTENT, METADATA, STATE
from edge.errors import OutboxError
from edge.formats.canonical import canonical_json
from edge.privacy.audit_events import StoreMoved

_BATCH = 200


@dataclass(frozen=True, slots=True)
class MoveProof:
    """How many rows each table has, and the digest over all of them, the same on both sides."""

    rows: dict[str, int]
    sha256: str


def move_folder(
    folder: DeskFolder,
    address: str,
    acting: str,
    passphrase: str,
    utc: Callable[[], datetime],
) -> tuple[MoveProof, str]:
    """Move the store of a desk to another database, and write that into folder and audit log.

    Returns:
        The proof, and the new database as messages name it.

    Raises:
        AccessError: the acting person has not proved who she is, or is no supervisor.
        ConfigError: the address has an unknown form.
        OutboxError: as `move`.
    """
    with folder.open_database() as old, folder.open_audit(utc) as audit:
        people = DeskPeople(old, audit.append, utc)
        person = people.require_supervisor(people.prove(acting, passphrase), "move the store")
        with DeskDatabase.reach(address) as new:
            proof, place = move(old, new), new.place
        audit.append(StoreMoved(proof.sha256, person.name))
    folder.moved_to(address)
    return proof, place


def move(old: DeskDatabase, new: DeskDatabase) -> MoveProof:
    """Copy all rows to an empty database; the old one then takes no more writes.

    Raises:
        OutboxError: `E_DATABASE_FILLED`: the new database holds other tables or rows; one of the
            two is away; the copy differs.
    """
    authority = old.authority()
    resumed = _close(old)
    try:
        with old.reading() as source:
            proof = _proof(source)
            with new.transaction() as target:
                if _is_empty(target):
                    new.make_tables(target, authority)
                    _copy(source, target)
                    _require_same(new, proof, _proof(target))
                else:
                    _require_copied(new, source, target, resumed=resumed)
    except OutboxError:
        if not resumed:  # else the new database may be in use already
            with old.transaction() as connection:
                connection.execute(STATE.update().values(moved=False))
        raise
    return proof


def _close(database: DeskDatabase) -> bool:
    """Refuse writes from now on; returns whether an earlier move had done that."""
    with database.transaction() as connection:
        before = connection.execute(select(STATE.c.moved).with_for_update()).scalar_one()
        connection.execute(STATE.update().values(moved=True))
    return bool(before)


def _is_empty(connection: Connection) -> bool:
    return not inspect(connection).get_table_names()


def _require_copied(
    new: DeskDatabase, source: Connection, target: Connection, *, resumed: bool
) -> None:
    """Accept a database only if an interrupted move has brought all old rows into it."""
    if (
        resumed
        and set(METADATA.tables) <= set(inspect(target).get_table_names())
        and not target.execute(select(STATE.c.moved)).scalar_one()
        and {line for _, line in _lines(source)} <= {line for _, line in _lines(target)}
    ):
        return
    raise OutboxError(
        f"{new.place}: this database is not empty; name an empty one", code="E_DATABASE_FILLED"
    )


def _require_same(new: DeskDatabase, proof: MoveProof, found: MoveProof) -> None:
    if found != proof:
        raise OutboxError(
            f"{new.place}: the copied rows differ from the old ones, so nothing was moved; please "
            "report this"
        )


def _copy(source: Connection, target: Connection) -> None:
    for table in CONTENT:
        rows = _rows(source, table)
        while batch := [dict(row) for row in islice(rows, _BATCH)]:
            target.execute(table.insert(), batch)


def _proof(connection: Connection) -> MoveProof:
    counts = {table.name: 0 for table in CONTENT}
    whole = hashlib.sha256()
    for name, line in _lines(connection):
        counts[name] += 1
        whole.update(line)
    return MoveProof(counts, whole.hexdigest())


def _lines(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """The table and SHA-256 of each row: of its canonical JSON, with bytes in base64."""
    for table in CONTENT:
        for row in _rows(connection, table):
            content = {name: _value(value) for name, value in row.items()}
            line = canonical_json({"table": table.name, "row": content})
            yield table.name, hashlib.sha256(line).digest()


def _value(value: Any) -> Any:  # noqa: ANN401 - a value of any column
    return base64.b64encode(value).decode() if isinstance(value, bytes | memoryview) else value


def _rows(connection: Connection, table: Table) -> Iterator[Any]:
    """The rows in the order of their keys; texts are compared byte by byte on both databases."""
    (key,) = table.primary_key.columns
    order: ColumnElement[Any] = key
    if isinstance(key.type, String):
        order = key.collate("C" if connection.dialect.name == "postgresql" else "BINARY")
    query = select(table).order_by(order).execution_options(yield_per=_BATCH)
    yield from connection.execute(query).mappings()
