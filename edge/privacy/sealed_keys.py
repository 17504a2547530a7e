"""A box's private files, encrypted under a secret that only the box's TPM gives out.

    encrypted = ChaCha20-Poly1305(secret, nonce, the plain private file)            (RFC 8439)

The associated data is the canonical JSON of everything else in the file. The TPM cannot hold the
keys themselves, since TPMs do not know Ed25519 and X25519; `adapters.host.tpm` seals the secret.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from edge.errors import KeyFileError
from edge.formats.canonical import canonical_json
from edge.privacy.key_formats import (
    BoxPrivateFile,
    SealedBoxFile,
    damaged,
    key_file_bytes,
    parse_key_file,
)

SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12


def under_secret(
    content: BoxPrivateFile, secret: bytes, random_bytes: Callable[[int], bytes]
) -> SealedBoxFile:
    """A box's private file, encrypted.

    Args:
        content: the plain file.
        secret: `SECRET_BYTES` bytes.
        random_bytes: unpredictable bytes, as many as asked for.
    """
    nonce = random_bytes(NONCE_BYTES)
    bare = SealedBoxFile(
        trial=content.trial,
        created_at=content.created_at,
        key_id=content.key_id,
        site=content.site,
        box=content.box,
        nonce=base64.b64encode(nonce).decode("ascii"),
        encrypted="",
    )
    sealed = ChaCha20Poly1305(secret).encrypt(nonce, key_file_bytes(content), _bound(bare))
    return bare.model_copy(update={"encrypted": base64.b64encode(sealed).decode("ascii")})


def with_secret(content: SealedBoxFile, secret: bytes, file: Path) -> BoxPrivateFile:
    """The plain private file in an encrypted one; `file` is only named in errors.

    Raises:
        KeyFileError: it was changed, or is of another box.
    """
    try:
        plain = ChaCha20Poly1305(secret).decrypt(
            base64.b64decode(content.nonce), base64.b64decode(content.encrypted), _bound(content)
        )
    except (InvalidTag, ValueError):
        raise damaged(file) from None
    found = parse_key_file(plain, BoxPrivateFile, file)
    if found.key_id != content.key_id:
        raise damaged(file)
    return found


def hidden(raw: bytes, secret: bytes, name: bytes, nonce: bytes) -> bytes:
    """Bytes encrypted under the secret: nonce and ciphertext."""
    return nonce + ChaCha20Poly1305(secret).encrypt(nonce, raw, name)


def shown(content: bytes, secret: bytes, name: bytes) -> bytes:
    """What `hidden` has encrypted.

    Raises:
        KeyFileError: it was changed, or is of another box.
    """
    try:
        return ChaCha20Poly1305(secret).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], name)
    except (InvalidTag, ValueError):
        raise KeyFileError("encrypted for another box, or damaged; enrol the box again") from None


def _bound(content: SealedBoxFile) -> bytes:
    return canonical_json(content.model_dump(mode="json", by_alias=True, exclude={"encrypted"}))
