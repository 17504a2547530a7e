"""Whether somebody has appealed against a case, so that a second officer may judge it anew.

Without an appeal nobody judges a decided case anew: otherwise one second officer alone could turn a
rejection into a finding against somebody. An appeal is a hold for one, or a request of
rectification, erasure or objection that a clerk has linked to the case, while the case is held for
an appeal. It is open until a finding after it decides the case. Who answers it is another person
than the one who recorded it, and than those who have judged the case.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Subquery,
    and_,
    func,
    or_,
    select,
    union_all,
)

from edge.desk.cases import SEEN, LockedCase
from edge.desk.outcomes import FindingOutcome
from edge.desk.retention_terms import HoldReason
from edge.desk.rights import DeskRight, DeskRole, RightScope
from edge.desk.standing import holders
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import (
    FINDING,
    HIT,
    HOLD,
    JUDGEMENT,
    PERSON_REQUEST,
    REQUEST_CASE,
)
from edge.formats.timestamps import parse_utc

MOST_SHOWN: Final = 50
"""How many appeals a list shows: those whose case is held for the shortest time."""


@dataclass(frozen=True, slots=True)
class WaitingAppeal:
    """A decided case that waits for a second officer, without what was judged.

    `last_day`: until which it is held for the appeal. `held_by`: who reviews it now.
    """

    hit_id: str
    site: str
    camera: str
    rule: str
    observed_at: datetime
    last_day: str
    held_by: str | None


def has_open_appeal(connection: Connection, case: LockedCase, person: str, now: datetime) -> bool:
    """Whether a decided case has an open appeal that another person than she recorded."""
    appeal = _appeals(now)
    query = select(appeal.c.hit_id).where(
        appeal.c.hit_id == case.hit_id,
        appeal.c.recorded_at >= case.findings[-1].decided_at,
        appeal.c.person != person,
    )
    return connection.execute(query.limit(1)).first() is not None


def open_appeals(database: DeskDatabase, hit_ids: Collection[str], now: datetime) -> dict[str, str]:
    """Those of these hits that somebody has appealed against, decided or not.

    Returns:
        The last day until which each is held for it, by hit id.

    Raises:
        OutboxError: the database cannot be used.
    """
    appeal = _appeals(now)
    decided = _decided_at(appeal.c.hit_id)
    query = (
        select(appeal.c.hit_id, func.max(appeal.c.last_day))
        .where(
            appeal.c.hit_id.in_(list(hit_ids)),
            or_(decided.is_(None), appeal.c.recorded_at >= decided),
        )
        .group_by(appeal.c.hit_id)
    )
    with database.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def waiting_appeals(
    database: DeskDatabase, rights: Sequence[DeskRight], now: datetime
) -> tuple[WaitingAppeal, ...]:
    """The decided cases with an open appeal that a person may answer, at most `MOST_SHOWN`.

    Args:
        database: of the desk.
        rights: of one person, in force, of a role in `JUDGES`; at least one.
        now: the time.

    Raises:
        OutboxError: the database cannot be used.
    """
    person, authority = rights[0].terms.person, database.authority()
    scopes = [one.terms.scope for one in rights if one.terms.role is DeskRole.SECOND_OFFICER]
    appeal = _appeals(now)
    columns = [HIT.c[name] for name in ("hit_id", "site", "camera", "rule", "observed_at")]
    last_day = func.max(appeal.c.last_day)
    query = (
        select(*columns, last_day.label("last_day"))
        .join(appeal, appeal.c.hit_id == HIT.c.hit_id)
        .where(
            appeal.c.recorded_at >= _decided_at(HIT.c.hit_id),  # false where nothing decides it
            appeal.c.person != person,
            _parts_taken(person) == 0,
        )
        .group_by(*columns)
        .order_by(last_day, HIT.c.observed_at, HIT.c.hit_id)
    )
    with database.reading() as connection:
        rows = [
            row
            for row in connection.execute(query)
            if any(scope.covers(RightScope(authority, row.site, row.rule)) for scope in scopes)
        ][:MOST_SHOWN]
        held = holders(connection, [row.hit_id for row in rows], now)
    return tuple(
        WaitingAppeal(
            row.hit_id,
            row.site,
            row.camera,
            row.rule,
            parse_utc(row.observed_at),
            row.last_day,
            held.get(row.hit_id),
        )
        for row in rows
    )


def _appeals(now: datetime) -> Subquery:
    """All appeals in force: the hit, who has recorded it and when, and until when it is held."""
    in_force = and_(
        HOLD.c.reason == HoldReason.APPEAL.value,
        HOLD.c.ended_at.is_(None),
        HOLD.c.last_day >= now.date().isoformat(),
    )
    held = select(
        HOLD.c.hit_id,
        HOLD.c.set_by.label("person"),
        HOLD.c.set_at.label("recorded_at"),
        HOLD.c.last_day,
    ).where(in_force)
    asked = (
        select(
            REQUEST_CASE.c.hit_id,
            PERSON_REQUEST.c.opened_by,
            REQUEST_CASE.c.linked_at,
            HOLD.c.last_day,
        )
        .join(PERSON_REQUEST, PERSON_REQUEST.c.request_id == REQUEST_CASE.c.request_id)
        .join(HOLD, HOLD.c.hit_id == REQUEST_CASE.c.hit_id)
        .where(in_force)
    )
    return union_all(held, asked).subquery()


def _decided_at(hit_id: ColumnElement[str]) -> ScalarSelect[Any]:
    """When the newest finding was signed that decides a hit; null if there is none."""
    return (
        select(FINDING.c.decided_at)
        .where(FINDING.c.hit_id == hit_id, FINDING.c.outcome != FindingOutcome.REFERRED.value)
        .order_by(FINDING.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )


def _parts_taken(person: str) -> ScalarSelect[int]:
    """In how many findings on a hit a person took part, or saw its reading; as `CaseReviews`."""
    newest = (
        select(func.max(FINDING.c.number)).where(FINDING.c.hit_id == HIT.c.hit_id).scalar_subquery()
    )
    return (
        select(func.count())
        .select_from(JUDGEMENT)
        .where(
            JUDGEMENT.c.hit_id == HIT.c.hit_id,
            JUDGEMENT.c.person == person,
            or_(JUDGEMENT.c.number <= newest, JUDGEMENT.c.judgement == SEEN),
        )
        .correlate(HIT)
        .scalar_subquery()
    )
