"""`edge-anpr suspend new`: an order that boxes obey, whatever the clock of the authority says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.errors import EdgeError
from edge.formats.signing import SigningKey
from edge.policy.suspension import (
    MAX_ORDER_BYTES,
    SuspensionOrder,
    SuspensionState,
    SuspensionTerms,
    new_order,
    obeyed,
    parse_order,
)
from tests.support.product import Finished, verb

SITE, BOX = "school-street", "box-1"
VTC = SigningKey.demo_of("vtc")
TERMS = SuspensionTerms(SITE, BOX, {VTC.public.key_id: VTC.public}, {})


def suspend(out: Path, *more: str) -> Finished:
    return verb("suspend", "new", SITE, "--reason", "no-dpia", "--out", out, *more)


def made(out: Path, *more: str) -> SuspensionOrder:
    done = suspend(out, *more)
    assert done.status == 0, done.err
    return parse_order(out.read_bytes())


@pytest.fixture
def ahead(tmp_path: Path) -> SuspensionOrder:
    """An order of this site that was made while the clock was five years ahead."""
    later = datetime.now(timezone.utc) + timedelta(days=5 * 365)
    order = new_order(SITE, "suspend", "no-dpia", later)
    (tmp_path / "first.json").write_bytes(order.signed_by(VTC).to_bytes())
    return order


def test_p17_after_a_clock_that_was_ahead_boxes_obey_the_next_order(
    tmp_path: Path, ahead: SuspensionOrder
) -> None:
    (tmp_path / "broken.json").write_text('{"schema"')
    (tmp_path / "large.json").write_bytes(b"{" * (MAX_ORDER_BYTES + 1))
    (tmp_path / "folder.json").mkdir()
    done = suspend(tmp_path / "second.json")
    assert "Check the clock" in done.err
    second = parse_order((tmp_path / "second.json").read_bytes())
    third = made(tmp_path / "third.json")

    state = obeyed(ahead.signed_by(VTC), SuspensionState(), TERMS)
    for one in (second, third):
        state = obeyed(one.signed_by(VTC), state, TERMS)
    assert state.last(VTC.public) == third.signed_by(VTC)
    assert [second.counter, third.counter] == [ahead.counter + 1, ahead.counter + 2]
    assert third.issued_at < ahead.issued_at


def test_orders_of_another_site_or_of_before_leave_the_counter_at_the_clock(tmp_path: Path) -> None:
    later = datetime.now(timezone.utc) + timedelta(days=9)
    other = new_order("elsewhere", "suspend", "no-dpia", later)
    (tmp_path / "other.json").write_bytes(other.to_bytes())
    first = made(tmp_path / "first.json")
    done = suspend(tmp_path / "second.json")

    assert first.counter < other.counter
    assert first.counter < parse_order((tmp_path / "second.json").read_bytes()).counter
    assert not done.err


def test_p17_without_the_earlier_orders_the_box_names_the_counter_to_give(
    tmp_path: Path, ahead: SuspensionOrder
) -> None:
    (tmp_path / "empty").mkdir()
    state = obeyed(ahead.signed_by(VTC), SuspensionState(), TERMS)
    with pytest.raises(EdgeError) as refused:
        obeyed(made(tmp_path / "empty" / "a.json").signed_by(VTC), state, TERMS)
    assert refused.value.code == "E_SUSPENSION_REPLAY"
    *_, option, counter = refused.value.message.rstrip("`").split()

    third = made(tmp_path / "empty" / "b.json", option, counter)

    assert obeyed(third.signed_by(VTC), state, TERMS).last(VTC.public) == third.signed_by(VTC)


def test_a_counter_that_leaves_no_higher_one_is_named(tmp_path: Path) -> None:
    done = suspend(tmp_path / "order.json", "--after", str(2**53 - 1))

    assert done.status == 3
    assert "--after: a smaller one" in done.err
    assert not (tmp_path / "order.json").exists()
