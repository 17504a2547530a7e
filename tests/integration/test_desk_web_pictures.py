"""Reviews in the browser: what the page says of the pictures and of the vehicle."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge.domain.appearance import Appearance, Colour, VehicleKind
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.privacy.sealing import Picture
from edge.texts import LANGUAGES, Language
from tests.support.desk_web import says
from tests.support.desks import make_desk
from tests.support.parties import MORNING, PLATE, Parties, evidence, make_parties
from tests.support.review_web import ReviewOffice, opened_office
from tests.support.reviews import (
    OFFICER,
    PICTURES,
)

SEEN = Appearance(
    {VehicleKind.VAN: 0.9, VehicleKind.CAR: 0.1}, {Colour.RED: 0.25, Colour.YELLOW: 0.75}
)
SAID: dict[Language, str] = {
    "en": "The box took the vehicle for: van (90 %), yellow or orange (75 %).",
    "nl": "De camerakast hield het voertuig voor: bestelwagen (90 %), geel of oranje (75 %).",
    "fr": "Selon le boîtier, le véhicule est : camionnette (90 %), jaune ou orange (75 %).",
    "de": "Der Kasten hielt das Fahrzeug für: Lieferwagen (90 %), gelb oder orange (75 %).",
}


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def office(tmp_path: Path, parties: Parties) -> Iterator[ReviewOffice]:
    """A desk on SQLite."""
    yield from opened_office(make_desk(tmp_path / "desk"), parties)


@pytest.mark.parametrize("language", LANGUAGES)
def test_kind_and_colour_are_compared_after_the_judgement(
    office: ReviewOffice, language: Language
) -> None:
    office.room.hit = office.room.stored(
        office.room.parties.hit(evidence(*PICTURES, appearance=SEEN))
    )
    seat = office.seat(OFFICER)
    seat.get(f"/language/{language}")
    page = seat.claim()
    assert says("case.box_saw", language) not in page
    told = seat.judge(typed=PLATE).replace("\N{NO-BREAK SPACE}", " ")
    assert SAID[language] in told


def test_of_a_vehicle_that_is_not_known_no_kind_is_said(office: ReviewOffice) -> None:
    seat = office.seat(OFFICER)
    seat.claim()
    told = seat.judge(typed=PLATE)
    assert says("case.box_read") in told
    assert says("case.box_saw") not in told


def test_each_picture_says_when_it_was_taken_and_what_decided(office: ReviewOffice) -> None:
    geometry, meaning = MaskMethod.GEOMETRY, MaskMethod.MEANING
    at = MORNING.replace(microsecond=0)
    shown = (
        Picture("plate", b"\xff\xd8 1", geometry, at),
        Picture("first", b"\xff\xd8 2", geometry, at - timedelta(milliseconds=1400)),
        Picture("vehicle", b"\xff\xd8 3", geometry, at, RevealLevel.VEHICLE),
        Picture("last", b"\xff\xd8 4", meaning, at + timedelta(milliseconds=250)),
    )
    office.room.hit = office.room.stored(office.room.parties.hit(evidence(*shown)))
    page = office.seat(OFFICER).claim()
    labels = [html.unescape(one) for one in re.findall("<figcaption>(.*?)</figcaption>", page)]
    times = [f"{one:%H:%M:%S}" for one in (at, at - timedelta(seconds=2))]
    alone, driver = says("case.by_geometry"), says("case.no_driver")
    assert labels == [
        f"Picture 1 of 4: The plate, {times[0]}.0 UTC",
        f"Picture 2 of 4: Where the plate was first seen, {times[1]}.6 UTC. {alone}",
        f"Picture 3 of 4: The vehicle, {times[0]}.0 UTC. {alone} {driver}",
        f"Picture 4 of 4: Where the plate was last seen, {times[0]}.2 UTC",
    ]
