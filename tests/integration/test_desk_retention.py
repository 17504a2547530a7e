"""Retention at the desk: what is due is deleted for good, nothing else, and a statement says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from edge.authority.store import Outcome, Reason
from edge.desk.folder import DeskFolder
from edge.desk.moving import move
from edge.desk.retention import DeskRetention, needs_run, running_retention
from edge.desk.retention_terms import HoldReason, RetentionTerm, RetentionTerms
from edge.desk.store.database import DeskDatabase, sqlite_address
from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import METADATA, REVIEW_CASE
from edge.errors import AuditError, OutboxError
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import Event, HoldChanged, RetentionRun, TermChanged
from edge.privacy.deletions import verify_deletions
from edge.privacy.hit import Hit
from edge.privacy.retention_clock import ClockState, trusted_time
from tests.integration.test_desk_people import recorded, refused
from tests.integration.test_desk_store import dumped
from tests.support.brokers import wait_until
from tests.support.desks import FIRST, NOW, make_desk
from tests.support.parties import SITE, Parties, make_parties
from tests.support.product import run_program
from tests.support.reviews import (
    CONFIRMED,
    OFFICER,
    REFERRED,
    REJECT,
    REJECTED,
    TYPED,
    ReviewRoom,
    who,
)

DPO, COURT = "jan-maes", HoldReason.COURT
DAY = timedelta(days=1)
FOUND_BY = SigningKey.generate("desk")


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


class RetentionRoom(ReviewRoom):
    """A review room whose days pass, with a fresh hit of each day by which the clock is trusted."""

    def retention(self, record: object = None) -> DeskRetention:
        told = self.audit.append if record is None else record
        return DeskRetention(self.database, told, self.utc, FOUND_BY)  # type: ignore[arg-type]

    @property
    def terms(self) -> RetentionTerms:
        return RetentionTerms(self.database, self.audit.append, self.utc)

    def at(self, days: int, *, fresh: bool = True) -> DeskRetention:
        self.now = NOW + days * DAY
        if fresh:
            self.stored(self.parties.hit(observed_at=self.now))
        return self.retention()

    def set_terms(self, waiting: int, kept: int, site: str | None = None) -> None:
        term = RetentionTerm(site, waiting, kept, "GR-2026/114")
        self.terms.approve(who(DPO), self.terms.propose(who(FIRST), term).term_id)

    def rows_of(self, hit: Hit) -> dict[str, int]:
        """How many rows name a hit, by table; without those where it is no more."""
        with self.database.reading() as connection:
            counts = {
                name: len(
                    connection.execute(table.select().where(table.c.hit_id == hit.hit_id)).all()
                )
                for name, table in METADATA.tables.items()
                if "hit_id" in table.columns
            }
        return {name: count for name, count in counts.items() if count}


@pytest.fixture
def room(desk: DeskFolder, parties: Parties) -> Iterator[RetentionRoom]:
    with RetentionRoom.of(desk, parties) as made:
        yield made


@pytest.fixture
def small(tmp_path: Path, parties: Parties) -> Iterator[RetentionRoom]:
    """The same on SQLite only, for what does not depend on the database."""
    with RetentionRoom.of(make_desk(tmp_path / "desk"), parties) as made:
        yield made


# --- what is deleted ------------------------------------------------------------------------------


def test_p10_a_due_hit_is_deleted_with_all_that_names_it(room: RetentionRoom) -> None:
    hit = room.hit
    DeskHits(room.database).keep_receipts({hit.hit_id: b"the receipt of the hit"}, NOW)
    finding = room.through(OFFICER, CONFIRMED)
    assert room.rows_of(hit).keys() >= {"hit", "receipt", "review_case", "judgement", "finding"}
    with room.database.reading() as connection:
        (key,) = connection.execute(text("SELECT typing_key FROM review_case")).scalars()

    sealed = hit.sealed.encode()
    # SQLite keeps a hit on several pages, so it is looked for in parts; all hits begin alike.
    parts = [sealed[at : at + 100] for at in range(200, len(sealed) - 100, 100)]
    others = (bytes(key), b"the receipt of the hit", finding.to_payload())

    room.set_terms(10, 20)
    report = room.at(18).run()
    assert (report.not_confirmed, report.confirmed) == (0, 0)
    assert room.findings() == (finding.to_payload(),)
    kept = dumped(room.desk)
    assert sum(part in kept for part in parts) > 0.9 * len(parts)
    assert [one for one in others if one not in kept] == []
    report = room.at(19).run()

    assert (report.not_confirmed, report.confirmed) == (0, 1)
    assert room.rows_of(hit) == {"deletion": 1}
    with room.database.reading() as connection:
        (figure,) = connection.execute(text("SELECT month, outcome FROM decision")).all()
    assert tuple(figure) == ("2026-12", "confirmed")
    kept = dumped(room.desk)
    assert [one for one in (*parts, *others) if one in kept] == []
    # The box that did not get the receipt sends it again: it is known, and stays away.
    again = DeskHits(room.database).put(hit, hit.to_payload(), room.now)
    assert again == (Outcome.KNOWN, NOW)
    DeskHits(room.database).keep_receipts({hit.hit_id: b"another receipt"}, room.now)
    assert room.rows_of(hit) == {"deletion": 1}
    room.at(60).run()
    assert room.rows_of(hit) == {}
    # Whoever has kept it, such as a broker, sends it when its id is not kept any more.
    again = DeskHits(room.database).put(hit, hit.to_payload(), room.now)
    assert again == (Outcome.FORGOTTEN, room.now), "with the time of the last run"
    assert room.rows_of(hit) == {}


def rejected(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.judge(OFFICER, REJECT, reason=Reason.NO_OFFENCE)
    room.decide(OFFICER, REJECTED)


@pytest.mark.parametrize(
    ("decide", "last"),
    [
        (lambda _: None, 9),
        (rejected, 9),
        (lambda room: room.through(OFFICER, REFERRED, TYPED), 9),
        (lambda room: room.through(OFFICER, CONFIRMED), 19),
    ],
    ids=["waits", "rejected", "referred", "confirmed"],
)
def test_p10_only_confirmed_hits_have_the_longer_term(
    small: RetentionRoom, decide: Callable[[ReviewRoom], object], last: int
) -> None:
    decide(small)
    small.set_terms(10, 20)

    small.at(last - 1).run()
    assert "hit" in small.rows_of(small.hit)
    small.at(last).run()
    assert small.rows_of(small.hit) == {"deletion": 1}


def test_p10_without_a_term_the_ceiling_of_the_camera_act_holds(small: RetentionRoom) -> None:
    small.at(28).run()
    assert "hit" in small.rows_of(small.hit)
    small.at(29).run()

    assert small.rows_of(small.hit) == {"deletion": 1}


def test_p10_the_database_refuses_other_deletions(room: RetentionRoom) -> None:
    room.through(OFFICER, CONFIRMED)
    room.terms.hold(who(DPO), room.hit.hit_id, COURT, "PV-2026/88", NOW.date() + DAY)
    gone = room.stored(room.parties.hit(observed_at=NOW - 60 * DAY))
    room.retention().run()
    assert room.rows_of(gone) == {"deletion": 1}
    waiting = room.stored()

    for statement in (
        f"DELETE FROM hit WHERE hit_id = '{waiting.hit_id}'",  # noqa: S608 - a random id
        "DELETE FROM hit",
        "DELETE FROM finding",
        "DELETE FROM hold",
        "UPDATE deletion SET hit_day = '2020-01-01'",
        "UPDATE retention_statement SET day = '2020-01-01'",
        "DELETE FROM retention_statement",
    ):
        with pytest.raises(OutboxError), room.database.writing() as connection:
            connection.execute(text(statement))
    assert room.rows_of(room.hit).keys() >= {"hit", "finding", "hold"}


def test_p10_a_message_that_was_set_aside_is_deleted_too(small: RetentionRoom) -> None:
    hits = DeskHits(small.database)
    hits.set_aside("anpr/other", b"of an unknown box", "unknown", NOW)

    small.at(29).run()
    assert len(hits.aside()) == 1
    small.at(30).run()
    assert hits.aside() == ()


# --- terms and holds ------------------------------------------------------------------------------


def test_p4_a_term_is_in_force_only_once_another_person_has_approved_it(
    small: RetentionRoom,
) -> None:
    term = RetentionTerm(SITE, 1, 1, "GR-2026/114")
    refused(partial(small.terms.propose, who(OFFICER), term), "E_RIGHT")
    proposed = small.terms.propose(who(FIRST), term)
    small.at(5).run()
    assert "hit" in small.rows_of(small.hit)
    refused(partial(small.terms.approve, who(FIRST), proposed.term_id), "E_FOUR_EYES")
    refused(partial(small.terms.approve, who(OFFICER), proposed.term_id), "E_RIGHT")

    small.terms.approve(who(DPO), proposed.term_id)
    small.at(6).run()
    assert small.rows_of(small.hit) == {"deletion": 1}
    refused(partial(small.terms.approve, who(DPO), proposed.term_id), "E_RIGHT")
    assert [one for one in recorded(small.desk) if isinstance(one, TermChanged)] == [
        TermChanged("proposed", proposed.term_id, term.sha256(), FIRST),
        TermChanged("approved", proposed.term_id, term.sha256(), DPO),
    ]


def test_p10_a_term_above_its_ceiling_or_without_a_decision_is_refused(
    small: RetentionRoom,
) -> None:
    for term, code in (
        (RetentionTerm(None, 31, 365, "GR-2026/1"), "E_RETENTION_CEILING"),
        (RetentionTerm(None, 30, 1827, "GR-2026/1"), "E_RETENTION_CEILING"),
        (RetentionTerm(None, 0, 365, "GR-2026/1"), "E_USAGE"),
        (RetentionTerm("No Site", 30, 365, "GR-2026/1"), "E_USAGE"),
        (RetentionTerm(None, 30, 365, "1-ABC-123"), "E_USAGE"),
    ):
        refused(partial(small.terms.propose, who(FIRST), term), code)
    assert small.terms.terms() == ()


def test_p10_a_hold_keeps_a_hit_until_its_last_day_and_no_longer(room: RetentionRoom) -> None:
    hit_id, last = room.hit.hit_id, NOW.date() + 40 * DAY
    hold = partial(room.terms.hold, reason=COURT, reference="PV-2026/88")
    refused(partial(hold, who(OFFICER), hit_id, last_day=last), "E_RIGHT")
    refused(partial(hold, who(DPO), hit_id, last_day=NOW.date() + 366 * DAY), "E_USAGE")
    refused(partial(hold, who(DPO), hit_id, last_day=NOW.date() - DAY), "E_USAGE")
    refused(partial(hold, who(DPO), "0" * 32, last_day=last), "E_NO_HIT")
    held = hold(who(DPO), hit_id, last_day=last)

    for days in (0, 6, 12, 18, 24, 30, 36, 40):
        room.at(days, fresh=False).run()
    assert "hit" in room.rows_of(room.hit)
    room.at(41, fresh=False).run()

    assert room.rows_of(room.hit) == {"deletion": 1}
    assert HoldChanged("set", hit_id, "court", held.sha256(), DPO) in recorded(room.desk)


def test_p10_a_hold_that_is_ended_keeps_nothing(small: RetentionRoom) -> None:
    last = NOW.date() + 300 * DAY
    held = small.terms.hold(who(DPO), small.hit.hit_id, HoldReason.APPEAL, "APP-2026/7", last)
    small.at(40).run()
    refused(partial(small.terms.release, who(OFFICER), held.hold_id), "E_RIGHT")
    small.terms.release(who(FIRST), held.hold_id)
    refused(partial(small.terms.release, who(FIRST), held.hold_id), "E_RIGHT")

    small.at(40).run()
    assert small.rows_of(small.hit) == {"deletion": 1}


# --- the clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "last_run", "signed", "by", "state"),
    [
        (0, None, (), 0, ClockState.TRUSTED),
        (6, 0, (), 6, ClockState.TRUSTED),
        (400, 0, (), 0, ClockState.AHEAD),
        (400, 0, (1, 2), 2, ClockState.AHEAD),
        (400, 0, (399,), 400, ClockState.TRUSTED),
        (-300, 0, (), 0, ClockState.BEHIND),
        (-5, 0, (1, 2), 1, ClockState.BEHIND),
        (-300, 0, (5, 6), 0, ClockState.BEHIND),
        (0, None, (900, 899), 7, ClockState.BEHIND),
        (0, 0, (900, 899), 7, ClockState.BEHIND),
        (0, 3, (900, 899), 7, ClockState.BEHIND),
        (0, 90, (900, 899), 90, ClockState.BEHIND),
        (-300, 0, (900,), 0, ClockState.BEHIND),
        (0, 0, (900,), 0, ClockState.BEHIND),
        (0, 0, (900, 1), 1, ClockState.BEHIND),
        (400, 0, (900, 1), 400, ClockState.BEHIND),
    ],
)
def test_p10_a_wrong_clock_deletes_neither_too_early_nor_never(
    clock: int, last_run: int | None, signed: tuple[int, ...], by: int, state: ClockState
) -> None:
    found = trusted_time(
        NOW + clock * DAY,
        None if last_run is None else NOW + last_run * DAY,
        [NOW + days * DAY for days in signed],
        confirmed=False,
    )

    assert (found.at, found.state) == (NOW + by * DAY, state)


def test_p10_a_clock_that_jumps_ahead_deletes_nothing_until_a_person_confirms_it(
    small: RetentionRoom,
) -> None:
    small.retention().run()
    jumped = small.at(90, fresh=False)
    report = jumped.run()
    assert (report.time.state, report.not_confirmed) == (ClockState.AHEAD, 0)
    refused(partial(jumped.run, who(OFFICER), clock_is_right=True), "E_RIGHT")
    assert "hit" in small.rows_of(small.hit)

    report = jumped.run(who(FIRST), clock_is_right=True)
    assert (report.time.state, report.not_confirmed) == (ClockState.CONFIRMED, 1)
    small.now = NOW + 59 * DAY
    small.stored(small.parties.hit(observed_at=small.now))
    assert small.at(29, fresh=False).run().not_confirmed == 1  # by the time of the run on day 90


# --- proof, interruption, and running by itself ---------------------------------------------------


def test_p7_p10_statements_are_signed_chained_coarse_and_name_no_hit(room: RetentionRoom) -> None:
    for _ in range(11):
        room.stored()
    room.set_terms(10, 20, SITE)
    first = room.at(5).run().statements
    assert room.retention().run().statements == ()
    second = room.at(9).run(who(FIRST)).statements

    stored = room.retention().statements()
    assert stored == (*first, *second)
    data = b"".join(one.to_payload() + b"\n" for one in stored)
    assert verify_deletions(data, [FOUND_BY.public]) == stored
    (site,) = stored[1].sites
    assert (site.site, site.not_confirmed, site.confirmed) == (SITE, 10, "<10")
    assert (stored[0].sites[0].not_confirmed, stored[0].by, stored[1].by) == ("<10", None, FIRST)
    assert site.terms_sha256 == RetentionTerm(SITE, 10, 20, "GR-2026/114").sha256()
    assert room.hit.hit_id.encode() not in data
    assert [one for one in recorded(room.desk) if isinstance(one, RetentionRun)] == [
        RetentionRun(one.number, one.sha256(), "trusted", one.by) for one in stored
    ]


def test_p21_a_deletion_that_cannot_be_logged_does_not_happen(room: RetentionRoom) -> None:
    def full(_: Event) -> None:
        raise AuditError("the disk is full")

    room.at(40)
    refused(room.retention(full).run, "E_AUDIT")
    assert "hit" in room.rows_of(room.hit)
    assert room.retention().statements() == ()


RUN_AND_DIE = """
import os, sys
from datetime import datetime
from edge.desk import retention as module
from edge.desk.folder import open_folder
from pathlib import Path
now = datetime.fromisoformat(sys.argv[2])
step = sys.argv[3]
module._BATCH = 2
with module.open_retention(open_folder(Path(sys.argv[1])), lambda: now) as retention:
    if step == "logged":
        record = retention._record
        def die(event):
            record(event)
            os.kill(os.getpid(), 9)
        retention._record = die
    else:
        real = retention._step
        def die(*given, **how):
            real(*given, **how)
            os.kill(os.getpid(), 9)
        retention._step = die
    retention.run()
"""


def test_a_run_that_was_killed_has_done_whole_steps_and_the_next_one_finishes(
    room: RetentionRoom,
) -> None:
    for _ in range(4):
        room.stored()
    room.at(40)
    for step, left in (("logged", 5), ("committed", 3)):
        done = run_program(RUN_AND_DIE, room.desk.path, room.now.isoformat(), step)
        assert done.status == -9
        assert DeskHits(room.database).counts()["hits"] == left + 1
        assert len(room.retention().statements()) == (5 - left) // 2

    assert room.retention().run().not_confirmed == 3
    stored = room.retention().statements()
    assert len(stored) == 2
    # The statements of the process are signed with the desk's key, the last with that of the test.
    assert verify_deletions(b"".join(one.to_payload() + b"\n" for one in stored)) == stored


def test_a_desk_deletes_by_itself_once_a_day(small: RetentionRoom) -> None:
    small.at(40)
    with running_retention(small.desk, small.utc):
        assert wait_until(lambda: not needs_run(small.database, small.utc))

    assert small.rows_of(small.hit) == {"deletion": 1}
    small.now += DAY
    assert needs_run(small.database, small.utc)


def test_a_store_with_deletions_moves(small: RetentionRoom, tmp_path: Path) -> None:
    small.at(40).run()
    with DeskDatabase.reach(sqlite_address(tmp_path / "new.sqlite3")) as new:
        proof = move(small.database, new)

    assert (proof.rows["deletion"], proof.rows["retention_statement"]) == (1, 1)


@pytest.mark.parametrize("days", [40, 400])
def test_p10_a_hit_with_a_signed_finding_is_not_deleted_as_one_that_was_not_confirmed(
    small: RetentionRoom, days: int
) -> None:
    small.begin(OFFICER)
    small.judge(OFFICER)
    small.interrupted(OFFICER)
    small.set_terms(30, 365)
    report = small.at(days).run()

    assert (report.not_confirmed, report.confirmed) == (0, int(days > 365))
    assert len(small.findings()) == int(days < 365)


def test_p10_a_hit_whose_signature_cannot_be_kept_stays_and_a_line_names_it(
    small: RetentionRoom, caplog: pytest.LogCaptureFixture
) -> None:
    small.begin(OFFICER)
    small.judge(OFFICER)
    small.interrupted(OFFICER)
    with small.database.writing() as connection:
        connection.execute(REVIEW_CASE.update().values(signed=b"{}"))
    other = small.stored()
    report = small.at(400).run()

    assert (report.not_confirmed, small.rows_of(other)) == (1, {"deletion": 1})
    assert "hit" in small.rows_of(small.hit)
    (line,) = caplog.messages
    assert small.hit.hit_id in line
    assert "E_FINDING" in line
