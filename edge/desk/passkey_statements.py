"""Verifies what a passkey has signed, from the bytes that were kept, without the extra `desk`.

The desk asks for passkeys of three kinds, and each has one form as a COSE key (RFC 9052, RFC 9053)
in the canonical CBOR that CTAP2 prescribes. So this compares bytes, and parses no CBOR.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from edge.desk.passkey_keys import PasskeyKey, refused

_EDDSA: Final = re.compile(rb"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20(.{32})", re.DOTALL)
_ES256: Final = re.compile(
    rb"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20(.{32})\x22\x58\x20(.{32})", re.DOTALL
)
_RS256: Final = re.compile(
    rb"\xa4\x01\x03\x03\x39\x01\x00\x20\x59(\x01[\x00\x80]|\x02\x00)(.{256,512})"
    rb"\x21\x43(\x01\x00\x01)",
    re.DOTALL,
)
"""RSA of 2048, 3072 or 4096 bits."""

_PRESENT: Final = 0x01
_VERIFIED: Final = 0x04
_ATTESTED: Final = 0x40
_EXTENDED: Final = 0x80
_LEAST: Final = 37  # digest of the host, flags, count

_CosePublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


def verify_statement(
    key: PasskeyKey,
    challenge: bytes,
    authenticator_data: bytes,
    client_data: bytes,
    signature: bytes,
) -> None:
    """Verify an assertion (WebAuthn Level 3, section 7.2) whose challenge is what was signed.

    The authenticator must have verified its person, for the host and origin of the passkey. The
    count of its signatures is for the desk to compare.

    Args:
        key: the passkey.
        challenge: the digest of what was signed.
        authenticator_data: which the authenticator has signed.
        client_data: JSON of the browser, with challenge and origin.
        signature: of both.

    Raises:
        AccessError: `E_PASSKEY`.
    """
    try:
        told = json.loads(client_data.decode("utf-8"))
        public = cose_public_key(key.public_key)
    except (ValueError, RecursionError):
        raise refused() from None
    wanted = {
        "type": "webauthn.get",
        "challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode("ascii"),
        "origin": key.party.origin,
    }
    if (
        not isinstance(told, dict)
        or {name: told.get(name) for name in wanted} != wanted
        or told.get("crossOrigin", False) is not False
    ):
        raise refused()
    _require_verified(authenticator_data, key.party.rp_id)
    signed = authenticator_data + hashlib.sha256(client_data).digest()
    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, signed)
        elif isinstance(public, EllipticCurvePublicKey):
            public.verify(signature, signed, ECDSA(SHA256()))
        else:
            public.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise refused() from None


def _require_verified(data: bytes, rp_id: str) -> None:
    """The authenticator signed for this host, with its person present and verified."""
    flags = data[32] if len(data) >= _LEAST else 0
    if (
        data[:32] != hashlib.sha256(rp_id.encode()).digest()
        or not flags & _PRESENT
        or not flags & _VERIFIED
        or flags & _ATTESTED
        or (len(data) > _LEAST) is not bool(flags & _EXTENDED)
    ):
        raise refused()


def cose_public_key(cose: bytes) -> _CosePublicKey:
    """The public key of a passkey: EdDSA (Ed25519), ES256 (P-256) or RS256.

    Raises:
        ValueError: another kind, or another form.
    """
    if found := _EDDSA.fullmatch(cose):
        return Ed25519PublicKey.from_public_bytes(found[1])
    if found := _ES256.fullmatch(cose):
        x, y = (int.from_bytes(one, "big") for one in found.groups())
        return EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    found = _RS256.fullmatch(cose)
    if found is None or int.from_bytes(found[1], "big") != len(found[2]) or found[2][0] < 0x80:
        raise ValueError("no COSE key of a kind that a desk accepts")
    exponent, modulus = int.from_bytes(found[3], "big"), int.from_bytes(found[2], "big")
    return RSAPublicNumbers(exponent, modulus).public_key()
