"""Logging in with accounts of a provider: a real one on loopback, and ones that lie.

Longer than 500 lines because the provider itself, with each of its lies, is in it.
"""

from __future__ import annotations

import base64
import json
import logging
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from starlette.testclient import TestClient

from edge.adapters.state.audit_log import read_log
from edge.desk.accounts import ActingPerson
from edge.desk.enrolling import make_code
from edge.desk.folder import DeskFolder
from edge.desk.rights import DeskRole
from edge.desk.sign_in import LoginWay
from edge.desk.web.app import desk_app
from edge.desk.web.calls import WebDesk
from edge.privacy.audit_events import AccountLinkChanged, Event, SessionChanged
from edge.privacy.checkpoints import desk_log
from edge.texts import catalogue
from tests.integration.test_desk_people import refused
from tests.integration.test_desk_store import dumped
from tests.support.authenticator import Authenticator
from tests.support.desk_web import OFFICER, PARTY, SECOND, line_of, opened, says
from tests.support.desks import FIRST, NOW, added, make_desk, terms
from tests.support.parties import AUTHORITY
from tests.support.provider import CLIENT, SECRET, Provider, ec, provider, rsa, with_section

BACK = "/login/oidc/back"


class Place:
    """A desk with a provider, its clock, and one browser."""

    def __init__(self, folder: DeskFolder, town: Provider) -> None:
        self.folder, self.town, self.now = folder, town, NOW
        self.desk: WebDesk
        self.client: TestClient

    def begin(self) -> str:
        """Press the button of the login page; returns where the browser is led."""
        page = self.client.get("/login").text
        token = page.partition('name="token" value="')[2].partition('"')[0]
        answer = self.client.post("/login/oidc", data={"token": token}, follow_redirects=False)
        assert answer.status_code == 303, line_of(answer.text)
        return answer.headers["location"]

    def at_provider(self, address: str) -> str:
        """Log in at the provider; returns where it leads the browser back."""
        assert address.startswith(f"{self.town.issuer}/authorize?")
        back = led_by(address)
        assert back.startswith(f"{PARTY.origin}{BACK}?")
        return back.removeprefix(PARTY.origin)

    def log_in(self) -> str:
        """A whole login; returns the line that it says, or the person it logs in."""
        return self.follow(self.at_provider(self.begin()))

    def follow(self, back: str) -> str:
        answer = self.client.get(back)
        if answer.status_code != 200:
            assert not self.who()
            return line_of(answer.text)
        assert answer.headers["refresh"] == "0; url=/"
        return self.who()

    def who(self) -> str:
        answer = self.client.get("/account")
        return "" if answer.status_code != 200 else answer.text.partition("<p>")[2].split(" ")[0]

    def linked(self, person: str, subject: str) -> None:
        link = self.desk.links.propose(ActingPerson(FIRST), person, self.town.issuer, subject)
        self.desk.links.approve(ActingPerson(SECOND), link.link_id)

    def events(self) -> list[Event]:
        log = read_log(self.folder.path, origin=desk_log(AUTHORITY))
        return [one.event for one in log.entries]


class NotFollowing(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def led_by(address: str) -> str:
    with pytest.raises(HTTPError, match="302") as answer:
        urllib.request.build_opener(NotFollowing).open(address, timeout=10)
    answer.value.close()
    return str(answer.value.headers["location"])


@pytest.fixture(scope="module")
def town() -> Iterator[Provider]:
    with provider(lambda: NOW) as made:
        yield made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DeskFolder:
    """A desk that asks for a second factor, with two supervisors; each test has a copy."""
    folder = make_desk(tmp_path_factory.mktemp("oidc") / "desk")
    secret = folder.path / "oidc.secret"
    secret.write_text(SECRET + "\n", encoding="utf-8")
    secret.chmod(0o600)
    with opened(folder, lambda: NOW) as desk:
        added(desk.people, OFFICER, SECOND)
        right = desk.people.propose(ActingPerson(FIRST), terms(SECOND, DeskRole.SUPERVISOR))
        desk.people.approve(ActingPerson(SECOND), right.right_id)
    return folder


@pytest.fixture
def place(
    made: DeskFolder, tmp_path: Path, town: Provider, request: pytest.FixtureRequest
) -> Iterator[Place]:
    """A desk whose section `oidc` has what the test adds."""
    town.reset()
    copied = DeskFolder(shutil.copytree(made.path, tmp_path / "desk"), made.config)
    config = town.config(**getattr(request, "param", {}))
    own = Place(with_section(copied, config, second_factor="required"), town)
    town.utc = lambda: own.now
    with opened(own.folder, lambda: own.now) as own.desk:
        app = desk_app(own.desk)
        own.client = TestClient(app, base_url=PARTY.origin, headers={"accept-language": "en"})
        own.linked(OFFICER, "subject-1")
        yield own


def says_of(key: str) -> str:
    return catalogue("en")[f"desk.oidc.{key}"].format(label="Town login")


# --- one that is honest ---------------------------------------------------------------------------


def test_p4_a_linked_account_logs_its_person_in_and_each_answer_counts_once(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    page = place.client.get("/login")
    assert "Log in with Town login" in page.text
    policy = page.headers["content-security-policy"]
    assert f"form-action 'self' {place.town.issuer};" in policy
    back = place.at_provider(place.begin())
    answer = place.client.get(back)

    assert answer.headers["refresh"] == "0; url=/"
    assert place.town.asked["prompt"] == "login"
    assert place.town.issuer not in answer.headers["content-security-policy"]
    assert place.who() == OFFICER
    assert place.events()[-1] == SessionChanged("login", OFFICER)
    place.client.cookies.delete("desk-session")
    assert place.follow(back) == says_of("again")
    # The client of the tests logs the addresses that it opens.
    own = "\n".join(one.getMessage() for one in caplog.records if one.name != "httpx2")
    everything = dumped(place.folder) + (place.folder.path / "audit.log").read_bytes()
    code = parse_qs(urlsplit(back).query)["code"][0]
    for secret in (place.town.tokens[-1], code, SECRET):
        assert secret.encode() not in everything
        assert secret not in own


def test_a_key_of_another_kind_or_a_new_one_is_found(place: Place) -> None:
    place.town.sign = lambda claims: place.town.signed(claims, place.town.keys[1])
    assert place.log_in() == OFFICER
    place.client.cookies.clear()
    new = rsa("rsa-2")
    place.town.keys.append(new)
    place.town.sign = lambda claims: place.town.signed(claims, new)
    place.now += timedelta(minutes=2)
    assert place.log_in() == OFFICER
    place.town.keys.remove(new)


# --- answers that do not belong to this login -----------------------------------------------------


def test_p4_an_answer_counts_in_its_own_browser_only(place: Place) -> None:
    stolen = place.at_provider(place.begin())
    other = place.client.cookies["desk-provider"]
    place.client.cookies.clear()
    assert place.follow(stolen) == says_of("again")
    place.begin()
    assert place.client.cookies["desk-provider"] != other
    assert place.follow(stolen) == says_of("again")
    back = place.at_provider(place.begin())
    place.now += timedelta(minutes=11)
    assert place.follow(back) == says_of("again")
    assert SessionChanged("refused", None) not in place.events()


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"state": "x"}, "again"),
        ({"state": None}, "again"),
        ({"iss": "https://login.example"}, "away"),
        ({"iss": None}, "away"),
        ({"code": "x"}, "away"),
        ({"error": "access_denied", "error_description": "<b>secret</b>"}, "refused"),
    ],
    ids=["state", "no state", "iss", "no iss", "code", "error"],
)
def test_p4_what_leads_back_must_be_of_this_login(
    place: Place, answer: dict[str, str | None], line: str
) -> None:
    place.town.answer = answer
    assert place.log_in() == says_of(line)


def test_p4_a_code_that_was_used_is_used_up(place: Place) -> None:
    first = place.at_provider(place.begin())
    assert place.follow(first) == OFFICER
    place.client.cookies.clear()
    code = parse_qs(urlsplit(first).query)["code"][0]
    place.town.answer = {"code": code}
    assert place.log_in() == says_of("away")
    assert place.events()[-1] == SessionChanged("refused", None)


# --- tokens that lie ------------------------------------------------------------------------------


def plain(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(_: Provider, claims: dict[str, Any]) -> str:
    return f"{plain({'alg': 'none'})}.{plain(claims)}."


def by_public_key(town: Provider, claims: dict[str, Any]) -> str:
    """HS256 under the provider's public RSA key, which everybody knows."""
    head = f"{plain({'alg': 'HS256', 'kid': 'rsa-1'})}.{plain(claims)}"
    mac = hmac.HMAC(town.keys[0].as_pem(private=False), hashes.SHA256())
    mac.update(head.encode())
    return f"{head}.{base64.urlsafe_b64encode(mac.finalize()).rstrip(b'=').decode()}"


def by_secret(_: Provider, claims: dict[str, Any]) -> str:
    """HS256 under the secret of the client, which OpenID Connect knows and this desk does not."""
    head = f"{plain({'alg': 'HS256'})}.{plain(claims)}"
    mac = hmac.HMAC(SECRET.encode(), hashes.SHA256())
    mac.update(head.encode())
    return f"{head}.{base64.urlsafe_b64encode(mac.finalize()).rstrip(b'=').decode()}"


def altered(town: Provider, claims: dict[str, Any]) -> str:
    head, _, signature = town.signed({**claims, "sub": "nobody"}).split(".")
    return f"{head}.{plain(claims)}.{signature}"


def by_another(town: Provider, claims: dict[str, Any]) -> str:
    return town.signed(claims, rsa("rsa-1"))


def by_unknown(town: Provider, claims: dict[str, Any]) -> str:
    return town.signed(claims, ec("ec-9"))


@pytest.mark.parametrize(
    "sign",
    [unsigned, by_public_key, by_secret, altered, by_another, by_unknown, lambda _, __: "a.b"],
    ids=["none", "public key", "secret", "altered", "another", "unknown", "no token"],
)
def test_p4_a_token_that_the_provider_has_not_signed_logs_nobody_in(
    place: Place, sign: Callable[[Provider, dict[str, Any]], str], caplog: pytest.LogCaptureFixture
) -> None:
    place.town.sign = lambda claims: sign(place.town, claims)
    assert place.log_in() == says_of("away")
    assert "oidc: the id_token: " in caplog.text
    assert place.town.tokens[-1] not in caplog.text
    assert "subject-1" not in caplog.text


AT = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "https://login.example"), ("iss", None),
        ("aud", "another"), ("aud", [CLIENT, "another"]), ("aud", None),
        ("azp", "another"),
        ("nonce", "another"), ("nonce", None),
        ("exp", AT - 61), ("exp", "tomorrow"), ("exp", None),
        ("iat", AT + 600), ("nbf", AT + 600),
        ("sub", ""), ("sub", 7), ("sub", "x" * 256), ("sub", None),
    ],
)  # fmt: skip
def test_p4_a_token_of_another_issuer_client_login_or_time_logs_nobody_in(
    place: Place, claim: str, value: object
) -> None:
    place.town.claims = {claim: value}
    assert place.log_in() == says_of("away")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://login.example"},
        {"token_endpoint": "http://login.example/token"},
        {"jwks_uri": "http://login.example/jwks"},
        {"authorization_endpoint": "https://elsewhere.example/authorize"},
        {"authorization_endpoint": None},
    ],
    ids=["issuer", "token in clear", "keys in clear", "another host", "no endpoint"],
)
def test_p4_metadata_of_another_issuer_or_in_clear_are_refused(
    place: Place, metadata: dict[str, Any]
) -> None:
    place.town.metadata = metadata
    page = place.client.get("/login").text
    token = page.partition('name="token" value="')[2].partition('"')[0]
    answer = place.client.post("/login/oidc", data={"token": token}, follow_redirects=False)
    assert (answer.status_code, line_of(answer.text)) == (503, says_of("away"))


# --- who logs in, and how strongly ----------------------------------------------------------------


def test_p4_only_an_account_that_two_people_have_linked_logs_in(place: Place) -> None:
    links, first, second = place.desk.links, ActingPerson(FIRST), ActingPerson(SECOND)
    place.town.subject = SECOND  # a name at the desk is no link
    place.town.claims = {"email": "els@town.example", "name": "Els"}
    assert place.log_in() == says_of("unknown")
    issuer = place.town.issuer
    link = links.propose(first, SECOND, issuer, SECOND)
    assert place.log_in() == says_of("unknown")
    refused(lambda: links.approve(first, link.link_id), "E_FOUR_EYES")
    refused(lambda: links.approve(ActingPerson(OFFICER), link.link_id), "E_RIGHT")
    refused(lambda: links.propose(ActingPerson(OFFICER), FIRST, issuer, "x"), "E_RIGHT")
    refused(lambda: links.propose(first, FIRST, issuer, SECOND), "E_USAGE")
    refused(lambda: links.propose(first, OFFICER, issuer, "another"), "E_USAGE")
    links.approve(second, link.link_id)
    place.town.claims = {"amr": ["mfa"]}
    assert place.log_in() == says_of("weak")  # she is a supervisor, and nothing says what mfa is
    refused(lambda: links.remove(ActingPerson(OFFICER), link.link_id), "E_RIGHT")
    links.remove(second, link.link_id)
    assert place.log_in() == says_of("unknown")
    told = (link.link_id, link.sha256(), SECOND)
    found = [one for one in place.events() if isinstance(one, AccountLinkChanged)]
    assert found[-3:] == [
        AccountLinkChanged("proposed", *told, FIRST),
        AccountLinkChanged("approved", *told, SECOND),
        AccountLinkChanged("removed", *told, SECOND),
    ]


@pytest.mark.parametrize(
    ("place", "claims", "line"),
    [
        ({"amr": ["mfa"]}, {"amr": ["pwd", "mfa"]}, ""),
        ({"amr": ["pwd", "otp"]}, {"amr": ["otp", "pwd"]}, ""),
        ({"acr": ["silver", "gold"]}, {"acr": "gold"}, ""),
        ({"amr": ["mfa"], "acr": ["gold"]}, {"amr": ["mfa"], "acr": "gold"}, ""),
        ({"amr": ["mfa"]}, {}, "weak"),
        ({"amr": ["mfa"]}, {"amr": ["pwd"]}, "weak"),
        ({"amr": ["mfa"]}, {"amr": "mfa"}, "weak"),
        ({"amr": ["pwd", "otp"]}, {"amr": ["otp"]}, "weak"),
        ({"acr": ["gold"]}, {"acr": "bronze"}, "weak"),
        ({"amr": ["mfa"], "acr": ["gold"]}, {"amr": ["mfa"]}, "weak"),
        ({}, {"amr": ["mfa"]}, "weak"),
    ],
    indirect=["place"],
)
def test_p4_who_judges_logs_in_with_what_the_desk_says_proves_a_second_factor(
    place: Place, claims: dict[str, Any], line: str
) -> None:
    right = place.desk.people.propose(ActingPerson(FIRST), terms(OFFICER))
    place.desk.people.approve(ActingPerson(SECOND), right.right_id)
    place.town.claims = claims

    if line:
        assert place.log_in() == says_of(line)
        assert place.events()[-1] == SessionChanged("refused", OFFICER)
    else:
        assert place.log_in() == OFFICER
        assert place.client.get("/queue").status_code == 200


def test_p4_a_right_that_comes_later_does_not_count_for_a_weak_login(place: Place) -> None:
    assert place.log_in() == OFFICER
    made, here = Authenticator(PARTY.origin), "a browser"
    answer = made.create(place.desk.sign_in.creation(ActingPerson(OFFICER), here, "desk"))
    place.desk.sign_in.add_passkey(ActingPerson(OFFICER), "blue key", answer, here)
    right = place.desk.people.propose(ActingPerson(FIRST), terms(OFFICER))
    place.desk.people.approve(ActingPerson(SECOND), right.right_id)

    shown = place.client.get("/queue")
    assert shown.url.path == "/account"
    assert line_of(shown.text) == says_of("lacks")


def test_p4_enrolment_ends_the_link_as_every_other_way(place: Place) -> None:
    record = place.desk.people._record
    code = make_code(place.desk.database, record, ActingPerson(FIRST), OFFICER, place.now)
    made, here = Authenticator(PARTY.origin), "a browser"
    answer = made.create(place.desk.enrolments.begin(OFFICER, code, here, "desk"))
    place.desk.enrolments.finish(OFFICER, code, "blue key", answer, here)

    assert place.desk.links.all() == ()
    assert place.log_in() == says_of("unknown")


def test_p4_a_link_that_is_removed_ends_the_sessions_that_it_began(place: Place) -> None:
    assert place.log_in() == OFFICER
    (link,) = place.desk.links.all(OFFICER)
    place.desk.links.remove(ActingPerson(OFFICER), link.link_id)

    assert place.who() == ""
    assert place.log_in() == says_of("unknown")


def test_p4_a_second_supervisor_compares_and_approves_a_link_on_a_page(place: Place) -> None:
    link = place.desk.links.propose(ActingPerson(FIRST), SECOND, place.town.issuer, "subject-2")
    session = place.desk.sessions.begin(ActingPerson(SECOND), LoginWay.PROVIDER_STRONG)
    place.client.cookies.set("desk-session", session)

    def press(action: str) -> str:
        page = place.client.get("/people").text
        token = page.partition('name="token" value="')[2].partition('"')[0]
        sent = {"token": token, "link": link.link_id}
        return place.client.post(f"/people/link/{action}", data=sent).text

    assert "<code>subject-2</code>" in place.client.get("/people").text
    assert says("oidc.heading") not in place.client.get("/account").text
    press("approve")
    assert "subject-2" in place.client.get("/account").text
    assert [one.approved_by for one in place.desk.links.all(SECOND)] == [SECOND]
    assert "subject-2" not in press("remove")
    assert place.desk.links.all(SECOND) == ()
