"""Reads key files, and refuses private keys that other users can read.

`privacy.key_formats` describes the files' content; `key_making` writes them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TypeVar

from edge.adapters.state.key_sealing import folder_secret
from edge.errors import KeyFileError
from edge.formats.signing import PublicKey, SigningKey
from edge.privacy.key_formats import (
    KINDS,
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
    ProtectedFile,
    PublicFile,
    SealedBoxFile,
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
from edge.privacy.protected_keys import Passphrase, opened
from edge.privacy.sealed_keys import with_secret

_MAX_FILE_BYTES = 256 * 1024
_OTHERS = 0o077
_OTHERS_WRITE = 0o022

_Public = TypeVar("_Public", bound=PublicFile)


def load_box_keys(folder: Path) -> BoxKeys:
    """Read a box's current keys from its keys folder.

    Raises:
        KeyFileError: a file is missing, readable by other users, damaged or of another kind.
    """
    public = read_only_public_file(folder, BoxPublicFile, "box")
    file = folder / f"{current(public.generations, folder).key_id}{PRIVATE_ENDING}"
    if not file.exists():
        raise KeyFileError(
            f"{file}: the box's private file is missing; restore it, or run "
            "`edge-anpr keys rotate box`"
        )
    _refuse_foreign_private_files(folder)
    return box_keys(public, read_private(file, BoxPrivateFile), file)


def load_box_public_keys(file: Path) -> BoxPublicKeys:
    """Read a box's public file.

    Raises:
        KeyFileError: missing, unreadable, damaged or of another kind.
    """
    return box_public_keys(read_key_file(file, BoxPublicFile), file)


def load_all_box_public_keys(path: Path) -> dict[tuple[str, str], BoxPublicKeys]:
    """Read one public file, or those of all boxes in a folder; returns them by site and box.

    Raises:
        KeyFileError: a file cannot be used, there is none, or two belong to the same box;
            `E_KEY_MODE`: other users can write to a file or to the folder.
    """
    if not path.exists():
        raise KeyFileError(f"{path}: no such file or folder; name one with boxes' public key files")
    if path.is_dir():
        _require_folder(path, cure="go-w")
    files = public_files(path, BoxPublicFile) if path.is_dir() else [path]
    found: dict[tuple[str, str], BoxPublicKeys] = {}
    first: dict[tuple[str, str], Path] = {}
    for file in files:
        keys = load_box_public_keys(file)
        box = (keys.site, keys.box)
        if box in found:
            raise KeyFileError(
                f"{file}: a second file of box {keys.box} of site {keys.site}, beside "
                f"{first[box].name}; keep the newer"
            )
        found[box], first[box] = keys, file
    if not found:
        raise KeyFileError(
            f"{path}: no public keys of a box; copy the box's <site>.<box>{PUBLIC_ENDING} there"
        )
    return found


def load_authority_public_keys(file: Path, *, authority: str | None = None) -> AuthorityPublicKeys:
    """Read an authority's public file.

    Args:
        file: its path.
        authority: its id in the policy; None accepts any.

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


def load_authority_private_keys(
    folder: Path, passphrase: Passphrase | None = None
) -> AuthorityPrivateKeys:
    """Read every private file of an authority's folder.

    Args:
        folder: the authority's folder.
        passphrase: returns the passphrase of a file that has one; None: nobody can be asked.

    Raises:
        KeyFileError: `E_PASSPHRASE`: a passphrase is missing or wrong; or there is no key, there
            are keys of two authorities, or a file is readable by other users, damaged or of another
            kind.
    """
    _require_folder(folder)
    files = sorted(folder.glob(f"*{PRIVATE_ENDING}"))
    if not files:
        raise KeyFileError(
            f"{folder}: no private keys; name the authority's folder, or make keys with "
            "`edge-anpr keys new authority`"
        )
    contents = [(file, read_private(file, AuthorityPrivateFile, passphrase)) for file in files]
    first = contents[0][1]
    for _, content in contents:
        if content.authority != first.authority:
            raise KeyFileError(
                f"{folder}: keys of the authorities {first.authority} and "
                f"{content.authority}; use one folder for each"
            )
    generations = [authority_key(content, file) for file, content in contents]
    return AuthorityPrivateKeys(
        first.authority,
        any(content.trial for _, content in contents),
        {generation.key_id: generation for generation in generations},
    )


def load_signer_key(file: Path, passphrase: Passphrase | None = None) -> SigningKey:
    """Read a signer's private file.

    Args:
        file: its path.
        passphrase: returns its passphrase if it has one; None: nobody can be asked.

    Raises:
        KeyFileError: `E_PASSPHRASE`: the passphrase is missing or wrong; or the file is missing,
            readable by other users, damaged or of another kind.
    """
    return signer_key(read_private(file, SignerPrivateFile, passphrase), file)


def signing_keys(file: Path) -> tuple[PublicKey, ...]:
    """The public keys that verify audit logs, from a box's or an authority's public file.

    Raises:
        KeyFileError: missing, unreadable, damaged or of another kind.
    """
    if file.is_file() and _is_of(file, AuthorityPublicFile):
        return load_authority_public_keys(file).public_keys()
    return load_box_public_keys(file).public_keys()


def key_facts(path: Path) -> tuple[KeyFacts, ...]:
    """Describe a key file, or every key file of a folder; no private key is included.

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
    # Reading a file of unknown kind reports what is wrong with it.
    model = _kind(file) or BoxPublicFile
    private = issubclass(model, PrivateFile)
    return facts_of(read_private(file, model) if private else read_key_file(file, model), file)


# --- files ----------------------------------------------------------------------------------


def read_key_file(file: Path, model: type[AnyKeyFile]) -> AnyKeyFile:
    """Read a key file of the given kind.

    Raises:
        KeyFileError: missing, unreadable, damaged or of another kind; `E_KEY_MODE`: other users
            can write to it, and so replace its keys with their own.
    """
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(_MAX_FILE_BYTES)
    except FileNotFoundError:
        raise KeyFileError(
            f"{file}: no such key file; make keys with `edge-anpr keys new`, or copy it there"
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"{file}: {error.strerror}; name a file that this user can read"
        ) from None
    if mode & _OTHERS_WRITE:
        raise KeyFileError(
            f"{file}: other users can write to this file (mode {mode & 0o777:04o}), and replace "
            f"its keys; compare its key id with its owner's, then run `chmod go-w {file}`",
            code="E_KEY_MODE",
        )
    return parse_key_file(content, model, file)


def public_files(folder: Path, model: type[PublicFile]) -> list[Path]:
    """The public files of that kind in a folder, including unreadable ones."""
    return [file for file in sorted(folder.glob(f"*{PUBLIC_ENDING}")) if _is_of(file, model)]


def read_only_public_file(folder: Path, model: type[_Public], owner: str) -> _Public:
    """Read the only public file of that kind in a folder; `owner` names the kind in messages.

    Raises:
        KeyFileError: there is none, there are several, or it cannot be used.
    """
    _require_folder(folder)
    files = public_files(folder, model)
    if len(files) > 1:
        for file in files:
            read_key_file(file, model)  # reports a damaged file
        raise KeyFileError(
            f"{folder}: holds both {files[0].name} and {files[1].name}; keep only the file of this "
            f"{owner}"
        )
    if not files:
        raise KeyFileError(f"{folder}: no {owner} keys; run `edge-anpr keys new {owner}`")
    return read_key_file(files[0], model)


def read_private(
    file: Path, model: type[AnyKeyFile], passphrase: Passphrase | None = None
) -> AnyKeyFile:
    """Read a private file, in clear, under a passphrase, or under the box's TPM.

    Args:
        file: its path.
        model: the kind that is needed; `ProtectedFile` and `SealedBoxFile` read such a file as it
            is.
        passphrase: returns the passphrase; None: nobody can be asked.

    Raises:
        KeyFileError: as `read_key_file`; `E_KEY_MODE`: other users can read it; `E_PASSPHRASE`: the
            passphrase is missing or wrong; `E_TPM`: this machine's TPM does not open it.
    """
    try:
        status = file.stat()
    except FileNotFoundError:
        raise KeyFileError(
            f"{file}: no such key file; make keys with `edge-anpr keys new`, or copy it there"
        ) from None
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; make it readable for this user") from None
    if stat.S_ISDIR(status.st_mode):
        raise KeyFileError(f"{file}: a folder; name the private key file in it")
    kind = _kind(file)
    if kind is None or not issubclass(kind, PrivateFile):
        read_key_file(file, model)  # says what the file is; advice about its mode would mislead
    require_unread(file, status.st_mode, "`edge-anpr keys rotate`")
    if model is BoxPrivateFile and kind is SealedBoxFile:
        return _opened_by_tpm(file, model)
    if model is ProtectedFile or kind is not ProtectedFile:
        return read_key_file(file, model)
    if passphrase is None:
        raise KeyFileError(
            f"{file}: the key has a passphrase; run this at a terminal, or name a file that holds "
            "it with --passphrase-file",
            code="E_PASSPHRASE",
        )
    return opened(read_key_file(file, ProtectedFile), passphrase(file), model, file)


def require_unread(file: Path, mode: int, cure: str) -> None:
    """Refuse a private key that other users can read.

    Args:
        file: its path.
        mode: its file mode.
        cure: what to do if one may have read it.

    Raises:
        KeyFileError: `E_KEY_MODE`.
    """
    if mode & _OTHERS:
        raise KeyFileError(
            f"{file}: other users can read this private key (mode {mode & 0o777:04o}); run "
            f"`chmod 600 {file}`, and {cure} if one may have read it",
            code="E_KEY_MODE",
        )


def _opened_by_tpm(file: Path, model: type[AnyKeyFile]) -> AnyKeyFile:
    secret = folder_secret(file.parent)
    if secret is None:
        raise KeyFileError(
            f"{file}: encrypted under the box's TPM, and tpm.json is missing beside it; restore it "
            "from a copy, or enrol the box again",
            code="E_TPM",
        )
    found = with_secret(read_key_file(file, SealedBoxFile), secret, file)
    if not isinstance(found, model):
        raise TypeError("only a box's private file is sealed")
    return found


def private_kind(file: Path) -> type[PrivateFile]:
    """The kind of private file that can have a passphrase, also if it has one.

    Raises:
        KeyFileError: no private file of a signer or an authority.
    """
    kind = _kind(file)
    if kind is ProtectedFile:
        held = read_private(file, ProtectedFile).holds
        return SignerPrivateFile if held == "signer" else AuthorityPrivateFile
    if kind not in (SignerPrivateFile, AuthorityPrivateFile) and file.exists():
        what = "not a key file" if kind is None else KINDS[kind]
        raise KeyFileError(
            f"{file}: this is {what}; only the private file of a signer or an authority can have a "
            "passphrase, because a box starts without anybody who could type it",
            code="E_PASSPHRASE",
        )
    return AuthorityPrivateFile if kind is AuthorityPrivateFile else SignerPrivateFile


def _kind(file: Path) -> type[KeyFile] | None:
    """The kind of a key file; None if it is unknown."""
    try:
        return kind_of(file.read_bytes())
    except (OSError, ValueError):
        return None


def _is_of(file: Path, model: type[KeyFile]) -> bool:
    """Whether a file is of that kind, or unreadable, so that reading it reports the problem."""
    try:
        return kind_of(file.read_bytes()) is model
    except (OSError, ValueError):
        return True


def _require_folder(folder: Path, *, cure: str = "700") -> None:
    """Refuse a folder that is missing, or into which other users can put keys of their own.

    Args:
        folder: the folder.
        cure: the mode that the error proposes.

    Raises:
        KeyFileError: it cannot be used.
    """
    try:
        mode = folder.stat().st_mode
    except OSError:
        raise KeyFileError(
            f"{folder}: no such keys folder; make keys with `edge-anpr keys new`"
        ) from None
    if not folder.is_dir():
        raise KeyFileError(f"{folder}: not a folder; name the folder that holds the keys")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise KeyFileError(
            f"{folder}: cannot be read by this user; check its owner and permissions"
        )
    if mode & _OTHERS_WRITE:
        raise KeyFileError(
            f"{folder}: other users can write to this folder (mode {mode & 0o777:04o}); "
            f"run `chmod {cure} {folder}`",
            code="E_KEY_MODE",
        )


def _refuse_foreign_private_files(folder: Path) -> None:
    """Refuse an authority's private key on a box: with it the box could open its own seals."""
    for file in folder.glob(f"*{PRIVATE_ENDING}"):
        if not (_is_of(file, BoxPrivateFile) or _is_of(file, SealedBoxFile)):
            raise KeyFileError(
                f"{file}: not the box's own key; move it away, an authority's private keys must "
                "never be on a box"
            )
