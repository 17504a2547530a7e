"""Finds the policy that a hit names, with its signatures, and says whether it allows the hit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from edge.adapters.state.evidence_pack import read_pack
from edge.adapters.state.pack_zip import read_zip
from edge.authority.opening import OpenedHit
from edge.authority.policy_checks import require_allowed
from edge.errors import ConfigError, EdgeError, PolicyError
from edge.formats.canonical import canonical_json
from edge.formats.yaml_document import read_bytes, read_document
from edge.policy.model import Policy
from edge.policy.signatures import (
    MAX_BYTES,
    missing_roles,
    parse_signatures,
    signers_of,
)
from edge.privacy.hit import Hit
from edge.privacy.sealing import Picture
from edge.site.folder import POLICY_FILE

_SIGNATURES_ENDING = ".signatures.json"
_MAX_POLICY_BYTES = 1024 * 1024


class SignedPolicies:
    """The signed policies of an authority; each is read once.

    Args:
        source: where they are, as for `find_policy`.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self._found: dict[str, Policy | EdgeError] = {}

    def require_opened(self, opened: OpenedHit) -> None:
        """Refuse an opened hit as `require_allowed` does, with all its pictures."""
        self.require_allowed(opened.hit, opened.content.pictures)

    def require_allowed(self, hit: Hit, pictures: Iterable[Picture] = ()) -> None:
        """Refuse a hit that the signed policy which it names does not allow.

        Args:
            hit: signed by a box.
            pictures: of its evidence; empty where it is not open.

        Raises:
            PolicyError: `E_POLICY`: the policy does not allow it, is not there, cannot be read, or
                is not signed by all roles. The message names the hit and the cure.
        """
        policy = self._found.get(hit.policy_sha256)
        if policy is None:
            try:
                policy, _, _ = find_policy(self._source, hit.policy_sha256, "--policies")
            except EdgeError as error:
                policy = error
            self._found[hit.policy_sha256] = policy
        if isinstance(policy, EdgeError):
            raise PolicyError(f"hit {hit.hit_id}: {policy.message}")
        try:
            require_allowed(hit, pictures, policy)
        except PolicyError as error:
            raise PolicyError(
                f"hit {hit.hit_id}: {error.message}; reject it and check the box: somebody may "
                "have its key, or have changed its program"
            ) from None


def find_policy(source: Path, sha256: str, option: str = "--policy") -> tuple[Policy, bytes, bytes]:
    """The policy of this digest, its canonical JSON, and its signatures.

    Args:
        source: an evidence pack of the box, which holds every policy that it ran under; a copy of a
            box's `archive` folder; a site folder whose `policy.yaml` is this version; or a folder
            of policies with their signatures beside them, `NAME.yaml` and `NAME.signatures.json`.
        sha256: the digest that the hit names.
        option: which names the source, for errors.

    Raises:
        ConfigError: it is not there, or cannot be read.
        AuditError: `E_PACK`: not an evidence pack.
        KeyFileError: `E_SIGNATURE`: it is not signed, or a signature is wrong.
    """
    found = _in_pack(source, sha256) if source.is_file() else _in_folder(source, sha256)
    if found is None:
        raise ConfigError(
            f"{option}: {source}: it does not hold the policy that the hit names, {sha256}; give "
            "the box's newest evidence pack, or the site folder of that version"
        )
    content, signatures, where = found
    try:
        policy = Policy.model_validate_json(content)
    except ValidationError:
        raise ConfigError(
            f"{option}: {source}: the policy {sha256} has a form that this version does not read; "
            "export the case with the version that made it"
        ) from None
    if policy.sha256() != sha256 or canonical_json(policy.document()) != content:
        raise ConfigError(f"{option}: {source}: the policy {sha256} was changed; give another copy")
    signed = signers_of(policy, parse_signatures(signatures.decode("utf-8", "replace"), where))
    if lacking := missing_roles(policy.approvals.signers, signed):
        raise ConfigError(
            f"{option}: {source}: the policy is not signed by: {', '.join(lacking)}; give a copy "
            "with all signatures",
            code="E_QUORUM",
        )
    return policy, content, signatures


_Found = tuple[bytes, bytes, Path]
"""A policy, its signatures, and the file that holds these."""


def _in_pack(file: Path, sha256: str) -> _Found | None:
    contents = read_zip(read_pack(file))
    content = contents.get(f"policies/{sha256}.json")
    name = f"policies/{sha256}.signatures.json"
    signatures = contents.get(name)
    return None if content is None or signatures is None else (content, signatures, file / name)


def _in_folder(folder: Path, sha256: str) -> _Found | None:
    for archive in (folder / "policies", folder / "archive" / "policies", folder):
        content, signatures = archive / f"{sha256}.json", archive / f"{sha256}.signatures.json"
        if content.exists() and signatures.exists():
            return (
                read_bytes(content, _MAX_POLICY_BYTES),
                read_bytes(signatures, MAX_BYTES),
                signatures,
            )
    for file in sorted(folder.glob("*.yaml")):
        signatures = file.with_name(f"{file.stem}{_SIGNATURES_ENDING}")
        if file.name != POLICY_FILE and not signatures.exists():
            continue  # another file of the site
        policy = read_document(file, Policy).model
        if policy.sha256() == sha256:
            return canonical_json(policy.document()), read_bytes(signatures, MAX_BYTES), signatures
    return None
