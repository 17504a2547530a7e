"""Boxes whose clocks are ahead: they neither delete what others have sent, nor are kept longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from edge.authority import tail as tail_module
from edge.authority.tail import Fate, Until
from edge.desk.receiving import DeskReceiver
from edge.desk.request_terms import RequestKind, RequestProof, RequestTerms
from edge.desk.requests import PersonRequests
from edge.desk.retention import needs_run, next_run, running_retention
from edge.desk.retention_terms import HoldReason
from edge.desk.rights import DeskRole
from edge.desk.store.hits import DeskHits
from edge.domain.plates import PlateText
from edge.privacy.retention_clock import ClockState
from tests.integration.test_desk_retention import DAY, RetentionRoom
from tests.support.brokers import Broker, wait_until
from tests.support.desks import FIRST, NOW, make_desk, put_back
from tests.support.parties import PLATE, SITE, Parties, evidence, make_parties, topic_of
from tests.support.receiving import boxes_of, fates, tail, take
from tests.support.reviews import CONFIRMED, OFFICER, PICTURES, who

CLERK = "no-right"


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def room(tmp_path: Path, parties: Parties) -> Iterator[RetentionRoom]:
    with RetentionRoom.of(make_desk(tmp_path / "desk"), parties) as made:
        yield made


def receiver(room: RetentionRoom) -> DeskReceiver:
    keys = room.parties.authority
    return DeskReceiver(DeskHits(room.database), boxes_of(room.parties), keys, room.utc)


def test_p10_boxes_with_a_fast_clock_do_not_delete_what_is_not_due(
    room: RetentionRoom, tmp_path: Path
) -> None:
    room.through(OFFICER, CONFIRMED)
    confirmed, held = room.hit, room.stored()
    last = date(2027, 6, 30)
    room.terms.hold(who(FIRST), held.hit_id, HoldReason.COURT, "PV-2026/88", last)
    # As a program of an earlier version has stored them.
    other = make_parties(tmp_path / "others", box="box-2")
    room.stored(room.parties.hit(observed_at=NOW + 500 * DAY))
    room.stored(
        other.hit(
            observed_at=NOW + 500 * DAY,
            box="box-2",
            authority_key_id=other.authority_public.key_id,
        )
    )
    for days in range(3):
        room.now = NOW + days * DAY
        report = room.retention().run()
        assert (report.not_confirmed, report.confirmed) == (0, 0)
        assert (report.time.at, report.time.state) == (room.now + 7 * DAY, ClockState.BEHIND)

    assert {"hit", "finding"} <= room.rows_of(confirmed).keys()
    assert {"hit", "hold"} <= room.rows_of(held).keys()


def test_p10_a_desk_recovers_from_a_clock_that_was_ahead_and_taken_for_right(
    room: RetentionRoom, caplog: pytest.LogCaptureFixture
) -> None:
    room.at(300, fresh=False).run(who(FIRST), clock_is_right=True)
    room.now = NOW + DAY
    hit = room.parties.hit(observed_at=room.now)
    refused = take(receiver(room), hit)
    assert refused.fate is Fate.REFUSED
    assert "a wrong clock was taken for right" in refused.why
    assert "desk retain run --as NAME --clock-is-right" in refused.why
    with running_retention(room.desk, room.utc):
        assert wait_until(lambda: "desk retain run --as NAME --clock-is-right" in caplog.text)

    room.retention().run(who(FIRST), clock_is_right=True)
    assert next_run(room.database, room.utc).day == (NOW + 2 * DAY).date()
    assert take(receiver(room), hit).fate is Fate.STORED
    assert room.rows_of(room.hit) == {"deletion": 1}
    for days in range(2, 34):
        room.now = NOW + days * DAY
        assert needs_run(room.database, room.utc), "every day, not only in 300 days"
        room.retention().run()
        assert not needs_run(room.database, room.utc)
    assert room.rows_of(hit) == {"deletion": 1}


@pytest.mark.parametrize("ahead", [1, 3650])
def test_p10_a_hit_that_is_dated_ahead_is_kept_no_longer_than_others(
    room: RetentionRoom, ahead: int
) -> None:
    hit = room.stored(room.parties.hit(observed_at=NOW + ahead * DAY))
    for days in range(0, 29, 4):
        room.at(days, fresh=False).run()
    assert "hit" in room.rows_of(hit) or ahead > 1
    room.at(30, fresh=False).run()

    assert room.rows_of(hit) == {"deletion": 1}


def test_p10_hits_that_an_earlier_program_has_dated_ahead_count_from_their_storing(
    room: RetentionRoom,
) -> None:
    hit = room.stored(room.parties.hit(observed_at=NOW + 400 * DAY))
    with room.database.writing() as connection:
        connection.execute(text("UPDATE hit SET day = substr(observed_at, 1, 10)"))
    put_back(room.database, "0008")
    room.database.close()

    with room.desk.open_database() as database, database.reading() as connection:
        rows = connection.execute(text("SELECT hit_id, day FROM hit")).all()
    assert {row.hit_id: row.day for row in rows} == {
        room.hit.hit_id: "2026-11-30",
        hit.hit_id: "2026-12-01",
    }


@pytest.mark.parametrize(("ahead", "fate"), [(1, Fate.STORED), (2, Fate.SET_ASIDE)])
def test_p10_a_hit_from_the_future_is_set_aside_and_tried_again_later(
    room: RetentionRoom, ahead: int, fate: Fate
) -> None:
    by, hit = receiver(room), room.parties.hit(observed_at=NOW + ahead * DAY)
    arrival = take(by, hit)
    assert (arrival.fate, arrival.receipt is None) == (fate, fate is Fate.SET_ASIDE)
    if fate is Fate.STORED:
        return
    assert hit.observed_at in arrival.why
    assert "synchronise" in arrival.why
    assert by.retry_aside() == []
    room.now += DAY

    assert fates(by.retry_aside()) == [Fate.STORED]
    assert DeskHits(room.database).aside() == ()
    assert "hit" in room.rows_of(hit)


def test_p10_a_hit_whose_date_was_altered_is_refused_and_not_set_aside(
    room: RetentionRoom,
) -> None:
    hit = room.parties.hit(observed_at=NOW)
    forged = hit.to_payload().replace(hit.observed_at.encode(), b"2036-12-01T12:00:00.000Z")
    assert receiver(room).take(topic_of(hit), forged).fate is Fate.REFUSED
    assert DeskHits(room.database).aside() == ()


def test_a_consumer_that_runs_tries_again_what_was_set_aside(
    room: RetentionRoom, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "_TRY_AGAIN_S", 0.1)
    begun: list[datetime] = []

    def utc() -> datetime:
        """Two days ahead of the hit's first trial."""
        begun.append(NOW)
        return NOW if len(begun) < 5 else NOW + 2 * DAY

    keys = room.parties.authority
    by = DeskReceiver(DeskHits(room.database), boxes_of(room.parties), keys, utc)
    hit = room.parties.hit(observed_at=NOW + 2 * DAY)
    assert take(by, hit).fate is Fate.SET_ASIDE
    arrivals = tail(broker, by, Until(stored=1, idle_s=10))

    assert fates(arrivals) == [Fate.STORED]
    assert "hit" in room.rows_of(hit)


def test_p7_a_request_finds_a_case_by_the_day_of_its_passage(room: RetentionRoom) -> None:
    room.hit = room.stored(room.parties.hit(evidence(*PICTURES), observed_at=NOW + DAY))
    room.through(OFFICER, CONFIRMED)
    room.give(CLERK, DeskRole.CLERK)
    room.now += DAY
    day = (NOW + DAY).date()
    requests = PersonRequests(room.database, room.audit.append, room.utc, room.secret)
    terms = RequestTerms(RequestKind.ACCESS, "DSR-2026/17", RequestProof.MANDATE, SITE, day, day)
    request = requests.open(who(CLERK), terms)
    boxes, keys = boxes_of(room.parties), room.parties.authority
    answer = requests.answer(who(CLERK), request.request_id, PlateText(PLATE), boxes, keys)

    (case,) = answer.cases
    assert case.last_day == NOW.date() + 365 * DAY
