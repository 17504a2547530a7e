"""The pages of decided cases: who sees which, and the package that an officer downloads."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from edge.authority.store import Reason
from edge.desk.court.verifying import verify_case
from edge.desk.decided import PAGE, DecidedCases, DecidedPlace
from edge.desk.folder import DeskFolder
from edge.desk.rights import DeskRole
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import DECISION, DECOY, DECOY_KEY, FINDING, HIT, PASSWORD
from edge.desk.web.calls import WebDesk
from edge.formats.timestamps import utc_text
from edge.privacy.audit_events import CaseExported, CaseOpened, SessionChanged
from edge.privacy.hit import Hit
from edge.texts import LANGUAGES
from tests.integration.test_desk_decoys import statements
from tests.integration.test_desk_passkey_findings import Desk as PasskeyDesk
from tests.integration.test_desk_people import recorded
from tests.support.cases import SHOTS, CaseRoom, hit_under
from tests.support.desk_web import filled, line_of, says
from tests.support.desks import FIRST, NOW, make_desk, passphrase_of
from tests.support.parties import PLATE, Parties, evidence, make_parties
from tests.support.review_web import ReviewOffice, Seat
from tests.support.reviews import (
    BOX_READ,
    CONFIRMED,
    NO_WORD,
    OFFENCE,
    OFFICER,
    OTHER,
    REFERRED,
    REJECT,
    REJECTED,
    SECOND,
    SECOND_REVIEW,
    TYPED,
)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def room(tmp_path: Path, parties: Parties) -> Iterator[CaseRoom]:
    with CaseRoom.of(make_desk(tmp_path / "desk"), parties, tmp_path) as made:
        yield made


@pytest.fixture
def office(room: CaseRoom) -> ReviewOffice:
    made = ReviewOffice(room)
    made.desk = replace(made.desk, court=room.sources)
    return made


def download(seat: Seat, **changed: str) -> Any:
    """Send the form of the case's page; returns the answer."""
    fields = {"reason": "court", "nl": "yes", "current": passphrase_of(seat.person), **changed}
    return seat.client.post(f"{seat.case}/export", data={"token": seat.token(), **fields})


def exports(office: ReviewOffice) -> list[CaseExported]:
    return [one for one in recorded(office.room.desk) if isinstance(one, CaseExported)]


# --- the package ----------------------------------------------------------------------------------


def test_p21_an_officer_downloads_what_desk_export_makes_and_the_log_names_her(
    office: ReviewOffice, room: CaseRoom, tmp_path: Path
) -> None:
    first = office.seat(OFFICER)
    first.claim()
    first.judge(typed=PLATE)
    assert f'href="{first.case}/file"' in first.decide("confirmed")
    before = {one.name for one in tmp_path.rglob("*")}

    answer = download(office.seat(OTHER), fr="yes")

    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="{room.hit.hit_id}.zip"'
    assert answer.headers["cache-control"] == "no-store"
    assert {one.name for one in tmp_path.rglob("*")} == before, "nothing is on disk"
    verdict = verify_case(answer.content, room.known)
    assert verdict.failure is None
    assert answer.content == room.export(OFFICER, languages=("nl", "fr")).package
    opened, sent, *_ = [
        one for one in recorded(room.desk)
        if isinstance(one, CaseOpened | CaseExported) and one.reason == "court"
    ]  # fmt: skip
    assert opened == CaseOpened(room.hit.hit_id, OTHER, "court", "opened")
    assert (sent.person, sent.hit_id) == (OTHER, room.hit.hit_id)


def test_p21_who_does_not_prove_again_who_she_is_gets_nothing(office: ReviewOffice) -> None:
    office.room.through(OFFICER, CONFIRMED)
    seat = office.seat(OTHER)

    for wrong, status, key in (
        ({"current": "another passphrase"}, 403, "account.refused"),
        ({"current": "", "answer": "{}"}, 403, "passkey.refused"),
        ({"reason": "fine"}, 400, "file.choose"),
        ({"reason": ""}, 400, "file.choose"),
        ({"nl": "no"}, 400, "file.choose"),
    ):
        answer = download(seat, **wrong)
        assert (answer.status_code, line_of(answer.text)[:30]) == (status, says(key)[:30])
    assert exports(office) == []
    assert recorded(office.room.desk).count(SessionChanged("refused", OTHER)) == 2
    assert seat.client.post(f"{seat.case}/export", data={"reason": "court"}).status_code == 400


def test_what_was_chosen_for_a_case_file_is_still_chosen_after_a_mistake(
    office: ReviewOffice,
) -> None:
    office.room.through(OFFICER, CONFIRMED)
    seat = office.seat(OTHER)

    def chosen(page: str) -> set[str]:
        found = re.findall(r'name="(\w+)" value="([\w-]+)"[^>]* checked', page)
        return {name if value == "yes" else value for name, value in found}

    assert chosen(seat.get(f"{seat.case}/file")) == {"en"}
    wanted = {"reason": "data-subject", "fr": "yes", "de": "yes"}
    wrong = {**wanted, "nl": "", "current": "another passphrase"}
    assert chosen(download(seat, **wrong).text) == {"data-subject", "fr", "de"}
    wrong = {"reason": "", "nl": "", "fr": "yes"}
    assert chosen(download(seat, **wrong).text) == {"fr"}


def test_who_has_no_passphrase_proves_herself_with_her_passkey_once(
    office: ReviewOffice, room: CaseRoom
) -> None:
    room.through(OFFICER, CONFIRMED)
    made, _ = PasskeyDesk(room).passkey(OTHER)
    with room.database.writing() as connection:
        connection.execute(PASSWORD.delete().where(PASSWORD.c.person == OTHER))
    seat = office.seat(OTHER)
    raw = re.search(r'data-options="(.*?)"', seat.client.get(f"{seat.case}/file").text)
    assert raw is not None
    answer = made.get(unescape(raw[1]))

    sent = download(seat, current="", answer=answer)
    assert (sent.status_code, sent.headers["content-type"]) == (200, "application/zip")
    assert download(seat, current="", answer=answer).status_code == 403
    assert len(exports(office)) == 1


def test_p7_what_is_not_confirmed_never_leaves_and_the_attempt_is_logged(
    office: ReviewOffice, room: CaseRoom
) -> None:
    seat = office.seat(OTHER)
    for outcome in (None, REFERRED, NO_WORD):
        if outcome is REFERRED:
            room.through(OFFICER, REFERRED, TYPED)
        elif outcome is NO_WORD:
            room.through(SECOND, NO_WORD, None, SECOND_REVIEW)
        answer = download(seat)
        assert (answer.status_code, line_of(answer.text)) == (409, says("file.not_confirmed"))
    assert exports(office) == []
    assert recorded(room.desk).count(CaseOpened(room.hit.hit_id, OTHER, "court", "E_CASE")) == 3
    page = seat.get(f"{seat.case}/file")
    assert says("file.not_confirmed") in page
    assert "/export" not in page


def forged(room: CaseRoom, folder: Path) -> Hit:
    """A hit of the site that another key than the box's has signed, as a decoy is."""
    other = make_parties(folder)
    signer = replace(room.parties, box_folder=other.box_folder, box_file=other.box_file)
    hit = hit_under(signer, room.policy, evidence(*SHOTS))
    key = {"key_id": signer.box.key_id, "site": hit.site, "box": hit.box}
    with room.database.writing() as connection:
        connection.execute(insert(DECOY_KEY).values(public=signer.box.public.text, **key))
    return room.stored(hit)


def test_p12_of_a_decoy_the_pages_say_what_they_say_of_any_hit_with_a_wrong_signature(
    office: ReviewOffice, room: CaseRoom, tmp_path: Path
) -> None:
    shown = []
    for decoy in (False, True):
        room.hit = forged(room, tmp_path / str(decoy))
        if decoy:
            row = {"hit_id": room.hit.hit_id, "kind": "misread", "material_sha256": "ab" * 32}
            with room.database.writing() as connection:
                connection.execute(
                    insert(DECOY).values(added_by=FIRST, added_at=utc_text(NOW), **row)
                )
        room.through(OFFICER, CONFIRMED)
        answer = download(office.seat(OTHER))
        assert (answer.status_code, line_of(answer.text)) == (409, says("file.unsigned"))
        page = office.seat(OTHER).get(f"/case/{room.hit.hit_id}/file")
        assert "decoy" not in (page + answer.text).lower()
        shown.append(re.sub(room.hit.hit_id, "ID", re.sub(r'"\w{64}"', "", page)))
    assert shown[0] == shown[1]
    assert exports(office) == []


def test_where_something_is_missing_one_line_names_the_option(
    office: ReviewOffice, room: CaseRoom, tmp_path: Path
) -> None:
    room.through(OFFICER, CONFIRMED)
    (tmp_path / "empty").mkdir()
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    sources = room.sources

    def told(desk: WebDesk) -> tuple[str, str]:
        seat = office.seat(OTHER, desk)
        shown = seat.get(f"{seat.case}/file")
        return shown, line_of(
            download(seat).text.replace('class="line">', 'class="line" role="alert">')
        )

    for desk, option, key in (
        (replace(office.desk, reviews=None, court=None), "--keys", "file.no_keys"),
        (replace(office.desk, court=None), "--policies", "file.no_policies"),
    ):
        shown, line = told(desk)
        assert line == says(key)
        assert says(key) in shown
        assert option in line
        assert "/export" not in shown
    for changed, key in (
        (replace(sources, policy=tmp_path / "empty"), "file.no_policy"),
        (replace(sources, box_keys=boxes), "file.no_public"),
        (replace(sources, keys_folder=tmp_path / "empty"), "file.no_public"),
    ):
        assert told(replace(office.desk, court=changed))[1] == says(key)
    assert exports(office) == []


@pytest.mark.parametrize("signed", [True, False])
def test_the_folder_of_policies_may_hold_many_with_their_signatures_beside(
    office: ReviewOffice, room: CaseRoom, tmp_path: Path, signed: bool
) -> None:
    room.through(OFFICER, CONFIRMED)
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "street.yaml").write_bytes((room.site / "policy.yaml").read_bytes())
    (folder / "notes.yaml").write_text("no policy: true")
    if signed:
        signatures = (room.site / "policy.signatures.json").read_bytes()
        (folder / "street.signatures.json").write_bytes(signatures)
    desk = replace(office.desk, court=replace(room.sources, policy=folder))

    answer = download(office.seat(OTHER, desk))
    assert answer.status_code == (200 if signed else 409)
    if not signed:
        assert line_of(answer.text) == says("file.no_policy")


# --- the list -------------------------------------------------------------------------------------


def cells(page: str) -> list[list[str]]:
    """The rows of the table as people read them."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL)
    return [
        [re.sub(r"<.*?>|\s+", " ", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in rows
    ]


def test_p5_decided_cases_are_listed_without_plate_or_person_and_lead_to_the_appeal(
    office: ReviewOffice, room: CaseRoom
) -> None:
    room.through(OFFICER, CONFIRMED)
    room.now += timedelta(minutes=2)
    confirmed, room.hit = room.hit, room.new_hit()
    room.begin(OFFICER)
    room.judge(OFFICER, REJECT, reason=Reason.EXEMPT)
    room.decide(OFFICER, REJECTED)
    room.hit = room.new_hit()
    room.through(OFFICER, REFERRED, TYPED)
    seat = office.seat(SECOND)
    page = seat.get("/decided")

    assert [row[1] for row in cells(page)] == ["rejected", "confirmed"], "newest first"
    for word in (PLATE, OFFICER, "exempt", "referred"):
        assert word not in page
    room.hit = confirmed
    assert f'href="{seat.case}/file"' in page
    shown = seat.get(f"{seat.case}/file")
    assert OFFICER not in shown
    room.appealed()
    assert says("case.appeal") in seat.claim(appeal="yes")
    for language in LANGUAGES:
        seat.client.cookies.set("desk-language", language)
        assert says("decided.heading", language) in seat.get("/decided")
        assert says("file.package", language) in seat.get(f"{seat.case}/file")


@pytest.mark.parametrize(
    ("limits", "seen"),
    [({}, True), ({"rule": "stolen"}, True), ({"rule": "other"}, False), ({"site": "b"}, False)],
)
def test_p4_decided_cases_are_those_of_her_rights(
    room: CaseRoom, limits: dict[str, str], seen: bool
) -> None:
    office = ReviewOffice(room, people=("no-right",))
    office.desk = replace(office.desk, court=room.sources)
    room.through(OFFICER, CONFIRMED)
    room.give("no-right", DeskRole.OFFICER, **limits)
    seat = office.seat("no-right")

    assert len(cells(seat.get("/decided"))) == int(seen)
    shown = seat.get(f"{seat.case}/file")
    assert (seat.status == 200) is seen
    assert (room.hit.site in shown) is seen
    for person in ("jan-maes", FIRST):
        other = office.seat(person)
        for path in ("/decided", f"{other.case}/file"):
            assert line_of(other.get(path)).startswith(says("error.lacking"))
        assert download(other).status_code == 403
    answer = download(seat)
    assert answer.status_code == (200 if seen else 409)
    assert len(exports(office)) == int(seen)
    if not seen:
        assert line_of(answer.text) == says("file.no_right")


def test_the_list_does_the_same_for_a_decoy_as_for_a_real_hit(
    office: ReviewOffice, room: CaseRoom, tmp_path: Path
) -> None:
    seat = office.seat(OTHER)
    with statements(room.database) as seen:
        seat.get("/decided")
        seat.get(f"{seat.case}/file")
    assert seen
    assert not [one for one in seen if re.search(r"\bdecoy", one)]
    room.hit = forged(room, tmp_path / "decoy")
    room.begin(OFFICER)
    room.judge(OFFICER, OFFENCE, BOX_READ)
    room.decide(OFFICER, CONFIRMED)
    ((_, *decoy),) = cells(seat.get("/decided"))
    room.hit = room.new_hit()
    room.through(OFFICER, CONFIRMED)
    assert [row[1:] for row in cells(seat.get("/decided"))] == [decoy, decoy]


# --- many -----------------------------------------------------------------------------------------


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> DeskFolder:
    """A desk; on PostgreSQL where a test asks for it."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return make_desk(tmp_path / "many")
    return make_desk(tmp_path / "many", request.getfixturevalue("postgres").new_database())


@pytest.mark.parametrize("desk", ["sqlite", "postgresql"], indirect=True)
def test_pages_of_decided_cases_take_less_than_150_ms_and_leave_none_out(desk: DeskFolder) -> None:
    with desk.open_people(lambda: NOW) as people, desk.open_database() as database:
        rights = [replace(one, terms=replace(one.terms, role=DeskRole.OFFICER))
                  for one in people.rights()]  # fmt: skip
        many(database, "2026-10", 30)
        many(database, "2026-12", 5000)
        filled(database, "a", "stolen", 5000)
        cases = DecidedCases(database)
        begun = time.process_time(), time.monotonic()
        page, more = cases.page(rights)
        spent = min(time.process_time() - begun[0], time.monotonic() - begun[1])
        after, _ = cases.page(rights, page[-1].place)
        last, no_more = cases.page(rights, DecidedPlace(NOW - timedelta(days=20), "0" * 32))

    assert spent < 0.15
    assert (len(last), no_more) == (30, False)
    assert more
    places = [(one.place.decided_at, one.place.hit_id) for one in page + after]
    assert len(set(places)) == 2 * PAGE
    assert places == sorted(places, reverse=True)
    assert after[-1].place.decided_at.month == 12


def many(database: DeskDatabase, month: str, count: int) -> None:
    """Decided cases of one month."""
    hits, findings, decisions = [], [], []
    for number in range(count):
        hit_id = f"{month[:4]}{month[5:]}{number:026x}"
        seen = f"{month}-{1 + number % 28:02d}T10:00:00.{number % 1000:03d}Z"
        place = {"hit_id": hit_id, "site": "a", "camera": "cam-1", "rule": "stolen"}
        hits.append({**place, "day": seen[:10], "box": "box-1", "counter": number,
                     "human_check_required": True, "observed_at": seen, "stored_at": seen,
                     "payload": b"sealed", "waits_for": None})  # fmt: skip
        findings.append({"finding_sha256": f"{hit_id:0>64}", "hit_id": hit_id, "number": 1,
                         "person": FIRST, "outcome": "confirmed", "decided_at": seen,
                         "payload": b"signed"})  # fmt: skip
        decisions.append({**place, "month": month, "light": "day", "outcome": "confirmed",
                          "reading": "exact"})  # fmt: skip
    with database.writing() as connection:
        for table, rows in ((HIT, hits), (FINDING, findings), (DECISION, decisions)):
            connection.execute(insert(table), rows)
