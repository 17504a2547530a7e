"""Labels: CSV files that say what is to be seen, checked cell by cell."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path

from edge.domain.plates import PlateText
from edge.domain.tracking import edit_distance
from edge.errors import ConfigError


def read_table(
    file: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with its header, each with the line it ends on; cells stripped.

    Raises:
        ConfigError: the file cannot be read, a column is missing, unknown or given twice, or a
            row has more cells than the header.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            table = csv.DictReader(opened, strict=True)
            columns = [name.strip() for name in table.fieldnames or ()]
            table.fieldnames = columns
            rows = [(table.line_num, row) for row in table]
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); check --labels") from None
    except (UnicodeDecodeError, csv.Error):
        raise ConfigError(f"{file}: no CSV in UTF-8; save it as such") from None
    known = [*required, *optional]
    for column in required:
        if column not in columns:
            raise ConfigError(f"{file}:1: the column {column!r} is missing; add it")
    for column in columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"{file}:1: unknown column {column[:40]!r}; {hint}")
        if columns.count(column) > 1:
            raise ConfigError(f"{file}:1: the column {column!r} is there twice; keep one")
    found = []
    for line, row in rows:
        if None in row:
            raise ConfigError(f"{file}:{line}: more cells than columns; quote cells with commas")
        found.append((line, {name: (cell or "").strip() for name, cell in row.items()}))
    return found


def distance(one: PlateText, other: PlateText) -> int:
    """Edits from one plate to the other."""
    return edit_distance(one.reveal().encode(), other.reveal().encode())
