"""Connects to an MQTT 5 broker; used by the box and by the authority.

`BrokerLink` is blocking and not thread-safe: use it in the thread that opened it. A received
message is acknowledged by an explicit call, so that the receiver can store it first.

Source: https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html (section numbers below).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions
from typing_extensions import Self

from edge.adapters.broker.connect_errors import refused, unreachable
from edge.adapters.broker.options import BrokerOptions, tls_context
from edge.errors import PublishError

QOS = 1
# Fixed header, topic length, packet id and the message expiry property (2.1.1, 3.3.2).
PUBLISH_OVERHEAD_BYTES = 32

# Reason codes (2.4); those from 0x80 on are failures.
FAILURE = 0x80
NO_MATCHING_SUBSCRIBERS = 0x10
PACKET_TOO_LARGE = 0x95
_SESSION_TAKEN_OVER = 0x8E

_POLL_S = 0.05
_DISCONNECT_S = 1.0


@dataclass(frozen=True, slots=True)
class Will:
    """The last will: published by the broker, retained, if the connection is lost."""

    topic: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A received message; `number` is its packet id, or 0 if it came with QoS 0."""

    topic: str
    payload: bytes = field(repr=False)
    retained: bool
    number: int


class LinkLostError(PublishError):
    """The connection ended, or the broker did not answer in time."""


class TooLargeError(PublishError):
    """The packet is larger than the maximum that the broker has announced."""

    default_code = "E_TOO_LARGE"


class BrokerLink:
    """An open connection to a broker. Made by `BrokerLink.open`; use it as a context manager."""

    def __init__(
        self,
        options: BrokerOptions,
        *,
        session_expiry_s: int,
        will: Will | None,
        cancelled: Callable[[], bool],
        monotonic: Callable[[], float],
        urgent: Mapping[str, Callable[[bytes], None]],
    ) -> None:
        self._options = options
        self._urgent = urgent
        self._urgent_received: deque[Message] = deque()
        self._cancelled = cancelled
        self._monotonic = monotonic
        self._session_expiry_s = session_expiry_s
        self._received: deque[Message] = deque()
        self._accepted: ReasonCode | None = None  # of the CONNACK, once received
        self._end_reason: str | None = None
        self._socket_error = ""
        self._acknowledged: dict[int, ReasonCode] = {}
        self._subscribed: dict[int, list[ReasonCode]] = {}
        self.session_present = False
        self.left_behind = False
        self.maximum_packet_bytes: int | None = None
        self._client = self._make_client(will)

    @classmethod
    def open(
        cls,
        options: BrokerOptions,
        *,
        session_expiry_s: int = 0,
        will: Will | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
        urgent: Mapping[str, Callable[[bytes], None]] = MappingProxyType({}),
    ) -> Self:
        """Connect, and wait until the broker has accepted the connection.

        Args:
            options: broker address and credentials.
            session_expiry_s: how long the broker keeps subscriptions and queued messages
                for this client id after a disconnect; 0: a clean start and no session.
            will: the last will.
            cancelled: True ends the wait for the broker's acceptance, or for a message.
            monotonic: the monotonic clock, seconds.
            urgent: handlers by topic. They are called as soon as a message arrives, even during
                another call's wait; `receive` does not return these messages.

        Raises:
            PublishError: the broker cannot be reached, or refuses the connection.
            ConfigError: a TLS file cannot be used.
        """
        link = cls(
            options,
            session_expiry_s=session_expiry_s,
            will=will,
            cancelled=cancelled,
            monotonic=monotonic,
            urgent=urgent,
        )
        try:
            link._connect()
        except BaseException:
            link.abort()
            raise
        return link

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error no DISCONNECT is sent, so that the broker publishes the will.
        if kind is None:
            self.close()
        else:
            self.abort()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        expiry_s: int | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """Publish with QoS 1 and wait for the broker's acknowledgement.

        Args:
            topic: the topic.
            payload: the payload, sent unchanged.
            retain: whether the broker keeps it for later subscribers.
            expiry_s: how long the broker may keep it undelivered; None: without limit.
            timeout_s: how long to wait; None: the options' `acknowledge_timeout_s`.

        Returns:
            The reason code of the PUBACK; from `FAILURE` on, the broker refused the message.

        Raises:
            TooLargeError: larger than the maximum announced by the broker; nothing was sent.
            LinkLostError: the connection ended, or no acknowledgement came in time.
        """
        number = self._send(topic, payload, retain=retain, expiry_s=expiry_s)
        return self._acknowledgement(number, timeout_s)

    def publish_all(self, messages: Sequence[tuple[str, bytes]], *, retain: bool) -> list[int]:
        """Publish topics and payloads, as `publish`; waits for the PUBACKs when all are sent."""
        numbers = [self._send(topic, payload, retain=retain) for topic, payload in messages]
        return [self._acknowledgement(number) for number in numbers]

    def _send(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> int:
        """Send a message with QoS 1; returns its packet id."""
        size = len(payload) + len(topic.encode()) + PUBLISH_OVERHEAD_BYTES
        if self.maximum_packet_bytes is not None and size > self.maximum_packet_bytes:
            raise TooLargeError(
                f"broker {self._options.address}: accepts packets of at most "
                f"{self.maximum_packet_bytes} bytes, this one has {size}; raise the broker's "
                f"limit or {self._options.names.smaller}"
            )
        properties = _properties(PacketTypes.PUBLISH)
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        return self._client.publish(
            topic, payload, qos=QOS, retain=retain, properties=properties
        ).mid

    def _acknowledgement(self, number: int, timeout_s: float | None = None) -> int:
        """Wait for the PUBACK of a message; returns its reason code."""
        self._wait_for(lambda: number in self._acknowledged, "acknowledge a message", timeout_s)
        return self._acknowledged.pop(number).value

    def subscribe(
        self,
        filters: Sequence[str],
        *,
        optional: Collection[str] = (),
        unqueued: Collection[str] = (),
    ) -> dict[str, PublishError]:
        """Subscribe with QoS 1; returns the error of each optional filter that is refused.

        Args:
            filters: topics, which may have wildcards.
            optional: filters that the broker may refuse.
            unqueued: filters with QoS 0 instead: the broker keeps none of their messages while this
                client is away, so they take no room in its queue.

        Raises:
            PublishError: the broker refuses a filter that is not optional.
            LinkLostError: the connection ended, or no acknowledgement came in time.
        """
        _, number = self._client.subscribe(
            [(one, SubscribeOptions(qos=0 if one in unqueued else QOS)) for one in filters]
        )
        if number is None:
            raise self._lost()
        self._wait_for(lambda: number in self._subscribed, "acknowledge a subscription")
        refused = {
            topic: PublishError(
                f"broker {self._options.address}: does not let this client subscribe to "
                f"{topic} ({reason.getName()}); allow it in the broker's access list"
            )
            for topic, reason in zip(filters, self._subscribed.pop(number), strict=True)
            if reason.value >= FAILURE
        }
        for topic, error in refused.items():
            if topic not in optional:
                raise error
        return refused

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None if none came in time. Acknowledge it once it is stored.

        Raises:
            LinkLostError: the connection ended. Unacknowledged messages are delivered again.
        """
        deadline = self._monotonic() + timeout_s
        left = timeout_s
        while not self._received:
            self._run_client(max(0.0, min(left, _POLL_S)))
            left = deadline - self._monotonic()
            if left <= 0 or self._cancelled():
                break
        return self._received.popleft() if self._received else None

    def acknowledge(self, *messages: Message) -> None:
        """Acknowledge messages to the broker; call this when they are stored."""
        for message in messages:
            self._tell_stored(message)
        with contextlib.suppress(LinkLostError):  # the messages are then delivered again
            self._run_client(0)

    def close(self) -> None:
        """Disconnect: the broker keeps the session and does not publish the will."""
        if self._end_reason is None:
            self._client.disconnect()
            deadline = self._monotonic() + _DISCONNECT_S
            with contextlib.suppress(LinkLostError):  # the expected end of the connection
                while self._monotonic() < deadline:
                    self._run_client(_POLL_S)
        self.abort()

    def abort(self) -> None:
        """Close the connection without a DISCONNECT: the broker publishes the will."""
        self._end("closed here")
        connection = self._client.socket()
        if connection is not None:
            connection.close()
        # The callbacks are methods of this object, so client and object refer to each other. Break
        # the cycle, or the client's socket pair stays open until the next garbage collection.
        client = self._client
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.on_subscribe = client.on_message = client.on_log = None

    def _make_client(self, will: Will | None) -> Client:
        options = self._options
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = options.connect_timeout_s
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        if options.tls is not None:
            client.tls_set_context(tls_context(options.tls, options.names))
        if will is not None:
            client.will_set(will.topic, will.payload, qos=QOS, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_log = self._on_log
        return client

    def _connect(self) -> None:
        options = self._options
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._session_expiry_s
        if options.largest_packet_bytes is not None:
            properties.MaximumPacketSize = options.largest_packet_bytes
        if options.most_unacknowledged is not None:
            properties.ReceiveMaximum = options.most_unacknowledged
        try:
            self._client.connect(
                options.host,
                options.port,
                keepalive=options.keepalive_s,
                clean_start=self._session_expiry_s == 0,
                properties=properties,
            )
            if isinstance(opened := self._client.socket(), socket.socket):
                # Otherwise a small packet may wait for 40 ms (Nagle's algorithm).
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, ValueError) as error:
            raise unreachable(options, error) from error
        try:
            self._wait_for(
                lambda: self._has_answered() or self._cancelled(),
                "accept the connection",
                options.connect_timeout_s,
            )
        except LinkLostError:
            if self._has_answered():
                raise  # the broker closed the connection right after its answer
            raise self._not_accepted() from None
        accepted = self._accepted
        if accepted is None:
            raise LinkLostError(f"broker {options.address}: stopped while connecting")
        if accepted.value >= FAILURE:
            raise refused(options, accepted)

    def _wait_for(
        self, done: Callable[[], bool], what: str, timeout_s: float | None = None
    ) -> None:
        limit_s = self._options.acknowledge_timeout_s if timeout_s is None else timeout_s
        deadline = self._monotonic() + limit_s
        while not done():
            if self._monotonic() > deadline:
                self._end_reason = f"did not {what} within {limit_s:g} s"
                raise self._lost()
            self._run_client(_POLL_S)

    def _run_client(self, timeout_s: float) -> None:
        """Run the client once: it reads, writes and keeps the connection alive."""
        if self._end_reason is None:
            try:
                code = self._client.loop(timeout_s)
            except (ValueError, MQTTException, IndexError, KeyError, struct.error):
                self._end("sent data that is not MQTT")
                code = MQTTErrorCode.MQTT_ERR_PROTOCOL
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._end("the connection was cut")  # unless a callback has set a reason
        while self._urgent_received:
            message = self._urgent_received.popleft()
            self._urgent[message.topic](message.payload)
            self._tell_stored(message)
        # A refusal also closes the connection; the caller reports its reason code.
        if self._end_reason is not None and not self._is_refused():
            raise self._lost()

    def _tell_stored(self, message: Message) -> None:
        """Send a PUBACK; a message that came with QoS 0 has no number, and gets none."""
        if message.number:
            self._client.ack(message.number, QOS)

    def _end(self, reason: str) -> None:
        if self._end_reason is None:
            self._end_reason = reason

    def _has_answered(self) -> bool:
        return self._accepted is not None

    def _is_refused(self) -> bool:
        return self._accepted is not None and self._accepted.value >= FAILURE

    def _lost(self) -> LinkLostError:
        reason = self._end_reason or "the connection was cut"
        cure = "" if ";" in reason else "; check that the broker runs"
        return LinkLostError(f"broker {self._options.address}: {reason}{cure}")

    def _not_accepted(self) -> PublishError:
        address = self._options.address
        if self._end_reason is not None and self._end_reason.startswith("did not"):
            tls = "" if self._options.tls else ", and whether it requires TLS"
            return PublishError(
                f"broker {address}: {self._end_reason}; check that an MQTT broker listens on this "
                f"port{tls}"
            )
        if self._options.tls is not None:
            return PublishError(
                f"broker {address}: closed the TLS connection before it accepted"
                f"{self._socket_error}; set a valid client certificate that the broker trusts in "
                f"{self._options.names.certificate} and {self._options.names.key}"
            )
        return PublishError(
            f"broker {address}: closed the connection before it accepted; check that it speaks "
            "MQTT 5 on this port, without TLS"
        )

    # Callbacks of the client; they run inside `loop`, in the thread that called it.

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._accepted = reason
        self.session_present = flags.session_present
        self.maximum_packet_bytes = getattr(properties, "MaximumPacketSize", None)

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not flags.is_disconnect_packet_from_server:
            self._end_reason = "the connection was cut"
        elif reason.value == _SESSION_TAKEN_OVER:
            self._end_reason = (
                f"another client took over the client id {self._options.client_id}; "
                f"{self._options.names.own_id}"
            )
        else:
            self._end_reason = f"ended the connection ({reason.getName()})"

    def _on_publish(
        self,
        _client: Client,
        _userdata: object,
        number: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        self._acknowledged[number] = reason

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        number: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self._subscribed[number] = reasons

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        most, largest = self._options.most_waiting, self._options.largest_packet_bytes
        kept = self._options.most_kept
        if kept is not None and message.qos and len(self._received) >= kept:
            self.left_behind = True  # the broker sends it again on the next connection
            return
        if (most is not None and len(self._received) >= most) or (
            largest is not None and len(message.payload) > largest
        ):
            self._end("sent more than this client takes; check the broker")
            return
        received = Message(message.topic, bytes(message.payload), message.retain, message.mid)
        queue = self._urgent_received if received.topic in self._urgent else self._received
        queue.append(received)

    def _on_log(self, _client: Client, _userdata: object, level: int, text: str) -> None:
        # With TLS 1.3 the broker's refusal of a client certificate comes after the handshake,
        # and paho reports it only here.
        if level == LogLevel.MQTT_LOG_ERR and "ALERT" in text.upper():
            alert = text.upper().partition("ALERT")[2].split("]")[0].strip(" _")
            self._socket_error = f" ({alert.replace('_', ' ').lower()})"


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call] # paho leaves this one bare
