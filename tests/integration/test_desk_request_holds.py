"""Requests of people and retention: who prolongs a case, and a case that goes meanwhile."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest

from edge.authority.store import Reason
from edge.desk.folder import DeskFolder
from edge.desk.request_answer import answer_text
from edge.desk.request_terms import PersonRequest, RequestKind
from edge.desk.requests import HELD_FOR, RequestAnswer
from edge.desk.retention import DeskRetention
from edge.desk.retention_terms import HoldReason, RetentionTerms
from edge.desk.rights import DeskRole
from edge.desk.store.tables import REVIEW_CASE
from edge.formats.signing import SigningKey
from edge.formats.timestamps import parse_utc
from edge.privacy.keys import BoxPublicKeys
from edge.texts import LANGUAGES, catalogue
from tests.integration.test_desk_people import refused
from tests.integration.test_desk_requests import OWN, Counter, asked
from tests.support.desks import FIRST, NOW, make_desk
from tests.support.parties import SITE, Parties, evidence, make_parties
from tests.support.receiving import boxes_of
from tests.support.reviews import CONFIRMED, OFFICER, OTHER, PICTURES, REJECT, REJECTED, SECOND, who

CLERK, DPO = "no-right", "jan-maes"
DAY = timedelta(days=1)
ACCESS = RequestKind.ACCESS
OBJECTION, RECTIFICATION = RequestKind.OBJECTION, RequestKind.RECTIFICATION


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def room(desk: DeskFolder, parties: Parties) -> Iterator[Counter]:
    with Counter.of(desk, parties) as made:
        yield made


@pytest.fixture
def small(tmp_path: Path, parties: Parties) -> Iterator[Counter]:
    """The same on SQLite only, for what does not depend on the database."""
    with Counter.of(make_desk(tmp_path / "desk"), parties) as made:
        yield made


def requested(
    room: Counter, asks: RequestKind, clerk: str = CLERK, approver: str | None = None
) -> RequestAnswer:
    """A whole request, a moment after the one before."""
    room.now += timedelta(seconds=1)
    request = room.requests.open(who(clerk), asked(asks))
    if approver is not None:
        request = room.requests.approve(who(approver), request.request_id)
    return room.answered(request, person=clerk)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def last_days(room: Counter) -> list[date]:
    holds = RetentionTerms(room.database, room.audit.append, room.utc).holds()
    return [one.last_day for one in holds if one.hit_id == room.hit.hit_id]


@pytest.mark.parametrize("again", [OBJECTION, RECTIFICATION, RequestKind.ERASURE])
@pytest.mark.parametrize("days", [0, 61])
def test_p10_a_clerk_alone_holds_a_case_once(small: Counter, again: RequestKind, days: int) -> None:
    small.through(OFFICER, CONFIRMED)
    (first,) = requested(small, OBJECTION).cases
    assert (first.held, first.not_held_again) == (False, False)  # a confirmed one stays longer
    held = last_days(small)
    assert held == [NOW.date() + HELD_FOR]

    for number in range(3):
        small.now = NOW + (days + number) * DAY
        answer = requested(small, again)
        assert [one.not_held_again for one in answer.cases] == [True]
        assert answer.request.state == (
            "waits for an officer" if days == 0 else "hold ended, not judged"
        )
        files = {small.hit.hit_id: ()}
        told = answer_text(answer, "police-zone", (), files, {}, files)
        assert (catalogue("en")["answer.linked"] in told) == (days == 0), "no false promise"
        assert "Another officer judges" not in told
    assert last_days(small) == held


def test_p10_a_clerk_holds_a_case_again_with_the_approval_of_another_person(
    room: Counter,
) -> None:
    room.through(OFFICER, CONFIRMED)
    requested(room, OBJECTION)
    room.give(CLERK, DeskRole.SUPERVISOR)
    waiting = room.opened(OBJECTION)
    refused(partial(room.requests.approve, who(CLERK), waiting.request_id), "E_FOUR_EYES")
    refused(partial(room.requests.approve, who(OFFICER), waiting.request_id), "E_RIGHT")

    # As long as the first one holds it there is nothing to prolong.
    assert requested(room, OBJECTION, approver=DPO).cases[0].not_held_again
    room.now = NOW + 61 * DAY
    assert not requested(room, OBJECTION, approver=DPO).cases[0].not_held_again
    assert last_days(room) == [NOW.date() + HELD_FOR, NOW.date() + 61 * DAY + HELD_FOR]
    approved = room.requests.approve(who(DPO), waiting.request_id)
    refused(partial(room.requests.approve, who(DPO), approved.request_id), "E_REQUEST")
    room.answered(approved)
    refused(partial(room.requests.approve, who(DPO), approved.request_id), "E_REQUEST")


def test_p7_requests_of_another_kind_or_by_another_clerk_hold_a_case_of_their_own(
    small: Counter,
) -> None:
    small.through(OFFICER, CONFIRMED)
    small.give(OTHER, DeskRole.CLERK, site=SITE)
    requested(small, ACCESS)
    requested(small, OBJECTION)
    assert requested(small, OBJECTION, OTHER).cases[0].not_held_again
    assert not requested(small, RECTIFICATION, OTHER).cases[0].not_held_again
    assert len(last_days(small)) == 2
    terms = RetentionTerms(small.database, small.audit.append, small.utc)
    for one in terms.holds():
        terms.release(who(DPO), one.hold_id)

    assert requested(small, OBJECTION).cases[0].not_held_again
    assert len(last_days(small)) == 2


def test_p4_a_request_reopens_no_case_once_its_hold_was_released(small: Counter) -> None:
    small.through(OFFICER, CONFIRMED)
    small.now += timedelta(minutes=1)
    requested(small, OBJECTION)
    claim = partial(small.reviews.claim, who(SECOND), small.hit.hit_id, appeal=True)
    claim()
    terms = RetentionTerms(small.database, small.audit.append, small.utc)
    for one in terms.holds():
        terms.release(who(DPO), one.hold_id)

    refused(claim, "E_CASE")


@pytest.mark.parametrize("confirmed", [True, False])
def test_p10_a_request_for_erasure_waits_for_an_officer_and_keeps_nothing_else_longer(
    small: Counter, *, confirmed: bool
) -> None:
    if confirmed:
        small.through(OFFICER, CONFIRMED)
    else:
        small.begin(OFFICER)
        small.judge(OFFICER, REJECT, reason=Reason.NO_OFFENCE)
        small.decide(OFFICER, REJECTED)
    answer = requested(small, RequestKind.ERASURE)
    assert answer.request.state == ("waits for an officer" if confirmed else "answered")
    assert last_days(small) == ([NOW.date() + HELD_FOR] if confirmed else [])
    files = {small.hit.hit_id: ()}
    told = answer_text(answer, "police-zone", (), files, {}, files)
    for language in LANGUAGES:
        texts = catalogue(language)
        for key in ("erasure", "erased"):
            assert texts[f"answer.{key}"].split("{")[0] in plain(told)
        assert (texts["answer.linked"] in plain(told)) == confirmed


class RetentionMeanwhile(UserDict[tuple[str, str], BoxPublicKeys]):
    """The keys of the boxes; when the first hit is opened, retention deletes what is due."""

    def __init__(self, room: Counter) -> None:
        super().__init__(boxes_of(room.parties))
        self.room, self.deleted = room, -1

    def __getitem__(self, key: tuple[str, str]) -> BoxPublicKeys:
        if self.deleted < 0:
            room = self.room
            key_of_log = SigningKey.generate("desk")
            run = DeskRetention(room.database, room.audit.append, room.utc, key_of_log).run
            self.deleted = run(who(FIRST), clock_is_right=True).confirmed
        return super().__getitem__(key)


@pytest.mark.parametrize("asks", [ACCESS, OBJECTION])
def test_p10_a_case_that_retention_deletes_while_a_request_is_answered_is_left_out(
    room: Counter, asks: RequestKind
) -> None:
    for _ in range(2):  # the one that stays is opened last
        room.through(OFFICER, CONFIRMED)
        later = parse_utc(room.hit.observed_at) + timedelta(minutes=1)
        room.another(room.parties.hit(evidence(*PICTURES), observed_at=later))
    room.through(OFFICER, CONFIRMED)
    terms = RetentionTerms(room.database, room.audit.append, room.utc)
    until = NOW.date() + 365 * DAY
    terms.hold(who(DPO), room.hit.hit_id, HoldReason.COURT, "PV-2026/88", until)
    room.now = NOW + 364 * DAY
    room.give(CLERK, DeskRole.CLERK, site=SITE, first=room.now.date(), last=room.now.date() + DAY)
    request: PersonRequest = room.opened(asks)
    boxes = RetentionMeanwhile(room)

    answer = room.requests.answer(
        who(CLERK), request.request_id, OWN, boxes, room.parties.authority
    )

    assert boxes.deleted == 2
    assert [one.opened.hit.hit_id for one in answer.cases] == [room.hit.hit_id]
    assert answer.unopened == 0
    assert answer.request.answered_at is not None


def test_p7_an_answer_has_a_finding_that_was_signed_and_not_stored(small: Counter) -> None:
    small.begin(OFFICER)
    small.judge(OFFICER)
    small.interrupted(OFFICER)
    (case,) = small.answered(small.opened()).cases
    assert (case.outcome, len(small.findings())) == (CONFIRMED, 1)

    small.another(small.parties.hit(evidence(*PICTURES)))
    small.begin(OFFICER)
    small.judge(OFFICER)
    small.interrupted(OFFICER)
    with small.database.writing() as connection:
        waiting = REVIEW_CASE.c.signed.is_not(None)
        connection.execute(REVIEW_CASE.update().where(waiting).values(signed=b"{}"))
    answer = small.answered(small.opened())
    assert ([one.outcome for one in answer.cases], answer.unopened) == ([CONFIRMED], 1)
