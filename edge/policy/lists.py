"""Lists of plates as CSV files. One bad entry refuses the whole list; no plate is ever shown.

The header is `id,plate,start,end,basis,reason,issuer`. `start` and `end` are ISO 8601:

- `2026-03-10T08:00:00+01:00` or with `Z`: that instant; an entry ends just before `end`;
- `2026-03-10T08:00`: on the wall clocks of the policy's time zone;
- `2026-03-10`: as `start`, from the beginning of that day; as `end`, until the end of that
  day, in the policy's time zone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path

from edge.domain.lists import ListEntry
from edge.domain.plates import PlateFormatError, PlateText
from edge.errors import ConfigError
from edge.formats.problems import refuse
from edge.formats.yaml_document import read_text

COLUMNS = ("id", "plate", "start", "end", "basis", "reason", "issuer")
MAX_YEARS = 5
"""The longest period of an entry; a longer one would in fact be permanent."""

MAX_DAYS = MAX_YEARS * 366
"""The same in days, rounded up."""

CLOCKS_CHANGED = timedelta(hours=1)
"""Allowance for calendar days that are longer than 24 hours, when clocks are changed."""

MAX_BYTES = 32 * 1024 * 1024
MAX_TEXT = 500
ENTRY_ID_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"
CODE = "E_LIST"

_ID = re.compile(ENTRY_ID_PATTERN, re.ASCII)
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
# Years outside this range are typing errors; inside it no datetime arithmetic overflows.
_YEARS = range(2000, 2200)


class _EntryError(ValueError):
    """A mistake in one entry; the message repeats column names only, never a value."""


def read_list(
    path: Path, *, zone: tzinfo, max_entries: int, max_entry_days: int = MAX_DAYS
) -> tuple[ListEntry, ...]:
    """Read a list; one bad entry refuses all of it.

    Args:
        path: the CSV file, UTF-8.
        zone: the time zone of dates and of times without an offset.
        max_entries: the most entries that the policy allows.
        max_entry_days: the longest that the policy lets an entry last.

    Raises:
        ConfigError: the file cannot be read, or an entry is wrong; one line
            for each problem, naming file and line but never their content.
    """
    rows = csv.reader(io.StringIO(read_text(path, MAX_BYTES), newline=""), strict=True)
    entries: list[ListEntry] = []
    problems: list[str] = []
    seen: set[str] = set()
    try:
        header = next(rows, [])
        _check_header(path, header)
        for row in rows:
            if not row:
                continue
            where = f"{path}:{rows.line_num}"
            try:
                entry = _entry(row, zone)
                fault = entry_fault(entry, max_entry_days)
                if fault is not None:
                    raise _EntryError(fault)  # noqa: TRY301 - reported like every mistake
            except _EntryError as error:
                problems.append(f"{where}: {error}")
                continue
            if entry.entry_id in seen:
                problems.append(f"{where}: id: another entry has the same id; give each its own")
            seen.add(entry.entry_id)
            entries.append(entry)
            if len(entries) > max_entries:
                problems.append(
                    f"{where}: more than {max_entries} entries, the list's max_entries in the "
                    "policy; shorten the list"
                )
                break
    except csv.Error:
        problems.append(f"{path}:{rows.line_num}: not CSV; check quotes and line ends")
    refuse(problems, code=CODE)
    return tuple(entries)


def entry_fault(entry: ListEntry, max_days: int) -> str | None:
    """What is wrong with an entry's period, as column and message; None if nothing is.

    Args:
        entry: as it was read, from a file or a bundle.
        max_days: the longest that the policy allows.
    """
    if entry.end <= entry.start:
        return "end: must be after start"
    if entry.start.year not in _YEARS or entry.end.year not in _YEARS:
        return f"end: start and end must lie in the years {_YEARS.start} to {_YEARS.stop - 1}"
    allowed = min(max_days, MAX_DAYS)
    if entry.end - entry.start > timedelta(days=allowed) + CLOCKS_CHANGED:
        return (
            f"end: more than {allowed} days after start, the longest that the policy's "
            "max_entry_days allows; shorten it"
        )
    return None


def _check_header(path: Path, header: Sequence[str]) -> None:
    if tuple(header) == COLUMNS:
        return
    cure = "separate the columns by commas" if ";" in "".join(header) else "correct it"
    raise ConfigError(f"{path}:1: the first line must be {','.join(COLUMNS)}; {cure}", code=CODE)


def _entry(row: Sequence[str], zone: tzinfo) -> ListEntry:
    if len(row) != len(COLUMNS):
        raise _EntryError(
            f"{len(row)} columns instead of {len(COLUMNS)}; quote texts that hold a comma"
        )
    entry_id, raw_plate, raw_start, raw_end, basis, reason, issuer = map(str.strip, row)
    if any(not text.isprintable() for text in row):
        raise _EntryError("a line break or control character within a field; check the quotes")
    if not _ID.fullmatch(entry_id):
        raise _EntryError("id: must be 1 to 64 letters, digits, dots, - or _")
    try:
        plate = PlateText.parse(raw_plate)
    except PlateFormatError as error:
        raise _EntryError(f"plate: {error}") from None
    start, end = _period(raw_start, raw_end, zone)
    for column, text in (("basis", basis), ("reason", reason), ("issuer", issuer)):
        if not 1 <= len(text) <= MAX_TEXT:
            raise _EntryError(f"{column}: must be 1 to {MAX_TEXT} characters")
    return ListEntry(entry_id, plate, start, end, basis, reason, issuer)


def _period(raw_start: str, raw_end: str, zone: tzinfo) -> tuple[datetime, datetime]:
    if not raw_end:
        raise _EntryError("end: is missing; every entry must end, so give a date")
    start = _moment("start", raw_start, zone, end_of_day=False)
    if raw_end[:4].isdecimal() and int(raw_end[:4]) >= _YEARS.stop:
        raise _EntryError(_PERMANENT)
    end = _moment("end", raw_end, zone, end_of_day=True)
    if end <= start:
        raise _EntryError("end: must be after start")
    local_start, local_end = start.astimezone(zone), end.astimezone(zone)
    if local_end.replace(tzinfo=None) > _years_later(local_start.replace(tzinfo=None)):
        raise _EntryError(_PERMANENT)
    return start, end


_PERMANENT = f"end: more than {MAX_YEARS} years after start, a permanent entry; shorten it"


def _years_later(moment: datetime) -> datetime:
    try:
        return moment.replace(year=moment.year + MAX_YEARS)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year + MAX_YEARS, month=3, day=1)


def _moment(column: str, raw: str, zone: tzinfo, *, end_of_day: bool) -> datetime:
    """An instant in UTC; a bare date is its first moment, or the first after it."""
    match = _TIME.fullmatch(raw)
    if match is None:
        raise _EntryError(
            f"{column}: must be a date (2026-03-10) or a time (2026-03-10T08:00:00+01:00)"
        )
    day, clock, offset = match.groups()
    if int(day[:4]) not in _YEARS:
        raise _EntryError(f"{column}: the year must be {_YEARS.start} to {_YEARS.stop - 1}")
    # Python 3.10 reads no Z.
    suffix = {None: "", "Z": "+00:00"}.get(offset, offset)
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{suffix}")
    except ValueError:
        raise _EntryError(f"{column}: no such date or time exists; correct it") from None
    if offset is not None:
        return moment.astimezone(timezone.utc)
    if clock is None:
        midnight = moment + timedelta(days=1) if end_of_day else moment
        return midnight.replace(tzinfo=zone).astimezone(timezone.utc)
    meanings = set(_instants(moment, zone))
    if len(meanings) != 1:
        raise _EntryError(
            f"{column}: clocks are changed at that time, so it is not one instant; add an "
            "offset such as +01:00"
        )
    return meanings.pop()


def _instants(local: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The instants at which the clocks of a zone show this time: none, one or two."""
    for fold in (0, 1):
        instant = local.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc)
        if instant.astimezone(zone).replace(tzinfo=None) == local:
            yield instant
