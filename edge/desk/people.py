"""Changes to people and their rights: each needs a person with the right, and is logged first.

Four eyes: a supervisor proposes a right, and another person approves it: a supervisor or the data
protection officer, neither the one who proposed nor the one who gets it. Two exceptions let a desk
begin, and both are in the log. The first account gets its own right of supervisor from `desk init`
(`alone`), also again when no right of a supervisor is in force any more. And while only one person
could approve, the second one approves her own right of supervisor or data protection officer.

Each change is one transaction: rows first, then the entry in the audit log, then the commit. If
the entry cannot be written, nothing changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from edge.desk import accounts
from edge.desk.accounts import ActingPerson, DeskPerson
from edge.desk.keeping import keep_hers
from edge.desk.rights import APPROVERS, DeskRight, DeskRole, RightScope, RightTerms
from edge.desk.sealed_keys import make_sealed_key, reseal_key
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import ENROLMENT, ENTITLEMENT
from edge.errors import AccessError, UsageError
from edge.formats.identifiers import shown_id
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.audit_events import Event, PersonChanged, RightChanged


class DeskPeople:
    """The people of a desk and their rights.

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

    def prove(self, name: str, passphrase: str) -> ActingPerson:
        """Return the acting person; see `edge.desk.accounts.prove`."""
        return accounts.prove(self._database, name, passphrase, self._utc)

    def people(self) -> tuple[DeskPerson, ...]:
        """Everyone with an account, by name."""
        with self._database.reading() as connection:
            return accounts.all_people(connection)

    def rights(self, person: str | None = None) -> tuple[DeskRight, ...]:
        """All rights that were ever proposed, oldest first; of one person if she is named."""
        with self._database.reading() as connection:
            return _rights(connection) if person is None else rights_of(connection, person)

    def require_supervisor(self, acting: ActingPerson, what: str) -> ActingPerson:
        """Return the acting person if she is a supervisor of all sites and rules.

        Raises:
            AccessError: she is none.
        """
        with self._database.reading() as connection:
            scope = RightScope(self._database.authority())
            require_supervisor(connection, acting, self._utc().date(), what, scope)
        return acting

    def begin(
        self,
        connection: Connection,
        person: str,
        full_name: str,
        passphrase: str,
        terms: RightTerms,
    ) -> DeskRight:
        """Make the first account and its right of supervisor, on a desk without people.

        Args:
            connection: the transaction that makes the desk.
            person: the name of the account.
            full_name: as on an identity card.
            passphrase: hers.
            terms: of the right; its role is supervisor.

        Raises:
            UsageError: a field has a wrong form.
            KeyFileError: the passphrase is too short.
        """
        now = self._utc()
        added = DeskPerson(person, full_name, person, now)
        terms.require_valid()
        accounts.insert_person(connection, added, accounts.hashed(passphrase))
        self._record(PersonChanged("added", person, person))
        return self._give_alone(connection, terms, now)

    def add(
        self, acting: ActingPerson, person: str, full_name: str, passphrase: str | None
    ) -> DeskPerson:
        """Make an account without rights.

        Args:
            acting: a supervisor.
            person: the name of the account.
            full_name: as on an identity card.
            passphrase: hers; None: she gets a code for enrolment.

        Raises:
            AccessError: the acting person is no supervisor.
            UsageError: a name has a wrong form, or is taken.
            KeyFileError: the passphrase is too short.
        """
        argon2 = None if passphrase is None else accounts.hashed(passphrase)
        now = self._utc()
        added = DeskPerson(person, full_name, acting.name, now)
        with self._database.writing(alone=True) as connection:
            require_supervisor(connection, acting, now.date(), "add people")
            accounts.insert_person(connection, added, argon2)
            self._record(PersonChanged("added", person, acting.name))
        return added

    def set_passphrase(self, acting: ActingPerson, passphrase: str, *, before: str) -> None:
        """Give the acting person a new passphrase; her key at the desk gets it too.

        Args:
            acting: the person.
            passphrase: the new one.
            before: the present one, which she has proved.

        Raises:
            KeyFileError: it is too short.
        """
        argon2 = accounts.hashed(passphrase)
        with self._database.writing(alone=True) as connection:
            accounts.replace_password(connection, acting.name, argon2, self._utc())
            reseal_key(connection, acting.name, before, passphrase)
            self._record(PersonChanged("passphrase", acting.name, acting.name))

    def make_key(self, acting: ActingPerson, passphrase: str) -> str:
        """Make a key with which the acting person signs in a browser; returns its id.

        Args:
            acting: the person.
            passphrase: hers, which she has proved; the key is kept under it.

        Raises:
            OutboxError: it could not be written; then there is no new key.
            AuditError: the entry could not be written; likewise.
        """
        return make_sealed_key(self._database, self._record, acting, passphrase, self._utc())

    def propose(self, acting: ActingPerson, terms: RightTerms) -> DeskRight:
        """Propose a right; it is in force only once another person approves it.

        Raises:
            AccessError: the acting person is no supervisor there; the person judges hits, and
                would also read the log, or the other way round.
            UsageError: the terms have a wrong form, or name nobody.
        """
        terms.require_valid()
        now = self._utc()
        with self._database.writing(alone=True) as connection:
            if accounts.find_person(connection, terms.person) is None:
                raise UsageError(
                    f"{terms.person[:40]!r}: nobody has this name; see `edge-anpr desk people "
                    "list`",
                    code="E_PERSON",
                )
            if self._may_restore(connection, acting, terms, now.date()):
                return self._give_alone(connection, terms, now)
            what = f"give rights for {terms.scope}"
            require_supervisor(connection, acting, now.date(), what, terms.scope)
            _require_apart(connection, terms)
            right = _proposal(terms, acting.name, now)
            _end_enrolment(connection, terms.person)
            connection.execute(ENTITLEMENT.insert().values(_row(right)))
            self._record(_event("proposed", right, acting.name))
        return right

    def approve(self, acting: ActingPerson, right_id: str) -> DeskRight:
        """Approve a proposed right, which is then in force from its first day.

        Raises:
            AccessError: `E_FOUR_EYES`: she proposed it herself, or it is hers; `E_RIGHT`: she may
                not approve, the right is not waiting, or excludes another one as in `propose`.
        """
        now = self._utc()
        with self._database.writing(alone=True) as connection:
            right = _find(connection, right_id)
            if right.approved_at is not None or right.revoked_at is not None:
                raise AccessError(
                    f"right {right.right_id} is {right.state(now.date())} already; approve only "
                    "what is proposed"
                )
            self._require_other_eyes(connection, acting, right, now.date())
            _require_apart(connection, right.terms)
            _end_enrolment(connection, right.terms.person)
            self._record(_event("approved", right, acting.name))
            _change(connection, right, approved_by=acting.name, approved_at=utc_text(now))
            return _find(connection, right.right_id)

    def revoke(self, acting: ActingPerson, right_id: str) -> DeskRight:
        """Revoke a right at once, or a proposal; one supervisor is enough.

        What its person has signed before is logged and stored first, so that it stays proven.

        Raises:
            AccessError: she is no supervisor there; the right is revoked already; it is the last
                one of a supervisor.
        """
        now = self._utc()
        with self._database.writing(alone=True) as connection:
            right = _find(connection, right_id)
            scope = right.terms.scope
            require_supervisor(connection, acting, now.date(), f"revoke rights for {scope}", scope)
            if right.revoked_at is not None:
                raise AccessError(f"right {right.right_id} is revoked already; nothing was changed")
            supervisors = (DeskRole.SUPERVISOR,)
            if not _holders(connection, supervisors, now.date(), without=right.right_id):
                raise AccessError(
                    f"right {right.right_id} is the last one of a supervisor; have another "
                    "supervisor's right approved first"
                )
            keep_hers(connection, self._record, scope.authority, right.terms.person, now)
            self._record(_event("revoked", right, acting.name))
            _change(connection, right, revoked_by=acting.name, revoked_at=utc_text(now))
            return _find(connection, right.right_id)

    def _may_restore(
        self, connection: Connection, acting: ActingPerson, terms: RightTerms, day: date
    ) -> bool:
        """Whether the first account gives herself the right of a supervisor that nobody has."""
        person = accounts.find_person(connection, acting.name)
        return (
            person is not None
            and person.added_by == person.name == terms.person
            and terms.role is DeskRole.SUPERVISOR
            and not _holders(connection, (DeskRole.SUPERVISOR,), day)
        )

    def _give_alone(self, connection: Connection, terms: RightTerms, now: datetime) -> DeskRight:
        right = _proposal(terms, terms.person, now, alone=True)
        _end_enrolment(connection, terms.person)
        connection.execute(ENTITLEMENT.insert().values(_row(right)))
        self._record(_event("approved", right, terms.person))
        return right

    def _require_other_eyes(
        self, connection: Connection, acting: ActingPerson, right: DeskRight, day: date
    ) -> None:
        if acting.name == right.proposed_by:
            raise AccessError(
                f"{acting.name} has proposed right {right.right_id}; another person approves it",
                code="E_FOUR_EYES",
            )
        scope = right.terms.scope
        approvers = _holders(connection, APPROVERS, day, scope)
        if acting.name == right.terms.person:
            # While nobody but the proposer could approve, the second person accepts it herself.
            if right.terms.role in APPROVERS and approvers <= {right.proposed_by}:
                return
            raise AccessError(
                f"right {right.right_id} is for {acting.name}; another person approves it",
                code="E_FOUR_EYES",
            )
        if acting.name not in approvers:
            raise _no_right(acting, f"approve rights for {scope}", *APPROVERS)


def _require_apart(connection: Connection, terms: RightTerms) -> None:
    """Refuse a right to judge for who reads the log on the same days, and the other way round.

    The log shows what other officers did on a hit, which an officer may not know.
    """
    for other in rights_of(connection, terms.person):
        given = other.approved_at is not None and other.revoked_at is None
        if given and terms.excludes(other.terms):
            raise AccessError(
                f"{terms.person} has right {other.right_id} as {other.terms.role.value}, and who "
                "judges hits may not read the log as auditor or data protection officer; revoke "
                "that one first, or give this one to another person"
            )


def _end_enrolment(connection: Connection, person: str) -> None:
    """End a code for enrolment: whoever has it would get the right."""
    connection.execute(ENROLMENT.delete().where(ENROLMENT.c.person == person))


def rights_in_force(
    connection: Connection, person: str, roles: tuple[DeskRole, ...], day: date, scope: RightScope
) -> tuple[DeskRight, ...]:
    """The rights of a person with one of these roles that hold for all of `scope` on that day."""
    return tuple(
        right
        for right in rights_of(connection, person)
        if right.in_force(day) and right.terms.role in roles and right.terms.scope.covers(scope)
    )


def has_role(connection: Connection, person: str, roles: tuple[DeskRole, ...], day: date) -> bool:
    """Whether a person has one of these roles in force on that day, wherever it holds."""
    return person in _holders(connection, roles, day)


def rights_of_ids(connection: Connection, ids: Collection[str]) -> tuple[DeskRight, ...]:
    """The rights of these ids, whether they are in force or not."""
    return tuple(right for right in _rights(connection) if right.right_id in ids)


def _holders(
    connection: Connection,
    roles: tuple[DeskRole, ...],
    day: date,
    scope: RightScope | None = None,
    *,
    without: str | None = None,
) -> set[str]:
    """Who has one of these roles in force, for all of `scope` if it is given."""
    return {
        right.terms.person
        for right in _rights(connection)
        if right.in_force(day)
        and right.terms.role in roles
        and (scope is None or right.terms.scope.covers(scope))
        and right.right_id != without
    }


def require_supervisor(
    connection: Connection,
    acting: ActingPerson,
    day: date,
    what: str,
    scope: RightScope | None = None,
) -> None:
    """Refuse who is no supervisor for all of `scope`; anywhere, if it is None.

    Raises:
        AccessError: `E_RIGHT`.
    """
    if acting.name not in _holders(connection, (DeskRole.SUPERVISOR,), day, scope):
        raise _no_right(acting, what, DeskRole.SUPERVISOR)


def _no_right(acting: ActingPerson, what: str, *roles: DeskRole) -> AccessError:
    needed = " or ".join(role.value for role in roles)
    return AccessError(
        f"{acting.name} has no right in force to {what}; that needs the role {needed} with such "
        "limits"
    )


def _proposal(terms: RightTerms, by: str, now: datetime, *, alone: bool = False) -> DeskRight:
    return DeskRight(
        right_id=secrets.token_hex(8),
        terms=terms,
        proposed_by=by,
        proposed_at=now,
        approved_by=by if alone else None,
        approved_at=now if alone else None,
        revoked_by=None,
        revoked_at=None,
        alone=alone,
    )


def _event(action: Any, right: DeskRight, by: str) -> RightChanged:  # noqa: ANN401 - a Literal
    terms = right.terms
    return RightChanged(
        action, right.right_id, terms.sha256(), terms.role.value, terms.person, by, right.alone
    )


def _find(connection: Connection, right_id: str) -> DeskRight:
    found = [one for one in _rights(connection) if one.right_id == right_id]
    if not found:
        raise AccessError(
            f"{shown_id(right_id)}: there is no such right; see `edge-anpr desk people list`"
        )
    return found[0]


def _change(connection: Connection, right: DeskRight, **values: str) -> None:
    connection.execute(
        ENTITLEMENT.update().where(ENTITLEMENT.c.right_id == right.right_id).values(**values)
    )


def _row(right: DeskRight) -> dict[str, object]:
    terms, scope = right.terms, right.terms.scope
    return {
        "right_id": right.right_id,
        "person": terms.person,
        "role": terms.role.value,
        "authority": scope.authority,
        "site": scope.site,
        "rule": scope.rule,
        "first_day": terms.first_day.isoformat(),
        "last_day": terms.last_day.isoformat(),
        "mandate": terms.mandate,
        "proposed_by": right.proposed_by,
        "proposed_at": utc_text(right.proposed_at),
        "approved_by": right.approved_by,
        "approved_at": None if right.approved_at is None else utc_text(right.approved_at),
        "revoked_by": None,
        "revoked_at": None,
        "alone": right.alone,
    }


def rights_of(connection: Connection, person: str) -> tuple[DeskRight, ...]:
    """All rights of a person that were ever proposed, oldest first."""
    query = select(ENTITLEMENT).where(ENTITLEMENT.c.person == person)
    order = (ENTITLEMENT.c.proposed_at, ENTITLEMENT.c.right_id)
    return tuple(_right(row) for row in connection.execute(query.order_by(*order)))


def _rights(connection: Connection) -> tuple[DeskRight, ...]:
    order = (ENTITLEMENT.c.proposed_at, ENTITLEMENT.c.right_id)
    return tuple(_right(row) for row in connection.execute(select(ENTITLEMENT).order_by(*order)))


def _right(row: Any) -> DeskRight:  # noqa: ANN401 - a row of any table
    terms = RightTerms(
        row.person,
        DeskRole(row.role),
        RightScope(row.authority, row.site, row.rule),
        date.fromisoformat(row.first_day),
        date.fromisoformat(row.last_day),
        row.mandate,
    )
    return DeskRight(
        row.right_id,
        terms,
        row.proposed_by,
        parse_utc(row.proposed_at),
        row.approved_by,
        None if row.approved_at is None else parse_utc(row.approved_at),
        row.revoked_by,
        None if row.revoked_at is None else parse_utc(row.revoked_at),
        bool(row.alone),
    )
