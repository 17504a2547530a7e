"""The policy whose keys a command on the box may trust: never a file that nobody signed.

Whoever may write `policy.yaml` could name keys of their own in it. So the keys come from the policy
in force, the one that the audit log records, or from a `policy.yaml` with valid signatures.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.adapters.state.policy_state import PolicyState
from edge.errors import EdgeError
from edge.policy.activation import require_signed
from edge.policy.model import Policy
from edge.policy.signatures import SIGNATURES_FILE, read_signatures, require_quorum
from edge.policy.succession import require_authorised
from edge.privacy.safeguards import Safeguards
from edge.site.folder import SiteFolder


def policy_in_force(site: SiteFolder, proven: Callable[[], Safeguards]) -> Policy:
    """The policy in force on the box; before the first activation the signed policy.yaml.

    Args:
        site: the site folder.
        proven: returns what the box's audit log proves.

    Raises:
        EdgeError: it is not the policy that the log records, or it is not signed.
    """
    recorded, state = proven(), PolicyState(site.state_folder)
    in_force = state.in_force()
    if in_force is None:
        return signed_policy(site, recorded)
    state.require(recorded)
    require_signed(in_force.policy, site.settings.box, in_force.activation)
    if in_force.policy.sha256() not in recorded.policies:
        require_authorised(in_force.policy, in_force.signatures, state.history())
    return in_force.policy


def signed_policy(site: SiteFolder, recorded: Safeguards) -> Policy:
    """The policy of policy.yaml, if it is in force or may come after those that were.

    Raises:
        EdgeError: signatures are missing or not valid, or an earlier policy is lost.
    """
    state = PolicyState(site.state_folder)
    state.require_history(recorded, activating=site.policy_sha256)
    if site.policy_sha256 not in recorded.policies[-1:]:
        require_authorised(
            site.policy, read_signatures(site.folder / SIGNATURES_FILE), state.history()
        )
    return site.policy


def policy_to_suspend(site: SiteFolder, proven: Callable[[], Safeguards]) -> Policy:
    """As `policy_in_force`, but a damaged state does not keep an order to suspend away.

    Raises:
        EdgeError: neither the policy in force nor policy.yaml is signed.
    """
    try:
        return policy_in_force(site, proven)
    except EdgeError:
        require_quorum(site.policy, read_signatures(site.folder / SIGNATURES_FILE))
        return site.policy
