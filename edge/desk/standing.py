"""How the case of a hit stands for one person, read without changing or locking it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from edge.desk.cases import holds, kept_findings, next_reason
from edge.desk.findings import DeskFinding, parse_finding
from edge.desk.outcomes import OpeningReason
from edge.desk.rights import DeskRight, RightScope
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import HIT, REVIEW_CASE
from edge.formats.timestamps import parse_utc


@dataclass(frozen=True, slots=True)
class CaseStanding:
    """The state of a case, without anything that another person has judged.

    Attributes:
        reason: why the next officer opens the hit.
        holder: who holds it now; None: nobody.
        own: the finding of this person; None: she has given none.
    """

    reason: OpeningReason
    holder: str | None
    own: DeskFinding | None

    @property
    def decided(self) -> bool:
        """Whether its newest finding decides it."""
        return self.reason is OpeningReason.APPEAL


def case_standing(
    database: DeskDatabase, hit_id: str, rights: Sequence[DeskRight], now: datetime
) -> CaseStanding | None:
    """The standing of a case; None if there is no such hit, or the rights do not cover it.

    Args:
        database: of the desk.
        hit_id: the hit.
        rights: of one person, in force, of a role in `JUDGES`; at least one.
        now: the time, for who holds the case.

    Raises:
        OutboxError: the database cannot be used.
    """
    person = rights[0].terms.person
    with database.reading() as connection:
        place = select(HIT.c.site, HIT.c.rule).where(HIT.c.hit_id == hit_id)
        row = connection.execute(place).one_or_none()
        if row is None or not any(
            scope.covers(RightScope(scope.authority, row.site, row.rule))
            for scope in (right.terms.scope for right in rights)
        ):
            return None
        findings = [parse_finding(payload) for payload in kept_findings(connection, hit_id)]
        holder = holders(connection, [hit_id], now).get(hit_id)
    own = next((one for one in reversed(findings) if one.person.name == person), None)
    return CaseStanding(next_reason(findings), holder, own)


def holders(connection: Connection, hit_ids: Iterable[str], now: datetime) -> dict[str, str]:
    """Who holds each of these cases now; one that nobody holds is left out."""
    columns = (REVIEW_CASE.c.hit_id, REVIEW_CASE.c.claimed_by, REVIEW_CASE.c.claimed_until)
    claimed = (REVIEW_CASE.c.hit_id.in_(list(hit_ids)), REVIEW_CASE.c.claimed_until.is_not(None))
    rows = connection.execute(select(*columns).where(*claimed)).all()
    return {row.hit_id: row.claimed_by for row in rows if holds(parse_utc(row.claimed_until), now)}
