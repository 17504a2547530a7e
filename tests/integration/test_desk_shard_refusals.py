"""What `desk consume --shard` refuses in one clear line, and that its hits then wait elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest

from edge.adapters.broker import topics
from edge.desk.folder import DeskFolder
from edge.desk.store.hits import DeskHits
from edge.errors import ExitCode
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import HOST, Mosquitto
from tests.support.desks import make_desk
from tests.support.disks import small_tmpfs
from tests.support.parties import SITE, Parties
from tests.support.postgres import Postgres, server_account
from tests.support.product import verb
from tests.support.receiving import publish
from tests.support.refusing_gate import RefusingGate

BROKERS = ["--broker", "mqtt-1.example", "--broker", "mqtt-2.example"]


def words(address: str, parties: Parties, *more: str | Path) -> list[str | Path]:
    return [
        "desk", "consume", "--database", address, "--box-keys", parties.box_file,
        "--keys", parties.authority_folder, *more,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--shard", "3/2"], "there is no shard 3 of 2; N is 1 to 2"),
        (["--shard", "0/2"], "write N/M"),
        (["--shard", "first"], "write N/M"),
        (["--shard", "3/3"], "3/3 needs 3 brokers and 2 given"),
        (["--shard", "1/1"], "1/1 needs 1 brokers and 2 given"),
        (["--shard", "3/3", "--broker", "MQTT-1.example:1883"], "given twice"),
        (["--shard", "1/2", "--site", "a"], "leave out --consumer and --site"),
        (["--shard", "1/2", "--consumer", "2"], "leave out --consumer and --site"),
        ([], "several --broker need --shard N/M"),
    ],
)
def test_a_shard_that_does_not_fit_is_refused_before_anything_is_read(
    tmp_path: Path, given: list[str], says: str
) -> None:
    done = verb(
        "desk", "consume", "--database", "sqlite:////nowhere", "--box-keys", tmp_path,
        "--keys", tmp_path, *BROKERS, *given,
    )  # fmt: skip

    assert done.status == ExitCode.USAGE
    (line,) = done.error_lines
    assert line.startswith("error: E_SHARD: ")
    assert says in line


def test_sqlite_has_no_shards(tmp_path: Path, parties: Parties) -> None:
    desk = make_desk(tmp_path / "desk")
    done = verb(*words(desk.address, parties, *BROKERS, "--shard", "1/2"))

    assert done.status == ExitCode.USAGE
    (line,) = done.error_lines
    assert "E_SHARD" in line
    assert "is SQLite, where one consumer without --shard is enough" in line


@pytest.fixture
def desk(tmp_path: Path, postgres: Postgres) -> DeskFolder:
    return make_desk(tmp_path / "desk", postgres.new_database())


def shard(address: str, parties: Parties, port: int, *more: str) -> list[str | Path]:
    return words(address, parties, "--broker", f"{HOST}:{port}", "--shard", "1/1", *more)


def alter(postgres: Postgres, what: str) -> None:
    with psycopg.connect(postgres.address("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER {what}".encode())


@needs_mosquitto
def test_a_broker_that_lets_nobody_read_hits_is_named(
    desk: DeskFolder, parties: Parties, mosquitto: Mosquitto
) -> None:
    with RefusingGate(mosquitto, subscriptions=[topics.all_hits(None)]) as gate:
        done = verb(*shard(desk.address, parties, gate.port))

    assert done.status == ExitCode.BROKER
    (line,) = done.error_lines
    assert "does not let this client subscribe to anpr/+/+/+/hit" in line


@needs_mosquitto
def test_a_broker_that_takes_no_receipts_is_named_once_and_hits_are_stored(
    desk: DeskFolder,
    parties: Parties,
    mosquitto: Mosquitto,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert verb(*shard(desk.address, parties, mosquitto.port, "--idle", "0.2")).status == 0
    hits = [parties.hit(counter=number) for number in (1, 2)]
    publish(mosquitto, *hits)
    receipt = topics.receipt(SITE, parties.box_public.box)
    with RefusingGate(mosquitto, messages={receipt: 0x87}) as gate:
        done = verb(*shard(desk.address, parties, gate.port, "--once", "2", "--json"))

    assert (done.status, done.json["stored"]) == (0, 2)
    (said,) = [one for one in caplog.messages if "refuses receipts" in one]
    assert f"{receipt} (reason 0x87): not authorized; allow it" in said


@needs_mosquitto
def test_hits_wait_at_the_broker_while_the_database_is_read_only(
    desk: DeskFolder, postgres: Postgres, parties: Parties, mosquitto: Mosquitto
) -> None:
    assert verb(*shard(desk.address, parties, mosquitto.port, "--idle", "0.2")).status == 0
    hit = parties.hit()
    publish(mosquitto, hit)
    setting = f"DATABASE {desk.address.rpartition('/')[2]} SET default_transaction_read_only"
    alter(postgres, f"{setting} = on")
    refused = verb(*shard(desk.address, parties, mosquitto.port, "--idle", "5"))
    alter(postgres, f"{setting} = off")
    after = verb(*shard(desk.address, parties, mosquitto.port, "--once", "1", "--json"))

    assert refused.status == ExitCode.STORAGE
    (line,) = refused.error_lines
    assert "E_STORAGE" in line
    assert "read-only, as a stand-by server is" in line
    assert after.json["stored"] == 1


@needs_mosquitto
@pytest.mark.parametrize("refused", [False, True], ids=["in a transaction", "at the connection"])
def test_hits_wait_at_the_broker_while_the_disk_of_the_database_is_full(
    postgres: Postgres, parties: Parties, mosquitto: Mosquitto, tmp_path: Path, *, refused: bool
) -> None:
    """Without the cached catalogue, a server on a full disk refuses even to connect."""
    folder = postgres.folder.parent / ("disk-refused" if refused else "disk")
    with small_tmpfs(folder, "24m") as place:
        account = server_account()
        if account is not None:
            os.chown(place, account.pw_uid, account.pw_gid)
        desk = make_desk(tmp_path / "desk", postgres.new_database(tablespace=place))
        assert verb(*shard(desk.address, parties, mosquitto.port, "--idle", "0.2")).status == 0
        hit = parties.hit()
        publish(mosquitto, hit)
        filler = place / "filler"
        with desk.open_database() as database, database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")  # writes the cached catalogue
        (cached,) = place.rglob("pg_internal.init")
        if refused:
            cached.unlink()
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(24 * 1024 * 1024))
        done = verb(*shard(desk.address, parties, mosquitto.port, "--idle", "5"))
        filler.unlink()
        after = verb(*shard(desk.address, parties, mosquitto.port, "--once", "1", "--json"))
        with desk.open_database() as database:
            payload = DeskHits(database).payload(hit.hit_id)
        postgres.clear_databases()

    assert done.status == ExitCode.STORAGE
    (line,) = done.error_lines
    assert "E_DISK_FULL" in line
    assert after.json["stored"] == 1
    assert payload == hit.to_payload()


def test_a_commit_waits_for_the_disk_also_where_the_server_would_not(
    postgres: Postgres, tmp_path: Path
) -> None:
    desk = make_desk(tmp_path / "desk", postgres.new_database())
    alter(postgres, f"DATABASE {desk.address.rpartition('/')[2]} SET synchronous_commit = off")

    with desk.open_database() as database:
        for block in (database.transaction, database.writing):
            with block() as connection:
                found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
            assert found == "on"
        # The setting ends with its transaction, so that no pooler passes it on or loses it.
        with database.pinned() as connection:
            driver = connection.connection.driver_connection
            connection.rollback()
            assert driver is not None
            (left,) = driver.execute("SHOW synchronous_commit").fetchone()
    assert left == "off"
