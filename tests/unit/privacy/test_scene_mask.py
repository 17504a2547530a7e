"""The mask by meaning: what each level shows of a known scene, and when geometry decides instead.

Longer than 500 lines because each kind of scene has its cases here. The scenes
come from a real network that tells classes by their colours (`colour_parser`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.adapters.models.scene_parser import OnnxSceneParser
from edge.domain.imaging import Box, Pixels
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.domain.scene import Scene, SceneClass, unit_of, window_around
from edge.domain.wheel import WheelSide
from edge.errors import RedactionError
from edge.privacy.geometric_mask import geometric_mask, protected_region
from edge.privacy.redaction import preview_of_regular_file
from edge.privacy.scene_mask import ShownPixels, shown_pixels
from tests.support.colour_parser import SURE, SUSPECTED, colour_parser, painted

BODY, GLASS, HEAD = SceneClass.BODY, SceneClass.GLASS, SceneClass.HEAD
OTHER, PERSON = SceneClass.OTHER, SceneClass.PERSON
VEHICLE, OCCUPANTS = RevealLevel.VEHICLE, RevealLevel.OCCUPANTS
DRIVER = RevealLevel.DRIVER
LEFT, RIGHT = WheelSide.LEFT, WheelSide.RIGHT
Shape = tuple[SceneClass, Box]

HEIGHT, WIDTH = 540, 960
PLATE = Box(440, 400, 518, 417)
"""A unit is 78 px: 52 cm. The car is 180 cm wide and 155 cm high."""

CAR: tuple[Shape, ...] = (
    (BODY, Box(344, 230, 614, 462)),
    (GLASS, Box(370, 244, 588, 316)),
    (HEAD, Box(410, 262, 440, 300)),
)
NEIGHBOUR: Shape = (OTHER, Box(660, 200, 900, 480))
WALKER: Shape = (PERSON, Box(220, 230, 280, 470))
STREET = (*CAR, NEIGHBOUR, WALKER)


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> OnnxSceneParser:
    return colour_parser(tmp_path_factory.mktemp("weights"))


def shown(
    parser: OnnxSceneParser,
    shapes: tuple[Shape, ...],
    level: RevealLevel = VEHICLE,
    *,
    plate: Box = PLATE,
    others: tuple[Box, ...] = (),
    picture: Pixels | None = None,
    wheel: WheelSide | None = None,
) -> ShownPixels:
    pixels = painted(HEIGHT, WIDTH, shapes) if picture is None else picture
    scene = parser.parse(pixels, plate)
    return shown_pixels(plate, others, level, HEIGHT, WIDTH, scene, wheel=wheel)


def inside(mask: Any, box: Box) -> Any:
    """The part of a mask inside a box."""
    return mask[round(box.y1) : round(box.y2), round(box.x1) : round(box.x2)]


def by_geometry(level: RevealLevel, plate: Box = PLATE, others: tuple[Box, ...] = ()) -> Any:
    return geometric_mask(plate, others, level, HEIGHT, WIDTH)


# --- what each level shows ------------------------------------------------------------------


def test_p6_the_vehicle_level_shows_the_body_and_nothing_else(parser: OnnxSceneParser) -> None:
    found = shown(parser, STREET)

    assert found.method is MaskMethod.MEANING
    body = np.zeros((HEIGHT, WIDTH), bool)
    inside(body, CAR[0][1])[:] = True
    inside(body, CAR[1][1])[:] = False
    assert (found.mask & body).sum() > 0.75 * body.sum()
    assert not (found.mask & ~body).any()
    assert inside(found.mask, PLATE).all()


def test_p6_the_occupants_level_also_shows_who_sits_in_the_vehicle(
    parser: OnnxSceneParser,
) -> None:
    found = shown(parser, STREET, OCCUPANTS)

    assert found.method is MaskMethod.MEANING
    assert inside(found.mask, CAR[2][1]).all()
    assert inside(found.mask, CAR[1][1]).mean() > 0.95
    for _, box in (NEIGHBOUR, WALKER):
        assert not inside(found.mask, box).any()


# --- the driver's side ------------------------------------------------------------------------

ON_THE_LEFT, ON_THE_RIGHT = Box(395, 262, 425, 300), Box(533, 262, 563, 300)
TWO_HEADS: tuple[Shape, ...] = (*CAR[:2], (HEAD, ON_THE_LEFT), (HEAD, ON_THE_RIGHT))


@pytest.mark.parametrize("wheel", WheelSide)
def test_p6_the_level_of_the_driver_shows_one_side_of_the_windscreen_only(
    parser: OnnxSceneParser, wheel: WheelSide
) -> None:
    found = shown(parser, (*TWO_HEADS, NEIGHBOUR, WALKER), DRIVER, wheel=wheel)
    vehicle = shown(parser, (*TWO_HEADS, NEIGHBOUR, WALKER), VEHICLE)

    driver, other = (ON_THE_RIGHT, ON_THE_LEFT) if wheel is LEFT else (ON_THE_LEFT, ON_THE_RIGHT)
    assert found.method is MaskMethod.MEANING
    assert (found.level, vehicle.level) == (DRIVER, VEHICLE)
    assert inside(found.mask, driver).all()
    assert not inside(found.mask, other).any()
    glass = CAR[1][1]
    half = 479.0
    beside = Box(glass.x1, glass.y1, half, glass.y2)
    beside = beside if wheel is LEFT else Box(half, glass.y1, glass.x2, glass.y2)
    assert not inside(found.mask, beside).any()
    assert (found.mask | vehicle.mask == found.mask).all()
    for _, box in (NEIGHBOUR, WALKER):
        assert not inside(found.mask, box).any()


@pytest.mark.parametrize(
    ("shapes", "plate"),
    [
        (TWO_HEADS[:1], PLATE),
        ((TWO_HEADS[0], (GLASS, Box(520, 244, 600, 316))), PLATE),
        ((TWO_HEADS[0], (GLASS, Box(380, 244, 450, 316))), PLATE),
        ((TWO_HEADS[0], (GLASS, Box(430, 244, 612, 316))), PLATE),
        (TWO_HEADS, Box(452, 400, 506, 424)),
    ],
    ids=["no glass", "a side window", "another", "a windscreen at a slant", "a plate at a slant"],
)
@pytest.mark.parametrize("wheel", WheelSide)
def test_p6_where_no_windscreen_is_seen_from_ahead_the_level_of_the_driver_is_that_of_the_vehicle(
    parser: OnnxSceneParser, shapes: tuple[Shape, ...], plate: Box, wheel: WheelSide
) -> None:
    found = shown(parser, shapes, DRIVER, plate=plate, wheel=wheel)
    vehicle = shown(parser, shapes, VEHICLE, plate=plate)

    assert found.method is vehicle.method
    assert found.level is VEHICLE
    assert np.array_equal(found.mask, vehicle.mask)


@pytest.mark.parametrize("wheel", WheelSide)
def test_glass_that_the_parser_sees_outside_of_the_picture_hides_no_driver(
    parser: OnnxSceneParser, wheel: WheelSide
) -> None:
    """Around a picture is grey, of which a parser says anything; a camera may see one lane only."""
    cut = Box(330, 225, 640, 480)
    plate = PLATE.shifted(-cut.x1, -cut.y1)
    pixels = inside(painted(HEIGHT, WIDTH, TWO_HEADS), cut)
    height, width = pixels.shape[:2]
    scene = parser.parse(pixels, plate)
    rows = round(-scene.window.y1 / scene.window.height * scene.probabilities.shape[1])
    scene.probabilities[:, : rows - 2] = 0
    scene.probabilities[GLASS, : rows - 2] = 1

    found = shown_pixels(plate, (), DRIVER, height, width, scene, wheel=wheel)

    driver, other = (ON_THE_RIGHT, ON_THE_LEFT) if wheel is LEFT else (ON_THE_LEFT, ON_THE_RIGHT)
    assert found.level is DRIVER
    assert inside(found.mask, driver.shifted(-cut.x1, -cut.y1)).all()
    assert not inside(found.mask, other.shifted(-cut.x1, -cut.y1)).any()


@pytest.mark.parametrize("wheel", WheelSide)
@pytest.mark.parametrize("cut", [Box(378, 0, 960, 540), Box(0, 0, 580, 540)])
def test_p6_a_windscreen_that_the_picture_cuts_shows_no_driver(
    parser: OnnxSceneParser, cut: Box, wheel: WheelSide
) -> None:
    """Where its middle is, is not known."""
    plate = PLATE.shifted(-cut.x1, 0)
    pixels = inside(painted(HEIGHT, WIDTH, TWO_HEADS), cut)
    height, width = pixels.shape[:2]
    scene = parser.parse(pixels, plate)
    across = scene.probabilities.shape[2] / scene.window.width
    left, right = (round((x - scene.window.x1) * across) for x in (0, width))
    for beside in (slice(0, max(0, left)), slice(right, None)):
        scene.probabilities[:, :, beside] = 0
        scene.probabilities[SceneClass.BACKGROUND, :, beside] = 1

    found = shown_pixels(plate, (), DRIVER, height, width, scene, wheel=wheel)
    vehicle = shown_pixels(plate, (), VEHICLE, height, width, scene)

    assert found.method is MaskMethod.MEANING
    assert found.level is VEHICLE
    assert np.array_equal(found.mask, vehicle.mask)


def test_p6_without_a_known_wheel_the_level_of_the_driver_is_that_of_the_vehicle(
    parser: OnnxSceneParser,
) -> None:
    found, vehicle = (shown(parser, TWO_HEADS, level) for level in (DRIVER, VEHICLE))

    assert np.array_equal(found.mask, vehicle.mask)
    assert found.level is VEHICLE
    assert vehicle.method is MaskMethod.MEANING


@pytest.mark.parametrize("wheel", WheelSide)
def test_p6_without_a_parser_the_level_of_the_driver_shows_no_glass(wheel: WheelSide) -> None:
    found = shown_pixels(PLATE, (), DRIVER, HEIGHT, WIDTH, wheel=wheel)

    assert np.array_equal(found.mask, by_geometry(VEHICLE))
    assert found.level is VEHICLE


def test_the_plate_level_needs_no_scene(parser: OnnxSceneParser) -> None:
    found = shown(parser, STREET, RevealLevel.PLATE)

    assert found.method is MaskMethod.GEOMETRY
    assert np.array_equal(found.mask, by_geometry(RevealLevel.PLATE))


@pytest.mark.parametrize("level", [RevealLevel.PLATE, VEHICLE, OCCUPANTS])
def test_without_a_scene_the_geometry_decides(level: RevealLevel) -> None:
    found = shown_pixels(PLATE, (), level, HEIGHT, WIDTH)

    assert found.method is MaskMethod.GEOMETRY
    assert found.level is level
    assert np.array_equal(found.mask, by_geometry(level))


def test_p6_what_is_around_glass_is_masked_too(parser: OnnxSceneParser) -> None:
    found = shown(parser, STREET)
    glass = CAR[1][1]

    for around in (glass.grown(left=4, right=4), glass.grown(top=4, bottom=4)):
        assert not inside(found.mask, around).any(), "3 cm around glass"


# --- strangers ------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [VEHICLE, OCCUPANTS])
@pytest.mark.parametrize(
    ("stranger", "where"),
    [
        (Box(400, 300, 440, 470), "stands before the bumper"),
        (Box(580, 260, 640, 470), "stands at the corner"),
        (Box(588, 250, 616, 300), "leans out of the window"),
        (Box(410, 262, 440, 300), "sits behind the glass and is taken for a person outside"),
    ],
)
def test_p6_a_person_outside_is_never_shown(
    parser: OnnxSceneParser, level: RevealLevel, stranger: Box, where: str
) -> None:
    found = shown(parser, (*CAR, (PERSON, stranger)), level)

    mask = found.mask & ~by_geometry(RevealLevel.PLATE)
    assert not inside(mask, stranger).any(), where


@pytest.mark.parametrize("level", [VEHICLE, OCCUPANTS])
def test_p6_a_vehicle_that_overlaps_stays_masked(
    parser: OnnxSceneParser, level: RevealLevel
) -> None:
    other = Box(560, 180, 900, 480)
    found = shown(parser, (*CAR, (OTHER, other)), level)

    assert not inside(found.mask, other).any()
    assert inside(found.mask, Box(350, 330, 430, 450)).any()


def test_p6_bodywork_that_does_not_hang_together_with_the_plate_is_masked(
    parser: OnnxSceneParser,
) -> None:
    apart = Box(680, 230, 860, 460)
    found = shown(parser, (*CAR, (BODY, apart)))

    assert found.method is MaskMethod.MEANING
    assert not inside(found.mask, apart).any()


# --- the parser contradicts the plate: geometry, and less of it -----------------------------


def fallback(found: ShownPixels, level: RevealLevel, others: tuple[Box, ...] = ()) -> None:
    """The geometry decided, and no more is shown than it allows."""
    assert found.method is MaskMethod.GEOMETRY
    assert not (found.mask & ~by_geometry(level, others=others)).any()


@pytest.mark.parametrize("level", [VEHICLE, OCCUPANTS])
@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        ((), "a plate on the road"),
        (((BODY, Box(425, 385, 533, 432)),), "hardly anything hangs together with it"),
        (((PERSON, Box(380, 250, 580, 500)),), "a person carries it"),
        (((GLASS, Box(344, 230, 614, 462)),), "a plate behind glass"),
        (((OTHER, Box(344, 230, 614, 462)),), "another vehicle's plate"),
        (
            (*CAR, (PERSON, Box(420, 380, 538, 440))),
            "somebody holds it before a car",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_p6_a_plate_without_its_vehicle_around_it_is_masked_by_geometry(
    parser: OnnxSceneParser, shapes: tuple[Shape, ...], why: str, level: RevealLevel
) -> None:
    found = shown(parser, shapes, level)

    fallback(found, level)
    for meaning, box in shapes:
        if meaning is PERSON:
            mask = found.mask & ~by_geometry(RevealLevel.PLATE)
            assert not inside(mask, box).any(), why


@pytest.mark.parametrize(
    "plate",
    [Box(0, 400, 78, 417), Box(882, 400, 960, 417), Box(440, 523, 518, 540), Box(440, 0, 518, 17)],
    ids=["left", "right", "below", "above"],
)
def test_a_plate_at_the_edge_of_the_picture_is_masked_by_geometry(
    parser: OnnxSceneParser, plate: Box
) -> None:
    car = ((BODY, Box(plate.x1 - 100, plate.y1 - 170, plate.x2 + 100, plate.y2 + 50)),)

    found = shown(parser, car, plate=plate)

    assert found.method is MaskMethod.GEOMETRY
    assert not (found.mask & ~by_geometry(VEHICLE, plate)).any()


@pytest.mark.parametrize("level", [VEHICLE, OCCUPANTS])
@pytest.mark.parametrize(
    "other",
    [Box(360, 340, 420, 353), Box(560, 440, 620, 453), Box(440, 240, 500, 253)],
    ids=["on the bodywork", "at its edge", "in its glass"],
)
def test_p6_another_plate_where_the_vehicle_would_be_shown_is_a_contradiction(
    parser: OnnxSceneParser, level: RevealLevel, other: Box
) -> None:
    car = (BODY, CAR[0][1]) if level is VEHICLE else CAR[0]
    found = shown(parser, (car,), level, others=(other,))

    fallback(found, level, (other,))
    assert not inside(found.mask, other).any()


@pytest.mark.parametrize("level", [VEHICLE, OCCUPANTS])
def test_p6_what_may_be_a_plate_is_masked_and_the_rest_is_shown(
    parser: OnnxSceneParser, level: RevealLevel
) -> None:
    badge = Box(360, 340, 420, 353)
    picture = painted(HEIGHT, WIDTH, STREET)
    scene = parser.parse(picture, PLATE)

    found = shown_pixels(PLATE, (), level, HEIGHT, WIDTH, scene, weak=(badge,))

    assert found.method is MaskMethod.MEANING
    assert not inside(found.mask, badge.grown(left=10, top=8, right=10, bottom=8)).any()
    hidden = shown(parser, STREET, level).mask & ~found.mask
    assert 0 < hidden.sum() < 3 * badge.grown(left=16, top=16, right=16, bottom=16).area
    without = shown_pixels(PLATE, (), level, HEIGHT, WIDTH, weak=(badge,))
    assert np.array_equal(without.mask, by_geometry(level, others=(badge,)))


@pytest.mark.parametrize(("units", "hides"), [(2.8, True), (3.2, False)])
def test_what_may_be_a_plate_and_is_too_large_for_one_hides_nothing(
    parser: OnnxSceneParser, units: float, hides: bool
) -> None:
    wide = units * unit_of(PLATE)
    whole_front = Box(480 - wide / 2, 330, 480 + wide / 2, 390)
    scene = parser.parse(painted(HEIGHT, WIDTH, STREET), PLATE)

    def mask(*weak: Box, scene: Scene | None = scene) -> Any:
        return shown_pixels(PLATE, (), VEHICLE, HEIGHT, WIDTH, scene, weak=weak).mask

    assert np.array_equal(mask(whole_front), mask()) is not hides
    beside = Box(480 - wide / 2, 419, 480 + wide / 2, 430)  # where geometry shows bodywork
    assert np.array_equal(mask(beside, scene=None), mask(scene=None)) is not hides


@pytest.mark.parametrize(
    ("wide", "high", "method"),
    [(0.8, 1.4, MaskMethod.MEANING), (0.6, 1.1, MaskMethod.GEOMETRY)],
    ids=["a motorcycle", "less than one"],
)
def test_bodywork_of_the_size_of_a_motorcycle_is_shown_by_meaning(
    parser: OnnxSceneParser, wide: float, high: float, method: MaskMethod
) -> None:
    plate = Box(460, 400, 500, 426)  # two lines
    unit = unit_of(plate)
    body = Box(480 - wide / 2 * unit, 430 - high * unit, 480 + wide / 2 * unit, 430)

    found = shown(parser, ((BODY, body),), plate=plate)

    assert found.method is method


@pytest.mark.parametrize("level", [VEHICLE, OCCUPANTS, DRIVER])
@pytest.mark.parametrize(
    ("plate", "method"),
    [
        (Box(280, 300, 680, 387), MaskMethod.MEANING),
        (Box(280, 300, 690, 387), MaskMethod.GEOMETRY),
        (Box(400, 300, 520, 410), MaskMethod.MEANING),
        (Box(400, 300, 520, 418), MaskMethod.GEOMETRY),
    ],
    ids=["wide", "too wide", "high", "too high, as a sign"],
)
def test_p6_a_plate_too_large_for_a_vehicle_in_the_picture_is_masked_by_geometry(
    parser: OnnxSceneParser, level: RevealLevel, plate: Box, method: MaskMethod
) -> None:
    """The side of a car with a sign on it, taken for a plate, was shown with its windows."""
    whole = ((BODY, Box(0, 0, WIDTH, HEIGHT - 60)),)

    found = shown(parser, whole, level, plate=plate)

    assert found.method is method


def test_what_the_parser_says_of_the_grey_around_a_picture_changes_nothing(
    parser: OnnxSceneParser,
) -> None:
    """A window may reach past the picture, and a network was never told what is there."""
    plate = Box(800, 400, 878, 417)
    car = ((BODY, Box(704, 230, WIDTH, 462)), (GLASS, Box(730, 244, 948, 316)))
    scene = parser.parse(painted(HEIGHT, WIDTH, car), plate)
    window = window_around(plate)
    past = math.ceil((WIDTH - window.x1) / window.width * scene.probabilities.shape[2])

    def mask(meaning: SceneClass) -> Any:
        probabilities = scene.probabilities.copy()
        probabilities[:, :, past:] = 0
        probabilities[meaning, :, past:] = 1
        one = replace(scene, probabilities=probabilities)
        return shown_pixels(plate, (), VEHICLE, HEIGHT, WIDTH, one)

    background = mask(SceneClass.BACKGROUND)
    assert background.method is MaskMethod.MEANING
    for meaning in SceneClass:
        found = mask(meaning)
        assert found.method is MaskMethod.MEANING
        assert (found.mask != background.mask).sum() <= 2 * HEIGHT  # one cell is half outside


def test_a_plate_far_away_changes_nothing(parser: OnnxSceneParser) -> None:
    found = shown(parser, STREET, others=(Box(880, 430, 958, 447),))

    assert found.method is MaskMethod.MEANING
    assert np.array_equal(found.mask, shown(parser, STREET).mask)


def test_p6_where_the_vehicle_of_another_plate_may_be_nothing_is_shown(
    parser: OnnxSceneParser,
) -> None:
    beside = Box(740, 430, 818, 447)
    theirs = protected_region(beside)
    found = shown(parser, STREET, others=(beside,))

    assert found.method is MaskMethod.MEANING
    assert not inside(found.mask, theirs.clipped(WIDTH, HEIGHT)).any()
    assert inside(shown(parser, STREET).mask, theirs.clipped(WIDTH, HEIGHT)).any()
    assert inside(found.mask, PLATE).all()


@pytest.mark.parametrize("level", [VEHICLE, OCCUPANTS])
@pytest.mark.parametrize("others", [(), (Box(440, 440, 518, 457),)], ids=["hidden", "found"])
def test_p6_a_vehicle_that_follows_closely_is_not_shown_with_the_offender(
    parser: OnnxSceneParser, level: RevealLevel, others: tuple[Box, ...]
) -> None:
    """The parser takes both for one vehicle, and the follower's plate is outside its window."""
    plate = Box(440, 200, 518, 217)
    both = (BODY, Box(344, 60, 614, 480))

    found = shown(parser, (both,), level, plate=plate, others=others)

    assert found.method is MaskMethod.GEOMETRY
    assert not inside(found.mask, Box(344, 260, 614, 540)).any()


def test_a_second_detection_of_the_offenders_plate_hides_nothing(
    parser: OnnxSceneParser,
) -> None:
    found = shown(parser, STREET, others=(Box(441, 401, 516, 416),))

    assert found.method is MaskMethod.MEANING
    assert inside(found.mask, PLATE).all()


def test_an_unsure_parser_shows_no_more_than_the_geometry(parser: OnnxSceneParser) -> None:
    pixels = painted(HEIGHT, WIDTH, STREET)
    scene = parser.parse(pixels, PLATE)
    blurred = np.full_like(scene.probabilities, 1 / len(SceneClass))
    for level in (VEHICLE, OCCUPANTS):
        found = shown_pixels(PLATE, (), level, HEIGHT, WIDTH, replace(scene, probabilities=blurred))
        fallback(found, level)


@pytest.mark.parametrize(
    ("mixture", "level"),
    [
        ({BODY: 0.7, GLASS: 0.3}, VEHICLE),
        ({BODY: 0.7, GLASS: 0.16, SceneClass.BACKGROUND: 0.14}, VEHICLE),
        ({BODY: 0.8, SceneClass.BACKGROUND: 0.2}, VEHICLE),
        ({BODY: 0.7, OTHER: 0.3}, VEHICLE),
        ({BODY: 0.4, GLASS: 0.35, PERSON: 0.25}, OCCUPANTS),
        ({BODY: 0.5, GLASS: 0.3, SceneClass.BACKGROUND: 0.2}, OCCUPANTS),
    ],
)
def test_p6_where_the_parser_is_not_sure_nothing_is_shown(
    parser: OnnxSceneParser, mixture: dict[SceneClass, float], level: RevealLevel
) -> None:
    scene = parser.parse(painted(HEIGHT, WIDTH, STREET), PLATE)
    probabilities = scene.probabilities.copy()
    door = Box(540, 340, 600, 400)
    rows, columns = (
        slice(int(low / size * count), int(high / size * count))
        for low, high, size, count in (
            (door.y1 - scene.window.y1, door.y2 - scene.window.y1, scene.window.height, 96),
            (door.x1 - scene.window.x1, door.x2 - scene.window.x1, scene.window.width, 104),
        )
    )
    for meaning in SceneClass:
        probabilities[meaning, rows, columns] = mixture.get(meaning, 0)
    unsure = replace(scene, probabilities=probabilities)

    found = shown_pixels(PLATE, (), level, HEIGHT, WIDTH, unsure)

    assert found.method is MaskMethod.MEANING
    assert not inside(found.mask, door.grown(left=-8, top=-8, right=-8, bottom=-8)).any()
    assert inside(shown(parser, STREET, level).mask, door).all()


def test_p6_what_the_parser_suspects_is_masked_in_the_geometry_too(parser: OnnxSceneParser) -> None:
    """At the level `occupants` the geometry shows what is above the plate, whoever it is."""
    walker = Box(440, 250, 500, 380)
    assert inside(by_geometry(OCCUPANTS), walker).any()

    found = shown(parser, ((PERSON, walker),), OCCUPANTS)

    fallback(found, OCCUPANTS)
    assert not inside(found.mask, walker).any()


def test_p6_the_geometry_shows_nothing_beyond_somebody_who_carries_the_plate(
    parser: OnnxSceneParser,
) -> None:
    carrier = Box(330, 300, 630, 600)
    found = shown(parser, ((PERSON, carrier),), OCCUPANTS)

    assert found.method is MaskMethod.GEOMETRY
    assert (by_geometry(OCCUPANTS)[: int(carrier.y1) - 20]).any(), "it would be shown"
    count, _ = cv2.connectedComponents(found.mask.astype(np.uint8))
    assert count == 2
    assert inside(found.mask, PLATE).all()
    assert not found.mask[: int(carrier.y1)].any()


def test_probabilities_that_are_no_numbers_show_the_plate_only(parser: OnnxSceneParser) -> None:
    scene = parser.parse(painted(HEIGHT, WIDTH, STREET), PLATE)
    broken = replace(scene, probabilities=np.full_like(scene.probabilities, np.nan))

    for level in (VEHICLE, OCCUPANTS):
        found = shown_pixels(PLATE, (), level, HEIGHT, WIDTH, broken)
        assert found.method is MaskMethod.GEOMETRY
        plate = by_geometry(RevealLevel.PLATE)
        y, x = np.nonzero(found.mask & ~plate)
        window = scene.window
        assert not ((x >= window.x1) & (x < window.x2) & (y >= window.y1) & (y < window.y2)).any()


ODD: dict[str, tuple[Box, tuple[Shape, ...], tuple[Box, ...]]] = {
    "a motorcycle with its rider": (
        Box(470, 400, 502, 421),
        ((BODY, Box(456, 350, 516, 470)), (PERSON, Box(440, 210, 532, 390))),
        (),
    ),
    "a trailer behind a car": (
        PLATE,
        ((OTHER, Box(330, 170, 630, 340)), (BODY, Box(360, 320, 600, 455))),
        (),
    ),
    "a trailer that carries the car's number": (
        PLATE,
        ((OTHER, Box(330, 170, 630, 340)), (BODY, Box(360, 320, 600, 455))),
        (Box(445, 300, 505, 313),),
    ),
    "a car that is towed": (
        PLATE,
        (*CAR, (OTHER, Box(560, 150, 950, 470))),
        (Box(700, 430, 778, 447),),
    ),
    "two cars that the parser takes for one": (
        PLATE,
        ((BODY, Box(344, 230, 900, 462)),),
        (Box(700, 400, 778, 417),),
    ),
    "a plate in somebody's hands before a car": (
        PLATE,
        (*CAR, (PERSON, Box(410, 280, 550, 500))),
        (),
    ),
    "a picture of a car behind a shop window": (
        PLATE,
        ((GLASS, Box(200, 100, 800, 520)), (BODY, Box(420, 370, 540, 440))),
        (),
    ),
    "a pedestrian who walks past the bumper": (
        PLATE,
        (*CAR, (PERSON, Box(355, 260, 420, 480))),
        (),
    ),
    "a second car that hides half of the first": (
        PLATE,
        (*CAR, (OTHER, Box(300, 200, 436, 520))),
        (Box(330, 470, 408, 487),),
    ),
}
"""The offender's plate, what the picture shows, and other plates."""


@pytest.mark.parametrize("level", [VEHICLE, OCCUPANTS])
@pytest.mark.parametrize("name", ODD)
def test_p6_an_odd_scene_shows_less_and_no_stranger(
    parser: OnnxSceneParser, name: str, level: RevealLevel
) -> None:
    plate, shapes, others = ODD[name]
    found = shown(parser, shapes, level, plate=plate, others=others)

    truth = np.full((HEIGHT, WIDTH), SceneClass.BACKGROUND)
    for meaning, box in shapes:
        inside(truth, box)[:] = meaning
    hidden = [OTHER, PERSON] if level is OCCUPANTS else [OTHER, PERSON, GLASS, HEAD]
    own = by_geometry(RevealLevel.PLATE, plate)
    assert not (found.mask & np.isin(truth, hidden) & ~own).any()
    for other in others:
        assert not inside(found.mask, other).any()
    assert inside(found.mask, plate).all()


@pytest.mark.parametrize("level", [VEHICLE, OCCUPANTS])
@pytest.mark.parametrize("name", ODD)
def test_p6_a_picture_of_a_file_shows_no_more_than_a_box_releases(
    parser: OnnxSceneParser, name: str, level: RevealLevel
) -> None:
    """`edge-anpr read --pictures` on a recording: the plate of one vehicle, and those of others."""
    plate, shapes, others = ODD[name]
    released = shown(parser, shapes, level, plate=plate, others=others).mask
    scene = parser.parse(painted(HEIGHT, WIDTH, shapes), plate)

    black, white = (
        preview_of_regular_file(
            np.full((HEIGHT, WIDTH, 3), value, np.uint8),
            [plate],
            level,
            show_plates=True,
            others=others,
            scenes=[scene],
        ).pixels
        for value in (0, 255)
    )

    assert ((black != white).any(axis=2) == released).all()


# --- what holds for every scene --------------------------------------------------------------

kinds = st.sampled_from([BODY, GLASS, HEAD, OTHER, PERSON])
boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.integers(100, 800),
    st.integers(50, 450),
    st.integers(20, 300),
    st.integers(20, 250),
)


@settings(max_examples=60, deadline=None)
@given(shapes=st.lists(st.tuples(kinds, boxes), max_size=6).map(tuple), on_car=st.booleans())
def test_p6_no_pixel_is_shown_whose_class_the_level_masks(
    shapes: tuple[Shape, ...], on_car: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parser = _cached_parser(tmp_path_factory)
    shapes = (*CAR, *shapes) if on_car else shapes
    truth = np.full((HEIGHT, WIDTH), SceneClass.BACKGROUND)
    for meaning, box in shapes:
        inside(truth, box)[:] = meaning
    own = by_geometry(RevealLevel.PLATE)
    before = None
    for level in (VEHICLE, OCCUPANTS):
        found = shown(parser, shapes, level)
        masked = [OTHER, PERSON] if level is OCCUPANTS else [OTHER, PERSON, GLASS, HEAD]
        assert not (found.mask & _thick(np.isin(truth, masked)) & ~own).any()
        if found.method is MaskMethod.MEANING:
            allowed = [BODY] if level is VEHICLE else [BODY, GLASS, HEAD]
            assert not (found.mask & _thick(~np.isin(truth, allowed)) & ~own).any()
        assert found.mask[own].all()
        if before is not None and before.method is found.method is MaskMethod.MEANING:
            assert not (before.mask & ~found.mask).any()
        before = found


def _thick(truth: Any) -> Any:
    """Without what is narrower than a cell of the parser's answer, 7.5 pixels: 5 cm."""
    return cv2.erode(truth.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0


_PARSER: list[OnnxSceneParser] = []


def _cached_parser(folders: pytest.TempPathFactory) -> OnnxSceneParser:
    if not _PARSER:
        _PARSER.append(colour_parser(folders.mktemp("cached")))
    return _PARSER[0]


@pytest.mark.parametrize("scale", [0.25, 0.5, 2.0])
def test_the_mask_is_the_same_at_every_size_of_the_vehicle(
    parser: OnnxSceneParser, scale: float
) -> None:
    def scaled(box: Box) -> Box:
        return Box(*(side * scale for side in (box.x1, box.y1, box.x2, box.y2)))

    height, width = round(HEIGHT * scale), round(WIDTH * scale)
    picture = painted(height, width, [(kind, scaled(box)) for kind, box in STREET])
    plate = scaled(PLATE)
    found = shown_pixels(plate, (), VEHICLE, height, width, parser.parse(picture, plate))

    assert found.method is MaskMethod.MEANING
    whole = shown(parser, STREET).mask.mean()
    assert found.mask.mean() == pytest.approx(whole, rel=0.12)


@pytest.mark.parametrize("bad", [Box(440, 400, float("nan"), 417), Box(440, 400, 440.5, 417)])
def test_an_invalid_box_gives_no_mask(parser: OnnxSceneParser, bad: Box) -> None:
    scene = parser.parse(painted(HEIGHT, WIDTH, STREET), PLATE)
    for plate, others in ((bad, ()), (PLATE, (bad,))):
        with pytest.raises(RedactionError):
            shown_pixels(plate, others, VEHICLE, HEIGHT, WIDTH, scene)


def test_a_scene_outside_of_the_picture_shows_nothing_by_meaning() -> None:
    plate = Box(2, 2, 80, 19)
    window = window_around(plate).shifted(5000, 5000)
    probabilities = np.zeros((len(SceneClass), 96, 104), np.float32)
    probabilities[BODY] = 1
    scene = Scene(window, probabilities, SURE, SUSPECTED)

    found = shown_pixels(plate, (), VEHICLE, HEIGHT, WIDTH, scene)

    assert unit_of(plate) == 78
    assert found.method is MaskMethod.GEOMETRY
