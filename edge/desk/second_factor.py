"""One-time codes (TOTP, RFC 6238) and recovery codes. Each works in its caller's transaction.

A secret is kept sealed, with AES-256-GCM under a key that is in the desk's folder and not in the
database, so a copy of the database gives no code. Recovery codes have 80 random bits; the database
holds SHA-256 of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select

from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import RECOVERY_CODE, SECOND_FACTOR

KEY_BYTES: Final = 32
RECOVERY_CODES: Final = 8
_STEP_S: Final = 30
_NONCE_BYTES: Final = 12


def begin_codes(connection: Connection, person: str, key: bytes) -> pyotp.TOTP:
    """Make a new secret for a person; it counts only once a code of it was typed.

    Args:
        connection: a transaction.
        person: who has no confirmed secret.
        key: the desk's key, 32 bytes.
    """
    totp = pyotp.TOTP(pyotp.random_base32(), interval=_STEP_S)
    connection.execute(SECOND_FACTOR.delete().where(SECOND_FACTOR.c.person == person))
    connection.execute(
        SECOND_FACTOR.insert().values(
            person=person, sealed=_sealed(totp.secret, person, key), confirmed=False, last_step=0
        )
    )
    return totp


def has_codes(connection: Connection, person: str) -> bool:
    """Whether a person has a confirmed secret."""
    query = select(SECOND_FACTOR.c.confirmed).where(SECOND_FACTOR.c.person == person)
    return bool(connection.execute(query).scalar_one_or_none())


def spend_code(
    connection: Connection,
    person: str,
    code: str,
    key: bytes,
    now: datetime,
    *,
    confirmed: bool = True,
) -> bool:
    """Whether this is the person's code of now, or of 30 s before or after; it counts only once.

    Args:
        connection: a transaction.
        person: whose code it should be.
        code: what was typed.
        key: the desk's key, 32 bytes.
        now: the wall clock.
        confirmed: the secret must be confirmed; else it must not be, and it is now.
    """
    row = connection.execute(
        select(SECOND_FACTOR).where(SECOND_FACTOR.c.person == person).with_for_update()
    ).one_or_none()
    if row is None or bool(row.confirmed) is not confirmed:
        return False
    secret = _opened(bytes(row.sealed), person, key)
    if secret is None:
        return False
    totp, step = pyotp.TOTP(secret, interval=_STEP_S), int(now.timestamp()) // _STEP_S
    given = _plain(code)
    for one in (step - 1, step, step + 1):
        if one > row.last_step and hmac.compare_digest(totp.generate_otp(one), given):
            connection.execute(
                SECOND_FACTOR.update()
                .where(SECOND_FACTOR.c.person == person)
                .values(last_step=one, confirmed=True)
            )
            return True
    return False


def anybody_has_codes(database: DeskDatabase) -> bool:
    """Whether anybody at the desk has one-time codes."""
    with database.reading() as connection:
        return connection.execute(select(SECOND_FACTOR.c.person).limit(1)).first() is not None


def drop_codes(connection: Connection, person: str) -> None:
    """Forget the secret of a person."""
    connection.execute(SECOND_FACTOR.delete().where(SECOND_FACTOR.c.person == person))


def new_recovery_codes(connection: Connection, person: str) -> tuple[str, ...]:
    """Make new recovery codes for a person; earlier ones end."""
    drop_recovery_codes(connection, person)
    codes = tuple(new_code() for _ in range(RECOVERY_CODES))
    rows = [{"person": person, "code_sha256": code_sha256(person, code)} for code in codes]
    connection.execute(RECOVERY_CODE.insert(), rows)
    return codes


def recovery_codes_left(connection: Connection, person: str) -> int:
    """How many recovery codes a person has."""
    query = select(RECOVERY_CODE.c.code_sha256).where(RECOVERY_CODE.c.person == person)
    return len(connection.execute(query).all())


def spend_recovery_code(connection: Connection, person: str, code: str) -> bool:
    """Whether this is a recovery code of the person; it counts only once."""
    mine = RECOVERY_CODE.c.code_sha256 == code_sha256(person, code)
    return connection.execute(RECOVERY_CODE.delete().where(mine)).rowcount == 1


def drop_recovery_codes(connection: Connection, person: str) -> None:
    """Forget the recovery codes of a person."""
    connection.execute(RECOVERY_CODE.delete().where(RECOVERY_CODE.c.person == person))


def new_code() -> str:
    """A random code of 80 bits that people can type: four groups of four."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def code_sha256(person: str, code: str) -> str:
    """The digest under which a code of a person is kept, however she types it."""
    return hashlib.sha256(f"{person}\n{_plain(code)}".encode()).hexdigest()


def _plain(code: str) -> str:
    """A code in small letters, without what people put between its groups."""
    plain = "".join(code.lower().replace("-", "").split())
    return plain if plain.isascii() else ""


def _sealed(secret: str, person: str, key: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret.encode(), person.encode())


def _opened(sealed: bytes, person: str, key: bytes) -> str | None:
    """The secret; None if it was sealed under another key, or for somebody else."""
    nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, content, person.encode()).decode()
    except InvalidTag:
        return None
