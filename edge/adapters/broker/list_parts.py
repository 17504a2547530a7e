"""Carries the body of a list over MQTT in parts, where boxes may reach nothing but the broker.

Each part is a retained message on a topic of the body's digest. So the broker keeps one copy for
all boxes, for `KEPT_S`. A part fits under the packet limit that most brokers have.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge.adapters.broker.holds import reason_text
from edge.adapters.broker.mqtt import FAILURE, BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import list_part
from edge.adapters.state.list_bodies import IDLE_S, Cutoff, ListFetchError
from edge.errors import PublishError

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
        own = replace(
            self.options,
            client_id=f"{self.options.client_id}-lists",
            largest_packet_bytes=PART_BYTES + _OVERHEAD_BYTES,
        )
        topics = part_topics(sha256, size)
        try:
            with BrokerLink.open(own, cancelled=until.over) as link:
                for first in range(0, len(topics), _AT_ONCE):
                    yield from self._parts(link, topics[first : first + _AT_ONCE], until)
        except PublishError as error:
            raise ListFetchError(error.message) from None

    def _parts(self, link: BrokerLink, topics: Sequence[str], until: Cutoff) -> Iterator[bytes]:
        link.subscribe(topics)
        found: dict[str, bytes] = {}
        for topic in topics:
            while topic not in found:
                message = link.receive(self.idle_s)
                if message is None:
                    if until.over():
                        return
                    raise ListFetchError(
                        f"broker {self.options.address}: no part on {topic} within "
                        f"{self.idle_s:g} s; have the list sent again with --parts, and let the "
                        "box read this topic at the broker"
                    )
                link.acknowledge(message)
                found[message.topic] = message.payload
            yield found.pop(topic)
