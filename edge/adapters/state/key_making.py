"""Makes, rotates and installs key files.

A private file is written once and never overwritten. A new generation of keys is added to the
public file. The authority keeps the private files of retired keys, to open earlier hits. The box
deletes its retired private keys, so that they cannot sign, or open earlier lists, any more.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Concatenate, ParamSpec

from edge.adapters.host.system import random_bytes
from edge.adapters.state.anchor import (
    FIRST_START_NAME,
    allow_first_start,
    origin_of_unused,
)
from edge.adapters.state.key_files import (
    private_kind,
    public_files,
    read_key_file,
    read_only_public_file,
    read_private,
)
from edge.adapters.state.key_sealing import folder_secret
from edge.adapters.state.state_folder import locked_folder
from edge.errors import KeyFileError
from edge.formats.atomic_files import create_file, disk_full, remove_strays, sync_folder, write_file
from edge.formats.signing import SigningKey
from edge.privacy.key_formats import (
    PRIVATE_ENDING,
    PUBLIC_ENDING,
    AuthorityPrivateFile,
    AuthorityPublicFile,
    BoxPrivateFile,
    BoxPublicFile,
    PrivateFile,
    PublicFile,
    current,
    key_file_bytes,
)
from edge.privacy.key_generation import (
    ORIGIN_BYTES,
    new_authority_generation,
    new_box_generation,
    retired,
    signer_file,
)
from edge.privacy.protected_keys import Passphrase, protected
from edge.privacy.sealed_keys import under_secret

_P = ParamSpec("_P")


def _alone(make: Callable[Concatenate[Path, _P], Path]) -> Callable[Concatenate[Path, _P], Path]:
    """The same function; another process makes no keys in its folder at the same time.

    Two rotations at once would each make a key, and the public file would name one of them.
    """

    @functools.wraps(make)
    def alone(folder: Path, /, *arguments: _P.args, **named: _P.kwargs) -> Path:
        with locked_folder(folder) if folder.is_dir() else contextlib.nullcontext():
            return make(folder, *arguments, **named)

    return alone


@_alone
def new_box_keys(folder: Path, site: str, box: str, now: datetime, *, trial: bool = False) -> Path:
    """Make a box's first keys; returns its public file, for the authority and for list issuers.

    Raises:
        KeyFileError: the folder already holds a box's keys, or cannot be written.
    """
    if public_files(folder, BoxPublicFile):
        raise KeyFileError(
            f"{folder}: the box has keys already; run `edge-anpr keys rotate box` for new ones"
        )
    origin = random_bytes(ORIGIN_BYTES)
    private, generation = new_box_generation(site, box, now, trial=trial, origin=origin)
    _create_private(folder, private)
    public = BoxPublicFile(site=site, box=box, trial=trial, generations=(generation,))
    allow_first_start(folder, origin)
    return _create_public(folder / f"{site}.{box}{PUBLIC_ENDING}", public)


@_alone
def rotate_box_keys(folder: Path, now: datetime, *, disown: bool = False) -> Path:
    """Make the box's next keys and delete the private part of all earlier ones.

    With `disown` the public file no longer names the earlier keys, so that the authority accepts
    no more hits signed with them. Use it when a key was stolen.

    If the process is killed in between, the old key stays in use, or an old private file remains
    until the next rotation deletes it. Returns the public file; give it to the authority again.

    Raises:
        KeyFileError: there are no keys to rotate, or the folder cannot be written.
    """
    public = read_only_public_file(folder, BoxPublicFile, "box")
    file = folder / f"{public.site}.{public.box}{PUBLIC_ENDING}"
    unused = origin_of_unused(folder / FIRST_START_NAME, file)
    origin = random_bytes(ORIGIN_BYTES)
    private, fresh = new_box_generation(
        public.site, public.box, now, trial=public.trial, origin=origin
    )
    _create_private(folder, private)
    if unused is not None:  # for whichever key is in use if the process is killed now
        allow_first_start(folder, unused, origin)
    before = () if disown else retired(public.generations, now)
    _replace_public(file, public.model_copy(update={"generations": (*before, fresh)}))
    if unused is not None:
        allow_first_start(folder, origin)
    for old in folder.glob(f"*{PRIVATE_ENDING}"):
        if old.name != f"{fresh.key_id}{PRIVATE_ENDING}":
            old.unlink()
    sync_folder(folder)
    return file


@_alone
def new_authority_keys(
    folder: Path,
    authority: str,
    now: datetime,
    *,
    trial: bool = False,
    passphrase: str | None = None,
) -> Path:
    """Make an authority's first keys; returns its public file, which goes to every box.

    With a passphrase the private file is encrypted under it.

    Raises:
        KeyFileError: the folder already holds an authority's keys, or cannot be written.
    """
    if public_files(folder, AuthorityPublicFile):
        raise KeyFileError(
            f"{folder}: has keys already; run `edge-anpr keys rotate authority` for new ones"
        )
    alone = next(iter(sorted(folder.glob(f"*{PRIVATE_ENDING}"))), None)
    if alone is not None:
        raise KeyFileError(
            f"{alone}: has no public file of an authority beside it; restore that from a copy, or "
            "if this command was killed before it had made the keys, delete this file and run it "
            "again"
        )
    private, generation = new_authority_generation(authority, now, trial=trial)
    made = _create_private(folder, private, passphrase)
    public = AuthorityPublicFile(authority=authority, trial=trial, generations=(generation,))
    try:
        return _create_public(folder / f"{authority}{PUBLIC_ENDING}", public)
    except BaseException:
        with contextlib.suppress(OSError):
            made.unlink()  # nothing was sealed to it yet
        raise


@_alone
def rotate_authority_keys(
    folder: Path, now: datetime, passphrase: Passphrase | None = None
) -> Path:
    """Make the authority's next keys; the private parts of earlier ones are kept.

    If the keys in use have a passphrase, the next ones get the same. Returns the public file; give
    it to every box again.

    Raises:
        KeyFileError: there are no keys to rotate, the passphrase is missing or wrong, or the folder
            cannot be written.
    """
    public = read_only_public_file(folder, AuthorityPublicFile, "authority")
    typed: list[str] = []
    in_use = folder / f"{current(public.generations, folder).key_id}{PRIVATE_ENDING}"
    if in_use.exists():
        read_private(in_use, AuthorityPrivateFile, _noted(passphrase, typed))
    private, fresh = new_authority_generation(public.authority, now, trial=public.trial)
    _create_private(folder, private, typed[0] if typed else None)
    generations = (*retired(public.generations, now), fresh)
    file = folder / f"{public.authority}{PUBLIC_ENDING}"
    _replace_public(file, public.model_copy(update={"generations": generations}))
    return file


def install_public_keys(file: Path, place: Path) -> None:
    """Copy an authority's public file to the path where a box expects it.

    Raises:
        KeyFileError: the file exists already, or it cannot be written.
    """
    _create_public(place, read_key_file(file, AuthorityPublicFile))


def new_signer_key(
    folder: Path, signer: str, now: datetime, *, demo: bool = False, passphrase: str | None = None
) -> Path:
    """Make a signer's key; returns its private file, which also holds the policy's entry.

    With a passphrase the file is encrypted under it.

    Raises:
        KeyFileError: there is a key of that name already, or the folder cannot be written.
    """
    key = SigningKey.demo_of(signer) if demo else SigningKey.generate(signer)
    file = folder / f"{signer}.signer{PRIVATE_ENDING}"
    _create(file, _private_bytes(signer_file(key, now), passphrase), mode=0o600)
    return file


def protect_key_file(file: Path, before: Passphrase, after: Callable[[], str] | None) -> None:
    """Give a private file a passphrase, change it, or remove it; the key stays the same.

    The old content is deleted, but a disk may keep its blocks, and a backup its copy.

    Args:
        file: the private file of a signer or an authority.
        before: returns its present passphrase, if it has one.
        after: returns its new passphrase, once the present one is right; None: it gets none.

    Raises:
        KeyFileError: `E_PASSPHRASE`: the present passphrase is missing or wrong; the file cannot be
            used or written, or is a box's.
    """
    content = read_private(file, private_kind(file), before)
    whole = _private_bytes(content, None if after is None else after())
    try:
        remove_strays(file.parent, PRIVATE_ENDING)
        write_file(file, whole, mode=0o600, sole_writer=True)
    except OSError as error:
        raise disk_full(file, error) or KeyFileError(
            f"{file}: {error.strerror}; the keys folder must be writable"
        ) from None


def _create_private(folder: Path, content: PrivateFile, passphrase: str | None = None) -> Path:
    file = folder / f"{content.key_id}{PRIVATE_ENDING}"
    secret = folder_secret(folder) if isinstance(content, BoxPrivateFile) else None
    if secret is not None and isinstance(content, BoxPrivateFile):
        whole = key_file_bytes(under_secret(content, secret, random_bytes))
    else:
        whole = _private_bytes(content, passphrase)
    _create(file, whole, mode=0o600)
    return file


def _private_bytes(content: PrivateFile, passphrase: str | None) -> bytes:
    if passphrase is None:
        return key_file_bytes(content)
    return key_file_bytes(protected(content, passphrase, random_bytes))


def _noted(passphrase: Passphrase | None, typed: list[str]) -> Passphrase | None:
    """The same, but what was typed is also added to a list."""
    if passphrase is None:
        return None

    def ask(file: Path) -> str:
        typed.append(passphrase(file))
        return typed[-1]

    return ask


def _create_public(file: Path, content: PublicFile) -> Path:
    _create(file, key_file_bytes(content), mode=0o644)
    return file


def _create(file: Path, content: bytes, *, mode: int) -> None:
    """Write a file that does not exist yet, atomically and synced to disk.

    Copies of private keys that a killed process left in the folder are deleted first.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_strays(file.parent, PRIVATE_ENDING)
        create_file(file, content, mode=mode)
    except FileExistsError:
        raise KeyFileError(
            f"{file}: exists already and was not overwritten; move it away first"
        ) from None
    except OSError as error:
        raise disk_full(file, error) or KeyFileError(
            f"{file}: {error.strerror}; the keys folder must be writable"
        ) from None


def _replace_public(file: Path, content: PublicFile) -> None:
    try:
        write_file(file, key_file_bytes(content), mode=0o644, sole_writer=True)
    except OSError as error:
        raise disk_full(file, error) or KeyFileError(
            f"{file}: {error.strerror}; the keys folder must be writable"
        ) from None
