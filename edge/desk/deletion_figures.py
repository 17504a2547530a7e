"""Figures of deletions for who supervises: what was done, what is due, and which holds end soon.

All counts are coarse, as in the signed statements of deletion: below ten as `<10`, larger ones
rounded down to tens (P7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import select

from edge.desk.retention import DueAtSite, next_run
from edge.desk.retention_terms import HoldReason
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import HIT, HOLD, RETENTION_STATEMENT
from edge.privacy.deletions import DeletionStatement

DONE_DAYS: Final = 30
"""The days of the statements that are added up."""

SOON: Final = timedelta(days=14)
"""A hold ends soon if its last day is within this time."""


@dataclass(frozen=True, slots=True)
class SiteDeletions:
    """Deletions at a site.

    Attributes:
        due: what the next run deletes.
        not_confirmed: at least so many hits that nobody confirmed were deleted in `DONE_DAYS`; a
            run with fewer than ten adds none.
        confirmed: likewise of those that were confirmed.
    """

    due: DueAtSite
    not_confirmed: int
    confirmed: int


@dataclass(frozen=True, slots=True)
class DeletionFigures:
    """Deletions of a desk.

    Attributes:
        next_day: of the next run.
        last_day: of the newest run; None: there was none.
        missed: a day has passed without a run.
        sites: by id.
    """

    next_day: date
    last_day: date | None
    missed: bool
    sites: tuple[SiteDeletions, ...]


@dataclass(frozen=True, slots=True)
class EndingHold:
    """A hold whose last day is near."""

    hit_id: str
    site: str
    rule: str
    reason: HoldReason
    reference: str
    last_day: date


def deletion_figures(
    database: DeskDatabase, utc: Callable[[], datetime], sites: frozenset[str] | None = None
) -> DeletionFigures:
    """The deletions at these sites; None: at all.

    Raises:
        OutboxError: the database cannot be used.
    """
    coming = next_run(database, utc)
    since = (coming.day - timedelta(days=DONE_DAYS)).isoformat()
    query = select(RETENTION_STATEMENT.c.payload).where(RETENTION_STATEMENT.c.day >= since)
    done: Counter[tuple[str, bool]] = Counter()
    with database.reading() as connection:
        for payload in connection.execute(query).scalars():
            for one in DeletionStatement.model_validate_json(bytes(payload)).sites:
                done[one.site, False] += 0 if one.not_confirmed == "<10" else one.not_confirmed
                done[one.site, True] += 0 if one.confirmed == "<10" else one.confirmed
    # A desk without a run deletes today, also if its clock is far ahead of the boxes: then only
    # what was due earlier.
    today = utc().date()
    return DeletionFigures(
        max(coming.day, today) if coming.last is None else coming.day,
        coming.last,
        coming.last is not None and coming.day > coming.last + timedelta(days=1),
        tuple(
            SiteDeletions(one, done[one.site, False], done[one.site, True])
            for one in coming.sites
            if sites is None or one.site in sites
        ),
    )


def ending_holds(database: DeskDatabase, today: date) -> tuple[EndingHold, ...]:
    """The holds in force that end soon, the first to end first.

    Raises:
        OutboxError: the database cannot be used.
    """
    query = (
        select(HOLD, HIT.c.site, HIT.c.rule)
        .join(HIT, HIT.c.hit_id == HOLD.c.hit_id)
        .where(
            HOLD.c.ended_at.is_(None),
            HOLD.c.last_day >= today.isoformat(),
            HOLD.c.last_day <= (today + SOON).isoformat(),
        )
        .order_by(HOLD.c.last_day, HOLD.c.hold_id)
    )
    with database.reading() as connection:
        return tuple(
            EndingHold(
                row.hit_id,
                row.site,
                row.rule,
                HoldReason(row.reason),
                row.reference,
                date.fromisoformat(row.last_day),
            )
            for row in connection.execute(query)
        )
