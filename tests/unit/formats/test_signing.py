"""Signed documents: context, canonical form, and recognisable demo keys."""

from __future__ import annotations

import base64
import json
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.adapters.state.key_files import key_facts, load_signer_key
from edge.adapters.state.key_making import new_signer_key
from edge.errors import KeyFileError
from edge.formats.signing import (
    PublicKey,
    Signature,
    SigningKey,
    is_demo_key,
    sign,
    signed_bytes,
    verify,
)

CONTEXT = "edge-anpr/policy/3"
NOW = datetime(2026, 11, 30, 7, 0, tzinfo=timezone.utc)
DOCUMENT = {"b": [1, 0.5, None, True], "a": "Straße"}


def refusal(document: Any, signature: Signature, key: PublicKey, context: str = CONTEXT) -> str:
    with pytest.raises(KeyFileError) as caught:
        verify(context, document, signature, key)
    assert caught.value.code == "E_SIGNATURE"
    return caught.value.message


def test_a_signature_is_valid_only_for_its_document_context_and_key() -> None:
    key = SigningKey.generate("dpo")

    signature = sign(CONTEXT, DOCUMENT, key)

    verify(CONTEXT, DOCUMENT, signature, key.public)
    verify(CONTEXT, {"a": "Straße", "b": [1, 0.5, None, True]}, signature, key.public)
    assert "changed after signing" in refusal({**DOCUMENT, "a": "x"}, signature, key.public)
    other_context = refusal(DOCUMENT, signature, key.public, "edge-anpr/activation/1")
    assert "changed after signing" in other_context
    other = SigningKey.generate("dpo").public
    assert other.key_id in refusal(DOCUMENT, signature, other)
    renamed = signature.model_copy(update={"key_id": other.key_id})
    assert "changed after signing" in refusal(DOCUMENT, renamed, other)


def test_the_signed_bytes_are_context_a_zero_byte_and_canonical_json() -> None:
    key = SigningKey.demo_of("controller")
    signature = sign(CONTEXT, DOCUMENT, key)

    message = b'edge-anpr/policy/3\x00{"a":"Stra\xc3\x9fe","b":[1,0.5,null,true]}'

    assert signed_bytes(CONTEXT, DOCUMENT) == message
    raw = base64.b64decode(key.public.text.removeprefix("ed25519:"))
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(signature.signature), message)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60, "\ud800", {1: 2}, b"x"])
def test_a_value_without_canonical_json_is_refused_without_quoting_it(value: Any) -> None:
    key = SigningKey.generate("dpo")

    with pytest.raises(KeyFileError) as caught:
        sign(CONTEXT, {"a": value}, key)

    assert caught.value.code == "E_SIGNATURE"
    assert "cannot write" in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 43 + "=", "ed25519:" + "ä" * 44]
)
def test_an_invalid_public_key_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        PublicKey.parse(text)

    assert len(text) < 9 or text not in caught.value.message


def test_a_public_keys_id_is_the_hash_of_its_raw_bytes() -> None:
    key = SigningKey.demo_of("controller").public

    assert PublicKey.parse(key.text) == key
    assert key.text == "ed25519:3Z+v3HXoIHQqp2ULaC9gZ6r4iOsl46ovvN8CEzE1Y6o="
    assert key.key_id == "570dd6347e3db8fa"


def test_p1_a_demo_key_is_the_same_everywhere_and_recognised() -> None:
    demo = SigningKey.demo_of("police")

    assert demo.demo
    assert demo.public == SigningKey.demo_of("police").public
    assert is_demo_key("police", PublicKey.parse(demo.public.text))
    assert SigningKey.from_raw("police", demo.raw()).demo
    assert not is_demo_key("dpo", demo.public)
    real = SigningKey.generate("police")
    assert not real.demo
    assert not is_demo_key("police", real.public)


def test_a_signers_private_file_is_private_and_never_overwritten(
    tmp_path: Path,
) -> None:
    file = new_signer_key(tmp_path / "mine", "dpo", NOW)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = load_signer_key(file)
    assert (key.signer, key.demo) == ("dpo", False)
    assert base64.b64encode(key.raw()).decode() not in repr(key)
    assert key_facts(file)[0].owner == "signer dpo"
    with pytest.raises(KeyFileError, match="exists already"):
        new_signer_key(tmp_path / "mine", "dpo", NOW)
    file.chmod(0o644)
    with pytest.raises(KeyFileError) as caught:
        load_signer_key(file)
    assert caught.value.code == "E_KEY_MODE"


@pytest.mark.parametrize(
    "change",
    [
        {"trial": False},
        {"signer": "dpo"},
        {"key_id": "0" * 16},
        {"public": SigningKey.demo_of("dpo").public.text},
        {"signing": "A" * 43 + "="},
        {"schema": "edge-anpr/box-private-key/1"},
        {"extra": 1},
    ],
)
def test_a_signers_file_with_mismatched_keys_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    file = new_signer_key(tmp_path, "police", NOW, demo=True)
    assert load_signer_key(file).demo

    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))

    with pytest.raises(KeyFileError):
        load_signer_key(file)
