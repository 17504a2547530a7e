"""Keys in memory, with which a box and an authority sign, seal, open and verify.

A box has an Ed25519 key that signs hits and an X25519 key that lists are sealed to. An authority
has generations of keys: an X25519 key that hits are sealed to and an Ed25519 key that signs
receipts (RFC 8032, RFC 7748). `privacy.key_formats` says what key files hold; reading and writing
them is `adapters.state.key_files`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from edge.errors import KeyFileError
from edge.formats.framing import framed
from edge.formats.signing import PublicKey

_ID_DIGITS = 16

RETIRED_KEY_GRACE = timedelta(days=31)
"""How long hits of a retired key are accepted. A hit may wait on the box for its whole retention,
at most 30 days."""

_AnyKey = TypeVar("_AnyKey", X25519PrivateKey, X25519PublicKey)


class ListOpeningKey(Protocol):
    """What opens the lists of a box; `BoxKeys` is one."""

    @property
    def site(self) -> str:
        """The site's id."""

    @property
    def box(self) -> str:
        """The box's id."""

    @property
    def key_id(self) -> str:
        """The id of the generation of keys."""

    @property
    def lists(self) -> X25519PrivateKey:
        """The private key that opens lists sealed to this box.

        Raises:
            KeyFileError: there is none.
        """


@dataclass(frozen=True, slots=True)
class BoxKeys:
    """The box's own keys. `trial` marks trial keys."""

    site: str
    box: str
    key_id: str
    trial: bool
    _signing: Ed25519PrivateKey = field(repr=False, compare=False)
    _lists: X25519PrivateKey | None = field(repr=False, compare=False)

    @property
    def public(self) -> PublicKey:
        """The key's public half."""
        return PublicKey.from_raw(self._signing.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return self._signing.sign(message)

    @property
    def opens_lists(self) -> bool:
        """Whether there is a key for sealed lists; version 0.1 made none."""
        return self._lists is not None

    @property
    def lists(self) -> X25519PrivateKey:
        """The private key that opens lists sealed to this box.

        Raises:
            KeyFileError: the keys were made by a version without sealed lists.
        """
        return _made_for_lists(self._lists)


@dataclass(frozen=True, slots=True)
class BoxPublicKeys:
    """A box's public keys: all its signing keys, and the one that lists are sealed to."""

    site: str
    box: str
    trial: bool
    current: str
    _keys: Mapping[str, Ed25519PublicKey] = field(repr=False, compare=False)
    _retired_at: Mapping[str, datetime] = field(repr=False)
    _lists: X25519PublicKey | None = field(repr=False, compare=False)

    @property
    def opens_lists(self) -> bool:
        """Whether there is a key for sealed lists; version 0.1 made none."""
        return self._lists is not None

    @property
    def lists(self) -> X25519PublicKey:
        """The public key that lists for this box are sealed to; its id is `current`.

        Raises:
            KeyFileError: the keys were made by a version without sealed lists.
        """
        return _made_for_lists(self._lists)

    @property
    def signing_key(self) -> PublicKey:
        """The signing key in use; its id as a key of the box is `current`."""
        return PublicKey.from_raw(self._keys[self.current].public_bytes_raw())

    def knows(self, key_id: str) -> bool:
        """Whether the key is the box's, current or retired."""
        return key_id in self._keys

    def public_keys(self) -> tuple[PublicKey, ...]:
        """All signing keys, current and retired."""
        return tuple(PublicKey.from_raw(key.public_bytes_raw()) for key in self._keys.values())

    def accepts(self, key_id: str, now: datetime) -> bool:
        """Whether the key is the box's, and is current or was retired recently."""
        retired_at = self._retired_at.get(key_id)
        return key_id in self._keys and (retired_at is None or now < retired_at + RETIRED_KEY_GRACE)

    def knowing(self, key_id: str, key: PublicKey) -> BoxPublicKeys:
        """The same keys and one more, unless the box has a key of this id."""
        if key_id in self._keys:
            return self
        more = Ed25519PublicKey.from_public_bytes(key.raw())
        return replace(self, _keys={**self._keys, key_id: more})

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        """Whether this is the box's signature under that key, current or retired."""
        return key_id in self._keys and _verified(self._keys[key_id], signature, message)


@dataclass(frozen=True, slots=True)
class AuthorityPublicKeys:
    """An authority's public keys: one to seal hits to, and those that verify its receipts."""

    authority: str
    trial: bool
    key_id: str
    sealing: X25519PublicKey = field(repr=False, compare=False)
    _receipts: Mapping[str, Ed25519PublicKey] = field(repr=False, compare=False)
    digests: tuple[str, ...] = ()
    """SHA-256 of each generation of its keys, hex; it begins with the key's id."""

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The keys that sign its receipts and its audit log, all generations."""
        return tuple(PublicKey.from_raw(key.public_bytes_raw()) for key in self._receipts.values())

    def verify_receipt(self, key_id: str, signature: bytes, message: bytes) -> bool:
        """Whether this is the authority's signature under that generation of its keys."""
        return key_id in self._receipts and _verified(self._receipts[key_id], signature, message)


@dataclass(frozen=True, slots=True)
class AuthorityKey:
    """One generation of an authority's private keys."""

    authority: str
    key_id: str
    created_at: datetime
    sealing: X25519PrivateKey = field(repr=False, compare=False)
    _receipts: Ed25519PrivateKey = field(repr=False, compare=False)

    @property
    def public(self) -> PublicKey:
        """The public half of the key that signs receipts and the authority's audit log."""
        return PublicKey.from_raw(self._receipts.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature for the authority's audit log, 64 bytes."""
        return self._receipts.sign(message)

    def sign_receipt(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return self._receipts.sign(message)


@dataclass(frozen=True, slots=True)
class AuthorityPrivateKeys:
    """The private keys of an authority, all generations that it still has."""

    authority: str
    trial: bool
    _generations: Mapping[str, AuthorityKey] = field(repr=False, compare=False)

    @property
    def newest(self) -> AuthorityKey:
        """The generation that was made last."""
        return max(self._generations.values(), key=lambda key: (key.created_at, key.key_id))

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The public halves of all generations' signing keys."""
        return tuple(key.public for key in self._generations.values())

    def generation(self, key_id: str) -> AuthorityKey | None:
        """The keys of this id, or None if the authority does not have them."""
        return self._generations.get(key_id)


def box_key_id(signing: Ed25519PublicKey, lists: X25519PublicKey | None) -> str:
    """The id of a box's generation of keys; keys of version 0.1 had none for lists."""
    keys = [signing.public_bytes_raw()]
    if lists is not None:
        keys.append(lists.public_bytes_raw())
    return _key_id(b"box", *keys)


def authority_key_id(sealing: X25519PublicKey, receipts: Ed25519PublicKey) -> str:
    """The id of an authority's generation of keys."""
    return authority_key_sha256(sealing, receipts)[:_ID_DIGITS]


def authority_key_sha256(sealing: X25519PublicKey, receipts: Ed25519PublicKey) -> str:
    """The digest of an authority's generation of keys, by which a policy names it."""
    return _digest(b"authority", sealing.public_bytes_raw(), receipts.public_bytes_raw())


def _key_id(owner: bytes, *keys: bytes) -> str:
    return _digest(owner, *keys)[:_ID_DIGITS]


def _digest(owner: bytes, *keys: bytes) -> str:
    """SHA-256 over the owner's kind and the raw public keys, hex; its beginning is the key's id."""
    return hashlib.sha256(framed(b"edge-anpr/key-id/1", owner, *keys)).hexdigest()


def _made_for_lists(key: _AnyKey | None) -> _AnyKey:
    if key is None:
        raise KeyFileError(
            "the box's keys were made by an earlier version, without a key for lists; run "
            "`edge-anpr keys rotate box` on the box and give its public file to the authority and "
            "to those who issue its lists"
        )
    return key


def _verified(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
