"""The desk's web application: sessions, forms, rights, headers and hostile names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from edge.adapters.state.audit_log import read_log
from edge.desk.accounts import LOCKED_FOR, MAX_FAILURES, ActingPerson
from edge.desk.folder import DeskFolder
from edge.desk.queue import PAGE, QueuePlace, page_query, pair_query, sites_query
from edge.desk.rights import JUDGES, DeskRole
from edge.desk.store.tables import HIT, PERSON, SESSION
from edge.desk.web.app import desk_app
from edge.desk.web.calls import LARGEST_FORM
from edge.desk.web.serving import WhereToServe, web_desk
from edge.desk.web.sessions import IDLE, LONGEST
from edge.desk.web.words import preferred
from edge.privacy.audit_events import PersonChanged, SessionChanged
from edge.privacy.checkpoints import desk_log
from edge.texts import LANGUAGES, Language
from tests.support.desk_web import OFFICER, SECOND, Web, filled, line_of, opened, says
from tests.support.desks import FIRST, NOW, added, passphrase_of, terms
from tests.support.parties import AUTHORITY

ON_BOTH = {
    "test_a_person_logs_in_and_out_and_the_log_names_her",
    "test_the_queue_goes_from_the_oldest_hit_to_the_newest_and_shows_each_once",
    "test_if_the_database_is_away_one_line_says_so",
    "test_a_page_of_many_hits_is_read_from_the_index_of_waiting_ones_alone",
}
"""Tests that run on PostgreSQL too; what the others test is not in the database."""


@pytest.fixture
def web(desk: DeskFolder) -> Iterator[Web]:
    made: Web | None = None

    def utc() -> datetime:
        return NOW if made is None else made.now

    with opened(desk, utc) as shared:
        client = TestClient(desk_app(shared), headers={"accept-language": "en"})
        people = shared.people
        made = Web(desk, shared.database, people, NOW, client)
        added(people, OFFICER, SECOND)
        right = people.propose(ActingPerson(FIRST), terms(SECOND, DeskRole.SUPERVISOR))
        people.approve(ActingPerson(SECOND), right.right_id)
        yield made


# --- cookies --------------------------------------------------------------------------------------


def test_with_tls_the_cookies_belong_to_this_host_only(web: Web, desk: DeskFolder) -> None:
    where = WhereToServe("127.0.0.1", 8010, behind_proxy=True)
    shared = web_desk(desk, web.database, lambda _: None, lambda: NOW, None, where)
    client = TestClient(desk_app(shared), base_url="https://desk.example")
    page = client.get("/login")
    token = re.search(r'name="token" value="(\w+)"', page.text)
    assert token is not None
    fields = {"token": token[1], "name": FIRST, "passphrase": passphrase_of(FIRST)}
    answer = client.post("/login", data=fields, follow_redirects=False)

    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    for cookie in (page.headers["set-cookie"], answer.headers.get_list("set-cookie")[0]):
        name, *attributes = (part.strip().lower() for part in cookie.split(";"))
        assert name.startswith("__host-desk-")
        assert {"httponly", "secure", "samesite=strict", "path=/"} <= set(attributes)
        assert not any(one.startswith("domain") for one in attributes)
    assert client.get("/account").status_code == 200


# --- login and sessions ---------------------------------------------------------------------------


def test_a_person_logs_in_and_out_and_the_log_names_her(web: Web) -> None:
    page = web.log_in()
    assert "An Peeters" in page
    web.post("/logout", page="/account")

    assert web.client.get("/account").status_code == 401
    assert web.events() == [SessionChanged("login", FIRST), SessionChanged("logout", FIRST)]


def test_p21_refusals_are_alike_and_only_the_log_names_an_account(
    web: Web,
) -> None:
    told = {
        (without_challenge(web.log_in(name, "a wrong passphrase")), web.status)
        for name in (FIRST, "nobody-here", "Not a Name", "my secret passphrase", "")
    }

    assert len(told) == 1
    page, status = told.pop()
    assert status == 403
    assert line_of(page).startswith(says("login.refused"))
    assert [one.person for one in web.events()] == [FIRST, None, None, None, None]


def without_challenge(page: str) -> str:
    """A page without the random bytes that a passkey would sign."""
    return re.sub(r"challenge&quot;: &quot;[\w-]+", "", page)


def test_after_too_many_attempts_the_right_passphrase_is_refused_alike(web: Web) -> None:
    pages = [without_challenge(web.log_in(FIRST, "wrong")) for _ in range(MAX_FAILURES)]
    assert without_challenge(web.log_in()) == pages[0]
    assert web.status == 403
    web.now += LOCKED_FOR
    web.log_in()
    assert web.status == 200


@pytest.mark.parametrize(
    ("step", "count"), [(IDLE, 1), (timedelta(minutes=14), LONGEST // timedelta(minutes=14) + 1)]
)
def test_p4_a_session_ends_when_idle_and_after_a_working_day(
    web: Web, step: timedelta, count: int
) -> None:
    web.log_in()
    for number in range(count):
        assert web.client.get("/account").status_code == 200, number
        web.now += step

    answer = web.client.get("/account")
    assert answer.status_code == 401
    assert line_of(answer.text) == says("login.ended")


def test_a_form_of_an_ended_session_changes_nothing(web: Web) -> None:
    web.log_in()
    token = re.search(r'name="token" value="(\w+)"', web.client.get("/account").text)
    assert token is not None
    web.now += IDLE
    new = "another long passphrase"
    fields = {"token": token[1], "current": passphrase_of(FIRST), "new": new, "again": new}
    answer = web.client.post("/account", data=fields)

    assert answer.status_code == 401
    assert new not in answer.text
    web.log_in()
    assert web.status == 200


def test_the_database_holds_no_token_and_a_login_begins_a_new_one(web: Web) -> None:
    web.log_in()
    first = web.client.cookies["desk-session"]
    web.client.cookies.clear()
    web.log_in()
    second = web.client.cookies["desk-session"]

    with web.database.reading() as connection:
        kept = connection.execute(SESSION.select()).all()
    assert first != second
    assert len(kept) == 2
    assert not any(token in str(row) for row in kept for token in (first, second))


def test_a_new_passphrase_ends_her_other_sessions(web: Web) -> None:
    web.log_in()
    other = dict(web.client.cookies)
    web.client.cookies.clear()
    web.log_in()
    new = "another long passphrase"
    current = passphrase_of(FIRST)

    assert says("account.differs") in web.post("/account", current=current, new=new, again="x")
    assert says("account.refused") in web.post("/account", current="wrong", new=new, again=new)
    web.post("/account", current=current, new="short", again="short")
    assert web.status == 400
    assert says("account.changed") in web.post("/account", current=current, new=new, again=new)
    assert web.client.get("/account").status_code == 200
    web.client.cookies.clear()
    web.client.cookies.update(other)
    assert web.client.get("/account").status_code == 401
    web.client.cookies.clear()
    web.log_in(FIRST, new)
    assert web.status == 200
    log = read_log(web.folder.path, origin=desk_log(AUTHORITY))
    assert PersonChanged("passphrase", FIRST, FIRST) in [one.event for one in log.entries]


# --- forms ----------------------------------------------------------------------------------------


FORMS: list[tuple[dict[str, list[str]], dict[str, str]]] = [
    ({}, {}),
    ({"token": ["0" * 64]}, {}),
    ({"token": ["é"]}, {}),
    ({"token": ["own"]}, {"sec-fetch-site": "cross-site"}),
    ({"token": ["own"]}, {"content-type": "text/plain"}),
    ({"token": ["own"], "more": ["x" * LARGEST_FORM]}, {}),
    ({"token": ["own", "own"]}, {}),
]


@pytest.mark.parametrize("path", ["/logout", "/account", "/people/approve", "/people/revoke"])
def test_p4_a_form_that_is_not_the_browsers_own_changes_nothing(web: Web, path: str) -> None:
    web.log_in()
    token = re.search(r'name="token" value="(\w+)"', web.client.get("/account").text)
    assert token is not None
    before = web.people.rights()
    for fields, headers in FORMS:
        sent = {
            name: [token[1] if one == "own" else one for one in values]
            for name, values in fields.items()
        }
        answer = web.client.post(path, data=sent, headers=headers)

        assert answer.status_code == 400, fields
        assert line_of(answer.text) == says("error.form")
    assert web.client.get("/account").status_code == 200
    assert web.people.rights() == before
    assert web.events() == [SessionChanged("login", FIRST)]


def test_a_login_form_of_another_site_logs_nobody_in(web: Web) -> None:
    fields = {"name": FIRST, "passphrase": passphrase_of(FIRST)}
    for token in ("", "0" * 64):
        answer = web.client.post("/login", data={**fields, "token": token})
        assert answer.status_code == 400
    assert web.client.get("/account").status_code == 401
    assert web.events() == []


# --- rights ---------------------------------------------------------------------------------------


def test_without_the_right_she_sees_what_she_lacks_and_whom_to_ask(web: Web) -> None:
    web.log_in(OFFICER)
    for path, roles in (("/queue", "officer, second officer"), ("/people", "supervisor, data")):
        answer = web.client.get(path)

        assert answer.status_code == 403
        assert roles in line_of(answer.text)
        assert "Ask a supervisor: An Peeters, Els-Claes." in answer.text
    assert says("account.none") in web.client.get("/account").text


@pytest.mark.parametrize(
    ("limits", "seen"),
    [
        ({}, {("a", "x"), ("a", "y"), ("b", "x")}),
        ({"site": "a"}, {("a", "x"), ("a", "y")}),
        ({"rule": "x"}, {("a", "x"), ("b", "x")}),
        ({"site": "a", "rule": "y"}, {("a", "y")}),
        ({"site": "c"}, set()),
    ],
)
@pytest.mark.parametrize("role", [DeskRole.OFFICER, DeskRole.SECOND_OFFICER])
def test_p4_the_queue_shows_the_sites_and_rules_of_her_right_only(
    web: Web, role: DeskRole, limits: dict[str, str], seen: set[tuple[str, str]]
) -> None:
    for site, rule in (("a", "x"), ("a", "y"), ("b", "x")):
        filled(web.database, site, rule, 2)
    web.give(OFFICER, role, **limits)
    page = web.log_in(OFFICER)

    assert rows(page) == seen
    assert (says("queue.empty") in page) == (not seen)


def rows(page: str) -> set[tuple[str, str]]:
    found = re.findall(
        r'<th scope="row"><bdi>(.*?)</bdi></th>\s*<td><bdi>.*?</bdi></td>\s*<td><bdi>(.*?)</bdi>',
        page,
    )
    return set(found)


def test_a_revoked_right_shuts_the_queue_at_the_next_request(web: Web) -> None:
    right = web.give(OFFICER, DeskRole.OFFICER)
    web.log_in(OFFICER)
    assert web.client.get("/queue").status_code == 200
    web.people.revoke(ActingPerson(FIRST), right.right_id)

    assert web.client.get("/queue").status_code == 403


def test_the_queue_goes_from_the_oldest_hit_to_the_newest_and_shows_each_once(web: Web) -> None:
    filled(web.database, "a", "x", PAGE, first=NOW - timedelta(hours=2))
    filled(web.database, "a", "y", PAGE, first=NOW - timedelta(hours=2))
    filled(web.database, "b", "x", 7, first=NOW - timedelta(days=3))
    web.give(OFFICER, DeskRole.OFFICER)
    page, told = web.log_in(OFFICER), []
    for _ in range(5):
        told.extend(re.findall(r'<td class="moment">([^<]*UTC)</td>', page))
        following = re.search(r'href="(/queue\?after=[^"]+)"', page)
        if following is None:
            break
        page = web.client.get(following[1]).text

    assert len(told) == 2 * PAGE + 7
    assert told == sorted(told, key=lambda one: (one[:2] != "28", one))


@pytest.mark.parametrize("after", ["", "x", "2026-13-01T00:00:00.000Z." + "0" * 32, "' OR 1=1 --"])
def test_a_place_of_another_form_is_refused(web: Web, after: str) -> None:
    web.give(OFFICER, DeskRole.OFFICER)
    web.log_in(OFFICER)

    assert web.client.get("/queue", params={"after": after}).status_code == 400


# --- supervision ----------------------------------------------------------------------------------


def test_a_supervisor_approves_what_another_has_proposed_and_revokes(web: Web) -> None:
    mine = web.people.propose(ActingPerson(FIRST), terms(OFFICER, site="a"))
    theirs = web.people.propose(ActingPerson(SECOND), terms(OFFICER, site="b"))
    filled(web.database, "a", "x", 3, first=NOW - timedelta(hours=3, minutes=5))
    page = web.log_in()
    assert "3 h 5 min" in page
    assert says("people.last").split(" ends")[0] in page

    refused = web.post("/people/approve", page="/people", right=mine.right_id)
    assert line_of(refused) == says("error.four_eyes")
    web.post("/people/approve", page="/people", right=theirs.right_id)
    assert web.status == 200
    web.post("/people/revoke", page="/people", right=mine.right_id)
    states = {one.right_id: one.state(NOW.date()) for one in web.people.rights()}
    assert (states[mine.right_id], states[theirs.right_id]) == ("revoked", "in force")


def test_p4_an_officer_approves_nothing_even_with_a_form_of_her_own(web: Web) -> None:
    web.give(OFFICER, DeskRole.OFFICER)
    right = web.people.propose(ActingPerson(FIRST), terms(SECOND, DeskRole.AUDITOR))
    web.log_in(OFFICER)
    for action in ("approve", "revoke"):
        page = web.post(f"/people/{action}", page="/account", right=right.right_id)
        assert (web.status, line_of(page)) == (403, says("error.refused"))
    assert right in web.people.rights(), "it still waits"


# --- hostile content and faults -------------------------------------------------------------------


HOSTILE = "<script>alert(1)</script>\"'&\u202e"


def test_hostile_names_are_shown_as_text(web: Web) -> None:
    with web.database.writing() as connection:
        connection.execute(PERSON.update().values(full_name=HOSTILE))
    filled(web.database, "<script>", "\u202e<b>", 1)
    web.give(OFFICER, DeskRole.OFFICER)
    pages = [web.log_in(), web.client.get("/queue").text, web.client.get("/account").text]
    web.client.cookies.clear()
    pages.append(web.log_in(OFFICER))
    pages.append(web.client.get("/people").text)

    for page in pages:
        assert page.count("<script") == page.count('<script src="/desk.js" defer=""></script>') == 1
        assert "<b>" not in page
        # What turns the direction of writing is inside its own <bdi>.
        assert "\u202e" not in re.sub(r"<bdi>.*?</bdi>", "", page)
    assert sum("&lt;script&gt;" in page for page in pages) == len(pages)


def test_if_the_database_is_away_one_line_says_so(web: Web) -> None:
    web.log_in()
    with web.database.transaction() as connection:
        connection.execute(text("ALTER TABLE session RENAME TO gone"))
    for path in ("/account", "/queue", "/people", "/"):
        answer = web.client.get(path)

        assert answer.status_code == 503
        assert line_of(answer.text) == says("error.unavailable")
        assert "session" not in line_of(answer.text)
    with web.database.transaction() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO session"))
    assert web.client.get("/account").status_code == 200


def test_p21_if_the_log_cannot_be_written_nobody_is_logged_in(web: Web) -> None:
    (web.folder.path / "audit.log").write_bytes(b"altered\n")
    page = web.log_in()

    assert web.status == 503
    assert line_of(page) == says("error.unavailable")
    with web.database.reading() as connection:
        assert connection.execute(SESSION.select()).all() == []


# --- languages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_in_the_chosen_language(web: Web, language: Language) -> None:
    web.client.get(f"/language/{language}")
    page = web.client.get("/login").text
    assert f'<html lang="{language}">' in page
    assert f"<h1>{says('login.heading', language)}</h1>" in page
    web.give(OFFICER, DeskRole.OFFICER)
    web.log_in(OFFICER)
    for path, key in (("/queue", "queue.heading"), ("/account", "page.account")):
        answer = unescape(web.client.get(path).text)
        assert f"<h1>{says(key, language)}</h1>" in answer
    assert says("error.missing", language) in unescape(web.client.get("/nothing").text)


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "fr-BE,fr;q=0.9,nl;q=0.8", "fr"),
        (None, "it, de;q=0.5, nl;q=0.7", "nl"),
        (None, "nl;q=0, de;q=0.1", "de"),
        ("fr", "nl", "fr"),
        ("xx", "nl", "nl"),
        (None, "de;q=9999, " + "x," * 5000, "de"),
    ],
)
def test_the_language_is_chosen_or_that_of_the_browser(
    chosen: str | None, accepted: str, language: Language
) -> None:
    assert preferred(chosen, accepted) == language


# --- many hits ------------------------------------------------------------------------------------


def test_a_page_of_many_hits_is_read_from_the_index_of_waiting_ones_alone(web: Web) -> None:
    for site, rule in (("a", "x"), ("a", "y"), ("b", "x")):
        filled(web.database, site, rule, 10_000, first=NOW - timedelta(days=1))
    with web.database.writing() as connection:
        oldest = HIT.c.counter < 9_900
        connection.execute(HIT.update().where(oldest).values(waits_for=None))
    web.give(OFFICER, DeskRole.OFFICER)
    page = web.log_in(OFFICER)
    assert len(re.findall("<tr>", page)) == PAGE + 1

    place = QueuePlace(NOW - timedelta(hours=20), "0" * 32)
    queries = [
        query
        for role in JUDGES
        for query in (
            page_query(role, "a", "x", OFFICER, None),
            page_query(role, "a", "x", OFFICER, place),
            pair_query(role, ("a", "x")),
            # PostgreSQL may read the table instead, where few hits wait.
            *(() if web.database.is_postgresql else (sites_query(role),)),
        )
    ]
    with web.database.transaction() as connection:
        if web.database.is_postgresql:
            connection.execute(text("ANALYZE hit"))
        for query in queries:
            explain = "EXPLAIN" if web.database.is_postgresql else "EXPLAIN QUERY PLAN"
            compiled = query.compile(
                dialect=connection.dialect, compile_kwargs={"literal_binds": True}
            )
            plan = str(connection.execute(text(f"{explain} {compiled}")).all())
            assert "hit_in_queue" in plan
            assert "LIMIT" in str(compiled) or "count" in str(compiled)
            for sorting in ("TEMP B-TREE", "Sort", "SCAN", "Seq Scan"):
                assert sorting not in plan, plan
