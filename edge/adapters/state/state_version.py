"""Checks the versions of the files in a state folder before any of them is changed.

Each file says what it is: text files by the schema in their first member, the outbox and the
keyring in their headers. What an older version left is read, and brought up where it is opened.
What a newer one left is refused as a whole, since reading half of it could revive a list or lift a
suspension.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edge.adapters.state import outbox_file
from edge.adapters.state.state_folder import read_file
from edge.errors import OutboxError

KNOWN = {
    "clock": 1,
    "in-force": 1,
    "list-counters": 1,
    "statistics": 1,
    "suspension-state": 1,
}
"""The highest version of each schema that this program reads, which is the one that it writes."""

CURE = (
    "run the version that made it, or a newer one; do not delete it or put an older copy back, "
    "which could revive a list or lift a suspension"
)

_HEAD_BYTES = 4096
_MAX_LINES_BYTES = 64 * 1024 * 1024
_SCHEMA = re.compile(rb'"schema":\s*"edge-anpr/([a-z-]{1,40})/(\d{1,9})"')
_USER_VERSION = slice(60, 64)
_APPLICATION = slice(68, 72)


def require_known(folder: Path) -> None:
    """Refuse a state folder that a newer version has written to; nothing in it is changed.

    Raises:
        OutboxError: `E_STATE_VERSION`, with the file, its version and the cure; or a file cannot be
            read.
    """
    database = folder / outbox_file.FILE_NAME
    if database.is_file():
        _require_known_outbox(database)
    for file in _texts(folder):
        for name, version in _schemas(file):
            known = KNOWN.get(name)
            if known is not None and version > known:
                raise OutboxError(
                    f"{file}: {name} of version {version}, this program knows {known} and older; "
                    f"{CURE}",
                    code="E_STATE_VERSION",
                )


def _require_known_outbox(database: Path) -> None:
    """Check the version in the header; `Outbox.open` checks what is in the log only."""
    head = read_file(database, _HEAD_BYTES) or b""
    version = int.from_bytes(head[_USER_VERSION], "big")
    if int.from_bytes(head[_APPLICATION], "big") != outbox_file.APPLICATION_ID:
        return  # not ours, or damaged: `Outbox.open` reports it
    if version > outbox_file.VERSION:
        raise outbox_file.of_another_version(database, version)


def _texts(folder: Path) -> Iterator[Path]:
    for pattern in ("*.json", "*.jsonl", "policies/*.json"):
        yield from sorted(folder.glob(pattern))


def _schemas(file: Path) -> Iterator[tuple[str, int]]:
    """The schemas that a file names: one for a JSON document, one for each line of JSON lines."""
    if file.suffix == ".json":
        # The first that it says is the whole file's; a policy inside has one of its own.
        content = read_file(file, _HEAD_BYTES) or b""
        found = _SCHEMA.search(content)
        heads = [] if found is None else [found]
    else:
        lines = (read_file(file, _MAX_LINES_BYTES) or b"").splitlines()
        heads = [found for line in lines if (found := _SCHEMA.search(line)) is not None]
    for head in heads:
        yield head[1].decode(), int(head[2])
