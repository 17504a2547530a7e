"""What a desk keeps of each box, and what it takes for a problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from edge.adapters.broker.messages import Availability
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.state.key_files import load_box_keys
from edge.adapters.state.key_making import new_box_keys, rotate_box_keys
from edge.authority.store import HitStore
from edge.authority.tail import Fate, Until
from edge.desk.boxes import BoxStates, keep_lease
from edge.desk.fleet import (
    BoxProblem,
    BoxState,
    FleetBox,
    fleet,
)
from edge.desk.folder import DeskFolder
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import BOX_STATE
from edge.errors import EdgeError
from edge.formats.signing import SigningKey
from edge.formats.timestamps import parse_utc, utc_text
from edge.policy.activation import ActivationRecord, activate
from edge.privacy.box_status import (
    MAX_COUNTER,
    BoxClock,
    PolicyInForce,
    UpdateResult,
    sign_status,
)
from edge.privacy.checkpoints import Checkpoint, CheckpointSigner, MerkleTree, box_log
from edge.site.folder import read_policy
from tests.integration.conftest import needs_mosquitto
from tests.support.box_statuses import facts
from tests.support.brokers import Mosquitto
from tests.support.desks import NOW, make_desk, put_back
from tests.support.parties import BOX, SITE, Parties, make_parties
from tests.support.product import REPOSITORY, verb
from tests.support.receiving import boxes_of, options, publish, receiver, tail

on_both = pytest.mark.parametrize("desk", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> DeskFolder:
    """A desk; on PostgreSQL where a test asks for it."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return make_desk(tmp_path / "desk")
    return make_desk(tmp_path / "desk", request.getfixturevalue("postgres").new_database())


@pytest.fixture
def database(desk: DeskFolder) -> Iterator[DeskDatabase]:
    with desk.open_database() as opened_one:
        yield opened_one


class Boxes:
    """The states of a desk's boxes, fed by hand; the clock moves on with each message."""

    def __init__(self, database: DeskDatabase, parties: Parties) -> None:
        self.database, self.parties, self.now = database, parties, NOW
        self.states = BoxStates(database, boxes_of(parties), lambda: self.now)
        self.states.register()

    @property
    def one(self) -> FleetBox:
        (found,) = fleet(self.database, self.now).boxes
        return found

    def said(self, payload: bytes, kind: str = "audit", box: str = BOX) -> FleetBox:
        self.now += timedelta(hours=1)
        self.states.take_all([(f"anpr/{SITE}/{box}/{kind}", payload)])
        return self.one

    def states_that(
        self,
        counter: int,
        at: datetime | None = None,
        signer: Parties | None = None,
        **changed: Any,
    ) -> FleetBox:
        """The box signs a statement, by default now."""
        self.now += timedelta(minutes=15)
        made = sign_status(facts(**changed), counter, at or self.now, (signer or self.parties).box)
        self.states.take_all([(f"anpr/{SITE}/{BOX}/status", made.to_bytes())])
        return self.one


def note(signer: CheckpointSigner, size: int = 3, origin: str = box_log(SITE, BOX)) -> bytes:
    tree = MerkleTree()
    for number in range(size):
        tree.append(b"%d" % number)
    return Checkpoint.sign(origin, tree, signer).note()


# --- signs of life, and what an earlier version says ----------------------------------------------


@on_both
def test_a_signed_checkpoint_that_has_grown_proves_that_a_box_lives(
    database: DeskDatabase, parties: Parties
) -> None:
    boxes = Boxes(database, parties)
    assert (boxes.one.alive_at, boxes.one.state) == (None, BoxState.UNKNOWN)
    assert boxes.one.problems == (BoxProblem.SILENT,)

    first = boxes.said(note(parties.box))
    assert first.alive_at == utc_text(boxes.now)
    same = boxes.said(note(parties.box))
    assert same.alive_at == first.alive_at, "the broker's kept message proves nothing new"
    older = boxes.said(note(parties.box, 2))
    assert older == same
    newer = boxes.said(note(parties.box, 4))
    assert newer.alive_at == utc_text(boxes.now)
    assert BoxProblem.SILENT not in newer.problems
    boxes.now += timedelta(days=1, seconds=1)
    assert boxes.one.problems == (BoxProblem.SILENT,)


@on_both
def test_messages_that_came_together_are_kept_as_one_after_the_other(
    database: DeskDatabase, parties: Parties
) -> None:
    boxes = Boxes(database, parties)
    later = NOW + timedelta(hours=1)
    made = [sign_status(facts(), counter, later, parties.box).to_bytes() for counter in (2, 3, 1)]
    messages = [(f"anpr/{SITE}/{BOX}/status", payload) for payload in made]
    boxes.now = later
    boxes.states.take_all(
        [*messages[:1], (f"anpr/{SITE}/{BOX}/audit", b"no note"), *messages[1:], *messages[:1]]
    )
    with database.reading() as connection:
        assert connection.execute(select(BOX_STATE.c.status_counter)).scalar_one() == 3
    assert boxes.one.stated_at == utc_text(later)
    assert boxes.one.twin_at is None


def test_p21_nobody_else_makes_a_box_look_alive(
    database: DeskDatabase, parties: Parties, tmp_path: Path
) -> None:
    boxes = Boxes(database, parties)
    other = make_parties(tmp_path / "other")
    for payload in (
        note(other.box),
        note(parties.box, origin=box_log(SITE, "box-2")),
        note(parties.box) + note(parties.box, 4),
        note(parties.box)[:-9] + b"AAAAAAA=\n",
        b"\xff" * 9000,
        b"",
    ):
        assert boxes.said(payload).alive_at is None
    assert boxes.said(note(parties.box), kind="availability").alive_at is None
    assert boxes.states_that(1, signer=other).alive_at is None
    assert len(fleet(database, NOW).boxes) == 1


def test_what_a_box_of_an_earlier_version_says_is_shown(
    database: DeskDatabase, parties: Parties
) -> None:
    boxes = Boxes(database, parties)

    def says(state: Any, reason: str, site: str = SITE) -> FleetBox:
        said = Availability(site=site, box=BOX, state=state, reason=reason)
        return boxes.said(said.payload(), "availability")

    assert says("online", "running").state is BoxState.ONLINE
    suspended = says("safe", "E_SUSPENDED")
    assert (suspended.state, suspended.reason) == (BoxState.SUSPENDED, "E_SUSPENDED")
    assert suspended.problems[0] is BoxProblem.SUSPENDED
    assert says("online", "running", site="elsewhere") == suspended
    assert boxes.said(b'{"state":"online"}', "availability") == suspended
    assert says("safe", "E_LEASE").problems[0] is BoxProblem.SHUT
    offline = says("offline", "connection-lost")
    assert offline.problems == (BoxProblem.SILENT, BoxProblem.OFFLINE)
    assert offline.version is None


@on_both
def test_a_lease_counts_only_if_a_controller_of_the_policy_signed_it(
    database: DeskDatabase, parties: Parties
) -> None:
    policy = read_policy(REPOSITORY / "config/school-street/policy.yaml").model
    begins = datetime.fromisoformat("2026-01-05T08:00:00+00:00")
    record = activate(policy, "box-1", SigningKey.demo_of("mayor"), begins)

    for changes in (
        {"expires_at": "2026-04-01T08:00:00.000Z"},
        {"expires_at": "2028-01-01T00:00:00.000Z"},
        {"box": "box-2"},
        {"signer": "chief-of-police"},
    ):
        changed = record.lease.model_copy(update=changes)
        with pytest.raises(EdgeError, match="activation"):
            keep_lease(
                database, policy, ActivationRecord(lease=changed, signature=record.signature)
            )
    assert fleet(database, begins).boxes == ()
    assert keep_lease(database, policy, record)
    assert not keep_lease(database, policy, record), "an old record never shortens a lease"

    def problems(now: datetime) -> tuple[BoxProblem, ...]:
        (found,) = fleet(database, now).boxes
        assert found.lease_ends == record.lease.expires_at
        return found.problems

    ends = parse_utc(record.lease.expires_at)
    assert problems(begins) == (BoxProblem.SILENT,)
    assert BoxProblem.LEASE_SOON in problems(ends - timedelta(days=13))
    assert BoxProblem.LEASE_SOON not in problems(ends - timedelta(days=15))
    assert BoxProblem.LEASE_OVER in problems(ends)
    assert BoxProblem.LEASE_SOON not in problems(ends)


# --- statements -----------------------------------------------------------------------------------


@on_both
def test_the_newest_statement_of_a_box_is_kept(database: DeskDatabase, parties: Parties) -> None:
    boxes = Boxes(database, parties)
    first = boxes.states_that(7)
    assert (first.state, first.problems) == (BoxState.ONLINE, ())
    assert first.alive_at == first.stated_at == utc_text(boxes.now)
    assert (first.version, first.policy_version, dict(first.lists)) == ("1.2.0", 3, {"stolen": 41})
    assert (first.temperature_c, first.disk_percent, first.synchronised) == (40, 20, True)
    assert (first.update_target, first.update_outcome) == ("1.2.0", "installed")
    assert first.lease_ends == "2027-03-01T00:00:00.000Z"

    second = boxes.states_that(8, version="1.3.0", policy=None, update=None, lists=())
    assert (second.version, second.policy_version, second.update_target) == ("1.3.0", None, None)
    assert dict(second.lists) == {}
    kept = boxes.states_that(6, at=NOW - timedelta(days=1))
    assert kept == second, "an earlier statement that comes again changes nothing"


@on_both
def test_p21_the_same_statement_again_is_no_sign_of_life_and_no_second_box(
    database: DeskDatabase, parties: Parties
) -> None:
    boxes = Boxes(database, parties)
    made = sign_status(facts(), 7, NOW, parties.box).to_bytes()
    first = boxes.said(made, "status")
    assert first.alive_at == utc_text(NOW), "what was made earlier proves no later life"
    assert boxes.said(made, "status") == first
    assert BoxProblem.LATE in first.problems
    ahead = boxes.states_that(8, at=boxes.now + timedelta(days=9))
    assert ahead.alive_at == utc_text(boxes.now), "a clock that runs ahead proves no later life"


@on_both
@pytest.mark.parametrize("counter", [7, 8, 3])
def test_p21_two_boxes_with_the_same_keys_are_noticed(
    database: DeskDatabase, parties: Parties, counter: int
) -> None:
    boxes = Boxes(database, parties)
    boxes.states_that(8)
    assert boxes.states_that(counter, reason="running", version="1.1.0").problems == (
        BoxProblem.TWIN,
    )
    after = boxes.states_that(9)
    assert after.problems == (BoxProblem.TWIN,), "the first box goes on, and the copy still shows"
    assert after.version == "1.2.0"
    boxes.now += timedelta(days=1)
    assert BoxProblem.TWIN not in boxes.states_that(10).problems


@on_both
@pytest.mark.parametrize(
    "ahead",
    [timedelta(minutes=20), timedelta(days=1), datetime(9999, 12, 31, tzinfo=NOW.tzinfo) - NOW],
    ids=["20 minutes", "a day", "the year 9999"],
)
def test_p21_a_copy_is_noticed_whatever_time_it_states(
    database: DeskDatabase, parties: Parties, ahead: timedelta
) -> None:
    """A thief who states a time in the future would otherwise hide the copy with it."""
    boxes = Boxes(database, parties)
    boxes.states_that(8)
    for number in range(3):
        boxes.states_that(900 + number, at=NOW + ahead, version="9.9.9")
        assert BoxProblem.TWIN in boxes.states_that(9 + number).problems


@on_both
def test_p21_a_box_whose_clock_is_ahead_is_no_copy_of_itself(
    database: DeskDatabase, parties: Parties
) -> None:
    boxes = Boxes(database, parties)
    for number in range(5):
        ahead = boxes.now + timedelta(hours=3)
        assert BoxProblem.TWIN not in boxes.states_that(8 + number, at=ahead).problems
        assert BoxProblem.TWIN not in boxes.states_that(8 + number, at=ahead).problems


@on_both
@pytest.mark.parametrize("behind", [1, 8])
def test_p21_a_second_consumer_that_is_behind_makes_no_copy_of_a_box_whose_clock_is_ahead(
    database: DeskDatabase, parties: Parties, behind: int
) -> None:
    """Both consumers get each statement; one stores it, the other sends it once more, later."""
    boxes, sent = Boxes(database, parties), list[bytes]()
    for number in range(20):
        boxes.now += timedelta(minutes=15)
        made = sign_status(facts(), 8 + number, boxes.now + timedelta(hours=3), parties.box)
        sent.append(made.to_bytes())
        boxes.states.take_all([(f"anpr/{SITE}/{BOX}/status", sent[-1])])
        late = sent[max(0, number - behind)]
        boxes.states.take_all([(f"anpr/{SITE}/{BOX}/status", late)])
        assert boxes.one.twin_at is None
    unknown = sign_status(facts(version="9.9.9"), 20, boxes.now + timedelta(hours=2), parties.box)
    assert boxes.said(unknown.to_bytes(), "status").twin_at == utc_text(boxes.now)


@on_both
def test_p21_with_new_keys_a_box_begins_anew_whatever_a_thief_has_stated(
    database: DeskDatabase, parties: Parties, tmp_path: Path
) -> None:
    boxes = Boxes(database, parties)
    boxes.states_that(8)
    boxes.said(note(parties.box, 900))
    boxes.states_that(MAX_COUNTER, at=boxes.now + timedelta(days=9), version="9.9.9")
    boxes.states_that(9, at=boxes.now + timedelta(days=10))
    assert boxes.one.problems[0] is BoxProblem.TWIN

    anew = Boxes(database, make_parties(tmp_path / "anew"))
    anew.now = boxes.now
    begun = anew.states_that(1)
    assert (begun.problems, begun.version, begun.twin_at) == ((), "1.2.0", None)
    assert anew.states_that(MAX_COUNTER, signer=parties) == begun, "the old key counts no more"
    assert anew.said(note(anew.parties.box, 2)).alive_at == utc_text(anew.now)
    assert BoxProblem.TWIN not in anew.states_that(2).problems
    assert BoxProblem.TWIN in anew.states_that(2).problems, "of the new key a copy is noticed too"


@on_both
def test_p21_after_a_rotation_the_retired_key_shows_a_second_box_and_no_state(
    database: DeskDatabase, parties: Parties, tmp_path: Path
) -> None:
    boxes = Boxes(database, parties)
    boxes.states_that(8)
    folder = tmp_path / "rotated"
    new_box_keys(folder, SITE, BOX, NOW)
    old = load_box_keys(folder)
    public = rotate_box_keys(folder, NOW)
    rotated = Boxes(database, replace(parties, box_folder=folder, box_file=public))
    rotated.now = boxes.now
    now = rotated.states_that(1)
    assert now.problems == ()

    def under_the_retired_key(counter: int, at: datetime) -> FleetBox:
        payload = sign_status(facts(version="0.9"), counter, at, old).to_bytes()
        return rotated.said(payload, "status")

    assert under_the_retired_key(7, NOW - timedelta(days=1)).twin_at is None
    copied = under_the_retired_key(99, rotated.now + timedelta(hours=2))
    assert (copied.version, copied.twin_at) == (now.version, utc_text(rotated.now))


def test_a_box_that_stops_after_its_statement_is_offline(
    database: DeskDatabase, parties: Parties
) -> None:
    boxes = Boxes(database, parties)
    boxes.states_that(1, state="safe", reason="E_SUSPENDED")
    lost = Availability(site=SITE, box=BOX, state="offline", reason="connection-lost").payload()
    assert boxes.said(lost, "availability").state is BoxState.OFFLINE
    assert boxes.states_that(2).state is BoxState.ONLINE, "a later statement counts more"


POLICY = PolicyInForce(sha256="cd" * 32, version=3, lease_ends=None)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"state": "safe", "reason": "E_SUSPENDED"}, BoxProblem.SUSPENDED),
        ({"state": "safe", "reason": "outbox-full"}, BoxProblem.SHUT),
        ({"update": UpdateResult(target="2.0", outcome="failed")}, BoxProblem.UPDATE),
        ({"update": UpdateResult(target="2.0", outcome="rolled-back")}, BoxProblem.UPDATE),
        (
            {"policy": POLICY.model_copy(update={"lease_ends": utc_text(NOW)})},
            BoxProblem.LEASE_OVER,
        ),
        ({"clock": BoxClock(synchronised=False, steps="none")}, BoxProblem.CLOCK),
        ({"clock": BoxClock(synchronised=True, steps="several")}, BoxProblem.CLOCK),
        ({"temperature_c": 80}, BoxProblem.HOT),
        ({"disk_percent": 90}, BoxProblem.DISK),
        ({"temperature_c": None, "disk_percent": None}, None),
        ({"clock": BoxClock(synchronised=None, steps="one")}, None),
        ({"update": UpdateResult(target="2.0", outcome="started")}, None),
        ({"policy": POLICY}, None),
    ],
)
def test_what_a_statement_says_is_a_problem_or_none(
    database: DeskDatabase, parties: Parties, changed: dict[str, Any], problem: BoxProblem | None
) -> None:
    found = Boxes(database, parties).states_that(1, **changed)
    assert found.problems == (() if problem is None else (problem,))


@on_both
def test_a_desk_of_an_earlier_version_keeps_the_states_that_it_has(
    desk: DeskFolder, database: DeskDatabase, parties: Parties
) -> None:
    boxes = Boxes(database, parties)
    before = boxes.said(note(parties.box))
    put_back(database, "0013")
    with desk.open_database() as again:
        (found,) = fleet(again, boxes.now).boxes
        assert found == before
        later = Boxes(again, parties)
        later.now = boxes.now
        first = later.states_that(1)
        assert first.version == "1.2.0"
    put_back(database, "0014")
    with desk.open_database() as again:
        assert fleet(again, later.now).boxes == (first,)
        later = Boxes(again, parties)
        later.now = NOW + timedelta(days=1)
        assert later.states_that(2).problems == (BoxProblem.TWIN,)[:0]
        assert later.states_that(2).problems == (BoxProblem.TWIN,)


# --- the consumer ---------------------------------------------------------------------------------


@needs_mosquitto
def test_what_boxes_tell_takes_no_room_in_the_brokers_queue_of_hits(
    tmp_path: Path, parties: Parties
) -> None:
    heard: list[str] = []

    class Keeper:
        def take_all(self, messages: Sequence[tuple[str, bytes]]) -> None:
            heard.extend(topic for topic, _ in messages)

    with Mosquitto(tmp_path) as broker, HitStore.open(tmp_path / "hits", create=True) as store:
        by = receiver(parties, store)
        tail(broker, by, Until(idle_s=0.1), states=Keeper())
        with BrokerLink.open(options(broker, "a-box")) as link:
            for size in range(1, 6):
                link.publish(f"anpr/{SITE}/{BOX}/audit", note(parties.box, size))
        publish(broker, parties.hit())
        arrivals = tail(broker, by, Until(stored=1, idle_s=3), states=Keeper())

    assert [arrival.fate for arrival in arrivals] == [Fate.STORED]
    assert heard == []


@needs_mosquitto
def test_the_consumer_keeps_the_states_of_boxes(
    tmp_path: Path, parties: Parties, desk: DeskFolder
) -> None:
    now = datetime.now(NOW.tzinfo)
    stated = sign_status(facts(state="safe", reason="E_LEASE"), 1, now, parties.box).to_bytes()
    with Mosquitto(tmp_path) as broker:
        with BrokerLink.open(options(broker, "a-box")) as link:
            link.publish(f"anpr/{SITE}/{BOX}/status", stated, retain=True)
            link.publish(f"anpr/{SITE}/{BOX}/audit", note(parties.box), retain=True)
        done = verb(
            "desk", "consume", "--desk", desk.path, "--broker", f"127.0.0.1:{broker.port}",
            "--box-keys", parties.box_file, "--keys", parties.authority_folder, "--idle", "0.5",
            "--json",
        )  # fmt: skip
    assert done.status == 0, done.err
    (told,) = verb("desk", "boxes", "--desk", desk.path, "--json").json["boxes"]

    assert (told["box"], told["state"], told["reason"]) == (BOX, "shut", "E_LEASE")
    assert (told["version"], told["lists"]) == ("1.2.0", {"stolen": 41})
    assert told["alive_at"] > utc_text(now)
