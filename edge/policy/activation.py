"""The activation record: from when until when a box may work under a policy.

A controller's signer activates a policy for one box and renews it from time to time. The record
lasts `lease_days`, and never beyond the policy's sunset, the day on which the evaluation is due or
the end of a trial: a box that is no longer looked after stops by itself.

What is in force on a box is one file, so that it is replaced atomically. It holds the record, the
policy and the policy's signatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edge.errors import KeyFileError, PolicyError
from edge.formats.identifiers import Id, Sha256
from edge.formats.signing import PublicKey, Signature, SigningKey, sign, verify
from edge.formats.strict import Strict
from edge.formats.timestamps import UtcText, parse_utc, utc_text
from edge.policy.flaws import flaws_on
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures, require_signer
from edge.policy.trials import last_trial_day, require_trial
from edge.policy.wording import is_of_earlier_format

CONTEXT = "edge-anpr/activation/1"
MAX_BYTES = 1024 * 1024


class Lease(Strict, populate_by_name=True):
    """The signed part: which box may work under which policy, and for how long."""

    site: Id
    box: Id
    policy_sha256: Sha256
    policy_version: int = Field(ge=1)
    activated_at: UtcText
    expires_at: UtcText
    signer: Id


class ActivationRecord(Strict, populate_by_name=True):
    """A lease with the signature of a controller's signer."""

    schema_: Literal["edge-anpr/activation/1"] = Field(
        default="edge-anpr/activation/1", alias="schema"
    )
    lease: Lease
    signature: Signature

    @property
    def activated(self) -> datetime:
        return parse_utc(self.lease.activated_at)

    @property
    def expires(self) -> datetime:
        return parse_utc(self.lease.expires_at)

    def text(self) -> str:
        """The file's content."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


class InForce(Strict, populate_by_name=True):
    """The policy in force on a box and its activation: `state/activation.json`."""

    schema_: Literal["edge-anpr/in-force/1"] = Field(default="edge-anpr/in-force/1", alias="schema")
    activation: ActivationRecord
    policy: Policy
    signatures: PolicySignatures

    def text(self) -> str:
        """The file's content."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def read_activation(text: str, file: Path) -> ActivationRecord:
    """Parse an activation record; `file` is only named in error messages.

    Raises:
        PolicyError: `E_LEASE`: the text is not such a document.
    """
    try:
        return ActivationRecord.model_validate_json(text)
    except ValidationError:
        raise _damaged(file) from None


def read_in_force(text: str, file: Path) -> InForce:
    """Parse what is in force on a box; `file` is only named in error messages.

    Raises:
        PolicyError: `E_LEASE`: the text is not such a document, or its policy is of an earlier
            format.
    """
    try:
        return InForce.model_validate_json(text)
    except ValidationError as error:
        if is_of_earlier_format(error):
            raise PolicyError(
                f"{file}: the policy has an earlier format than this version reads; rewrite "
                "policy.yaml (docs/sites.md, Format 3), have it signed again, and activate it with "
                "an empty state folder",
                code="E_LEASE",
            ) from None
        raise _damaged(file) from None


def _damaged(file: Path) -> PolicyError:
    return PolicyError(
        f"{file}: damaged or not an activation record; activate the policy again with "
        "`edge-anpr policy activate`",
        code="E_LEASE",
    )


def activate(
    policy: Policy,
    box: str,
    key: SigningKey,
    now: datetime,
    earlier: Sequence[Policy] = (),
) -> ActivationRecord:
    """Make an activation record that begins now.

    Args:
        policy: nothing on its checklist may be open, and its dates must allow it.
        box: the box that may work.
        key: of a signer whom the policy names as controller.
        now: the wall clock, aware.
        earlier: the policies in force before it, newest first.

    Raises:
        PolicyError: the policy's dates do not allow it now, or the signer may not activate.
        KeyFileError: `E_SIGNATURE`: the key is not the one that the policy names.
    """
    for flaw in flaws_on(policy, now):
        raise PolicyError(flaw.text("en"), code=flaw.code)
    require_trial(policy, earlier, now)
    if require_signer(policy, key).role != "controller":
        raise PolicyError(
            f"signer {key.signer}: only a signer with the role controller activates a policy; "
            "use the key of one",
            code="E_QUORUM",
        )
    expires = min(
        now + timedelta(days=policy.activation.lease_days),
        policy.ends(policy.activation.sunset),
        policy.ends(policy.evaluation.next_due),
        policy.ends(last_trial_day(policy, earlier) or policy.activation.sunset),
    )
    lease = Lease(
        site=policy.site,
        box=box,
        policy_sha256=policy.sha256(),
        policy_version=policy.version,
        activated_at=utc_text(now),
        expires_at=utc_text(expires),
        signer=key.signer,
    )
    signature = sign(CONTEXT, lease.model_dump(mode="json"), key)
    made = ActivationRecord(lease=lease, signature=signature)
    require_signed(policy, box, made)
    return made


def require_signed(policy: Policy, box: str, activation: ActivationRecord) -> None:
    """Refuse a record that is not of this policy, this box and one of its controllers.

    Raises:
        PolicyError: `E_LEASE`: it is of another policy or box, lasts too long, or its signer
            may not activate.
        KeyFileError: `E_SIGNATURE`: the signature is not valid.
    """
    lease = activation.lease
    if (lease.site, lease.box) != (policy.site, box):
        raise _no_lease(f"the activation is of box {lease.box} at {lease.site}")
    if lease.policy_sha256 != policy.sha256():
        raise _no_lease("the activation is of another policy")
    signer = policy.approvals.signers.get(lease.signer)
    if signer is None or signer.role != "controller":
        raise _no_lease("the activation is not by a controller that the policy names")
    if activation.expires - activation.activated > timedelta(days=policy.activation.lease_days):
        raise _no_lease("the activation lasts longer than the policy's lease_days")
    try:
        key = PublicKey.parse(signer.key)
        verify(CONTEXT, lease.model_dump(mode="json"), activation.signature, key)
    except KeyFileError as error:
        raise KeyFileError(f"activation: {error.message}", code="E_SIGNATURE") from None


def require_lease(policy: Policy, box: str, activation: ActivationRecord, now: datetime) -> None:
    """Refuse a record that is not valid now.

    Raises:
        PolicyError: `E_LEASE`: see `require_signed`; or it has not begun, or has expired.
        KeyFileError: `E_SIGNATURE`: the signature is not valid.
    """
    require_signed(policy, box, activation)
    if now < activation.activated:
        raise _no_lease(f"the activation begins at {activation.lease.activated_at}")
    if now >= activation.expires:
        raise _no_lease(f"the activation expired at {activation.lease.expires_at}")


def _no_lease(why: str) -> PolicyError:
    return PolicyError(
        f"{why}; activate or renew it with `edge-anpr policy activate` or `renew`", code="E_LEASE"
    )
