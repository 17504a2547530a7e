"""Open regular files only: a pipe or device in their place must not stop the caller."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular_file(path: Path) -> BinaryIO:
    """Open a regular file for reading, without waiting.

    Opening a named pipe normally waits until another process writes to it. Whoever may write to
    the folder could so stop a thread that reads its files.

    Raises:
        OSError: the file is missing, cannot be read, or is not a regular file (EINVAL).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", str(path))
