"""Keeps a signed finding, so that a kill at any moment leaves it logged and stored, or neither.

A person's signature is written to the case in a transaction of its own. A second transaction stores
the finding with its entry in the audit log. If the desk or the database is killed between the entry
and the commit, the second transaction is done again: by the next step of anybody on the case, when
the desk starts, and before anything that depends on the finding: retention, revoking the person's
keys and rights, the answer to a request. So the finding that the log names is the one that is
stored; only its entry is then in the log twice.

What waits in the case is no proof by itself: it is kept only if the person has signed exactly that
for this case. Who can write to the database alone brings nothing into the log.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, select

from edge.desk import cases
from edge.desk.cases import LockedCase
from edge.desk.findings import DeskFinding, parse_finding, verify_finding
from edge.desk.personal_keys import keys_within
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import REVIEW_CASE
from edge.errors import AccessError, EdgeError, OutboxError
from edge.privacy.audit_events import Event, FindingSigned

_LOG = logging.getLogger("edge.desk")


def keep_signed(
    database: DeskDatabase,
    record: Callable[[Event], object],
    authority: str,
    hit_id: str,
    now: datetime,
) -> DeskFinding | None:
    """Log and store the finding that the holder of a case has signed; the claim ends.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        authority: of the desk.
        hit_id: the hit of the case.
        now: the time.

    Returns:
        The finding; None if nothing is signed that is not stored.

    Raises:
        AccessError: `E_FINDING`: what waits there is not what a person has signed for this case.
        OutboxError: it could not be stored; it is still signed.
        AuditError: the entry could not be written; likewise.
    """
    with database.reading() as connection:
        if not cases.is_signed(connection, hit_id):
            return None
    with database.writing() as connection:
        return keep_within(connection, record, authority, hit_id, now)


def keep_within(
    connection: Connection,
    record: Callable[[Event], object],
    authority: str,
    hit_id: str,
    now: datetime,
) -> DeskFinding | None:
    """The same as `keep_signed`, in the transaction of the caller."""
    if not cases.is_signed(connection, hit_id):
        return None
    try:
        case = cases.locked(connection, hit_id, authority, now)
    except AccessError as error:
        raise _not_kept(hit_id, "a finding of it cannot be read") from error
    finding = case.signed
    if finding is not None:
        _require_signed_for(connection, case, finding)
        cases.keep_finding(connection, finding)
        cases.release(connection, case)
        record(
            FindingSigned(
                hit_id,
                finding.number,
                finding.person.name,
                finding.outcome.value,
                finding.sha256(),
            )
        )
    return finding


def keep_all(
    database: DeskDatabase,
    record: Callable[[Event], object],
    authority: str,
    utc: Callable[[], datetime],
) -> None:
    """Keep every finding that is signed and not stored.

    One that cannot be kept is skipped with a line in the log of the program.

    Raises:
        OutboxError: the database cannot be used.
    """
    with database.reading() as connection:
        waiting = [hit_id for hit_id, _ in _signed(connection)]
    for hit_id in waiting:
        try:
            keep_signed(database, record, authority, hit_id, utc())
        except EdgeError as error:
            _LOG.error("a signed finding is not kept, and its hit stays: %s", error)


def keep_hers(
    connection: Connection,
    record: Callable[[Event], object],
    authority: str,
    person: str,
    now: datetime,
) -> None:
    """Keep what a person has signed, before her key or right ends; later it would prove nothing.

    What cannot be kept is skipped with a line in the log of the program: a row that somebody has
    changed, or a payload that somebody has deleted, must not stop the revoking of a stolen key.

    Args:
        connection: a transaction in which no other one writes.
        record: adds an event to the desk's audit log; raises if it cannot.
        authority: of the desk.
        person: hers.
        now: the time.

    Raises:
        OutboxError: the database or the store of payloads cannot be used.
        AuditError: the entry could not be written.
    """
    for hit_id, signers in _signed(connection):
        if person in signers:
            try:
                keep_within(connection, record, authority, hit_id, now)
            except (AccessError, OutboxError) as error:
                if isinstance(error, OutboxError) and error.code != "E_PAYLOAD":
                    raise
                _LOG.error("a signed finding is not kept: %s", error)


def _signed(connection: Connection) -> list[tuple[str, set[str | None]]]:
    """The hits with a finding that is not stored, and whose it may be."""
    rows = connection.execute(
        select(REVIEW_CASE.c.hit_id, REVIEW_CASE.c.signed, REVIEW_CASE.c.claimed_by)
        .where(REVIEW_CASE.c.signed.is_not(None))
        .order_by(REVIEW_CASE.c.hit_id)
    ).all()
    return [(row.hit_id, {row.claimed_by, _named(bytes(row.signed))}) for row in rows]


def _named(payload: bytes) -> str | None:
    try:
        return parse_finding(payload).person.name
    except AccessError:
        return None


def _require_signed_for(connection: Connection, case: LockedCase, finding: DeskFinding) -> None:
    """Refuse a finding that its person has not signed for this step of this case.

    Raises:
        AccessError: `E_FINDING`.
    """
    scope = case.scope
    says = (
        *(finding.authority, finding.site, finding.rule),
        *(finding.hit_id, finding.hit_sha256, finding.number, finding.predecessor),
    )
    wanted = (
        *(scope.authority, scope.site, scope.rule),
        *(case.hit_id, hashlib.sha256(case.payload).hexdigest(), case.number),
        case.findings[-1].sha256() if case.findings else None,
    )
    if says != wanted:
        raise _not_kept(case.hit_id, "it is a finding of another hit, or not the next one")
    hers = keys_within(connection, finding.person.name)
    key = next((one for one in hers if one.key.key_id == finding.signature.key_id), None)
    # What a key has signed is kept before it is revoked, so nothing of a revoked one waits.
    if key is None or key.revoked_at is not None:
        raise _not_kept(case.hit_id, "its key is not known as hers, or was revoked")
    try:
        verify_finding(finding.to_payload(), key.key)
    except AccessError as error:
        raise _not_kept(case.hit_id, "its key has not signed it, or it was altered") from error


def _not_kept(hit_id: str, why: str) -> AccessError:
    return AccessError(
        f"the finding that waits in review_case.signed for hit {hit_id} is neither logged nor "
        f"stored: {why}; find out who has changed the desk's database, and restore that row from "
        "a backup, or set the column to NULL and let the officer decide again",
        code="E_FINDING",
    )
