"""Stores the suspension state of a box, on disk before an order takes effect."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from edge.adapters.state.state_folder import exclusive, read_file, replace_file
from edge.adapters.state.state_version import require_known
from edge.formats.signing import PublicKey
from edge.policy.suspension import (
    MAX_STATE_BYTES,
    SuspensionError,
    SuspensionState,
    SuspensionTerms,
    obeyed,
    parse_order,
    parse_state,
)
from edge.privacy.audit_events import Event, SuspensionChanged

FILE_NAME = "suspension.json"


class SuspensionStore:
    """The suspensions of a box. Safe to use from several threads and processes.

    Args:
        folder: the state folder.
        record: called with each change, for the audit log, once it is on disk.

    Raises:
        OutboxError: `E_STATE_VERSION`: a newer version has written to the folder.
    """

    def __init__(self, folder: Path, record: Callable[[Event], object] | None = None) -> None:
        require_known(folder)
        self._record = record
        self._file = folder / FILE_NAME
        self._lock = folder / f"{FILE_NAME}.lock"

    def load(self) -> SuspensionState:
        """The suspension state now.

        Raises:
            SuspensionError: `E_SUSPENSION_STATE`: the file is damaged; no camera may be opened.
            OutboxError: it cannot be read; no camera may be opened.
        """
        content = read_file(self._file, MAX_STATE_BYTES)
        if content is None:
            return SuspensionState()
        try:
            return parse_state(content)
        except SuspensionError as error:
            raise SuspensionError(f"{self._file}: {error.message}", code=error.code) from None

    def take(self, data: bytes, terms: SuspensionTerms) -> SuspensionState:
        """Apply an order; the new state is on disk when this returns.

        Args:
            data: the order as it was received.
            terms: the keys whose orders this box accepts.

        Raises:
            SuspensionError: not an order for this box, replayed, or without effect.
            KeyFileError: `E_SIGNATURE`: not signed by the keys that the action needs.
            OutboxError: it could not be written.
        """
        order = parse_order(data)
        with exclusive(self._lock):
            try:
                before = self.load()
            except SuspensionError:
                # A damaged file suspends the box. An order to suspend replaces it; resuming fails.
                if order.action == "resume":
                    raise
                before = SuspensionState()
            after = obeyed(order, before, terms)
            if after != before:
                replace_file(self._file, after.to_bytes())
        if after != before and self._record is not None:
            self._record(_event(after, before))
        return after


def _event(after: SuspensionState, before: SuspensionState) -> SuspensionChanged:
    (new,) = (one for one in after.obeyed if one not in before.obeyed)
    return SuspensionChanged(
        "suspended" if new.order.action == "suspend" else "resumed",
        hashlib.sha256(new.order.to_bytes()).hexdigest(),
        PublicKey.parse(new.key).key_id,
    )
