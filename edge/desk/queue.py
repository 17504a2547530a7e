"""The hits that wait for an officer, oldest first, within the limits of her rights.

A hit waits for an officer or second officer until a finding decides or refers it; one that was
referred waits for a second officer who took no part in it. A page is read from the index
`hit_in_queue`, for each role, site and rule in order of time. The index holds waiting hits only, so
the work grows neither with their number nor with that of the decided ones.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, ScalarSelect, Select, func, select, tuple_

from edge.desk.rights import JUDGES, DeskRight, DeskRole, RightScope
from edge.desk.standing import holders
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import FINDING, HIT, JUDGEMENT
from edge.formats.timestamps import parse_utc, utc_text

PAGE = 50
"""How many hits a page shows."""

_MAY = {DeskRole.OFFICER: JUDGES, DeskRole.SECOND_OFFICER: (DeskRole.SECOND_OFFICER,)}
"""For a role that a hit waits for: the roles of which a person gives the finding."""


@dataclass(frozen=True, order=True, slots=True)
class QueuePlace:
    """Where a hit stands in the queue."""

    observed_at: datetime
    hit_id: str


@dataclass(frozen=True, slots=True)
class WaitingHit:
    """What the signed header of a waiting hit says in clear; nothing from inside the seal.

    `second`: another officer has referred it. `held_by`: who reviews it now.
    """

    place: QueuePlace
    site: str
    camera: str
    rule: str
    second: bool
    held_by: str | None = None


@dataclass(frozen=True, slots=True)
class SiteQueue:
    """How many hits wait at a site, and since when the oldest does."""

    site: str
    hits: int
    oldest: datetime


class HitQueue:
    """Reads the queue of a desk."""

    def __init__(self, database: DeskDatabase) -> None:
        self._database = database

    def page(
        self, rights: Sequence[DeskRight], after: QueuePlace | None = None, *, now: datetime
    ) -> tuple[tuple[WaitingHit, ...], bool]:
        """One page of the hits that these rights cover, oldest first.

        Args:
            rights: of one person, in force, of a role in `JUDGES`.
            after: the last place of the page before; None: from the beginning.
            now: the time, for who holds a hit.

        Returns:
            The hits, and whether more follow.

        Raises:
            OutboxError: the database cannot be used.
        """
        authority, person = self._database.authority(), rights[0].terms.person
        with self._database.reading() as connection:
            parts = [
                connection.execute(page_query(role, site, rule, person, after)).all()
                for role in JUDGES
                for site, rule in _pairs(connection, role)
                if any(
                    right.terms.scope.covers(RightScope(authority, site, rule))
                    and right.terms.role in _MAY[role]
                    for right in rights
                )
            ]
            merged = heapq.merge(*parts, key=lambda row: (row.observed_at, row.hit_id))
            found = tuple(islice(merged, PAGE + 1))
            held = holders(connection, [row.hit_id for row in found], now)
        # Only what the page shows is made of the rows: most sites have more than it shows.
        return tuple(_hit(row, held) for row in found[:PAGE]), len(found) > PAGE

    def sites(self) -> tuple[SiteQueue, ...]:
        """How many hits wait at each site.

        Raises:
            OutboxError: the database cannot be used.
        """
        found: dict[str, list[tuple[int, str]]] = {}
        with self._database.reading() as connection:
            for role in JUDGES:
                for site, hits, oldest in connection.execute(sites_query(role)):
                    found.setdefault(site, []).append((hits, oldest))
        return tuple(
            SiteQueue(
                site,
                sum(hits for hits, _ in found[site]),
                parse_utc(min(oldest for _, oldest in found[site])),
            )
            for site in sorted(found)
        )


def sites_query(role: DeskRole) -> Select[Any]:
    """The statement that counts the hits of each site that wait for a role, and finds the oldest.

    One role at a time, because the index of waiting hits begins with it, and has all that is read.
    """
    return (
        select(HIT.c.site, func.count(), func.min(HIT.c.observed_at))
        .where(HIT.c.waits_for == role.value)
        .group_by(HIT.c.site)
    )


def page_query(
    role: DeskRole, site: str, rule: str, person: str, after: QueuePlace | None
) -> Select[Any]:
    """The statement that reads one page of the hits of a site and rule that wait for a role."""
    names = ("hit_id", "site", "camera", "rule", "observed_at", "waits_for")
    columns = [HIT.c[name] for name in names]
    waits = (HIT.c.waits_for == role.value, HIT.c.site == site, HIT.c.rule == rule)
    query = select(*columns).where(*waits)
    if role is DeskRole.SECOND_OFFICER:
        query = query.where(_parts_taken(person) == 0)
    if after is not None:
        place = (utc_text(after.observed_at), after.hit_id)
        query = query.where(tuple_(HIT.c.observed_at, HIT.c.hit_id) > tuple_(*place))
    return query.order_by(HIT.c.observed_at, HIT.c.hit_id).limit(PAGE + 1)


def _parts_taken(person: str) -> ScalarSelect[int]:
    """In how many earlier findings on a hit a person took part.

    It is counted, because PostgreSQL would turn a condition that nothing exists into a join of
    whole tables.
    """
    return (
        select(func.count())
        .select_from(JUDGEMENT.join(FINDING, FINDING.c.hit_id == JUDGEMENT.c.hit_id))
        .where(
            JUDGEMENT.c.hit_id == HIT.c.hit_id,
            JUDGEMENT.c.person == person,
            JUDGEMENT.c.number <= FINDING.c.number,
        )
        .correlate(HIT)
        .scalar_subquery()
    )


def pair_query(role: DeskRole, after: tuple[str, str]) -> Select[tuple[str, str]]:
    """The statement that finds the next pair of site and rule with hits that wait for a role."""
    pair = tuple_(HIT.c.site, HIT.c.rule)
    return (
        select(HIT.c.site, HIT.c.rule)
        .where(HIT.c.waits_for == role.value, pair > tuple_(*after))
        .order_by(HIT.c.site, HIT.c.rule)
        .limit(1)
    )


def _pairs(connection: Connection, role: DeskRole) -> Iterator[tuple[str, str]]:
    """Each pair of site and rule with hits that wait; one look at the index for each."""
    last = ("", "")
    while (row := connection.execute(pair_query(role, last)).one_or_none()) is not None:
        last = (row.site, row.rule)
        yield last


def _hit(row: Any, held: Mapping[str, str]) -> WaitingHit:  # noqa: ANN401 - a row of the query
    return WaitingHit(
        QueuePlace(parse_utc(row.observed_at), row.hit_id),
        row.site,
        row.camera,
        row.rule,
        second=row.waits_for == DeskRole.SECOND_OFFICER.value,
        held_by=held.get(row.hit_id),
    )
