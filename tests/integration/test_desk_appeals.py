"""A decided case is judged anew only if somebody else has appealed since, and it is still open."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from edge.authority.store import Reason
from edge.desk.outcomes import OpeningReason
from edge.desk.retention_terms import HoldReason, RetentionTerms
from edge.desk.rights import DeskRole
from tests.integration.test_desk_people import refused
from tests.support.desks import FIRST
from tests.support.parties import Parties, make_parties
from tests.support.reviews import (
    BOX_READ,
    CONFIRMED,
    NO_WORD,
    OFFENCE,
    OFFICER,
    REJECTED,
    SECOND,
    ReviewRoom,
    who,
)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def rejected(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.judge(OFFICER, typed=BOX_READ)
    room.decide(OFFICER, REJECTED, Reason.EXEMPT)


def nothing(room: ReviewRoom) -> None:
    rejected(room)


def for_a_court(room: ReviewRoom) -> None:
    rejected(room)
    room.hold(reason=HoldReason.COURT)


def ended(room: ReviewRoom) -> None:
    rejected(room)
    held = room.hold()
    RetentionTerms(room.database, room.audit.append, room.utc).release(who(FIRST), held.hold_id)


def over(room: ReviewRoom) -> None:
    rejected(room)
    room.hold()
    room.now += timedelta(days=1)


def before_the_decision(room: ReviewRoom) -> None:
    room.hold(last_day=room.now.date() + timedelta(days=9))
    room.now += timedelta(minutes=1)
    rejected(room)


def by_herself(room: ReviewRoom) -> None:
    rejected(room)
    room.give(SECOND, DeskRole.SUPERVISOR)
    room.hold(by=SECOND)


def answered(room: ReviewRoom) -> None:
    """An appeal that a third officer has answered already."""
    rejected(room)
    room.hold(last_day=room.now.date() + timedelta(days=9))
    room.now += timedelta(minutes=1)
    room.through("bo-second", NO_WORD, None, OpeningReason.APPEAL)


def of_another_hit(room: ReviewRoom) -> None:
    rejected(room)
    mine, room.hit = room.hit, room.stored()
    room.hold()
    room.hit = mine


@pytest.mark.parametrize(
    "case",
    [
        nothing, for_a_court, ended, over, before_the_decision, by_herself, answered,
        of_another_hit,
    ],
)  # fmt: skip
def test_p4_no_second_officer_reopens_a_case_without_an_open_appeal_of_another_person(
    room: ReviewRoom, case: Callable[[ReviewRoom], None]
) -> None:
    case(room)
    before = room.findings()

    told = refused(lambda: room.reviews.claim(who(SECOND), room.hit.hit_id, appeal=True), "E_CASE")
    assert "retain hold" in told
    assert room.findings() == before


def test_p4_an_appeal_that_ends_while_it_is_judged_gives_no_finding(room: ReviewRoom) -> None:
    rejected(room)
    held = room.hold()
    room.begin(SECOND, OpeningReason.APPEAL)
    room.judge(SECOND, OFFENCE)
    RetentionTerms(room.database, room.audit.append, room.utc).release(who(FIRST), held.hold_id)

    refused(lambda: room.decide(SECOND, CONFIRMED), "E_CASE")
    room.hold()
    assert room.decide(SECOND, CONFIRMED).number == 2


def test_p4_who_judged_a_case_does_not_end_the_appeal_against_it(room: ReviewRoom) -> None:
    terms = RetentionTerms(room.database, room.audit.append, room.utc)
    rejected(room)
    for person in (OFFICER, SECOND):
        room.give(person, DeskRole.SUPERVISOR)
    court, held, more = room.hold(reason=HoldReason.COURT), room.hold(), room.hold()

    told = refused(lambda: terms.release(who(OFFICER), held.hold_id), "E_FOUR_EYES")
    assert "another person ends it" in told
    terms.release(who(OFFICER), court.hold_id)
    terms.release(who(SECOND), more.hold_id)
    room.now += timedelta(minutes=1)
    room.through(SECOND, NO_WORD, None, OpeningReason.APPEAL)
    terms.release(who(SECOND), held.hold_id)  # her finding has answered it
