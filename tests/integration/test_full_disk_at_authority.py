"""Commands at the authority on a disk without room: one line with `E_DISK_FULL`, then all is well.

The disk is a real file system of a few megabytes, which is filled to the last byte. It must not
matter where SQLite or Python finds no room first.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.adapters.state.key_making import new_box_keys, new_signer_key
from edge.authority.store import HitStore
from edge.cli import execute
from edge.desk.store.hits import DeskHits
from edge.errors import ExitCode, OutboxError
from edge.fleet.enrolling import EnrolmentOffice
from edge.fleet.folder import FleetFolder
from edge.formats.enrolment import SECRET_BYTES
from edge.updates.archive import pack_files
from tests.support.desks import FIRST, make_desk, passphrase_file
from tests.support.disks import small_tmpfs
from tests.support.fleets import BOX, enrol_by_hand, make_test_fleet
from tests.support.parties import AUTHORITY, SITE, make_parties
from tests.support.product import verb
from tests.support.sites import list_csv
from tests.support.update_commands import TEMPLATES, Commands

NOW = datetime.now(timezone.utc)
Words = list[str | Path]


def utc() -> datetime:
    return datetime.now(timezone.utc)


def a_store(at: Path) -> str:
    parties = make_parties(at / "parties")
    with HitStore.open(at / "hits", create=True) as store:
        hit = parties.hit(observed_at=NOW)
        store.put(hit, hit.to_payload(), NOW)
    return hit.hit_id


def hits_open(at: Path) -> Words:
    a_store(at)
    parties = at / "parties"
    keys: Words = ["--box-keys", parties / "box", "--keys", parties / "authority"]
    return ["hits", "open", "--all", "--store", at / "hits", *keys, "--out", at / "opened"]


def hits_review(at: Path) -> Words:
    return ["hits", "review", a_store(at), "--confirm", "--again", "--store", at / "hits"]


def desk_init(at: Path) -> Words:
    return [
        "desk", "init", at / "desk", "--authority", AUTHORITY, "--person", FIRST, "--full-name",
        "An Peeters", "--mandate", "GR-2026/114", "--passphrase-file", passphrase_file(at, FIRST),
    ]  # fmt: skip


def desk_propose(at: Path) -> Words:
    make_desk(at / "desk", None, utc)
    return [
        "desk", "retain", "propose", "--waiting-days", "14", "--kept-days", "365", "--basis",
        "GR-2026/1", "--desk", at / "desk", "--as", FIRST, "--passphrase-file",
        passphrase_file(at, FIRST),
    ]  # fmt: skip


def retain_run(at: Path) -> Words:
    make_desk(at / "desk", None, utc)
    return ["desk", "retain", "run", "--desk", at / "desk"]


def fleet_codes(at: Path) -> Words:
    return ["fleet", "codes", make_test_fleet(at).path, "--all"]


def fleet_render(at: Path) -> Words:
    return ["fleet", "render", make_test_fleet(at).path]


def fleet_forget(at: Path) -> Words:
    office = EnrolmentOffice.open(FleetFolder.open(make_test_fleet(at).path))
    secret = os.urandom(SECRET_BYTES)
    now = datetime.now(timezone.utc)  # the authority is valid from ten minutes before it was made
    office.new_code(BOX, secret, now)
    office.enrol(secret, enrol_by_hand(at / "box", SITE, "box-1"), now)
    office.approve(BOX, office.register.waiting()[0].fingerprint, now)
    return ["fleet", "forget", office.fleet.path, BOX]


def fleet_issue(at: Path) -> Words:
    fleet = make_test_fleet(at)
    return ["fleet", "issue", fleet.path, "broker", "--host", "mqtt.example", "--out", at / "b.pem"]


def release_add(at: Path) -> Words:
    Commands(at).init()
    (at / "policy.yaml").write_text("a template")
    pack_files([at / "policy.yaml"], at / "t.zip")
    kind = ("--kind", "policy-templates", "--version", "1.0.0")
    return ["fleet", "release", "add", at / "repo", at / "t.zip", *kind]


def wave_plan(at: Path) -> Words:
    office = Commands(at)
    office.init()
    office.offer_templates()
    return ["fleet", "wave", "plan", at / "repo", TEMPLATES, *office.online]


def lists_build(at: Path) -> Words:
    (at / "list.csv").write_text(list_csv(["1ABC123"]))
    new_signer_key(at, AUTHORITY, NOW)
    (at / "boxes").mkdir()
    shutil.copy(new_box_keys(at / "box", SITE, "box-1", NOW), at / "boxes")
    return [
        "lists", "build", at / "list.csv", "--issuer-key",
        at / f"{AUTHORITY}.signer.private.json", "--list", "stolen", "--purpose",
        "wanted-vehicles", "--out", at / "out", "--boxes", at / "boxes",
    ]  # fmt: skip


def keys_new(at: Path) -> Words:
    return ["keys", "new", "authority", AUTHORITY, "--out", at / "keys"]


def policy_new(at: Path) -> Words:
    return ["policy", "new", at / "site", "--defaults"]


COMMANDS: list[Callable[[Path], Words]] = [
    *(hits_open, hits_review, desk_init, desk_propose, retain_run, fleet_codes, fleet_render),
    *(fleet_forget, fleet_issue, release_add, wave_plan, lists_build, keys_new, policy_new),
]


@contextmanager
def filled(disk: Path, left: int) -> Iterator[None]:
    """Fill a disk until so many bytes are left, while the block runs."""
    ballast = disk / "ballast"
    descriptor = os.open(ballast, os.O_RDWR | os.O_CREAT)
    for block in (64 * 1024, 4096):
        with suppress(OSError):
            while os.write(descriptor, bytes(block)) == block:
                pass
    os.ftruncate(descriptor, max(0, os.fstat(descriptor).st_size // 4096 * 4096 - left))
    os.close(descriptor)
    try:
        yield
    finally:
        ballast.unlink()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_tmpfs(tmp_path_factory.mktemp("disk") / "small", "24m", mode="0700") as made:
        yield made
        gc.collect()  # an error that was caught may hold an open database


@pytest.mark.parametrize("prepared", COMMANDS)
def test_a_full_disk_is_one_line_and_the_command_succeeds_once_there_is_room(
    disk: Path, monkeypatch: pytest.MonkeyPatch, prepared: Callable[[Path], Words]
) -> None:
    at = disk / prepared.__name__
    at.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(at))
    words = prepared(at)
    for left in (0, 12 * 1024):
        with filled(disk, left):
            done = verb(*words)
        if left and done.status == 0:
            break  # that was room enough
        (line,) = done.error_lines
        assert line.startswith("error: E_DISK_FULL: "), line
        assert "free disk space" in line
        assert str(at) in line
        assert done.status == ExitCode.STORAGE
    else:
        done = verb(*words)
        assert done.status == 0, done.err
    shutil.rmtree(at)


def test_p10_a_full_disk_while_deleted_hits_are_overwritten_is_one_line(disk: Path) -> None:
    """`desk serve` goes on with retention the next time; an unknown error would end it for good."""
    parties = make_parties(disk / "parties")
    with make_desk(disk / "overwritten", None, utc).open_database() as database:
        for _ in range(3):
            hit = parties.hit(observed_at=NOW)
            DeskHits(database).put(hit, hit.to_payload(), NOW)
        with filled(disk, 0), pytest.raises(OutboxError) as full:
            database.forget()
        assert full.value.code == "E_DISK_FULL"
        database.forget()


@pytest.mark.parametrize("words", [["schema", "policy"], ["--version"], ["hits", "--help"]])
def test_standard_output_on_a_full_disk_is_no_bug_of_the_program(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with suppress(OSError), Path("/dev/full").open("w") as full, redirect_stdout(full):
        status = execute(words)
    assert status == ExitCode.STORAGE
    assert capsys.readouterr().err.startswith(
        "error: E_DISK_FULL: standard output: No space left on device; free disk space."
    )


def test_an_error_that_cannot_be_printed_keeps_its_status(tmp_path: Path) -> None:
    with suppress(OSError), Path("/dev/full").open("w", buffering=1) as full, redirect_stderr(full):
        status = execute(["hits", "list", "--store", str(tmp_path)])
    assert status == ExitCode.STORAGE
