"""A command at the authority that was killed in any change of a file can be given again.

After the second time everything is as after one command that was not killed: nothing is lost,
nothing is there twice, and no half-written file is left where something is served or read.
"""

from __future__ import annotations

import re
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.adapters.state.key_files import load_authority_private_keys
from edge.adapters.state.key_making import new_box_keys, new_signer_key
from edge.authority.store import HitStore
from edge.authority.store_file import FILE_NAME
from edge.errors import ExitCode
from edge.updates.repository import ReleaseRepository
from tests.support.desks import FIRST, passphrase_file
from tests.support.kills import Acknowledged, Scenario, kill_in_each_change
from tests.support.parties import AUTHORITY, SITE
from tests.support.preload_libraries import COMPILER, NEEDS_COMPILER
from tests.support.product import Finished, run_program, verb
from tests.support.sites import list_csv
from tests.support.update_commands import TEMPLATES, Commands

NOW = datetime.now(timezone.utc)
STRAY = re.compile(r"\..*\.(?:new|[0-9a-f]{8})")


class Command(Scenario):
    """One command, which is given again after the kill."""

    imports = True

    def words(self) -> list[str | Path]:
        raise NotImplementedError

    def change(self, done: Acknowledged) -> None:
        assert verb(*self.words()).status == 0
        done.step()

    def again(self) -> Finished:
        """Give the command once more; it prints one line at most if it refuses."""
        done = verb(*self.words())
        assert done.status != ExitCode.INTERNAL, done.err
        assert len(done.error_lines) == (done.status != 0)
        return done

    def no_strays(self, folder: Path) -> None:
        assert [one for one in folder.rglob("*") if STRAY.fullmatch(one.name)] == []


class NewDesk(Command):
    """The first account of a desk is made."""

    def prepare(self) -> None:
        self.folder.mkdir()
        passphrase_file(self.folder, FIRST)

    def words(self) -> list[str | Path]:
        return [
            "desk", "init", self.folder / "desk", "--authority", AUTHORITY, "--person", FIRST,
            "--full-name", "An Peeters", "--mandate", "GR-2026/114", "--passphrase-file",
            self.folder / f"{FIRST}.passphrase",
        ]  # fmt: skip

    def judge(self, steps: int) -> None:
        done = self.again()
        if done.status:  # it was made, and only its last words are missing
            assert "a desk already; use it" in done.err
        assert done.status or not steps
        told = verb("desk", "status", "--desk", self.folder / "desk").out
        assert "1 person, 0 rights wait" in told
        verified = verb("audit", "verify", self.folder / "desk", "--json")
        assert verified.json["entries"] == 3
        self.no_strays(self.folder)


class NewAuthority(Command):
    """The keys of an authority are made."""

    def prepare(self) -> None:
        self.folder.mkdir()

    def words(self) -> list[str | Path]:
        return ["keys", "new", "authority", AUTHORITY, "--out", self.folder / "keys"]

    def judge(self, steps: int) -> None:
        keys = self.folder / "keys"
        before = list(keys.glob("*.private.json"))
        done = self.again()
        if done.status and not steps and not list(keys.glob("*.public.json")):
            # Its public file is missing or was lost: nobody but a person knows which.
            (only,) = before
            assert f"{only}: has no public file" in done.err
            only.unlink()
            assert self.again().status == 0
        assert load_authority_private_keys(keys).authority == AUTHORITY
        assert len(list(keys.iterdir())) == 2


class ListForBoxes(Command):
    """A list for many boxes is built."""

    def prepare(self) -> None:
        self.folder.mkdir()
        (self.folder / "list.csv").write_text(list_csv(["1ABC123"]))
        new_signer_key(self.folder, AUTHORITY, NOW)
        (self.folder / "boxes").mkdir()
        shutil.copy(new_box_keys(self.folder / "box", SITE, "box-1", NOW), self.folder / "boxes")

    def words(self) -> list[str | Path]:
        return [
            "lists", "build", self.folder / "list.csv", "--issuer-key",
            self.folder / f"{AUTHORITY}.signer.private.json", "--list", "stolen", "--purpose",
            "wanted-vehicles", "--out", self.folder / "out", "--boxes", self.folder / "boxes",
        ]  # fmt: skip

    def judge(self, steps: int) -> None:
        done = self.again()
        assert (done.status == 0) or "exists already" in done.err
        assert done.status or not steps
        shown = verb("lists", "inspect", self.folder / "out", "--json").json
        names = {one.name for one in (self.folder / "out").iterdir()}
        assert names == {f"{shown['body_sha256']}.list", "manifests.jsonl"}


class Planned(Command):
    """The first wave of an archive is opened."""

    def prepare(self) -> None:
        self.folder.mkdir()
        office = Commands(self.folder)
        office.init()
        office.offer_templates()

    def words(self) -> list[str | Path]:
        key = self.folder / "keys" / "online.signer.private.json"
        return [
            "fleet", "wave", "plan", self.folder / "repo", TEMPLATES, "--online-key", key
        ]  # fmt: skip

    def judge(self, steps: int) -> None:
        done = self.again()
        assert done.status == 0 or "planned already" in done.err
        assert done.status or not steps
        repository = ReleaseRepository(self.folder / "repo", NOW)
        assert repository.is_finished()
        assert set(repository.waves().waves) == {TEMPLATES}
        self.no_strays(repository.public)


class FirstStore(Scenario):
    """A store of hits is made."""

    def prepare(self) -> None:
        self.folder.mkdir()

    def change(self, done: Acknowledged) -> None:
        HitStore.open(self.folder / "hits", create=True).close()
        done.step()

    def judge(self, steps: int) -> None:
        assert (self.folder / "hits" / FILE_NAME).exists() or not steps
        with HitStore.open(self.folder / "hits", create=True) as store:
            assert store.hits() == ()
        assert {one.name for one in (self.folder / "hits").iterdir()} == {FILE_NAME}


INIT_AND_DIE = """
import os, sys
from edge.cli import execute
from edge.desk import folder
real = folder._write
def die(*arguments):
    real(*arguments)
    os.kill(os.getpid(), 9)
folder._write = die
execute(sys.argv[1:])
"""


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_desk_whose_making_was_killed_before_the_commit_is_made_anew(
    request: pytest.FixtureRequest, tmp_path: Path, store: str
) -> None:
    address: str | None = None
    if store == "postgresql":
        address = request.getfixturevalue("postgres").new_database()
    words: list[str | Path] = [
        "desk", "init", tmp_path / "desk", "--authority", AUTHORITY, "--person", FIRST,
        "--full-name", "An Peeters", "--mandate", "GR-2026/114", "--passphrase-file",
        passphrase_file(tmp_path, FIRST),
        *(() if address is None else ("--database", address)),
    ]  # fmt: skip
    assert run_program(INIT_AND_DIE, *words).status == -9
    status = ("desk", "status", "--desk", tmp_path / "desk")
    (line,) = verb(*status).error_lines
    assert "`edge-anpr desk init` was interrupted, run it again" in line

    assert verb(*words).status == 0
    assert "1 person, 0 rights wait" in verb(*status).out
    assert verb(*words).status == ExitCode.STORAGE


@pytest.mark.skipif(COMPILER is None, reason=NEEDS_COMPILER)
@pytest.mark.parametrize("scenario", [NewDesk, NewAuthority, ListForBoxes, Planned, FirstStore])
def test_a_command_that_was_killed_can_be_given_again(
    scenario: type[Scenario], tmp_path: Path
) -> None:
    kill_in_each_change(scenario, tmp_path, fewest=8, most=8)
