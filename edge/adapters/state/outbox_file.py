"""The outbox's database file: making it, opening it, and reserving room for its log.

Room is reserved up front, so that a disk that fills up later fails no put and loses no hit
while the reserve lasts:

- The database file is grown once to its final size; the pages wait on SQLite's free list,
  puts take pages from it and deletes give them back. The file never grows again
  (`max_page_count`).
- The write-ahead log is preallocated and only ever overwritten: one connection, a checkpoint
  after at most `_CHECKPOINT_PAGES` pages, no transaction larger than one payload. SQLite removes
  the log at a clean close, so a second hard link keeps its blocks until the next start.
- The exclusive locking mode keeps the log's index in memory: there is no `-shm` file.

This holds for file systems that overwrite in place (ext4, XFS, tmpfs). One that copies on
write (btrfs, ZFS) asks for fresh blocks at each write, whatever was reserved.

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
APPLICATION_ID = 0x414E5052  # "ANPR": tells this file from any other SQLite database
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
# Since version 2; `hit.payload` is encrypted since then.
KEYS_SCHEMA = """
CREATE TABLE item_key (
    hit_id TEXT PRIMARY KEY,
    retention_key TEXT NOT NULL,
    wrapped BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE keyring (id TEXT NOT NULL);
"""


class OutboxFull(OutboxError):  # noqa: N818 - reads as the state it names
    """No reserved space is left for this hit; hits that were accepted are safe."""

    default_code = "E_OUTBOX_FULL"


def log_of(path: Path) -> Path:
    """SQLite's write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def spare_of(path: Path) -> Path:
    """The second name of the log, which keeps its blocks between runs."""
    return path.with_name(f"{path.name}-spare")


def create_outbox(path: Path) -> None:
    """Make an empty outbox whole: SQLite writes it under another name, then it is renamed.

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
    """Give SQLite a write-ahead log whose blocks are already on the disk."""
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
        # Zeros after the last frame end its recovery; a log of zeros only counts as empty.
        file.write(bytes(max(0, _LOG_BYTES - size)))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def blank(spare: Path) -> None:
    """Overwrite a log whose frames are all in the database; it then reads as empty."""
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
    """The version of a sound outbox, which is this program's or one that it upgrades."""
    application, version = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    )
    if application != APPLICATION_ID:
        raise OutboxError(f"{path}: this is no outbox; move it out of the state folder")
    if not 1 <= version <= VERSION:
        raise of_another_version(path, version)
    verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _damaged(path)
    return int(version)


def of_another_version(path: Path, version: int) -> OutboxError:
    """The refusal of an outbox that this program neither reads nor upgrades."""
    return OutboxError(
        f"{path}: outbox of version {version}, this program writes version {VERSION}; "
        "run the version that made it until it is empty, then move this file away",
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
        f"{path}: the outbox is damaged; move it aside for recovery and start again",
        code="E_OUTBOX_DAMAGED",
    )


def database_error(path: Path, error: sqlite3.Error) -> OutboxError:
    """One line for an SQLite error. Result codes: https://www.sqlite.org/rescode.html."""
    text = str(error)
    if "full" in text:
        return OutboxFull(f"{path}: the outbox is full, or its disk; free disk space")
    if "not a database" in text or "malformed" in text:
        return _damaged(path)
    if "readonly" in text or "unable to open" in text:
        return OutboxError(f"{path}: cannot be written; make it writable for this user")
    if "locked" in text:
        return OutboxError(f"{path}: another program has it open; close it", code="E_STATE_LOCKED")
    if isinstance(error, sqlite3.ProgrammingError):
        return OutboxError(f"{path}: the outbox is closed")
    return OutboxError(f"{path}: {text}; check the disk")
