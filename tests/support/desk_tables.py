"""The tables of desks for tests: made by the program's versions once, and then used again.

Making them takes longer than most tests. SQLite gets the statements that are left of the first
ones; PostgreSQL gets the tables of a test that has ended, without its rows.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg import sql
from sqlalchemy import Connection, inspect, text

from edge.desk.store.tables import HEAD, METADATA, VERSION_TABLE

_ASIDE = "made_before"
"""The schema that keeps tables without rows until a test needs some."""

_VERSION = f"INSERT INTO {VERSION_TABLE} VALUES ('{HEAD}')"  # noqa: S608 - a constant
_NEW_PUBLIC = (
    "CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC"
)

# Each definition with the transaction that wrote it last: no change of the tables leaves it alike.
_DEFINITIONS = """
    WITH own AS (SELECT oid, xmin FROM pg_class WHERE relnamespace = to_regnamespace('public'))
    SELECT md5(string_agg(one, ' ' ORDER BY one)) FROM (
        SELECT concat('relation ', oid, ' ', xmin) AS one FROM own
        UNION ALL
        SELECT concat('column ', attrelid, ' ', attnum, ' ', xmin) FROM pg_attribute
            WHERE attrelid IN (SELECT oid FROM own)
        UNION ALL
        SELECT concat('default ', oid, ' ', xmin) FROM pg_attrdef
            WHERE adrelid IN (SELECT oid FROM own)
        UNION ALL
        SELECT concat('constraint ', oid, ' ', xmin) FROM pg_constraint
            WHERE connamespace = to_regnamespace('public')
        UNION ALL
        SELECT concat('trigger ', oid, ' ', xmin) FROM pg_trigger
            WHERE tgrelid IN (SELECT oid FROM own)
        UNION ALL
        SELECT concat('function ', oid, ' ', xmin) FROM pg_proc
            WHERE pronamespace = to_regnamespace('public')
    ) AS every
"""


class QuickTables:
    """Makes the tables of a desk as `real` does, which is called for the first ones only."""

    def __init__(self, real: Callable[[Connection], None]) -> None:
        self._real = real
        self._statements: tuple[str, ...] = ()

    def __call__(self, connection: Connection) -> None:
        if inspect(connection).has_table(VERSION_TABLE):  # those of an earlier version
            self._real(connection)
        elif connection.dialect.name == "sqlite":
            self._copy(connection)
        else:
            self._use_again(connection)

    def _copy(self, connection: Connection) -> None:
        for statement in self._statements:
            connection.exec_driver_sql(statement)
        if not self._statements:
            self._real(connection)
            made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
            self._statements = (*connection.execute(text(made)).scalars(), _VERSION)

    def _use_again(self, connection: Connection) -> None:
        aside = text("SELECT to_regnamespace(:name) IS NOT NULL").bindparams(name=_ASIDE)
        if connection.execute(aside).scalar_one():
            connection.exec_driver_sql("DROP SCHEMA public")
            connection.exec_driver_sql(f"ALTER SCHEMA {_ASIDE} RENAME TO public")
        else:
            self._real(connection)
            made = connection.exec_driver_sql(_DEFINITIONS).scalar_one()
            connection.exec_driver_sql(f"COMMENT ON SCHEMA public IS '{made}'")


def emptied(connection: psycopg.Connection) -> bool:
    """Make a PostgreSQL database as good as new; False if only a new one is that."""
    schemas, settings = connection.execute(
        """
        SELECT array(SELECT nspname::text FROM pg_namespace
                     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
               (SELECT count(*) FROM pg_db_role_setting)
        """
    ).fetchone() or ([], 0)
    if settings or not {"public"} <= set(schemas) <= {"public", _ASIDE}:
        return False
    with connection.transaction():
        if _ASIDE not in schemas and _are_as_made(connection):
            _delete_rows(connection)
            connection.execute(f"ALTER SCHEMA public RENAME TO {_ASIDE}".encode())
        else:
            connection.execute(b"DROP SCHEMA public CASCADE")
        connection.execute(_NEW_PUBLIC.encode())
    return True


def _are_as_made(connection: psycopg.Connection) -> bool:
    noted = b"SELECT obj_description(to_regnamespace('public'), 'pg_namespace')"
    made = connection.execute(noted).fetchone()
    return made != (None,) and connection.execute(_DEFINITIONS.encode()).fetchone() == made


def _delete_rows(connection: psycopg.Connection) -> None:
    """Delete all rows but that of the version, and let generated numbers begin again."""
    connection.execute(b"SET LOCAL session_replication_role = replica")  # without triggers
    for name in (VERSION_TABLE, *METADATA.tables):
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
    connection.execute(_VERSION.encode())
    connection.execute(
        b"""
        SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
        FROM pg_sequences WHERE schemaname = 'public'
        """
    )
