"""`hits tail`: over real brokers, each hit stored exactly once, whatever is killed when."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.broker import topics
from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.state.key_making import rotate_authority_keys, rotate_box_keys
from edge.authority.store import HitStore
from edge.authority.tail import Fate, ReceivedMessage, Receiver, Tail, Until
from edge.errors import PublishError
from edge.privacy.hit import Hit, ReceiptVerifier
from edge.privacy.keys import BoxPublicKeys
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import Broker, Mosquitto, TestAuthority, wait_until
from tests.support.parties import AUTHORITY, BOX, SITE, Parties, make_parties, topic_of
from tests.support.product import REPOSITORY, environment, product, start

QUIET = Until(idle_s=1.5)


@pytest.fixture
def parties(tmp_path: Path) -> Parties:
    return make_parties(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HitStore]:
    with HitStore.open(tmp_path / "store", create=True) as opened:
        yield opened


def options(broker: Broker, client_id: str) -> BrokerOptions:
    return BrokerOptions(broker.host, broker.port, client_id)


def publish(broker: Broker, *hits: Hit, topic: str | None = None) -> None:
    with BrokerLink.open(options(broker, "a-box")) as link:
        for hit in hits:
            link.publish(topic or topic_of(hit), hit.to_payload())


def utc() -> datetime:
    return datetime.now(timezone.utc)


def boxes_of(*parties: Parties) -> dict[tuple[str, str], BoxPublicKeys]:
    return {(one.box_public.site, one.box_public.box): one.box_public for one in parties}


def receiver(parties: Parties, store: HitStore, **changed: Any) -> Receiver:
    return Receiver(store, boxes_of(parties), parties.authority, changed.get("utc", utc))


def tail(
    broker: Broker, by: Receiver, until: Until = QUIET, **changed: Any
) -> list[ReceivedMessage]:
    """Run to its own end; the session stays with the broker."""
    arrivals: list[ReceivedMessage] = []
    Tail(options(broker, "an-authority"), by, on_arrival=arrivals.append, **changed).run(until)
    return arrivals


def fates(arrivals: list[ReceivedMessage]) -> list[Fate]:
    return [arrival.fate for arrival in arrivals]


@contextmanager
def waiting_box(broker: Broker, count: int) -> Iterator[list[bytes]]:
    """A box that listens for its receipts, and has got `count` at the end."""
    received: list[bytes] = []
    ready = threading.Event()

    def listen() -> None:
        with BrokerLink.open(options(broker, "a-waiting-box")) as link:
            link.subscribe([topics.receipt(SITE, BOX)])
            ready.set()
            while len(received) < count:
                message = link.receive(10)
                if message is None:
                    return
                received.append(message.payload)
                link.acknowledge(message)

    thread = threading.Thread(target=listen)
    thread.start()
    assert ready.wait(10)
    yield received
    thread.join(15)


# --- the way it should go -----------------------------------------------------------------------


def test_hits_are_stored_in_order_and_confirmed_by_receipts(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0))
    hits = [parties.hit(counter=number) for number in range(5)]
    publish(broker, *hits)

    with waiting_box(broker, 5) as receipts:
        arrivals = tail(broker, receiver(parties, store))

    assert fates(arrivals) == [Fate.STORED] * 5
    assert [arrival.hit for arrival in arrivals] == hits
    assert [store.payload(hit.hit_id) for hit in hits] == [hit.to_payload() for hit in hits]
    payloads = {hit.hit_id: hit.to_payload() for hit in hits}
    verify = ReceiptVerifier((parties.authority_public,), payloads.get)
    assert [verify(receipt) for receipt in receipts] == [
        (hit.hit_id, hit.sealed_sha256) for hit in hits
    ]


def test_hits_sent_while_no_subscriber_is_connected_are_not_lost(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0))
    hit = parties.hit()

    publish(broker, hit)

    assert fates(tail(broker, receiver(parties, store), Until(stored=1))) == [Fate.STORED]
    # Acknowledged: the broker does not send it again.
    assert tail(broker, receiver(parties, store)) == []


def test_a_hit_sent_twice_is_stored_once_and_confirmed_twice(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0))
    hit = parties.hit()
    publish(broker, hit, hit)

    with waiting_box(broker, 2) as receipts:
        arrivals = tail(broker, receiver(parties, store))

    assert fates(arrivals) == [Fate.STORED, Fate.KNOWN]
    assert len(store.hits()) == 1
    assert receipts[0] == receipts[1]


def test_a_subscription_can_be_limited_to_one_site(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0), site="elsewhere")
    publish(broker, parties.hit())

    assert tail(broker, receiver(parties, store), site="elsewhere") == []


# --- killed -------------------------------------------------------------------------------------

KILLED_TAIL = """
import os, sys
from datetime import datetime, timezone
from pathlib import Path
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.authority.store import HitStore
from edge.authority.tail import Receiver, Tail
from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys

port, store, boxes, keys, moment = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), 9)

class DiesAfterStoring(Receiver):
    def take(self, topic, payload):
        arrival = super().take(topic, payload)
        die()

class DiesBeforeStoring(Receiver):
    def take(self, topic, payload):
        die()

if moment == "after the receipt, before the acknowledgement":
    BrokerLink.acknowledge = die
receiver = {"before storing": DiesBeforeStoring, "after storing": DiesAfterStoring}.get(
    moment, Receiver
)
Tail(
    BrokerOptions("127.0.0.1", int(port), "an-authority"),
    receiver(
        HitStore.open(Path(store), create=True),
        load_all_box_public_keys(Path(boxes)),
        load_authority_private_keys(Path(keys)),
        lambda: datetime.now(timezone.utc),
    ),
).run()
"""


@pytest.mark.parametrize(
    "moment",
    ["before storing", "after storing", "after the receipt, before the acknowledgement"],
)
def test_each_hit_is_stored_exactly_once_after_a_kill_at_any_moment(
    broker: Broker, parties: Parties, store: HitStore, tmp_path: Path, moment: str
) -> None:
    tail(broker, receiver(parties, store), Until(idle_s=0))
    hits = [parties.hit() for _ in range(3)]
    publish(broker, *hits)
    arguments = [broker.port, tmp_path / "store", parties.box_file, parties.authority_folder]

    for _ in range(2):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_TAIL, *map(str, arguments), moment],
            env=environment(),
            cwd=REPOSITORY,
            check=False,
            timeout=60,
        )
        assert killed.returncode == -signal.SIGKILL
    arrivals = tail(broker, receiver(parties, store))

    assert sorted(hit.hit_id for hit in store.hits()) == sorted(hit.hit_id for hit in hits)
    confirmed = {arrival.hit.hit_id for arrival in arrivals if arrival.hit is not None}
    assert confirmed == {hit.hit_id for hit in hits}
    expected = 0 if moment == "before storing" else 1
    assert fates(arrivals).count(Fate.KNOWN) >= expected


def test_the_subscriber_reconnects_to_a_restarted_broker(parties: Parties, store: HitStore) -> None:
    stop = threading.Event()
    arrivals: list[ReceivedMessage] = []
    broker = EmbeddedBroker()
    broker.start()
    follower = Tail(
        options(broker, "an-authority"), receiver(parties, store), on_arrival=arrivals.append
    )
    thread = threading.Thread(target=follower.run, kwargs={"cancelled": stop.is_set})

    def arrived(count: int) -> bool:
        # The broker forgets sessions when it ends, so the box sends until it is confirmed.
        publish(broker, parties.hit())
        return wait_until(lambda: len(arrivals) >= count, 1.0)

    try:
        thread.start()
        assert wait_until(lambda: arrived(1), 20)
        before = len(arrivals)
        broker.kill()
        broker.start()
        assert wait_until(lambda: arrived(before + 1), 20)
    finally:
        stop.set()
        thread.join(20)
        broker.stop()
    assert not thread.is_alive()


# --- what is not stored ---------------------------------------------------------------------------


def take(by: Receiver, hit: Hit, topic: str | None = None) -> ReceivedMessage:
    return by.take(topic or topic_of(hit), hit.to_payload())


def test_anything_but_a_hit_of_a_known_box_is_refused(parties: Parties, store: HitStore) -> None:
    hit = parties.hit()
    forged = hit.model_copy(update={"epoch": hit.epoch + 1})
    by = receiver(parties, store)

    assert by.take(topic_of(hit), b"junk").fate is Fate.REFUSED
    assert take(by, forged).fate is Fate.REFUSED
    for topic in (f"anpr/{SITE}/{BOX}/cam-2/hit", f"anpr/{SITE}/box-2/cam-1/hit", "anpr/x", ""):
        arrival = by.take(topic, hit.to_payload())
        assert (arrival.fate, arrival.receipt) == (Fate.REFUSED, None)
    assert store.hits() == ()
    assert store.aside() == ()


def test_a_hit_for_another_authority_is_ignored(
    parties: Parties, store: HitStore, tmp_path: Path
) -> None:
    other = make_parties(tmp_path / "other", authority="city")
    arrival = take(receiver(parties, store), other.hit(authority="city"))

    assert (arrival.fate, arrival.receipt) == (Fate.FOR_OTHERS, None)
    assert store.hits() == ()


def test_a_signature_of_a_key_retired_too_long_ago_is_refused(
    parties: Parties, store: HitStore
) -> None:
    old = parties.hit()
    rotate_box_keys(parties.box_folder, utc())
    in_time = receiver(parties, store, utc=lambda: utc() + timedelta(days=30))
    too_late = receiver(parties, store, utc=lambda: utc() + timedelta(days=32))

    assert take(too_late, old).fate is Fate.REFUSED
    assert take(in_time, old).fate is Fate.STORED


def test_another_hit_with_a_known_id_is_quarantined_and_gets_no_receipt(
    parties: Parties, store: HitStore
) -> None:
    hit = parties.hit()
    by = receiver(parties, store)
    take(by, hit)

    arrival = take(by, parties.hit(hit_id=hit.hit_id))

    assert (arrival.fate, arrival.receipt) == (Fate.SET_ASIDE, None)
    assert store.payload(hit.hit_id) == hit.to_payload()


# --- what may be stored later ---------------------------------------------------------------------


def test_a_hit_of_an_unknown_box_is_stored_once_its_public_file_exists(
    broker: Broker, parties: Parties, store: HitStore
) -> None:
    stranger = Receiver(store, {}, parties.authority, utc)
    tail(broker, stranger, Until(idle_s=0))
    hit = parties.hit()
    publish(broker, hit)
    assert fates(tail(broker, stranger)) == [Fate.SET_ASIDE]
    assert store.hits() == ()

    with waiting_box(broker, 1) as receipts:
        arrivals = tail(broker, receiver(parties, store))

    assert fates(arrivals) == [Fate.STORED]
    assert store.payload(hit.hit_id) == hit.to_payload()
    assert store.aside() == ()
    verify = ReceiptVerifier((parties.authority_public,), lambda _hit_id: hit.to_payload())
    assert verify(receipts[0]) is not None


@pytest.mark.parametrize("rotated", ["the box's key", "the authority's key"])
def test_a_hit_under_unknown_keys_waits_until_they_are_known(
    parties: Parties, store: HitStore, rotated: str
) -> None:
    before = receiver(parties, store)
    if rotated == "the box's key":
        rotate_box_keys(parties.box_folder, utc())
    else:
        rotate_authority_keys(parties.authority_folder, utc())
    hit = parties.hit()

    assert take(before, hit).fate is Fate.SET_ASIDE
    assert before.retry_aside() == []
    assert len(store.aside()) == 1
    (arrival,) = receiver(parties, store).retry_aside()
    assert (arrival.fate, arrival.receipt is not None) == (Fate.STORED, True)


# --- the verbs ------------------------------------------------------------------------------------


def tail_arguments(parties: Parties, store: Path, broker: Broker, *more: str) -> list[str]:
    return [
        *("hits", "tail", "--broker", f"{broker.host}:{broker.port}", "--store", str(store)),
        *("--box-keys", str(parties.box_file), "--keys", str(parties.authority_folder), *more),
    ]


def test_a_hit_can_be_received_listed_opened_reviewed_and_purged(
    broker: Broker, parties: Parties, tmp_path: Path
) -> None:
    folder, out = tmp_path / "verbs", tmp_path / "opened"
    arguments = tail_arguments(parties, folder, broker, "--json")
    assert product(*arguments, "--idle", "0").json["stored"] == 0
    hits = [parties.hit(observed_at=utc() - timedelta(days=1, hours=1)) for _ in range(2)]
    publish(broker, *hits)

    received = product(*arguments, "--once", "2")
    listed = product("hits", "list", "--store", folder, "--json")
    opened = product(
        *("hits", "open", "--all", "--store", folder, "--out", out, "--json"),
        *("--box-keys", parties.box_file, "--keys", parties.authority_folder),
    )
    rejected = product(
        "hits", "review", hits[0].hit_id[:8], "--reject", "misread", "--store", folder
    )
    confirmed = product("hits", "review", hits[1].hit_id, "--confirm", "--store", folder)
    stats = product("hits", "stats", "--store", folder, "--json")
    kept, purged = (
        product("hits", "purge", "--older-than", days, "--store", folder, "--json")
        for days in ("2", "1")
    )

    done = (received, listed, opened, rejected, confirmed, stats)
    assert [each.status for each in done] == [0] * len(done), [each.err for each in done]
    assert received.json["stored"] == 2
    assert sorted(received.json["hits"]) == sorted(hit.hit_id for hit in hits)
    assert {row["state"] for row in listed.json["hits"]} == {"to be reviewed"}
    assert {row["plate"] for row in opened.json["opened"]} == {"1ABC123"}
    assert stats.json["rules"]["stolen"]["error_rate"] == 0.5
    schema = {"schema": "edge-anpr/hits-purge/1"}
    assert [kept.json, purged.json] == [{**schema, "purged": 0}, {**schema, "purged": 2}]
    for each in (received, listed, rejected, confirmed, stats):
        assert "1ABC123" not in each.out + each.err


def test_a_stopped_tail_ends_with_status_0_and_a_summary(parties: Parties, tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        arguments = tail_arguments(parties, tmp_path / "verbs", broker)
        product(*arguments, "--idle", "0")
        hit = parties.hit()
        publish(broker, hit)
        process = start(arguments)
        assert process.stdout is not None
        assert hit.hit_id in process.stdout.readline()

        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 0
    assert "1 stored" in err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["hits", "tail", "--broker", "127.0.0.1:1"], 6),
        (["hits", "tail", "--broker", "host:99999"], 2),
        (["hits", "tail", "--broker", "127.0.0.1:1", "--password-env", "NOT_SET"], 3),
        (["hits", "tail", "--broker", "127.0.0.1:1", "--site", "NO/SITE"], 3),
    ],
)
def test_a_tail_that_cannot_start_reports_it_in_one_line(
    parties: Parties, tmp_path: Path, arguments: list[str], status: int
) -> None:
    done = product(
        *arguments,
        *("--store", tmp_path / "s", "--box-keys", parties.box_file),
        *("--keys", parties.authority_folder),
    )

    assert done.status == status
    assert status == 2 or len(done.error_lines) == 1
    assert "Traceback" not in done.err


def test_the_other_verbs_refuse_bad_input(parties: Parties, tmp_path: Path) -> None:
    folder = tmp_path / "verbs"
    hit = parties.hit()
    with HitStore.open(folder, create=True) as opened:
        opened.put(hit, hit.to_payload(), utc())
    stranger = make_parties(tmp_path / "stranger")
    keys: list[str | Path] = [
        "--store",
        folder,
        "--out",
        tmp_path / "o",
        "--box-keys",
        parties.box_file,
        "--keys",
    ]

    wrong_key = product("hits", "open", "--all", *keys, stranger.authority_folder)
    nothing_named = product("hits", "open", *keys, parties.authority_folder)
    unknown_hit = product("hits", "open", "ffff", *keys, parties.authority_folder)
    free_text = product(
        "hits", "review", hit.hit_id, "--reject", "it was 1ABC123", "--store", folder
    )
    both = product(
        "hits", "review", hit.hit_id, "--confirm", "--reject", "exempt", "--store", folder
    )

    refused = (wrong_key, nothing_named, unknown_hit, free_text, both)
    assert [each.status for each in refused] == [7, 2, 8, 2, 2]
    assert not (tmp_path / "o").exists()


@needs_mosquitto
def test_the_command_line_supports_mutual_tls(parties: Parties, tmp_path: Path) -> None:
    ours = TestAuthority(tmp_path, "ours")
    server, client = ours.issue("broker"), ours.issue(AUTHORITY)
    broker = Mosquitto(
        tmp_path,
        f"cafile {ours.path}",
        f"certfile {server.certificate}",
        f"keyfile {server.key}",
        "require_certificate true",
        "use_identity_as_username true",
    )
    with broker:
        arguments = tail_arguments(parties, tmp_path / "s", broker, "--idle", "0", "--json")
        shown = product(
            *arguments,
            *("--tls-ca", ours.path, "--tls-cert", client.certificate, "--tls-key", client.key),
        )
        not_shown = product(*arguments, "--tls-ca", ours.path)

    assert (shown.status, not_shown.status) == (0, 6), shown.err


def test_the_first_connection_must_succeed(parties: Parties, store: HitStore) -> None:
    nobody = Tail(BrokerOptions("127.0.0.1", 1, "an-authority"), receiver(parties, store))

    with pytest.raises(PublishError):
        nobody.run()
