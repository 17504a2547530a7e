"""P13: a list for many boxes is as safe as one for a single box.

Each box gets a manifest that its issuer has signed for this box, list, counter and body only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import EdgeError
from edge.formats.signing import SigningKey
from edge.formats.timestamps import utc_text
from edge.policy.bundle_format import SIZE_CLASSES, ListBundleError, ManifestSecret
from edge.policy.bundles import (
    ListContent,
    ListTerms,
    check_manifest,
    open_bundle,
    parse_bundle,
)
from edge.policy.list_manifest import (
    MAX_DOCUMENT_BYTES,
    MAX_MANIFEST_BYTES,
    SealedBody,
    is_manifest,
    joined,
    signed_manifest,
)
from edge.policy.shared_lists import IssuedList, SharedList, build_shared, parse_shared
from tests.support import plate_lists
from tests.support.parties import BOX, SITE, Parties, make_parties
from tests.support.plate_lists import ISSUED, ISSUER, ISSUER_KEY, LIST, PURPOSE

PLATE = "1QQQ777"
NOW = ISSUED + timedelta(hours=1)
OTHER = "box-2"


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("other"), box=OTHER)


@pytest.fixture(scope="module")
def shared(parties: Parties, other: Parties) -> SharedList:
    return built(parties, other)


def issued(**changed: Any) -> IssuedList:
    entries = (plate_lists.entry(1), plate_lists.entry(2, "2ABC001"))
    whole = IssuedList(LIST, ISSUER, PURPOSE, plate_lists.COUNTER, ISSUED, entries)
    return replace(whole, **changed)


def built(*boxes: Parties, key: SigningKey = ISSUER_KEY, **changed: Any) -> SharedList:
    return build_shared(issued(**changed), key, [one.box_public for one in boxes])


def whole(shared: SharedList, box: str = BOX) -> bytes:
    return joined(shared.manifests[SITE, box], shared.body)


def opened(parties: Parties, data: bytes, **terms: Any) -> ListContent:
    return open_bundle(parse_bundle(data), parties.box, plate_lists.terms(**terms), now=NOW)


def refusal(parties: Parties, data: bytes, **terms: Any) -> EdgeError:
    """The refusal of a list, before its body is fetched if it is a manifest alone."""
    limits: ListTerms = plate_lists.terms(**terms)
    read = check_manifest if is_manifest(data) else open_bundle
    bundle = parse_bundle(data)
    with pytest.raises(EdgeError) as caught:
        read(bundle, parties.box, limits, now=NOW)
    said = str(caught.value)
    assert "\n" not in said
    assert PLATE not in said
    return caught.value


def changed(manifest: bytes, **fields: Any) -> bytes:
    return rfc8785.dumps({**json.loads(manifest), **fields})


def test_p13_each_box_reads_what_the_issuer_wrote_once(
    parties: Parties, other: Parties, shared: SharedList
) -> None:
    for one, box in ((parties, BOX), (other, OTHER)):
        manifest = shared.manifests[SITE, box]
        cover = check_manifest(parse_bundle(manifest), one.box, plate_lists.terms(), now=NOW)
        assert (cover.body_sha256, cover.body_bytes) == (
            hashlib.sha256(shared.body).hexdigest(),
            len(shared.body),
        )
        content = opened(one, whole(shared, box))
        assert content == plate_lists.content(*issued().entries, box=box)


def test_p13_the_manifest_is_read_with_the_libraries_alone(
    parties: Parties, shared: SharedList
) -> None:
    cover = json.loads(shared.manifests[SITE, BOX])
    sealed = base64.b64decode(cover.pop("sealed"))
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    padded = suite.decrypt(sealed, parties.box.lists, info=rfc8785.dumps(cover))
    secret = json.loads(padded[4 : 4 + int.from_bytes(padded[:4], "big")])
    signature = secret.pop("signature")
    assert ISSUER_KEY.public.verify(
        base64.b64decode(signature["signature"]),
        b"edge-anpr/list-manifest/1\0" + rfc8785.dumps({**cover, **secret}),
    )
    cipher = ChaCha20Poly1305(base64.b64decode(secret["key"]))
    body = cipher.decrypt(bytes(12), shared.body, b"edge-anpr/list-body/2")
    assert len(body) == SIZE_CLASSES[0]
    document = json.loads(zlib.decompress(body[4 : 4 + int.from_bytes(body[:4], "big")]))
    assert [entry["plate"] for entry in document["entries"]] == [PLATE, "2ABC001"]
    assert set(document) == {"schema", "entries"}, "nothing in it is about a box"


def test_p13_a_list_with_alike_entries_is_stored_in_a_smaller_size_class(parties: Parties) -> None:
    plates = [f"1QQQ{number:03d}" for number in range(400)]
    entries = tuple(plate_lists.entry(at, plate) for at, plate in enumerate(plates, 1))
    made = built(parties, entries=entries)
    written = opened(parties, whole(made), max_entries=400).entries

    assert [one.plate.reveal() for one in written] == plates
    assert len(made.body) == SIZE_CLASSES[0] + 16, "uncompressed it would be the third"


@pytest.mark.parametrize("fault", ["too long", "cut", "followed", "not compressed"])
def test_p13_a_body_that_does_not_decompress_to_a_list_is_refused(
    parties: Parties, fault: str
) -> None:
    """The issuer signs it, so only a faulty issuer can make it; it must not fill the memory."""
    empty = b'{"entries":[],"schema":"edge-anpr/list-body/1"}'
    packed = {
        "too long": zlib.compress(b"0" * (MAX_DOCUMENT_BYTES + 1)),
        "cut": zlib.compress(empty)[:-5],
        "followed": zlib.compress(empty) + b"more",
        "not compressed": empty,
    }
    assert not read_packed(parties, zlib.compress(empty)).entries
    with pytest.raises(ListBundleError, match="damaged"):
        read_packed(parties, packed[fault])


def read_packed(parties: Parties, packed: bytes) -> ListContent:
    """What a box reads in a body with this content, whose manifest is right."""
    key = bytes(range(32))
    size = next(size for size in SIZE_CLASSES if len(packed) + 4 <= size)
    content = (len(packed).to_bytes(4, "big") + packed).ljust(size, b"\0")
    data = ChaCha20Poly1305(key).encrypt(bytes(12), content, b"edge-anpr/list-body/2")
    body = SealedBody(data, hashlib.sha256(data).hexdigest(), key)
    secret = ManifestSecret(
        issuer=ISSUER, purpose=PURPOSE, issued_at=utc_text(ISSUED), entries=0, longest_days=0,
        key=base64.b64encode(key).decode(),
    )  # fmt: skip
    manifest = signed_manifest(
        LIST, plate_lists.COUNTER, secret, body, ISSUER_KEY, parties.box_public
    )
    return opened(parties, joined(manifest, data))


def test_p13_outside_the_seals_there_is_no_plate_issuer_or_purpose(shared: SharedList) -> None:
    sent = b"".join(shared.manifests.values()) + shared.body
    for secret in (PLATE, "2ABC001", ISSUER, PURPOSE, "signal-1"):
        assert secret.encode() not in sent


def test_p13_two_builds_of_one_list_have_nothing_in_common(parties: Parties) -> None:
    one, two = built(parties), built(parties)
    blocks = [{made.body[at : at + 16] for at in range(0, 16384, 16)} for made in (one, two)]
    assert len(blocks[0]) == 1024, "no block of 16 bytes repeats, not even where zeros fill it"
    assert not blocks[0] & blocks[1]


def test_a_manifest_of_the_longest_names_has_less_than_two_kilobytes(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    long = "x" * 40
    box = make_parties(tmp_path_factory.mktemp("long"), box=long).box_public
    key = SigningKey.generate("i" * 40)
    counter = 2**53 - 1
    made = build_shared(
        issued(list_id="l" * 40, issuer="i" * 40, purpose="p" * 40, counter=counter,
               shrinks_from=100_000),
        key,
        [replace(box, site="s" * 40)],
    )  # fmt: skip
    assert len(made.manifests["s" * 40, long]) < 1200 < MAX_MANIFEST_BYTES


def test_p13_a_manifest_is_for_one_box_list_counter_and_body(
    parties: Parties, other: Parties, shared: SharedList
) -> None:
    mine, foreign = shared.manifests[SITE, BOX], shared.manifests[SITE, OTHER]
    assert "not for list stolen of box box-1" in refusal(parties, foreign).message
    assert "not for list stolen of box box-1" in refusal(parties, whole(shared, OTHER)).message
    taken = changed(foreign, box=BOX, box_key_id=parties.box.key_id)
    assert "damaged, or not sealed for this box" in refusal(parties, taken).message
    assert "damaged" in refusal(parties, changed(mine, counter=8)).message
    assert "damaged" in refusal(parties, changed(mine, body_sha256="0" * 64)).message
    assert "damaged" in refusal(parties, changed(mine, body_bytes=SIZE_CLASSES[1] + 16)).message
    assert refusal(parties, changed(mine, box_key_id="0" * 16)).code == "E_NO_KEY"
    assert "not for list" in refusal(parties, mine, list_id="permits").message


def test_p13_a_manifest_needs_the_signature_of_an_issuer_of_the_list(parties: Parties) -> None:
    stranger = SigningKey.generate(ISSUER)
    manifest = built(parties, key=stranger).manifests[SITE, BOX]
    assert refusal(parties, manifest).code == "E_SIGNATURE"
    unknown = SigningKey.generate("somebody")
    manifest = built(parties, key=unknown, issuer="somebody").manifests[SITE, BOX]
    assert "not signed by one of its issuers (control-room)" in refusal(parties, manifest).message


def test_p13_the_signature_covers_what_is_outside_the_seal(
    parties: Parties, shared: SharedList
) -> None:
    """A box knows the body's key, so its seal alone proves nothing."""
    cover = json.loads(shared.manifests[SITE, BOX])
    sealed = base64.b64decode(cover.pop("sealed"))
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    padded = suite.decrypt(sealed, parties.box.lists, info=rfc8785.dumps(cover))
    forged = {**cover, "counter": 8, "body_sha256": "0" * 64}
    again = suite.encrypt(padded, parties.box_public.lists, info=rfc8785.dumps(forged))
    manifest = rfc8785.dumps({**forged, "sealed": base64.b64encode(again).decode()})
    assert refusal(parties, manifest).code == "E_SIGNATURE"


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"max_entries": 1}, "entries: 2, but the policy allows 1"),
        ({"max_entry_days": 29}, "valid for 30 days, but the policy allows 29"),
        ({"purposes": frozenset({"traffic"})}, "purpose: not the purpose"),
    ],
)
def test_p13_what_the_policy_does_not_allow_is_refused_before_the_body_is_fetched(
    parties: Parties, shared: SharedList, terms: dict[str, Any], says: str
) -> None:
    assert says in refusal(parties, shared.manifests[SITE, BOX], **terms).message
    refusal(parties, whole(shared), **terms)


@pytest.mark.parametrize("fault", ["cut", "longer", "flipped", "missing"])
def test_p13_another_body_than_the_manifests_is_refused(
    parties: Parties, shared: SharedList, fault: str
) -> None:
    body = {
        "cut": shared.body[:-1],
        "longer": shared.body + b"\0",
        "flipped": shared.body[:-1] + bytes([shared.body[-1] ^ 1]),
        "missing": b"",
    }[fault]
    with pytest.raises(ListBundleError, match="the body is not the one that its manifest names"):
        parse_bundle(joined(shared.manifests[SITE, BOX], body))


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\0\0\0\5", b"\xff" * 40, b'{"body_bytes":', b"\0\0\0\2{}"]
)
def test_bytes_that_are_no_list_are_refused_in_one_line(parties: Parties, data: bytes) -> None:
    with pytest.raises(ListBundleError) as caught:
        parse_bundle(data)
    assert "\n" not in caught.value.message


@given(st.booleans(), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_p13_no_changed_bit_of_manifest_or_body_is_accepted(
    parties: Parties, shared: SharedList, in_body: bool, share: float, bit: int
) -> None:
    sent = bytearray(whole(shared))
    front = len(sent) - len(shared.body)
    place = front + int(share * len(shared.body)) if in_body else int(share * front)
    sent[place] ^= 1 << bit
    with pytest.raises(EdgeError) as caught:
        opened(parties, bytes(sent))
    assert "\n" not in caught.value.message


@given(st.binary(max_size=200), st.sampled_from([b"", b"\0\0\0\4", b'{"body_bytes":']))
def test_any_bytes_are_read_or_refused_in_one_line(rest: bytes, start: bytes) -> None:
    with pytest.raises(ListBundleError):
        parse_bundle(start + rest)


def test_a_manifest_without_its_body_opens_nothing(parties: Parties, shared: SharedList) -> None:
    with pytest.raises(ListBundleError, match="the body is not the one"):
        opened(parties, shared.manifests[SITE, BOX])


# --- building -------------------------------------------------------------------------------------


def test_two_boxes_with_the_same_keys_are_refused(parties: Parties) -> None:
    copy = replace(parties.box_public, box="box-9")
    with pytest.raises(EdgeError, match="have the same keys, so one is a copy of the other"):
        build_shared(issued(), ISSUER_KEY, [parties.box_public, copy])
    with pytest.raises(ListBundleError, match="a list for no box"):
        build_shared(issued(), ISSUER_KEY, [])


def test_a_list_that_no_policy_can_have_is_not_built(parties: Parties) -> None:
    with pytest.raises(ListBundleError, match="list: does not fit edge-anpr/list-manifest/1"):
        built(parties, list_id="Not an id")
    with pytest.raises(ListBundleError, match="purpose: does not fit"):
        built(parties, purpose="Not an id")
    with pytest.raises(ListBundleError, match="the key is of control-room"):
        built(parties, issuer="somebody")


def test_a_file_of_manifests_is_read_back_and_its_faults_are_named(
    parties: Parties, other: Parties, shared: SharedList
) -> None:
    assert parse_shared(shared.lines()) == replace(shared, body=b"")
    line = shared.manifests[SITE, BOX] + b"\n"
    for lines, says in (
        (b"", "no manifest"),
        (line + line, r"manifests.jsonl:2: a second manifest of box box-1"),
        (line + b"{}\n", r"manifests.jsonl:2: "),
        (line + built(other).lines(), "manifests of several lists"),
    ):
        with pytest.raises(ListBundleError, match=says):
            parse_shared(lines)
