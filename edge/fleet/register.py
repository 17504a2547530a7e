"""The fleet's register: codes, waiting requests, enrolled boxes and their certificates.

One SQLite file. Each step is one transaction, so a process that is killed in the middle leaves the
state before or after it. Server and commands may use it at the same time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from typing_extensions import Self

from edge.adapters.state.database import known_problem, transaction
from edge.adapters.state.state_folder import storage_error
from edge.errors import OutboxError
from edge.formats.enrolment import EnrolmentRequest, RequestError, box_name, fingerprint

_BUSY_S: Final = 10.0
_LONGEST_LIFE: Final = timedelta(days=398)
"""No certificate of a box or client is valid for longer."""
_LOST: Final = "(lost)"
"""The name of a certificate that only the list of revoked ones still knows."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS code (
    digest BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, expires REAL NOT NULL, request TEXT
);
CREATE TABLE IF NOT EXISTS waiting (
    name TEXT PRIMARY KEY, request TEXT NOT NULL, der BLOB NOT NULL, asked REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS box (
    name TEXT PRIMARY KEY, keys TEXT NOT NULL, counter INTEGER NOT NULL, request TEXT NOT NULL,
    certificate BLOB NOT NULL, ends REAL NOT NULL, held REAL
);
CREATE TABLE IF NOT EXISTS certificate (
    serial TEXT PRIMARY KEY, name TEXT NOT NULL, ends REAL NOT NULL, revoked REAL,
    held INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate as the register keeps it: DER, serial number, and when it ends."""

    der: bytes
    serial: int
    ends: datetime


Issue = Callable[[EnrolmentRequest], IssuedCertificate]
"""Issues the certificate that a request asks for."""


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request that waits for the operator's approval."""

    name: str
    der: bytes
    asked: datetime

    @property
    def fingerprint(self) -> str:
        """What the box shows too."""
        return fingerprint(self.der)


@dataclass(frozen=True, slots=True)
class EnrolledBox:
    """An enrolled box; `held`: since when two of it have asked, or None."""

    name: str
    counter: int
    ends: datetime
    held: datetime | None


@dataclass(frozen=True, slots=True)
class RevokedSerial:
    """A certificate that is not valid any more."""

    serial: int
    at: datetime
    held: bool


class FleetRegister:
    """The register of one fleet. Made by `FleetRegister.open` or `FleetRegister.make`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @classmethod
    def make(cls, file: Path) -> Self:
        """Make the register of a new fleet; one that is there stays as it is.

        Raises:
            OutboxError: it cannot be written.
        """
        try:
            # For its owner only, from the first moment.
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise storage_error(file, error) from None
        made = cls(file)
        with made._transaction() as database:
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
        return made

    @classmethod
    def open(cls, file: Path) -> Self:
        """Open the register of a fleet.

        A missing or empty one is not made anew: nobody would be revoked any more.

        Raises:
            OutboxError: it is missing, or cannot be used.
        """
        found = cls(file)
        if file.exists() and file.stat().st_size:
            with found._transaction() as database:
                known = "SELECT count(*) FROM sqlite_master WHERE name = 'certificate'"
                if database.execute(known).fetchone()[0]:
                    return found
        raise OutboxError(
            f"{file}: missing or empty, so nothing says which certificates are revoked; restore it "
            "from a copy. If there is none, make a new authority as docs/fleet.md says"
        )

    # --- codes ---------------------------------------------------------------------------------

    def add_code(self, name: str, digest: bytes, expires: datetime) -> None:
        """Keep the digest of a box's code; an earlier code of this box is not valid any more.

        Raises:
            RequestError: the box is enrolled, or its request waits.
        """
        with self._transaction() as database:
            self._require_free(database, name)
            database.execute("DELETE FROM code WHERE name = ?", (name,))
            database.execute(
                "INSERT INTO code (digest, name, expires) VALUES (?, ?, ?)",
                (digest, name, expires.timestamp()),
            )

    def named_by(self, digest: bytes, now: datetime, *, unused: bool = False) -> str:
        """The box that a code is for.

        Args:
            digest: of the code.
            now: the wall clock.
            unused: refuse a code that was used for a request.

        Raises:
            RequestError: the code is unknown, or has expired without being used; or it was used.
        """
        with self._transaction() as database:
            name, used_for = self._code(database, digest, now)
        if unused and used_for is not None:
            raise self._used(name)
        return name

    @staticmethod
    def _used(name: str) -> RequestError:
        return RequestError(
            f"the one-time code of box {name} was used already; ask for a new one, and ask the "
            "operator who used it"
        )

    @staticmethod
    def _code(database: sqlite3.Connection, digest: bytes, now: datetime) -> tuple[str, str | None]:
        row = database.execute(
            "SELECT name, expires, request FROM code WHERE digest = ?", (digest,)
        ).fetchone()
        if row is None:
            raise RequestError(
                "unknown one-time code: it was replaced, or is of another fleet; ask for a new one"
            )
        name, expires, request = row
        if request is None and now.timestamp() >= expires:
            raise RequestError(f"the one-time code of box {name} has expired; ask for a new one")
        return name, request

    @staticmethod
    def _require_free(database: sqlite3.Connection, name: str) -> None:
        for table, is_now in (("box", "is enrolled already"), ("waiting", "waits for approval")):
            if database.execute(f"SELECT 1 FROM {table} WHERE name = ?", (name,)).fetchone():  # noqa: S608 - the two names above
                raise RequestError(
                    f"box {name} {is_now}; to enrol it again, run `edge-anpr fleet forget` for it "
                    "first"
                )

    # --- requests ------------------------------------------------------------------------------

    def enrol(self, digest: bytes, request: EnrolmentRequest, now: datetime) -> bytes | None:
        """Take a first request.

        Returns:
            The certificate, DER, if the operator has approved this request; else None.

        Raises:
            RequestError: the code is unknown, expired, of another box or used; or the box is
                enrolled already.
        """
        name = _name_of(request)
        with self._transaction() as database:
            owner, used_for = self._code(database, digest, now)
            if owner != name:
                raise RequestError(f"the one-time code is not of box {name}; use this box's own")
            if used_for not in {None, request.sha256}:
                raise self._used(name)
            row = database.execute(
                "SELECT request, certificate FROM box WHERE name = ?", (name,)
            ).fetchone()
            if row is not None and row[0] == request.sha256:
                return bytes(row[1])
            if used_for is None:
                self._require_free(database, name)
                database.execute(
                    "UPDATE code SET request = ? WHERE digest = ?", (request.sha256, digest)
                )
                self._wait(database, name, request, now)
        return None

    def renew(
        self, serial: int, request: EnrolmentRequest, now: datetime, issue: Issue
    ) -> bytes | None:
        """Take a request of an enrolled box.

        Args:
            serial: of the certificate with which it has authenticated itself.
            request: the request.
            now: the wall clock.
            issue: issues a certificate.

        Returns:
            The new certificate, DER; None: the box's own keys are new, so the operator has to
            approve them.

        Raises:
            RequestError: the certificate is not valid; `E_CLONE`: two boxes have this identity, and
                both are held from now on.
        """
        name = _name_of(request)
        with self._transaction() as database:
            if self._owner(database, serial) != name:
                raise RequestError(f"this certificate is not of box {name}; enrol the box")
            keys, counter, known, certificate = database.execute(
                "SELECT keys, counter, request, certificate FROM box WHERE name = ?", (name,)
            ).fetchone()
            if known == request.sha256:
                return bytes(certificate)
            cloned = request.statement.counter != counter + 1
            if cloned:
                self._hold(database, name, now)
            elif request.statement.keys != keys:
                self._wait(database, name, request, now)
                return None
            else:
                return self._issued(database, request, issue)
        raise self._cloned(name)

    def owner(self, serial: int) -> str:
        """The box that a valid certificate is of.

        Raises:
            RequestError: it is not valid, or the box is held.
        """
        with self._transaction() as database:
            return self._owner(database, serial)

    def _owner(self, database: sqlite3.Connection, serial: int) -> str:
        row = database.execute(
            "SELECT certificate.name, revoked, box.held FROM certificate LEFT JOIN box "
            "ON box.name = certificate.name WHERE serial = ?",
            (str(serial),),
        ).fetchone()
        if row is None:
            raise RequestError(
                "this certificate is not in the fleet's register; restore the latest register, or "
                "enrol the box again"
            )
        name, revoked, held = row
        if held is not None:
            raise self._cloned(name)
        if revoked is not None:
            raise RequestError(f"the certificate of box {name} was revoked; enrol the box again")
        return str(name)

    @staticmethod
    def _cloned(name: str) -> RequestError:
        return RequestError(
            f"box {name}: two boxes have this identity with different counters, so one is a copy; "
            "both are held: find the copy, run `edge-anpr fleet forget` and enrol the right one",
            code="E_CLONE",
        )

    @staticmethod
    def _wait(
        database: sqlite3.Connection, name: str, request: EnrolmentRequest, now: datetime
    ) -> None:
        database.execute(
            "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?)",
            (name, request.sha256, request.der, now.timestamp()),
        )

    @staticmethod
    def _issued(database: sqlite3.Connection, request: EnrolmentRequest, issue: Issue) -> bytes:
        """Issue a certificate, and keep it as the newest of its box."""
        name, issued = _name_of(request), issue(request)
        database.execute(
            "INSERT OR REPLACE INTO box VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (
                name,
                request.statement.keys,
                request.statement.counter,
                request.sha256,
                issued.der,
                issued.ends.timestamp(),
            ),
        )
        database.execute(
            "INSERT INTO certificate (serial, name, ends) VALUES (?, ?, ?)",
            (str(issued.serial), name, issued.ends.timestamp()),
        )
        return issued.der

    @staticmethod
    def _hold(database: sqlite3.Connection, name: str, now: datetime) -> None:
        # Whose request waits is not known any more: its approval would end the hold.
        database.execute("DELETE FROM waiting WHERE name = ?", (name,))
        database.execute("UPDATE box SET held = ? WHERE name = ?", (now.timestamp(), name))
        database.execute(
            "UPDATE certificate SET revoked = ?, held = 1 WHERE name = ? AND revoked IS NULL",
            (now.timestamp(), name),
        )

    # --- the operator --------------------------------------------------------------------------

    def waiting(self) -> tuple[WaitingRequest, ...]:
        """The requests that wait for approval, the oldest first."""
        with self._transaction() as database:
            rows = database.execute(
                "SELECT name, der, asked FROM waiting ORDER BY asked"
            ).fetchall()
        return tuple(WaitingRequest(name, der, _moment(asked)) for name, der, asked in rows)

    def approve(self, request: EnrolmentRequest, issue: Issue, install: Callable[[], None]) -> None:
        """Issue the certificate of a waiting request, and let its keys count.

        Args:
            request: the waiting request.
            issue: issues a certificate.
            install: puts the box's public keys into the folder; called before the commit.

        Raises:
            RequestError: it does not wait any more.
        """
        name = _name_of(request)
        with self._transaction() as database:
            done = database.execute(
                "DELETE FROM waiting WHERE name = ? AND request = ?", (name, request.sha256)
            )
            if done.rowcount != 1:
                raise RequestError(
                    f"box {name}: no such request waits; see `edge-anpr fleet pending`"
                )
            self._issued(database, request, issue)
            install()

    def forget(self, name: str, now: datetime, remove: Callable[[], None]) -> bool:
        """Revoke all certificates of a box or another client, and forget its code and requests.

        Args:
            name: of the box or client.
            now: the wall clock.
            remove: takes the box's public keys out of the folder; called before the commit.

        Returns:
            Whether anything was known of it.
        """
        with self._transaction() as database:
            counts = [
                database.execute(f"DELETE FROM {table} WHERE name = ?", (name,)).rowcount  # noqa: S608 - fixed names
                for table in ("code", "waiting", "box")
            ]
            revoked = database.execute(
                "UPDATE certificate SET held = 0, revoked = coalesce(revoked, ?) WHERE name = ?",
                (now.timestamp(), name),
            )
            remove()
        return any((*counts, revoked.rowcount))

    def boxes(self) -> dict[str, EnrolledBox]:
        """The enrolled boxes, by name."""
        with self._transaction() as database:
            rows = database.execute("SELECT name, counter, ends, held FROM box").fetchall()
        return {
            name: EnrolledBox(name, counter, _moment(ends), None if held is None else _moment(held))
            for name, counter, ends, held in rows
        }

    def codes(self, now: datetime) -> frozenset[str]:
        """The boxes that have a code which is valid and not used yet."""
        with self._transaction() as database:
            rows = database.execute(
                "SELECT name FROM code WHERE request IS NULL AND expires > ?", (now.timestamp(),)
            ).fetchall()
        return frozenset(name for (name,) in rows)

    def note_client(self, name: str, issued: IssuedCertificate) -> None:
        """Keep the certificate of a client that is no box, so that it can be revoked."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO certificate (serial, name, ends) VALUES (?, ?, ?)",
                (str(issued.serial), name, issued.ends.timestamp()),
            )

    def keep_revoked(self, found: Iterable[RevokedSerial]) -> None:
        """Revoke certificates that the published list names and this register does not.

        A register that was restored from a copy lacks what happened since the copy was made.

        Args:
            found: the entries of the list; none of them becomes valid again.
        """
        with self._transaction() as database:
            for one in found:
                serial, at = str(one.serial), one.at.timestamp()
                database.execute(
                    "INSERT OR IGNORE INTO certificate (serial, name, ends) VALUES (?, ?, ?)",
                    (serial, _LOST, (one.at + _LONGEST_LIFE).timestamp()),
                )
                database.execute(
                    "UPDATE certificate SET revoked = ?, held = ? "
                    "WHERE serial = ? AND revoked IS NULL",
                    (at, one.held, serial),
                )

    def revoked(self, now: datetime) -> Sequence[RevokedSerial]:
        """The revoked and held certificates that would still be valid."""
        since = (now - timedelta(days=1)).timestamp()
        with self._transaction() as database:
            rows = database.execute(
                "SELECT serial, revoked, held FROM certificate "
                "WHERE revoked IS NOT NULL AND ends > ?",
                (since,),
            ).fetchall()
        return [RevokedSerial(int(one), _moment(at), bool(held)) for one, at, held in rows]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            # `mode=rw`: a register that is lost meanwhile is not made anew.
            address = f"{self._file.absolute().as_uri()}?mode=rw"
            with contextlib.closing(
                sqlite3.connect(address, timeout=_BUSY_S, isolation_level=None, uri=True)
            ) as database:
                database.execute("PRAGMA synchronous = FULL")
                with transaction(database):
                    yield database
        except sqlite3.Error as error:
            raise known_problem(self._file, str(error)) or OutboxError(
                f"{self._file}: the fleet's register cannot be used ({error}); check disk and "
                "permissions, or restore it from a copy"
            ) from None


def _name_of(request: EnrolmentRequest) -> str:
    return box_name(request.statement.site, request.statement.box)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
