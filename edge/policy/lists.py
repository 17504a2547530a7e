"""Lists of plates as CSV files. One bad entry refuses the whole list; no plate is ever shown.

The columns are `id,plate,start,end,basis,reason,issuer`, and `kind` and `colour` if the list states
what its vehicles look like; `edge.policy.list_file` reads them.
`start` and `end` are a time or a date:

- `2026-03-10T08:00:00+01:00` or with `Z`: that instant; an entry ends just before `end`;
- `2026-03-10T08:00`: on the wall clocks of the policy's time zone;
- `2026-03-10`: as `start`, from the beginning of that day; as `end`, until the end of that
  day, in the policy's time zone.

A date may also be written `10.03.2026`, `10/03/2026` or `10-03-2026`, day first. With `/` and `-`
some countries put the month first. So such a date is read only if it is the same both ways, or if
another date of the file has a day above 12 in first place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import TypeVar

from edge.domain.appearance import NOTHING_STATED, Colour, Description, VehicleKind
from edge.domain.lists import ListEntry
from edge.domain.plates import PlateFormatError, PlateText, is_folded
from edge.errors import ConfigError
from edge.formats.plurals import quantity
from edge.formats.problems import refuse
from edge.policy.list_file import CODE, TEXTS, CsvRow, ListNote, Notes, read_rows
from edge.policy.list_words import word_faults
from edge.policy.vehicle_words import COLOUR_WORDS, KIND_WORDS

MAX_YEARS = 5
"""The longest period of an entry; a longer one would in fact be permanent."""

MAX_DAYS = MAX_YEARS * 366
"""The same in days, rounded up."""

MOST_DAYS_AHEAD = 92
"""How long after its issue an entry of a list may begin, days: a quarter. Otherwise entries that
follow each other would keep a plate on one list for ever."""

CLOCKS_CHANGED = timedelta(hours=1)
"""Allowance for calendar days that are longer than 24 hours, when clocks are changed."""

MAX_TEXT = 500
ENTRY_ID_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"

_ID = re.compile(ENTRY_ID_PATTERN, re.ASCII)
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
# A date with its day first or its year first, as spreadsheets write it; then perhaps a time.
_OTHER_DATE = re.compile(
    r"([0-9]{1,4})([./-])([0-9]{1,2})\2([0-9]{1,4})\.?"
    r"(?:[T ]+([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
# What a spreadsheet makes of a plate that it takes for a number: 1.23E+12, 1234.0.
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+[0-9]+|[0-9]+[.,]0", re.IGNORECASE)
# German plates: letters of the district, one or two letters, a number.
_GERMAN = re.compile(r"([A-Z]{2,4})[ .-]+[A-Z]{1,2}[ .-]*[1-9][0-9]{0,3}[EH]?")
_GERMAN_IN_ONE = re.compile(r"([A-Z]{3,5})[A-Z][1-9][0-9]{0,3}[EH]?")
_DIGRAPH = re.compile(r"[AOU]E")
_DISTRICTS_WITH_DIGRAPH = frozenset({"AE", "OE", "UE", "UEM", "UER"})
# Years outside this range are typing errors; inside it no datetime arithmetic overflows.
_YEARS = range(2000, 2200)


_Word = TypeVar("_Word", VehicleKind, Colour)


class _EntryError(ValueError):
    """A mistake in one entry; the message repeats column names only, never a value."""


@dataclass(frozen=True, slots=True)
class ListFile:
    """The entries of a list, and what should be known about how they were read."""

    entries: tuple[ListEntry, ...] = field(repr=False)
    notes: tuple[ListNote, ...]


def read_list(
    path: Path,
    *,
    zone: tzinfo,
    max_entries: int,
    max_entry_days: int = MAX_DAYS,
    exempt: bool = False,
) -> tuple[ListEntry, ...]:
    """The entries of a list; see `read_list_file`."""
    return read_list_file(
        path, zone=zone, max_entries=max_entries, max_entry_days=max_entry_days, exempt=exempt
    ).entries


def with_note_of_ended(listed: ListFile, now: datetime) -> ListFile:
    """The same list, with a note if all of its entries have ended, or there are none."""
    if any(entry.end > now for entry in listed.entries):
        return listed
    what = "every entry has ended" if listed.entries else "there is no entry"
    text = f"{what}: a box takes this as a permit list only if it was built with --shrinks-from"
    note = ListNote("ended", text)
    return replace(listed, notes=(*listed.notes, note))


def read_list_file(
    path: Path,
    *,
    zone: tzinfo,
    max_entries: int,
    max_entry_days: int = MAX_DAYS,
    exempt: bool = False,
    issued_at: datetime | None = None,
) -> ListFile:
    """Read a list; one bad entry refuses all of it.

    Args:
        path: the CSV file.
        zone: the time zone of dates and of times without an offset.
        max_entries: the most entries that the policy allows.
        max_entry_days: the longest that the policy lets an entry last.
        exempt: whether it is known to be a permit list.
        issued_at: when it is issued; None: it is for a trial, and not issued.

    Raises:
        ConfigError: the file cannot be read, or an entry is wrong; one line
            for each problem, naming file and line but never their content.
    """
    notes = Notes()
    problems: list[str] = []
    rows = _rows(path, max_entries, notes, problems)
    reader = _EntryReader(
        zone,
        notes,
        day_first=any(_shows_order(row, day=1, month=3) for row in rows),
        month_first=any(_shows_order(row, day=3, month=1) for row in rows),
    )
    entries: list[tuple[int, ListEntry]] = []
    seen: set[str] = set()
    for row in rows:
        where = f"{path}:{row.line}"
        try:
            entry = reader.entry(row)
            fault = entry_fault(entry, max_entry_days, issued_at, exempt=exempt)
            if fault is not None:
                raise _EntryError(fault)  # noqa: TRY301 - reported like every mistake
        except _EntryError as error:
            problems.append(f"{where}: {error}")
            continue
        if entry.entry_id in seen:
            problems.append(f"{where}: id: another entry has the same id; give each its own")
        seen.add(entry.entry_id)
        entries.append((row.line, entry))
    for place, fault in word_faults([entry for _, entry in entries]):
        problems.append(f"{path}:{entries[place][0]}: {fault}")
    refuse(problems, code=CODE)
    reader.note_repeated_plates()
    return ListFile(tuple(entry for _, entry in entries), notes.all())


def _rows(path: Path, max_entries: int, notes: Notes, problems: list[str]) -> list[CsvRow]:
    """The file's rows, at most one more than are allowed; adds what is wrong with the file."""
    found: list[CsvRow] = []
    rows = read_rows(path, notes)
    try:
        for row in rows:
            found.append(row)
            if len(found) > max_entries:
                problems.append(
                    f"{path}:{row.line}: more than {max_entries} entries, the list's max_entries "
                    "in the policy; shorten the list"
                )
                break
    except ConfigError as error:
        if not found:
            raise
        problems.append(error.message)
    return found


def entry_fault(
    entry: ListEntry, max_days: int, issued_at: datetime | None = None, *, exempt: bool = False
) -> str | None:
    """What the policy does not allow of an entry, as column and message; None if nothing.

    Args:
        entry: as it was read, from a file or a bundle.
        max_days: the longest that the policy allows.
        issued_at: when its list is issued; None: it is for a trial, and not issued.
        exempt: whether it is of a permit list.
    """
    if exempt and entry.stated != NOTHING_STATED:
        return (
            "kind and colour: a permit list states neither, because they are compared only before "
            "a hit on a listed plate; delete the two columns"
        )
    if entry.end <= entry.start:
        return "end: must be after start"
    if entry.start.year not in _YEARS or entry.end.year not in _YEARS:
        return f"end: start and end must lie in the years {_YEARS.start} to {_YEARS.stop - 1}"
    allowed = min(max_days, MAX_DAYS)
    if entry.end - entry.start > timedelta(days=allowed) + CLOCKS_CHANGED:
        return (
            f"end: more than {quantity(allowed, 'day')} after start, the longest that the policy's "
            "max_entry_days allows; shorten it"
        )
    ahead = min(allowed, MOST_DAYS_AHEAD)
    if issued_at is not None and entry.start > issued_at + timedelta(days=ahead) + CLOCKS_CHANGED:
        return (
            f"start: more than {quantity(ahead, 'day')} after the list is issued; add the entry to "
            "a list that is issued later"
        )
    return None


class _EntryReader:
    """Turns rows into entries.

    Args:
        zone: the time zone of dates and of times without an offset.
        notes: gets what was accepted and should be known.
        day_first: whether a date of the file shows that its days come before its months.
        month_first: whether one shows the opposite.
    """

    def __init__(self, zone: tzinfo, notes: Notes, *, day_first: bool, month_first: bool) -> None:
        self._zone = zone
        self._notes = notes
        self._day_first = day_first
        self._month_first = month_first
        self._plates: dict[PlateText, list[tuple[int, str, ListEntry]]] = {}

    def entry(self, row: CsvRow) -> ListEntry:
        """The entry of a row.

        Raises:
            _EntryError: a field is wrong.
        """
        if row.cells is None:
            raise _EntryError(row.fault)
        cells = row.cells
        if not _ID.fullmatch(cells["id"]):
            raise _EntryError("id: must be 1 to 64 letters, digits, dots, - or _")
        plate = self._plate(row.line, cells["plate"])
        start, end = self._period(row.line, cells["start"], cells["end"])
        for column in sorted(TEXTS):
            if not 1 <= len(cells[column]) <= MAX_TEXT:
                raise _EntryError(f"{column}: must be 1 to {MAX_TEXT} characters")
        entry = ListEntry(
            cells["id"],
            plate,
            start,
            end,
            cells["basis"],
            cells["reason"],
            cells["issuer"],
            self._stated(row.line, cells),
        )
        self._plates.setdefault(plate, []).append((row.line, cells["plate"], entry))
        return entry

    def _stated(self, line: int, cells: Mapping[str, str]) -> Description:
        """What the entry states of its vehicle; columns that are missing or empty state nothing."""
        kind = self._word(line, "kind", cells, KIND_WORDS)
        colour = self._word(line, "colour", cells, COLOUR_WORDS)
        return NOTHING_STATED if kind is None and colour is None else Description(kind, colour)

    def _word(
        self, line: int, column: str, cells: Mapping[str, str], words: Mapping[str, _Word]
    ) -> _Word | None:
        """The meaning of a cell in a closed set of words, in any of the four languages."""
        cell = cells.get(column, "")
        if not cell:
            return None
        found = words.get(cell.casefold())
        if found is None:
            known = ", ".join(dict.fromkeys(one.value for one in words.values()))
            raise _EntryError(f"{column}: must be one of {known}, or empty if it is not known")
        if cell != found.value:
            self._notes.add("words", f"words of the column {column} were translated", line)
        return found

    def note_repeated_plates(self) -> None:
        """Note plates that several entries have, in other spellings or with the same days."""
        for found in self._plates.values():
            lines = [line for line, _, _ in found]
            if len({spelling for _, spelling, _ in found}) > 1:
                self._notes.add("same-plate", "the same plate is written in different ways", *lines)
            elif any(
                one.start < other.end and other.start < one.end
                for place, (_, _, one) in enumerate(found)
                for _, _, other in found[place + 1 :]
            ):
                self._notes.add("overlap", "the same plate has periods that overlap", *lines)

    def _plate(self, line: int, raw: str) -> PlateText:
        if _NUMBER.fullmatch(raw) or _is_date(raw):
            raise _EntryError(
                "plate: a number or date that a spreadsheet has put in place of the plate; set "
                "the column to text, and type the plate again"
            )
        try:
            plate = PlateText.parse(raw)
        except PlateFormatError as error:
            raise _EntryError(f"plate: {error}") from None
        if is_folded(raw):
            self._notes.add(
                "folded", "letters with marks, or of other alphabets, were read as A to Z", line
            )
        if _may_be_umlaut(raw.upper()):
            self._notes.add(
                "digraph",
                "AE, OE or UE may have been typed for Ä, Ö or Ü, which a box reads as A, O and U; "
                "if the plate shows such a letter, write it",
                line,
            )
        return plate

    def _period(self, line: int, raw_start: str, raw_end: str) -> tuple[datetime, datetime]:
        if not raw_end:
            raise _EntryError("end: is missing; every entry must end, so give a date")
        start_text, end_text = (
            self._iso(line, column, raw) for column, raw in (("start", raw_start), ("end", raw_end))
        )
        if re.search(r"[T ]00:00(:00)?$", end_text):
            self._notes.add(
                "midnight",
                "the entry ends when its last day begins; to include that day, write the date "
                "alone",
                line,
            )
        return _period(start_text, end_text, self._zone)

    def _iso(self, line: int, column: str, raw: str) -> str:
        """A date or time with its year first; unchanged if it has that form or none."""
        match = _OTHER_DATE.fullmatch(raw)
        if match is None or _TIME.fullmatch(raw):
            return raw
        first, sign, middle, last, clock, offset = match.groups()
        year, day = (first, last) if len(first) == 4 else (last, first)
        if len(year) != 4 or len(day) > 2:
            raise _EntryError(f"{column}: write the year with four digits, such as 2026-03-10")
        if len(last) == 4 and sign != ".":
            self._require_day_first(column, int(first), int(middle))
        if len(last) == 4:
            self._notes.add("day-first", "dates were read as day, month, year", line)
        date = f"{year}-{int(middle):02}-{int(day):02}"
        if clock is None:
            return date
        return f"{date}T{'0' if clock[1] == ':' else ''}{clock}{offset or ''}"

    def _require_day_first(self, column: str, first: int, second: int) -> None:
        if second > 12 and first > 12:
            raise _EntryError(
                f"{column}: there is no month {second}; write the date like 2026-12-31"
            )
        unclear = first != second and first <= 12 and not self._day_first
        if second > 12 or (unclear and self._month_first):
            raise _EntryError(
                f"{column}: a date with the month first is not read; write it like 2026-12-31"
            )
        if unclear:
            raise _EntryError(
                f"{column}: must be a date with a clear order, as no date of this file shows "
                "whether day or month comes first; write it like 2026-03-10"
            )


def _is_date(raw: str) -> bool:
    match = _OTHER_DATE.fullmatch(raw)
    return match is not None and 4 in {len(match.group(1)), len(match.group(4))}


def _shows_order(row: CsvRow, *, day: int, month: int) -> bool:
    """Whether a date of the row has its day in this place, as it is above 12 and so no month.

    Args:
        row: with a start and an end.
        day: the group of `_OTHER_DATE` that would be the day, 1 or 3.
        month: the other one.
    """
    found = (_OTHER_DATE.fullmatch((row.cells or {}).get(name, "")) for name in ("start", "end"))
    return any(
        match is not None
        and match.group(2) != "."
        and len(match.group(4)) == 4
        and int(match.group(day)) > 12
        and int(match.group(month)) <= 12
        for match in found
    )


def _may_be_umlaut(plate: str) -> bool:
    """Whether a German district may have been typed with AE, OE or UE for Ä, Ö or Ü."""
    match = _GERMAN.fullmatch(plate)
    if match is not None:
        district = match.group(1)
        return bool(_DIGRAPH.search(district)) and district not in _DISTRICTS_WITH_DIGRAPH
    match = _GERMAN_IN_ONE.fullmatch(plate)
    return (
        match is not None
        and bool(_DIGRAPH.search(match.group(1)))
        and not match.group(1).startswith(tuple(_DISTRICTS_WITH_DIGRAPH))
    )


def _period(raw_start: str, raw_end: str, zone: tzinfo) -> tuple[datetime, datetime]:
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
            f"{column}: must be a date (2026-03-10 or 10.03.2026) or a time "
            "(2026-03-10T08:00:00+01:00)"
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
