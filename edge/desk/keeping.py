"""Keeps a signed finding, so that a kill at any moment leaves it logged and stored, or neither.

A person's signature is written to the case in a transaction of its own. A second transaction stores
the finding with its entry in the audit log. If the desk or the database is killed between the entry
and the commit, the next step of anybody on the case does the second transaction again. So the
finding that the log names is the one that is stored; only its entry is then in the log twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from edge.desk import cases
from edge.desk.findings import DeskFinding
from edge.desk.store.database import DeskDatabase
from edge.privacy.audit_events import Event, FindingSigned


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
        OutboxError: it could not be stored; it is still signed.
        AuditError: the entry could not be written; likewise.
    """
    with database.reading() as connection:
        if not cases.is_signed(connection, hit_id):
            return None
    with database.writing() as connection:
        case = cases.locked(connection, hit_id, authority, now)
        finding = case.signed
        if finding is not None:
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
