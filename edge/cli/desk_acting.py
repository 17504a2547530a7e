"""The opened desk and the person who acts there, for verbs that need her passphrase."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.desk.accounts import ActingPerson
    from edge.desk.folder import DeskFolder
    from edge.desk.store.database import DeskDatabase
    from edge.privacy.audit_events import Event


@dataclass(frozen=True, slots=True)
class ActingDesk:
    """A desk with its database and log, and the person who has proved who she is."""

    folder: DeskFolder
    database: DeskDatabase
    record: Callable[[Event], object]
    utc: Callable[[], datetime]
    person: ActingPerson
    passphrase: str = field(repr=False)

    def typing_secret(self) -> bytes:
        """As `DeskFolder.typing_secret`."""
        return self.folder.typing_secret(self.database)


@contextmanager
def acting_at(desk: Path, name: str, passphrase_file: Path | None) -> Iterator[ActingDesk]:
    """Ask for the passphrase of a person, and open the desk for her.

    Raises:
        OutboxError: there is no desk in the folder, or its database cannot be used.
        AuditError: the log cannot be written, or was altered.
        AccessError: `E_LOGIN`: name or passphrase is wrong, or the name is locked.
    """
    from edge.adapters.host.system import SystemClock
    from edge.cli.passphrase import of_person
    from edge.desk.accounts import prove
    from edge.desk.folder import open_folder

    folder, utc = open_folder(desk), SystemClock().utc
    passphrase = of_person(name, passphrase_file)
    with folder.open_database() as database, folder.open_audit(utc) as audit:
        person = prove(database, name, passphrase, utc)
        yield ActingDesk(folder, database, audit.append, utc, person, passphrase)
