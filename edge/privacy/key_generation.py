"""New generations of keys, as the contents of their files."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.formats.framing import framed
from edge.formats.signing import PublicKey, SigningKey
from edge.privacy.key_formats import (
    AnyGeneration,
    AuthorityGeneration,
    AuthorityPrivateFile,
    BoxGeneration,
    BoxPrivateFile,
    SignerPrivateFile,
)
from edge.privacy.keys import authority_key_id, box_key_id

ORIGIN_BYTES: Final = 32
_ORIGIN: Final = b"edge-anpr/box-key-origin/1"


def new_box_generation(
    site: str, box: str, now: datetime, *, trial: bool, origin: bytes
) -> tuple[BoxPrivateFile, BoxGeneration]:
    """Fresh keys of a box: its private file, and their entry in its public file.

    Args:
        site: its site's id.
        box: its id.
        now: the moment of making, aware.
        trial: whether they are trial keys.
        origin: `ORIGIN_BYTES` random bytes, which the signing key is made from. They cannot be
            computed from the key, so whoever has them has had them since the key was made.
    """
    signing = _made_from(origin)
    lists = X25519PrivateKey.generate()
    key_id = box_key_id(signing.public_key(), lists.public_key())
    private = BoxPrivateFile(
        site=site,
        box=box,
        trial=trial,
        created_at=now,
        key_id=key_id,
        signing=_text(signing.private_bytes_raw()),
        lists=_text(lists.private_bytes_raw()),
    )
    return private, BoxGeneration(
        key_id=key_id,
        created_at=now,
        signing=_text(signing.public_key().public_bytes_raw()),
        lists=_text(lists.public_key().public_bytes_raw()),
    )


def public_key_of(origin: bytes) -> PublicKey:
    """The public half of the signing key that these bytes give."""
    return PublicKey.from_raw(_made_from(origin).public_key().public_bytes_raw())


def _made_from(origin: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(framed(_ORIGIN, origin)).digest())


def new_authority_generation(
    authority: str, now: datetime, *, trial: bool
) -> tuple[AuthorityPrivateFile, AuthorityGeneration]:
    """Fresh keys of an authority: its private file, and their entry in its public file."""
    sealing = X25519PrivateKey.generate()
    receipts = Ed25519PrivateKey.generate()
    key_id = authority_key_id(sealing.public_key(), receipts.public_key())
    private = AuthorityPrivateFile(
        authority=authority,
        trial=trial,
        created_at=now,
        key_id=key_id,
        sealing=_text(sealing.private_bytes_raw()),
        receipts=_text(receipts.private_bytes_raw()),
    )
    return private, AuthorityGeneration(
        key_id=key_id,
        created_at=now,
        sealing=_text(sealing.public_key().public_bytes_raw()),
        receipts=_text(receipts.public_key().public_bytes_raw()),
    )


def signer_file(key: SigningKey, now: datetime) -> SignerPrivateFile:
    """The private file of a signer's key."""
    return SignerPrivateFile(
        signer=key.signer,
        trial=key.demo,
        created_at=now,
        key_id=key.public.key_id,
        public=key.public.text,
        signing=_text(key.raw()),
    )


def retired(generations: tuple[AnyGeneration, ...], now: datetime) -> tuple[AnyGeneration, ...]:
    """The same generations, none of them in use any more."""
    return tuple(
        one.model_copy(update={"retired_at": one.retired_at or now}) for one in generations
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
