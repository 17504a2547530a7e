"""Searching the desk's audit log: who may, what fits, pages, and that each search is in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from edge.adapters.state.audit_log import AuditTrail, read_log
from edge.desk.accounts import ActingPerson, DeskPerson, insert_person
from edge.desk.folder import DeskFolder
from edge.desk.log_search import LOG_PAGE, DeskLog, LogQuery, _fitting
from edge.desk.people import DeskPeople
from edge.desk.rights import DeskRole
from edge.errors import AccessError, AuditError, UsageError
from edge.privacy.audit_events import (
    CaseOpened,
    Event,
    LogSearched,
    SessionChanged,
)
from edge.privacy.checkpoints import desk_log
from tests.support.desks import FIRST, NOW, acting, make_desk, passphrase_file, terms
from tests.support.parties import AUTHORITY
from tests.support.product import verb

DPO, OFFICER, AUDITOR = "dirk", "els-wouters", "ann-auditor"
HIT, OTHER_HIT = "ab" * 16, "cd" * 16


class Room:
    """A desk, its people and its log."""

    def __init__(self, desk: DeskFolder, people: DeskPeople, audit: AuditTrail) -> None:
        self.desk, self.people, self.audit, self.now = desk, people, audit, NOW

    def log(self) -> DeskLog:
        with self.desk.open_database() as database:
            return DeskLog(self.desk.path, database, self.audit.append, lambda: NOW)

    def events(self) -> list[Event]:
        found = read_log(self.desk.path, origin=desk_log(AUTHORITY))
        return [one.event for one in found.entries]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    desk = make_desk(tmp_path / "desk")
    clock = [NOW]
    with desk.open_database() as database, desk.open_audit(lambda: clock[0]) as audit:
        people = DeskPeople(database, audit.append, lambda: NOW)
        with database.writing() as connection:
            for name in (DPO, OFFICER, AUDITOR):
                insert_person(connection, DeskPerson(name, name.title(), FIRST, NOW), "none")
        by = ActingPerson(FIRST)
        for name, role in (
            (DPO, DeskRole.DATA_PROTECTION_OFFICER),
            (AUDITOR, DeskRole.AUDITOR),
            (OFFICER, DeskRole.OFFICER),
        ):
            people.approve(ActingPerson(DPO), people.propose(by, terms(name, role)).right_id)
        for hours, event in (
            (0, CaseOpened(HIT, OFFICER, "review", "opened")),
            (1, CaseOpened(OTHER_HIT, OFFICER, "review", "opened")),
            (30, CaseOpened(HIT, FIRST, "court", "E_RIGHT")),
            (31, SessionChanged("login", OFFICER)),
        ):
            clock[0] = NOW + timedelta(hours=hours)
            audit.append(event)
        yield Room(desk, people, audit)


def found(room: Room, query: LogQuery, who: str = DPO) -> list[tuple[str, str]]:
    entries = room.log().search(ActingPerson(who), query).entries
    return [
        (one.event.kind, getattr(one.event, "hit_id", "") or "")
        for one in entries
        if one.event.kind in {"case-opened", "session"}
    ]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (LogQuery(case=HIT), [("case-opened", HIT), ("case-opened", HIT)]),
        (
            LogQuery(person=OFFICER),
            [("session", ""), ("case-opened", OTHER_HIT), ("case-opened", HIT)],
        ),
        (LogQuery(person=OFFICER, case=HIT), [("case-opened", HIT)]),
        (LogQuery(person=OFFICER, since=date(2026, 12, 2)), [("session", "")]),
        (LogQuery(case="ef" * 16), []),
    ],
)
def test_a_search_finds_what_fits_all_of_it_newest_first(
    room: Room, query: LogQuery, wanted: list[tuple[str, str]]
) -> None:
    assert found(room, query) == wanted
    assert found(room, query, AUDITOR) == wanted


def test_a_day_bounds_every_kind_of_entry_wherever_its_time_is_in_the_line(room: Room) -> None:
    whole = room.log().search(ActingPerson(DPO), LogQuery()).entries
    assert len({one.event.kind for one in whole}) > 3
    for day in (date(2026, 12, 1), date(2026, 12, 2), date(3026, 1, 1)):
        query = LogQuery(since=day)
        entries = room.log().search(ActingPerson(DPO), query).entries
        kept = [one for one in whole if one.at.date() >= day]
        searched = {"log-searched"}  # the searches themselves
        assert [one for one in entries if one.event.kind not in searched] == [
            one for one in kept if one.event.kind not in searched
        ]


def test_a_person_is_found_by_who_acted_and_by_whom_it_was_done_to(room: Room) -> None:
    entries = room.log().search(ActingPerson(DPO), LogQuery(person=DPO)).entries

    assert {one.event.kind for one in entries} == {"right", "log-searched"}
    assert {getattr(one.event, "by", None) for one in entries} == {DPO, FIRST}


def test_p21_each_search_is_in_the_log_before_its_result(room: Room) -> None:
    query = LogQuery(person=OFFICER, case=HIT)
    room.log().search(ActingPerson(AUDITOR), query)
    assert room.events()[-1] == LogSearched(AUDITOR, OFFICER, HIT)

    def full(_: Event) -> None:
        raise AuditError("disk full", code="E_DISK_FULL")

    with room.desk.open_database() as database:
        blocked = DeskLog(room.desk.path, database, full, lambda: NOW)
        with pytest.raises(AuditError):
            blocked.search(ActingPerson(AUDITOR), query)


@pytest.mark.parametrize("person", [OFFICER, FIRST, "nobody"])
def test_p4_only_protection_officer_and_auditor_search(room: Room, person: str) -> None:
    before = room.events()
    with pytest.raises(AccessError, match=r"auditor|judges hits"):
        room.log().search(ActingPerson(person), LogQuery())
    assert room.events() == before


def test_p4_a_right_for_one_site_does_not_open_the_log_of_all(room: Room) -> None:
    right = room.people.propose(ActingPerson(FIRST), terms(FIRST, DeskRole.AUDITOR, site="a"))
    room.people.approve(ActingPerson(DPO), right.right_id)

    with pytest.raises(AccessError, match="for all sites"):
        room.log().search(ActingPerson(FIRST), LogQuery())


@pytest.mark.parametrize(
    "query",
    [
        LogQuery(person='x","by":"y'),
        LogQuery(case="ab"),
        LogQuery(case="AB" * 16),
        LogQuery("1 2"),
        LogQuery("1-abc-234"),
        LogQuery("1abc234", case=HIT),
    ],
)
def test_p7_what_can_be_in_no_entry_is_refused_and_not_recorded(
    room: Room, query: LogQuery
) -> None:
    before = room.events()
    with pytest.raises(UsageError) as error:
        room.log().search(ActingPerson(DPO), query)
    assert query.person is None or query.person not in error.value.message
    assert room.events() == before


def test_pages_follow_each_other_without_gap_or_repetition(room: Room) -> None:
    for _ in range(2 * LOG_PAGE):
        room.audit.append(SessionChanged("logout", OFFICER))
    everything = [
        number for number, one in enumerate(room.events()) if getattr(one, "person", "") == OFFICER
    ]
    seen: list[int] = []
    before: int | None = None
    while True:
        page = room.log().search(ActingPerson(DPO), LogQuery(person=OFFICER, before=before))
        seen += [one.number for one in page.entries if one.event.kind != "log-searched"]
        before = page.following
        if before is None:
            break
        assert len(page.entries) == LOG_PAGE
    assert seen == everything[::-1]


def test_a_search_among_100000_entries_takes_less_than_300_ms(room: Room, tmp_path: Path) -> None:
    line = room.log()._file.read_bytes().split(b"\n")[-2]
    lines = [line] * 100_000

    begun = time.process_time()
    assert list(_fitting(lines, LogQuery(person="nobody", case=HIT))) == []
    assert len(list(_fitting(lines, LogQuery(person=OFFICER)))) == 100_000
    assert time.process_time() - begun < 0.6  # two searches


def test_the_command_proves_who_searches(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", utc=lambda: datetime.now(NOW.tzinfo))
    first = passphrase_file(tmp_path, FIRST)
    words = ("desk", "log", "--desk", desk.path, "--as", FIRST, "--passphrase-file", first)
    assert "E_RIGHT" in verb(*words, "--json").err

    today = datetime.now(NOW.tzinfo).date()
    with desk.open_people(lambda: datetime.now(NOW.tzinfo)) as people:
        by = acting(people)
        people.add(by, DPO, "Dirk", "a long passphrase of dirk")
        for name in (DPO, FIRST):
            role = DeskRole.DATA_PROTECTION_OFFICER
            last = today + timedelta(days=9)
            right = people.propose(by, terms(name, role, first=today, last=last))
            people.approve(ActingPerson(DPO), right.right_id)
    told = verb(*words, "--person", DPO, "--json").json
    assert told["schema"] == "edge-anpr/desk-log/1"
    assert told["entries"][0]["event"] == "log-searched"
    assert told["entries"][0]["by"] == FIRST
    assert {one["event"] for one in told["entries"]} == {"log-searched", "person", "right"}
