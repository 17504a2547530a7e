"""Requests of people about themselves: access, rectification, erasure, objection.

A clerk writes down a request with its limits: one site, at most `LONGEST_SPAN` days, the number of
the file and how the person has proved that the vehicle is hers. Above `ALONE_SPAN` days another
person approves it. The plate is given only when the request is answered, once. The answer comes
from cases: hits of that site and those days that an officer has taken up are opened one by one in
the process of the clerk and compared with the plate. There is no index of plates, and no other
comparison. Pictures are given only of a vehicle that is hers: where no officer has typed the plate,
or it was misread, or read in two ways, they may show somebody else's.

The audit log has the request and a digest of the plate before the first hit is opened, and each
case that is shown before it is. The digest is HMAC-SHA256 under a random key that only the answer
holds: the person can prove with it what was asked, and the desk can test no plate against it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from edge.authority.opening import OpenedHit, open_hit
from edge.authority.store import Reason
from edge.desk import cases
from edge.desk.accounts import ActingPerson, all_people
from edge.desk.cases import KeptJudgement
from edge.desk.decoys import is_real
from edge.desk.due_hits import due_day, overturned_day
from edge.desk.findings import TYPING_KEY_BYTES, DeskFinding, typing_digest, typing_key
from edge.desk.keeping import keep_within
from edge.desk.outcomes import FindingOutcome
from edge.desk.people import rights_in_force
from edge.desk.request_terms import (
    HOME,
    MOST_A_DAY,
    PersonRequest,
    RequestKind,
    RequestTerms,
    all_requests,
    change_request,
    find_request,
    not_now,
    request_row,
    require_known_site,
)
from edge.desk.retention_terms import (
    HitHold,
    HoldReason,
    RetentionTerm,
    all_terms,
    holds_of,
    insert_hold,
    require_role,
    term_of,
)
from edge.desk.rights import APPROVERS, DeskRole, RightScope
from edge.desk.store.database import DeskDatabase
from edge.desk.store.kept_payloads import payload_of
from edge.desk.store.tables import (
    HIT,
    HOLD,
    JUDGEMENT,
    PERSON_REQUEST,
    REQUEST_CASE,
    REVIEW_CASE,
)
from edge.domain.plates import PlateText
from edge.errors import AccessError, EdgeError
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.audit_events import CaseOpened, Event, HoldChanged, RequestChanged
from edge.privacy.keys import AuthorityPrivateKeys, BoxPublicKeys
from edge.privacy.sealing import Picture

HELD_FOR: Final = timedelta(days=60)
"""How long a case stays at least, once it waits for an officer because of a request."""


@dataclass(frozen=True, slots=True)
class AnsweredCase:
    """A case about the person's vehicle.

    Attributes:
        opened: the hit.
        pictures: of it, to be given to the person; empty if they may show somebody else's vehicle.
        outcome: of the newest finding; None: there is none yet.
        decided_at: when that finding was signed.
        last_day: the day on which it is deleted, or until which it is held.
        held: whether somebody holds it beyond its term.
        not_held_again: whether the request holds it no longer than an earlier one of this clerk.
    """

    opened: OpenedHit = field(repr=False)
    pictures: tuple[Picture, ...] = field(repr=False)
    outcome: FindingOutcome | None
    decided_at: datetime | None
    last_day: date
    held: bool
    not_held_again: bool


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """What the desk answers.

    Attributes:
        request: the request.
        cases: about the vehicle; oldest first.
        unopened: cases of that site and time that could not be opened here, or whose newest
            finding is signed and cannot be stored.
        term: that of the site.
        plate_hmac: the digest in the audit log.
        key: under which it was made; it is kept nowhere else.
        made_at: when.
    """

    request: PersonRequest
    cases: tuple[AnsweredCase, ...]
    unopened: int
    term: RetentionTerm
    plate_hmac: str
    key: bytes = field(repr=False)
    made_at: datetime


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A case of the site and days of a request; `day`: from which its retention counts."""

    hit_id: str
    day: str


@dataclass(frozen=True, slots=True)
class _Readings:
    """What the plate of a case was compared with.

    Attributes:
        asked: digest of the plate in the request, under the key of the case.
        typed: digests of all plates that officers typed.
        read: digest of what the box read.
    """

    asked: str
    typed: frozenset[str]
    read: str

    def shows_hers(self, newest: DeskFinding | None) -> bool:
        """Whether the pictures show the vehicle of this plate, and no other.

        Two officers, or an officer and the box, establish whose vehicle it is. Without that, the
        box may have misread the plate of somebody else, or the vehicle may have other plates.
        """
        if newest is not None:
            if newest.reason is Reason.WRONG_VEHICLE:
                return False
            if newest.outcome is FindingOutcome.CONFIRMED or newest.reason is Reason.MISREAD:
                return newest.typed == self.asked
        return self.typed == {self.asked} and self.read == self.asked


class PersonRequests:
    """The requests of a desk.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
        secret: of the desk's folder, for digests of typed plates.
    """

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
        secret: bytes,
    ) -> None:
        self._database = database
        self._record = record
        self._utc = utc
        self._secret = secret
        self._authority = database.authority()

    def open(self, acting: ActingPerson, terms: RequestTerms) -> PersonRequest:
        """Write down a request, without the plate.

        Raises:
            AccessError: `E_RIGHT`: she is no clerk there; `E_REQUEST`: she has recorded as many
                as she may today.
            UsageError: a limit has a wrong form, or is too wide; the desk knows no such site.
        """
        now = self._utc()
        terms.require_valid(now)
        request = PersonRequest(secrets.token_hex(8), terms, acting.name, now, None, None)
        with self._database.writing(alone=True) as connection:
            self._require_clerk(connection, acting, terms, now)
            require_known_site(connection, terms.site)
            today = func.substr(PERSON_REQUEST.c.opened_at, 1, 10) == now.date().isoformat()
            opened = (
                select(func.count())
                .select_from(PERSON_REQUEST)
                .where(PERSON_REQUEST.c.opened_by == acting.name, today)
            )
            if connection.execute(opened).scalar_one() >= MOST_A_DAY:
                raise AccessError(
                    f"{acting.name} has recorded {MOST_A_DAY} requests today, which is the "
                    "limit; go on tomorrow, or have another clerk do it",
                    code="E_REQUEST",
                )
            connection.execute(PERSON_REQUEST.insert().values(request_row(request)))
            self._log("opened", request, acting, None)
        return request

    def approve(self, acting: ActingPerson, request_id: str) -> PersonRequest:
        """Approve a request that is not answered yet.

        One for more than `ALONE_SPAN` days needs it; so does one that is to hold cases again which
        its clerk has held before.

        Raises:
            AccessError: `E_FOUR_EYES`: she has written it down herself; `E_RIGHT`: she may not
                approve; `E_REQUEST`: it does not wait for that.
        """
        now = self._utc()
        with self._database.writing(alone=True) as connection:
            request = find_request(connection, request_id, now.date())
            if request.answered_at is not None or request.approved_by is not None:
                raise not_now(request, "approve only what is neither approved nor answered")
            if request.opened_by == acting.name:
                raise AccessError(
                    f"{acting.name} has recorded this request; another person approves it",
                    code="E_FOUR_EYES",
                )
            scope = RightScope(self._authority, request.terms.site)
            require_role(connection, acting, APPROVERS, now, scope, "approve requests")
            self._log("approved", request, acting, None)
            change_request(connection, request, approved_by=acting.name, approved_at=utc_text(now))
            return find_request(connection, request_id, now.date())

    def list(self) -> tuple[PersonRequest, ...]:
        """All requests, oldest first."""
        with self._database.reading() as connection:
            return all_requests(connection, self._utc().date())

    def answer(
        self,
        acting: ActingPerson,
        request_id: str,
        plate: PlateText,
        boxes: Mapping[tuple[str, str], BoxPublicKeys],
        keys: AuthorityPrivateKeys,
        zone: ZoneInfo = HOME,
    ) -> RequestAnswer:
        """Answer a request, once. If the process ends before the answer was kept, open a new one.

        Args:
            acting: the clerk who has written it down.
            request_id: the request.
            plate: as the person has given it.
            boxes: the public keys of the boxes.
            keys: the authority's private keys; they stay in this process.
            zone: of the site; it says when a day begins.

        Raises:
            AccessError: `E_RIGHT`: she is not that clerk, or no clerk there any more; `E_REQUEST`:
                it waits for approval, or was answered.
        """
        key = secrets.token_bytes(TYPING_KEY_BYTES)
        digest, now = typing_digest(key, plate), self._utc()
        with self._database.writing(alone=True) as connection:
            request = find_request(connection, request_id, now.date())
            if request.opened_by != acting.name:
                raise AccessError(
                    f"request {request_id} was recorded by {request.opened_by}, who answers it"
                )
            self._require_clerk(connection, acting, request.terms, now)
            if request.state != "to be answered":
                raise not_now(request, "answer only what waits for it, once")
            self._log("answered", request, acting, digest)
            change_request(connection, request, answered_at=utc_text(now), plate_hmac=digest)
            candidates = _candidates(connection, request.terms, zone)
        found, unopened = [], 0
        for one in candidates:
            kept = self._read(one)
            if kept is None:
                continue
            payload, case_key, typed = kept
            try:
                opened = open_hit(payload, boxes, keys)
            except EdgeError:
                unopened += 1
                continue
            asked = typing_digest(case_key, plate)
            readings = _Readings(asked, typed, typing_digest(case_key, opened.content.plate))
            if asked in {readings.read, *typed}:
                found.append((one, opened, readings))
        # Alone, as retention works: a hit that it has deleted meanwhile is left out.
        with self._database.writing(alone=True) as connection:
            here = _still_here(connection, [one.hit_id for one, *_ in found])
            shown: list[AnsweredCase] = []
            for each in found:
                if each[0].hit_id not in here:
                    continue
                try:  # What is signed and not stored yet is part of the answer.
                    keep_within(connection, self._record, self._authority, each[0].hit_id, now)
                except AccessError:
                    unopened += 1
                    continue
                shown.append(self._shown(connection, acting, request, *each, now))
            term = term_of(all_terms(connection), request.terms.site)
            answered = find_request(connection, request_id, now.date())
        return RequestAnswer(answered, tuple(shown), unopened, term, digest, key, now)

    def data_protection_officers(self, site: str) -> tuple[str, ...]:
        """Full names of the data protection officers of a site."""
        scope, today = RightScope(self._authority, site), self._utc().date()
        with self._database.reading() as connection:
            return tuple(
                one.full_name
                for one in all_people(connection)
                if rights_in_force(
                    connection, one.name, (DeskRole.DATA_PROTECTION_OFFICER,), today, scope
                )
            )

    def _read(self, one: _Candidate) -> tuple[bytes, bytes, frozenset[str]] | None:
        """A hit as it was received, the key of its case, and digests of the plates typed on it.

        None: retention has deleted it meanwhile.
        """
        with self._database.reading() as connection:
            row = connection.execute(
                select(HIT.c.payload, REVIEW_CASE.c.typing_key)
                .join(REVIEW_CASE, REVIEW_CASE.c.hit_id == HIT.c.hit_id)
                .where(HIT.c.hit_id == one.hit_id)
            ).one_or_none()
            if row is None:
                return None
            typed = select(JUDGEMENT.c.typed).where(JUDGEMENT.c.hit_id == one.hit_id)
            digests = frozenset(filter(None, connection.execute(typed).scalars()))
            payload = payload_of(connection, one.hit_id, row.payload)
        case_key = typing_key(self._secret, bytes(row.typing_key))
        return payload, case_key, digests

    def _shown(
        self,
        connection: Connection,
        acting: ActingPerson,
        request: PersonRequest,
        one: _Candidate,
        opened: OpenedHit,
        readings: _Readings,
        now: datetime,
    ) -> AnsweredCase:
        """What the answer says of a case; the audit log names the clerk first."""
        self._record(CaseOpened(one.hit_id, acting.name, "data-subject", "opened"))
        case = cases.locked(connection, one.hit_id, self._authority, now)
        own = [kept for kept in cases.judgements(connection, case) if kept.person == acting.name]
        if not own:  # she knows the plate, so she gives no finding on this hit
            seen = KeptJudgement(acting.name, case.number, cases.SEEN, None, None, now)
            cases.keep_judgement(connection, case, seen)
        newest = case.findings[-1] if case.findings else None
        confirmed = newest is not None and newest.outcome is FindingOutcome.CONFIRMED
        not_held_again, asks = False, request.terms.asks
        # To wait for an officer would only keep a case longer that is not confirmed.
        if asks is not RequestKind.ACCESS and (confirmed or asks is not RequestKind.ERASURE):
            not_held_again = not self._link(connection, acting, request, one.hit_id, now)
        term = term_of(all_terms(connection), request.terms.site)
        overturned = overturned_day(case.findings)
        due = date.fromisoformat(due_day(term, one.day, confirmed=confirmed, overturned=overturned))
        held = [hold.last_day for hold in holds_of(connection, one.hit_id) if hold.last_day >= due]
        return AnsweredCase(
            opened,
            opened.content.pictures if readings.shows_hers(newest) else (),
            None if newest is None else newest.outcome,
            None if newest is None else parse_utc(newest.decided_at),
            max(held, default=due),
            bool(held),
            not_held_again,
        )

    def _link(
        self,
        connection: Connection,
        acting: ActingPerson,
        request: PersonRequest,
        hit_id: str,
        now: datetime,
    ) -> bool:
        """Attach the request to a case, and keep the case until an officer has looked at it.

        Returns False if it holds the case no longer than before: a request of this kind holds it
        already, or this clerk has held it before and nobody else has approved the request.
        """
        holds = _may_hold(connection, request, hit_id, now.date())
        connection.execute(
            REQUEST_CASE.insert().values(
                link_id=secrets.token_hex(8),
                request_id=request.request_id,
                hit_id=hit_id,
                linked_at=utc_text(now),
            )
        )
        if not holds:
            return False
        last_day = (now + HELD_FOR).date()
        reference = request.terms.reference
        held = HitHold(
            secrets.token_hex(8),
            hit_id,
            HoldReason.APPEAL,
            reference,
            last_day,
            acting.name,
            ended=False,
        )
        self._record(HoldChanged("set", hit_id, "appeal", held.sha256(), acting.name))
        insert_hold(connection, held, now)
        return True

    def _require_clerk(
        self, connection: Connection, acting: ActingPerson, terms: RequestTerms, now: datetime
    ) -> None:
        scope = RightScope(self._authority, terms.site)
        require_role(connection, acting, (DeskRole.CLERK,), now, scope, "answer requests")

    def _log(
        self,
        action: Any,  # noqa: ANN401 - a Literal
        request: PersonRequest,
        acting: ActingPerson,
        plate_hmac: str | None,
    ) -> None:
        terms = request.terms
        self._record(
            RequestChanged(
                action,
                request.request_id,
                terms.sha256(),
                terms.asks.value,
                plate_hmac,
                acting.name,
            )
        )


def _may_hold(connection: Connection, request: PersonRequest, hit_id: str, today: date) -> bool:
    """Whether a request may hold a case now, after those that held it before."""
    earlier = connection.execute(
        select(HOLD.c.last_day, HOLD.c.ended_at, PERSON_REQUEST.c.asks, PERSON_REQUEST.c.opened_by)
        # A request sets its hold at the moment at which it is attached to the case.
        .join(
            REQUEST_CASE,
            (REQUEST_CASE.c.hit_id == HOLD.c.hit_id) & (REQUEST_CASE.c.linked_at == HOLD.c.set_at),
        )
        .join(PERSON_REQUEST, PERSON_REQUEST.c.request_id == REQUEST_CASE.c.request_id)
        .where(HOLD.c.hit_id == hit_id)
    ).all()
    if any(
        one.asks == request.terms.asks.value
        and one.ended_at is None
        and one.last_day >= today.isoformat()
        for one in earlier
    ):
        return False
    by_her = any(one.opened_by == request.opened_by for one in earlier)
    return not by_her or request.approved_by is not None


def _still_here(connection: Connection, hit_ids: list[str]) -> set[str]:
    """Those of these hits that retention has not deleted."""
    return {
        hit_id
        for hit_id in hit_ids
        if connection.execute(select(HIT.c.hit_id).where(HIT.c.hit_id == hit_id)).first()
    }


def _candidates(
    connection: Connection, terms: RequestTerms, zone: ZoneInfo
) -> tuple[_Candidate, ...]:
    """The cases of the site and days: hits that an officer has taken up."""
    first, end = terms.moments(zone)
    query = (
        select(HIT.c.hit_id, HIT.c.day)
        .join(REVIEW_CASE, REVIEW_CASE.c.hit_id == HIT.c.hit_id)
        .where(
            HIT.c.site == terms.site,
            HIT.c.observed_at >= first,
            HIT.c.observed_at < end,
            is_real(HIT.c.hit_id),
        )
        .order_by(HIT.c.observed_at, HIT.c.hit_id)
    )
    return tuple(_Candidate(row.hit_id, row.day) for row in connection.execute(query))
