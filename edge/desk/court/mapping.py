"""The mapping of a fines system: which field of a confirmed finding goes into which column.

    schema: edge-anpr/fines-mapping/1
    format: csv                     # or json
    rules: [permit-zone]            # those from which a fine may follow
    columns:
      - {field: case, column: Dossier}
      - {field: plate, column: Nummerplaat}
      - {field: observed_local, column: Tijdstip}

Only these fields leave the desk, in this order, and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from edge.formats.identifiers import Id
from edge.formats.strict import Strict
from edge.formats.visible import unseen_at
from edge.formats.yaml_document import read_document

FineField = Literal[
    "case", "finding", "finding_number", "plate", "region", "observed_at", "observed_local", "site",
    "box", "camera", "rule", "purpose", "authority", "policy", "officer", "officer_name", "role",
    "mandate", "decided_at", "decided_local",
]  # fmt: skip

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a spreadsheet program recognises a formula: also in the wide form of East Asian keyboards."""


def _column(name: str) -> str:
    if unseen_at(name) is not None or set(name) & set("\t\r\n"):
        raise ValueError("holds a character that cannot be seen; type the name again")
    if name != name.strip() or name.startswith(FORMULA):
        raise ValueError("begins or ends with a space, or begins with = + - or @; rename it")
    return name


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Brussels") from None
    return name


class FineColumn(Strict):
    """One column: the field of the finding, and the name under which it is written."""

    field: FineField
    column: Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_column)]


def _different(columns: tuple[FineColumn, ...]) -> tuple[FineColumn, ...]:
    if len({one.column for one in columns}) != len(columns):
        raise ValueError("two columns have the same name; rename one")
    return columns


class FineMapping(Strict):
    """The mapping file."""

    schema_: Literal["edge-anpr/fines-mapping/1"] = Field(alias="schema")
    format: Literal["csv", "json"]
    delimiter: Literal[",", ";", "\t"] = Field(default=";", description="Of CSV.")
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="Europe/Brussels", description="Of the fields that end in `_local`."
    )
    rules: Annotated[
        tuple[Id, ...],
        Field(min_length=1, max_length=64, description="Only their hits are exported."),
    ]
    columns: Annotated[
        tuple[FineColumn, ...],
        Field(min_length=1, max_length=64),
        AfterValidator(_different),
    ]


def read_mapping(file: Path) -> FineMapping:
    """Read a mapping.

    Raises:
        ConfigError: it cannot be read, or a field is unknown; names file, line and field.
    """
    return read_document(file, FineMapping).model
