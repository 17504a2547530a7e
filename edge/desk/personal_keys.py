"""The public keys under which people sign findings.

A key can be revoked by its person or by a supervisor. What it signed before stays valid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from edge.desk import passkeys
from edge.desk.accounts import ActingPerson
from edge.desk.findings import FindingKey
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import PERSONAL_KEY
from edge.errors import AccessError
from edge.formats.signing import PublicKey, SigningKey, is_demo_key
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.audit_events import Event, PersonKeyAdded


def add_personal_key(
    database: DeskDatabase,
    record: Callable[[Event], object],
    acting: ActingPerson,
    public: PublicKey,
    now: datetime,
) -> None:
    """Write down that the acting person signs with this key; earlier keys stay valid for verifying.

    Raises:
        AccessError: `E_RIGHT`: a demo key, or somebody has this key already.
    """
    if is_demo_key(acting.name, public):
        raise AccessError("a demo key is public, so it proves nothing; make a new key")
    with database.writing(alone=True) as connection:
        insert_personal_key(connection, record, acting, public, now)


def insert_personal_key(
    connection: Connection,
    record: Callable[[Event], object],
    acting: ActingPerson,
    public: PublicKey,
    now: datetime,
) -> None:
    """The same as `add_personal_key`, in the transaction of the caller."""
    known = select(PERSONAL_KEY.c.person).where(PERSONAL_KEY.c.key_id == public.key_id)
    if connection.execute(known).first() is not None:
        raise AccessError(f"key {public.key_id} is known at this desk already; make a new key")
    connection.execute(
        PERSONAL_KEY.insert().values(
            key_id=public.key_id,
            person=acting.name,
            public=public.text,
            added_at=utc_text(now),
        )
    )
    record(PersonKeyAdded(acting.name, public.text))


@dataclass(frozen=True, slots=True)
class PersonalKey:
    """A key of a person, or a passkey, that signs findings or did.

    Attributes:
        name: how she calls it, if it is a passkey.
        revoked_at: since when it signs no more.
    """

    person: str
    key: FindingKey
    name: str
    added_at: datetime
    revoked_at: datetime | None


def all_keys(database: DeskDatabase, person: str | None = None) -> tuple[PersonalKey, ...]:
    """All keys and passkeys, also those that were revoked, oldest first.

    Args:
        database: of the desk.
        person: hers only.
    """
    with database.reading() as connection:
        return keys_within(connection, person)


def keys_within(connection: Connection, person: str | None = None) -> tuple[PersonalKey, ...]:
    """The same as `all_keys`, in the transaction of the caller."""
    rows = connection.execute(select(PERSONAL_KEY)).all()
    found = [
        PersonalKey(
            row.person,
            PublicKey.parse(row.public),
            "",
            parse_utc(row.added_at),
            None if row.revoked_at is None else parse_utc(row.revoked_at),
        )
        for row in rows
    ]
    found += [
        PersonalKey(one.person, one.key, one.name, one.added_at, one.removed_at)
        for one in passkeys.all_passkeys(connection)
    ]
    wanted = [one for one in found if person in {None, one.person}]
    return tuple(sorted(wanted, key=lambda one: (one.added_at, one.key.key_id)))


def personal_keys(database: DeskDatabase) -> dict[str, tuple[FindingKey, ...]]:
    """All keys and passkeys by person, oldest first, as `edge.desk.findings` verifies with them."""
    found: dict[str, tuple[FindingKey, ...]] = {}
    for one in all_keys(database):
        found[one.person] = (*found.get(one.person, ()), one.key)
    return found


def newest_key_id(connection: Connection, person: str) -> str | None:
    """The id of the newest key of a person; None if she has none, or it is revoked."""
    newest = connection.execute(
        select(PERSONAL_KEY.c.key_id, PERSONAL_KEY.c.revoked_at)
        .where(PERSONAL_KEY.c.person == person)
        .order_by(PERSONAL_KEY.c.added_at.desc(), PERSONAL_KEY.c.key_id.desc())
    ).first()
    return None if newest is None or newest.revoked_at is not None else str(newest.key_id)


def require_newest(connection: Connection, acting: ActingPerson, key: SigningKey) -> None:
    """Refuse a key that is not the newest one of the acting person, or is revoked.

    Raises:
        AccessError: `E_RIGHT`.
    """
    if newest_key_id(connection, acting.name) != key.public.key_id:
        raise AccessError(
            f"key {key.public.key_id} is not the newest key of {acting.name} at this desk, or "
            "was revoked; sign with that one, or make one with `edge-anpr desk people key`"
        )
