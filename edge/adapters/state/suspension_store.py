"""Stores the suspension state of a box, on disk before an order takes effect.

The audit log records each order. An order to suspend is stored first and recorded then, an order to
resume the other way round: if the process is killed in between, the box stays suspended. What the
log records counts even if the file is lost: an order that was obeyed before is accepted again only
if it is the last one of its key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from edge.adapters.state.state_folder import exclusive, read_file, replace_file
from edge.adapters.state.state_version import require_known
from edge.errors import EdgeError, OutboxError
from edge.formats.signing import PublicKey
from edge.policy.suspension import (
    MAX_STATE_BYTES,
    SuspensionError,
    SuspensionOrder,
    SuspensionState,
    SuspensionTerms,
    obeyed,
    parse_order,
    parse_state,
    replayed,
    restored,
)
from edge.privacy.audit_events import Event, SuspensionChanged
from edge.privacy.safeguards import Safeguards

FILE_NAME = "suspension.json"


class SuspensionStore:
    """The suspensions of a box. Safe to use from several threads and processes.

    Args:
        folder: the state folder.
        record: called with each change, for the audit log.
        proven: returns what the audit log proves.

    Raises:
        OutboxError: `E_STATE_VERSION`: a newer version has written to the folder.
    """

    def __init__(
        self,
        folder: Path,
        record: Callable[[Event], object] = lambda _event: None,
        proven: Callable[[], Safeguards] = Safeguards,
    ) -> None:
        require_known(folder)
        self._record = record
        self._proven = proven
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
            AuditError: it could not be recorded. An order to suspend is in force all the same.
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
            after, event = self._judged(order, before, terms)
            if event is not None and order.action == "resume":
                self._record(event)
            if after != before:
                replace_file(self._file, after.to_bytes())
        if event is not None and order.action == "suspend":
            self._record(event)
        return after

    def require(self, recorded: Safeguards) -> None:
        """Refuse a state that lacks an order which the audit log records.

        An order to suspend that is not recorded is in force too: recording it may have failed.

        Raises:
            OutboxError: `E_STATE_BEHIND`: the last order of a key is missing.
            EdgeError: the state cannot be read.
        """
        held = {PublicKey.parse(one.key).key_id: one.order for one in self.load().obeyed}
        for key_id, last in recorded.orders.items():
            order = held.get(key_id)
            digest = None if order is None else _digest(order)
            unrecorded = digest not in recorded.past_orders
            if digest == last.sha256 or (
                order is not None and order.action == "suspend" and unrecorded
            ):
                continue
            what = "suspends" if last.suspends else "resumes"
            raise OutboxError(
                f"{self._file}: lacks the order of key {key_id} that {what} this box, which the "
                "audit log records; restore the file, or have that order sent again or installed "
                "with `edge-anpr suspend install`, or have the key's holder send a new one",
                code="E_STATE_BEHIND",
            )

    def _judged(
        self, order: SuspensionOrder, before: SuspensionState, terms: SuspensionTerms
    ) -> tuple[SuspensionState, SuspensionChanged | None]:
        """The state after an order, and the change to record; None if it is recorded already."""
        try:
            recorded = self._proven()
        except EdgeError:
            if order.action == "resume":
                raise
            recorded = Safeguards()  # a damaged log must not keep the cameras open
        digest = _digest(order)
        if digest in recorded.past_orders:
            last = [key for key, one in recorded.orders.items() if one.sha256 == digest]
            if not last:
                raise replayed()
            if all(one.order != order for one in before.obeyed):
                return restored(order, before, last[0], terms), None
        after = obeyed(order, before, terms)
        return after, None if after == before else _event(after, before)


def _digest(order: SuspensionOrder) -> str:
    return hashlib.sha256(order.to_bytes()).hexdigest()


def _event(after: SuspensionState, before: SuspensionState) -> SuspensionChanged:
    (new,) = (one for one in after.obeyed if one not in before.obeyed)
    return SuspensionChanged(
        "suspended" if new.order.action == "suspend" else "resumed",
        _digest(new.order),
        PublicKey.parse(new.key).key_id,
    )
