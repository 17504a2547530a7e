"""Receives hits: verified, stored, confirmed by a receipt, and only then acknowledged.

A broker acknowledges a hit to the box even if no authority is connected. So the receiver keeps a
session at the broker, stores each hit on disk before it sends the receipt, and acknowledges last.
If it is killed in between, the broker delivers the hit again. Its id is stored by then, so only
the receipt is sent again.

Hits that have arrived together are stored in one transaction, and their receipts sent together. A
hit never waits for another one to arrive. One that cannot be accepted does not hold up the others.

A hit whose box or key is not known here yet is set aside, and tried again at the next start, after
the keys of boxes have changed, and every hour. It is acknowledged to the broker all the same,
because unacknowledged messages would in the end block all others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar, Protocol

from edge.adapters.broker import topics
from edge.adapters.broker.holds import reason_text
from edge.adapters.broker.mqtt import FAILURE, BrokerLink, LinkLostError, Message
from edge.adapters.broker.options import BrokerOptions
from edge.authority.store import Outcome, SetAside
from edge.errors import PublishError
from edge.formats.timestamps import utc_text
from edge.privacy.hit import Hit, HitError, parse_hit, require_signed, sign_receipt
from edge.privacy.keys import RETIRED_KEY_GRACE, AuthorityPrivateKeys, BoxPublicKeys
from edge.privacy.retention_clock import TOLERANCE

SESSION_EXPIRY_S = int(timedelta(days=30).total_seconds())
"""How long the broker keeps the session of a receiver that is away: a hit's longest retention."""

MOST_TOGETHER = 64
"""How many messages are handled together at most, and may come before the first is acknowledged.

So a backlog stays at the broker, and not in the memory of the receiver.
"""
_MOST_KEPT = 8 * MOST_TOGETHER
"""A broker may send more than it is allowed, as mosquitto 2.0.11 does."""
_MOST_TOGETHER_BYTES = 8 * 1024 * 1024

_RECEIVE_S = 0.2
_TRY_AGAIN_S = 3600.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0

_log = logging.getLogger(__name__)


class Fate(Enum):
    """How a message was handled."""

    STORED = "stored"
    KNOWN = "known"
    SET_ASIDE = "set_aside"
    REFUSED = "refused"
    FOR_OTHERS = "for_others"


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """One message and how it was handled.

    `hit` is None if the payload is not a hit. `why` says why the hit was not stored, else it is
    empty. `receipt` is for the box; it is None unless the hit is on disk.
    """

    fate: Fate
    hit: Hit | None = field(repr=False)
    why: str = ""
    receipt: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Until:
    """When to stop: after a number of stored hits, or a number of seconds without one."""

    stored: int | None = None
    idle_s: float | None = None


class HitKeeper(Protocol):
    """Where a receiver stores hits. When a method returns, what it has written is on disk.

    Implemented by `edge.authority.store.HitStore`, and for a desk by `edge.desk.store.hits`.
    """

    def put_all(
        self, hits: Sequence[tuple[Hit, bytes]], now: datetime
    ) -> list[tuple[Outcome, datetime]]: ...

    def set_aside(self, topic: str, payload: bytes, why: str, now: datetime) -> bool: ...

    def aside(self) -> tuple[SetAside, ...]: ...

    def drop_aside(self, payload: bytes) -> None: ...


class StateKeeper(Protocol):
    """Keeps what boxes tell of themselves; `edge.desk.boxes.BoxStates` is one."""

    def register(self) -> None:
        """Write down each box whose keys are known.

        Raises:
            OutboxError: the store cannot be written.
        """

    def take_all(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Keep messages of boxes, each a topic and its payload, or pass over them.

        Raises:
            OutboxError: the store cannot be written; none of them must be acknowledged.
        """


class Receiver:
    """Verifies and stores payloads; has no network connection of its own.

    Args:
        store: where hits are stored.
        boxes: public keys of the boxes, by site and box.
        keys: of this authority; they sign the receipts.
        utc: the wall clock.
    """

    deletes: ClassVar[str] = "hits purge"
    """The command that deletes by the clock when a person says that it is right."""

    def __init__(
        self,
        store: HitKeeper,
        boxes: Mapping[tuple[str, str], BoxPublicKeys],
        keys: AuthorityPrivateKeys,
        utc: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._boxes = boxes
        self._keys = keys
        self._utc = utc

    def take(self, topic: str, payload: bytes) -> ReceivedMessage:
        """Store a payload if it is a hit for this authority.

        Raises:
            OutboxError: the store cannot be written; the message must not be acknowledged.
        """
        return self.take_all([(topic, payload)])[0]

    def take_all(self, messages: Sequence[tuple[str, bytes]]) -> list[ReceivedMessage]:
        """Store the payloads that are hits for this authority, together.

        Args:
            messages: topic and payload of each message.

        Returns:
            How each of them was handled, in this order.

        Raises:
            OutboxError: the store cannot be written; no message must be acknowledged.
        """
        judged = [self._judged(topic, payload) for topic, payload in messages]
        accepted = [
            (hit, payload)
            for hit, (_, payload) in zip(judged, messages, strict=True)
            if isinstance(hit, Hit)
        ]
        outcomes = iter(self._store.put_all(accepted, self._utc()) if accepted else ())
        return [
            self._stored(one, topic, payload, *next(outcomes)) if isinstance(one, Hit) else one
            for one, (topic, payload) in zip(judged, messages, strict=True)
        ]

    def _judged(self, topic: str, payload: bytes) -> Hit | ReceivedMessage:
        """The hit of a payload if it is to be stored; else the payload's fate."""
        try:
            hit = parse_hit(payload)
        except HitError as error:
            return ReceivedMessage(Fate.REFUSED, None, f"{self._on(topic)}: {error.message}")
        if hit.authority != self._keys.authority:
            return ReceivedMessage(Fate.FOR_OTHERS, hit)
        box = self._boxes.get((hit.site, hit.box))
        unknown = self._unknown(hit, box)
        problem = _misplaced(topic, hit)
        if not problem and not unknown and box is not None:
            problem = self._problem(hit, box)
        if problem:
            return ReceivedMessage(Fate.REFUSED, hit, problem)
        later = unknown or self.too_early(hit)
        if later:
            return self._set_aside(hit, topic, payload, later)
        return hit

    def _on(self, topic: str) -> str:
        """Whose topic it is. A name that no key file has is not quoted: it may be anything."""
        name = topics.parse(topic)
        if name is None or (name.site, name.box) not in self._boxes:
            return "on a topic of no known box"
        return f"on the topic of box {name.box} of site {name.site}"

    def too_early(self, _hit: Hit) -> str:
        """Why a hit must wait for a later time; empty: it need not. Here none ever must."""
        return ""

    def retry_aside(self) -> list[ReceivedMessage]:
        """Try the payloads that were set aside again; returns those that are accepted now.

        They are no longer set aside then.

        Raises:
            OutboxError: the store cannot be read or written.
        """
        accepted = []
        for waiting in self._store.aside():
            arrival = self.take(waiting.topic, waiting.payload)
            if arrival.receipt is not None:
                self._store.drop_aside(waiting.payload)
                accepted.append(arrival)
        return accepted

    def _unknown(self, hit: Hit, box: BoxPublicKeys | None) -> str:
        """What is missing here to accept the hit; empty if nothing is."""
        if box is None:
            return f"box {hit.box} of site {hit.site} is unknown; get its public file"
        if not box.knows(hit.box_key_id):
            return f"key {hit.box_key_id} of box {hit.box} is unknown; get its new public file"
        if self._keys.generation(hit.authority_key_id) is None:
            return (
                f"private key {hit.authority_key_id} is not in the folder of --keys; name the "
                "folder that holds it, or restore it there"
            )
        return ""

    def _problem(self, hit: Hit, box: BoxPublicKeys) -> str:
        """The reason why the hit can never be accepted; empty if there is none."""
        try:
            require_signed(hit, box)
        except HitError as error:
            return error.message
        if not box.accepts(hit.box_key_id, self._utc()):
            return f"key {hit.box_key_id} of box {hit.box} was retired too long ago"
        return ""

    def _stored(
        self, hit: Hit, topic: str, payload: bytes, outcome: Outcome, stored_at: datetime
    ) -> ReceivedMessage:
        """The fate of a hit that was put; signs its receipt."""
        key = self._keys.generation(hit.authority_key_id)
        if outcome is Outcome.FORGOTTEN:
            return ReceivedMessage(Fate.REFUSED, hit, self._too_old(hit, stored_at))
        if outcome is Outcome.CONFLICT or key is None:
            return self._set_aside(hit, topic, payload, "another hit has the same id")
        return ReceivedMessage(
            Fate.STORED if outcome is Outcome.NEW else Fate.KNOWN,
            hit,
            receipt=sign_receipt(hit, stored_at, key).to_payload(),
        )

    def _too_old(self, hit: Hit, last: datetime) -> str:
        """Why a hit is refused that the last deletion, by that time, may have deleted."""
        why = (
            f"hit {hit.hit_id}: observed at {hit.observed_at}, more than "
            f"{RETIRED_KEY_GRACE.days} days before the last deletion here, which was by the time "
            f"{utc_text(last)}, so it may be one that was deleted"
        )
        if last <= self._utc() + TOLERANCE:
            return why
        return (
            f"{why}; but the clock here says {utc_text(self._utc())}: a wrong clock was taken for "
            f"right then; compare it, and if it is right now, run `edge-anpr {self.deletes} "
            "--clock-is-right`: then the box, which keeps the hit, can deliver it"
        )

    def _set_aside(self, hit: Hit, topic: str, payload: bytes, why: str) -> ReceivedMessage:
        if self._store.set_aside(topic, payload, why, self._utc()):
            return ReceivedMessage(Fate.SET_ASIDE, hit, why)
        return ReceivedMessage(
            Fate.REFUSED, hit, f"{why}; and there is no room left to set it aside"
        )


def _misplaced(topic: str, hit: Hit) -> str:
    name = topics.parse(topic)
    if name is None or (name.site, name.box, name.camera) != (hit.site, hit.box, hit.camera):
        return f"hit {hit.hit_id} was sent to the topic of another box or camera"
    return ""


class Tail:
    """Keeps a connection to the broker and passes each message to a `Receiver`.

    Args:
        options: broker address and credentials; the client id identifies the session.
        receiver: verifies and stores hits.
        site: receive hits of this site only; None: of all sites.
        on_arrival: called with each message after it was acknowledged.
        states: keeps what boxes tell of themselves; None: nothing of it is received. A broker that
            does not let this client read it changes nothing for the hits.
        key_changes: counts the changes of the boxes' public keys. After one, what was set aside is
            tried again.
    """

    def __init__(
        self,
        options: BrokerOptions,
        receiver: Receiver,
        *,
        site: str | None = None,
        on_arrival: Callable[[ReceivedMessage], None] = lambda _arrival: None,
        states: StateKeeper | None = None,
        key_changes: Callable[[], int] = lambda: 0,
    ) -> None:
        self._options = options
        self._receiver = receiver
        self._filter = topics.all_hits(site)
        self._state_filters = topics.all_states(site)
        self._states = states
        self._key_changes = key_changes
        self._changes = key_changes()
        self._on_arrival = on_arrival
        self._stored = 0
        self._last_arrival = 0.0
        self._refused: set[str] = set()

    def run(
        self, until: Until | None = None, *, cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        """Receive until `until` or `cancelled` ends it; a lost connection is opened again.

        Raises:
            PublishError: the broker cannot be reached at the start, or refuses.
            OutboxError: the store cannot be written.
        """
        until = until or Until()
        self._last_arrival = time.monotonic()
        pause_s = _FIRST_PAUSE_S
        link = self._open(cancelled)
        retried = self._receiver.retry_aside()
        while True:
            try:
                with link:
                    self._settle(link, retried)
                    retried = []
                    self._receive(link, until, cancelled)
                    return
            except LinkLostError as error:
                _log.warning("%s", error)
            while not self._is_over(until, cancelled):
                try:
                    link = self._open(cancelled)
                except PublishError as error:
                    _log.warning("%s", error)
                    _sleep(pause_s, cancelled)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                else:
                    pause_s = _FIRST_PAUSE_S
                    break
            else:
                return

    def _open(self, cancelled: Callable[[], bool]) -> BrokerLink:
        link = BrokerLink.open(
            replace(self._options, most_unacknowledged=MOST_TOGETHER, most_kept=_MOST_KEPT),
            session_expiry_s=SESSION_EXPIRY_S,
            cancelled=cancelled,
        )
        try:
            also = () if self._states is None else self._state_filters
            refused = link.subscribe([self._filter, *also], optional=also, unqueued=also)
            for error in refused.values():
                _log.warning("%s; the desk does not see the states of boxes", error)
        except BaseException:
            link.abort()
            raise
        return link

    def _receive(self, link: BrokerLink, until: Until, cancelled: Callable[[], bool]) -> None:
        tried_at = time.monotonic()
        while not self._is_over(until, cancelled):
            changed = self._keys_changed()
            if changed or time.monotonic() - tried_at >= _TRY_AGAIN_S:
                tried_at = time.monotonic()
                self._settle(link, self._receiver.retry_aside())
            if changed and self._states is not None:
                self._states.register()
            messages = _arrived(link, self._most(until))
            if not messages and link.left_behind:
                raise LinkLostError(
                    f"broker {self._options.address}: sent more hits than could be kept here; "
                    "connecting again, so that it sends the rest again"
                )
            hits = messages
            if self._states is not None:
                told = [one for one in messages if _is_state(one.topic)]
                self._states.take_all([(one.topic, one.payload) for one in told])
                link.acknowledge(*told)
                hits = [one for one in messages if not _is_state(one.topic)]
            arrivals = self._receiver.take_all([(one.topic, one.payload) for one in hits])
            self._settle(link, arrivals, hits)

    def _keys_changed(self) -> bool:
        """Whether the public keys of boxes have changed since the last call."""
        before, self._changes = self._changes, self._key_changes()
        return self._changes != before

    def _most(self, until: Until) -> int:
        """How many messages to handle together, so that no more hits are stored than wanted."""
        wanted = MOST_TOGETHER if until.stored is None else until.stored - self._stored
        return min(wanted, MOST_TOGETHER)

    def _settle(
        self,
        link: BrokerLink,
        arrivals: Sequence[ReceivedMessage],
        messages: Sequence[Message] = (),
    ) -> None:
        """Send the receipts to the boxes, then acknowledge the messages to the broker."""
        if not arrivals:
            return
        receipts = [
            (topics.receipt(one.hit.site, one.hit.box), one.receipt)
            for one in arrivals
            if one.receipt is not None and one.hit is not None
        ]
        for (topic, _), reason in zip(
            receipts, link.publish_all(receipts, retain=False), strict=True
        ):
            if reason >= FAILURE and topic not in self._refused:
                self._refused.add(topic)
                _log.warning(
                    "broker %s: refuses receipts on %s %s; the hits are stored here, and the box "
                    "keeps them and sends them again until a receipt comes",
                    self._options.address,
                    topic,
                    reason_text(reason),
                )
        link.acknowledge(*messages)
        for arrival in arrivals:
            self._last_arrival = time.monotonic()
            self._stored += arrival.fate is Fate.STORED
            self._on_arrival(arrival)

    def _is_over(self, until: Until, cancelled: Callable[[], bool]) -> bool:
        return (
            cancelled()
            or (until.stored is not None and self._stored >= until.stored)
            or (until.idle_s is not None and time.monotonic() - self._last_arrival >= until.idle_s)
        )


def _arrived(link: BrokerLink, most: int) -> list[Message]:
    """The next message and those that have arrived with it; waits a moment for the first only."""
    found: list[Message] = []
    wait_s, size = _RECEIVE_S, 0
    while (
        len(found) < most
        and size < _MOST_TOGETHER_BYTES
        and (message := link.receive(wait_s)) is not None
    ):
        found.append(message)
        wait_s, size = 0.0, size + len(message.payload)
    return found


def _is_state(topic: str) -> bool:
    name = topics.parse(topic)
    return name is not None and name.kind in {
        topics.TopicKind.AUDIT,
        topics.TopicKind.AVAILABILITY,
        topics.TopicKind.STATUS,
    }


def _sleep(seconds: float, cancelled: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not cancelled():
        time.sleep(0.05)
