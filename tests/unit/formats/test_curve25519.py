"""Public keys of low order, in every encoding, are refused wherever a public key is read.

The points are computed here from the curve's equations (RFC 8032, section 5.1; RFC 7748,
section 4.1), not copied from the product.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.errors import KeyFileError
from edge.formats.curve25519 import ed25519_public_key, x25519_public_key
from edge.formats.signing import PublicKey
from edge.policy.model import Policy
from edge.privacy.key_formats import (
    AuthorityPublicFile,
    BoxPublicFile,
    authority_public_keys,
    box_public_keys,
)
from edge.privacy.key_generation import new_authority_generation, new_box_generation
from edge.privacy.sealing import SUITE
from tests.support.policies import NOON, document

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
TOP = 1 << 255

Point = tuple[int, int]


def added(one: Point, other: Point) -> Point:
    """The sum of two points of edwards25519, in affine coordinates."""
    (x1, y1), (x2, y2) = one, other
    k = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P,
    )


def small_order_points() -> set[Point]:
    """The eight points P with 8 P = identity."""
    found = {(0, 1), (0, P - 1), (pow(2, (P - 1) // 4, P), 0), (P - pow(2, (P - 1) // 4, P), 0)}
    # Doubling gives y = 0 where y² = -x²: with the curve's equation, d y⁴ + 2 y² - 1 = 0.
    root = square_root(1 + D)
    assert root is not None
    for sign in (root, P - root):
        y = square_root((sign - 1) * pow(D, -1, P) % P)
        if y is None:
            continue
        x = square_root(-y * y % P)
        assert x is not None
        found |= {(s, t) for s in (x, P - x) for t in (y, P - y)}
    return found


def square_root(value: int) -> int | None:
    value %= P
    root = pow(value, (P + 3) // 8, P)
    for candidate in (root, root * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == value:
            return candidate
    return None


def ed25519_encodings() -> list[bytes]:
    """Every string of 32 bytes that a lenient reader decodes to a point of low order."""
    found = []
    for _x, y in small_order_points():
        for spelling in (y, y + P):
            if spelling < TOP:
                found += [(spelling | sign).to_bytes(32, "little") for sign in (0, TOP)]
    return sorted(set(found))


def x25519_encodings() -> list[bytes]:
    """The same for the Montgomery form: u = (1 + y) / (1 - y), with the twist's small orders."""
    us = {(1 + y) * pow(1 - y, -1, P) % P for _x, y in small_order_points() if y != 1}
    us |= {0, 1, P - 1}
    # A reader masks the top bit (RFC 7748, section 5), or reduces all 256 bits.
    spellings = {u + k * P for u in us for k in (0, 1, 2) if u + k * P < 2 * TOP}
    spellings |= {spelling | TOP for spelling in spellings if spelling < TOP}
    return sorted(spelling.to_bytes(32, "little") for spelling in spellings)


LOW_ED25519 = ed25519_encodings()
LOW_X25519 = x25519_encodings()


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_the_eight_points_are_those_of_low_order() -> None:
    points = small_order_points()
    assert len(points) == 8
    for point in points:
        total: Point = (0, 1)
        for _ in range(8):
            total = added(total, point)
        assert total == (0, 1)
    # 8 points; x = 0 has two signs (2 more); y = 0 and y = 1 have a second spelling each (4 more).
    assert len(LOW_ED25519) == 14
    # https://cr.yp.to/ecdh.html lists twelve numbers below 2^256 that are 0, 1, -1 or one of two
    # others modulo 2^255 - 19; a mask of the top bit adds spellings of these.
    listed = {0, 1, P - 1, P, P + 1, 2 * P - 1, 2 * P, 2 * P + 1}
    found = {int.from_bytes(raw, "little") for raw in LOW_X25519}
    assert listed < found
    assert len({u % P for u in found if u < TOP}) == 5


@pytest.mark.parametrize("raw", LOW_ED25519, ids=bytes.hex)
def test_p1_a_low_order_key_signs_nothing_and_is_refused(raw: bytes) -> None:
    with pytest.raises(KeyFileError, match="low order"):
        ed25519_public_key(raw)
    with pytest.raises(KeyFileError, match="low order"):
        PublicKey.from_raw(raw)
    with pytest.raises(KeyFileError, match="low order"):
        PublicKey.parse(f"ed25519:{text(raw)}")
    for at in (
        ("approvals", "signers", "mayor"),
        ("suspension", "keys", "vtc"),
        ("issuers", "office"),
    ):
        content = document(real=True)
        holder = content
        for step in at:
            holder = holder[step]
        holder["key"] = f"ed25519:{text(raw)}"
        with pytest.raises(ValidationError, match="is not a public key; copy it") as refused:
            Policy.model_validate(content)
        assert refused.value.errors()[0]["loc"] == (*at, "key")


@pytest.mark.parametrize("raw", LOW_X25519, ids=bytes.hex)
def test_p10_nothing_is_sealed_to_a_low_order_key(raw: bytes) -> None:
    with pytest.raises(KeyFileError, match="low order"):
        x25519_public_key(raw)
    u = int.from_bytes(raw, "little")
    if u < TOP or u - TOP in {0, 1, P - 1, P, P + 1}:  # the library masks the top bit
        with pytest.raises(ValueError, match="shared key"):
            X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(raw))


@pytest.mark.parametrize("value", range(P, TOP))
def test_no_spelling_of_a_key_but_the_canonical_one_is_accepted(value: int) -> None:
    for sign in (0, TOP):
        with pytest.raises(KeyFileError):
            ed25519_public_key((value | sign).to_bytes(32, "little"))
        with pytest.raises(KeyFileError):
            x25519_public_key((value | sign).to_bytes(32, "little"))


@given(st.binary(min_size=32, max_size=32))
def test_the_keys_of_every_private_key_are_accepted(seed: bytes) -> None:
    signing = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    sealing = X25519PrivateKey.from_private_bytes(seed).public_key()
    assert ed25519_public_key(signing.public_bytes_raw()) == signing
    assert x25519_public_key(sealing.public_bytes_raw()) == sealing


@given(st.binary(min_size=32, max_size=32))
def test_bytes_that_are_no_point_are_refused(raw: bytes) -> None:
    y = int.from_bytes(raw, "little") % TOP
    on_curve = square_root((y * y - 1) * pow(D * y * y + 1, -1, P)) is not None
    if on_curve and y < P and raw not in LOW_ED25519:
        assert ed25519_public_key(raw).public_bytes_raw() == raw
    else:
        with pytest.raises(KeyFileError):
            ed25519_public_key(raw)


@pytest.mark.parametrize("half", ["signing", "lists"])
def test_a_boxs_public_file_with_a_low_order_key_is_refused_and_named(half: str) -> None:
    _, generation = new_box_generation("street", "box-1", NOON, trial=False, origin=bytes(32))
    for raw in LOW_ED25519 if half == "signing" else LOW_X25519:
        changed = generation.model_copy(update={half: text(raw)})
        content = BoxPublicFile(site="street", box="box-1", trial=False, generations=(changed,))
        with pytest.raises(KeyFileError, match=r"boxes/a\.json: .*low order"):
            box_public_keys(content, Path("boxes/a.json"))


@pytest.mark.parametrize("half", ["sealing", "receipts"])
def test_an_authoritys_public_file_with_a_low_order_key_is_refused_and_named(half: str) -> None:
    _, generation = new_authority_generation("police", NOON, trial=False)
    for raw in LOW_ED25519 if half == "receipts" else LOW_X25519:
        changed = generation.model_copy(update={half: text(raw)})
        content = AuthorityPublicFile(authority="police", trial=False, generations=(changed,))
        with pytest.raises(KeyFileError, match=r"police\.json: .*low order"):
            authority_public_keys(content, Path("police.json"))


@pytest.mark.parametrize("raw", LOW_X25519, ids=bytes.hex)
def test_p10_a_seal_with_a_low_order_encapsulated_key_opens_to_nothing(raw: bytes) -> None:
    key = X25519PrivateKey.generate()
    with pytest.raises((InvalidTag, ValueError)):
        SUITE.decrypt(raw + bytes(64), key, info=b"")
