"""Confirmed findings for a fines system: which, once, by whose right, and harmless as a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import pytest

from edge.authority.store import Reason
from edge.desk.accounts import hashed, replace_password
from edge.desk.court.fines import FinesDesk, FinesExport
from edge.desk.court.mapping import FineMapping, read_mapping
from edge.desk.court.verifying import verify_case
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import OpeningReason
from edge.desk.rights import DeskRole
from edge.desk.store.tables import HIT, PERSON
from edge.domain.plates import PlateText
from edge.errors import ConfigError, OutboxError
from edge.formats.yaml_document import parse_document
from edge.privacy.audit_events import CaseExported, CaseOpened
from edge.privacy.hit import Hit
from tests.integration.test_desk_people import recorded, refused
from tests.integration.test_desk_store import dumped
from tests.support.cases import CaseRoom
from tests.support.desks import passphrase_file, passphrase_of
from tests.support.parties import PLATE, Parties, make_parties
from tests.support.product import verb
from tests.support.reviews import (
    OFFICER,
    OTHER,
    REFERRED,
    REJECTED,
    SECOND,
    THIRD,
    TYPED,
    at_once,
    who,
)

APPEAL = OpeningReason.APPEAL
MAPPING = """\
schema: edge-anpr/fines-mapping/1
format: csv
rules: [stolen]
columns:
  - {field: case, column: Dossier}
  - {field: plate, column: Nummerplaat}
  - {field: observed_local, column: Tijdstip}
  - {field: officer_name, column: Vaststeller}
"""


def mapping(text: str = MAPPING) -> FineMapping:
    return parse_document(text, Path("fines.yaml"), FineMapping).model


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


class FinesRoom(CaseRoom):
    """A desk with cases, and the files that were exported."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.files: list[bytes] = []

    def confirmed(self, plate: str = PLATE) -> Hit:
        self.hit = self.new_hit(plate=PlateText(plate))
        self.begin(OFFICER)
        self.judge(OFFICER, typed=PlateText(plate))
        self.decide(OFFICER)
        return self.hit

    def fines(
        self,
        person: str = OFFICER,
        text: str = MAPPING,
        *,
        only: tuple[str, ...] = (),
        again: bool = False,
    ) -> FinesExport:
        return self.exporting().export(
            who(person), mapping(text), self.files.append, only=only, again=again
        )

    def exporting(self) -> FinesDesk:
        return FinesDesk(self.database, self.audit.append, self.utc, self.reviews, self.policies)

    def rows(self) -> list[list[str]]:
        """The newest file."""
        return list(csv.reader(io.StringIO(self.files[-1].decode()), delimiter=";"))


@pytest.fixture
def room(desk: DeskFolder, tmp_path: Path, parties: Parties) -> Iterator[FinesRoom]:
    with FinesRoom.of(desk, parties, tmp_path) as made:
        yield made
        assert PLATE.encode() not in dumped(desk) + (desk.path / "audit.log").read_bytes()


sqlite_only = pytest.mark.parametrize("desk", ["sqlite"], indirect=True)


def test_p7_only_confirmed_cases_are_exported_and_each_once(room: FinesRoom) -> None:
    undecided, rejected = room.hit, room.new_hit()
    room.hit = rejected
    room.begin(OFFICER)
    room.judge(OFFICER)
    room.decide(OFFICER, REJECTED, Reason.EXEMPT)
    room.hit = referred = room.new_hit()
    room.through(OFFICER, REFERRED, TYPED)
    first, second = room.confirmed(), room.confirmed("2DEF456")

    done = room.fines()
    assert set(done.hit_ids) == {first.hit_id, second.hit_id}
    assert room.rows()[0] == ["Dossier", "Nummerplaat", "Tijdstip", "Vaststeller"]
    assert sorted(row[1:3] for row in room.rows()[1:]) == [
        [PLATE, "2026-11-30T08:16:05+01:00"], ["2DEF456", "2026-11-30T08:16:05+01:00"],
    ]  # fmt: skip
    nothing = room.fines()
    assert replace(nothing, last=None) == FinesExport(None, (), 0, ())
    assert nothing.last is not None
    assert (nothing.last.sha256, set(nothing.last.hit_ids)) == (done.sha256, set(done.hit_ids))
    third = room.confirmed("3GHJ789")
    assert room.fines(OTHER).hit_ids == (third.hit_id,)
    assert len(room.fines(again=True).hit_ids) == 3
    for one in (undecided, rejected, referred):
        refused(partial(room.fines, only=(one.hit_id,)), "E_CASE")
        refused(partial(room.fines, only=(one.hit_id,), again=True), "E_CASE")
    refused(partial(room.fines, only=(first.hit_id,)), "E_CASE")
    assert room.fines(only=(first.hit_id,), again=True).hit_ids == (first.hit_id,)
    assert verify_case(room.export().package, room.known).failure is None


@sqlite_only
def test_p3_no_hit_of_a_rule_that_the_mapping_does_not_name_leaves_for_a_fine(
    room: FinesRoom,
) -> None:
    hit = room.confirmed()
    other = MAPPING.replace("rules: [stolen]", "rules: [permit-zone]")

    assert room.fines(text=other) == FinesExport(None, (), 0, ())
    told = refused(partial(room.fines, text=other, only=(hit.hit_id,)), "E_CASE")
    assert "stolen" in told
    assert room.files == []
    assert room.fines().hit_ids == (hit.hit_id,)


@sqlite_only
def test_p12_no_fine_follows_from_a_rule_whose_hits_nobody_must_check(room: FinesRoom) -> None:
    hit = room.confirmed()
    with room.database.writing() as connection:
        connection.execute(HIT.update().values(human_check_required=False))

    assert room.fines().hit_ids == ()
    refused(partial(room.fines, only=(hit.hit_id,)), "E_CASE")
    assert room.files == []


@sqlite_only
def test_what_is_typed_as_the_id_of_a_case_is_quoted_only_if_it_can_be_one(
    room: FinesRoom,
) -> None:
    for typed in (PLATE, PLATE.lower(), "1-abc-123"):
        assert typed not in refused(partial(room.fines, only=(typed,)), "E_CASE")
    assert "0" * 32 in refused(partial(room.fines, only=("0" * 32,)), "E_CASE")


@sqlite_only
def test_p21_the_log_names_person_and_reason_for_each_case_before_the_file_is_written(
    room: FinesRoom,
) -> None:
    hits = [room.confirmed(), room.confirmed("2DEF456")]
    seen: list[int] = []
    desk = room.exporting()
    done = desk.export(who(OTHER), mapping(), lambda _: seen.append(len(recorded(room.desk))))

    events = recorded(room.desk)
    assert seen == [len(events)]
    opened = [one for one in events if isinstance(one, CaseOpened) and one.reason == "fine"]
    assert {(one.hit_id, one.person, one.result) for one in opened} == {
        (one.hit_id, OTHER, "opened") for one in hits
    }
    exported = [one for one in events if isinstance(one, CaseExported)]
    assert {(one.hit_id, one.person, one.reason, one.file_sha256) for one in exported} == {
        (one.hit_id, OTHER, "fine", done.sha256) for one in hits
    }


@sqlite_only
def test_a_file_that_cannot_be_written_leaves_no_case_marked(room: FinesRoom) -> None:
    hit = room.confirmed()

    def full(_: bytes) -> None:
        raise OutboxError("the disk is full", code="E_DISK_FULL")

    desk = room.exporting()
    refused(lambda: desk.export(who(OFFICER), mapping(), full), "E_DISK_FULL")
    assert room.fines().hit_ids == (hit.hit_id,)


def test_two_who_export_at_once_write_each_case_once(room: FinesRoom) -> None:
    hit = room.confirmed()
    done: list[FinesExport | str] = []

    def export(person: str) -> None:
        try:
            done.append(room.fines(person))
        except Exception as error:  # noqa: BLE001 - which one is what the test asks
            done.append(getattr(error, "code", repr(error)))

    at_once(partial(export, OFFICER), partial(export, OTHER))
    wrote = [one for one in done if isinstance(one, FinesExport) and one.sha256]
    assert [one.hit_ids for one in wrote] == [(hit.hit_id,)]
    assert len(room.files) == 1
    assert len(done) == 2


@sqlite_only
def test_p4_a_person_exports_the_sites_and_rules_of_her_right_only(room: FinesRoom) -> None:
    room.confirmed()
    refused(partial(room.fines, "no-right"), "E_RIGHT")
    refused(partial(room.fines, "jan-maes"), "E_RIGHT")
    room.give("no-right", DeskRole.OFFICER, rule="another-rule")
    refused(partial(room.fines, "no-right"), "E_RIGHT")
    assert room.files == []


@sqlite_only
def test_a_fine_that_an_appeal_overturned_is_named(room: FinesRoom) -> None:
    kept, overturned = room.confirmed(), room.confirmed("2DEF456")
    room.fines()
    room.begin(SECOND, APPEAL)
    room.judge(SECOND, typed=PlateText("2DEF456"))
    room.decide(SECOND, REJECTED, Reason.NO_OFFENCE)

    assert room.fines(THIRD).withdrawn == (overturned.hit_id,)
    assert room.fines(THIRD, again=True).hit_ids == (kept.hit_id,)


@sqlite_only
def test_no_value_is_a_formula_or_hidden_text(room: FinesRoom) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\u202e=1", "\x1b[2J", '";x', "\t=1"]
    names += ["\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)"]
    for name in names:
        with room.database.writing() as connection:
            connection.execute(
                PERSON.update().where(PERSON.c.person == OFFICER).values(full_name=name)
            )
        room.confirmed()
    room.fines()
    values = [row[3] for row in room.rows()[1:]]
    assert len(values) == len(names)
    assert not [one for one in values if one.startswith(tuple("=+-@\t\uff1d\uff0b\uff0d\uff20"))]
    assert not {"\u202e", "\x1b", "\t"} & set(room.files[-1].decode())
    room.fines(text=MAPPING.replace("format: csv", "format: json"), again=True)
    document = json.loads(room.files[-1])
    assert {tuple(one) for one in document["fines"]} == {
        ("Dossier", "Nummerplaat", "Tijdstip", "Vaststeller")
    }
    assert not {"\u202e", "\x1b", "\t"} & set(room.files[-1].decode())


@pytest.mark.parametrize(
    ("line", "wrong", "told"),
    [
        (6, "{field: colour, column: Kleur}", "field"),
        (6, "{field: plate, column: =cmd}", "begins"),
        (6, '{field: plate, column: "A\\u202Eb"}', "cannot be seen"),
        (6, "{field: plate, kolom: x}", "kolom"),
        (4, "{field: plate, column: Tijdstip}", "two columns"),
    ],
)
def test_a_wrong_mapping_is_refused_with_file_and_line(
    tmp_path: Path, line: int, wrong: str, told: str
) -> None:
    file = tmp_path / "fines.yaml"
    file.write_text(MAPPING.replace("{field: plate, column: Nummerplaat}", wrong))
    with pytest.raises(ConfigError) as error:
        read_mapping(file)
    assert f"{file}:{line}:" in error.value.message
    assert told in error.value.message


@sqlite_only
def test_fines_are_exported_at_the_terminal(room: FinesRoom, tmp_path: Path) -> None:
    with room.database.writing() as connection:
        replace_password(connection, OFFICER, hashed(passphrase_of(OFFICER)), room.now)
    room.give(OFFICER, DeskRole.OFFICER, first=datetime.now(timezone.utc).date())
    room.confirmed()
    (tmp_path / "fines.yaml").write_text(MAPPING)
    out = tmp_path / "fines.csv"
    words: list[str | Path] = [
        "desk", "fines", "--out", out, "--mapping", tmp_path / "fines.yaml", "--desk",
        room.desk.path, "--as", OFFICER, "--passphrase-file", passphrase_file(tmp_path, OFFICER),
        "--keys", room.parties.authority_folder, "--box-keys", room.parties.box_folder,
        "--policies", room.site, "--json",
    ]  # fmt: skip
    done = verb(*words)
    assert (done.status, done.json["cases"]) == (0, [room.hit.hit_id]), done.err
    assert PLATE in out.read_text()
    assert PLATE not in done.out + done.err
    assert out.stat().st_mode & 0o077 == 0
    assert verb(*words).status == 8
    words[3] = tmp_path / "more.csv"
    nothing = verb(*words)
    assert nothing.json["file"] is None
    assert nothing.json["last_export"]["hit_ids"] == [room.hit.hit_id]
    assert not (tmp_path / "more.csv").exists()
    told = verb(*words[:-1]).err
    assert f"run it again with --again --case {room.hit.hit_id}" in told
    assert verb(*words[:-1], "--again", "--case", room.hit.hit_id).status == 0
    assert (tmp_path / "more.csv").read_bytes() == out.read_bytes()
