"""The list that many boxes share: one encrypted body, and a signed manifest for each box.

    document = canonical JSON (RFC 8785): schema, entries
    packed   = the document compressed with zlib (RFC 1950)
    body     = ChaCha20-Poly1305 (RFC 8439) of packed length (4) ‖ packed ‖ zeros up to a size
               class, under a key of its own that is used once, with a nonce of zeros; the
               associated data is `list-body/2`; under `list-body/1` the document is not compressed
    secret   = canonical JSON: issuer, purpose, limits, key of the body, signature
    sealed   = HPKE base mode, to one box: secret length (4) ‖ secret ‖ zeros, 512 bytes
    manifest = canonical JSON: schema, site, box, list, counter, box_key_id, body_sha256,
               body_bytes, sealed (base64)
    joined   = manifest length (4) ‖ manifest ‖ body: what a box keeps

The fields of the manifest outside the seal are the HPKE `info`. The issuer's Ed25519 signature is
inside the seal and covers the fields outside it too. So a manifest is valid for one box, list,
counter and body only, and nothing outside the seal shows who issued it or for what purpose.

All boxes of one build get the key of the same body: the list is the same for all of them. A box
still makes its own tokens of the plates, under secrets that no other box has.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import math
import secrets
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from edge.errors import KeyFileError
from edge.formats.canonical import canonical_json, canonical_model
from edge.formats.framing import LENGTH_BYTES, framed, padded, unpadded
from edge.formats.signing import PublicKey, SigningKey, sign, verify
from edge.formats.timestamps import parse_utc
from edge.policy.bundle_format import (
    BODY_SCHEMA,
    BODY_SIZES,
    MANIFEST_SCHEMA,
    PACKED_SCHEMA,
    SIZE_CLASSES,
    BodyDocument,
    BundleEntry,
    ListBundleError,
    ManifestCover,
    ManifestSecret,
    parse_part,
)
from edge.policy.lists import CLOCKS_CHANGED
from edge.privacy.keys import BoxPublicKeys, ListOpeningKey
from edge.privacy.sealing import SUITE

MAX_MANIFEST_BYTES: Final = 2047
"""Longest manifest, bytes."""

SECRET_BYTES: Final = 512
"""Length of the padded secret: that of the names in it is not seen."""

MAX_DOCUMENT_BYTES: Final = SIZE_CLASSES[-1] - LENGTH_BYTES
"""Longest document, bytes; a box decompresses no more than that."""

_KEY_BYTES: Final = 32
_NONCE: Final = bytes(12)  # each key encrypts one body only
_MANIFEST_START: Final = b'{"body_bytes":'  # of the canonical form, and of no other document here


@dataclass(frozen=True, slots=True)
class SealedBody:
    """An encrypted body with its digest (hex) and its key."""

    data: bytes = field(repr=False)
    sha256: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedManifest:
    """A manifest that was signed by an issuer of the list, for this box."""

    cover: ManifestCover
    secret: ManifestSecret = field(repr=False)


def is_manifest(data: bytes) -> bool:
    """Whether the bytes can only be a manifest without its body."""
    return data.startswith(_MANIFEST_START)


def extent(entries: Sequence[BundleEntry]) -> tuple[int, int]:
    """The number of entries, and the fewest days that a policy must let an entry last for them."""
    longest = max(
        (parse_utc(entry.end) - parse_utc(entry.start) for entry in entries),
        default=timedelta(0),
    )
    return len(entries), max(0, math.ceil((longest - CLOCKS_CHANGED) / timedelta(days=1)))


# --- making ---------------------------------------------------------------------------------


def encrypted_body(entries: tuple[BundleEntry, ...]) -> SealedBody:
    """Encrypt entries under a new key.

    Raises:
        ListBundleError: they are longer than the largest size class.
    """
    document = canonical_model(BodyDocument(entries=entries))
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ListBundleError(
            f"a list of {len(document)} bytes is over the limit of {MAX_DOCUMENT_BYTES}; shorten "
            "its texts, or split it into two lists of the policy"
        )
    packed = zlib.compress(document)
    # Whoever sees the body sees only the size class, not how well the entries are compressed.
    size = next(size for size in SIZE_CLASSES if len(packed) + LENGTH_BYTES <= size)
    key = secrets.token_bytes(_KEY_BYTES)
    data = ChaCha20Poly1305(key).encrypt(_NONCE, padded(packed, size), PACKED_SCHEMA.encode())
    return SealedBody(data, hashlib.sha256(data).hexdigest(), key)


def signed_manifest(
    list_id: str,
    counter: int,
    secret: ManifestSecret,
    body: SealedBody,
    key: SigningKey,
    box: BoxPublicKeys,
) -> bytes:
    """The manifest of one box.

    Args:
        list_id: the list's id.
        counter: the list's counter.
        secret: issuer, purpose, limits and the body's key; not signed yet.
        body: the body.
        key: the issuer's.
        box: the box that it is sealed to.

    Raises:
        KeyFileError: the box has no key for lists.
    """
    cover: dict[str, str | int] = {
        "schema": MANIFEST_SCHEMA,
        "site": box.site,
        "box": box.box,
        "list": list_id,
        "counter": counter,
        "box_key_id": box.current,
        "body_sha256": body.sha256,
        "body_bytes": len(body.data),
    }
    unsigned_secret = secret.model_dump(exclude={"signature"})
    signature = sign(MANIFEST_SCHEMA, {**cover, **unsigned_secret}, key)
    hidden = canonical_json({**unsigned_secret, "signature": signature.model_dump()})
    sealed = SUITE.encrypt(padded(hidden, SECRET_BYTES), box.lists, info=canonical_json(cover))
    return canonical_json({**cover, "sealed": base64.b64encode(sealed).decode("ascii")})


def joined(manifest: bytes, body: bytes) -> bytes:
    """A manifest and its body as a box keeps them."""
    return framed(manifest) + body


# --- reading --------------------------------------------------------------------------------


def parse_manifest(data: bytes) -> ManifestCover:
    """Parse a manifest without opening it: well-formed, but nothing in it is proven.

    Raises:
        ListBundleError: not a manifest, or not in canonical form.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise ListBundleError(
            f"{len(data)} bytes are more than any manifest has ({MAX_MANIFEST_BYTES}); give one "
            "made by `edge-anpr lists build --boxes`"
        )
    cover = parse_part(ManifestCover, data)
    if cover.body_bytes not in BODY_SIZES:
        raise ListBundleError(f"body_bytes: does not fit {MANIFEST_SCHEMA}; the bundle is refused")
    return cover


def parts_of(data: bytes) -> tuple[bytes, ManifestCover, bytes]:
    """A manifest, the same parsed, and its body; the body is empty if it is not joined to it.

    Raises:
        ListBundleError: not a manifest, or the body is not the one that the manifest names.
    """
    if is_manifest(data):
        return data, parse_manifest(data), b""
    length = int.from_bytes(data[:LENGTH_BYTES], "big")
    if length > MAX_MANIFEST_BYTES:
        raise ListBundleError("neither a bundle nor a manifest with its body; have it sent again")
    manifest, body = data[LENGTH_BYTES : LENGTH_BYTES + length], data[LENGTH_BYTES + length :]
    cover = parse_manifest(manifest)
    require_body(cover, body)
    return manifest, cover, body


def require_body(cover: ManifestCover, body: bytes) -> None:
    """Refuse a body that is not the one that a manifest names.

    Raises:
        ListBundleError: it has another length or digest.
    """
    if len(body) != cover.body_bytes or hashlib.sha256(body).hexdigest() != cover.body_sha256:
        raise ListBundleError(
            f"list {cover.list_}: the body is not the one that its manifest names; have the list "
            "sent again"
        )


def open_manifest(
    cover: ManifestCover, keys: ListOpeningKey, issuers: Mapping[str, PublicKey]
) -> OpenedManifest:
    """Open a manifest and verify the signature of its issuer.

    Args:
        cover: the parsed manifest, for this box and key.
        keys: the box's.
        issuers: the keys of the list's issuers, by id.

    Raises:
        KeyFileError: `E_SIGNATURE`: not signed by one of them.
        ListBundleError: damaged, or sealed for something else.
    """
    outside = cover.model_dump(by_alias=True, exclude={"sealed"})
    try:
        sealed = base64.b64decode(cover.sealed, validate=True)
        content = SUITE.decrypt(sealed, keys.lists, info=canonical_json(outside))
    except (InvalidTag, ValueError):
        raise _damaged(cover) from None
    hidden = unpadded(content, (SECRET_BYTES,))
    if hidden is None:
        raise _damaged(cover)
    secret = parse_part(ManifestSecret, hidden)
    issuer = issuers.get(secret.issuer)
    if secret.signature is None or issuer is None:
        raise unsigned(cover.list_, issuers)
    signed: dict[str, Any] = {**outside, **secret.model_dump(exclude={"signature"})}
    verify(MANIFEST_SCHEMA, signed, secret.signature, issuer)
    return OpenedManifest(cover, secret)


def decrypted_body(opened: OpenedManifest, body: bytes) -> tuple[BundleEntry, ...]:
    """The entries of a body.

    Raises:
        ListBundleError: not the body that the manifest names, or its entries are not as many or
            as long as the manifest says.
    """
    cover, secret = opened.cover, opened.secret
    require_body(cover, body)
    document = _document(base64.b64decode(secret.key), body)
    if document is None:
        raise _damaged(cover)
    entries = parse_part(BodyDocument, document).entries
    if extent(entries) != (secret.entries, secret.longest_days):
        raise _damaged(cover)
    return entries


def _document(key: bytes, body: bytes) -> bytes | None:
    """The document in a body of either schema; None if it is damaged, or longer than any."""
    for schema in (PACKED_SCHEMA, BODY_SCHEMA):
        with contextlib.suppress(InvalidTag):
            content = ChaCha20Poly1305(key).decrypt(_NONCE, body, schema.encode())
            packed = unpadded(content, SIZE_CLASSES)
            return packed if packed is None or schema == BODY_SCHEMA else _unpacked(packed)
    return None


def _unpacked(packed: bytes) -> bytes | None:
    reader = zlib.decompressobj()
    try:
        document = reader.decompress(packed, MAX_DOCUMENT_BYTES + 1)
    except zlib.error:
        return None
    whole = reader.eof and not reader.unused_data and len(document) <= MAX_DOCUMENT_BYTES
    return document if whole else None


def unsigned(list_id: str, issuers: Collection[str]) -> KeyFileError:
    """The error of a list that none of its issuers has signed."""
    return KeyFileError(
        f"list {list_id}: not signed by one of its issuers ({', '.join(sorted(issuers))}); only "
        "issuers that the policy names may issue it",
        code="E_SIGNATURE",
    )


def _damaged(cover: ManifestCover) -> ListBundleError:
    return ListBundleError(
        f"list {cover.list_}: damaged, or not sealed for this box and list; have it sent again"
    )
