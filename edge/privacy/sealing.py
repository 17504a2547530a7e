"""Evidence that only the authority can open.

    body    = signature (64) ‖ header length (4) ‖ header ‖ pictures
    padded  = body length (4) ‖ body ‖ zeros, up to a size class
    sealed  = HPKE base mode (RFC 9180), one message: encapsulated key (32) ‖ ciphertext ‖ tag (16)

Lengths are big-endian. The header is canonical JSON (RFC 8785): the context, the plate and
other readings, and each picture's name, length, mask and time; the pictures follow in that order.

The suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. The context (which hit,
under which policy, for whom) is the HPKE `info`. It is also part of the header, which the box's
Ed25519 signature covers. So a sealed body belongs to one hit only, and the authority can prove to
others which box made it. HPKE base mode alone does not authenticate the sender.

The length of a sealed body shows only its size class: roughly whether there are pictures, and
how detailed they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from pydantic import AfterValidator, Field, ValidationError, model_validator

from edge.domain.appearance import UNKNOWN, Appearance, Colour, VehicleKind
from edge.domain.plates import Hypothesis, PlateFormatError, PlateText
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.errors import EdgeError, ExitCode
from edge.formats.canonical import canonical_json, canonical_model
from edge.formats.framing import LENGTH_BYTES, framed, padded, unpadded
from edge.formats.identifiers import Id
from edge.formats.strict import Grown, StrictMessage
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.keys import (
    AuthorityPrivateKeys,
    AuthorityPublicKeys,
    BoxKeys,
    BoxPublicKeys,
)
from edge.privacy.place_still import PLACE_PICTURE

SCHEMA: Literal["edge-anpr/evidence/2"] = "edge-anpr/evidence/2"

EARLIER: Literal["edge-anpr/evidence/1"] = "edge-anpr/evidence/1"
"""Evidence that does not say how its pictures were masked; it is still opened."""

SIZE_CLASSES = tuple(kib * 1024 for kib in (4, 12, 20, 40, 80, 160, 320, 640))
"""Lengths of a padded body, bytes. 12 KiB is the largest under rumqttd's cap of 20 KiB, 80 KiB
under 112 KiB (the default) and AWS IoT's 128 KiB, 640 KiB under EMQX's 1 MiB."""

LEAST_BY_PICTURES = tuple(kib * 1024 for kib in (4, 12, 20))
"""The smallest class for no, one, and more pictures, bytes. While the pictures fit into these
classes, the length of a hit does not show how well they compress, nor thus what they contain."""

HIT_OVERHEAD_BYTES = 2048
"""Most that a hit's JSON takes beside the sealed evidence: names of at most 40 characters."""

HEADER_BYTES = 2048
"""Room that the picture budget leaves for signature, lengths and header."""

LEAST_NAMED, MOST_NAMED = 0.01, 3
"""A kind or colour is written if it has at least this probability, and three of each at most."""

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
"""HPKE (RFC 9180), for evidence and for list bundles."""

_HPKE_BYTES = 32 + 16
_SIGNATURE_BYTES = 64


class SealError(EdgeError):
    """Evidence that cannot be sealed or opened."""

    exit_code = ExitCode.KEYS
    default_code = "E_SEAL"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the evidence.

    Attributes:
        name: its file name without the ending.
        jpeg: its content.
        mask: what decided which of its pixels are shown; None for the still of the place, and in
            evidence of the earlier schema, which does not say so (it was the plate's geometry).
        taken_at: when it was taken; None in evidence that does not say so.
        shows: the level whose parts it shows, where the rule's level could not be shown; None where
            it shows what the rule allows.
        approved: the day on which a person approved it (2026-11-30), if it is the still of the
            empty place, which shows nothing of the moment; None for every other picture.
    """

    name: str
    jpeg: bytes = field(repr=False)
    mask: MaskMethod | None
    taken_at: datetime | None = None
    shows: RevealLevel | None = None
    approved: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceContent:
    """The evidence in clear, for the authority only.

    `alternatives` are other possible readings of the plate, most probable first. `reads` says
    on how many frames the plate was read. `list_entry_id` is the entry that made the hit.
    `appearance` has the most probable kinds and colours of the vehicle, `MOST_NAMED` of each.
    """

    plate: PlateText
    alternatives: tuple[Hypothesis, ...]
    region: str | None
    list_entry_id: str | None = field(repr=False)
    reads: int
    first_seen: datetime
    last_seen: datetime
    pictures: tuple[Picture, ...] = ()
    appearance: Appearance = UNKNOWN


@dataclass(frozen=True, slots=True)
class SealContext:
    """The metadata that a sealed body is bound to: it opens for this hit only."""

    site: str
    box: str
    camera: str
    rule: str
    purpose: str
    authority: str
    hit_id: str
    counter: int
    observed_at: datetime
    policy_sha256: str
    box_key_id: str
    authority_key_id: str

    def as_json(self, schema: str = SCHEMA) -> dict[str, str | int]:
        """The context in JSON terms, with schema and suite."""
        return {
            "schema": schema,
            "suite": "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305",
            "site": self.site,
            "box": self.box,
            "camera": self.camera,
            "rule": self.rule,
            "purpose": self.purpose,
            "authority": self.authority,
            "hit_id": self.hit_id,
            "counter": self.counter,
            "observed_at": utc_text(self.observed_at),
            "policy_sha256": self.policy_sha256,
            "box_key_id": self.box_key_id,
            "authority_key_id": self.authority_key_id,
        }

    def info(self, schema: str = SCHEMA) -> bytes:
        """The HPKE `info`: canonical JSON."""
        return canonical_json(self.as_json(schema))


def largest_body(payload_cap_bytes: int) -> int:
    """The largest size class whose hit stays under the cap, bytes.

    Raises:
        SealError: the cap is too small for any hit.
    """
    room = (payload_cap_bytes - HIT_OVERHEAD_BYTES) // 4 * 3 - _HPKE_BYTES
    fitting = [size for size in SIZE_CLASSES if size <= room]
    if not fitting:
        raise SealError(
            f"a cap of {payload_cap_bytes} bytes is too small for any hit; "
            "raise site.yaml's broker.payload_cap_kib to 8 or more",
            code="E_SEAL_SIZE",
        )
    return fitting[-1]


def picture_budget(payload_cap_bytes: int) -> int:
    """How many bytes of JPEG, all pictures together, keep a hit under the payload cap.

    Raises:
        SealError: the cap is too small for any hit.
    """
    return largest_body(payload_cap_bytes) - HEADER_BYTES


def seal(
    content: EvidenceContent,
    context: SealContext,
    *,
    box: BoxKeys,
    authority: AuthorityPublicKeys,
    payload_cap_bytes: int,
) -> bytes:
    """Sign the evidence as the box and seal it to the authority. The box cannot open it.

    Raises:
        SealError: the context names other keys than these, or the evidence does not fit under
            the cap (`E_SEAL_SIZE`): make the pictures smaller, or leave them out.
    """
    if (context.site, context.box, context.box_key_id) != (box.site, box.box, box.key_id) or (
        (context.authority, context.authority_key_id) != (authority.authority, authority.key_id)
    ):
        raise SealError("the seal's context names other keys than the given ones")
    body = _body(content, context, box)
    largest = largest_body(payload_cap_bytes)
    least = LEAST_BY_PICTURES[min(len(content.pictures), len(LEAST_BY_PICTURES) - 1)]
    needed = max(len(body) + LENGTH_BYTES, min(least, largest))
    sizes = [size for size in SIZE_CLASSES if needed <= size <= largest]
    if not sizes:
        raise SealError(
            f"evidence of {len(body)} bytes does not fit under {largest}; "
            "use smaller pictures, or a higher broker.payload_cap_kib in site.yaml",
            code="E_SEAL_SIZE",
        )
    return SUITE.encrypt(padded(body, sizes[0]), authority.sealing, info=context.info())


def open_sealed(
    sealed: bytes,
    context: SealContext,
    *,
    authority: AuthorityPrivateKeys,
    box: BoxPublicKeys,
) -> EvidenceContent:
    """Open sealed evidence and check that the box made it for exactly this hit.

    Raises:
        SealError: no key for it (`E_NO_KEY`), or any part of it was altered.
    """
    return read_body(open_body(sealed, context, authority=authority), context, box=box)


def open_body(sealed: bytes, context: SealContext, *, authority: AuthorityPrivateKeys) -> bytes:
    """The body inside the seal, as the box signed it; its signature is not verified yet.

    Raises:
        SealError: no key for it (`E_NO_KEY`), or it was altered.
    """
    keys = authority.generation(context.authority_key_id)
    if keys is None or keys.authority != context.authority:
        raise SealError(
            f"hit {context.hit_id}: sealed to key {context.authority_key_id} of authority "
            f"{context.authority}, which is not here; without it nobody can open the hit",
            code="E_NO_KEY",
        )
    for schema in (SCHEMA, EARLIER):
        try:
            opened = SUITE.decrypt(sealed, keys.sealing, info=context.info(schema))
        except (InvalidTag, ValueError):
            continue
        body = unpadded(opened, SIZE_CLASSES)
        if body is None:
            break
        return body
    raise _broken(context)


def read_body(body: bytes, context: SealContext, *, box: BoxPublicKeys) -> EvidenceContent:
    """Read a body without the seal around it: it proves which box made it, and for which hit.

    Raises:
        SealError: the box has not signed it for this hit, or it was altered.
    """
    signature, lengths = body[:_SIGNATURE_BYTES], body[_SIGNATURE_BYTES:]
    header_length = int.from_bytes(lengths[:LENGTH_BYTES], "big")
    tail = lengths[LENGTH_BYTES:]
    header, pictures = tail[:header_length], tail[header_length:]
    if len(header) == header_length and (context.site, context.box) == (box.site, box.box):
        for schema in (SCHEMA, EARLIER):
            if box.verify(context.box_key_id, signature, _signed(schema, header, pictures)):
                return _content(header, pictures, context, schema)
    raise _broken(context)


# --- the body -------------------------------------------------------------------------------


class _Alternative(StrictMessage):
    plate: str = Field(max_length=20)
    probability: float = Field(ge=0, le=1, allow_inf_nan=False)


class _PictureEntry(StrictMessage, Grown):
    added: ClassVar[frozenset[str]] = frozenset({"taken_at", "shows", "approved"})

    name: Id
    bytes: int = Field(ge=1)
    mask: Literal["meaning", "geometry"] | None = None
    taken_at: str | None = None
    shows: str | None = Field(default=None, pattern="^vehicle$")
    approved: str | None = Field(default=None, pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")


def _of_different_names(pictures: tuple[_PictureEntry, ...]) -> tuple[_PictureEntry, ...]:
    if len({picture.name for picture in pictures}) != len(pictures):
        message = "two pictures of one name"
        raise ValueError(message)
    return pictures


_Shares = Annotated[
    dict[str, Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]],
    Field(max_length=MOST_NAMED),
]


class _Appearance(StrictMessage):
    """Probabilities by kind and by colour; empty if it is not known."""

    kinds: _Shares
    colours: _Shares


class _Header(StrictMessage, Grown):
    added: ClassVar[frozenset[str]] = frozenset({"appearance"})

    schema_: Literal["edge-anpr/evidence/1", "edge-anpr/evidence/2"] = Field(
        default=SCHEMA, alias="schema"
    )
    context: dict[str, str | int]
    plate: str = Field(max_length=20)
    alternatives: tuple[_Alternative, ...] = Field(max_length=16)
    region: str | None = Field(max_length=80)
    list_entry_id: str | None = Field(max_length=200)
    reads: int = Field(ge=0)
    first_seen: str
    last_seen: str
    pictures: Annotated[
        tuple[_PictureEntry, ...], Field(max_length=8), AfterValidator(_of_different_names)
    ]
    appearance: _Appearance | None = None

    @model_validator(mode="after")
    def _masks_are_named(self) -> _Header:
        named = self.schema_ == SCHEMA
        for picture in self.pictures:
            of_place = named and picture.name == PLACE_PICTURE
            has = (picture.mask is not None, picture.approved is not None)
            if has != (named and not of_place, of_place):
                message = "each picture names its mask, and the still of the place its approval"
                raise ValueError(message)
        if self.appearance is not None and not named:
            message = "evidence of the earlier schema describes no vehicle"
            raise ValueError(message)
        return self


def _body(content: EvidenceContent, context: SealContext, box: BoxKeys) -> bytes:
    try:
        entry = _Header(
            context=context.as_json(),
            plate=content.plate.reveal(),
            alternatives=tuple(
                _Alternative(plate=other.text.reveal(), probability=round(other.probability, 4))
                for other in content.alternatives
            ),
            region=content.region,
            list_entry_id=content.list_entry_id,
            reads=content.reads,
            first_seen=utc_text(content.first_seen),
            last_seen=utc_text(content.last_seen),
            pictures=tuple(
                _PictureEntry(
                    name=picture.name,
                    bytes=len(picture.jpeg),
                    mask=None if picture.mask is None else picture.mask.value,
                    taken_at=None if picture.taken_at is None else utc_text(picture.taken_at),
                    shows=None if picture.shows is None else picture.shows.value,
                    approved=picture.approved,
                )
                for picture in content.pictures
            ),
            appearance=_written_appearance(content.appearance),
        )
    except ValidationError as error:
        # Only field names: the error itself could quote the plate.
        fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise SealError(f"evidence: {fields} out of bounds; it was not sealed") from None
    header = canonical_model(entry)
    pictures = b"".join(picture.jpeg for picture in content.pictures)
    signature = box.sign(_signed(SCHEMA, header, pictures))
    return signature + framed(header) + pictures


def _signed(schema: str, header: bytes, pictures: bytes) -> bytes:
    """The bytes that the box signs; the first field says what kind of data they are."""
    return framed(schema.encode(), header, pictures)


def _content(header: bytes, pictures: bytes, context: SealContext, schema: str) -> EvidenceContent:
    try:
        entry = _Header.model_validate_json(header)
        if (entry.schema_, entry.context) != (schema, context.as_json(schema)):
            raise _broken(context)
        return EvidenceContent(
            plate=PlateText(entry.plate),
            alternatives=tuple(
                Hypothesis(PlateText(other.plate), other.probability)
                for other in entry.alternatives
            ),
            region=entry.region,
            list_entry_id=entry.list_entry_id,
            reads=entry.reads,
            first_seen=parse_utc(entry.first_seen),
            last_seen=parse_utc(entry.last_seen),
            pictures=_pictures(entry.pictures, pictures, context),
            appearance=_read_appearance(entry.appearance),
        )
    except (ValidationError, PlateFormatError, ValueError):
        # Such an error could quote the plate.
        raise _broken(context) from None


def _written_appearance(appearance: Appearance) -> _Appearance | None:
    """What is written of it; None where nothing is known."""
    if appearance == UNKNOWN:
        return None
    return _Appearance(
        kinds=_most_probable({kind.value: share for kind, share in appearance.kinds.items()}),
        colours=_most_probable({one.value: share for one, share in appearance.colours.items()}),
    )


def _most_probable(shares: Mapping[str, float]) -> dict[str, float]:
    """The most probable ones, with two decimals."""
    named = sorted(shares.items(), key=lambda one: -one[1])[:MOST_NAMED]
    return {name: round(share, 2) for name, share in named if share >= LEAST_NAMED}


def _read_appearance(entry: _Appearance | None) -> Appearance:
    """Raises ValueError if it names a kind or colour that there is not."""
    if entry is None:
        return UNKNOWN
    return Appearance(
        {VehicleKind(name): share for name, share in entry.kinds.items()},
        {Colour(name): share for name, share in entry.colours.items()},
    )


def _pictures(
    entries: Sequence[_PictureEntry], jpegs: bytes, context: SealContext
) -> tuple[Picture, ...]:
    """Raises ValueError if a time or day does not exist."""
    if sum(entry.bytes for entry in entries) != len(jpegs):
        raise _broken(context)
    pictures: list[Picture] = []
    for entry in entries:
        mask = None if entry.mask is None else MaskMethod(entry.mask)
        taken_at = None if entry.taken_at is None else parse_utc(entry.taken_at)
        shows = None if entry.shows is None else RevealLevel(entry.shows)
        if entry.approved is not None:
            date.fromisoformat(entry.approved)
        jpeg = jpegs[: entry.bytes]
        pictures.append(Picture(entry.name, jpeg, mask, taken_at, shows, entry.approved))
        jpegs = jpegs[entry.bytes :]
    return tuple(pictures)


def _broken(context: SealContext) -> SealError:
    return SealError(
        f"hit {context.hit_id}: the sealed evidence is damaged, or box {context.box} did not seal "
        "it for this hit; nothing is shown, keep the hit and ask the box's owner"
    )
