"""The state folder: private to this user, one running box at a time, and files that are whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
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
    """Write a file: when this returns it is on disk, and until then the old one is.

    Writers may meet: the last one's file stays, whole.

    Raises:
        OutboxError: it cannot be written; the old one is as it was.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    private_folder(path.parent)
    try:
        _put(path, content, fresh, os.O_EXCL, mode)
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
    _put(file, content, file.with_name(f".{file.name}.new"), os.O_TRUNC, 0o600)


def _put(file: Path, content: bytes, fresh: Path, flag: int, mode: int) -> None:
    """Write beside a file, with one more flag of `open`, then take its place."""
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, mode)
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
