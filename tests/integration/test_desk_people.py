"""Accounts and rights at the desk: two people for each right, a lock, an entry for each change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from edge.adapters.state.audit_log import read_log
from edge.desk import accounts
from edge.desk.accounts import LOCKED_FOR, MAX_FAILURES, prove
from edge.desk.folder import DeskFolder
from edge.desk.people import DeskPeople
from edge.desk.rights import DeskRight, DeskRole, RightScope
from edge.desk.store.tables import ENTITLEMENT, PASSWORD
from edge.errors import AuditError, EdgeError
from edge.privacy.audit_events import Event, KeyInUse, PersonChanged, RightChanged
from tests.support.desks import (
    FIRST,
    NOW,
    TODAY,
    acting,
    added,
    make_desk,
    now,
    passphrase_of,
    terms,
)

SUPERVISOR, DPO = DeskRole.SUPERVISOR, DeskRole.DATA_PROTECTION_OFFICER

ON_BOTH = {
    "test_the_first_account_is_a_supervisor_alone_and_the_log_says_so",
    "test_p4_a_right_is_in_force_only_once_another_person_has_approved_it",
    "test_p4_the_database_itself_refuses_one_person_for_both",
    "test_after_five_failures_a_name_is_locked_whether_it_exists_or_not",
    "test_p21_what_cannot_be_logged_does_not_happen",
}
"""Tests that run on PostgreSQL too; what the others test is not in the database."""


@pytest.fixture
def people(desk: DeskFolder) -> Iterator[DeskPeople]:
    with desk.open_people(now) as opened:
        yield opened


def recorded(desk: DeskFolder) -> list[Event]:
    return [
        entry.event
        for entry in read_log(desk.path).entries
        if not isinstance(entry.event, KeyInUse)
    ]


def refused(act: Callable[[], object], code: str) -> str:
    with pytest.raises(EdgeError) as error:
        act()
    assert error.value.code == code, error.value
    assert "\n" not in error.value.message
    return error.value.message


def given(people: DeskPeople, person: str, role: DeskRole, by: str, approver: str) -> DeskRight:
    """A right that one person has proposed and another one approved."""
    right = people.propose(acting(people, by), terms(person, role))
    return people.approve(acting(people, approver), right.right_id)


def staffed(people: DeskPeople) -> None:
    """A second supervisor, besides accounts without rights."""
    added(people, "jan-maes", "els-wouters", "tom-claes")
    given(people, "jan-maes", SUPERVISOR, FIRST, "jan-maes")


# --- the first account ----------------------------------------------------------------------------


def test_the_first_account_is_a_supervisor_alone_and_the_log_says_so(
    desk: DeskFolder, people: DeskPeople
) -> None:
    (right,) = people.rights()

    assert (right.terms.person, right.terms.role, right.alone) == (FIRST, SUPERVISOR, True)
    assert right.in_force(TODAY)
    person, approved = recorded(desk)
    assert person == PersonChanged("added", FIRST, FIRST)
    assert approved == RightChanged(
        "approved", right.right_id, right.terms.sha256(), "supervisor", FIRST, FIRST, alone=True
    )


# --- four eyes ------------------------------------------------------------------------------------


def test_p4_a_right_is_in_force_only_once_another_person_has_approved_it(
    desk: DeskFolder, people: DeskPeople
) -> None:
    staffed(people)
    right = people.propose(acting(people), terms("els-wouters"))
    assert not right.in_force(TODAY)
    assert right.state(TODAY) == "proposed"

    for person in (FIRST, "els-wouters"):
        refused(partial(people.approve, acting(people, person), right.right_id), "E_FOUR_EYES")
    refused(partial(people.approve, acting(people, "tom-claes"), right.right_id), "E_RIGHT")
    assert people.approve(acting(people, "jan-maes"), right.right_id).in_force(TODAY)
    refused(partial(people.approve, acting(people, "jan-maes"), right.right_id), "E_RIGHT")

    digest = right.terms.sha256()
    given_to = (right.right_id, digest, "officer", "els-wouters")
    assert recorded(desk)[-2:] == [
        RightChanged("proposed", *given_to, FIRST, alone=False),
        RightChanged("approved", *given_to, "jan-maes", alone=False),
    ]


@pytest.mark.parametrize("role", [SUPERVISOR, DPO])
def test_p4_the_second_person_accepts_her_own_right_only_while_nobody_else_can(
    people: DeskPeople, role: DeskRole
) -> None:
    added(people, "jan-maes", "els-wouters")
    first = people.propose(acting(people), terms("jan-maes", role))
    later = people.propose(acting(people), terms("els-wouters", role))

    refused(lambda: people.approve(acting(people), first.right_id), "E_FOUR_EYES")
    assert people.approve(acting(people, "jan-maes"), first.right_id).in_force(TODAY)
    refused(lambda: people.approve(acting(people, "els-wouters"), later.right_id), "E_FOUR_EYES")
    assert people.approve(acting(people, "jan-maes"), later.right_id).in_force(TODAY)


@pytest.mark.parametrize("role", [one for one in DeskRole if one not in {SUPERVISOR, DPO}])
def test_p4_nobody_accepts_another_role_for_herself(people: DeskPeople, role: DeskRole) -> None:
    added(people, "jan-maes")
    right = people.propose(acting(people), terms("jan-maes", role))

    refused(lambda: people.approve(acting(people, "jan-maes"), right.right_id), "E_FOUR_EYES")


@pytest.mark.parametrize("role", list(DeskRole))
def test_p4_only_a_supervisor_adds_people_and_proposes_rights(
    people: DeskPeople, role: DeskRole
) -> None:
    staffed(people)
    given(people, "els-wouters", role, FIRST, "jan-maes")
    by = acting(people, "els-wouters")

    if role is SUPERVISOR:
        added_by = people.add(by, "new-one", "New One", passphrase_of("new-one")).added_by
        assert added_by == people.propose(by, terms("tom-claes")).proposed_by == "els-wouters"
    else:
        refused(lambda: people.add(by, "new-one", "New One", passphrase_of("x")), "E_RIGHT")
        refused(lambda: people.propose(by, terms("tom-claes")), "E_RIGHT")


def test_p4_limits_of_site_and_rule_hold_for_those_who_give_rights(people: DeskPeople) -> None:
    staffed(people)
    local = people.propose(acting(people), terms("els-wouters", SUPERVISOR, site="school-street"))
    people.approve(acting(people, "jan-maes"), local.right_id)
    by = acting(people, "els-wouters")

    within = terms("tom-claes", site="school-street", rule="stolen")
    assert people.propose(by, within).terms == within
    refused(lambda: people.propose(by, terms("tom-claes")), "E_RIGHT")
    refused(lambda: people.propose(by, terms("tom-claes", site="square")), "E_RIGHT")
    elsewhere = people.propose(acting(people), terms("tom-claes", site="square"))
    refused(lambda: people.approve(by, elsewhere.right_id), "E_RIGHT")


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (RightScope("a"), RightScope("a", "s", "r"), True),
        (RightScope("a", "s"), RightScope("a", "s", "r"), True),
        (RightScope("a", "s"), RightScope("a"), False),
        (RightScope("a", None, "r"), RightScope("a", "s", "r"), True),
        (RightScope("a", None, "r"), RightScope("a", "s"), False),
        (RightScope("a", "s"), RightScope("a", "t"), False),
        (RightScope("a"), RightScope("b"), False),
    ],
)
def test_a_scope_covers_what_lies_within_it(
    wide: RightScope, narrow: RightScope, covered: bool
) -> None:
    assert wide.covers(narrow) is covered


def test_p4_the_database_itself_refuses_one_person_for_both(
    desk: DeskFolder, people: DeskPeople
) -> None:
    added(people, "jan-maes")
    right = people.propose(acting(people), terms("jan-maes", SUPERVISOR))
    with desk.open_database() as database, database._engine.connect() as connection:
        change = ENTITLEMENT.update().where(ENTITLEMENT.c.right_id == right.right_id)
        with pytest.raises(IntegrityError):
            connection.execute(change.values(approved_by=FIRST, approved_at="now"))


# --- dates and revocation -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (TODAY + timedelta(days=9), "not yet"),
        (TODAY + timedelta(days=10), "in force"),
        (TODAY + timedelta(days=20), "in force"),
        (TODAY + timedelta(days=21), "ended"),
    ],
)
def test_a_right_holds_between_its_days_both_included(
    people: DeskPeople, day: date, state: str
) -> None:
    staffed(people)
    wanted = terms("els-wouters", first=TODAY + timedelta(days=10), last=TODAY + timedelta(days=20))
    right = people.propose(acting(people), wanted)
    right = people.approve(acting(people, "jan-maes"), right.right_id)

    assert right.state(day) == state
    assert right.in_force(day) is (state == "in force")


def test_one_supervisor_revokes_at_once(desk: DeskFolder, people: DeskPeople) -> None:
    staffed(people)
    right = given(people, "els-wouters", SUPERVISOR, FIRST, "jan-maes")
    by = acting(people, "els-wouters")

    assert people.revoke(acting(people, "jan-maes"), right.right_id).state(TODAY) == "revoked"
    refused(lambda: people.propose(by, terms("tom-claes")), "E_RIGHT")
    refused(lambda: people.revoke(acting(people), right.right_id), "E_RIGHT")
    refused(lambda: people.approve(acting(people), right.right_id), "E_RIGHT")
    assert isinstance(event := recorded(desk)[-1], RightChanged)
    assert (event.action, event.by) == ("revoked", "jan-maes")


def test_the_last_supervisor_cannot_be_revoked(people: DeskPeople) -> None:
    (own,) = people.rights()

    assert "have another" in refused(lambda: people.revoke(acting(people), own.right_id), "E_RIGHT")


def test_when_no_supervisor_is_left_the_first_account_begins_again(desk: DeskFolder) -> None:
    later = NOW + timedelta(days=366)
    wanted = terms(FIRST, SUPERVISOR, first=later.date(), last=later.date() + timedelta(days=30))
    with desk.open_people(now) as people:
        added(people, "jan-maes")
        early = people.propose(acting(people), wanted)
    with desk.open_people(lambda: later) as people:
        refused(lambda: people.propose(acting(people), terms("jan-maes", SUPERVISOR)), "E_RIGHT")
        refused(
            lambda: people.propose(acting(people, "jan-maes"), terms("jan-maes", SUPERVISOR)),
            "E_RIGHT",
        )
        again = people.propose(acting(people), wanted)

    assert (early.alone, early.approved_at) == (False, None)
    assert again.alone
    assert again.in_force(later.date())
    assert isinstance(event := recorded(desk)[-1], RightChanged)
    assert (event.action, event.alone) == ("approved", True)


# --- terms and names ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"mandate": ""},
        {"mandate": "decision of the council"},
        {"mandate": "x" * 61},
        {"mandate": "GR\n1"},
        {"site": "Main Street"},
        {"rule": "1-ABC-123"},
        {"last": TODAY - timedelta(days=1)},
        {"last": date(9999, 12, 31)},
    ],
)
def test_terms_that_cannot_be_given_name_field_and_cure(
    people: DeskPeople, changed: dict[str, object]
) -> None:
    added(people, "jan-maes")

    message = refused(
        lambda: people.propose(acting(people), terms("jan-maes", **changed)),  # type: ignore[arg-type]
        "E_USAGE",
    )
    assert message.startswith(("--mandate", "--site", "--rule", "--until"))


@pytest.mark.parametrize("name", ["", "An", "an peeters", "x" * 41, "an\u202e", "an;drop"])
def test_a_name_of_another_form_is_refused(people: DeskPeople, name: str) -> None:
    refused(lambda: people.add(acting(people), name, "An", passphrase_of("x")), "E_USAGE")


@pytest.mark.parametrize("full_name", ["", " ", "x" * 81, "An\x1b[2J", "An\u202e", "An\nPeeters"])
def test_a_full_name_must_be_visible_and_short(people: DeskPeople, full_name: str) -> None:
    refused(lambda: people.add(acting(people), "jan", full_name, passphrase_of("x")), "E_USAGE")


def test_a_name_is_given_once_and_a_right_only_to_a_person(people: DeskPeople) -> None:
    added(people, "jan-maes")

    refused(lambda: added(people, "jan-maes"), "E_PERSON")
    refused(lambda: people.propose(acting(people), terms("nobody-here")), "E_PERSON")
    refused(lambda: people.approve(acting(people), "0" * 16), "E_RIGHT")


# --- passphrases and the lock ---------------------------------------------------------------------


@pytest.mark.usefixtures("real_passphrases")
def test_a_passphrase_is_kept_as_argon2id_only(desk: DeskFolder, people: DeskPeople) -> None:
    with desk.open_database() as database, database.reading() as connection:
        (row,) = connection.execute(PASSWORD.select()).all()

    assert row.argon2.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passphrase_of(FIRST) not in json.dumps(list(map(str, row)))


def test_a_passphrase_typed_decomposed_is_the_same(people: DeskPeople) -> None:
    people.add(acting(people), "jan-maes", "Jan", "caf\u00e9 au lait et pain")

    assert people.prove("jan-maes", "cafe\u0301 au lait et pain").name == "jan-maes"


@pytest.mark.parametrize("passphrase", ["short", "x" * 1025, " " * 20])
def test_a_passphrase_too_short_or_too_long_is_refused(people: DeskPeople, passphrase: str) -> None:
    refused(lambda: people.add(acting(people), "jan", "Jan", passphrase), "E_PASSPHRASE")


def test_a_changed_passphrase_replaces_the_old_one(desk: DeskFolder, people: DeskPeople) -> None:
    people.set_passphrase(acting(people), "another long passphrase", before=passphrase_of(FIRST))

    refused(lambda: acting(people), "E_LOGIN")
    assert people.prove(FIRST, "another long passphrase").name == FIRST
    assert recorded(desk)[-1] == PersonChanged("passphrase", FIRST, FIRST)


@pytest.mark.parametrize("name", [FIRST, "nobody-here", "no id\x00", ""])
def test_after_five_failures_a_name_is_locked_whether_it_exists_or_not(
    desk: DeskFolder, name: str
) -> None:
    clock = [NOW]

    def utc() -> datetime:
        return clock[0]

    with desk.open_database() as database:
        said = {
            refused(lambda: prove(database, name, "wrong", utc), "E_LOGIN")
            for _ in range(MAX_FAILURES)
        }
        said.add(refused(lambda: prove(database, name, passphrase_of(name), utc), "E_LOGIN"))
        clock[0] += LOCKED_FOR - timedelta(seconds=1)
        said.add(refused(lambda: prove(database, name, passphrase_of(name), utc), "E_LOGIN"))
        clock[0] += timedelta(seconds=1)
        if name == FIRST:
            assert prove(database, name, passphrase_of(name), utc).name == FIRST
        else:
            said.add(refused(lambda: prove(database, name, passphrase_of(name), utc), "E_LOGIN"))
    assert len(said) == 1


def test_a_success_forgets_the_failures_before_it(people: DeskPeople) -> None:
    for _ in range(3):
        for _ in range(MAX_FAILURES - 1):
            refused(lambda: people.prove(FIRST, "wrong"), "E_LOGIN")
        assert acting(people).name == FIRST


def test_a_lock_does_not_lock_others(people: DeskPeople) -> None:
    added(people, "jan-maes")
    for _ in range(MAX_FAILURES + 1):
        refused(lambda: people.prove("jan-maes", "wrong"), "E_LOGIN")

    assert acting(people).name == FIRST


@pytest.mark.usefixtures("real_passphrases")
def test_an_unknown_name_costs_the_same_work(
    people: DeskPeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    hasher = accounts._HASHER

    class Counting:
        def verify(self, kept: str, given: str) -> bool:
            verified.append(kept)
            return hasher.verify(kept, given)

    monkeypatch.setattr(accounts, "_HASHER", Counting())
    for name in (FIRST, "nobody-here"):
        refused(partial(people.prove, name, "wrong"), "E_LOGIN")

    assert len(verified) == 2
    assert (
        verified[0].rpartition("$")[0].rpartition("$")[0]
        == (verified[1].rpartition("$")[0].rpartition("$")[0])
    )


# --- the log --------------------------------------------------------------------------------------


def test_p21_what_cannot_be_logged_does_not_happen(desk: DeskFolder) -> None:
    def fails(_event: Event) -> None:
        raise AuditError("full")

    with desk.open_people(now) as people:
        staffed(people)
        waiting = people.propose(acting(people), terms("els-wouters"))
    with desk.open_database() as database:
        before = (
            DeskPeople(database, fails, now).people(),
            DeskPeople(database, fails, now).rights(),
        )
        mute = DeskPeople(database, fails, now)
        by = acting(mute, "jan-maes")
        for act in (
            lambda: mute.add(by, "new-one", "New One", passphrase_of("new-one")),
            lambda: mute.propose(by, terms("tom-claes")),
            lambda: mute.approve(by, waiting.right_id),
            lambda: mute.revoke(by, waiting.right_id),
            lambda: mute.set_passphrase(by, "another long passphrase", before="x"),
        ):
            refused(act, "E_AUDIT")
        assert (mute.people(), mute.rights()) == before
        assert acting(mute, "jan-maes").name == "jan-maes"


def test_an_altered_log_stops_every_change(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk")
    log = desk.path / "audit.log"
    log.write_bytes(log.read_bytes().replace(b'"person"', b'"persan"'))

    with pytest.raises(AuditError), desk.open_people(now):
        pass
