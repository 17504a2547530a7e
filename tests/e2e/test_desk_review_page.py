"""Officers review hits in a real Chromium, by keyboard alone, at a desk that is served.

The hits come from a box over a real mosquitto with TLS; those that are too old are deleted first.

With `DESK_PICTURES=docs/img` the pictures of docs/desk.md are written there.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.desk.accounts import ActingPerson
from edge.desk.court.package import read_package
from edge.desk.court.verdict import KnownKeys
from edge.desk.court.verifying import verify_case
from edge.desk.findings import PASSKEY_SCHEMA, parse_finding, verify_findings
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import FindingOutcome
from edge.desk.personal_keys import personal_keys
from edge.desk.policies import read_policies
from edge.desk.reviewing import finding_payloads
from edge.desk.rights import DeskRole
from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import REVIEW_CASE, SESSION
from edge.domain.plates import PlateText
from edge.domain.reveal import MaskMethod
from edge.domain.schedule import DAYS
from edge.policy.model import Policy
from edge.policy.signatures import SIGNATURES_FILE
from edge.privacy.hit import Hit
from edge.privacy.keys import BoxPublicKeys
from edge.privacy.sealing import Picture
from edge.site.folder import read_policy
from tests.e2e.test_desk_page import at, typed, utc
from tests.e2e.test_notice_page import CONTRAST
from tests.support.axe import violations
from tests.support.brokers import MOSQUITTO, wait_until
from tests.support.browser import CHROMIUM, Browser, browser
from tests.support.desks import make_desk, passphrase_of, staffed
from tests.support.parties import SITE, Parties, evidence, make_parties
from tests.support.policies import signed, write
from tests.support.product import REPOSITORY, start, verb
from tests.support.receiving import received_over_tls

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"
    ),
    pytest.mark.skipif(
        MOSQUITTO is None, reason="mosquitto is not installed (apt-get install mosquitto)"
    ),
]

OFFICER, SECOND, SUPERVISOR = "els-wouters", "tom-claes", "jan-maes"
CLIP = REPOSITORY / "tests" / "fixtures" / "clips" / "street_day"
WIDE, NARROW = (1280, 900), (390, 844)
WAITING, TOO_OLD = 38, 12


@dataclass(frozen=True)
class Shot:
    """A vehicle of the rendered clip, what its plate shows, and what the box reads."""

    frame: int
    vehicle: str
    shows: str
    box_read: str


RIGHT = Shot(100, "v6", "1TRV375", "1TRV375")
MISREAD = Shot(11, "v4", "ACHL582", "ACHL562")


def pictures(shot: Shot) -> tuple[Picture, ...]:
    """The vehicle and its plate, cut out of the clip."""
    film = cv2.VideoCapture(str(CLIP.with_suffix(".mp4")))
    film.set(cv2.CAP_PROP_POS_FRAMES, shot.frame)
    read, frame = film.read()
    assert read
    labels = json.loads(CLIP.with_suffix(".json").read_text("utf-8"))["frames"][shot.frame]
    found = next(one for one in labels["vehicles"] if one["id"] == shot.vehicle)
    made = []
    for name, box, enlarged in (("vehicle", "vehicle_box", 1.5), ("plate", "plate_box", 5)):
        left, top, right, bottom = (int(value) for value in found[box])
        part = frame[max(0, top - 4) : bottom + 4, max(0, left - 4) : right + 4]
        part = cv2.resize(part, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_CUBIC)
        jpeg = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
        made.append(Picture(name, jpeg, MaskMethod.MEANING))
    return tuple(made)


@dataclass(frozen=True)
class Site:
    """A desk that is served, and its hits in the order of the queue; the last are deleted."""

    desk: DeskFolder
    page: str
    hits: tuple[str, ...]
    box: BoxPublicKeys

    def outcomes(self, hit: int) -> list[FindingOutcome]:
        with self.desk.open_database() as database:
            payloads = finding_payloads(database, self.hits[hit])
            return [parse_finding(payload).outcome for payload in payloads]


def sealed_hits(parties: Parties, policy: Path) -> tuple[Hit, ...]:
    """Fifty hits under the demo's policy: four with pictures, the rest without, some too old."""
    ((digest, read),) = read_policies(policy).items()
    rule = read.rules[0]
    assert rule.cameras is not None
    shots = [evidence(*pictures(one), plate=PlateText(one.box_read)) for one in (RIGHT, MISREAD)]
    contents = [*shots, *shots, *(evidence() for _ in range(WAITING + TOO_OLD - 4))]
    return tuple(
        parties.hit(
            content,
            rule=rule.id,
            purpose=rule.purpose,
            camera=rule.cameras[0],
            policy_sha256=digest,
            counter=number + 1,
            observed_at=utc()
            - (timedelta(days=31) if number >= WAITING else timedelta(hours=5) / (number + 1)),
        )
        for number, content in enumerate(contents)
    )


def at_any_time(policy: Policy) -> Policy:
    """The policy for this site, with hours and dates that allow a hit now."""
    content = policy.document()
    content["site"] = SITE
    always = {"weekly": {day: ["00:00-24:00"] for day in DAYS}}
    since, until = (str((utc() + timedelta(days=days)).date()) for days in (-60, 60))
    content["activation"].update(not_before=since, sunset=until)
    for camera in content["cameras"].values():
        camera["hours"] = always
    for rule in content["rules"]:
        rule["schedule"] = None
    for authority in content["authorities"].values():
        authority["valid"] = {"from": since, "until": until}
    return Policy.model_validate(content)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    base = tmp_path_factory.mktemp("review")
    parties = make_parties(base)
    desk = make_desk(base / "desk", utc=utc)
    roles = {
        SUPERVISOR: DeskRole.SUPERVISOR,
        OFFICER: DeskRole.OFFICER,
        SECOND: DeskRole.SECOND_OFFICER,
    }
    staffed(desk, utc, roles)
    with desk.open_people(utc) as people:
        people.make_key(ActingPerson(SECOND), passphrase_of(SECOND))
    policies = base / "policies"
    policy = at_any_time(read_policy(REPOSITORY / "config" / "demo" / "policy.yaml").model)
    write(policies, policy.document())
    (policies / SIGNATURES_FILE).write_text(signed(policy).text(), "utf-8")
    hits = sealed_hits(parties, policies)
    received_over_tls(base, desk.path, parties, hits)
    deleted = verb("desk", "retain", "run", "--desk", desk.path, "--json")
    assert (deleted.status, deleted.json["not_confirmed"]) == (0, TOO_OLD), deleted.err
    process = start([
        "desk", "serve", "--desk", desk.path, "--port", "0", "--keys",
        parties.authority_folder, "--box-keys", parties.box_file, "--policies", policies,
    ])  # fmt: skip
    told = process.stderr.readline()
    assert told.startswith("the desk is at http://localhost:"), told
    yield Site(desk, told.split()[-1], tuple(one.hit_id for one in hits), parties.box_public)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "", "no line of a visit is written"


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path / "profile") as opened:
        yield opened


@dataclass
class Keyboard:
    """A person who has only a keyboard."""

    tab: Browser
    pressed: int = 0

    def press(self, key: str) -> None:
        self.pressed += 1
        self.tab.press(key)

    def to(self, selector: str) -> None:
        """Press Tab until this element has the focus."""
        for _ in range(60):
            if self.tab.value(f"document.activeElement.matches({json.dumps(selector)})"):
                return
            self.press("Tab")
        raise AssertionError(f"no Tab leads to {selector}")

    def activate(self, selector: str) -> None:
        self.to(selector)
        self.press("Enter")

    def type(self, selector: str, text: str) -> None:
        self.to(selector)
        typed(self.tab, text)

    def log_in(self, site: Site, person: str, leads_to: str = "/queue") -> None:
        self.tab.open(f"{site.page}login")
        self.type("#name", person)
        self.type("#passphrase", passphrase_of(person))
        self.press("Enter")
        assert at(self.tab, leads_to)


def text_of(tab: Browser) -> str:
    return str(tab.value("document.querySelector('main')?.innerText"))


def look(tab: Browser, name: str, *, narrow: bool = False) -> None:
    """Check a page: WCAG by axe, contrast, width, nothing blocked; and take its picture."""
    for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
        tab.size(*size)
        tab.media(scheme)
        assert violations(tab) == [], (name, size, scheme)
        assert [one for one in tab.value(CONTRAST) if one[0] < one[1]] == [], (name, scheme)
        assert tab.value("document.documentElement.scrollWidth") <= size[0], (name, size)
    tab.media()
    take_picture(tab, name, narrow=narrow)
    assert tab.blocked == []


def take_picture(tab: Browser, name: str, *, narrow: bool = False) -> None:
    folder = os.environ.get("DESK_PICTURES")
    if folder and name:
        tab.size(*(NARROW if narrow else WIDE))
        pixels = cv2.imdecode(np.frombuffer(tab.picture(), np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        cv2.imwrite(f"{folder}/desk-{name}.webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 80])
    tab.size(*WIDE)


def at_case(tab: Browser, site: Site, hit: int, step: str) -> None:
    """Wait for a page of the case that says this; its address is the same at each step."""
    assert wait_until(lambda: at(tab, f"/case/{site.hits[hit]}") and step in text_of(tab)), step


def test_p4_two_officers_review_by_keyboard_alone(tab: Browser, site: Site) -> None:
    keys = Keyboard(tab)
    tab.open(f"{site.page}login")
    look(tab, "login")
    keys.log_in(site, OFFICER)
    tab.open(f"{site.page}people")
    look(tab, "")
    tab.open(f"{site.page}account")
    look(tab, "account")
    keys.type("#passphrase", passphrase_of(OFFICER))
    keys.press("Enter")
    assert at(tab, "/account/key")
    assert "Your key is made" in text_of(tab)
    tab.open(f"{site.page}queue")
    assert tab.value("document.querySelectorAll('tbody tr').length") == WAITING
    look(tab, "queue")

    keys.pressed = 0
    keys.activate(".skip")
    keys.activate("form[action='/case/next'] button")
    at_case(tab, site, 0, "Step 1")
    assert all(
        tab.value("[...document.images].map(one => one.complete && one.naturalWidth > 0)")
    ), "the pictures are shown"
    assert RIGHT.box_read not in tab.value("document.documentElement.outerHTML")
    look(tab, "case")
    take_picture(tab, "case-narrow", narrow=True)
    keys.press(" ")  # the focus is on the first judgement
    keys.type("#typed", "1-trv-375")
    keys.press("Enter")
    at_case(tab, site, 0, "Step 2")
    assert RIGHT.box_read in text_of(tab)
    look(tab, "reading")
    keys.press(" ")
    keys.type("#passphrase", passphrase_of(OFFICER))
    keys.press("Enter")
    at_case(tab, site, 0, "Finding 1: confirmed")
    assert keys.pressed <= 12
    assert site.outcomes(0) == [FindingOutcome.CONFIRMED]
    look(tab, "done")

    keys.press("Enter")  # the next hit
    at_case(tab, site, 1, "Step 1")
    keys.press(" ")
    keys.type("#typed", MISREAD.shows)
    keys.press("Enter")
    at_case(tab, site, 1, "not what you typed")
    keys.type("#passphrase", passphrase_of(OFFICER))
    keys.press("Enter")
    at_case(tab, site, 1, "Finding 1: referred")

    # A step back shows the case as it is, and no plate is in an address or title of the history.
    tab.value("history.back()")
    at_case(tab, site, 1, "Finding 1: referred")
    history = tab.send("Page.getNavigationHistory")["entries"]
    for one in history:
        for plate in (RIGHT.shows, MISREAD.shows, MISREAD.box_read):
            assert plate not in one["url"] + one["title"]
    assert all(one.startswith((site.page, "data:image/jpeg;")) for one in tab.requests)


def test_p4_the_second_officer_decides_what_was_referred(tab: Browser, site: Site) -> None:
    if site.outcomes(1) != [FindingOutcome.REFERRED]:
        pytest.skip("the first officer's walk did not come so far")
    keys = Keyboard(tab)
    keys.log_in(site, SECOND)
    assert "second review" in text_of(tab)
    keys.activate("tbody form button")
    at_case(tab, site, 1, "What was judged before is not shown")
    assert OFFICER not in tab.value("document.documentElement.outerHTML")
    keys.press(" ")
    keys.type("#typed", MISREAD.shows)
    keys.press("Enter")
    at_case(tab, site, 1, "one outcome is possible: rejected")
    keys.type("#passphrase", passphrase_of(SECOND))
    keys.press("Enter")
    at_case(tab, site, 1, "misread")
    assert site.outcomes(1) == [FindingOutcome.REFERRED, FindingOutcome.REJECTED]


def test_p4_a_passkey_signs_a_review_by_keyboard(tab: Browser, site: Site) -> None:
    if site.outcomes(1) != [FindingOutcome.REFERRED, FindingOutcome.REJECTED]:
        pytest.skip("the walks before did not come so far")
    keys = Keyboard(tab)
    keys.log_in(site, SECOND)
    tab.authenticator()
    tab.open(f"{site.page}account")
    keys.activate("div[data-origin] summary")
    keys.type("#called", "blue key")
    keys.type("form[action='/account/passkey'] [type=password]", passphrase_of(SECOND))
    keys.press("Enter")
    assert at(tab, "/account/passkey")
    look(tab, "passkey")
    keys.press("Enter")  # the focus is on the button
    assert at(tab, "/account/passkey/made")
    look(tab, "recovery")

    tab.open(f"{site.page}queue")
    keys.pressed = 0
    keys.activate(".skip")
    keys.activate("tbody form button")
    at_case(tab, site, 2, "Step 1")
    keys.press(" ")
    keys.type("#typed", RIGHT.shows)
    keys.press("Enter")
    at_case(tab, site, 2, "Step 2")
    look(tab, "decide")
    keys.press(" ")
    keys.press("Enter")  # the passkey is asked without another key
    at_case(tab, site, 2, "Finding 1: confirmed")
    assert keys.pressed <= 12
    assert tab.blocked == []
    with site.desk.open_database() as database:
        payloads = finding_payloads(database, site.hits[2])
        (finding,) = verify_findings(payloads, personal_keys(database))
    assert finding.schema_ == PASSKEY_SCHEMA


def test_p4_a_plate_typed_in_an_ended_session_stays_in_its_field_and_is_sent_after_login(
    tab: Browser, site: Site
) -> None:
    if site.outcomes(2) != [FindingOutcome.CONFIRMED]:
        pytest.skip("the walks before did not come so far")
    keys = Keyboard(tab)
    keys.log_in(site, OFFICER)
    keys.activate("form[action='/case/next'] button")
    at_case(tab, site, 3, "Step 1")
    keys.press(" ")
    keys.type("#typed", MISREAD.shows)
    with site.desk.open_database() as database, database.writing() as connection:
        connection.execute(SESSION.delete())
        connection.execute(REVIEW_CASE.update().values(claimed_until=None))
    keys.press("Enter")
    shown = "[...document.querySelectorAll('[data-said]')].filter(one => !one.hidden).length"
    assert wait_until(lambda: tab.value(shown) == 1)
    assert "Nothing was sent" in text_of(tab)
    assert tab.value("document.querySelector('#typed').value") == MISREAD.shows
    look(tab, "")
    assert "autocomplete=off" in tab.value("document.forms[1].outerHTML").replace('"', "")
    assert tab.value("localStorage.length + sessionStorage.length") == 0

    link = tab.value("document.querySelector('[data-said=ended] a').href")
    with tab.another():
        tab.open(link)
        assert "After login you come back" in text_of(tab)
        for field, word in (("#name", OFFICER), ("#passphrase", passphrase_of(OFFICER))):
            keys.type(field, word)
        keys.press("Enter")
        at_case(tab, site, 3, "You do not hold this case now")
        keys.activate("main form button")
        at_case(tab, site, 3, "Step 1")
        assert MISREAD.shows not in tab.value("document.documentElement.outerHTML")
        # As if somebody else had logged in since this page was made.
        tab.value("document.querySelector('[data-ready]').dataset.person = 'somebody-else'")
        keys.press(" ")
        keys.type("#typed", RIGHT.shows)
        keys.press("Enter")
        other = "document.querySelector('[data-said=other]').hidden"
        assert wait_until(lambda: tab.value(other) is False)
        assert tab.value("document.querySelector('#typed').value") == ""
        assert tab.value("document.querySelectorAll('[name=judgement]:checked').length") == 0
    keys.activate("main form button.main")
    at_case(tab, site, 3, "not what you typed")
    for one in tab.send("Page.getNavigationHistory")["entries"]:
        assert MISREAD.shows not in one["url"] + one["title"]
    assert all(MISREAD.shows not in one for one in tab.requests)


def test_an_officer_finds_a_decided_case_and_downloads_its_file_by_keyboard(
    tab: Browser, site: Site, tmp_path: Path
) -> None:
    if site.outcomes(0) != [FindingOutcome.CONFIRMED]:
        pytest.skip("the first officer's walk did not come so far")
    keys = Keyboard(tab)
    keys.log_in(site, OFFICER)
    tab.open(f"{site.page}decided")
    assert "confirmed" in text_of(tab)
    look(tab, "decided")
    keys.activate(f"a[href='/case/{site.hits[0]}/file']")
    assert at(tab, f"/case/{site.hits[0]}/file")
    look(tab, "file")
    tab.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    keys.to("input[name=reason]")
    keys.press(" ")
    keys.to("input[name=fr]")
    keys.press(" ")
    keys.type("[type=password]", passphrase_of(OFFICER))
    keys.press("Enter")
    file = tmp_path / f"{site.hits[0]}.zip"
    assert wait_until(file.exists)
    assert tab.blocked == []

    package = file.read_bytes()
    desk_key = site.desk.signing_key().public
    verdict = verify_case(package, KnownKeys(box=site.box, desk=frozenset({desk_key})))
    assert verdict.failure is None
    assert {"report.en.pdf", "report.fr.pdf"} < read_package(package)[1].keys()
    assert not [one for one in site.desk.path.rglob("*") if one.suffix in {".zip", ".pdf"}]


def test_a_supervisor_sees_what_waits_was_decided_and_deleted_and_the_log_proves_it(
    tab: Browser, site: Site
) -> None:
    if site.outcomes(2) != [FindingOutcome.CONFIRMED]:
        pytest.skip("the walks before did not come so far")
    keys = Keyboard(tab)
    keys.log_in(site, SUPERVISOR, "/people")
    keys.activate("a[href='/figures']")
    assert at(tab, "/figures")
    said = " ".join(text_of(tab).split())
    assert f"{SITE} {WAITING - 3} " in said
    assert f"{SITE} fewer than 10 fewer than 10 at least 10 " in said
    look(tab, "")
    with site.desk.open_database() as database:
        rows = {one: len(finding_payloads(database, one)) for one in site.hits}
        assert DeskHits(database).counts() == {"hits": WAITING, "receipts": WAITING, "set_aside": 0}
    assert [number for number in rows.values() if number] == [1, 2, 1]
    assert verb("audit", "verify", site.desk.path).status == 0


def test_axe_finds_a_field_without_a_name(tab: Browser, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text("<html lang=en><title>x</title><main><h1>x</h1><input></main>")
    tab.open(page.as_uri())

    assert [one.split(":")[0] for one in violations(tab)] == ["label"]
