"""Public keys on Curve25519, refused where no honest owner can have made them.

A *low-order* point has at most eight multiples. Under such an Ed25519 key one signature is valid
for many messages without any private key, and an X25519 exchange with one always gives the same
secret, so that anyone can open what is sealed to it. Both curves have eight such points. The
encodings are refused, and with them every encoding that is not the canonical one (a coordinate of
2^255 - 19 or more), because those are other spellings of small coordinates.

Sources: RFC 8032, sections 5.1.3 (decoding a point) and 6 (points of small order); RFC 7748,
section 6.1 (the shared secret must not be zero); D. J. Bernstein, https://cr.yp.to/ecdh.html
("How do I validate Curve25519 public keys?"), which lists the small-order points of X25519.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from edge.errors import KeyFileError

P: Final = 2**255 - 19
D: Final = -121665 * pow(121666, -1, P) % P
"""The constant of the curve -x² + y² = 1 + d x² y² (RFC 8032, section 5.1)."""

_ORDER_8: Final = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
"""y of two of the four points of order 8; that of the other two is its negative."""

SMALL_ORDER_Y: Final = frozenset({0, 1, P - 1, _ORDER_8, P - _ORDER_8})
"""y of the eight Ed25519 points of order 1, 2, 4 and 8."""

SMALL_ORDER_U: Final = frozenset(
    {
        0,
        1,
        P - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)
"""u of the X25519 points of small order, on the curve and on its twist."""

_KEYS: Final = 1000
"""Results for so many public keys are kept, because each reading of a policy asks again."""


def ed25519_public_key(raw: bytes) -> Ed25519PublicKey:
    """The Ed25519 public key of 32 bytes.

    Raises:
        KeyFileError: not the canonical encoding of a point, or of a point of low order.
    """
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= P or y in SMALL_ORDER_Y or not _is_on_curve(y):
        raise _refused()
    return Ed25519PublicKey.from_public_bytes(raw)


def x25519_public_key(raw: bytes) -> X25519PublicKey:
    """The X25519 public key of 32 bytes.

    Raises:
        KeyFileError: not the canonical encoding of a coordinate, or a point of low order.
    """
    u = int.from_bytes(raw, "little")
    if u >= P or u in SMALL_ORDER_U:
        raise _refused()
    return X25519PublicKey.from_public_bytes(raw)


def is_same_key(one: bytes, other: bytes) -> bool:
    """Whether two public keys, of either kind, are equal or belong to one private key.

    An Ed25519 private key can be used on X25519 as well. The point with y then has the coordinate
    u = (1 + y) / (1 - y) (RFC 7748, section 4.1).
    """
    return one == other or _as_x25519(one) == other or _as_x25519(other) == one


@lru_cache(maxsize=_KEYS)
def _as_x25519(ed25519: bytes) -> bytes:
    y = int.from_bytes(ed25519, "little") & (2**255 - 1)
    return ((1 + y) * pow((1 - y) % P, P - 2, P) % P).to_bytes(32, "little")


@lru_cache(maxsize=_KEYS)
def _is_on_curve(y: int) -> bool:
    """Whether a point has this y: x² = (y² - 1) / (d y² + 1) must have a root."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return pow(square, (P - 1) // 2, P) in (0, 1)


def _refused() -> KeyFileError:
    return KeyFileError(
        "no private key belongs to this public key (a point of low order, or none of the curve); "
        "make keys with `edge-anpr keys new`"
    )
