"""The newest state of each box: when it last proved that it lives, what it says, its lease's end.

Proof is an audit checkpoint: the box has signed size and root of its log, and the log has grown
since the last one. So neither the broker nor an old message can make a box look alive. What the
availability message says (`safe`, `E_SUSPENDED`) is not signed: it is shown as what the box says.
The end of a lease comes from the activation record, which a controller has signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from edge.adapters.broker import topics
from edge.adapters.broker.messages import Availability
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import BOX_STATE
from edge.errors import AuditError
from edge.formats.timestamps import parse_utc, utc_text
from edge.policy.activation import ActivationRecord, require_signed
from edge.policy.model import Policy
from edge.privacy.checkpoints import Checkpoint, box_log, parse_checkpoints
from edge.privacy.keys import BoxPublicKeys

SILENT_AFTER: Final = timedelta(days=1)
"""A box that has signed nothing new for so long counts as silent."""

LEASE_SOON: Final = timedelta(days=14)
SUSPENDED: Final = "E_SUSPENDED"
_LARGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class BoxStanding:
    """What the desk knows of a box.

    Attributes:
        proved_at: when its newest signed checkpoint came; None: none came yet.
        entries: how many entries its log had then.
        state: `online`, `safe` or `offline`, as it says; None: it has said nothing.
        reason: why, in one word or code, as it says.
        said_at: when it said so first.
        lease_ends: None: the desk has no activation record of it.
    """

    site: str
    box: str
    proved_at: datetime | None
    entries: int | None
    state: str | None
    reason: str | None
    said_at: datetime | None
    lease_ends: datetime | None

    @property
    def suspended(self) -> bool:
        """Whether the box says that an order suspends it."""
        return self.reason == SUSPENDED

    def silent(self, now: datetime) -> bool:
        """Whether it has not proved for long that it lives."""
        return self.proved_at is None or now - self.proved_at > SILENT_AFTER

    def lease_days(self, now: datetime) -> int | None:
        """Whole days until the lease ends; negative: it has ended."""
        return None if self.lease_ends is None else (self.lease_ends - now) // timedelta(days=1)

    def needs_attention(self, now: datetime) -> bool:
        """Whether it is silent, suspended, shut, or near the end of its lease."""
        near = self.lease_ends is not None and self.lease_ends - now < LEASE_SOON
        return self.silent(now) or self.state in {"safe", "offline"} or near


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

    def take(self, topic: str, payload: bytes) -> None:
        """Keep a checkpoint that is signed and newer, or what a box says of itself.

        Anything else is passed over: it proves nothing, and anyone on the broker may have sent it.

        Raises:
            OutboxError: it could not be written.
        """
        name = topics.parse(topic)
        if name is None or len(payload) > _LARGEST:
            return
        keys = self._boxes.get((name.site, name.box))
        if keys is None:
            return
        if name.kind is topics.TopicKind.AUDIT:
            checkpoint = _signed_by(keys, payload)
            if checkpoint is not None:
                self._keep_checkpoint(name.site, name.box, checkpoint)
        elif name.kind is topics.TopicKind.AVAILABILITY:
            said = _said(name.site, name.box, payload)
            if said is not None:
                self._keep_said(said)

    def _keep_checkpoint(self, site: str, box: str, checkpoint: Checkpoint) -> None:
        values = {
            "log_size": checkpoint.size,
            "root_sha256": checkpoint.root.hex(),
            "proved_at": utc_text(self._utc()),
        }
        with self._database.writing() as connection:
            _require_row(connection, site, box)
            connection.execute(
                BOX_STATE.update()
                .where(
                    BOX_STATE.c.box_id == _id(site, box),
                    # The broker keeps the last checkpoint: the same one again proves nothing new.
                    (BOX_STATE.c.log_size.is_(None)) | (BOX_STATE.c.log_size < checkpoint.size),
                )
                .values(values)
            )

    def _keep_said(self, said: Availability) -> None:
        with self._database.writing() as connection:
            _require_row(connection, said.site, said.box)
            connection.execute(
                BOX_STATE.update()
                .where(
                    BOX_STATE.c.box_id == _id(said.site, said.box),
                    (BOX_STATE.c.state.is_distinct_from(said.state))
                    | (BOX_STATE.c.reason.is_distinct_from(said.reason)),
                )
                .values(state=said.state, reason=said.reason, said_at=utc_text(self._utc()))
            )


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


def standings(database: DeskDatabase) -> tuple[BoxStanding, ...]:
    """What the desk knows of each box, by site and box.

    Raises:
        OutboxError: the database cannot be used.
    """
    order = (BOX_STATE.c.site, BOX_STATE.c.box)
    with database.reading() as connection:
        rows = connection.execute(select(BOX_STATE).order_by(*order)).all()
    return tuple(
        BoxStanding(
            row.site,
            row.box,
            _moment(row.proved_at),
            row.log_size,
            row.state,
            row.reason,
            _moment(row.said_at),
            _moment(row.lease_ends),
        )
        for row in rows
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


def _require_row(connection: Connection, site: str, box: str) -> None:
    _require_rows(connection, [(site, box)])


def _require_rows(connection: Connection, boxes: Sequence[tuple[str, str]]) -> None:
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [{"box_id": _id(site, box), "site": site, "box": box} for site, box in boxes]
    connection.execute(dialect.insert(BOX_STATE).on_conflict_do_nothing(), rows)


def _id(site: str, box: str) -> str:
    return f"{site}/{box}"


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_utc(text)
