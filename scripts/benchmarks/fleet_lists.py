"""One list to all boxes of a fleet, through `lists build --boxes` and `lists send`.

The brokers' own figures say how much they keep. A few boxes take their manifest from their broker
and open the list with the code of a box: first with the body from a folder, as from a web server,
then with the body in parts from the broker.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge.adapters.broker.list_parts import MqttBodies
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.system import SystemClock
from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_signer_key
from edge.adapters.state.list_bodies import BodySource, FolderBodies
from edge.adapters.state.list_store import ListStore
from edge.box.list_receiving import ListReceiver
from edge.formats.brokers import BrokerAddress, broker_of
from edge.formats.signing import PublicKey
from edge.policy.bundles import ListTerms
from scripts.benchmarks.fleet_material import FleetMaterial, box_name
from scripts.benchmarks.list_sealing import made_list
from tests.support.brokers import HOST, Mosquitto

REPOSITORY = Path(__file__).resolve().parents[2]
LIST, PURPOSE, ISSUER = "stolen", "wanted-vehicles", "office"
MOST_RETAINED = 20_000_000
"""Bytes that all brokers together may keep, also with the parts."""

_SAMPLE = 5
_KEPT_BYTES = "$SYS/broker/store/messages/bytes"
_SETTLE_S = 3.0
_OPEN_S = 60.0
_LINES = ("persistence true", "max_queued_messages 100000", "sys_interval 1", "log_type error")


@dataclass(frozen=True, slots=True)
class ListFigures:
    """What was measured; bytes are those that brokers keep, their own messages included."""

    entries: int
    boxes: int
    build_s: float
    send_s: float
    send_with_parts_s: float
    kept_bytes: int
    kept_bytes_with_parts: int
    most_of_a_broker_with_parts: int
    opened: int
    opened_from_parts: int
    sample: int

    @property
    def hold(self) -> bool:
        """Whether the targets hold, and each box of the sample has opened the list both times."""
        kept = max(self.kept_bytes, self.kept_bytes_with_parts)
        return kept <= MOST_RETAINED and self.opened == self.opened_from_parts == self.sample


def spread_to_fleet(
    folder: Path,
    material: FleetMaterial,
    entries: int,
    brokers: int,
    note: Callable[[str], None],
) -> ListFigures:
    """Build a list of that many entries for all boxes, and send it at their brokers."""
    note(f"a list of {entries:,} entries to {material.size.sessions:,} boxes")
    issuer = new_signer_key(folder / "office", ISSUER, datetime.now(timezone.utc))
    built = folder / "shared"
    began = time.monotonic()
    _command(
        "lists", "build", made_list(folder, entries), "--issuer-key", issuer, "--boxes",
        material.boxes, "--list", LIST, "--purpose", PURPOSE, "--out", built,
    )  # fmt: skip
    build_s = time.monotonic() - began
    with contextlib.ExitStack() as stack:
        running = []
        for number in range(brokers):
            place = folder / f"list-broker-{number + 1}"
            place.mkdir()
            lines = (*_LINES, f"persistence_location {place}/")
            running.append(stack.enter_context(Mosquitto(place, *lines)))
        inventory = _inventory(folder, material, running)
        send_s = _send(built, inventory)
        kept = [_kept(one) for one in running]
        sample = random.Random(1).sample(
            range(material.size.sessions), min(_SAMPLE, material.size.sessions)
        )
        public = load_signer_key(issuer).public
        opened = sum(
            _opens(folder / f"{one}-a", material, one, running, public, entries, built)
            for one in sample
        )
        send_with_parts_s = _send(built, inventory, "--parts")
        with_parts = [_kept(one) for one in running]
        opened_from_parts = sum(
            _opens(folder / f"{one}-b", material, one, running, public, entries, None)
            for one in sample
        )
    return ListFigures(
        entries=entries,
        boxes=material.size.sessions,
        build_s=round(build_s, 1),
        send_s=round(send_s, 1),
        send_with_parts_s=round(send_with_parts_s, 1),
        kept_bytes=sum(kept),
        kept_bytes_with_parts=sum(with_parts),
        most_of_a_broker_with_parts=max(with_parts),
        opened=opened,
        opened_from_parts=opened_from_parts,
        sample=len(sample),
    )


def _broker_of(number: int, brokers: list[Mosquitto]) -> Mosquitto:
    addresses = [BrokerAddress(HOST, one.port) for one in brokers]
    chosen = broker_of(box_name(number)[0], addresses)
    return next(one for one in brokers if one.port == chosen.port)


def _inventory(
    folder: Path, material: FleetMaterial, brokers: list[Mosquitto]
) -> dict[Path, Mosquitto]:
    """A folder with the public key files of the boxes of each broker that has any."""
    found: dict[Path, Mosquitto] = {}
    for number in range(material.size.sessions):
        broker = _broker_of(number, brokers)
        place = folder / f"boxes-{broker.port}"
        if place not in found:
            place.mkdir()
            found[place] = broker
        site, box = box_name(number)
        (place / f"{site}.{box}.public.json").write_bytes(
            (material.boxes / f"{site}.{box}.public.json").read_bytes()
        )
    return found


def _send(built: Path, inventory: dict[Path, Mosquitto], *more: str) -> float:
    """Send the list at each broker; boxes that do not run do not answer, which is no failure."""
    began = time.monotonic()
    for boxes, broker in inventory.items():
        _command(
            "lists", "send", built, "--broker", f"{HOST}:{broker.port}", "--boxes", boxes,
            "--timeout", "1", *more, accept="E_LIST_UNANSWERED",
        )  # fmt: skip
    return time.monotonic() - began


def _command(*words: str | Path, accept: str = "") -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge", *map(str, words)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 and not (accept and accept in done.stderr):
        raise SystemExit(done.stderr)


def _kept(broker: Mosquitto) -> int:
    """The bytes that a broker keeps, as it says itself."""
    value = 0
    with BrokerLink.open(BrokerOptions(HOST, broker.port, "measuring")) as link:
        link.subscribe([_KEPT_BYTES])
        until = time.monotonic() + _SETTLE_S
        while time.monotonic() < until:
            message = link.receive(0.2)
            if message is not None:
                value = int(message.payload)
                link.acknowledge(message)
    return value


def _opens(
    folder: Path,
    material: FleetMaterial,
    number: int,
    brokers: list[Mosquitto],
    issuer: PublicKey,
    entries: int,
    bodies: Path | None,
) -> bool:
    """Whether a box takes its manifest from its broker, fetches the body and opens all entries."""
    keys = material.box_keys(number)
    broker = _broker_of(number, brokers)
    options = BrokerOptions(HOST, broker.port, f"sample-{number}")
    terms = ListTerms(LIST, {ISSUER: issuer}, frozenset({PURPOSE}), entries, 400)
    clock = SystemClock()
    folder.mkdir()
    lists = ListStore(folder, keys, {LIST: terms}, clock.utc)
    source: BodySource = MqttBodies(options) if bodies is None else FolderBodies(bodies, "folder")
    receiver = ListReceiver(lists, keys, clock, lambda _list_id, _answer: None, source)
    topics = BoxTopics(keys.site, keys.box, frozenset(), frozenset({LIST}))
    try:
        with BrokerLink.open(options) as link:
            link.subscribe([topics.bundle(LIST)])
            manifest = link.receive(_OPEN_S)
        if manifest is None:
            return False
        receiver.take(LIST, manifest.payload)
        return receiver.wait(_OPEN_S) and lists.facts(LIST).entries == entries
    finally:
        receiver.close()
