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

    def is_(*words: str) -> bool:
        return any(one in said for one in words)

    # Where there is no room for the files beside a database, SQLite says one of the latter three.
    elsewhere = is_("disk I/O error", "unable to open", "readonly")
    if is_("disk is full") or (elsewhere and _free_bytes(path) < _ROOM):
        return OutboxError(f"{path}: disk full; free disk space", code="E_DISK_FULL")
    if is_("locked"):
        told = f"{path}: locked by another process for too long; try again"
        return OutboxError(told, code="E_BUSY")
    if is_("malformed", "not a database"):
        told = f"{path}: damaged, or another kind of file; restore it from a backup"
        return OutboxError(told, code="E_CORRUPT")
    if is_("disk I/O error"):
        return OutboxError(f"{path}: the disk cannot be read or written; check it")
    if elsewhere:
        return OutboxError(f"{path}: cannot be written by this user; give it the right to write")
    return None


def _free_bytes(path: Path) -> float:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return float("inf")
