"""Receives the messages to a box: receipts, bundles of lists, and orders to suspend and resume.

Each kind has its own topic. No message can end the thread that receives it, and its payload is
never logged. A sender must not be able to fill the log, so refusals of one kind on one topic are
logged once a minute; the others are counted.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Mapping
from functools import partial

from edge.adapters.broker.mqtt import Message
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.rate_limit import RateLimit
from edge.adapters.state.outbox import Outbox
from edge.errors import EdgeError

_LOG = logging.getLogger(__name__)

# Handles the payload of a message. If it refuses the message, it changes nothing and raises an
# `EdgeError` that says why.
MessageHandler = Callable[[bytes], object]

# Verifies a receipt's signature and returns its hit_id and the sealed evidence's SHA-256 (hex).
ReceiptVerifier = Callable[[bytes], tuple[str, str] | None]


class Reception:
    """Hands each message to the handler of its topic.

    Args:
        topics: the closed list of this box's topics.
        handlers: handlers of messages other than receipts, by topic.
        verify_receipt: verifies a receipt's signature.
        outbox: the hits that wait for receipts.
        monotonic: the monotonic clock, seconds.

    Raises:
        PublishError: `E_TOPIC`: a handler's topic is not one that this box may subscribe to.
    """

    def __init__(
        self,
        topics: BoxTopics,
        handlers: Mapping[str, MessageHandler],
        verify_receipt: ReceiptVerifier,
        outbox: Outbox,
        monotonic: Callable[[], float],
    ) -> None:
        topics.require_receivable(handlers)
        self._handlers = handlers
        self._receipt_topic = topics.receipt
        self._verify_receipt = verify_receipt
        self._outbox = outbox
        self._refusals = RateLimit(monotonic)
        self.topics = (topics.receipt, *sorted(handlers))
        self.urgent: dict[str, Callable[[bytes], None]] = {
            topic: partial(self._handle, handler, topic)
            for topic, handler in handlers.items()
            if topic == topics.command
        }
        """Handlers that a link calls at once, even while it waits for an acknowledgement."""

    def receive(self, message: Message) -> str | None:
        """Handle a message; returns the id of the hit that it confirmed and removed, if any."""
        handler = self._handlers.get(message.topic)
        if handler is not None:
            self._handle(handler, message.topic, message.payload)
        elif message.topic == self._receipt_topic:
            return self._receipt(message.payload)
        return None

    def report_suppressed(self) -> None:
        """Log how many refusals of each kind were not logged; call this regularly."""
        for kind, held in self._refusals.over():
            _LOG.warning("more refusals of this kind, not logged one by one: %d (%s)", held, kind)

    def _handle(self, handler: MessageHandler, topic: str, payload: bytes) -> None:
        """Call a handler; log its error without quoting the message.

        Refusals on the same topic with the same code are of one kind.
        """
        try:
            handler(payload)
        except EdgeError as error:
            if self._may_log(f"{topic}: {error.code}"):
                _LOG.warning("refused on %s: %s", topic, error)
        except Exception as error:  # noqa: BLE001 - no message may end the receiving thread
            if self._may_log(f"{topic}: {type(error).__name__}"):
                _LOG.error("a message on %s could not be read (%s)", topic, type(error).__name__)

    def _may_log(self, kind: str) -> bool:
        self.report_suppressed()
        return self._refusals.passes(kind)

    def _receipt(self, payload: bytes) -> str | None:
        receipt = self._verify_receipt(payload)
        if receipt is None:
            if self._may_log("receipt of no hit"):
                _LOG.info("ignored a receipt that is invalid or not for a waiting hit")
            return None
        hit_id, sealed_sha256 = receipt
        waiting = self._outbox.find(hit_id)
        if waiting is None:
            return None  # a second receipt, after a second delivery
        if not _is_of(sealed_sha256, waiting):
            if self._may_log("receipt for other evidence"):
                _LOG.warning(
                    "a receipt does not match the evidence that was sent; the hit stays queued"
                )
            return None
        self._outbox.delete(hit_id)
        return hit_id


def _is_of(sealed_sha256: str, payload: bytes) -> bool:
    """Whether a receipt's digest is that of the evidence in this hit."""
    try:
        hit = json.loads(payload)
    except ValueError:
        return False
    expected = hit.get("sealed_sha256") if isinstance(hit, dict) else None
    return isinstance(expected, str) and hmac.compare_digest(expected, sealed_sha256)
