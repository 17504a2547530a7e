"""Permit lists that lose their entries: those who held a permit would become offenders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from typing_extensions import Self

from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import ListContent, ListTerms


@dataclass(frozen=True, slots=True)
class ListSize:
    """How many entries a list has, without the entries.

    Attributes:
        entries: all of them.
        valid: those that are valid now.
        lasts: whether one has not ended yet.
        shrinks_from: how many entries it had before, if its issuer means that it has far fewer.
    """

    entries: int
    valid: int
    lasts: bool
    shrinks_from: int | None

    @classmethod
    def of(cls, content: ListContent, now: datetime) -> Self:
        """The size of a list at a moment, aware."""
        return cls(
            entries=len(content.entries),
            valid=sum(entry.start <= now < entry.end for entry in content.entries),
            lasts=any(entry.end > now for entry in content.entries),
            shrinks_from=content.shrinks_from,
        )


def require_entries(size: ListSize, terms: ListTerms) -> None:
    """Refuse a permit list without entries, unless its issuer has signed that it means it.

    Raises:
        ListBundleError: `E_LIST_SHRUNK`.
    """
    if terms.exempt and not size.entries and size.shrinks_from is None:
        raise _shrunk(terms, "it has no entry", 0)


def require_not_shrunk(size: ListSize, terms: ListTerms, before: ListSize | None) -> None:
    """Refuse a new permit list that makes offenders of those who held a permit, unless it says so.

    It must have an entry that has not ended, and at least half as many valid entries as the one in
    force. Otherwise its issuer must have signed how many entries it had before (`shrinks_from`).
    Lists of vehicles looked for may shrink freely.

    Args:
        size: of the new list.
        terms: the policy's limits for it.
        before: the size of the list in force, None if there is none.

    Raises:
        ListBundleError: `E_LIST_SHRUNK`.
    """
    if not terms.exempt:
        return
    were = 0 if before is None else before.valid
    if size.shrinks_from is not None and size.shrinks_from >= were:
        return
    if not size.lasts:
        raise _shrunk(terms, "it has no entry that has not ended", were)
    if size.valid < were / 2:
        what = (
            f"it has {size.valid} valid entries, fewer than half of the {were} of the list in force"
        )
        raise _shrunk(terms, what, were)


def _shrunk(terms: ListTerms, what: str, were: int) -> ListBundleError:
    return ListBundleError(
        f"list {terms.list_id}: {what}, so permit holders would become offenders; add the missing "
        f"entries, or if this is meant have it built with --shrinks-from {were}",
        code="E_LIST_SHRUNK",
    )
