"""The publisher thread: delivers sealed hits from the outbox to the broker.

It sends one hit at a time, oldest first, which keeps the order of each camera's hits. With QoS 1 a
broker takes hundreds of hits a second, far more than a street produces. A hit leaves the outbox
when the broker has acknowledged it or, where its authority sends receipts, when a verified receipt
has come.

When the broker refuses a hit, all hits of that camera wait, so that their order is kept. If a hit
is too large, or the broker keeps closing the connection on it, only this hit waits and is tried
again later, so that it does not delay the others.

The same connection receives messages; see `reception`. An order to suspend takes effect at once,
even while the broker is slow to acknowledge a hit.

Packet types and counts are logged, never payloads.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from edge.adapters.broker.messages import Availability, Discovery, HealthMessage
from edge.adapters.broker.mqtt import (
    FAILURE,
    NO_MATCHING_SUBSCRIBERS,
    PACKET_TOO_LARGE,
    BrokerLink,
    LinkLostError,
    Message,
    TooLargeError,
    Will,
)
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.reception import MessageHandler, ReceiptVerifier, Reception
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.state.outbox import Outbox, QueuedHit
from edge.domain.counting import coarse
from edge.errors import EdgeError, PublishError
from edge.pipeline.ports import Clock

_LOG = logging.getLogger(__name__)

_IDLE_S = 0.1
_DRAIN_POLL_S = 0.02
_EXPIRY_CHECK_S = 5.0
# Timeout for all messages other than hits.
_SHORT_S = 3.0
# Checkpoints of a week, one an hour: a witness should get them all if the broker is away for long.
_CHECKPOINTS_WAITING = 7 * 24
# A broker that closes the connection this often on the same hit most likely refuses the hit.
_CUTS_BEFORE_HOLD = 3


@dataclass(frozen=True, slots=True)
class PublisherLimits:
    """Size limits and waiting times of the publisher; times in seconds.

    Args:
        payload_cap_bytes: a larger hit is not sent.
        message_expiry_s: how long a broker may keep an undelivered hit.
        receipt_wait_s: wait for a receipt before a hit is published again; doubles up to
            `longest_hold_s`.
        first_hold_s: wait after the broker refused a hit; doubles up to `longest_hold_s`.
        longest_hold_s: the longest wait.
    """

    payload_cap_bytes: int = 112 * 1024
    message_expiry_s: int = 604_800
    receipt_wait_s: float = 15.0
    first_hold_s: float = 5.0
    longest_hold_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class PublisherState:
    """The publisher's counts so far; `problem` is why it cannot deliver now, or None."""

    connected: bool
    connections: int
    acknowledged: int
    receipts: int
    expired: int
    problem: EdgeError | None


@dataclass(slots=True)
class _RetryDelay:
    """The time at which a delayed hit may be sent again; each delay is twice the one before."""

    first_s: float
    due: float = 0.0
    times: int = 0

    def extend(self, now: float, longest_s: float) -> None:
        # 2**20 seconds is longer than any delay; without a bound the power would overflow.
        self.due = now + min(self.first_s * 2.0 ** min(self.times, 20), longest_s)
        self.times += 1


def reconnect_delay_s(attempt: int, away_s: float, jitter: float) -> float:
    """How long to wait before the next attempt to connect.

    Args:
        attempt: failed attempts so far, 1 and up.
        away_s: seconds since the connection was lost.
        jitter: 0 to 1, so that boxes do not reconnect all at once.

    Returns:
        At most 1 s in the first minute, at most 10 s later, at least half of it.
    """
    ceiling = 1.0 if away_s < 60.0 else 10.0
    return min(ceiling, 0.1 * 2.0 ** min(attempt, 10)) * (0.5 + 0.5 * jitter)


class Publisher:
    """Delivers the outbox's hits until stopped.

    Args:
        outbox: the hits.
        options: broker address and credentials; the broker need not be reachable.
        topics: the closed list of this box's topics.
        verify_receipt: verifies a receipt's signature.
        clock: the keyring's clock, for waiting times and retention.
        jitter: returns numbers from 0 to 1, such as `random.random`.
        limits: sizes and times.
        handlers: handlers of messages other than receipts, by topic of this box. The handler of
            the command topic is called at once.
    """

    def __init__(
        self,
        outbox: Outbox,
        options: BrokerOptions,
        topics: BoxTopics,
        verify_receipt: ReceiptVerifier,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        limits: PublisherLimits | None = None,
        handlers: Mapping[str, MessageHandler] = MappingProxyType({}),
    ) -> None:
        self._reception = Reception(topics, handlers, verify_receipt, outbox, clock.monotonic)
        self._outbox = outbox
        self._options = options
        self._topics = topics
        self._clock = clock
        self._jitter = jitter
        self._limits = limits or PublisherLimits()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._availability = self._availability_of("online", "running")
        self._health: HealthMessage | None = None
        self._checkpoints: deque[bytes] = deque(maxlen=_CHECKPOINTS_WAITING)
        # The fields below are written only by the publisher thread.
        self._held_hits: dict[str, _RetryDelay] = {}
        self._held_cameras: dict[str, _RetryDelay] = {}
        self._awaiting: dict[str, _RetryDelay] = {}
        self._cuts: dict[str, int] = {}
        self._connected = False
        self._connections = 0
        self._acknowledged = 0
        self._receipts = 0
        self._expired = 0
        self._expiry_check_due = 0.0
        self._said_unheard = False
        self._connection_problem: EdgeError | None = None
        self._refusal: EdgeError | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Disconnect from the broker and end the thread; hits stay in the outbox."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def drain(self, timeout_s: float) -> bool:
        """Wait until the outbox is empty; returns False if hits are left after `timeout_s`."""
        deadline = self._clock.monotonic() + timeout_s
        while self._outbox.depth():
            if self._clock.monotonic() >= deadline or not self._thread.is_alive():
                return False
            self._stopping.wait(_DRAIN_POLL_S)
        return True

    def is_alive(self) -> bool:
        """Whether the publisher thread runs."""
        return self._thread.is_alive()

    @property
    def state(self) -> PublisherState:
        return PublisherState(
            connected=self._connected,
            connections=self._connections,
            acknowledged=self._acknowledged,
            receipts=self._receipts,
            expired=self._expired,
            problem=self._connection_problem or self._refusal,
        )

    def set_availability(self, state: Literal["online", "safe"], reason: str) -> None:
        """Publish the box's availability, now and after each reconnection.

        Args:
            state: `safe`: it runs and makes no hits.
            reason: one word (`[a-z0-9_.-]`), or the code of a refusal.
        """
        availability = self._availability_of(state, reason)
        with self._lock:
            self._availability = availability

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
        """Publish a checkpoint of the audit log, for witnesses that keep them.

        All are published in order. If too many wait for the broker, the oldest are dropped.
        """
        self._checkpoints.append(note)

    def _availability_of(
        self, state: Literal["online", "offline", "safe"], reason: str
    ) -> Availability:
        return Availability(
            site=self._topics.site, box=self._topics.box, state=state, reason=reason
        )

    def _run(self) -> None:
        away_since = self._clock.monotonic()
        attempt = 0
        restarted = True
        while not self._stopping.is_set():
            acknowledged_before = self._acknowledged
            try:
                if restarted:
                    # After a restart it is not known for which hits a receipt was expected.
                    self._outbox.mark_all_pending()
                    restarted = False
                self._expire()
                self._session()
            except EdgeError as error:
                if not self._stopping.is_set():
                    self._report_connection(error)
            now = self._clock.monotonic()
            if self._connected:
                self._connected = False
                away_since = now
            # A connection without an acknowledged hit counts as a failed attempt.
            attempt = 1 if self._acknowledged > acknowledged_before else attempt + 1
            self._stopping.wait(reconnect_delay_s(attempt, now - away_since, self._jitter()))

    def _session(self) -> None:
        """Run one connection, from CONNECT to its end."""
        lost = self._availability_of("offline", "connection-lost")
        with BrokerLink.open(
            self._options,
            session_expiry_s=self._limits.message_expiry_s,
            will=Will(self._topics.availability, lost.payload()),
            cancelled=self._stopping.is_set,
            monotonic=self._clock.monotonic,
            urgent=self._reception.urgent,
        ) as link:
            if not link.session_present:
                # The broker has lost the session, and perhaps hits and receipts in it.
                self._outbox.mark_all_pending()
                self._awaiting.clear()
            link.subscribe(self._reception.topics)
            self._connected = True
            self._connections += 1
            self._connection_problem = None
            _LOG.info("connected to broker %s", self._options.address)
            if self._topics.home_assistant:
                discovery = Discovery.of(self._topics).payload()
                self._send(link, self._topics.discovery, discovery, retain=True)
            announced: Availability | None = None
            while not self._stopping.is_set():
                announced = self._announce(link, announced)
                self._expire()
                self._publish_again()
                hit = self._next_hit()
                if hit is not None:
                    self._deliver(link, hit)
                wait_s = _IDLE_S if hit is None else 0.0
                while (message := link.receive(wait_s)) is not None:
                    self._receive(message)
                    link.acknowledge(message)
                    wait_s = 0.0
            announced = self._announce(link, announced)
            if announced.state == "safe":
                return  # the retained message keeps saying that the box is safe, and why
            stopped = self._availability_of("offline", "stopped")
            self._send(link, self._topics.availability, stopped.payload(), retain=True)

    def _send(self, link: BrokerLink, topic: str, payload: bytes, *, retain: bool) -> None:
        self._topics.require_publishable(topic)
        reason = link.publish(topic, payload, retain=retain, timeout_s=_SHORT_S)
        if reason >= FAILURE:
            raise PublishError(
                f"broker {self._options.address}: refuses {topic} (reason 0x{reason:02x}); allow "
                "it in the broker's access list"
            )

    def _announce(self, link: BrokerLink, announced: Availability | None) -> Availability:
        with self._lock:
            wanted, health, self._health = self._availability, self._health, None
        if wanted != announced:
            self._send(link, self._topics.availability, wanted.payload(), retain=True)
        if health is not None:
            self._send(link, self._topics.health, health.payload(), retain=False)
        while self._checkpoints:
            note = self._checkpoints[0]
            self._send(link, self._topics.audit, note, retain=True)
            with contextlib.suppress(ValueError):  # it may have been dropped meanwhile
                self._checkpoints.remove(note)
        return wanted

    def _next_hit(self) -> QueuedHit | None:
        now = self._clock.monotonic()
        return self._outbox.next_pending(
            held_cameras=[name for name, delay in self._held_cameras.items() if delay.due > now],
            held_hits=[hit_id for hit_id, delay in self._held_hits.items() if delay.due > now],
        )

    def _deliver(self, link: BrokerLink, hit: QueuedHit) -> None:
        """Publish one hit; it stays in the outbox if anything goes wrong."""
        left_s = int((hit.expires_at - self._clock.utc()).total_seconds())
        if left_s <= 0:
            self._expiry_check_due = 0.0
            return
        try:
            self._topics.require_publishable(hit.topic)
            self._require_under_cap(hit)
            reason = link.publish(
                hit.topic, hit.payload, expiry_s=min(left_s, self._limits.message_expiry_s)
            )
        except LinkLostError:
            self._count_cut(hit)
            raise
        except PublishError as error:
            self._hold(self._held_hits, hit.hit_id, error)
            return
        if reason < FAILURE:
            self._delivered(hit, reason)
            return
        refusal = PublishError(
            f"broker {self._options.address}: refuses a hit of {len(hit.payload)} bytes on "
            f"{hit.topic} (reason 0x{reason:02x}); it stays in the outbox, see the broker's log"
        )
        # Only this hit is too large. After any other refusal the camera's hits keep their order.
        if reason == PACKET_TOO_LARGE:
            self._hold(self._held_hits, hit.hit_id, refusal)
        else:
            self._hold(self._held_cameras, hit.camera, refusal)

    def _require_under_cap(self, hit: QueuedHit) -> None:
        if len(hit.payload) > self._limits.payload_cap_bytes:
            raise TooLargeError(
                f"a hit of {len(hit.payload)} bytes is over the limit of "
                f"{self._limits.payload_cap_bytes}; it stays in the outbox, raise "
                "broker.payload_cap_kib in site.yaml"
            )

    def _delivered(self, hit: QueuedHit, reason: int) -> None:
        self._acknowledged += 1
        self._cuts.pop(hit.hit_id, None)
        self._held_hits.pop(hit.hit_id, None)
        self._held_cameras.pop(hit.camera, None)
        if not self._held_hits and not self._held_cameras:
            self._refusal = None
        if reason == NO_MATCHING_SUBSCRIBERS and not self._said_unheard:
            self._said_unheard = True
            _LOG.warning("broker %s: no client subscribes to the hits", self._options.address)
        if hit.receipt_required:
            self._outbox.mark_published(hit.hit_id)
            delay = self._awaiting.setdefault(hit.hit_id, _RetryDelay(self._limits.receipt_wait_s))
            delay.extend(self._clock.monotonic(), self._limits.longest_hold_s)
        else:
            self._outbox.delete(hit.hit_id)
        _LOG.debug("PUBACK for a hit; %d so far", self._acknowledged)

    def _count_cut(self, hit: QueuedHit) -> None:
        cuts = self._cuts[hit.hit_id] = self._cuts.get(hit.hit_id, 0) + 1
        if cuts >= _CUTS_BEFORE_HOLD:
            error = PublishError(
                f"broker {self._options.address}: closes the connection on a hit of "
                f"{len(hit.payload)} bytes; it stays in the outbox, check the broker's limit for "
                "payloads and its log",
            )
            self._hold(self._held_hits, hit.hit_id, error)

    def _hold(self, held: dict[str, _RetryDelay], key: str, error: PublishError) -> None:
        self._refusal = error
        if key not in held:
            _LOG.warning("%s", error)
        delay = held.setdefault(key, _RetryDelay(self._limits.first_hold_s))
        delay.extend(self._clock.monotonic(), self._limits.longest_hold_s)

    def _publish_again(self) -> None:
        """Publish hits again whose receipt is overdue; an authority stores each hit_id once."""
        now = self._clock.monotonic()
        for hit_id, delay in self._awaiting.items():
            if delay.due <= now:
                delay.due = math.inf  # until the broker has acknowledged it again
                self._outbox.mark_pending(hit_id)

    def _receive(self, message: Message) -> None:
        confirmed = self._reception.receive(message)
        if confirmed is not None:
            self._awaiting.pop(confirmed, None)
            self._receipts += 1

    def _expire(self) -> None:
        now = self._clock.monotonic()
        if now < self._expiry_check_due:
            return
        self._expiry_check_due = now + _EXPIRY_CHECK_S
        self._reception.report_suppressed()
        expired = self._outbox.delete_expired(self._clock.utc())
        if expired:
            self._expired += expired
            _LOG.warning("%d undelivered hits reached the end of their retention", expired)
            waiting = set(self._outbox.hit_ids())
            for table in (self._held_hits, self._awaiting, self._cuts):
                for hit_id in table.keys() - waiting:
                    del table[hit_id]

    def _report_connection(self, error: EdgeError) -> None:
        before = self._connection_problem
        self._connection_problem = error
        if before is None or before.message != error.message:
            _LOG.warning("%s", error)
