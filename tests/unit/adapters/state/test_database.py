"""What SQLite says becomes one line with a file, a cure and a code."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.adapters.state.database import known_problem


@pytest.mark.parametrize(
    ("said", "code", "cure"),
    [
        ("database or disk is full", "E_DISK_FULL", "free disk space"),
        ("database is locked", "E_BUSY", "try again"),
        ("database disk image is malformed", "E_CORRUPT", "restore it from a backup"),
        ("file is not a database", "E_CORRUPT", "restore it from a backup"),
        ("no such table: hit", "E_CORRUPT", "restore it from a backup"),
        ("disk I/O error", "E_STORAGE", "check it"),
        ("attempt to write a readonly database", "E_STORAGE", "give it the right to write"),
        ("unable to open database file", "E_STORAGE", "give it the right to write"),
    ],
)
def test_an_error_of_sqlite_has_a_code_and_a_cure(
    tmp_path: Path, said: str, code: str, cure: str
) -> None:
    (file := tmp_path / "store.sqlite3").touch()
    found = known_problem(file, said)
    assert found is not None
    assert found.code == code
    assert found.message.startswith(f"{file}: ")
    assert found.message.endswith(cure)


def test_a_missing_database_is_called_missing_and_an_unknown_error_is_left_to_the_caller(
    tmp_path: Path,
) -> None:
    found = known_problem(tmp_path / "gone", "unable to open database file")
    assert found is not None
    assert "missing; restore it from a backup" in found.message
    assert known_problem(tmp_path / "gone", "UNIQUE constraint failed: hit.hit_id") is None
