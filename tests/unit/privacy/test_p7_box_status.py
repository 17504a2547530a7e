"""P7, P21: a box's status statement is signed, counts no traffic, and fits its form exactly."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from pydantic import BaseModel, ValidationError

from edge.adapters.state.key_files import load_box_public_keys
from edge.adapters.state.key_making import rotate_box_keys
from edge.errors import EdgeError
from edge.formats.signing import signed_bytes
from edge.privacy.box_status import (
    BoxClock,
    BoxStatus,
    BoxStatusError,
    ListInForce,
    PolicyInForce,
    StatusFacts,
    UpdateResult,
    sign_status,
    verified_status,
)
from tests.support.box_statuses import facts
from tests.support.parties import Parties, make_parties

NOW = datetime(2026, 3, 10, 7, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def statement(parties: Parties) -> bytes:
    return sign_status(facts(), 7, NOW, parties.box).to_bytes()


def test_a_statement_says_what_the_box_is(parties: Parties) -> None:
    found = verified_status(statement(parties), parties.box_public, NOW)

    assert (found.site, found.box, found.counter) == ("test-street", "box-1", 7)
    assert found.said == NOW
    assert StatusFacts(**{name: getattr(found, name) for name in StatusFacts.model_fields}) == (
        facts()
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", "9.9.9"),
        ("state", "safe"),
        ("reason", "E_LEASE"),
        ("counter", 8),
        ("said_at", "2026-03-10T07:00:00.001Z"),
        ("weights_sha256", None),
        ("policy", None),
        ("lists", []),
        ("clock", {"synchronised": False, "steps": "none"}),
        ("temperature_c", 50),
        ("disk_percent", 30),
        ("update", None),
        ("box", "box-2"),
        ("site", "elsewhere"),
        ("box_key_id", "0" * 16),
        ("schema", "edge-anpr/box-status/2"),
        ("vehicles", 9),
    ],
)
def test_p21_a_changed_statement_is_refused(parties: Parties, name: str, value: Any) -> None:
    content = json.loads(statement(parties))
    assert content.get(name, "none") != value
    with pytest.raises(BoxStatusError):
        verified_status(rfc8785.dumps({**content, name: value}), parties.box_public, NOW)


def test_p21_another_box_another_document_or_an_old_key_signs_no_statement(
    parties: Parties, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = make_parties(tmp_path_factory.mktemp("stranger"))
    spaced = json.dumps(json.loads(statement(parties))).encode()
    for payload in (statement(stranger), spaced, b"", b"\xff", b"{}", b" " * 9000):
        with pytest.raises(BoxStatusError):
            verified_status(payload, parties.box_public, NOW)
    with pytest.raises(BoxStatusError, match="is not signed by a key of box box-1"):
        verified_status(statement(stranger), parties.box_public, NOW)


def test_p21_a_signature_of_another_kind_of_document_is_no_statement(parties: Parties) -> None:
    made = sign_status(facts(), 7, NOW, parties.box)
    content = made.model_dump(mode="json", by_alias=True, exclude={"signature"})
    other = signed_bytes("edge-anpr/list-answer/1", content)
    signature = base64.b64encode(parties.box.sign(other)).decode()
    forged = made.model_copy(update={"signature": signature})
    with pytest.raises(BoxStatusError):
        verified_status(forged.to_bytes(), parties.box_public, NOW)


COARSE = [
    ("temperature_c", 45),
    ("temperature_c", 41.0),
    ("disk_percent", 11),
    ("clock", {"synchronised": True, "steps": 3}),
]


@pytest.mark.parametrize(("name", "value"), COARSE)
def test_p7_a_statement_has_no_room_for_fine_readings(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        StatusFacts.model_validate({**facts().model_dump(), name: value})


ALLOWED: dict[type[BaseModel], set[str]] = {
    BoxStatus: {"schema", "site", "box", "counter", "said_at", "box_key_id", "signature"},
    StatusFacts: {
        "version",
        "state",
        "reason",
        "weights_sha256",
        "policy",
        "lists",
        "clock",
        "temperature_c",
        "disk_percent",
        "update",
    },
    PolicyInForce: {"sha256", "version", "lease_ends"},
    ListInForce: {"list", "counter"},
    BoxClock: {"synchronised", "steps"},
    UpdateResult: {"target", "outcome"},
}


def test_p7_a_new_field_of_a_statement_is_looked_at_first() -> None:
    """A field that counts vehicles or hits must never be added: this list is changed by hand."""

    def names(model: type[BaseModel]) -> set[str]:
        return {field.alias or name for name, field in model.model_fields.items()}

    for model, allowed in ALLOWED.items():
        more = ALLOWED[StatusFacts] if model is BoxStatus else set()
        assert names(model) == allowed | more


def test_a_retired_key_signs_for_its_time_of_grace_only(
    parties: Parties, tmp_path_factory: pytest.TempPathFactory
) -> None:
    old = make_parties(tmp_path_factory.mktemp("rotated"))
    payload = sign_status(facts(), 1, NOW, old.box).to_bytes()
    rotate_box_keys(old.box_folder, NOW)
    public = load_box_public_keys(old.box_file)

    assert verified_status(payload, public, NOW + timedelta(days=1)).counter == 1
    with pytest.raises(EdgeError):
        verified_status(payload, public, NOW + timedelta(days=400))
