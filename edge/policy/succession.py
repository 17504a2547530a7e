"""Whether one version of a policy may come after another: who must have signed it.

A widening takes the signatures of all roles, of the policy in force as well as of the new one, and
a new DPIA. A narrowing takes one signer of the policy in force.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.errors import PolicyError
from edge.policy.change import ChangeEffect
from edge.policy.diff import changes
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures, require_quorum, signers_of


def require_allowed(before: Policy, after: Policy, signatures: PolicySignatures) -> None:
    """Refuse a new version that must not replace the policy in force.

    Args:
        before: the policy in force.
        after: the new version.
        signatures: those of the new version.

    Raises:
        PolicyError: `E_VERSION`: another site, or a version that does not rise;
            `E_DPIA_WIDENING`: a widening without a new DPIA; `E_QUORUM`: signatures are missing.
        KeyFileError: `E_SIGNATURE`: a signature is not valid.
    """
    if (after.site, after.version) != (before.site, max(after.version, before.version + 1)):
        raise PolicyError(
            f"version {after.version} of {after.site} does not follow version {before.version} of "
            f"{before.site}, which is in force; give it a higher version",
            code="E_VERSION",
        )
    widenings = [one for one in changes(before, after) if one.direction is ChangeEffect.WIDENING]
    if not widenings:
        if not signers_of(after, signatures, before.approvals.signers):
            raise PolicyError(
                "no signer of the policy in force has signed this one; one of them must, with "
                "`edge-anpr policy sign`",
                code="E_QUORUM",
            )
        return
    listed = "; ".join(map(str, widenings[:5]))
    more = f" and {len(widenings) - 5} more" if len(widenings) > 5 else ""
    try:
        require_quorum(after, signatures)
        require_quorum(after, signatures, before.approvals.signers)
    except PolicyError as error:
        raise PolicyError(f"{listed}{more}: {error.message}", code=error.code) from None
    if after.dpia.sha256 == before.dpia.sha256 or after.dpia.date < before.dpia.date:
        raise PolicyError(
            f"{listed}{more}: the DPIA is the one of version {before.version}; write a new one for "
            "what widens, and have the policy signed with it",
            code="E_DPIA_WIDENING",
        )


def require_authorised(
    policy: Policy,
    signatures: PolicySignatures,
    history: Sequence[tuple[Policy, PolicySignatures]] = (),
) -> None:
    """Refuse a policy unless all roles have signed it or a policy that it narrows.

    Args:
        policy: the policy to put in force.
        signatures: those of the policy.
        history: the policies in force before it, newest first.

    Raises:
        PolicyError: `E_QUORUM`: signatures are missing; `E_VERSION`: a later version, or another
            one of that number, was in force already.
        KeyFileError: `E_SIGNATURE`: a signature is not valid.
    """
    for known, _ in history:
        replaced = known.version == policy.version and known.sha256() != policy.sha256()
        if known.version > policy.version or replaced:
            raise PolicyError(
                f"version {known.version} was in force here already; give this one a higher "
                "version",
                code="E_VERSION",
            )
    earlier = next((one for one in history if one[0].version < policy.version), None)
    if earlier is None:
        require_quorum(policy, signatures)
        return
    require_allowed(earlier[0], policy, signatures)
    require_authorised(*earlier, [one for one in history if one[0].version < earlier[0].version])
