"""The gate decides whether a camera may be open: from `GateFacts` to a refusal or None.

It is asked before anything is opened and repeatedly while the box runs. A refusal is the error
that the box would stop with; its code is published.

With demo keys a policy reads recordings only. Recordings are then judged by the day on which they
were made, and no activation is needed: trying the product must still be possible in ten years. A
policy that was signed with real keys needs everything, whatever the source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from edge.errors import EdgeError, PolicyError
from edge.policy.activation import InForce, require_lease
from edge.policy.checklist import unready
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures
from edge.policy.succession import require_authorised

Condition = Callable[[datetime], EdgeError | None]
"""Something that must hold while a camera is open: why it does not at this moment, or None."""


@dataclass(frozen=True, slots=True)
class GateFacts:
    """The facts that the gate decides on.

    Attributes:
        policy: what the box is to work under.
        signatures: those of it.
        box: the box's id.
        dpia_sha256: digest of the DPIA's file, None if it is not there.
        in_force: what was activated on this box, if anything.
        history: what was in force before, newest first.
        live: whether some source is anything but a recording.
        trial_keys: whether the box's or an authority's keys are for trying out.
        recorded_at: when the recordings were made.
    """

    policy: Policy
    signatures: PolicySignatures
    box: str
    dpia_sha256: str | None
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
            f"with {what}, which anybody may have, recorded files and folders are all that is "
            "read; name a recording, or have the policy signed with keys of your own",
            code="E_DEMO_KEYS",
        )
    require_authorised(policy, facts.signatures, () if policy.demo else facts.history)
    for moment in (facts.recorded_at if policy.demo else ()) or (now,):
        wrong = unready(policy, facts.dpia_sha256, moment)
        if wrong is not None:
            raise _for_recordings(wrong) if policy.demo else wrong
    if not policy.demo:
        _require_in_force(facts, now)


def _for_recordings(wrong: PolicyError) -> PolicyError:
    if wrong.code in {"E_SUNSET", "E_EVALUATION", "E_DPIA_REVIEW"}:
        hint = "a recording is judged by its own day: say it with --recorded-at"
        return PolicyError(f"{wrong.message} ({hint})", code=wrong.code)
    return wrong


def _require_in_force(facts: GateFacts, now: datetime) -> None:
    in_force = facts.in_force
    if in_force is None:
        raise PolicyError(
            "the policy is signed and not activated on this box; do so with "
            "`edge-anpr policy activate`",
            code="E_LEASE",
        )
    if in_force.policy.sha256() != facts.policy.sha256():
        raise PolicyError(
            f"version {in_force.policy.version} of the policy is in force here, and not this "
            f"version {facts.policy.version}; activate it with `edge-anpr policy activate`, or put "
            "the other one back",
            code="E_NOT_IN_FORCE",
        )
    require_authorised(in_force.policy, in_force.signatures, facts.history)
    require_lease(facts.policy, facts.box, in_force.activation, now)
