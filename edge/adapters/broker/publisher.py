"""The publisher thread: delivers sealed hits from the outbox to the broker.

It sends one hit at a time, oldest first, which keeps the order of each camera's hits. With QoS 1 a
broker takes hundreds of hits a second, far more than a street produces. A hit leaves the outbox
when the broker has acknowledged it or, where its authority sends receipts, when a verified receipt
has come.

When the broker refuses a hit, all hits of that camera wait, so that their order is kept. If a hit
is too large, or the broker keeps closing the connection on it, only this hit waits and is tried
again later, so that it does not delay the others. `side_messages` sends everything else.

The same connection receives messages; see `reception`. An order to suspend takes effect at once,
even while the broker is slow to acknowledge a hit.

Packet types and counts are logged, never payloads.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

from edge.adapters.broker.holds import Holds, RetryDelay, reason_text
from edge.adapters.broker.mqtt import (
    FAILURE,
    NO_MATCHING_SUBSCRIBERS,
    PACKET_TOO_LARGE,
    BrokerLink,
    LinkLostError,
    Message,
    TooLargeError,
)
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.reception import MessageHandler, ReceiptVerifier, Reception
from edge.adapters.broker.side_messages import CUTS_BEFORE_HOLD, SideMessages
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.state.outbox import Outbox, QueuedHit
from edge.domain.counting import coarse
from edge.errors import EdgeError, PublishError
from edge.pipeline.ports import Clock

_LOG = logging.getLogger(__name__)

_IDLE_S = 0.1
_DRAIN_POLL_S = 0.02
_EXPIRY_CHECK_S = 5.0
_TAKE_S = 0.5  # so that messages without an end hold up neither hits, expiry nor a stop
# A connection that ends this soon, this often in a row and without a reason, is most likely taken
# over again and again by another client with the same id.
_SHORT_S = 60.0
_SHORT_CONNECTIONS = 3
_UNSETTLED_S = 60.0


@dataclass(frozen=True, slots=True)
class PublisherLimits:
    """Size limits and waiting times of the publisher; times in seconds.

    Args:
        payload_cap_bytes: a larger hit is not sent.
        message_expiry_s: how long a broker may keep an undelivered hit.
        receipt_wait_s: wait for a receipt before a hit is published again; doubles up to
            `longest_hold_s`. If it were short, boxes would send each hit several times while an
            authority works through a backlog, and lengthen it.
        unsettled_wait_s: the same in the first minute of a session at the broker, and if no client
            subscribes to the hits: a receiver may come later than the hit. Never longer than
            `receipt_wait_s`.
        first_hold_s: wait after the broker refused a hit; doubles up to `longest_hold_s`.
        longest_hold_s: the longest wait.
    """

    payload_cap_bytes: int = 112 * 1024
    message_expiry_s: int = 604_800
    receipt_wait_s: float = 120.0
    unsettled_wait_s: float = 15.0
    first_hold_s: float = 5.0
    longest_hold_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class PublisherState:
    """The publisher's counts so far; `problem` is why it cannot deliver now, or None.

    `complaints` says in single words what the broker refuses, such as `audit-refused`, and whether
    another client seems to use the box's client id (`client-id-shared`).
    """

    connected: bool
    connections: int
    acknowledged: int
    receipts: int
    expired: int
    problem: EdgeError | None
    complaints: tuple[str, ...] = ()


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
        self._reconnecting = threading.Event()
        holds = partial(
            Holds, clock.monotonic, self._limits.first_hold_s, self._limits.longest_hold_s
        )
        self._side = SideMessages(topics, options.address, holds())
        self._on_availability: Callable[[Literal["online", "safe"], str], None] = (
            lambda _state, _reason: None
        )
        # The fields below are written only by the publisher thread.
        self._held_hits = holds()
        self._held_cameras = holds()
        self._held_topics = holds()
        self._awaiting: dict[str, RetryDelay] = {}
        self._unsettled_until = 0.0
        self._cuts: dict[str, int] = {}
        self._connected = False
        self._connections = 0
        self._acknowledged = 0
        self._receipts = 0
        self._expired = 0
        self._expiry_check_due = 0.0
        self._said_unheard = False
        self._connection_problem: EdgeError | None = None
        self._said: set[str] = set()
        self._with_will = True
        self._short_connections = 0
        self._last_end = 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Disconnect from the broker and end the thread; hits stay in the outbox."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def reconnect(self) -> None:
        """End the connection and open another one, with the TLS files as they are now."""
        self._reconnecting.set()

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
            problem=self._connection_problem or self._held_hits.error or self._held_cameras.error,
            complaints=tuple(self._complaints()),
        )

    def _complaints(self) -> Iterator[str]:
        if self._held_hits.refused or self._held_cameras.refused:
            yield "hit-refused"
        for topic in (*self._side.refused, *self._held_topics.refused):
            yield f"{self._topics.word(topic)}-refused"
        if self._short_connections >= _SHORT_CONNECTIONS:
            yield "client-id-shared"

    def set_availability(self, state: Literal["online", "safe"], reason: str) -> None:
        """Publish the box's availability, now and after each reconnection; a safe box stays safe.

        Args:
            state: `safe`: it runs and makes no hits.
            reason: one word (`[a-z0-9_.-]`), or the code of a refusal.
        """
        if self._side.set_availability(state, reason):
            self._on_availability(state, reason)

    def follow(self, on_availability: Callable[[Literal["online", "safe"], str], None]) -> None:
        """Call a function with the availability, now and after each change of it."""
        self._on_availability = on_availability
        on_availability(*self._side.availability)

    def publish_health(self, counters: Mapping[str, int]) -> None:
        """Publish counters after rounding them; without a broker only the newest are kept."""
        self._side.publish_health(counters)

    def publish_checkpoint(self, note: bytes) -> None:
        """Publish a checkpoint of the audit log, for witnesses that keep them.

        All are published in order. If too many wait for the broker, the oldest are dropped.
        """
        self._side.publish_checkpoint(note)

    def publish_status(self, statement: bytes) -> None:
        """Publish the box's signed statement about itself; only the newest is kept."""
        self._side.publish_status(statement)

    def publish_list_answer(self, list_id: str, answer: bytes) -> None:
        """Tell the issuer of a list whether its bundle is in force; only the newest is kept."""
        self._side.publish_list_answer(list_id, answer)

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
        self._reconnecting.clear()
        with self._open() as link:
            if not link.session_present:
                # The broker has lost the session, and perhaps hits and receipts in it.
                self._outbox.mark_all_pending()
                self._awaiting.clear()
                self._unsettled_until = self._clock.monotonic() + _UNSETTLED_S
            self._subscribe(link)
            began = self._clock.monotonic()
            if began - self._last_end >= _SHORT_S:
                self._steady()
            self._connected = True
            self._connections += 1
            self._connection_problem = None
            self._say(logging.INFO, f"connected to broker {self._options.address}")
            self._side.connected()
            while not (self._stopping.is_set() or self._reconnecting.is_set()):
                self._expire()
                self._publish_again()
                # The hit comes first, so that a message on which the broker closes the connection
                # cannot delay it.
                hit = self._next_hit()
                if hit is not None:
                    self._deliver(link, hit)
                self._side.send_due(link)
                self._take_messages(link, _IDLE_S if hit is None else 0.0, began)
            if self._stopping.is_set():
                self._side.take_leave(link)

    def _open(self) -> BrokerLink:
        """Connect with the last will; if the broker does not permit that, next time without it."""
        will = self._side.will() if self._with_will else None
        try:
            link = BrokerLink.open(
                self._options,
                session_expiry_s=self._limits.message_expiry_s,
                will=will,
                cancelled=self._stopping.is_set,
                monotonic=self._clock.monotonic,
                urgent=self._reception.urgent,
            )
        except PublishError as error:
            # Some brokers refuse credentials and a will without permission with the same reason.
            self._with_will = not (self._with_will and error.code == "E_BROKER_CREDENTIALS")
            raise
        if not self._with_will:
            self._side.refuse_will()
            self._with_will = True
        return link

    def _subscribe(self, link: BrokerLink) -> None:
        """Subscribe to everything that this box receives; orders to suspend it are required.

        Raises:
            PublishError: the broker does not let the box receive orders.
        """
        topics = self._reception.topics
        refused = link.subscribe(topics, optional=set(topics) - {self._topics.command})
        for topic in topics:
            if topic in refused:
                self._held_topics.hold(topic, refused[topic])
            else:
                self._held_topics.release(topic)

    def _take_messages(self, link: BrokerLink, wait_s: float, began: float) -> None:
        """Take the messages that have come, and count connections that end soon without a reason.

        Args:
            link: the connection.
            wait_s: how long to wait for the first message.
            began: when the connection began, on the monotonic clock.
        """
        now = self._clock.monotonic
        until = now() + _TAKE_S
        try:
            while now() < until and (message := link.receive(wait_s)) is not None:
                self._receive(message)
                link.acknowledge(message)
                wait_s = 0.0
        except LinkLostError:
            self._last_end = self._clock.monotonic()
            self._short_connections += self._last_end - began < _SHORT_S
            raise
        if self._clock.monotonic() - began >= _SHORT_S:
            self._steady()

    def _steady(self) -> None:
        """Forget that connections ended soon."""
        self._short_connections = 0
        self._said.clear()

    def _next_hit(self) -> QueuedHit | None:
        return self._outbox.next_pending(
            held_cameras=self._held_cameras.waiting(), held_hits=self._held_hits.waiting()
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
            self._held_hits.hold(hit.hit_id, error)
            return
        if reason < FAILURE:
            self._delivered(hit, reason)
            return
        refusal = PublishError(
            f"broker {self._options.address}: refuses a hit of {len(hit.payload)} bytes on "
            f"{hit.topic} {reason_text(reason)}. The hit stays in the outbox, see the broker's log"
        )
        # Only this hit is too large. After any other refusal the camera's hits keep their order.
        if reason == PACKET_TOO_LARGE:
            self._held_hits.hold(hit.hit_id, refusal)
        else:
            self._held_cameras.hold(hit.camera, refusal)

    def _require_under_cap(self, hit: QueuedHit) -> None:
        if len(hit.payload) > self._limits.payload_cap_bytes:
            raise TooLargeError(
                f"a hit of {len(hit.payload)} bytes is over the limit of "
                f"{self._limits.payload_cap_bytes}; it stays in the outbox, raise "
                "broker.payload_cap_kib in site.yaml"
            )

    def _delivered(self, hit: QueuedHit, reason: int) -> None:
        self._acknowledged += 1
        _LOG.debug("PUBACK for a hit")
        self._cuts.pop(hit.hit_id, None)
        self._held_hits.release(hit.hit_id)
        self._held_cameras.release(hit.camera)
        if reason == NO_MATCHING_SUBSCRIBERS and not self._said_unheard:
            self._said_unheard = True
            _LOG.warning("broker %s: no client subscribes to the hits", self._options.address)
        if hit.receipt_required:
            self._outbox.mark_published(hit.hit_id)
            now, first_s = self._clock.monotonic(), self._limits.receipt_wait_s
            if reason == NO_MATCHING_SUBSCRIBERS or now < self._unsettled_until:
                first_s = min(self._limits.unsettled_wait_s, first_s)
            delay = self._awaiting.setdefault(hit.hit_id, RetryDelay(first_s))
            delay.extend(now, self._limits.longest_hold_s)
        else:
            self._outbox.delete(hit.hit_id)

    def _count_cut(self, hit: QueuedHit) -> None:
        cuts = self._cuts[hit.hit_id] = self._cuts.get(hit.hit_id, 0) + 1
        if cuts >= CUTS_BEFORE_HOLD:
            error = PublishError(
                f"broker {self._options.address}: closes the connection on a hit of "
                f"{len(hit.payload)} bytes on {hit.topic}; it stays in the outbox, check the "
                "broker's limit for payloads, its access list and its log",
            )
            self._held_hits.hold(hit.hit_id, error)

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
            _LOG.warning("%s undelivered hits reached the end of their retention", coarse(expired))
            waiting = set(self._outbox.hit_ids())
            self._held_hits.keep_only(waiting)
            for table in (self._awaiting, self._cuts):
                for hit_id in table.keys() - waiting:
                    del table[hit_id]

    def _report_connection(self, error: EdgeError) -> None:
        before = self._connection_problem
        if self._short_connections >= _SHORT_CONNECTIONS and "client id" not in error.message:
            error = PublishError(
                f"broker {self._options.address}: the connections with client id "
                f"{self._options.client_id} end again and again without a reason; if the broker's "
                "log says that this client is already connected, another box has the same site "
                "and box id: give each its own, else check the network"
            )
        self._connection_problem = error
        if before is None or before.message != error.message:
            self._say(logging.WARNING, str(error))

    def _say(self, level: int, text: str) -> None:
        """Log a text; while connections end soon, each text only once."""
        if text not in self._said:
            _LOG.log(level, "%s", text)
        if self._short_connections:
            self._said.add(text)
