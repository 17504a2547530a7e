"""Sends a box's messages besides hits, such as availability, status, checkpoints and health.

Each has its own topic. What the broker refuses on one topic, or answers by closing the connection,
delays neither hits nor the other topics: it waits, is logged once, and is tried again later, after
ever longer times.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Literal

from edge.adapters.broker.holds import Holds, reason_text
from edge.adapters.broker.messages import Availability, Discovery, HealthMessage
from edge.adapters.broker.mqtt import FAILURE, BrokerLink, LinkLostError, TooLargeError, Will
from edge.adapters.broker.topics import BoxTopics
from edge.domain.counting import coarse
from edge.errors import PublishError

_LOG = logging.getLogger(__name__)

SEND_S = 3.0
"""How long to wait for the acknowledgement of one message."""

# Checkpoints of a week, one an hour: a witness should get them all if the broker is away for long.
_CHECKPOINTS_WAITING = 7 * 24
CUTS_BEFORE_HOLD = 3
"""A broker that closes the connection this often on the same message most likely refuses it."""


class SideMessages:
    """The messages besides hits that wait to be sent.

    The methods that add a message may be called from any thread, the others only from the
    publisher's.

    Args:
        topics: the closed list of this box's topics.
        address: the broker's address, for messages.
        holds: topics that the broker refuses.
    """

    def __init__(self, topics: BoxTopics, address: str, holds: Holds) -> None:
        self._topics = topics
        self._address = address
        self._holds = holds
        self._cuts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._availability = self._availability_of("online", "running")
        self._announced: Availability | None = None
        self._discovery_due = False
        self._health: HealthMessage | None = None
        self._answers: dict[str, bytes] = {}
        self._status: bytes | None = None
        self._checkpoints: deque[bytes] = deque(maxlen=_CHECKPOINTS_WAITING)

    # --- from any thread --------------------------------------------------------------------

    @property
    def availability(self) -> tuple[Literal["online", "safe"], str]:
        """The state that was set last, and why."""
        with self._lock:
            said = self._availability
        return ("safe" if said.state == "safe" else "online"), said.reason

    def set_availability(self, state: Literal["online", "safe"], reason: str) -> bool:
        """Publish the box's availability, now and after each reconnection.

        A box that is safe stays so, with its first reason: then this returns False.
        """
        availability = self._availability_of(state, reason)
        with self._lock:
            if self._availability.state == "safe":
                return False
            self._availability = availability
        return True

    def publish_health(self, counters: Mapping[str, int]) -> None:
        """Publish counters after rounding them; without a broker only the newest are kept."""
        health = HealthMessage(
            site=self._topics.site,
            box=self._topics.box,
            counters={name: coarse(count) for name, count in counters.items()},
        )
        with self._lock:
            self._health = health

    def publish_checkpoint(self, note: bytes) -> None:
        """Publish a checkpoint; if too many wait for the broker, the oldest are dropped."""
        with self._lock:
            self._checkpoints.append(note)

    def publish_list_answer(self, list_id: str, answer: bytes) -> None:
        """Publish an answer to a list's issuer; only the newest of each list is kept."""
        with self._lock:
            self._answers[list_id] = answer

    def publish_status(self, statement: bytes) -> None:
        """Publish the box's statement about itself; without a broker only the newest is kept."""
        with self._lock:
            self._status = statement

    # --- from the publisher's thread --------------------------------------------------------

    @property
    def refused(self) -> tuple[str, ...]:
        """The topics that the broker refuses."""
        return self._holds.refused

    def will(self) -> Will | None:
        """The last will; None while the broker refuses its topic, since some refuse both."""
        if self._topics.availability in self._holds.refused:
            return None
        lost = self._availability_of("offline", "connection-lost")
        return Will(self._topics.availability, lost.payload())

    def refuse_will(self) -> None:
        """Let availability wait: the broker accepts a connection only without the last will."""
        topic = self._topics.availability
        self._holds.hold(topic, self._refusal(topic, "as last will; allow it in its access list"))

    def connected(self) -> None:
        """Announce the box once more, at the beginning of a connection."""
        self._announced = None
        self._discovery_due = self._topics.home_assistant

    def send_due(self, link: BrokerLink) -> None:
        """Send what may be sent now.

        Raises:
            LinkLostError: the connection ended.
        """
        waiting = set(self._holds.waiting())
        if self._topics.availability not in waiting:
            self._announce(link)
        if self._discovery_due and self._topics.discovery not in waiting:
            payload = Discovery.of(self._topics).payload()
            self._discovery_due = not self._send(link, self._topics.discovery, payload, retain=True)
        if self._topics.status not in waiting:
            self._send_status(link)
        if self._topics.list_answer not in waiting:
            self._send_answers(link)
        if self._topics.audit not in waiting:
            self._send_checkpoints(link)
        if self._topics.health not in waiting:
            self._send_health(link)

    def take_leave(self, link: BrokerLink) -> None:
        """Send what may be sent now, and that the box is offline, unless it is safe.

        The retained message of a safe box keeps saying that it is safe, and why.

        Raises:
            LinkLostError: the connection ended.
        """
        self.send_due(link)
        with self._lock:
            safe = self._availability.state == "safe"
        if not safe and self._topics.availability not in self._holds.refused:
            stopped = self._availability_of("offline", "stopped")
            self._send(link, self._topics.availability, stopped.payload(), retain=True)

    def _announce(self, link: BrokerLink) -> None:
        with self._lock:
            wanted = self._availability
        if wanted != self._announced and self._send(
            link, self._topics.availability, wanted.payload(), retain=True
        ):
            self._announced = wanted

    def _send_status(self, link: BrokerLink) -> None:
        with self._lock:
            status = self._status
        if status is not None and self._send(link, self._topics.status, status, retain=True):
            with self._lock:
                if self._status is status:
                    self._status = None

    def _send_answers(self, link: BrokerLink) -> None:
        with self._lock:
            answers = dict(self._answers)
        for list_id, answer in answers.items():
            if not self._send(link, self._topics.list_answer, answer, retain=False):
                return
            with self._lock:
                if self._answers.get(list_id) == answer:
                    del self._answers[list_id]

    def _send_checkpoints(self, link: BrokerLink) -> None:
        while self._checkpoints:
            note = self._checkpoints[0]
            if not self._send(link, self._topics.audit, note, retain=True):
                return
            # It may have been dropped meanwhile.
            with self._lock, contextlib.suppress(ValueError):
                self._checkpoints.remove(note)

    def _send_health(self, link: BrokerLink) -> None:
        with self._lock:
            health = self._health
        if health is not None and self._send(
            link, self._topics.health, health.payload(), retain=False
        ):
            with self._lock:
                if self._health is health:
                    self._health = None

    def _send(self, link: BrokerLink, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Send one message; returns whether the broker has accepted it."""
        self._topics.require_publishable(topic)
        try:
            reason = link.publish(topic, payload, retain=retain, timeout_s=SEND_S)
        except TooLargeError as error:
            self._holds.hold(topic, error)
            return False
        except LinkLostError:
            self._count_cut(topic)
            raise
        self._cuts.pop(topic, None)
        if reason >= FAILURE:
            self._holds.hold(topic, self._refusal(topic, reason_text(reason)))
            return False
        if self._holds.release(topic):
            _LOG.info("broker %s: accepts %s again", self._address, topic)
        return True

    def _count_cut(self, topic: str) -> None:
        self._cuts[topic] = self._cuts.get(topic, 0) + 1
        if self._cuts[topic] >= CUTS_BEFORE_HOLD or topic in self._holds.refused:
            why = "by closing the connection; allow it in the broker's access list, or see its log"
            self._holds.hold(topic, self._refusal(topic, why))

    def _refusal(self, topic: str, why: str) -> PublishError:
        return PublishError(
            f"broker {self._address}: refuses {topic} {why}. Hits are sent all the same"
        )

    def _availability_of(
        self, state: Literal["online", "offline", "safe"], reason: str
    ) -> Availability:
        return Availability(
            site=self._topics.site, box=self._topics.box, state=state, reason=reason
        )
