"""P12: a trial ends; no later version on trial begins it anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from edge.domain.intervals import wilson
from edge.errors import PolicyError
from edge.policy.activation import activate
from edge.policy.flaws import flaws, flaws_on
from edge.policy.gate import refusal
from edge.policy.limits import TRIAL_DAYS
from edge.policy.model import Policy
from edge.policy.trials import last_trial_day
from tests.support.policies import BOX, KEYS, NOON, Change, facts, in_force, policy, signed

START, LAST, AFTER = "2026-01-05", "2026-04-04", "2026-04-05"
"""The first day of the example, the last one of its trial, and the day after."""


def version(number: int, *changes: Change, exact: int = 20, real: bool = True) -> Policy:
    """A version of the example; 20 of 20 is a trial, 25 of 25 is none."""

    def measured(content: dict[str, Any]) -> None:
        interval = wilson(exact, exact)
        bounds = [round(interval.low, 3), round(interval.high, 3)]
        content["accuracy"].update(exact=exact, vehicles=exact, interval=bounds)
        content["activation"]["lease_days"] = 14
        for rule in content["rules"]:
            rule["human_check"] = True
        content["version"] = number

    return policy(measured, *changes, real=real)


def starting(day: str) -> Change:
    return lambda content: content["activation"].update(not_before=day)


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T12:00:00+02:00")


def refused(what: Policy, now: datetime, *earlier: Policy) -> str | None:
    """The code with which the gate refuses a policy that was activated two days before."""
    history = tuple((one, signed(one)) for one in earlier)
    activated = in_force(what, now - timedelta(days=2))
    error = refusal(facts(what, in_force=activated, history=history, recorded_at=()), now)
    assert error is None or "at the place" in error.message  # the cure
    return None if error is None else error.code


def test_p12_a_trial_ends_by_itself() -> None:
    trial = version(1)
    (warning,) = [flaw for flaw in flaws(trial) if flaw.fault == "trial"]

    assert last_trial_day(trial) == LAST
    assert datetime.fromisoformat(LAST) - datetime.fromisoformat(START) == timedelta(TRIAL_DAYS - 1)
    assert LAST in warning.text("en")
    assert refused(trial, day(LAST)) is None
    assert refused(trial, day(AFTER)) == "E_ACCURACY"
    assert [flaw.code for flaw in flaws_on(trial, day(LAST))] == []
    assert [flaw.code for flaw in flaws_on(trial, day(AFTER))] == ["E_ACCURACY"]


def test_p12_a_trial_is_not_renewed_beyond_its_end() -> None:
    trial, mayor = version(1), KEYS["mayor"]

    late = activate(trial, BOX, mayor, day("2026-04-01"))
    assert late.lease.expires_at == "2026-04-04T22:00:00.000Z"  # midnight in Brussels
    with pytest.raises(PolicyError) as error:
        activate(trial, BOX, mayor, day(AFTER))
    assert error.value.code == "E_ACCURACY"


@pytest.mark.parametrize(
    "change",
    [
        starting("2026-03-20"),
        lambda content: content["activation"].update(lease_days=5),
        lambda content: content["accuracy"].update(vehicles=21, interval=[0.773, 0.992]),
    ],
    ids=["later-start", "shorter-lease", "other-figures"],
)
def test_p12_a_later_version_begins_no_new_trial(change: Change) -> None:
    first, second = version(1), version(2, change)
    third = version(3, starting("2026-03-30"))

    assert last_trial_day(second, [first]) == LAST
    assert last_trial_day(third, [second, first]) == LAST
    assert refused(second, day(LAST), first) is None
    assert refused(second, day(AFTER), first) == "E_ACCURACY"
    with pytest.raises(PolicyError, match="trial ended"):
        activate(second, BOX, KEYS["mayor"], day(AFTER), [first])
    made = activate(second, BOX, KEYS["mayor"], day("2026-04-03"), [first])
    assert made.expires <= second.ends(LAST)


def test_p12_figures_above_the_floor_end_the_trial() -> None:
    first, measured = version(1), version(2, exact=25)

    assert last_trial_day(measured, [first]) is None
    assert refused(measured, day(AFTER), first) is None
    # A camera that was proven and reads worse now may be measured again.
    again = version(3, starting("2026-09-01"))
    assert last_trial_day(again, [measured, first]) == "2026-11-29"


def test_p12_with_demo_keys_recordings_are_read_after_the_trial() -> None:
    demo = version(1, real=False)

    error = refusal(facts(demo, recorded_at=(day("2026-06-01"),)), NOON)
    assert error is None
