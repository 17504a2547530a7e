"""Canonical JSON: one byte sequence per document, and only that one is accepted."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field, ValidationError

from edge.formats.canonical import (
    NotCanonicalError,
    canonical_json,
    canonical_model,
    parse_canonical,
)
from edge.formats.strict import StrictMessage


class Note(StrictMessage):
    schema_: Literal["note/1"] = Field(default="note/1", alias="schema")
    share: float
    names: tuple[str, ...]


NOTE = Note(share=0.5, names=("é", "b"))
BYTES = '{"names":["é","b"],"schema":"note/1","share":0.5}'.encode()


def test_keys_are_sorted_and_only_necessary_characters_are_escaped() -> None:
    # RFC 8785, section 3.2: sorted keys, no spaces, UTF-8, numbers as ECMAScript writes them.
    assert canonical_model(NOTE) == BYTES
    assert canonical_json({"b": 1e21, "a": [1.0, True, None]}) == b'{"a":[1,true,null],"b":1e+21}'


def test_a_model_is_read_from_its_canonical_form() -> None:
    assert parse_canonical(Note, BYTES) == NOTE


@pytest.mark.parametrize(
    "spelling",
    [
        BYTES + b"\n",
        BYTES.replace(b":", b": "),
        b'{"schema":"note/1",' + BYTES[1:].replace(b',"schema":"note/1"', b""),
        BYTES.replace("é".encode(), b"\\u00e9"),
        BYTES.replace(b"0.5", b"0.50"),
        BYTES.replace(b'"schema"', b'"schema_"'),
        b'{"names":[],' + BYTES[1:],
    ],
    ids=["newline", "space", "order", "escape", "number", "field name", "key twice"],
)
def test_every_other_spelling_of_the_same_document_is_refused(spelling: bytes) -> None:
    with pytest.raises(NotCanonicalError):
        parse_canonical(Note, spelling)


def test_a_document_that_does_not_fit_the_model_is_a_validation_error() -> None:
    with pytest.raises(ValidationError):
        parse_canonical(Note, BYTES.replace(b"0.5", b'"0.5"'))


@pytest.mark.parametrize("value", ["\ud800", 2**53 + 1, float("nan"), object()])
def test_a_value_without_a_canonical_form_is_refused_and_not_quoted(value: object) -> None:
    with pytest.raises(NotCanonicalError) as caught:
        canonical_json({"key": value})

    assert str(caught.value) == "it holds a value that canonical JSON cannot write"
    assert caught.value.__suppress_context__
