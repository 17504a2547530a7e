"""Sends a list that many boxes share by MQTT, and waits for the signed answers of the boxes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from edge.adapters.broker.holds import reason_text
from edge.adapters.broker.list_parts import publish_parts
from edge.adapters.broker.mqtt import FAILURE, BrokerLink, LinkLostError
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import BoxTopics, parse
from edge.adapters.state.list_bodies import is_tried_again
from edge.authority.list_sender import ListRefusedError, Waiting
from edge.errors import EdgeError, PublishError
from edge.formats.plurals import quantity
from edge.policy.bundle_format import ListBundleError
from edge.policy.list_answer import ListAnswer, verified_answer
from edge.policy.shared_lists import SharedList
from edge.privacy.keys import BoxPublicKeys

_RECEIVE_S = 0.2
_AT_ONCE = 100
"""So many topics are subscribed to, or manifests sent, before the broker's answers are awaited."""
_NAMED = 5
"""How many boxes an error names."""
_NOTED = 20
"""How many notes about ignored answers are printed; each box may send any number."""

Box = tuple[str, str]
"""The ids of a site and a box."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What the boxes have answered, by site and box.

    Attributes:
        in_force: those that have the list in force.
        refused: those that refuse it.
        unsent: why the broker did not take the manifest of a box.
        silent: those that have not answered.
        lost: why the broker's connection ended before all had answered; None: it did not.
    """

    in_force: Mapping[Box, ListAnswer]
    refused: Mapping[Box, ListAnswer]
    unsent: Mapping[Box, str]
    silent: tuple[Box, ...]
    lost: LinkLostError | None = None

    @property
    def count(self) -> int:
        """How many boxes there are."""
        return sum(map(len, (self.in_force, self.refused, self.unsent, self.silent)))

    def require_all(self) -> None:
        """Refuse if not every box has the list in force.

        Raises:
            ListRefusedError: one has refused it.
            PublishError: the broker did not take one, or its connection ended before all had
                answered; `E_LIST_UNANSWERED`: one has not answered.
        """
        if self.refused:
            raise ListRefusedError(next(iter(self.refused.values())))
        if self.unsent:
            (site, box), why = next(iter(self.unsent.items()))
            raise PublishError(
                f"the broker does not take the list for {len(self.unsent)} of "
                f"{quantity(self.count, 'box', 'boxes')}: "
                f"for {site}/{box} it {why}"
            )
        if self.silent and self.lost:
            raise PublishError(
                f"{self.lost.message}; {len(self.silent)} of "
                f"{quantity(self.count, 'box', 'boxes')} ({named(self.silent)}) had not answered "
                "by then; send the list again"
            )
        if self.silent:
            raise PublishError(
                f"{len(self.silent)} of {quantity(self.count, 'box', 'boxes')} did not "
                f"answer in time ({named(self.silent)}); the broker keeps the list for them. "
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
    """Publish the manifests of all boxes, retained, and collect the answers of all together.

    A manifest that the broker does not take stops no other. If the connection ends while the boxes
    answer, the answers until then count.

    Args:
        options: broker address and credentials.
        shared: the manifests; if its body is there, it is published before them, in parts.
        boxes: the public keys of the boxes that get it.
        waiting: how long, from the last manifest on.
        note: gets what should be known while this waits.

    Raises:
        ListBundleError: there is no manifest of one of the boxes.
        PublishError: the broker cannot be reached, or refuses a subscription or a part.
    """
    missing = tuple(box for box in boxes if box not in shared.manifests)
    if missing:
        raise ListBundleError(
            f"no manifest of {quantity(len(missing), 'box', 'boxes')} ({named(missing)}); build "
            "the list with their public files"
        )
    topics = {
        box: BoxTopics(*box, frozenset(), frozenset({shared.list_id})) for box in sorted(boxes)
    }
    answers: dict[Box, ListAnswer] = {}
    lost = None
    with BrokerLink.open(options, cancelled=waiting.cancelled) as link:
        for some in _some([one.list_answer for one in topics.values()]):
            link.subscribe(some)
        if shared.body:
            publish_parts(link, options.address, shared.body_sha256, shared.body)
        unsent = _publish(link, shared, topics)
        wanted = {box: keys for box, keys in boxes.items() if box not in unsent}
        try:
            _collect(link, shared, wanted, answers, waiting, note)
        except LinkLostError as error:
            lost = error
    return Spread(
        {box: one for box, one in sorted(answers.items()) if one.state == "in-force"},
        {box: one for box, one in sorted(answers.items()) if one.state == "refused"},
        unsent,
        tuple(box for box in sorted(wanted) if box not in answers),
        lost,
    )


_T = TypeVar("_T")


def _some(many: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """The same in parts of `_AT_ONCE`."""
    for first in range(0, len(many), _AT_ONCE):
        yield many[first : first + _AT_ONCE]


def _publish(
    link: BrokerLink, shared: SharedList, topics: Mapping[Box, BoxTopics]
) -> dict[Box, str]:
    """Publish the manifests; returns why the broker did not take those of some boxes."""
    unsent = {}
    for some in _some(list(topics.items())):
        messages = [(own.bundle(shared.list_id), shared.manifests[box]) for box, own in some]
        reasons = link.publish_all(messages, retain=True)
        for (box, _), (topic, _), reason in zip(some, messages, reasons, strict=True):
            if reason >= FAILURE:
                unsent[box] = f"refuses it on {topic} {reason_text(reason)}"
    return unsent


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
