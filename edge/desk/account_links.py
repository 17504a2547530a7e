"""Which account at a provider of logins is which person at the desk: made by two people.

Whoever has the account at the provider logs in as the person, so a link is made as a right is: a
supervisor proposes it, and another person approves it. It names issuer and subject; no e-mail
address and no name is ever compared. The person herself may be one of the two: she knows best
which account is hers, and a link gives her no right.

Each change is one transaction with its entry in the audit log.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select

from edge.desk import accounts
from edge.desk.accounts import ActingPerson
from edge.desk.people import require_supervisor, rights_in_force
from edge.desk.rights import APPROVERS, RightScope
from edge.desk.sign_in import LoginWay
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import ACCOUNT_LINK, SESSION
from edge.errors import AccessError, UsageError
from edge.formats.canonical import canonical_json
from edge.formats.identifiers import shown_id
from edge.formats.timestamps import parse_utc, utc_text
from edge.formats.visible import unseen_at
from edge.privacy.audit_events import AccountLinkChanged, Event

_LONGEST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class AccountLink:
    """A link; it logs her in once it is approved."""

    link_id: str
    person: str
    issuer: str
    subject: str = field(repr=False)
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None

    def sha256(self) -> str:
        """The digest of issuer and subject, which the audit log records."""
        account = {"issuer": self.issuer, "subject": self.subject}
        return hashlib.sha256(canonical_json(account)).hexdigest()


class AccountLinks:
    """The links of a desk.

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

    def all(self, person: str | None = None) -> tuple[AccountLink, ...]:
        """All links, oldest first; of one person, if she is named."""
        with self._database.reading() as connection:
            return _links(connection, person)

    def propose(self, acting: ActingPerson, person: str, issuer: str, subject: str) -> AccountLink:
        """Propose that an account at a provider logs in a person.

        Args:
            acting: a supervisor of all sites and rules.
            person: whom it logs in.
            issuer: of the provider, as in `desk.json`.
            subject: of the account, as the provider says it (`sub`).

        Raises:
            AccessError: she is no such supervisor.
            UsageError: nobody has this name; the subject has a wrong form; the account, or the
                person at this provider, has a link.
        """
        if (
            not 0 < len(subject.strip()) == len(subject) <= _LONGEST_SUBJECT
            or unseen_at(subject) is not None
            or set(subject) & set("\t\r\n")
        ):
            raise UsageError(
                "--subject: copy the subject (sub) of the account from its provider: at most "
                f"{_LONGEST_SUBJECT} visible characters"
            )
        now = self._utc()
        made = AccountLink(
            secrets.token_hex(8), person, issuer, subject, acting.name, now, None, None
        )
        with self._database.writing(alone=True) as connection:
            scope = RightScope(self._database.authority())
            require_supervisor(connection, acting, now.date(), "link accounts", scope)
            if accounts.find_person(connection, person) is None:
                raise UsageError(
                    f"{person[:40]!r}: nobody has this name; see `edge-anpr desk people list`",
                    code="E_PERSON",
                )
            for other in _links(connection):
                if other.issuer == issuer and (other.subject == subject or other.person == person):
                    raise UsageError(
                        f"link {other.link_id} of {other.person} has this account or person; "
                        f"remove it first: `edge-anpr desk people unlink {other.link_id}`"
                    )
            connection.execute(
                ACCOUNT_LINK.insert().values(
                    link_id=made.link_id,
                    person=person,
                    issuer=issuer,
                    subject=subject,
                    proposed_by=acting.name,
                    proposed_at=utc_text(now),
                )
            )
            self._record(_event("proposed", made, acting.name))
        return made

    def approve(self, acting: ActingPerson, link_id: str) -> AccountLink:
        """Approve a link that another person has proposed; it logs in from now on.

        Raises:
            AccessError: `E_FOUR_EYES`: she has proposed it herself; she may not approve, or it is
                not waiting.
        """
        now = self._utc()
        with self._database.writing(alone=True) as connection:
            link = _find(connection, link_id)
            if link.approved_at is not None:
                raise AccessError(
                    f"link {link.link_id} is approved already; approve only what is proposed"
                )
            if acting.name == link.proposed_by:
                raise AccessError(
                    f"{acting.name} has proposed link {link.link_id}; another person approves it",
                    code="E_FOUR_EYES",
                )
            scope = RightScope(self._database.authority())
            if not rights_in_force(connection, acting.name, APPROVERS, now.date(), scope):
                raise AccessError(
                    f"{acting.name} has no right in force to link accounts; that needs the role "
                    "supervisor or data-protection-officer for all sites and rules"
                )
            self._record(_event("approved", link, acting.name))
            connection.execute(
                ACCOUNT_LINK.update()
                .where(ACCOUNT_LINK.c.link_id == link.link_id)
                .values(approved_by=acting.name, approved_at=utc_text(now))
            )
            return _find(connection, link.link_id)

    def remove(self, acting: ActingPerson, link_id: str) -> AccountLink:
        """Remove a link or a proposal at once: one's own, or as a supervisor anybody's.

        The sessions that the person has begun with an account end.

        Raises:
            AccessError: there is no such link, or she may not remove it.
        """
        with self._database.writing(alone=True) as connection:
            link = _find(connection, link_id)
            if acting.name != link.person:
                day = self._utc().date()
                require_supervisor(connection, acting, day, "remove links of others")
            _drop(connection, self._record, link, acting.name)
        return link


def linked_person(connection: Connection, issuer: str, subject: str) -> str | None:
    """Whom an account at a provider logs in; None: nobody."""
    found = connection.execute(
        select(ACCOUNT_LINK.c.person).where(
            ACCOUNT_LINK.c.issuer == issuer,
            ACCOUNT_LINK.c.subject == subject,
            ACCOUNT_LINK.c.approved_at.is_not(None),
        )
    ).scalar_one_or_none()
    return None if found is None else str(found)


def drop_links(
    connection: Connection, record: Callable[[Event], object], person: str, by: str
) -> None:
    """Remove the links and proposals of a person."""
    for link in _links(connection, person):
        _drop(connection, record, link, by)


def _drop(
    connection: Connection, record: Callable[[Event], object], link: AccountLink, by: str
) -> None:
    record(_event("removed", link, by))
    mine = (SESSION.c.person == link.person, SESSION.c.way != LoginWay.OWN.value)
    connection.execute(SESSION.delete().where(*mine))
    connection.execute(ACCOUNT_LINK.delete().where(ACCOUNT_LINK.c.link_id == link.link_id))


def _event(
    action: Literal["proposed", "approved", "removed"], link: AccountLink, by: str
) -> AccountLinkChanged:
    return AccountLinkChanged(action, link.link_id, link.sha256(), link.person, by)


def _find(connection: Connection, link_id: str) -> AccountLink:
    found = [one for one in _links(connection) if one.link_id == link_id]
    if not found:
        raise AccessError(
            f"{shown_id(link_id)}: there is no such link; see `edge-anpr desk people links`"
        )
    return found[0]


def _links(connection: Connection, person: str | None = None) -> tuple[AccountLink, ...]:
    query = select(ACCOUNT_LINK).order_by(ACCOUNT_LINK.c.proposed_at, ACCOUNT_LINK.c.link_id)
    if person is not None:
        query = query.where(ACCOUNT_LINK.c.person == person)
    return tuple(_link(row) for row in connection.execute(query))


def _link(row: Any) -> AccountLink:  # noqa: ANN401 - a row of any table
    return AccountLink(
        row.link_id,
        row.person,
        row.issuer,
        row.subject,
        row.proposed_by,
        parse_utc(row.proposed_at),
        row.approved_by,
        None if row.approved_at is None else parse_utc(row.approved_at),
    )
