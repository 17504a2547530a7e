"""Loads the keys that a box needs, its own and those of the authorities, and compares them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.adapters.state.key_files import load_authority_public_keys, load_box_keys
from edge.errors import KeyFileError, PolicyError
from edge.formats.problems import path_text
from edge.policy.model import Policy
from edge.policy.separation import keys_of_others
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys
from edge.site.folder import BoxFolders


def load_own_keys(folders: BoxFolders) -> BoxKeys:
    """Load the box's private keys and check that they belong to this box.

    Raises:
        KeyFileError: they cannot be read, or belong to another box.
    """
    keys = load_box_keys(folders.keys)
    if (keys.site, keys.box) != (folders.site, folders.box):
        raise KeyFileError(
            f"{folders.keys}: these are the keys of box {keys.box} at {keys.site}, not of "
            f"{folders.box} at {folders.site}; make keys for this box with `edge-anpr keys new`"
        )
    return keys


def load_authorities(files: Mapping[str, Path]) -> dict[str, AuthorityPublicKeys]:
    """Load the authorities' public keys; returns them by authority id.

    Args:
        files: each authority's public key file.

    Raises:
        KeyFileError: a file cannot be read, or belongs to another authority.
    """
    return {
        authority: load_authority_public_keys(file, authority=authority)
        for authority, file in files.items()
    }


def require_separate_keys(
    policy: Policy, own: BoxKeys, authorities: Mapping[str, AuthorityPublicKeys]
) -> None:
    """Refuse a key with two duties: of the policy, of this box and of the authorities.

    Raises:
        PolicyError: `E_DUTIES`.
    """
    theirs = [key for keys in authorities.values() for key in keys.public_keys()]
    for at in keys_of_others(policy, [own.public, *theirs]):
        raise _shared(f"policy.yaml: {path_text(at)}.key: a key of the box or of an authority")
    if own.public in theirs:
        raise _shared("the box signs with the key of an authority's receipts")
    sealed_to = {keys.sealing.public_bytes_raw() for keys in authorities.values()}
    if own.opens_lists and own.lists.public_key().public_bytes_raw() in sealed_to:
        raise _shared("the box opens lists with the key that hits are sealed to")


def _shared(what: str) -> PolicyError:
    return PolicyError(
        f"{what}; each duty needs a key of its own: make one with `edge-anpr keys new`",
        code="E_DUTIES",
    )
