"""The part of a box's state that goes back with the program, and the part that never does.

Before a new version starts, the outbox and the statistics are copied. If the box goes back and the
older program cannot read what the newer one wrote, these two come back from the copy, and the newer
files are moved aside, not deleted.

Nothing else is ever copied or put back: suspension, list counters, the time that was seen,
policies, lists, keyring and audit log stay as the newer program left them. An older copy of one of
them could lift an order, bring a withdrawn list back, or keep keys whose time is over. If the older
program cannot read one of them, the box stays shut, and its own check says which file it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import stat
from pathlib import Path
from typing import Final

from edge.adapters.state import outbox_file
from edge.adapters.state.state_folder import is_locked
from edge.adapters.state.state_version import is_known, require_known
from edge.adapters.state.statistics import FILE_NAME as STATISTICS
from edge.errors import EdgeError, OutboxError
from edge.formats.atomic_files import replacing, sync_folder
from edge.updates.problems import UpdateStateError, explained

COPY: Final = "state-before"
NEWER: Final = "state-newer"

GOES_BACK: Final = (outbox_file.FILE_NAME, f"{outbox_file.FILE_NAME}-wal", STATISTICS)
"""The files that are copied, and that alone may be put back."""

SPARE_BYTES: Final = 16 * 1024 * 1024
"""So much must be free besides the copies, for the journal, the links and the box itself."""

_JOURNAL: Final = "-journal"
_BLOCK: Final = 1024 * 1024


def require_room(state: Path, work: Path, *, copies: bool) -> None:
    """Refuse a change of version that a full disk would stop half way.

    Args:
        state: the box's state folder.
        work: the updater's folder.
        copies: whether the state is copied, and later perhaps the newer one moved beside it.

    Raises:
        UpdateStateError: `E_DISK_FULL`.
    """
    with explained(work):
        found = [one.lstat().st_size for name in GOES_BACK if (one := state / name).is_file()]
        needs = {work: SPARE_BYTES + (2 * sum(found) if copies else 0), state: SPARE_BYTES}
        for folder, needed in needs.items():
            if folder.is_dir() and shutil.disk_usage(folder).free < needed:
                raise UpdateStateError(
                    f"{folder}: a change of version needs {needed // 2**20} MiB of free disk "
                    "space; free some",
                    code="E_DISK_FULL",
                )


def copy_state(state: Path, work: Path) -> None:
    """Copy what goes back; complete and on disk when this returns.

    Raises:
        UpdateStateError: the box still runs, or there is no room.
    """
    if is_locked(state):
        raise UpdateStateError(
            f"{state}: the box still runs, so nothing was copied; stop its service",
            code="E_STATE_LOCKED",
        )
    copy, fresh = work / COPY, work / f".{COPY}.new"
    with explained(work):
        for old in (copy, fresh):
            shutil.rmtree(old, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        for name in GOES_BACK:
            _copy(state / name, fresh / name)
        sync_folder(fresh)
        fresh.rename(copy)
        sync_folder(work)


def drop_copy(work: Path) -> None:
    """Delete the copy: the new version has proved healthy."""
    with explained(work):
        shutil.rmtree(work / COPY, ignore_errors=True)


def put_back(state: Path, work: Path, newer: str) -> str | None:
    """Put back what this program cannot read otherwise; returns why the box stays shut, or None.

    This program is the older one. It may be called again after a crash.

    Args:
        state: the box's state folder; no program uses it now.
        work: the updater's folder.
        newer: the version whose files are moved aside.

    Raises:
        UpdateStateError: a file cannot be copied or moved.
    """
    if is_locked(state):
        raise UpdateStateError(
            f"{state}: the box still runs, so nothing was put back; stop its service",
            code="E_STATE_LOCKED",
        )
    if not state.is_dir():
        return None
    copy, aside = work / COPY, work / NEWER / newer
    with explained(state):
        for first, *others in (GOES_BACK[:2], GOES_BACK[2:]):
            if (copy / first).is_file() and not _readable(state / first):
                for name in (first, *others):
                    _aside(state / name, aside)
                # The log of a database first: without it the database is only older, never torn.
                for name in (*others, first):
                    _copy(copy / name, state / name, owner=state)
                for ending in ("-spare", _JOURNAL):
                    (state / f"{first}{ending}").unlink(missing_ok=True)
        sync_folder(state)
    try:
        require_known(state)
    except EdgeError as error:
        return f"{error.code}: {error.message}"
    return None


def _readable(file: Path) -> bool:
    """Whether this program reads the version that a file has now."""
    try:
        if file.name == outbox_file.FILE_NAME:
            return _outbox_version(file) <= outbox_file.VERSION
        return file.exists() and is_known(file)
    except (sqlite3.Error, OutboxError):
        return False


def _outbox_version(file: Path) -> int:
    """The version of an outbox, also where it is still in the log only.

    Raises:
        sqlite3.Error: it is no database.
    """
    # Such a journal names a file that SQLite deletes, and the box never writes one beside its log.
    if file.is_symlink() or os.path.lexists(f"{file}{_JOURNAL}"):
        raise sqlite3.DatabaseError
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as database:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # no further file beside it
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def _aside(file: Path, folder: Path) -> None:
    """Move a file aside, to another file system if need be; what lies there already stays."""
    if not file.exists():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = sum(1 for one in folder.iterdir() if one.name.startswith(file.name))
    place = folder / (file.name if not number else f"{file.name}.{number}")
    _copy(file, place)
    sync_folder(folder)
    file.unlink()


def _copy(source: Path, target: Path, owner: Path | None = None) -> None:
    """Copy a file if it is there: complete, on disk, and atomically.

    Links are not followed: the updater may read more than the box, whose folder this is.
    """
    try:
        read = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(read, "rb") as stream, replacing(target, sole_writer=True) as copy:
        if not stat.S_ISREG(os.fstat(read).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(source))
        if owner is not None:
            belongs = owner.stat()
            os.fchown(copy.fileno(), belongs.st_uid, belongs.st_gid)
        shutil.copyfileobj(stream, copy, _BLOCK)
