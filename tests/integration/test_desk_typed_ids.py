"""Ids that people type are accepted in capitals, at the desk and at the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge.desk.web.log_page import _query
from tests.integration.test_desk_review_cli import Office
from tests.support.desk_web import says
from tests.support.desks import FIRST, make_desk
from tests.support.parties import Parties, make_parties
from tests.support.product import REPOSITORY, verb
from tests.support.review_web import ReviewOffice, opened_office
from tests.support.reviews import CONFIRMED, OFFICER, SECOND

IDS = {"HIT", "[HIT]...", "CASE", "REQUEST", "HOLD", "TERM", "RIGHT", "LINK", "KEY"}
"""What help calls an id in hexadecimal."""


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def office(tmp_path: Path, parties: Parties) -> Iterator[ReviewOffice]:
    yield from opened_office(make_desk(tmp_path / "desk"), parties)


def test_an_appeal_and_a_case_are_found_by_an_id_in_capitals(office: ReviewOffice) -> None:
    office.room.through(OFFICER, CONFIRMED)
    office.room.now += timedelta(minutes=1)
    office.room.appealed()
    seat, hit = office.seat(SECOND), office.room.hit.hit_id.upper()
    assert says("file.heading") in seat.get(f"/case/{hit}/file")
    assert seat.status == 200
    assert says("case.appeal") in seat.post("/case/claim", hit=f" {hit} ", appeal="yes")
    assert seat.path == seat.case


def test_a_search_of_the_log_accepts_an_id_in_capitals(office: ReviewOffice) -> None:
    office.room.through(OFFICER, CONFIRMED)
    hit = office.room.hit.hit_id
    sent = {"person": "", "case": f" {hit.upper()} ", "since": "", "before": ""}
    assert _query(sent).case == hit


def test_the_terminal_accepts_ids_in_capitals(tmp_path: Path) -> None:
    office = Office(tmp_path)
    desk, hit = office.desk.path, office.hit.hit_id
    day = (office.utc() + timedelta(days=9)).date().isoformat()
    held = verb(
        "desk", "retain", "hold", hit.upper(), "--reason", "appeal", "--reference", "PV-2026/88",
        "--until", day, *office.acting(FIRST),
    )  # fmt: skip
    assert held.status == 0, held.err
    (one,) = json.loads(verb("desk", "retain", "holds", "--desk", desk, "--json").out)["holds"]
    assert one["hit_id"] == hit
    ended = verb("desk", "retain", "release", one["hold_id"].upper(), *office.acting(FIRST))
    assert ended.status == 0, ended.err


def test_every_id_of_hits_and_of_the_desk_is_accepted_in_capitals() -> None:
    cli = REPOSITORY / "edge" / "cli"
    for file in (*cli.glob("desk*.py"), cli / "hits.py"):
        for found in re.finditer(r'(.*)metavar="([^"]+)"', file.read_text(encoding="utf-8")):
            assert found[2] not in IDS or found[1].endswith("parser=typed_id, "), (file, found[2])
