"""One file at the authority is deleted or cut off: the next command names it, and nothing worsens.

What was lost must not be made anew in silence: an empty register would revoke nobody, an empty
store would hide its hits, and metadata made from an older state would be refused by every box.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509

from edge.authority.store import HitStore
from edge.desk.folder import (
    CODES_KEY_NAME,
    CONFIG_NAME,
    DATABASE_NAME,
    UNFINISHED_NAME,
    DeskFolder,
)
from edge.desk.second_factor import begin_codes
from edge.errors import ExitCode, KeyFileError
from edge.fleet.enrolling import EnrolmentOffice
from edge.fleet.folder import FleetFolder
from edge.formats.enrolment import SECRET_BYTES, RequestError
from edge.updates.archive import pack_files
from edge.updates.problems import UpdateStateError
from edge.updates.repository import ReleaseRepository
from edge.updates.targets import TargetFacts
from edge.updates.waves import ROLE
from tests.support.desks import FIRST, acting, make_desk, passphrase_file
from tests.support.fleets import (
    BOX,
    EnrollingBox,
    TestFleet,
    enrol_by_hand,
    make_test_fleet,
    served,
)
from tests.support.parties import SITE, make_parties
from tests.support.product import Finished, verb
from tests.support.releases import ReleaseOffice
from tests.support.update_commands import TEMPLATES, Commands


def now() -> datetime:
    """At the moment of a test: an authority is valid from ten minutes before it is made."""
    return datetime.now(timezone.utc)


def deleted(file: Path) -> None:
    file.unlink()


def emptied(file: Path) -> None:
    os.truncate(file, 0)


HARMS = [deleted, emptied]
harmed = pytest.mark.parametrize("harm", HARMS)


def refused(done: Finished, file: Path, *cures: str) -> None:
    """Require one line that names the file and a cure."""
    (line,) = done.error_lines
    assert done.status not in {0, ExitCode.INTERNAL}, line
    assert str(file) in line
    assert any(cure in line for cure in cures), line


# --- the fleet ------------------------------------------------------------------------------------


def enrolled(fleet: TestFleet, folder: Path) -> tuple[EnrolmentOffice, x509.Certificate]:
    """A fleet with one enrolled box, and its certificate."""
    office = fleet.office
    secret = os.urandom(SECRET_BYTES)
    office.new_code(BOX, secret, now())
    request = enrol_by_hand(folder, SITE, "box-1")
    office.enrol(secret, request, now())
    office.approve(BOX, office.register.waiting()[0].fingerprint, now())
    der = office.enrol(secret, request, now())
    assert der is not None
    return office, x509.load_der_x509_certificate(der)


def listed(office: EnrolmentOffice) -> set[int]:
    """The numbers on the published list of revoked certificates."""
    file = office.fleet.ca / "crl.pem"
    return {one.serial_number for one in x509.load_pem_x509_crl(file.read_bytes())}


@harmed
def test_p10_a_lost_register_makes_no_revoked_certificate_valid(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    fleet = make_test_fleet(tmp_path)
    office, certificate = enrolled(fleet, tmp_path / "box")
    assert office.forget(BOX, now())
    harm(register := office.fleet.register)

    commands: tuple[tuple[str, ...], ...] = (
        *(("status",), ("pending",), ("codes", BOX), ("forget", BOX)),
        *(("serve", "--port", "0"), ("init", "--authority", "police-zone", "--host", "127.0.0.1")),
    )
    for name, *words in commands:
        refused(verb("fleet", name, fleet.path, *words), register, "restore it from a copy")
    assert listed(office) == {certificate.serial_number}
    assert not register.exists() or not register.read_bytes()


def test_p10_a_register_restored_from_an_older_copy_revokes_what_was_revoked_since(
    tmp_path: Path,
) -> None:
    fleet = make_test_fleet(tmp_path)
    office, known = enrolled(fleet, tmp_path / "box")
    register = office.fleet.register
    shutil.copy(register, tmp_path / "before-forget")
    assert office.forget(BOX, now())
    shutil.copy(tmp_path / "before-forget", register)

    restored = EnrolmentOffice.open(FleetFolder.open(fleet.path))
    assert BOX in restored.register.boxes()
    restored.write_revoked(now() + timedelta(hours=1))  # as the server does when it starts

    assert listed(restored) == {known.serial_number}
    with pytest.raises(RequestError, match="was revoked"):
        restored.register.owner(known.serial_number)

    # Of a register from before the enrolment, the certificate is not even known.
    register.unlink()
    type(restored.register).make(register)
    restored.write_revoked(now() + timedelta(hours=2))
    assert listed(restored) == {known.serial_number}
    restored.write_revoked(now() + timedelta(days=500))
    assert listed(restored) == set(), "it has ended long ago"


def test_a_server_whose_register_is_lost_says_so_to_its_operator_and_not_to_a_box(
    tmp_path: Path,
) -> None:
    fleet = make_test_fleet(tmp_path)
    code = fleet.code()
    register = fleet.office.fleet.register
    with served(fleet) as server:
        register.rename(tmp_path / "away")
        asked = [EnrollingBox(fleet, tmp_path / name, code).finished() for name in ("a", "b")]
        for done in asked:
            assert "its operator sees why in its log" in done.err
            assert str(fleet.path) not in done.err
        server.kill()
        told = [line for line in server.stderr.read().splitlines() if str(register) in line]
    assert len(told) == 1
    assert "missing; restore it from a backup" in told[0]
    assert not register.exists()


def test_a_server_certificate_of_a_clock_that_was_ahead_is_replaced(tmp_path: Path) -> None:
    authority = make_test_fleet(tmp_path).office.authority
    assert authority.keep_server_certificate("127.0.0.1", now() + timedelta(days=300))

    assert authority.keep_server_certificate("127.0.0.1", now())

    made = x509.load_pem_x509_certificate(authority.server_file.read_bytes())
    assert made.not_valid_before_utc <= now()
    assert not authority.keep_server_certificate("127.0.0.1", now())


@pytest.mark.parametrize("days", [-400, 3651, 36500])
def test_p10_no_certificate_is_issued_at_a_time_outside_the_life_of_the_authority(
    tmp_path: Path, days: int
) -> None:
    office = make_test_fleet(tmp_path).office
    secret = os.urandom(SECRET_BYTES)
    office.new_code(BOX, secret, now())
    office.enrol(secret, enrol_by_hand(tmp_path / "box", SITE, "box-1"), now())
    (waiting,) = office.register.waiting()

    for issue in (
        lambda at: office.approve(BOX, waiting.fingerprint, at),
        lambda at: office.issue_client("broker", "mqtt.example", tmp_path / "broker.pem", at),
        lambda at: office.authority.keep_server_certificate("other.example", at),
    ):
        with pytest.raises(KeyFileError, match="correct the clock, or make a new authority"):
            issue(now() + timedelta(days=days))
        issue(now())
    assert BOX in office.register.boxes()


# --- releases -------------------------------------------------------------------------------------


@harmed
def test_a_lost_file_of_a_release_repository_is_named_and_no_version_is_used_twice(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    office = ReleaseOffice(tmp_path / "releases")
    office.offer(b"an archive")
    office.publish()
    version = office.publish()
    roles = ("root", "targets", "snapshot", ROLE, "timestamp")
    newest = {role: office.newest(role) for role in roles}
    needed = {*newest.values(), *office.public.rglob("*.zip")}
    # The root before it is not needed, and timestamp.json can be made anew.
    needed -= {newest["root"]} if harm is deleted else set()
    needed -= {newest["timestamp"]} if harm is deleted else set()
    whole = tmp_path / "whole"
    shutil.copytree(office.folder, whole)

    for file in sorted(one for one in office.public.rglob("*") if one.is_file()):
        harm(file)
        if file in needed:
            with pytest.raises(UpdateStateError) as told:
                office.publish()
            assert str(file) in told.value.message
            assert "copy it back from the web server" in told.value.message
        elif file != newest["root"] and file.parent.name != "waves":
            assert office.publish() > version, "a box takes no version twice"
        shutil.rmtree(office.folder)
        shutil.copytree(whole, office.folder)


@harmed
def test_lost_plans_close_no_wave_in_silence(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    office = Commands(tmp_path)
    office.init()
    office.offer_templates()
    office.plan()
    plans = office.repo / "waves.json"
    harm(plans)
    (tmp_path / "reports.json").write_text("[]")
    boxes = make_parties(tmp_path / "parties").box_folder
    look = ("--boxes", boxes, "--reports", tmp_path / "reports.json")

    for words in (
        ("wave", "run", office.repo, *look, *office.online),
        ("wave", "status", office.repo, *look),
        ("wave", "halt", office.repo, TEMPLATES, "--because", "x", *office.online),
    ):
        refused(verb("fleet", *words), plans, "restore it from a copy", "restore the file from a")
    assert TEMPLATES in ReleaseRepository(office.repo, now()).waves().waves
    if harm is deleted:
        assert office.plan()


def test_two_archives_that_are_added_at_once_are_both_offered(tmp_path: Path) -> None:
    office = ReleaseOffice(tmp_path / "releases")
    versions = [f"0.{number}.0" for number in range(2, 8)]

    def add(version: str) -> None:
        (tmp_path / version).write_text(version)
        pack_files([tmp_path / version], archive := tmp_path / f"{version}.zip")
        office.repository().add(archive, TargetFacts(kind="release", version=version))

    adding = [threading.Thread(target=add, args=(one,)) for one in versions]
    for one in adding:
        one.start()
    for one in adding:
        one.join()

    office.sign(office.folder / "pending" / "targets.json")
    office.publish()
    assert len(office.repository().offered()) == len(versions)


def test_what_a_killed_command_has_left_half_written_is_not_served(tmp_path: Path) -> None:
    office = ReleaseOffice(tmp_path / "releases")
    office.offer(b"an archive")
    (archive,) = office.public.rglob("*.zip")
    half = archive.with_name(f".{archive.name}.0123abcd")
    half.write_bytes(b"half")
    office.publish()
    assert archive.exists()
    assert not half.exists()


# --- the desk -------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> DeskFolder:
    """A desk that was used, whose first person has one-time codes."""
    made = make_desk(tmp_path / "desk", None, lambda: datetime.now(timezone.utc))
    with made.open_people(lambda: datetime.now(timezone.utc)) as people:
        people.add(acting(people), "jan-maes", "Jan Maes", "a long passphrase of jan-maes")
    with made.open_database() as database:
        key = made.codes_key(database)
        with database.writing() as connection:
            begin_codes(connection, FIRST, key)
    return made


@harmed
@pytest.mark.parametrize(
    "name",
    [CONFIG_NAME, DATABASE_NAME, "desk.signer.private.json", "audit.log", CODES_KEY_NAME],
)
def test_a_lost_file_of_a_desk_is_named_and_not_made_anew(
    desk: DeskFolder, tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    file = desk.path / name
    harm(file)
    left = {one.name: one.stat().st_size for one in desk.path.iterdir() if one.name != file.name}
    words: tuple[str | Path, ...] = ("desk", "status", "--desk", desk.path)
    if name == CODES_KEY_NAME:
        passphrase = passphrase_file(tmp_path, FIRST)
        words = (
            *("desk", "retain", "run", "--clock-is-right", "--desk", desk.path),
            *("--as", FIRST, "--passphrase-file", passphrase),
        )

    done = verb(*words)
    refused(done, file, "from a backup", "from a copy", "restore")
    again = verb(
        *("desk", "init", desk.path, "--authority", "police-zone", "--person", FIRST),
        *("--full-name", "An Peeters", "--mandate", "GR-2026/114", "--passphrase-file"),
        passphrase_file(tmp_path, FIRST),
    )
    assert "E_DESK_EXISTS" in again.err, "no second desk is made over what is left of the first"
    assert not file.exists() or file.stat().st_size == 0
    for kept in set(left) & {DATABASE_NAME, "audit.log", "desk.signer.private.json"}:
        assert (desk.path / kept).stat().st_size >= left[kept]


@pytest.mark.parametrize("name", [DATABASE_NAME, CONFIG_NAME])
def test_a_desk_that_nobody_has_used_yet_is_not_made_anew_when_a_file_is_lost(
    tmp_path: Path, name: str
) -> None:
    """A consumer may have received hits, and its key may be known to a witness."""
    made = make_desk(tmp_path / "desk", None, lambda: datetime.now(timezone.utc))
    for one in made.path.glob(f"{name}*"):
        one.unlink()
    left = {one.name: one.read_bytes() for one in made.path.iterdir()}
    assert UNFINISHED_NAME not in left

    done = verb("desk", "status", "--desk", made.path)
    again = verb(
        *("desk", "init", made.path, "--authority", "police-zone", "--person", FIRST),
        *("--full-name", "An Peeters", "--mandate", "GR-2026/114", "--passphrase-file"),
        passphrase_file(tmp_path, FIRST),
    )

    assert "restore it from a backup" in done.err
    assert "E_DESK_EXISTS" in again.err
    assert {one.name: one.read_bytes() for one in made.path.iterdir()} == left


def test_the_mark_of_an_unfinished_desk_goes_when_the_desk_is_opened(tmp_path: Path) -> None:
    made = make_desk(tmp_path / "desk", None, lambda: datetime.now(timezone.utc))
    mark = made.path / UNFINISHED_NAME
    mark.touch()  # as if it was killed after the commit

    assert verb("desk", "status", "--desk", made.path).status == 0
    assert not mark.exists()


# --- hits and keys --------------------------------------------------------------------------------


@harmed
def test_a_lost_store_of_hits_is_not_taken_for_a_new_one(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    parties = make_parties(tmp_path / "parties")
    folder = tmp_path / "hits"
    with HitStore.open(folder, create=True) as store:
        hit = parties.hit()
        store.put(hit, hit.to_payload(), now())
    keys = ("--box-keys", parties.box_folder, "--keys", parties.authority_folder)
    opened = ("hits", "open", "--all", "--store", folder, *keys, "--out", tmp_path / "opened")
    assert verb(*opened).status == 0
    harm(file := folder / "inbox.sqlite3")

    for words in (
        ("hits", "list", "--store", folder),
        ("hits", "purge", "--older-than", "30", "--store", folder),
        opened,
        ("hits", "tail", "--broker", "127.0.0.1:1", "--store", folder, *keys),
    ):
        refused(verb(*words), file, "restore it from a backup")
    assert not file.exists() or not file.read_bytes()


def test_an_authority_without_its_public_file_is_told_what_is_missing(tmp_path: Path) -> None:
    parties = make_parties(tmp_path)
    parties.authority_file.unlink()
    (private,) = parties.authority_folder.glob("*.private.json")

    done = verb("keys", "new", "authority", "police-zone", "--out", parties.authority_folder)

    refused(done, private, "restore that from a copy")
    assert private.exists()
