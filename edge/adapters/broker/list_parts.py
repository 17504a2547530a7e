"""Carries the body of a list over MQTT in parts, where boxes may reach nothing but the broker.

Each part is a retained message on a topic of the body's digest. So the broker keeps one copy for
all boxes, for `KEPT_S`. A part fits under the packet limit that most brokers have.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from edge.adapters.broker.holds import reason_text
from edge.adapters.broker.mqtt import FAILURE, BrokerLink, Message
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import list_part
from edge.adapters.state.list_bodies import IDLE_S, Cutoff, ListFetchError
from edge.errors import ConfigError, KeyFileError, PublishError

PART_BYTES: Final = 96 * 1024
"""Length of each part but the last, bytes."""

KEPT_S: Final = 30 * 24 * 3600
"""How long a broker keeps the parts, seconds: longer than most boxes are away."""

_AT_ONCE: Final = 16  # parts that the broker queues for one box
_OVERHEAD_BYTES: Final = 1024


def part_topics(sha256: str, size: int) -> list[str]:
    """The topics of the parts of a body, in order."""
    return [list_part(sha256, number) for number in range(math.ceil(size / PART_BYTES))]


def publish_parts(link: BrokerLink, address: str, sha256: str, body: bytes) -> None:
    """Publish a body in parts, which the broker keeps.

    Args:
        link: the connection.
        address: the broker's, for messages.
        sha256: the body's digest, hex.
        body: the body.

    Raises:
        PublishError: the broker refuses a part, or the connection ended.
    """
    for number, topic in enumerate(part_topics(sha256, len(body))):
        part = body[number * PART_BYTES : (number + 1) * PART_BYTES]
        reason = link.publish(topic, part, retain=True, expiry_s=KEPT_S)
        if reason >= FAILURE:
            raise PublishError(
                f"broker {address}: refuses a part of the list on {topic} {reason_text(reason)}"
            )


@dataclass(frozen=True, slots=True)
class MqttBodies:
    """Fetches bodies in parts, on a connection of its own beside that of the hits.

    Args:
        options: of the box's connection; this one has `-lists` behind its client id.
        idle_s: after this time without a part it is given up, seconds.
    """

    options: BrokerOptions
    idle_s: float = IDLE_S

    def blocks(self, sha256: str, size: int, until: Cutoff) -> Generator[bytes, None, None]:
        topics = part_topics(sha256, size)
        lengths = [
            (topic, min(PART_BYTES, size - number * PART_BYTES))
            for number, topic in enumerate(topics)
        ]
        own = replace(
            self.options,
            client_id=f"{self.options.client_id}-lists",
            largest_packet_bytes=PART_BYTES + _OVERHEAD_BYTES,
            most_waiting=len(topics) + _AT_ONCE,  # if all are sent again meanwhile
        )
        try:
            with BrokerLink.open(own, cancelled=until.over) as link:
                for first in range(0, len(topics), _AT_ONCE):
                    yield from self._parts(link, dict(lengths[first : first + _AT_ONCE]), until)
        except PublishError as error:
            raise ListFetchError(error.message) from None
        except ListFetchError:
            raise
        except (ConfigError, KeyFileError):  # its message has a path, which the issuer must not get
            raise ListFetchError(
                f"broker {self.options.address}: the files of broker.tls in site.yaml cannot be "
                "used; correct them"
            ) from None

    def _parts(
        self, link: BrokerLink, lengths: Mapping[str, int], until: Cutoff
    ) -> Iterator[bytes]:
        """The parts of some topics, in order; nothing else that the broker sends is kept."""
        link.subscribe(list(lengths))
        wanted, found = dict(lengths), dict[str, bytes]()
        idle_until = time.monotonic() + self.idle_s
        for topic in lengths:
            while topic not in found:
                if until.over():
                    return
                # Other messages do not extend the wait.
                message = link.receive(max(0.0, idle_until - time.monotonic()))
                if message is not None:
                    link.acknowledge(message)
                    if (length := wanted.get(message.topic)) is not None:
                        found[message.topic] = self._whole(message, length)
                        del wanted[message.topic]
                        idle_until = time.monotonic() + self.idle_s
                if topic not in found and time.monotonic() >= idle_until and not until.over():
                    raise ListFetchError(
                        f"broker {self.options.address}: no part on {topic} within "
                        f"{self.idle_s:g} s; have the list sent again with --parts, and let the "
                        "box read this topic at the broker"
                    )
            yield found.pop(topic)

    def _whole(self, message: Message, length: int) -> bytes:
        """The bytes of a part."""
        if len(message.payload) != length:
            raise ListFetchError(
                f"broker {self.options.address}: the part on {message.topic} has "
                f"{len(message.payload)} bytes, not {length}; have the list sent again with --parts"
            )
        return message.payload
