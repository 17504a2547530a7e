"""Kind and colour of a vehicle, and when a picture contradicts what a list entry states."""

from __future__ import annotations

from itertools import product

import pytest

from edge.domain.appearance import (
    LEAST_LIKELY,
    NOTHING_STATED,
    UNKNOWN,
    Appearance,
    Colour,
    Description,
    VehicleKind,
    as_words,
    described,
)

CAR, VAN, LORRY = VehicleKind.CAR, VehicleKind.VAN, VehicleKind.LORRY
WHITE, RED, GREY = Colour.WHITE, Colour.RED, Colour.GREY


def white_car(
    kinds: dict[VehicleKind, float] | None = None, colours: dict[Colour, float] | None = None
) -> Appearance:
    return Appearance(
        {CAR: 0.997, VAN: 0.002, LORRY: 0.001} if kinds is None else kinds,
        {WHITE: 0.991, GREY: 0.008, RED: 0.001} if colours is None else colours,
    )


@pytest.mark.parametrize(
    ("stated", "contradicted"),
    [
        (NOTHING_STATED, False),
        (Description(CAR, WHITE), False),
        (Description(CAR), False),
        (Description(None, WHITE), False),
        (Description(VAN), True),
        (Description(None, RED), True),
        (Description(VAN, RED), True),
        (Description(CAR, RED), True),
        (Description(VAN, WHITE), True),
        (Description(VehicleKind.BUS), True),
    ],
)
def test_a_sure_picture_contradicts_another_kind_or_colour(
    stated: Description, *, contradicted: bool
) -> None:
    assert white_car().contradicts(stated) is contradicted


@pytest.mark.parametrize("probability", [LEAST_LIKELY, 0.02, 0.5])
def test_what_the_picture_leaves_open_is_not_contradicted(probability: float) -> None:
    unsure = white_car({CAR: 1 - probability, VAN: probability}, {GREY: 1 - probability,
                                                                 RED: probability})  # fmt: skip
    assert not unsure.contradicts(Description(VAN, RED))


@pytest.mark.parametrize(
    "stated", [Description(VAN), Description(None, RED), Description(VAN, RED)]
)
def test_an_unknown_vehicle_contradicts_nothing(stated: Description) -> None:
    assert not UNKNOWN.contradicts(stated)
    assert not white_car({}, {}).contradicts(stated)


def test_at_night_the_kind_still_contradicts() -> None:
    dark = white_car(colours={})
    assert dark.contradicts(Description(VAN, RED))
    assert not dark.contradicts(Description(CAR, RED))


@pytest.mark.parametrize(("kind", "colour"), [*product([None, *VehicleKind], [None, *Colour])])
def test_a_description_and_its_words_are_the_same(
    kind: VehicleKind | None, colour: Colour | None
) -> None:
    stated = Description(kind, colour)
    assert described(*as_words(stated)) == stated


@pytest.mark.parametrize(("kind", "colour"), [("tractor", None), (None, "pink"), ("", None)])
def test_an_unknown_word_is_no_description(kind: str | None, colour: str | None) -> None:
    with pytest.raises(ValueError, match="not a valid"):
        described(kind, colour)


def test_a_vehicles_looks_are_not_in_its_repr() -> None:
    assert "car" not in repr(white_car()).casefold()
    assert "white" not in repr(white_car()).casefold()


def test_the_most_probable_kind_and_colour_are_told_as_far_as_they_are_known() -> None:
    assert white_car({VAN: 0.6, CAR: 0.4}, {GREY: 0.3, RED: 0.7}).most_probable() == (
        ("van", 0.6),
        ("red", 0.7),
    )
    assert white_car({CAR: 1.0}, {}).most_probable() == (("car", 1.0),)
    assert UNKNOWN.most_probable() == ()
