"""`edge-anpr demo`: one run, one page."""

from __future__ import annotations

import json
import stat
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge.desk.decoy_material import DecoyKind, read_vehicles
from tests.support.browser import CHROMIUM, browser
from tests.support.product import CLIPS, Finished, product


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One run of the demo; read-only for all tests here."""
    done = product("demo", "--json", "--out", tmp_path_factory.mktemp("demo") / "new")
    assert done.status == 0, done.err
    return done


def plates_of(clip: str) -> set[str]:
    truth: dict[str, Any] = json.loads((CLIPS / clip).with_suffix(".json").read_text("utf-8"))
    return {vehicle["plate"] for vehicle in truth["vehicles"]}


class Addresses(HTMLParser):
    """Collects all addresses that a page loads, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.elements: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]


def page_of(demo: Finished) -> str:
    return Path(demo.json["page"]).read_text("utf-8")


def test_three_rules_make_hits_and_everyone_else_is_only_counted(demo: Finished) -> None:
    assert demo.json["schema"] == "edge-anpr/demo/1"
    assert demo.json["vehicles"] == 10
    assert {one["plate"] for one in demo.json["opened"]} == {"GA417TZ", "R617DB", "1XBV517"}
    assert demo.json["non_hits"] == 7


def test_only_the_wrong_way_hit_shows_where_the_vehicle_was_at_first_and_at_last(
    demo: Finished,
) -> None:
    moments = {}
    for one in demo.json["opened"]:
        taken = json.loads(Path(one["document"]).read_text("utf-8"))["taken_at"]
        assert set(taken) == {Path(image).name for image in one["images"]}
        moments[one["plate"]] = taken
    moving = moments.pop("1XBV517")
    assert set(moving) == {"plate.jpg", "vehicle.jpg", "first.jpg", "last.jpg"}
    assert moving["first.jpg"] < moving["vehicle.jpg"] <= moving["last.jpg"]
    assert all(len(set(taken.values())) == 1 for taken in moments.values())
    assert not any({"first.jpg", "last.jpg"} & set(taken) for taken in moments.values())


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
def test_the_page_fits_on_a_phone(demo: Finished, tmp_path: Path) -> None:
    with browser(tmp_path) as tab:
        tab.open(f"file://{demo.json['page']}")
        tab.size(390, 844)

        assert tab.value("document.documentElement.scrollWidth") <= 390


def test_the_page_shows_the_offenders_and_no_other_plate(demo: Finished) -> None:
    page = page_of(demo)
    offenders = {one["plate"] for one in demo.json["opened"]}
    others = (plates_of("street_day.mp4") | plates_of("wrong_way.mp4")) - offenders
    assert all(plate in page for plate in offenders)
    assert len(others) == 7
    assert not [plate for plate in others if plate in page]


def test_the_page_loads_nothing_and_runs_no_script(demo: Finished) -> None:
    page = Addresses()
    page.feed(page_of(demo))
    assert page.addresses
    assert all(address.startswith("data:") for address in page.addresses)
    assert "script" not in page.elements
    assert page.elements.count("video") == 2
    assert page.elements.count("img") == sum(len(one["images"]) for one in demo.json["opened"])


def test_the_page_answers_the_five_questions_in_order(demo: Finished) -> None:
    page = page_of(demo)
    headings = [
        "1. The street",
        "2. The rules that fired",
        "3. What the broker saw",
        "4. What the authority opened",
        "5. What is kept about everyone else",
    ]
    places = [page.index(heading) for heading in headings]
    assert places == sorted(places)
    for topic in {message["topic"] for message in demo.json["broker_messages"]}:
        assert topic in page


def test_the_rendered_vehicles_of_the_demo_can_become_decoys(demo: Finished) -> None:
    folder = Path(demo.json["folder"]) / "authority" / "opened"
    vehicles = read_vehicles(folder, DecoyKind.LAWFUL, Random(1))
    assert {(one.camera, one.stated.reveal()) for one in vehicles} == {
        ("one-way", "1XBV517"), ("school-street", "GA417TZ"), ("school-street", "R617DB"),
    }  # fmt: skip
    misread = read_vehicles(folder, DecoyKind.MISREAD, Random(1))
    for one, other in zip(vehicles, misread, strict=True):
        stated, seen = other.stated.reveal(), one.stated.reveal()
        assert sum(a != b for a, b in zip(stated, seen, strict=True)) == 1
        assert [each.name for each in one.content.pictures][:1] != []
        assert all(each.jpeg.startswith(b"\xff\xd8") for each in one.content.pictures)


def test_the_folder_of_the_demo_is_private(demo: Finished) -> None:
    assert stat.S_IMODE(Path(demo.json["folder"]).stat().st_mode) == 0o700


def test_an_existing_folder_is_refused(demo: Finished) -> None:
    again = product("demo", "--json", "--out", demo.json["folder"])
    assert again.status == 2
    assert "exists already" in again.err
