"""Searches the memory of another process, as somebody with root rights on the box can.

A process may read the memory of one that it has started and that may leave a core dump.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 16 << 20
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
    """Whether a text is in any readable mapping of the process, in any of its `forms`."""
    wanted = forms(text)
    longest = max(map(len, wanted))
    return any(form in chunk for chunk in _memory(pid, longest) for form in wanted)


def _memory(pid: int, overlap: int) -> Iterator[bytes]:
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            mapping = _MAPPING.match(line)
            if mapping is None or "[v" in line:  # the kernel's own pages cannot be read
                continue
            begin, end = (int(part, 16) for part in mapping.groups())
            kept = b""
            while begin < end:
                try:
                    memory.seek(begin)
                    data = memory.read(min(_CHUNK, end - begin))
                except (OSError, OverflowError, ValueError):
                    break
                if not data:
                    break
                yield kept + data
                kept, begin = data[-overlap:], begin + len(data)
