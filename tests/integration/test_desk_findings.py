"""Findings of the desk: what they say, how they are verified, and that no plate is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import inspect

from edge.adapters.state.audit_log import read_log
from edge.desk import cases
from edge.desk.findings import (
    parse_finding,
    typing_digest,
    typing_key,
    verify_finding,
    verify_findings,
)
from edge.desk.folder import DeskFolder
from edge.desk.moving import move
from edge.desk.outcomes import (
    OpeningReason,
)
from edge.desk.personal_keys import add_personal_key
from edge.desk.queue import HitQueue
from edge.desk.reviewing import finding_payloads
from edge.desk.rights import DeskRole
from edge.desk.store.database import DeskDatabase, sqlite_address
from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import EARLIER, FINDING, REVIEW_CASE
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import FindingSigned, PersonKeyAdded
from tests.integration.test_desk_people import recorded, refused
from tests.integration.test_desk_store import dumped
from tests.support.desks import NOW, put_back
from tests.support.parties import PLATE, Parties, evidence, make_parties
from tests.support.reviews import (
    BOX_READ,
    CONFIRMED,
    NO_WORD,
    OFFICER,
    OTHER,
    PICTURES,
    REFERRED,
    SECOND,
    SECOND_REVIEW,
    THIRD,
    THIRD_READ,
    TYPED,
    ReviewRoom,
    at_once,
    who,
)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def room(desk: DeskFolder, parties: Parties) -> Iterator[ReviewRoom]:
    with ReviewRoom.of(desk, parties) as made:
        yield made


# --- the finding ----------------------------------------------------------------------------------


def test_a_finding_says_who_in_which_capacity_from_which_bytes(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.now += timedelta(seconds=3)
    room.judge(OFFICER)
    room.now += timedelta(seconds=2)
    finding = room.decide(OFFICER)

    right = next(one for one in room.people.rights() if one.terms.person == OFFICER)
    assert finding.person.model_dump() == {
        "name": OFFICER, "full_name": OFFICER.title(), "role": DeskRole.OFFICER,
        "right": right.right_id, "right_sha256": right.terms.sha256(), "mandate": "GR-2026/114",
    }  # fmt: skip
    assert [(one.name, one.sha256) for one in finding.shown] == [
        (one.name, hashlib.sha256(one.jpeg).hexdigest()) for one in PICTURES
    ]
    assert finding.hit_sha256 == hashlib.sha256(room.hit.to_payload()).hexdigest()
    assert (finding.rule, finding.policy_sha256) == (room.hit.rule, room.hit.policy_sha256)
    assert (finding.opened_at, finding.judged_at, finding.decided_at) == (
        "2026-12-01T12:00:00.000Z", "2026-12-01T12:00:03.000Z", "2026-12-01T12:00:05.000Z",
    )  # fmt: skip
    with room.database.reading() as connection:
        case_key = bytes(connection.execute(REVIEW_CASE.select()).one().typing_key)
    key = typing_key(room.secret, case_key)
    assert finding.typed == finding.box_read == typing_digest(key, BOX_READ)
    assert finding.typed != typing_digest(case_key, BOX_READ)
    assert recorded(room.desk)[-1] == FindingSigned(
        room.hit.hit_id, 1, OFFICER, "confirmed", finding.sha256()
    )
    assert verify_finding(room.findings()[0], room.keys[OFFICER].public) == finding


def test_every_changed_byte_of_a_finding_is_found(room: ReviewRoom) -> None:
    room.through(OFFICER, CONFIRMED)
    (payload,) = room.findings()
    public = room.keys[OFFICER].public
    refused(lambda: verify_finding(payload, room.keys[OTHER].public), "E_FINDING")
    for at in range(len(payload)):
        changed = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
        refused(partial(verify_finding, changed, public), "E_FINDING")
    for other in (b"", b"{}", payload + b" ", payload[:-1]):
        refused(partial(parse_finding, other), "E_FINDING")


def test_a_row_of_findings_with_a_gap_or_an_unknown_key_is_refused(room: ReviewRoom) -> None:
    room.through(OFFICER, REFERRED, TYPED)
    room.through(SECOND, NO_WORD, THIRD_READ, SECOND_REVIEW)
    first, second = room.findings()
    keys = tuple(key.public for key in room.keys.values())

    assert len(verify_findings((first, second), keys)) == 2
    for wrong in ((second,), (second, first), (first, first)):
        refused(partial(verify_findings, wrong, keys), "E_FINDING")
    refused(lambda: verify_findings((first, second), keys[:1]), "E_FINDING")


def test_only_the_newest_key_of_the_person_signs(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.judge(OFFICER)
    newer = SigningKey.generate(OFFICER)
    refused(
        lambda: room.reviews.decide(who(OFFICER), room.hit.hit_id, CONFIRMED, room.keys[SECOND]),
        "E_RIGHT",
    )
    args = (room.database, room.audit.append, who(OFFICER))
    add_personal_key(*args, newer.public, NOW + timedelta(hours=1))
    assert recorded(room.desk)[-1] == PersonKeyAdded(OFFICER, newer.public.text)
    refused(lambda: room.decide(OFFICER), "E_RIGHT")
    refused(lambda: add_personal_key(*args, newer.public, NOW), "E_RIGHT")
    demo = SigningKey.demo_of(OFFICER)
    refused(lambda: add_personal_key(*args, demo.public, NOW), "E_RIGHT")

    finding = room.reviews.decide(who(OFFICER), room.hit.hit_id, CONFIRMED, newer)
    assert finding.signature.key_id == newer.public.key_id


# --- no plate anywhere ----------------------------------------------------------------------------


def test_p8_no_plate_stands_in_a_table_the_log_or_an_error(room: ReviewRoom) -> None:
    errors = [refused(lambda: room.reviews.reading(who(OFFICER), room.hit.hit_id), "E_CASE")]
    room.begin(OFFICER)
    room.judge(OFFICER, typed=TYPED)
    reading = room.reviews.reading(who(OFFICER), room.hit.hit_id)
    errors.append(refused(lambda: room.judge(OFFICER), "E_CASE"))
    errors.append(refused(lambda: room.decide(OFFICER), "E_CASE"))
    room.decide(OFFICER, REFERRED)
    room.through(SECOND, CONFIRMED, opening=SECOND_REVIEW)
    opened = room.reviews.open_decided(who(THIRD), room.hit.hit_id, OpeningReason.DATA_SUBJECT)

    kept = dumped(room.desk) + b"".join(
        file.read_bytes() for file in room.desk.path.iterdir() if file.is_file()
    )
    kept += " ".join([*errors, repr(reading), repr(opened)]).encode()
    assert room.hit.hit_id.encode() in kept
    for plate in (PLATE, "9ZZZ876"):
        assert plate.encode() not in kept
    for picture in PICTURES:
        assert picture.jpeg not in kept


def test_with_the_case_goes_the_key_of_its_typed_plates(room: ReviewRoom) -> None:
    room.through(OFFICER, CONFIRMED)
    with room.database.writing() as connection:
        key = bytes(connection.execute(REVIEW_CASE.select()).one().typing_key)
        connection.execute(REVIEW_CASE.delete())
    room.database.close()  # until then SQLite keeps its write-ahead log
    assert key not in dumped(room.desk)
    with room.database.reading() as connection:
        assert connection.execute(FINDING.select()).one().hit_id == room.hit.hit_id


# --- an earlier desk ------------------------------------------------------------------------------


def test_a_desk_of_the_first_version_is_brought_up_when_it_is_opened(
    desk: DeskFolder, parties: Parties
) -> None:
    hit = parties.hit(evidence(*PICTURES))
    with desk.open_database() as database:
        DeskHits(database).put(hit, hit.to_payload(), NOW)
        put_back(database, "0001")
    opened: list[DeskDatabase] = []
    at_once(*[lambda: opened.append(desk.open_database())] * 2)

    assert len(opened) == 2
    for database in opened:
        assert DeskHits(database).payload(hit.hit_id) == hit.to_payload()
        database.close()
    with ReviewRoom.of(desk, parties) as room:
        room.hit = hit
        assert room.through(OFFICER, CONFIRMED).outcome is CONFIRMED
    assert read_log(desk.path).entries


@pytest.mark.parametrize("version", EARLIER)
def test_a_desk_of_each_version_gets_the_same_tables(room: ReviewRoom, version: str) -> None:
    room.stored()
    before = made(room.database)
    put_back(room.database, version)
    assert made(room.database) != before
    with room.desk.open_database() as database:
        assert made(database) == before


def made(database: DeskDatabase) -> dict[str, set[str]]:
    """The columns and the indexes of each table."""
    with database.reading() as connection:
        found = inspect(connection)
        return {
            table: {column["name"] for column in found.get_columns(table)}
            | {str(index["name"]) for index in found.get_indexes(table)}
            for table in found.get_table_names()
        }


def test_cases_and_findings_move_with_the_store(room: ReviewRoom, tmp_path: Path) -> None:
    room.through(OFFICER, REFERRED, TYPED)
    before = room.findings()
    with DeskDatabase.reach(sqlite_address(tmp_path / "new.sqlite3")) as new:
        rows = move(room.database, new).rows
        assert (rows["review_case"], rows["judgement"], rows["finding"]) == (1, 1, 1)
        assert finding_payloads(new, room.hit.hit_id) == before


def waiting(room: ReviewRoom, *people: str) -> list[int]:
    """How many hits wait for each of these, and at all sites."""
    queue = HitQueue(room.database)
    rights = [right for right in room.people.rights() if right.approved_at is not None]
    pages = [
        queue.page([one for one in rights if one.terms.person == person], now=room.now)[0]
        for person in people
    ]
    return [*(len(page) for page in pages), sum(site.hits for site in queue.sites())]


def test_p4_a_referred_hit_waits_for_second_officers_who_took_no_part(room: ReviewRoom) -> None:
    everyone = (OFFICER, OTHER, SECOND, THIRD)
    room.give(OFFICER, DeskRole.SECOND_OFFICER)
    assert waiting(room, *everyone) == [1, 1, 1, 1, 1]
    room.begin(THIRD)
    room.judge(THIRD)
    room.now += cases.CLAIMED_FOR
    assert waiting(room, *everyone) == [1, 1, 1, 1, 1]
    room.through(OFFICER, REFERRED, TYPED)
    assert waiting(room, *everyone) == [0, 0, 1, 0, 1]
    room.begin(SECOND, SECOND_REVIEW)
    room.judge(SECOND)
    assert waiting(room, *everyone) == [0, 0, 1, 0, 1]
    room.decide(SECOND, CONFIRMED)
    assert waiting(room, *everyone) == [0, 0, 0, 0, 0]


def test_a_desk_of_the_third_version_gets_its_queue_from_the_findings(room: ReviewRoom) -> None:
    everyone = (OTHER, SECOND)
    room.through(OFFICER, CONFIRMED)
    room.hit = room.stored()
    room.through(OFFICER, REFERRED, TYPED)
    room.hit = room.stored()
    room.through(OFFICER, REFERRED, TYPED)
    for _ in range(3):
        room.stored()
    before = waiting(room, *everyone)
    put_back(room.database, "0003")
    with room.desk.open_database():
        assert waiting(room, *everyone) == before == [3, 5, 5]
