"""The state folder: private to this user, one process at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from edge.errors import OutboxError

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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: it cannot be opened or synced.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(file: Path, content: bytes) -> None:
    """Write or replace a file (mode 0600): after a crash it is the old one or the new one, whole.

    One writer at a time: what a killed one left unfinished is written over by the next.

    Raises:
        OSError: it could not be written; the old one is still there.
    """
    fresh = file.with_name(f".{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)
