"""Claims, locks, sessions and codes after a clock that was set ahead, and roles that exclude
each other."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import product

import pytest

from edge.desk.accounts import LOCKED_FOR, MAX_FAILURES, count_attempt
from edge.desk.cases import CLAIMED_FOR
from edge.desk.enrolling import make_code
from edge.desk.log_search import DeskLog, LogQuery
from edge.desk.rights import JUDGES, WATCHERS, DeskRole
from edge.desk.standing import holders
from edge.desk.store.tables import ENTITLEMENT
from edge.desk.web.limits import FAILURES, AddressLimits
from edge.desk.web.serving import web_desk
from edge.desk.web.sessions import WebSessions
from tests.integration.test_desk_people import refused
from tests.support.desk_web import HERE, PARTY
from tests.support.desks import FIRST, NEXT_YEAR, NOW, TODAY, terms
from tests.support.parties import Parties, make_parties
from tests.support.reviews import OFFICER, OTHER, ReviewRoom, who

AHEAD = timedelta(days=3650)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def held(room: ReviewRoom) -> dict[str, str]:
    with room.database.reading() as connection:
        return holders(connection, [room.hit.hit_id], room.now)


def test_a_claim_made_while_the_clock_was_ahead_does_not_last_until_that_time(
    room: ReviewRoom,
) -> None:
    room.now += timedelta(days=30)  # within the days of her right
    room.reviews.claim(who(OFFICER), room.hit.hit_id)
    assert held(room) == {room.hit.hit_id: OFFICER}
    room.now = NOW

    assert held(room) == {}
    room.reviews.claim(who(OTHER), room.hit.hit_id)
    assert held(room) == {room.hit.hit_id: OTHER}
    room.now += CLAIMED_FOR
    assert held(room) == {}


def test_a_lock_made_while_the_clock_was_ahead_ends_like_any_other(room: ReviewRoom) -> None:
    for _ in range(MAX_FAILURES):
        count_attempt(room.database, OFFICER, NOW + AHEAD)
    for minutes in (0, 14):
        moment = NOW + timedelta(minutes=minutes)
        refused(partial(count_attempt, room.database, OFFICER, moment), "E_LOGIN")
    assert count_attempt(room.database, OFFICER, NOW + LOCKED_FOR) is not None


def test_an_address_refused_while_the_clock_was_ahead_is_not_refused_until_that_time() -> None:
    moments = [NOW + AHEAD] * (FAILURES + 1) + [NOW] * (FAILURES + 1)
    limits = AddressLimits(iter(moments).__next__)

    assert [limits.begin("192.0.2.1") for _ in moments] == 2 * [*[True] * FAILURES, False]


def test_p4_a_session_begun_while_the_clock_was_ahead_is_over(room: ReviewRoom) -> None:
    sessions = WebSessions(room.database, room.audit.append, room.utc)
    room.now = NOW + AHEAD
    token = sessions.begin(who(OFFICER))
    assert sessions.find(token) is not None
    for moment in (NOW, NOW + timedelta(hours=9), NOW + AHEAD - timedelta(days=1)):
        room.now = moment
        assert sessions.find(token) is None


def test_a_session_lasts_where_two_machines_of_a_desk_differ_by_seconds(room: ReviewRoom) -> None:
    sessions = WebSessions(room.database, room.audit.append, room.utc)
    token = sessions.begin(who(OFFICER))
    room.now -= timedelta(seconds=30)
    assert sessions.find(token) is not None


def test_p4_a_code_for_enrolment_made_while_the_clock_was_ahead_is_over(room: ReviewRoom) -> None:
    desk = web_desk(room.desk, room.database, room.audit.append, room.utc, PARTY, HERE)
    room.now = NOW + timedelta(days=30)  # within the days of the supervisor's right
    code = make_code(room.database, room.audit.append, who(FIRST), "no-right", room.now)
    begin = partial(desk.enrolments.begin, "no-right", code, "a browser", "desk")
    assert begin()
    for moment in (NOW, NOW + timedelta(days=29)):
        room.now = moment
        refused(begin, "E_LOGIN")


def test_p4_no_reading_is_given_before_the_judgement_that_it_follows(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.judge(OFFICER)
    room.now -= timedelta(minutes=2)
    room.begin(OFFICER)

    told = refused(partial(room.reviews.reading, who(OFFICER), room.hit.hit_id), "E_CASE")
    assert "clock" in told
    room.now = NOW
    assert room.reviews.reading(who(OFFICER), room.hit.hit_id).agrees


def test_p4_who_was_given_both_rights_before_that_was_refused_reads_no_log(
    room: ReviewRoom,
) -> None:
    log = DeskLog(room.desk.path, room.database, room.audit.append, room.utc)
    right = room.give("no-right", DeskRole.AUDITOR)
    assert log.search(who("no-right"), LogQuery()).entries
    with room.database.writing() as connection:
        row = connection.execute(
            ENTITLEMENT.select().where(ENTITLEMENT.c.right_id == right.right_id)
        ).one()
        values = {**row._mapping, "right_id": "0" * 16, "role": DeskRole.OFFICER.value}
        connection.execute(ENTITLEMENT.insert().values(values))

    refused(partial(log.search, who("no-right"), LogQuery()), "E_RIGHT")


@pytest.mark.parametrize(
    ("first", "second"), [*product(JUDGES, WATCHERS), *product(WATCHERS, JUDGES)]
)
def test_p4_who_judges_hits_does_not_read_the_log_that_shows_what_others_did(
    room: ReviewRoom, first: DeskRole, second: DeskRole
) -> None:
    person = "no-right"
    early = room.people.propose(who(FIRST), terms(person, second))
    right = room.give(person, first, site="another-site")

    told = refused(partial(room.people.approve, who("jan-maes"), early.right_id), "E_RIGHT")
    assert right.right_id in told
    refused(partial(room.people.propose, who(FIRST), terms(person, second)), "E_RIGHT")
    later = {"first": NEXT_YEAR + timedelta(days=1), "last": NEXT_YEAR + timedelta(days=2)}
    assert not room.give(person, second, **later).in_force(TODAY)
    room.people.revoke(who(FIRST), right.right_id)
    assert room.people.approve(who("jan-maes"), early.right_id).in_force(TODAY)
