"""Bytes in base64 have one spelling in every document: nobody can change a signed text."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from edge.errors import AuditError, KeyFileError
from edge.formats.identifiers import Base64
from edge.formats.signing import PublicKey, PublicKeyText, SignatureText, SigningKey
from edge.privacy.checkpoints import Checkpoint, box_log, parse_checkpoints
from edge.privacy.key_formats import KeyText
from tests.support.product import REPOSITORY

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

KINDS: list[tuple[Any, str, int]] = [
    *((Base64, "", length) for length in (1, 2, 3, 4, 5, 47, 48, 49)),
    (SignatureText, "", 64),
    (PublicKeyText, "ed25519:", 32),
    (KeyText, "", 32),
]


def other_spellings(text: str) -> list[str]:
    """Texts that differ only in bits that belong to no byte."""
    kept = text.rstrip("=")
    return [
        other
        for last in ALPHABET
        if (other := kept[:-1] + last + "=" * (len(text) - len(kept))) != text
        and base64.b64decode(other) == base64.b64decode(text)
    ]


@pytest.mark.parametrize(("kind", "prefix", "length"), KINDS)
def test_p17_bytes_have_one_spelling(kind: Any, prefix: str, length: int) -> None:
    checked = TypeAdapter(kind)
    for value in range(256):
        text = base64.b64encode(bytes([value]) * length).decode()
        others = other_spellings(text)
        assert len(others) == {0: 0, 1: 15, 2: 3}[length % 3]

        assert checked.validate_python(prefix + text) == prefix + text
        for other in others:
            with pytest.raises(ValidationError):
                checked.validate_python(prefix + other)


def test_a_public_key_has_one_spelling() -> None:
    text = SigningKey.demo_of("one").public.text
    assert PublicKey.parse(text).text == text
    for other in other_spellings(text.removeprefix("ed25519:")):
        with pytest.raises(KeyFileError, match="not a public key"):
            PublicKey.parse("ed25519:" + other)


def test_p21_a_checkpoint_s_root_has_one_spelling() -> None:
    root = base64.b64encode(bytes(range(32))).decode()
    note = Checkpoint(box_log("street", "box-1"), 3, bytes(range(32)), bytes(68)).note()
    assert parse_checkpoints(note)
    for other in other_spellings(root):
        with pytest.raises(AuditError, match="not the beginning of a checkpoint"):
            parse_checkpoints(note.replace(root.encode(), other.encode()))


def test_no_module_has_a_pattern_of_its_own() -> None:
    own = "A-Za-z0-9+/"
    found = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "edge").rglob("*.py")
        if own in path.read_text("utf-8")
    }

    # A case file's text of a passkey is parsed, and must then be what `PasskeyKey.text` gives.
    assert found == {"edge/formats/identifiers.py", "edge/desk/court/package.py"}
