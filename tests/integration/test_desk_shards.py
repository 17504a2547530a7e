"""`desk consume --shard` with real brokers, PostgreSQL and PgBouncer: nothing is lost or double.

Each broker is a shard. The active consumer is killed by SIGKILL at random moments while hits
arrive, and the one that stands by goes on.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
import pytest

from edge.adapters.broker import topics
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.state.key_making import new_authority_keys, new_box_keys
from edge.box.delivery import broker_options
from edge.desk.folder import DeskFolder
from edge.errors import ExitCode
from edge.privacy.hit import Hit, ReceiptVerifier
from edge.site.folder import load_site_folder
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import HOST, Mosquitto, wait_until
from tests.support.command_server import Started
from tests.support.desks import make_desk
from tests.support.example_site import POLICY, SITE, write_site
from tests.support.parties import AUTHORITY, BOX, Parties, topic_of
from tests.support.pooler import PGBOUNCER, pooled
from tests.support.postgres import PASSWORD, USER, Postgres
from tests.support.product import start, verb
from tests.support.receiving import utc

pytestmark = needs_mosquitto

SESSION = f"edge-anpr-desk-{AUTHORITY}_shard"


@dataclass
class Region:
    """Two brokers, a desk on PostgreSQL, an authority, and boxes whose sites use either broker."""

    brokers: list[Mosquitto]
    desk: DeskFolder
    folder: Path
    boxes: dict[str, Parties] = field(default_factory=dict)

    def at(self, site: str) -> BrokerOptions:
        """The broker that a box of this site uses, from the list that all boxes have."""
        hosts = ", ".join(f"'{HOST}:{one.port}'" for one in self.brokers)
        text = SITE.replace("host: 127.0.0.1", f"hosts: [{hosts}]")
        text = text.replace("site: square", f"site: {site}")
        folder = self.folder / f"site-{site}"
        if not folder.exists():
            policy = POLICY.replace("site: square", f"site: {site}")
            write_site(folder, site=text, policy=policy)
        options = broker_options(load_site_folder(folder).settings, folder, None)
        return BrokerOptions(options.host, options.port, f"box-of-{site}")

    def add_boxes(self) -> list[str]:
        """A site at each broker, in the order of the brokers, with a box and its keys."""
        found: dict[int, str] = {}
        number = 0
        while len(found) < len(self.brokers):
            number += 1
            found.setdefault(self.at(f"street-{number}").port, f"street-{number}")
        for site in found.values():
            own = self.folder / site
            public = new_box_keys(own, site, BOX, utc())
            (self.folder / "boxes").mkdir(exist_ok=True)
            (self.folder / "boxes" / public.name).write_bytes(public.read_bytes())
            authority = self.folder / "authority"
            file = next(authority.glob("*.public.json"))
            self.boxes[site] = Parties(own, authority, public, file)
        return [found[one.port] for one in self.brokers]

    def hits(self, site: str, count: int) -> list[Hit]:
        parties = self.boxes[site]
        return [parties.hit(site=site, counter=number + 1) for number in range(count)]

    def words(self, shard: int, *more: str, database: str | None = None) -> list[str | Path]:
        given = [word for one in self.brokers for word in ("--broker", f"{HOST}:{one.port}")]
        return [
            "desk", "consume", "--database", database or self.desk.address, *given,
            "--box-keys", self.folder / "boxes", "--keys", self.folder / "authority",
            "--shard", f"{shard}/{len(self.brokers)}", "--json", *more,
        ]  # fmt: skip

    def rows(self) -> dict[str, tuple[str, bytes]]:
        """Site and payload of each stored hit, by its id."""
        from edge.desk.store.tables import HIT

        with self.desk.open_database() as database, database.reading() as connection:
            rows = connection.execute(HIT.select()).all()
        assert len({row.hit_id for row in rows}) == len(rows)
        return {row.hit_id: (row.site, bytes(row.payload)) for row in rows}

    def receipts(self) -> int:
        with psycopg.connect(self.desk.address) as connection:
            row = connection.execute("SELECT count(*) FROM receipt").fetchone()
        assert row is not None
        return int(row[0])

    def acknowledged(self, shard: int) -> int:
        """How many hits the consumers of a shard have acknowledged, as its broker's log says."""
        log = self.brokers[shard - 1].log.read_text(encoding="utf-8")
        return len(re.findall(rf"Received PUBACK from {SESSION}\b", log))


@pytest.fixture
def region(tmp_path: Path, postgres: Postgres) -> Iterator[Region]:
    with ExitStack() as stack:
        brokers = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            lines = ("log_type all", "max_queued_messages 0")
            brokers.append(stack.enter_context(Mosquitto(tmp_path / name, *lines)))
        new_authority_keys(tmp_path / "authority", AUTHORITY, utc())
        yield Region(brokers, make_desk(tmp_path / "desk", postgres.new_database()), tmp_path)


def send(region: Region, site: str, hits: list[Hit], pause_s: float = 0.0) -> None:
    with BrokerLink.open(region.at(site)) as box:
        for hit in hits:
            assert box.publish(topic_of(hit), hit.to_payload()) == 0
            time.sleep(pause_s)


def receipts_at(region: Region, site: str, count: int, link: BrokerLink) -> set[tuple[str, str]]:
    """The receipts that a box of this site gets at its own broker."""
    public = region.boxes[site].authority_public
    payloads = {hit_id: payload for hit_id, (_, payload) in region.rows().items()}
    verify = ReceiptVerifier((public,), payloads.get)
    found = set()
    for _ in range(count):
        message = link.receive(10)
        assert message is not None
        link.acknowledge(message)
        confirmed = verify(message.payload)
        assert confirmed is not None
        found.add(confirmed)
    return found


def test_the_hits_of_a_site_reach_one_broker_and_one_shard(region: Region) -> None:
    sites = region.add_boxes()
    sent = {site: region.hits(site, 3) for site in sites}
    running = [start(region.words(shard, "--once", "3")) for shard in (1, 2)]
    with ExitStack() as stack:
        links = {site: stack.enter_context(BrokerLink.open(region.at(site))) for site in sites}
        for site, link in links.items():
            link.subscribe([topics.receipt(site, BOX)])
        for broker in region.brokers:
            assert wait_until(partial(subscribed, broker))
        for site, hits in sent.items():
            for hit in hits:
                assert links[site].publish(topic_of(hit), hit.to_payload()) == 0
        ended = [process.communicate(timeout=60) for process in running]
        got = {site: receipts_at(region, site, 3, link) for site, link in links.items()}

    assert [process.returncode for process in running] == [0, 0], ended
    rows = region.rows()
    for site, hits in sent.items():
        assert {hit.hit_id for hit in hits} == {one for one, (of, _) in rows.items() if of == site}
        assert got[site] == {(hit.hit_id, hit.sealed_sha256) for hit in hits}
    assert [region.acknowledged(shard) for shard in (1, 2)] == [3, 3]


def subscribed(broker: Mosquitto) -> bool:
    return f"Sending SUBACK to {SESSION}" in broker.log.read_text(encoding="utf-8")


def holders(address: str) -> list[tuple[int, str, str | None, str | None]]:
    """Server processes that hold the lock of a shard: state, transaction id and snapshot."""
    with psycopg.connect(address) as connection:
        return connection.execute(
            "SELECT activity.pid, state, backend_xid, backend_xmin FROM pg_stat_activity activity "
            "JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND granted "
            "AND datname = current_database()"
        ).fetchall()


def active(address: str) -> int | None:
    """The server process that holds the lock of a shard."""
    found = holders(address)
    assert len(found) <= 1
    return found[0][0] if found else None


def hinders_nothing(address: str) -> bool:
    """Whether the transaction that holds the lock keeps no row and no snapshot."""
    return [row[1:] for row in holders(address)] == [("idle in transaction", None, None)]


@pytest.mark.parametrize("how", ["direct", "PgBouncer"])
def test_the_active_consumer_is_killed_while_hits_arrive_and_the_other_goes_on(
    region: Region, postgres: Postgres, how: str
) -> None:
    if how == "PgBouncer" and PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    moments = random.Random(20261204)
    site = region.add_boxes()[0]
    hits = region.hits(site, 60)
    with ExitStack() as stack:
        address = region.desk.address
        if how == "PgBouncer":
            name = address.rpartition("/")[2]
            port = stack.enter_context(pooled(postgres))
            address = f"postgresql://{USER}:{PASSWORD}@{HOST}:{port}/{name}"
        words = region.words(1, database=address)
        first, second = start(words), None
        try:
            assert wait_until(partial(subscribed, region.brokers[0]))
            for kills in range(3):
                second = start(words)
                assert stands_by(second)
                part = hits[kills * 20 : kills * 20 + 20]
                before = len(region.rows())
                send(region, site, part[:10])
                assert wait_until(partial(has_more, region, before))
                time.sleep(moments.uniform(0, 0.03))
                holder = active(region.desk.address)
                first.send_signal(signal.SIGKILL)
                send(region, site, part[10:])
                first.communicate()
                # Before the next one starts, which would ask for the lock sooner than this one.
                assert wait_until(partial(is_taken, region.desk.address, holder))
                # What the broker knows as acknowledged was committed before.
                known = region.acknowledged(1)
                assert known <= len(region.rows())
                first, second = second, None
            assert wait_until(lambda: len(region.rows()) == len(hits))
            assert wait_until(lambda: region.receipts() == len(hits))
            assert wait_until(partial(hinders_nothing, region.desk.address))
        finally:
            for process in filter(None, (first, second)):
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=60)

    assert region.rows() == {hit.hit_id: (site, hit.to_payload()) for hit in hits}
    # Nothing is left behind at the broker.
    last = verb(*region.words(1, "--idle", "0.5"))
    assert (last.status, last.json["stored"], last.json["known"]) == (0, 0, 0), last.err


def has_more(region: Region, before: int) -> bool:
    return len(region.rows()) > before


def is_taken(address: str, before: int | None) -> bool:
    """Whether another server process than this one holds the lock of a shard."""
    return active(address) not in {None, before}


def stands_by(process: Started) -> bool:
    """Read what a consumer says until it stands by."""
    return any("stands by" in line for line in process.stderr)


def test_a_consumer_that_loses_its_lock_ends_with_one_line_and_the_other_takes_over(
    region: Region,
) -> None:
    region.add_boxes()
    words = region.words(2)
    first = start(words)
    assert wait_until(partial(subscribed, region.brokers[1]))
    second = start(words)
    assert stands_by(second)
    holder = active(region.desk.address)
    with psycopg.connect(region.desk.address) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (holder,))
    _, err = first.communicate(timeout=60)
    taken = wait_until(partial(is_taken, region.desk.address, holder))
    second.send_signal(signal.SIGTERM)
    told = second.communicate(timeout=60)
    assert taken, (told, err)

    assert first.returncode == ExitCode.STORAGE
    assert [line for line in err.splitlines() if '"E_DATABASE"' in line] == [err.splitlines()[-1]]
    assert second.returncode == 0


def test_a_site_that_moves_to_another_broker_loses_and_doubles_nothing(region: Region) -> None:
    site = region.add_boxes()[0]
    for shard in (1, 2):
        assert verb(*region.words(shard, "--idle", "0.2")).status == 0
    hits = region.hits(site, 4)
    send(region, site, hits)
    # The box has a new list of brokers. It sends again what it has no receipt for.
    moved = BrokerOptions(HOST, region.brokers[1].port, f"box-of-{site}")
    with BrokerLink.open(moved) as box:
        for hit in hits[2:]:
            assert box.publish(topic_of(hit), hit.to_payload()) == 0
    counts = [verb(*region.words(shard, "--idle", "0.7")).json for shard in (2, 1)]

    assert [(one["stored"], one["known"]) for one in counts] == [(2, 0), (2, 2)]
    assert region.rows() == {hit.hit_id: (site, hit.to_payload()) for hit in hits}
