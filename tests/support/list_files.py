"""Lists as spreadsheets write them, for tests of how they are read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge.errors import ConfigError
from edge.policy.lists import ListFile, read_list_file
from tests.support.example_site import HEADER

BRUSSELS = ZoneInfo("Europe/Brussels")
COLUMNS = HEADER.strip().split(",")
CELLS = {
    "id": "p1",
    "plate": "1-ABC-234",
    "start": "2026-01-01",
    "end": "2026-12-31",
    "basis": "Council",
    "reason": "resident",
    "issuer": "Office",
}


def table(*rows: dict[str, str], columns: list[str] = COLUMNS, delimiter: str = ",") -> str:
    """A CSV file with these rows; a cell that is not named has its usual content."""
    lines = [columns, *([{**CELLS, **row}.get(name, "") for name in columns] for row in rows)]
    return "".join(delimiter.join(line) + "\n" for line in lines)


def read(folder: Path, content: str | bytes) -> ListFile:
    path = folder / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_list_file(path, zone=BRUSSELS, max_entries=1000)


def refusal(folder: Path, content: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, content)
    assert caught.value.code == "E_LIST"
    message = caught.value.message.replace(str(folder), "")
    assert "ABC" not in message
    assert "234" not in message
    return message


def plates(found: ListFile) -> list[str]:
    return [entry.plate.reveal() for entry in found.entries]


def notes(found: ListFile) -> dict[str, tuple[int, ...]]:
    return {note.what: note.lines for note in found.notes}


def period(found: ListFile) -> tuple[datetime, datetime]:
    (entry,) = found.entries
    return entry.start.astimezone(BRUSSELS), entry.end.astimezone(BRUSSELS)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BRUSSELS)
