"""List bundles: plate lists signed by an issuer, sealed to one box, opened in memory only.

    document = canonical JSON (RFC 8785): issuer, box, list, purpose and entries
    padded   = document length (4) ‖ document ‖ zeros, up to a size class
    sealed   = HPKE base mode (RFC 9180), one message: encapsulated key (32) ‖ ciphertext ‖ tag (16)
    bundle   = canonical JSON: schema, site, box, list, counter, box_key_id, sealed (base64)

Lengths are big-endian; the suite is that of `edge.privacy.sealing`. The fields
outside the seal are the HPKE `info`, and the signed document repeats them: a bundle is valid for
one box, list and counter only. Anyone can seal to a public key, so the document inside carries
the issuer's Ed25519 signature.

A list that many boxes share comes as a manifest and a body (`edge.policy.list_manifest`), joined to
one: the functions here read both forms.

The length of a bundle shows only its size class. Nothing outside the seal shows who issued it, and
error messages name an entry only by its place in the list.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from pydantic import ValidationError

from edge.domain.appearance import as_words, described
from edge.domain.lists import ListEntry
from edge.domain.plates import PlateText
from edge.errors import KeyFileError
from edge.formats.canonical import canonical_json
from edge.formats.framing import LENGTH_BYTES, padded, unpadded
from edge.formats.plurals import quantity
from edge.formats.signing import PublicKey, SigningKey, sign, verify
from edge.formats.timestamps import milliseconds, parse_utc, utc_text
from edge.policy.bundle_format import (
    SCHEMA,
    SIZE_CLASSES,
    BundleCover,
    BundleDocument,
    BundleEntry,
    ListBundleError,
    ManifestCover,
    misfit,
    parse_part,
)
from edge.policy.list_manifest import (
    OpenedManifest,
    decrypted_body,
    is_manifest,
    open_manifest,
    parts_of,
    unsigned,
)
from edge.policy.list_words import word_faults
from edge.policy.lists import entry_fault
from edge.policy.model import Policy
from edge.privacy.keys import BoxPublicKeys, ListOpeningKey
from edge.privacy.sealing import SUITE

MAX_BUNDLE_BYTES = (SIZE_CLASSES[-1] + 48) * 4 // 3 + 1024
"""Longest bundle, bytes; a longer file or message is refused before it is parsed."""

CLOCK_TOLERANCE = timedelta(days=1)
"""How far the issuer's clock may be ahead of the box's."""


@dataclass(frozen=True, slots=True)
class ListContent:
    """The content of a list: its box, purpose, issuer, counter and entries.

    `counter` rises with each bundle of a list, and is at most the milliseconds from 1970 to
    `issued_at`. So a counter can be the time, and a typing error cannot use up all numbers.
    `issued_at` is aware, and cut to milliseconds when it is written. `shrinks_from` is how many
    entries the list had before, if its issuer means that it has far fewer now.
    """

    list_id: str
    site: str
    box: str
    issuer: str
    purpose: str
    counter: int
    issued_at: datetime
    entries: tuple[ListEntry, ...] = field(repr=False)
    shrinks_from: int | None = None


@dataclass(frozen=True, slots=True)
class ListTerms:
    """The policy's limits for one list.

    Args:
        list_id: the list's id.
        issuers: the keys of the issuers whose bundles are accepted, by id.
        purposes: those of all rules that read the list; empty if none does.
        max_entries: the most entries.
        max_entry_days: the longest that an entry may be valid.
        exempt: whether it lists the vehicles that are let through.
    """

    list_id: str
    issuers: Mapping[str, PublicKey]
    purposes: Collection[str]
    max_entries: int
    max_entry_days: int
    exempt: bool = False


def list_terms(policy: Policy) -> dict[str, ListTerms]:
    """The policy's limits for each of its lists, by id."""
    return {
        list_id: ListTerms(
            list_id=list_id,
            issuers={
                issuer: PublicKey.parse(policy.issuers[issuer].key) for issuer in settings.issuers
            },
            purposes=frozenset(
                rule.purpose for rule in policy.domain_rules() if rule.list_id == list_id
            ),
            max_entries=settings.max_entries,
            max_entry_days=settings.max_entry_days,
            exempt=settings.kind == "exempt",
        )
        for list_id, settings in policy.lists.items()
    }


@dataclass(frozen=True, slots=True)
class SealedList:
    """A bundle before it is opened: for which box and list; nothing in it is proven.

    `sha256` is the hex digest of the whole bundle, `size` its length in bytes. Of a list that many
    boxes share, `sha256` is that of the manifest, which names the body's digest, and `sealed` is
    the body; it is empty as long as the body is not fetched.
    """

    list_id: str
    site: str
    box: str
    counter: int
    box_key_id: str
    sha256: str
    size: int
    sealed: bytes = field(repr=False)
    manifest: ManifestCover | None = None


# --- making ---------------------------------------------------------------------------------


def build_bundle(content: ListContent, key: SigningKey, box: BoxPublicKeys) -> bytes:
    """Sign a list as its issuer and seal it to a box.

    Raises:
        ListBundleError: the content is for another box or issuer, has a name that no policy can
            have, or is larger than the largest size class.
        KeyFileError: the box has no key for lists.
    """
    if (content.site, content.box) != (box.site, box.box):
        raise ListBundleError(
            f"the list is for box {content.box} of {content.site}, the public file is of box "
            f"{box.box} of {box.site}; give the right one"
        )
    if content.issuer != key.signer:
        raise ListBundleError(
            f"the list is issued by {content.issuer}, the key is of {key.signer}; give the right "
            "one"
        )
    try:
        unsigned = BundleDocument(
            list_=content.list_id,
            site=content.site,
            box=content.box,
            issuer=content.issuer,
            purpose=content.purpose,
            counter=content.counter,
            issued_at=utc_text(content.issued_at),
            entries=tuple(written(entry) for entry in content.entries),
            shrinks_from=content.shrinks_from,
        ).model_dump(by_alias=True, exclude={"signature"})
    except ValidationError as error:
        raise misfit(error, BundleDocument) from None
    signature = sign(SCHEMA, unsigned, key).model_dump()
    document = canonical_json({**unsigned, "signature": signature})
    sizes = [size for size in SIZE_CLASSES if len(document) + LENGTH_BYTES <= size]
    if not sizes:
        raise ListBundleError(
            f"a list of {len(document)} bytes is over the limit of {SIZE_CLASSES[-1]}; shorten "
            "its texts, or split it into two lists of the policy"
        )
    cover = _cover(content.site, content.box, content.list_id, content.counter, box.current)
    sealed = SUITE.encrypt(padded(document, sizes[0]), box.lists, info=canonical_json(cover))
    return canonical_json({**cover, "sealed": base64.b64encode(sealed).decode("ascii")})


def _cover(site: str, box: str, list_id: str, counter: int, key_id: str) -> dict[str, str | int]:
    """The part outside the seal; HPKE binds the seal to it."""
    return {
        "schema": SCHEMA,
        "site": site,
        "box": box,
        "list": list_id,
        "counter": counter,
        "box_key_id": key_id,
    }


def written(entry: ListEntry) -> BundleEntry:
    """An entry as a document holds it.

    Raises:
        ValidationError: no document can hold it.
    """
    kind, colour = as_words(entry.stated)
    return BundleEntry(
        id=entry.entry_id,
        plate=entry.plate.reveal(),
        start=utc_text(entry.start),
        end=utc_text(entry.end),
        basis=entry.basis,
        reason=entry.reason,
        issuer=entry.issuer,
        kind=kind,
        colour=colour,
    )


# --- reading --------------------------------------------------------------------------------


def parse_bundle(data: bytes) -> SealedList:
    """Parse a bundle without opening it: well-formed, but nothing in it is proven.

    Args:
        data: a bundle for one box; or a manifest, alone or joined to its body.

    Raises:
        ListBundleError: not a bundle, not in canonical form, or a body that is not the one that
            its manifest names.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise ListBundleError(
            f"{len(data)} bytes are more than any bundle has ({MAX_BUNDLE_BYTES}); give a file "
            "made by `edge-anpr lists build`"
        )
    if is_manifest(data) or not data.startswith(b"{"):
        return _parsed_parts(data)
    cover = parse_part(BundleCover, data)
    sealed = base64.b64decode(cover.sealed, validate=True)
    return SealedList(
        list_id=cover.list_,
        site=cover.site,
        box=cover.box,
        counter=cover.counter,
        box_key_id=cover.box_key_id,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        sealed=sealed,
    )


def _parsed_parts(data: bytes) -> SealedList:
    """A manifest, with its body if that is joined to it."""
    manifest, cover, body = parts_of(data)
    return SealedList(
        list_id=cover.list_,
        site=cover.site,
        box=cover.box,
        counter=cover.counter,
        box_key_id=cover.box_key_id,
        sha256=hashlib.sha256(manifest).hexdigest(),
        size=len(data),
        sealed=body,
        manifest=cover,
    )


def open_bundle(
    bundle: SealedList, keys: ListOpeningKey, terms: ListTerms, *, now: datetime
) -> ListContent:
    """Open a bundle and check all of it against the policy.

    Args:
        bundle: the result of `parse_bundle`.
        keys: of the box that it should be sealed to.
        terms: the policy's limits for this list.
        now: the box's wall clock, aware.

    Raises:
        KeyFileError: sealed to another key (`E_NO_KEY`), not signed by one of the list's issuers
            (`E_SIGNATURE`), or the box has no key for lists.
        ListBundleError: for another box or list, altered after sealing, or not allowed by the
            policy; one line that names the entry's place, and never a plate.
    """
    _require_own(bundle, keys, terms)
    if bundle.manifest is None:
        document = _opened(bundle, keys, terms)
    else:
        opened = open_manifest(bundle.manifest, keys, terms.issuers)
        document = _document(opened, decrypted_body(opened, bundle.sealed))
    return _content(document, terms, now)


def check_manifest(
    bundle: SealedList, keys: ListOpeningKey, terms: ListTerms, *, now: datetime
) -> ManifestCover:
    """Check all of a list that can be checked before its body is fetched.

    Args:
        bundle: a manifest, as `parse_bundle` returns it.
        keys: of the box that it should be sealed to.
        terms: the policy's limits for this list.
        now: the box's wall clock, aware.

    Returns:
        The manifest: which body is to be fetched.

    Raises:
        KeyFileError: as `open_bundle`.
        ListBundleError: as `open_bundle`; or it is a bundle for one box.
    """
    _require_own(bundle, keys, terms)
    if bundle.manifest is None:
        raise _broken(terms)
    opened = open_manifest(bundle.manifest, keys, terms.issuers)
    _content(_document(opened, ()), terms, now)
    _require_few(opened.secret.entries, terms)
    if opened.secret.longest_days > terms.max_entry_days:
        raise ListBundleError(
            f"list {terms.list_id}: an entry is valid for "
            f"{quantity(opened.secret.longest_days, 'day')}, but "
            f"the policy allows {terms.max_entry_days} at most; shorten it"
        )
    return bundle.manifest


def _require_own(bundle: SealedList, keys: ListOpeningKey, terms: ListTerms) -> None:
    if (bundle.site, bundle.box, bundle.list_id) != (keys.site, keys.box, terms.list_id):
        raise ListBundleError(
            f"the bundle is not for list {terms.list_id} of box {keys.box} at {keys.site}; give "
            "the one that is"
        )
    if bundle.box_key_id != keys.key_id:
        raise KeyFileError(
            f"list {terms.list_id}: sealed to key {bundle.box_key_id}, but this box has key "
            f"{keys.key_id}; have it built again with the box's current public file",
            code="E_NO_KEY",
        )


def _opened(bundle: SealedList, keys: ListOpeningKey, terms: ListTerms) -> BundleDocument:
    """The document of a bundle for one box, after checking its issuer's signature."""
    cover = _cover(bundle.site, bundle.box, bundle.list_id, bundle.counter, bundle.box_key_id)
    try:
        content = SUITE.decrypt(bundle.sealed, keys.lists, info=canonical_json(cover))
    except (InvalidTag, ValueError):
        raise _broken(terms) from None
    data = unpadded(content, SIZE_CLASSES)
    if data is None:
        raise _broken(terms)
    document = parse_part(BundleDocument, data)
    issuer = terms.issuers.get(document.issuer)
    if document.signature is None or issuer is None:
        raise unsigned(terms.list_id, terms.issuers)
    verify(
        SCHEMA,
        document.model_dump(by_alias=True, exclude={"signature"}),
        document.signature,
        issuer,
    )
    if (document.site, document.box, document.list_, document.counter) != (
        bundle.site,
        bundle.box,
        bundle.list_id,
        bundle.counter,
    ):
        raise _broken(terms)
    return document


def _document(opened: OpenedManifest, entries: tuple[BundleEntry, ...]) -> BundleDocument:
    """The document that a bundle for one box would hold; its manifest is verified."""
    cover, secret = opened.cover, opened.secret
    return BundleDocument(
        list_=cover.list_,
        site=cover.site,
        box=cover.box,
        issuer=secret.issuer,
        purpose=secret.purpose,
        counter=cover.counter,
        issued_at=secret.issued_at,
        entries=entries,
        shrinks_from=secret.shrinks_from,
    )


def _content(document: BundleDocument, terms: ListTerms, now: datetime) -> ListContent:
    """The list in a document whose signature is verified, after checking freshness and limits."""
    named = f"list {terms.list_id}"
    issued_at = parse_utc(document.issued_at)
    if issued_at > now + CLOCK_TOLERANCE:
        raise ListBundleError(
            f"{named}: issued_at: lies in the future; set the clock of the box or of the issuer"
        )
    if document.counter > milliseconds(issued_at):
        raise ListBundleError(
            f"{named}: counter: higher than the milliseconds from 1970 to issued_at; build it with "
            "--counter auto"
        )
    if set(terms.purposes) != {document.purpose}:
        served = ", ".join(sorted(terms.purposes)) or "none, as no rule reads this list"
        raise ListBundleError(
            f"{named}: purpose: not the purpose of the policy's rules for it ({served}); have "
            "it issued for that one, or leave it out"
        )
    _require_few(len(document.entries), terms)
    for place, fault in _faults(document, terms):
        raise ListBundleError(f"{named}: entries[{place}].{fault}; the bundle is refused")
    return ListContent(
        list_id=document.list_,
        site=document.site,
        box=document.box,
        issuer=document.issuer,
        purpose=document.purpose,
        counter=document.counter,
        issued_at=issued_at,
        entries=tuple(_read(entry) for entry in document.entries),
        shrinks_from=document.shrinks_from,
    )


def _require_few(entries: int, terms: ListTerms) -> None:
    if entries > terms.max_entries:
        raise ListBundleError(
            f"list {terms.list_id}: entries: {entries}, but the policy allows "
            f"{terms.max_entries} at most; shorten the list"
        )


def _faults(document: BundleDocument, terms: ListTerms) -> Iterator[tuple[int, str]]:
    """The place of each entry that the policy does not allow, with what is wrong."""
    seen: set[str] = set()
    issued_at = parse_utc(document.issued_at)
    entries = [_read(entry) for entry in document.entries]
    for place, entry in enumerate(entries):
        if entry.entry_id in seen:
            yield place, "id: another entry has the same id; give each its own"
        seen.add(entry.entry_id)
        fault = entry_fault(entry, terms.max_entry_days, issued_at, exempt=terms.exempt)
        if fault is not None:
            yield place, fault
    yield from word_faults(entries)


def _read(entry: BundleEntry) -> ListEntry:
    return ListEntry(
        entry_id=entry.id,
        plate=PlateText(entry.plate),
        start=parse_utc(entry.start),
        end=parse_utc(entry.end),
        basis=entry.basis,
        reason=entry.reason,
        issuer=entry.issuer,
        stated=described(entry.kind, entry.colour),
    )


def _broken(terms: ListTerms) -> ListBundleError:
    return ListBundleError(
        f"list {terms.list_id}: damaged, or not sealed for this box and list; have it sent again"
    )
