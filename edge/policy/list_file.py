"""A list as a spreadsheet writes it: a CSV file's encoding, columns and cells.

What has one meaning only is accepted, and a note says what was done. Everything else is refused,
with the line and the cure. No message quotes a cell: even a first line may be a plate.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import ConfigError
from edge.formats.plurals import quantity
from edge.formats.yaml_document import read_bytes

COLUMNS = ("id", "plate", "start", "end", "basis", "reason", "issuer")
OPTIONAL = ("kind", "colour")
"""Columns of what the vehicle looks like; a list may lack them."""

KNOWN_NAMES = {
    "plaat": "plate",
    "nummerplaat": "plate",
    "kenteken": "plate",
    "plaque": "plate",
    "immatriculation": "plate",
    "kennzeichen": "plate",
    "nummernschild": "plate",
    "licence plate": "plate",
    "begin": "start",
    "van": "start",
    "début": "start",
    "debut": "start",
    "beginn": "start",
    "von": "start",
    "from": "start",
    "einde": "end",
    "eind": "end",
    "tot": "end",
    "fin": "end",
    "ende": "end",
    "bis": "end",
    "until": "end",
    "grond": "basis",
    "rechtsgrond": "basis",
    "base": "basis",
    "base légale": "basis",
    "grundlage": "basis",
    "rechtsgrundlage": "basis",
    "legal basis": "basis",
    "reden": "reason",
    "raison": "reason",
    "motif": "reason",
    "grund": "reason",
    "uitgever": "issuer",
    "dienst": "issuer",
    "émetteur": "issuer",
    "aussteller": "issuer",
    "nummer": "id",
    "numéro": "id",
    "number": "id",
}
"""What other headers may call a column. A message quotes these words only, as no plate is one."""

_OPTIONAL_NAMES = {
    "soort": "kind",
    "voertuigsoort": "kind",
    "genre": "kind",
    "fahrzeugart": "kind",
    "vehicle kind": "kind",
    "kleur": "colour",
    "couleur": "colour",
    "farbe": "colour",
    "color": "colour",
}
"""What other headers may call an optional column."""

_SEARCHED_LINES = 20
"""How many lines below a title are searched for the header."""

TEXTS = frozenset({"basis", "reason", "issuer"})
"""The columns that hold free text; the others hold no quotes, and hyphens of one kind only."""

MAX_BYTES = 32 * 1024 * 1024
CODE = "E_LIST"

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods, and .xls
_SAVE_AGAIN = "save it as `CSV UTF-8`"
_INVISIBLE = "\N{SOFT HYPHEN}\N{ZERO WIDTH SPACE}\N{WORD JOINER}\ufeff"
# A cell that was marked as text by hand: 'text, or ="text".
_MARKED_TEXT = re.compile(r"""['\N{RIGHT SINGLE QUOTATION MARK}](.*)|="(.*)\"""")
# What a letter with a mark becomes if UTF-8 is read as Windows-1252: its first half, then for Š a
# space. Dropping the rest would make another plate of it.
_BROKEN_LETTERS = re.compile("\N{LATIN CAPITAL LETTER A WITH TILDE}|\xc5\xa0")
# The letters of plates at whose bytes the code pages Windows-1250 to 1254 and 1257 agree, or have
# a letter that is on no plate. At other bytes, E of one is a Greek, Cyrillic or Č of another.
_SURE_LETTERS = frozenset("ÄÖÜØäöüø")


@dataclass(frozen=True, slots=True)
class ListNote:
    """Something that was accepted and should be known: what, in words, and in which lines.

    `what` is one word of a closed set; `lines` is empty if it concerns the whole file.
    """

    what: str
    text: str
    lines: tuple[int, ...] = ()


@dataclass(slots=True)
class Notes:
    """Collects notes, one of each kind with all its lines."""

    _found: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, what: str, text: str, *lines: int) -> None:
        """Note something about the file, or about lines of it."""
        self._found.setdefault((what, text), []).extend(lines)

    def all(self) -> tuple[ListNote, ...]:
        """All notes, in the order in which their kinds were first found."""
        return tuple(
            ListNote(what, text, tuple(sorted(set(lines))))
            for (what, text), lines in self._found.items()
        )


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row: the line it ends on, and its cells by column.

    `cells` is None if the row cannot be assigned to the columns; `fault` says why.
    """

    line: int
    cells: dict[str, str] | None = field(repr=False)
    fault: str = ""


def read_rows(path: Path, notes: Notes) -> Iterator[CsvRow]:
    """The rows of a list in the order of the file, without empty ones.

    Args:
        path: a CSV file: UTF-8, UTF-16 with a byte order mark, or Windows-1252; columns in any
            order, separated by commas, semicolons or tabs.
        notes: gets what was done.

    Raises:
        ConfigError: the file cannot be read, is not text, has other columns, or has wrong quotes.
    """
    text, certain = _decoded(path, read_bytes(path, MAX_BYTES), notes)
    said = re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)  # Excel writes this line
    first_line = 1 if said is None else 2
    body = text if said is None else text[said.end() :]
    if not body.strip():
        raise _other_columns(f"{path}:{first_line}", "the file is empty")
    candidates = tuple(_DELIMITERS) if said is None else (said.group(1),)
    delimiter, header = _best_header(body, candidates)
    complete = set(COLUMNS) <= set(header)
    below = None if complete else _header_below(body, candidates, first_line)
    _check_header(f"{path}:{first_line}", header, below)
    if delimiter != ",":
        named = _DELIMITERS.get(delimiter, "the sign that its first line names")
        notes.add("delimiter", f"the columns are separated by {named}")
    if tuple(name for name in header if name and name not in OPTIONAL) != COLUMNS:
        notes.add("columns", "the columns are in another order")
    rows = csv.reader(io.StringIO(body, newline=""), strict=True, delimiter=delimiter)
    next(rows)
    try:
        for row in rows:
            line = rows.line_num + first_line - 1
            if any(map(_without_spaces, row)):
                yield _row(line, header, row, certain=certain, notes=notes)
            elif row:
                notes.add("empty-rows", "empty rows were left out", line)
    except csv.Error:
        line = rows.line_num + first_line - 1
        raise ConfigError(
            f"{path}:{line}: not CSV; check quotes and line ends", code=CODE
        ) from None


def plain(text: str, *, hyphens: bool = True) -> str:
    """A cell without spaces at its ends, with ordinary spaces and, if asked, ordinary hyphens.

    Non-breaking and other spaces become spaces. Soft hyphens and other signs that nobody sees
    are dropped.
    """
    if text.isascii():
        return text.strip()
    made = ""
    for one in text:
        kind = unicodedata.category(one)
        if one in _INVISIBLE:
            continue
        if kind == "Zs":
            made += " "
        elif hyphens and (kind == "Pd" or one == "\N{MINUS SIGN}"):
            made += "-"
        else:
            made += one
    return made.strip()


def _decoded(path: Path, content: bytes, notes: Notes) -> tuple[str, bool]:
    """The text of a file, and whether its encoding is certain."""
    if content.startswith(_SPREADSHEETS):
        raise ConfigError(f"{path}:1: a spreadsheet, not CSV; {_SAVE_AGAIN}", code=CODE)
    utf16 = content.startswith(_UTF16_MARKS)
    try:
        text, certain = content.decode("utf-16" if utf16 else "utf-8-sig"), True
    except UnicodeDecodeError as error:
        if utf16 or content.startswith(b"\xef\xbb\xbf"):
            raise _not_text(path, content, error.start) from None
        try:
            text, certain = content.decode("cp1252"), False
        except UnicodeDecodeError as undefined:
            raise _not_text(path, content, undefined.start) from None
    if "\0" in text:
        raise _not_text(path, content, content.index(b"\0"))
    if utf16:
        notes.add("encoding", "the file is UTF-16")
    if not certain:
        notes.add(
            "encoding",
            "the file is not UTF-8; it was read as Windows-1252, the code page of Western Europe",
        )
    return text, certain


def _not_text(path: Path, content: bytes, place: int) -> ConfigError:
    line = content.count(b"\n", 0, place) + 1
    return ConfigError(
        f"{path}:{line}: not UTF-8 text, nor UTF-16 or Windows-1252; {_SAVE_AGAIN}", code=CODE
    )


def _header(text: str, delimiter: str) -> list[str]:
    """The names of the columns, in lower case; empty columns at the end are left out."""
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
        names = [plain(name).lower() for name in next(rows, [])]
    except (csv.Error, TypeError, ValueError):  # quoted with another separator, or `sep="`
        return []
    while names and not names[-1]:
        names.pop()
    return names


def _best_header(text: str, delimiters: Sequence[str]) -> tuple[str, list[str]]:
    """The separator that shows the most columns, and the names of the columns."""
    headers = {one: _header(text, one) for one in delimiters}
    delimiter = max(headers, key=lambda one: _recognised(headers[one]))
    return delimiter, headers[delimiter]


def _recognised(header: Sequence[str]) -> int:
    return len({KNOWN_NAMES.get(name, name) for name in header} & set(COLUMNS))


def _header_below(text: str, delimiters: Sequence[str], first_line: int) -> int | None:
    """The line of the header, if it is not the first."""
    lines = text.splitlines()[: _SEARCHED_LINES + 1]
    for number, line in enumerate(lines[1:], first_line + 1):
        if _recognised(_best_header(line, delimiters)[1]) > len(COLUMNS) // 2:
            return number
    return None


def _check_header(where: str, header: Sequence[str], below: int | None) -> None:
    for number, name in enumerate(header, 1):
        if name in (*COLUMNS, *OPTIONAL) and header.count(name) > 1:
            raise _other_columns(where, f"keep one of the columns {name}")
        if name not in (*COLUMNS, *OPTIONAL) and set(COLUMNS) <= set(header):
            meant = _OPTIONAL_NAMES.get(name)
            if meant is not None and meant not in header:
                raise _other_columns(where, f"rename column {number} to {meant}")
            raise _other_columns(where, f"delete column {number}, which is none of these")
    missing = [name for name in COLUMNS if name not in header]
    if not missing:
        return
    if below is not None and _recognised(header) < 2:
        raise _other_columns(where, f"delete the lines above the header, which is in line {below}")
    if _recognised(header) == 0:
        raise _other_columns(where, "put it above the entries, or rename the columns")
    fault = f"{', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing"
    raise _other_columns(where, f"{fault}; {_renaming(header, missing)}")


def _renaming(header: Sequence[str], missing: Sequence[str]) -> str:
    """How to get the missing columns; a single known word may stand in a row without a header."""
    known = {KNOWN_NAMES[name]: name for name in reversed(header) if name in KNOWN_NAMES}
    renamed = [name for name in missing if name in known and _recognised(header) > 1]
    cures = [f"{known[name]} to {name}" for name in renamed]
    cure = f"rename {', '.join(cures)}" if cures else ""
    if len(renamed) == len(missing):
        return cure
    return f"{cure}; add the others" if cures else "add, or give these names to columns"


def _other_columns(where: str, cure: str) -> ConfigError:
    return ConfigError(f"{where}: the first line must be {','.join(COLUMNS)}; {cure}", code=CODE)


def _row(
    line: int, header: Sequence[str], row: Sequence[str], *, certain: bool, notes: Notes
) -> CsvRow:
    cells = list(row)
    while len(cells) > len(header) and not _without_spaces(cells[-1]):
        cells.pop()
    if len(cells) != len(header):
        return CsvRow(
            line,
            None,
            f"{quantity(len(cells), 'column')} instead of {len(header)}; quote texts that hold a "
            "separator",
        )
    found = {name: _cell(name, cell, line, notes) for name, cell in zip(header, cells, strict=True)}
    hidden = next((name for name, cell in found.items() if not cell.isprintable()), None)
    if hidden is not None:
        fault = (
            f"{hidden}: a line break, or an invisible or control character, within a field; check "
            "the quotes, or type the field again"
        )
        return CsvRow(line, None, fault)
    if _BROKEN_LETTERS.search(cells[header.index("plate")]):
        fault = (
            "plate: a letter was damaged when the file was saved; type the plate again, and save "
            "the file as `CSV UTF-8`"
        )
        return CsvRow(line, None, fault)
    if not certain and any(
        not one.isascii() and one.isalpha() and one not in _SURE_LETTERS for one in found["plate"]
    ):
        fault = (
            f"plate: a letter that depends on the encoding, and the file is not UTF-8; "
            f"{_SAVE_AGAIN}"
        )
        return CsvRow(line, None, fault)
    return CsvRow(line, found)


def _cell(name: str, cell: str, line: int, notes: Notes) -> str:
    """A cell with ordinary spaces; outside of texts also with ordinary hyphens, not marked."""
    text = plain(cell, hyphens=name not in TEXTS)
    if text != cell.strip(" "):
        notes.add(
            "typography",
            "non-breaking spaces, soft hyphens and dashes were read as ordinary ones",
            line,
        )
    marked = None if name in TEXTS else _MARKED_TEXT.fullmatch(text)
    if marked is None:
        return text
    notes.add("marked-text", 'an apostrophe, or ="…", before a text was left out', line)
    return (marked.group(1) or marked.group(2) or "").strip()


def _without_spaces(cell: str) -> str:
    return plain(cell)
