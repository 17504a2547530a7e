"""Codes for enrolment: a supervisor makes one, and its person adds a passkey with it, once.

So nobody ever knows the passphrase of somebody else. Whoever has the code can log in as the person:
therefore it is made only for an account without rights, and the rights that follow need a second
person again. A code becomes invalid when a right is proposed or approved for its person, and is
refused while she has one: otherwise whoever has the code would get the right. When the passkey is
added, every earlier way to log in is removed.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select

from edge.desk import accounts, passkeys, second_factor
from edge.desk.account_links import drop_links
from edge.desk.accounts import ActingPerson
from edge.desk.keeping import keep_hers
from edge.desk.passkey_keys import refused
from edge.desk.people import require_supervisor, rights_of
from edge.desk.relying_party import (
    parse_creation,
)
from edge.desk.rights import DeskRight
from edge.desk.sign_in import DeskSignIn
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import ENROLMENT, SESSION
from edge.errors import AccessError, UsageError
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.audit_events import EnrolmentChanged, Event

LASTS: Final = timedelta(minutes=15)
_OPEN_RIGHTS: Final = ("proposed", "not yet", "in force")


def make_code(
    database: DeskDatabase,
    record: Callable[[Event], object],
    acting: ActingPerson,
    person: str,
    now: datetime,
) -> str:
    """Make a code with which a person adds a passkey within `LASTS`; an earlier code ends.

    Raises:
        AccessError: the acting person is no supervisor, or the person has a right.
        UsageError: nobody has this name.
    """
    with database.writing(alone=True) as connection:
        require_supervisor(connection, acting, now.date(), "make codes for enrolment")
        if accounts.find_person(connection, person) is None:
            raise UsageError(
                f"{person[:40]!r}: nobody has this name; see `edge-anpr desk people list`",
                code="E_PERSON",
            )
        right = _open_right(connection, person, now)
        if right is not None:
            raise AccessError(
                f"{person} has right {right.right_id}, which whoever gets the code would use; "
                "revoke it first, and give it anew after the enrolment"
            )
        code = second_factor.new_code()
        connection.execute(ENROLMENT.delete().where(ENROLMENT.c.person == person))
        connection.execute(
            ENROLMENT.insert().values(
                person=person,
                code_sha256=second_factor.code_sha256(person, code),
                ends_at=utc_text(now + LASTS),
            )
        )
        record(EnrolmentChanged("made", person, acting.name))
    return code


class Enrolments:
    """Takes codes for enrolment on the web.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
        sign_in: keeps the new passkey.
    """

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
        sign_in: DeskSignIn,
    ) -> None:
        self._database = database
        self._record = record
        self._utc = utc
        self._sign_in = sign_in

    def begin(self, name: str, code: str, secret: str, desk: str) -> str:
        """What a browser is asked to make the passkey; an attempt with a wrong code is counted.

        Args:
            name: of the account.
            code: what was typed.
            secret: of the browser.
            desk: whose desk it is, shown by the browser.

        Raises:
            AccessError: `E_LOGIN`: the code is not hers, was used or has ended, or she has a right;
                or too many attempts were made at this name.
        """
        now = self._utc()
        accounts.count_attempt(self._database, name, now)
        with self._database.transaction() as connection:
            if not _is_open(connection, name, code, now):
                raise accounts.login_refused()
            accounts.forget_attempts(self._database, connection, name)
        challenge = self._sign_in.challenges.new(f"enrol {name}", secret)
        return self._sign_in.creation_with(name, challenge, desk)

    def finish(self, name: str, code: str, passkey_name: str, answer: str, secret: str) -> None:
        """Keep the passkey, end the code and every earlier way to log in.

        Raises:
            AccessError: `E_LOGIN`: as `begin`; `E_PASSKEY`.
            UsageError: the passkey's name has a wrong form.
        """
        given, now = parse_creation(answer), self._utc()
        if not self._sign_in.challenges.spend(given.challenge, f"enrol {name}", secret):
            raise refused()
        authority = self._database.authority()
        with self._database.writing(alone=True) as connection:
            if not _is_open(connection, name, code, now):
                raise accounts.login_refused()
            connection.execute(ENROLMENT.delete().where(ENROLMENT.c.person == name))
            accounts.drop_password(connection, name)
            second_factor.drop_codes(connection, name)
            second_factor.drop_recovery_codes(connection, name)
            keep_hers(connection, self._record, authority, name, now)
            for one in passkeys.of_person(connection, name):
                passkeys.write_removed(connection, one, name, now)
            connection.execute(SESSION.delete().where(SESSION.c.person == name))
            self._record(EnrolmentChanged("used", name, name))
            drop_links(connection, self._record, name, name)
            self._sign_in.keep_passkey(connection, ActingPerson(name), passkey_name, given)


def _open_right(connection: Connection, person: str, now: datetime) -> DeskRight | None:
    """A right that the person has, will have or may get; None if there is none."""
    rights = rights_of(connection, person)
    return next((one for one in rights if one.state(now.date()) in _OPEN_RIGHTS), None)


def _is_open(connection: Connection, name: str, code: str, now: datetime) -> bool:
    row = connection.execute(
        select(ENROLMENT).where(ENROLMENT.c.person == name).with_for_update()
    ).one_or_none()
    digest = second_factor.code_sha256(name, code)
    if row is None or _open_right(connection, name, now) is not None:
        return False
    # A code made while the clock was ahead would be valid for too long.
    in_time = timedelta(0) < parse_utc(row.ends_at) - now <= LASTS
    return hmac.compare_digest(row.code_sha256, digest) and in_time
