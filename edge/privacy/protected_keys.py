"""Private key files of signers and authorities, encrypted under a passphrase.

    key       = scrypt(passphrase, salt, N = 2^17, r = 8, p = 1), 32 bytes          (RFC 7914)
    encrypted = ChaCha20-Poly1305(key, nonce, the plain private file)               (RFC 8439)

The passphrase is normalised (NFC), so that it is the same on every keyboard. The associated data is
the canonical JSON of everything else in the file: owner, key id and public key can be read without
the passphrase, and cannot be changed without it. OWASP's Password Storage Cheat Sheet recommends
these parameters of scrypt; each guess needs 128 MiB of memory.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from edge.errors import KeyFileError
from edge.formats.canonical import canonical_json
from edge.privacy.key_formats import (
    AnyKeyFile,
    AuthorityPrivateFile,
    PassphraseKey,
    PrivateFile,
    ProtectedFile,
    SignerPrivateFile,
    damaged,
    key_file_bytes,
    parse_key_file,
)

CODE: Final = "E_PASSPHRASE"
SHORTEST: Final = 12
"""The fewest characters of a new passphrase."""

SALT_BYTES, NONCE_BYTES = 32, 12

Passphrase = Callable[[Path], str]
"""Returns the passphrase of a private file; it is called only for one that has a passphrase."""


def require_strong(passphrase: str) -> None:
    """Refuse a new passphrase that is easily guessed.

    Raises:
        KeyFileError: `E_PASSPHRASE`: it is too short.
    """
    if len(passphrase.strip()) < SHORTEST:
        raise KeyFileError(
            f"the passphrase has fewer than {SHORTEST} characters; four or more words make a "
            "long one that is easy to remember",
            code=CODE,
        )


def protected(
    content: PrivateFile, passphrase: str, random_bytes: Callable[[int], bytes]
) -> ProtectedFile:
    """A private file of a signer or an authority, encrypted under a passphrase.

    Args:
        content: the plain file.
        passphrase: its new passphrase.
        random_bytes: unpredictable bytes, as many as asked for.

    Raises:
        KeyFileError: a box's file, which is used without anybody present.
    """
    if isinstance(content, SignerPrivateFile):
        owner, public = content.signer, content.public
    elif isinstance(content, AuthorityPrivateFile):
        owner, public = content.authority, None
    else:
        raise KeyFileError(
            "only a signer's or an authority's private file can have a passphrase; a box starts "
            "without anybody who could type it",
            code=CODE,
        )
    bare = ProtectedFile(
        trial=content.trial,
        created_at=content.created_at,
        key_id=content.key_id,
        holds="authority" if public is None else "signer",
        owner=owner,
        public=public,
        passphrase=PassphraseKey(
            salt=_text(random_bytes(SALT_BYTES)), nonce=_text(random_bytes(NONCE_BYTES))
        ),
        encrypted="",
    )
    cipher = ChaCha20Poly1305(_key(bare, passphrase))
    sealed = cipher.encrypt(_nonce(bare), key_file_bytes(content), _bound(bare))
    return bare.model_copy(update={"encrypted": _text(sealed)})


def opened(
    content: ProtectedFile, passphrase: str, model: type[AnyKeyFile], file: Path
) -> AnyKeyFile:
    """The plain private file within a protected one.

    Args:
        content: the protected file.
        passphrase: what its owner has typed.
        model: the kind of file that is needed.
        file: its path, for the error.

    Raises:
        KeyFileError: `E_PASSPHRASE`: a wrong passphrase, or the file was changed; or the file holds
            another kind.
    """
    cipher = ChaCha20Poly1305(_key(content, passphrase))
    try:
        plain = cipher.decrypt(
            _nonce(content), base64.b64decode(content.encrypted), _bound(content)
        )
    except (InvalidTag, ValueError):
        raise KeyFileError(
            f"{file}: wrong passphrase, or the file was changed; try again, or restore the file "
            "from a copy",
            code=CODE,
        ) from None
    found = parse_key_file(plain, model, file)
    if isinstance(found, PrivateFile) and found.key_id != content.key_id:
        raise damaged(file)
    return found


def _key(content: ProtectedFile, passphrase: str) -> bytes:
    made = content.passphrase
    scrypt = Scrypt(base64.b64decode(made.salt), 32, made.n, made.r, made.p)
    return scrypt.derive(unicodedata.normalize("NFC", passphrase).encode())


def _nonce(content: ProtectedFile) -> bytes:
    return base64.b64decode(content.passphrase.nonce)


def _bound(content: ProtectedFile) -> bytes:
    """The associated data: the canonical JSON of all other fields."""
    return canonical_json(content.model_dump(mode="json", by_alias=True, exclude={"encrypted"}))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
