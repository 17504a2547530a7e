"""Accounts of people: names, Argon2id hashes of their passphrases, and the lock after failures.

A wrong name, a wrong passphrase and a locked name are answered with the same words and with about
the same work, so that nobody learns who has an account.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Connection, select

from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import ATTEMPT, PASSWORD, PERSON, STATE
from edge.errors import AccessError, KeyFileError, UsageError
from edge.formats.identifiers import is_id
from edge.formats.timestamps import parse_utc, utc_text
from edge.formats.visible import unseen_at
from edge.privacy.protected_keys import require_strong

MAX_FAILURES: Final = 5
LOCKED_FOR: Final = timedelta(minutes=15)
_FORGOTTEN_AFTER: Final = timedelta(days=1)
_LONGEST: Final = 1024

_HASHER = PasswordHasher()  # Argon2id with the parameters of RFC 9106, section 4, for 64 MiB
_NOBODYS_HASH: Final = _HASHER.hash("the passphrase of nobody")


@dataclass(frozen=True, slots=True)
class ActingPerson:
    """A person who has proved who she is. Made by `prove`, and for the first account by `init`."""

    name: str


@dataclass(frozen=True, slots=True)
class DeskPerson:
    """A person with an account."""

    name: str
    full_name: str
    added_by: str
    added_at: datetime


def prove(
    database: DeskDatabase,
    name: str,
    passphrase: str,
    utc: Callable[[], datetime],
    further: Callable[[Connection], bool] = lambda _: True,
) -> ActingPerson:
    """Return the person if the passphrase is hers; each failure is counted, by name.

    A failure is counted before the passphrase is checked, so that guesses at the same time count.
    It works on a store that was moved too, so that an interrupted move can be finished.

    Args:
        database: of the desk.
        name: of the account.
        passphrase: what was typed.
        utc: the wall clock.
        further: what else must hold, such as a one-time code; asked once the passphrase is right.

    Raises:
        AccessError: `E_LOGIN`: name or passphrase is wrong, or the name is locked.
        OutboxError: the database cannot be used.
    """
    kept = count_attempt(database, name, utc())
    try:
        _HASHER.verify(kept or _NOBODYS_HASH, _text(passphrase))
    except VerificationError:
        raise login_refused() from None
    if kept is None:
        raise login_refused()
    with database.transaction() as connection:
        if not further(connection):
            raise login_refused()
        forget_attempts(database, connection, name)
    return ActingPerson(name)


def count_attempt(database: DeskDatabase, name: str, now: datetime) -> str | None:
    """Count an attempt at a name as failed; returns the hash of the passphrase, if she has one.

    Raises:
        AccessError: `E_LOGIN`: the name is locked.
    """
    with database.transaction() as connection:
        allowed = _count_attempt(connection, _digest(database, name), now)
        kept = connection.execute(
            select(PASSWORD.c.argon2).where(PASSWORD.c.person == (name if is_id(name) else ""))
        ).scalar_one_or_none()
    if not allowed:
        raise login_refused()
    return kept


def forget_attempts(database: DeskDatabase, connection: Connection, name: str) -> None:
    """Forget the failed attempts at a name, after one that did not fail."""
    connection.execute(ATTEMPT.delete().where(ATTEMPT.c.name_hmac == _digest(database, name)))


def login_refused() -> AccessError:
    """The one refusal of every login."""
    return AccessError(
        "the name or the passphrase is wrong, or there were too many attempts; correct it, after "
        f"{MAX_FAILURES} attempts wait {LOCKED_FOR.seconds // 60} minutes",
        code="E_LOGIN",
    )


def _digest(database: DeskDatabase, name: str) -> str:
    """A keyed digest of what was typed as a name, which may be a passphrase or a plate."""
    if database.names_key is None:
        raise AccessError("nobody logs in without the desk's folder; open the desk by its folder")
    return hmac.digest(database.names_key(), name.encode(), "sha256").hex()


def _count_attempt(connection: Connection, digest: str, now: datetime) -> bool:
    """Count an attempt as failed; returns False, and counts nothing, while the name is locked.

    A lock lasts at most `LOCKED_FOR` from the first attempt after a clock that was ahead is set
    back.
    """
    connection.execute(select(STATE.c.id).with_for_update())  # one attempt at a time is counted
    forgotten = utc_text(now - _FORGOTTEN_AFTER)
    connection.execute(ATTEMPT.delete().where(ATTEMPT.c.last_at < forgotten))
    row = connection.execute(select(ATTEMPT).where(ATTEMPT.c.name_hmac == digest)).one_or_none()
    if row is None:
        values = {"name_hmac": digest, "failures": 1, "last_at": utc_text(now)}
        connection.execute(ATTEMPT.insert().values(values))
        return True
    last_at = parse_utc(row.last_at)
    over = now - last_at >= LOCKED_FOR
    if row.failures >= MAX_FAILURES and not over:
        if last_at > now:  # a clock was set ahead: from now on the lock lasts as long as any
            connection.execute(
                ATTEMPT.update().where(ATTEMPT.c.name_hmac == digest).values(last_at=utc_text(now))
            )
        return False
    connection.execute(
        ATTEMPT.update()
        .where(ATTEMPT.c.name_hmac == digest)
        .values(failures=1 if over else row.failures + 1, last_at=utc_text(now))
    )
    return True


def hashed(passphrase: str) -> str:
    """The Argon2id hash of a new passphrase, with its salt and parameters.

    Raises:
        KeyFileError: `E_PASSPHRASE`: it is too short or too long.
    """
    require_strong(passphrase)
    if len(passphrase) > _LONGEST:
        raise KeyFileError(
            f"the passphrase has more than {_LONGEST} characters; choose a shorter one",
            code="E_PASSPHRASE",
        )
    return _HASHER.hash(_text(passphrase))


def _text(passphrase: str) -> str:
    """The passphrase composed, as another keyboard would type it."""
    return unicodedata.normalize("NFC", passphrase)


def insert_person(connection: Connection, person: DeskPerson, argon2: str | None) -> None:
    """Add a person with her passphrase's hash; None: she gets a code for enrolment instead.

    Raises:
        UsageError: name or full name has a wrong form, or the name is taken (`E_PERSON`).
    """
    require_names(person.name, person.full_name)
    if find_person(connection, person.name) is not None:
        raise UsageError(
            f"{person.name}: there is a person of this name; choose another one", code="E_PERSON"
        )
    connection.execute(
        PERSON.insert().values(
            person=person.name,
            full_name=person.full_name,
            added_by=person.added_by,
            added_at=utc_text(person.added_at),
        )
    )
    if argon2 is not None:
        replace_password(connection, person.name, argon2, person.added_at)


def replace_password(connection: Connection, name: str, argon2: str, now: datetime) -> None:
    """Replace the hash of a person's passphrase, or give her the first one."""
    drop_password(connection, name)
    connection.execute(PASSWORD.insert().values(person=name, argon2=argon2, set_at=utc_text(now)))


def drop_password(connection: Connection, name: str) -> None:
    """Forget the passphrase of a person, who has another way to log in."""
    connection.execute(PASSWORD.delete().where(PASSWORD.c.person == name))


def has_password(connection: Connection, name: str) -> bool:
    """Whether a person has a passphrase."""
    query = select(PASSWORD.c.person).where(PASSWORD.c.person == name)
    return connection.execute(query).first() is not None


def require_names(name: str, full_name: str) -> None:
    """Refuse a name or full name of a wrong form.

    Raises:
        UsageError: names the cure.
    """
    if not is_id(name):
        raise UsageError(
            "the name of a person has small letters, digits and hyphens, at most 40, such as "
            "an-peeters"
        )
    if (
        not 0 < len(full_name.strip()) <= 80
        or unseen_at(full_name) is not None
        or (set(full_name) & set("\t\r\n"))
    ):
        raise UsageError(
            "--full-name: write the name as on an identity card, on one line, at most 80 "
            "characters, all of them visible"
        )


def find_person(connection: Connection, name: str) -> DeskPerson | None:
    """The person of this name; None if there is none."""
    return next((one for one in all_people(connection) if one.name == name), None)


def all_people(connection: Connection) -> tuple[DeskPerson, ...]:
    """Everyone with an account, by name."""
    rows = connection.execute(select(PERSON).order_by(PERSON.c.person)).all()
    return tuple(
        DeskPerson(row.person, row.full_name, row.added_by, parse_utc(row.added_at)) for row in rows
    )
