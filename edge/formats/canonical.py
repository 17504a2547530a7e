"""Canonical JSON (RFC 8785): one document has exactly one sequence of bytes.

Hashes and signatures are made over these bytes. A reader refuses every other spelling of the same
document, so that two readers can never disagree about what was signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import rfc8785
from pydantic import BaseModel

Json = Mapping[str, Any]
"""A document of JSON values: keys and values, no binary data."""

Model = TypeVar("Model", bound=BaseModel)


class NotCanonicalError(ValueError):
    """A document without a canonical form, or bytes that are not in canonical form.

    The message never quotes a value.
    """


def canonical_json(document: Json) -> bytes:
    """The canonical form of a document.

    Raises:
        NotCanonicalError: it holds a value that canonical JSON cannot write, such as an integer
            beyond 2^53 or a lone surrogate.
    """
    try:
        return rfc8785.dumps(dict(document))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        # The library's messages quote the value.
        raise NotCanonicalError("it holds a value that canonical JSON cannot write") from None


def canonical_model(model: BaseModel) -> bytes:
    """The canonical form of a model, its fields under their names in JSON.

    Raises:
        NotCanonicalError: see `canonical_json`.
    """
    return canonical_json(model.model_dump(mode="json", by_alias=True))


def parse_canonical(model: type[Model], data: bytes) -> Model:
    """Read a model from its canonical form, and from no other spelling.

    Raises:
        ValidationError: the bytes are not JSON or do not fit the model.
        NotCanonicalError: they fit the model, but are not its canonical form.
    """
    found = model.model_validate_json(data)
    if canonical_model(found) != data:
        raise NotCanonicalError("not the canonical form")
    return found
