"""The gate decides whether a camera may be open: from `GateFacts` to a refusal or None.

It is asked before anything is opened and repeatedly while the box runs. A refusal is the error
that the box would stop with; its code is published.

With demo keys a policy reads recordings only. Recordings are then judged by the day on which they
were made, and no activation is needed: trying the product must still be possible in ten years. A
policy that was signed with real keys needs everything, whatever the source. A recording under it
must also be dated between the policy's first day and now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from edge.errors import EdgeError, PolicyError
from edge.policy.activation import InForce, require_lease
from edge.policy.checklist import unready
from edge.policy.dpia_document import DpiaDocument
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures
from edge.policy.succession import require_authorised
from edge.policy.trials import require_trial

Condition = Callable[[datetime], EdgeError | None]
"""A condition for an open camera: returns why it is not met at a moment, or None."""


@dataclass(frozen=True, slots=True)
class GateFacts:
    """The facts that the gate decides on.

    Attributes:
        policy: the policy that the box works under.
        signatures: those of the policy.
        box: the box's id.
        dpia: the DPIA's file, None if it is not there.
        in_force: the policy that was activated on this box, if any.
        history: the policies in force before, newest first.
        live: whether any source is not a recording.
        trial_keys: whether the box's keys are trial keys (an authority's public key does not say).
        recorded_at: when the recordings were made.
    """

    policy: Policy
    signatures: PolicySignatures
    box: str
    dpia: DpiaDocument | None
    in_force: InForce | None = None
    history: Sequence[tuple[Policy, PolicySignatures]] = ()
    live: bool = False
    trial_keys: bool = False
    recorded_at: Sequence[datetime] = ()


def refusal(facts: GateFacts, now: datetime) -> EdgeError | None:
    """Why no camera may be open now, or None.

    Args:
        facts: what is known.
        now: the wall clock, aware, never turned back.
    """
    try:
        _require_open(facts, now)
    except EdgeError as error:
        return error
    return None


def _require_open(facts: GateFacts, now: datetime) -> None:
    policy = facts.policy
    if facts.live and (policy.demo or facts.trial_keys):
        what = "demo keys" if policy.demo else "trial keys"
        raise PolicyError(
            f"{what} are not secret, so only recorded files and folders are read; name a "
            "recording, or use keys of your own and have the policy signed with them",
            code="E_DEMO_KEYS",
        )
    require_authorised(policy, facts.signatures, () if policy.demo else facts.history)
    for moment in (facts.recorded_at if policy.demo else ()) or (now,):
        # A recording may be older than the documents, and its clock may be ahead of the box's.
        wrong = unready(policy, facts.dpia, moment, max(moment, now))
        if wrong is not None:
            raise _for_recordings(wrong) if policy.demo else wrong
    if not policy.demo:
        earlier = [one for one, _ in facts.history if one.version < policy.version]
        require_trial(policy, earlier, now)
        _require_in_force(facts, now)
        for moment in facts.recorded_at:
            _require_recorded_since(policy, moment, now)


def _require_recorded_since(policy: Policy, recorded_at: datetime, now: datetime) -> None:
    """Refuse a recording that the policy did not allow when it was made, or that is of the future.

    A person states when it was made. A rule must not reach back to a time before there was a law
    for it, nor make use of an entry of a list that has not begun.
    """
    first = policy.activation.not_before
    if recorded_at < policy.begins(first):
        raise PolicyError(
            f"a recording is dated {recorded_at:%Y-%m-%d}, before the policy's first day, {first}; "
            "correct its recorded_at or --recorded-at, or leave it out",
            code="E_SEQUENCE",
        )
    if recorded_at > now:
        raise PolicyError(
            f"a recording is dated {recorded_at:%Y-%m-%d %H:%M %z}, which is still to come; "
            "correct its recorded_at or --recorded-at, or set the clock",
            code="E_SEQUENCE",
        )


def _for_recordings(wrong: PolicyError) -> PolicyError:
    if wrong.code in {"E_SUNSET", "E_EVALUATION", "E_DPIA_REVIEW"}:
        hint = "a recording is judged by the date it was made; give it with --recorded-at"
        return PolicyError(f"{wrong.message} ({hint})", code=wrong.code)
    return wrong


def _require_in_force(facts: GateFacts, now: datetime) -> None:
    in_force = facts.in_force
    if in_force is None:
        raise PolicyError(
            "the policy is signed but not activated on this box; activate it with "
            "`edge-anpr policy activate`",
            code="E_LEASE",
        )
    if in_force.policy.sha256() != facts.policy.sha256():
        raise PolicyError(
            f"version {in_force.policy.version} of the policy is in force here, not this "
            f"version {facts.policy.version}; activate it with `edge-anpr policy activate`, or "
            "restore the other one",
            code="E_NOT_IN_FORCE",
        )
    require_authorised(in_force.policy, in_force.signatures, facts.history)
    require_lease(facts.policy, facts.box, in_force.activation, now)
