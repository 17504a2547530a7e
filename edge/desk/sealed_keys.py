"""Keys with which people sign in a browser, kept at the desk under their passphrases.

The row holds a signer's private key file as `edge.privacy.protected_keys` encrypts it. It is opened
in memory for one signature, with the passphrase that the person types for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from edge.adapters.host.system import random_bytes
from edge.desk.accounts import ActingPerson
from edge.desk.personal_keys import insert_personal_key, newest_key_id
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import SEALED_KEY
from edge.errors import AccessError, KeyFileError
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import Event
from edge.privacy.key_formats import (
    ProtectedFile,
    SignerPrivateFile,
    key_file_bytes,
    parse_key_file,
    signer_key,
)
from edge.privacy.key_generation import signer_file
from edge.privacy.protected_keys import opened, protected

_PLACE: Final = Path("the key at the desk")
"""Stands for the path of a file in errors."""


def make_sealed_key(
    database: DeskDatabase,
    record: Callable[[Event], object],
    acting: ActingPerson,
    passphrase: str,
    now: datetime,
) -> str:
    """Make a new key for a person; it replaces the one that she has here. Returns its id.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        acting: the person, who has proved the passphrase.
        passphrase: hers; the key is encrypted under it.
        now: the time.

    Raises:
        OutboxError: it could not be written; then there is no new key.
        AuditError: the entry could not be written; likewise.
    """
    key = SigningKey.generate(acting.name)
    content = _sealed(signer_file(key, now), passphrase)
    with database.writing(alone=True) as connection:
        insert_personal_key(connection, record, acting, key.public, now)
        connection.execute(SEALED_KEY.delete().where(SEALED_KEY.c.person == acting.name))
        connection.execute(
            SEALED_KEY.insert().values(
                key_id=key.public.key_id, person=acting.name, content=content
            )
        )
    return key.public.key_id


def signs_here(database: DeskDatabase, person: str) -> bool:
    """Whether the newest key of a person is kept at the desk, so that she can sign in a browser."""
    with database.reading() as connection:
        kept = _row(connection, person)
        return kept is not None and kept[0] == newest_key_id(connection, person)


def open_sealed_key(database: DeskDatabase, acting: ActingPerson, passphrase: str) -> SigningKey:
    """The key of a person, for one signature.

    Raises:
        AccessError: `E_RIGHT`: she has none here.
        KeyFileError: `E_PASSPHRASE`: it has another passphrase.
    """
    with database.reading() as connection:
        kept = _row(connection, acting.name)
    if kept is None:
        raise AccessError(f"{acting.name} has no key at this desk; make one on the account page")
    return signer_key(_opened(kept[1], passphrase), _PLACE)


def reseal_key(connection: Connection, person: str, before: str, after: str) -> None:
    """Encrypt the key of a person under her new passphrase; one that `before` opens not is lost."""
    kept = _row(connection, person)
    if kept is None:
        return
    mine = SEALED_KEY.c.person == person
    try:
        content = _sealed(_opened(kept[1], before), after)
    except KeyFileError:
        connection.execute(SEALED_KEY.delete().where(mine))
        return
    connection.execute(SEALED_KEY.update().where(mine).values(content=content))


def _row(connection: Connection, person: str) -> tuple[str, bytes] | None:
    row = connection.execute(
        select(SEALED_KEY.c.key_id, SEALED_KEY.c.content).where(SEALED_KEY.c.person == person)
    ).one_or_none()
    return None if row is None else (row.key_id, bytes(row.content))


def _sealed(content: SignerPrivateFile, passphrase: str) -> bytes:
    return key_file_bytes(protected(content, passphrase, random_bytes))


def _opened(content: bytes, passphrase: str) -> SignerPrivateFile:
    sealed = parse_key_file(content, ProtectedFile, _PLACE)
    return opened(sealed, passphrase, SignerPrivateFile, _PLACE)
