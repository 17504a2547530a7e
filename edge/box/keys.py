"""Loads the keys that a box needs: its own and those of the authorities."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.adapters.state.key_files import load_authority_public_keys, load_box_keys
from edge.errors import KeyFileError
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
