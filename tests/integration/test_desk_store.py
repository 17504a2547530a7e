"""The desk's store on SQLite and PostgreSQL: each hit exactly once, sealed, and on disk."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import inspect, text

from edge.authority import store as store_module
from edge.authority.store import Outcome
from edge.authority.tail import Fate
from edge.desk.folder import CONFIG_NAME, DATABASE_NAME, DeskFolder, open_folder
from edge.desk.receiving import DeskReceiver
from edge.desk.store import hits as hits_module
from edge.desk.store.database import MIGRATIONS, DeskDatabase, sqlite_address
from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import HEAD, METADATA, VERSION_TABLE
from edge.errors import ConfigError, EdgeError, ExitCode, OutboxError
from edge.privacy.hit import Hit, ReceiptVerifier
from tests.support.desks import NOW, make_desk, now
from tests.support.disks import small_tmpfs
from tests.support.parties import PLATE, Parties, make_parties, topic_of
from tests.support.postgres import PASSWORD, Postgres
from tests.support.product import run_program
from tests.support.receiving import boxes_of, take


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def database(desk: DeskFolder) -> Iterator[DeskDatabase]:
    with desk.open_database() as opened:
        yield opened


@pytest.fixture
def hits(database: DeskDatabase) -> DeskHits:
    return DeskHits(database)


def put(hits: DeskHits, hit: Hit) -> Outcome:
    return hits.put(hit, hit.to_payload(), NOW)[0]


# --- exactly once -------------------------------------------------------------------------------


def test_a_hit_is_stored_byte_for_byte_and_once(hits: DeskHits, parties: Parties) -> None:
    hit = parties.hit()

    assert put(hits, hit) is Outcome.NEW
    again = hits.put(hit, hit.to_payload(), NOW + timedelta(hours=1))
    assert again == (Outcome.KNOWN, NOW)
    assert put(hits, parties.hit(hit_id=hit.hit_id)) is Outcome.CONFLICT
    assert hits.payload(hit.hit_id) == hit.to_payload()
    assert hits.counts() == {"hits": 1, "receipts": 0, "set_aside": 0}


def test_many_writers_store_each_hit_once(desk: DeskFolder, parties: Parties) -> None:
    sent = [parties.hit() for _ in range(5)]
    outcomes: list[Outcome] = []

    def write() -> None:
        with desk.open_database() as own:
            outcomes.extend(put(DeskHits(own), hit) for hit in sent)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count(Outcome.NEW) == 5
    assert outcomes.count(Outcome.KNOWN) == 15


PUT_AND_DIE = """
import os, sys
from datetime import datetime, timezone
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import DeskHits
from edge.privacy.hit import parse_hit
payload = sys.stdin.buffer.read()
hits = DeskHits(DeskDatabase.open(sys.argv[1]))
hits.put(parse_hit(payload), payload, datetime.now(timezone.utc))
os.kill(os.getpid(), 9)
"""


def test_a_stored_hit_survives_an_immediate_kill(
    desk: DeskFolder, hits: DeskHits, parties: Parties
) -> None:
    hit = parties.hit()
    done = run_program(PUT_AND_DIE, desk.address, given=hit.to_payload())

    assert done.status == -9
    assert hits.payload(hit.hit_id) == hit.to_payload()


def test_postgresql_that_was_killed_has_every_confirmed_hit(
    postgres: Postgres, parties: Parties, tmp_path: Path
) -> None:
    desk = make_desk(tmp_path / "desk", postgres.new_database())
    with desk.open_database() as database:
        hits = DeskHits(database)
        sent = [parties.hit() for _ in range(3)]
        assert [put(hits, hit) for hit in sent] == [Outcome.NEW] * 3
        postgres.kill()
        try:
            with pytest.raises(OutboxError) as away:
                put(hits, parties.hit())
        finally:
            postgres.start()

        assert (away.value.code, away.value.exit_code) == ("E_DATABASE", ExitCode.STORAGE)
        # The same object goes on as soon as the server is there again.
        assert [put(hits, hit) for hit in sent] == [Outcome.KNOWN] * 3


# --- receipts and what is set aside ---------------------------------------------------------------


def test_a_receipt_is_kept_only_after_its_hit_is_on_disk(
    database: DeskDatabase, hits: DeskHits, parties: Parties
) -> None:
    seen: list[tuple[str, dict[str, int]]] = []

    class Watched(DeskHits):
        def keep_receipts(self, receipts: Mapping[str, bytes], now: object) -> None:
            (hit_id,) = receipts
            seen.append((hit_id, self.counts()))
            super().keep_receipts(receipts, NOW)

    by = DeskReceiver(Watched(database), boxes_of(parties), parties.authority, now)
    hit = parties.hit()
    first, second = take(by, hit), take(by, hit)

    assert (first.fate, second.fate) == (Fate.STORED, Fate.KNOWN)
    assert seen[0] == (hit.hit_id, {"hits": 1, "receipts": 0, "set_aside": 0})
    assert hits.counts()["receipts"] == 1
    assert first.receipt is not None
    assert first.receipt == second.receipt
    verify = ReceiptVerifier((parties.authority_public,), lambda _: hit.to_payload())
    assert verify(first.receipt) == (hit.hit_id, hit.sealed_sha256)


def test_a_hit_of_an_unknown_box_waits_until_its_public_file_is_there(
    hits: DeskHits, parties: Parties
) -> None:
    hit = parties.hit()
    stranger = DeskReceiver(hits, {}, parties.authority, now)

    arrival = take(stranger, hit)
    assert (arrival.fate, arrival.receipt) == (Fate.SET_ASIDE, None)
    assert "get its public file" in arrival.why
    assert hits.counts() == {"hits": 0, "receipts": 0, "set_aside": 1}

    known = DeskReceiver(hits, boxes_of(parties), parties.authority, now)
    assert [one.fate for one in known.retry_aside()] == [Fate.STORED]
    assert hits.counts() == {"hits": 1, "receipts": 1, "set_aside": 0}


def test_what_is_set_aside_is_limited(
    hits: DeskHits, parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = parties.hit()
    payload = hit.to_payload()
    monkeypatch.setattr(hits_module, "MAX_ASIDE_BYTES", 2 * len(payload))

    assert hits.set_aside(topic_of(hit), payload, "why", NOW)
    assert hits.set_aside(topic_of(hit), payload, "another why", NOW)
    assert not hits.set_aside(topic_of(hit), payload + b" ", "why", NOW)
    assert [one.why for one in hits.aside()] == ["another why"]
    assert 2 * len(payload) < store_module.MAX_ASIDE_BYTES


# --- the tables -----------------------------------------------------------------------------------


def test_the_versions_make_exactly_the_tables_of_the_code(
    desk: DeskFolder, database: DeskDatabase
) -> None:
    with database.reading() as connection:
        found = inspect(connection)
        assert set(found.get_table_names()) == {VERSION_TABLE, *METADATA.tables}
        for name, table in METADATA.tables.items():
            there = {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in found.get_columns(name)
            }
            wanted = {
                column.name: (str(column.type.compile(connection.dialect)), column.nullable)
                for column in table.columns
            }
            assert there == wanted
            checks = {check["name"] for check in found.get_check_constraints(name)}
            assert checks == {
                one.name for one in table.constraints if type(one).__name__ == "CheckConstraint"
            } | ({"one_row"} if name == "desk_state" else set())
            indexes = {(one["name"], tuple(one["column_names"])) for one in found.get_indexes(name)}
            assert indexes == {
                (one.name, tuple(column.name for column in one.columns)) for one in table.indexes
            }
            references = {
                (one["constrained_columns"][0], one["referred_table"])
                for one in found.get_foreign_keys(name)
            }
            assert references == {
                (key.parent.name, key.column.table.name) for key in table.foreign_keys
            }
    newest = max(path.stem for path in (MIGRATIONS / "versions").glob("v*.py"))
    assert newest.startswith(f"v{HEAD}_")


def dumped(desk: DeskFolder) -> bytes:
    """Everything that a copy of the database holds."""
    if desk.config.database is None:
        return b"".join(file.read_bytes() for file in desk.path.glob(f"{DATABASE_NAME}*"))
    content = b""
    with psycopg.connect(desk.address) as connection:
        for name in [VERSION_TABLE, *METADATA.tables]:
            rows = connection.execute(f"TABLE {name}".encode()).fetchall()
            content += b"\n".join(
                value if isinstance(value, bytes) else str(value).encode()
                for row in rows
                for value in row
            )
    return content


def test_p8_a_copy_of_the_database_holds_no_plate(
    desk: DeskFolder, hits: DeskHits, parties: Parties
) -> None:
    hit = parties.hit()
    take(DeskReceiver(hits, boxes_of(parties), parties.authority, now), hit)
    take(DeskReceiver(hits, {}, parties.authority, now), parties.hit())

    content = dumped(desk)
    assert hit.hit_id.encode() in content
    assert PLATE.encode() not in content


def test_only_the_owner_can_read_a_desk(tmp_path: Path, parties: Parties) -> None:
    desk = make_desk(tmp_path / "desk")
    with desk.open_database() as database:
        put(DeskHits(database), parties.hit())
        with sqlite3.connect(desk.path / DATABASE_NAME) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        for file in desk.path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("pragma", "value"), [("synchronous", 2), ("secure_delete", 1), ("foreign_keys", 1)]
)
def test_sqlite_is_opened_with_the_careful_settings(
    tmp_path: Path, pragma: str, value: int
) -> None:
    with make_desk(tmp_path / "desk").open_database() as database, database.writing() as connection:
        assert connection.execute(text(f"PRAGMA {pragma}")).scalar_one() == value


# --- bad input ------------------------------------------------------------------------------------


def refused(act: Callable[[], object]) -> EdgeError:
    with pytest.raises(EdgeError) as error:
        act()
    assert "\n" not in str(error.value)
    assert PASSWORD not in str(error.value)
    assert "secret" not in str(error.value)
    return error.value


@pytest.mark.parametrize(
    "address",
    [
        "mysql://desk:secret@localhost/desk",
        "postgresql+asyncpg://desk:secret@localhost/desk",
        "postgresql://desk:secret@localhost",
        "postgresql://desk:secret@localhost:port/desk",
        "sqlite://",
        "sqlite:///:memory:",
        "secret",
        "",
    ],
)
def test_an_address_of_another_form_is_refused_without_quoting_it(address: str) -> None:
    error = refused(lambda: DeskDatabase.open(address))

    assert isinstance(error, ConfigError)
    assert error.code == "E_DATABASE_URL"
    assert "postgresql://USER@HOST:PORT/DATABASE" in error.message


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    error = refused(lambda: DeskDatabase.open("postgresql://desk:secret@127.0.0.1:1/desk"))

    assert error.code == "E_DATABASE"
    assert "postgresql://127.0.0.1:1/desk" in error.message


def test_what_postgresql_refuses_is_one_line(postgres: Postgres) -> None:
    empty = postgres.new_database()
    name = empty.rpartition("/")[2]

    for address, code in (
        (empty, "E_NO_DESK"),
        (postgres.address(name, "secret"), "E_DATABASE"),
        (postgres.address("nothing-here"), "E_DATABASE"),
    ):
        assert refused(partial(DeskDatabase.open, address)).code == code


def test_a_server_that_does_not_keep_what_it_confirms_is_refused(
    postgres: Postgres, tmp_path: Path
) -> None:
    from tests.support.postgres import running

    with running(["fsync = off"]) as careless:
        error = refused(lambda: make_desk(tmp_path / "desk", careless.new_database()))
    assert error.code == "E_DATABASE"
    assert "fsync" in error.message
    assert not (tmp_path / "desk").exists()


def test_postgresql_confirms_only_what_is_on_disk(postgres: Postgres, tmp_path: Path) -> None:
    address = postgres.new_database()
    with psycopg.connect(address, autocommit=True) as connection:
        name = address.rpartition("/")[2]
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    desk = make_desk(tmp_path / "desk", address)
    with desk.open_database() as database, database.writing() as inner:
        assert inner.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_a_write_that_waited_sees_what_others_have_committed(
    postgres: Postgres, tmp_path: Path
) -> None:
    """Whatever the server's default is: else `sweep` would delete the payload of a new hit."""
    address = postgres.new_database()
    with psycopg.connect(address, autocommit=True) as connection:
        name = address.rpartition("/")[2]
        level = "default_transaction_isolation = 'repeatable read'"
        connection.execute(f"ALTER DATABASE {name} SET {level}".encode())
    desk = make_desk(tmp_path / "desk", address)
    with desk.open_database() as database, database.writing() as inner:
        assert inner.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"


def test_tables_of_a_newer_version_are_refused(desk: DeskFolder, database: DeskDatabase) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE desk_version SET version_num = '0099'"))

    error = refused(desk.open_database)
    assert error.code == "E_DATABASE_VERSION"
    assert "0099" in error.message


def folder_without_config(desk: DeskFolder) -> None:
    (desk.path / CONFIG_NAME).unlink()


def folder_that_others_read(desk: DeskFolder) -> None:
    desk.path.chmod(0o755)


def config_that_others_read(desk: DeskFolder) -> None:
    (desk.path / CONFIG_NAME).chmod(0o644)


def config_that_is_damaged(desk: DeskFolder) -> None:
    (desk.path / CONFIG_NAME).write_text('{"schema": "edge-anpr/desk/1"')


def config_of_a_later_form(desk: DeskFolder) -> None:
    (desk.path / CONFIG_NAME).write_text('{"schema": "edge-anpr/desk/2", "authority": "x"}')


def no_database(desk: DeskFolder) -> None:
    (desk.path / DATABASE_NAME).unlink()


def database_of_another_program(desk: DeskFolder) -> None:
    no_database(desk)
    with sqlite3.connect(desk.path / DATABASE_NAME) as other:
        other.execute("CREATE TABLE diary (day TEXT)")
    (desk.path / DATABASE_NAME).chmod(0o600)


def database_that_is_damaged(desk: DeskFolder) -> None:
    (desk.path / DATABASE_NAME).write_bytes(b"no database at all " * 300)


def database_that_others_read(desk: DeskFolder) -> None:
    (desk.path / DATABASE_NAME).chmod(0o644)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (folder_without_config, "E_NO_DESK"),
        (folder_that_others_read, "E_STORE_MODE"),
        (config_that_others_read, "E_STORE_MODE"),
        (config_that_is_damaged, "E_NO_DESK"),
        (config_of_a_later_form, "E_NO_DESK"),
        (no_database, "E_NO_DESK"),
        (database_of_another_program, "E_NO_DESK"),
        (database_that_is_damaged, "E_CORRUPT"),
        (database_that_others_read, "E_STORE_MODE"),
    ],
)
def test_a_folder_that_is_no_sound_desk_is_refused_with_the_cure(
    tmp_path: Path, spoil: Callable[[DeskFolder], None], code: str
) -> None:
    desk = make_desk(tmp_path / "desk")
    spoil(desk)

    error = refused(lambda: open_folder(desk.path).open_database())
    assert (error.code, error.exit_code) == (code, ExitCode.STORAGE)
    assert ";" in error.message


def test_a_full_disk_is_one_line_and_nothing_is_half_stored(
    tmp_path: Path, parties: Parties
) -> None:
    with small_tmpfs(tmp_path / "disk", "2m") as disk:
        desk = make_desk(disk / "desk")
        with desk.open_database() as database:
            hits, by = DeskHits(database), boxes_of(parties)
            receiver = DeskReceiver(hits, by, parties.authority, now)
            confirmed: set[str] = set()

            def fill() -> None:
                for _ in range(60):
                    confirmed.add(str(getattr(take(receiver, parties.hit()).hit, "hit_id", "")))

            with pytest.raises(OutboxError) as full:
                fill()
            assert (full.value.code, full.value.exit_code) == ("E_DISK_FULL", ExitCode.STORAGE)
            assert confirmed
            for name in confirmed:
                assert hits.payload(name) is not None
            # A hit may be stored without its receipt: then it was not acknowledged either.
            assert 0 <= hits.counts()["hits"] - len(confirmed) <= 1


def test_a_second_desk_is_not_made_over_the_first(desk: DeskFolder, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in desk.path.iterdir()}

    assert refused(lambda: make_desk(desk.path)).code == "E_DESK_EXISTS"
    other = tmp_path / "other"
    assert refused(lambda: make_desk(other, desk.address)).code == "E_DESK_EXISTS"
    assert not other.exists()
    assert {file.name: file.read_bytes() for file in desk.path.iterdir()} == before


def test_a_desk_whose_first_account_is_refused_leaves_nothing(tmp_path: Path) -> None:
    from edge.desk.folder import DeskConfig, FirstAccount, make_folder
    from tests.support.desks import FIRST, terms

    first = FirstAccount(FIRST, "An Peeters", terms(FIRST, mandate="free text"))
    refused(
        lambda: make_folder(
            tmp_path / "desk", DeskConfig(authority="police-zone"), first, "long enough it is", now
        )
    )
    assert not (tmp_path / "desk").exists()


def test_the_address_of_a_file_is_opened_directly(desk: DeskFolder, tmp_path: Path) -> None:
    if desk.config.database is None:
        file = os.fspath(desk.path / DATABASE_NAME)
        with DeskDatabase.open(sqlite_address(Path(file))) as database:
            assert database.place == file
    with desk.open_database() as database:
        assert database.authority() == "police-zone"
