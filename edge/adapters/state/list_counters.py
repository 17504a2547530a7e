"""The last accepted counter of each list, and sizes of permit lists: `list-counters.json`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edge.adapters.state.state_folder import read_file
from edge.errors import OutboxError
from edge.formats.identifiers import Id, Sha256
from edge.formats.strict import StrictMessage
from edge.policy.bundle_format import MAX_COUNTER
from edge.policy.shrunk_lists import ListSize, Peak, peaks_after
from edge.privacy.safeguards import Safeguards

COUNTERS_NAME = "list-counters.json"

_MAX_COUNTERS_BYTES = 1024 * 1024


class _Peak(StrictMessage):
    day: int = Field(ge=1)
    valid: int = Field(ge=0)


class LastBundle(StrictMessage):
    """The last accepted bundle; `valid` and `peaks` of a permit list only, since version 2."""

    counter: int = Field(ge=1, le=MAX_COUNTER)
    sha256: Sha256
    valid: int | None = Field(default=None, ge=0)
    peaks: tuple[_Peak, ...] | None = None

    def sizes(self) -> tuple[Peak, ...]:
        return tuple(Peak(one.day, one.valid) for one in self.peaks or ())


class ListCounters(StrictMessage):
    """The last accepted bundle of each list."""

    schema_: Literal["edge-anpr/list-counters/1", "edge-anpr/list-counters/2"] = Field(
        default="edge-anpr/list-counters/2", alias="schema"
    )
    lists: dict[Id, LastBundle] = Field(default={})

    def to_bytes(self) -> bytes:
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


def with_size(
    last: LastBundle,
    known: LastBundle | None,
    peaks: tuple[Peak, ...],
    now: datetime,
    size: ListSize,
    before: int | None,
) -> LastBundle:
    """The last bundle of a permit list, with the sizes that a later one is compared with."""
    if known is not None and known.valid is not None and known.sha256 == last.sha256:
        return known  # the same bundle again: a size is counted once
    after = peaks_after(peaks, now, size, before)
    kept = tuple(_Peak(day=peak.day, valid=peak.valid) for peak in after)
    return LastBundle(counter=last.counter, sha256=last.sha256, valid=size.valid, peaks=kept)


def read_counters(file: Path) -> ListCounters:
    """Read the last accepted counter of each list; empty if the file is missing.

    Raises:
        OutboxError: `E_LIST_COUNTERS`: it is damaged; or it cannot be read.
    """
    content = read_file(file, _MAX_COUNTERS_BYTES)
    if content is None:
        return ListCounters()
    try:
        counters = ListCounters.model_validate_json(content)
    except ValidationError:
        counters = None
    if counters is None or counters.to_bytes() != content:
        raise OutboxError(
            f"{file}: damaged, so the latest lists are unknown; restore a backup of it, or delete "
            "it and install the latest bundle of each list again",
            code="E_LIST_COUNTERS",
        )
    return counters


def require_counters(folder: Path, recorded: Safeguards) -> None:
    """Refuse counters in a state folder that are behind what the audit log records.

    Raises:
        OutboxError: `E_STATE_BEHIND`: a counter is missing or older.
        EdgeError: the counters cannot be read.
    """
    file = folder / COUNTERS_NAME
    held = read_counters(file).lists
    for list_id, last in recorded.lists.items():
        known = held.get(list_id)
        if known is None or (known.counter, known.sha256 == last.sha256) < (last.counter, True):
            raise OutboxError(
                f"{file}: the counter of list {list_id} is missing, or behind counter "
                f"{last.counter} in the audit log; restore the file, or install the latest bundle "
                "of this list again",
                code="E_STATE_BEHIND",
            )
