"""The salt chain: RFC test vectors, and the properties of its tokens."""

from __future__ import annotations

import copy
import hashlib
import hmac
import itertools
import pickle
import random
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.domain.plates import ALPHABET, Hypothesis, PlateText
from edge.formats.framing import framed
from edge.privacy.pseudonyms import (
    SaltChain,
    SaltChainDestroyedError,
    hkdf_expand_into,
    hkdf_extract,
    hmac_sha256,
)

PLATE = PlateText("1ABC123")
plates = st.text(ALPHABET, min_size=1, max_size=12).map(PlateText)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=40)


def seeded(seed: int) -> Callable[[int], bytes]:
    """A repeatable random source."""
    return random.Random(seed).randbytes


def chain(seed: int = 1, *, site: str = "site", box: str = "box", epoch: int = 0) -> SaltChain:
    made = SaltChain(site, box, seeded(seed))
    for _ in range(epoch):
        made.rotate()
    return made


# --- known answers --------------------------------------------------------------------------------

HKDF_CASES = {
    "RFC 5869 A.1": (
        b"\x0b" * 22,
        bytes(range(0x0D)),
        bytes(range(0xF0, 0xFA)),
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    "RFC 5869 A.2": (
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        (
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
            "cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    ),
    "RFC 5869 A.3": (
        b"\x0b" * 22,
        b"",
        b"",
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
}


@pytest.mark.parametrize("case", HKDF_CASES.values(), ids=HKDF_CASES)
def test_hkdf_reproduces_the_test_vectors_of_rfc_5869(
    case: tuple[bytes, bytes, bytes, str, str],
) -> None:
    ikm, salt, info, prk, okm = case
    out = bytearray(len(okm) // 2)

    hkdf_expand_into(out, bytes.fromhex(prk), info)

    assert hkdf_extract(salt, ikm).hex() == prk
    assert out.hex() == okm


HMAC_CASES = {
    "RFC 4231 4.2": (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    "RFC 4231 4.3": (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    "RFC 4231 4.4": (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    "RFC 4231 4.5": (
        bytes(range(1, 0x1A)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    "RFC 4231 4.7": (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    "RFC 4231 4.8": (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data."
            b" The key needs to be hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
}


@pytest.mark.parametrize("case", HMAC_CASES.values(), ids=HMAC_CASES)
def test_hmac_reproduces_the_test_vectors_of_rfc_4231(case: tuple[bytes, bytes, str]) -> None:
    key, message, digest = case

    assert hmac_sha256(key, message).hex() == digest


def test_a_token_equals_an_independent_computation() -> None:
    draw = seeded(7)
    first, fresh = draw(32), draw(32)
    secret = hmac.digest(fresh, first, "sha256")

    def prefixed(*fields: bytes) -> bytes:
        return b"".join(len(field).to_bytes(4, "big") + field for field in fields)

    info = prefixed(b"site", b"box", b"safety", b"rule", (1).to_bytes(8, "big"))
    # One block of HKDF-Expand: T(1) = HMAC(PRK, info ‖ 0x01).
    key = hmac.digest(secret, info + b"\x01", "sha256")
    expected = hmac.digest(key, prefixed(b"v1", b"1ABC123"), "sha256")[:16]

    assert chain(7, epoch=1).token("safety", "rule", PLATE).value == expected


# --- what makes a token another -------------------------------------------------------------------


@given(plate=plates, seed=st.integers())
def test_the_same_randomness_gives_the_same_token(plate: PlateText, seed: int) -> None:
    assert chain(seed, epoch=2).token("p", "r", plate) == chain(seed, epoch=2).token(
        "p", "r", plate
    )


@given(
    plate=plates,
    seed=st.integers(),
    epochs=st.lists(st.integers(0, 6), min_size=2, max_size=2, unique=True),
)
def test_p9_another_epoch_gives_another_token(
    plate: PlateText, seed: int, epochs: list[int]
) -> None:
    earlier, later = (chain(seed, epoch=epoch).token("p", "r", plate) for epoch in epochs)

    assert earlier != later


@given(
    plate=plates,
    seed=st.integers(),
    one=st.tuples(names, names, names, names),
    other=st.tuples(names, names, names, names),
)
def test_another_site_box_purpose_or_rule_gives_another_token(
    plate: PlateText,
    seed: int,
    one: tuple[str, str, str, str],
    other: tuple[str, str, str, str],
) -> None:
    assume(one != other)

    tokens = {
        chain(seed, site=site, box=box).token(purpose, rule, plate).value
        for site, box, purpose, rule in (one, other)
    }

    assert len(tokens) == 2


@pytest.mark.parametrize("changed", ["site", "box", "purpose", "rule"])
def test_p5_each_field_alone_changes_the_token(changed: str) -> None:
    names = {"site": "a", "box": "b", "purpose": "c", "rule": "d"}

    def token(given: dict[str, str]) -> bytes:
        return (
            chain(site=given["site"], box=given["box"])
            .token(given["purpose"], given["rule"], PLATE)
            .value
        )

    assert token(names) != token({**names, changed: "x"})


@given(one=plates, other=plates, seed=st.integers())
def test_another_plate_gives_another_token(one: PlateText, other: PlateText, seed: int) -> None:
    assume(one != other)

    assert chain(seed).token("p", "r", one) != chain(seed).token("p", "r", other)


@given(
    one=st.lists(st.binary(max_size=6), max_size=5),
    other=st.lists(st.binary(max_size=6), max_size=5),
)
def test_two_different_lists_of_fields_never_have_the_same_framing(
    one: list[bytes], other: list[bytes]
) -> None:
    assert (framed(*one) == framed(*other)) == (one == other)


def test_a_character_cannot_move_from_one_field_to_the_next() -> None:
    made = chain()

    assert made.token("ab", "c", PLATE) != made.token("a", "bc", PLATE)
    assert chain(site="ab", box="c").token("p", "r", PLATE) != chain(site="a", box="bc").token(
        "p", "r", PLATE
    )


def test_each_start_has_its_own_secret() -> None:
    assert chain(1).token("p", "r", PLATE) != chain(2).token("p", "r", PLATE)


def test_a_token_is_not_an_unkeyed_digest_of_the_plate() -> None:
    token = chain().token("p", "r", PLATE)

    assert len(token.value) == 16
    assert token.value != hashlib.sha256(b"1ABC123").digest()[:16]
    assert token.hex() not in repr(token)


# --- what is gone is gone -------------------------------------------------------------------------


def test_rotation_overwrites_the_old_secret_in_place() -> None:
    made = chain()
    memory, old = made._secret, bytes(made._secret)

    made.rotate()

    assert made._secret is memory
    assert bytes(memory) != old
    assert made.epoch == 1


@given(seed=st.integers(), rotations=st.integers(1, 5))
def test_p9_after_rotation_no_remaining_secret_gives_the_old_token(
    seed: int, rotations: int
) -> None:
    made = chain(seed)
    old = made.token("p", "r", PLATE)
    for _ in range(rotations):
        made.rotate()

    left = SaltChain("site", "box", lambda count: bytes(made._secret))
    for epoch in range(rotations + 1):
        left._epoch = epoch
        assert left.token("p", "r", PLATE) != old


def test_the_next_secret_depends_on_the_one_before_and_on_fresh_randomness() -> None:
    fresh = bytes(range(32))
    starts = (b"\x01" * 32, b"\x02" * 32)
    after_same_fresh = set()
    for start in starts:
        bytes_in_order = itertools.chain([start], itertools.repeat(fresh))
        made = SaltChain("site", "box", lambda count, it=bytes_in_order: next(it))  # type: ignore[misc]
        made.rotate()
        after_same_fresh.add(made.token("p", "r", PLATE).value)
    same_start = set()
    for salt in starts:
        bytes_in_order = itertools.chain([fresh], itertools.repeat(salt))
        made = SaltChain("site", "box", lambda count, it=bytes_in_order: next(it))  # type: ignore[misc]
        made.rotate()
        same_start.add(made.token("p", "r", PLATE).value)

    assert len(after_same_fresh) == 2
    assert len(same_start) == 2


def test_destroy_overwrites_the_secret_and_later_calls_are_refused() -> None:
    made = chain()
    memory = made._secret

    made.destroy()
    made.destroy()

    assert bytes(memory) == bytes(32)
    with pytest.raises(SaltChainDestroyedError):
        made.token("p", "r", PLATE)
    with pytest.raises(SaltChainDestroyedError):
        made.tokens("p", "r", ())
    with pytest.raises(SaltChainDestroyedError):
        made.rotate()


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_chain_is_never_copied(take: Callable[[SaltChain], object]) -> None:
    with pytest.raises(TypeError):
        take(chain())


@pytest.mark.parametrize("count", [0, 16, 31, 33])
def test_a_random_source_that_returns_too_few_bytes_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="source of randomness"):
        SaltChain("site", "box", lambda _count: bytes(count))


# --- hypotheses -----------------------------------------------------------------------------------


def test_hypotheses_become_candidates_in_the_same_order_without_their_text() -> None:
    made = chain()
    hypotheses = (Hypothesis(PlateText("1ABC123"), 0.9), Hypothesis(PlateText("1A8C123"), 0.05))

    candidates = made.tokens("p", "r", hypotheses)

    assert [candidate.probability for candidate in candidates] == [0.9, 0.05]
    assert [candidate.token for candidate in candidates] == [
        made.token("p", "r", hypothesis.text) for hypothesis in hypotheses
    ]
    assert "1ABC123" not in repr(candidates)
