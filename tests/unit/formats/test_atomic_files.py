"""Atomic files: complete, with their mode, and without temporary files left."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edge.formats.atomic_files import create_file, remove_strays, replacing, write_file


@pytest.mark.parametrize("sole_writer", [False, True])
def test_a_file_is_written_and_replaced_with_its_mode(tmp_path: Path, sole_writer: bool) -> None:
    file = tmp_path / "file"

    write_file(file, b"one", sole_writer=sole_writer)
    write_file(file, b"two", mode=0o640, sole_writer=sole_writer)

    assert file.read_bytes() == b"two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("sole_writer", [False, True])
def test_an_interrupted_replacement_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, sole_writer: bool
) -> None:
    file = tmp_path / "file"
    write_file(file, b"old")

    def interrupted() -> None:
        with replacing(file, sole_writer=sole_writer) as stream:
            stream.write(b"half of the new")
            stream.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_not_visible_before_it_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "file"

    with replacing(file) as stream:
        stream.write(b"new")
        assert not file.exists()
        (fresh,) = tmp_path.iterdir()
        assert stat.S_IMODE(fresh.stat().st_mode) == 0o600

    assert file.read_bytes() == b"new"


def test_a_sole_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    file = tmp_path / "file"
    leftover = tmp_path / ".file.new"
    leftover.write_bytes(b"much longer than the new content")
    leftover.chmod(0o644)

    write_file(file, b"new", sole_writer=True)

    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_never_replaces_an_existing_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    create_file(file, b"first", mode=0o644)

    with pytest.raises(FileExistsError):
        create_file(file, b"second")

    assert file.read_bytes() == b"first"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_with_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (tmp_path / ".file.new").symlink_to(victim)

    write_file(tmp_path / "file", b"new", sole_writer=True)

    assert victim.read_bytes() == b"untouched"
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("write", [write_file, create_file])
def test_a_missing_folder_is_an_operating_system_error(tmp_path: Path, write: object) -> None:
    assert callable(write)
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "missing" / "file", b"x")

    assert list(tmp_path.iterdir()) == []


def test_strays_of_one_ending_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    strays = [".a.private.json.0f3c9a11", ".b.private.json.new"]
    others = ["a.private.json", ".a.public.json.0f3c9a11", ".a.private.json.txt", "a.new"]
    for name in (*strays, *others):
        (tmp_path / name).write_bytes(b"x")

    remove_strays(tmp_path, ".private.json")

    assert {path.name for path in tmp_path.iterdir()} == set(others)
    remove_strays(tmp_path / "missing", ".private.json")
