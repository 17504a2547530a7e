"""A hit that needs a receipt stays in the outbox until its authority confirms it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.publisher import PublisherLimits
from tests.support.brokers import (
    Broker,
    receipt,
    wait_until,
)
from tests.support.publishing import (
    SEALED,
    Box,
    authority_of,
    send_receipt,
    wait_for_acknowledged,
)


def test_a_hit_that_needs_a_receipt_stays_until_the_receipt_arrives(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker, PublisherLimits(receipt_wait_s=60))
    with authority_of(broker, sends_receipts=False) as authority:
        box.put("a", receipt_required=True)
        box.publisher.start()
        assert wait_until(lambda: box.publisher.state.acknowledged == 1)
        assert not box.publisher.drain(0.3)
        send_receipt(broker, receipt("a", SEALED))
        assert box.publisher.drain(5)
        assert len(authority.deliveries) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(receipt("a", SEALED, signed=False), id="not signed by the authority"),
        pytest.param(receipt("a", "0" * 64), id="for other evidence"),
        pytest.param(receipt("b", SEALED), id="for another hit"),
    ],
)
def test_an_invalid_receipt_deletes_nothing(
    broker: Broker, open_box: Callable[..., Box], wrong: bytes
) -> None:
    box = open_box(broker, PublisherLimits(receipt_wait_s=60))
    box.put("a", receipt_required=True)
    box.publisher.start()
    assert wait_until(lambda: box.publisher.state.acknowledged == 1)
    send_receipt(broker, wrong)
    assert not box.publisher.drain(0.5)
    assert box.outbox.hit_ids() == ("a",)
    send_receipt(broker, receipt("a", SEALED))
    assert box.publisher.drain(5)


def test_without_a_receipt_the_hit_is_published_again(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker)
    with authority_of(broker, sends_receipts=False) as authority:
        box.put("a", receipt_required=True)
        box.publisher.start()
        assert wait_until(lambda: len(authority.deliveries) >= 2)
        authority.sends_receipts = True
        assert box.publisher.drain(10)
    assert authority.hit_ids == ["a"]


def test_after_a_restart_a_hit_without_receipt_is_published_again_at_once(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    patient = PublisherLimits(receipt_wait_s=3600)
    first = open_box(broker, patient)
    first.put("a", receipt_required=True)
    first.publisher.start()
    assert wait_until(lambda: first.publisher.state.acknowledged == 1)
    first.close()
    second = open_box(broker, patient)
    with authority_of(broker) as authority:
        second.publisher.start()
        assert second.publisher.drain(10)
    assert authority.hit_ids == ["a"]


def test_a_broker_without_the_session_receives_unconfirmed_hits_again_at_once(
    open_box: Callable[..., Box],
) -> None:
    with EmbeddedBroker() as broker:  # this broker keeps its sessions in memory
        box = open_box(broker, PublisherLimits(receipt_wait_s=3600))
        box.put("a", receipt_required=True)
        box.publisher.start()
        assert wait_until(lambda: box.publisher.state.acknowledged == 1)
        broker.kill()
        broker.start()
        assert wait_for_acknowledged(box, 2)


HASTY = PublisherLimits(receipt_wait_s=3600, unsettled_wait_s=0.2)


def test_in_a_new_session_a_hit_is_sent_again_soon_for_a_receiver_that_came_later(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    box = open_box(broker, HASTY)
    with authority_of(broker, sends_receipts=False) as authority:
        box.put("a", receipt_required=True)
        box.publisher.start()
        assert wait_until(lambda: len(authority.deliveries) >= 2)


@pytest.mark.parametrize("heard", [True, False])
def test_in_a_kept_session_a_hit_is_sent_again_soon_only_if_nobody_subscribes(
    broker: Broker, open_box: Callable[..., Box], heard: bool
) -> None:
    if not heard and isinstance(broker, EmbeddedBroker):
        pytest.skip("this broker does not say that nobody subscribes")
    first = open_box(broker, HASTY)
    first.publisher.start()
    assert wait_until(lambda: first.publisher.state.connected)
    first.close()
    second = open_box(broker, HASTY)
    second.put("a", receipt_required=True)
    with contextlib.ExitStack() as listening:
        if heard:
            listening.enter_context(authority_of(broker, sends_receipts=False))
        second.publisher.start()
        assert wait_for_acknowledged(second, 1)
        assert wait_until(lambda: second.publisher.state.acknowledged >= 2, 1.5) is not heard


def test_a_receipt_sent_while_the_box_was_offline_is_accepted(
    broker: Broker, open_box: Callable[..., Box]
) -> None:
    patient = PublisherLimits(receipt_wait_s=3600)
    first = open_box(broker, patient)
    first.put("a", receipt_required=True)
    first.publisher.start()
    assert wait_until(lambda: first.publisher.state.acknowledged == 1)
    first.close()
    send_receipt(broker, receipt("a", SEALED))
    second = open_box(broker, patient)
    second.publisher.start()
    assert second.publisher.drain(5)
