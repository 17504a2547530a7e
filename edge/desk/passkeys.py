"""The passkeys of people in the database. Each function works in its caller's transaction."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from edge.desk.accounts import has_password
from edge.desk.passkey_keys import PasskeyKey, RelyingParty, refused
from edge.desk.relying_party import (
    b64,
    from_b64,
)
from edge.desk.store.tables import PASSKEY
from edge.errors import AccessError, UsageError
from edge.formats.timestamps import parse_utc, utc_text
from edge.formats.visible import unseen_at

MOST: Final = 10
"""So many passkeys a person has at most."""

LONGEST_NAME: Final = 40


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of a person.

    Attributes:
        name: how she calls it, such as `blue key`.
        handle: the bytes by which authenticators know her.
        sign_count: of its signatures, as it said last; 0 for those that do not count.
        removed_at: since when it is not accepted any more.
    """

    key: PasskeyKey = field(repr=False)
    person: str
    name: str
    handle: bytes = field(repr=False)
    sign_count: int
    added_at: datetime
    removed_at: datetime | None


def of_person(connection: Connection, person: str) -> tuple[Passkey, ...]:
    """The passkeys of a person that are accepted, oldest first."""
    return tuple(one for one in all_passkeys(connection, person) if one.removed_at is None)


def all_passkeys(connection: Connection, person: str | None = None) -> tuple[Passkey, ...]:
    """All passkeys, also those that were removed, oldest first.

    Args:
        connection: a transaction.
        person: hers only.
    """
    query = select(PASSKEY).order_by(PASSKEY.c.added_at, PASSKEY.c.key_id)
    if person is not None:
        query = query.where(PASSKEY.c.person == person)
    return tuple(_passkey(row) for row in connection.execute(query))


def of_credential(connection: Connection, credential: bytes) -> Passkey | None:
    """The accepted passkey with this id, locked until the transaction ends; None if none is."""
    row = connection.execute(
        select(PASSKEY)
        .where(PASSKEY.c.credential == b64(credential), PASSKEY.c.removed_at.is_(None))
        .with_for_update()
    ).one_or_none()
    return None if row is None else _passkey(row)


def of_key(connection: Connection, key_id: str) -> Passkey | None:
    """The passkey with this key id, also one that was removed; None if there is none."""
    row = connection.execute(select(PASSKEY).where(PASSKEY.c.key_id == key_id)).one_or_none()
    return None if row is None else _passkey(row)


def require_other_way(connection: Connection, person: str) -> None:
    """Refuse to let a person remove a passkey without which she cannot log in.

    Raises:
        AccessError: it is her only one, and she has no passphrase.
    """
    if len(of_person(connection, person)) == 1 and not has_password(connection, person):
        raise AccessError(
            f"this passkey is the last way of {person} to log in; add another one or a passphrase "
            "first"
        )


def handle_of(connection: Connection, person: str, key: bytes) -> bytes:
    """The bytes by which authenticators know a person, and which say nothing of her.

    Args:
        connection: a transaction.
        person: her account.
        key: secret of the desk, from which they are derived for her first passkey.
    """
    known = all_passkeys(connection, person)
    if known:
        return known[0].handle
    return hmac.new(key, b"handle of " + person.encode(), hashlib.sha256).digest()


def insert(
    connection: Connection, key: PasskeyKey, person: str, name: str, handle: bytes, count: int,
    now: datetime,
) -> None:  # fmt: skip
    """Add a passkey.

    Raises:
        UsageError: its name has a wrong form, or she has too many.
        AccessError: `E_PASSKEY`: somebody has it already.
    """
    require_name(name)
    if len(of_person(connection, person)) >= MOST:
        raise UsageError(f"{person} has {MOST} passkeys; remove one first")
    taken = select(PASSKEY.c.key_id).where(
        (PASSKEY.c.credential == b64(key.credential)) | (PASSKEY.c.key_id == key.key_id)
    )
    if connection.execute(taken).first() is not None:
        raise refused()
    connection.execute(
        PASSKEY.insert().values(
            key_id=key.key_id,
            credential=b64(key.credential),
            person=person,
            public_key=key.public_key,
            user_handle=handle,
            rp_id=key.party.rp_id,
            origin=key.party.origin,
            name=name,
            sign_count=count,
            added_at=utc_text(now),
        )
    )


def require_name(name: str) -> None:
    """Refuse a name that cannot be shown on one line.

    Raises:
        UsageError: names the cure.
    """
    if (
        not 0 < len(name.strip()) <= len(name) <= LONGEST_NAME
        or unseen_at(name) is not None
        or set(name) & set("\t\r\n")
    ):
        raise UsageError(
            f"give the passkey a name of at most {LONGEST_NAME} visible characters, such as "
            "blue key"
        )


def write_count(connection: Connection, passkey: Passkey, count: int) -> None:
    """Write down the newest count of signatures."""
    _change(connection, passkey, sign_count=count)


def write_removed(connection: Connection, passkey: Passkey, by: str, now: datetime) -> None:
    """Accept a passkey no more; its row stays, so that findings that it signed verify."""
    _change(connection, passkey, removed_at=utc_text(now), removed_by=by)


def _change(connection: Connection, passkey: Passkey, **values: str | int) -> None:
    connection.execute(
        PASSKEY.update().where(PASSKEY.c.key_id == passkey.key.key_id).values(**values)
    )


def _passkey(row: Any) -> Passkey:  # noqa: ANN401 - a row of any table
    key = PasskeyKey(
        from_b64(row.credential), bytes(row.public_key), RelyingParty(row.rp_id, row.origin)
    )
    return Passkey(
        key,
        row.person,
        row.name,
        bytes(row.user_handle),
        row.sign_count,
        parse_utc(row.added_at),
        None if row.removed_at is None else parse_utc(row.removed_at),
    )
