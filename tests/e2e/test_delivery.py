"""Hits reach the authority exactly once and in order, also after failures of box or broker."""

from __future__ import annotations

import contextlib
import csv
import json
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.errors import ExitCode
from tests.support.brokers import wait_until
from tests.support.message_recorder import MessageRecorder
from tests.support.product import CLIPS, Finished, product, start
from tests.support.sites import (
    MadeSite,
    hotlist_rule,
    make_site,
    outbox_of,
    policy,
    set_port,
)

CLIP = "street_day.mp4"
KILLS = 5
NOBODY = 1  # a port on which nothing listens
PROBE = "anpr/test-street/probe/probe/hit"


def plates_of(clip: str) -> list[str]:
    with (CLIPS / "labels.csv").open(newline="") as file:
        return [row["plate"] for row in csv.DictReader(file) if row["clip"] == clip]


@pytest.fixture
def made(tmp_path: Path) -> MadeSite:
    """A site with every vehicle of the clip on its alert list, and no broker.

    Its hits show the plate only: it takes less time than to tell apart all parts of a picture.
    """
    plates = policy(rules=[hotlist_rule(reveal="plate")])
    return make_site(tmp_path, stolen=plates_of(CLIP), port=NOBODY, policy_yaml=plates)


def run(made: MadeSite, *arguments: str | Path) -> Finished:
    return product("run", "--site", made.folder, "--source", CLIPS / CLIP, "--json", *arguments)


def waiting(made: MadeSite) -> list[str]:
    """The ids of the hits in the outbox of a stopped box, oldest first."""
    with outbox_of(made) as outbox:
        return list(outbox.hit_ids())


def hits_counted(made: MadeSite) -> int:
    """The counter of the outbox, which may be in use; a hit is counted before it is written."""
    file = made.state / "outbox.sqlite3"
    if not file.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT value FROM counter").fetchone()[0])


def has_counted(made: MadeSite, hits: int) -> bool:
    return hits_counted(made) >= hits


@contextmanager
def authority(made: MadeSite, port: int, store: Path) -> Iterator[None]:
    """`hits tail` as a process that has subscribed, until the block ends.

    A box publishes again what nobody was there for, but only after a minute.
    """
    with BrokerLink.open(BrokerOptions("127.0.0.1", port, "probe")) as link:
        # The broker sends retained messages to each new subscriber.
        link.publish(PROBE, b"no hit", retain=True)
    process = start(
        [
            "hits", "tail", "--broker", f"127.0.0.1:{port}", "--store", store,
            "--box-keys", made.box_keys, "--keys", made.authority_keys,
        ]
    )  # fmt: skip
    try:
        assert any(line.startswith("refused: ") for line in process.stderr), "it has not subscribed"
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=60)
        except Exception:
            process.kill()
            raise


def stored(store: Path) -> list[dict[str, object]]:
    """The authority's hits as `hits list` prints them."""
    listed = product("hits", "list", "--store", store, "--json")
    assert listed.status == 0, listed.err
    hits = listed.json["hits"]
    assert isinstance(hits, list)
    return hits


def stored_ids(store: Path) -> list[str]:
    return [str(hit["hit_id"]) for hit in stored(store)]


def settled(store: Path, wanted: set[str], within_s: float = 30) -> list[str]:
    deadline = time.monotonic() + within_s
    while True:
        found = stored_ids(store) if store.exists() else []
        if wanted <= set(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def started(made: MadeSite, times: int) -> bool:
    """Whether the audit log records this number of starts."""
    log = made.state / "audit.log"
    return log.exists() and log.read_bytes().count(b'"started"') >= times


def test_without_a_broker_hits_are_kept_and_the_next_run_delivers_them_in_order(
    made: MadeSite, tmp_path: Path
) -> None:
    away = run(made, "--drain", "0.5")
    assert away.status == ExitCode.BROKER, away.err
    assert "E_HITS_KEPT" in away.err
    kept = waiting(made)
    assert len(kept) == away.json["hits"] == away.json["kept"] >= 5

    store = tmp_path / "store"
    with EmbeddedBroker() as broker, authority(made, broker.port, store):
        set_port(made, broker.port)
        back = run(made, "--drain", "30")
        assert back.status == 0, back.err
        assert back.json["delivered"] == len(kept) + back.json["hits"]
    arrived = [str(hit["hit_id"]) for hit in stored_payloads(store)]
    assert arrived[: len(kept)] == kept
    assert len(arrived) == len(set(arrived)) == back.json["delivered"]
    assert waiting(made) == []


def test_without_a_receipt_a_hit_stays_on_the_box(made: MadeSite) -> None:
    with EmbeddedBroker() as broker:
        set_port(made, broker.port)
        done = run(made, "--drain", "1")
    assert done.status == ExitCode.BROKER
    assert "receipt" in done.err
    assert len(waiting(made)) == done.json["hits"]


def test_no_hit_is_lost_when_the_broker_restarts_during_the_run(
    made: MadeSite, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    with EmbeddedBroker() as broker, authority(made, broker.port, store):
        set_port(made, broker.port)
        process = start(
            ["run", "--site", made.folder, "--source", CLIPS / CLIP, "--realtime", "--json",
             "--drain", "40"]
        )  # fmt: skip
        for _ in range(2):
            time.sleep(2.5)
            broker.kill()
            time.sleep(0.5)
            broker.start()
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert len(set(stored_ids(store))) == len(stored_ids(store)) == json.loads(out)["hits"]


def test_no_hit_is_lost_or_duplicated_by_kill_9_at_random_moments(
    made: MadeSite, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    moments = random.Random(20261124)
    # A kill after each number of hits, in random order, and a little later than that.
    hits_before_kill = moments.sample(range(KILLS), KILLS)
    accepted: set[str] = set()
    with EmbeddedBroker() as broker, authority(made, broker.port, store):
        for kill, hits in enumerate(hits_before_kill):
            # Every other time there is no broker, so that the kill hits a filled outbox.
            set_port(made, broker.port if kill % 2 else NOBODY)
            counted = hits_counted(made)
            process = start(
                ["run", "--site", made.folder, "--source", CLIPS / CLIP, "--drain", "10"]
            )
            assert wait_until(partial(started, made, kill + 1), 180)
            assert wait_until(partial(has_counted, made, counted + hits), 180)
            time.sleep(moments.uniform(0.0, 0.3))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            accepted.update(waiting(made))
        set_port(made, broker.port)
        last = run(made, "--drain", "30")
        assert last.status == 0, last.err
        arrived = settled(store, accepted)
    assert len(accepted) >= 3
    assert accepted <= set(arrived)
    assert len(arrived) == len(set(arrived))
    counters = sorted(int(str(hit["counter"])) for hit in stored_payloads(store))
    assert len(counters) == len(set(counters))
    # A counter is taken just before its hit is written: a kill loses at most that one number.
    assert counters[-1] - len(counters) <= KILLS


def stored_payloads(store: Path) -> list[dict[str, object]]:
    """The authority's hits in the order in which they were stored."""
    with sqlite3.connect(next(store.glob("*.sqlite3"))) as database:
        rows = database.execute("SELECT payload FROM hit ORDER BY rowid").fetchall()
    return [json.loads(row[0]) for row in rows]


def test_a_second_box_on_the_same_state_folder_is_refused(made: MadeSite) -> None:
    with outbox_of(made):
        done = run(made, "--drain", "0")
    assert done.status == ExitCode.STORAGE
    assert "E_STATE_LOCKED" in done.error_lines[0]
    assert "in use by process" in done.error_lines[0]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_box_keeps_its_hits_and_announces_that_it_is_offline(
    made: MadeSite, stop: signal.Signals
) -> None:
    with EmbeddedBroker() as broker, MessageRecorder(broker.port) as recorder:
        set_port(made, broker.port)
        process = start(["run", "--site", made.folder, "--source", CLIPS / CLIP, "--realtime"])
        deadline = time.monotonic() + 60
        while not recorder.of_kind("hit") and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(stop)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    last = json.loads(recorder.of_kind("availability")[-1].payload)
    assert (last["state"], last["reason"]) == ("offline", "stopped")
    published = {json.loads(message.payload)["hit_id"] for message in recorder.of_kind("hit")}
    assert published <= set(waiting(made))
