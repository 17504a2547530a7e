"""P13: entries that follow each other keep no plate on a list for ever."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edge.domain.lists import ListEntry
from edge.errors import ConfigError
from edge.formats.plurals import quantity
from edge.policy.bundles import open_bundle, parse_bundle
from edge.policy.lists import read_list_file
from tests.support import plate_lists
from tests.support.parties import Parties, make_parties
from tests.support.plate_lists import ISSUED


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def opened(
    parties: Parties, *entries: ListEntry, max_entry_days: int = 90, issued_at: datetime = ISSUED
) -> tuple[ListEntry, ...]:
    """The entries that a box accepts."""
    bundle = plate_lists.bundle(parties.box_public, *entries, issued_at=issued_at)
    terms = plate_lists.terms(max_entry_days=max_entry_days)
    now = issued_at + timedelta(hours=1)
    return open_bundle(parse_bundle(bundle), parties.box, terms, now=now).entries


def refusal(parties: Parties, *entries: ListEntry, **issued: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        opened(parties, *entries, **issued)
    assert refused.value.code == "E_LIST_BUNDLE"
    return refused.value.message


def chained(first: datetime, days: int, number: int = 40) -> tuple[ListEntry, ...]:
    """Entries of one plate of which each begins when the one before ends."""
    starts = [first + timedelta(days=days * each) for each in range(number)]
    ends = [start + timedelta(days=days) for start in starts]
    return tuple(
        plate_lists.entry(each, start=start, end=end)
        for each, (start, end) in enumerate(zip(starts, ends, strict=True))
    )


@pytest.mark.parametrize(
    ("max_entry_days", "days", "ahead"), [(90, 90, 90), (30, 30, 30), (366, 366, 92), (1, 1, 1)]
)
def test_p13_entries_that_follow_each_other_make_no_list_permanent(
    parties: Parties, max_entry_days: int, days: int, ahead: int
) -> None:
    """One plate would stay on the list for 40 times what the policy allows, by one signature."""
    first, second, *later = chained(ISSUED, days)
    soon = (first, second) if days <= ahead else (first,)

    assert opened(parties, *soon, max_entry_days=max_entry_days) == soon
    said = refusal(parties, first, second, *later, max_entry_days=max_entry_days)
    assert f".start: more than {quantity(ahead, 'day')} after the list is issued" in said


@pytest.mark.parametrize(
    ("start", "fits"),
    [
        (timedelta(days=90, hours=1), True),
        (timedelta(days=90, hours=1, seconds=1), False),
        (timedelta(days=365 * 30), False),
        (-timedelta(days=80), True),
    ],
)
def test_p13_an_entry_begins_soon_after_its_list_is_issued(
    parties: Parties, start: timedelta, fits: bool
) -> None:
    entry = plate_lists.entry(start=ISSUED + start, end=ISSUED + start + timedelta(days=1))

    if fits:
        assert opened(parties, entry) == (entry,)
    else:
        assert "entries[0].start: more than 90 days" in refusal(parties, entry)


@pytest.mark.parametrize(("start", "fits"), [("2026-06-01", True), ("2026-06-02", False)])
def test_p13_lists_build_names_the_line_of_an_entry_that_begins_too_late(
    tmp_path: Path, start: str, fits: bool
) -> None:
    """A list in a site folder, for trials, is not issued."""
    file = tmp_path / "list.csv"
    header = "id,plate,start,end,basis,reason,issuer\n"
    file.write_text(f"{header}s-1,1-QQQ-777,{start},2026-06-30,Decision 12,stolen,Control room\n")
    read = partial(read_list_file, file, zone=ZoneInfo("Europe/Brussels"), max_entries=5)

    assert read().entries
    if fits:
        assert read(issued_at=ISSUED).entries
        return
    with pytest.raises(
        ConfigError, match=r"list\.csv:2: start: more than 92 days after"
    ) as refused:
        read(issued_at=ISSUED)
    assert "777" not in refused.value.message


def test_p13_summer_time_does_not_make_an_entry_too_long(parties: Parties) -> None:
    start = datetime(2026, 10, 1, tzinfo=timezone.utc)
    longest = plate_lists.entry(start=start, end=start + timedelta(days=90, hours=1))
    longer = plate_lists.entry(start=start, end=start + timedelta(days=90, hours=1, seconds=1))

    assert opened(parties, longest, issued_at=start) == (longest,)
    assert "90 days" in refusal(parties, longer, issued_at=start)
