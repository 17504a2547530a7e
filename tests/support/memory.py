"""Searches the memory of another process, as somebody with root rights on the box can.

A process may read the memory of one that it has started and that may leave a core dump.
"""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_CHUNK = 16 << 20
_PAGE = mmap.PAGESIZE
_ENTRY = 8
"""Bytes of /proc/PID/pagemap for a page: its highest two bits say swapped out and in memory."""

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r")


def forms(text: str) -> tuple[bytes, ...]:
    """The bytes that a text has in common in ASCII, UTF-8, UTF-16 and UTF-32, in both cases.

    Of UTF-16 and UTF-32 without the zeros at both ends, so that each finds both orders of bytes.
    """
    return tuple(
        spelling.encode(encoding).strip(b"\0")
        for spelling in (text.upper(), text.lower())
        for encoding in ("ascii", "utf-16-le", "utf-32-le")
    )


def is_in_memory(pid: int, text: str) -> bool:
    """Whether a text is in the memory of the process, in any of its `forms`."""
    wanted = forms(text)
    longest = max(map(len, wanted))
    return any(form in chunk for chunk in _memory(pid, longest) for form in wanted)


def _memory(pid: int, overlap: int) -> Iterator[bytes]:
    """What is in readable mappings; chunks of one run of pages overlap."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    with (
        Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory,
        Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pages,
    ):
        for line in maps:
            mapping = _MAPPING.match(line)
            if mapping is None or "[v" in line:  # the kernel's own pages cannot be read
                continue
            first, last = (int(part, 16) // _PAGE for part in mapping.groups())
            for begin, end in _used(pages, first, last):
                yield from _chunks(memory, begin * _PAGE, end * _PAGE, overlap)


def _used(pages: io.FileIO, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The runs of pages that the process has used: in memory or swapped out.

    Reading another one would only bring zeros, or a file from the disk, into its memory.
    """
    pages.seek(first * _ENTRY)
    entries = np.frombuffer(pages.read((last - first) * _ENTRY), dtype=np.uint64)
    used = np.concatenate([[0], entries >> np.uint64(62) != 0, [0]]).astype(np.int8)
    (edges,) = np.nonzero(np.diff(used))
    for begin, end in edges.reshape(-1, 2).tolist():
        yield first + begin, first + end


def _chunks(memory: io.FileIO, begin: int, end: int, overlap: int) -> Iterator[bytes]:
    kept = b""
    while begin < end:
        try:
            memory.seek(begin)
            data = memory.read(min(_CHUNK, end - begin))
        except (OSError, OverflowError, ValueError):
            return
        if not data:
            return
        yield kept + data
        kept, begin = data[-overlap:], begin + len(data)
