"""Records every message that a broker delivers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from typing_extensions import Self

from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One message as the broker delivered it."""

    topic: str
    payload: bytes = field(repr=False)
    retained: bool


class MessageRecorder:
    """Subscribes to all topics of a broker in a thread of its own; a context manager."""

    def __init__(self, port: int) -> None:
        self._options = BrokerOptions("127.0.0.1", port, client_id="recorder")
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.messages: list[RecordedMessage] = []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60), "the recorder could not subscribe"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, settle_s: float = 0.3) -> None:
        """Stop listening once no message came for a moment."""
        self._stopping.wait(settle_s)
        self._stopping.set()
        self._thread.join()

    def of_kind(self, kind: str) -> list[RecordedMessage]:
        return [message for message in self.messages if message.topic.endswith("/" + kind)]

    def _listen(self) -> None:
        with BrokerLink.open(self._options) as link:
            link.subscribe(["#"])
            self._ready.set()
            while not self._stopping.is_set():
                message = link.receive(0.05)
                if message is not None:
                    link.acknowledge(message)
                    self.messages.append(
                        RecordedMessage(message.topic, message.payload, message.retained)
                    )
