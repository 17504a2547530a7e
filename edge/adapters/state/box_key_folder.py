"""The public keys of all boxes, for programs that run for months.

Boxes are enrolled, rotate their keys and are taken away while such a program runs. So it looks at
the files again, and reads them when one has changed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from edge.adapters.state.key_files import load_all_box_public_keys
from edge.errors import KeyFileError
from edge.privacy.key_formats import PUBLIC_ENDING
from edge.privacy.keys import BoxPublicKeys

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 5.0
"""How often the files' names, sizes and times are looked at."""

_PAUSE_FACTOR: Final = 20
"""A large fleet has thousands of files. The next look comes at the earliest after so many times the
duration of the last one."""

_Stamp = tuple[tuple[str, int, int, int, int], ...]


class BoxKeyFolder(Mapping[tuple[str, str], BoxPublicKeys]):
    """The public keys of boxes, by site and box, as their files are now.

    If the files cannot be read, the keys read before stay in use, and the log says why. Several
    threads may use it.

    Args:
        path: a public file, or a folder with those of all boxes.
        monotonic: a clock, seconds.

    Raises:
        KeyFileError: as `load_all_box_public_keys`, at the first reading.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._changes = 0
        self._stamp = _stamp(path)
        began = monotonic()
        self._keys = load_all_box_public_keys(path)
        self._look_after(began)

    def __getitem__(self, box: tuple[str, str]) -> BoxPublicKeys:
        return self._now()[box]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def changes(self) -> int:
        """How many times the keys have been read again."""
        self._now()
        return self._changes

    def _now(self) -> Mapping[tuple[str, str], BoxPublicKeys]:
        with self._lock:
            began = self._monotonic()
            if began >= self._next_look:
                stamp = _stamp(self._path)
                if stamp != self._stamp:
                    self._stamp = stamp
                    self._read()
                self._look_after(began)
            return self._keys

    def _read(self) -> None:
        try:
            self._keys = load_all_box_public_keys(self._path)
        except KeyFileError as error:
            _log.error("%s; the keys that were read before stay in use", error.message)
            return
        self._changes += 1
        _log.info("%s: read again; keys of %d boxes", self._path, len(self._keys))

    def _look_after(self, began: float) -> None:
        took = self._monotonic() - began
        self._next_look = began + max(LOOK_EVERY_S, _PAUSE_FACTOR * took)


def _stamp(path: Path) -> _Stamp | None:
    """What shows that a file was written, replaced, removed or given other rights.

    None: the folder cannot be read.
    """
    try:
        files = sorted(path.glob(f"*{PUBLIC_ENDING}")) if path.is_dir() else []
        facts = [(file.name, file.stat()) for file in [path, *files]]
    except OSError:
        return None
    return tuple(
        (name, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for name, one in facts
    )
