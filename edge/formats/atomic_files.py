"""Atomic writing of files: after a crash or power cut there is either the old or the new file.

The content is written to a temporary file in the same folder, synced to disk and renamed; then the
folder is synced, so that the new name is on disk too when the function returns. The temporary file
is created with its final mode: other users can never read it, not even for a moment. The file of
`create_file` has no name until it is complete, so that a killed process leaves nothing behind.

The functions raise `OSError`; adapters turn it into an error with a cure, `unwritable` does so for
files that a user named.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from edge.errors import OutboxError

_STRAY: Final = re.compile(r"new|[0-9a-f]{8}")
"""The last part of a temporary name."""


def disk_full(path: Path, error: OSError) -> OutboxError | None:
    """The error `E_DISK_FULL` if a system error says that there is no room; else None."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return None
    return OutboxError(f"{path}: {error.strerror}; free disk space", code="E_DISK_FULL")


def unwritable(file: Path, error: OSError) -> OutboxError:
    """The error of one line for a file that a user named and that cannot be written."""
    reason = error.strerror or type(error).__name__
    return disk_full(file, error) or OutboxError(
        f"{file}: cannot be written ({reason}); check path and permissions"
    )


def write_file(file: Path, content: bytes, *, mode: int = 0o600, sole_writer: bool = False) -> None:
    """Write or replace a file.

    Args:
        file: its path; the folder exists.
        content: the whole new content.
        mode: permissions of the new file, less the process's umask.
        sole_writer: no other process writes this file at the same time. The temporary file then
            has a fixed name, and what a killed process left behind is removed by the next write.
            Otherwise several may write at once, and the file of the last one stays.

    Raises:
        OSError: it could not be written; the old file is still there.
    """
    with replacing(file, mode=mode, sole_writer=sole_writer) as stream:
        stream.write(content)


def create_file(file: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file that does not exist yet; an existing one is never overwritten.

    Raises:
        FileExistsError: there is a file of this name; it was not changed.
        OSError: it could not be written; there is no file of this name.
    """
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        nameless = _nameless(folder, mode)
        if nameless is None:
            _create_by_name(file, content, mode)
        else:
            with os.fdopen(nameless, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(nameless)
                # Unlike a rename, a link refuses to overwrite.
                os.link(f"/proc/self/fd/{nameless}", file.name, dst_dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)


def _nameless(folder: int, mode: int) -> int | None:
    """A new file without a name, for writing; None if the file system has no such files."""
    try:
        return os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, mode, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}:
            return None
        raise


def _create_by_name(file: Path, content: bytes, mode: int) -> None:
    """Create a file by way of a temporary name, which a killed process may leave behind."""
    fresh = _temporary(file, sole_writer=False)
    try:
        with _synced(fresh, mode) as stream:
            stream.write(content)
        os.link(fresh, file)
    finally:
        fresh.unlink(missing_ok=True)


def remove_strays(folder: Path, ending: str) -> None:
    """Delete temporary files that killed processes left in a folder.

    Args:
        folder: no other process writes such files there now; a missing one has none.
        ending: how the names of the files end that they were made for.

    Raises:
        OSError: one cannot be deleted.
    """
    strays = [
        path
        for path in folder.glob(f".*{ending}.*")
        if _STRAY.fullmatch(path.name.rpartition(".")[2])
    ]
    for path in strays:
        path.unlink(missing_ok=True)
    if strays:
        sync_folder(folder)


@contextlib.contextmanager
def replacing(file: Path, *, mode: int = 0o600, sole_writer: bool = False) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file when the block ends without an error.

    Arguments and errors as for `write_file`.
    """
    fresh = _temporary(file, sole_writer=sole_writer)
    if sole_writer:
        fresh.unlink(missing_ok=True)
    try:
        with _synced(fresh, mode) as stream:
            yield stream
        fresh.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk: after this, created and renamed files stay.

    Raises:
        OSError: the folder cannot be opened or synced.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(file: Path, *, sole_writer: bool) -> Path:
    return file.with_name(f".{file.name}.{'new' if sole_writer else secrets.token_hex(4)}")


@contextlib.contextmanager
def _synced(fresh: Path, mode: int) -> Iterator[BinaryIO]:
    """A new file for writing, on disk when the block ends."""
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
