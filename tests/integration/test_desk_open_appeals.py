"""An objection or appeal is marked where officers work, until another officer has answered it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.desk.folder import DeskFolder
from edge.desk.outcomes import OpeningReason
from edge.desk.request_terms import RequestKind
from edge.desk.requests import HELD_FOR
from edge.desk.retention_terms import RetentionTerms
from edge.desk.rights import DeskRole
from edge.texts import LANGUAGES
from tests.integration.test_desk_people import refused
from tests.integration.test_desk_requests import Counter
from tests.support.desk_web import line_of, says
from tests.support.desks import FIRST, NOW, make_desk
from tests.support.parties import PLATE, Parties, make_parties
from tests.support.product import verb
from tests.support.review_web import ReviewOffice, Seat
from tests.support.reviews import (
    BOX_READ,
    CONFIRMED,
    NO_WORD,
    OFFICER,
    OTHER,
    REFERRED,
    SECOND,
    THIRD,
    who,
)

PEOPLE = (OFFICER, OTHER, SECOND, THIRD)


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


def objected(room: Counter) -> None:
    """A clerk answers an objection, a minute after what was done before."""
    room.now += timedelta(minutes=1)
    room.answered(room.opened(RequestKind.OBJECTION))
    room.now += timedelta(minutes=1)


def marked(seat: Seat) -> tuple[bool, bool, bool]:
    """Whether the case is offered in the queue, marked in the list, and marked on its page."""
    hit = seat.office.room.hit.hit_id
    offered = seat.get("/queue").partition('id="appeals"')[2]
    return (
        f'value="{hit}"' in offered,
        says("queue.appealed") in seat.get("/decided"),
        says("file.appealed") in seat.get(f"{seat.case}/file"),
    )


def test_p4_an_objection_is_marked_where_officers_work_until_another_one_answers_it(
    room: Counter,
) -> None:
    office = ReviewOffice(room, people=PEOPLE)
    first, referrer, second = office.seat(OFFICER), office.seat(SECOND), office.seat(THIRD)
    room.through(OFFICER, REFERRED, None)
    room.through(SECOND, CONFIRMED, BOX_READ, OpeningReason.SECOND_REVIEW)
    for seat in (first, referrer, second):
        assert marked(seat) == (False, False, False)
    objected(room)

    assert marked(second) == (True, True, True)
    for seat in (first, referrer):  # both have judged it; the first is no second officer either
        assert marked(seat) == (False, True, True)
    assert line_of(referrer.claim(appeal="yes")) == says("case.four_eyes")
    page = second.get("/queue")
    for word in (OFFICER, SECOND, PLATE, "DSR-2026", "confirmed"):
        assert word not in page
    for language in LANGUAGES:
        second.client.cookies.set("desk-language", language)
        assert says("queue.appeals", language) in second.get("/queue")
        assert says("queue.appealed", language) in second.get("/decided")
    second.client.cookies.set("desk-language", "en")

    assert says("case.appeal") in second.claim(appeal="yes")
    second.judge("cannot-tell")
    second.decide("cannot-tell")
    assert [one.outcome for one in office.findings()] == [REFERRED, CONFIRMED, NO_WORD]
    for seat in (first, referrer, second):
        assert marked(seat) == (False, False, False)


def test_an_objection_to_a_hit_that_is_not_decided_is_marked_in_the_queue(small: Counter) -> None:
    office = ReviewOffice(small, people=PEOPLE)
    small.through(OFFICER, REFERRED, None)
    second = office.seat(SECOND)
    assert says("queue.appealed") not in second.get("/queue")
    assert says("case.objected") not in second.claim()
    objected(small)

    assert says("queue.appealed") in second.get("/queue")
    assert 'id="appeals"' not in second.get("/queue"), "it waits for its finding, as before"
    assert says("case.objected") in second.claim()
    second.judge(typed=PLATE)
    second.decide("confirmed")
    assert says("queue.appealed") not in second.get("/decided")


def test_p4_an_appeal_is_offered_within_her_rights_and_while_it_is_in_force(small: Counter) -> None:
    office = ReviewOffice(small, people=PEOPLE)
    second, third = office.seat(SECOND), office.seat(THIRD)
    small.through(OFFICER, CONFIRMED)
    small.now += timedelta(minutes=1)
    small.give(SECOND, DeskRole.SUPERVISOR)
    held = small.hold(by=SECOND, last_day=NOW.date() + timedelta(days=2))
    assert marked(second) == (False, True, True), "she has recorded it herself"
    assert marked(third) == (True, True, True)
    third.claim(appeal="yes")
    assert says("queue.resume") in third.get("/queue").partition('id="appeals"')[2]

    for right in small.people.rights():
        if right.terms.person == THIRD:
            small.people.revoke(who(FIRST), right.right_id)
    small.give(THIRD, DeskRole.SECOND_OFFICER, rule="other")
    assert marked(third) == (False, False, False)
    small.give(THIRD, DeskRole.OFFICER)
    assert marked(third) == (False, True, True)
    RetentionTerms(small.database, small.audit.append, small.utc).release(who(FIRST), held.hold_id)
    assert marked(third) == (False, False, False)


def test_the_list_of_requests_names_the_cases_that_wait_for_an_officer(small: Counter) -> None:
    small.through(OFFICER, CONFIRMED)
    objected(small)
    small.answered(small.opened(RequestKind.ACCESS))
    listed = ("desk", "request", "list", "--desk", small.desk.path)
    rows: list[Any] = json.loads(verb(*listed, "--json").out)["requests"]

    assert [one["waiting_cases"] for one in rows] == [[small.hit.hit_id], []]
    told = verb(*listed).out
    assert told.count(f"  waits for an officer: {small.hit.hit_id}\n") == 1
    assert HELD_FOR.days == 60, "as docs/desk.md says"
    small.through(THIRD, NO_WORD, None, OpeningReason.APPEAL)
    rows = json.loads(verb(*listed, "--json").out)["requests"]
    assert [one["waiting_cases"] for one in rows] == [[], []]


def test_the_list_of_requests_says_when_a_hold_has_ended_without_an_officer(
    small: Counter,
) -> None:
    small.through(OFFICER, CONFIRMED)
    objected(small)
    small.now += HELD_FOR
    assert [(one.state, one.missed) for one in small.requests.list()] == [
        ("waits for an officer", ())
    ]
    small.now += timedelta(days=1)
    (one,) = small.requests.list()
    assert (one.state, one.missed) == ("hold ended, not judged", (small.hit.hit_id,))
    refused(partial(small.reviews.claim, who(THIRD), small.hit.hit_id, appeal=True), "E_CASE")


def test_a_request_whose_hold_somebody_has_released_waits_no_longer(small: Counter) -> None:
    small.through(OFFICER, CONFIRMED)
    objected(small)
    terms = RetentionTerms(small.database, small.audit.append, small.utc)
    (held,) = terms.holds()
    terms.release(who(FIRST), held.hold_id)
    (one,) = small.requests.list()
    assert (one.state, one.waiting, one.missed) == ("answered", (), ())
