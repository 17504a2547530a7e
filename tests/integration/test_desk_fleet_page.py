"""What the pages, the terminal and the metrics show of all boxes, the most urgent first."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from starlette.testclient import TestClient

from edge.desk.accounts import ActingPerson
from edge.desk.fleet import (
    PAGE,
    BoxProblem,
    BoxState,
    FleetFilter,
    fleet,
)
from edge.desk.fleet_metrics import fleet_server
from edge.desk.folder import DeskFolder
from edge.desk.rights import DeskRole
from edge.desk.store.database import DeskDatabase
from edge.desk.web.app import desk_app
from edge.errors import UsageError
from edge.formats.timestamps import utc_text
from edge.texts import LANGUAGES
from tests.support.desk_fleets import put, urgent
from tests.support.desk_web import OFFICER, SECOND, Web, opened
from tests.support.desks import FIRST, NOW, added, make_desk, terms
from tests.support.product import start, verb

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


# --- many boxes -----------------------------------------------------------------------------------


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
    took = []
    for _ in range(3):  # a busy machine is slow
        begun = time.process_time(), time.monotonic()
        found = fleet(database, NOW)
        assert len(found.chosen(FleetFilter(problem=BoxProblem.HOT))) == 2000
        took += [time.process_time() - begun[0], time.monotonic() - begun[1]]

    assert min(took) < 0.3


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
    assert done.err.startswith("error: E_BOXES: 1 of 2 boxes needs attention")
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
        process.communicate(timeout=60)


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
