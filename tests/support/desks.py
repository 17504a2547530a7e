"""Desks for tests: on SQLite and on a real PostgreSQL, with people and passphrases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from edge.desk.accounts import ActingPerson
from edge.desk.folder import DeskConfig, DeskFolder, FirstAccount, make_folder
from edge.desk.people import DeskPeople
from edge.desk.rights import DeskRole, RightScope, RightTerms
from edge.desk.store.database import MIGRATIONS, DeskDatabase
from edge.desk.store.tables import METADATA, VERSION_TABLE
from tests.support.parties import AUTHORITY

FIRST = "an-peeters"
NOW = datetime(2026, 12, 1, 12, 0, tzinfo=timezone.utc)
MANDATE = "GR-2026/114"
TODAY = NOW.date()
NEXT_YEAR = TODAY + timedelta(days=365)


def passphrase_of(person: str) -> str:
    return f"a long passphrase of {person}"


def passphrase_file(folder: Path, person: str) -> Path:
    file = folder / f"{person}.passphrase"
    file.write_text(passphrase_of(person) + "\n", encoding="utf-8")
    file.chmod(0o600)
    return file


def terms(
    person: str,
    role: DeskRole = DeskRole.OFFICER,
    *,
    site: str | None = None,
    rule: str | None = None,
    first: date = TODAY,
    last: date = NEXT_YEAR,
    mandate: str = MANDATE,
) -> RightTerms:
    return RightTerms(person, role, RightScope(AUTHORITY, site, rule), first, last, mandate)


def now() -> datetime:
    return NOW


def make_desk(
    path: Path, database: str | None = None, utc: Callable[[], datetime] = now
) -> DeskFolder:
    """A desk with its first account, a supervisor."""
    first = FirstAccount(FIRST, "An Peeters", terms(FIRST, DeskRole.SUPERVISOR, first=utc().date()))
    # Most tests log in with a passphrase alone; those of logins say otherwise.
    config = DeskConfig(authority=AUTHORITY, database=database, second_factor="optional")
    return make_folder(path, config, first, passphrase_of(FIRST), utc)


def acting(people: DeskPeople, name: str = FIRST) -> ActingPerson:
    return people.prove(name, passphrase_of(name))


def added(people: DeskPeople, *names: str) -> None:
    """Accounts without rights."""
    by = acting(people)
    for name in names:
        people.add(by, name, name.title(), passphrase_of(name))


def staffed(desk: DeskFolder, utc: Callable[[], datetime], roles: Mapping[str, DeskRole]) -> None:
    """Add people with one right each, in force today; one of them is the second supervisor."""
    (second,) = (name for name, role in roles.items() if role is DeskRole.SUPERVISOR)
    today = utc().date()
    with desk.open_people(utc) as people:
        added(people, *roles)
        for person in sorted(roles, key=lambda one: one != second):
            given = terms(person, roles[person], first=today, last=today + timedelta(days=1))
            right = people.propose(ActingPerson(FIRST), given)
            people.approve(ActingPerson(second), right.right_id)


def put_back(database: DeskDatabase, version: str) -> None:
    """Make the tables anew as an earlier version of the program did, with the rows that it knew."""
    with database.transaction() as connection:
        rows = {
            table: [dict(row) for row in connection.execute(table.select()).mappings()]
            for table in METADATA.sorted_tables
        }
        if database.is_postgresql:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        else:
            for name in (*(one.name for one in reversed(METADATA.sorted_tables)), VERSION_TABLE):
                connection.execute(text(f"DROP TABLE {name}"))
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        found = inspect(connection)
        for table, kept in rows.items():
            if found.has_table(table.name):
                known = {column["name"] for column in found.get_columns(table.name)}
                for row in kept:
                    values = {name: value for name, value in row.items() if name in known}
                    connection.execute(table.insert().values(values))
