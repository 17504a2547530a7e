"""P13: lists come signed by an issuer of the policy, sealed to the box, and end.

One bad entry refuses the whole bundle, and no refusal says more of an entry than its place.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.domain.lists import ListEntry
from edge.errors import EdgeError
from edge.formats.signing import SigningKey, sign
from edge.formats.timestamps import milliseconds
from edge.policy.bundle_format import SCHEMA, SIZE_CLASSES, ListBundleError
from edge.policy.bundles import (
    CLOCK_TOLERANCE,
    MAX_BUNDLE_BYTES,
    ListContent,
    build_bundle,
    open_bundle,
    parse_bundle,
)
from edge.policy.list_facts import Floor, is_newer
from tests.support import plate_lists
from tests.support.parties import BOX, SITE, Parties, make_parties
from tests.support.plate_lists import ISSUED, ISSUER, ISSUER_KEY

PLATE = "1QQQ777"
NOW = ISSUED + timedelta(hours=1)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def opened(parties: Parties, data: bytes, *, now: datetime = NOW, **terms: Any) -> ListContent:
    return open_bundle(parse_bundle(data), parties.box, plate_lists.terms(**terms), now=now)


def refusal(parties: Parties, data: bytes, *, now: datetime = NOW, **terms: Any) -> EdgeError:
    with pytest.raises(EdgeError) as caught:
        opened(parties, data, now=now, **terms)
    said = str(caught.value)
    assert "\n" not in said
    assert PLATE not in said
    assert "signal-" not in said
    assert caught.value.__cause__ is None
    return caught.value


def forged(
    parties: Parties,
    change: Callable[[dict[str, Any]], None],
    *,
    key: SigningKey = ISSUER_KEY,
    cover: dict[str, Any] | None = None,
) -> bytes:
    """A correctly signed bundle whose document `build_bundle` would refuse."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "list": plate_lists.LIST,
        "site": SITE,
        "box": BOX,
        "issuer": ISSUER,
        "purpose": plate_lists.PURPOSE,
        "counter": plate_lists.COUNTER,
        "issued_at": "2026-03-01T09:00:00.000Z",
        "entries": [
            {
                "id": f"signal-{number}",
                "plate": PLATE,
                "start": "2026-03-01T09:00:00.000Z",
                "end": "2026-03-31T09:00:00.000Z",
                "basis": "law",
                "reason": "stolen",
                "issuer": "Control room",
            }
            for number in range(3)
        ],
    }
    change(document)
    document["signature"] = sign(SCHEMA, document, key).model_dump()
    return sealed(parties, rfc8785.dumps(document), **(cover or {}))


def sealed(parties: Parties, document: bytes, **changed: Any) -> bytes:
    """Seal any bytes to the box under any header, as anybody can."""
    cover = {
        "schema": SCHEMA,
        "site": SITE,
        "box": BOX,
        "list": plate_lists.LIST,
        "counter": plate_lists.COUNTER,
        "box_key_id": parties.box_public.current,
        **changed,
    }
    padded = (len(document).to_bytes(4, "big") + document).ljust(SIZE_CLASSES[0], b"\0")
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    seal = suite.encrypt(padded, parties.box_public.lists, info=rfc8785.dumps(cover))
    return rfc8785.dumps({**cover, "sealed": base64.b64encode(seal).decode()})


# --- from issuer to box -----------------------------------------------------------------------


def test_p13_the_box_reads_what_the_issuer_wrote(parties: Parties) -> None:
    entries = (plate_lists.entry(1), plate_lists.entry(2, "2ABC001", reason="gezocht – dringend"))

    content = opened(parties, plate_lists.bundle(parties.box_public, *entries))

    assert content == plate_lists.content(*entries)


def test_p13_the_helper_builds_a_bundle_that_is_accepted(parties: Parties) -> None:
    """Shows that each refusal below is due to its change."""
    assert len(opened(parties, forged(parties, lambda _: None)).entries) == 3


def test_p13_an_empty_list_replaces_the_previous_one(parties: Parties) -> None:
    data = build_bundle(
        ListContent(**{**fields_of(plate_lists.content()), "entries": ()}),
        ISSUER_KEY,
        parties.box_public,
    )
    assert opened(parties, data).entries == ()


def fields_of(content: ListContent) -> dict[str, Any]:
    return {name: getattr(content, name) for name in ListContent.__slots__}


def test_p13_no_plate_entry_or_issuer_is_readable_outside_the_seal(parties: Parties) -> None:
    data = plate_lists.bundle(parties.box_public)

    assert sorted(json.loads(data)) == [
        "box", "box_key_id", "counter", "list", "schema", "sealed", "site",
    ]  # fmt: skip
    for secret in (
        PLATE,
        "signal-1",
        ISSUER,
        "stolen vehicle",
        "Control room",
        plate_lists.PURPOSE,
    ):
        assert secret.encode() not in data
    assert PLATE not in repr(parse_bundle(data))
    assert PLATE not in repr(opened(parties, data))
    assert "signal-1" not in repr(opened(parties, data))


def test_p13_the_length_reveals_only_the_size_class(parties: Parties) -> None:
    lengths = {
        count: len(
            plate_lists.bundle(parties.box_public, *map(plate_lists.entry, range(1, count + 1)))
        )
        for count in (1, 2, 40, 90)
    }
    assert lengths[1] == lengths[2] == lengths[40]
    assert lengths[90] > 3 * lengths[1]


def test_a_list_beyond_the_largest_size_class_is_not_built(parties: Parties) -> None:
    long = [
        plate_lists.entry(number, basis="x" * 500, reason="x" * 500, issuer="x" * 500)
        for number in range(10_500)
    ]
    with pytest.raises(ListBundleError, match="split it"):
        plate_lists.bundle(parties.box_public, *long)


def test_a_bundle_is_built_for_the_box_and_by_the_key_that_it_names(parties: Parties) -> None:
    with pytest.raises(ListBundleError, match="public file is of box"):
        plate_lists.bundle(parties.box_public, box="box-2")
    with pytest.raises(ListBundleError, match="the key is of"):
        plate_lists.bundle(parties.box_public, key=SigningKey.generate("somebody"))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"counter": 0}, "counter"),
        ({"counter": 2**53}, "counter"),
        ({"purpose": "Not A Name"}, "purpose"),
        ({"list_id": "a/b"}, "list"),
    ],
)
def test_a_list_that_no_policy_can_name_is_not_built(
    parties: Parties, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(ListBundleError, match=f" {says}: does not fit"):
        plate_lists.bundle(parties.box_public, **changed)


# --- who and for whom ---------------------------------------------------------------------------


def test_p13_only_an_issuer_that_the_policy_names_for_this_list_is_accepted(
    parties: Parties,
) -> None:
    stranger = SigningKey.generate(ISSUER)  # the right name, another key
    other = SigningKey.generate("mobility-office")
    data = plate_lists.bundle(parties.box_public, key=other, issuer="mobility-office")

    assert (
        refusal(parties, plate_lists.bundle(parties.box_public, key=stranger)).code == "E_SIGNATURE"
    )
    assert refusal(parties, data).code == "E_SIGNATURE"
    assert opened(parties, data, issuers={"mobility-office": other.public}).entries


def test_p13_a_document_without_a_signature_is_refused(parties: Parties) -> None:
    document = rfc8785.dumps({**fields(parties), "signature": None})
    assert refusal(parties, sealed(parties, document)).code == "E_SIGNATURE"


def fields(parties: Parties) -> dict[str, Any]:
    found: dict[str, Any] = {}
    forged(parties, found.update)  # what is to be changed is what a document holds
    return found


def test_p13_a_signature_for_something_else_is_refused(parties: Parties) -> None:
    document = fields(parties)
    document["signature"] = sign("edge-anpr/policy/3", document, ISSUER_KEY).model_dump()
    assert refusal(parties, sealed(parties, rfc8785.dumps(document))).code == "E_SIGNATURE"


def test_p13_a_bundle_of_another_box_site_or_list_is_refused(parties: Parties) -> None:
    data = forged(parties, lambda _: None)
    for cover in ({"box": "box-2"}, {"site": "elsewhere"}, {"list": "permits"}):
        swapped = rfc8785.dumps({**json.loads(data), **cover})
        assert "not for list" in refusal(parties, swapped).message


@pytest.mark.parametrize(
    "changed", [{"site": "elsewhere"}, {"box": "box-2"}, {"list": "permits"}, {"counter": 8}]
)
def test_p13_a_body_signed_for_another_box_is_refused_under_this_boxs_header(
    parties: Parties, changed: dict[str, Any]
) -> None:
    """An issuer of another site's list must not be made to speak here."""
    data = forged(parties, lambda document: document.update(changed))
    assert "not sealed for this box" in refusal(parties, data).message


def test_p13_a_raised_counter_in_the_header_is_refused(parties: Parties) -> None:
    data = json.loads(plate_lists.bundle(parties.box_public))
    raised = rfc8785.dumps({**data, "counter": data["counter"] + 1})
    assert "damaged, or not sealed" in refusal(parties, raised).message


def test_the_error_for_a_bundle_to_a_rotated_key_says_so(parties: Parties, tmp_path: Any) -> None:
    other = make_parties(tmp_path)
    error = refusal(parties, plate_lists.bundle(other.box_public))
    assert error.code == "E_NO_KEY"
    assert "current public file" in error.message


# --- what the policy allows ---------------------------------------------------------------------


def in_entry(field: str, value: object, place: int = 1) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["entries"][place][field] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (in_entry("end", "9999-12-31T00:00:00.000Z"), "entries[1].end: start and end must"),
        (in_entry("end", "2026-09-01T00:00:00.000Z"), "entries[1].end: more than 90 days"),
        (in_entry("end", "2026-03-01T09:00:00.000Z"), "entries[1].end: must be after start"),
        (in_entry("end", "2026-02-01T09:00:00.000Z"), "entries[1].end: must be after start"),
        (in_entry("end", "2026-02-31T09:00:00.000Z"), "entries[1].end: does not fit"),
        (in_entry("end", "2026-03-31"), "entries[1].end: does not fit"),
        (in_entry("end", None), "entries[1].end: does not fit"),
        (in_entry("start", "0001-01-01T00:00:00.000Z"), "entries[1].end: start and end must"),
        (in_entry("plate", "1-QQQ-777"), "entries[1].plate: does not fit"),
        (in_entry("plate", "1qqq777"), "entries[1].plate: does not fit"),
        (in_entry("plate", ""), "entries[1].plate: does not fit"),
        (in_entry("plate", "1QQQ777\n"), "entries[1].plate: does not fit"),
        (in_entry("plate", 1777), "entries[1].plate: does not fit"),
        (in_entry("id", "signal-0"), "entries[1].id: another entry has the same id"),
        (in_entry("id", "a b"), "entries[1].id: does not fit"),
        (in_entry("id", "signal-1\n"), "entries[1].id: does not fit"),
        (in_entry("basis", ""), "entries[1].basis: does not fit"),
        (in_entry("reason", "  "), "entries[1].reason: does not fit"),
        (in_entry("reason", "two\nlines"), "entries[1].reason: does not fit"),
        (in_entry("issuer", "x" * 501), "entries[1].issuer: does not fit"),
        (in_entry("owner", "1QQQ777"), "entries[1]: does not fit"),
        (in_entry("kind", "tractor"), "entries[1].kind: does not fit"),
        (in_entry("colour", "pink"), "entries[1].colour: does not fit"),
        (lambda d: d["entries"][2].pop("end"), "entries[2].end: does not fit"),
        (lambda d: d["entries"][0].pop("basis"), "entries[0].basis: does not fit"),
        (lambda d: d.update(purpose="parking"), "purpose: not the purpose of the policy"),
        (lambda d: d.pop("purpose"), "purpose: does not fit"),
        (lambda d: d.update(schema="edge-anpr/list-bundle/2"), "schema: does not fit"),
        (lambda d: d.update(revenue=1), "bundle: does not fit"),
    ],
)
def test_p13_one_bad_entry_or_field_refuses_the_whole_bundle_and_is_named(
    parties: Parties, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    assert says in refusal(parties, forged(parties, change)).message


def test_p13_the_list_may_not_be_longer_than_the_policy_allows(parties: Parties) -> None:
    data = forged(parties, lambda _: None)
    assert "entries: 3, but the policy allows 2" in refusal(parties, data, max_entries=2).message
    assert opened(parties, data, max_entries=3).entries


def test_p13_no_policy_allows_a_permanent_entry(parties: Parties) -> None:
    """Five years is the ceiling, whatever the policy says."""
    data = forged(parties, in_entry("end", "2031-03-06T09:00:00.000Z"))
    assert "more than 1830 days" in refusal(parties, data, max_entry_days=3660).message


def test_p13_every_rule_that_reads_a_list_must_have_its_purpose(
    parties: Parties,
) -> None:
    data = plate_lists.bundle(parties.box_public)
    both = refusal(parties, data, purposes={plate_lists.PURPOSE, "parking"})
    none = refusal(parties, data, purposes=())

    assert "parking" in both.message
    assert "no rule reads this list" in none.message


def test_p13_a_bundle_from_the_future_is_refused(parties: Parties) -> None:
    data = plate_lists.bundle(parties.box_public)
    late = ISSUED - CLOCK_TOLERANCE

    assert opened(parties, data, now=late).entries
    assert "future" in refusal(parties, data, now=late - timedelta(milliseconds=1)).message


def test_p13_a_mistyped_counter_does_not_exhaust_the_counters(parties: Parties) -> None:
    highest = milliseconds(ISSUED)
    assert opened(parties, plate_lists.bundle(parties.box_public, counter=highest)).entries
    data = plate_lists.bundle(parties.box_public, counter=highest + 1)
    assert "--counter auto" in refusal(parties, data).message


# --- replay and rollback ------------------------------------------------------------------------


def test_p13_an_earlier_bundle_is_never_accepted_again(parties: Parties) -> None:
    earlier = parse_bundle(plate_lists.bundle(parties.box_public, counter=6))
    same = parse_bundle(plate_lists.bundle(parties.box_public, counter=7))
    again = parse_bundle(plate_lists.bundle(parties.box_public, counter=7))
    later = parse_bundle(plate_lists.bundle(parties.box_public, counter=8))
    floor = Floor(same.counter, same.sha256)

    assert is_newer(same, None)
    assert is_newer(later, floor)
    assert not is_newer(same, floor)
    for old in (earlier, again):
        with pytest.raises(ListBundleError) as caught:
            is_newer(old, floor)
        assert caught.value.code == "E_LIST_REPLAY"


# --- whatever comes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"counter":1e400}',
        b'{"counter":NaN}',
        b'{"box":"\\ud800"}',
    ],
    ids=range(10),
)
def test_an_invalid_bundle_is_refused_in_one_line(parties: Parties, data: bytes) -> None:
    assert isinstance(refusal(parties, data), ListBundleError)


def test_a_bundle_that_is_too_long_is_not_parsed(parties: Parties) -> None:
    assert "more than any bundle has" in refusal(parties, bytes(MAX_BUNDLE_BYTES + 1)).message


def test_only_the_canonical_spelling_is_a_bundle(parties: Parties) -> None:
    data = plate_lists.bundle(parties.box_public)
    spaced = data.replace(b",", b", ", 1)
    doubled = data.replace(b'{"box":"', b'{"box":"x","box":"', 1)
    for spelling in (spaced, doubled, data + b"\n"):
        assert "canonical" in refusal(parties, spelling).message
    document = rfc8785.dumps(
        {**fields(parties), "signature": sign(SCHEMA, fields(parties), ISSUER_KEY).model_dump()}
    )
    assert opened(parties, sealed(parties, document)).entries
    assert "canonical" in refusal(parties, sealed(parties, document + b" ")).message


def test_padding_must_be_zeros_and_the_length_true(parties: Parties) -> None:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    data = json.loads(forged(parties, lambda _: None))
    cover = {name: value for name, value in data.items() if name != "sealed"}
    info = rfc8785.dumps(cover)
    padded = suite.decrypt(base64.b64decode(data["sealed"]), parties.box.lists, info=info)

    def refused_as(changed: bytes) -> None:
        seal = suite.encrypt(changed, parties.box_public.lists, info=info)
        whole = rfc8785.dumps({**cover, "sealed": base64.b64encode(seal).decode()})
        assert "damaged, or not sealed" in refusal(parties, whole).message

    refused_as(padded[:-1] + b"\x01")
    refused_as(padded[:-1])
    refused_as(b"\xff\xff\xff\xff" + padded[4:])
    refused_as(b"")
    refused_as(b"\0\0")


FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(data=st.data())
def test_p13_a_flipped_bit_or_a_truncation_is_refused(
    parties: Parties, data: st.DataObject
) -> None:
    whole = plate_lists.bundle(parties.box_public)
    bent = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=4)):
        bent[place // 8] ^= 1 << place % 8
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    if bytes(bent) != whole:
        refusal(parties, bytes(bent))
    refusal(parties, cut)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@FUZZ
@given(data=st.data())
def test_p13_any_signed_document_opens_to_valid_entries_or_is_refused(
    parties: Parties, data: st.DataObject
) -> None:
    """An issuer's own mistakes, or its stolen key: the signature holds, the content may not."""

    def change(document: dict[str, Any]) -> None:
        names = st.sampled_from([*document, *document["entries"][0], "unknown"])
        for name in data.draw(st.lists(names, min_size=1, max_size=3)):
            place = document if name in document else document["entries"][0]
            place[name] = data.draw(JSON | st.sampled_from([PLATE, "9999-12-31T00:00:00.000Z"]))
            if not isinstance(document["entries"], list) or name == "entries":
                break

    try:
        whole = forged(parties, change)
    except (EdgeError, rfc8785.CanonicalizationError, UnicodeEncodeError):
        return  # no canonical form: nobody can sign that
    try:
        content = opened(parties, whole)
    except EdgeError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both outcomes are right
        assert PLATE not in str(error)  # noqa: PT017
    else:
        good: tuple[ListEntry, ...] = content.entries
        assert all(timedelta(0) < one.end - one.start < timedelta(days=91) for one in good)
        assert all(one.basis and one.reason and one.issuer and one.entry_id for one in good)
