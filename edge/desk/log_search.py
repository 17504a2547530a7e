"""Searches the desk's audit log by person and case; each search is in the log before its result.

A search names a person with an account, or is refused and recorded nowhere: the log cannot be
changed, and what somebody types there by mistake may be a plate.

The log is a file with one line for each entry (`privacy.audit`). A search goes through the lines
from the newest one and parses only those that it shows, so it is quick on long logs. The program
that appends has verified the lines; `edge-anpr audit verify` verifies each signature.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from edge.adapters.state.audit_log import FILE_NAME
from edge.desk.accounts import ActingPerson, find_person
from edge.desk.people import has_role, rights_in_force
from edge.desk.rights import JUDGES, WATCHERS, RightScope
from edge.desk.store.database import DeskDatabase
from edge.errors import AccessError, AuditError, UsageError
from edge.formats.identifiers import is_id
from edge.privacy.audit import ENTRY_AT
from edge.privacy.audit_events import Entry, Event, LogSearched

LOG_PAGE: Final = 50
_AT: Final = b'"at":"'
"""What stands before the time of an entry; in a value of it the quotes are escaped."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What is searched for; entries that fit all of it.

    Attributes:
        person: who acted, or was acted upon.
        case: the id of a hit.
        since: from this day on, UTC.
        before: entries with a smaller number; None: from the newest on.
    """

    person: str | None = None
    case: str | None = None
    since: date | None = None
    before: int | None = None

    def require_valid(self) -> None:
        """Refuse what can be in no entry.

        Raises:
            UsageError: names the field and the cure. It quotes nothing that was typed.
        """
        if self.person is not None and not is_id(self.person):
            raise UsageError("--person: not the name of an account, such as an-peeters")
        if self.case is not None and not re.fullmatch("[0-9a-f]{32}", self.case, re.ASCII):
            raise UsageError("--case: give the whole id of the hit: 32 digits and letters a to f")


@dataclass(frozen=True, slots=True)
class FoundEntries:
    """One page of entries, newest first; `following`: `before` of the next page, or None."""

    entries: tuple[Entry, ...]
    following: int | None


class DeskLog:
    """The audit log of a desk, for those who may read it.

    Args:
        folder: the desk's folder.
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
    """

    def __init__(
        self,
        folder: Path,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
    ) -> None:
        self._file = folder / FILE_NAME
        self._database = database
        self._record = record
        self._utc = utc

    def search(self, acting: ActingPerson, query: LogQuery) -> FoundEntries:
        """One page of the entries that fit, after this search was recorded with the person.

        Raises:
            AccessError: `E_RIGHT`: she is no data protection officer or auditor of the whole desk,
                or judges hits too.
            UsageError: the query has a wrong form; `E_PERSON`: nobody has an account of this name.
            AuditError: the search could not be recorded, or the log not be read.
            OutboxError: the database cannot be used.
        """
        query.require_valid()
        self._require_reader(acting)
        self._require_account(query)
        self._record(LogSearched(acting.name, query.person, query.case))
        try:
            lines = self._file.read_bytes().split(b"\n")[:-1]
        except OSError as error:
            raise AuditError(
                f"{self._file}: {error.strerror}; give this user the right to read it"
            ) from error
        found: list[Entry] = []
        for number in _fitting(lines, query):
            if len(found) == LOG_PAGE:
                return FoundEntries(tuple(found), found[-1].number)
            found.append(_entry(lines[number], number))
        return FoundEntries(tuple(found), None)

    def _require_account(self, query: LogQuery) -> None:
        with self._database.reading() as connection:
            if query.person is None or find_person(connection, query.person) is not None:
                return
        raise UsageError(
            "--person: nobody has an account of this name; see `edge-anpr desk people list`",
            code="E_PERSON",
        )

    def _require_reader(self, acting: ActingPerson) -> None:
        whole, day = RightScope(self._database.authority()), self._utc().date()
        with self._database.reading() as connection:
            if has_role(connection, acting.name, JUDGES, day):
                raise AccessError(
                    f"{acting.name} judges hits at this desk, and the log names what other "
                    "officers did on them; end one of the two rights"
                )
            if rights_in_force(connection, acting.name, WATCHERS, day, whole):
                return
        raise AccessError(
            f"{acting.name} has no right in force to search the log of the whole desk; that needs "
            f"the role {' or '.join(role.value for role in WATCHERS)}, for all sites and rules"
        )


def _fitting(lines: list[bytes], query: LogQuery) -> Iterator[int]:
    """The numbers of the lines that fit, newest first.

    An entry is canonical JSON, so a field and its value are always spelt alike.
    """
    person = None if query.person is None else f'":"{query.person}"'.encode()
    case = None if query.case is None else f'"hit_id":"{query.case}"'.encode()
    since = b"" if query.since is None else query.since.isoformat().encode()
    last = len(lines) if query.before is None else max(0, min(query.before, len(lines)))
    for number in range(last - 1, -1, -1):
        line = lines[number]
        begin = line.find(_AT, ENTRY_AT) + len(_AT)  # fields that sort before it come first
        if line[begin : begin + len(since)] < since:
            continue  # not the end: a clock may have been set back in between
        if (case is None or case in line) and (person is None or _names(line, person)):
            yield number


def _names(line: bytes, person: bytes) -> bool:
    """Whether the entry has the person as its `person` or `by`."""
    return (b'"person' + person) in line or (b'"by' + person) in line


def _entry(line: bytes, number: int) -> Entry:
    try:
        return Entry.parse(line[ENTRY_AT:])
    except (ValueError, ValidationError):
        raise AuditError(
            f"line {number + 1} of the log holds no entry of a known form; run `edge-anpr audit "
            "verify` on the desk's folder",
            code="E_AUDIT_EDITED",
        ) from None
