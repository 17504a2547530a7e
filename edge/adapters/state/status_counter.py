"""The counter of a box's status statements: `status-counter.json` in the state folder.

A lost counter begins again at the seconds since 1970, which is more than any number of statements
before. So an honest box that has lost the file is never taken for a second one.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edge.adapters.state.state_folder import read_file, replace_file
from edge.formats.strict import StrictMessage
from edge.privacy.box_status import MAX_COUNTER

STATUS_COUNTER_NAME = "status-counter.json"
_MAX_BYTES = 4096


class _Counter(StrictMessage):
    schema_: Literal["edge-anpr/status-counter/1"] = Field(
        default="edge-anpr/status-counter/1", alias="schema"
    )
    counter: int = Field(ge=1, lt=MAX_COUNTER)


def next_counter(state_folder: Path, now: datetime) -> int:
    """The number of the next statement; it is on disk before it is returned.

    Args:
        state_folder: the box's.
        now: the wall clock, aware.

    Raises:
        OutboxError: the file cannot be read or written.
    """
    file = state_folder / STATUS_COUNTER_NAME
    content = read_file(file, _MAX_BYTES)
    try:
        following = _Counter.model_validate_json(content or b"").counter + 1
    except ValidationError:
        following = max(1, int(now.timestamp()))
    replace_file(file, _Counter(counter=following).model_dump_json(by_alias=True).encode())
    return following
