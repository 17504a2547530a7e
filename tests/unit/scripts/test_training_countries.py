"""Plates of each country in the training data: texts of its forms, lines, marks and flags."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from edge.domain.plate_forms import fits
from edge.domain.plate_registers import REGISTERS
from scripts.training.countries import REGIONS
from scripts.training.lettering import GAPS, Face, line_of
from scripts.training.plate_design import (
    BLACK,
    BLUE,
    BRIGHT_RED,
    GOLD,
    GREEN,
    LIGHT_RED,
    NAVY,
    ORANGE,
    WHITE,
    YELLOW,
    Band,
    Colour,
    Design,
    chosen,
    fill,
    two_lines,
)
from scripts.training.plate_drawing import draw as draw_plate
from scripts.training.plate_marks import ARMS, draw_mark
from scripts.training.plate_series import Format, Series, plates_of
from tests.support.plate_designs import DRAWN, can_draw, designs, many_designs

FRENCH_GREEN: Colour = (70, 110, 30)

# --- texts ----------------------------------------------------------------------------------

USUAL = {
    "Belgium": (
        (
            r"[1-9][A-Z]{3}\d{3}|[A-Z]{3}\d{3}|\d{3}[A-Z]{3}|[A-Z]{4}\d{3}|CD[A-Z]{2}\d{3}|"
            r"[A-Z]{2}\d\d[A-Z]{3}|[A-Z]{3}\d\d[A-Z]{2}|CD[A-Z0-9]\d{3}|EUR\d{4}|"
            r"(?=(?:.*\d){3})(?=.*[A-Z])[A-Z0-9]{5}"
        ),
        0.9,
    ),
    "Netherlands": (r"(?=(?:.*\d){1,4})(?=(?:.*[A-Z]){2,4})[A-Z0-9]{6}", 1.0),
    "Germany": (
        (
            r"[A-Z]{1,3}[A-Z]{1,2}[1-9]\d{0,3}[EH]?|Y[1-9]\d{5}|[A-Z0]{1,3}\d{4,6}|"
            r"[A-Z]{1,3}[1-9]\d{1,3}[A-Z]?|0[1-9]\d{3,4}|\d{3}[A-Z]{3}"
        ),
        1.0,
    ),
    "France": (
        (
            r"[A-Z]{1,2}\d{3}[A-Z]{2}|\d{3,4}[A-Z]{2,3}(\d\d|2[AB]|97\d)|"
            r"[EU]?\d{2,3}(CD|CMD|C|K)\d{1,3}|\d{8}"
        ),
        1.0,
    ),
    "Luxembourg": (r"[A-Z]{2}\d{2,4}|[A-Z]\d{4}|[1-9]\d{3,4}|\d{4}EXP|\d{6}", 1.0),
    "United Kingdom": (
        (
            r"[A-Z]{2}\d{2}[A-Z]{3}|[A-Z]\d{1,3}[A-Z]{3}|[A-Z]{3}\d{3}[A-Z]|[A-Z]{1,3}\d{1,4}|\d{1,5}[A-Z]{1,3}"
            r"|\d{3}[DX]\d{3}|\d\d[A-Z]{2}\d\d"
        ),
        1.0,
    ),
    "Spain": (
        r"(?:[CEHPRSV]|FV)?\d{4}[A-Z]{3}|[A-Z]{1,2}\d{4}[A-Z]{2}|[A-Z]{1,2}\d{5,6}|[A-Z]{3}\d{4}[A-Z]{0,2}",
        1.0,
    ),
    "Italy": (
        (
            r"[A-Z]{2}\d{3}[A-Z]{2}|[A-Z]{2}\d{5,6}|[A-Z]{3}\d{5}|[A-Z]{4}\d{3}|"
            r"[A-Z0-9]{2}P\d{5}|X[2-9B-Z]{5}"
        ),
        1.0,
    ),
    "Austria": (
        r"[A-Z]{1,2}[1-9]\d{1,4}[A-Z]{1,3}|[A-Z]{1,2}[A-Z]{2,3}[1-9]\d{0,2}|[A-Z]{1,2}[1-9]\d{2,5}",
        1.0,
    ),
    "Poland": (
        (
            r"[A-Z]{2,3}[A-Z0-9]{4,5}|[A-Z]\d[A-Z]{3}[A-Z0-9]{0,2}|[A-Z]\d{4}P\d\d|[A-Z]\d{6}|"
            r"[A-Z]{2}\d\d[A-Z]"
        ),
        1.0,
    ),
    "Czech Republic": (
        (
            r"[1-9][A-Z][A-Z0-9]\d{4}|[1-9]A[A-Z]{2}\d{3}|EL[1-9]\d\d[A-Z]{2}|[A-Z]{3}\d{4}|[1-9][A-Z]{1,2}\d{3,4}|"
            r"\d{3}(CD|XX)\d\d|\d\dV\d{3,4}|\d{7}"
        ),
        0.88,
    ),
    "Romania": (
        r"[A-Z]{1,2}\d{2,3}[A-Z]{3}|[A-Z]{1,2}\d{4,6}|[A-Z]{1,2}\d{3}PROBE|\d{4,6}",
        1.0,
    ),
    "Denmark": (r"[A-Z]{2}\d{3,5}|\d{5}", 0.9),
    "Unknown": (r"[A-Z0-9]{3,10}", 0.9),
}
"""What most plates of a region look like, and how many of them at least; others are personal."""


@pytest.mark.parametrize("region", USUAL)
def test_texts_follow_their_country_s_syntax(region: str) -> None:
    texts = [design.text for design in designs(region)]
    pattern, share = USUAL[region]
    usual = [text for text in texts if re.fullmatch(pattern, text)]
    assert len(usual) >= share * len(texts), sorted(set(texts) - set(usual))[:5]


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_s_texts_rarely_repeat(region: str) -> None:
    texts = [design.text for design in designs(region)]
    assert len(set(texts)) > 0.95 * len(texts)


@pytest.mark.parametrize("region", REGIONS[:-1])
def test_most_texts_have_a_form_of_the_country_s_register(region: str) -> None:
    texts = [design.text for design in designs(region)]
    known = [fits(one, region) for one in texts]
    assert None not in known
    without = [text for text, one in zip(texts, known, strict=True) if not one]
    assert len(without) <= 0.15 * len(texts), without[:10]


def test_every_country_of_europe_is_a_region_and_spelled_as_in_the_register() -> None:
    elsewhere = {"Armenia", "Azerbaijan", "Gibraltar", "Guernsey"}
    assert set(REGIONS) == {*REGISTERS, "Unknown"} - elsewhere
    assert REGIONS[-1] == "Unknown"
    assert REGIONS[:13] == tuple(USUAL)[:13]  # a reader's fine-tuning keeps the first ones


# --- tables of series -----------------------------------------------------------------------


def test_a_series_fills_heads_and_breaks_lines_without_their_separators() -> None:
    plate = Design("Unknown", (), (520, 110), ("OSP-DIN.ttf",), left=Band(40))
    always = (Format(1.0, (240, 130), 50, 26),)
    one = Series(1, ("$*/###-@",), heads=("AB",), letters="Z")
    design = plates_of((plate,), (one,), formats=always)(np.random.default_rng(0))
    assert re.fullmatch(r"AB\d{3}Z", design.text)
    assert design.lines[0] == "AB*"
    assert re.fullmatch(r"\d{3}-Z", design.lines[1])
    assert (design.size, design.text_mm) == ((240, 130), 50)
    assert design.left is not None
    assert design.left.mm == 26
    in_one = plates_of((plate,), (one,))(np.random.default_rng(0))
    assert re.fullmatch(r"AB\*\d{3}-Z", in_one.lines[0])
    three = Series(1, ("@@ /####/ @@",))
    design = plates_of((plate,), (three,), formats=always)(np.random.default_rng(0))
    assert [len(line) for line in design.lines] == [2, 4, 2]


@pytest.mark.parametrize("region", REGIONS)
def test_a_text_is_1_to_10_characters_of_the_reader_s_alphabet(region: str) -> None:
    for design in designs(region):
        assert re.fullmatch(r"[A-Z0-9]{1,10}", design.text)
        assert design.region == region


@pytest.mark.parametrize("region", REGIONS)
def test_the_printed_plate_is_the_text_with_separators(region: str) -> None:
    unfolded = str.maketrans("ÄÖÜ", "AOU")
    for design in designs(region):
        printed = "".join(design.lines)
        kept = "".join(one for one in printed if one not in GAPS)
        assert kept.translate(unfolded) == design.text


@pytest.mark.parametrize(
    ("region", "series", "refused"),
    [
        ("Netherlands", r"[A-Z]{2}\d{3}[A-Z]|[A-Z]\d{3}[A-Z]{2}", "AEIOUCMQWY"),
        ("Spain", r"\d{4}[A-Z]{3}", "AEIOUQ"),
        ("Italy", r"[A-Z]{2}\d{3}[A-Z]{2}", "IOQU"),
        ("France", r"[A-Z]{2}\d{3}[A-Z]{2}", "IOU"),
        ("Czech Republic", r"[1-9][A-Z]{2}\d{4}", "GOQW"),
        ("United Kingdom", r"[A-Z]{2}\d\d[A-Z]{3}", "IQ"),
    ],
)
def test_letters_excluded_by_a_series_do_not_occur(region: str, series: str, refused: str) -> None:
    texts = [one.text for one in designs(region) if re.fullmatch(series, one.text)]
    if region == "Netherlands":  # a motorcycle's series begins with M
        texts = [text.removeprefix("M") for text in texts]
    if region == "United Kingdom":  # the area's last letter may be any but I, Q and Z
        assert not any("Z" in text[:2] for text in texts)
    assert len(texts) > 20
    assert not [text for text in texts if set(text) & set(refused)]


def test_german_plates_have_at_most_8_characters_and_no_forbidden_combination() -> None:
    for design in designs("Germany"):
        assert len(design.text) <= 8
        middle = re.fullmatch(r"[^|]+\|([A-Z]{2}) .*", "".join(design.lines))
        assert not middle or middle[1] not in {"HJ", "KZ", "NS", "SA", "SS"}


def test_every_listed_country_has_plates_of_one_and_of_two_lines() -> None:
    for region in REGIONS:
        counts = Counter(len(design.lines) for design in designs(region))
        assert counts[1] > 0.5 * DRAWN, region
        assert counts[2] > 0.03 * DRAWN, region


COLOURED = [
    ("Austria", BRIGHT_RED, WHITE, r"[A-Z]{1,2}[1-9]\d{1,3}[A-Z]{1,2}"),
    ("Austria", BLUE, WHITE, r"[A-Z]{1,2}[1-9]\d{2,3}[A-Z]{1,2}"),
    ("Austria", GREEN, WHITE, r"[A-Z]{1,2}[1-9]\d{2,3}[A-Z]{1,2}"),
    ("Czech Republic", ORANGE, BLACK, r"[A-Z]{3}\d{4}"),
    ("Denmark", BRIGHT_RED, WHITE, r"[A-Z]{2}\d{4}"),
    ("France", FRENCH_GREEN, WHITE, r"U?\d{3}K\d{2,3}"),
    ("Greece", WHITE, GREEN, r"[A-Z]\d{4}"),
    ("Iceland", LIGHT_RED, BLACK, r"RN\d{3}"),
    ("Luxembourg", BRIGHT_RED, WHITE, r"\d{4}2\d"),
    ("Luxembourg", BLACK, WHITE, r"[A-Z]{2}\d{3}"),
    ("Netherlands", NAVY, WHITE, r"(?=(?:.*[A-Z]){2})(?=(?:.*\d){4})[A-Z0-9]{6}"),
    ("Norway", BRIGHT_RED, WHITE, r"[A-Z]{3}\d\dT?"),
    ("Norway", LIGHT_RED, BLACK, r"[A-Z]{2}\d{3}"),
    ("Poland", BLACK, WHITE, r"[A-Z]{3}\d{3}[A-Z0-9]"),
    ("Poland", YELLOW, BLACK, r"[A-Z]{2}\d\d[A-Z]"),
    ("Romania", YELLOW, BLACK, r"\d{4,6}"),
    ("Spain", BRIGHT_RED, BLACK, r"R\d{4}[A-Z]{3}"),
    ("Spain", BRIGHT_RED, WHITE, r"(?:[ESV]|FV)\d{4}[A-Z]{3}|CD\d{6}"),
    ("Spain", GREEN, WHITE, r"P\d{4}[A-Z]{3}|CC\d{6}"),
    ("Sweden", BRIGHT_RED, WHITE, r"[A-Z]{3}\d\d[A-Z0-9]"),
]
"""Plates that only some vehicles have: ground, characters, and the texts that occur on them."""


@pytest.mark.parametrize(("region", "ground", "ink", "texts"), COLOURED)
def test_coloured_plates_have_the_texts_of_their_kind(
    region: str, ground: Colour, ink: Colour, texts: str
) -> None:
    drawn = [one for one in many_designs(region) if (one.ground, one.ink) == (ground, ink)]
    assert len(drawn) >= 5
    assert not [one.text for one in drawn if not re.fullmatch(texts, one.text)]


def test_only_these_countries_colours_occur() -> None:
    grounds = {one.ground for one in many_designs("Luxembourg")}
    assert grounds == {YELLOW, BLACK, BRIGHT_RED}
    coloured = [one for one in many_designs("Austria") if one.ground != WHITE]
    assert not [one for one in coloured if one.edges]
    assert {one.ground for one in coloured if one.left} == {BRIGHT_RED}
    assert {one.ink for one in many_designs("Romania") if one.text.startswith("CD")} == {BLUE}


@pytest.mark.parametrize(
    ("region", "texts", "strip"),
    [
        ("Bulgaria", r"\d{3}[BHT]\d{3}", BRIGHT_RED),
        ("Ireland", r"\d{2,3}[A-Z]+\d+", GREEN),
        ("Norway", r"\d{5}", BRIGHT_RED),
        ("Romania", r"[A-Z]{1,2}\d{6}", BRIGHT_RED),
    ],
)
def test_a_strip_on_the_right_marks_some_plates(region: str, texts: str, strip: Colour) -> None:
    drawn = [one for one in many_designs(region) if one.right]
    assert len(drawn) >= 5
    assert {one.right.colour for one in drawn if one.right} == {strip}
    assert all(re.fullmatch(texts, one.text) and one.ink == BLACK for one in drawn)


@pytest.mark.parametrize(
    ("region", "text", "size"),
    [
        ("Germany", r"\d{3}[A-Z]{3}", (106, 130)),
        ("Italy", r"X[2-9B-Z]{5}", (140, 120)),
        ("Austria", r"[A-Z]{1,2}[1-9]\d{1,2}[A-Z]{1,2}", (115, 150)),
        ("Luxembourg", r"[A-Z]{2}[1-9]\d", (140, 120)),
    ],
)
def test_moped_plates_have_their_size_and_text(
    region: str, text: str, size: tuple[int, int]
) -> None:
    drawn = [one for one in many_designs(region) if one.size == size]
    assert len(drawn) >= 4
    assert all(re.fullmatch(text, one.text) and len(one.lines) == 2 for one in drawn)


@can_draw
def test_the_ground_of_danish_vans_is_yellow_at_the_letters_and_white_at_the_digits() -> None:
    vans = [one for one in many_designs("Denmark") if one.first_ground]
    assert len(vans) > 20
    picture = draw_plate(vans[0], np.random.default_rng(0)).astype(int)
    left, right = picture[10:14, 60:100], picture[10:14, -60:-20]
    assert (left[..., 2] - left[..., 0]).mean() > 120  # BGR: yellow has little blue
    assert abs(right[..., 2] - right[..., 0]).mean() < 40


def test_light_characters_on_a_dark_background_occur() -> None:
    drawn = [design for region in REGIONS for design in designs(region)]
    light = [one for one in drawn if sum(one.ink) > sum(one.ground)]
    assert 0.01 < len(light) / len(drawn) < 0.2


def test_a_pattern_is_filled_with_digits_and_the_letters_given() -> None:
    rng = np.random.default_rng(0)
    filled = [fill(rng, "@-&#", "XY") for _ in range(200)]
    assert all(re.fullmatch(r"[XY]-[1-9]\d", one) for one in filled)
    assert len(set(filled)) > 50


def test_choices_occur_with_their_probabilities() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(chosen(rng, [(3, "a"), (1, "b")]) for _ in range(4000))
    assert 0.72 < counts["a"] / 4000 < 0.78


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        ("12-AB-34", ("12-AB", "34")),
        ("AB-123-C", ("AB", "123-C")),
        ("1234 BCD", ("1234", "BCD")),
        ("ABC", ("ABC",)),
    ],
)
def test_a_text_is_broken_into_lines_between_its_groups(
    printed: str, lines: tuple[str, ...]
) -> None:
    assert two_lines(printed) == lines


# --- marks and flags ------------------------------------------------------------------------


@can_draw
@pytest.mark.parametrize("separator", sorted(set(GAPS) - {" ", "~"}))
def test_a_separator_draws_ink_between_the_characters(separator: str) -> None:
    def drawn(between: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        line = f"HH{between}HH"
        plate = Design("Unknown", (line,), (520, 110), ("OSP-DIN.ttf",), mark=(0, 0, 200))
        return draw_plate(plate, np.random.default_rng(1))

    picture = drawn(separator)
    inked = (np.abs(picture.astype(int) - picture[2, 2]).max(axis=2) > 60).any(axis=0)
    bare = (np.abs(drawn(" ").astype(int) - picture[2, 2]).max(axis=2) > 60).any(axis=0)
    columns = np.flatnonzero(inked)
    assert columns[0] < 260 < columns[-1]
    runs = np.count_nonzero(np.diff(inked.astype(int)) == 1)
    assert runs > np.count_nonzero(np.diff(bare.astype(int)) == 1)


@pytest.mark.parametrize("content", [*ARMS, ""])
def test_arms_are_drawn_in_their_place_and_vary(content: str) -> None:
    drawn = []
    for seed in range(12):
        picture = np.full((110, 300, 3), 240, np.uint8)
        place = (130, 15, 50, 76)
        draw_mark(picture, "*", place, (0, 0, 200), (0, 0, 0), content, np.random.default_rng(seed))
        changed = (picture != 240).any(axis=2)
        assert changed[20:80, 135:175].mean() > 0.3
        assert not changed[:, :120].any()
        assert not changed[:, 190:].any()
        drawn.append(picture.tobytes())
    assert len(set(drawn)) > 6


@pytest.mark.parametrize("mark", sorted(GAPS))
def test_a_mark_is_drawn_also_where_the_picture_ends(mark: str) -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        picture = np.full((24, 40, 3), 240, np.uint8)
        for left, top in ((-6, -4), (34, 16), (12, 2)):
            draw_mark(picture, mark, (left, top, 9, 20), None, (0, 0, 0), "", rng)
        assert (picture != 240).any() == (mark in "|*:^")


@can_draw
def test_characters_after_the_line_across_stand_higher_and_letters_may_be_smaller() -> None:
    face = Face("OSP-DIN.ttf", letter_share=0.75)
    line = line_of("H1^1", face, 80, 500)
    (_, left, wide) = line.marks[0]
    before, after = line.mask[:, :left], line.mask[:, left + wide :]
    assert np.flatnonzero(after.max(axis=1) > 127)[[0, -1]].tolist() == pytest.approx(
        [0, 57], abs=2
    )
    letter = before[:, : before.shape[1] // 2]
    assert np.flatnonzero(letter.max(axis=1) > 127)[0] == pytest.approx(20, abs=2)
    assert np.flatnonzero(letter.max(axis=1) > 127)[-1] >= 78


@can_draw
@pytest.mark.parametrize("kind", ["stripes", "columns", "cross"])
def test_a_flag_shows_all_its_colours(kind: str) -> None:
    flag = (BLUE, WHITE, GOLD)
    band = Band(40, BLACK, "X", stars=False, flag=flag, flag_kind=kind)
    plate = Design("Unknown", ("1",), (520, 110), ("OSP-DIN.ttf",), left=band)
    colours = {
        tuple(one) for one in draw_plate(plate, np.random.default_rng(0))[:, :40].reshape(-1, 3)
    }
    assert set(flag) <= colours
