"""A software authenticator (WebAuthn Level 3) that tests can make lie."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
UP, UV, AT = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """An authenticator with one passkey; its fields can be changed between two answers.

    Attributes:
        origin: which the browser writes into its answers.
        rp_id: for which it signs; None: the one that is asked for.
        flags: user present, user verified.
        count: of the last signature; it grows by `step`.
        cose: the public key as it tells it; empty: as it should.
    """

    origin: str
    rp_id: str | None = None
    flags: int = UP | UV
    count: int = 0
    step: int = 1
    cross_origin: bool = False
    handle: bytes = b""
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    cose: bytes = b""

    def create(self, options: str) -> str:
        """The answer to a request for a new passkey."""
        asked = json.loads(options)
        self.handle = unb64(asked["user"]["id"])
        cose = self.cose or cose_of(self.key)
        attested = bytes(16) + struct.pack(">H", len(self.credential)) + self.credential + cose
        data = self._data(asked["rp"]["id"], self.flags | AT) + attested
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", asked["challenge"])
        return self._told({"clientDataJSON": b64(client), "attestationObject": b64(made)})

    def get(self, options: str, *, handle: bytes | None = None) -> str:
        """The answer to a request for a proof."""
        asked = json.loads(options)
        self.count += self.step
        data = self._data(asked["rpId"], self.flags)
        client = self._client("webauthn.get", asked["challenge"])
        signature = signed_with(self.key, data + hashlib.sha256(client).digest())
        return self._told(
            {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(self.handle if handle is None else handle),
            }
        )

    def _data(self, asked: str, flags: int) -> bytes:
        rp_id = asked if self.rp_id is None else self.rp_id
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client(self, kind: str, challenge: str) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self.origin}
        return json.dumps({**told, "crossOrigin": self.cross_origin}).encode()

    def _told(self, response: dict[str, Any]) -> str:
        own = b64(self.credential)
        return json.dumps({"id": own, "rawId": own, "type": "public-key", "response": response})


def cose_of(key: PrivateKey) -> bytes:
    """The public key as authenticators write it (RFC 9053, RFC 8230)."""
    public: dict[int, int | bytes]
    if isinstance(key, Ed25519PrivateKey):
        public = {1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()}
    elif isinstance(key, EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        public = {
            1: 2,
            3: -7,
            -1: 1,
            -2: point.x.to_bytes(32, "big"),
            -3: point.y.to_bytes(32, "big"),
        }
    else:
        modulus = key.public_key().public_numbers().n
        public = {1: 3, 3: -257, -1: modulus.to_bytes(key.key_size // 8, "big"), -2: b"\1\0\1"}
    return cbor2.dumps(public)


def signed_with(key: PrivateKey, content: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(content)
    if isinstance(key, EllipticCurvePrivateKey):
        return key.sign(content, ECDSA(SHA256()))
    return key.sign(content, PKCS1v15(), SHA256())


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
