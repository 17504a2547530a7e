"""The public keys of boxes follow their files while a program runs."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from edge.adapters.host.system import SystemClock
from edge.adapters.state.box_key_folder import LOOK_EVERY_S, BoxKeyFolder
from edge.adapters.state.key_files import load_box_keys
from edge.adapters.state.key_making import new_box_keys, rotate_box_keys
from edge.errors import KeyFileError

NOW = SystemClock().utc()
ONE, TWO = ("street", "box-1"), ("street", "box-2")


class Watch:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds the public file of the first box."""
    made = tmp_path / "boxes"
    made.mkdir(mode=0o755)
    shutil.copy(new_box_keys(tmp_path / "one", *ONE, NOW), made)
    return made


def test_a_box_that_is_enrolled_later_is_known_from_the_next_look_on(
    folder: Path, tmp_path: Path, watch: Watch
) -> None:
    keys = BoxKeyFolder(folder, watch)
    assert (set(keys), keys.changes()) == ({ONE}, 0)
    shutil.copy(new_box_keys(tmp_path / "two", *TWO, NOW), folder)

    watch.s += LOOK_EVERY_S - 0.1
    assert set(keys) == {ONE}, "the files are not looked at for each hit"
    watch.s += 0.2
    assert (set(keys), len(keys), keys.changes()) == ({ONE, TWO}, 2, 1)


def test_a_box_that_is_taken_away_is_unknown_from_the_next_look_on(
    folder: Path, tmp_path: Path, watch: Watch
) -> None:
    file = Path(shutil.copy(new_box_keys(tmp_path / "two", *TWO, NOW), folder))
    keys = BoxKeyFolder(folder, watch)
    file.unlink()
    watch.s += LOOK_EVERY_S

    assert keys.get(TWO) is None
    assert keys.get(ONE) is not None


def test_p10_a_stolen_key_counts_no_more_from_the_next_look_on(
    folder: Path, tmp_path: Path, watch: Watch
) -> None:
    keys = BoxKeyFolder(folder, watch)
    stolen = load_box_keys(tmp_path / "one").key_id
    assert keys[ONE].knows(stolen)
    shutil.copy(rotate_box_keys(tmp_path / "one", NOW, disown=True), folder)
    watch.s += LOOK_EVERY_S

    assert not keys[ONE].knows(stolen)
    assert keys[ONE].knows(load_box_keys(tmp_path / "one").key_id)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: next(folder.iterdir()).write_text("{"), "public.json"),
        (lambda folder: next(folder.iterdir()).unlink(), "no public keys of a box"),
        (shutil.rmtree, "boxes"),
        (lambda folder: folder.chmod(0o777), "go-w"),
    ],
    ids=["half a file", "no file", "no folder", "a folder for everybody"],
)
def test_p10_files_that_cannot_be_used_change_nothing_and_the_log_says_so_once(
    folder: Path,
    watch: Watch,
    caplog: pytest.LogCaptureFixture,
    damage: object,
    says: str,
) -> None:
    assert callable(damage)
    keys = BoxKeyFolder(folder, watch)
    before = keys[ONE]
    damage(folder)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            watch.s += LOOK_EVERY_S
            assert keys[ONE] == before

    (message,) = [one.getMessage() for one in caplog.records]
    assert says in message
    assert "the keys that were read before stay in use" in message
    assert keys.changes() == 0


def test_without_keys_at_the_start_nothing_begins(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        BoxKeyFolder(tmp_path)
