"""Loads the keys that a box needs, its own and those of the authorities, and compares them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.adapters.state.key_files import (
    load_authority_public_keys,
    load_box_keys,
    load_box_public_keys,
)
from edge.errors import KeyFileError, PolicyError
from edge.formats.curve25519 import is_same_key
from edge.formats.problems import path_text
from edge.policy.model import Policy
from edge.policy.separation import OtherKey, keys_of_others
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys, BoxPublicKeys
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
            f"{folders.box} at {folders.site}; correct `site` and `box` in site.yaml, or make keys "
            "for this box with `edge-anpr keys new`"
        )
    return keys


def load_authorities(files: Mapping[str, Path], policy: Policy) -> dict[str, AuthorityPublicKeys]:
    """Load the authorities' public keys; returns them by authority id.

    Args:
        files: each authority's public key file.
        policy: may name the keys that an authority can have.

    Raises:
        KeyFileError: a file cannot be read, or belongs to another authority; `E_AUTHORITY_KEYS`: it
            has a key that the policy does not name.
    """
    found = {}
    for authority, file in files.items():
        keys = load_authority_public_keys(file, authority=authority)
        named = policy.authorities[authority].key_sha256
        for digest in keys.digests:
            if named is not None and digest not in named:
                raise KeyFileError(
                    f"{file}: the signed policy does not name key {digest[:16]} in authorities."
                    f"{authority}.key_sha256, so nothing is sealed to it; compare the file with "
                    f"the authority, or have a policy signed that names {digest}",
                    code="E_AUTHORITY_KEYS",
                )
        found[authority] = keys
    return found


def require_separate_keys(policy: Policy, others: Sequence[OtherKey]) -> None:
    """Refuse a key with two duties: of the policy, of this box and of the authorities.

    Args:
        policy: the policy.
        others: the keys of the box and of the authorities, from `keys_of` or `keys_at_hand`.

    Raises:
        PolicyError: `E_DUTIES`; the message names both holders.
    """
    for at, other in keys_of_others(policy, others):
        raise _shared(f"policy.yaml: {path_text(at)}.key", other)
    for one, known in itertools.combinations(others, 2):
        if is_same_key(one.raw, known.raw):
            raise _shared(one.holder, known.holder)


def keys_at_hand(
    box: BoxFolders | None, authorities: Mapping[str, Path], policy: Policy
) -> tuple[OtherKey, ...]:
    """The public keys of box and authorities whose files are there.

    Args:
        box: the box's folders; None if they are not known.
        authorities: each authority's public key file, by id.
        policy: may name the keys that an authority can have.

    Raises:
        KeyFileError: a file cannot be read, or is of another holder; `E_AUTHORITY_KEYS`: it has a
            key that the policy does not name.
    """
    own = None
    if box is not None and box.public_keys.exists():
        own = load_box_public_keys(box.public_keys)
    there = {name: file for name, file in authorities.items() if file.exists()}
    return keys_of(own, load_authorities(there, policy))


def keys_of(
    own: BoxKeys | BoxPublicKeys | None, authorities: Mapping[str, AuthorityPublicKeys]
) -> tuple[OtherKey, ...]:
    """The public keys of a box and of authorities, and whose each is.

    Args:
        own: the box's keys; None if they are not known here.
        authorities: the authorities' keys, by id.
    """
    found = []
    if own is not None:
        signing = (own.public,) if isinstance(own, BoxKeys) else own.public_keys()
        found += [OtherKey(f"box {own.box} (signs hits)", key.raw()) for key in signing]
        if own.opens_lists:
            lists = own.lists.public_key() if isinstance(own, BoxKeys) else own.lists
            found.append(OtherKey(f"box {own.box} (opens lists)", lists.public_bytes_raw()))
    for name, keys in authorities.items():
        where = f"authorities.{name}.keys"
        found += [OtherKey(f"{where} (signs receipts)", key.raw()) for key in keys.public_keys()]
        sealing = keys.sealing.public_bytes_raw()
        found.append(OtherKey(f"{where} (hits are sealed to it)", sealing))
    return tuple(found)


def _shared(one: str, other: str) -> PolicyError:
    return PolicyError(
        f"{one}: the same key as {other}; each duty has its own: make one with `edge-anpr keys "
        "new`",
        code="E_DUTIES",
    )
