"""Keeps the newest state of each box: signs of life, what it states of itself, its lease's end.

Proof is an audit checkpoint: the box has signed size and root of its log, and the log has grown
since the last one. So neither the broker nor an old message can make a box look alive. What the
availability message says (`safe`, `E_SUSPENDED`) is not signed: it is shown as what the box says.
A status statement is signed by the box (`edge.privacy.box_status`); boxes of earlier versions send
none. The end of a lease comes from the activation record, which a controller has signed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, case, false, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from edge.adapters.broker import topics
from edge.adapters.broker.messages import Availability
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import BOX_STATE
from edge.errors import AuditError
from edge.formats.timestamps import utc_text
from edge.policy.activation import ActivationRecord, require_signed
from edge.policy.model import Policy
from edge.privacy.box_status import MAX_BYTES, BoxStatus, BoxStatusError, verified_status
from edge.privacy.checkpoints import Checkpoint, box_log, parse_checkpoints
from edge.privacy.keys import BoxPublicKeys

SILENT_AFTER: Final = timedelta(days=1)
"""A box that has signed nothing new for so long counts as silent."""

LEASE_SOON: Final = timedelta(days=14)
SUSPENDED: Final = "E_SUSPENDED"
_LARGEST: Final = MAX_BYTES

_SHORT: Final = 16
_MOST_SEEN: Final = 32
"""Of so many statements a box state keeps the beginnings of the digests: about eight hours."""


class BoxStates:
    """Keeps the states of boxes. Implements `edge.authority.tail.StateKeeper`.

    Args:
        database: of the desk.
        boxes: public keys of the boxes, by site and box; messages of others are passed over.
        utc: the wall clock.
    """

    def __init__(
        self,
        database: DeskDatabase,
        boxes: Mapping[tuple[str, str], BoxPublicKeys],
        utc: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._boxes = boxes
        self._utc = utc

    def register(self) -> None:
        """Write down each box, so that one which never says anything is seen too.

        Raises:
            OutboxError: it could not be written.
        """
        if not self._boxes:
            return
        # In one order, so that consumers that start together do not wait for each other in turn.
        with self._database.writing() as connection:
            _require_rows(connection, sorted(self._boxes))

    def take_all(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Keep checkpoints and statements that are signed and newer, and what boxes say.

        Anything else is passed over: it proves nothing, and anyone on the broker may have sent it.

        Args:
            messages: topic and payload of each message, in the order in which they came.

        Raises:
            OutboxError: they could not be written; then none is.
        """
        changes = [one for one in (self._change(*message) for message in messages) if one]
        if not changes:
            return
        # In one order, so that two consumers do not wait for each other in turn.
        changes.sort(key=lambda one: (one.site, one.box))
        with self._database.writing() as connection:
            _require_rows(connection, [(one.site, one.box) for one in changes])
            for one in changes:
                one.make(connection)

    def _change(self, topic: str, payload: bytes) -> _StateChange | None:
        """What a message changes; None: nothing."""
        name = topics.parse(topic)
        if name is None or len(payload) > _LARGEST:
            return None
        keys = self._boxes.get((name.site, name.box))
        if keys is None:
            return None
        site, box, make = name.site, name.box, None
        if name.kind is topics.TopicKind.AUDIT:
            checkpoint = _signed_by(keys, payload)
            if checkpoint is not None:
                make = partial(self._keep_checkpoint, site, box, checkpoint)
        elif name.kind is topics.TopicKind.STATUS:
            with contextlib.suppress(BoxStatusError):
                status = verified_status(payload, keys, self._utc())
                make = partial(self._keep_status, status, keys.current)
        elif name.kind is topics.TopicKind.AVAILABILITY:
            said = _said(site, box, payload)
            if said is not None:
                make = partial(self._keep_said, said)
        return None if make is None else _StateChange(site, box, make)

    def _keep_checkpoint(
        self, site: str, box: str, checkpoint: Checkpoint, connection: Connection
    ) -> None:
        connection.execute(
            BOX_STATE.update()
            .where(
                BOX_STATE.c.box_id == _id(site, box),
                # The broker keeps the last checkpoint: the same one again proves nothing new.
                (BOX_STATE.c.log_size.is_(None)) | (BOX_STATE.c.log_size < checkpoint.size),
            )
            .values(
                log_size=checkpoint.size,
                root_sha256=checkpoint.root.hex(),
                proved_at=utc_text(self._utc()),
            )
        )

    def _keep_status(self, status: BoxStatus, current: str, connection: Connection) -> None:
        """Keep a statement that is newer, or note that a second box has made it.

        A box counts its statements, and its clock never goes back. So a later statement with no
        higher counter is of another box with the same keys, or of an older copy of its state. One
        that was kept before is neither: another consumer has sent it once more, and later. With
        new keys a box begins anew: who has stolen the old ones may have stated any counter.

        Args:
            status: verified.
            current: the id of the box's key in use.
            connection: in a transaction.
        """
        known, key = BOX_STATE.c, status.box_key_id
        mine = known.box_id == _id(status.site, status.box)
        digest = hashlib.sha256(status.to_bytes()).hexdigest()
        short, seen = digest[:_SHORT], func.coalesce(known.status_seen, "")
        now = utc_text(self._utc())
        anew = known.status_key.is_distinct_from(key) if key == current else false()
        newer = (known.status_counter.is_(None)) | (known.status_counter < status.counter)
        same_key = known.status_key.is_(None) | (known.status_key == key)
        values = {**_columns(status), "status_sha256": digest, "status_came_at": now}
        # What was proved under another key stays as it is; a later checkpoint need not be larger.
        of_old_key = anew & known.status_key.is_not(None)
        kept = connection.execute(
            BOX_STATE.update()
            .where(mine, anew | (same_key & newer))
            .values(
                **values,
                twin_at=case((anew, None), else_=known.twin_at),
                log_size=case((of_old_key, None), else_=known.log_size),
                status_seen=func.substr(literal(short).concat(seen), 1, _MOST_SEEN * _SHORT),
            )
        ).rowcount
        if not kept and short not in _seen(connection, mine):
            # The time that is stated may lie ahead, so that no other one would ever seem later.
            later = (known.status_said_at < status.said_at) | (
                known.status_came_at < status.said_at
            )
            connection.execute(
                BOX_STATE.update()
                .where(
                    mine,
                    known.status_key.in_({key, current}),
                    known.status_sha256 != digest,
                    later | (known.status_counter == status.counter),
                )
                .values(twin_at=now)
            )

    def _keep_said(self, said: Availability, connection: Connection) -> None:
        connection.execute(
            BOX_STATE.update()
            .where(
                BOX_STATE.c.box_id == _id(said.site, said.box),
                (BOX_STATE.c.state.is_distinct_from(said.state))
                | (BOX_STATE.c.reason.is_distinct_from(said.reason)),
            )
            .values(state=said.state, reason=said.reason, said_at=utc_text(self._utc()))
        )


def _seen(connection: Connection, mine: ColumnElement[bool]) -> set[str]:
    """The beginnings of the digests of a box's last statements; its row stays locked."""
    query = select(BOX_STATE.c.status_seen).where(mine).with_for_update()
    text = connection.execute(query).scalar_one() or ""
    return {text[at : at + _SHORT] for at in range(0, len(text), _SHORT)}


@dataclass(frozen=True, slots=True)
class _StateChange:
    """What one message changes in the row of its box."""

    site: str
    box: str
    make: Callable[[Connection], None]


def keep_lease(database: DeskDatabase, policy: Policy, record: ActivationRecord) -> bool:
    """Keep the end of a box's lease, unless a later record is known; returns whether it was kept.

    Args:
        database: of the desk.
        policy: the one that the record activates.
        record: signed by one of the policy's controllers.

    Raises:
        PolicyError: `E_LEASE`: the record is of another policy, or not by a controller.
        KeyFileError: `E_SIGNATURE`: the signature is not valid.
        OutboxError: it could not be written.
    """
    lease = record.lease
    require_signed(policy, lease.box, record)
    with database.writing() as connection:
        _require_row(connection, lease.site, lease.box)
        return bool(
            connection.execute(
                BOX_STATE.update()
                .where(
                    BOX_STATE.c.box_id == _id(lease.site, lease.box),
                    (BOX_STATE.c.lease_ends.is_(None))
                    | (BOX_STATE.c.lease_ends < lease.expires_at),
                )
                .values(
                    lease_ends=lease.expires_at,
                    lease_sha256=hashlib.sha256(record.text().encode()).hexdigest(),
                )
            ).rowcount
        )


def _signed_by(keys: BoxPublicKeys, payload: bytes) -> Checkpoint | None:
    """The checkpoint of this box's log that one of its keys has signed; None if it is none."""
    try:
        found = parse_checkpoints(payload)
    except AuditError:
        return None
    if len(found) != 1 or found[0].origin != box_log(keys.site, keys.box):
        return None
    return found[0] if found[0].signed_by(keys.signing_key) else None


def _said(site: str, box: str, payload: bytes) -> Availability | None:
    try:
        said = Availability.model_validate_json(payload)
    except ValidationError:
        return None
    return said if (said.site, said.box) == (site, box) else None


def _columns(status: BoxStatus) -> dict[str, object]:
    """A statement in the columns of the table."""
    policy, update = status.policy, status.update
    return {
        "status_counter": status.counter,
        "status_key": status.box_key_id,
        "status_said_at": status.said_at,
        "status_state": status.state,
        "status_reason": status.reason,
        "version": status.version,
        "weights_sha256": status.weights_sha256,
        "policy_sha256": None if policy is None else policy.sha256,
        "policy_version": None if policy is None else policy.version,
        "status_lease": None if policy is None else policy.lease_ends,
        "lists": json.dumps({one.list_: one.counter for one in status.lists}),
        "synchronised": status.clock.synchronised,
        "clock_steps": status.clock.steps,
        "temperature": status.temperature_c,
        "disk": status.disk_percent,
        "update_target": None if update is None else update.target,
        "update_outcome": None if update is None else update.outcome,
    }


def _require_row(connection: Connection, site: str, box: str) -> None:
    _require_rows(connection, [(site, box)])


def _require_rows(connection: Connection, boxes: Sequence[tuple[str, str]]) -> None:
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [{"box_id": _id(site, box), "site": site, "box": box} for site, box in boxes]
    connection.execute(dialect.insert(BOX_STATE).on_conflict_do_nothing(), rows)


def _id(site: str, box: str) -> str:
    return f"{site}/{box}"
