"""A folder of a new fleet: what is there already stays, and no key of a failed attempt remains."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.adapters.host.system import random_bytes
from edge.errors import ConfigError, KeyFileError
from edge.fleet.making import MadeFleet, make_fleet

NOW = datetime(2026, 11, 30, 7, tzinfo=timezone.utc)
AUTHORITY = "police-zone"


def made(path: Path) -> MadeFleet:
    return make_fleet(path, AUTHORITY, "fleet.example", NOW, random_bytes)


def never_asked() -> str:
    pytest.fail("the passphrase of a key that cannot be made is asked for")


def private_keys(path: Path) -> list[Path]:
    return list(path.rglob("ca.key"))


def test_an_operators_own_folder_is_not_taken_for_a_draft(tmp_path: Path) -> None:
    notes = tmp_path / ".new" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine")

    made(tmp_path)

    assert notes.read_text() == "mine"


def test_an_authority_without_its_key_is_not_replaced(tmp_path: Path) -> None:
    made(tmp_path)
    (key,) = private_keys(tmp_path)
    key.unlink()

    with pytest.raises(KeyFileError, match=r"ca: has files but no ca\.key; restore that"):
        make_fleet(tmp_path, AUTHORITY, "fleet.example", NOW, random_bytes, never_asked)

    assert not private_keys(tmp_path)


def test_no_private_key_remains_where_its_folder_has_no_place(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "ca").symlink_to(tmp_path / "disk")

    with pytest.raises(ConfigError, match=r"ca: Not a directory; remove it"):
        made(tmp_path)

    assert not private_keys(tmp_path)


def test_a_missing_key_of_codes_is_named(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "ca" / "codes.key").unlink()

    with pytest.raises(KeyFileError, match=r"codes\.key: No such file"):
        made(tmp_path)


def test_a_link_in_the_place_of_the_draft_is_refused_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / ".fleet-init").symlink_to(precious)

    with pytest.raises(ConfigError, match=r"\.fleet-init: .*symbolic link; remove it"):
        made(tmp_path / "fleet")

    assert precious.is_dir()
