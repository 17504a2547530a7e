"""How long a desk keeps hits, and why one stays longer: terms, and holds of single hits.

A term is for one site or for all. A supervisor proposes it and another person approves it. Where
none is in force, `PRODUCT_TERM` applies. A term can be shorter than its ceiling, never longer.

Days are whole UTC days: a hit is due on the day of its passage plus the days of the term.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, select

from edge.desk.accounts import ActingPerson
from edge.desk.cases import SEEN
from edge.desk.people import rights_in_force
from edge.desk.rights import APPROVERS, DeskRole, RightScope
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import no_hit
from edge.desk.store.tables import HIT, HOLD, JUDGEMENT, RETENTION_TERM
from edge.errors import AccessError, ConfigError, UsageError
from edge.formats.canonical import canonical_json
from edge.formats.identifiers import is_id, shown_id
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.audit_events import Event, HoldChanged, TermChanged

WAITING_CEILING: Final = 30
"""Days for a hit that is not confirmed: camera act of 21 March 2007, article 5, section 4."""

KEPT_CEILING: Final = 5 * 365 + 1
"""Days for a confirmed hit; chosen by this product."""

LONGEST_HOLD: Final = timedelta(days=365)
"""A hold ends after at most this time, unless a person sets another one."""


REFERENCE_PATTERN: Final = r"[A-Z]{1,12}[-/]20[0-9]{2}[-/][0-9]{1,8}"
"""The number of a file or decision. No other text: it could be a plate or a name."""


@dataclass(frozen=True, slots=True)
class RetentionTerm:
    """Days for hits that are not confirmed and for confirmed ones, and the decision behind them.

    `site` None: of all sites that have no term of their own.
    """

    site: str | None
    waiting_days: int
    kept_days: int
    basis: str

    def require_valid(self) -> None:
        """Refuse a term that cannot be proposed.

        Raises:
            UsageError: names the field and the cure.
            ConfigError: `E_RETENTION_CEILING`: it is too long.
        """
        if self.site is not None and not is_id(self.site):
            raise UsageError("--site: not an id of small letters, digits and hyphens")
        require_reference(self.basis, "--basis")
        for option, days, ceiling in (
            ("--waiting-days", self.waiting_days, WAITING_CEILING),
            ("--kept-days", self.kept_days, KEPT_CEILING),
        ):
            if days < 1:
                raise UsageError(f"{option}: give at least 1 day")
            if days > ceiling:
                raise ConfigError(
                    f"{option}: {days} days are more than the {ceiling} that are allowed; shorten "
                    "it",
                    code="E_RETENTION_CEILING",
                )

    def sha256(self) -> str:
        """The digest of the term in canonical JSON."""
        document = {name: getattr(self, name) for name in self.__slots__}
        return hashlib.sha256(canonical_json(document)).hexdigest()

    def days(self, *, confirmed: bool) -> int:
        """How many days a hit is kept."""
        return self.kept_days if confirmed else self.waiting_days


PRODUCT_TERM: Final = RetentionTerm(None, WAITING_CEILING, 365, "none")
"""What applies while nobody has approved a term."""


@dataclass(frozen=True, slots=True)
class ProposedTerm:
    """A term with its history; in force once it is approved."""

    term_id: str
    term: RetentionTerm
    proposed_by: str
    approved_by: str | None
    approved_at: datetime | None


class HoldReason(str, Enum):
    """Why a hit stays longer than its term. A closed list."""

    APPEAL = "appeal"
    COURT = "court"


@dataclass(frozen=True, slots=True)
class HitHold:
    """A hold of a hit, until the end of its last day unless somebody ends it earlier."""

    hold_id: str
    hit_id: str
    reason: HoldReason
    reference: str
    last_day: date
    set_by: str
    ended: bool

    def sha256(self) -> str:
        """The digest of what was decided, which the audit log records."""
        document = {
            "hit_id": self.hit_id,
            "reason": self.reason.value,
            "reference": self.reference,
            "last_day": self.last_day.isoformat(),
            "set_by": self.set_by,
        }
        return hashlib.sha256(canonical_json(document)).hexdigest()


class RetentionTerms:
    """The terms and holds of a desk; each change is in the audit log before it takes effect."""

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._record = record
        self._utc = utc

    def terms(self) -> tuple[ProposedTerm, ...]:
        """All terms that were ever proposed, oldest first."""
        with self._database.reading() as connection:
            return all_terms(connection)

    def propose(self, acting: ActingPerson, term: RetentionTerm) -> ProposedTerm:
        """Propose a term; it is in force only once another person approves it.

        Raises:
            AccessError: `E_RIGHT`: she is no supervisor there.
            UsageError: a field has a wrong form.
            ConfigError: `E_RETENTION_CEILING`.
        """
        term.require_valid()
        now = self._utc()
        with self._database.writing(alone=True) as connection:
            require_role(
                connection, acting, (DeskRole.SUPERVISOR,), now, self._scope(term), "propose terms"
            )
            term_id = secrets.token_hex(8)
            connection.execute(
                RETENTION_TERM.insert().values(
                    term_id=term_id,
                    site=term.site,
                    waiting_days=term.waiting_days,
                    kept_days=term.kept_days,
                    basis=term.basis,
                    proposed_by=acting.name,
                    proposed_at=utc_text(now),
                )
            )
            self._record(TermChanged("proposed", term_id, term.sha256(), acting.name))
        return ProposedTerm(term_id, term, acting.name, None, None)

    def approve(self, acting: ActingPerson, term_id: str) -> ProposedTerm:
        """Approve a proposed term, which then applies to all hits, also those that are here.

        Raises:
            AccessError: `E_FOUR_EYES`: she proposed it herself; `E_RIGHT`: she may not approve, or
                it does not wait.
        """
        now = self._utc()
        with self._database.writing(alone=True) as connection:
            found = next((one for one in all_terms(connection) if one.term_id == term_id), None)
            if found is None or found.approved_at is not None:
                raise AccessError(
                    f"{shown_id(term_id)}: no such term waits; see `edge-anpr desk retain terms`"
                )
            if acting.name == found.proposed_by:
                raise AccessError(
                    f"{acting.name} has proposed this term; another person approves it",
                    code="E_FOUR_EYES",
                )
            scope = self._scope(found.term)
            require_role(connection, acting, APPROVERS, now, scope, "approve terms")
            self._record(TermChanged("approved", term_id, found.term.sha256(), acting.name))
            connection.execute(
                RETENTION_TERM.update()
                .where(RETENTION_TERM.c.term_id == term_id)
                .values(approved_by=acting.name, approved_at=utc_text(now))
            )
        return ProposedTerm(term_id, found.term, found.proposed_by, acting.name, now)

    def hold(
        self,
        acting: ActingPerson,
        hit_id: str,
        reason: HoldReason,
        reference: str,
        last_day: date,
    ) -> HitHold:
        """Keep a hit until a last day, for an appeal or a court.

        Raises:
            AccessError: `E_RIGHT`: she is neither supervisor nor data protection officer there.
            UsageError: the reference or the day has a wrong form, or the day is too far away.
            OutboxError: `E_NO_HIT`.
        """
        require_reference(reference, "--reference")
        now = self._utc()
        if not now.date() <= last_day <= now.date() + LONGEST_HOLD:
            raise UsageError(f"--until: give a day within {LONGEST_HOLD.days} days from today")
        held = HitHold(
            secrets.token_hex(8), hit_id, reason, reference, last_day, acting.name, ended=False
        )
        with self._database.writing(alone=True) as connection:
            self._require_hit_role(connection, acting, hit_id, now)
            insert_hold(connection, held, now)
            self._record(HoldChanged("set", hit_id, reason.value, held.sha256(), acting.name))
        return held

    def release(self, acting: ActingPerson, hold_id: str) -> None:
        """End a hold before its last day.

        Raises:
            AccessError: `E_RIGHT`: as `hold`, or there is no such hold; `E_FOUR_EYES`: it is for
                an appeal against what she has judged herself.
        """
        now = self._utc()
        with self._database.writing(alone=True) as connection:
            found = next((one for one in _holds(connection) if one.hold_id == hold_id), None)
            if found is None or found.ended:
                raise AccessError(
                    f"{shown_id(hold_id)}: no such hold; see `edge-anpr desk retain holds`"
                )
            self._require_hit_role(connection, acting, found.hit_id, now)
            if found.reason is HoldReason.APPEAL and _judged_before(connection, found, acting.name):
                raise AccessError(
                    f"{acting.name} has judged hit {found.hit_id}, and this hold is for an appeal "
                    "against that; another person ends it",
                    code="E_FOUR_EYES",
                )
            self._record(
                HoldChanged("ended", found.hit_id, found.reason.value, found.sha256(), acting.name)
            )
            connection.execute(
                HOLD.update()
                .where(HOLD.c.hold_id == hold_id)
                .values(ended_by=acting.name, ended_at=utc_text(now))
            )

    def holds(self) -> tuple[HitHold, ...]:
        """All holds, oldest first."""
        with self._database.reading() as connection:
            return _holds(connection)

    def _scope(self, term: RetentionTerm) -> RightScope:
        return RightScope(self._database.authority(), term.site)

    def _require_hit_role(
        self, connection: Connection, acting: ActingPerson, hit_id: str, now: datetime
    ) -> None:
        where = select(HIT.c.site, HIT.c.rule).where(HIT.c.hit_id == hit_id)
        hit = connection.execute(where).one_or_none()
        if hit is None:
            raise no_hit(hit_id)
        scope = RightScope(self._database.authority(), hit.site, hit.rule)
        require_role(connection, acting, APPROVERS, now, scope, "hold hits")


def require_role(
    connection: Connection,
    acting: ActingPerson,
    roles: tuple[DeskRole, ...],
    now: datetime,
    scope: RightScope,
    what: str,
) -> None:
    """Refuse a person without a right in force.

    Raises:
        AccessError: `E_RIGHT`.
    """
    if not rights_in_force(connection, acting.name, roles, now.date(), scope):
        needed = " or ".join(role.value for role in roles)
        raise AccessError(
            f"{acting.name} has no right in force to {what} for {scope}; that needs the role "
            f"{needed}, which a supervisor proposes"
        )


def require_reference(text: str, option: str) -> None:
    """Refuse what is no reference of a file or decision.

    Raises:
        UsageError: names the option.
    """
    if not re.fullmatch(REFERENCE_PATTERN, text, re.ASCII):
        raise UsageError(
            f"{option}: give the number of a file, with letters, year and number, such as "
            "GR-2026/114"
        )


def term_of(terms: tuple[ProposedTerm, ...], site: str) -> RetentionTerm:
    """The term that applies to a site: its own, that of all sites, or the product's."""
    newest = sorted(
        (one for one in terms if one.approved_at is not None),
        key=lambda one: (one.approved_at, one.term_id),
        reverse=True,
    )
    for wanted in (site, None):
        for one in newest:
            if one.term.site == wanted:
                return one.term
    return PRODUCT_TERM


def all_terms(connection: Connection) -> tuple[ProposedTerm, ...]:
    """All terms, oldest first."""
    order = (RETENTION_TERM.c.proposed_at, RETENTION_TERM.c.term_id)
    return tuple(_term(row) for row in connection.execute(select(RETENTION_TERM).order_by(*order)))


def _term(row: Any) -> ProposedTerm:  # noqa: ANN401 - a row of any table
    return ProposedTerm(
        row.term_id,
        RetentionTerm(row.site, row.waiting_days, row.kept_days, row.basis),
        row.proposed_by,
        row.approved_by,
        None if row.approved_at is None else parse_utc(row.approved_at),
    )


def insert_hold(connection: Connection, held: HitHold, now: datetime) -> None:
    """Keep a hold; its caller has recorded it, and commits."""
    connection.execute(
        HOLD.insert().values(
            hold_id=held.hold_id,
            hit_id=held.hit_id,
            reason=held.reason.value,
            reference=held.reference,
            last_day=held.last_day.isoformat(),
            set_by=held.set_by,
            set_at=utc_text(now),
        )
    )


def holds_of(connection: Connection, hit_id: str) -> tuple[HitHold, ...]:
    """The holds of a hit that nobody has ended."""
    return tuple(one for one in _holds(connection) if one.hit_id == hit_id and not one.ended)


def _judged_before(connection: Connection, held: HitHold, person: str) -> bool:
    """Whether a person had judged the hit, for a finding, when it was held."""
    query = (
        select(JUDGEMENT.c.judgement_id)
        .join(HOLD, HOLD.c.hit_id == JUDGEMENT.c.hit_id)
        .where(
            HOLD.c.hold_id == held.hold_id,
            JUDGEMENT.c.person == person,
            JUDGEMENT.c.judgement != SEEN,
            JUDGEMENT.c.judged_at <= HOLD.c.set_at,
        )
    )
    return connection.execute(query.limit(1)).first() is not None


def _holds(connection: Connection) -> tuple[HitHold, ...]:
    rows = connection.execute(select(HOLD).order_by(HOLD.c.set_at, HOLD.c.hold_id)).all()
    return tuple(
        HitHold(
            row.hold_id,
            row.hit_id,
            HoldReason(row.reason),
            row.reference,
            date.fromisoformat(row.last_day),
            row.set_by,
            ended=row.ended_at is not None,
        )
        for row in rows
    )
