"""Permit lists that lose their entries: those who held a permit would become offenders."""

from __future__ import annotations

from datetime import datetime

from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import ListContent, ListTerms


def require_entries(content: ListContent, terms: ListTerms) -> None:
    """Refuse a permit list without entries, unless its issuer has signed that it means it.

    Raises:
        ListBundleError: `E_LIST_SHRUNK`.
    """
    if terms.exempt and not content.entries and content.shrinks_from is None:
        raise _shrunk(terms, "it has no entry", 0)


def require_not_shrunk(
    content: ListContent, terms: ListTerms, before: ListContent | None, now: datetime
) -> None:
    """Refuse a new permit list that makes offenders of those who held a permit, unless it says so.

    It must have an entry that has not ended, and at least half as many valid entries as the one in
    force. Otherwise its issuer must have signed how many entries it had before (`shrinks_from`).
    Lists of vehicles looked for may shrink freely.

    Args:
        content: the new list.
        terms: the policy's limits for it.
        before: the list in force, None if there is none.
        now: the box's wall clock, aware.

    Raises:
        ListBundleError: `E_LIST_SHRUNK`.
    """
    if not terms.exempt:
        return
    were, are = (0 if one is None else _valid(one, now) for one in (before, content))
    if content.shrinks_from is not None and content.shrinks_from >= were:
        return
    if not any(entry.end > now for entry in content.entries):
        raise _shrunk(terms, "it has no entry that has not ended", were)
    if are < were / 2:
        what = f"it has {are} valid entries, fewer than half of the {were} of the list in force"
        raise _shrunk(terms, what, were)


def _valid(content: ListContent, now: datetime) -> int:
    """How many entries are valid at a moment."""
    return sum(entry.start <= now < entry.end for entry in content.entries)


def _shrunk(terms: ListTerms, what: str, were: int) -> ListBundleError:
    return ListBundleError(
        f"list {terms.list_id}: {what}, so permit holders would become offenders; add the missing "
        f"entries, or if this is meant have it built with --shrinks-from {were}",
        code="E_LIST_SHRUNK",
    )
