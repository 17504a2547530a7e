"""Loads the keys that a box needs: its own and those of the authorities."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.adapters.state.key_files import load_authority_public_keys, load_box_keys
from edge.errors import KeyFileError
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys
from edge.site.folder import BoxFolders


def load_own_keys(folders: BoxFolders) -> BoxKeys:
    """The box's private keys, checked to be of this box.

    Raises:
        KeyFileError: they cannot be read, or are those of another box.
    """
    keys = load_box_keys(folders.keys)
    if (keys.site, keys.box) != (folders.site, folders.box):
        raise KeyFileError(
            f"{folders.keys}: these are the keys of box {keys.box} at {keys.site}, not of "
            f"{folders.box} at {folders.site}; make this box its own with `edge-anpr keys new`"
        )
    return keys


def load_authorities(files: Mapping[str, Path]) -> dict[str, AuthorityPublicKeys]:
    """The authorities' public keys, by the authorities' ids.

    Args:
        files: each authority's public key file.

    Raises:
        KeyFileError: a file cannot be read, or is another authority's.
    """
    return {
        authority: load_authority_public_keys(file, authority=authority)
        for authority, file in files.items()
    }
