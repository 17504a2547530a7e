"""An appeal in a real Chromium: a third officer adds a finding and sees nothing of the first two.

The first two review at a terminal, so each of the three works as at a real desk. The desk is killed
while the third types, and nothing that she typed is lost or sent.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge.desk.findings import verify_findings
from edge.desk.personal_keys import personal_keys
from edge.desk.reviewing import finding_payloads
from edge.desk.rights import DeskRole
from edge.texts import LANGUAGES
from tests.e2e.test_desk_page import at
from tests.e2e.test_desk_review_page import Keyboard, text_of
from tests.integration.test_desk_review_cli import OFFICER, OTHER_PLATE, SECOND, Office
from tests.support.brokers import wait_until
from tests.support.browser import CHROMIUM, Browser, browser
from tests.support.cases import SHOTS
from tests.support.desk_web import says
from tests.support.desks import FIRST, added, passphrase_of
from tests.support.parties import PLATE, evidence
from tests.support.product import at_terminal, start, verb
from tests.support.reviews import who

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"
)
THIRD = "bo-third"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """A desk at which the first officer has referred a hit, and the second has rejected it."""
    office = Office(tmp_path_factory.mktemp("appeal"))
    with office.desk.open_people(office.utc) as people:
        added(people, THIRD)
        office.give(people, THIRD, DeskRole.SECOND_OFFICER)
        people.make_key(who(THIRD), passphrase_of(THIRD))
    office.hit = office.parties.hit(evidence(*SHOTS), observed_at=office.utc())
    office.store()
    for person in (OFFICER, SECOND):
        done = at_terminal(*office.words(person), typed=f"offence\n{OTHER_PLATE}\n")
        assert done.status == 0, done.err
    with office.desk.open_people(office.utc) as people:  # a new key; the old findings stay valid
        people.make_key(who(SECOND), passphrase_of(SECOND))
    return office


class Served:
    """A desk that is served, and can be killed and served again at the same address."""

    def __init__(self, office: Office) -> None:
        self.office, self.page = office, ""
        self.serve()

    def serve(self) -> None:
        parties = self.office.parties
        port = self.page.rstrip("/").rpartition(":")[2] or "0"
        self.process = start([
            "desk", "serve", "--desk", self.office.desk.path, "--port", port, "--keys",
            parties.authority_folder, "--box-keys", parties.box_file,
        ])  # fmt: skip
        told = self.process.stderr.readline()
        assert told.startswith("the desk is at http://localhost:"), told
        self.page = told.split()[-1]

    def kill(self) -> None:
        self.process.kill()
        assert self.process.communicate(timeout=60)[1] == ""


@pytest.fixture(scope="module")
def served(office: Office) -> Iterator[Served]:
    made = Served(office)
    yield made
    made.process.send_signal(signal.SIGINT)
    assert made.process.communicate(timeout=60)[1] == "", "no line of a visit is written"


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path / "profile") as opened:
        yield opened


def asks(tab: Browser, page: str, office: Office, person: str) -> Keyboard:
    """Log in, unless she is, and ask on the page of the decided case to review it anew."""
    keys = Keyboard(tab)
    tab.open(f"{page}login")
    if tab.value("location.pathname") == "/login":
        for field, word in (("#name", person), ("#passphrase", passphrase_of(person))):
            keys.type(field, word)
        keys.press("Enter")
    assert at(tab, "/queue")
    keys.activate("a[href='/decided']")
    assert at(tab, "/decided")
    keys.activate(f"a[href='/case/{office.hit.hit_id}/file']")
    assert at(tab, f"/case/{office.hit.hit_id}/file")
    keys.activate("form[action='/case/claim'] button")
    return keys


def saw(tab: Browser, words: str) -> bool:
    return wait_until(lambda: words in text_of(tab))


def test_p4_a_third_officer_answers_an_appeal_and_sees_nothing_of_the_first_two(
    tab: Browser, served: Served, office: Office
) -> None:
    page = served.page
    asks(tab, page, office, THIRD)
    assert saw(tab, says("case.no_appeal")), "nobody has appealed yet"
    until = (office.utc() + timedelta(days=9)).date().isoformat()
    held = verb(
        "desk", "retain", "hold", office.hit.hit_id, "--reason", "appeal", "--reference",
        "PV-2026/88", "--until", until, *office.acting(FIRST),
    )  # fmt: skip
    assert held.status == 0, held.err
    tab.send("Network.clearBrowserCookies")
    asks(tab, page, office, SECOND)
    assert saw(tab, says("case.four_eyes")), "who has judged it before does not judge it anew"

    tab.send("Network.clearBrowserCookies")
    keys = asks(tab, page, office, THIRD)
    assert saw(tab, says("case.appeal"))
    source = tab.value("document.documentElement.outerHTML")
    for word in (OFFICER, SECOND, "Els", "Tom", PLATE, OTHER_PLATE, "referred", "PV-2026"):
        assert word not in source, word
    for language in LANGUAGES:
        tab.open(f"{page}language/{language}")
        tab.open(f"{page}case/{office.hit.hit_id}")
        assert says("case.appeal", language) in text_of(tab).replace("\N{NO-BREAK SPACE}", " ")
        tab.size(390, 844)
        assert tab.value("document.documentElement.scrollWidth") <= 390, language
        tab.size(1280, 900)
    keys.to("input[value='offence']")
    keys.press(" ")
    keys.type("#typed", PLATE)
    served.kill()  # while she types
    keys.press("Enter")
    away = "document.querySelector('[data-said=away]').hidden"
    assert wait_until(lambda: tab.value(away) is False)
    assert tab.value("document.querySelector('#typed').value") == PLATE, "it stays, and only here"
    assert PLATE not in tab.value("location.href + document.title")
    served.serve()
    keys.activate("form[data-ready] button")
    assert saw(tab, says("case.agrees")), "the same page sends it once the desk is there again"
    keys.to("input[value='confirmed']")
    keys.press(" ")
    keys.type("#passphrase", passphrase_of(THIRD))
    keys.press("Enter")
    assert saw(tab, "Finding 3: confirmed")
    assert tab.blocked == []

    with office.desk.open_database() as database:
        known = tuple(one for each in personal_keys(database).values() for one in each)
        findings = verify_findings(finding_payloads(database, office.hit.hit_id), known)
    assert [(one.person.name, one.outcome.value) for one in findings] == [
        (OFFICER, "referred"), (SECOND, "rejected"), (THIRD, "confirmed"),
    ]  # fmt: skip
    assert findings[2].predecessor == findings[1].sha256()
    asks(tab, page, office, THIRD)
    assert saw(tab, says("case.four_eyes"))
