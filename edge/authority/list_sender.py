"""Sends a list bundle to a box by MQTT, and waits for the box's signed answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.adapters.broker.holds import reason_text
from edge.adapters.broker.mqtt import (
    FAILURE,
    NO_MATCHING_SUBSCRIBERS,
    PACKET_TOO_LARGE,
    BrokerLink,
    LinkLostError,
    TooLargeError,
)
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import BoxTopics
from edge.errors import CODES, EdgeError, ExitCode, PublishError
from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import MAX_BUNDLE_BYTES, SealedList
from edge.policy.list_answer import ListAnswer, verified_answer
from edge.privacy.keys import BoxPublicKeys

_RECEIVE_S = 0.2


class ListRefusedError(EdgeError):
    """The box has refused a list; with the box's code, and the exit status of that code."""

    exit_code = ExitCode.CONFIG
    default_code = "E_LIST_BUNDLE"

    def __init__(self, answer: ListAnswer) -> None:
        super().__init__(
            f"box {answer.box} of {answer.site} refuses the list {answer.list_}: "
            f"{answer.reason or 'it says no reason'}",
            code=answer.code or None,
        )
        if self.code in CODES:
            self.exit_code = ExitCode(CODES[self.code].status)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long to wait, and what ends it earlier.

    Args:
        seconds: for the broker to take the bundle and the box to answer, together.
        cancelled: True ends the wait.
    """

    seconds: float
    cancelled: Callable[[], bool] = lambda: False


def send_list(
    options: BrokerOptions,
    data: bytes,
    bundle: SealedList,
    box: BoxPublicKeys,
    waiting: Waiting,
    note: Callable[[str], None],
) -> ListAnswer:
    """Publish a bundle, retained, and wait until the box says that the list is in force.

    Args:
        options: broker address and credentials.
        data: the bundle.
        bundle: the same, parsed.
        box: the public keys of the box that it is sealed to.
        waiting: how long.
        note: gets what should be known while this waits.

    Raises:
        ListBundleError: the bundle is for another box.
        ListRefusedError: the box has refused it.
        PublishError: the broker cannot be reached or refuses, or no answer came in time
            (`E_LIST_UNANSWERED`).
    """
    if (bundle.site, bundle.box) != (box.site, box.box):
        raise ListBundleError(
            f"the bundle is for box {bundle.box} of {bundle.site}, the public file is of box "
            f"{box.box} of {box.site}; give the right one"
        )
    topics = BoxTopics(bundle.site, bundle.box, frozenset(), frozenset({bundle.list_id}))
    deadline = time.monotonic() + waiting.seconds
    with BrokerLink.open(options, cancelled=waiting.cancelled) as link:
        link.subscribe([topics.list_answer])
        reason = _publish(link, options.address, topics.bundle(bundle.list_id), data, waiting)
        if reason == NO_MATCHING_SUBSCRIBERS:
            note("the box is not connected to the broker now; the broker keeps the list for it")
        answer = _answer(link, bundle, box, deadline, waiting, note)
    if answer is None:
        raise PublishError(
            f"no answer of box {box.box} within {waiting.seconds:g} s; the broker keeps the list. "
            "Check that the box runs, and that the broker's access list lets it write "
            f"{topics.list_answer} and you read it; then send the list again",
            code="E_LIST_UNANSWERED",
        )
    if answer.state == "refused":
        raise ListRefusedError(answer)
    return answer


def _publish(link: BrokerLink, address: str, topic: str, data: bytes, waiting: Waiting) -> int:
    """Publish the bundle; returns the broker's reason code, which is no failure."""
    large = (
        f"the bundle has {len(data)} bytes; set the broker's limit to {MAX_BUNDLE_BYTES} and a "
        "little more, as config/deploy/mosquitto/mosquitto.conf does"
    )
    try:
        reason = link.publish(topic, data, retain=True, timeout_s=waiting.seconds)
    except TooLargeError:
        limit = link.maximum_packet_bytes
        raise TooLargeError(
            f"broker {address}: accepts packets of at most {limit} bytes; {large}"
        ) from None
    except LinkLostError as error:
        raise LinkLostError(f"{error.message}. If it happens again: {large}") from None
    if reason == PACKET_TOO_LARGE:
        raise TooLargeError(f"broker {address}: refuses the list as too large; {large}")
    if reason >= FAILURE:
        raise PublishError(f"broker {address}: refuses the list on {topic} {reason_text(reason)}")
    return reason


def _answer(
    link: BrokerLink,
    bundle: SealedList,
    box: BoxPublicKeys,
    deadline: float,
    waiting: Waiting,
    note: Callable[[str], None],
) -> ListAnswer | None:
    """The box's answer to this bundle; None if none came in time."""
    noted = set[str]()
    while (left := deadline - time.monotonic()) > 0 and not waiting.cancelled():
        message = link.receive(min(left, _RECEIVE_S))
        if message is None:
            continue
        link.acknowledge(message)
        try:
            answer = verified_answer(message.payload, box)
        except EdgeError as error:
            if error.message not in noted:
                noted.add(error.message)
                note(error.message)
            continue
        if (answer.list_, answer.bundle_sha256) == (bundle.list_id, bundle.sha256):
            return answer
    return None
