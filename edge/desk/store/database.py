"""Opens the desk's database and runs transactions on it, with errors of one line.

On SQLite: write-ahead log, `synchronous=FULL`, `secure_delete`, foreign keys; a file of mode 0600.
On PostgreSQL: `synchronous_commit` is never off, and a server with `fsync=off` is refused. So when
a transaction has ended, its rows are on disk. Nothing outlives a transaction on a connection: no
prepared statement, no setting, no lock. So a pooler such as PgBouncer may give each transaction
another connection of the server.

An error names host and database of an address, never its user or password, and never a value of a
row: SQLAlchemy's own texts, which quote both, are not passed on.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from typing_extensions import Self

from edge.adapters.state.database import known_problem
from edge.adapters.state.state_folder import storage_error
from edge.desk.store.payloads import SealedPayloads, open_payloads
from edge.desk.store.tables import EARLIER, HEAD, METADATA, STATE, VERSION_TABLE
from edge.errors import ConfigError, OutboxError
from edge.formats.atomic_files import sync_folder

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMES = "sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE"

_BUSY_S = 10
_COMMITS_LATER = "commits later"
"""Note kept with a connection: its server has `synchronous_commit=off`."""
_CONNECT_S = 10
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "secure_delete = ON",
    "foreign_keys = ON",
    "temp_store = MEMORY",
)


class DeskDatabase:
    """A desk's database. Made by `DeskDatabase.open` or `DeskDatabase.reach`.

    Attributes:
        place: file, or host and database, for messages.
        names_key: gives the key for digests of names that are typed at a login; None where the
            desk was not opened by its folder, so that nobody logs in.
    """

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self.place = place
        self.names_key: Callable[[], bytes] | None = None

    @classmethod
    def open(cls, address: str, payloads: str | None = None) -> Self:
        """Open a desk's database that exists; tables of an earlier version are brought up.

        Args:
            address: `sqlite:///FILE` or `postgresql://…`.
            payloads: where payloads of hits are kept beside it, as `open_payloads` takes it; None:
                in the database.

        Raises:
            ConfigError: `E_DATABASE_URL`: the address has another form.
            OutboxError: it is away, damaged, no desk's (`E_NO_DESK`), or of a newer version.
        """
        url = _url(address)
        if url.get_backend_name() == "sqlite":
            _require_private_file(file := Path(url.database or ""))
            if not file.stat().st_size:
                raise no_desk(str(file))
        beside = None if payloads is None else open_payloads(payloads)
        engine = _engine(url).execution_options(payloads=beside)
        database = cls(engine, _place(url))
        try:
            database._require_version()
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def reach(cls, address: str) -> Self:
        """Open a database that may hold nothing yet; a missing SQLite file is made, mode 0600.

        Raises:
            ConfigError: as `open`.
            OutboxError: it is away.
        """
        url = _url(address)
        if url.get_backend_name() == "sqlite":
            _create_file(Path(url.database or ""))
        database = cls(_engine(url), _place(url))
        with database.reading():
            return database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
        self._engine.dispose()

    @property
    def payloads(self) -> SealedPayloads | None:
        """The store of payloads beside the database; None: there is none."""
        return payloads_of(self._engine)

    @property
    def is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def make_tables(self, connection: Connection, authority: str) -> None:
        """Make the tables of the newest version on a connection in a transaction.

        Raises:
            OutboxError: `E_DESK_EXISTS`: there are tables of a desk.
        """
        there = {VERSION_TABLE, *METADATA.tables} & set(inspect(connection).get_table_names())
        if there:
            raise OutboxError(
                f"{self.place}: there is a desk already (table {min(there)}); name another "
                "database, or use that desk",
                code="E_DESK_EXISTS",
            )
        _upgrade(connection)
        connection.execute(STATE.insert().values(id=1, authority=authority, moved=False))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One write transaction: all changes of the block are on disk after it, or none.

        Raises:
            OutboxError: it could not be begun or committed.
        """
        with self._translated(), self._engine.connect() as connection:
            if self.is_postgresql:
                # Whatever the server's default is: after it has waited for a lock, a statement
                # must see what others have committed meanwhile.
                connection.execution_options(isolation_level="READ COMMITTED")
            writing = connection.execution_options(writes=True)
            with writing.begin():
                yield writing

    @contextlib.contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[Connection]:
        """A write transaction on a desk that has not been moved elsewhere.

        Args:
            alone: no other write transaction runs at the same time; for checks over many rows.

        Raises:
            OutboxError: as `transaction`; `E_DESK_MOVED`.
        """
        with self.transaction() as connection:
            # The row is held, so that a move waits for this transaction and the next one sees it.
            state = select(STATE.c.moved).with_for_update(read=not alone)
            if connection.execute(state).scalar_one():
                raise OutboxError(
                    f"{self.place}: this store was moved to another database, or a move was "
                    "interrupted; use the new one, or run the same `edge-anpr desk migrate` again",
                    code="E_DESK_MOVED",
                )
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction, which sees one state of all tables.

        Raises:
            OutboxError: it could not be read.
        """
        with self._translated(), self._engine.connect() as connection:
            if self.is_postgresql:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def pinned(self) -> Iterator[Connection]:
        """A connection of its own, for the locks of one long transaction; nothing is written.

        Between two statements such a transaction holds no row and no snapshot, so that it stands
        in the way of no other one and of no `VACUUM`.

        Raises:
            OutboxError: it could not be begun, or was lost.
        """
        with self._translated(), self._engine.connect() as connection:
            # In any other isolation the first snapshot would stay.
            committed = connection.execution_options(isolation_level="READ COMMITTED")
            with committed.begin():
                yield committed

    def forget(self) -> None:
        """Overwrite the space of rows that were deleted, as far as the database can.

        SQLite has overwritten them in its file, and now empties its write-ahead log. PostgreSQL
        frees them for new rows; what it has archived is not reached.

        Raises:
            OutboxError: the database cannot be used.
        """
        with self._translated(), self._engine.connect() as connection:
            if self.is_postgresql:
                plain = connection.execution_options(isolation_level="AUTOCOMMIT")
                plain.exec_driver_sql(f"VACUUM {', '.join(METADATA.tables)}")
            else:
                driver: Any = connection.connection.driver_connection
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def is_empty(self) -> bool:
        """Whether there is no table in it, of this program or of another one."""
        with self.reading() as connection:
            return not inspect(connection).get_table_names()

    def authority(self) -> str:
        """Whose desk it is."""
        with self.reading() as connection:
            return str(connection.execute(select(STATE.c.authority)).scalar_one())

    def _require_version(self) -> None:
        version = self._version()
        if version in EARLIER:
            with self.transaction() as connection:
                connection.execute(select(STATE.c.id).with_for_update())  # one process at a time
                _upgrade(connection)
            version = self._version()
        if version != HEAD:
            raise OutboxError(
                f"{self.place}: the desk's tables have version {version}, this program knows "
                f"versions up to {HEAD}; use the newer program that made them",
                code="E_DATABASE_VERSION",
            )

    def _version(self) -> str | None:
        with self.reading() as connection:
            if not inspect(connection).has_table(VERSION_TABLE):
                raise no_desk(self.place)
            return connection.execute(
                text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
            ).scalar_one_or_none()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise _translation(self.place, error) from None
        except (SQLAlchemyError, sqlite3.Error) as error:
            # The latter of a statement that went to the driver itself.
            raise known_problem(Path(self.place), str(error)) or OutboxError(
                f"{self.place}: {type(error).__name__}; check the database"
            ) from None


def no_desk(place: str) -> OutboxError:
    """The error of a database that holds no desk."""
    return OutboxError(f"{place}: no desk here; `edge-anpr desk init` makes one", code="E_NO_DESK")


def payloads_of(source: Connection | Engine) -> SealedPayloads | None:
    """The store of payloads of a database to which a connection leads; None: there is none."""
    found: SealedPayloads | None = source.get_execution_options().get("payloads")
    return found


def sqlite_address(file: Path) -> str:
    """The address of an SQLite file."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def _url(address: str) -> URL:
    refusal = ConfigError(
        f"--database: write {SCHEMES}; the address given has another form", code="E_DATABASE_URL"
    )
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise refusal from None
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return url
    if url.drivername in {"postgresql", "postgres"} and url.database:
        return url.set(drivername="postgresql+psycopg")
    raise refusal


def _place(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"postgresql://{url.host or 'local'}:{url.port or 5432}/{url.database}"


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url, hide_parameters=True, connect_args={"timeout": _BUSY_S, "check_same_thread": False}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_S}
    # `pool_pre_ping`: a server that restarted between two transactions is connected to again.
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"prepare_threshold": None, **timeout},
    )
    event.listen(engine, "connect", _prepare_postgresql)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - DBAPI has no type
    # Python's module would begin transactions by itself, and not around CREATE TABLE.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_postgresql(connection: Any, record: Any) -> None:  # noqa: ANN401 - as above
    with connection.cursor() as cursor:
        (fsync,) = cursor.execute("SHOW fsync").fetchone()
        if fsync == "off":
            raise OutboxError(
                "this PostgreSQL server runs with fsync=off, so a power cut loses hits after "
                "their receipts; set fsync=on and restart it",
                code="E_DATABASE",
            )
        (commit,) = cursor.execute("SHOW synchronous_commit").fetchone()
        record.info[_COMMITS_LATER] = commit == "off"
    connection.commit()


def _begin_postgresql(connection: Connection) -> None:
    if connection.info[_COMMITS_LATER]:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - only who makes tables needs Alembic
    from alembic.config import Config  # noqa: PLC0415 - likewise

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _create_file(file: Path) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            sync_folder(file.parent)
    except OSError as error:
        raise storage_error(file, error) from error
    _require_private_file(file)


def _require_private_file(file: Path) -> None:
    try:
        if not file.is_file():
            raise no_desk(str(file))
        if file.stat().st_mode & 0o077:
            raise OutboxError(
                f"{file}: other users can read it; run `chmod 600 {file}`", code="E_STORE_MODE"
            )
    except OSError as error:
        raise storage_error(file, error) from error


def _translation(place: str, error: DBAPIError) -> OutboxError:
    """An error of one line for what a driver has raised; the driver's own text is not passed on."""
    said = str(error.orig)
    other = f"{type(error).__name__}; check the database"
    if "psycopg" not in type(error.orig).__module__:
        return known_problem(Path(place), said) or OutboxError(f"{place}: {other}")
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None and any(words in said for words in _NO_ROOM):
        state = "53100"
    away = state is None or state[:2] in _AWAY
    other = f"{type(error).__name__} {state}; check the database"
    found = _KNOWN.get(state or "", _UNREACHED if away else (other, None))
    return OutboxError(f"{place}: {found[0]}", code=found[1])


_KNOWN = {
    # SQLSTATE, what is wrong with its cure, code
    "53100": ("disk full; free disk space", "E_DISK_FULL"),
    **dict.fromkeys(
        ("55P03", "40P01"), ("locked by another process for too long; try again", "E_BUSY")
    ),
    **dict.fromkeys(("XX001", "XX002"), ("damaged, or no desk; restore a backup", "E_CORRUPT")),
    "42501": ("cannot be written by this user; give it the right to write", "E_STORAGE"),
    "25006": (
        "read-only, as a stand-by server is; name the server that takes writes, or let it write",
        "E_STORAGE",
    ),
}
_NO_ROOM = ("No space left on device", "could not write init file")
"""What PostgreSQL says when it refuses a connection because its disk is full. psycopg gives no
SQLSTATE then. The file of the second text is a cache of the system catalogue, which the first
session after a change of the tables writes."""

_HINT = (
    "the database cannot be reached, or refuses the user or password; check that it runs, its "
    "address and ~/.pgpass, then run the command again"
)
_UNREACHED = (_HINT, "E_DATABASE")
_AWAY = frozenset({"08", "28", "3D", "57"})
"""Classes of SQLSTATE: connection, authorization, no such database, operator intervention."""
