"""What a person asks about herself, within which limits, and how far the request is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from edge.desk.outcomes import FindingOutcome
from edge.desk.retention_terms import HoldReason, require_reference
from edge.desk.store.tables import (
    BOX_STATE,
    DECISION,
    ENTITLEMENT,
    FINDING,
    HIT,
    HOLD,
    PERSON_REQUEST,
    REQUEST_CASE,
    RETENTION_TERM,
)
from edge.errors import AccessError, UsageError
from edge.formats.canonical import canonical_json
from edge.formats.identifiers import is_id, shown_id
from edge.formats.timestamps import parse_utc, utc_text

HOME: Final = ZoneInfo("Europe/Brussels")
"""The time zone of a site whose policy is not known."""

LONGEST_SPAN: Final = 31
"""Most days of one request."""

ALONE_SPAN: Final = 7
"""Most days of a request that nobody else approves."""

MOST_A_DAY: Final = 10
"""Requests that one clerk may write down on one day."""


class RequestKind(str, Enum):
    """What a person asks: articles 15, 16, 17 and 21 GDPR; 14 and 16 of Directive 2016/680."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    OBJECTION = "objection"


class RequestProof(str, Enum):
    """How the person has proved that the vehicle is hers. A closed list."""

    REGISTRATION = "registration"
    LEASE = "lease"
    MANDATE = "mandate"


@dataclass(frozen=True, slots=True)
class RequestTerms:
    """What a request asks, and within which limits; the days are those of the place."""

    asks: RequestKind
    reference: str
    proof: RequestProof
    site: str
    first_day: date
    last_day: date

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1

    @property
    def four_eyes(self) -> bool:
        """Whether another person must approve it."""
        return self.days > ALONE_SPAN

    def moments(self, zone: ZoneInfo) -> tuple[str, str]:
        """When the first day and the day after the last one begin, in UTC as documents write it."""
        midnights = (self.first_day, self.last_day + timedelta(days=1))
        first, end = (utc_text(datetime.combine(day, time(), zone)) for day in midnights)
        return first, end

    def require_valid(self, now: datetime) -> None:
        """Refuse limits that no request may have.

        Raises:
            UsageError: names the option and the cure.
        """
        if not is_id(self.site):
            raise UsageError("--site: not an id of small letters, digits and hyphens")
        require_reference(self.reference, "--reference")
        if not self.first_day <= self.last_day <= now.astimezone(HOME).date():
            raise UsageError("--from, --until: give two days in order, not after today")
        if self.days > LONGEST_SPAN:
            raise UsageError(
                f"--from, --until: {self.days} days are more than {LONGEST_SPAN}; ask the person "
                "for a shorter time"
            )

    def sha256(self) -> str:
        """The digest of the terms in canonical JSON, which the audit log records."""
        document = {
            "asks": self.asks.value,
            "reference": self.reference,
            "proof": self.proof.value,
            "site": self.site,
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
        }
        return hashlib.sha256(canonical_json(document)).hexdigest()


@dataclass(frozen=True, slots=True)
class PersonRequest:
    """A request with its history; it holds no plate.

    Attributes:
        waiting: the hits of its cases that wait for an officer.
        missed: the hits of its cases whose hold has ended before an officer judged them. One that
            somebody has released is not among them.
    """

    request_id: str
    terms: RequestTerms
    opened_by: str
    opened_at: datetime
    approved_by: str | None
    answered_at: datetime | None
    waiting: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """How far it is, as `desk request list` says it."""
        if self.answered_at is not None:
            if self.waiting:
                return "waits for an officer"
            return "hold ended, not judged" if self.missed else "answered"
        if self.terms.four_eyes and self.approved_by is None:
            return "to be approved"
        return "to be answered"


def require_known_site(connection: Connection, site: str) -> None:
    """Refuse a site of which this desk has no hit, decision, box, deletion term or right.

    What is typed as a site is kept for a year, and may be a plate by mistake.

    Raises:
        UsageError: it quotes nothing that was typed.
    """
    known = (
        select(HIT.c.site).where(HIT.c.site == site),
        select(DECISION.c.site).where(DECISION.c.site == site),
        select(BOX_STATE.c.site).where(BOX_STATE.c.site == site),
        *(
            select(table.c.site).where(table.c.site == site, table.c.approved_at.is_not(None))
            for table in (RETENTION_TERM, ENTITLEMENT)
        ),
    )
    if not any(connection.execute(one.limit(1)).first() is not None for one in known):
        raise UsageError(
            "--site: this desk knows no such site, from no hit, box, approved term or right; give "
            "its id as in `edge-anpr desk boxes`"
        )


def all_requests(connection: Connection, today: date) -> tuple[PersonRequest, ...]:
    """All requests, oldest first, with their cases that no officer has judged since.

    A case waits as long as it is held for an appeal: after that no second officer judges it anew.
    """
    held = (
        select(HOLD.c.hit_id)
        .where(
            HOLD.c.hit_id == REQUEST_CASE.c.hit_id,
            HOLD.c.reason == HoldReason.APPEAL.value,
            HOLD.c.ended_at.is_(None),
        )
        .correlate(REQUEST_CASE)
    )
    later = (
        select(FINDING.c.hit_id)
        .where(
            FINDING.c.hit_id == REQUEST_CASE.c.hit_id,
            FINDING.c.decided_at > REQUEST_CASE.c.linked_at,
            FINDING.c.outcome != FindingOutcome.REFERRED.value,
        )
        .exists()
    )
    in_force = held.where(HOLD.c.last_day >= today.isoformat()).exists()
    links = (
        select(REQUEST_CASE.c.request_id, REQUEST_CASE.c.hit_id, in_force.label("waits"))
        .where(~later, held.exists())
        .order_by(REQUEST_CASE.c.hit_id)
    )
    open_cases: dict[tuple[str, bool], tuple[str, ...]] = {}
    for request_id, hit_id, waits in connection.execute(links):
        key = (request_id, bool(waits))
        open_cases[key] = (*open_cases.get(key, ()), hit_id)
    order = (PERSON_REQUEST.c.opened_at, PERSON_REQUEST.c.request_id)
    rows = connection.execute(select(PERSON_REQUEST).order_by(*order)).all()
    return tuple(
        PersonRequest(
            row.request_id,
            RequestTerms(
                RequestKind(row.asks),
                row.reference,
                RequestProof(row.proof),
                row.site,
                date.fromisoformat(row.first_day),
                date.fromisoformat(row.last_day),
            ),
            row.opened_by,
            parse_utc(row.opened_at),
            row.approved_by,
            None if row.answered_at is None else parse_utc(row.answered_at),
            waiting=open_cases.get((row.request_id, True), ()),
            missed=open_cases.get((row.request_id, False), ()),
        )
        for row in rows
    )


def find_request(connection: Connection, request_id: str, today: date) -> PersonRequest:
    """The request of this id.

    Raises:
        AccessError: `E_REQUEST`: there is none.
    """
    found = [one for one in all_requests(connection, today) if one.request_id == request_id]
    if not found:
        raise AccessError(
            f"{shown_id(request_id)}: no such request; see `edge-anpr desk request list`",
            code="E_REQUEST",
        )
    return found[0]


def request_row(request: PersonRequest) -> dict[str, object]:
    """The row of a request that was just recorded."""
    terms = request.terms
    return {
        "request_id": request.request_id,
        "asks": terms.asks.value,
        "reference": terms.reference,
        "proof": terms.proof.value,
        "site": terms.site,
        "first_day": terms.first_day.isoformat(),
        "last_day": terms.last_day.isoformat(),
        "opened_by": request.opened_by,
        "opened_at": utc_text(request.opened_at),
        "four_eyes": terms.four_eyes,
    }


def change_request(connection: Connection, request: PersonRequest, **values: str) -> None:
    """Change columns of a request."""
    connection.execute(
        PERSON_REQUEST.update()
        .where(PERSON_REQUEST.c.request_id == request.request_id)
        .values(**values)
    )


def not_now(request: PersonRequest, cure: str) -> AccessError:
    """The error of a step that a request does not take now."""
    return AccessError(
        f"request {request.request_id}: its state is `{request.state}`; {cure}", code="E_REQUEST"
    )
