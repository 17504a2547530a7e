"""The reader's training data: labelled crops, shuffled characters, and covers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from scripts.fixtures.covers import COVERS
from scripts.training.character_boxes import HIDDEN, character_boxes, covered, shuffled
from scripts.training.countries import COUNTRIES, REGIONS
from scripts.training.errors import DataError
from scripts.training.plate_crops import COUNTRY_CODES, RealPlate, boxed_plates, labelled_crops
from scripts.training.plate_drawing import draw
from tests.support.plate_fonts import needs_fonts

Pixels = np.ndarray
HEADER = "image,x,y,w,h,plate,country\n"


def plate(text: str = "AB12CD", lines: int = 1) -> RealPlate:
    """A plate with a border of 20 pixels: dark characters in columns of 30 pixels."""
    rows = [text] if lines == 1 else [text[: len(text) // 2], text[len(text) // 2 :]]
    width, height = 40 + 30 * max(map(len, rows)), 40 + 56 * len(rows)
    pixels = np.full((height, width, 3), 235, np.uint8)
    for at, row in enumerate(rows):
        for column, one in enumerate(row):
            place = (24 + 30 * column, 20 + 56 * at + 44)
            cv2.putText(pixels, one, place, cv2.FONT_HERSHEY_SIMPLEX, 1.2, (20, 20, 20), 4)
    inner = (20.0, 20.0, width - 20.0, height - 20.0)
    return RealPlate("a.jpg", pixels, inner, text, None)


def boxes_of(one: RealPlate) -> list[tuple[int, int, int, int]]:
    found = character_boxes(one.pixels, one.inner, len(one.text))
    assert found is not None
    return found


# --- labelled crops --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((40, 120, 3), 60, np.uint8))
    return tmp_path


def test_crops_are_read_with_box_text_and_country(folder: Path) -> None:
    rows = "a.png,5,6,100,20,1ABC123,BE,checked\na.png,5,6,100,20,,,unread\n"
    (folder / "crops.csv").write_text(HEADER[:-1] + ",origin\n" + rows)

    (one,) = labelled_crops(folder)

    assert (one.text, one.region, one.inner) == ("1ABC123", "Belgium", (5, 6, 105, 26))
    assert one.pixels.shape == (40, 120, 3)


def test_a_country_counts_only_where_the_text_has_one_of_its_forms(folder: Path) -> None:
    (folder / "crops.csv").write_text(HEADER + "a.png,5,6,100,20,ABC12D,NL\n")

    assert labelled_crops(folder)[0].region is None


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("a.png,5,6,100,20,1ABC-123,BE", r"crops\.csv: line 3: a text has 1 to 10 of A-Z and 0-9"),
        ("a.png,5,6,100,20,12345678901,BE", r"crops\.csv: line 3: a text has 1 to 10"),
        (
            "a.png,five,6,100,20,1ABC123,BE",
            r"crops\.csv: line 3: needs image,x,y,w,h,plate,country",
        ),
        ("b.png,5,6,100,20,1ABC123,BE", r"b\.png: no picture that can be read; remove line 3"),
    ],
)
def test_the_error_names_the_line(folder: Path, row: str, complaint: str) -> None:
    (folder / "crops.csv").write_text(f"{HEADER}a.png,5,6,100,20,1ABC123,BE\n{row}\n")

    with pytest.raises(DataError, match=complaint):
        labelled_crops(folder)


def test_boxes_without_a_text_are_cut_out_with_a_margin(folder: Path) -> None:
    rows = "a.png,20,10,60,16,,\na.png,20,10,60,16,AB12CD,\na.png,1,1,12,4,,\na.png,,,,,,\n"
    (folder / "labels.csv").write_text(HEADER + rows)

    (one,) = boxed_plates(folder)

    assert (one.text, one.region, one.answer) == ("", None, None)
    assert one.pixels.shape == (27, 101, 3)  # a margin of 35 % of the box on each side
    assert one.inner == (20, 6, 80, 22)


def test_the_error_names_a_folder_without_a_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"crops\.csv: cannot be read .*; name another"):
        labelled_crops(tmp_path)


def test_each_country_code_names_a_region_of_the_reader() -> None:
    assert set(COUNTRY_CODES.values()) <= set(REGIONS)


# --- characters ------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [1, 2])
def test_the_characters_of_a_plate_are_found_in_reading_order(lines: int) -> None:
    one = plate("AB12CD", lines)

    found = boxes_of(one)

    columns = [(x1 + x2) // 2 // 30 for x1, _, x2, _ in found]
    assert columns == ([1, 2, 3, 4, 5, 6] if lines == 1 else [1, 2, 3, 1, 2, 3])
    rows = [(y1 + y2) // 2 // 60 for _, y1, _, y2 in found]
    assert rows == ([0] * 6 if lines == 1 else [0, 0, 0, 1, 1, 1])


def test_characters_that_are_not_clear_are_not_guessed() -> None:
    one = plate("AB12CD")

    assert character_boxes(one.pixels, one.inner, 7) is None
    assert character_boxes(np.full_like(one.pixels, 90), one.inner, 6) is None


@needs_fonts("RG2014D.ttf", "RobotoCondensed-Bold.ttf")
def test_most_drawn_plates_have_clear_characters() -> None:
    rng = np.random.default_rng(4)
    clear = 0
    for _ in range(60):
        design = COUNTRIES["Netherlands"](rng)
        pixels = draw(design, rng)
        height, width = pixels.shape[:2]
        found = character_boxes(pixels, (0, 0, width, height), len(design.text))
        clear += found is not None

    assert clear > 40


def test_shuffled_characters_keep_their_kind_and_go_with_their_pixels() -> None:
    one = plate("AB12CD")
    boxes = boxes_of(one)
    own = {text: one.pixels[20:76, 20 + 30 * at : 50 + 30 * at] for at, text in enumerate("AB12CD")}

    texts = set()
    for seed in range(20):
        other = shuffled(one, boxes, np.random.default_rng(seed))
        texts.add(other.text)
        assert Counter(other.text) == Counter(one.text)
        assert [c.isdigit() for c in other.text] == [c.isdigit() for c in one.text]
        found = boxes_of(other)
        for (x1, y1, x2, y2), text in zip(found, other.text, strict=True):
            ink = (other.pixels[y1:y2, x1:x2, 0] < 128).sum()
            assert ink == pytest.approx((own[text][..., 0] < 128).sum(), rel=0.1)

    assert len(texts) > 5


def test_a_plate_in_two_lines_is_not_shuffled() -> None:
    one = plate("AB12CD", lines=2)

    assert shuffled(one, boxes_of(one), np.random.default_rng(1)) is one


@pytest.mark.parametrize("cover", COVERS)
def test_a_cover_hides_just_the_characters_that_it_says(cover: str) -> None:
    one = plate("AB12CD")
    boxes = boxes_of(one)
    judged = 0
    for seed in range(12):
        result = covered(one.pixels, one.inner, boxes, cover, np.random.default_rng(seed))
        if result is None:  # half hidden: nobody can say
            continue
        drawn, hidden = result
        judged += 1
        for (x1, y1, x2, y2), gone in zip(boxes, hidden, strict=True):
            before, after = one.pixels[y1:y2, x1:x2], drawn[y1:y2, x1:x2]
            changed = (np.abs(before.astype(int) - after).max(axis=2) > 14).mean()
            if gone:
                assert changed > 0.05
            else:
                assert changed < HIDDEN

    assert judged > 0


def test_a_patch_in_the_plates_colour_hides_at_least_one_character() -> None:
    one = plate("AB12CD")
    boxes = boxes_of(one)
    ends = 0
    for seed in range(30):
        result = covered(one.pixels, one.inner, boxes, "patch", np.random.default_rng(seed))
        if result is None or not any(result[1]):
            continue
        hidden = result[1]
        ends += hidden[0] or hidden[-1]
        for (x1, y1, x2, y2), gone in zip(boxes, hidden, strict=True):
            if gone:
                before = (one.pixels[y1:y2, x1:x2, 0] < 128).mean()
                assert (result[0][y1:y2, x1:x2, 0] < 128).mean() < 0.85 * before

    assert ends > 8
