"""Whether somebody has appealed against a decided case, so that a second officer may judge it anew.

Without an appeal nobody judges a case anew: otherwise one second officer alone could turn a
rejection into a finding against somebody. An appeal is a hold for one, or a request of
rectification or objection that a clerk has linked to the case, while the case is held for an
appeal. It is open until a finding after it decides the case, and another person than the second
officer has recorded it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from edge.desk.cases import LockedCase
from edge.desk.retention_terms import HoldReason
from edge.desk.store.tables import HOLD, PERSON_REQUEST, REQUEST_CASE


def has_open_appeal(connection: Connection, case: LockedCase, person: str, now: datetime) -> bool:
    """Whether a decided case has an open appeal that another person than she recorded."""
    decided_at = case.findings[-1].decided_at
    in_force = select(HOLD.c.hold_id).where(
        HOLD.c.hit_id == case.hit_id,
        HOLD.c.reason == HoldReason.APPEAL.value,
        HOLD.c.ended_at.is_(None),
        HOLD.c.last_day >= now.date().isoformat(),
    )
    held = in_force.where(HOLD.c.set_at >= decided_at, HOLD.c.set_by != person)
    asked = (
        select(REQUEST_CASE.c.link_id)
        .join(PERSON_REQUEST, PERSON_REQUEST.c.request_id == REQUEST_CASE.c.request_id)
        .where(
            REQUEST_CASE.c.hit_id == case.hit_id,
            REQUEST_CASE.c.linked_at >= decided_at,
            PERSON_REQUEST.c.opened_by != person,
            in_force.exists(),
        )
    )
    return any(connection.execute(one).first() is not None for one in (held, asked))
