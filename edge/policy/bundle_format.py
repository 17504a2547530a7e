"""The JSON documents of list bundles.

Of a bundle for one box: the sealed one with the entries, and its cover. Of a list that many boxes
share: the manifest of one box with its sealed part, and the body with the entries.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from edge.domain.appearance import Colour, VehicleKind
from edge.domain.plates import MAX_LENGTH
from edge.errors import ConfigError
from edge.formats.canonical import NotCanonicalError, parse_canonical
from edge.formats.identifiers import BASE64_32, Base64, Id, KeyId, Sha256
from edge.formats.signing import Signature
from edge.formats.strict import Grown, StrictMessage
from edge.formats.timestamps import UtcText
from edge.policy.lists import ENTRY_ID_PATTERN, MAX_DAYS, MAX_TEXT

SCHEMA: Literal["edge-anpr/list-bundle/1"] = "edge-anpr/list-bundle/1"
"""The bundle's schema, and the context that the issuer's signature is made under."""

MANIFEST_SCHEMA: Literal["edge-anpr/list-manifest/1"] = "edge-anpr/list-manifest/1"
"""A manifest's schema, and the context that the issuer's signature is made under."""

BODY_SCHEMA: Literal["edge-anpr/list-body/1"] = "edge-anpr/list-body/1"
"""A body's schema, and the data that its encryption is bound to."""

PACKED_SCHEMA: Literal["edge-anpr/list-body/2"] = "edge-anpr/list-body/2"
"""The same of a body whose document, of `BODY_SCHEMA`, is compressed."""

SIZE_CLASSES = tuple(16 * 1024 * 4**power for power in range(6))
"""Lengths of a padded document, bytes: 16 KiB, about 70 entries, to 16 MiB, about 70 000."""

BODY_SIZES = tuple(size + 16 for size in SIZE_CLASSES)
"""Lengths of an encrypted body, bytes: a padded document and the tag."""

MOST_ENTRIES = 100_000
"""The most entries of a list that a policy can allow."""

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
_Count = Annotated[int, Field(ge=0, le=MOST_ENTRIES)]


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
    entries: tuple[BundleEntry, ...] = Field(max_length=MOST_ENTRIES)
    shrinks_from: _Count | None = None
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


class ManifestCover(StrictMessage):
    """The part of a manifest that can be read without the box's key."""

    schema_: Literal["edge-anpr/list-manifest/1"] = Field(default=MANIFEST_SCHEMA, alias="schema")
    site: Id
    box: Id
    list_: Id = Field(alias="list")
    counter: _Counter
    box_key_id: KeyId
    body_sha256: Sha256
    body_bytes: Annotated[int, Field(ge=BODY_SIZES[0], le=BODY_SIZES[-1])]
    sealed: Base64


class ManifestSecret(StrictMessage, Grown):
    """The sealed part of a manifest: what only the box may know, and the issuer's signature.

    `key` decrypts the body. `entries` is the number of its entries, and `longest_days` the fewest
    days that a policy must let an entry last for them.
    """

    added: ClassVar[frozenset[str]] = frozenset({"shrinks_from"})

    issuer: Id
    purpose: Id
    issued_at: UtcText
    entries: _Count
    longest_days: Annotated[int, Field(ge=0, le=MAX_DAYS)]
    key: Annotated[str, Field(pattern=f"^{BASE64_32}$")]
    shrinks_from: _Count | None = None
    signature: Signature | None = None


class BodyDocument(StrictMessage):
    """The document inside a body: the entries, and nothing about any box."""

    schema_: Literal["edge-anpr/list-body/1"] = Field(default=BODY_SCHEMA, alias="schema")
    entries: tuple[BundleEntry, ...] = Field(max_length=MOST_ENTRIES)


_Model = TypeVar("_Model", BundleCover, BundleDocument, ManifestCover, ManifestSecret, BodyDocument)


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
            f"not in the canonical form of {_schema_of(model)}; the bundle is refused"
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
    return ListBundleError(
        f"{where or 'bundle'}: does not fit {_schema_of(model)}; the bundle is refused"
    )


def _schema_of(model: type[StrictMessage]) -> str:
    field = model.model_fields.get("schema_")
    return MANIFEST_SCHEMA if field is None else str(field.default)
