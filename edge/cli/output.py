"""What a command prints: JSON documents with a schema on stdout, notes on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime, timezone

import typer


def print_json(schema: str, document: Mapping[str, object], *, indent: int | None = None) -> None:
    """Print one JSON document that names its schema.

    Args:
        schema: `edge-anpr/<name>/<version>`.
        document: the other fields.
        indent: spaces for each level; None prints one line.
    """
    typer.echo(json.dumps({"schema": schema, **document}, indent=indent, ensure_ascii=False))


def time_text(moment: datetime, *, timespec: str = "auto") -> str:
    """A moment in UTC as ISO 8601 that ends in `Z`."""
    text = moment.astimezone(timezone.utc).isoformat(timespec=timespec)
    return text.replace("+00:00", "Z")


def place_text(day: str) -> str:
    """What a picture is that a person approved on a day, before the hit."""
    return f"the place, approved on {day}; not from the moment of the hit"


def note(text: str) -> None:
    """Print a line for a person on standard error."""
    sys.stderr.write(f"{text}\n")
