"""Kind and colour in a hit, and entries that they contradict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.domain.appearance import (
    NOTHING_STATED,
    UNKNOWN,
    Appearance,
    Colour,
    Description,
    VehicleKind,
)
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Offence
from edge.errors import EdgeError
from edge.pipeline.ports import SceneParser
from tests.support.colour_parser import CountingParser, colour_parser
from tests.unit.pipeline.test_evidence import ENTRY, PLATE, Office, offence, street, vehicle


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


WHITE_CAR = Appearance(
    {VehicleKind.CAR: 0.998, VehicleKind.VAN: 0.002},
    {Colour.WHITE: 0.998, Colour.GREY: 0.002},
)
RED, RED_VAN = Description(None, Colour.RED), Description(VehicleKind.VAN, Colour.RED)
VAN, WHITE = Description(VehicleKind.VAN), Description(None, Colour.WHITE)


def listed(level: RevealLevel, *stated: Description) -> Offence:
    """An offence whose plate has an entry for each of these descriptions: e0, e1 …"""
    entries = tuple(
        replace(ENTRY, entry_id=f"e{number}", stated=one) for number, one in enumerate(stated)
    )
    return replace(offence(level), entries=entries)


LEVELS = [one for one in RevealLevel if one is not RevealLevel.NONE]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("stated", [RED, RED_VAN, VAN, Description(VehicleKind.BUS, Colour.WHITE)])
def test_p12_a_vehicle_that_surely_looks_other_than_its_list_states_makes_no_hit(
    office: Office, level: RevealLevel, stated: Description, tmp_path: Path
) -> None:
    """The plate may be on another vehicle, so nobody is reported."""
    maker = office.maker(parser=colour_parser(tmp_path, vehicle=WHITE_CAR))
    case = vehicle(pixels=street()), listed(level, stated)

    assert maker.examine(*case).contradicted
    with pytest.raises(EdgeError, match="looks different") as refused:
        maker.make(*case, 0, 1)
    assert PLATE not in str(refused.value)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "stated", [NOTHING_STATED, WHITE, Description(VehicleKind.CAR), Description(VehicleKind.CAR,
                                                                                Colour.WHITE)]
)  # fmt: skip
def test_a_vehicle_that_looks_as_its_list_states_makes_a_hit(
    office: Office, level: RevealLevel, stated: Description, tmp_path: Path
) -> None:
    maker = office.maker(parser=colour_parser(tmp_path, vehicle=WHITE_CAR))

    hit = maker.make(vehicle(pixels=street()), listed(level, stated), 0, 1)

    assert office.opened(hit).list_entry_id == "e0"


@pytest.mark.parametrize("stated", [RED, RED_VAN, VAN])
@pytest.mark.parametrize("why", ["no parser", "fails", "unsure where", "no such answer", "unsure"])
def test_where_the_vehicle_is_not_surely_known_the_hit_goes_on(
    office: Office, stated: Description, why: str, tmp_path: Path
) -> None:
    """A person checks it, as without a description."""
    unsure = Appearance({VehicleKind.CAR: 0.9, VehicleKind.VAN: 0.1},
                        {Colour.WHITE: 0.9, Colour.RED: 0.1})  # fmt: skip
    parsers: dict[str, Callable[[], SceneParser | None]] = {
        "no parser": lambda: None,
        "fails": lambda: colour_parser(tmp_path, fails="run", vehicle=WHITE_CAR),
        "no such answer": lambda: colour_parser(tmp_path),
        "unsure": lambda: colour_parser(tmp_path, vehicle=unsure),
        "unsure where": lambda: colour_parser(tmp_path, vehicle=WHITE_CAR),
    }
    pixels = None if why == "unsure where" else street()  # noise has no vehicle around the plate
    maker = office.maker(parser=parsers[why]())

    hit = maker.make(vehicle(pixels=pixels), listed(RevealLevel.VEHICLE, stated), 0, 1)

    found = office.opened(hit)
    assert found.list_entry_id == "e0"
    assert (found.appearance == UNKNOWN) is (why != "unsure")


def test_the_hit_names_the_entry_that_fits_the_vehicle(office: Office, tmp_path: Path) -> None:
    """Two entries of one plate may state different vehicles, as after a sale."""
    maker = office.maker(parser=colour_parser(tmp_path, vehicle=WHITE_CAR))
    seen = vehicle(pixels=street())

    hit = maker.make(seen, listed(RevealLevel.VEHICLE, RED_VAN, VAN, WHITE, NOTHING_STATED), 0, 1)

    assert office.opened(hit).list_entry_id == "e2"
    assert maker.examine(seen, listed(RevealLevel.VEHICLE, RED_VAN, RED)).contradicted


def test_only_the_authority_sees_what_the_vehicle_looks_like(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bus = Appearance({VehicleKind.MOTORCYCLE: 1.0}, {Colour.YELLOW: 1.0})
    maker = office.maker(parser=colour_parser(tmp_path, vehicle=bus))
    told = Description(VehicleKind.MOTORCYCLE, Colour.YELLOW)

    hit = maker.make(vehicle(pixels=street()), listed(RevealLevel.VEHICLE, told), 0, 1)

    found = office.opened(hit).appearance
    assert dict(found.kinds) == {VehicleKind.MOTORCYCLE: 1.0}
    assert dict(found.colours) == {Colour.YELLOW: 1.0}
    for word in ("motorcycle", "yellow"):
        assert word.encode() not in hit.payload
        assert word not in repr(hit)
        assert word not in caplog.text


def test_p8_a_rule_that_shows_the_plate_only_does_not_describe_the_vehicle(
    office: Office, tmp_path: Path
) -> None:
    maker = office.maker(parser=colour_parser(tmp_path, vehicle=WHITE_CAR))

    hit = maker.make(vehicle(pixels=street()), listed(RevealLevel.PLATE, WHITE), 0, 1)

    assert office.opened(hit).appearance == UNKNOWN


def test_p8_a_picture_is_parsed_once_and_only_if_the_rule_or_the_list_needs_it(
    office: Office, tmp_path: Path
) -> None:
    seen = vehicle(pixels=street())
    asked = []
    for case in (
        listed(RevealLevel.PLATE, NOTHING_STATED),
        listed(RevealLevel.PLATE, WHITE),
        listed(RevealLevel.VEHICLE, WHITE),
    ):
        parser = CountingParser(colour_parser(tmp_path, vehicle=WHITE_CAR))
        maker = office.maker(parser=parser)
        maker.make(seen, case, 0, 1, maker.examine(seen, case))
        asked.append(parser.asked)
    assert asked == [0, 1, 1]
