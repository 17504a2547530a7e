"""Every route of the desk's pages, found from the routes: hostile forms, and a scan of each page.

The scan makes the checks that passive rules of web scanners make: headers, cookies, forms, scripts,
mixed content, caches, banners.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from httpx2 import Response
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.testclient import TestClient

from edge.desk.accounts import DeskPerson, hashed, insert_person
from edge.desk.rights import DeskRole
from edge.desk.store.tables import ENTITLEMENT, FINDING, SESSION
from edge.desk.web.app import desk_app
from edge.desk.web.calls import LARGEST_FORM
from edge.desk.web.limits import AddressLimits
from tests.support.cases import CaseRoom
from tests.support.desk_web import PARTY
from tests.support.desks import FIRST, NOW, make_desk, passphrase_of
from tests.support.parties import make_parties
from tests.support.review_web import ReviewOffice, Seat
from tests.support.reviews import CONFIRMED, OFFICER, OTHER, SECOND

ROLES: Final = {
    DeskRole.OFFICER: OFFICER,
    DeskRole.SECOND_OFFICER: SECOND,
    DeskRole.SUPERVISOR: FIRST,
    DeskRole.DATA_PROTECTION_OFFICER: "a-dpo",
    DeskRole.CLERK: "a-clerk",
    DeskRole.AUDITOR: "an-auditor",
}
OTHERS: Final = ("a-dpo", "a-clerk", "an-auditor")


class Place:
    """A desk with a person of each role, a decided case, one that an officer holds, a third."""

    def __init__(self, room: CaseRoom) -> None:
        with room.database.writing() as connection:
            for name in OTHERS:
                person = DeskPerson(name, name.title(), FIRST, NOW)
                insert_person(connection, person, hashed(passphrase_of(name)))
        for role, name in ROLES.items():
            if name in OTHERS:
                room.give(name, role)
        self.office = ReviewOffice(room)
        self.desk = replace(self.office.desk, court=room.sources)
        room.through(OTHER, CONFIRMED)
        decided = room.hit.hit_id
        room.hit = room.new_hit()
        room.begin(OFFICER)
        held = room.hit.hit_id
        self.cases = (decided, held, room.new_hit().hit_id)

    def seat(self, role: DeskRole | None) -> Seat:
        """A new browser of a person with this role, or of nobody; no login of hers failed yet."""
        desk = replace(self.desk, limits=AddressLimits(self.office.room.utc))
        if role is not None:
            return self.office.seat(ROLES[role], desk)
        client = TestClient(desk_app(desk), headers={"accept-language": "en"})
        return Seat(self.office, "", client)

    def routes(self, method: str, role: DeskRole | None) -> list[str]:
        """The addresses that answer this method, with the cases of this desk in them."""
        cases = self.cases if role is DeskRole.OFFICER else self.cases[:1]
        application: Any = desk_app(self.desk)
        routes: list[Route] = application._application.routes
        paths = [one.path for one in routes if method in (one.methods or ())]
        assert len(paths) > 20
        return [
            path.replace("{hit_id}", case).replace("{language}", "fr")
            for path in paths
            for case in (cases if "{hit_id}" in path else ("",))
        ]

    def rows(self, *, sessions: bool = True) -> tuple[Any, ...]:
        """What no hostile form may change."""
        with self.office.room.database.reading() as connection:
            return tuple(
                sorted(map(str, connection.execute(table.select()).all()))
                for table in (FINDING, ENTITLEMENT, *((SESSION,) if sessions else ()))
            )


@pytest.fixture(scope="module")
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    base, address = tmp_path_factory.mktemp("hostile"), None
    if request.param == "postgresql":
        address = request.getfixturevalue("postgres_server").new_database()
    with CaseRoom.of(make_desk(base / "desk", address), make_parties(base), base) as room:
        yield Place(room)


# --- hostile forms --------------------------------------------------------------------------------

MARK: Final = "<x7 on=1>"
HOSTILE: Final = (
    f"{MARK}<script>alert(1)</script>",
    f'"{MARK}',
    f"'{MARK} autofocus onfocus=alert(1) x='",
    "\u202e\u2066\u200b1ABC123",
    "\x1b[31m\x1b]0;title\x07",
    "\x00",
    "1ABC123\x00",
    "javascript:alert(1)",
    "//evil.example",
    "' OR 1=1 --",
    "{{ 7*7 }}${7*7}%s%n",
    "../../etc/passwd",
    "9" * 5000,
    "A" * LARGEST_FORM,
    "-1",
    "9999-99-99",
    "\ud7ff\U0010ffff",
    '{"id": [], "type": null}',
)
KNOWN: Final = (
    "", "offence", "reject", "cannot-tell", "exempt", "misread", "confirmed", "referred",
    "rejected", "yes", "passkey", "court", "an-peeters", OFFICER, "2026-12-01",
    "2026-12-01T12:00:00.000Z",
)  # fmt: skip
FIELDS: Final = (
    "hit", "answer", "username", "passphrase", "outcome", "key", "code", "case", "reason", "name",
    "outcome_reason", "called", "appeal", "typed", "since", "right", "person", "new", "link", "by",
    "judgement", "decided_at", "current", "before", "again", "term", "request", "en", "token",
)  # fmt: skip

values = st.sampled_from((*HOSTILE, *KNOWN)) | st.text(max_size=30)
fields = st.lists(
    st.tuples(st.sampled_from(FIELDS[:-1]) | st.text(max_size=8), values), min_size=4, max_size=18
)
kinds = st.sampled_from(("form", "form", "form", "twice", "bytes", "json", "utf-16", "multipart"))


def body_of(kind: str, pairs: list[tuple[str, str]], token: str) -> tuple[bytes, str]:
    """A body with its media type; most have the browser's own token, so that they are looked at."""
    form = "application/x-www-form-urlencoded"
    content = urlencode([*dict(pairs).items(), ("token", token)])
    if kind == "twice":
        return urlencode([*pairs, *pairs[:1], ("token", token)]).encode(), form
    if kind == "bytes":
        return content.encode() + b"&typed=%ff%fe%00&%zz=\xff", form
    if kind == "utf-16":
        return content.encode("utf-16"), f"{form}; charset=utf-16"
    if kind in {"json", "multipart"}:
        types = {"json": "application/json", "multipart": "multipart/form-data; boundary=x"}
        return content.encode(), types[kind]
    return content.encode(), form


def require_harmless(answer: Response, path: str, kind: str) -> None:
    """No fault, no redirect elsewhere, and nothing that was sent stands as markup in the page."""
    assert answer.status_code in {200, 303, 400, 401, 403, 404, 409, 422, 429}, (path, kind)
    assert re.fullmatch("(/[^/].*|/|)", answer.headers.get("location", "")), path
    assert not re.search("<x7|<script>", answer.text), path
    # What is shown again is the value of its own field, where it moves and hides nothing.
    outside = re.sub(r'value="[^"]*"', "", answer.text)
    assert not re.search("[\x00\x07\x1b\u202e\u2066\u200b]", outside), path


@pytest.mark.parametrize(
    ("place", "role"),
    [
        *(("sqlite", role) for role in (None, *ROLES)),
        # Who reaches most of the statements; PostgreSQL takes no NUL in a text.
        *(("postgresql", role) for role in (DeskRole.OFFICER, DeskRole.SUPERVISOR)),
    ],
    indirect=["place"],
)
@settings(
    max_examples=2,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(kind="form", pairs=[(name, f"\x1b[31m\u202e{MARK}") for name in FIELDS[:17]])
@example(kind="form", pairs=[(name, f"\x1b[31m\u202e{MARK}") for name in FIELDS[12:-1]])
@example(kind="form", pairs=[(FIELDS[0], "\x00"), ("name", "\x00"), ("code", "\x00")])
@given(kind=kinds, pairs=fields)
def test_p4_hostile_forms_change_nothing_and_stay_text(
    place: Place, role: DeskRole | None, kind: str, pairs: list[tuple[str, str]]
) -> None:
    seat = place.seat(role)
    start = "/login" if role is None else "/account"
    token = seat.token(start)
    before = place.rows()
    for path in place.routes("POST", role):
        content, media_type = body_of(kind, pairs, token)
        headers = {"content-type": media_type}
        answer = seat.client.post(path, content=content, headers=headers, follow_redirects=False)
        require_harmless(answer, path, kind)
        if path == "/logout":
            assert place.rows(sessions=False) == before[:2]
            seat = place.seat(role)
            token = seat.token(start)
            before = place.rows()
    assert place.rows() == before


# --- the scan -------------------------------------------------------------------------------------

WANTED: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class Scan(HTMLParser):
    """What is wrong with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.forms: list[list[str]] = []

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"a comment: {data}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        own = r"(?!//)[/#]|data:image/jpeg;base64,"
        if tag == "a":
            own += "|" + re.escape(PARTY.origin)
        if tag == "form":
            self.forms.append([])
        if tag == "input" and self.forms:
            self.forms[-1].append(has.get("name", ""))
        addresses = {"src", "href", "action", "formaction", "data", "poster"} & has.keys()
        rules = {
            "code or style in an attribute": any(
                name.startswith("on") or name == "style" for name in has
            ),
            "a script or style inline or from elsewhere": tag in {"script", "link"}
            and has.get("src", has.get("href")) not in FILES,
            "an element that changes or holds another page": tag
            in {"style", "iframe", "object", "embed", "base", "frame"}
            or "http-equiv" in has,
            "an address elsewhere": any(not re.match(own, has[name]) for name in addresses),
            "a new tab that can reach this one": has.get("target") == "_blank"
            and "noopener" not in has.get("rel", ""),
            "a form that puts its fields into an address": tag == "form"
            and has.get("method") != "post",
            "a password without autocomplete": has.get("type") == "password"
            and not has.get("autocomplete"),
        }
        self.wrong += [f"{tag} {has}: {rule}" for rule, broken in rules.items() if broken]


FILES: Final = {"/desk.js", "/desk.css"}
WRONG: Final = (
    "/no", "/language/xx", "/case/x", "/case/%00/file", "/case/%00/ready", "/queue?after=x",
    "/decided?after=%00",
)  # fmt: skip


def require_sound(answer: Response, path: str) -> None:
    """What a scanner looks for in an answer."""
    headers = answer.headers
    for name, value in WANTED.items():
        assert headers.get(name) == value, (path, name)
    policy = headers["content-security-policy"]
    added = policy.removeprefix(POLICY)
    assert added in {"", "; connect-src 'self'; img-src data:"}, (path, policy)
    assert "strict-transport-security" not in headers, "without TLS"
    assert not {"server", "x-powered-by", "access-control-allow-origin", "etag"} & headers.keys()
    for cookie in headers.get_list("set-cookie"):
        assert {"httponly", "samesite=strict", "path=/"} <= set(cookie.lower().split("; ")), cookie
    assert answer.status_code < 500, path
    kind = headers.get("content-type", "")
    if not answer.text:
        return
    assert kind.endswith("; charset=utf-8"), path
    if kind.startswith("text/html"):
        scan = Scan()
        scan.feed(answer.text)
        assert scan.wrong == [], path
        assert all("token" in names for names in scan.forms), path
        assert "Traceback" not in answer.text


PAGES: Final = ("queue", "decided", "people", "approvals", "figures", "boxes", "log", "account")


def menu(seat: Seat) -> list[str]:
    """The pages that the menu names."""
    page = seat.client.get("/account").text
    return [one for one in re.findall(r'<li><a href="/(\w+)"', page) if one in PAGES]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_p4_the_menu_names_exactly_the_pages_that_her_rights_of_today_open(place: Place) -> None:
    room = place.office.room
    ended = {ENTITLEMENT.c.first_day: "2026-01-01", ENTITLEMENT.c.last_day: "2026-01-02"}
    for role in ROLES:
        seat = place.seat(role)
        opens = [one for one in PAGES if seat.client.get(f"/{one}").status_code == 200]
        assert menu(seat) == opens, role
        assert seat.client.get("/", follow_redirects=False).headers["location"] == f"/{opens[0]}"
        for change, left in (
            ({ENTITLEMENT.c.site: "another-site"}, {one for one in opens if one != "log"}),
            (ended, {"account"}),
        ):
            hers = ENTITLEMENT.c.person == ROLES[role]
            with room.database.writing() as connection:
                kept = connection.execute(ENTITLEMENT.select().where(hers)).mappings().all()
                connection.execute(ENTITLEMENT.update().where(hers).values(change))
            assert set(menu(seat)) == left, (role, change)
            with room.database.writing() as connection:
                for row in kept:
                    same = ENTITLEMENT.c.right_id == row["right_id"]
                    connection.execute(ENTITLEMENT.update().where(same).values(dict(row)))
    assert menu(place.seat(DeskRole.DATA_PROTECTION_OFFICER))[-2:] == ["log", "account"]


@pytest.mark.parametrize(
    ("place", "role"),
    [*(("sqlite", role) for role in (None, *ROLES)), ("postgresql", DeskRole.OFFICER)],
    indirect=["place"],
)
def test_p4_every_page_passes_the_checks_of_a_scanner(place: Place, role: DeskRole | None) -> None:
    seat, seen = place.seat(role), set()
    for path in [*place.routes("GET", role), *WRONG]:
        answer = seat.client.get(path, follow_redirects=False)
        require_sound(answer, path)
        seen.add(answer.status_code)
        if role is None and path not in FILES and answer.status_code == 200:
            assert path in {"/login", "/login/passkey", "/login/oidc", "/enrol", "/enrol/passkey"}
    assert seen >= ({200, 303, 401, 404} if role is None else {200, 303, 404})
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        for path in ("/account", "/case/claim", "/desk.js"):
            answer = seat.client.request(method, path, follow_redirects=False)
            require_sound(answer, path)
            assert answer.status_code == 405
