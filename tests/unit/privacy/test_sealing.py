"""Sealed evidence opens only for its authority and only with its hit.

Longer than 500 lines because each part of a seal has its cases here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.adapters.state.key_making import rotate_authority_keys, rotate_box_keys
from edge.domain.appearance import UNKNOWN, Appearance, Colour, VehicleKind
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.errors import EdgeError
from edge.privacy.pseudonyms import hkdf_expand_into, hkdf_extract
from edge.privacy.sealing import (
    HEADER_BYTES,
    SIZE_CLASSES,
    EvidenceContent,
    Picture,
    SealContext,
    SealError,
    largest_body,
    open_sealed,
    picture_budget,
)
from tests.support.parties import MORNING, PLATE, Parties, evidence, make_parties

HPKE_BYTES = 48


def opened(parties: Parties, sealed: bytes, context: SealContext) -> EvidenceContent:
    return open_sealed(sealed, context, authority=parties.authority, box=parties.box_public)


def refused(parties: Parties, sealed: bytes, context: SealContext) -> SealError:
    with pytest.raises(SealError) as caught:
        opened(parties, sealed, context)
    return caught.value


# --- there and back -------------------------------------------------------------------------------


def shares(named: type[VehicleKind | Colour]) -> st.SearchStrategy[dict[Any, float]]:
    """Probabilities as they are written: two decimals, of three at most."""
    share = st.integers(1, 100).map(lambda hundredths: hundredths / 100)
    return st.dictionaries(st.sampled_from(list(named)), share, max_size=3)


texts = st.text(st.characters(codec="utf-8"), max_size=20)
contents = st.builds(
    EvidenceContent,
    plate=st.text("ABC123", min_size=1, max_size=12).map(PlateText),
    alternatives=st.lists(
        st.builds(
            Hypothesis,
            st.text("ABC123", min_size=1, max_size=12).map(PlateText),
            st.integers(0, 10000).map(lambda share: share / 10000),
        ),
        max_size=7,
    ).map(tuple),
    region=st.none() | texts,
    list_entry_id=st.none() | texts,
    reads=st.integers(0, 10**6),
    appearance=st.builds(Appearance, shares(VehicleKind), shares(Colour)),
    first_seen=st.just(MORNING),
    last_seen=st.integers(0, 10**6).map(lambda ms: MORNING + timedelta(milliseconds=ms)),
    pictures=st.lists(
        st.tuples(
            st.binary(min_size=1, max_size=6000),
            st.sampled_from(MaskMethod),
            st.none() | st.integers(0, 10**6).map(lambda ms: MORNING + timedelta(milliseconds=ms)),
            st.sampled_from([None, RevealLevel.VEHICLE]),
        ),
        max_size=4,
    ).map(
        lambda made: tuple(
            Picture(f"p-{index}", jpeg, mask, taken, shows)
            for index, (jpeg, mask, taken, shows) in enumerate(made)
        )
    ),
)


@given(content=contents)
@settings(max_examples=60, deadline=None)
def test_opening_returns_the_sealed_evidence(parties: Parties, content: EvidenceContent) -> None:
    context = parties.context()

    assert opened(parties, parties.seal(content, context), context) == content


def labelled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hkdf_extract(salt, b"HPKE-v1" + suite + label + ikm)


def labelled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    out = bytearray(length)
    hkdf_expand_into(out, prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info)
    return bytes(out)


def test_an_independent_rfc_9180_implementation_opens_the_seal(parties: Parties) -> None:
    """So the authority depends on the standard and not on one library (sections 4.1 and 5.1)."""
    context = parties.context()
    sealed = parties.seal(evidence(), context)
    key = parties.authority.generation(context.authority_key_id)
    assert key is not None
    encapsulated, ciphertext = sealed[:32], sealed[32:]
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
    shared = key.sealing.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    own = key.sealing.public_key().public_bytes_raw()
    secret = labelled_expand(
        kem,
        labelled_extract(kem, b"", b"eae_prk", shared),
        b"shared_secret",
        encapsulated + own,
        32,
    )
    schedule = b"\x00" + labelled_extract(suite, b"", b"psk_id_hash", b"")
    schedule += labelled_extract(suite, b"", b"info_hash", context.info())
    secret = labelled_extract(suite, secret, b"secret", b"")

    padded = ChaCha20Poly1305(labelled_expand(suite, secret, b"key", schedule, 32)).decrypt(
        labelled_expand(suite, secret, b"base_nonce", schedule, 12), ciphertext, None
    )

    assert PLATE.encode() in padded


def test_neither_the_seal_nor_its_context_shows_the_plate_or_the_entry(parties: Parties) -> None:
    context = parties.context()
    sealed = parties.seal(evidence(), context)

    for secret in (PLATE.encode(), b"entry-17"):
        assert secret not in sealed
        assert secret not in context.info()
    assert PLATE not in repr(evidence())
    assert "entry-17" not in repr(evidence())


def test_sealing_twice_gives_other_bytes(parties: Parties) -> None:
    context = parties.context()

    assert parties.seal(evidence(), context) != parties.seal(evidence(), context)


# --- bound to its hit -----------------------------------------------------------------------------

OTHER: dict[str, Any] = {
    "site": "other",
    "box": "other",
    "camera": "other",
    "rule": "other",
    "purpose": "other",
    "authority": "other",
    "hit_id": "0" * 32,
    "counter": 2,
    "observed_at": MORNING + timedelta(milliseconds=1),
    "policy_sha256": "cd" * 32,
    "box_key_id": "0" * 16,
    "authority_key_id": "0" * 16,
}


def test_the_test_table_covers_every_field_of_the_context() -> None:
    assert set(OTHER) == {field.name for field in fields(SealContext)}


@pytest.mark.parametrize("field", OTHER)
def test_a_seal_opens_under_no_other_context(parties: Parties, field: str) -> None:
    context = parties.context()
    sealed = parties.seal(evidence(), context)
    changed = {each.name: getattr(context, each.name) for each in fields(context)}
    other = SealContext(**{**changed, field: OTHER[field]})

    assert context.info() != other.info()
    refused(parties, sealed, other)


def test_any_changed_byte_of_a_seal_is_refused(parties: Parties) -> None:
    context = parties.context()
    sealed = parties.seal(evidence(), context)

    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1 << (position % 8)
        refused(parties, bytes(damaged), context)


@pytest.mark.parametrize("keep", [0, 1, 31, 32, 47, 48, 49, 1000, 4096 + HPKE_BYTES - 1])
def test_a_truncated_seal_is_refused(parties: Parties, keep: int) -> None:
    context = parties.context()

    refused(parties, parties.seal(evidence(), context)[:keep], context)


@given(junk=st.binary(max_size=300))
@example(b"\0" * 32 + b"\0" * 64)  # a point of low order
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_refused_with_one_error_type(parties: Parties, junk: bytes) -> None:
    error = refused(parties, junk, parties.context())

    assert isinstance(error, EdgeError)
    assert "\n" not in str(error)


def test_another_authority_cannot_open_it(parties: Parties, tmp_path: Path) -> None:
    context = parties.context()
    stranger = make_parties(tmp_path)
    sealed = parties.seal(evidence(), context)

    with pytest.raises(SealError) as caught:
        open_sealed(sealed, context, authority=stranger.authority, box=parties.box_public)

    assert caught.value.code == "E_NO_KEY"


def test_the_box_cannot_open_what_it_sealed(parties: Parties) -> None:
    keys = b"".join(file.read_bytes() for file in parties.box_folder.iterdir())
    private = next(parties.authority_folder.glob("*.private.json")).read_bytes()

    assert b"sealing" not in keys
    assert b"sealing" in private


# --- anyone can seal to a public key; only the box can sign ---------------------------------------


def seal_as_anyone(parties: Parties, padded: bytes, context: SealContext) -> bytes:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    return suite.encrypt(padded, parties.authority_public.sealing, info=context.info())


def padded_of(parties: Parties, content: EvidenceContent, context: SealContext) -> bytes:
    key = parties.authority.generation(context.authority_key_id)
    assert key is not None
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    return suite.decrypt(parties.seal(content, context), key.sealing, info=context.info())


@given(body=st.binary(max_size=400), size=st.sampled_from(SIZE_CLASSES[:2]))
@example(b"\xff\xff\xff\xff", SIZE_CLASSES[0])
@example((64 + 4).to_bytes(4, "big") + bytes(64 + 4), SIZE_CLASSES[0])
@settings(max_examples=150, deadline=None)
def test_a_body_made_by_another_party_is_refused(parties: Parties, body: bytes, size: int) -> None:
    context = parties.context()

    refused(parties, seal_as_anyone(parties, body.ljust(size, b"\0"), context), context)


def test_a_body_that_another_box_signed_is_refused(parties: Parties, tmp_path: Path) -> None:
    context = parties.context()
    stranger = make_parties(tmp_path)
    foreign = stranger.context(
        hit_id=context.hit_id, authority_key_id=stranger.authority_public.key_id
    )
    padded = padded_of(stranger, evidence(), foreign)

    refused(parties, seal_as_anyone(parties, padded, context), context)


def test_a_signed_body_moved_to_another_hit_is_refused(parties: Parties) -> None:
    """An authority that opens one hit cannot pass its content off as that of another."""
    one, other = parties.context(), parties.context()
    padded = padded_of(parties, evidence(), one)

    assert opened(parties, seal_as_anyone(parties, padded, one), one) == evidence()
    refused(parties, seal_as_anyone(parties, padded, other), other)


def test_data_hidden_in_the_padding_is_refused(parties: Parties) -> None:
    context = parties.context()
    padded = bytearray(padded_of(parties, evidence(), context))
    padded[-1] = 1

    refused(parties, seal_as_anyone(parties, bytes(padded), context), context)


def test_padding_to_a_length_outside_the_size_classes_is_refused(parties: Parties) -> None:
    context = parties.context()
    padded = padded_of(parties, evidence(), context) + b"\0"

    refused(parties, seal_as_anyone(parties, padded, context), context)


@pytest.mark.parametrize("position", range(4, 4 + 64 + 4))
def test_the_lengths_of_signature_and_header_inside_the_seal_are_checked(
    parties: Parties, position: int
) -> None:
    context = parties.context()
    padded = bytearray(padded_of(parties, evidence(), context))
    padded[position] ^= 1

    refused(parties, seal_as_anyone(parties, bytes(padded), context), context)


def signed_by_the_box(parties: Parties, header: bytes, pictures: bytes) -> bytes:
    """A padded body, written independently from docs/keys-and-hits.md."""
    fields = (b"edge-anpr/evidence/2", header, pictures)
    message = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    body = parties.box.sign(message) + len(header).to_bytes(4, "big") + header + pictures
    return (len(body).to_bytes(4, "big") + body).ljust(SIZE_CLASSES[0], b"\0")


@pytest.mark.parametrize("mask", ["", '"mask":null,', '"mask":"meaning ",', '"mask":1,'])
def test_each_picture_names_what_decided_which_pixels_are_shown(
    parties: Parties, mask: str
) -> None:
    context = parties.context()
    padded = padded_of(parties, evidence(Picture("vehicle", b"jpeg", MaskMethod.MEANING)), context)
    length = int.from_bytes(padded[68:72], "big")
    header = padded[72 : 72 + length]
    assert b'"mask":"meaning",' in header
    changed = header.replace(b'"mask":"meaning",', mask.encode())

    sealed = seal_as_anyone(parties, signed_by_the_box(parties, changed, b"jpeg"), context)

    refused(parties, sealed, context)


def test_a_picture_without_a_time_is_written_as_before_there_were_times(parties: Parties) -> None:
    context = parties.context()
    content = evidence(Picture("vehicle", b"jpeg", MaskMethod.MEANING))

    padded = padded_of(parties, content, context)

    assert b"taken_at" not in padded
    assert opened(parties, seal_as_anyone(parties, padded, context), context) == content


def test_a_picture_of_the_rules_level_is_written_as_before_levels_were_named(
    parties: Parties,
) -> None:
    context = parties.context()
    as_ruled = Picture("vehicle", b"jpeg", MaskMethod.MEANING)
    fell_back = replace(as_ruled, shows=RevealLevel.VEHICLE)

    assert b"shows" not in padded_of(parties, evidence(as_ruled), context)
    assert b'"shows":"vehicle"' in padded_of(parties, evidence(fell_back), context)


@pytest.mark.parametrize("shows", ['"occupants"', '"driver"', '"Vehicle"', "1", '""'])
def test_a_picture_that_says_to_show_more_than_it_may_is_refused(
    parties: Parties, shows: str
) -> None:
    context = parties.context()
    picture = Picture("vehicle", b"jpeg", MaskMethod.MEANING, None, RevealLevel.VEHICLE)
    padded = padded_of(parties, evidence(picture), context)
    length = int.from_bytes(padded[68:72], "big")
    written = b'"shows":"vehicle"'
    assert written in padded
    changed = padded[72 : 72 + length].replace(written, f'"shows":{shows}'.encode())

    sealed = seal_as_anyone(parties, signed_by_the_box(parties, changed, b"jpeg"), context)

    refused(parties, sealed, context)


@pytest.mark.parametrize("time", ['"yesterday"', "1", '""'])
def test_a_time_of_a_picture_that_is_none_is_refused(parties: Parties, time: str) -> None:
    context = parties.context()
    content = evidence(Picture("vehicle", b"jpeg", MaskMethod.MEANING, MORNING))
    padded = padded_of(parties, content, context)
    length = int.from_bytes(padded[68:72], "big")
    written = b'"taken_at":"2026-11-30T07:16:05.123Z"'
    assert written in padded
    changed = padded[72 : 72 + length].replace(written, f'"taken_at":{time}'.encode())

    sealed = seal_as_anyone(parties, signed_by_the_box(parties, changed, b"jpeg"), context)

    refused(parties, sealed, context)


STILL = Picture("place", b"jpeg", None, approved="2026-01-10")


def test_the_still_of_the_place_has_the_day_of_its_approval_and_no_mask(parties: Parties) -> None:
    context = parties.context()
    content = evidence(PLATE_PICTURE, STILL)
    padded = padded_of(parties, content, context)

    assert b'{"approved":"2026-01-10","bytes":4,"mask":null,"name":"place"}' in padded
    assert padded.count(b"approved") == 1
    assert opened(parties, seal_as_anyone(parties, padded, context), context) == content


@pytest.mark.parametrize(
    "picture",
    [
        replace(STILL, approved=None),
        replace(STILL, mask=MaskMethod.MEANING),
        replace(STILL, mask=MaskMethod.MEANING, approved=None),
        replace(STILL, name="vehicle"),
        replace(STILL, name="vehicle", mask=MaskMethod.MEANING),
        replace(STILL, approved="yesterday"),
    ],
)
def test_p6_only_the_still_of_the_place_needs_no_mask(parties: Parties, picture: Picture) -> None:
    with pytest.raises(SealError, match="out of bounds"):
        parties.seal(evidence(picture), parties.context())


def test_an_approval_on_a_day_that_does_not_exist_is_refused(parties: Parties) -> None:
    context = parties.context()
    sealed = parties.seal(evidence(replace(STILL, approved="2026-02-30")), context)

    refused(parties, sealed, context)


def in_header(parties: Parties, context: SealContext, old: bytes, new: bytes) -> bytes:
    """Evidence of a black car, signed by the box, with a part of its header replaced."""
    black_car = Appearance({VehicleKind.CAR: 0.97}, {Colour.BLACK: 0.9, Colour.BLUE: 0.1})
    padded = padded_of(parties, replace(evidence(), appearance=black_car), context)
    length = int.from_bytes(padded[68:72], "big")
    header = padded[72 : 72 + length]
    assert header.count(old) == 1
    changed = signed_by_the_box(parties, header.replace(old, new), b"")
    return seal_as_anyone(parties, changed, context)


def test_kind_and_colour_have_their_place_in_the_header(parties: Parties) -> None:
    context = parties.context()
    written = b'{"colours":{"black":0.9,"blue":0.1},"kinds":{"car":0.97}}'
    sealed = in_header(parties, context, written, written)

    found = opened(parties, sealed, context).appearance
    assert found.kinds == {VehicleKind.CAR: 0.97}
    assert found.colours == {Colour.BLACK: 0.9, Colour.BLUE: 0.1}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"car"', b'"tractor"'),
        (b'"black"', b'"pink"'),
        (b"0.97", b"1.5"),
        (b"0.97", b'"0.97"'),
        (b'"kinds":{"car":0.97}', b'"kinds":null'),
        (b',"kinds":{"car":0.97}', b""),
        (b'"kinds":{"car":0.97}', b'"kinds":{"car":0.97},"owner":{}'),
        (b'{"car":0.97}', b'{"bus":0.1,"car":0.1,"lorry":0.1,"van":0.1}'),
    ],
)
def test_another_kind_colour_or_form_is_refused(parties: Parties, old: bytes, new: bytes) -> None:
    context = parties.context()
    assert "0.97" not in str(refused(parties, in_header(parties, context, old, new), context))


def test_a_vehicle_that_is_not_known_leaves_the_header_as_it_was(parties: Parties) -> None:
    """So evidence that was sealed before kinds and colours were named is still opened."""
    context = parties.context()
    padded = padded_of(parties, evidence(), context)

    assert b"appearance" not in padded
    assert opened(parties, seal_as_anyone(parties, padded, context), context).appearance == UNKNOWN


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_only_the_most_probable_are_written_with_two_decimals(
    parties: Parties, values: list[float]
) -> None:
    context = parties.context()
    shown = Appearance({}, dict(zip(Colour, values, strict=True)))

    found = opened(parties, parties.seal(replace(evidence(), appearance=shown), context), context)

    assert len(found.appearance.colours) <= 3
    for one, share in found.appearance.colours.items():
        assert share == round(shown.colours[one], 2) > 0
        assert sum(other > shown.colours[one] for other in values) < 3


@pytest.mark.parametrize(
    ("pictures", "opens"), [(b"jpeg", True), (b"jpe", False), (b"jpegg", False), (b"", False)]
)
def test_pictures_must_have_the_lengths_that_the_header_gives(
    parties: Parties, pictures: bytes, *, opens: bool
) -> None:
    context = parties.context()
    content = evidence(Picture("vehicle", b"jpeg", MaskMethod.MEANING))
    padded = padded_of(parties, content, context)
    length = int.from_bytes(padded[68:72], "big")
    sealed = seal_as_anyone(
        parties, signed_by_the_box(parties, padded[72 : 72 + length], pictures), context
    )

    if opens:
        assert opened(parties, sealed, context) == content
    else:
        refused(parties, sealed, context)


def test_the_keys_of_another_box_do_not_verify_this_box(parties: Parties) -> None:
    context = parties.context()
    sealed = parties.seal(evidence(), context)
    for same_key_elsewhere in (
        replace(parties.box_public, site="other"),
        replace(parties.box_public, box="other"),
    ):
        with pytest.raises(SealError):
            open_sealed(sealed, context, authority=parties.authority, box=same_key_elsewhere)


def test_no_error_quotes_the_content(parties: Parties) -> None:
    context = parties.context()
    padded = bytearray(padded_of(parties, evidence(), context))
    padded[200] ^= 1

    error = refused(parties, seal_as_anyone(parties, bytes(padded), context), context)

    assert PLATE not in str(error)
    assert error.__cause__ is None


# --- keys come and go -----------------------------------------------------------------------------


def test_after_rotation_the_authority_still_opens_earlier_hits(tmp_path: Path) -> None:
    parties = make_parties(tmp_path)
    context = parties.context()
    sealed = parties.seal(evidence(), context)

    rotate_authority_keys(parties.authority_folder, MORNING)
    rotate_box_keys(parties.box_folder, MORNING)
    later = parties.context()

    assert opened(parties, sealed, context) == evidence()
    assert opened(parties, parties.seal(evidence(), later), later) == evidence()
    assert later.authority_key_id != context.authority_key_id
    assert later.box_key_id != context.box_key_id


def test_a_deleted_private_key_makes_its_hits_unreadable_for_good(tmp_path: Path) -> None:
    parties = make_parties(tmp_path)
    context = parties.context()
    sealed = parties.seal(evidence(), context)
    rotate_authority_keys(parties.authority_folder, MORNING)

    (parties.authority_folder / f"{context.authority_key_id}.private.json").unlink()

    assert refused(parties, sealed, context).code == "E_NO_KEY"


@pytest.mark.parametrize("field", ["site", "box", "box_key_id", "authority", "authority_key_id"])
def test_the_box_seals_under_its_own_name_only(parties: Parties, field: str) -> None:
    with pytest.raises(SealError, match="other keys"):
        parties.seal(evidence(), parties.context(**{field: OTHER[field]}))


# --- size -----------------------------------------------------------------------------------------


def picture(size: int) -> Picture:
    return Picture("vehicle", os.urandom(size), MaskMethod.MEANING)


PLATE_PICTURE = Picture("plate", b"p" * 700, MaskMethod.MEANING)


@pytest.mark.parametrize(
    ("cap_kib", "largest_kib"),
    [(8, 4), (20, 12), (32, 20), (64, 40), (112, 80), (128, 80), (256, 160), (1024, 640)],
)
def test_the_size_class_is_the_largest_below_the_limit(cap_kib: int, largest_kib: int) -> None:
    assert largest_body(cap_kib * 1024) == largest_kib * 1024
    assert picture_budget(cap_kib * 1024) == largest_kib * 1024 - HEADER_BYTES


@pytest.mark.parametrize("cap", [0, 2048, 4096, 7000])
def test_a_limit_too_small_for_any_hit_is_refused(cap: int) -> None:
    with pytest.raises(SealError) as caught:
        picture_budget(cap)

    assert caught.value.code == "E_SEAL_SIZE"


def widest() -> dict[str, Any]:
    """The longest values that each field of a header may hold in practice."""
    return {
        "plate": PlateText("W" * 12),
        "alternatives": tuple(Hypothesis(PlateText("W" * 12), 0.1234) for _ in range(7)),
        "region": "R" * 40,
        "list_entry_id": "e" * 64,
        "reads": 10**6,
    }


def widest_context(parties: Parties) -> SealContext:
    return parties.context(camera="c" * 40, rule="r" * 40, purpose="p" * 40, counter=2**53 - 1)


@pytest.mark.parametrize("cap_kib", [8, 20, 112, 1024])
def test_pictures_within_the_budget_always_fit(parties: Parties, cap_kib: int) -> None:
    cap = cap_kib * 1024
    half = picture_budget(cap) // 2
    pictures = (
        Picture("vehicle", os.urandom(half), MaskMethod.GEOMETRY, MORNING),
        *(
            Picture(name, os.urandom(half // 4), MaskMethod.GEOMETRY, MORNING)
            for name in ("plate", "first", "last")
        ),
        Picture("place", os.urandom(half // 4), None, approved="2026-01-10"),
    )
    content = evidence(*pictures, **widest())

    sealed = parties.seal(content, widest_context(parties), cap)

    assert len(sealed) == largest_body(cap) + HPKE_BYTES


def test_evidence_over_the_limit_is_refused(parties: Parties) -> None:
    with pytest.raises(SealError) as caught:
        parties.seal(evidence(picture(85_000)), parties.context())

    assert caught.value.code == "E_SEAL_SIZE"
    assert "payload_cap_kib" in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (evidence(), evidence(**widest())),
        (evidence(picture(45_000)), evidence(picture(70_000))),
        (evidence(picture(5_000)), evidence(picture(10_000))),
        (evidence(picture(500)), evidence(picture(10_000))),
        (evidence(PLATE_PICTURE, picture(900)), evidence(PLATE_PICTURE, picture(15_000))),
    ],
)
def test_all_evidence_of_one_size_class_has_one_length(
    parties: Parties, one: EvidenceContent, other: EvidenceContent
) -> None:
    lengths = {len(parties.seal(content, parties.context())) for content in (one, other)}

    assert len(lengths) == 1
    assert lengths <= {size + HPKE_BYTES for size in SIZE_CLASSES}


def test_small_pictures_are_not_padded_beyond_the_limit(parties: Parties) -> None:
    content = evidence(PLATE_PICTURE, picture(900))

    assert len(parties.seal(content, parties.context(), 8 * 1024)) == SIZE_CLASSES[0] + HPKE_BYTES


def test_a_hit_without_pictures_is_padded_too(parties: Parties) -> None:
    assert len(parties.seal(evidence(), parties.context())) == SIZE_CLASSES[0] + HPKE_BYTES


@pytest.mark.parametrize(
    ("field", "content"),
    [
        ("name", lambda: evidence(Picture("../escape", b"x", MaskMethod.MEANING))),
        ("name", lambda: evidence(Picture("", b"x", MaskMethod.MEANING))),
        ("bytes", lambda: evidence(Picture("empty", b"", MaskMethod.MEANING))),
        ("list_entry_id", lambda: evidence(list_entry_id="e" * 201)),
        ("reads", lambda: evidence(reads=-1)),
    ],
)
def test_evidence_that_could_not_be_opened_is_not_sealed(
    parties: Parties, field: str, content: Callable[[], EvidenceContent]
) -> None:
    with pytest.raises(SealError, match=rf"\b{field} out of bounds") as caught:
        parties.seal(content(), parties.context())

    assert PLATE not in str(caught.value)


def test_two_pictures_of_one_name_are_refused(parties: Parties) -> None:
    pictures = (
        Picture("same", b"a", MaskMethod.MEANING),
        Picture("same", b"b", MaskMethod.MEANING),
    )

    with pytest.raises(SealError, match="pictures out of bounds"):
        parties.seal(evidence(*pictures), parties.context())
