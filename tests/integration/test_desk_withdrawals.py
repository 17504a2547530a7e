"""A fine that an appeal overturned is named to a person before retention forgets it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.authority.opening import OpenedHit
from edge.authority.store import Reason
from edge.desk.accounts import hashed, replace_password
from edge.desk.court.fines import FinesExport
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import OpeningReason
from edge.desk.personal_keys import add_personal_key
from edge.desk.retention import DeskRetention
from edge.desk.retention_terms import RetentionTerm, RetentionTerms
from edge.desk.rights import DeskRole
from edge.desk.store.tables import FINE_WITHDRAWAL
from edge.errors import OutboxError
from edge.formats.signing import SigningKey
from tests.integration.test_desk_people import refused
from tests.integration.test_fines_export import MAPPING, FinesRoom, mapping
from tests.support.desks import FIRST, NOW, passphrase_file, passphrase_of
from tests.support.parties import SITE, Parties, make_parties
from tests.support.product import verb
from tests.support.reviews import (
    CONFIRMED,
    OFFICER,
    REJECT,
    REJECTED,
    SECOND,
    THIRD,
    who,
)

DPO, NO_RIGHT, FOURTH = "jan-maes", "no-right", "ann-smet"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


class AppealRoom(FinesRoom):
    """A desk on which days pass, with retention in small steps."""

    def until(self, day: int) -> None:
        """Let the days pass until this one after `NOW`, with retention as on a real desk."""
        retention = DeskRetention(
            self.database, self.audit.append, self.utc, self.desk.signing_key()
        )
        retention.run()
        while self.now < NOW + day * DAY:
            self.now = min(self.now + 6 * DAY, NOW + day * DAY)
            retention.run()

    def overturn(self, *, exported: bool = True) -> str:
        """A confirmed case whose appeal ends with a rejection now."""
        hit_id = self.confirmed().hit_id
        if exported:
            self.fines(only=(hit_id,))
        self.until(self.day + 20)
        self.reject(SECOND, opening=OpeningReason.APPEAL)
        return hit_id

    @property
    def day(self) -> int:
        return (self.now - NOW).days

    def withdrawn(self, person: str = OFFICER) -> tuple[str, ...]:
        """What `desk fines` names to a person."""
        desk = self.exporting()
        named = desk.export(who(person), mapping(), self.files.append).withdrawn
        desk.named(who(person), named)
        return named

    def here(self, hit_id: str) -> bool:
        with self.database.reading() as connection:
            table = FINE_WITHDRAWAL.metadata.tables["hit"]
            found = connection.execute(table.select().where(table.c.hit_id == hit_id)).all()
        return bool(found)

    def kept(self) -> list[tuple[str, str | None]]:
        with self.database.reading() as connection:
            rows = connection.execute(FINE_WITHDRAWAL.select()).all()
        return [(row.case_id, row.named_at) for row in rows]


@pytest.fixture
def room(desk: DeskFolder, tmp_path: Path, parties: Parties) -> Iterator[AppealRoom]:
    with AppealRoom.of(desk, parties, tmp_path) as made:
        yield made


sqlite_only = pytest.mark.parametrize("desk", ["sqlite"], indirect=True)


def test_p10_an_overturned_fine_stays_until_it_was_named_and_then_goes(room: AppealRoom) -> None:
    hit_id = room.overturn()
    room.until(20 + 60)
    assert room.here(hit_id)
    assert room.withdrawn(NO_RIGHT) == (hit_id,)  # she cannot act on it, so it still waits
    room.until(20 + 70)
    assert room.here(hit_id)

    assert room.withdrawn() == (hit_id,)
    room.until(20 + 71)
    assert not room.here(hit_id)
    assert (room.kept(), room.withdrawn()) == ([], ())


def test_p10_after_90_days_id_digest_site_and_rule_of_an_overturned_fine_stay_alone(
    room: AppealRoom,
) -> None:
    hit_id = room.overturn()
    room.until(20 + 89)
    assert room.here(hit_id)
    room.until(20 + 90)
    assert not room.here(hit_id)
    room.until(20 + 200)

    assert room.kept() == [(hit_id, None)]
    room.give(NO_RIGHT, DeskRole.OFFICER, site="another-site")
    for person in (NO_RIGHT, OFFICER):  # the first cannot act on it, so it still waits
        assert room.withdrawn(person) == (hit_id,)
    assert room.withdrawn() == ()
    room.until(20 + 201)
    assert room.kept() == []


@sqlite_only
@pytest.mark.parametrize(("waiting", "kept", "last"), [(30, 365, 50), (10, 365, 30), (10, 25, 24)])
def test_p10_an_overturned_hit_waits_from_the_appeal_and_never_longer_than_a_confirmed_one(
    room: AppealRoom, waiting: int, kept: int, last: int
) -> None:
    terms = RetentionTerms(room.database, room.audit.append, room.utc)
    term = terms.propose(who(FIRST), RetentionTerm(SITE, waiting, kept, "GR-2026/114"))
    terms.approve(who(DPO), term.term_id)
    hit_id = room.overturn(exported=False)

    room.until(last - 1)
    assert room.here(hit_id)
    room.until(last)
    assert not room.here(hit_id)
    assert room.kept() == []


@sqlite_only
def test_p10_a_case_that_is_exported_again_and_overturned_again_is_named_again(
    room: AppealRoom,
) -> None:
    hit_id = room.overturn()
    assert room.withdrawn() == (hit_id,)
    room.through(THIRD, CONFIRMED, opening=OpeningReason.APPEAL)
    again = room.fines()
    assert (again.hit_ids, again.withdrawn) == ((hit_id,), ())
    assert room.fines().hit_ids == ()
    room.give(FOURTH, DeskRole.SECOND_OFFICER)
    room.keys[FOURTH] = SigningKey.generate(FOURTH)
    add_personal_key(
        room.database, room.audit.append, who(FOURTH), room.keys[FOURTH].public, room.now
    )
    room.reject(FOURTH, opening=OpeningReason.APPEAL)

    room.until(20 + 60)
    assert room.here(hit_id)
    assert room.withdrawn() == (hit_id,)


@sqlite_only
def test_p10_the_command_names_the_fine_and_the_case_waits_no_longer(
    room: AppealRoom, tmp_path: Path
) -> None:
    with room.database.writing() as connection:
        replace_password(connection, OFFICER, hashed(passphrase_of(OFFICER)), room.now)
    # The command has the real clock.
    room.give(OFFICER, DeskRole.OFFICER, first=NOW.date() - 300 * DAY)
    hit_id = room.overturn()
    mapped = tmp_path / "fines.yaml"
    mapped.write_text(MAPPING)
    told = verb(
        "desk", "fines", "--out", tmp_path / "fines.csv", "--mapping", mapped,
        "--desk", room.desk.path, "--keys", room.parties.authority_folder,
        "--box-keys", room.parties.box_folder, "--policies", room.site, "--as", OFFICER,
        "--passphrase-file", passphrase_file(tmp_path, OFFICER),
    )  # fmt: skip
    assert f"withdraw the fine of case {hit_id}" in told.out + told.err
    assert [case for case, named in room.kept() if named] == [hit_id]


@sqlite_only
@pytest.mark.parametrize("stored", [True, False])
def test_p7_a_case_that_an_appeal_rejects_during_the_export_is_not_in_it(
    room: AppealRoom, *, stored: bool
) -> None:
    hit_id = room.confirmed().hit_id
    real = room.reviews.open_decided

    def overturned(*arguments: Any, **named: Any) -> OpenedHit:
        opened = real(*arguments, **named)
        room.begin(SECOND, OpeningReason.APPEAL)
        room.judge(SECOND, REJECT, reason=Reason.NO_OFFENCE)
        (room.decide if stored else room.interrupted)(SECOND, REJECTED)
        return opened

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(room.reviews, "open_decided", overturned)
        refused(lambda: room.fines(only=(hit_id,)), "E_CASE")
    assert room.files == []
    room.reviews.keep(hit_id)
    assert room.fines() == FinesExport(None, (), 0, ())


@sqlite_only
@pytest.mark.parametrize("meanwhile", [False, True])
def test_p10_a_file_that_is_not_written_leaves_a_withdrawn_fine_withdrawn(
    room: AppealRoom, *, meanwhile: bool
) -> None:
    hit_id = room.overturn()
    assert room.withdrawn() == (hit_id,)
    room.through(THIRD, CONFIRMED, opening=OpeningReason.APPEAL)
    before = room.kept()

    def full(_: bytes) -> None:
        if meanwhile:
            room.fines(again=True)
        raise OutboxError("the disk is full", code="E_DISK_FULL")

    refused(lambda: room.exporting().export(who(OFFICER), mapping(), full), "E_DISK_FULL")
    assert room.kept() == ([] if meanwhile else before)
    assert room.fines().hit_ids == (() if meanwhile else (hit_id,))
