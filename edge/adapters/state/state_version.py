"""Checks the versions of the files in a state folder before any of them is changed.

Each file names its version: text files by the schema in their first member, the outbox and the
keyring in their headers. Files of an older version are read, and upgraded when they are opened. If
a single file is of a newer version, the whole folder is refused, since reading a part of it could
put an old list back in force or lift a suspension.
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
    "list-counters": 2,
    "statistics": 1,
    "suspension-state": 1,
}
"""The highest version of each schema that this program reads. It writes the same version."""

CURE = (
    "run the version that made it, or a newer one; do not delete it or restore an older copy, "
    "which could put an old list back in force or lift a suspension"
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
                    f"{file}: {name} of version {version}, this program supports {known} and "
                    f"older; {CURE}",
                    code="E_STATE_VERSION",
                )


def is_known(file: Path) -> bool:
    """Whether this program reads every schema that a text file of a state folder names.

    Raises:
        OutboxError: the file cannot be read.
    """
    return all(version <= KNOWN.get(name, version) for name, version in _schemas(file))


def _require_known_outbox(database: Path) -> None:
    """Check the version in the header; `Outbox.open` checks a version that is only in the log."""
    head = read_file(database, _HEAD_BYTES) or b""
    version = int.from_bytes(head[_USER_VERSION], "big")
    if int.from_bytes(head[_APPLICATION], "big") != outbox_file.APPLICATION_ID:
        return  # not an outbox, or damaged: `Outbox.open` reports it
    if version > outbox_file.VERSION:
        raise outbox_file.of_another_version(database, version)


def _texts(folder: Path) -> Iterator[Path]:
    for pattern in ("*.json", "*.jsonl", "policies/*.json"):
        yield from sorted(folder.glob(pattern))


def _schemas(file: Path) -> Iterator[tuple[str, int]]:
    """The schemas that a file names: one for a JSON document, one for each line of JSON lines."""
    if file.suffix == ".json":
        # The first schema is the file's own; a policy inside has another.
        content = read_file(file, _HEAD_BYTES) or b""
        found = _SCHEMA.search(content)
        heads = [] if found is None else [found]
    else:
        lines = (read_file(file, _MAX_LINES_BYTES) or b"").splitlines()
        heads = [found for line in lines if (found := _SCHEMA.search(line)) is not None]
    for head in heads:
        yield head[1].decode(), int(head[2])
