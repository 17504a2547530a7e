"""The outcome of the last update of this box: `update.json` in the state folder.

The updater writes it; a running box reads it and names it in its status statement. It is no part
of what protects people: a missing or damaged file only means that nothing is said of an update.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edge.adapters.state.state_folder import read_file
from edge.errors import OutboxError
from edge.formats.strict import StrictMessage
from edge.formats.timestamps import UtcText
from edge.privacy.box_status import Outcome, Version

UPDATE_NAME = "update.json"
_MAX_BYTES = 4096


class LastUpdate(StrictMessage):
    """The last update of a box: what was to be installed, how that ended, and when."""

    schema_: Literal["edge-anpr/last-update/1"] = Field(
        default="edge-anpr/last-update/1", alias="schema"
    )
    target: Version
    outcome: Outcome
    at: UtcText

    def to_bytes(self) -> bytes:
        return self.model_dump_json(by_alias=True).encode()


def read_last_update(state_folder: Path) -> LastUpdate | None:
    """The last update; None if there was none, or the file cannot be read or understood."""
    try:
        content = read_file(state_folder / UPDATE_NAME, _MAX_BYTES)
        return None if content is None else LastUpdate.model_validate_json(content)
    except (OutboxError, ValidationError):
        return None
