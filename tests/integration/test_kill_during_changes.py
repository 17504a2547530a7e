"""The state is consistent after `kill -9` during each single change of a file.

A process makes one change of a box again and again, each time from the same state, and ends itself
in its first, second, third … write, sync, rename or unlink
(`tests/support/kills.py`). Each time the box is then started again and its state is
examined.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.system import random_bytes
from edge.adapters.state.anchor import FIRST_START_NAME
from edge.adapters.state.archive import Archive
from edge.adapters.state.audit_log import AuditTrail, read_log
from edge.adapters.state.key_files import load_box_keys, load_signer_key
from edge.adapters.state.key_making import new_box_keys, new_signer_key, rotate_box_keys
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.list_store import ListStore
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.statistics import StatisticsFile
from edge.authority.opening import OpenedHit, open_hit, write_opened
from edge.box.engine import VehicleCounts
from edge.box.epochs import EpochRecord
from edge.box.evidence_worker import EvidenceCase, EvidenceWorker
from edge.box.storage import Storage
from edge.box.traffic import ClosedEpochs
from edge.domain.reveal import MaskMethod
from edge.fleet.certificates import CertificateAuthority
from edge.fleet.codes import CodeDigests
from edge.fleet.folder import FleetFolder
from edge.fleet.making import TEMPLATE, make_fleet
from edge.formats.enrolment import ca_digest
from edge.formats.signing import SigningKey
from edge.pipeline.evidence import SealedHit
from edge.pipeline.rule_book import RuleBook
from edge.policy.bundle_format import ListBundleError
from edge.privacy.audit_events import EpochClosed, ListChanged
from edge.privacy.checkpoints import box_log
from edge.privacy.key_formats import PRIVATE_ENDING, PUBLIC_ENDING
from edge.privacy.pseudonyms import SaltChain
from edge.privacy.sealing import Picture
from tests.support import plate_lists
from tests.support.brokers import HOST, verify_receipt
from tests.support.fakes import SetClock
from tests.support.kills import Acknowledged, Scenario, kill_in_each_change
from tests.support.parties import BOX, SITE, evidence, make_parties
from tests.support.plate_lists import ISSUED, LIST, entries_of, in_clear
from tests.support.preload_libraries import COMPILER, NEEDS_COMPILER

NOW = ISSUED + timedelta(days=1)
DAY = timedelta(days=1)
SIGNER = SigningKey.demo_of("box")
TOPICS = BoxTopics(SITE, BOX, frozenset({"cam-1"}), frozenset({LIST}))


@contextlib.contextmanager
def outbox_at(folder: Path, clock: SetClock) -> Iterator[tuple[Keyring, Outbox]]:
    with (
        Keyring.open(folder / "keyring", clock) as keyring,
        Outbox.open(folder / "state", keyring, reserve_mib=1) as outbox,
    ):
        yield keyring, outbox


def payload_of(hit_id: str) -> bytes:
    return hit_id.encode() * 20_000


def put(outbox: Outbox, hit_id: str, ends_after: timedelta = DAY) -> None:
    outbox.put(
        hit_id,
        "cam-1",
        TOPICS.hit("cam-1"),
        payload_of(hit_id),
        purpose="wanted-vehicles",
        receipt_required=True,
        expires_at=NOW + ends_after,
    )


def holds_whole(outbox: Outbox) -> set[str]:
    """The hits in an outbox; each must be unchanged."""
    hits = outbox.hit_ids()
    assert len(set(hits)) == len(hits)
    for hit_id in hits:
        assert outbox.find(hit_id) == payload_of(hit_id)
    assert outbox._rows("PRAGMA integrity_check", ()) == [("ok",)]
    return set(hits)


class Hits(Scenario):
    """A box starts, stores a hit, publishes one, deletes a delivered one, and ends."""

    def prepare(self) -> None:
        with outbox_at(self.folder, SetClock(NOW)) as (_, outbox):
            put(outbox, "a")
            put(outbox, "b")
            assert outbox.next_counter() == 1

    def change(self, done: Acknowledged) -> None:
        with outbox_at(self.folder, SetClock(NOW)) as (_, outbox):
            counter = outbox.next_counter()
            assert counter == 2
            put(outbox, "c")
            done.step()
            outbox.mark_published("a")
            outbox.delete("b")
            done.step()

    def judge(self, steps: int) -> None:
        with outbox_at(self.folder, SetClock(NOW)) as (_, outbox):
            held = holds_whole(outbox)
            assert {"a"} <= held <= {"a", "b", "c"}
            assert ("c" in held) or steps < 1
            assert ("b" not in held) if steps >= 2 else ("b" in held or steps == 1)
            assert outbox.next_counter() >= (3 if steps else 2)
            put(outbox, "d")
            assert holds_whole(outbox) == held | {"d"}


class FirstStart(Scenario):
    """A box without state starts and stores its first hit."""

    def prepare(self) -> None:
        self.folder.mkdir()

    def change(self, done: Acknowledged) -> None:
        with outbox_at(self.folder, SetClock(NOW)) as (_, outbox):
            put(outbox, "a")
            done.step()

    def judge(self, steps: int) -> None:
        with outbox_at(self.folder, SetClock(NOW)) as (_, outbox):
            assert holds_whole(outbox) in ([{"a"}] if steps else [set(), {"a"}])


class NewList(Scenario):
    """A list replaces another, and the audit log records it."""

    def prepare(self) -> None:
        self.folder.mkdir()
        parties = make_parties(self.folder / "parties")
        self._keys = parties.box
        self._old, self._new = (
            plate_lists.bundle(parties.box_public, plate_lists.entry(plate=plate), counter=counter)
            for plate, counter in (("1QQQ777", 7), ("1QQQ778", 8))
        )
        with self._trail() as trail:
            self._lists(trail).install(self._old)

    def change(self, done: Acknowledged) -> None:
        with self._trail() as trail:
            self._lists(trail).install(self._new)
            done.step()

    def judge(self, steps: int) -> None:
        with self._trail() as trail:
            lists = self._lists(trail)
            assert lists.fault(LIST) is None
            plates = [entry.plate.reveal() for entry in entries_of(lists)]
            assert plates == ["1QQQ778"] if steps else plates in (["1QQQ777"], ["1QQQ778"])
            lists.install(self._new)
            assert [entry.plate.reveal() for entry in entries_of(lists)] == ["1QQQ778"]
            with pytest.raises(ListBundleError):
                lists.install(self._old)
        recorded = [entry.event for entry in read_log(self.folder / "state").entries]
        assert [each.action for each in recorded if isinstance(each, ListChanged)][-1] == "refused"

    def _trail(self) -> AuditTrail:
        return AuditTrail.open(
            self.folder / "state", box_log(SITE, BOX), SIGNER, lambda: NOW, known=[SIGNER.public]
        )

    def _lists(self, trail: AuditTrail) -> ListStore:
        return ListStore(
            self.folder / "state",
            self._keys,
            {LIST: plate_lists.terms()},
            lambda: NOW,
            trail.append,
        )


class Rotation(Scenario):
    """An epoch ends, and one of two hits expires."""

    def prepare(self) -> None:
        with outbox_at(self.folder, SetClock(NOW)) as (_, outbox):
            put(outbox, "ends", timedelta(hours=1))
            put(outbox, "stays")
        with self._box(SetClock(NOW)):
            pass

    def change(self, done: Acknowledged) -> None:
        clock = SetClock(NOW)
        with self._box(clock) as (record, _):
            clock.pass_time(timedelta(hours=2))
            record.epoch_closed(VehicleCounts())
            done.step()

    def judge(self, steps: int) -> None:
        clock = SetClock(NOW + timedelta(hours=2))
        with self._box(clock) as (record, storage):
            assert holds_whole(storage.outbox) == {"stays"}
            assert len(storage.keyring.key_ids()) == 1
            told = len(storage.statistics.read())
            closed = self._closed()
            assert steps <= told <= closed <= 1
            record.epoch_closed(VehicleCounts())
            assert len(storage.statistics.read()) == told + 1
            assert self._closed() == closed + 1

    def _closed(self) -> int:
        entries = read_log(self.folder / "state").entries
        return Counter(type(entry.event) for entry in entries)[EpochClosed]

    @contextlib.contextmanager
    def _box(self, clock: SetClock) -> Iterator[tuple[EpochRecord, Storage]]:
        """The box's own handlers for the end of an epoch."""
        state = self.folder / "state"
        with (
            outbox_at(self.folder, clock) as (keyring, outbox),
            AuditTrail.open(
                state, box_log(SITE, BOX), SIGNER, clock.utc, known=[SIGNER.public]
            ) as trail,
        ):
            statistics = StatisticsFile(state)
            statistics.prune(clock.utc())
            storage = Storage(state, keyring, outbox, trail, Archive(state), statistics)
            publisher = Publisher(
                outbox,
                BrokerOptions(HOST, 1, "box"),
                TOPICS,
                verify_receipt,
                clock=clock,
                jitter=lambda: 0.0,
            )
            rules = RuleBook(
                (), SaltChain(SITE, BOX, random_bytes), in_clear(lambda _list: ()), 900, {}
            )
            worker, traffic = EvidenceWorker(_nothing), ClosedEpochs((), (), ())
            yield EpochRecord(publisher, worker, storage, rules, (), traffic), storage


def _nothing(_case: EvidenceCase) -> SealedHit:
    raise AssertionError


class OpenedHitFiles(Scenario):
    """An authority opens a hit for a second time."""

    def prepare(self) -> None:
        parties = make_parties(self.folder.with_name("parties"))
        hit = parties.hit(
            evidence(
                Picture("vehicle", b"v" * 9_000, MaskMethod.MEANING),
                Picture("plate", b"p" * 900, MaskMethod.GEOMETRY),
            )
        )
        boxes = {(SITE, BOX): parties.box_public}
        self._opened = open_hit(hit.to_payload(), boxes, parties.authority)
        self._pictures = {"vehicle.jpg": b"v" * 9_000, "plate.jpg": b"p" * 900}
        before = replace(
            self._opened.content,
            pictures=(
                Picture("vehicle", b"o", MaskMethod.MEANING),
                Picture("plate", b"o", MaskMethod.GEOMETRY),
            ),
            reads=1,
        )
        write_opened(OpenedHit(self._opened.hit, before), self.folder)

    def change(self, done: Acknowledged) -> None:
        write_opened(self._opened, self.folder)
        done.step()

    def judge(self, steps: int) -> None:
        own = self.folder / self._opened.hit.hit_id
        document = own / "hit.json"
        if document.exists():
            new = json.loads(document.read_text())["reads"] == self._opened.content.reads
            assert new or not steps
            held = {name: (own / name).read_bytes() for name in self._pictures}
            assert held == (self._pictures if new else dict.fromkeys(held, b"o"))
        else:
            assert not steps
        files = write_opened(self._opened, self.folder)
        assert {path.name: path.read_bytes() for path in files.pictures} == self._pictures
        assert {path.name for path in own.iterdir()} == {"hit.json", *self._pictures}


class BoxKeysRotated(Scenario):
    """A box gets new keys twice, the second time because the first are stolen."""

    def prepare(self) -> None:
        new_box_keys(self.folder, SITE, BOX, NOW)

    def change(self, done: Acknowledged) -> None:
        for disown in (False, True):
            rotate_box_keys(self.folder, NOW, disown=disown)
            done.step()

    def judge(self, steps: int) -> None:
        assert steps == 0 or load_box_keys(self.folder).key_id != self._first
        rotate_box_keys(self.folder, NOW)
        names = {path.name for path in self.folder.iterdir()} - {FIRST_START_NAME}
        public = f"{SITE}.{BOX}{PUBLIC_ENDING}"
        assert names == {public, f"{load_box_keys(self.folder).key_id}{PRIVATE_ENDING}"}

    @property
    def _first(self) -> str:
        return load_box_keys(self.folder.with_name("begin")).key_id


class SignersKeys(Scenario):
    """Three people make their keys in one folder."""

    def prepare(self) -> None:
        self.folder.mkdir()

    def change(self, done: Acknowledged) -> None:
        for name in ("mayor", "chief", "officer"):
            new_signer_key(self.folder, name, NOW)
            done.step()

    def judge(self, steps: int) -> None:
        files = sorted(self.folder.iterdir())
        assert len(files) in {steps, steps + 1}
        for file in files:  # whole, and one name each: no copy of a private key is left
            assert load_signer_key(file).signer == file.name.removesuffix(
                f".signer{PRIVATE_ENDING}"
            )
            assert file.stat().st_nlink == 1


class NewFleet(Scenario):
    """An authority makes the folder of its fleet; a killed command is given again."""

    def prepare(self) -> None:
        self.folder.mkdir()

    def change(self, done: Acknowledged) -> None:
        make_fleet(self.folder / "fleet", "police-zone", HOST, NOW, random_bytes)
        done.step()

    def judge(self, steps: int) -> None:
        path = self.folder / "fleet"
        key = path / "ca" / "ca.key"
        before = key.read_bytes() if key.exists() else None
        assert before is not None or not steps

        made = make_fleet(path, "police-zone", HOST, NOW, random_bytes)

        fleet = FleetFolder.open(path)
        assert not path.joinpath(".fleet-init").exists()
        assert {one.name for one in (fleet.templates / TEMPLATE).iterdir()} == {
            *("policy.yaml", "site.yaml", "dpia.md"),
        }
        assert ca_digest(CertificateAuthority.open(fleet.ca).der).hex() == made.ca_sha256
        CodeDigests.open(fleet)
        assert before in {None, key.read_bytes()}


SCENARIOS = (
    Hits,
    FirstStart,
    NewList,
    Rotation,
    OpenedHitFiles,
    BoxKeysRotated,
    SignersKeys,
    NewFleet,
)


@pytest.mark.skipif(COMPILER is None, reason=NEEDS_COMPILER)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_during_any_change_leaves_the_state_consistent(
    scenario: type[Scenario], tmp_path: Path
) -> None:
    kill_in_each_change(scenario, tmp_path)
