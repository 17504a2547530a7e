"""Counts by quarter that a controller publishes with the notice: `counts.json` in the site folder.

A count under ten is shown as "fewer than 10", even if the file holds the number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from edge.domain.counting import SMALLEST_SHOWN
from edge.errors import ConfigError
from edge.formats.identifiers import Id
from edge.formats.problems import path_text
from edge.formats.strict import Strict
from edge.formats.yaml_document import read_text_if_any

COUNTS_FILE = "counts.json"
MAX_BYTES = 256 * 1024

Count = Literal["<10"] | Annotated[int, Field(ge=0, le=10**12, strict=True)]


def shown(count: Count) -> int | None:
    """A count as it may be published; None stands for fewer than ten."""
    return count if isinstance(count, int) and count >= SMALLEST_SHOWN else None


class Quarter(Strict):
    """The counts of three months."""

    quarter: Annotated[str, Field(pattern=r"^20[0-9]{2}-Q[1-4]$", examples=["2026-Q3"])]
    vehicles: Count | None = Field(default=None, description="Vehicles counted, at all cameras.")
    reports: dict[Id, Count] = Field(default={}, description="Reports, by the rule's id.")


class PublishedCounts(Strict):
    """The content of `counts.json`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )

    schema_: Literal["edge-anpr/counts/1"] = Field(default="edge-anpr/counts/1", alias="schema")
    site: Id
    quarters: tuple[Quarter, ...] = Field(default=(), max_length=40)
    lists: dict[Id, Count] = Field(default={}, description="Entries now, by the list's id.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        quarters = [one.quarter for one in self.quarters]
        if quarters != sorted(set(quarters)):
            raise ValueError("quarters: write each once, the oldest first")
        return self


def read_counts(file: Path, site: str) -> PublishedCounts | None:
    """The counts beside a policy; None if there is no file.

    Raises:
        ConfigError: the file cannot be read, is not valid, or is of another site.
    """
    text = read_text_if_any(file, MAX_BYTES)
    if text is None:
        return None
    try:
        counts = PublishedCounts.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = path_text(first["loc"])
        raise ConfigError(
            f"{file}: {at}: {first['msg']}; see docs/notice.md for what it holds"
        ) from None
    if counts.site != site:
        raise ConfigError(f"{file}: site: these are the counts of another site; replace the file")
    return counts
