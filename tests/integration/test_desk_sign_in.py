"""Logging in at the desk: one-time codes, pages, and limits of addresses."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from functools import partial

import pyotp
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from edge.desk import second_factor
from edge.desk.accounts import ActingPerson
from edge.desk.personal_keys import add_personal_key
from edge.desk.rights import DeskRole
from edge.desk.sign_in import DeskSignIn
from edge.desk.web.app import desk_app
from edge.desk.web.limits import FAILURES, WITHIN, AddressLimits, client_address
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import (
    SecondFactorChanged,
)
from tests.integration.test_desk_people import refused
from tests.integration.test_desk_store import dumped
from tests.support.authenticator import Authenticator
from tests.support.desk_web import PARTY, Web, line_of, says
from tests.support.desks import FIRST, NOW, passphrase_of, terms
from tests.support.sign_ins import PASSPHRASE, SignInPlace

# --- one-time codes -------------------------------------------------------------------------------


def with_codes(place: SignInPlace, name: str) -> tuple[pyotp.TOTP, tuple[str, ...]]:
    person = place.person(name, passphrase=True)
    secret, address = place.sign_in.begin_codes(person, "desk")
    assert secret in address
    totp = pyotp.TOTP(secret)
    assert place.sign_in.confirm_codes(person, "000000") is None
    recovery = place.sign_in.confirm_codes(person, totp.at(place.now))
    assert recovery is not None
    return totp, recovery


def test_p4_beside_the_passphrase_a_code_is_needed_and_each_counts_once(place: SignInPlace) -> None:
    totp, recovery = with_codes(place, "coded")
    place.now += timedelta(minutes=5)
    now, sign_in = place.now, place.sign_in

    def log_in(code: str) -> str:
        return sign_in.with_passphrase("coded", PASSPHRASE, code).name

    for wrong in ("", "000000", totp.at(now - timedelta(minutes=1))):
        refused(partial(log_in, wrong), "E_LOGIN")
    assert log_in(totp.at(now)) == "coded"
    refused(lambda: log_in(totp.at(now)), "E_LOGIN")
    refused(lambda: log_in(totp.at(now - timedelta(seconds=30))), "E_LOGIN")
    place.now += timedelta(minutes=15)
    assert log_in(recovery[3].upper()) == "coded"
    assert place.events()[-1] == SecondFactorChanged("recovered", "coded")
    refused(lambda: log_in(recovery[3]), "E_LOGIN")
    assert sign_in.ways(ActingPerson("coded")).recovery == second_factor.RECOVERY_CODES - 1


def test_p4_a_copy_of_the_database_makes_no_code(place: SignInPlace) -> None:
    totp, recovery = with_codes(place, "copied")
    key = place.folder.path / "desk.codes.key"
    everything = dumped(place.folder) + (place.folder.path / "audit.log").read_bytes()

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for secret in (totp.secret, *recovery, key.read_text("utf-8").strip()):
        assert secret.encode() not in everything
    thief = DeskSignIn(
        place.web.database, lambda _: None, place.utc, PARTY, bytes(32), required=True
    )
    place.now += timedelta(minutes=5)
    refused(lambda: thief.with_passphrase("copied", PASSPHRASE, totp.at(place.now)), "E_LOGIN")


@pytest.mark.parametrize(
    ("demanding", "more", "enough"),
    [
        (True, "nothing", True),
        (True, "passkey", False),
        (True, "codes", False),
        (False, "passkey", True),
        (False, "codes", False),
    ],
)
def test_p4_when_a_passphrase_alone_is_enough(
    place: SignInPlace, demanding: bool, more: str, enough: bool
) -> None:
    name = f"alone-{more}-{demanding}".lower()
    if more == "codes":
        with_codes(place, name)
    elif more == "passkey":
        place.with_passkey(name, passphrase=True)
    else:
        place.person(name, passphrase=True)
    own = DeskSignIn(
        place.web.database, lambda _: None, place.utc, PARTY, bytes(32), required=demanding
    )

    if enough:
        assert own.with_passphrase(name, PASSPHRASE, "").name == name
    else:
        refused(lambda: own.with_passphrase(name, PASSPHRASE, ""), "E_LOGIN")


def test_codes_are_set_up_only_beside_a_passphrase_and_once(place: SignInPlace) -> None:
    place.with_passkey("no-passphrase")
    refused(lambda: place.sign_in.begin_codes(ActingPerson("no-passphrase"), "x"), "E_RIGHT")
    with_codes(place, "twice")
    refused(lambda: place.sign_in.begin_codes(ActingPerson("twice"), "x"), "E_RIGHT")
    place.sign_in.remove_codes(ActingPerson("twice"))
    ways = place.sign_in.ways(ActingPerson("twice"))
    assert (ways.codes, ways.recovery) == (False, 0)


# --- pages ----------------------------------------------------------------------------------------


@pytest.fixture
def web(place: SignInPlace) -> Web:
    client = TestClient(desk_app(place.web), headers={"accept-language": "en"})
    return Web(place.folder, place.web.database, place.web.people, place.now, client)


def options_in(page: str) -> str:
    from html import unescape
    from re import search

    found = search(r'data-options="([^"]*)"', page)
    assert found is not None
    return unescape(found[1])


def test_p4_who_judges_must_first_add_more_than_a_passphrase(place: SignInPlace, web: Web) -> None:
    place.person("judge", passphrase=True)
    place.person("eyes")
    for name, role in (("eyes", DeskRole.DATA_PROTECTION_OFFICER), ("judge", DeskRole.OFFICER)):
        right = web.people.propose(ActingPerson(FIRST), terms(name, role, first=NOW.date()))
        web.people.approve(ActingPerson("eyes"), right.right_id)
    page = web.log_in("judge", PASSPHRASE)
    assert says("account.lacks") in page
    assert web.client.get("/queue").url.path == "/account"
    assert (
        web.post("/people/approve", page="/account", right="x") == web.client.get("/account").text
    )

    made = Authenticator(PARTY.origin)
    page = web.post("/account/passkey", page="/account", current=PASSPHRASE, called="blue key")
    answer = made.create(options_in(page))
    page = web.post("/account/passkey/made", page="/account", called="blue key", answer=answer)
    assert page.count("<li><code>") == second_factor.RECOVERY_CODES
    assert web.client.get("/queue").url.path == "/queue"
    web.client.cookies.clear()
    assert line_of(web.log_in("judge", PASSPHRASE)) == line_of(web.log_in("nobody", "x"))
    page = web.client.get("/login").text
    answer = made.get(options_in(page))
    web.post("/login/passkey", page="/login", answer=answer)
    assert web.client.get("/queue").url.path == "/queue"


def test_a_person_with_passkeys_only_proves_herself_with_one(place: SignInPlace, web: Web) -> None:
    made = place.with_passkey("keys-only")
    web.post("/login/passkey", page="/login", answer=made.get(options_in(_login(web))))
    page = web.client.get("/account").text
    assert 'name="current"' not in page

    new = "another long passphrase"
    wrong = made.get(json.dumps({**json.loads(options_in(page)), "challenge": "AAAA"}))
    answered = web.post("/account", page="/account", new=new, again=new, answer=wrong)
    assert line_of(answered) == says("passkey.refused")
    page = web.client.get("/account").text
    answer = made.get(options_in(page))
    page = web.post("/account", page="/account", new=new, again=new, answer=answer)
    assert line_of(page) == says("account.changed")
    assert place.sign_in.ways(ActingPerson("keys-only")).passphrase


def _login(web: Web) -> str:
    return web.client.get("/login").text


def test_one_time_codes_are_set_up_and_removed_on_the_account(place: SignInPlace, web: Web) -> None:
    place.person("sets-up", passphrase=True)
    web.log_in("sets-up", PASSPHRASE)
    page = web.post("/account/codes", page="/account", current=PASSPHRASE)
    assert "<svg" in page
    secret = page.split("<code>")[1].split("</code>")[0].replace(" ", "")
    fields = {"code": pyotp.TOTP(secret).at(place.now)}
    page = web.post("/account/codes/confirm", page="/account", **fields)
    assert page.count("<li><code>") == second_factor.RECOVERY_CODES
    page = web.post("/account/recovery", page="/account", current=PASSPHRASE)
    assert page.count("<li><code>") == second_factor.RECOVERY_CODES
    page = web.post("/account/codes/remove", page="/account", current="wrong")
    assert line_of(page).startswith(says("account.refused"))
    page = web.post("/account/codes/remove", page="/account", current=PASSPHRASE)
    assert line_of(page) == says("codes.removed")


def test_a_key_is_revoked_by_its_person_and_by_a_supervisor(place: SignInPlace, web: Web) -> None:
    person = place.person("has-keys", passphrase=True)
    place.with_passkey("lost-hers")
    made = [SigningKey.generate("has-keys").public for _ in range(2)]
    for one in made:
        add_personal_key(web.database, web.people._record, person, one, place.now)
    web.log_in("has-keys", PASSPHRASE)
    refused = web.post("/account/key/revoke", page="/account", current=PASSPHRASE, key="0" * 16)
    assert line_of(refused) == says("error.refused")
    page = web.post("/account/key/revoke", page="/account", current=PASSPHRASE, key=made[0].key_id)
    assert line_of(page) == says("keys.revoked")
    assert made[0].key_id not in page
    assert made[1].key_id in page

    (passkey,) = place.sign_in.ways(ActingPerson("lost-hers")).passkeys
    for key_id in (made[1].key_id, passkey.key.key_id):
        web.post("/people/key", page="/account", key=key_id)
        assert web.status == 403
    web.client.cookies.clear()
    place.now += WITHIN
    web.log_in()
    codes = web.post("/account/codes", page="/account", current=passphrase_of(FIRST))
    secret = codes.split("<code>")[1].split("</code>")[0].replace(" ", "")
    web.post("/account/codes/confirm", page="/account", code=pyotp.TOTP(secret).at(place.now))
    for key_id in (made[1].key_id, passkey.key.key_id):
        assert key_id in web.client.get("/people").text
        assert key_id not in web.post("/people/key", page="/people", key=key_id)
    assert place.sign_in.ways(ActingPerson("lost-hers")).passkeys == ()


def test_p4_from_one_address_only_so_many_logins_may_fail(place: SignInPlace, web: Web) -> None:
    place.person("busy", passphrase=True)
    pages = [web.post("/login/passkey", page="/login", answer="{}") for _ in range(FAILURES)]
    assert {line_of(page) for page in pages} == {says("passkey.refused")}
    for path, page in (("/login", "/login"), ("/login/passkey", "/login"), ("/enrol", "/enrol")):
        told = web.post(path, page=page, name="busy", passphrase=PASSPHRASE)
        assert web.status == 429
        assert line_of(told).startswith(says("login.address"))
    place.now += WITHIN
    web.log_in("busy", PASSPHRASE)
    assert web.client.get("/account").status_code == 200


# --- limits ---------------------------------------------------------------------------------------


def test_logins_that_succeed_are_not_counted_and_addresses_are_forgotten() -> None:
    now = NOW
    limits = AddressLimits(lambda: now)
    for _ in range(3 * FAILURES):
        assert limits.begin("a")
        limits.succeeded("a")
    assert [limits.begin("b") for _ in range(FAILURES + 1)] == [True] * FAILURES + [False]
    assert limits.begin("a")
    for number in range(11_000):
        limits.begin(str(number))
    assert len(limits._failed) == 10_000


@pytest.mark.parametrize(
    ("peer", "forwarded", "behind", "seen"),
    [
        ("192.0.2.7", ["198.51.100.1"], False, "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], True, "192.0.2.7"),
        ("127.0.0.1", ["198.51.100.1"], False, "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], True, "198.51.100.1"),
        ("::1", ["203.0.113.9, 198.51.100.1"], True, "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9", "198.51.100.1"], True, "198.51.100.1"),
        ("127.0.0.1", ["198.51.100.1, nonsense"], True, "127.0.0.1"),
        ("127.0.0.1", [], True, "127.0.0.1"),
        ("2001:db8:1:2:3::4", [], False, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", [], False, "192.0.2.7"),
        ("testclient", [], False, "testclient"),
    ],
)
def test_only_a_proxy_on_this_machine_is_believed_about_an_address(
    peer: str, forwarded: list[str], behind: bool, seen: str
) -> None:
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    request = Request({"type": "http", "client": (peer, 1), "headers": headers})
    assert client_address(request, behind_proxy=behind) == seen
