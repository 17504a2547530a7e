"""Creates, locks, reads and writes the state folder, with errors that name the cure."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge.errors import ConfigError, OutboxError
from edge.formats.atomic_files import create_file, disk_full, write_file
from edge.formats.regular_files import open_regular_file

# Wide enough for any pid; rewritten in place, so that it works on a full disk.
_PID_WIDTH = 20
_LOCK_NAME = "state.lock"


class StateLock:
    """An exclusive lock on a state folder; the kernel drops it when the process ends.

    Args:
        folder: the folder; created with mode 0700 if it is missing.
        what: the folder's kind, for messages.

    Raises:
        OutboxError: another process holds the folder, or it cannot be written.
    """

    def __init__(self, folder: Path, what: str = "state folder") -> None:
        path = folder / _LOCK_NAME
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
                f"stop that process, or use another {what}",
                code="E_STATE_LOCKED",
            ) from error
        except OSError as error:
            os.close(self._descriptor)
            raise storage_error(folder, error) from error

    def release(self) -> None:
        """Unlock the folder; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_locked(folder: Path) -> bool:
    """Whether another process holds a state folder; nothing in it is changed."""
    try:
        # Another user may own the folder: a FIFO in place of the file must not stop this process.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(folder / _LOCK_NAME, flags)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def private_folder(folder: Path) -> None:
    """Create a folder and its missing parents, for this user only.

    Raises:
        OutboxError: it cannot be created.
    """
    try:
        for missing in [one for one in (*reversed(folder.parents), folder) if not one.exists()]:
            missing.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; waits while another process holds it.

    Unlike the folder's own lock, it is held only during a change, so that a running box and
    another command can both make changes.

    Raises:
        OutboxError: the lock file cannot be created.
    """
    private_folder(path.parent)
    with _locked(path, os.O_RDWR | os.O_CREAT):
        yield


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder while the block runs; waits while another process holds it.

    It needs no lock file. A process that ends, or is killed, holds it no longer.

    Raises:
        OutboxError: the folder cannot be opened.
    """
    with _locked(folder, os.O_RDONLY | os.O_DIRECTORY):
        yield


@contextlib.contextmanager
def _locked(path: Path, flags: int) -> Iterator[None]:
    """Hold the lock of a file or folder, opened with these flags, while the block runs."""
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_file(path: Path, max_bytes: int) -> bytes | None:
    """The content of a small file of the state folder; None if the file is missing.

    At most `max_bytes` + 1 bytes are returned, so that a caller can detect a file that is too
    large.

    Raises:
        OutboxError: the file exists and cannot be read.
    """
    try:
        with open_regular_file(path) as file:
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(path, error) from error


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for this process only, until the block ends.

    Raises:
        OutboxError: `E_DISK_FULL` or `E_STORAGE`: there is no room for it, or no place.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="edge-anpr-", ignore_cleanup_errors=True)
    except FileNotFoundError:  # Python has tried to write a file in each of its places
        raise OutboxError(
            "no temporary folder such as /tmp can be written; free disk space, or name another "
            "one in the variable TMPDIR"
        ) from None
    except OSError as error:
        raise storage_error(Path(tempfile.gettempdir()), error) from error
    with made as folder:
        yield Path(folder)


def file_look(path: Path) -> tuple[int, ...] | None:
    """Inode, size and times of a file, which change with its content; None if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write or replace a file atomically (`formats.atomic_files`); creates its folder.

    If several processes write at once, the last one's file stays.

    Raises:
        OutboxError: it cannot be written; the old file is unchanged.
    """
    private_folder(path.parent)
    try:
        write_file(path, content, mode=mode)
    except OSError as error:
        raise storage_error(path, error) from error


def new_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file that a person has named and that does not exist yet.

    Nothing remains of one that cannot be written.

    Raises:
        OutboxError: it exists, or cannot be written.
    """
    try:
        create_file(path, content, mode=mode)
    except FileExistsError:
        raise OutboxError(f"{path}: exists already; name another file") from None
    except OSError as error:
        raise storage_error(path, error) from error


def written_once(file: Path, text: str) -> bool:
    """Write a text that everybody may read; False if the file is there already, and stays so.

    Its folder is created.

    Raises:
        OutboxError: `E_DISK_FULL`: there is no room for it.
        ConfigError: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        create_file(file, text.encode(), mode=0o644)
    except FileExistsError:
        return False
    except OSError as error:
        raise disk_full(file, error) or ConfigError(
            f"{file}: {error.strerror}; name a folder that can be written"
        ) from None
    return True


def storage_error(path: Path, error: OSError) -> OutboxError:
    """An error of one line, with its cure, for a system error on a state file."""
    reason = error.strerror or type(error).__name__
    full = disk_full(path, error)
    if full is not None:
        return full
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return OutboxError(f"{path}: {reason}; make it writable for this user")
    if error.errno in {errno.ENOTDIR, errno.EEXIST, errno.EISDIR}:
        return OutboxError(f"{path}: {reason}; use a folder as the state folder")
    return OutboxError(f"{path}: {reason}; check the disk")
