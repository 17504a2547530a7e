"""The policies under which hits were made, and what a person reads of them in her language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.authority.opening import OpenedHit
from edge.authority.policy_checks import require_allowed
from edge.errors import ConfigError, PolicyError
from edge.policy.model import Policy
from edge.policy.notice.counts import COUNTS_FILE
from edge.policy.notice.view.parts import PolicyWording
from edge.policy.notice.view.rules import rule_text
from edge.policy.notice.words import Words
from edge.privacy.hit import Hit
from edge.privacy.sealing import Picture
from edge.site.folder import SITE_FILE, read_policy
from edge.texts import Language

_OTHERS = {SITE_FILE, COUNTS_FILE}
"""What a site folder has beside its policy."""


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """What a policy says of a hit, in one language.

    Attributes:
        rule: the kind of the rule.
        text: what the rule forbids or looks for, in a sentence.
        place: of the camera.
        purpose: of the rule.
        zone: the time zone of the site.
        allowed: whether the policy allows such a hit: there, then, as sure, with these pictures.
    """

    rule: str
    text: str
    place: str
    purpose: str
    zone: ZoneInfo
    allowed: bool


def read_policies(folder: Path) -> dict[str, Policy]:
    """All policies of a folder, as `*.yaml` or as `*.json` of a box's archive, by SHA-256.

    It may be a site folder; its other files are left out. A hit names the digest of its policy and
    is signed, so no signature of the policy is needed.

    Raises:
        ConfigError: a file cannot be read or is no policy; there is none.
    """
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.json")])
    found = [
        read_policy(file).model
        for file in files
        if file.name not in _OTHERS and not file.name.endswith(".signatures.json")
    ]
    if not found:
        raise ConfigError(f"--policies: {folder}: no policy here; copy each site's policy.yaml")
    return {policy.sha256(): policy for policy in found}


def newest_policy(policies: Mapping[str, Policy], site: str) -> Policy | None:
    """The policy of a site with the highest version; None if it is not there."""
    own = (one for one in policies.values() if one.site == site)
    return max(own, key=lambda one: one.version, default=None)


def rule_facts(
    policies: Mapping[str, Policy], hit: Hit, pictures: Iterable[Picture], language: Language
) -> RuleFacts | None:
    """What the policy of a hit says of it; None if it is unknown, or has no such rule or camera."""
    policy = policies.get(hit.policy_sha256)
    if policy is None or hit.camera not in policy.cameras or hit.purpose not in policy.purposes:
        return None
    wording = PolicyWording(policy, Words(language))
    for rule in policy.rules:
        if rule.id == hit.rule:
            return RuleFacts(
                wording.rule_name(rule),
                rule_text(rule, wording),
                wording.in_language(policy.cameras[hit.camera].place),
                wording.in_language(policy.purposes[hit.purpose].text),
                policy.zone,
                _is_allowed(policy, hit, pictures),
            )
    return None


def compared_with(policies: Mapping[str, Policy]) -> Callable[[OpenedHit], None]:
    """What refuses a hit whose policy is known and does not allow it, with `PolicyError`."""

    def compare(opened: OpenedHit) -> None:
        policy = policies.get(opened.hit.policy_sha256)
        if policy is not None:
            require_allowed(opened.hit, opened.content.pictures, policy)

    return compare


def _is_allowed(policy: Policy, hit: Hit, pictures: Iterable[Picture]) -> bool:
    try:
        require_allowed(hit, pictures, policy)
    except PolicyError:
        return False
    return True
