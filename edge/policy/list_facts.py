"""What may be shown of an opened list, and which of two bundles of a list is newer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import ListContent, SealedList


@dataclass(frozen=True, slots=True)
class ListFacts:
    """Facts about a list that may be shown: issuer, times and counts, never an entry.

    `first_end` and `last_end` are when the first and the last of its entries end; None when it
    has none.
    """

    list_id: str
    site: str
    box: str
    issuer: str
    purpose: str
    counter: int
    issued_at: datetime
    entries: int
    first_end: datetime | None
    last_end: datetime | None
    sha256: str


def facts_of(content: ListContent, bundle: SealedList) -> ListFacts:
    """The facts about an opened list that may be shown."""
    ends = [entry.end for entry in content.entries]
    return ListFacts(
        list_id=content.list_id,
        site=content.site,
        box=content.box,
        issuer=content.issuer,
        purpose=content.purpose,
        counter=content.counter,
        issued_at=content.issued_at,
        entries=len(content.entries),
        first_end=min(ends, default=None),
        last_end=max(ends, default=None),
        sha256=bundle.sha256,
    )


@dataclass(frozen=True, slots=True)
class Floor:
    """The last bundle of a list that was accepted; earlier ones are refused from then on."""

    counter: int
    sha256: str


def is_newer(bundle: SealedList, floor: Floor | None) -> bool:
    """Whether a bundle is newer than the last accepted one; False if it is the same.

    Raises:
        ListBundleError: `E_LIST_REPLAY`: an earlier bundle, or another with the same counter.
    """
    if floor is None or bundle.counter > floor.counter:
        return True
    if (bundle.counter, bundle.sha256) == (floor.counter, floor.sha256):
        return False
    raise ListBundleError(
        f"list {bundle.list_id}: counter {bundle.counter} is not higher than {floor.counter}, that "
        "of the last bundle; have it built again with --counter auto",
        code="E_LIST_REPLAY",
    )
