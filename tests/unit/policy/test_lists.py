"""Lists as CSV: periods of entries, and the refusal of a whole list for one bad entry."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.lists import ListEntry
from edge.domain.plates import PlateText
from edge.errors import ConfigError
from edge.policy.lists import read_list
from tests.support.example_site import HEADER

BRUSSELS = ZoneInfo("Europe/Brussels")
GOOD = "e1,1-ABC-123,2026-01-01,2026-12-31,Decision 12,resident,Mobility office\n"


def read(folder: Path, text: str | bytes, max_entries: int = 10) -> tuple[ListEntry, ...]:
    path = folder / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_list(path, zone=BRUSSELS, max_entries=max_entries)


def refusal(folder: Path, text: str | bytes, max_entries: int = 10) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, max_entries)
    return caught.value.message


def period(folder: Path, start: str, end: str) -> tuple[datetime, datetime]:
    (entry,) = read(folder, f"{HEADER}e1,1-ABC-123,{start},{end},basis,reason,issuer\n")
    assert entry.start.tzinfo is timezone.utc
    assert entry.end.tzinfo is timezone.utc
    return entry.start, entry.end


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


def test_an_entry_is_read_with_all_its_fields(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, HEADER + GOOD)
    assert entry == ListEntry(
        entry_id="e1",
        plate=PlateText.parse("1ABC123"),
        start=utc("2025-12-31T23:00:00"),
        end=utc("2026-12-31T23:00:00"),
        basis="Decision 12",
        reason="resident",
        issuer="Mobility office",
    )


def test_the_repr_of_an_entry_hides_personal_data(tmp_path: Path) -> None:
    shown = repr(read(tmp_path, HEADER + GOOD))
    for part in ("e1", "ABC", "123", "resident", "Decision", "Mobility"):
        assert part not in shown


@pytest.mark.parametrize(
    ("start", "end", "begins", "ends"),
    [
        # A date is a local day: UTC+1 in winter, UTC+2 in summer.
        ("2026-03-10", "2026-03-10", "2026-03-09T23:00:00", "2026-03-10T23:00:00"),
        ("2026-07-01", "2026-07-31", "2026-06-30T22:00:00", "2026-07-31T22:00:00"),
        # The days on which the clocks change have 23 and 25 hours.
        ("2026-03-29", "2026-03-29", "2026-03-28T23:00:00", "2026-03-29T22:00:00"),
        ("2026-10-25", "2026-10-25", "2026-10-24T22:00:00", "2026-10-25T23:00:00"),
        (
            "2026-03-10T08:00",
            "2026-03-10T09:30:15",
            "2026-03-10T07:00:00",
            "2026-03-10T08:30:15",
        ),
        (
            "2026-03-10T08:00:00Z",
            "2026-03-10T08:00:01+00:00",
            "2026-03-10T08:00:00",
            "2026-03-10T08:00:01",
        ),
        (
            "2026-03-10 08:00+01:00",
            "2026-03-10T08:00-05:00",
            "2026-03-10T07:00:00",
            "2026-03-10T13:00:00",
        ),
        ("2024-02-29", "2029-02-28", "2024-02-28T23:00:00", "2029-02-28T23:00:00"),
    ],
)
def test_a_period_starts_and_ends_at_these_instants(
    tmp_path: Path, start: str, end: str, begins: str, ends: str
) -> None:
    assert period(tmp_path, start, end) == (utc(begins), utc(ends))


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("2026-01-01", "", "end: is missing"),
        ("2026-01-01", " ", "end: is missing"),
        ("", "2026-01-01", "start: must be a date"),
        ("2026-01-01", "9999-12-31", "end: more than 5 years"),
        ("2026-01-01", "9999-12-31T23:59:59Z", "end: more than 5 years"),
        ("2026-01-01", "2031-01-01", "end: more than 5 years"),
        ("2026-01-01T00:00:00+01:00", "2031-01-01T00:00:01+01:00", "end: more than 5 years"),
        ("2024-02-29", "2029-03-01", "end: more than 5 years"),
        ("2026-01-02", "2026-01-01", "end: must be after start"),
        ("2026-01-01T08:00", "2026-01-01T08:00", "end: must be after start"),
        ("2026-01-01T08:00Z", "2026-01-01T08:30+01:00", "end: must be after start"),
        ("2026-02-30", "2026-03-01", "start: no such date or time"),
        ("2026-01-01T25:00", "2026-03-01", "start: no such date or time"),
        ("2026-01-01T08:00+25:00", "2026-03-01", "start: no such date or time"),
        ("01/02/2026", "2026-03-01", "start: must be a date"),
        ("20260101", "2026-03-01", "start: must be a date"),
        ("0001-01-01", "2026-03-01", "start: the year must be 2000 to 2199"),
        ("2026-01-01", "0001-01-01", "end: the year must be 2000 to 2199"),
        # 02:30 is skipped in March and comes twice in October.
        ("2026-03-29T02:30", "2026-04-01", "start: clocks are changed"),
        ("2026-10-01", "2026-10-25T02:30", "end: clocks are changed"),
    ],
)
def test_a_period_that_is_missing_permanent_or_unclear_refuses_the_list(
    tmp_path: Path, start: str, end: str, says: str
) -> None:
    message = refusal(tmp_path, f"{HEADER}{GOOD}e2,1-ABC-124,{start},{end},basis,reason,issuer\n")
    assert f"list.csv:3: {says}" in message


def test_five_years_to_the_day_are_allowed(tmp_path: Path) -> None:
    start, end = period(tmp_path, "2026-01-01", "2030-12-31")
    assert end - start == timedelta(days=5 * 365 + 1)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("e1,1-ABC-124,2026-01-01,2026-12-31,b,r,i", "id: another entry has the same id"),
        (",1-ABC-124,2026-01-01,2026-12-31,b,r,i", "id: must be"),
        ("e 2,1-ABC-124,2026-01-01,2026-12-31,b,r,i", "id: must be"),
        ("e2,,2026-01-01,2026-12-31,b,r,i", "plate: "),
        ("e2,1-ABß-124,2026-01-01,2026-12-31,b,r,i", "plate: "),
        ("e2,1234567890123,2026-01-01,2026-12-31,b,r,i", "plate: "),
        ("e2,1-ABC-124,2026-01-01,2026-12-31,,r,i", "basis: must be"),
        ("e2,1-ABC-124,2026-01-01,2026-12-31,b,  ,i", "reason: must be"),
        ("e2,1-ABC-124,2026-01-01,2026-12-31,b,r,", "issuer: must be"),
        (f"e2,1-ABC-124,2026-01-01,2026-12-31,b,r,{'i' * 501}", "issuer: must be"),
        ("e2,1-ABC-124,2026-01-01,2026-12-31,b,r", "6 columns instead of 7"),
        ("e2,1-ABC-124,2026-01-01,2026-12-31,b,r,i,more", "8 columns instead of 7"),
        ('e2,1-ABC-124,2026-01-01,2026-12-31,b,r,"i', "not CSV"),
        ('e2,1-ABC-124,2026-01-01,2026-12-31,b,r,"i"x', "not CSV"),
    ],
)
def test_one_bad_entry_refuses_the_whole_list(tmp_path: Path, row: str, says: str) -> None:
    message = refusal(tmp_path, f"{HEADER}{GOOD}{row}\n")
    assert f"list.csv:3: {says}" in message
    assert "124" not in message.replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "list.csv:1: the first line must be id,plate"),
        ("\n" + HEADER + GOOD, "list.csv:1: the first line must be"),
        (GOOD, "list.csv:1: the first line must be"),
        ("id,plate\n", "list.csv:1: the first line must be"),
        ((HEADER + GOOD).replace(",", "|"), "list.csv:1: the first line must be"),
        ((HEADER + GOOD).encode("utf-16-le"), "list.csv:1: not UTF-8"),
        (HEADER.encode() + b"e1,1-ABC-123,\x81,,,,\n", "list.csv:2: not UTF-8"),
        (
            b"PK\x03\x04" + bytes(30),
            "list.csv:1: ",
        ),  # Python 3.10's csv refuses NUL in its own words
    ],
)
def test_an_invalid_list_file_is_refused(tmp_path: Path, text: str | bytes, says: str) -> None:
    message = refusal(tmp_path, text)
    assert says in message
    assert "ABC" not in message


def test_a_list_longer_than_the_policy_allows_is_refused(tmp_path: Path) -> None:
    rows = [GOOD.replace("e1", f"e{number}") for number in range(3)]
    assert len(read(tmp_path, HEADER + "".join(rows), max_entries=3)) == 3
    message = refusal(tmp_path, HEADER + "".join(rows), max_entries=2)
    assert "list.csv:4: more than 2 entries" in message


def test_every_bad_line_is_reported(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEADER + "x\n" + GOOD + "y\n")
    assert [line.split(": ")[0].rsplit("/")[-1] for line in message.splitlines()] == [
        "list.csv:2",
        "list.csv:4",
    ]


def test_a_list_may_be_empty_and_have_blank_lines_and_windows_line_ends(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER) == ()
    text = (HEADER + "\n" + GOOD + "\n").replace("\n", "\r\n")
    assert len(read(tmp_path, b"\xef\xbb\xbf" + text.encode())) == 1


def test_quoted_texts_may_hold_commas_and_line_breaks(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, HEADER + GOOD.replace("resident", '"nurse, mornings"'))
    assert entry.reason == "nurse, mornings"
    message = refusal(tmp_path, HEADER + GOOD.replace("resident", '"two\nlines"') + "x\n")
    assert "list.csv:4: 1 column instead of 7; " in message


def test_one_vehicle_may_have_several_periods(tmp_path: Path) -> None:
    second = GOOD.replace("e1", "e2").replace("2026-", "2027-")
    assert len({entry.plate for entry in read(tmp_path, HEADER + GOOD + second)}) == 1


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.csv: no such file"):
        read_list(tmp_path / "gone.csv", zone=BRUSSELS, max_entries=1)


CELLS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["2026-01-01", "2026-12-31", "1-QQQ-777", "e1", '"', ",", "\n", "\r", "\x00"]
)


@settings(deadline=None)
@given(st.lists(st.lists(CELLS, max_size=8).map(",".join), max_size=5).map("\n".join))
def test_any_text_gives_a_list_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        entries = read(folder, HEADER + text)
    except ConfigError as error:
        assert "QQQ" not in error.message  # noqa: PT017 - both outcomes are right
    else:
        assert all(entry.start < entry.end for entry in entries)


def test_stray_quotes_hide_no_entry(tmp_path: Path) -> None:
    rows = (
        'e1,1-ABC-123,2026-01-01,2026-12-31,basis,"reason,issuer\n'
        'e2,1-ABC-124,2026-01-01,2026-12-31,basis,reason",issuer\n'
    )
    assert "line break" in refusal(tmp_path, HEADER + rows)


@pytest.mark.parametrize("plate", ["1ßC123", "1ſBC123", "1ıBC123", "ﬃ123"])
def test_letters_that_become_latin_only_in_upper_case_are_refused(
    plate: str, tmp_path: Path
) -> None:
    row = GOOD.replace("1-ABC-123", plate)
    assert "plate" in refusal(tmp_path, HEADER + row)


def test_an_entry_longer_than_the_policy_allows_refuses_the_list(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{HEADER}e1,1-ABC-123,2026-03-01,2026-03-31,basis,reason,issuer\n")

    assert read_list(path, zone=BRUSSELS, max_entries=9, max_entry_days=31)
    with pytest.raises(ConfigError, match=r"list\.csv:2: end: more than 30 days after start"):
        read_list(path, zone=BRUSSELS, max_entries=9, max_entry_days=30)
