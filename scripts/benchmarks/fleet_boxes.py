"""A process of the fleet's simulator: one MQTT session for each box of a group.

Each box behaves as `edge.adapters.broker.publisher` does. It sends one hit at a time and waits for
the broker's acknowledgement. It keeps a hit until a receipt of the authority for exactly this hit
has come. A hit without a receipt is sent again after two minutes, then after twice that, and so on;
and at once if the broker has lost the session. A lost connection is opened again after at most a
second.

The process reads one JSON document (`FleetTask`) from its first argument, prints its counts each
second as JSON, and ends when its standard input is closed. Then it writes for each hit when its
first receipt came and what time of storing that receipt has.
"""

from __future__ import annotations

import heapq
import json
import mmap
import os
import random
import resource
import selectors
import socket
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.adapters.broker import topics
from edge.adapters.broker.publisher import PublisherLimits, reconnect_delay_s
from edge.formats.brokers import BrokerAddress, broker_of
from edge.formats.timestamps import parse_utc
from edge.privacy.hit import ReceiptVerifier
from scripts.benchmarks.fleet_material import CAMERA, FleetMaterial, FleetSize, SealedHit, box_name

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

KEEPALIVE_S = 60
_LIMITS = PublisherLimits()
_MISC_S = 5.0
_TELL_S = 1.0
_TURN_S = 0.05
_FILES = 60_000


@dataclass(frozen=True, slots=True)
class FleetTask:
    """What a process does: `rate` is its own, in hits a second; ports are the brokers'.

    After `receipt_wait_s` a hit without a receipt is sent again.
    """

    folder: str
    sessions: int
    hits: int
    groups: int
    group: int
    ports: tuple[int, ...]
    rate: float
    receipt_wait_s: float
    seed: int
    result: str


@dataclass(slots=True)
class FleetCounts:
    """What the boxes of a process have counted so far."""

    sent: int = 0
    published: int = 0
    receipts: int = 0
    receipted: int = 0
    sent_again: int = 0
    refused_receipts: int = 0
    other_times: int = 0
    connections: int = 0
    connected: int = 0


@dataclass(slots=True, eq=False)
class FleetBox:
    """One box: its session, and its hits by number."""

    number: int
    address: BrokerAddress
    client: Client | None = None
    connected: bool = False
    attempt: int = 0
    lost_at: float = 0.0
    waiting: deque[int] = field(default_factory=deque)
    flying: tuple[int, int] | None = None
    """Packet id and number of the hit whose acknowledgement is awaited."""
    unconfirmed: dict[int, float] = field(default_factory=dict)
    """How long to wait for the receipt of a hit that was acknowledged, seconds."""


class BoxFleet:
    """The boxes of one process, on one selector."""

    def __init__(self, task: FleetTask) -> None:
        size = FleetSize(task.sessions, task.hits, task.groups)
        material = FleetMaterial(Path(task.folder), size)
        self._task = task
        self._random = random.Random(f"{task.seed}/{task.group}")
        self._hits = list(material.hits(task.group))
        self._numbers = {hit.hit_id: number for number, hit in enumerate(self._hits)}
        with material.payloads(task.group).open("rb") as file:
            self._payloads = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        addresses = [BrokerAddress("127.0.0.1", port) for port in task.ports]
        self._boxes = {
            number: FleetBox(number, broker_of(box_name(number)[0], addresses))
            for number in range(task.group, task.sessions, task.groups)
        }
        self._verify = ReceiptVerifier((material.authority_public,), self._payload_of)
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._entries = 0
        self.counts = FleetCounts()
        self.received_at = array("d", bytes(8 * len(self._hits)))
        self.stored_at = array("d", bytes(8 * len(self._hits)))

    def run(self) -> None:
        """Connect all boxes, send all hits, and go on until standard input is closed."""
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._connect_all()
        next_hit, tell, misc = time.monotonic(), 0.0, time.monotonic() + _MISC_S
        begun = False
        while True:
            now = time.monotonic()
            if not begun:
                begun = self.counts.connected == len(self._boxes)
                next_hit = now
            while begun and self.counts.sent < len(self._hits) and next_hit <= now:
                next_hit += self._random.expovariate(self._task.rate)
                self._new_hit(self.counts.sent)
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
            if now >= tell:
                tell = now + _TELL_S
                print(json.dumps({"counts": _as_json(self.counts)}), flush=True)
            if now >= misc:
                misc = now + _MISC_S
                self._keep_alive()
            for key, events in self._selector.select(_TURN_S):
                if key.data is None:
                    if not os.read(key.fd, 4096):
                        return
                else:
                    self._serve(key.data, events)

    def _connect_all(self) -> None:
        for box in self._boxes.values():
            self._connect(box)
            for key, events in self._selector.select(0):
                if key.data is not None:
                    self._serve(key.data, events)

    def _new_hit(self, number: int) -> None:
        self.counts.sent += 1
        box = self._boxes[self._hits[number].box]
        box.waiting.append(number)
        self._send(box)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._entries += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._entries, what))

    # --- the session of a box -------------------------------------------------------------------

    def _connect(self, box: FleetBox) -> None:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"anpr-{box.number}",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.on_connect = partial(self._on_connect, box)
        client.on_disconnect = partial(self._on_disconnect, box)
        client.on_publish = partial(self._on_publish, box)
        client.on_message = partial(self._on_message, box)
        client.on_socket_open = partial(self._on_socket_open, box)
        client.on_socket_close = self._on_socket_close
        box.client = client
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _LIMITS.message_expiry_s
        try:
            client.connect(
                box.address.host,
                box.address.port,
                keepalive=KEEPALIVE_S,
                clean_start=False,
                properties=properties,
            )
        except OSError:
            self._lost(box)

    def _lost(self, box: FleetBox) -> None:
        """The connection of a box has ended, or could not be opened: try again soon."""
        if box.client is None:
            return
        client, box.client = box.client, None
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.on_message = client.on_socket_open = None
        if (connection := client.socket()) is not None:
            self._selector.unregister(connection)
            connection.close()
        now = time.monotonic()
        if box.connected:
            box.connected = False
            box.lost_at = now
            self.counts.connected -= 1
        if box.flying is not None:
            box.waiting.appendleft(box.flying[1])
            box.flying = None
        box.attempt += 1
        delay = reconnect_delay_s(box.attempt, now - box.lost_at, self._random.random())
        self._later(delay, partial(self._connect, box))

    def _serve(self, box: FleetBox, events: int) -> None:
        client = box.client
        if client is None:
            return
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        if events & selectors.EVENT_READ:
            code = client.loop_read()
        if events & selectors.EVENT_WRITE and code is MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = client.loop_write()
        self._after(box, client, code)

    def _after(self, box: FleetBox, client: Client, code: MQTTErrorCode) -> None:
        """What follows each call of the client: a lost connection, the next hit, what to await."""
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or client.socket() is None:
            self._lost(box)
            return
        if box.client is client:
            self._send(box)
            self._await(box)

    def _await(self, box: FleetBox) -> None:
        client = box.client
        connection = None if client is None else client.socket()
        if client is None or connection is None:
            return
        events = selectors.EVENT_READ
        if client.want_write():
            events |= selectors.EVENT_WRITE
        if self._selector.get_key(connection).events != events:
            self._selector.modify(connection, events, box)

    def _keep_alive(self) -> None:
        for box in self._boxes.values():
            if (client := box.client) is not None:
                self._after(box, client, client.loop_misc())

    def _on_socket_open(
        self, box: FleetBox, _client: Client, _data: object, opened: SocketLike
    ) -> None:
        if isinstance(opened, socket.socket):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(opened, selectors.EVENT_READ, box)

    def _on_socket_close(self, _client: Client, _data: object, closed: SocketLike) -> None:
        self._selector.unregister(closed)

    def _on_connect(
        self,
        box: FleetBox,
        client: Client,
        _data: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        _more: object,
    ) -> None:
        if reason.is_failure:
            return
        box.connected, box.attempt = True, 0
        self.counts.connected += 1
        self.counts.connections += 1
        client.subscribe(topics.receipt(*box_name(box.number)), qos=1)
        if not flags.session_present:
            # The broker has lost the session, and perhaps hits and receipts in it.
            again = [number for number in box.unconfirmed if number not in box.waiting]
            box.waiting.extendleft(reversed(again))
            box.unconfirmed.clear()

    def _on_disconnect(self, box: FleetBox, *_: object) -> None:
        self._later(0.0, partial(self._lost_if, box, box.client))

    def _lost_if(self, box: FleetBox, client: Client | None) -> None:
        if box.client is client:
            self._lost(box)

    # --- hits and receipts ----------------------------------------------------------------------

    def _send(self, box: FleetBox) -> None:
        """Send the next hit that waits, if none is on its way."""
        if not box.connected or box.client is None or box.flying is not None or not box.waiting:
            return
        number = box.waiting.popleft()
        hit = self._hits[number]
        properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = _LIMITS.message_expiry_s
        site, name = box_name(box.number)
        topic = f"{topics.ROOT}/{site}/{name}/{CAMERA}/hit"
        sent = box.client.publish(topic, self._payload(hit), qos=1, properties=properties)
        box.flying = (sent.mid, number)
        self._await(box)

    def _on_publish(
        self, box: FleetBox, _client: Client, _data: object, mid: int, *_: object
    ) -> None:
        if box.flying is None or box.flying[0] != mid:
            return
        number, box.flying = box.flying[1], None
        self.counts.published += 1
        if not self.received_at[number]:
            before = box.unconfirmed.get(number, self._task.receipt_wait_s / 2)
            wait_s = box.unconfirmed[number] = min(2 * before, _LIMITS.longest_hold_s)
            self._later(wait_s, partial(self._overdue, box, number, wait_s))

    def _overdue(self, box: FleetBox, number: int, wait_s: float) -> None:
        flying = box.flying is not None and box.flying[1] == number
        if box.unconfirmed.get(number) == wait_s and number not in box.waiting and not flying:
            self.counts.sent_again += 1
            box.waiting.append(number)
            self._send(box)

    def _on_message(
        self, box: FleetBox, _client: Client, _data: object, message: MQTTMessage
    ) -> None:
        now = time.time()
        self.counts.receipts += 1
        confirmed = self._verify(bytes(message.payload))
        number = None if confirmed is None else self._numbers.get(bytes.fromhex(confirmed[0]))
        if number is None or self._hits[number].box != box.number:
            self.counts.refused_receipts += 1
            return
        stored_at = parse_utc(json.loads(message.payload)["stored_at"]).timestamp()
        if self.received_at[number]:
            self.counts.other_times += stored_at != self.stored_at[number]
            return
        self.received_at[number], self.stored_at[number] = now, stored_at
        self.counts.receipted += 1
        box.unconfirmed.pop(number, None)
        if number in box.waiting:
            box.waiting.remove(number)

    def _payload(self, hit: SealedHit) -> bytes:
        return self._payloads[hit.at : hit.at + hit.length]

    def _payload_of(self, hit_id: str) -> bytes | None:
        number = self._numbers.get(bytes.fromhex(hit_id))
        return None if number is None else self._payload(self._hits[number])


def _as_json(counts: FleetCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in counts.__slots__}


def more_files() -> None:
    """Raise the limit of open files as far as this user may; each session needs three."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for wanted in (max(hard, _FILES), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        except (ValueError, OSError):
            continue
        return


def main() -> None:
    """Run one process of the simulator."""
    given = json.loads(sys.argv[1])
    task = FleetTask(**{**given, "ports": tuple(given["ports"])})
    more_files()
    fleet = BoxFleet(task)
    fleet.run()
    print(json.dumps({"counts": _as_json(fleet.counts)}), flush=True)
    with Path(task.result).open("wb") as file:
        fleet.received_at.tofile(file)
        fleet.stored_at.tofile(file)
