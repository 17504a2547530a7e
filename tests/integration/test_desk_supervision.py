"""What a supervisor sees of decisions: figures from ten decisions on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select
from starlette.testclient import TestClient

from edge.cli.desk_supervise import _reading_text
from edge.desk.accounts import ActingPerson
from edge.desk.boxes import BoxStates
from edge.desk.figures import figures, site_accuracy
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import OpeningReason
from edge.desk.rights import DeskRole
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import DECISION
from edge.desk.web.app import desk_app
from edge.domain.intervals import wilson
from edge.site.folder import read_policy
from edge.texts import LANGUAGES
from tests.support.desk_web import OFFICER as OFFICER_NAME
from tests.support.desk_web import SECOND as SECOND_NAME
from tests.support.desk_web import Web, decided, line_of, opened, says
from tests.support.desks import FIRST, NOW, added, make_desk, put_back, terms
from tests.support.parties import SITE, Parties
from tests.support.product import REPOSITORY, verb
from tests.support.receiving import boxes_of
from tests.support.reviews import (
    CONFIRMED,
    OFFICER,
    REFERRED,
    SECOND,
    SECOND_REVIEW,
    THIRD,
    TYPED,
    ReviewRoom,
)


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> DeskFolder:
    """A desk; on PostgreSQL where a test asks for it."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return make_desk(tmp_path / "desk")
    return make_desk(tmp_path / "desk", request.getfixturevalue("postgres").new_database())


LATER = date(2027, 1, 1)

on_both = pytest.mark.parametrize("desk", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database(desk: DeskFolder) -> Iterator[DeskDatabase]:
    with desk.open_database() as opened:
        yield opened


# --- figures --------------------------------------------------------------------------------------


@on_both
def test_a_finding_counts_once_and_a_referred_hit_not_yet(
    desk: DeskFolder, database: DeskDatabase, parties: Parties
) -> None:
    room = ReviewRoom(desk, database, parties)

    def rows() -> list[dict[str, Any]]:
        with database.reading() as connection:
            return [dict(row) for row in connection.execute(select(DECISION)).mappings()]

    room.through(OFFICER, REFERRED, TYPED)
    assert rows() == []
    room.through(SECOND, CONFIRMED, opening=SECOND_REVIEW)
    hit = room.hit
    assert rows() == [
        {
            "hit_id": hit.hit_id, "month": "2026-12", "site": hit.site, "camera": hit.camera,
            "rule": hit.rule, "light": "night", "outcome": "confirmed", "reading": "exact",
        }
    ]  # fmt: skip
    first = rows()[0]
    room.now += timedelta(days=40)
    room.reject(THIRD, opening=OpeningReason.APPEAL)
    assert rows() == [{**first, "outcome": "rejected"}]  # month and reading stay


def test_p7_no_count_below_ten_is_shown_and_larger_ones_are_rounded_down(
    database: DeskDatabase,
) -> None:
    decided(database, 37)
    decided(database, 9, "rejected", "misread")
    decided(database, 9, site="small")

    found = {one.site: one for one in figures(database, LATER).outcomes}
    assert found[SITE].decisions == 40
    assert found[SITE].outcomes == {"confirmed": 30, "rejected": "<10", "cannot-tell": "<10"}
    assert found["small"].decisions == "<10"


@pytest.mark.parametrize(
    ("cameras", "shown"),
    [
        ({"a": 10, "b": 12}, {"a": 10, "b": 10}),
        ({"a": 9, "b": 9}, {"a": None, "b": None}),
        # The site's total is shown, so one small camera could be found as the difference.
        ({"a": 9, "b": 12, "c": 40}, {"a": None, "b": None, "c": 40}),
        ({"a": 9, "b": 12}, {"a": None, "b": None}),
    ],
)
def test_p7_a_share_below_ten_is_neither_shown_nor_told_by_a_difference(
    desk: DeskFolder, database: DeskDatabase, cameras: dict[str, int], shown: dict[str, int | None]
) -> None:
    for camera, count in cameras.items():
        decided(database, count, camera=camera)

    found = figures(database, LATER).readings
    assert {
        one.value.partition("/")[2]: one.tested for one in found if one.condition == "camera"
    } == shown
    for one in found:
        assert (one.tested is None) == _reading_text(one).startswith("not shown")
        assert one.share is None  # no ten were misread


@on_both
def test_misreads_have_their_interval_and_untested_hits_count_for_none(
    database: DeskDatabase,
) -> None:
    decided(database, 36, light="day")
    decided(database, 4, "rejected", "misread", light="day")
    decided(database, 12, "rejected", "misread", light="night")
    decided(database, 500, "rejected", "untested", light="night")

    found = {
        one.value: one for one in figures(database, LATER).readings if one.condition == "light"
    }
    day, night = found[f"{SITE}/day"], found[f"{SITE}/night"]
    assert (day.tested, day.misread, day.share) == (40, "<10", None)
    assert (night.tested, night.misread, night.share) == (10, 10, wilson(10, 10))


def test_p7_no_figure_of_readings_changes_before_the_month_is_over(database: DeskDatabase) -> None:
    """Else what changes after one decision tells, with the log, how one person judged."""
    during, after = date(2026, 11, 30), date(2026, 12, 1)

    def shown(day: date) -> tuple[object, ...]:
        return figures(database, day).readings, site_accuracy(database, SITE, day)

    decided(database, 20)
    before = shown(during)
    for month in ("2026-11", "2026-12"):
        decided(database, 11, "rejected", "misread", month=month)
        assert shown(during) == before
    assert [one != other for one, other in zip(shown(after), before, strict=True)] == [True, True]


def test_p12_the_exported_accuracy_is_what_a_policy_takes(
    desk: DeskFolder, database: DeskDatabase, tmp_path: Path
) -> None:
    decided(database, 381, month="2026-09")
    decided(database, 6, "rejected", "misread")
    found = site_accuracy(database, SITE, LATER)
    assert found is not None
    assert (found.vehicles, found.exact, found.first, found.last) == (
        387,
        381,
        "2026-09",
        "2026-10",
    )

    told = verb("desk", "figures", "--desk", desk.path, "--accuracy", SITE)
    section = yaml.safe_load(told.out)["accuracy"]
    document = yaml.safe_load((REPOSITORY / "config/school-street/policy.yaml").read_text("utf-8"))
    document["accuracy"] = {**section, "date": "2025-10-13"}  # its other dates are of that year
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    policy = read_policy(tmp_path / "policy.yaml").model

    assert (policy.accuracy.vehicles, policy.accuracy.exact) == (387, 381)
    assert set(policy.accuracy.method.model_dump()) == {"nl", "fr", "de", "en"}


def test_p12_no_accuracy_is_exported_below_ten_tested_readings(
    desk: DeskFolder, database: DeskDatabase
) -> None:
    decided(database, 9)
    decided(database, 90, "rejected", "untested")

    assert site_accuracy(database, SITE, LATER) is None
    done = verb("desk", "figures", "--desk", desk.path, "--accuracy", SITE)
    assert done.status == 2
    assert "fewer than ten" in done.err


@on_both
def test_figures_of_100000_decisions_take_less_than_300_ms(database: DeskDatabase) -> None:
    for number in range(50):
        decided(database, 2000, month=f"2026-{1 + number % 12:02d}", site=f"site-{number % 5}")
    begun = time.process_time(), time.monotonic()

    figures(database, LATER)

    assert min(time.process_time() - begun[0], time.monotonic() - begun[1]) < 0.3


@on_both
def test_a_desk_of_an_earlier_version_counts_the_findings_that_it_has(
    desk: DeskFolder, database: DeskDatabase, parties: Parties
) -> None:
    room = ReviewRoom(desk, database, parties)
    room.through(OFFICER, CONFIRMED)
    with database.reading() as connection:
        before = connection.execute(select(DECISION)).all()
    put_back(database, "0007")
    with desk.open_database() as again, again.reading() as connection:
        assert connection.execute(select(DECISION)).all() == before
    assert len(before) == 1


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    desk = make_desk(tmp_path / "shown")
    with opened(desk, lambda: NOW) as shared:
        database, people = shared.database, shared.people
        client = TestClient(desk_app(shared), headers={"accept-language": "en"})
        made = Web(desk, database, people, NOW, client)
        added(people, OFFICER_NAME, SECOND_NAME)
        right = people.propose(ActingPerson(FIRST), terms(SECOND_NAME, DeskRole.SUPERVISOR))
        people.approve(ActingPerson(SECOND_NAME), right.right_id)
        yield made


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub("<[^>]*>", " ", page)).split())


def test_the_page_shows_figures_and_hides_what_is_below_ten(web: Web, parties: Parties) -> None:
    database = web.database
    decided(database, 36)
    decided(database, 4, "rejected", "misread")
    decided(database, 9, camera="cam-2")
    BoxStates(database, boxes_of(parties), lambda: NOW).register()
    web.log_in()

    said = words_of(web.client.get("/figures").text)
    assert "2026-10 test-street stolen 40 40 fewer than 10 fewer than 10" in said
    assert "Site test-street 40 fewer than 10" in said
    for camera in ("cam-1", "cam-2"):
        assert f"Camera test-street/{camera} – not shown: fewer than 10, or" in said
    assert "Boxes: 1. Need attention: 1." in said
    for language in LANGUAGES:
        web.client.cookies.set("desk-language", language)
        assert web.client.get("/figures").status_code == 200


@pytest.mark.parametrize(
    ("role", "site", "status", "seen"),
    [
        (DeskRole.AUDITOR, None, 200, {"test-street", "other"}),
        (DeskRole.SUPERVISOR, "other", 200, {"other"}),
        (DeskRole.OFFICER, None, 403, set()),
        (DeskRole.CLERK, None, 403, set()),
    ],
)
def test_p4_figures_are_for_those_who_watch_and_of_their_sites_only(
    web: Web, role: DeskRole, site: str | None, status: int, seen: set[str]
) -> None:
    decided(web.database, 20)
    decided(web.database, 20, site="other")
    web.give(OFFICER_NAME, role, site=site)
    web.log_in(OFFICER_NAME)

    answer = web.client.get("/figures")
    assert answer.status_code == status
    assert {one for one in ("test-street", "other") if f"<bdi>{one}</bdi>" in answer.text} == seen


# --- the log --------------------------------------------------------------------------------------


def test_the_log_is_searched_in_pages_and_no_address_says_for_whom(web: Web) -> None:
    web.give(OFFICER_NAME, DeskRole.AUDITOR)
    web.log_in(OFFICER_NAME)
    assert "<tbody>" not in web.client.get("/log").text

    page = web.post("/log", person=SECOND_NAME)
    assert web.status == 200
    assert f"action=added, person={SECOND_NAME}, by={FIRST}" in words_of(page)
    assert f"log-searched by={OFFICER_NAME}, person={SECOND_NAME}" in words_of(page)
    assert SECOND_NAME not in str(web.client.get("/log").url)
    for wrong in ({"person": "<b>"}, {"case": "1ABC123"}, {"since": "soon"}, {"before": "x"}):
        refused = web.post("/log", **wrong)
        assert (web.status, line_of(refused)[:19]) == (400, says("log.wrong")[:19])
        assert "<b>" not in refused
    for language in LANGUAGES:
        web.client.cookies.set("desk-language", language)
        assert web.client.get("/log").status_code == 200


def test_p4_a_supervisor_does_not_read_the_log(web: Web) -> None:
    web.log_in()
    assert web.client.get("/log").status_code == 403
    web.post("/log", page="/account", person=SECOND_NAME)
    assert web.status == 403
