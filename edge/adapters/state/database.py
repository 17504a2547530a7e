"""SQLite transactions, and what SQLite's errors mean for a person."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge.errors import OutboxError

_ROOM: Final = 256 * 1024
"""Bytes that must be free, so that SQLite can make the files that it needs beside a database."""
_WITHOUT_ROOM: Final = ("disk I/O error", "unable to open", "readonly")
"""What SQLite says where there is no room for these files."""
_FULL: Final = "disk is full"
_KNOWN: Final = (
    # words of SQLite, what is wrong with its cure, code
    ((_FULL,), "disk full; free disk space", "E_DISK_FULL"),
    (("locked",), "locked by another process for too long; try again", "E_BUSY"),
    (
        ("malformed", "not a database", "no such table"),
        "damaged, or another kind of file; restore it from a backup",
        "E_CORRUPT",
    ),
    (("disk I/O error",), "the disk cannot be read or written; check it", "E_STORAGE"),
    (
        ("unable to open", "readonly"),
        "cannot be written by this user; give it the right to write",
        "E_STORAGE",
    ),
)


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one write transaction: all its changes are stored, or none.

    Raises:
        sqlite3.Error: the transaction could not be begun or committed.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def known_problem(path: Path, said: str) -> OutboxError | None:
    """The error of one line for what SQLite said; None if it is not a usual one.

    Python 3.10 gives no result code, so the text is compared (sqlite.org/rescode.html). It never
    holds stored values.

    Args:
        path: the database.
        said: the text of SQLite's error.
    """
    if "unable to open" in said and not path.exists():
        return OutboxError(f"{path}: missing; restore it from a backup")
    if any(one in said for one in _WITHOUT_ROOM) and _free_bytes(path) < _ROOM:
        said = _FULL
    for words, told, code in _KNOWN:
        if any(one in said for one in words):
            return OutboxError(f"{path}: {told}", code=code)
    return None


def _free_bytes(path: Path) -> float:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return float("inf")
