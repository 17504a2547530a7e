"""Builds one list for many boxes: a body, and a manifest for each box."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from edge.domain.lists import ListEntry
from edge.errors import KeyFileError
from edge.formats.signing import SigningKey
from edge.formats.timestamps import utc_text
from edge.policy.bundle_format import (
    BundleDocument,
    BundleEntry,
    ListBundleError,
    ManifestSecret,
    misfit,
)
from edge.policy.bundles import written
from edge.policy.list_manifest import (
    MAX_MANIFEST_BYTES,
    encrypted_body,
    extent,
    parse_manifest,
    signed_manifest,
)
from edge.privacy.keys import BoxPublicKeys

MANIFESTS_NAME = "manifests.jsonl"
"""The file with the manifests of a build, one in each line."""

MAX_MANIFESTS_BYTES = 100_000 * (MAX_MANIFEST_BYTES + 1)
"""Longest file of manifests, bytes."""


def body_name(sha256: str) -> str:
    """The name of a body's file, on a server and in a folder."""
    return f"{sha256}.list"


@dataclass(frozen=True, slots=True)
class IssuedList:
    """The content of a list for many boxes; the fields are those of `ListContent`."""

    list_id: str
    issuer: str
    purpose: str
    counter: int
    issued_at: datetime
    entries: tuple[ListEntry, ...] = field(repr=False)
    shrinks_from: int | None = None


@dataclass(frozen=True, slots=True)
class SharedList:
    """A list for many boxes as it is sent: the manifests by site and box, and the body.

    `body` is empty where only the manifests are at hand.
    """

    list_id: str
    counter: int
    body_sha256: str
    body_bytes: int
    manifests: Mapping[tuple[str, str], bytes] = field(repr=False)
    body: bytes = field(repr=False)

    def lines(self) -> bytes:
        """The manifests as their file holds them."""
        return b"".join(self.manifests[box] + b"\n" for box in sorted(self.manifests))


def build_shared(issued: IssuedList, key: SigningKey, boxes: Iterable[BoxPublicKeys]) -> SharedList:
    """Encrypt a list once, and sign and seal its key to each box.

    Args:
        issued: the list.
        key: the issuer's.
        boxes: the public keys of all boxes that get it.

    Raises:
        ListBundleError: no box, the list is issued by another, has a name that no policy can have,
            or is larger than the largest size class.
        KeyFileError: two boxes have the same keys, or one has no key for lists.
    """
    if issued.issuer != key.signer:
        raise ListBundleError(
            f"the list is issued by {issued.issuer}, the key is of {key.signer}; give the right one"
        )
    by_key: dict[str, BoxPublicKeys] = {}
    for box in boxes:
        other = by_key.setdefault(box.current, box)
        if other is not box:
            raise KeyFileError(
                f"box {other.box} of {other.site} and box {box.box} of {box.site} have the same "
                "keys, so one is a copy of the other; make new keys for one of them"
            )
    if not by_key:
        raise ListBundleError("a list for no box; name the boxes that get it")
    entries = tuple(_written(entry) for entry in issued.entries)
    body = encrypted_body(entries)
    count, longest_days = extent(entries)
    try:
        secret = ManifestSecret(
            issuer=issued.issuer,
            purpose=issued.purpose,
            issued_at=utc_text(issued.issued_at),
            entries=count,
            longest_days=longest_days,
            key=base64.b64encode(body.key).decode("ascii"),
            shrinks_from=issued.shrinks_from,
        )
        manifests = {
            (box.site, box.box): signed_manifest(
                issued.list_id, issued.counter, secret, body, key, box
            )
            for box in by_key.values()
        }
        first = parse_manifest(next(iter(manifests.values())))  # its names are those of all
    except ValidationError as error:
        raise misfit(error, ManifestSecret) from None
    return SharedList(
        first.list_,
        first.counter,
        body.sha256,
        len(body.data),
        manifests,
        body.data,
    )


def _written(entry: ListEntry) -> BundleEntry:
    try:
        return written(entry)
    except ValidationError as error:
        raise misfit(error, BundleDocument) from None


def parse_shared(lines: bytes) -> SharedList:
    """Read a file of manifests; the body stays where it is.

    Raises:
        ListBundleError: one is none, belongs to another build, or two are for one box.
    """
    manifests: dict[tuple[str, str], bytes] = {}
    builds: set[tuple[str, int, str, int]] = set()
    for number, line in enumerate(lines.splitlines(), start=1):
        try:
            cover = parse_manifest(line)
        except ListBundleError as error:
            raise ListBundleError(f"{MANIFESTS_NAME}:{number}: {error.message}") from None
        if (cover.site, cover.box) in manifests:
            raise ListBundleError(
                f"{MANIFESTS_NAME}:{number}: a second manifest of box {cover.box} of {cover.site}; "
                "build the list again"
            )
        manifests[cover.site, cover.box] = line
        builds.add((cover.list_, cover.counter, cover.body_sha256, cover.body_bytes))
    if len(builds) != 1:
        fault = "no manifest" if not builds else "manifests of several lists"
        raise ListBundleError(f"{MANIFESTS_NAME}: {fault}; build the list again")
    (build,) = builds
    return SharedList(*build, manifests, b"")
