"""Permit lists that lose their entries: those who held a permit would become offenders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from typing_extensions import Self

from edge.domain.counting import SMALLEST_SHOWN
from edge.formats.plurals import quantity
from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import ListContent, ListTerms

REFERENCE_DAYS = 30
"""How long the largest list counts, so that a list cannot lose its entries in small steps."""

LASTING_DAYS = 7
"""An entry that ends sooner after the installation does not replace one that lasts longer."""


@dataclass(frozen=True, slots=True)
class ListSize:
    """How many entries a list has, without the entries.

    Attributes:
        entries: all of them.
        valid: the distinct plates of those that are valid now.
        lasting: those of them that have an entry which ends more than `LASTING_DAYS` from now.
        lasts: whether one has not ended yet.
        shrinks_from: how many entries it had before, if its issuer means that it has far fewer.
    """

    entries: int
    valid: int
    lasting: int
    lasts: bool
    shrinks_from: int | None

    @classmethod
    def of(cls, content: ListContent, now: datetime) -> Self:
        """The size of a list at a moment, aware."""
        soon = now + timedelta(days=LASTING_DAYS)
        lasting = {one.plate for one in content.entries if one.end > soon}
        return cls(
            entries=len(content.entries),
            valid=len({one.plate for one in content.entries if one.start <= now < one.end}),
            lasting=len({one.plate for one in content.entries if one.start <= now} & lasting),
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


def require_not_shrunk(
    size: ListSize, terms: ListTerms, before: int | None, lasting: int = 0
) -> None:
    """Refuse a new permit list that makes offenders of those who held a permit, unless it says so.

    It must have an entry that has not ended, and valid entries for at least half as many plates as
    the reference. Entries that end within days do not stand in for others that last. Otherwise its
    issuer must have signed how many entries it had before (`shrinks_from`). Lists of vehicles
    looked for may shrink freely.

    Args:
        size: of the new list.
        terms: the policy's limits for it.
        before: the reference, in plates: the largest list accepted in the last `REFERENCE_DAYS`, or
            the one in force if it is larger. 0 if there was none, None if it is not known.
        lasting: how many plates of the list in force are valid for more than `LASTING_DAYS`.

    Raises:
        ListBundleError: `E_LIST_SHRUNK`.
    """
    if not terms.exempt:
        return
    if before is None:
        if size.shrinks_from is None:
            raise _unknown(terms)
        return
    if size.shrinks_from is not None and size.shrinks_from >= before:
        return
    if not size.lasts:
        raise _shrunk(terms, "it has no entry that has not ended", before)
    if size.valid < before / 2:
        what = (
            f"it has valid entries for {quantity(size.valid, 'plate')}, fewer than half of "
            f"the {before} of the list in force or of the last {REFERENCE_DAYS} days"
        )
        raise _shrunk(terms, what, before)
    if size.lasting < lasting / 2:
        what = (
            f"it has entries that are valid for more than {LASTING_DAYS} days for "
            f"{quantity(size.lasting, 'plate')}, fewer than half of the {lasting} of the list in "
            "force"
        )
        raise _shrunk(terms, what, before)


def permits_asked(peaks: tuple[Peak, ...], accepted: int | None, now: datetime) -> int:
    """The fewest plates that must have a valid entry, so that a list's rules make hits.

    It is half of the reference: entries that end one by one, or all at once, make no offender of
    those who held a permit.

    Args:
        peaks: those remembered.
        accepted: how many plates the list in force had when it was accepted; None if not known.
        now: aware.
    """
    sizes = [accepted or 0, *(peak.valid for peak in recent_peaks(peaks, now))]
    return -(-max(sizes) // 2)


@dataclass(frozen=True, slots=True)
class Peak:
    """How many plates the largest list that was accepted on a day had."""

    day: int
    valid: int


def starts_anew(size: ListSize, before: int | None) -> bool:
    """Whether the issuer has signed that the list shrinks, and it does.

    Args:
        size: of the list that is accepted.
        before: the reference that it was compared with; None if it was not known.
    """
    return size.shrinks_from is not None and (before is None or size.valid < before / 2)


def peaks_after(
    peaks: tuple[Peak, ...], now: datetime, size: ListSize, before: int | None
) -> tuple[Peak, ...]:
    """The peaks to remember once a list is accepted; those that cannot count any more are left out.

    An issuer that has signed that the list shrinks starts anew with it.

    Args:
        peaks: those remembered so far.
        now: aware.
        size: of the list that is accepted.
        before: the reference that it was compared with; None if it was not known.
    """
    today = now.date().toordinal()
    if starts_anew(size, before):
        return (Peak(today, size.valid),)
    kept = [peak for peak in recent_peaks(peaks, now) if peak.valid > size.valid]
    if kept and kept[-1].day == today:
        return tuple(kept)
    return (*kept, Peak(today, size.valid))


def recent_peaks(peaks: tuple[Peak, ...], now: datetime) -> tuple[Peak, ...]:
    """The peaks of the last `REFERENCE_DAYS`."""
    first = (now - timedelta(days=REFERENCE_DAYS)).date().toordinal()
    return tuple(peak for peak in peaks if peak.day >= first)


def recorded_peak(day: int, plates: int, *, at_most: bool) -> Peak:
    """The peak of a recorded size, which is rounded down to tens.

    Args:
        day: when the list was accepted.
        plates: the rounded size.
        at_most: the largest size that is rounded to it, instead of the smallest.
    """
    return Peak(day, plates + (SMALLEST_SHOWN - 1 if at_most else 0))


def _unknown(terms: ListTerms) -> ListBundleError:
    return ListBundleError(
        f"list {terms.list_id}: it is not known how many entries it had, because the list in force "
        "is lost or sealed to an earlier key; have it built with --shrinks-from and that number",
        code="E_LIST_SHRUNK",
    )


def _shrunk(terms: ListTerms, what: str, were: int) -> ListBundleError:
    return ListBundleError(
        f"list {terms.list_id}: {what}, so permit holders would become offenders; add the missing "
        f"entries, or if this is meant have it built with --shrinks-from {were}",
        code="E_LIST_SHRUNK",
    )
