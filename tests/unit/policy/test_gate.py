"""The gate: each of its conditions, and the error when it fails."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from edge.formats.signing import SigningKey, sign
from edge.policy.activation import CONTEXT, ActivationRecord, InForce
from edge.policy.gate import refusal
from edge.policy.model import Policy
from tests.support.policies import (
    KEYS,
    NEW_DOCUMENT,
    NOON,
    Change,
    assessed,
    facts,
    in_force,
    next_version,
    policy,
    signed,
)
from tests.support.sites import texts

REAL = policy(real=True)
DEMO = policy()
DAY = timedelta(days=1)


def code(what: Policy, now: datetime = NOON, **changed: Any) -> str | None:
    error = refusal(facts(what, **changed), now)
    if error is not None:
        assert "\n" not in error.message
        assert ";" in error.message  # it says what helps
    return None if error is None else error.code


def day(text: str, hour: int = 12) -> datetime:
    return datetime.fromisoformat(f"{text}T{hour:02}:00:00+01:00")


def test_p1_a_signed_and_activated_policy_opens_the_gate() -> None:
    assert code(REAL) is None
    assert code(REAL, live=True) is None


# --- signatures -------------------------------------------------------------------------------


@pytest.mark.parametrize("signers", [("mayor",), ("mayor", "chief"), ("chief", "officer")])
def test_p1_every_role_must_have_signed(signers: tuple[str, ...]) -> None:
    assert code(REAL, signatures=signed(REAL, *signers)) == "E_QUORUM"


def test_p1_a_signature_with_another_key_than_the_policy_names_opens_nothing() -> None:
    theirs = {**KEYS, "chief": SigningKey.generate("chief")}

    assert code(REAL, signatures=signed(REAL, keys=theirs)) == "E_SIGNATURE"


def test_p3_a_purpose_added_after_signing_is_refused() -> None:
    def add(content: dict[str, Any]) -> None:
        content["purposes"]["more"] = content["purposes"]["quiet"]

    widened = policy(add)

    assert code(widened, signatures=signed(DEMO)) == "E_SIGNATURE"
    assert code(widened) == "E_PURPOSE_NOT_IN_DPIA"
    covered = policy(add, lambda c: c["dpia"].update(purposes=["quiet", "more"]))
    assert code(covered) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["purposes"]["quiet"].update(retention_hours=71),
        lambda c: c["rules"][0].update(min_posterior=0.96),
        lambda c: c["controller"].update(contact="elsewhere@square.example"),
        lambda c: c.update(version=2),
    ],
)
def test_p3_any_change_after_signing_invalidates_the_signatures(change: Change) -> None:
    assert code(policy(change), signatures=signed(DEMO)) == "E_SIGNATURE"


# --- demo keys --------------------------------------------------------------------------------


def test_p1_with_demo_keys_recordings_are_judged_by_their_own_date_and_need_no_activation() -> None:
    in_ten_years = NOON + timedelta(days=3653)

    assert code(DEMO, in_ten_years) is None
    assert code(DEMO, in_ten_years, recorded_at=(NOON, in_ten_years)) == "E_SUNSET"
    assert code(DEMO, in_ten_years, recorded_at=()) == "E_SUNSET"


def test_p1_with_demo_or_trial_keys_a_live_source_stays_shut() -> None:
    assert code(DEMO, live=True) == "E_DEMO_KEYS"
    assert code(REAL, live=True, trial_keys=True) == "E_DEMO_KEYS"
    assert code(REAL, trial_keys=True) is None


@pytest.mark.parametrize("place", ["signers", "suspension", "issuers"])
def test_p1_one_demo_key_makes_the_whole_policy_a_demo(place: str) -> None:
    def demo(content: dict[str, Any]) -> None:
        holders = {
            "signers": content["approvals"]["signers"],
            "suspension": content["suspension"]["keys"],
            "issuers": content["issuers"],
        }[place]
        next(iter(holders.values()))["demo"] = True

    assert policy(demo, real=True).demo
    assert not REAL.demo


# --- dates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (day("2026-01-04", 23), "E_SEQUENCE"),
        (day("2026-01-05", 0), None),
        (day("2027-01-04", 23), None),
        (day("2027-01-05", 0), "E_EVALUATION"),
        (day("2027-10-21", 0), "E_DPIA_REVIEW"),
        (day("2029-01-01", 0), "E_SUNSET"),
    ],
)
def test_p1_p2_p11_p20_the_dates_of_the_policy_open_and_shut_the_gate(
    now: datetime, expected: str | None
) -> None:
    assert code(DEMO, recorded_at=(now,)) == expected


@pytest.mark.parametrize(
    ("section", "field", "expected"),
    [
        ("dpia", "review_date", "E_DPIA_REVIEW"),
        ("activation", "sunset", "E_SUNSET"),
        ("evaluation", "next_due", "E_EVALUATION"),
    ],
)
def test_p2_p11_p20_each_date_shuts_the_gate_by_itself(
    section: str, field: str, expected: str
) -> None:
    what = policy(lambda c: c[section].update({field: "2026-03-20"}))

    assert code(what, recorded_at=(day("2026-03-20", 23),)) is None
    assert code(what, recorded_at=(day("2026-03-21", 0),)) == expected


def test_p2_one_byte_of_the_dpia_changed_shuts_the_gate() -> None:
    assert code(REAL, dpia=NEW_DOCUMENT) == "E_DPIA_HASH"
    assert code(REAL, dpia=None) == "E_DPIA_HASH"


EVALUATED = {
    "reference": "E 1",
    "date": "2026-03-11",
    "outcome": texts("Still needed"),
}


def test_p1_p20_an_evaluation_of_a_day_to_come_shuts_the_gate() -> None:
    """Whatever was signed: it is judged by the clock that never goes back."""
    ahead = policy(lambda c: c["evaluation"].update(last=EVALUATED), real=True)
    there = facts(ahead, in_force=in_force(ahead, NOON + DAY))

    error = refusal(there, NOON)
    assert error is not None
    assert error.code == "E_EVALUATION"
    assert refusal(there, NOON + DAY) is None


def test_p20_with_demo_keys_a_recording_may_be_older_than_the_documents() -> None:
    """A trial replays an old recording; the documents must be past by its day or by today."""
    ahead = policy(lambda c: c["evaluation"].update(last=EVALUATED))

    assert code(ahead, NOON, recorded_at=(NOON,)) == "E_EVALUATION"
    assert code(ahead, NOON + DAY, recorded_at=(NOON,)) is None
    assert code(ahead, NOON, recorded_at=(NOON + DAY,)) is None


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (NOON, None),
        (day("2026-01-05", 0), None),
        (day("2026-01-05", 0) - timedelta(seconds=1), "E_SEQUENCE"),
        (day("2025-03-10", 12), "E_SEQUENCE"),
        (NOON + timedelta(seconds=1), "E_SEQUENCE"),
        (NOON + timedelta(days=7), "E_SEQUENCE"),
        (day("2199-12-31", 0), "E_SEQUENCE"),
    ],
)
def test_p1_with_real_keys_a_recording_is_since_the_first_day_and_of_no_time_to_come(
    moment: datetime, expected: str | None
) -> None:
    """Whoever starts the box states when a recording was made; the clock never goes back."""
    assert code(REAL, NOON, recorded_at=(NOON, moment)) == expected


# --- activation -------------------------------------------------------------------------------


def test_p20_a_signed_policy_needs_an_activation_with_a_valid_lease() -> None:
    assert code(REAL, in_force=None) == "E_LEASE"
    assert code(REAL, NOON + 90 * DAY - timedelta(seconds=1)) is None
    assert code(REAL, NOON + 90 * DAY) == "E_LEASE"
    assert code(REAL, NOON - timedelta(seconds=1)) == "E_LEASE"


def test_p1_an_activation_of_another_box_or_policy_opens_nothing() -> None:
    other = policy(next_version, real=True)

    assert code(REAL, in_force=in_force(REAL, box="box-2")) == "E_LEASE"
    assert code(REAL, in_force=in_force(other)) == "E_NOT_IN_FORCE"
    mixed = in_force(REAL).model_copy(update={"activation": in_force(other).activation})
    assert code(REAL, in_force=mixed) == "E_LEASE"


def test_p20_an_activation_extended_after_signing_opens_nothing() -> None:
    there = in_force(REAL)
    for field, value in (
        ("expires_at", "2026-09-10T12:00:00.000Z"),
        ("expires_at", "2026-06-08T11:00:00.000Z"),
        ("activated_at", "2026-03-11T12:00:00.000Z"),
    ):
        lease = there.activation.lease.model_copy(update={field: value})
        activation = there.activation.model_copy(update={"lease": lease})
        forged = there.model_copy(update={"activation": activation})
        assert code(REAL, in_force=forged) in {"E_LEASE", "E_SIGNATURE"}


def leased(signer: str, **changed: str) -> InForce:
    """The policy in force, with a lease signed by this signer."""
    there = in_force(REAL)
    lease = there.activation.lease.model_copy(update={"signer": signer, **changed})
    signature = sign(CONTEXT, lease.model_dump(mode="json"), KEYS[signer])
    activation = ActivationRecord(lease=lease, signature=signature)
    return there.model_copy(update={"activation": activation})


def test_p1_an_activation_by_a_signer_who_is_no_controller_opens_nothing() -> None:
    assert code(REAL, in_force=leased("mayor")) is None
    assert code(REAL, in_force=leased("chief")) == "E_LEASE"


def test_p20_a_controller_cannot_sign_a_longer_lease_than_the_policy_has() -> None:
    longer = leased("mayor", expires_at="2026-06-08T12:00:00.001Z")

    assert code(REAL, in_force=longer) == "E_LEASE"


def test_p1_signatures_removed_from_the_state_folder_shut_the_gate() -> None:
    there = in_force(REAL).model_copy(update={"signatures": signed(REAL, "mayor")})

    assert code(REAL, in_force=there) == "E_QUORUM"


def test_p1_a_policy_with_real_keys_is_judged_by_the_current_date() -> None:
    reviewed_soon = policy(lambda c: c["dpia"].update(review_date="2026-03-20"), real=True)

    assert code(reviewed_soon, day("2026-03-20")) is None
    assert code(reviewed_soon, day("2026-03-21"), recorded_at=(NOON,)) == "E_DPIA_REVIEW"


def test_p20_a_lease_ends_with_the_evaluation_and_with_the_sunset() -> None:
    due = policy(lambda c: c["evaluation"].update(next_due="2026-03-20"), real=True)
    ending = policy(lambda c: c["activation"].update(sunset="2026-03-19"), real=True)

    assert in_force(REAL).activation.expires == NOON + 90 * DAY
    assert in_force(due).activation.expires == day("2026-03-21", 0)
    assert in_force(ending).activation.expires == day("2026-03-20", 0)


# --- a version after another ------------------------------------------------------------------


def narrowed(content: dict[str, Any]) -> None:
    next_version(content)
    content["purposes"]["quiet"]["retention_hours"] = 24


def test_p4_a_narrowing_by_one_signer_can_follow_a_fully_signed_policy() -> None:
    after = policy(narrowed, real=True)
    one = signed(after, "officer")
    there = in_force(after).model_copy(update={"signatures": one})
    history = ((after, one), (REAL, signed(REAL)))

    assert code(after, signatures=one, in_force=there, history=history) is None
    assert code(after, signatures=one, in_force=there) == "E_QUORUM"
    weak = ((after, one), (REAL, signed(REAL, "mayor")))
    assert code(after, signatures=one, in_force=there, history=weak) == "E_QUORUM"


def test_p4_a_replaced_version_is_refused() -> None:
    after = policy(narrowed, real=True)
    history = ((after, signed(after)), (REAL, signed(REAL)))

    assert code(REAL, history=history) == "E_VERSION"
    other = assessed(REAL, lambda c: c["purposes"]["quiet"].update(retention_hours=25))
    assert code(other, in_force=in_force(other), history=history) == "E_VERSION"
