"""For whom the desk has made files of a case: what article 15(1)(c) GDPR asks for.

Exports for fines are in the database until the case is deleted; one whose file could not be
written is not among them. Case files for a court, or for the person whom the case is about, are in
the audit log only. Neither says who at a court or an authority has read the file.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from sqlalchemy import select

from edge.adapters.state.audit_log import FILE_NAME
from edge.adapters.state.state_folder import storage_error
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import FINE_EXPORT
from edge.errors import AuditError
from edge.formats.timestamps import parse_utc
from edge.privacy.audit import ENTRY_AT
from edge.privacy.audit_events import CaseExported, Entry

_EXPORTED: Final = f'"event":"{CaseExported.kind}"'.encode()
"""As it stands in the canonical JSON of an entry; in a value the quotes are escaped."""


class Recipient(str, Enum):
    """For whom a file is made; the words of the audit log."""

    COURT = "court"
    DATA_SUBJECT = "data-subject"
    FINE = "fine"


@dataclass(frozen=True, order=True, slots=True)
class FileMade:
    """A file of a case: when it was made, and for whom."""

    at: datetime
    recipient: Recipient


def files_made(
    database: DeskDatabase, folder: Path, hit_ids: Collection[str]
) -> dict[str, tuple[FileMade, ...]]:
    """The files that were made of each of these cases, oldest first.

    Args:
        database: of the desk.
        folder: of the desk, with its audit log.
        hit_ids: the hits.

    Raises:
        OutboxError: the database or the log cannot be read.
        AuditError: `E_AUDIT_EDITED`: an entry of the log has an unknown form.
    """
    found: dict[str, list[FileMade]] = {hit_id: [] for hit_id in hit_ids}
    columns = (FINE_EXPORT.c.hit_id, FINE_EXPORT.c.exported_at)
    with database.reading() as connection:
        for hit_id, at in connection.execute(
            select(*columns).where(FINE_EXPORT.c.hit_id.in_(found))
        ):
            found[hit_id].append(FileMade(parse_utc(at), Recipient.FINE))
    for entry in _exports(folder / FILE_NAME):
        event = entry.event
        if isinstance(event, CaseExported) and event.hit_id in found:
            recipient = Recipient(event.reason)
            if recipient is not Recipient.FINE:
                found[event.hit_id].append(FileMade(entry.at, recipient))
    return {hit_id: tuple(sorted(made)) for hit_id, made in found.items()}


def _exports(log: Path) -> list[Entry]:
    """The entries of the log about exports."""
    try:
        lines = log.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise storage_error(log, error) from error
    try:
        return [Entry.parse(line[ENTRY_AT:]) for line in lines if _EXPORTED in line]
    except (ValueError, ValidationError):
        raise AuditError(
            f"{log}: an entry about an export has no known form; run `edge-anpr audit verify` on "
            "the desk's folder",
            code="E_AUDIT_EDITED",
        ) from None
