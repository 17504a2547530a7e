"""Signed documents: policies, activations, list bundles, suspension orders, hits, receipts.

A signature is Ed25519 (RFC 8032) over the document's context, a zero byte and its canonical JSON
(RFC 8785). Each kind of document has a context of its own, so that a signature under one is not
valid under another. The policy names each signer by a public key, written as text: `ed25519:` and
its 32 raw bytes in base64. A key's id is the first 16 hex digits of SHA-256 of those bytes. A key
under which anyone could sign (a point of low order) is refused wherever it is read.

The key of a demo signer is derived from its name alone. Anyone can compute it, so its signatures
prove nothing, and the product recognises it wherever it is used.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Annotated, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field
from typing_extensions import Self

from edge.errors import KeyFileError
from edge.formats.canonical import Json, NotCanonicalError, canonical_json
from edge.formats.curve25519 import ed25519_public_key
from edge.formats.framing import framed
from edge.formats.identifiers import BASE64_32, BASE64_64, KeyId
from edge.formats.strict import StrictMessage

PUBLIC_KEY_PATTERN = f"^ed25519:{BASE64_32}$"

PublicKeyText = Annotated[
    str,
    Field(
        pattern=PUBLIC_KEY_PATTERN,
        description="A public key, as `edge-anpr keys new signer` prints it.",
    ),
]
SignatureText = Annotated[str, Field(pattern=f"^{BASE64_64}$", description="Ed25519.")]

_PREFIX: Final = "ed25519:"
_DEMO: Final = b"edge-anpr/demo-signer/1"


class Signature(StrictMessage):
    """One signature, as it is stored beside or in the document."""

    key_id: KeyId
    signature: SignatureText


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key, which verifies signatures."""

    key_id: str
    text: str
    _key: Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text that a policy holds.

        Raises:
            KeyFileError: it is not a public key, or one of low order; the message does not
                repeat the text.
        """
        return cls.from_raw(_raw_key(text))

    @classmethod
    def _of(cls, key: Ed25519PublicKey) -> Self:
        raw = key.public_bytes_raw()
        text = _PREFIX + base64.b64encode(raw).decode("ascii")
        return cls(hashlib.sha256(raw).hexdigest()[:16], text, key)

    @classmethod
    def from_raw(cls, raw: bytes) -> Self:
        """The key of these 32 bytes.

        Raises:
            KeyFileError: they are not a public key, or one of low order.
        """
        return cls._of(ed25519_public_key(raw))

    def raw(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key.public_bytes_raw()

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made the signature."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half of a signer's key.

    Attributes:
        signer: the id that policies give its owner.
        public: the public key, for the policy.
        demo: whether it is a demo key, which is public.
    """

    signer: str
    public: PublicKey
    demo: bool
    _key: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls, signer: str) -> Self:
        """A new random key."""
        return cls._of(signer, Ed25519PrivateKey.generate())

    @classmethod
    def demo_of(cls, signer: str) -> Self:
        """The demo key of that name, which is the same everywhere and public."""
        seed = hashlib.sha256(framed(_DEMO, signer.encode())).digest()
        return cls._of(signer, Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_raw(cls, signer: str, raw: bytes) -> Self:
        """The key of these 32 bytes; a demo key is recognised."""
        return cls._of(signer, Ed25519PrivateKey.from_private_bytes(raw))

    @classmethod
    def _of(cls, signer: str, key: Ed25519PrivateKey) -> Self:
        public = PublicKey._of(key.public_key())  # noqa: SLF001 - same module
        seed = hashlib.sha256(framed(_DEMO, signer.encode())).digest()
        return cls(signer, public, key.private_bytes_raw() == seed, key)

    def raw(self) -> bytes:
        """The private key, 32 bytes. Only for writing its file."""
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return self._key.sign(message)


def is_demo_key(signer: str, key: PublicKey) -> bool:
    """Whether this is the demo key of that name, which anyone can compute."""
    return SigningKey.demo_of(signer).public.key_id == key.key_id


def sign(context: str, document: Json | bytes, private: SigningKey) -> Signature:
    """Sign a document.

    Args:
        context: what kind of document it is, such as `edge-anpr/policy/3`.
        document: JSON values only, without its signatures; or their canonical form.
        private: the signer's key.

    Raises:
        KeyFileError: the document has no canonical form.
    """
    signature = base64.b64encode(private.sign(signed_bytes(context, document)))
    return Signature(key_id=private.public.key_id, signature=signature.decode("ascii"))


def verify(context: str, document: Json | bytes, signature: Signature, public: PublicKey) -> None:
    """Verify a signature of a document under a key.

    Args:
        context: what kind of document it is, such as `edge-anpr/policy/3`.
        document: JSON values only, without its signatures; or their canonical form.
        signature: the signature, with the id of its key.
        public: the key that must have made it.

    Raises:
        KeyFileError: `E_SIGNATURE`: another key, another document, or no canonical form.
    """
    if signature.key_id != public.key_id:
        raise _refused(f"it was made with key {signature.key_id}, not with {public.key_id}")
    message = signed_bytes(context, document)
    if not public.verify(base64.b64decode(signature.signature), message):
        raise _refused("the document was changed after signing, or is another one")


def signed_bytes(context: str, document: Json | bytes) -> bytes:
    """The bytes that are signed: the context, a zero byte, the canonical JSON.

    Raises:
        KeyFileError: the document has no canonical form.
    """
    try:
        canonical = document if isinstance(document, bytes) else canonical_json(document)
    except NotCanonicalError as error:
        raise _refused(str(error)) from None
    return context.encode() + b"\0" + canonical


def _refused(why: str) -> KeyFileError:
    return KeyFileError(f"the signature is not valid: {why}; sign it again", code="E_SIGNATURE")


def _raw_key(text: str) -> bytes:
    try:
        raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32 or text != _PREFIX + base64.b64encode(raw).decode():
        raise KeyFileError(
            "not a public key; it must be ed25519: and 44 characters, as printed by "
            "`edge-anpr keys new signer`"
        )
    return raw
