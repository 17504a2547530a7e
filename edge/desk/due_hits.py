"""Which hits at a desk are due for deletion: their retention has ended, and nobody needs them.

A hit stays while a finding on it is signed and not stored yet, because it may confirm the hit.
A hit that was confirmed, exported for a fine and overturned stays until a person was told to
withdraw the fine: `FINE_WITHDRAWAL` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from edge.desk.findings import DeskFinding
from edge.desk.outcomes import FindingOutcome
from edge.desk.retention_terms import RetentionTerm
from edge.desk.store.tables import FINDING, FINE_EXPORT, FINE_WITHDRAWAL, HIT, HOLD, REVIEW_CASE

TOLD_WITHIN_DAYS: Final = 90
"""Days after an appeal for which an exported case waits until `desk fines` has named it."""


@dataclass(frozen=True, slots=True)
class DueHit:
    """A hit whose retention has ended."""

    hit_id: str
    day: str
    due_day: str
    site: str
    stored_at: str
    confirmed: bool


def due_query(sites: Collection[str], term: RetentionTerm, today: date) -> Select[Any]:
    """The hits of sites whose retention has ended, and that no hold and no signature keeps."""
    newest = (
        select(FINDING.c.outcome)
        .where(FINDING.c.hit_id == HIT.c.hit_id)
        .order_by(FINDING.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    confirmed = func.coalesce(newest, "") == FindingOutcome.CONFIRMED.value
    overturned = _overturned()
    waited, kept = day_before(today, term.waiting_days), day_before(today, term.kept_days)
    return select(
        HIT.c.hit_id,
        HIT.c.day,
        HIT.c.site,
        HIT.c.stored_at,
        confirmed.label("confirmed"),
        overturned.label("overturned"),
    ).where(
        HIT.c.site.in_(sorted(sites)),
        HIT.c.day <= max(waited, kept),  # ends the search early
        or_(
            and_(HIT.c.day <= waited, ~confirmed, overturned.is_(None)),
            and_(HIT.c.day <= waited, ~confirmed, overturned <= waited),
            and_(HIT.c.day <= kept, or_(confirmed, overturned.is_not(None))),
        ),
        ~_held(today),
        ~_signed(),
        ~and_(~confirmed, overturned > day_before(today, TOLD_WITHIN_DAYS), _fine_stands()),
    )


def due_hits(
    connection: Connection, site: str, term: RetentionTerm, today: date, most: int
) -> list[DueHit]:
    """The oldest hits that `due_query` finds, at most so many."""
    query = due_query([site], term, today).order_by(HIT.c.day, HIT.c.hit_id).limit(most)
    return [
        DueHit(
            row.hit_id,
            row.day,
            due_day(
                term,
                row.day,
                confirmed=row.confirmed,
                overturned=None if row.confirmed else row.overturned,
            ),
            row.site,
            row.stored_at,
            bool(row.confirmed),
        )
        for row in connection.execute(query)
    ]


def due_day(
    term: RetentionTerm, day: str, *, confirmed: bool, overturned: str | None = None
) -> str:
    """The day on which a hit is deleted.

    Args:
        term: of its site.
        day: from which the term counts.
        confirmed: whether its newest finding confirms it.
        overturned: the day of the finding that overturned an earlier confirmation. The hit waits
            from that day on, and is not kept longer than a confirmed one.
    """
    last = date.fromisoformat(day) + timedelta(days=term.days(confirmed=confirmed))
    if overturned is not None:
        waited = date.fromisoformat(max(overturned, day)) + timedelta(days=term.waiting_days)
        last = min(waited, date.fromisoformat(day) + timedelta(days=term.kept_days))
    return last.isoformat()


def overturned_day(findings: Sequence[DeskFinding]) -> str | None:
    """The day of the first finding after the last that confirmed the hit; None: there is none."""
    last = max(
        (one.number for one in findings if one.outcome is FindingOutcome.CONFIRMED), default=0
    )
    days = [one.decided_at[:10] for one in findings if one.number > last]
    return min(days, default=None) if last else None


def _overturned() -> ColumnElement[str]:
    """The day of the first finding on a hit after the last that confirmed it; null: there is none.

    Of a hit whose newest finding confirms it, too, it is null.
    """
    upheld, later = FINDING.alias("upheld"), FINDING.alias("later")
    last = (
        select(func.max(upheld.c.number))
        .where(
            upheld.c.hit_id == HIT.c.hit_id,
            upheld.c.outcome == FindingOutcome.CONFIRMED.value,
        )
        .scalar_subquery()
        .correlate(HIT)
    )
    return (
        select(func.min(func.substr(later.c.decided_at, 1, 10)))
        .where(later.c.hit_id == HIT.c.hit_id, later.c.number > last)
        .scalar_subquery()
        .correlate(HIT)
    )


def _fine_stands() -> ColumnElement[bool]:
    """Whether a hit was exported for a fine, and nobody was told yet to withdraw it."""
    exported = select(FINE_EXPORT.c.hit_id).where(FINE_EXPORT.c.hit_id == HIT.c.hit_id).exists()
    told = (FINE_WITHDRAWAL.c.case_id == HIT.c.hit_id) & FINE_WITHDRAWAL.c.named_at.is_not(None)
    return and_(exported, ~select(FINE_WITHDRAWAL.c.case_id).where(told).exists())


def _signed() -> ColumnElement[bool]:
    """Whether a person has signed a finding on the hit that is not stored yet."""
    waits = (REVIEW_CASE.c.hit_id == HIT.c.hit_id) & REVIEW_CASE.c.signed.is_not(None)
    return select(REVIEW_CASE.c.hit_id).where(waits).exists()


def day_before(today: date, days: int) -> str:
    """The day this many days before today: the newest whose hits are due."""
    return (today - timedelta(days=days)).isoformat()


def _held(today: date) -> ColumnElement[bool]:
    in_force = (
        (HOLD.c.hit_id == HIT.c.hit_id)
        & HOLD.c.ended_at.is_(None)
        & (HOLD.c.last_day >= today.isoformat())
    )
    return select(HOLD.c.hit_id).where(in_force).exists()
