"""`edge-anpr desk review` as an officer runs it: typed answers, a second officer, refusals."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from edge.desk.accounts import ActingPerson
from edge.desk.findings import verify_findings
from edge.desk.folder import DeskFolder, open_folder
from edge.desk.people import DeskPeople
from edge.desk.personal_keys import personal_keys
from edge.desk.reviewing import finding_payloads
from edge.desk.rights import DeskRole
from edge.desk.store.hits import DeskHits
from edge.domain.appearance import Appearance, Colour, VehicleKind
from edge.domain.reveal import MaskMethod
from edge.errors import ExitCode
from edge.privacy.hit import Hit
from edge.privacy.sealing import Picture
from tests.integration.test_desk_store import dumped
from tests.support.cases import SHOTS, closed, hit_under, signed_policies
from tests.support.desks import FIRST, added, make_desk, passphrase_file, terms
from tests.support.parties import PLATE, Parties, evidence, make_parties
from tests.support.product import REPOSITORY, at_terminal, command, environment, verb

OFFICER, SECOND, OTHER_PLATE = "els-wouters", "tom-claes", "9ZZZ876"


class Office:
    """A desk with two officers who have keys, and a stored hit.

    Args:
        base: a folder for the test.
        like: an office whose desk is copied, with the same people and keys.
    """

    def __init__(self, base: Path, like: Office | None = None) -> None:
        self.base = base
        self.keys: Path = base / "keys-of" if like is None else like.keys
        self.parties: Parties = make_parties(base) if like is None else like.parties
        self.desk: DeskFolder
        self.hit: Hit
        if like is None:
            self.make()
        else:
            self.hit = like.hit
            self.desk = open_folder(shutil.copytree(like.desk.path, base / "desk"))

    def make(self) -> None:
        self.desk = make_desk(self.base / "desk", utc=self.utc)
        self.hit = self.parties.hit(
            evidence(
                Picture("vehicle", b"a jpeg of a vehicle", MaskMethod.MEANING),
                Picture("place", b"a jpeg of a place", None, approved="2026-01-10"),
                appearance=Appearance(
                    {VehicleKind.CAR: 0.98, VehicleKind.VAN: 0.02},
                    {Colour.BLACK: 0.29, Colour.BLUE: 0.71},
                ),
            )
        )
        with self.desk.open_people(self.utc) as people:
            added(people, OFFICER, SECOND, "jan-maes")
            self.give(people, "jan-maes", DeskRole.SUPERVISOR)
            self.give(people, OFFICER, DeskRole.OFFICER)
            self.give(people, SECOND, DeskRole.SECOND_OFFICER)
        self.store()
        for person in (OFFICER, SECOND):
            done = verb("desk", "people", "key", "--out", self.keys, *self.acting(person))
            assert done.status == 0, done.err

    def store(self) -> None:
        with self.desk.open_database() as database:
            DeskHits(database).put(self.hit, self.hit.to_payload(), self.utc())

    def utc(self) -> datetime:
        return datetime.now(timezone.utc)

    def give(self, people: DeskPeople, person: str, role: DeskRole) -> None:
        day = self.utc().date()
        right = people.propose(ActingPerson(FIRST), terms(person, role, first=day))
        people.approve(ActingPerson("jan-maes"), right.right_id)

    def acting(self, person: str) -> list[str | Path]:
        file = passphrase_file(self.base, person)
        return ["--desk", self.desk.path, "--as", person, "--passphrase-file", file]

    def words(self, person: str, *more: str | Path) -> list[str | Path]:
        return [
            "desk", "review", self.hit.hit_id, *self.acting(person), "--keys",
            self.parties.authority_folder, "--box-keys", self.parties.box_file, "--sign-with",
            self.keys / f"{person}.signer.private.json", "--out",
            self.base / "pictures", *more,
        ]  # fmt: skip


@pytest.fixture(scope="module")
def first_office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


@pytest.fixture
def office(first_office: Office, tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path, first_office)
    yield office
    kept = dumped(office.desk) + b"".join(
        file.read_bytes() for file in office.desk.path.iterdir() if file.is_file()
    )
    for plate in (PLATE, OTHER_PLATE):
        assert plate.encode() not in kept


def test_an_officer_types_her_answers_and_sees_the_reading_after_the_plate(
    office: Office,
) -> None:
    typed = "perhaps\noffence\n1-abc-123\nconfirmed\n"
    done = at_terminal(*office.words(OFFICER), typed=typed)

    assert done.status == 0, done.err
    picture = office.base / "pictures" / office.hit.hit_id / "vehicle.jpg"
    assert picture.read_bytes() == b"a jpeg of a vehicle"
    place = picture.with_name("place.jpg")
    assert sorted(picture.parent.iterdir()) == [place, picture]
    assert f"{picture}\n" in done.err.replace("\r", "")
    assert f"{place}: the place, approved on 2026-01-10; not from the moment of the hit" in done.err
    assert f"the box read {PLATE}: the same as you" in done.err
    assert "the box took the vehicle for: car 98%, blue 71%" in done.err
    assert "delete that folder" in done.err
    assert done.out.strip().startswith("finding 1: confirmed")
    assert PLATE not in done.out


def test_p4_two_officers_agree_against_the_box_and_no_document_has_a_plate(office: Office) -> None:
    found: list[dict[str, Any]] = []
    for person in (OFFICER, SECOND):
        done = at_terminal(*office.words(person, "--json"), typed=f"offence\n{OTHER_PLATE}\n")
        assert done.status == 0, done.err
        assert f"the box read {PLATE}: not what you typed" in done.err
        assert done.json["agrees"] is False
        for plate in (PLATE, OTHER_PLATE):
            assert plate not in done.out
        found.append(done.json["finding"])

    assert [(one["outcome"], one["reason"]) for one in found] == [
        ("referred", None), ("rejected", "misread"),
    ]  # fmt: skip
    with office.desk.open_database() as database:
        keys = tuple(one for each in personal_keys(database).values() for one in each)
        assert len(verify_findings(finding_payloads(database, office.hit.hit_id), keys)) == 2


def test_p4_without_a_person_at_a_terminal_nothing_is_reviewed(office: Office) -> None:
    words = office.words(OFFICER, "--json")
    terminal, its = pty.openpty()
    file = office.base / "answers.txt"
    file.write_text("cannot-tell\n")
    try:
        with file.open() as answers, (office.base / "shown.txt").open("w") as shown:
            for stdin, stderr in ((answers, its), (its, shown)):
                done = subprocess.run(
                    command(*words), env=environment(), cwd=REPOSITORY, stdin=stdin, stderr=stderr,
                    stdout=subprocess.PIPE, timeout=60, check=False,
                )  # fmt: skip
                assert (done.returncode, done.stdout) == (ExitCode.USAGE, b"")
    finally:
        os.close(its)
        os.close(terminal)
    assert "E_USAGE" in (office.base / "shown.txt").read_text()
    assert not (office.base / "pictures").exists()
    with office.desk.open_database() as database:
        assert finding_payloads(database, office.hit.hit_id) == ()


def test_a_wrong_plate_is_one_line_without_it(office: Office) -> None:
    done = at_terminal(*office.words(OFFICER), typed="offence\n1ABC123 !\n")

    _, told = done.err.split("error: ")
    assert told.startswith("E_USAGE: the typed plate:")
    assert PLATE not in told
    with office.desk.open_database() as database:
        assert finding_payloads(database, office.hit.hit_id) == ()


def test_who_may_not_review_gets_no_picture(office: Office) -> None:
    key = office.keys / f"{OFFICER}.signer.private.json"
    words = [str(word) for word in office.words(FIRST)]
    words[words.index("--sign-with") + 1] = str(key)
    done = at_terminal(*words)
    assert done.status == ExitCode.KEYS
    assert "E_PASSPHRASE" in done.err  # the key of somebody else

    wrong = office.words(OFFICER)
    passphrase_file(office.base, OFFICER).write_text("a wrong passphrase\n")
    done = at_terminal(*wrong)
    assert "E_LOGIN" in done.err
    assert not (office.base / "pictures").exists()


def test_p4_an_officer_at_a_terminal_is_told_that_the_policy_does_not_allow_the_hit(
    office: Office, tmp_path: Path
) -> None:
    policy = signed_policies(tmp_path / "policies", closed)
    office.hit = hit_under(office.parties, policy, evidence(*SHOTS))
    office.store()
    words = office.words(OFFICER, "--policies", tmp_path / "policies")
    done = at_terminal(*words, typed=f"offence\n{PLATE}\nconfirmed\n")

    before, after = done.err.split("judgement (", 1)
    assert "do not confirm it" in before
    assert "closed" in before
    assert (done.status, "E_POLICY" in after) == (ExitCode.CONFIG, True)
    done = at_terminal(*words, typed="rejected\nno-offence\n")
    assert done.out.strip().startswith("finding 1: rejected: no-offence"), done.err
