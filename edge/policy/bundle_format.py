"""The two JSON documents of a list bundle: the sealed one with the entries, and its cover."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from edge.domain.appearance import Colour, VehicleKind
from edge.domain.plates import MAX_LENGTH
from edge.errors import ConfigError
from edge.formats.canonical import NotCanonicalError, parse_canonical
from edge.formats.identifiers import Base64, Id, KeyId
from edge.formats.signing import Signature
from edge.formats.strict import Grown, StrictMessage
from edge.formats.timestamps import UtcText
from edge.policy.lists import ENTRY_ID_PATTERN, MAX_TEXT

SCHEMA: Literal["edge-anpr/list-bundle/1"] = "edge-anpr/list-bundle/1"
"""The bundle's schema, and the context that the issuer's signature is made under."""

MAX_COUNTER = 2**53 - 1


class ListBundleError(ConfigError):
    """A bundle is refused as a whole; the list in force stays in force."""

    default_code = "E_LIST_BUNDLE"


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        message = "printable text without spaces around it"
        raise ValueError(message)
    return text


def _known_kind(word: str) -> str:
    return VehicleKind(word).value


def _known_colour(word: str) -> str:
    return Colour(word).value


_Kind = Annotated[str, AfterValidator(_known_kind)]
_Colour = Annotated[str, AfterValidator(_known_colour)]
_Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_printable)]
_Counter = Annotated[int, Field(ge=1, le=MAX_COUNTER)]


class BundleEntry(StrictMessage, Grown):
    """One entry of a list; kind and colour of the vehicle only where the issuer states them."""

    added: ClassVar[frozenset[str]] = frozenset({"kind", "colour"})

    id: Annotated[str, Field(pattern=ENTRY_ID_PATTERN)]
    plate: Annotated[str, Field(pattern=rf"^[0-9A-Z]{{1,{MAX_LENGTH}}}$")]
    start: UtcText
    end: UtcText
    basis: _Text
    reason: _Text
    issuer: _Text
    kind: _Kind | None = None
    colour: _Colour | None = None


class BundleDocument(StrictMessage, Grown):
    """The document that the issuer signs and seals: issuer, box, list and entries.

    `shrinks_from` is how many entries the list had before, if the issuer means that it has far
    fewer now.
    """

    added: ClassVar[frozenset[str]] = frozenset({"shrinks_from"})

    schema_: Literal["edge-anpr/list-bundle/1"] = Field(default=SCHEMA, alias="schema")
    list_: Id = Field(alias="list")
    site: Id
    box: Id
    issuer: Id
    purpose: Id
    counter: _Counter
    issued_at: UtcText
    entries: tuple[BundleEntry, ...] = Field(max_length=100_000)
    shrinks_from: Annotated[int, Field(ge=0, le=100_000)] | None = None
    signature: Signature | None = None


class BundleCover(StrictMessage):
    """The part of a bundle that can be read without the box's key."""

    schema_: Literal["edge-anpr/list-bundle/1"] = Field(default=SCHEMA, alias="schema")
    site: Id
    box: Id
    list_: Id = Field(alias="list")
    counter: _Counter
    box_key_id: KeyId
    sealed: Base64


_Model = TypeVar("_Model", BundleCover, BundleDocument)


def parse_part(model: type[_Model], data: bytes) -> _Model:
    """Read one of the two parts of a bundle from its canonical form.

    Raises:
        ListBundleError: it does not fit the model, or is not in canonical form.
    """
    try:
        return parse_canonical(model, data)
    except ValidationError as error:
        raise misfit(error, model) from None
    except NotCanonicalError:
        raise ListBundleError(
            f"not in the canonical form of {SCHEMA}; the bundle is refused"
        ) from None


def misfit(error: ValidationError, model: type[StrictMessage]) -> ListBundleError:
    """The error that names the wrong field; it repeats neither its value nor an unknown key."""
    names = {
        "schema",
        "list",
        *model.model_fields,
        *BundleEntry.model_fields,
        *Signature.model_fields,
    }
    location = error.errors(include_input=False, include_url=False)[0]["loc"]
    where = ""
    for step in location:
        if isinstance(step, int):
            where += f"[{step}]"
        elif step in names:
            name = str(step).rstrip("_")
            where += f".{name}" if where else name
    return ListBundleError(f"{where or 'bundle'}: does not fit {SCHEMA}; the bundle is refused")
