"""Hits on the wire: one spelling, signed by the box that they name, and nothing in clear."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.adapters.state.key_making import rotate_box_keys
from edge.domain.pseudonym import PlateToken
from edge.domain.reveal import MaskMethod
from edge.errors import ExitCode
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.hit import (
    MAX_PAYLOAD_BYTES,
    Hit,
    HitError,
    build_hit,
    new_hit_id,
    parse_hit,
    verify_hit,
)
from edge.privacy.keys import RETIRED_KEY_GRACE
from edge.privacy.sealing import Picture, open_sealed, picture_budget
from tests.support.parties import (
    AUTHORITY,
    BOX,
    CAMERA,
    MORNING,
    PLATE,
    SITE,
    Parties,
    evidence,
    make_parties,
)

FIELDS = {
    "schema",
    "hit_id",
    "site",
    "box",
    "camera",
    "rule",
    "purpose",
    "authority",
    "observed_at",
    "epoch",
    "counter",
    "token",
    "posterior",
    "margin",
    "human_check_required",
    "policy_sha256",
    "sealed",
    "sealed_sha256",
    "box_key_id",
    "authority_key_id",
    "signature",
}


def refused(parties: Parties, payload: bytes) -> HitError:
    with pytest.raises(HitError) as caught:
        verify_hit(payload, parties.box_public)
    return caught.value


def signed_again(parties: Parties, **changed: Any) -> bytes:
    """A hit with changed values, signed with the box's key."""
    unsigned = {**json.loads(parties.hit().to_payload()), **changed}
    unsigned.pop("signature")
    message = str(unsigned["schema"]).encode() + b"\0" + rfc8785.dumps(unsigned)
    signature = base64.b64encode(parties.box.sign(message)).decode()
    return rfc8785.dumps({**unsigned, "signature": signature})


# --- the hit ---------------------------------------------------------------------------------


def test_the_authority_reads_the_hit_that_the_box_built(parties: Parties, hit: Hit) -> None:
    received = verify_hit(hit.to_payload(), parties.box_public)

    assert received == hit
    assert (
        open_sealed(
            received.sealed_bytes,
            received.seal_context(),
            authority=parties.authority,
            box=parties.box_public,
        )
        == evidence()
    )


def test_the_fields_of_a_hit_are_a_closed_list(hit: Hit) -> None:
    content = json.loads(hit.to_payload())

    assert set(content) == FIELDS
    assert (content["site"], content["box"], content["camera"]) == (SITE, BOX, CAMERA)
    assert (content["schema"], content["authority"]) == ("edge-anpr/hit/1", AUTHORITY)
    assert content["observed_at"] == "2026-11-30T07:16:05.123Z"
    assert content["posterior"] == 0.9877
    assert content["margin"] == 0.6667
    assert content["sealed_sha256"] == hashlib.sha256(hit.sealed_bytes).hexdigest()


def test_a_hit_contains_neither_plate_nor_list_entry_in_clear(hit: Hit) -> None:
    payload = hit.to_payload()

    for secret in (PLATE, "entry-17", "1A8C123"):
        assert secret.encode() not in payload
        assert secret.encode() not in hit.sealed_bytes


def test_the_json_schema_of_a_hit_requires_every_field() -> None:
    schema = Hit.model_json_schema(by_alias=True)

    assert set(schema["required"]) == FIELDS
    assert schema["additionalProperties"] is False
    assert schema["properties"]["schema"]["const"] == "edge-anpr/hit/1"


@pytest.mark.parametrize("cap_kib", [8, 20, 64, 112, 128, 1024])
def test_the_largest_hit_with_full_pictures_is_below_the_limit(
    tmp_path: Path, cap_kib: int
) -> None:
    parties = make_parties(tmp_path, authority="a" * 40)
    cap = cap_kib * 1024
    half = picture_budget(cap) // 2
    pictures = (
        Picture("n" * 40, os.urandom(half), MaskMethod.GEOMETRY),
        Picture("m" * 40, os.urandom(half), MaskMethod.GEOMETRY),
    )
    context = parties.context(
        authority="a" * 40,
        camera="c" * 40,
        rule="r" * 40,
        purpose="p" * 40,
        counter=2**53 - 1,
    )

    widest = build_hit(
        context,
        parties.seal(evidence(*pictures), context, cap),
        epoch=2**53 - 1,
        token=PlateToken(bytes(16)),
        posterior=0.1234,
        margin=0.1234,
        human_check_required=False,
        keys=parties.box,
    )

    assert len(widest.to_payload()) <= cap


CHANGED: dict[str, Any] = {
    "schema": "edge-anpr/hit/2",
    "hit_id": "0" * 32,
    "site": "other",
    "box": "other",
    "camera": "other",
    "rule": "other",
    "purpose": "other",
    "authority": "other",
    "observed_at": "2026-11-30T07:16:05.124Z",
    "epoch": 4,
    "counter": 2,
    "token": "0" * 32,
    "posterior": 0.9878,
    "margin": 0.3334,
    "human_check_required": False,
    "policy_sha256": "0" * 64,
    "sealed": base64.b64encode(bytes(4144)).decode(),
    "sealed_sha256": "0" * 64,
    "box_key_id": "0" * 16,
    "authority_key_id": "0" * 16,
    "signature": base64.b64encode(bytes(64)).decode(),
}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_changed_field_is_refused(parties: Parties, hit: Hit, field: str) -> None:
    content = json.loads(hit.to_payload())
    assert content[field] != CHANGED[field]

    refused(parties, rfc8785.dumps({**content, field: CHANGED[field]}))


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_missing_field_is_refused(parties: Parties, hit: Hit, field: str) -> None:
    content = json.loads(hit.to_payload())
    del content[field]

    refused(parties, rfc8785.dumps(content))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hit_id", "A" * 32),
        ("hit_id", "0" * 31),
        ("camera", "cam/1"),
        ("camera", "cam-1\n"),
        ("rule", "Rule"),
        ("observed_at", "2026-11-30T07:16:05Z"),
        ("observed_at", "2026-13-30T07:16:05.123Z"),
        ("observed_at", "2026-11-30T07:16:05.123+00:00"),
        ("epoch", -1),
        ("epoch", "3"),
        ("epoch", 3.5),
        ("posterior", 1.1),
        ("posterior", "0.9"),
        ("human_check_required", 1),
        ("human_check_required", "true"),
        ("policy_sha256", "ab"),
        ("sealed", "not base64!"),
        ("sealed", "AAA"),
        ("plate", "1ABC123"),
    ],
)
def test_a_value_outside_the_schema_is_refused_even_if_signed(
    parties: Parties, field: str, value: object
) -> None:
    error = refused(parties, signed_again(parties, **{field: value}))

    assert error.exit_code is ExitCode.KEYS
    assert "\n" not in str(error)
    assert "1ABC123" not in str(error)


def test_a_wrong_evidence_digest_is_refused_even_if_signed(
    parties: Parties,
) -> None:
    assert "digest" in str(refused(parties, signed_again(parties, sealed_sha256="0" * 64)))


def test_a_box_signs_for_itself_only(parties: Parties) -> None:
    for changed in ({"site": "elsewhere"}, {"box": "box-2"}):
        refused(parties, signed_again(parties, **changed))


def test_a_signature_for_another_schema_is_refused(parties: Parties, hit: Hit) -> None:
    unsigned = json.loads(hit.to_payload())
    del unsigned["signature"]
    for prefix in (b"", b"edge-anpr/receipt/1\0", b"edge-anpr/hit/1"):
        signature = base64.b64encode(parties.box.sign(prefix + rfc8785.dumps(unsigned))).decode()

        refused(parties, rfc8785.dumps({**unsigned, "signature": signature}))


# --- one spelling ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "respelled",
    [
        lambda text: text + " ",
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text.replace(":", ": ", 1),
        lambda text: text.replace("0.6667", "0.66670", 1),
        lambda text: text.replace("0.6667", "6.667e-1", 1),
        lambda text: text.replace('"epoch":3', '"epoch":3.0', 1),
        lambda text: text.replace("cam-1", "cam\\u002d1", 1),
        lambda text: text.replace('"camera"', '"camera":"cam-1","camera"', 1),
        lambda text: json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")),
        lambda text: "\ufeff" + text,
    ],
)
def test_a_hit_in_non_canonical_json_is_refused(parties: Parties, hit: Hit, respelled: Any) -> None:
    text = respelled(hit.to_payload().decode())
    assert text.encode() != hit.to_payload()

    refused(parties, text.encode())


@given(
    posterior=st.floats(0, 1),
    margin=st.floats(0, 1),
    epoch=st.integers(0, 2**53 - 1),
    counter=st.integers(0, 2**53 - 1),
    moment=st.datetimes(
        datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis gives the zone
        datetime(2100, 1, 1),  # noqa: DTZ001 - likewise
        timezones=st.just(timezone.utc),
    ),
)
@settings(max_examples=100, deadline=None)
def test_every_number_survives_a_round_trip(
    parties: Parties, posterior: float, margin: float, epoch: int, counter: int, moment: datetime
) -> None:
    built = build_hit(
        parties.context(counter=counter, observed_at=moment),
        b"sealed",
        epoch=epoch,
        token=PlateToken(bytes(16)),
        posterior=posterior,
        margin=margin,
        human_check_required=True,
        keys=parties.box,
    )

    received = verify_hit(built.to_payload(), parties.box_public)

    assert received == built
    assert received.posterior == round(posterior, 4)
    assert received.to_payload() == built.to_payload()
    assert timedelta(0) <= moment - received.observed < timedelta(milliseconds=1)


@given(payload=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_are_refused_with_one_error_type(parties: Parties, payload: bytes) -> None:
    refused(parties, payload)


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 10_000, b'{"schema":"\\ud800"}']
)
def test_malformed_json_is_refused(parties: Parties, payload: bytes) -> None:
    refused(parties, payload)


def test_a_payload_over_the_largest_limit_is_not_parsed(parties: Parties) -> None:
    assert "larger" in str(refused(parties, b" " * (MAX_PAYLOAD_BYTES + 1)))


@pytest.mark.parametrize(
    ("field", "value"), [("posterior", 1.2), ("margin", -0.1), ("epoch", -1), ("epoch", 2**53)]
)
def test_a_hit_out_of_bounds_is_not_built(parties: Parties, field: str, value: Any) -> None:
    values: dict[str, Any] = {"epoch": 3, "posterior": 0.9, "margin": 0.5, field: value}

    with pytest.raises(HitError, match=field):
        build_hit(
            parties.context(),
            b"sealed",
            token=PlateToken(bytes(16)),
            human_check_required=True,
            keys=parties.box,
            **values,
        )


# --- moments ---------------------------------------------------------------------------------


def test_a_timestamp_has_one_spelling() -> None:
    local = datetime(2026, 11, 30, 8, 16, 5, 123_999, tzinfo=timezone(timedelta(hours=1)))

    assert utc_text(local) == "2026-11-30T07:16:05.123Z"
    assert parse_utc("2026-11-30T07:16:05.123Z") == MORNING
    with pytest.raises(ValueError, match="time zone"):
        utc_text(datetime(2026, 11, 30))  # noqa: DTZ001


# --- keys come and go ------------------------------------------------------------------------


def test_a_retired_key_is_accepted_for_a_limited_time(tmp_path: Path) -> None:
    parties = make_parties(tmp_path)
    old = parties.hit()
    retired_at = datetime.now(timezone.utc)
    rotate_box_keys(parties.box_folder, retired_at)
    box = parties.box_public
    just_before_the_end = retired_at + RETIRED_KEY_GRACE - timedelta(seconds=1)

    assert verify_hit(old.to_payload(), box) == old
    assert box.accepts(old.box_key_id, just_before_the_end)
    assert not box.accepts(old.box_key_id, retired_at + RETIRED_KEY_GRACE)
    assert box.accepts(parties.hit().box_key_id, retired_at + 100 * RETIRED_KEY_GRACE)
    assert not box.accepts("0" * 16, retired_at)


def test_hit_ids_are_random(parties: Parties) -> None:
    assert len({new_hit_id(os.urandom) for _ in range(100)}) == 100


# --- receipts --------------------------------------------------------------------------------


def test_parsing_a_hit_does_not_verify_it(parties: Parties) -> None:
    forged = rfc8785.dumps({**json.loads(parties.hit().to_payload()), "epoch": 99})

    assert parse_hit(forged).epoch == 99
    refused(parties, forged)
