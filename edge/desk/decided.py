"""The decided cases within an officer's rights, newest first, to find one for a court or an appeal.

A month is read at a time, from the table of decisions: so the hits that wait cost nothing, and the
work grows with what people decided in that month. Decoys are decided cases as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)

from edge.desk.outcomes import FindingOutcome
from edge.desk.rights import DeskRight
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import DECISION, FINDING, HIT
from edge.formats.timestamps import parse_utc, utc_text

PAGE: Final = 50
"""How many cases a page shows."""


@dataclass(frozen=True, slots=True)
class DecidedPlace:
    """Where a case stands in the list."""

    decided_at: datetime
    hit_id: str


@dataclass(frozen=True, slots=True)
class DecidedCase:
    """What the header of a decided hit says in clear, and what its newest finding decides."""

    place: DecidedPlace
    site: str
    camera: str
    rule: str
    observed_at: datetime
    outcome: FindingOutcome


class DecidedCases:
    """Reads the decided cases of a desk.

    Every method takes the rights of one person, in force and of a role that judges hits, and raises
    `OutboxError` if the database cannot be used.
    """

    def __init__(self, database: DeskDatabase) -> None:
        self._database = database

    def page(
        self, rights: Sequence[DeskRight], after: DecidedPlace | None = None
    ) -> tuple[tuple[DecidedCase, ...], bool]:
        """One page of the cases that the rights cover, and whether more follow.

        Args:
            rights: hers.
            after: the last place of the page before; None: from the newest.
        """
        found: list[DecidedCase] = []
        with self._database.reading() as connection:
            for month in _months(connection, after):
                query = page_query(month, _covered(rights), after)
                found += [_case(row) for row in connection.execute(query)]
                if len(found) > PAGE:
                    break
        return tuple(found[:PAGE]), len(found) > PAGE

    def find(self, rights: Sequence[DeskRight], hit_id: str) -> DecidedCase | None:
        """The decided case of a hit; None if there is none, or the rights do not cover it."""
        query = _cases().where(DECISION.c.hit_id == hit_id, _covered(rights))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _case(row)


def page_query(month: str, covered: ColumnElement[bool], after: DecidedPlace | None) -> Select[Any]:
    """The statement that reads a page of the cases that were decided in a month."""
    query = _cases().where(DECISION.c.month == month, covered)
    if after is not None:
        place = (utc_text(after.decided_at), after.hit_id)
        query = query.where(tuple_(FINDING.c.decided_at, FINDING.c.hit_id) < tuple_(*place))
    order = (FINDING.c.decided_at.desc(), FINDING.c.hit_id.desc())
    return query.order_by(*order).limit(PAGE + 1)


def _cases() -> Select[Any]:
    later = FINDING.alias()
    newest = (
        select(func.max(later.c.number))
        .where(later.c.hit_id == DECISION.c.hit_id)
        .correlate(DECISION)
        .scalar_subquery()
    )
    joined = DECISION.join(HIT, HIT.c.hit_id == DECISION.c.hit_id).join(
        FINDING, and_(FINDING.c.hit_id == DECISION.c.hit_id, FINDING.c.number == newest)
    )
    return select(
        FINDING.c.decided_at,
        FINDING.c.hit_id,
        DECISION.c.site,
        DECISION.c.camera,
        DECISION.c.rule,
        HIT.c.observed_at,
        DECISION.c.outcome,
    ).select_from(joined)


def _covered(rights: Sequence[DeskRight]) -> ColumnElement[bool]:
    """The condition that one of the rights holds for site and rule of a decision."""
    scopes = {(right.terms.scope.site, right.terms.scope.rule) for right in rights}
    return or_(
        false(),
        *(
            and_(
                true() if site is None else DECISION.c.site == site,
                true() if rule is None else DECISION.c.rule == rule,
            )
            for site, rule in scopes
        ),
    )


def _months(connection: Connection, after: DecidedPlace | None) -> Iterator[str]:
    """The months with decisions, newest first, down to that of the oldest hit that is here."""
    oldest = connection.execute(select(func.min(HIT.c.day))).scalar_one()
    query = select(func.max(DECISION.c.month))
    begins = true() if after is None else DECISION.c.month <= utc_text(after.decided_at)[:7]
    month = connection.execute(query.where(begins)).scalar_one()
    while month is not None and oldest is not None and month >= oldest[:7]:
        yield month
        month = connection.execute(query.where(DECISION.c.month < month)).scalar_one()


def _case(row: Any) -> DecidedCase:  # noqa: ANN401 - a row of several tables
    return DecidedCase(
        DecidedPlace(parse_utc(row.decided_at), row.hit_id),
        row.site,
        row.camera,
        row.rule,
        parse_utc(row.observed_at),
        FindingOutcome(row.outcome),
    )
