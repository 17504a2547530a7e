"""The safe state: no camera is open, and everyone who may know is told why.

A box enters it once and does not leave it: the process ends, and the next start asks again.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from edge.adapters.broker.publisher import Publisher
from edge.adapters.state.audit_log import AuditTrail
from edge.box.delivery import broker_options, build_publisher, follow_audit_log
from edge.box.health import BoxHealth
from edge.box.keys import load_authorities, load_own_keys
from edge.box.storage import open_storage, record, retention
from edge.errors import EdgeError
from edge.pipeline.ports import Clock
from edge.privacy.audit_events import StateChanged
from edge.site.folder import SiteFolder

CONNECT_S = 3.0
"""How long a box that stays shut tries to reach the broker."""
LISTEN_S = 1.0
"""How long it then stays connected. What the broker keeps for it arrives at once."""
POLL_S = 0.05

log = logging.getLogger(__name__)


class SafeState:
    """Enters the safe state; safe to call from any thread.

    Args:
        publisher: publishes that the box is safe.
        audit: records it.
        health: answers for the box's state, where the box runs.
    """

    def __init__(
        self,
        publisher: Publisher,
        audit: AuditTrail,
        health: BoxHealth | None = None,
    ) -> None:
        self._publisher = publisher
        self._audit = audit
        self._health = health
        self._shut: Callable[[EdgeError], None] = lambda _error: None

    def shuts(self, shut: Callable[[EdgeError], None]) -> None:
        """From now on shut the cameras with this; the run then ends with the error it is given."""
        self._shut = shut

    def enter(self, error: EdgeError, reason: str | None = None) -> None:
        """Shut every camera, then say why: to health, to the broker and in the audit log.

        An audit log that cannot be written is logged; the cameras are shut by then.

        Args:
            error: why.
            reason: one word for it; the error's code when left out.
        """
        reason = reason or error.code
        self._shut(error)
        if self._health is not None:
            self._health.enter("safe", reason)
        self._publisher.set_availability("safe", reason)
        record(self._audit, StateChanged("safe", reason))


def announce_refusal(site: SiteFolder, refused: EdgeError) -> None:
    """Record and publish why a box stays shut, deliver what waits, and receive what is kept.

    The broker may keep what opens the box: an order to resume, or a list. A demo box announces
    only a suspension. A failure is logged.

    Args:
        site: the checked site folder.
        refused: why no camera may be opened.
    """
    if site.policy.demo and refused.code != "E_SUSPENDED":
        return
    try:
        box_keys = load_own_keys(site.box)
        with open_storage(site.box, box_keys, retention(site.policy)) as storage:
            publisher = build_publisher(
                site.settings,
                site.policy,
                broker_options(site.settings, site.folder, site.broker_password(os.environ)),
                storage,
                load_authorities(site.rule_authorities).values(),
                box_keys,
            )
            SafeState(publisher, storage.audit).enter(refused)
            follow_audit_log(storage, publisher)
            publisher.start()
            _wait_for_kept_messages(publisher, storage.clock)
            publisher.stop()
    except EdgeError as error:
        log.warning("the refusal could not be recorded or told to the broker: %s", error)


def _wait_for_kept_messages(publisher: Publisher, clock: Clock) -> None:
    deadline = clock.monotonic() + CONNECT_S
    while not publisher.state.connected and clock.monotonic() < deadline:
        time.sleep(POLL_S)
    if publisher.state.connected:
        time.sleep(LISTEN_S)
