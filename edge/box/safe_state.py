"""The safe state: all cameras are closed, and the reason is reported and recorded.

A box enters it once and does not leave it: the process ends, and the next start checks again. So
under a service manager a box leaves it by itself once the cause is gone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge.adapters.broker.messages import Availability
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.publisher import Publisher
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.service_manager import long_start
from edge.adapters.state.audit_log import AuditTrail
from edge.adapters.state.state_folder import is_locked
from edge.box.delivery import broker_options, build_delivery, follow_audit_log
from edge.box.health import BoxHealth
from edge.box.keys import load_authorities, load_own_keys
from edge.box.status_reports import StatusReports
from edge.box.storage import open_storage, record, retention
from edge.errors import EdgeError
from edge.formats.yaml_document import read_document
from edge.pipeline.ports import Clock
from edge.privacy.audit_events import StateChanged
from edge.site.folder import (
    SITE_FILE,
    BoxFolders,
    SiteFolder,
    broker_password,
    read_box_folders,
)
from edge.site.settings import Site

CONNECT_S = 3.0
"""How long a box that may open no camera tries to connect to the broker."""
LISTEN_S = 1.0
"""How long it then stays connected. Messages kept by the broker arrive at once."""
LIST_S = 300.0
"""How long it then waits for the body of a list that is being fetched."""
POLL_S = 0.05

log = logging.getLogger(__name__)


class SafeState:
    """Enters the safe state; safe to call from any thread.

    Args:
        publisher: publishes that the box is safe.
        audit: records it.
        health: reports the box's state; None if the box does not run.
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
        self._lock = threading.Lock()
        self._entered = False

    def shuts(self, shut: Callable[[EdgeError], None]) -> None:
        """Set the function that closes the cameras; it gets the error with which the run ends."""
        self._shut = shut

    def enter(self, error: EdgeError, reason: str | None = None) -> None:
        """Close every camera, then report the reason to health, broker and audit log.

        Only the first call does this; one cause often leads to further errors.

        If the audit log cannot be written, that is logged; the cameras are closed by then.

        Args:
            error: the reason.
            reason: one word for it; None: the error's code.
        """
        with self._lock:
            if self._entered:
                return
            self._entered = True
        reason = reason or error.code
        self._shut(error)
        if self._health is not None:
            self._health.enter("safe", reason)
        self._publisher.set_availability("safe", reason)
        record(self._audit, StateChanged("safe", reason))


def announce_refusal(site: SiteFolder, refused: EdgeError) -> None:
    """Record and publish why no camera is opened, deliver waiting hits, and receive messages.

    The broker may have kept a message that solves the problem: an order to resume, or a list. A
    demo box announces only a suspension. Where the box's files or keys cannot be used, only the
    availability is published. A failure is logged.

    Args:
        site: the checked site folder.
        refused: why no camera may be opened.
    """
    if site.policy.demo and refused.code != "E_SUSPENDED":
        return
    try:
        box_keys = load_own_keys(site.box)
        with open_storage(site.box, box_keys, retention(site.policy)) as storage:
            delivery = build_delivery(
                site,
                broker_options(site.settings, site.folder, site.broker_password(os.environ)),
                storage,
                load_authorities(site.rule_authorities, site.policy).values(),
                box_keys,
            )
            publisher = delivery.publisher
            SafeState(publisher, storage.audit).enter(refused)
            follow_audit_log(storage, publisher)
            status = StatusReports(site, box_keys, storage.clock, publisher.publish_status)
            publisher.follow(status.say)
            status.start()
            publisher.start()
            try:
                _wait_for_kept_messages(publisher, storage.clock)
                if not delivery.receiver.wait(0):
                    with long_start(os.environ, "fetching a list"):
                        delivery.receiver.wait(LIST_S)
            finally:
                status.stop()
                publisher.stop()
                delivery.receiver.close()
    except EdgeError as error:
        log.warning("the refusal could not be recorded: %s", error)
        _announce_only(site.box, site.settings, site.folder, refused)


class RefusalAnnouncer:
    """Announces the first refusal of a start with `announce_refusal`.

    Args:
        site: the checked site folder.
    """

    def __init__(self, site: SiteFolder) -> None:
        self._site = site
        self._announced = False

    def __call__(self, refused: EdgeError) -> None:
        """Announce this refusal, unless one was announced or another process runs the box."""
        if not self._announced and refused.code != "E_STATE_LOCKED":
            self._announced = True
            announce_refusal(self._site, refused)


def announce_unreadable(folder: Path, refused: EdgeError) -> None:
    """Publish why no camera is opened, where the site folder cannot be read as a whole.

    Only site.yaml is needed. A failure is logged.

    Args:
        folder: the site folder.
        refused: why it was refused.
    """
    try:
        box, settings = read_box_folders(folder), read_document(folder / SITE_FILE, Site).model
    except EdgeError:
        return  # no broker is known
    _announce_only(box, settings, folder, refused)


def _announce_only(box: BoxFolders, settings: Site, folder: Path, refused: EdgeError) -> None:
    """Publish the availability `safe` with the error's code, and nothing else.

    Does nothing while another process runs this box, since that one announces what it does.
    """
    if is_locked(box.state):
        return
    said = Availability(site=box.site, box=box.box, state="safe", reason=refused.code)
    deadline = time.monotonic() + CONNECT_S
    try:
        options = broker_options(settings, folder, broker_password(settings, folder, os.environ))
        topic = BoxTopics(box.site, box.box, frozenset()).availability
        with BrokerLink.open(
            # With the box's own client id the broker would give up its session.
            replace(options, client_id=f"{options.client_id}-safe"),
            cancelled=lambda: time.monotonic() > deadline,
        ) as link:
            link.publish(topic, said.payload(), retain=True, timeout_s=CONNECT_S)
    except EdgeError as error:
        log.info("the refusal could not be published: %s", error)


def _wait_for_kept_messages(publisher: Publisher, clock: Clock) -> None:
    deadline = clock.monotonic() + CONNECT_S
    while not publisher.state.connected and clock.monotonic() < deadline:
        time.sleep(POLL_S)
    if publisher.state.connected:
        time.sleep(LISTEN_S)
