"""P17: whose orders suspend a box, and whose orders resume it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import EdgeError
from edge.formats.signing import SigningKey, sign
from edge.policy.suspension import (
    MAX_ORDER_BYTES,
    SCHEMA,
    SuspensionError,
    SuspensionOrder,
    SuspensionState,
    SuspensionTerms,
    new_order,
    obeyed,
    parse_order,
    parse_state,
)

NOON = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
SITE, BOX = "school-street", "box-1"
SUPERVISOR, SECOND = SigningKey.generate("supervisor"), SigningKey.generate("second")
CONTROLLER, STRANGER = SigningKey.generate("mayor"), SigningKey.generate("stranger")
TERMS = SuspensionTerms(
    site=SITE,
    box=BOX,
    suspending={key.public.key_id: key.public for key in (SUPERVISOR, SECOND)},
    controllers={CONTROLLER.public.key_id: CONTROLLER.public},
)
OPEN = SuspensionState()


def order(
    action: Any, *keys: SigningKey, after_s: float = 0, site: str = SITE, box: str = BOX
) -> SuspensionOrder:
    made = new_order(site, action, "no-dpia", NOON + timedelta(seconds=after_s), box=box)
    for key in keys:
        made = made.signed_by(key)
    return made


def refusal(
    given_order: SuspensionOrder, state: SuspensionState, terms: SuspensionTerms = TERMS
) -> EdgeError:
    with pytest.raises(EdgeError) as caught:
        obeyed(given_order, state, terms)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def suspended() -> SuspensionState:
    return obeyed(order("suspend", SUPERVISOR), OPEN, TERMS)


# --- suspend ------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [BOX, "*"])
def test_p17_one_suspension_key_is_enough_to_suspend(box: str) -> None:
    assert not OPEN.suspended
    assert obeyed(order("suspend", SUPERVISOR, box=box), OPEN, TERMS).suspended


@pytest.mark.parametrize("keys", [(), (STRANGER,), (CONTROLLER,)], ids=["none", "stranger", "city"])
def test_p17_no_other_key_suspends(keys: tuple[SigningKey, ...]) -> None:
    assert refusal(order("suspend", *keys), OPEN).code == "E_SIGNATURE"


@pytest.mark.parametrize(("site", "box"), [("elsewhere", BOX), (SITE, "box-2")])
def test_p17_an_order_for_another_site_or_box_changes_nothing(site: str, box: str) -> None:
    elsewhere = order("suspend", SUPERVISOR, site=site, box=box)
    assert "another site or box" in refusal(elsewhere, OPEN).message


def test_p17_a_signature_for_another_context_is_refused() -> None:
    made = order("suspend")
    unsigned = made.model_dump(by_alias=True, exclude={"signatures"})
    foreign = sign("edge-anpr/policy/3", unsigned, SUPERVISOR)
    forged = made.model_copy(update={"signatures": (foreign,)})
    assert refusal(forged, OPEN).code == "E_SIGNATURE"


@pytest.mark.parametrize(
    "change",
    [
        {"action": "resume"},
        {"box": "*"},
        {"reason": "changed"},
        {"counter": 2**50},
        {"issued_at": "2027-01-01T00:00:00.000Z"},
    ],
)
def test_p17_an_order_changed_after_signing_is_refused(
    suspended: SuspensionState, change: dict[str, Any]
) -> None:
    signed = order("suspend", SUPERVISOR, CONTROLLER, after_s=1)
    assert refusal(signed.model_copy(update=change), suspended).code == "E_SIGNATURE"


# --- resume -------------------------------------------------------------------------------------


def test_p17_the_suspending_key_and_a_controller_together_resume(
    suspended: SuspensionState,
) -> None:
    after = obeyed(order("resume", SUPERVISOR, CONTROLLER, after_s=1), suspended, TERMS)
    assert not after.suspended
    other_way_round = order("resume", CONTROLLER, SUPERVISOR, after_s=1)
    assert not obeyed(other_way_round, suspended, TERMS).suspended


@pytest.mark.parametrize(
    "keys",
    [
        (),
        (SUPERVISOR,),
        (CONTROLLER,),
        (SUPERVISOR, STRANGER),
        (CONTROLLER, STRANGER),
        (SECOND, CONTROLLER),
        (SUPERVISOR, SECOND),
    ],
    ids=["nobody", "authority", "city", "a+s", "c+s", "second+city", "both authorities"],
)
def test_p17_no_other_signatures_resume(
    suspended: SuspensionState, keys: tuple[SigningKey, ...]
) -> None:
    refusal(order("resume", *keys, after_s=1), suspended)


def test_p17_one_key_in_both_roles_does_not_resume_alone(suspended: SuspensionState) -> None:
    both = SuspensionTerms(
        SITE, BOX, TERMS.suspending, {SUPERVISOR.public.key_id: SUPERVISOR.public}
    )
    alone = order("resume", SUPERVISOR, after_s=1)
    assert refusal(alone, suspended, both).code == "E_SIGNATURE"


def test_p17_a_box_stays_shut_until_each_authority_has_resumed(suspended: SuspensionState) -> None:
    twice = obeyed(order("suspend", SECOND), suspended, TERMS)
    once = obeyed(order("resume", SUPERVISOR, CONTROLLER, after_s=1), twice, TERMS)
    none = obeyed(order("resume", SECOND, CONTROLLER, after_s=1), once, TERMS)
    assert (twice.suspended, once.suspended, none.suspended) == (True, True, False)


def test_p17_removing_the_key_from_the_policy_does_not_lift_the_suspension(
    suspended: SuspensionState,
) -> None:
    """Otherwise the author of the policy could resume without the authority."""
    rewritten = SuspensionTerms(SITE, BOX, {SECOND.public.key_id: SECOND.public}, TERMS.controllers)
    assert suspended.suspended
    refusal(order("resume", SECOND, CONTROLLER, after_s=1), suspended, rewritten)
    resumed = obeyed(order("resume", SUPERVISOR, CONTROLLER, after_s=1), suspended, rewritten)
    assert not resumed.suspended
    refusal(order("suspend", SUPERVISOR, after_s=2), resumed, rewritten)


def test_p17_a_resume_without_a_suspension_is_refused(
    suspended: SuspensionState,
) -> None:
    resume = order("resume", SUPERVISOR, CONTROLLER, after_s=1)
    assert "has not suspended this box" in refusal(resume, OPEN).message
    resumed = obeyed(resume, suspended, TERMS)
    later = order("resume", SUPERVISOR, CONTROLLER, after_s=2)
    assert "has not suspended this box" in refusal(later, resumed).message


# --- replay -------------------------------------------------------------------------------------


def test_p17_a_repeated_order_changes_nothing(
    suspended: SuspensionState,
) -> None:
    """A retained message is delivered again at each connection."""
    assert obeyed(suspended.obeyed[0].order, suspended, TERMS) is suspended


def test_p17_an_earlier_order_is_refused(suspended: SuspensionState) -> None:
    resume = order("resume", SUPERVISOR, CONTROLLER, after_s=1)
    resumed = obeyed(resume, suspended, TERMS)
    again = obeyed(order("suspend", SUPERVISOR, after_s=2), resumed, TERMS)

    assert refusal(suspended.obeyed[0].order, resumed).code == "E_SUSPENSION_REPLAY"
    assert refusal(resume, again).code == "E_SUSPENSION_REPLAY"
    assert refusal(order("suspend", SUPERVISOR, box="*"), suspended).code == "E_SUSPENSION_REPLAY"


def test_p17_each_key_has_its_own_counter(suspended: SuspensionState) -> None:
    assert obeyed(order("suspend", SECOND, after_s=-60), suspended, TERMS).suspended


# --- files and messages ---------------------------------------------------------------------------


def test_p17_an_order_and_a_state_read_back_unchanged(suspended: SuspensionState) -> None:
    made = order("suspend", SUPERVISOR, CONTROLLER)
    assert parse_order(made.to_bytes()) == made
    assert len(made.to_bytes()) < MAX_ORDER_BYTES
    assert parse_state(suspended.to_bytes()) == suspended


def test_p17_a_second_signature_by_one_key_and_invalid_names_are_refused() -> None:
    with pytest.raises(SuspensionError, match="signed this order already"):
        order("suspend", SUPERVISOR, SUPERVISOR)
    for site, box in (("A B", BOX), (SITE, "**")):
        with pytest.raises(SuspensionError, match="does not fit"):
            order("suspend", site=site, box=box)
    with pytest.raises(SuspensionError, match=r"reason: does not fit .*; --reason: one word"):
        new_order(SITE, "suspend", "Mr. Peeters complained", NOON)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 4000,
        bytes(MAX_ORDER_BYTES + 1),
        order("suspend", SUPERVISOR).to_bytes() + b"\n",
        order("suspend", SUPERVISOR).to_bytes().replace(b",", b", ", 1),
        json.dumps({**json.loads(order("suspend").to_bytes()), "force": True}).encode(),
    ],
    ids=range(9),
)
def test_p17_an_invalid_order_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(SuspensionError) as caught:
        parse_order(data)
    assert "\n" not in str(caught.value)
    assert caught.value.code == "E_SUSPENSION"


def edit(change: Callable[[dict[str, Any]], None], state: SuspensionState) -> bytes:
    """The state with a change, written as the product writes it."""
    content = json.loads(state.to_bytes())
    change(content)
    return rfc8785.dumps(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["obeyed"][0]["order"].update(action="resume"),
        lambda c: c["obeyed"][0]["order"].update(counter=1),
        lambda c: c["obeyed"][0]["order"].update(signatures=[]),
        lambda c: c["obeyed"][0].update(key=STRANGER.public.text),
        lambda c: c["obeyed"][0].update(key="ed25519:"),
        lambda c: c.update(schema="edge-anpr/suspension-state/2"),
        lambda c: c.update(lifted=True),
    ],
)
def test_p17_a_state_that_was_edited_keeps_the_box_shut(
    suspended: SuspensionState, change: Callable[[dict[str, Any]], None]
) -> None:
    with pytest.raises(SuspensionError) as caught:
        parse_state(edit(change, suspended))
    assert caught.value.code == "E_SUSPENSION_STATE"


# --- whatever comes -------------------------------------------------------------------------------

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)


def test_p17_no_bit_of_a_signature_can_change() -> None:
    """Not even one that belongs to no byte of it."""
    state = obeyed(order("suspend", SUPERVISOR), OPEN, TERMS)
    whole = order("resume", SUPERVISOR, CONTROLLER, after_s=1).to_bytes()
    ends = [at for at in range(len(whole)) if whole.startswith(b'=="', at)]
    assert len(ends) == 2
    for end in ends:
        for bit in range(8):
            bent = bytearray(whole)
            bent[end - 1] ^= 1 << bit
            with pytest.raises(EdgeError):
                obeyed(parse_order(bytes(bent)), state, TERMS)


@given(data=st.data())
def test_p17_a_mutated_order_changes_nothing(data: st.DataObject) -> None:
    """Bits flipped, cut, fields swapped or put in: the state stays as it was."""
    state = obeyed(order("suspend", SUPERVISOR), OPEN, TERMS)
    whole = order("resume", SUPERVISOR, CONTROLLER, after_s=1).to_bytes()
    assert not obeyed(parse_order(whole), state, TERMS).suspended

    how = data.draw(st.sampled_from(["flip", "cut", "field", "signature"]))
    bent = bytearray(whole)
    content = json.loads(whole)
    if how == "flip":
        bent[data.draw(st.integers(0, len(bent) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "cut":
        del bent[data.draw(st.integers(0, len(bent) - 1)) :]
    else:
        place = content if how == "field" else content["signatures"][0]
        name = data.draw(st.sampled_from([*place, "unknown"]))
        value = data.draw(VALUES)
        if place.get(name) == value:
            return
        place[name] = value
        bent = bytearray(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
    with pytest.raises(EdgeError) as caught:
        obeyed(parse_order(bytes(bent)), state, TERMS)
    assert "\n" not in str(caught.value)
    assert SCHEMA == "edge-anpr/suspension/1"
