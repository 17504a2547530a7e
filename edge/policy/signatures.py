"""The signatures of a policy: a file beside it, one Ed25519 signature for each signer.

The canonical JSON of the policy's model is signed, under the context `edge-anpr/policy/3`. So a
signature covers every value, but not comments and layout of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edge.errors import KeyFileError, PolicyError
from edge.formats.identifiers import Id, Sha256
from edge.formats.problems import path_text
from edge.formats.signing import PublicKey, Signature, SigningKey, sign, verify
from edge.formats.strict import Strict
from edge.formats.yaml_document import read_text_if_any
from edge.policy.model import ROLES, Policy, Role, Signer

CONTEXT = "edge-anpr/policy/3"
SIGNATURES_FILE = "policy.signatures.json"
MAX_BYTES = 64 * 1024


class PolicySignatures(Strict, populate_by_name=True):
    """The signatures of one version of one site's policy, by the signers' ids."""

    schema_: Literal["edge-anpr/policy-signatures/1"] = Field(
        default="edge-anpr/policy-signatures/1", alias="schema"
    )
    policy_sha256: Sha256
    signatures: dict[Id, Signature] = Field(max_length=64)

    def text(self) -> str:
        """The file's content."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def read_signatures(file: Path) -> PolicySignatures:
    """Read the signatures beside a policy.

    Raises:
        KeyFileError: `E_SIGNATURE`: there are none, or the file is damaged.
        ConfigError: it cannot be read.
    """
    text = read_text_if_any(file, MAX_BYTES)
    if text is None:
        raise KeyFileError(
            f"{file}: the policy is not signed; have each role sign it with "
            "`edge-anpr policy sign`",
            code="E_SIGNATURE",
        )
    return parse_signatures(text, file)


def parse_signatures(text: str, file: Path) -> PolicySignatures:
    """Parse signatures; `file` is only named in error messages.

    Raises:
        KeyFileError: `E_SIGNATURE`: the text is not such a document.
    """
    try:
        return PolicySignatures.model_validate_json(text)
    except ValidationError:
        raise KeyFileError(
            f"{file}: damaged or not a signature file; restore it, or sign again with "
            "`edge-anpr policy sign`",
            code="E_SIGNATURE",
        ) from None


def add_signature(
    policy: Policy, key: SigningKey, before: PolicySignatures | None
) -> PolicySignatures:
    """The signatures with one more; those of another version are dropped."""
    canonical = policy.canonical()
    digest = hashlib.sha256(canonical).hexdigest()
    kept = {} if before is None or before.policy_sha256 != digest else dict(before.signatures)
    kept[key.signer] = sign(CONTEXT, canonical, key)
    return PolicySignatures(policy_sha256=digest, signatures=kept)


def require_signer(policy: Policy, key: SigningKey) -> Signer:
    """The signer of a policy whose key this is; refuse a key that the policy does not list so.

    Raises:
        PolicyError: `E_QUORUM`: the policy names no signer of the key's id.
        KeyFileError: `E_SIGNATURE`: it names another key for that id.
    """
    signer = policy.approvals.signers.get(key.signer)
    if signer is not None and signer.key == key.public.text:
        return signer
    message = f"signer {key.signer}: {_listed(policy, key) or _not_listed(signer)}"
    if signer is None:
        raise PolicyError(message, code="E_QUORUM")
    raise KeyFileError(message, code="E_SIGNATURE")


def _listed(policy: Policy, key: SigningKey) -> str | None:
    """Under which other name the policy lists a key, and the cure; None if it lists it nowhere."""
    for at, name, holder in policy.key_holders():
        if holder.key == key.public.text:
            if at[:-1] != ("approvals", "signers"):
                return (
                    f"the policy lists this key as {path_text(at)}, which signs no policy; use a "
                    "key of the signer's own, made with `edge-anpr keys new signer`"
                )
            return (
                f"the policy lists this key under the id {name}; write {key.signer} instead of "
                f"{name} in approvals.signers"
            )
    return None


def _not_listed(signer: Signer | None) -> str:
    if signer is None:
        return (
            "the policy names no signer with this id; add the signer and this key to "
            "approvals.signers"
        )
    return (
        "the policy names another key for this id; correct approvals.signers, or use the key that "
        "it names"
    )


def signers_of(
    policy: Policy, signatures: PolicySignatures, known: Mapping[str, Signer] | None = None
) -> frozenset[str]:
    """The ids of those who have signed the policy, each signature verified.

    Args:
        policy: the policy that must have been signed.
        signatures: the file beside it.
        known: the signers whose keys are accepted; the policy's own signers by default.
            Signatures of others are ignored.

    Raises:
        KeyFileError: `E_SIGNATURE`: they are of another policy, or one of them is not valid.
    """
    canonical = policy.canonical()
    if signatures.policy_sha256 != hashlib.sha256(canonical).hexdigest():
        raise KeyFileError(
            f"{SIGNATURES_FILE}: the policy has changed since it was signed; have it signed again "
            "with `edge-anpr policy sign`",
            code="E_SIGNATURE",
        )
    holders = policy.approvals.signers if known is None else known
    found = set()
    for name, signature in signatures.signatures.items():
        holder = holders.get(name)
        if holder is None:
            continue
        try:
            verify(CONTEXT, canonical, signature, PublicKey.parse(holder.key))
        except KeyFileError as error:
            raise KeyFileError(
                f"{SIGNATURES_FILE}: {name}: {error.message}", code="E_SIGNATURE"
            ) from None
        found.add(name)
    return frozenset(found)


def missing_roles(signers: Mapping[str, Signer], signed: frozenset[str]) -> tuple[Role, ...]:
    """The roles of the quorum that have not signed."""
    held = {signer.role for name, signer in signers.items() if name in signed}
    return tuple(role for role in ROLES if role not in held)


def require_quorum(
    policy: Policy, signatures: PolicySignatures, known: Mapping[str, Signer] | None = None
) -> None:
    """Refuse a policy that not every role has signed.

    Raises:
        KeyFileError: `E_SIGNATURE`: a signature is not valid.
        PolicyError: `E_QUORUM`: a role has not signed.
    """
    holders = policy.approvals.signers if known is None else known
    lacking = missing_roles(holders, signers_of(policy, signatures, known))
    if lacking:
        whose = "" if known is None else " of the policy in force"
        raise PolicyError(
            f"{SIGNATURES_FILE}: not signed by: {', '.join(lacking)}{whose}; all of "
            f"{', '.join(ROLES)} must sign, with `edge-anpr policy sign`",
            code="E_QUORUM",
        )
