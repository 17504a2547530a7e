"""Sessions of people who are logged in on the web.

The browser holds a random token in a cookie; the database holds only its SHA-256, so a copy of the
database logs nobody in. A session ends 15 minutes after the last request, and 8 hours after login.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, or_, select

from edge.desk.accounts import ActingPerson
from edge.desk.sign_in import LoginWay
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import PERSON, SESSION
from edge.formats.identifiers import is_id
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.audit_events import Event, SessionChanged

IDLE: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=8)
_WRITTEN_EVERY: Final = timedelta(seconds=30)
"""The time of the last request is exact to this; it only ever ends a session earlier."""
_CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""How much later than now a session may have begun: a desk may run on several machines. A
session begun still later was begun while the clock was ahead. It is over, or it would last too
long."""


@dataclass(frozen=True, slots=True)
class WebSession:
    """A session that is open. Made by `WebSessions.find`."""

    acting: ActingPerson
    full_name: str
    token: str = field(repr=False)
    way: LoginWay = LoginWay.OWN


class WebSessions:
    """Begins, finds and ends sessions.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
    """

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._record = record
        self._utc = utc

    def begin(self, acting: ActingPerson, way: LoginWay = LoginWay.OWN) -> str:
        """Open a session for a person who has proved who she is; returns the new token.

        Raises:
            OutboxError: it could not be written; then nobody is logged in.
            AuditError: the entry could not be written; likewise.
        """
        token, now = secrets.token_urlsafe(32), self._utc()
        with self._database.writing() as connection:
            connection.execute(SESSION.delete().where(_over(now)))
            connection.execute(
                SESSION.insert().values(
                    token_sha256=_digest(token),
                    person=acting.name,
                    begun_at=utc_text(now),
                    seen_at=utc_text(now),
                    way=way.value,
                )
            )
            self._record(SessionChanged("login", acting.name))
        return token

    def refused(self, name: str) -> None:
        """Record a login that was refused; a name that belongs to nobody is not recorded."""
        with self._database.reading() as connection:
            found = connection.execute(
                select(PERSON.c.person).where(PERSON.c.person == (name if is_id(name) else ""))
            ).scalar_one_or_none()
        self._record(SessionChanged("refused", found))

    def find(self, token: str | None) -> WebSession | None:
        """The open session of a token, which now lasts longer; None if there is none.

        Raises:
            OutboxError: the database cannot be used.
        """
        if not token:
            return None
        now, mine = self._utc(), SESSION.c.token_sha256 == _digest(token)
        with self._database.reading() as connection:
            row = connection.execute(
                select(SESSION, PERSON.c.full_name)
                .join(PERSON, PERSON.c.person == SESSION.c.person)
                .where(mine, ~_over(now))
            ).one_or_none()
        if row is None:
            return None
        if now - parse_utc(row.seen_at) >= _WRITTEN_EVERY:
            with self._database.writing() as connection:
                connection.execute(SESSION.update().where(mine).values(seen_at=utc_text(now)))
        return WebSession(ActingPerson(row.person), row.full_name, token, LoginWay(row.way))

    def end(self, session: WebSession) -> None:
        """Log out; a second call records nothing more.

        Raises:
            OutboxError: it could not be written.
            AuditError: the entry could not be written; then the session is still open.
        """
        with self._database.writing() as connection:
            mine = SESSION.c.token_sha256 == _digest(session.token)
            if connection.execute(SESSION.delete().where(mine)).rowcount:
                self._record(SessionChanged("logout", session.acting.name))

    def end_others(self, session: WebSession) -> None:
        """End all other sessions of the person, after she has changed her passphrase."""
        with self._database.writing() as connection:
            connection.execute(
                SESSION.delete().where(
                    SESSION.c.person == session.acting.name,
                    SESSION.c.token_sha256 != _digest(session.token),
                )
            )


def form_token(secret: str) -> str:
    """The token that each form of a browser carries, derived from the secret in its cookie."""
    return hmac.new(secret.encode(), b"edge-anpr desk form", hashlib.sha256).hexdigest()


def is_form_token(sent: str, secret: str) -> bool:
    """Whether a form that was sent carries the token of the browser's cookie."""
    return hmac.compare_digest(sent.encode(), form_token(secret).encode())


def _over(now: datetime) -> ColumnElement[bool]:
    return or_(
        SESSION.c.seen_at <= utc_text(now - IDLE),
        SESSION.c.begun_at <= utc_text(now - LONGEST),
        SESSION.c.seen_at > utc_text(now + _CLOCKS_DIFFER),
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
