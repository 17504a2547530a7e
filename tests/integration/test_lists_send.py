"""P13: `lists send` ends well only when the box has said, signed, that the list is in force."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.system import SystemClock
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.list_store import ListStore
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.suspension_store import SuspensionStore
from edge.box.delivery import message_handlers
from edge.box.list_receiving import ListReceiver
from edge.errors import ExitCode
from edge.formats.signing import SigningKey
from edge.policy.list_answer import sign_answer
from edge.policy.suspension import SuspensionTerms
from tests.integration.conftest import needs_mosquitto
from tests.support import plate_lists
from tests.support.brokers import Mosquitto, free_port, verify_receipt, wait_until
from tests.support.fakes import SetClock
from tests.support.parties import BOX, SITE, Parties, make_parties
from tests.support.plate_lists import ISSUED, LIST
from tests.support.product import Finished, verb

pytestmark = needs_mosquitto

TOPICS = BoxTopics(SITE, BOX, frozenset({"cam-1"}), frozenset({LIST}))
NOW = ISSUED + timedelta(hours=1)
PLATE = "1QQQ777"


class ListeningBox:
    """A box that takes lists by MQTT, wired as the product wires it."""

    def __init__(self, folder: Path, broker: Mosquitto, parties: Parties) -> None:
        self._keyring = Keyring.open(folder / "keyring", SystemClock())
        self._outbox = Outbox.open(folder / "state", self._keyring, reserve_mib=1)
        self.lists = ListStore(
            folder / "state", parties.box, {LIST: plate_lists.terms()}, lambda: NOW
        )
        receiver = ListReceiver(self.lists, parties.box, SetClock(NOW), self._answer)
        self.publisher = Publisher(
            self._outbox,
            BrokerOptions(broker.host, broker.port, "box"),
            TOPICS,
            verify_receipt,
            clock=SystemClock(),
            jitter=lambda: 0.5,
            handlers=message_handlers(
                TOPICS,
                receiver,
                SuspensionStore(folder / "state"),
                SuspensionTerms(site=SITE, box=BOX, suspending={}, controllers={}),
            ),
        )

    def _answer(self, list_id: str, answer: bytes) -> None:
        self.publisher.publish_list_answer(list_id, answer)

    def close(self) -> None:
        self.publisher.stop()
        self._outbox.close()
        self._keyring.close()


class Office:
    """The issuer's side: a folder with the box's public file and the bundles."""

    def __init__(self, folder: Path, parties: Parties) -> None:
        self.folder = folder
        self.parties = parties
        self.file = folder / "permits.bundle"

    def bundle(self, counter: int = 7, key: SigningKey = plate_lists.ISSUER_KEY) -> bytes:
        made = plate_lists.bundle(
            self.parties.box_public, plate_lists.entry(plate=PLATE), key=key, counter=counter
        )
        self.file.write_bytes(made)
        return made

    def send(self, broker: Mosquitto, *more: str | Path, timeout: float = 10) -> Finished:
        done = verb(
            "lists", "send", self.file, "--broker", f"{broker.host}:{broker.port}",
            "--box-public", self.parties.box_file, "--timeout", str(timeout), *more,
        )  # fmt: skip
        assert PLATE not in done.out + done.err
        assert "Traceback" not in done.err
        return done


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path, make_parties(tmp_path / "parties"))


@pytest.fixture
def broker(tmp_path: Path, stack: ExitStack) -> Mosquitto:
    return stack.enter_context(Mosquitto(tmp_path))


@pytest.fixture
def start_box(
    tmp_path: Path, office: Office, broker: Mosquitto, stack: ExitStack
) -> Callable[[], ListeningBox]:
    def start() -> ListeningBox:
        box = ListeningBox(tmp_path, broker, office.parties)
        stack.callback(box.close)
        box.publisher.start()
        assert wait_until(lambda: box.publisher.state.connected)
        return box

    return start


def refused(done: Finished, status: ExitCode, code: str, says: str) -> None:
    assert done.status == status, done.err
    (line,) = done.error_lines
    assert line.startswith(f"error: {code}: "), line
    assert says in line


def test_p13_send_ends_when_the_box_has_put_the_list_in_force(
    office: Office, broker: Mosquitto, start_box: Callable[[], ListeningBox]
) -> None:
    box = start_box()
    office.bundle()

    done = office.send(broker, "--json")

    assert done.status == 0, done.err
    answer = done.json["answer"]
    facts = box.lists.facts(LIST)
    assert (answer["state"], answer["code"], answer["reason"]) == ("in-force", "", "")
    assert (answer["counter"], answer["bundle_sha256"]) == (facts.counter, facts.sha256)
    again = office.send(broker)
    assert again.status == 0, "a second delivery of the same bundle is no refusal"
    assert f"list {LIST}, counter 7, is in force on box {BOX} of {SITE}" in again.out


STRANGER = SigningKey.generate(plate_lists.ISSUER)


@pytest.mark.parametrize(
    ("counter", "key", "refusal"),
    [
        (6, plate_lists.ISSUER_KEY, (ExitCode.CONFIG, "E_LIST_REPLAY", "is not higher than 7")),
        (8, STRANGER, (ExitCode.KEYS, "E_SIGNATURE", "the signature is not valid")),
        (
            2**52,
            plate_lists.ISSUER_KEY,
            (ExitCode.CONFIG, "E_LIST_BUNDLE", "counter: higher than the milliseconds"),
        ),
    ],
)
def test_p13_send_shows_why_the_box_refuses(
    office: Office,
    broker: Mosquitto,
    start_box: Callable[[], ListeningBox],
    counter: int,
    key: SigningKey,
    refusal: tuple[ExitCode, str, str],
) -> None:
    box = start_box()
    box.lists.install(office.bundle())
    office.bundle(counter, key)

    refused(office.send(broker), *refusal)
    assert box.lists.facts(LIST).counter == 7


def test_p13_a_box_that_comes_later_answers_the_waiting_issuer(
    office: Office, broker: Mosquitto, start_box: Callable[[], ListeningBox]
) -> None:
    office.bundle()
    late = threading.Timer(1.5, start_box)
    late.start()

    done = office.send(broker, timeout=20)

    late.join()
    assert done.status == 0, done.err
    assert "the box is not connected to the broker now; the broker keeps the list" in done.err


def test_p13_without_an_answer_send_does_not_end_well(office: Office, broker: Mosquitto) -> None:
    office.bundle()

    refused(
        office.send(broker, timeout=1),
        ExitCode.BROKER,
        "E_LIST_UNANSWERED",
        f"lets it write {TOPICS.list_answer} and you read it",
    )


def test_p13_an_answer_of_anyone_but_the_box_counts_for_nothing(
    tmp_path: Path, office: Office, broker: Mosquitto
) -> None:
    bundle = office.bundle()
    stranger = make_parties(tmp_path / "strangers").box
    other = sign_answer(LIST, b"another bundle", None, NOW, office.parties.box).to_bytes()
    genuine = sign_answer(LIST, bundle, None, NOW, office.parties.box).to_bytes()
    false = [
        sign_answer(LIST, bundle, None, NOW, stranger).to_bytes(),
        other,
        genuine.replace(b"in-force", b"refused"),
        genuine[:-1],
        b"",
        b"x" * 100_000,
    ]

    def answer() -> None:
        with BrokerLink.open(BrokerOptions(broker.host, broker.port, "liar")) as link:
            link.subscribe([TOPICS.bundle(LIST)])
            assert link.receive(10) is not None
            time.sleep(0.2)
            for one in false:
                link.publish(TOPICS.list_answer, one)

    liar = threading.Thread(target=answer)
    liar.start()
    done = office.send(broker, timeout=3)
    liar.join()

    assert done.status == ExitCode.BROKER
    assert "E_LIST_UNANSWERED" in done.err
    assert "is not signed by a key of box" in done.err


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("max_packet_size 10000", "E_TOO_LARGE", "accepts packets of at most 10000 bytes"),
        ("message_size_limit 10000", "E_BROKER", "set the broker's limit to"),
        ("acl_file {acl}", "E_BROKER", "(reason 0x87): not authorized; allow it in the broker's"),
    ],
)
def test_send_says_what_the_broker_refuses(
    tmp_path: Path, office: Office, stack: ExitStack, line: str, code: str, says: str
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\n")
    broker = stack.enter_context(Mosquitto(tmp_path, line.format(acl=acl)))
    office.bundle()

    refused(office.send(broker), ExitCode.BROKER, code, says)


def test_send_refuses_at_once_what_cannot_arrive(tmp_path: Path, office: Office) -> None:
    nobody = Mosquitto(tmp_path)
    nobody.port = free_port()
    office.bundle()
    refused(office.send(nobody), ExitCode.BROKER, "E_BROKER", "nothing listens there")

    cover = json.loads(office.file.read_bytes())
    cover["box"] = "box-2"
    office.file.write_bytes(json.dumps(cover, sort_keys=True, separators=(",", ":")).encode())
    refused(office.send(nobody), ExitCode.CONFIG, "E_LIST_BUNDLE", "for box box-2")

    office.file.write_bytes(b"no bundle")
    refused(office.send(nobody), ExitCode.CONFIG, "E_LIST_BUNDLE", "not a bundle; give")
