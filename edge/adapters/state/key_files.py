"""Reads key files, and refuses a private key that others can read.

The files' content is described in `privacy.key_formats`; `key_making` writes them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from edge.errors import KeyFileError
from edge.formats.signing import PublicKey, SigningKey
from edge.privacy.key_formats import (
    PRIVATE_ENDING,
    PUBLIC_ENDING,
    AnyKeyFile,
    AuthorityPrivateFile,
    AuthorityPublicFile,
    BoxPrivateFile,
    BoxPublicFile,
    KeyFacts,
    KeyFile,
    PrivateFile,
    PublicFile,
    SignerPrivateFile,
    authority_key,
    authority_public_keys,
    box_keys,
    box_public_keys,
    current,
    facts_of,
    kind_of,
    parse_key_file,
    signer_key,
)
from edge.privacy.keys import AuthorityPrivateKeys, AuthorityPublicKeys, BoxKeys, BoxPublicKeys

_MAX_FILE_BYTES = 256 * 1024
_OTHERS = 0o077
_OTHERS_WRITE = 0o022

_Public = TypeVar("_Public", bound=PublicFile)


def load_box_keys(folder: Path) -> BoxKeys:
    """Read a box's current keys from its keys folder.

    Raises:
        KeyFileError: no key, a file that others can read, or one that is damaged or of
            another kind.
    """
    public = read_only_public_file(folder, BoxPublicFile, "box")
    file = folder / f"{current(public.generations, folder).key_id}{PRIVATE_ENDING}"
    if not file.exists():
        raise KeyFileError(
            f"{file}: the box's private file is missing; restore it, or run "
            "`edge-anpr keys rotate box`"
        )
    _refuse_foreign_private_files(folder)
    return box_keys(public, _read_private(file, BoxPrivateFile), file)


def load_box_public_keys(file: Path) -> BoxPublicKeys:
    """Read a box's public file.

    Raises:
        KeyFileError: missing, unreadable, damaged or of another kind.
    """
    return box_public_keys(read_key_file(file, BoxPublicFile), file)


def load_all_box_public_keys(path: Path) -> dict[tuple[str, str], BoxPublicKeys]:
    """Read one public file, or those of all boxes in a folder; returns them by site and box.

    Raises:
        KeyFileError: a file cannot be used, there is none, or two are of one box.
    """
    files = public_files(path, BoxPublicFile) if path.is_dir() else [path]
    found: dict[tuple[str, str], BoxPublicKeys] = {}
    for file in files:
        keys = load_box_public_keys(file)
        if (keys.site, keys.box) in found:
            raise KeyFileError(
                f"{file}: a second file of box {keys.box} of site {keys.site}; keep the newer"
            )
        found[keys.site, keys.box] = keys
    if not found:
        raise KeyFileError(
            f"{path}: no box's public keys; put the box's <site>.<box>{PUBLIC_ENDING} there"
        )
    return found


def load_authority_public_keys(file: Path, *, authority: str | None = None) -> AuthorityPublicKeys:
    """Read an authority's public file.

    Args:
        file: its path.
        authority: the id that the policy gives it; None takes any.

    Raises:
        KeyFileError: missing, unreadable, damaged, of another kind or another authority.
    """
    content = read_key_file(file, AuthorityPublicFile)
    if authority is not None and content.authority != authority:
        raise KeyFileError(
            f"{file}: these are the keys of authority {content.authority}, not {authority}; "
            "correct the policy's authorities or the file"
        )
    return authority_public_keys(content, file)


def load_authority_private_keys(folder: Path) -> AuthorityPrivateKeys:
    """Read every private file of an authority's folder.

    Raises:
        KeyFileError: no key, keys of two authorities, a file that others can read, or one
            that is damaged or of another kind.
    """
    _require_folder(folder)
    files = sorted(folder.glob(f"*{PRIVATE_ENDING}"))
    if not files:
        raise KeyFileError(
            f"{folder}: no private keys; give the authority's folder, or make one with "
            "`edge-anpr keys new authority`"
        )
    contents = [(file, _read_private(file, AuthorityPrivateFile)) for file in files]
    first = contents[0][1]
    for _, content in contents:
        if content.authority != first.authority:
            raise KeyFileError(
                f"{folder}: keys of the authorities {first.authority} and "
                f"{content.authority}; give each a folder of its own"
            )
    generations = [authority_key(content, file) for file, content in contents]
    return AuthorityPrivateKeys(
        first.authority,
        any(content.trial for _, content in contents),
        {generation.key_id: generation for generation in generations},
    )


def load_signer_key(file: Path) -> SigningKey:
    """Read a signer's private file.

    Raises:
        KeyFileError: missing, readable by others, damaged or of another kind.
    """
    return signer_key(_read_private(file, SignerPrivateFile), file)


def signing_keys(file: Path) -> tuple[PublicKey, ...]:
    """The public keys in a box's or an authority's public file that sign audit logs.

    Raises:
        KeyFileError: missing, unreadable, damaged or of another kind.
    """
    if file.is_file() and _is_of(file, AuthorityPublicFile):
        return load_authority_public_keys(file).public_keys()
    return load_box_public_keys(file).public_keys()


def key_facts(path: Path) -> tuple[KeyFacts, ...]:
    """What a key file, or every key file of a folder, holds; never a private key.

    Raises:
        KeyFileError: a file cannot be used, or there is none.
    """
    files = [path]
    if path.is_dir():
        files = sorted([*path.glob(f"*{PRIVATE_ENDING}"), *path.glob(f"*{PUBLIC_ENDING}")])
    if not files:
        raise KeyFileError(f"{path}: no keys; make keys with `edge-anpr keys new`")
    return tuple(_facts(file) for file in files)


def _facts(file: Path) -> KeyFacts:
    # Reading a file of no known kind says what is wrong with it.
    model = _kind(file) or BoxPublicFile
    private = issubclass(model, PrivateFile)
    return facts_of(_read_private(file, model) if private else read_key_file(file, model), file)


# --- files ----------------------------------------------------------------------------------


def read_key_file(file: Path, model: type[AnyKeyFile]) -> AnyKeyFile:
    """Read a key file of the given kind.

    Raises:
        KeyFileError: missing, unreadable, damaged or of another kind.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_FILE_BYTES)
    except FileNotFoundError:
        raise KeyFileError(
            f"{file}: no such key file; make keys with `edge-anpr keys new`, or copy it there"
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"{file}: {error.strerror}; it must be a file that this user can read"
        ) from None
    return parse_key_file(content, model, file)


def public_files(folder: Path, model: type[PublicFile]) -> list[Path]:
    """The public files of that kind in a folder, those that cannot be read included."""
    return [file for file in sorted(folder.glob(f"*{PUBLIC_ENDING}")) if _is_of(file, model)]


def read_only_public_file(folder: Path, model: type[_Public], owner: str) -> _Public:
    """Read the folder's one public file of that kind; `owner` is its kind in a word.

    Raises:
        KeyFileError: there is none, there are several, or it cannot be used.
    """
    _require_folder(folder)
    files = public_files(folder, model)
    if len(files) > 1:
        for file in files:
            read_key_file(file, model)  # a damaged one is reported as damaged
        raise KeyFileError(
            f"{folder}: both {files[0].name} and {files[1].name}; keep the {owner}'s own only"
        )
    if not files:
        raise KeyFileError(f"{folder}: no {owner} keys; run `edge-anpr keys new {owner}`")
    return read_key_file(files[0], model)


def _read_private(file: Path, model: type[AnyKeyFile]) -> AnyKeyFile:
    try:
        status = file.stat()
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; it must be readable") from None
    if status.st_mode & _OTHERS:
        raise KeyFileError(
            f"{file}: others can read this private key (mode {status.st_mode & 0o777:04o}); "
            f"run `chmod 600 {file}`, and `edge-anpr keys rotate` if somebody may have read it",
            code="E_KEY_MODE",
        )
    return read_key_file(file, model)


def _kind(file: Path) -> type[KeyFile] | None:
    """The kind of a key file; None if that cannot be told."""
    try:
        return kind_of(file.read_bytes())
    except (OSError, ValueError):
        return None


def _is_of(file: Path, model: type[KeyFile]) -> bool:
    """Whether a file is of that kind, or must be taken for it until reading says what is wrong."""
    try:
        return kind_of(file.read_bytes()) is model
    except (OSError, ValueError):
        return True


def _require_folder(folder: Path) -> None:
    try:
        mode = folder.stat().st_mode
    except OSError:
        raise KeyFileError(
            f"{folder}: no such keys folder; make keys with `edge-anpr keys new`"
        ) from None
    if not folder.is_dir():
        raise KeyFileError(f"{folder}: not a folder; give the folder that holds the keys")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise KeyFileError(f"{folder}: cannot be read by this user; check its owner and mode")
    if mode & _OTHERS_WRITE:
        raise KeyFileError(
            f"{folder}: others can put keys into this folder (mode {mode & 0o777:04o}); "
            f"run `chmod 700 {folder}`",
            code="E_KEY_MODE",
        )


def _refuse_foreign_private_files(folder: Path) -> None:
    """A box that holds an authority's private key could open what it has sealed."""
    for file in folder.glob(f"*{PRIVATE_ENDING}"):
        if not _is_of(file, BoxPrivateFile):
            raise KeyFileError(
                f"{file}: not the box's own key; move it away, an authority's private keys "
                "never lie on a box"
            )
