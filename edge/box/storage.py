"""Opens a box's files: keys of waiting hits, outbox, audit log, archive and statistics."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from edge.adapters.host.system import SystemClock
from edge.adapters.state.archive import Archive
from edge.adapters.state.audit_log import AuditTrail, open_box_audit
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.state_version import require_known
from edge.adapters.state.statistics import StatisticsFile
from edge.domain.counting import coarse
from edge.errors import ConfigError, EdgeError
from edge.pipeline.ports import Clock
from edge.policy.model import Policy
from edge.privacy.audit_events import Deleted, Event
from edge.privacy.keys import BoxKeys
from edge.site.folder import BoxFolders, read_box_folders

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Storage:
    """The box's open files. `folder` is the state folder; retention is judged by `clock`."""

    folder: Path
    keyring: Keyring
    outbox: Outbox
    audit: AuditTrail
    archive: Archive
    statistics: StatisticsFile

    @property
    def clock(self) -> Clock:
        return self.keyring.clock


@contextlib.contextmanager
def open_storage(
    folders: BoxFolders, box_keys: BoxKeys, kept_for: Mapping[str, timedelta]
) -> Iterator[Storage]:
    """Open the box's files until the block ends; expired hits are destroyed first.

    Args:
        folders: the box's folders.
        box_keys: the box's keys, which sign the audit log.
        kept_for: how long a hit of each purpose may be kept; also applied to waiting hits of an
            older policy.

    Raises:
        EdgeError: a file cannot be opened, or another process has it open.
    """
    with (
        Keyring.open(folders.keyring, SystemClock()) as keyring,
        Outbox.open(folders.state, keyring, reserve_mib=folders.reserve_mib) as outbox,
        open_box_audit(folders, box_keys) as audit,
    ):
        outbox.shorten(kept_for)
        if outbox.unreadable:
            audit.append(Deleted("unreadable", None, coarse(outbox.unreadable)))
        statistics = StatisticsFile(folders.state)
        statistics.prune(keyring.clock.utc())
        yield Storage(folders.state, keyring, outbox, audit, Archive(folders.state), statistics)


def retention(policy: Policy) -> dict[str, timedelta]:
    """How long an undelivered hit of each purpose may be kept, by purpose."""
    return {
        name: timedelta(hours=purpose.retention_hours) for name, purpose in policy.purposes.items()
    }


def destroy_expired(site: Path) -> None:
    """Destroy the keys of expired hits, before anything else is done.

    A box whose policy is refused does not run, but its waiting hits must still expire on time. So
    this needs only site.yaml.

    Args:
        site: the site folder.

    Raises:
        EdgeError: a newer version has written to the state folder, the keyring is in use, or a key
            could not be destroyed.
    """
    try:
        folders = read_box_folders(site)
    except ConfigError:
        return  # reading the whole site folder reports this error together with all others
    if folders.keyring.exists():
        Keyring.open(folders.keyring, SystemClock()).close()
    # Checked last: expired keys are destroyed whatever version made the state folder.
    require_known(folders.state)


def record(audit: AuditTrail, event: Event) -> EdgeError | None:
    """Record an event of a box that is stopping; a failure is logged and returned, not raised."""
    try:
        audit.append(event)
    except EdgeError as error:
        log.warning("%s", error)
        return error
    return None
