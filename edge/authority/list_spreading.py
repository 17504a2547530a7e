"""Sends a list that many boxes share by MQTT, and waits for the signed answers of the boxes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from edge.adapters.broker.holds import reason_text
from edge.adapters.broker.list_parts import publish_parts
from edge.adapters.broker.mqtt import FAILURE, BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import BoxTopics, parse
from edge.adapters.state.list_bodies import is_tried_again
from edge.authority.list_sender import ListRefusedError, Waiting
from edge.errors import EdgeError, PublishError
from edge.policy.bundle_format import ListBundleError
from edge.policy.list_answer import ListAnswer, verified_answer
from edge.policy.shared_lists import SharedList
from edge.privacy.keys import BoxPublicKeys

_RECEIVE_S = 0.2
_FILTERS_AT_ONCE = 100
_NAMED = 5
"""How many boxes an error names."""
_NOTED = 20
"""How many notes about ignored answers are printed; each box may send any number."""

Box = tuple[str, str]
"""The ids of a site and a box."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What the boxes have answered, by site and box; `silent` ones have not answered."""

    in_force: Mapping[Box, ListAnswer]
    refused: Mapping[Box, ListAnswer]
    silent: tuple[Box, ...]

    def require_all(self) -> None:
        """Refuse if not every box has the list in force.

        Raises:
            ListRefusedError: one has refused it.
            PublishError: `E_LIST_UNANSWERED`: one has not answered.
        """
        if self.refused:
            raise ListRefusedError(next(iter(self.refused.values())))
        if self.silent:
            raise PublishError(
                f"{len(self.silent)} of {len(self.silent) + len(self.in_force)} boxes have not "
                f"answered in time ({named(self.silent)}); the broker keeps the list for them. "
                "Check that they run and may write their topic list-answer at the broker; then "
                "send the list again",
                code="E_LIST_UNANSWERED",
            )


def named(boxes: tuple[Box, ...]) -> str:
    """The first boxes of many, for a message."""
    first = ", ".join(f"{site}/{box}" for site, box in boxes[:_NAMED])
    return first + (", …" if len(boxes) > _NAMED else "")


def spread_list(
    options: BrokerOptions,
    shared: SharedList,
    boxes: Mapping[Box, BoxPublicKeys],
    waiting: Waiting,
    note: Callable[[str], None],
) -> Spread:
    """Publish the manifest of each box, retained, and collect the answers.

    Args:
        options: broker address and credentials.
        shared: the manifests; if its body is there, it is published before them, in parts.
        boxes: the public keys of the boxes that get it.
        waiting: how long, from the last manifest on.
        note: gets what should be known while this waits.

    Raises:
        ListBundleError: there is no manifest of one of the boxes.
        PublishError: the broker cannot be reached or refuses a message.
    """
    missing = tuple(box for box in boxes if box not in shared.manifests)
    if missing:
        raise ListBundleError(
            f"no manifest of {len(missing)} boxes ({named(missing)}); build the list with their "
            "public files"
        )
    topics = {
        box: BoxTopics(*box, frozenset(), frozenset({shared.list_id})) for box in sorted(boxes)
    }
    answers: dict[Box, ListAnswer] = {}
    with BrokerLink.open(options, cancelled=waiting.cancelled) as link:
        filters = [one.list_answer for one in topics.values()]
        for first in range(0, len(filters), _FILTERS_AT_ONCE):
            link.subscribe(filters[first : first + _FILTERS_AT_ONCE])
        if shared.body:
            publish_parts(link, options.address, shared.body_sha256, shared.body)
        for box, own in topics.items():
            topic = own.bundle(shared.list_id)
            reason = link.publish(topic, shared.manifests[box], retain=True)
            if reason >= FAILURE:
                raise PublishError(
                    f"broker {options.address}: refuses the list on {topic} {reason_text(reason)}"
                )
        _collect(link, shared, boxes, answers, waiting, note)
    return Spread(
        {box: one for box, one in sorted(answers.items()) if one.state == "in-force"},
        {box: one for box, one in sorted(answers.items()) if one.state == "refused"},
        tuple(box for box in sorted(boxes) if box not in answers),
    )


def _collect(
    link: BrokerLink,
    shared: SharedList,
    boxes: Mapping[Box, BoxPublicKeys],
    answers: dict[Box, ListAnswer],
    waiting: Waiting,
    note: Callable[[str], None],
) -> None:
    """Collect answers until every box has the list in force, or the time is over."""
    digests = {box: sha256(shared.manifests[box]).hexdigest() for box in boxes}
    deadline, noted, unsaid = time.monotonic() + waiting.seconds, set[str](), 0
    open_ = set(boxes)
    while open_ and (left := deadline - time.monotonic()) > 0 and not waiting.cancelled():
        message = link.receive(min(left, _RECEIVE_S))
        if message is None:
            continue
        link.acknowledge(message)
        name = parse(message.topic)
        if name is None or (name.site, name.box) not in boxes:
            continue  # nothing that was subscribed to
        box = (name.site, name.box)
        try:
            answer = verified_answer(message.payload, boxes[box])
        except EdgeError as error:
            if error.message not in noted and len(noted) < _NOTED:
                noted.add(error.message)
                note(error.message)
            elif error.message not in noted:
                unsaid += 1
            continue
        ours = (answer.list_, answer.bundle_sha256) == (shared.list_id, digests[box])
        if ours:
            answers[box] = answer
            if not is_tried_again(answer.code):
                open_.discard(box)
    if unsaid:
        note(f"{unsaid} more answers were ignored too, and are not shown one by one")
