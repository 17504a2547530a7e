"""Creates and opens the outbox's database file, and reserves disk space for its log.

Disk space is reserved in advance. While the reserve lasts, storing a hit works even if the disk is
full:

- The database file grows once to its final size. Its unused pages are on SQLite's free list:
  inserts take pages from it and deletes return them. The file never grows again
  (`max_page_count`).
- The write-ahead log is preallocated and then only overwritten. For that there is one connection,
  a checkpoint after at most `_CHECKPOINT_PAGES` pages, and no transaction larger than one payload.
  SQLite removes the log at a clean close, so a second hard link keeps its blocks until the next
  start.
- The exclusive locking mode keeps the log's index in memory, so there is no `-shm` file.

This needs a file system that overwrites in place (ext4, XFS, tmpfs). A copy-on-write file system
(btrfs, ZFS) needs new blocks for each write, whatever was reserved.

Formats: https://www.sqlite.org/fileformat2.html, sections 1.5 (free list) and 4 (WAL).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from edge.errors import OutboxError
from edge.formats.atomic_files import sync_folder

FILE_NAME = "outbox.sqlite3"
VERSION = 2
APPLICATION_ID = 0x414E5052  # "ANPR": identifies the file as an outbox
_PAGE_BYTES = 4096
OVERFLOW_BYTES = _PAGE_BYTES - 4  # an overflow page starts with the number of the next
_CHECKPOINT_PAGES = 256
# The log holds at most the pages before a checkpoint plus one transaction of the largest
# payload, each page with a frame header of 24 bytes.
_LOG_BYTES = 4 * 1024 * 1024
# Room for the schema, tree nodes and the few pages that a delete may need for balancing.
SPARE_PAGES = 32

_SCHEMA = """
CREATE TABLE hit (
    sequence INTEGER PRIMARY KEY,
    hit_id TEXT NOT NULL UNIQUE,
    camera TEXT NOT NULL,
    topic TEXT NOT NULL,
    receipt_required INTEGER NOT NULL,
    published INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE counter (value INTEGER NOT NULL);
INSERT INTO counter VALUES (0);
CREATE TABLE filler (bytes BLOB NOT NULL);
"""
# Since version 2, which also encrypts `hit.payload`.
KEYS_SCHEMA = """
CREATE TABLE item_key (
    hit_id TEXT PRIMARY KEY,
    retention_key TEXT NOT NULL,
    wrapped BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE keyring (id TEXT NOT NULL);
"""


class OutboxFull(OutboxError):  # noqa: N818 - reads as the state it names
    """No reserved space is left for this hit; hits that were stored before are safe."""

    default_code = "E_OUTBOX_FULL"


def log_of(path: Path) -> Path:
    """The path of a database's write-ahead log."""
    return path.with_name(f"{path.name}-wal")


def spare_of(path: Path) -> Path:
    """The path of the log's second hard link, which keeps its blocks between runs."""
    return path.with_name(f"{path.name}-spare")


def create_outbox(path: Path) -> None:
    """Create an empty outbox: SQLite writes it under another name, then it is renamed.

    `formats.atomic_files` cannot do this, since SQLite opens and syncs its files itself.
    """
    fresh = path.with_name(f"{path.name}-new")
    for leftover in (fresh, path.with_name(f"{path.name}-new-journal"), spare_of(path)):
        leftover.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_RDWR | os.O_CREAT, 0o600))
    with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as database:
        database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        database.executescript(_SCHEMA + KEYS_SCHEMA)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("PRAGMA journal_mode = WAL")
    fresh.replace(path)
    sync_folder(path.parent)


def place_log(path: Path) -> None:
    """Create a write-ahead log whose blocks are already on the disk."""
    log, spare = log_of(path), spare_of(path)
    if log.exists():
        spare.unlink(missing_ok=True)  # the process ended between link and close
    else:
        if not spare.exists():
            os.close(os.open(spare, os.O_RDWR | os.O_CREAT, 0o600))
        blank(spare)
        spare.rename(log)
    with log.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        # SQLite's recovery ends at zeros; it reads a log of zeros as empty.
        file.write(bytes(max(0, _LOG_BYTES - size)))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def blank(spare: Path) -> None:
    """Overwrite a log whose frames are all in the database; SQLite then reads it as empty."""
    if spare.exists():
        with spare.open("r+b") as file:
            file.write(bytes(spare.stat().st_size))
            file.flush()
            os.fsync(file.fileno())


def connect(path: Path) -> sqlite3.Connection:
    """Open the database for this process alone.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",
            "temp_store = MEMORY",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
        ):
            database.execute(f"PRAGMA {pragma}").fetchall()
    except sqlite3.Error:
        database.close()
        raise
    return database


def check(database: sqlite3.Connection, path: Path) -> int:
    """Check that the outbox is intact; returns its version, which this program can read."""
    application, version = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    )
    if application != APPLICATION_ID:
        raise OutboxError(f"{path}: not an outbox; move it out of the state folder")
    if not 1 <= version <= VERSION:
        raise of_another_version(path, version)
    verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _damaged(path)
    return int(version)


def of_another_version(path: Path, version: int) -> OutboxError:
    """The error of an outbox that this program neither reads nor upgrades."""
    return OutboxError(
        f"{path}: outbox of version {version}, this program writes version {VERSION}; "
        "run the version that made it until the outbox is empty, then move this file away",
        code="E_STATE_VERSION",
    )


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors in a block into errors with a cure."""
    try:
        yield
    except sqlite3.Error as error:
        raise database_error(path, error) from error


def _damaged(path: Path) -> OutboxError:
    return OutboxError(
        f"{path}: the outbox is damaged; move it away for recovery and start again",
        code="E_OUTBOX_DAMAGED",
    )


def database_error(path: Path, error: sqlite3.Error) -> OutboxError:
    """An error of one line for an SQLite error, see https://www.sqlite.org/rescode.html."""
    text = str(error)
    if "full" in text:
        return OutboxFull(f"{path}: the outbox or its disk is full; free disk space")
    if "not a database" in text or "malformed" in text:
        return _damaged(path)
    if "readonly" in text or "unable to open" in text:
        return OutboxError(f"{path}: cannot be written; make it writable for this user")
    if "locked" in text:
        return OutboxError(f"{path}: another program has it open; close it", code="E_STATE_LOCKED")
    if isinstance(error, sqlite3.ProgrammingError):
        return OutboxError(f"{path}: the outbox is closed")
    return OutboxError(f"{path}: {text}; check the disk")
