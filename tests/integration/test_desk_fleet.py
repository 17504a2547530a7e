"""The boxes of a desk: what is kept of each, and what the pages and the terminal show of all."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from edge.adapters.broker.messages import Availability
from edge.adapters.broker.mqtt import BrokerLink
from edge.authority.store import HitStore
from edge.authority.tail import Fate, Until
from edge.desk.accounts import ActingPerson
from edge.desk.boxes import BoxStates, keep_lease
from edge.desk.fleet import (
    LATE_AFTER,
    PAGE,
    BoxProblem,
    BoxState,
    FleetBox,
    FleetFilter,
    fleet,
)
from edge.desk.fleet_metrics import fleet_server
from edge.desk.folder import DeskFolder
from edge.desk.rights import DeskRole
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import BOX_STATE
from edge.desk.web.app import desk_app
from edge.errors import EdgeError, UsageError
from edge.formats.signing import SigningKey
from edge.formats.timestamps import parse_utc, utc_text
from edge.policy.activation import ActivationRecord, activate
from edge.privacy.box_status import BoxClock, PolicyInForce, UpdateResult, sign_status
from edge.privacy.checkpoints import Checkpoint, CheckpointSigner, MerkleTree, box_log
from edge.site.folder import read_policy
from edge.texts import LANGUAGES
from tests.integration.conftest import needs_mosquitto
from tests.support.box_statuses import facts
from tests.support.brokers import Mosquitto
from tests.support.desk_web import OFFICER, SECOND, Web, opened
from tests.support.desks import FIRST, NOW, added, make_desk, put_back, terms
from tests.support.parties import BOX, SITE, Parties, make_parties
from tests.support.product import REPOSITORY, start, verb
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
        self.states.take(f"anpr/{SITE}/{box}/{kind}", payload)
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
        self.states.take(f"anpr/{SITE}/{BOX}/status", made.to_bytes())
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
        assert later.states_that(1).version == "1.2.0"


# --- many boxes -----------------------------------------------------------------------------------

HEALTHY: dict[str, Any] = {
    "log_size": 900, "root_sha256": "ab" * 32, "proved_at": utc_text(NOW), "state": "online",
    "reason": "running", "said_at": utc_text(NOW), "status_counter": 7,
    "status_sha256": "ab" * 32, "status_said_at": utc_text(NOW), "status_came_at": utc_text(NOW),
    "status_state": "online", "status_reason": "running", "version": "1.10.0",
    "weights_sha256": "11" * 32, "policy_sha256": "22" * 32, "policy_version": 4,
    "status_lease": "2027-06-01T00:00:00.000Z", "lists": '{"stolen": 41}', "synchronised": True,
    "clock_steps": "none", "temperature": 40, "disk": 20, "twin_at": None,
    "update_target": None, "update_outcome": None,
}  # fmt: skip


def put(database: DeskDatabase, *boxes: dict[str, Any]) -> None:
    rows = [{**HEALTHY, **one, "box_id": f"{one['site']}/{one['box']}"} for one in boxes]
    with database.writing() as connection:
        connection.execute(insert(BOX_STATE), rows)


def test_a_box_is_compared_with_most_of_the_others(database: DeskDatabase) -> None:
    early, other = {"version": "1.9.3"}, {"weights_sha256": "33" * 32}
    put(
        database,
        *({"site": "a", "box": f"same-{number}"} for number in range(5)),
        {"site": "a", "box": "early", **early, **other},
        {"site": "a", "box": "ahead", "version": "1.11.0", **other},
        {"site": "a", "box": "odd", "version": "sources"},
        {"site": "a", "box": "weights", **other},
        {"site": "a", "box": "newer-policy", "policy_version": 5},
        {"site": "a", "box": "older-policy", "policy_version": 3},
        {"site": "a", "box": "other-policy", "policy_sha256": "44" * 32},
        {"site": "b", "box": "alone", "policy_version": 1},
    )
    found = {one.box: one.problems for one in fleet(database, NOW).boxes if one.problems}
    assert found == {
        "early": (BoxProblem.VERSION,),
        "odd": (BoxProblem.VERSION,),
        "weights": (BoxProblem.WEIGHTS,),
        "older-policy": (BoxProblem.POLICY,),
        "other-policy": (BoxProblem.POLICY,),
    }


URGENT: tuple[dict[str, Any], ...] = (
    {"status_state": "safe", "status_reason": "E_SUSPENDED"},
    {"status_state": "safe", "status_reason": "E_LEASE"},
    {"twin_at": utc_text(NOW)},
    {
        "proved_at": utc_text(NOW - timedelta(days=2)),
        "status_said_at": utc_text(NOW - timedelta(days=2)),
    },
    {"state": "offline", "reason": "stopped"},
    {"update_target": "2.0", "update_outcome": "failed"},
    {"status_lease": utc_text(NOW - timedelta(days=1))},
    {"status_lease": utc_text(NOW + timedelta(days=1))},
    {"status_came_at": utc_text(NOW - LATE_AFTER - timedelta(seconds=1))},
    {"version": "1.9.0"},
    {"weights_sha256": "33" * 32},
    {"policy_version": 3},
    {"synchronised": False},
    {"temperature": 90},
    {"disk": 90},
)


def urgent(database: DeskDatabase) -> None:
    """One box with each problem, and more without any; their names say nothing of the order."""
    problems = zip(BoxProblem, URGENT, strict=True)
    put(
        database,
        *(
            {"site": "a", "box": f"{99 - place}-{problem.value}", **changed}
            for place, (problem, changed) in enumerate(problems)
        ),
        *({"site": "a", "box": f"0-{number:02d}"} for number in range(20)),
    )


def test_the_most_urgent_box_comes_first(database: DeskDatabase) -> None:
    urgent(database)
    found = fleet(database, NOW)

    assert [one.problems for one in found.boxes] == [
        *((problem,) for problem in BoxProblem),
        *(() for _ in range(20)),
    ]
    assert found.problems() == dict.fromkeys(BoxProblem, 1)
    assert found.states() == {
        BoxState.SUSPENDED: 1, BoxState.SHUT: 1, BoxState.OFFLINE: 1, BoxState.ONLINE: 32,
    }  # fmt: skip
    assert found.versions() == ("1.10.0", "1.9.0")
    assert len(found.chosen(FleetFilter(any_problem=True))) == len(BoxProblem)
    (late,) = found.chosen(FleetFilter(site="a", problem=BoxProblem.LATE, version="1.10.0"))
    assert late.box.endswith("-late")
    assert found.chosen(FleetFilter(site="b")) == ()
    assert len(found.chosen(FleetFilter(state=BoxState.SHUT))) == 1


@on_both
def test_10000_boxes_are_read_and_sorted_in_less_than_300_ms(database: DeskDatabase) -> None:
    for thousand in range(10):
        put(
            database,
            *(
                {"site": f"site-{number % 300}", "box": f"box-{thousand}-{number}",
                 "version": f"1.{number % 3}.0", "temperature": 10 * (number % 10)}
                for number in range(1000)
            ),
        )  # fmt: skip
    fleet(database, NOW)
    begun = time.process_time(), time.monotonic()

    found = fleet(database, NOW)
    assert len(found.chosen(FleetFilter(problem=BoxProblem.HOT))) == 2000

    assert min(time.process_time() - begun[0], time.monotonic() - begun[1]) < 0.3


# --- the pages ------------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    desk = make_desk(tmp_path / "shown")
    with opened(desk, lambda: NOW) as shared:
        client = TestClient(desk_app(shared), headers={"accept-language": "en"})
        made = Web(desk, shared.database, shared.people, NOW, client)
        added(shared.people, OFFICER, SECOND)
        right = shared.people.propose(ActingPerson(FIRST), terms(SECOND, DeskRole.SUPERVISOR))
        shared.people.approve(ActingPerson(SECOND), right.right_id)
        yield made


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub("<[^>]*>", " ", page)).split())


def rows_of(page: str) -> list[str]:
    return re.findall(r'<a href="/boxes/a/\d+-([\w-]+)">', page)


def test_the_page_of_boxes_is_sorted_filtered_and_counted(web: Web) -> None:
    urgent(web.database)
    web.log_in()

    page = web.client.get("/boxes").text
    assert rows_of(page)[: len(BoxProblem)] == [one.value for one in BoxProblem]
    said = words_of(page)
    for words in (
        "online: 32", "suspended: 1", "two boxes with the same keys: 1", "Boxes that match: 35",
        "a / 96-silent online silent 2 d 0 h", "in 181 days", "kept by a time service", "90 °C",
    ):  # fmt: skip
        assert words in said, words
    assert rows_of(web.client.get("/boxes?problem=late&site=a").text) == ["late"]
    assert rows_of(web.client.get("/boxes?state=suspended&problem=").text) == ["suspended"]
    assert rows_of(web.client.get("/boxes?version=1.9.0").text) == ["version"]
    assert len(rows_of(web.client.get("/boxes?problem=any").text)) == len(BoxProblem)
    nothing = web.client.get("/boxes?site=nowhere").text
    assert (rows_of(nothing), "No box matches." in nothing) == ([], True)
    assert '<option value="late" selected="">' in web.client.get("/boxes?problem=late").text


@pytest.mark.parametrize(
    "asked",
    ["problem=<b>", "state=x", "site=%00", "version=<b>x", "page=-1", "page=99", "page=x", "a=b"],
)
def test_a_filter_that_says_nothing_is_passed_over_and_never_quoted(web: Web, asked: str) -> None:
    put(web.database, {"site": "a", "box": "1-x"})
    web.log_in()
    answer = web.client.get(f"/boxes?{asked}")
    assert answer.status_code == 200
    assert "<b>" not in answer.text


def test_many_boxes_are_shown_in_pages_that_keep_the_filter(web: Web) -> None:
    put(web.database, *({"site": "a", "box": f"1-b{number:03d}"} for number in range(PAGE + 5)))
    put(web.database, {"site": "b", "box": "1-c"})
    web.log_in()
    first = web.client.get("/boxes?site=a").text
    assert len(rows_of(first)) == PAGE
    (following,) = re.findall(r'href="(/boxes\?site=a&amp;page=2)"', first)
    second = web.client.get(unescape(following)).text
    assert len(rows_of(second)) == 5
    assert "Page 2 of 2" in words_of(second)
    assert "/boxes?site=a&amp;page=1" in second
    assert "page=3" not in second


def test_the_page_of_a_box_says_what_to_do_in_every_language(web: Web) -> None:
    urgent(web.database)
    put(web.database, {"site": "b", "box": "box-1", "version": None, "status_counter": None,
                       "policy_version": None, "lists": None, "status_lease": None,
                       "synchronised": None, "temperature": None, "disk": None})  # fmt: skip
    web.log_in()
    seen: set[str] = set()
    for language in LANGUAGES:
        web.client.cookies.set("desk-language", language)
        for path in re.findall(r'"(/boxes/[^"]+)"', web.client.get("/boxes").text):
            answer = web.client.get(path)
            assert answer.status_code == 200
            seen |= set(re.findall(r'<p class="line">(.*?)</p>', answer.text))
    assert len(seen) == len(LANGUAGES) * len(BoxProblem)
    web.client.cookies.set("desk-language", "en")
    said = words_of(web.client.get("/boxes/a/97-twin").text)
    for words in ("Find the second box and switch it off", "version 4, 2222222222222222",
                  "stolen: counter 41", "at least 40 °C", "at least 20 %"):  # fmt: skip
        assert words in said
    assert web.client.get("/boxes/a/none").status_code == 404


@pytest.mark.parametrize(
    ("role", "site", "status", "seen"),
    [
        (DeskRole.AUDITOR, None, 200, {"a", "b"}),
        (DeskRole.SUPERVISOR, "b", 200, {"b"}),
        (DeskRole.OFFICER, None, 403, set()),
    ],
)
def test_p4_boxes_are_for_those_who_watch_and_of_their_sites_only(
    web: Web, role: DeskRole, site: str | None, status: int, seen: set[str]
) -> None:
    put(web.database, {"site": "a", "box": "1-x"}, {"site": "b", "box": "1-x"})
    web.give(OFFICER, role, site=site)
    web.log_in(OFFICER)
    page = web.client.get("/boxes")
    assert page.status_code == status
    assert set(re.findall(r'href="/boxes/(\w+)/', page.text)) == seen
    for one in ("a", "b"):
        wanted = 200 if one in seen else 404 if seen else 403
        assert web.client.get(f"/boxes/{one}/1-x").status_code == wanted


# --- the terminal, and the consumer ---------------------------------------------------------------


def test_the_terminal_shows_problems_and_its_exit_status_tells_of_them(
    desk: DeskFolder, database: DeskDatabase
) -> None:
    now = datetime.now(NOW.tzinfo)
    fresh = dict.fromkeys(("proved_at", "status_said_at", "status_came_at"), utc_text(now))
    fresh["status_lease"] = utc_text(now + timedelta(days=90))
    put(database, {"site": "a", "box": "good", **fresh})
    at = ("desk", "boxes", "--desk", desk.path)
    assert verb(*at).status == 0
    put(database, {"site": "b", "box": "hot", **fresh, "temperature": 90})

    done = verb(*at)
    assert done.status == 3
    assert done.out.splitlines()[0].startswith("b/hot: online (running); last sign of life 20")
    assert done.out.splitlines()[0].endswith("; PROBLEMS: hot")
    assert done.err.startswith("error: E_BOXES: 1 of 2 boxes need attention")
    assert verb(*at, "--site", "a").status == 0
    assert verb(*at, "--problem", "clock").out == ""
    told = verb(*at, "--problem", "any", "--json")
    assert told.status == 3
    assert told.json["problems"] == {"hot": 1}
    assert [(one["box"], one["problems"]) for one in told.json["boxes"]] == [("hot", ["hot"])]
    wrong = verb(*at, "--problem", "cold")
    assert (wrong.status, "suspended, shut, twin, silent" in wrong.err) == (2, True)


def test_the_metrics_of_all_boxes_are_served_on_this_machine(
    desk: DeskFolder, database: DeskDatabase
) -> None:
    put(database, {"site": "a", "box": "b", "twin_at": utc_text(datetime.now(NOW.tzinfo))})
    process = start(["desk", "serve", "--desk", desk.path, "--port", "0", "--metrics", "[::1]:0"])
    try:
        assert process.stderr is not None
        (told,) = [line for line in (process.stderr.readline(),) if "metrics of all boxes" in line]
        address = told.split()[-1]
        with urlopen(address, timeout=10) as answer:  # noqa: S310 - of this machine
            assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            body = answer.read().decode()
        assert 'edge_anpr_fleet_problem{site="a",box="b",problem="twin"} 1\n' in body
        with pytest.raises(HTTPError, match="404"):
            urlopen(address.replace("/metrics", "/boxes"), timeout=10)  # noqa: S310 - likewise
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "desk.example:0"],
    ids=["every IPv4", "every IPv6", "another", "a name"],
)
def test_p7_the_metrics_of_a_fleet_are_for_this_machine_only(
    desk: DeskFolder, database: DeskDatabase, address: str
) -> None:
    with (
        pytest.raises(UsageError, match="can be reached from other machines"),
        fleet_server(address, database, lambda: NOW),
    ):
        pass
    done = verb("desk", "serve", "--desk", desk.path, "--port", "0", "--metrics", address)
    assert (done.status, len(done.err.splitlines())) == (2, 1)


@needs_mosquitto
def test_what_boxes_tell_takes_no_room_in_the_brokers_queue_of_hits(
    tmp_path: Path, parties: Parties
) -> None:
    heard: list[str] = []

    class Keeper:
        def take(self, topic: str, payload: bytes) -> None:
            heard.append(topic)

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
