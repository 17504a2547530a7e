"""Receipts: each confirms one hit, and only the authority of that hit can sign it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import rfc8785

from edge.adapters.state.key_making import rotate_authority_keys
from edge.privacy.hit import (
    Hit,
    HitError,
    Receipt,
    ReceiptVerifier,
    sign_receipt,
    verify_receipt,
)
from edge.privacy.keys import AuthorityKey, AuthorityPublicKeys
from tests.support.parties import (
    MORNING,
    Parties,
    make_parties,
)


def key_of(parties: Parties, hit: Hit) -> AuthorityKey:
    key = parties.authority.generation(hit.authority_key_id)
    assert key is not None
    return key


def test_a_receipt_confirms_its_hit_and_no_other(parties: Parties, hit: Hit) -> None:
    payload = sign_receipt(hit, MORNING, key_of(parties, hit)).to_payload()
    receipt = verify_receipt(payload, parties.authority_public)

    assert receipt.confirms(hit.to_payload())
    assert not receipt.confirms(parties.hit().to_payload())
    assert not receipt.confirms(parties.hit(hit_id=hit.hit_id).to_payload())
    assert not receipt.confirms(b"junk")
    assert receipt.stored_at == "2026-11-30T07:16:05.123Z"


def test_the_box_verifies_receipts_of_each_of_its_authorities(
    parties: Parties, hit: Hit, tmp_path: Path
) -> None:
    other = make_parties(tmp_path, authority="city")
    verifier = receipts_for(hit, other.authority_public, parties.authority_public)
    payload = sign_receipt(hit, MORNING, key_of(parties, hit)).to_payload()

    assert verifier(payload) == (hit.hit_id, hit.sealed_sha256)
    assert receipts_for(hit, other.authority_public)(payload) is None
    assert receipts_for(hit)(payload) is None
    assert verifier(b"junk") is None


def test_an_authority_cannot_confirm_what_was_sealed_to_another(
    parties: Parties, hit: Hit, tmp_path: Path
) -> None:
    other = make_parties(tmp_path, authority="city")
    (key,) = (other.authority.generation(other.authority_public.key_id),)
    assert key is not None
    claimed = {
        "schema": Receipt.SCHEMA,
        "hit_id": hit.hit_id,
        "sealed_sha256": hit.sealed_sha256,
        "authority": "city",
        "authority_key_id": key.key_id,
        "stored_at": "2026-11-30T07:16:05.123Z",
    }
    message = Receipt.SCHEMA.encode() + b"\0" + rfc8785.dumps(claimed)
    signature = base64.b64encode(key.sign_receipt(message)).decode()
    payload = rfc8785.dumps({**claimed, "signature": signature})

    assert verify_receipt(payload, other.authority_public).hit_id == hit.hit_id
    verifier = receipts_for(hit, other.authority_public, parties.authority_public)
    assert verifier(payload) is None


def receipts_for(hit: Hit, *authorities: AuthorityPublicKeys) -> ReceiptVerifier:
    """The box's verifier while this one hit waits for its receipt."""
    return ReceiptVerifier(authorities, {hit.hit_id: hit.to_payload()}.get)


def test_a_changed_field_of_a_receipt_is_refused(parties: Parties, hit: Hit) -> None:
    content = json.loads(sign_receipt(hit, MORNING, key_of(parties, hit)).to_payload())
    verifier = receipts_for(hit, parties.authority_public)
    changed = {
        "schema": "edge-anpr/hit/1",
        "hit_id": "0" * 32,
        "sealed_sha256": "0" * 64,
        "authority": "other",
        "authority_key_id": "0" * 16,
        "stored_at": "2026-11-30T07:16:05.124Z",
        "signature": base64.b64encode(bytes(64)).decode(),
    }
    assert set(changed) == set(content)
    assert verifier(rfc8785.dumps(content)) is not None

    for field, value in changed.items():
        assert verifier(rfc8785.dumps({**content, field: value})) is None


def test_an_authority_signs_in_its_own_name_only(parties: Parties, hit: Hit) -> None:
    key = key_of(parties, hit)
    content = json.loads(sign_receipt(hit, MORNING, key).to_payload())
    content["authority"] = "city"
    del content["signature"]
    message = Receipt.SCHEMA.encode() + b"\0" + rfc8785.dumps(content)
    content["signature"] = base64.b64encode(key.sign_receipt(message)).decode()

    with pytest.raises(HitError):
        verify_receipt(rfc8785.dumps(content), parties.authority_public)


def test_an_authority_of_the_same_name_with_other_keys_is_refused(
    parties: Parties, hit: Hit, tmp_path: Path
) -> None:
    impostor = make_parties(tmp_path)
    forged = impostor.hit(hit_id=hit.hit_id)
    receipt = sign_receipt(forged, MORNING, key_of(impostor, forged))

    with pytest.raises(HitError) as caught:
        verify_receipt(receipt.to_payload(), parties.authority_public)

    assert caught.value.code == "E_SIGNATURE"


def test_a_receipt_must_be_signed_with_the_key_generation_of_its_hit(tmp_path: Path) -> None:
    """So a box that does not know the authority's new keys yet still accepts the receipt."""
    parties = make_parties(tmp_path)
    known_to_the_box = parties.authority_public
    hit = parties.hit()
    rotate_authority_keys(parties.authority_folder, MORNING)

    payload = sign_receipt(hit, MORNING, key_of(parties, hit)).to_payload()

    assert verify_receipt(payload, known_to_the_box).confirms(hit.to_payload())
    assert verify_receipt(payload, parties.authority_public).confirms(hit.to_payload())
    with pytest.raises(HitError, match="other keys"):
        sign_receipt(parties.hit(), MORNING, key_of(parties, hit))


def test_the_box_cannot_make_a_receipt(parties: Parties, hit: Hit) -> None:
    content = json.loads(sign_receipt(hit, MORNING, key_of(parties, hit)).to_payload())
    del content["signature"]
    message = Receipt.SCHEMA.encode() + b"\0" + rfc8785.dumps(content)
    signature = base64.b64encode(parties.box.sign(message)).decode()

    verifier = receipts_for(hit, parties.authority_public)

    assert verifier(rfc8785.dumps({**content, "signature": signature})) is None
