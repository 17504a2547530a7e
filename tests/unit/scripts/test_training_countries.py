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
    GOLD,
    WHITE,
    Band,
    Design,
    chosen,
    fill,
    two_lines,
)
from scripts.training.plate_drawing import draw as draw_plate
from scripts.training.plate_marks import ARMS, draw_mark
from scripts.training.plate_series import Format, Series, plates_of
from tests.support.plate_designs import DRAWN, can_draw, designs

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
            r"[A-Z]{1,3}[1-9]\d{1,3}[A-Z]?|0[1-9]\d{3,4}"
        ),
        1.0,
    ),
    "France": (
        r"[A-Z]{1,2}\d{3}[A-Z]{2}|\d{3,4}[A-Z]{2,3}(\d\d|2A)|\d{2,3}(CD|CMD|C)\d{1,3}|\d{8}",
        1.0,
    ),
    "Luxembourg": (r"[A-Z]{2}\d{3,4}|[A-Z]\d{4}|[1-9]\d{3,4}|\d{4}EXP", 1.0),
    "United Kingdom": (
        (
            r"[A-Z]{2}\d{2}[A-Z]{3}|[A-Z]\d{1,3}[A-Z]{3}|[A-Z]{3}\d{3}[A-Z]|[A-Z]{1,3}\d{1,4}|\d{1,5}[A-Z]{1,3}"
            r"|\d{3}[DX]\d{3}|\d\d[A-Z]{2}\d\d"
        ),
        1.0,
    ),
    "Spain": (
        r"[CEHPRSV]?\d{4}[A-Z]{3}|[A-Z]{1,2}\d{4}[A-Z]{2}|[A-Z]{1,2}\d{5,6}|[A-Z]{3}\d{4}[A-Z]{0,2}",
        1.0,
    ),
    "Italy": (
        r"[A-Z]{2}\d{3}[A-Z]{2}|[A-Z]{2}\d{5,6}|[A-Z]{3}\d{5}|[A-Z]{4}\d{3}|[A-Z0-9]{2}P\d{5}",
        1.0,
    ),
    "Austria": (
        r"[A-Z]{1,2}[1-9]\d{2,4}[A-Z]{1,3}|[A-Z]{1,2}[A-Z]{2,3}[1-9]\d{0,2}|[A-Z]{1,2}[1-9]\d{2,5}",
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
            r"[1-9][A-Z][A-Z0-9]\d{4}|EL[1-9]\d\d[A-Z]{2}|[A-Z]{3}\d{4}|[1-9][A-Z]{1,2}\d{3,4}|"
            r"\d{3}(CD|XX)\d\d|\d\dV\d{3,4}|\d{7}"
        ),
        0.88,
    ),
    "Romania": (r"[A-Z]{1,2}\d{2,3}[A-Z]{3}|[A-Z]{1,2}\d{4,6}", 1.0),
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
