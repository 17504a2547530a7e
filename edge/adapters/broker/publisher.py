"""The publisher thread: sealed hits from the outbox to the broker, and what comes back.

One hit at a time, oldest first: order per camera follows from that, and with QoS 1 a broker
takes hundreds a second, far more than a street gives. A hit leaves the outbox when the
broker has acknowledged it or, where its authority owes receipts, when a verified receipt
has come.

A refusal holds the hit's camera, so that its order is kept. Only a hit that is too large, or
on which the broker keeps cutting the connection, is set aside alone and tried again later:
it must not stand in the way of all that follow.

What comes back are receipts, bundles of lists and orders to suspend, each from one topic of this
box. An order is heard at once, also while the broker is slow to acknowledge a hit. Whatever a
message holds, it cannot end the thread.

Logged are packet types and counts, never payloads.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import Self

from edge.adapters.broker.mqtt import (
    FAILURE,
    NO_MATCHING_SUBSCRIBERS,
    PACKET_TOO_LARGE,
    BrokerLink,
    BrokerOptions,
    LinkLostError,
    Message,
    TooLargeError,
    Will,
)
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.rate_limit import RateLimit
from edge.adapters.state.outbox import Outbox, QueuedHit
from edge.domain.counting import coarse
from edge.errors import EdgeError, PublishError
from edge.pipeline.ports import Clock

_LOG = logging.getLogger(__name__)

# What is done with a message on a topic. It raises an `EdgeError` that says why it is refused, and
# nothing has then changed.
Taker = Callable[[bytes], object]

# What a receipt says, once its signature is verified: hit_id and the seal's SHA-256 (hex).
ReceiptVerifier = Callable[[bytes], tuple[str, str] | None]

_IDLE_S = 0.1
_DRAIN_POLL_S = 0.02
_EXPIRY_CHECK_S = 5.0
# For the small messages beside the hits, the goodbye among them.
_SHORT_S = 3.0
# A week of hours: what a witness should not miss because the broker was away for a while.
_CHECKPOINTS_WAITING = 7 * 24
# A broker that cuts the connection this often on the same hit most likely objects to it.
_CUTS_BEFORE_HOLD = 3

_Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,60}$")]
_Reason = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9_.-]{1,60}|E_[A-Z0-9_]{1,58})$")]


class Availability(BaseModel):
    """Whether the box works, retained at the broker; the last will says `offline`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    version: Literal["edge-anpr/availability/1"] = Field(
        default="edge-anpr/availability/1", alias="schema"
    )
    site: _Word
    box: _Word
    state: Literal["online", "offline", "safe"]
    reason: _Reason

    def payload(self) -> bytes:
        return self.model_dump_json(by_alias=True).encode()


class HealthMessage(BaseModel):
    """Coarse counters: `"<10"`, or rounded down to tens."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    version: Literal["edge-anpr/health/1"] = Field(default="edge-anpr/health/1", alias="schema")
    site: _Word
    box: _Word
    counters: dict[_Word, Literal["<10"] | Annotated[int, Field(ge=10, multiple_of=10)]]

    def payload(self) -> bytes:
        return self.model_dump_json(by_alias=True).encode()


class Discovery(BaseModel):
    """The box's status as a sensor of Home Assistant: online, safe or offline, and no figure.

    https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["Status"] = "Status"
    unique_id: str
    state_topic: str
    value_template: Literal["{{ value_json.state }}"] = "{{ value_json.state }}"
    device_class: Literal["enum"] = "enum"
    options: tuple[Literal["online", "safe", "offline"], ...] = ("online", "safe", "offline")
    device: dict[str, str]
    origin: dict[str, str] = Field(default_factory=lambda: {"name": "edge-anpr"})

    @classmethod
    def of(cls, topics: BoxTopics) -> Self:
        """The sensor of one box. Ids hold no underscore, so that no two boxes share a name."""
        name = f"edge-anpr_{topics.site}_{topics.box}"
        return cls(
            unique_id=f"{name}_status",
            state_topic=topics.availability,
            device={"identifiers": name, "name": f"edge-anpr {topics.site} {topics.box}"},
        )

    def payload(self) -> bytes:
        return self.model_dump_json().encode()


@dataclass(frozen=True, slots=True)
class PublisherLimits:
    """What a hit may cost, and how patient the publisher is. Times in seconds.

    Args:
        payload_cap_bytes: a larger hit is not sent.
        message_expiry_s: how long a broker may keep an undelivered hit.
        receipt_wait_s: publish again when no receipt came; doubles up to `longest_hold_s`.
        first_hold_s: rest after a broker refused a hit; doubles up to `longest_hold_s`.
        longest_hold_s: the longest such rest.
    """

    payload_cap_bytes: int = 112 * 1024
    message_expiry_s: int = 604_800
    receipt_wait_s: float = 15.0
    first_hold_s: float = 5.0
    longest_hold_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class PublisherState:
    """What the publisher has done so far; `problem` is what keeps it from its work now."""

    connected: bool
    connections: int
    acknowledged: int
    receipts: int
    expired: int
    problem: EdgeError | None


@dataclass(slots=True)
class _Rest:
    """When something held back may be tried again; each rest is twice the one before."""

    first_s: float
    due: float = 0.0
    times: int = 0

    def extend(self, now: float, longest_s: float) -> None:
        # 2**20 seconds is longer than any rest; a power without a bound would overflow.
        self.due = now + min(self.first_s * 2.0 ** min(self.times, 20), longest_s)
        self.times += 1


def reconnect_delay_s(attempt: int, away_s: float, jitter: float) -> float:
    """How long to wait before the next attempt to connect.

    Args:
        attempt: failed attempts so far, 1 and up.
        away_s: seconds since the connection was lost.
        jitter: 0 to 1, so that boxes do not come back all at once.

    Returns:
        At most 1 s in the first minute, at most 10 s later, at least half of it.
    """
    ceiling = 1.0 if away_s < 60.0 else 10.0
    return min(ceiling, 0.1 * 2.0 ** min(attempt, 10)) * (0.5 + 0.5 * jitter)


class Publisher:
    """Delivers the outbox's hits until stopped.

    Args:
        outbox: the hits.
        options: the broker; it may be away now and for long.
        topics: the closed list of this box.
        verify_receipt: checks a receipt's signature.
        clock: for waiting times and retention; the keyring's own.
        jitter: numbers from 0 to 1, such as `random.random`.
        limits: sizes and times.
        takers: what to do with messages on which topics of this box, beside receipts; those on
            its command topic are taken at once.
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
        takers: Mapping[str, Taker] = MappingProxyType({}),
    ) -> None:
        topics.require_receivable(takers)
        self._takers = takers
        self._urgent = {
            topic: partial(self._attempt, taker, topic)
            for topic, taker in takers.items()
            if topic == topics.command
        }
        self._outbox = outbox
        self._options = options
        self._topics = topics
        self._verify_receipt = verify_receipt
        self._clock = clock
        self._jitter = jitter
        self._limits = limits or PublisherLimits()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._availability = self._availability_of("online", "running")
        self._health: HealthMessage | None = None
        self._checkpoints: deque[bytes] = deque(maxlen=_CHECKPOINTS_WAITING)
        # The fields below are written by the thread alone.
        self._held_hits: dict[str, _Rest] = {}
        self._held_cameras: dict[str, _Rest] = {}
        self._awaiting: dict[str, _Rest] = {}
        self._cuts: dict[str, int] = {}
        self._connected = False
        self._connections = 0
        self._acknowledged = 0
        self._receipts = 0
        self._expired = 0
        self._expiry_check_due = 0.0
        self._said_unheard = False
        self._seldom = RateLimit(clock.monotonic)
        self._connection_problem: EdgeError | None = None
        self._refusal: EdgeError | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye to the broker and end the thread; hits stay in the outbox."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def drain(self, timeout_s: float) -> bool:
        """Wait until the outbox is empty; False when hits are left after `timeout_s`."""
        deadline = self._clock.monotonic() + timeout_s
        while self._outbox.depth():
            if self._clock.monotonic() >= deadline or not self._thread.is_alive():
                return False
            self._stopping.wait(_DRAIN_POLL_S)
        return True

    def is_alive(self) -> bool:
        """Whether its thread runs."""
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
        """Tell the world how the box is, now and after each reconnection.

        Args:
            state: `safe`: it runs and takes no hits.
            reason: one word (`[a-z0-9_.-]`), or the code of a refusal.
        """
        availability = self._availability_of(state, reason)
        with self._lock:
            self._availability = availability

    def publish_health(self, counters: Mapping[str, int]) -> None:
        """Publish counters, made coarse here; only the newest waits for a lost broker."""
        health = HealthMessage(
            site=self._topics.site,
            box=self._topics.box,
            counters={name: coarse(count) for name, count in counters.items()},
        )
        with self._lock:
            self._health = health

    def publish_checkpoint(self, note: bytes) -> None:
        """Publish a checkpoint of the audit log, for whoever keeps them as a witness.

        Each goes out, in order; of those that wait for a lost broker the oldest give way.
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
                    # Which receipts were still on their way is not known after a restart.
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
            # A connection that achieved nothing counts as a failed attempt.
            attempt = 1 if self._acknowledged > acknowledged_before else attempt + 1
            self._stopping.wait(reconnect_delay_s(attempt, now - away_since, self._jitter()))

    def _session(self) -> None:
        """One connection, from CONNECT to its end."""
        gone = self._availability_of("offline", "connection-lost")
        with BrokerLink.open(
            self._options,
            session_expiry_s=self._limits.message_expiry_s,
            will=Will(self._topics.availability, gone.payload()),
            cancelled=self._stopping.is_set,
            monotonic=self._clock.monotonic,
            urgent=self._urgent,
        ) as link:
            if not link.session_present:
                # The broker has forgotten us, so perhaps also hits and receipts on their way.
                self._outbox.mark_all_pending()
                self._awaiting.clear()
            link.subscribe([self._topics.receipt, *sorted(self._takers)])
            self._connected = True
            self._connections += 1
            self._connection_problem = None
            _LOG.info("connected to broker %s", self._options.address)
            if self._topics.home_assistant:
                told = Discovery.of(self._topics).payload()
                self._send(link, self._topics.discovery, told, retain=True)
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
                    self._take(message)
                    link.acknowledge(message)
                    wait_s = 0.0
            announced = self._announce(link, announced)
            if announced.state == "safe":
                return  # that it is safe, and why, is what stays to be read
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
            with contextlib.suppress(ValueError):  # it may have given way meanwhile
                self._checkpoints.remove(note)
        return wanted

    def _next_hit(self) -> QueuedHit | None:
        now = self._clock.monotonic()
        return self._outbox.next_pending(
            held_cameras=[name for name, rest in self._held_cameras.items() if rest.due > now],
            held_hits=[hit_id for hit_id, rest in self._held_hits.items() if rest.due > now],
        )

    def _deliver(self, link: BrokerLink, hit: QueuedHit) -> None:
        """Publish one hit; whatever goes wrong, it stays in the outbox."""
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
        # Too large is the hit's own fault; any other refusal keeps its camera's order.
        if reason == PACKET_TOO_LARGE:
            self._hold(self._held_hits, hit.hit_id, refusal)
        else:
            self._hold(self._held_cameras, hit.camera, refusal)

    def _require_under_cap(self, hit: QueuedHit) -> None:
        if len(hit.payload) > self._limits.payload_cap_bytes:
            raise TooLargeError(
                f"a hit of {len(hit.payload)} bytes is over the cap of "
                f"{self._limits.payload_cap_bytes}; it stays in the outbox, raise site.yaml's "
                "broker.payload_cap_kib"
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
            _LOG.warning("broker %s: nobody subscribes to the hits", self._options.address)
        if hit.receipt_required:
            self._outbox.mark_published(hit.hit_id)
            rest = self._awaiting.setdefault(hit.hit_id, _Rest(self._limits.receipt_wait_s))
            rest.extend(self._clock.monotonic(), self._limits.longest_hold_s)
        else:
            self._outbox.delete(hit.hit_id)
        _LOG.debug("PUBACK for a hit; %d so far", self._acknowledged)

    def _count_cut(self, hit: QueuedHit) -> None:
        cuts = self._cuts[hit.hit_id] = self._cuts.get(hit.hit_id, 0) + 1
        if cuts >= _CUTS_BEFORE_HOLD:
            error = PublishError(
                f"broker {self._options.address}: ends the connection on a hit of "
                f"{len(hit.payload)} bytes; it stays in the outbox, check the broker's limit for "
                "payloads and its log",
            )
            self._hold(self._held_hits, hit.hit_id, error)

    def _hold(self, held: dict[str, _Rest], key: str, error: PublishError) -> None:
        self._refusal = error
        if key not in held:
            _LOG.warning("%s", error)
        rest = held.setdefault(key, _Rest(self._limits.first_hold_s))
        rest.extend(self._clock.monotonic(), self._limits.longest_hold_s)

    def _publish_again(self) -> None:
        """Hits whose receipt is overdue go out once more; authorities store by hit_id."""
        now = self._clock.monotonic()
        for hit_id, rest in self._awaiting.items():
            if rest.due <= now:
                rest.due = math.inf  # until the broker has acknowledged it again
                self._outbox.mark_pending(hit_id)

    def _take(self, message: Message) -> None:
        taker = self._takers.get(message.topic)
        if taker is not None:
            self._attempt(taker, message.topic, message.payload)
        elif message.topic == self._topics.receipt:
            self._take_receipt(message)

    def _attempt(self, taker: Taker, topic: str, payload: bytes) -> None:
        """Hand a message over; whatever is wrong with it is logged without quoting it.

        Who may write to the topic decides how often: a topic's refusals with one code are one kind.
        """
        try:
            taker(payload)
        except EdgeError as error:
            if self._may_say(f"{topic}: {error.code}"):
                _LOG.warning("refused on %s: %s", topic, error)
        except Exception as error:  # noqa: BLE001 - no message may end the thread that hears orders
            if self._may_say(f"{topic}: {type(error).__name__}"):
                _LOG.error("a message on %s could not be read (%s)", topic, type(error).__name__)

    def _may_say(self, kind: str) -> bool:
        self._tell_held_back()
        return self._seldom.passes(kind)

    def _tell_held_back(self) -> None:
        for kind, held in self._seldom.over():
            _LOG.warning("refused likewise, and not shown each: %d (%s)", held, kind)

    def _take_receipt(self, message: Message) -> None:
        receipt = self._verify_receipt(message.payload)
        if receipt is None:
            if self._may_say("receipt of no hit"):
                _LOG.info("a receipt confirms no hit that waits here")
            return
        hit_id, sealed_sha256 = receipt
        waiting = self._outbox.find(hit_id)
        if waiting is None:
            return  # a second receipt, after a second delivery
        if not _is_of(sealed_sha256, waiting):
            if self._may_say("receipt for other evidence"):
                _LOG.warning("a receipt is for other evidence than was sent; its hit stays")
            return
        self._outbox.delete(hit_id)
        self._awaiting.pop(hit_id, None)
        self._receipts += 1

    def _expire(self) -> None:
        now = self._clock.monotonic()
        if now < self._expiry_check_due:
            return
        self._expiry_check_due = now + _EXPIRY_CHECK_S
        self._tell_held_back()
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


def _is_of(sealed_sha256: str, payload: bytes) -> bool:
    """Whether a receipt's digest is that of the evidence in this hit."""
    try:
        hit = json.loads(payload)
    except ValueError:
        return False
    expected = hit.get("sealed_sha256") if isinstance(hit, dict) else None
    return isinstance(expected, str) and hmac.compare_digest(expected, sealed_sha256)
