"""How long a trial may last: a policy whose accuracy is not proven at the place.

A trial is there to measure. It begins with the first version on trial, ends `TRIAL_DAYS` later, and
no later version on trial begins it anew. A version with figures at or above the floor ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import takewhile

from edge.errors import PolicyError
from edge.policy.limits import LIMITS, TRIAL_DAYS, is_trial
from edge.policy.model import Policy
from edge.texts import text


def on_trial(policy: Policy) -> bool:
    """Whether the measured accuracy of a policy allows only a trial."""
    accuracy = policy.accuracy
    if accuracy.exact > accuracy.vehicles:
        return False  # `flaws` refuses such counts
    return is_trial(policy.legal.regime, accuracy.exact, accuracy.vehicles)


def last_trial_day(policy: Policy, earlier: Sequence[Policy] = ()) -> str | None:
    """The last day of a policy's trial; None if it is on none.

    Args:
        policy: the policy.
        earlier: the policies in force before it, newest first.
    """
    if not on_trial(policy):
        return None
    chain = (policy, *takewhile(on_trial, earlier))
    start = date.fromisoformat(min(one.activation.not_before for one in chain))
    return (start + timedelta(days=TRIAL_DAYS - 1)).isoformat()


def trial_values(policy: Policy, end: str) -> dict[str, str]:
    """The values of the text that says that a trial has ended."""
    limits = LIMITS[policy.legal.regime]
    return {"date": end, "days": str(TRIAL_DAYS), "vehicles": str(limits.vehicles)}


def require_trial(policy: Policy, earlier: Sequence[Policy], now: datetime) -> None:
    """Refuse a policy whose trial has ended. One with demo keys only measures, on recordings.

    Args:
        policy: the policy.
        earlier: the policies in force before it, newest first.
        now: aware.

    Raises:
        PolicyError: `E_ACCURACY`.
    """
    end = None if policy.demo else last_trial_day(policy, earlier)
    if end is not None and now >= policy.ends(end):
        message = text("en", "checklist.fault.trial_ended", **trial_values(policy, end))
        raise PolicyError(f"accuracy: {message}", code="E_ACCURACY")
