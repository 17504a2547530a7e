"""The file of an authority's store of hits: its tables, how it is made, what its errors mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from edge.adapters.state.audit_log import FILE_NAME as LOG_NAME
from edge.adapters.state.database import known_problem
from edge.adapters.state.state_folder import locked_folder
from edge.errors import OutboxError
from edge.formats.atomic_files import sync_folder

FILE_NAME = "inbox.sqlite3"
VERSION = 1
APPLICATION_ID = 0x414E5041  # "ANPA": identifies the file as a store of hits

SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS hit (
    hit_id TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    box TEXT NOT NULL,
    camera TEXT NOT NULL,
    rule TEXT NOT NULL,
    counter INTEGER NOT NULL,
    human_check_required INTEGER NOT NULL,
    observed_at TEXT NOT NULL,
    stored_at TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS hit_by_observation ON hit (observed_at);
CREATE TABLE IF NOT EXISTS review (
    hit_id TEXT PRIMARY KEY REFERENCES hit (hit_id) ON DELETE CASCADE,
    rule TEXT NOT NULL,
    reason TEXT,
    reviewed_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS purged_review (rule TEXT NOT NULL, reason TEXT, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS purged_hit (
    hit_id TEXT PRIMARY KEY,
    stored_at TEXT NOT NULL,
    purged_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS aside (
    payload_sha256 TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    why TEXT NOT NULL,
    received_at TEXT NOT NULL,
    payload BLOB NOT NULL
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""


LAST_PURGE = "CREATE TABLE IF NOT EXISTS last_purge (ran_at TEXT NOT NULL)"
"""The time by which hits were deleted last; a wrong clock is noticed by it."""


def require_new(path: Path) -> None:
    """Refuse a folder whose store is gone: a new one would hide that its hits are lost.

    Raises:
        OutboxError: `E_NO_STORE`.
    """
    if path.with_name(LOG_NAME).exists():
        raise OutboxError(
            f"{path}: missing, and the log beside it names hits of it; restore it from a backup, "
            "or name another folder",
            code="E_NO_STORE",
        )


def require_content(path: Path) -> None:
    """Refuse an empty file: SQLite would take it for a new store.

    Raises:
        OutboxError: `E_CORRUPT`.
    """
    if not path.stat().st_size:
        raise OutboxError(
            f"{path}: empty, so the hits that were in it are lost; restore it from a backup, or "
            "name another folder",
            code="E_CORRUPT",
        )


def create_store(path: Path) -> None:
    """Create an empty store of mode 0600; it has its name once it is whole.

    Raises:
        OSError: the folder cannot be written.
        OutboxError: the file cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with translated(path), locked_folder(path.parent):
        if path.exists():  # another process was faster
            return
        fresh = path.with_name(f".{FILE_NAME}.new")
        for left in (fresh, fresh.with_name(f"{fresh.name}-journal")):  # of a killed process
            left.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(SCHEMA)
        fresh.replace(path)
        sync_folder(path.parent)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors in a block into errors of one line with a cure."""
    try:
        yield
    except sqlite3.Error as error:
        raise known_problem(path, str(error)) or OutboxError(
            f"{path}: {type(error).__name__}; check the disk and the folder's permissions"
        ) from error
