"""The approved still of the place at the desk and in a case: labelled, and never an offence."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from random import Random

import pytest

from edge.authority.opening import OpenedHit, write_opened
from edge.desk.court.people_checks import require_pictures
from edge.desk.court.report import ReportFacts, report_data
from edge.desk.court.verifying import verify_case
from edge.desk.decoy_material import DecoyKind, read_vehicles
from edge.desk.findings import parse_finding
from edge.errors import AuditError, UsageError
from edge.formats.signing import SigningKey
from edge.privacy.sealing import EvidenceContent, Picture, open_sealed
from edge.texts import LANGUAGES, Language
from tests.integration.test_desk_people import refused
from tests.support.cases import SHOTS, CaseRoom
from tests.support.desk_web import line_of, says
from tests.support.desks import make_desk
from tests.support.parties import PLATE, Parties, evidence, make_parties
from tests.support.place_stills import APPROVED, still_jpeg
from tests.support.review_web import Seat, opened_office
from tests.support.reviews import CANNOT_TELL, CONFIRMED, OFFICER

JPEG = still_jpeg()
STILL = Picture("place", JPEG, None, approved=APPROVED)
DAY: dict[Language, str] = {
    "nl": "10 januari 2026", "fr": "10 janvier 2026", "de": "10. Januar 2026",
    "en": "10 January 2026",
}  # fmt: skip
NOT_THEN: dict[Language, str] = {
    "nl": "niet van het moment", "fr": "pas du moment", "de": "nicht aus dem Moment",
    "en": "not from the moment",
}  # fmt: skip


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, parties: Parties) -> Iterator[CaseRoom]:
    """A desk with a confirmed case whose hit has the still that the policy approves."""
    folder = tmp_path_factory.mktemp("room")
    with CaseRoom.of(make_desk(folder / "desk"), parties, folder, JPEG) as made:
        made.hit = made.new_hit(STILL)
        made.through(OFFICER, CONFIRMED)
        yield made


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def seat(tmp_path: Path, parties: Parties) -> Iterator[Seat]:
    """An officer's browser at a desk whose hit has the still."""
    for office in opened_office(make_desk(tmp_path / "desk"), parties):
        office.room.hit = office.room.stored(parties.hit(evidence(*SHOTS, STILL)))
        yield office.seat(OFFICER)


def test_the_page_says_that_the_place_is_not_from_the_moment(seat: Seat) -> None:
    seat.claim()
    for language in LANGUAGES:
        seat.client.get(f"/language/{language}")
        page = plain(seat.get(seat.case))
        shown = re.findall(
            r'<img src="data:image/jpeg;base64,([^"]+)" alt="([^"]*)"/>'
            r"\s*<figcaption>([^<]*)</figcaption>",
            page,
        )
        assert [b64decode(jpeg) for jpeg, _, _ in shown] == [*(one.jpeg for one in SHOTS), JPEG]
        assert all(alt == caption for _, alt, caption in shown)
        *others, label = (caption for _, _, caption in shown)
        assert DAY[language] in label
        assert NOT_THEN[language] in label
        assert not any(NOT_THEN[language] in one for one in others)


def test_p4_the_page_keeps_no_offence_on_a_picture_of_the_place_alone(seat: Seat) -> None:
    room = seat.office.room
    room.hit = room.stored(room.parties.hit(evidence(STILL)))
    seat.claim()
    assert line_of(seat.judge("offence", PLATE)) == says("case.pictures_needed")


def opened(room: CaseRoom, parties: Parties) -> EvidenceContent:
    """The opened evidence of the room's hit."""
    hit = room.hit
    return open_sealed(
        hit.sealed_bytes, hit.seal_context(), authority=parties.authority, box=parties.box_public
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_of_a_case_says_it_too(
    room: CaseRoom, parties: Parties, language: Language
) -> None:
    hit, content = room.hit, opened(room, parties)
    findings = tuple(parse_finding(one) for one in room.findings())
    key = SigningKey.generate("desk").public
    facts = ReportFacts(hit, content, room.policy, findings, key)

    sections = report_data(facts, language)["sections"]

    captions = [plain(text) for one in sections for _, _, text in one["pictures"]]
    assert len(captions) == len(SHOTS) + 1
    assert DAY[language] in captions[-1]
    assert NOT_THEN[language] in captions[-1]


def test_a_case_with_the_approved_still_verifies(room: CaseRoom) -> None:
    verdict = verify_case(room.export().package, room.known)

    assert verdict.confirmed
    assert verdict.checks[5].told.startswith("3 pictures, byte for byte")


def test_p4_a_case_with_another_still_than_the_policy_approves_is_refused(
    parties: Parties, tmp_path: Path
) -> None:
    for number, (approved, still) in enumerate(
        [
            (None, STILL),
            (JPEG, replace(STILL, approved="2026-01-11")),
            (JPEG, replace(STILL, jpeg=still_jpeg(grey=20))),
        ]
    ):
        folder = tmp_path / str(number)
        with CaseRoom.of(make_desk(folder / "desk"), parties, folder, approved) as made:
            made.hit = made.new_hit(still)
            made.through(OFFICER, CONFIRMED)
            with pytest.raises(AuditError, match=r"its policy approves no such picture"):
                made.export()  # which verifies the case before it is given


def test_p4_nobody_judges_an_offence_on_a_picture_of_the_place_alone(
    parties: Parties, tmp_path: Path
) -> None:
    with CaseRoom.of(make_desk(tmp_path / "desk"), parties, tmp_path, JPEG) as made:
        made.hit = made.stored(parties.hit(evidence(STILL)))
        made.begin(OFFICER)
        refused(partial(made.judge, OFFICER), "E_USAGE")
        made.judge(OFFICER, CANNOT_TELL)


def test_p4_an_offence_that_was_judged_on_the_place_alone_proves_nothing(room: CaseRoom) -> None:
    finding = parse_finding(room.findings()[0])
    require_pictures(finding)
    place = [one for one in finding.shown if one.name == "place"]
    assert len(place) == 1

    with pytest.raises(AuditError, match="without any picture"):
        require_pictures(finding.model_copy(update={"shown": tuple(place)}))


def test_a_decoy_keeps_the_still_of_its_place_as_it_is(
    room: CaseRoom, parties: Parties, tmp_path: Path
) -> None:
    hit, content = room.hit, opened(room, parties)
    write_opened(OpenedHit(hit, content), tmp_path / "opened")

    (vehicle,) = read_vehicles(tmp_path / "opened", DecoyKind.LAWFUL, Random(1))

    later = vehicle.at(datetime(2027, 3, 1, 8, tzinfo=timezone.utc))
    assert later.pictures[-1] == STILL
    assert later.pictures[0].taken_at != content.pictures[0].taken_at

    told = next((tmp_path / "opened").glob("*/hit.json"))
    written = json.loads(told.read_text("utf-8"))
    for approved in ({}, {"plate.jpg": APPROVED}, {"place.jpg": APPROVED, "plate.jpg": APPROVED}):
        told.write_text(json.dumps({**written, "approved": approved}), "utf-8")
        with pytest.raises(UsageError, match="no opened hit of this version"):
            read_vehicles(tmp_path / "opened", DecoyKind.LAWFUL, Random(1))
