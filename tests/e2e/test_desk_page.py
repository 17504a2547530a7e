"""The desk as a process, looked at with a real browser."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import insert, select

from edge.desk.accounts import ActingPerson
from edge.desk.folder import DeskFolder
from edge.desk.request_terms import (
    PersonRequest,
    RequestKind,
    RequestProof,
    RequestTerms,
    all_requests,
    request_row,
)
from edge.desk.retention_terms import HoldReason, RetentionTerm, RetentionTerms
from edge.desk.rights import DeskRole
from edge.desk.store.tables import BOX_STATE, HIT, PERSON_REQUEST
from edge.errors import ExitCode
from edge.formats.timestamps import utc_text
from edge.texts import LANGUAGES
from tests.e2e.test_notice_page import CONTRAST
from tests.support.axe import violations
from tests.support.brokers import wait_until
from tests.support.browser import CHROMIUM, Browser, browser
from tests.support.desk_web import OFFICER, decided, filled, says
from tests.support.desks import FIRST, added, make_desk, passphrase_file, passphrase_of, terms
from tests.support.product import start, verb

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"
)


def utc() -> datetime:
    return datetime.now(timezone.utc)


def boxes(now: datetime) -> Iterator[dict[str, object]]:
    """Boxes that run, one that is suspended, one that is silent and whose lease ends soon.

    The fourth and the fifth have sent statements about themselves.
    """
    for box, state, reason, hours, days in (
        ("box-1", "online", "running", 1, 71),
        ("box-2", "safe", "E_SUSPENDED", 3, 40),
        ("box-3", "offline", "connection-lost", 75, 6),
    ):
        yield {
            "box_id": f"a-site-with-a-long-name/{box}", "site": "a-site-with-a-long-name",
            "box": box, "log_size": 900, "root_sha256": "ab" * 32, "state": state,
            "reason": reason, "proved_at": utc_text(now - timedelta(hours=hours)),
            "said_at": utc_text(now), "lease_ends": utc_text(now + timedelta(days=days, hours=1)),
            "lease_sha256": "cd" * 32,
        }  # fmt: skip
        for name, version, degrees in (("box-4", "1.2.0", 40), ("box-5", "1.1.0", 80)):
            yield {
                "box_id": f"{state}-square/{name}", "site": f"{state}-square", "box": name,
                "log_size": 900, "proved_at": utc_text(now - timedelta(minutes=20)),
                "status_counter": 7, "status_sha256": "ab" * 32,
                "status_said_at": utc_text(now - timedelta(minutes=4)),
                "status_came_at": utc_text(now - timedelta(minutes=4)), "status_state": "online",
                "status_reason": "running", "version": version if days > 40 else "1.2.0",
                "weights_sha256": "11" * 32, "policy_sha256": "22" * 32, "policy_version": 4,
                "status_lease": utc_text(now + timedelta(days=80)), "lists": '{"stolen": 41}',
                "synchronised": days != 40, "clock_steps": "none",
                "temperature": degrees if days < 10 else 40, "disk": 20,
            }  # fmt: skip


def asked(today: date) -> PersonRequest:
    """A request that a clerk has recorded."""
    terms = RequestTerms(
        RequestKind.OBJECTION,
        "DSR-2026/17",
        RequestProof.REGISTRATION,
        "a-site-with-a-long-name",
        today - timedelta(days=20),
        today - timedelta(days=2),
    )
    return PersonRequest("3f9a0c1d2e4b5a67", terms, OFFICER, utc(), None, None, ())


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> DeskFolder:
    """A desk whose first account is also an officer, with hits of two sites."""
    made = make_desk(tmp_path_factory.mktemp("page") / "desk", utc=utc)
    with made.open_people(utc) as people:
        added(people, OFFICER)
        today = utc().date()
        until = today + timedelta(days=300)
        for person, role in (
            (OFFICER, DeskRole.SUPERVISOR),
            (FIRST, DeskRole.OFFICER),
        ):
            right = people.propose(
                ActingPerson(FIRST), terms(person, role, first=today, last=until)
            )
            people.approve(ActingPerson(OFFICER), right.right_id)
        people.propose(ActingPerson(OFFICER), terms(OFFICER, first=today, last=until))
    with made.open_database() as database:
        for site in ("a-site-with-a-long-name", "b"):
            filled(database, site, "school-street", 30, first=utc() - timedelta(hours=5))
        for camera, exact, wrong in (("school", 412, 9), ("bridge", 96, 14), ("gate", 6, 1)):
            where = {"site": "a-site-with-a-long-name", "rule": "school-street", "camera": camera}
            decided(database, exact, light="day", **where)
            decided(database, wrong, "rejected", "misread", light="night", **where)
        with database.writing() as connection:
            for row in boxes(utc()):
                connection.execute(insert(BOX_STATE).values(row))
            connection.execute(insert(PERSON_REQUEST).values(request_row(asked(today))))
        terms_of = RetentionTerms(database, lambda _: None, utc)
        term = RetentionTerm("a-site-with-a-long-name", 14, 180, "GR-2026/114")
        terms_of.propose(ActingPerson(OFFICER), term)
        for days, reference in ((3, "PV-2026/88"), (12, "PV-2026/91")):
            with database.reading() as connection:
                held = connection.execute(select(HIT.c.hit_id).where(HIT.c.site == "b").limit(1))
                hit_id = held.scalar_one()
            last = today + timedelta(days=days)
            terms_of.hold(ActingPerson(FIRST), hit_id, HoldReason.COURT, reference, last)
    return made


@pytest.fixture(scope="module")
def page(desk: DeskFolder) -> Iterator[str]:
    """The address of a desk that is served."""
    process = start(["desk", "serve", "--desk", desk.path, "--port", "0"])
    told = process.stderr.readline()
    assert told.startswith("the desk is at http://localhost:")
    yield told.split()[-1]
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert rest == "", "no line of a visit is written"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def typed(tab: Browser, text: str) -> None:
    tab.send("Input.insertText", text=text)
    assert wait_until(lambda: tab.value("document.activeElement.value") == text)


def at(tab: Browser, path: str) -> bool:
    return wait_until(
        lambda: tab.value("location.pathname + ' ' + document.readyState") == f"{path} complete", 30
    )


def log_in(tab: Browser, page: str) -> None:
    tab.open(f"{page}login")
    if tab.value("location.pathname") == "/queue":
        return  # an earlier test has logged in
    assert tab.value("document.activeElement.id") == "name"
    typed(tab, FIRST)
    tab.press("Tab")
    typed(tab, passphrase_of(FIRST))
    tab.press("Enter")
    assert at(tab, "/queue")


@needs_chromium
def test_an_officer_logs_in_by_keyboard_and_sees_the_queue(tab: Browser, page: str) -> None:
    log_in(tab, page)

    assert tab.value("document.querySelectorAll('tbody tr').length") == 50
    paths = (
        "queue", "decided", "people", "approvals", "figures", "boxes", "account", "enrol",
        "nothing",
    )  # fmt: skip
    for path in paths:
        tab.open(f"{page}{path}")
        assert all(one.startswith(page) for one in tab.requests), tab.requests
        assert tab.blocked == []
        assert [one for one in tab.log if "404" not in one] == []
        assert tab.value("document.styleSheets.length") == 1
        for scheme in ("light", "dark"):
            tab.media(scheme)
            pale = [one for one in tab.value(CONTRAST) if one[0] < one[1]]
            assert pale == [], (path, scheme)
        tab.media()
        told = tab.accessible()
        roles = [one["role"] for one in told]
        assert (roles.count("main"), roles.count("banner")) == (1, 1)
        for one in told:
            if one["role"] in {"link", "button", "textbox", "navigation", "region", "heading"}:
                assert one["name"], one
        for width in (320, 390):
            tab.size(width, 800)
            assert tab.value("document.documentElement.scrollWidth") <= width, path
        tab.size(1280, 900)
        tab.open(f"{page}{path}")
        tab.press("Tab")
        assert tab.value("document.activeElement.className") == "skip"
        assert tab.value("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") == 3
    tab.size(390, 844)
    for language in LANGUAGES:
        tab.open(f"{page}language/{language}")
        for path in paths:
            tab.open(f"{page}{path}")
            assert tab.value("document.documentElement.lang") == language
            assert tab.value("document.documentElement.scrollWidth") <= 390, (path, language)
    tab.size(1280, 900)


@needs_chromium
def test_pages_that_are_seldom_seen_are_accessible_too(tab: Browser, page: str) -> None:
    log_in(tab, page)
    for path, name in (("people", "people"), ("enrol", "enrol"), ("nothing", "error")):
        tab.open(f"{page}{path}")
        look(tab, name)
    tab.open(f"{page}account")
    form = "document.querySelector('form[action=\"/account/codes\"]')"
    tab.value(f"{form}.closest('details').open = true")
    tab.value(f"{form}.querySelector('[type=password]').focus()")
    typed(tab, passphrase_of(FIRST))
    tab.press("Enter")
    assert at(tab, "/account/codes")
    look(tab, "codes")


@needs_chromium
def test_an_auditor_reads_the_figures_and_searches_the_log(
    tab: Browser, page: str, desk: DeskFolder
) -> None:
    log_in(tab, page)
    becomes(desk, DeskRole.OFFICER, DeskRole.AUDITOR)
    tab.open(f"{page}figures")
    said = tab.value("document.querySelector('main').innerText")
    for words in ("Boxes: 9. Need attention: 6.", "fewer than 10"):
        assert words in said
    look(tab, "figures")
    tab.open(f"{page}boxes")
    said = tab.value("document.querySelector('main').innerText")
    for words in ("suspended: 1", "silent", "in 6 days", "kept by a time service"):
        assert words in said
    look(tab, "boxes")
    tab.value("document.querySelector('#problem').focus()")
    typed_choice = "document.querySelector('#problem').value"
    tab.value("document.querySelector('#problem').value = 'silent'")
    assert tab.value(typed_choice) == "silent"
    tab.press("Tab")
    tab.press("Tab")
    tab.press("Enter")
    assert wait_until(lambda: "problem=silent" in (tab.value("location.search") or ""))
    assert at(tab, "/boxes")
    assert tab.value("document.querySelectorAll('tbody tr').length") == 1
    tab.value("document.querySelector('tbody a').focus()")
    tab.press("Enter")
    assert at(tab, "/boxes/a-site-with-a-long-name/box-3")
    look(tab, "box")
    tab.open(f"{page}log")
    tab.value("document.getElementById('person').focus()")
    typed(tab, OFFICER)
    tab.press("Enter")
    found = "document.querySelectorAll('tbody tr').length"
    assert wait_until(lambda: (tab.value(found) or 0) > 3 and at(tab, "/log"))
    assert OFFICER not in tab.value("location.href + document.title")
    look(tab, "log")
    becomes(desk, DeskRole.AUDITOR, DeskRole.OFFICER)


def becomes(desk: DeskFolder, before: DeskRole, after: DeskRole) -> None:
    """Give the first account another role: who judges hits may not read the log."""
    with desk.open_people(utc) as people:
        for right in people.rights():
            mine = right.terms.person == FIRST and right.terms.role is before
            if mine and right.revoked_at is None:
                people.revoke(ActingPerson(OFFICER), right.right_id)
        today = utc().date()
        given = terms(FIRST, after, first=today, last=today + timedelta(days=300))
        right = people.propose(ActingPerson(FIRST), given)
        people.approve(ActingPerson(OFFICER), right.right_id)


@needs_chromium
def test_a_supervisor_approves_a_request_that_another_person_wrote_down(
    tab: Browser, page: str, desk: DeskFolder
) -> None:
    log_in(tab, page)
    tab.open(f"{page}approvals")
    look(tab, "approvals")
    tab.value("document.querySelector('form[action=\"/approvals/request\"] button').focus()")
    tab.press("Enter")
    said = "document.querySelector('main')?.innerText"
    assert wait_until(lambda: "No request waits for approval." in (tab.value(said) or ""))
    with desk.open_database() as database, database.reading() as connection:
        (request,) = all_requests(connection, utc().date())
    assert (request.approved_by, request.state) == (FIRST, "to be answered")


def look(tab: Browser, name: str) -> None:
    """Check WCAG, width, contrast and requests; with `DESK_PICTURES` take the page's picture."""
    for width, scheme in ((1280, "light"), (390, "dark")):
        tab.size(width, 900)
        tab.media(scheme)
        assert violations(tab) == [], (name, width, scheme)
        assert [one for one in tab.value(CONTRAST) if one[0] < one[1]] == [], (name, scheme)
        assert tab.value("document.documentElement.scrollWidth") <= width, (name, width)
    tab.media()
    tab.size(1280, 900)
    assert tab.blocked == []
    if folder := os.environ.get("DESK_PICTURES"):
        pixels = cv2.imdecode(np.frombuffer(tab.picture(), np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        cv2.imwrite(f"{folder}/desk-{name}.webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 80])


@needs_chromium
def test_a_new_person_adds_a_passkey_with_her_code_and_logs_in_with_it(
    tab: Browser, page: str, desk: DeskFolder, tmp_path: Path
) -> None:
    file = passphrase_file(tmp_path, FIRST)
    own = ("--desk", desk.path, "--as", FIRST, "--passphrase-file", file)
    named = ("bo-nys", "--full-name", "Bo Nys", "--enrol")
    assert verb("desk", "people", "add", *named, *own).status == 0
    code = json.loads(verb("desk", "people", "enrol", "bo-nys", "--json", *own).out)["code"]
    tab.open(f"{page}login")
    tab.send("Network.clearBrowserCookies")
    key = tab.authenticator()
    tab.open(f"{page}enrol")
    assert at(tab, "/enrol")  # its script has run, and moves the focus no more
    tab.value("document.getElementById('name').focus()")
    for text in ("bo-nys", code, "blue key"):
        typed(tab, text)
        tab.press("Tab")
    tab.press("Enter")
    create = "document.activeElement?.form?.dataset.passkey === 'create'"
    assert wait_until(lambda: tab.value(create))
    tab.press("Enter")
    assert at(tab, "/enrol/passkey")
    assert says("enrol.done") in tab.value("document.body.innerText")

    for verified, path in ((False, "/enrol/passkey"), (True, "/account")):
        tab.send("WebAuthn.setUserVerified", authenticatorId=key, isUserVerified=verified)
        tab.value("document.querySelector('form[data-passkey] button').focus()")
        tab.press("Enter")
        if not verified:
            assert wait_until(lambda: tab.value("!document.querySelector('[data-failed]').hidden"))
        assert at(tab, path)
    assert tab.blocked == []
    (made,) = tab.send("WebAuthn.getCredentials", authenticatorId=key)["credentials"]
    assert (made["rpId"], made["isResidentCredential"]) == ("localhost", True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--address", "0.0.0.0"), "--behind-tls-proxy"),  # noqa: S104 - it is refused
        (("--address", "::"), "--behind-tls-proxy"),
        (("--address", "example.org"), "write an IP address"),
        (("--tls-cert", "missing.pem"), "together"),
        (("--origin", "https://desk.example"), "--behind-tls-proxy"),
        (("--origin", "http://localhost:8010", "--behind-tls-proxy"), "--tls-cert"),
        (("--origin", "https://192.0.2.1", "--behind-tls-proxy"), "host name"),
        (("--tls-cert", "missing.pem", "--tls-key", "missing.pem"), "missing.pem"),
    ],
)
def test_an_address_that_would_send_passphrases_in_clear_is_refused(
    desk: DeskFolder, options: tuple[str, ...], words: str
) -> None:
    done = verb("desk", "serve", "--desk", desk.path, *options)

    assert done.status == ExitCode.USAGE
    assert words in done.err
    assert len(done.err.splitlines()) == 1


def test_a_port_that_is_taken_is_named(desk: DeskFolder, page: str) -> None:
    port = page.rsplit(":", 1)[1].rstrip("/")
    done = verb("desk", "serve", "--desk", desk.path, "--port", port)

    assert done.status == ExitCode.USAGE
    assert f"port {port}" in done.err


def test_a_folder_without_a_desk_is_refused(tmp_path: Path) -> None:
    assert "E_NO_DESK" in verb("desk", "serve", "--desk", tmp_path).err
