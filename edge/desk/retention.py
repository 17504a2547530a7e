"""Deletes hits whose retention has ended, with all that belongs to them, and signs what it deleted.

Each transaction deletes some hits and keeps the statement about them, or does neither; the audit
log has the digest of the statement before the commit. So after a run that was killed nothing is
half deleted, and the next run deletes the rest. What stays of a hit: its random id for a month, and
the entries of the audit log.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from sqlalchemy import Connection, bindparam, func, select

from edge.desk.accounts import ActingPerson
from edge.desk.due_hits import DueHit, day_before, due_hits, due_query
from edge.desk.folder import DeskFolder
from edge.desk.keeping import keep_all
from edge.desk.retention_terms import PRODUCT_TERM, RetentionTerm, all_terms, require_role, term_of
from edge.desk.rights import APPROVERS, RightScope
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hit_boxes import boxes_with_hits
from edge.desk.store.kept_payloads import delete_payloads, sweep
from edge.desk.store.tables import (
    ASIDE,
    DECISION,
    DECOY,
    DELETION,
    FINE_EXPORT,
    FINE_WITHDRAWAL,
    HIT,
    METADATA,
    PERSON_REQUEST,
    RETENTION_STATEMENT,
    RETENTION_TIME,
)
from edge.domain.counting import coarse
from edge.errors import EdgeError
from edge.formats.signing import SigningKey
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.audit_events import Event, RetentionRun
from edge.privacy.deletions import (
    DeletedAtSite,
    DeletionStatement,
    DeletionTerms,
    sign_deletions,
)
from edge.privacy.keys import RETIRED_KEY_GRACE
from edge.privacy.retention_clock import TrustedTime, clock_words, trusted_time

_BATCH: Final = 1000
"""Hits that one transaction deletes."""

_PARAMETERS: Final = 500
"""Ids in one statement of SQL."""

REQUESTS_KEPT_DAYS: Final = 365
"""Days after which a person's request is deleted."""

_FIGURES: Final = (DECISION, DECOY)
"""Tables whose rows stay: of what month and outcome a decision was, and whether on a decoy."""

COMMAND: Final = "desk retain run --as NAME"
"""Deletes by the clock when a person says that it is right."""

_LOOK_EVERY_S: Final = 600.0
_LOG = logging.getLogger("edge.desk")


@dataclass(frozen=True, slots=True)
class DueAtSite:
    """How many hits of a site the next run deletes, rounded down to tens, and under which term."""

    site: str
    term: RetentionTerm
    not_confirmed: int | Literal["<10"]
    confirmed: int | Literal["<10"]


@dataclass(frozen=True, slots=True)
class NextRun:
    """What the next run deletes, if nothing changes before. `last`: the day of the newest one."""

    day: date
    last: date | None
    sites: tuple[DueAtSite, ...]


@dataclass(frozen=True, slots=True)
class DeletionReport:
    """What a run did: its statements, exact counts for the terminal, and the clock."""

    statements: tuple[DeletionStatement, ...]
    not_confirmed: int
    confirmed: int
    time: TrustedTime


class DeskRetention:
    """Deletes what is due at a desk.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
        key: signs statements; that of the audit log.
    """

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
        key: SigningKey,
    ) -> None:
        self._database = database
        self._record = record
        self._utc = utc
        self._key = key
        self._authority = database.authority()

    def run(
        self, by: ActingPerson | None = None, *, clock_is_right: bool = False
    ) -> DeletionReport:
        """Delete everything that is due, after every finding that is signed was stored.

        Args:
            by: who began it; None: the desk by itself.
            clock_is_right: she has compared the clock; only for a supervisor of all sites or the
                data protection officer.

        Raises:
            AccessError: `E_RIGHT`.
            OutboxError: the database cannot be used; whole steps are done, nothing is half done.
        """
        keep_all(self._database, self._record, self._authority, self._utc)
        finished: set[str] = set()
        report = self._step(by, finished, clock_is_right=clock_is_right)
        whole = report
        while report.not_confirmed + report.confirmed >= _BATCH:
            report = self._step(by, finished, clock_is_right=clock_is_right)
            whole = DeletionReport(
                whole.statements + report.statements,
                whole.not_confirmed + report.not_confirmed,
                whole.confirmed + report.confirmed,
                report.time,
            )
        self._database.forget()
        sweep(self._database)
        return whole

    def statements(self) -> tuple[DeletionStatement, ...]:
        """All statements, oldest first."""
        order = RETENTION_STATEMENT.c.number
        with self._database.reading() as connection:
            rows = connection.execute(select(RETENTION_STATEMENT.c.payload).order_by(order))
            return tuple(DeletionStatement.model_validate_json(bytes(one)) for (one,) in rows)

    def _step(
        self, by: ActingPerson | None, finished: set[str], *, clock_is_right: bool
    ) -> DeletionReport:
        with self._database.writing(alone=True) as connection:
            if by is not None and clock_is_right:
                everywhere = RightScope(self._authority)
                what = "say that the clock is right"
                require_role(connection, by, APPROVERS, self._utc(), everywhere, what)
            time = _time(connection, self._utc, confirmed=by is not None and clock_is_right)
            today = time.at.date()
            before = _newest_statement(connection)
            terms = _terms(connection, before)
            due = _due(connection, terms, today, finished)
            _delete(connection, due, today)
            _delete_old(connection, today)
            _keep_time(connection, time.at)
            statements: tuple[DeletionStatement, ...] = ()
            if due or before is None or before.day != today.isoformat():
                statement = self._statement(terms, due, before, today, by)
                connection.execute(
                    RETENTION_STATEMENT.insert().values(
                        number=statement.number, day=statement.day, payload=statement.to_payload()
                    )
                )
                statements = (statement,)
                name = None if by is None else by.name
                self._record(
                    RetentionRun(statement.number, statement.sha256(), time.state.value, name)
                )
        confirmed = sum(hit.confirmed for hit in due)
        return DeletionReport(statements, len(due) - confirmed, confirmed, time)

    def _statement(
        self,
        terms: dict[str, tuple[RetentionTerm, bool]],
        due: list[DueHit],
        before: DeletionStatement | None,
        today: date,
        by: ActingPerson | None,
    ) -> DeletionStatement:
        counts = Counter((hit.site, hit.confirmed) for hit in due)
        return sign_deletions(
            DeletionTerms(
                authority=self._authority,
                number=1 if before is None else before.number + 1,
                predecessor=None if before is None else before.sha256(),
                made_at=utc_text(self._utc()),
                day=today.isoformat(),
                by=None if by is None else by.name,
                sites=tuple(
                    DeletedAtSite(
                        site=site,
                        waiting_days=term.waiting_days,
                        kept_days=term.kept_days,
                        terms_sha256=term.sha256() if approved else None,
                        not_confirmed=coarse(counts[site, False]),
                        confirmed=coarse(counts[site, True]),
                    )
                    for site, (term, approved) in terms.items()
                ),
                key=self._key.public.text,
            ),
            self._key,
        )


def _time(connection: Connection, utc: Callable[[], datetime], *, confirmed: bool) -> TrustedTime:
    last = connection.execute(select(RETENTION_TIME.c.latest_at)).scalar_one_or_none()
    return trusted_time(
        utc(),
        None if last is None else parse_utc(last),
        [parse_utc(one.newest) for one in boxes_with_hits(connection)],
        confirmed=confirmed,
    )


def _newest_statement(connection: Connection) -> DeletionStatement | None:
    order = RETENTION_STATEMENT.c.number.desc()
    payload = connection.execute(
        select(RETENTION_STATEMENT.c.payload).order_by(order).limit(1)
    ).scalar_one_or_none()
    return None if payload is None else DeletionStatement.model_validate_json(bytes(payload))


def _terms(
    connection: Connection, before: DeletionStatement | None
) -> dict[str, tuple[RetentionTerm, bool]]:
    """The term of each site, and whether people have approved it.

    A site stays in the statements after its last hit was deleted: else they would show when.
    """
    sites = {one.site for one in boxes_with_hits(connection)}
    sites |= {one.site for one in (before.sites if before is not None else ())}
    every = all_terms(connection)
    found = {site: term_of(every, site) for site in sorted(sites)}
    return {site: (term, term is not PRODUCT_TERM) for site, term in found.items()}


def _due(
    connection: Connection,
    terms: dict[str, tuple[RetentionTerm, bool]],
    today: date,
    finished: set[str],
) -> list[DueHit]:
    """Hits that are due, of as many sites as fill one transaction.

    A site whose last due hit is among them is added to `finished`, and not asked again in this run.
    """
    due: list[DueHit] = []
    for site, (term, _) in terms.items():
        if site not in finished:
            due += due_hits(connection, site, term, today, _BATCH - len(due))
            if len(due) == _BATCH:
                break
            finished.add(site)
    return due


def _delete(connection: Connection, due: list[DueHit], today: date) -> None:
    """Delete hits and every row that names them; only their ids stay, for a month.

    Figures stay, under a random id that no hit ever had.
    """
    # Children before parents, also in tables that later versions add.
    tables = [table for table in reversed(METADATA.sorted_tables) if "hit_id" in table.columns]
    for begin in range(0, len(due), _PARAMETERS):
        some = due[begin : begin + _PARAMETERS]
        rows = [
            {
                "hit_id": hit.hit_id,
                "hit_day": hit.day,
                "due_day": hit.due_day,
                "on_day": today.isoformat(),
                "stored_at": hit.stored_at,
            }
            for hit in some
        ]
        connection.execute(DELETION.insert(), rows)
        ids = [hit.hit_id for hit in some]
        delete_payloads(connection, ids)
        _keep_fines(connection, [hit.hit_id for hit in some if not hit.confirmed])
        others = [{"old": one, "new": secrets.token_hex(16)} for one in ids]
        for table in tables:
            if table in _FIGURES:
                renamed = table.update().where(table.c.hit_id == bindparam("old"))
                connection.execute(renamed.values(hit_id=bindparam("new")), others)
            elif table is not DELETION:
                connection.execute(table.delete().where(table.c.hit_id.in_(ids)))


def _keep_fines(connection: Connection, overturned: list[str]) -> None:
    """Before hits are deleted, keep the data of fines that nobody was told to withdraw."""
    told = select(FINE_WITHDRAWAL.c.case_id)
    order = (FINE_EXPORT.c.exported_at, FINE_EXPORT.c.row_id)
    query = (
        select(FINE_EXPORT.c.hit_id, FINE_EXPORT.c.finding_sha256, HIT.c.site, HIT.c.rule)
        .join(HIT, HIT.c.hit_id == FINE_EXPORT.c.hit_id)
        .where(FINE_EXPORT.c.hit_id.in_(overturned), FINE_EXPORT.c.hit_id.not_in(told))
    )
    newest = {row.hit_id: row for row in connection.execute(query.order_by(*order))}
    for case_id, row in newest.items():
        values = {"case_id": case_id, "site": row.site, "rule": row.rule}
        values["finding_sha256"] = row.finding_sha256
        connection.execute(FINE_WITHDRAWAL.insert().values(values))


def _delete_old(connection: Connection, today: date) -> None:
    """Delete old messages that were set aside, old requests, and ids that no box sends again."""
    aside = day_before(today, PRODUCT_TERM.waiting_days)
    connection.execute(ASIDE.delete().where(func.substr(ASIDE.c.received_at, 1, 10) <= aside))
    asked = day_before(today, REQUESTS_KEPT_DAYS)
    old = func.substr(PERSON_REQUEST.c.opened_at, 1, 10) <= asked
    connection.execute(PERSON_REQUEST.delete().where(old))
    gone = FINE_WITHDRAWAL.c.case_id.not_in(select(HIT.c.hit_id))
    connection.execute(
        FINE_WITHDRAWAL.delete().where(FINE_WITHDRAWAL.c.named_at.is_not(None), gone)
    )
    ids = (today - RETIRED_KEY_GRACE).isoformat()
    connection.execute(DELETION.delete().where(DELETION.c.on_day < ids))


def _keep_time(connection: Connection, at: datetime) -> None:
    connection.execute(RETENTION_TIME.delete())
    connection.execute(RETENTION_TIME.insert().values(id=1, latest_at=utc_text(at)))


def needs_run(database: DeskDatabase, utc: Callable[[], datetime]) -> bool:
    """Whether there is no statement for today yet.

    Raises:
        OutboxError: the database cannot be used.
    """
    return _look(database, utc)[0]


def _look(database: DeskDatabase, utc: Callable[[], datetime]) -> tuple[bool, TrustedTime]:
    """Whether there is no statement for today yet, and what is thought of the clock.

    The newest statement may be of a later day: a clock that was ahead was taken for right.
    """
    with database.reading() as connection:
        time = _time(connection, utc, confirmed=False)
        newest = _newest_statement(connection)
    return newest is None or newest.day != time.at.date().isoformat(), time


def next_run(database: DeskDatabase, utc: Callable[[], datetime]) -> NextRun:
    """What the next run deletes: today if there was none yet, else tomorrow.

    Raises:
        OutboxError: the database cannot be used.
    """
    with database.reading() as connection:
        day = _time(connection, utc, confirmed=False).at.date()
        newest = _newest_statement(connection)
        last = None if newest is None else date.fromisoformat(newest.day)
        if last == day:
            day += timedelta(days=1)
        terms = {site: term for site, (term, _) in _terms(connection, newest).items()}
        counts: Counter[tuple[str, bool]] = Counter()
        # Many sites have the same term, so few statements read them all.
        for term in set(terms.values()):
            same = [site for site in terms if terms[site] == term]
            for at in range(0, len(same), _PARAMETERS):
                due = due_query(same[at : at + _PARAMETERS], term, day).subquery()
                columns = (due.c.site, due.c.confirmed)
                rows = connection.execute(select(*columns, func.count()).group_by(*columns))
                counts.update({(site, bool(confirmed)): count for site, confirmed, count in rows})
    sites = tuple(
        DueAtSite(site, term, coarse(counts[site, False]), coarse(counts[site, True]))
        for site, term in terms.items()
    )
    return NextRun(day, last, sites)


def last_run_day(database: DeskDatabase) -> str | None:
    """The day of the newest statement; None if there is none.

    Raises:
        OutboxError: the database cannot be used.
    """
    with database.reading() as connection:
        newest = _newest_statement(connection)
    return None if newest is None else newest.day


@contextmanager
def open_retention(folder: DeskFolder, utc: Callable[[], datetime]) -> Iterator[DeskRetention]:
    """The retention of a desk, with database and audit log of its own.

    Raises:
        OutboxError: the database cannot be used.
        AuditError: the audit log cannot be written, or was altered.
    """
    key = folder.signing_key()
    with folder.open_database() as database, folder.open_audit(utc) as audit:
        yield DeskRetention(database, audit.append, utc, key)


@contextmanager
def running_retention(folder: DeskFolder, utc: Callable[[], datetime]) -> Iterator[None]:
    """Delete what is due at once and on each new day, in a thread, until the block ends.

    A clock that is doubted is said in the log once a day.
    """
    ended = threading.Event()

    def work() -> None:
        said: date | None = None
        while True:
            try:
                with folder.open_database() as database:
                    needed, time = _look(database, utc)
                if needed:
                    with open_retention(folder, utc) as retention:
                        time = retention.run().time
                if time.doubted and said != utc().date():
                    said = utc().date()
                    _LOG.error("%s", clock_words(time, utc(), COMMAND))
            except EdgeError as error:
                _LOG.error("retention: %s", error)
            if ended.wait(_LOOK_EVERY_S):
                return

    thread = threading.Thread(target=work, name="retention", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=30)
