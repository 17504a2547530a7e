"""Reviews in the browser: the steps, what is shown to whom, and what stands in the way."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from edge.authority.store import Reason
from edge.desk.cases import CLAIMED_FOR
from edge.desk.folder import DeskFolder
from edge.desk.policies import read_policies
from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import JUDGEMENT
from edge.desk.web.app import desk_app
from edge.desk.web.sessions import IDLE
from edge.errors import AuditError
from edge.privacy.audit_events import CaseOpened, Event, FindingSigned, ReadingShown
from edge.privacy.hit import Hit
from edge.texts import LANGUAGES, Language, catalogue
from tests.integration.test_desk_people import recorded
from tests.integration.test_desk_store import dumped
from tests.support.desk_web import line_of, says
from tests.support.desks import NOW, make_desk, passphrase_of
from tests.support.parties import PLATE, Parties, evidence, make_parties
from tests.support.product import REPOSITORY
from tests.support.review_web import ReviewOffice, opened_office
from tests.support.reviews import (
    CONFIRMED,
    NO_WORD,
    OFFICER,
    OTHER,
    PICTURES,
    REFERRED,
    SECOND,
)

ANOTHER = "9ZZZ876"


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def office(tmp_path: Path, parties: Parties) -> Iterator[ReviewOffice]:
    """A desk on SQLite."""
    yield from opened_office(make_desk(tmp_path / "desk"), parties)


@pytest.fixture
def either(desk: DeskFolder, parties: Parties) -> Iterator[ReviewOffice]:
    """A desk on SQLite, then on PostgreSQL."""
    yield from opened_office(desk, parties)


def pictures_of(page: str) -> list[bytes]:
    found = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', page)
    return [base64.b64decode(one) for one in found]


def judgements(office: ReviewOffice) -> int:
    with office.room.database.reading() as connection:
        return len(connection.execute(JUDGEMENT.select()).all())


# --- the steps ------------------------------------------------------------------------------------


def test_p4_an_officer_reviews_a_hit_from_the_queue_to_the_next(
    either: ReviewOffice, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seat, room = either.seat(OFFICER), either.room
    assert "Review: test-street, cam-1" in seat.get("/queue")
    page = seat.claim()
    assert seat.path == seat.case
    assert pictures_of(page) == [one.jpeg for one in PICTURES]
    assert PLATE not in page
    assert "30 November 2026, 07:16:05 UTC" in page.replace("\N{NO-BREAK SPACE}", " ")

    shown = seat.judge(typed=f" {PLATE.lower()[0]}-{PLATE[1:4]}.{PLATE[4:]} ")
    assert f'<b class="plate">{PLATE}</b>' in shown
    assert says("case.agrees") in shown
    before = time.process_time()
    done = seat.decide("confirmed")
    spent = time.process_time() - before
    assert says("case.done") in done
    assert spent < 2, "machine time of a decision"

    (finding,) = either.findings()
    assert (finding.outcome, finding.person.name) == (CONFIRMED, OFFICER)
    assert [(one.name, one.sha256) for one in finding.shown] == [
        (one.name, hashlib.sha256(jpeg).hexdigest())
        for one, jpeg in zip(PICTURES, pictures_of(page), strict=True)
    ]
    assert finding.sha256() in done
    hit_id = room.hit.hit_id
    kinds = [
        type(one)
        for one in recorded(room.desk)
        if isinstance(one, CaseOpened | ReadingShown | FindingSigned) and one.hit_id == hit_id
    ]
    assert kinds == [CaseOpened, CaseOpened, ReadingShown, FindingSigned]
    assert says("queue.empty") in seat.post("/case/next")

    # No plate stays anywhere: in no table, log, address or title.
    kept = dumped(room.desk) + caplog.text.encode()
    kept += b"".join(file.read_bytes() for file in room.desk.path.iterdir() if file.is_file())
    assert PLATE.encode() not in kept
    for one in (page, shown, done):
        assert PLATE not in re.findall("<title>.*?</title>", one)[0]
    for address in re.findall('(?:action|href)="([^"]*)"', page + shown + done):
        assert PLATE not in address


def test_p4_the_pictures_are_for_who_holds_the_case_and_are_kept_nowhere(
    office: ReviewOffice,
) -> None:
    seat, other = office.seat(OFFICER), office.seat(OTHER)
    assert pictures_of(seat.get(seat.case)) == []
    assert line_of(seat.get(seat.case)) == says("case.lapsed")
    seat.claim()
    answer = seat.client.get(seat.case)
    assert len(pictures_of(answer.text)) == 2
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert policy.endswith("; connect-src 'self'; img-src data:")
    assert policy.count("script") == 1
    assert "script-src 'self'" in policy
    assert "img-src" not in seat.client.get("/queue").headers["content-security-policy"]
    for said in (other.get(seat.case), other.claim(), other.judge(typed=PLATE)):
        assert pictures_of(said) == []
        assert line_of(said) == f"{OFFICER} reviews this hit now. Nothing of yours was kept."
    assert f"with {OFFICER}" in other.get("/queue")


def test_p4_the_box_reading_is_on_no_page_before_a_plate_is_typed(office: ReviewOffice) -> None:
    seat = office.seat(OFFICER)
    seat.claim()
    for said in (
        seat.get(seat.case),
        seat.decide("confirmed"),
        seat.judge("cannot-tell"),
        seat.get(seat.case),
        seat.judge(typed=PLATE),
    ):
        assert says("case.box_read") not in said
        assert f">{PLATE}<" not in said
    assert ReadingShown not in {type(one) for one in recorded(office.room.desk)}
    seat.decide("confirmed")
    assert office.findings() == []
    seat.decide("referred")
    assert [one.outcome for one in office.findings()] == [REFERRED]


def test_p4_the_second_officer_sees_nothing_of_the_first(office: ReviewOffice) -> None:
    first, second = office.seat(OFFICER), office.seat(SECOND)
    first.claim()
    assert says("case.differs") in first.judge(typed=ANOTHER)
    first.decide("referred")
    for seat in (first, office.seat(OTHER)):
        assert says("queue.empty") in seat.get("/queue")
    queue = second.get("/queue")
    assert says("queue.second") in queue
    pages = [queue, second.post("/case/next")]
    assert says("case.second") in pages[-1]
    pages += [second.judge(typed=PLATE), second.decide("confirmed")]
    for page in pages:
        for word in (OFFICER, OFFICER.title(), ANOTHER, office.findings()[0].sha256()):
            assert word not in page
    assert [one.outcome for one in office.findings()] == [REFERRED, CONFIRMED]
    assert says("case.done") in first.get(first.case)
    assert "Finding 1: referred" in first.get(first.case)


def test_other_outcomes_are_signed_too(office: ReviewOffice) -> None:
    seat = office.seat(OFFICER)
    for judgement, outcome, reason, found in (
        (("reject", "", "exempt"), "rejected", "", Reason.EXEMPT),
        (("cannot-tell", "", ""), "referred", "", None),
        (("offence", PLATE, ""), "rejected", "duplicate", Reason.DUPLICATE),
    ):
        office.room.hit = office.room.stored()
        seat.claim()
        seat.judge(*judgement)
        assert says("case.done") in seat.decide(outcome, reason)
        (finding,) = office.findings()
        assert (finding.outcome.value, finding.reason) == (outcome, found)


def test_p4_without_a_picture_no_offence_is_kept(office: ReviewOffice) -> None:
    office.room.hit = office.room.stored(office.room.parties.hit(evidence()))
    seat = office.seat(OFFICER)
    assert says("case.no_pictures") in seat.claim()
    assert line_of(seat.judge("offence", PLATE, "")) == says("case.pictures_needed")
    assert judgements(office) == 0
    seat.judge("cannot-tell", "", "")
    assert judgements(office) == 1


def test_p4_a_second_officer_answers_an_appeal(office: ReviewOffice) -> None:
    second = office.seat(SECOND)
    assert line_of(second.claim(appeal="yes")) == says("case.not_decided")
    office.room.through(OTHER, CONFIRMED)
    assert line_of(second.claim()) == says("case.decided")
    assert line_of(office.seat(OFFICER).claim(appeal="yes")) == says("case.no_right")
    assert line_of(second.claim(appeal="yes")) == says("case.no_appeal")
    office.room.appealed()
    assert says("case.appeal") in second.claim(appeal="yes")
    second.judge(typed=ANOTHER)
    second.decide("cannot-tell")
    assert [one.outcome for one in office.findings()] == [CONFIRMED, NO_WORD]


# --- wrong answers --------------------------------------------------------------------------------


WRONG = [
    ("", PLATE, "", "choose_judgement"),
    ("guilty", PLATE, "", "choose_judgement"),
    ("offence", "", "", "type_plate"),
    ("offence", "1ABC123 !", "", "wrong_plate"),
    ("offence", "A" * 13, "", "wrong_plate"),
    ("offence", PLATE, "exempt", "reason_without_rejection"),
    ("cannot-tell", PLATE, "", "plate_without_offence"),
    ("reject", "", "", "choose_reason"),
    ("reject", "", "misread", "choose_reason"),
    ("reject", "", "<b>", "choose_reason"),
]


def test_p4_a_judgement_that_is_not_complete_is_not_kept(office: ReviewOffice) -> None:
    seat = office.seat(OFFICER)
    seat.claim()
    for judgement, typed, reason, key in WRONG:
        page = seat.judge(judgement, typed, reason)
        assert (seat.status, line_of(page)) == (400, says(f"case.{key}"))
        assert f'name="typed" class="plate" value="{typed}"' in page  # nothing to type again
        assert "<b>" not in page
        assert page.index('role="alert"') > page.index('id="step"')  # seen on a phone too
    assert judgements(office) == 0


def test_p21_what_is_missing_at_the_decision_is_said_and_nothing_is_signed(
    office: ReviewOffice,
) -> None:
    seat = office.seat(OFFICER)
    seat.claim()
    seat.judge(typed=PLATE)
    for outcome, reason, passphrase, key in (
        ("", "", None, "choose_outcome"),
        ("cannot-tell", "", None, "choose_outcome"),
        ("rejected", "", None, "outcome_reason"),
        ("confirmed", "exempt", None, "outcome_without_rejection"),
        ("confirmed", "", "a wrong passphrase", "wrong_passphrase"),
        ("confirmed", "", "", "wrong_passphrase"),
    ):
        assert line_of(seat.decide(outcome, reason, passphrase)) == says(f"case.{key}"), key
    assert office.findings() == []
    assert line_of(seat.post(f"{seat.case}/decide", token="0" * 64)) == says("error.form")


# --- twice, at once, too late ---------------------------------------------------------------------


def test_p4_what_is_sent_twice_counts_once(office: ReviewOffice) -> None:
    """A double click, a step back, or a repeat after a lost connection."""
    seat = office.seat(OFFICER)
    seat.claim()
    seat.claim()
    seat.judge(typed=ANOTHER)
    shown = seat.judge(typed=PLATE)
    assert seat.path == seat.case
    assert says("case.differs") in shown
    assert judgements(office) == 1
    first = seat.decide("referred")
    assert seat.decide("referred") == first
    assert seat.judge(typed=PLATE) == first
    assert seat.claim() == first
    assert len(office.findings()) == 1


def test_of_two_officers_one_decides_and_the_other_is_told(office: ReviewOffice) -> None:
    other = office.seat(OTHER)
    other.claim()
    other.judge(typed=PLATE)
    office.room.now += CLAIMED_FOR
    one, other = office.seat(OFFICER), office.seat(OTHER)
    one.claim()
    assert f"{OFFICER} reviews this hit now" in line_of(other.decide("confirmed"))
    one.judge(typed=PLATE)
    one.decide("confirmed")
    for said in (other.decide("confirmed"), other.claim(), other.get(other.case)):
        assert line_of(said) == says("case.decided")
    assert [one.person.name for one in office.findings()] == [OFFICER]


def test_p4_a_plate_typed_in_an_ended_session_is_not_kept_and_the_case_is_found_again(
    office: ReviewOffice,
) -> None:
    seat = office.seat(OFFICER)
    seat.claim()
    token = seat.token()
    office.room.now += IDLE
    page = seat.post(f"{seat.case}/judge", token=token, judgement="offence", typed=PLATE)
    assert (seat.status, line_of(page)) == (401, says("login.ended_case"))
    assert PLATE not in page
    assert judgements(office) == 0
    case = re.search('name="case" value="(.*?)"', page)
    form = re.search(r'name="token" value="(\w+)"', page)
    assert case is not None
    assert form is not None
    fields = {"name": OFFICER, "passphrase": passphrase_of(OFFICER), "case": case[1]}
    refused = seat.post("/login", token=form[1], **{**fields, "passphrase": "wrong"})
    assert f'name="case" value="{case[1]}"' in refused
    seat.post("/login", token=form[1], **fields)
    assert seat.path == seat.case
    assert seat.claim().count("<img") == 2
    assert f'<b class="plate">{PLATE}</b>' in seat.judge(typed=PLATE)


def test_p4_a_page_is_told_whether_its_typed_plate_can_be_sent(office: ReviewOffice) -> None:
    seat, other = office.seat(OFFICER), office.seat(OTHER)
    seat.claim()
    for one in (seat, other):
        one.client.headers["desk-made-for"] = one.person
    ready = f"{seat.case}/ready"
    assert (seat.get(ready), seat.status) == (seat.token(), 200)
    assert (other.get(ready), other.status) == ("", 409)
    office.room.now += IDLE  # the session ends, and with it the claim
    assert (line_of(seat.get(ready)), seat.status) == (says("login.ended_look"), 401)
    again = office.seat(OFFICER)
    again.client.headers["desk-made-for"] = OFFICER
    assert (again.get(ready), again.status) == ("", 409)
    again.claim()
    assert (again.get(ready), again.status) == (again.token(), 200)


def test_p21_a_login_leads_nowhere_else(office: ReviewOffice) -> None:
    seat = office.seat(OFFICER)
    fields = {"name": OFFICER, "passphrase": passphrase_of(OFFICER)}
    for case in ("//evil.example", "https://evil.example", "../x", "0" * 31, ""):
        seat.client.cookies.clear()
        form = {"token": seat.token("/login"), "case": case, **fields}
        answer = seat.client.post("/login", data=form, follow_redirects=False)
        assert answer.headers["location"] == "/"


# --- faults ---------------------------------------------------------------------------------------


def stored(office: ReviewOffice, hit: Hit, payload: bytes) -> None:
    DeskHits(office.room.database).put(hit, payload, NOW)
    office.room.hit = hit


def test_a_hit_that_cannot_be_opened_shows_one_line_and_nothing_else(
    office: ReviewOffice, tmp_path: Path
) -> None:
    seat, room = office.seat(OFFICER), office.room
    other = make_parties(tmp_path / "other")
    altered = room.parties.hit(evidence(*PICTURES))
    stored(office, altered, altered.to_payload().replace(b'"counter":1', b'"counter":2'))
    assert line_of(seat.claim()) == says("case.altered")
    assert "Continue: test-street, cam-1" in seat.get("/queue")
    assert "<img" in seat.post("/case/next")  # the other one: this one stops nobody
    for key, others in (
        ("unknown_box", make_parties(tmp_path / "boxes", box="box-2")),
        ("other_key", replace(room.parties, authority_folder=other.authority_folder)),
    ):  # fmt: skip
        room.hit = room.stored()
        desk = replace(office.desk, reviews=room.reviews_with(others))
        page = office.seat(OFFICER, desk).claim()
        assert line_of(page) == says(f"case.{key}")
        assert "<img" not in page
    assert {one.result for one in recorded(room.desk) if isinstance(one, CaseOpened)} == {
        "E_SIGNATURE", "E_HIT", "E_NO_KEY", "opened",
    }  # fmt: skip
    room.hit = altered
    room.now += CLAIMED_FOR
    assert line_of(office.seat(OFFICER).judge(typed=PLATE)) == says("case.lapsed")
    assert judgements(office) == 0


@pytest.mark.parametrize("fault", ["away", "unlogged"])
def test_p21_a_fault_in_the_middle_of_a_decision_leaves_nothing_half_done(
    office: ReviewOffice, fault: str
) -> None:
    seat, room = office.seat(OFFICER), office.room
    seat.claim()
    seat.judge(typed=PLATE)
    token = seat.token()

    def record(event: Event) -> None:
        raise AuditError("audit.log: it was altered; restore a copy")

    if fault == "away":
        with room.database.transaction() as connection:
            connection.execute(text("ALTER TABLE finding RENAME TO gone"))
        broken = seat
    else:
        desk = replace(office.desk, reviews=room.reviews_with(record=record))
        broken = replace(seat, client=TestClient(desk_app(desk), cookies=seat.client.cookies))
        broken.client.headers["accept-language"] = "en"
    fields = {"outcome": "confirmed", "passphrase": passphrase_of(OFFICER)}
    page = broken.post(f"{seat.case}/decide", token=token, **fields)
    assert (broken.status, line_of(page)) == (503, says("error.unavailable"))
    assert f'href="{seat.case}"' in page
    if fault == "away":
        with room.database.transaction() as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO finding"))
    assert office.findings() == []
    assert says("case.done") in seat.decide("confirmed")
    assert len(office.findings()) == 1


def test_a_full_disk_is_named_and_nothing_is_half_done(small_disk: Path, parties: Parties) -> None:
    for office in opened_office(make_desk(small_disk / "desk"), parties):
        seat = office.seat(OFFICER)
        seat.claim()
        seat.judge(typed=PLATE)
        token = seat.token()
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        fields = {"outcome": "confirmed", "passphrase": passphrase_of(OFFICER)}
        page = seat.post(f"{seat.case}/decide", token=token, **fields)
        assert (seat.status, line_of(page)) == (503, says("error.disk_full"))
        ballast.unlink()
        assert office.findings() == []
        assert says("case.done") in seat.decide("confirmed")


def test_without_the_keys_the_pages_say_so(office: ReviewOffice) -> None:
    seat = office.seat(OFFICER, replace(office.desk, reviews=None))
    assert line_of(seat.get("/queue").replace('class="line"', 'class="line" role="alert"')) == (
        says("case.no_keys")
    )
    for said in (seat.claim(), seat.post("/case/next"), seat.get(seat.case)):
        assert line_of(said) == says("case.no_keys")


def test_p4_who_is_no_officer_reviews_nothing(office: ReviewOffice) -> None:
    for person in ("jan-maes", "no-right"):
        seat = office.seat(person)
        for said in (seat.claim(), seat.post("/case/next"), seat.get(seat.case), seat.judge()):
            assert line_of(said).startswith(says("error.lacking"))
        seat.post("/account/key", passphrase=passphrase_of(person))
        assert seat.status == 403


# --- words ----------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


@pytest.mark.parametrize("language", LANGUAGES)
def test_p14_rule_place_and_local_time_are_in_her_language(
    office: ReviewOffice, tmp_path: Path, language: Language
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    text_of = (REPOSITORY / "config" / "school-street" / "policy.yaml").read_text("utf-8")
    (folder / "policy.yaml").write_text(text_of, "utf-8")
    ((digest, policy),) = read_policies(folder).items()
    rule = policy.rules[0]
    camera = next(iter(policy.cameras))
    place = policy.cameras[camera].place
    hostile = place.model_copy(update={language: HOSTILE})
    cameras = {camera: policy.cameras[camera].model_copy(update={"place": hostile})}
    hit = office.room.parties.hit(
        evidence(*PICTURES), rule=rule.id, camera=camera, purpose=rule.purpose, policy_sha256=digest
    )
    stored(office, hit, hit.to_payload())
    desk = replace(office.desk, policies={digest: policy.model_copy(update={"cameras": cameras})})
    seat = office.seat(OFFICER, desk)
    seat.client.get(f"/language/{language}")
    seat.claim()
    page = seat.client.get(seat.case).text
    for key in ("case.heading", "case.judge", "case.local", "judgement.offence", "reason.exempt"):
        assert says(key, language) in seat.get(seat.case).replace("\N{NO-BREAK SPACE}", " ")
    assert catalogue(language)["court.picture.vehicle"] in page
    assert "08:16:05 CET" in page
    assert "07:16:05 UTC" in page
    assert page.count("<script") == 1
    assert "&lt;script&gt;" in page
    assert "\u202e" not in re.sub(r"<bdi>.*?</bdi>", "", page)
