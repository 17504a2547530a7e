"""Compares the state folder with the audit log and its anchor, at each check of the gate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from edge.adapters.state import policy_state, suspension_store
from edge.adapters.state.list_counters import COUNTERS_NAME, require_counters
from edge.adapters.state.log_reader import LogReader
from edge.adapters.state.policy_state import PolicyState, require_clock
from edge.adapters.state.state_folder import file_look
from edge.adapters.state.suspension_store import SuspensionStore
from edge.errors import EdgeError
from edge.privacy.safeguards import Safeguards
from edge.site.folder import BoxFolders


class StateCheck:
    """A condition of the gate: nothing that the audit log records is missing from the state folder.

    That is the last order of each suspension key, the counter of each list, the policy in force
    with every earlier one, and the clock. Files are read again only after they have changed.

    Args:
        box: the box's ids and folders.
        demo: whether the policy has demo keys. Such a box may have no anchor, and its clock is
            not stored.
    """

    def __init__(self, box: BoxFolders, *, demo: bool) -> None:
        self._box = box
        self._demo = demo
        self._log = LogReader(box)
        self._checked: object = None

    def __call__(self, _now: datetime) -> EdgeError | None:
        """Return why no camera may be open, or None."""
        try:
            self.recorded()
        except EdgeError as error:
            return error
        return None

    def recorded(self) -> Safeguards:
        """What the audit log proves; the state folder has all of it.

        Raises:
            EdgeError: something is missing or older, or cannot be read.
        """
        proven = self._log.proven(in_use=not self._demo)
        seen = (proven, tuple(map(file_look, self._files())))
        if seen != self._checked:
            state = self._box.state
            SuspensionStore(state).require(proven)
            require_counters(state, proven)
            PolicyState(state).require(proven)
            self._checked = seen
        if not self._demo:
            require_clock(self._box.state, proven)
        return proven

    def _files(self) -> Iterator[Path]:
        state = self._box.state
        for name in (
            suspension_store.FILE_NAME,
            COUNTERS_NAME,
            policy_state.ACTIVATION,
        ):
            yield state / name
        yield state / policy_state.POLICIES
        yield from sorted((state / policy_state.POLICIES).glob("*.json"))
