"""What the updater remembers: `journal.json`, replaced atomically before each step.

After a crash or power cut the next run reads the step here and continues it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field, ValidationError

from edge.adapters.state.last_update import UPDATE_NAME, LastUpdate
from edge.adapters.state.state_folder import read_file, replace_file, storage_error
from edge.formats.atomic_files import replacing
from edge.formats.strict import Grown, StrictMessage
from edge.formats.timestamps import UtcText
from edge.privacy.box_status import Outcome
from edge.updates.problems import UpdateStateError
from edge.updates.targets import Kind, VersionText

JOURNAL: Final = "journal.json"
_LARGEST: Final = 1024 * 1024


class HealthHeard(StrictMessage):
    """The state of a box in one moment.

    Attributes:
        state: `online`, or `safe` if its cameras are shut.
        reason: one word why; a code where it is safe.
        version: the version that answers; None if nothing runs, and the reason is in the log.
    """

    state: str = Field(max_length=40)
    reason: str = Field(max_length=80)
    version: str | None = Field(default=None, max_length=60)


class VersionChange(StrictMessage, Grown):
    """A change of version that is under way.

    Attributes:
        kind: what changes.
        before: the version to go back to; None: there was none.
        after: the new version.
        health: the box's state before; None if it did not run.
        phase: the step that is done next.
        tries: how often the trial began.
        why: why the box goes back; empty before.
        by_hand: whether a person asked to go back.
        stopped: True if somebody has stopped the service, so that it is not started again.
        started_in: the boot (`boot_id`) in which the updater has started the service; None before
            it stops it again. If the service is stopped later in that boot, a person has done it.
    """

    added: ClassVar[frozenset[str]] = frozenset({"stopped", "started_in"})

    kind: Kind
    before: VersionText | None
    after: VersionText
    health: HealthHeard | None
    phase: Literal["stopping", "trial", "returning"]
    tries: int = 0
    why: str = ""
    by_hand: bool = False
    stopped: bool | None = None
    started_in: str | None = Field(default=None, max_length=60)

    @property
    def name(self) -> str:
        """Kind and version of what is new."""
        return f"{self.kind}/{self.after}"


class Ended(StrictMessage):
    """How a change ended."""

    target: str
    outcome: Outcome
    why: str
    at: UtcText


class Journal(StrictMessage):
    """All that the updater remembers.

    Attributes:
        change: what is under way, or None.
        failed: why each failed version is not tried again, by kind and version.
        last: how the last change ended.
    """

    schema_: Literal["edge-anpr/update-journal/1"] = Field(
        default="edge-anpr/update-journal/1", alias="schema"
    )
    change: VersionChange | None = None
    failed: dict[str, str] = Field(default={})
    last: Ended | None = None


def load_journal(work: Path) -> Journal:
    """The journal; an empty one before the first change.

    Raises:
        UpdateStateError: it is damaged.
    """
    file = work / JOURNAL
    content = read_file(file, _LARGEST)
    if content is None:
        return Journal()
    try:
        return Journal.model_validate_json(content)
    except ValidationError:
        raise UpdateStateError(
            f"{file}: damaged, or of a newer version; look which version `current` names, start "
            "the box, and then delete this file"
        ) from None


def save_journal(work: Path, journal: Journal) -> None:
    """Write the journal; it is on disk when this returns."""
    replace_file(work / JOURNAL, journal.model_dump_json(by_alias=True, indent=1).encode() + b"\n")


def tell_box(state: Path, ended: Ended) -> None:
    """Leave the outcome in the state folder, for the box to report.

    The box can do without it, so a state folder that is missing is no error.
    """
    if not state.is_dir():
        return
    file = state / UPDATE_NAME
    told = LastUpdate(target=ended.target.replace("/", "-"), outcome=ended.outcome, at=ended.at)
    try:
        with replacing(file) as stream:
            stream.write(told.to_bytes())
            # Before it has its name: the box's user may change what a path leads to.
            owner = state.stat()
            os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
    except OSError as error:
        raise UpdateStateError(storage_error(file, error).message) from None
