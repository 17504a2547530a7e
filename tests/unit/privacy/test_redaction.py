"""Redaction: what each reveal level shows, and that nothing else is shown.

Longer than 500 lines because every way out of the module has its cases here.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.geometry import Direction, Line
from edge.domain.imaging import Box, Pixels
from edge.domain.pseudonym import Candidate, PlateToken
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.domain.rules import Offence, Rule, RuleKind
from edge.domain.vehicles import KeyFrame
from edge.errors import RedactionError
from edge.privacy.redaction import (
    BLANK_GREY,
    GRID_BGR,
    GUIDE_BGR,
    LINE_BGR,
    MASK_GREY,
    OUTLINE_BGR,
    SCALE_BGR,
    EvidenceImage,
    RedactedImage,
    aiming_still,
    mask_all,
    preview_of_regular_file,
    reveal,
    reveal_path,
)

HEIGHT, WIDTH = 240, 320
PLATE = Box(130, 140, 182, 151)
"""One pixel is one centimetre: a plate of 52 x 11 cm."""

REVEALING = [RevealLevel.PLATE, RevealLevel.VEHICLE, RevealLevel.OCCUPANTS]


def wrong_way(level: RevealLevel) -> Offence:
    line = Line((0.1, 0.5), (0.9, 0.5))
    direction = Direction.LEFT_TO_RIGHT
    rule = Rule(
        "one-way", RuleKind.WRONG_WAY, "safety", "police", level, 0.9, 0.5,
        line=line, allowed=direction,
    )  # fmt: skip
    return Offence(rule, Candidate(PlateToken(bytes(16)), 0.99), 0.99, 0.98)


def offence(level: RevealLevel) -> Offence:
    rule = Rule("school-street", RuleKind.PERMIT_ZONE, "safety", "police", level, 0.95, 0.5)
    return Offence(rule, Candidate(PlateToken(bytes(16)), 0.99), 0.99, 0.98)


def noise(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def key_frame(pixels: Pixels, plate: Box = PLATE, others: tuple[Box, ...] = ()) -> KeyFrame:
    return KeyFrame(7, datetime(2026, 11, 23, 7, 20, tzinfo=timezone.utc), plate, others, pixels)


def seen(level: RevealLevel, plate: Box = PLATE, others: tuple[Box, ...] = ()) -> Any:
    """The pixels that depend on the frame, measured from outside: shape (height, width)."""
    black, white = (
        preview_of_regular_file(
            np.full((HEIGHT, WIDTH, 3), value, np.uint8),
            [plate],
            level,
            show_plates=True,
            others=others,
        ).pixels
        for value in (0, 255)
    )
    return (black != white).any(axis=2)


def within(box: Box) -> Any:
    """The pixels whose centres are in a box."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    return (x > box.x1) & (x < box.x2) & (y > box.y1) & (y < box.y2)


# --- masked pixels never leave ---------------------------------------------------------------


plates = st.builds(
    lambda x, y, w, ratio: Box(x, y, x + w, y + w * ratio),
    st.floats(0, WIDTH - 62),
    st.floats(0, HEIGHT - 50),
    st.floats(8, 60),
    st.floats(0.15, 0.8),
)


@settings(max_examples=80, deadline=None)
@given(
    plate=plates,
    others=st.lists(plates, max_size=3).map(tuple),
    level=st.sampled_from(REVEALING),
    seed=st.integers(0, 2**32 - 1),
)
def test_p6_frames_that_differ_only_where_they_are_masked_give_the_same_pictures(
    plate: Box, others: tuple[Box, ...], level: RevealLevel, seed: int
) -> None:
    first, second = noise(seed), noise(seed + 1)
    shown = seen(level, plate, others)
    second[shown] = first[shown]
    assert not shown.all()
    try:
        pictures = reveal(offence(level), key_frame(first, plate, others))
    except RedactionError:  # another plate covers the offender's own: nothing to show
        assert not shown.any()
        return
    for one, other in zip(
        pictures, reveal(offence(level), key_frame(second, plate, others)), strict=True
    ):
        assert np.array_equal(one.pixels, other.pixels)


@settings(max_examples=80, deadline=None)
@given(plate=plates, others=st.lists(plates, min_size=1, max_size=3).map(tuple))
def test_no_level_ever_shows_a_plate_that_is_not_the_offenders(
    plate: Box, others: tuple[Box, ...]
) -> None:
    for other in others:
        if plate.intersection(other) > 0:
            continue
        for level in REVEALING:
            assert not (seen(level, plate, others) & within(other)).any()


@settings(max_examples=80, deadline=None)
@given(plate=plates)
def test_each_level_shows_no_less_than_the_one_below_it(plate: Box) -> None:
    below = seen(RevealLevel.NONE, plate)
    assert not below.any()
    for level in REVEALING:
        shown = seen(level, plate)
        assert (shown >= below).all()
        below = shown


@settings(max_examples=80, deadline=None)
@given(plate=plates)
def test_the_vehicle_level_shows_at_most_three_centimetres_above_the_plate(
    plate: Box,
) -> None:
    line = min(plate.height, 0.22 * plate.width)
    rows = np.flatnonzero(seen(RevealLevel.VEHICLE, plate).any(axis=1))
    assert rows[0] >= math.floor(plate.y1 - 0.25 * line)


@pytest.mark.parametrize("angle", [-12, -6, 0, 6, 12])
def test_with_a_tilted_camera_the_vehicle_level_shows_nothing_above_the_plates_upper_edge(
    angle: float,
) -> None:
    # The bounding box of a plate of 52 x 11 that is rotated by the angle.
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    half_width = (52 * cosine + 11 * abs(sine)) / 2
    half_height = (11 * cosine + 52 * abs(sine)) / 2
    box = Box(160 - half_width, 120 - half_height, 160 + half_width, 120 + half_height)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    above_plate_cm = -(y - 120) * cosine + (x - 160) * sine - 5.5
    beside = (x < box.x1 - 4) | (x > box.x2 + 4)
    assert (above_plate_cm[seen(RevealLevel.VEHICLE, box) & beside] <= 1).all()


def test_a_masked_picture_has_one_colour_and_the_same_size() -> None:
    picture = mask_all(noise())
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert (picture.pixels == MASK_GREY).all()


# --- what each level shows ------------------------------------------------------------------


def test_the_plate_level_shows_the_whole_plate_and_little_more() -> None:
    shown = seen(RevealLevel.PLATE)
    assert shown[within(PLATE)].all()
    assert PLATE.area < shown.sum() < 2 * PLATE.area


def test_the_vehicle_level_shows_bodywork_several_times_the_size_of_the_plate() -> None:
    shown = seen(RevealLevel.VEHICLE)
    assert shown.sum() - within(PLATE).sum() > 3 * PLATE.area
    assert shown[145, 110], "20 cm beside the plate"
    assert shown[145, 201], "20 cm beside the plate"
    assert shown[163, 156], "12 cm below the plate"


@pytest.mark.parametrize(
    ("x", "y", "what"),
    [
        (156, 124, "glass 15 cm above the centre of a rear plate"),
        (110, 130, "glass beside and above the plate"),
        (156, 90, "a windscreen"),
        (90, 154, "a person beside a van whose plate is at its corner"),
        (60, 145, "a vehicle in the next lane"),
        (156, 180, "a vehicle that follows, seen from above"),
    ],
)
def test_p6_the_vehicle_level_never_shows(x: int, y: int, what: str) -> None:
    assert not seen(RevealLevel.VEHICLE)[y, x], what


def test_the_occupants_level_also_shows_the_cabin() -> None:
    shown = seen(RevealLevel.OCCUPANTS)
    assert shown[70, 156], "the windscreen, 70 cm above the plate"
    assert not shown[30, 156], "above the roof"
    assert not shown[70, 40], "a passer-by beside the car"


def test_for_a_motorcycle_plate_little_more_than_the_plate_is_shown() -> None:
    motorcycle = Box(140, 140, 161, 154)  # 210 x 140 mm
    shown = seen(RevealLevel.VEHICLE, motorcycle)
    rows, columns = np.nonzero(shown)
    assert rows.min() >= 138
    assert rows.max() <= 162
    assert columns.min() >= 140 - 14
    assert columns.max() <= 161 + 14


# --- other vehicles -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "where"),
    [
        (Box(130, 190, 190, 203), "follows closely and hides the offender's bumper"),
        (Box(230, 160, 285, 172), "in the next lane, nearer"),
        (Box(20, 150, 75, 162), "in the next lane on the other side"),
    ],
)
@pytest.mark.parametrize("level", [RevealLevel.VEHICLE, RevealLevel.OCCUPANTS])
def test_p6_the_region_around_another_plate_stays_masked_where_the_offender_would_show(
    other: Box, where: str, level: RevealLevel
) -> None:
    cabin = Box(
        other.x1 - other.width, other.y1 - 2 * other.width, other.x2 + other.width, other.y2
    )
    own = within(PLATE.grown(left=4, top=4, right=4, bottom=4))
    assert (seen(level) & within(cabin) & ~own).any(), (
        f"the other plate is outside the revealed region: {where}"
    )
    assert not (seen(level, others=(other,)) & within(cabin) & ~own).any(), where


def test_the_offenders_plate_stays_readable_in_the_protected_region_of_another_vehicle() -> None:
    follower = Box(130, 190, 190, 203)
    assert seen(RevealLevel.VEHICLE, others=(follower,))[within(PLATE)].all()


def test_a_second_detection_of_the_offenders_plate_hides_nothing() -> None:
    twice = Box(131, 141, 180, 152)
    assert np.array_equal(seen(RevealLevel.VEHICLE), seen(RevealLevel.VEHICLE, others=(twice,)))


def test_a_plate_below_the_frame_still_protects_its_cabin() -> None:
    below = Box(130, HEIGHT + 5, 200, HEIGHT + 20)
    assert not seen(RevealLevel.VEHICLE, others=(below,))[160, 156]
    assert seen(RevealLevel.VEHICLE)[160, 156]


# --- pictures of an offence -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "names"),
    [
        (RevealLevel.PLATE, ["plate"]),
        (RevealLevel.VEHICLE, ["plate", "vehicle"]),
        (RevealLevel.OCCUPANTS, ["plate", "vehicle"]),
    ],
)
def test_each_level_gives_its_pictures(level: RevealLevel, names: list[str]) -> None:
    frame = noise()
    pictures = reveal(offence(level), key_frame(frame))
    assert [picture.name for picture in pictures] == names
    shown = seen(level)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    expected = np.where(shown[window][:, :, None], frame[window], MASK_GREY)
    assert np.array_equal(pictures[-1].pixels, expected)


def test_the_plate_picture_is_the_same_at_every_level() -> None:
    pictures = [reveal(offence(level), key_frame(noise()))[0] for level in REVEALING]
    assert all(np.array_equal(picture.pixels, pictures[0].pixels) for picture in pictures)
    assert pictures[0].width < 1.2 * PLATE.width


def test_p6_a_picture_shares_no_memory_with_its_frame() -> None:
    frame = noise()
    for picture in (*reveal(offence(RevealLevel.OCCUPANTS), key_frame(frame)), mask_all(frame)):
        assert picture.pixels.base is None
        assert not np.shares_memory(picture.pixels, frame)
        with pytest.raises(ValueError, match="read-only"):
            picture.pixels[0, 0] = 0


# --- the preview ----------------------------------------------------------------------------


def test_a_preview_takes_each_vehicle_in_turn_as_the_offender() -> None:
    left, right = Box(20, 140, 60, 149), Box(260, 60, 300, 69)
    picture = preview_of_regular_file(
        noise(), [left, right], RevealLevel.VEHICLE, show_plates=True
    ).pixels
    for plate in (left, right):
        assert (picture[within(plate)] != MASK_GREY).any()


def test_a_preview_blanks_every_plate_unless_told_otherwise() -> None:
    left, right = Box(20, 140, 60, 149), Box(260, 60, 300, 69)
    for level in REVEALING:
        picture = preview_of_regular_file(noise(), [left, right], level, show_plates=False).pixels
        assert (picture[within(left) | within(right)] == BLANK_GREY).all()


@pytest.mark.parametrize("kind", ["others", "weak"])
def test_another_or_an_uncertain_plate_is_protected_and_never_the_offenders(kind: str) -> None:
    faint: dict[str, Any] = {kind: [Box(240, 140, 290, 151)]}
    picture = preview_of_regular_file(noise(), [], RevealLevel.OCCUPANTS, show_plates=True, **faint)
    assert (picture.pixels == MASK_GREY).all()


def test_in_a_preview_a_plate_that_is_not_certain_is_weak_beside_another_one() -> None:
    left, right = Box(20, 140, 60, 149), Box(150, 140, 190, 149)

    def previewed(*plates: Box, **beside: Any) -> Pixels:
        level = RevealLevel.VEHICLE
        return preview_of_regular_file(noise(), plates, level, show_plates=True, **beside).pixels

    together = previewed(left, right, weak=[right])

    alone = [previewed(left, weak=[right]), previewed(right, others=[left])]
    shown = [(picture != MASK_GREY).any(axis=2) for picture in alone]
    assert all(one.any() for one in shown)
    assert np.array_equal((together != MASK_GREY).any(axis=2), shown[0] | shown[1])


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plate",
    [
        Box(math.nan, 140, 182, 151),
        Box(130, 140, math.inf, 151),
        Box(182, 140, 130, 151),
        Box(130, 151, 182, 151),
        Box(-60, 140, -8, 151),
        Box(130, HEIGHT - 2, 182, HEIGHT + 9),
        Box(WIDTH + 5, 140, WIDTH + 57, 151),
    ],
    ids=["NaN", "infinite", "reversed", "flat", "left of frame", "mostly below", "right of frame"],
)
@pytest.mark.parametrize("level", REVEALING)
def test_an_invalid_plate_box_gives_no_picture(plate: Box, level: RevealLevel) -> None:
    with pytest.raises(RedactionError):
        reveal(offence(level), key_frame(noise(), plate))
    with pytest.raises(RedactionError):
        preview_of_regular_file(noise(), [plate], level, show_plates=True)


@pytest.mark.parametrize(
    ("astray", "reason"),
    [
        (Box(10, math.nan, 60, 20), "not finite"),
        (Box(60, 10, 10, 20), "smaller than a pixel"),
        (Box(10, 10, 60, 10.2), "smaller than a pixel"),
    ],
)
def test_an_invalid_box_of_another_plate_gives_no_picture(astray: Box, reason: str) -> None:
    with pytest.raises(RedactionError, match=reason):
        reveal(offence(RevealLevel.PLATE), key_frame(noise(), others=(astray,)))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((HEIGHT, WIDTH), np.uint8),
        np.zeros((HEIGHT, WIDTH, 4), np.uint8),
        np.zeros((HEIGHT, WIDTH, 3), np.float32),
    ],
    ids=["empty", "one channel", "four channels", "floats"],
)
def test_invalid_pixels_are_refused(pixels: Any) -> None:
    with pytest.raises(RedactionError, match="height x width x 3"):
        mask_all(pixels)
    with pytest.raises(RedactionError, match="height x width x 3"):
        reveal(offence(RevealLevel.PLATE), key_frame(pixels))
    with pytest.raises(RedactionError, match="height x width x 3"):
        preview_of_regular_file(pixels, [], RevealLevel.NONE, show_plates=False)


def test_p8_without_an_offence_there_is_no_evidence() -> None:
    not_one: Any = RevealLevel.OCCUPANTS
    with pytest.raises(RedactionError, match="evidence needs an offence"):
        reveal(not_one, key_frame(noise()))
    with pytest.raises(RedactionError, match="reveals nothing"):
        reveal(offence(RevealLevel.NONE), key_frame(noise()))


# --- where a vehicle was at first and at last -----------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    ends=st.tuples(plates, plates),
    others=st.lists(plates, max_size=2).map(tuple),
    level=st.sampled_from(REVEALING),
    seed=st.integers(0, 2**32 - 1),
)
def test_p6_the_pictures_of_a_path_show_what_the_level_shows_in_one_part_of_the_view(
    ends: tuple[Box, Box], others: tuple[Box, ...], level: RevealLevel, seed: int
) -> None:
    frames = [key_frame(noise(seed + at), plate, others) for at, plate in enumerate(ends)]
    try:
        first, last = reveal_path(wrong_way(level), frames, [None, None])
    except RedactionError:  # another plate covers the offender's own: nothing to show
        return

    assert [first.name, last.name] == ["first", "last"]
    assert first.pixels.shape == last.pixels.shape
    allowed = [seen(level, plate, others) for plate in ends]
    rows, columns = np.nonzero(allowed[0] | allowed[1])
    part = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    for picture, frame, visible in zip((first, last), frames, allowed, strict=True):
        wanted = np.where(visible[..., np.newaxis], frame.pixels, np.uint8(127))
        assert np.array_equal(picture.pixels, wanted[part])


@pytest.mark.parametrize("level", REVEALING)
def test_p6_a_rule_that_needs_no_movement_has_no_pictures_of_a_path(level: RevealLevel) -> None:
    frames = [key_frame(noise(at)) for at in range(2)]
    with pytest.raises(RedactionError, match="path"):
        reveal_path(offence(level), frames, [None, None])


def test_p6_pictures_of_a_path_are_refused_without_an_offence_and_at_no_level() -> None:
    frames = [key_frame(noise(at)) for at in range(2)]
    not_one: Any = "an offence"
    with pytest.raises(RedactionError, match="offence"):
        reveal_path(not_one, frames, [None, None])
    with pytest.raises(RedactionError, match="reveals nothing"):
        reveal_path(wrong_way(RevealLevel.NONE), frames, [None, None])


def test_pictures_of_two_sizes_are_no_path() -> None:
    frames = [key_frame(noise()), key_frame(noise(height=HEIGHT + 2))]
    with pytest.raises(RedactionError, match="size"):
        reveal_path(wrong_way(RevealLevel.VEHICLE), frames, [None, None])


def pictures_of_both_kinds() -> list[RedactedImage | EvidenceImage]:
    return [mask_all(noise()), *reveal(offence(RevealLevel.PLATE), key_frame(noise()))]


def test_p8_only_the_redaction_module_makes_redacted_pictures() -> None:
    with pytest.raises(TypeError, match=r"only edge\.privacy\.redaction"):
        RedactedImage(noise(), object())
    with pytest.raises(TypeError, match=r"only edge\.privacy\.redaction"):
        EvidenceImage(noise(), None, "vehicle", MaskMethod.MEANING, RevealLevel.VEHICLE)
    for picture in pictures_of_both_kinds():
        with pytest.raises((TypeError, ValueError), match="key"):
            dataclasses.replace(picture, pixels=noise())  # type: ignore[call-arg]
        with pytest.raises(dataclasses.FrozenInstanceError):
            picture.pixels = noise()  # type: ignore[misc]


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_redacted_picture_cannot_be_pickled_or_copied(attempt: Any) -> None:
    for picture in pictures_of_both_kinds():
        with pytest.raises(TypeError, match="never pickled"):
            attempt(picture)


def test_the_repr_of_a_redacted_picture_hides_its_pixels() -> None:
    assert [repr(picture) for picture in pictures_of_both_kinds()] == [
        "RedactedImage()",
        "EvidenceImage(name='plate')",
    ]


def test_no_block_of_an_aiming_still_is_smaller_than_a_character_or_half_a_face() -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (480, 640, 3), np.uint8)
    wide = Box(100, 300, 340, 350)
    character, face = 0.09 * wide.width, 0.31 * wide.width

    for plates, side in (((), 14), ((wide,), 60)):
        still = aiming_still(pixels, plates).pixels
        drawn = {OUTLINE_BGR, GRID_BGR}
        inside = still[:side, :side].reshape(-1, 3)
        assert len({tuple(colour) for colour in np.unique(inside, axis=0)} - drawn) == 1
        blocks = -(-480 // side) * -(-640 // side)
        assert len(np.unique(still.reshape(-1, 3), axis=0)) <= blocks + len(drawn)
    assert character < 60
    assert face < 2 * 60


def test_an_aiming_still_depends_only_on_the_mean_of_each_block() -> None:
    pixels = np.full((480, 640, 3), 100, np.uint8)
    mirrored = pixels.copy()
    pixels[2:5, 2:5] = 200
    mirrored[9:12, 9:12] = 200

    assert (aiming_still(pixels, ()).pixels == aiming_still(mirrored, ()).pixels).all()


def test_an_aiming_still_tells_few_grey_levels_apart() -> None:
    pixels = np.full((480, 640, 3), 100, np.uint8)
    brighter = pixels + 8

    assert (aiming_still(pixels, ()).pixels == aiming_still(brighter, ()).pixels).all()


def test_an_aiming_still_shows_lines_and_plate_outlines() -> None:
    pixels = np.full((480, 640, 3), 100, np.uint8)

    still = aiming_still(pixels, [Box(100, 200, 200, 230)], [((0.0, 0.5), (1.0, 0.5))]).pixels

    assert (still[240, :] == LINE_BGR).all()
    assert tuple(still[200, 150]) == OUTLINE_BGR
    assert tuple(still[215, 150]) == (104, 104, 104)
    assert tuple(still[100, 64]) == GRID_BGR
    guided = aiming_still(pixels, (), guides=[0.25], scales=[Box(8, 450, 103, 470)]).pixels
    assert (guided[120, :] == GUIDE_BGR).all()
    assert tuple(guided[450, 50]) == SCALE_BGR
    with pytest.raises(RedactionError):
        aiming_still(pixels, [Box(0, 0, float("nan"), 5)])
