"""Passkeys at the desk: authenticators that lie, and codes for enrolment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from edge.desk import enrolling
from edge.desk.accounts import MAX_FAILURES, ActingPerson
from edge.desk.challenges import LASTS as CHALLENGE_LASTS
from edge.desk.challenges import Challenges
from edge.desk.folder import DeskFolder
from edge.desk.moving import move
from edge.desk.passkey_keys import RelyingParty
from edge.desk.rights import DeskRole
from edge.desk.sign_in import DeskSignIn
from edge.desk.store.database import DeskDatabase, sqlite_address
from edge.desk.store.tables import ENROLMENT
from edge.desk.web.serving import WhereToServe
from edge.errors import UsageError
from edge.privacy.audit_events import (
    EnrolmentChanged,
    PasskeyChanged,
    SessionChanged,
)
from tests.integration.test_desk_people import refused
from tests.integration.test_desk_store import dumped
from tests.support.authenticator import UP, Authenticator
from tests.support.desk_web import PARTY, opened
from tests.support.desks import FIRST, NOW, terms
from tests.support.sign_ins import ELSEWHERE, HERE, PASSPHRASE, SignInPlace

# --- passkeys -------------------------------------------------------------------------------------


def test_a_code_and_a_passkey_are_all_that_a_person_needs_and_both_move(
    desk: DeskFolder, tmp_path: Path
) -> None:
    own = SignInPlace(desk)
    with opened(desk, own.utc) as own.web:
        els = own.person("els")
        code = own.code("els")
        made = Authenticator(PARTY.origin)
        answer = made.create(own.web.enrolments.begin("els", code, HERE, "desk"))
        own.web.enrolments.finish("els", code, "blue key", answer, HERE)

        assert own.log_in(made) == "els"
        assert code.encode() not in dumped(desk)
        (key,) = own.sign_in.ways(els).passkeys
        assert own.events()[-3:] == [
            EnrolmentChanged("made", "els", FIRST),
            EnrolmentChanged("used", "els", "els"),
            PasskeyChanged("added", "els", key.key.sha256(), "els"),
        ]
        with DeskDatabase.reach(sqlite_address(tmp_path / "new.sqlite3")) as new:
            move(own.web.database, new)
            there = DeskSignIn(new, lambda _: None, own.utc, PARTY, bytes(32), required=True)
            assert there.with_passkey(made.get(there.login_options(HERE)), HERE).name == "els"


def _unchanged(made: Authenticator) -> None:
    del made


LIES: dict[str, Callable[[Authenticator], None]] = {
    "another origin": lambda made: setattr(made, "origin", "http://localhost:8011"),
    "an origin in a frame": lambda made: setattr(made, "cross_origin", True),
    "another host": lambda made: setattr(made, "rp_id", "desk.example"),
    "no verification of the person": lambda made: setattr(made, "flags", UP),
    "nobody there": lambda made: setattr(made, "flags", 0x04),
    "another key": lambda made: setattr(made, "key", Authenticator("").key),
    "another passkey": lambda made: setattr(made, "credential", bytes(32)),
    "a count that did not grow": lambda made: setattr(made, "step", 0),
    "a count that went back": lambda made: setattr(made, "step", -1),
}


@pytest.mark.parametrize("lie", LIES)
def test_p4_a_passkey_that_lies_logs_nobody_in(place: SignInPlace, lie: str) -> None:
    name = lie.replace(" ", "-")
    made = place.with_passkey(name)
    assert place.log_in(made) == name
    honest = dict(vars(made))
    LIES[lie](made)

    refused(lambda: place.log_in(made), "E_PASSKEY")
    unknown = lie == "another passkey"
    assert place.events()[-1] == SessionChanged("refused", None if unknown else name)
    vars(made).update(honest)
    assert place.log_in(made) == name


@pytest.mark.parametrize("lie", [*LIES][:5])
def test_p4_a_passkey_that_lies_is_not_added(place: SignInPlace, lie: str) -> None:
    person = place.person("new-" + lie.replace(" ", "-"))
    made = Authenticator(PARTY.origin)
    LIES[lie](made)

    refused(lambda: place.add(person, made), "E_PASSKEY")
    assert place.sign_in.ways(person).passkeys == ()


def test_p4_an_answer_counts_once_for_one_browser_and_purpose_and_ten_minutes(
    place: SignInPlace,
) -> None:
    made, other = place.with_passkey("once"), place.with_passkey("other-one")
    sign_in, once = place.sign_in, ActingPerson("once")
    answer = made.get(sign_in.login_options(HERE))
    assert sign_in.with_passkey(answer, HERE).name == "once"
    made.count -= 1  # so that only the challenge is old

    again = made.get(sign_in.again_options(once, HERE))
    late = made.get(sign_in.login_options(HERE))
    lies: tuple[Callable[[], object], ...] = (
        lambda: sign_in.with_passkey(answer, HERE),
        lambda: sign_in.with_passkey(made.get(sign_in.login_options(ELSEWHERE)), HERE),
        lambda: sign_in.with_passkey(again, HERE),
        lambda: sign_in.again(once, "", made.get(sign_in.login_options(HERE)), HERE),
        lambda: sign_in.again(once, "", other.get(sign_in.again_options(once, HERE)), HERE),
        lambda: sign_in.with_passkey(made.get(sign_in.login_options(HERE), handle=b"x"), HERE),
        lambda: sign_in.with_passkey(made.create(sign_in.creation(once, HERE, "x")), HERE),
        lambda: sign_in.add_passkey(once, "x", made.get(sign_in.login_options(HERE)), HERE),
        *(partial(sign_in.with_passkey, text, HERE) for text in ("", "{}", "[1]", "null")),
    )
    for act in lies:
        refused(act, "E_PASSKEY")
    place.now += CHALLENGE_LASTS
    refused(lambda: sign_in.with_passkey(late, HERE), "E_PASSKEY")


def test_challenges_of_strangers_take_no_memory() -> None:
    now = NOW
    made = Challenges(lambda: now)
    asked = [made.new("login", HERE) for _ in range(1000)]
    assert len(set(asked)) == 1000
    assert made._spent == {}

    assert made.spend(asked[0], "login", HERE)
    assert not made.spend(asked[0], "login", HERE)
    now += CHALLENGE_LASTS + timedelta(seconds=2)
    assert not any(made.spend(one, "login", HERE) for one in asked)
    assert not Challenges(lambda: NOW).spend(asked[1], "login", HERE)
    made.spend(made.new("login", HERE), "login", HERE)
    assert len(made._spent) == 1


def test_an_authenticator_that_does_not_count_logs_in_again_and_again(place: SignInPlace) -> None:
    made = Authenticator(PARTY.origin, step=0)
    place.add(place.person("no-count"), made)
    assert [place.log_in(made) for _ in range(3)] == ["no-count"] * 3


def test_p4_a_removed_passkey_logs_nobody_in_and_the_last_way_stays(place: SignInPlace) -> None:
    made, person = place.with_passkey("only-keys"), ActingPerson("only-keys")
    (first,) = place.sign_in.ways(person).passkeys
    refused(lambda: place.sign_in.remove_passkey(person, first.key.key_id), "E_RIGHT")
    second = Authenticator(PARTY.origin)
    place.add(person, second)
    place.sign_in.remove_passkey(person, first.key.key_id)

    refused(lambda: place.log_in(made), "E_PASSKEY")
    assert place.log_in(second) == "only-keys"
    assert PasskeyChanged("removed", "only-keys", first.key.sha256(), "only-keys") in place.events()
    other = place.with_passkey("with-both", passphrase=True)
    (own,) = place.sign_in.ways(ActingPerson("with-both")).passkeys
    refused(lambda: place.sign_in.remove_passkey(person, own.key.key_id), "E_RIGHT")
    place.sign_in.remove_passkey(ActingPerson("with-both"), own.key.key_id)
    refused(lambda: place.log_in(other), "E_PASSKEY")


@pytest.mark.parametrize(
    "origin",
    [
        "http://desk.example", "https://192.0.2.1", "https://desk.example/", "https://desk.example:443",
        "https://Desk.example", "https://desk", "desk.example", "https://a@desk.example", "",
        "http://127.0.0.1:8010", "https://desk.example:x", "http://localhost:80", "ftp://localhost",
    ],
)  # fmt: skip
def test_an_origin_that_browsers_do_not_write_so_is_refused(origin: str) -> None:
    with pytest.raises(UsageError, match="--origin"):
        RelyingParty.parse(origin)


@pytest.mark.parametrize(
    ("port", "options", "origin"),
    [
        (8010, {}, "http://localhost:8010"),
        (80, {}, "http://localhost"),
        (8010, {"behind_proxy": True}, None),
        (8010, {"behind_proxy": True, "origin": "https://desk.example"}, "https://desk.example"),
    ],
)
def test_where_passkeys_are_valid_follows_from_how_the_desk_is_served(
    port: int, options: dict[str, Any], origin: str | None
) -> None:
    where = WhereToServe("127.0.0.1", port, **options)
    where.require_safe()
    party = where.party(port)
    assert (None if party is None else party.origin) == origin


# --- codes for enrolment --------------------------------------------------------------------------


def test_p4_a_code_for_enrolment_is_given_by_a_supervisor_for_who_has_no_right(
    place: SignInPlace,
) -> None:
    for name in ("has-right", "second-eyes", "stranger"):
        place.person(name)
    people = place.web.people
    right = people.propose(ActingPerson(FIRST), terms("has-right", first=place.now.date()))
    refused(lambda: place.code("has-right"), "E_RIGHT")
    people.revoke(ActingPerson(FIRST), right.right_id)
    assert place.code("has-right")
    refused(lambda: place.code("stranger", by="second-eyes"), "E_RIGHT")
    refused(lambda: place.code("nobody"), "E_PERSON")


def test_p4_a_code_for_enrolment_counts_once_for_15_minutes_and_ends_every_earlier_way(
    place: SignInPlace,
) -> None:
    old, person = place.with_passkey("lost-all", passphrase=True), ActingPerson("lost-all")
    session = place.web.sessions.begin(person)
    first, code = place.code("lost-all"), place.code("lost-all")
    enrolments = place.web.enrolments

    def enrol(with_code: str) -> Authenticator:
        made = Authenticator(PARTY.origin)
        answer = made.create(enrolments.begin("lost-all", with_code, HERE, "desk"))
        enrolments.finish("lost-all", with_code, "new key", answer, HERE)
        return made

    refused(lambda: enrol(first), "E_LOGIN")
    refused(lambda: enrolments.begin("only-keys-2", code, HERE, "desk"), "E_LOGIN")
    made = enrol(code.upper().replace("-", " "))
    assert place.log_in(made) == "lost-all"
    refused(lambda: place.log_in(old), "E_PASSKEY")
    refused(lambda: place.sign_in.with_passphrase("lost-all", PASSPHRASE, ""), "E_LOGIN")
    assert place.web.sessions.find(session) is None
    refused(lambda: enrol(code), "E_LOGIN")
    late = place.code("lost-all")
    place.now += enrolling.LASTS
    refused(lambda: enrol(late), "E_LOGIN")


@pytest.mark.parametrize("step", ["proposed", "approved", "none"])
def test_p4_a_code_for_enrolment_ends_when_its_person_gets_a_right(
    place: SignInPlace, step: str
) -> None:
    people, enrolments, first = place.web.people, place.web.enrolments, ActingPerson(FIRST)
    name, eyes = f"right-{step}", place.person(f"eyes-{step}")
    role = DeskRole.DATA_PROTECTION_OFFICER
    approver = people.propose(first, terms(eyes.name, role, first=place.now.date()))
    people.approve(eyes, approver.right_id)
    place.person(name)
    code, made = place.code(name), Authenticator(PARTY.origin)
    answer = made.create(enrolments.begin(name, code, HERE, "desk"))
    with place.web.database.reading() as connection:
        mine = select(ENROLMENT).where(ENROLMENT.c.person == name)
        kept = dict(connection.execute(mine).mappings().one())

    right = people.propose(first, terms(name, first=place.now.date()))
    if step != "proposed":  # as if the proposal had left the code
        with place.web.database.writing() as connection:
            connection.execute(ENROLMENT.insert().values(kept))
        if step == "none":
            refused(lambda: enrolments.begin(name, code, HERE, "desk"), "E_LOGIN")
            refused(lambda: enrolments.finish(name, code, "x", answer, HERE), "E_LOGIN")
        people.approve(eyes, right.right_id)
    people.revoke(first, right.right_id)
    people.revoke(first, approver.right_id)
    refused(lambda: enrolments.begin(name, code, HERE, "desk"), "E_LOGIN")
    assert place.sign_in.ways(ActingPerson(name)).passkeys == ()


def test_p4_guesses_at_a_code_for_enrolment_lock_the_name(place: SignInPlace) -> None:
    place.person("guessed")
    code = place.code("guessed")
    for _ in range(MAX_FAILURES):
        refused(lambda: place.web.enrolments.begin("guessed", "x", HERE, "desk"), "E_LOGIN")
    refused(lambda: place.web.enrolments.begin("guessed", code, HERE, "desk"), "E_LOGIN")
