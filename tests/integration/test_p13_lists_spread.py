"""P13: one list for many boxes, from `lists build --boxes` to the boxes' signed answers.

Real mosquitto, a real HTTPS server, and boxes that are wired as the product wires them.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.adapters.broker.list_parts import PART_BYTES, MqttBodies, part_topics
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.system import SystemClock
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.list_bodies import BodySource, FolderBodies, HttpsBodies
from edge.adapters.state.list_store import ListStore
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.suspension_store import SuspensionStore
from edge.authority.list_sender import Waiting
from edge.authority.list_spreading import _collect, spread_list
from edge.box.delivery import message_handlers
from edge.box.list_receiving import ListReceiver
from edge.cli.lists_shared import read_shared
from edge.errors import ExitCode, PublishError
from edge.formats.signing import SigningKey
from edge.policy.list_answer import ListAnswer, sign_answer
from edge.policy.shared_lists import MANIFESTS_NAME
from edge.policy.suspension import SuspensionTerms, new_order
from tests.integration.conftest import needs_mosquitto
from tests.support import plate_lists
from tests.support.brokers import Mosquitto, TestAuthority, verify_receipt, wait_until
from tests.support.list_server import Bodies, list_server
from tests.support.network import SlowLink
from tests.support.parties import SITE, Parties, make_parties
from tests.support.plate_lists import ISSUER, LIST, PURPOSE
from tests.support.product import Finished, verb
from tests.support.sites import list_csv

pytestmark = needs_mosquitto

VTC = SigningKey.generate("vtc")
PLATES = ("1QQQ777", "1QQQ778")


class SharingBox:
    """A box that takes lists by MQTT and fetches their bodies."""

    def __init__(
        self,
        folder: Path,
        broker: Mosquitto,
        parties: Parties,
        source: BodySource | None,
        issuer: SigningKey,
    ) -> None:
        clock = SystemClock()
        topics = BoxTopics(SITE, parties.box.box, frozenset({"cam-1"}), frozenset({LIST}))
        self._keyring = Keyring.open(folder / "keyring", clock)
        self._outbox = Outbox.open(folder / "state", self._keyring, reserve_mib=1)
        self.state = folder / "state"
        terms = plate_lists.terms(
            issuers={ISSUER: issuer.public}, max_entries=1000, max_entry_days=400
        )
        self.lists = ListStore(self.state, parties.box, {LIST: terms}, clock.utc)
        self.receiver = ListReceiver(
            self.lists,
            parties.box,
            clock,
            self._answer,
            source,
            first_retry_s=0.2,
            jitter=lambda: 0.0,
        )
        self.suspensions = SuspensionStore(self.state)
        self.publisher = Publisher(
            self._outbox,
            BrokerOptions(broker.host, broker.port, parties.box.box),
            topics,
            verify_receipt,
            clock=clock,
            jitter=lambda: 0.5,
            handlers=message_handlers(
                topics,
                self.receiver,
                self.suspensions,
                SuspensionTerms(SITE, parties.box.box, {VTC.public.key_id: VTC.public}, {}),
            ),
        )
        self.publisher.start()
        assert wait_until(lambda: self.publisher.state.connected)

    def _answer(self, list_id: str, answer: bytes) -> None:
        self.publisher.publish_list_answer(list_id, answer)

    def counter(self) -> int | None:
        """The counter of the list in force."""
        return self.lists.facts(LIST).counter if self.lists.has(LIST) else None

    def close(self) -> None:
        self.publisher.stop()
        self.receiver.close()
        self._outbox.close()
        self._keyring.close()


class Zone:
    """An issuer with an inventory of two boxes, a broker and a web server."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.plates: tuple[str, ...] = PLATES
        self.own_bases = False
        self.inventory = folder / "boxes"
        self.inventory.mkdir(mode=0o755)
        self.parties = {box: make_parties(folder / box, box=box) for box in ("box-1", "box-2")}
        for one in self.parties.values():
            shutil.copy(one.box_file, self.inventory)
        made = verb("keys", "new", "signer", ISSUER, "--out", folder / "office")
        assert made.status == 0, made.err
        self.key_file = folder / "office" / f"{ISSUER}.signer.private.json"
        raw = json.loads(self.key_file.read_text())
        self.key = SigningKey.from_raw(ISSUER, base64.b64decode(raw["signing"]))
        self.broker = stack.enter_context(Mosquitto(folder))
        authority = TestAuthority(folder, "ca")
        self.server: Bodies = stack.enter_context(list_server(authority.issue("server")))
        self.https = HttpsBodies(self.server.url, authority.path)

    def build(self, name: str = "shared", *more: str | Path) -> Path:
        out = self.folder / name
        done = self.try_build(out, *more)
        assert done.status == 0, done.err
        return out

    def try_build(self, out: Path, *more: str | Path) -> Finished:
        csv = self.folder / "stolen.csv"
        year = datetime.now(timezone.utc).year
        text = list_csv(self.plates, f"{year}-12-31").replace("2026-01-01", f"{year}-01-01")
        if self.own_bases:
            text = text.replace("test basis", "test basis {}")
            # Without digits, which might be a person's national number.
            letters = str.maketrans("0123456789", "ghijklmnop")
            text = text.format(*(secrets.token_hex(80).translate(letters) for _ in self.plates))
        csv.write_text(text)
        return verb(
            "lists", "build", csv, "--issuer-key", self.key_file, "--boxes", self.inventory,
            "--list", LIST, "--purpose", PURPOSE, "--out", out, *more,
        )  # fmt: skip

    def upload(self, out: Path) -> str:
        """Copy the body to the server; returns its path there."""
        (body,) = out.glob("*.list")
        self.server.files[f"/anpr/{body.name}"] = body.read_bytes()
        return f"/anpr/{body.name}"

    def box(self, name: str, source: BodySource | None) -> SharingBox:
        box = SharingBox(
            self.folder / f"{name}-data", self.broker, self.parties[name], source, self.key
        )
        self._stack.callback(box.close)
        return box

    def send(self, out: Path, *more: str | Path, timeout: float = 10) -> Finished:
        done = verb(
            "lists", "send", out, "--broker", f"{self.broker.host}:{self.broker.port}",
            "--boxes", self.inventory, "--timeout", str(timeout), *more,
        )  # fmt: skip
        assert "Traceback" not in done.err
        assert not any(plate in done.out + done.err for plate in PLATES)
        return done


@pytest.fixture
def zone(tmp_path: Path) -> Iterator[Zone]:
    with ExitStack() as stack:
        yield Zone(tmp_path, stack)


@pytest.fixture
def start(zone: Zone) -> Callable[..., list[SharingBox]]:
    def boxes(source: BodySource | None) -> list[SharingBox]:
        return [zone.box(name, source) for name in zone.parties]

    return boxes


def test_p13_all_boxes_of_an_inventory_get_one_list_over_https(
    zone: Zone, start: Callable[..., list[SharingBox]]
) -> None:
    boxes = start(zone.https)
    out = zone.build()
    path = zone.upload(out)

    done = zone.send(out, "--json")

    assert done.status == 0, done.err
    told = [(one["box"], one["state"]) for one in done.json["answers"]]
    assert told == [("box-1", "in-force"), ("box-2", "in-force")]
    assert zone.server.asked == [path, path]
    counters = {box.counter() for box in boxes}
    assert counters == {done.json["answers"][0]["counter"]}
    for box in boxes:
        assert {one.plate.reveal() for one in plate_lists.entries_of(box.lists)} == set(PLATES)
        kept = (box.state / "lists" / f"{LIST}.bundle").read_bytes()
        assert not any(plate.encode() in kept for plate in PLATES)
    again = zone.send(out)
    assert "is in force on 2 of 2 boxes" in again.out
    assert len(zone.server.asked) == 2, "what is in force is not fetched again"


def test_p13_a_body_in_parts_is_at_the_broker_once_for_all_boxes(
    zone: Zone, start: Callable[..., list[SharingBox]]
) -> None:
    options = BrokerOptions(zone.broker.host, zone.broker.port, "box")
    boxes = [
        zone.box(name, MqttBodies(replace(options, client_id=name), idle_s=2.0))
        for name in zone.parties
    ]
    zone.plates = tuple(f"1AAA{number:03d}" for number in range(900))
    zone.own_bases = True  # alike entries would be compressed to a single part
    out = zone.build("parts")

    done = zone.send(out, "--parts")

    assert done.status == 0, done.err
    assert [box.counter() for box in boxes] == [boxes[0].counter()] * 2
    (body,) = out.glob("*.list")
    with BrokerLink.open(options) as link:
        link.subscribe(["anpr/list-parts/#", "anpr/+/+/lists/+"])
        kept = {}
        while (message := link.receive(0.5)) is not None:
            assert message.retained
            kept[message.topic] = message.payload
    parts = part_topics(body.stem, body.stat().st_size)
    assert len(parts) == 3
    assert b"".join(kept[topic] for topic in parts) == body.read_bytes()
    manifests = [one for topic, one in kept.items() if "/lists/" in topic]
    assert len(kept) == len(parts) + len(manifests) == len(parts) + 2
    assert max(map(len, manifests)) < 2048
    assert sum(map(len, kept.values())) < body.stat().st_size + 2 * 2048


def test_p13_without_the_parts_a_box_says_so_and_takes_them_when_they_come(
    zone: Zone,
) -> None:
    options = BrokerOptions(zone.broker.host, zone.broker.port, "box-1")
    box = zone.box("box-1", MqttBodies(options, idle_s=0.3))
    out = zone.build()
    one = zone.inventory / f"{SITE}.box-2.public.json"
    one.unlink()

    done = zone.send(out, timeout=5)

    assert done.status == ExitCode.BROKER
    (line,) = done.error_lines
    assert line.startswith("error: E_LIST_FETCH: box box-1 of test-street refuses the list stolen")
    assert "no part on anpr/list-parts/" in line
    assert box.counter() is None
    assert zone.send(out, "--parts").status == 0
    assert box.counter() is not None


def test_p13_a_half_written_upload_changes_nothing_until_it_is_whole(
    zone: Zone, start: Callable[..., list[SharingBox]]
) -> None:
    boxes = start(zone.https)
    first = zone.build("first")
    zone.upload(first)
    assert zone.send(first).status == 0
    before = [box.counter() for box in boxes]
    second = zone.build("second")
    path = zone.upload(second)
    whole = zone.server.files[path]
    zone.server.files[path] = whole[:-4096]

    done = zone.send(second, timeout=4)

    assert done.status == ExitCode.BROKER, done.err
    assert "E_LIST_FETCH" in done.out
    assert "upload the whole file of this build again" in done.out
    assert [box.counter() for box in boxes] == before
    zone.server.files[path] = whole
    newest = int(json.loads((second / MANIFESTS_NAME).read_bytes().splitlines()[0])["counter"])
    assert wait_until(lambda: [box.counter() for box in boxes] == [newest] * 2), "they try again"
    done = zone.send(first)
    assert done.status == ExitCode.CONFIG, "the list before is never taken again"
    assert "E_LIST_REPLAY" in done.err
    assert [box.counter() for box in boxes] == [newest] * 2


def test_p13_a_newer_manifest_takes_the_place_of_one_whose_list_cannot_be_had(zone: Zone) -> None:
    (zone.inventory / f"{SITE}.box-2.public.json").unlink()
    box = zone.box("box-1", zone.https)
    zone.server.answer = lambda _: zone.server.ended.wait(60)
    first, second = zone.build("first"), zone.build("second")
    done = zone.send(first, timeout=1)
    assert done.status == ExitCode.BROKER, "the box still reads from a server that hangs"
    assert "E_LIST_UNANSWERED" in done.err
    zone.server.answer = None
    zone.upload(second)

    assert zone.send(second).status == 0
    newest = json.loads((second / MANIFESTS_NAME).read_bytes())["counter"]
    assert box.counter() == newest


def test_p13_a_manifest_of_another_box_is_refused_and_the_rest_stays(
    zone: Zone, start: Callable[..., list[SharingBox]]
) -> None:
    (box, _) = start(zone.https)
    out = zone.build()
    zone.upload(out)
    manifests = {
        json.loads(line)["box"]: line for line in (out / MANIFESTS_NAME).read_bytes().splitlines()
    }
    topics = BoxTopics(SITE, "box-1", frozenset(), frozenset({LIST}))
    with BrokerLink.open(BrokerOptions(zone.broker.host, zone.broker.port, "liar")) as link:
        link.subscribe([topics.list_answer])
        link.publish(topics.bundle(LIST), manifests["box-2"])
        message = link.receive(5)
    assert message is not None
    answer = json.loads(message.payload)
    assert (answer["state"], answer["code"]) == ("refused", "E_LIST_BUNDLE")
    assert "not for list stolen of box box-1" in answer["reason"]
    assert box.counter() is None
    assert zone.server.asked == [], "nothing is fetched for it"


def test_p17_a_server_that_hangs_does_not_delay_an_order_to_suspend(zone: Zone) -> None:
    box = zone.box("box-1", replace(zone.https, idle_s=90.0))
    out = zone.build()
    asked = zone.server.ended
    zone.server.answer = lambda _: asked.wait(90)
    manifest = (out / MANIFESTS_NAME).read_bytes().splitlines()[0]
    order = new_order(SITE, "suspend", "audit", datetime.now(timezone.utc)).signed_by(VTC)
    topics = BoxTopics(SITE, "box-1", frozenset(), frozenset({LIST}))

    with BrokerLink.open(BrokerOptions(zone.broker.host, zone.broker.port, "office")) as link:
        link.publish(topics.bundle(LIST), manifest)
        assert wait_until(lambda: len(zone.server.asked) == 1)
        link.publish(topics.command, order.to_bytes())
        assert wait_until(lambda: box.suspensions.load().suspended)
    assert box.counter() is None


def test_a_box_without_a_place_for_bodies_names_the_section_to_write(zone: Zone) -> None:
    box = zone.box("box-1", None)
    (zone.inventory / f"{SITE}.box-2.public.json").unlink()

    done = zone.send(zone.build(), timeout=60)

    assert (done.status, box.counter()) == (ExitCode.CONFIG, None), "it does not try again"
    assert "E_LIST_SOURCE" in done.err
    assert "write where to fetch them into the section `lists` of site.yaml" in done.err


def test_answers_that_are_not_valid_are_noted_up_to_a_limit(zone: Zone) -> None:
    shared, party = read_shared(zone.build()), zone.parties["box-1"]
    manifest = shared.manifests[SITE, "box-1"]
    boxes = {
        (SITE, one): replace(party.box_public, box=one) for one in map("box-{}".format, range(30))
    }
    shared = replace(shared, manifests=dict.fromkeys(boxes, manifest))
    topics = {one: BoxTopics(*one, frozenset(), frozenset({LIST})).list_answer for one in boxes}
    options = BrokerOptions(zone.broker.host, zone.broker.port, "office")
    noted: list[str] = []
    answers: dict[tuple[str, str], ListAnswer] = {}
    with BrokerLink.open(options) as link:
        link.subscribe(list(topics.values()))
        with BrokerLink.open(replace(options, client_id="liar")) as boxes_link:
            for box in (zone.parties["box-2"].box, party.box):
                for (_, name), topic in topics.items():
                    answer = sign_answer(
                        LIST, manifest, None, datetime.now(timezone.utc), replace(box, box=name)
                    )
                    boxes_link.publish(topic, answer.to_bytes())
        _collect(link, shared, boxes, answers, Waiting(30), noted.append)
    assert len(answers) == 30
    assert len(noted) == 21
    assert noted[-1] == "10 more answers were ignored too, and are not shown one by one"


def test_p13_a_manifest_that_the_broker_refuses_stops_no_other_box(zone: Zone) -> None:
    acl = zone.folder / "acl"
    acl.write_text(f"topic readwrite anpr/{SITE}/box-2/#\ntopic read anpr/#\n")
    zone.broker.stop()
    (zone.folder / "acl-broker").mkdir()
    with Mosquitto(zone.folder / "acl-broker", f"acl_file {acl}") as zone.broker:
        box = zone.box("box-2", FolderBodies(zone.folder / "shared"))
        done = zone.send(zone.build())
        told = zone.send(zone.folder / "shared", "--json")
        assert wait_until(lambda: box.counter() is not None)
    assert done.status == ExitCode.BROKER
    assert (
        f"  {SITE}/box-1  not sent: the broker refuses it on anpr/{SITE}/box-1/lists/" in done.out
    )
    assert f"  {SITE}/box-2  in force\n" in done.out
    (line,) = done.error_lines
    assert "does not take the list for 1 of 2 boxes" in line
    assert [(one["box"], "(reason 0x87)" in one["reason"]) for one in told.json["unsent"]] == [
        ("box-1", True)
    ]


def test_all_manifests_are_sent_before_the_broker_acknowledges_one(zone: Zone) -> None:
    out = zone.build()
    with SlowLink(zone.broker.port, hold_until=2) as held:
        zone.broker.port, direct = held.port, zone.broker.port
        done = zone.send(out, timeout=1)
        zone.broker.port = direct
    assert "E_LIST_UNANSWERED: 2 of 2 boxes" in done.err, "the broker took both"
    assert f"  {SITE}/box-2  no answer yet\n" in done.out


def test_what_was_answered_is_told_though_the_broker_ends(zone: Zone) -> None:
    shared = read_shared(zone.build())
    zone.box("box-1", FolderBodies(zone.folder / "shared"))
    topics = BoxTopics(SITE, "box-1", frozenset(), frozenset({LIST}))
    options = BrokerOptions(zone.broker.host, zone.broker.port, "office")
    boxes = {(SITE, name): one.box_public for name, one in zone.parties.items()}
    looks = 0

    def ends_the_broker() -> bool:
        """The answer was delivered to all: to `seen`, and by the next looks to the sender."""
        nonlocal looks
        looks += looks > 0 or seen.receive(0) is not None
        if looks == 5:
            zone.broker.kill()
        return False

    with BrokerLink.open(replace(options, client_id="seen")) as seen:
        seen.subscribe([topics.list_answer])
        waiting = Waiting(60, ends_the_broker)
        spread = spread_list(options, shared, boxes, waiting, lambda _: None)
        with pytest.raises(PublishError) as refused:
            spread.require_all()
        seen.abort()
    assert (set(spread.in_force), spread.silent) == ({(SITE, "box-1")}, ((SITE, "box-2"),))
    assert f"1 of 2 boxes ({SITE}/box-2) had not answered" in refused.value.message
    assert "connection" in refused.value.message


def test_a_box_that_is_away_is_named(zone: Zone) -> None:
    box = zone.box("box-2", FolderBodies(zone.folder / "shared"))

    done = zone.send(zone.build(), timeout=4)

    assert done.status == ExitCode.BROKER
    assert "is in force on 1 of 2 boxes" in done.out
    (line,) = done.error_lines
    assert line.startswith("error: E_LIST_UNANSWERED: 1 of 2 boxes did not answer in time")
    assert f"({SITE}/box-1)" in line
    assert box.counter() is not None


def test_an_inventory_with_a_box_twice_builds_nothing(zone: Zone, tmp_path: Path) -> None:
    twice = zone.inventory / "again.public.json"
    shutil.copy(zone.parties["box-1"].box_file, twice)
    out = tmp_path / "none"
    done = zone.try_build(out)
    assert done.status == ExitCode.KEYS
    assert "a second file of box box-1 of site test-street, beside " in done.err
    assert "again.public.json" in done.err
    assert not out.exists()

    twice.unlink()
    for file in zone.inventory.iterdir():
        file.unlink()
    assert "no public keys of a box" in zone.try_build(out).err
    zone.inventory.rename(tmp_path / "elsewhere")
    assert f"{zone.inventory}: no such file or folder" in zone.try_build(out).err
    assert not out.exists()


def test_what_was_built_says_what_it_is_and_shows_no_plate(zone: Zone) -> None:
    out = zone.build()
    seen = verb("lists", "inspect", out)
    assert "list stolen for 2 boxes, counter " in seen.out
    assert max(path.name for path in out.iterdir()) == MANIFESTS_NAME
    assert len(list(out.iterdir())) == 2
    held = b"".join(path.read_bytes() for path in out.iterdir())
    assert not any(plate.encode() in held for plate in PLATES)
    done = zone.try_build(out)
    assert "exists already; name a new file with --out" in done.err
    assert PART_BYTES < 112 * 1024, "a part fits where the default payload cap is the limit"
