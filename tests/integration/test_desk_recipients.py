"""The answer to a person says for whom files of her case were made, or that nobody got any."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from edge.adapters.state.audit_log import FILE_NAME
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import OpeningReason
from edge.desk.recipients import Recipient, files_made
from edge.desk.request_answer import answer_text
from edge.desk.request_terms import HOME, RequestKind
from edge.desk.requests import PersonRequests
from edge.desk.rights import DeskRole
from edge.errors import AuditError, OutboxError
from edge.policy.notice.words import Words
from edge.texts import LANGUAGES, catalogue
from tests.integration.test_desk_requests import CLERK, OWN, asked
from tests.integration.test_fines_export import FinesRoom, mapping
from tests.support.parties import PLATE, SITE, Parties, make_parties
from tests.support.receiving import boxes_of
from tests.support.reviews import CONFIRMED, OFFICER, OTHER, who

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def room(desk: DeskFolder, tmp_path: Path, parties: Parties) -> Iterator[FinesRoom]:
    with FinesRoom.of(desk, parties, tmp_path) as made:
        made.give(CLERK, DeskRole.CLERK, site=SITE)
        yield made


def answered(room: FinesRoom) -> str:
    requests = PersonRequests(room.database, room.audit.append, room.utc, room.secret)
    terms = asked(RequestKind.ACCESS, first_day=room.now.date() - 9 * DAY, reference="DSR-2026/9")
    request = requests.open(who(CLERK), terms)
    requests.approve(who("jan-maes"), request.request_id)
    answer = requests.answer(
        who(CLERK), request.request_id, OWN, boxes_of(room.parties), room.parties.authority
    )
    hit_ids = [one.opened.hit.hit_id for one in answer.cases]
    made = files_made(room.database, room.desk.path, hit_ids)
    files: dict[str, list[str]] = {hit_id: [] for hit_id in hit_ids}
    return answer_text(answer, "police-zone", (), files, {}, made)


def test_p14_the_answer_names_the_recipients_of_a_case_and_the_days(room: FinesRoom) -> None:
    room.through(OFFICER, CONFIRMED)
    for language in LANGUAGES:
        assert Words(language).set(catalogue(language)["answer.given_nobody"]) in answered(room)

    mine = room.hit
    days = []
    for reason in (OpeningReason.COURT, OpeningReason.COURT, OpeningReason.DATA_SUBJECT):
        room.now += DAY
        days.append(room.now)
        room.export(OTHER, reason)
    room.now += DAY
    days.append(room.now)
    room.fines(OTHER)
    room.hit = room.new_hit()
    room.through(OFFICER, CONFIRMED)
    said = answered(room)

    for language in LANGUAGES:
        texts, words = catalogue(language), Words(language)
        keys = ("given_court", "given_court", "given_data_subject", "given_fine")
        names = [
            texts[f"answer.{key}"].format(date=words.date(at.astimezone(HOME).date().isoformat()))
            for key, at in zip(keys, days, strict=True)
        ]
        whole = words.set(texts["answer.given"].format(names="; ".join(names)))
        assert said.count(whole) == 1, "of the first case only, oldest first"
        assert said.count(words.set(texts["answer.given_nobody"])) == 1
    assert PLATE not in said
    made = files_made(room.database, room.desk.path, [mine.hit_id])[mine.hit_id]
    assert [one.recipient for one in made] == [
        Recipient.COURT, Recipient.COURT, Recipient.DATA_SUBJECT, Recipient.FINE,
    ]  # fmt: skip


def test_an_export_for_fines_whose_file_was_not_written_has_no_recipient(room: FinesRoom) -> None:
    room.through(OFFICER, CONFIRMED)

    def full(_: bytes) -> None:
        raise OutboxError("the disk is full")

    with pytest.raises(OutboxError):
        room.exporting().export(who(OTHER), mapping(), full)
    made = files_made(room.database, room.desk.path, [room.hit.hit_id])
    assert made == {room.hit.hit_id: ()}


def test_a_log_that_cannot_be_read_gives_no_answer_without_recipients(
    room: FinesRoom, tmp_path: Path
) -> None:
    room.through(OFFICER, CONFIRMED)
    read = partial(files_made, room.database, hit_ids=[room.hit.hit_id])
    with pytest.raises(OutboxError):
        read(tmp_path / "nowhere")
    room.export(OTHER)
    log = (room.desk.path / FILE_NAME).read_bytes()
    assert b'"event":"exported"' in log
    (tmp_path / FILE_NAME).write_bytes(log.replace(b'"event":"exported"', b'"event":"exported" '))
    with pytest.raises(AuditError):
        read(tmp_path)
