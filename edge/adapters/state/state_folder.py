"""The state folder: private to this user, locked by one running box, its errors with a cure."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edge.errors import OutboxError
from edge.formats.atomic_files import write_file

# Wide enough for any pid; rewritten in place, so that a full disk cannot fail it.
_PID_WIDTH = 20


class StateLock:
    """An exclusive lock on a state folder; the kernel drops it when the process ends.

    Args:
        folder: created with mode 0700 when it does not exist.
        what: what the folder is, for messages.

    Raises:
        OutboxError: another process holds the folder, or it cannot be written.
    """

    def __init__(self, folder: Path, what: str = "state folder") -> None:
        path = folder / "state.lock"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(folder, error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(self._descriptor, str(os.getpid()).ljust(_PID_WIDTH).encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, _PID_WIDTH, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise OutboxError(
                f"{folder}: {what} in use by process {holder or 'unknown'}; "
                f"stop it, or give this one a {what} of its own",
                code="E_STATE_LOCKED",
            ) from error
        except OSError as error:
            os.close(self._descriptor)
            raise storage_error(folder, error) from error

    def release(self) -> None:
        """Let another process have the folder; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def private_folder(folder: Path) -> None:
    """Make a folder, and what is missing above it, for this user alone.

    Raises:
        OutboxError: it cannot be made.
    """
    try:
        for missing in [one for one in (*reversed(folder.parents), folder) if not one.exists()]:
            missing.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file for the moment of a change; waits while another process does.

    Unlike the folder's own lock this one is for short: the running box and a verb beside it
    take turns.

    Raises:
        OutboxError: the lock file cannot be made.
    """
    private_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_file(path: Path, max_bytes: int) -> bytes | None:
    """A small file of the state folder; None if there is none.

    What is larger than `max_bytes` comes cut off, one byte longer than that.

    Raises:
        OutboxError: it is there and cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(path, error) from error


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write or replace a file whole (`formats.atomic_files`); its folder is made if it is missing.

    Several processes may write at once: the last one's file stays.

    Raises:
        OutboxError: it cannot be written; the old one is as it was.
    """
    private_folder(path.parent)
    try:
        write_file(path, content, mode=mode)
    except OSError as error:
        raise storage_error(path, error) from error


def storage_error(path: Path, error: OSError) -> OutboxError:
    """One line for an operating-system error on a state file, with its cure."""
    reason = error.strerror or type(error).__name__
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return OutboxError(f"{path}: {reason}; free disk space", code="E_DISK_FULL")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return OutboxError(f"{path}: {reason}; make it writable for this user")
    if error.errno in {errno.ENOTDIR, errno.EEXIST, errno.EISDIR}:
        return OutboxError(f"{path}: {reason}; the state folder must be a folder")
    return OutboxError(f"{path}: {reason}; check the disk")
