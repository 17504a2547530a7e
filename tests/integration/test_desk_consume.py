"""`desk consume` over a real mosquitto, on SQLite and PostgreSQL: also after kills nothing is lost.

A consumer, the broker's session and the database are real. Each process that is killed ends by
SIGKILL at a chosen moment, or at a random one.
"""

from __future__ import annotations

import random
import signal
import time
from functools import partial
from pathlib import Path

import psycopg
import pytest

from edge.desk.folder import DeskFolder, open_folder
from edge.desk.receiving import DeskReceiver
from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import CONTENT
from edge.errors import ExitCode, OutboxError
from edge.privacy.hit import Hit, ReceiptVerifier
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import Mosquitto, wait_until
from tests.support.desks import make_desk
from tests.support.parties import AUTHORITY, Parties, make_parties
from tests.support.postgres import Postgres
from tests.support.product import product, run_program, start, verb
from tests.support.receiving import boxes_of, publish, take, utc, waiting_box

pytestmark = needs_mosquitto


def words(
    desk: DeskFolder, parties: Parties, broker: Mosquitto, *more: str, name: str = "1"
) -> list[str | Path]:
    return [
        "desk", "consume", "--desk", desk.path, "--broker", f"127.0.0.1:{broker.port}",
        "--box-keys", parties.box_file, "--keys", parties.authority_folder, "--consumer", name,
        "--json", *more,
    ]  # fmt: skip


def subscribe(desk: DeskFolder, parties: Parties, broker: Mosquitto, name: str = "1") -> None:
    """Open the session with which the broker then keeps hits."""
    done = verb(*words(desk, parties, broker, "--idle", "0.3", name=name))
    assert done.status == 0, done.err


def stored(desk: DeskFolder) -> dict[str, bytes]:
    """Every stored hit with its payload, after the database has opened soundly."""
    from edge.desk.store.tables import HIT

    with desk.open_database() as database, database.reading() as connection:
        rows = connection.execute(HIT.select()).all()
    assert len({row.hit_id for row in rows}) == len(rows)
    return {row.hit_id: bytes(row.payload) for row in rows}


def receipts_of(desk: DeskFolder) -> set[str]:
    from edge.desk.store.tables import RECEIPT

    with desk.open_database() as database, database.reading() as connection:
        return {row.hit_id for row in connection.execute(RECEIPT.select())}


def sent(parties: Parties, broker: Mosquitto, count: int) -> list[Hit]:
    hits = [parties.hit(counter=number + 1) for number in range(count)]
    publish(broker, *hits)
    return hits


def test_hits_are_stored_once_with_a_receipt_for_the_box(
    desk: DeskFolder, parties: Parties, mosquitto: Mosquitto
) -> None:
    subscribe(desk, parties, mosquitto)
    hits = sent(parties, mosquitto, 3)

    with waiting_box(mosquitto, 3) as receipts:
        done = verb(*words(desk, parties, mosquitto, "--once", "3"))

    assert (done.status, done.json["stored"]) == (0, 3)
    assert done.json["schema"] == "edge-anpr/desk-consume/1"
    payloads = {hit.hit_id: hit.to_payload() for hit in hits}
    assert stored(desk) == payloads
    assert receipts_of(desk) == set(payloads)
    verify = ReceiptVerifier((parties.authority_public,), payloads.get)
    confirmed = [verify(receipt) for receipt in receipts]
    assert confirmed == [(hit.hit_id, hit.sealed_sha256) for hit in hits]
    # All were acknowledged: the broker sends none again.
    again = verb(*words(desk, parties, mosquitto, "--idle", "0.5"))
    assert (again.json["stored"], again.json["known"]) == (0, 0)


def test_two_consumers_get_each_hit_and_store_it_once(
    desk: DeskFolder, parties: Parties, mosquitto: Mosquitto
) -> None:
    for name in ("1", "2"):
        subscribe(desk, parties, mosquitto, name)
    hits = sent(parties, mosquitto, 20)

    running = [
        start(words(desk, parties, mosquitto, "--idle", "5", name=name)) for name in ("1", "2")
    ]
    ended = [process.communicate(timeout=120) for process in running]

    assert [process.returncode for process in running] == [0, 0], ended
    assert stored(desk) == {hit.hit_id: hit.to_payload() for hit in hits}
    assert receipts_of(desk) == {hit.hit_id for hit in hits}


KILLED = """
import os, sys
from datetime import datetime, timezone
from pathlib import Path
from paho.mqtt.client import Client
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
from edge.authority.tail import Tail
from edge.desk.folder import open_folder
from edge.desk.receiving import DeskReceiver
from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import CONTENT
from edge.desk.store import database as module

port, desk, boxes, keys, moment, client = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), 9)

def at_the_second(once):
    calls = []
    def call(*words, **options):
        calls.append(words)
        return once(*words, **options) if len(calls) == 1 else die()
    return call

# The three hits that wait at the broker are handled together.
receive = BrokerLink.receive
def all_three(self, timeout_s):
    BrokerLink.receive = receive
    while len(self._received) < 3:
        self._run_client(0.05)
    return receive(self, timeout_s)
BrokerLink.receive = all_three

if moment == "before storing":
    DeskHits.put_all = die
elif moment == "in the transaction":
    writing = module.DeskDatabase.writing
    import contextlib
    @contextlib.contextmanager
    def half(self, **options):
        with writing(self, **options) as connection:
            yield connection
            die()
    module.DeskDatabase.writing = half
elif moment == "after storing":
    DeskHits.keep_receipts = die
elif moment == "between two receipts":
    BrokerLink._send = at_the_second(BrokerLink._send)
elif moment == "before the acknowledgements":
    BrokerLink.acknowledge = die
elif moment == "between two acknowledgements":
    Client.ack = at_the_second(Client.ack)
Tail(
    BrokerOptions("127.0.0.1", int(port), client),
    DeskReceiver(
        DeskHits(open_folder(Path(desk)).open_database()),
        load_all_box_public_keys(Path(boxes)),
        load_authority_private_keys(Path(keys)),
        lambda: datetime.now(timezone.utc),
    ),
).run()
"""

MOMENTS = [
    "before storing",
    "in the transaction",
    "after storing",
    "between two receipts",
    "before the acknowledgements",
    "between two acknowledgements",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_consumer_killed_at_a_chosen_moment_loses_and_doubles_nothing(
    desk: DeskFolder, parties: Parties, mosquitto: Mosquitto, moment: str
) -> None:
    subscribe(desk, parties, mosquitto)
    hits = sent(parties, mosquitto, 3)
    arguments = [
        mosquitto.port, desk.path, parties.box_file, parties.authority_folder, moment,
        f"edge-anpr-desk-{AUTHORITY}-1",
    ]  # fmt: skip

    # A receipt that was sent before the kill may be sent again, the same.
    with waiting_box(mosquitto, 3) as receipts:
        assert run_program(KILLED, *map(str, arguments)).status == -signal.SIGKILL
        # No receipt before the commit: whatever was kept or sent is of a stored hit.
        there = stored(desk)
        assert receipts_of(desk) <= set(there)
        # All three are stored, or none.
        assert len(there) == (0 if moment in MOMENTS[:2] else 3)
        assert len(receipts) <= len(there)
        after = verb(*words(desk, parties, mosquitto, "--idle", "1.5"))

    assert after.status == 0, after.err
    assert stored(desk) == {hit.hit_id: hit.to_payload() for hit in hits}
    assert receipts_of(desk) == set(stored(desk))
    verify = ReceiptVerifier((parties.authority_public,), stored(desk).get)
    confirmed = {verify(one) for one in receipts}
    assert confirmed == {(hit.hit_id, hit.sealed_sha256) for hit in hits}


def has_more(desk: DeskFolder, before: int) -> bool:
    return len(stored(desk)) > before or before == 30


def test_consumers_killed_at_random_moments_lose_and_double_nothing(
    desk: DeskFolder, parties: Parties, mosquitto: Mosquitto
) -> None:
    for name in ("1", "2"):
        subscribe(desk, parties, mosquitto, name)
    hits = sent(parties, mosquitto, 30)
    moments = random.Random(20261129)

    other = start(words(desk, parties, mosquitto, "--idle", "8", name="2"))
    for _ in range(3):
        process = start(words(desk, parties, mosquitto, name="1"))
        assert wait_until(partial(has_more, desk, len(stored(desk))))
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        process.communicate()
    other.kill()
    other.communicate()
    last = [verb(*words(desk, parties, mosquitto, "--idle", "1", name=name)) for name in ("1", "2")]

    assert [done.status for done in last] == [0, 0], last
    assert stored(desk) == {hit.hit_id: hit.to_payload() for hit in hits}
    assert receipts_of(desk) == {hit.hit_id for hit in hits}


def test_a_database_that_is_killed_ends_the_consumer_with_its_error_and_loses_nothing(
    postgres: Postgres, parties: Parties, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    desk = make_desk(tmp_path / "desk", postgres.new_database())
    subscribe(desk, parties, mosquitto)
    process = start(words(desk, parties, mosquitto, "--once", "10"))
    first = sent(parties, mosquitto, 1)
    assert wait_until(lambda: len(stored(desk)) == 1)
    postgres.kill()
    try:
        later = sent(parties, mosquitto, 2)
        out, err = process.communicate(timeout=60)
    finally:
        postgres.start()

    assert (process.returncode, out) == (ExitCode.STORAGE, "")
    *log, error = err.splitlines()
    # The thread of the retention logs the same cause if it happens to look just then.
    assert all("edge.desk: retention: E_DATABASE" in line for line in log), err
    assert '"E_DATABASE"' in error
    assert desk.address not in err
    again = verb(*words(desk, parties, mosquitto, "--idle", "1.5"))
    assert again.status == 0, again.err
    assert set(stored(desk)) == {hit.hit_id for hit in [*first, *later]}


# --- options --------------------------------------------------------------------------------------


def test_a_consumer_without_the_folder_needs_only_the_address(
    desk: DeskFolder, parties: Parties, mosquitto: Mosquitto
) -> None:
    line = words(desk, parties, mosquitto, "--idle", "0.3")
    line[2:4] = ["--database", desk.address]

    assert verb(*line).status == 0


def test_keys_of_another_authority_are_refused(
    desk: DeskFolder, parties: Parties, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    (tmp_path / "city").mkdir()
    other = make_parties(tmp_path / "city", authority="city")
    line = words(desk, other, mosquitto, "--idle", "0.3")
    done = verb(*line)

    assert done.status == ExitCode.KEYS
    assert "the desk is of police-zone" in done.error_lines[0]


@pytest.mark.parametrize("both", [True, False])
def test_folder_or_address_is_given_and_not_both(
    parties: Parties, tmp_path: Path, both: bool
) -> None:
    which: list[str | Path] = ["--desk", tmp_path, "--database", "sqlite:///x"] if both else []
    done = verb(
        "desk", "consume", "--broker", "127.0.0.1:1", "--box-keys", parties.box_file,
        "--keys", parties.authority_folder, *which,
    )  # fmt: skip

    assert done.status == ExitCode.USAGE
    assert "--desk FOLDER or --database URL" in done.error_lines[0]


def test_a_password_in_an_address_is_printed_nowhere(parties: Parties) -> None:
    done = product(
        "--log-level", "debug", "desk", "consume", "--broker", "127.0.0.1:1", "--box-keys",
        parties.box_file, "--keys", parties.authority_folder, "--database",
        "postgresql://desk:secret-word@127.0.0.1:1/desk",
    )  # fmt: skip

    assert done.status == ExitCode.STORAGE
    assert "secret-word" not in done.out + done.err


# --- moving ---------------------------------------------------------------------------------------


def filled(tmp_path: Path, parties: Parties) -> tuple[DeskFolder, list[Hit]]:
    """A desk on SQLite with hits, a receipt, a message set aside, people and rights."""
    from tests.support.desks import added

    desk = make_desk(tmp_path / "desk", utc=utc)
    hits = [parties.hit() for _ in range(5)]
    with desk.open_database() as database:
        kept = DeskHits(database)
        by = DeskReceiver(kept, boxes_of(parties), parties.authority, utc)
        for hit in hits:
            take(by, hit)
        take(DeskReceiver(kept, {}, parties.authority, utc), parties.hit())
    with desk.open_people(utc) as people:
        added(people, "jan-maes")
    return desk, hits


def put(desk: DeskFolder, hit: Hit) -> None:
    with desk.open_database() as database:
        DeskHits(database).put(hit, hit.to_payload(), utc())


def move_to(desk: DeskFolder, address: str, tmp_path: Path) -> list[str | Path]:
    from tests.support.desks import FIRST, passphrase_file

    return [
        "desk", "migrate", "--from", desk.path, "--to", address, "--as", FIRST,
        "--passphrase-file", passphrase_file(tmp_path, FIRST), "--json",
    ]  # fmt: skip


def test_a_store_moves_to_postgresql_with_every_row_and_a_proof(
    postgres: Postgres, parties: Parties, tmp_path: Path
) -> None:
    desk, hits = filled(tmp_path, parties)
    address = postgres.new_database()
    before = stored(desk)

    done = verb(*move_to(desk, address, tmp_path))

    assert done.status == 0, done.err
    assert done.json["rows"] == {table.name: 0 for table in CONTENT} | {
        "hit": 5, "receipt": 5, "aside": 1, "person": 2, "password": 2, "entitlement": 1,
    }  # fmt: skip
    moved = open_folder(desk.path)
    assert moved.address == address
    assert stored(moved) == before == {hit.hit_id: hit.to_payload() for hit in hits}
    assert "only-for-tests" not in done.out + done.err
    shown = verb("audit", "show", desk.path)
    assert done.json["rows_sha256"] in shown.out
    # The old store takes no more hits, so that none is confirmed there and missing here.
    with pytest.raises(OutboxError) as refused:
        put(desk, parties.hit())
    assert refused.value.code == "E_DESK_MOVED"


@pytest.mark.parametrize("what", ["a table", "another desk", "itself"])
def test_a_target_that_is_not_empty_is_refused_and_nothing_changes(
    postgres: Postgres, parties: Parties, tmp_path: Path, what: str
) -> None:
    desk, _ = filled(tmp_path, parties)
    address = postgres.new_database()
    if what == "a table":
        with psycopg.connect(address) as connection:
            connection.execute("CREATE TABLE diary (day TEXT)")
    elif what == "another desk":
        make_desk(tmp_path / "other", address)
    else:
        address = desk.address

    done = verb(*move_to(desk, address, tmp_path))

    assert done.status == ExitCode.STORAGE
    assert "E_DATABASE_FILLED" in done.error_lines[0]
    assert open_folder(desk.path) == desk
    put(desk, parties.hit())


def test_a_target_that_is_away_leaves_the_store_open(parties: Parties, tmp_path: Path) -> None:
    desk, hits = filled(tmp_path, parties)

    done = verb(*move_to(desk, "postgresql://desk:secret@127.0.0.1:1/desk", tmp_path))

    assert done.status == ExitCode.STORAGE
    assert "secret" not in done.err
    assert len(stored(desk)) == len(hits)
    put(desk, parties.hit())


DIES = """
import os, sys
from edge.desk import moving
from edge.desk.folder import DeskFolder
from edge.cli import main

def die(*_, **__):
    os.kill(os.getpid(), 9)

if sys.argv[1] == "in the copy":
    moving._require_same = die
else:
    DeskFolder.moved_to = die
main(sys.argv[2:])
"""


@pytest.mark.parametrize("moment", ["in the copy", "after the commit"])
def test_a_move_that_was_killed_is_finished_by_the_same_command(
    postgres: Postgres, parties: Parties, tmp_path: Path, moment: str
) -> None:
    desk, hits = filled(tmp_path, parties)
    line = move_to(desk, postgres.new_database(), tmp_path)
    assert run_program(DIES, moment, *line).status == -signal.SIGKILL
    with pytest.raises(OutboxError) as closed:
        put(desk, parties.hit())
    assert closed.value.code == "E_DESK_MOVED"

    done = verb(*line)

    assert done.status == 0, done.err
    assert set(stored(open_folder(desk.path))) == {hit.hit_id for hit in hits}
