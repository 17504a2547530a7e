"""Synthetic training plates: valid texts, repeatable pictures, correct labels."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from scripts.fixtures import fonts
from scripts.training import camera_simulation, plate_sheet, plates
from scripts.training.camera_simulation import photograph
from scripts.training.countries import FREQUENT, REGIONS
from scripts.training.lettering import Face, line_of
from scripts.training.plate_design import Rng
from scripts.training.plate_surface import bent
from scripts.training.plates import UNKNOWN_SHARE, random_plate
from tests.support.plate_designs import can_draw, designs

# --- pictures -------------------------------------------------------------------------------


@can_draw
@pytest.mark.parametrize("region", REGIONS)
def test_flat_plates_have_a_pixel_per_millimetre_and_ink(region: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        plate = random_plate(rng, region)
        height, width = plate.pixels.shape[:2]
        assert plate.pixels.dtype == np.uint8
        assert plate.pixels.shape[2] == 3
        assert 75 <= height <= 240
        assert 95 <= width <= 540
        grey = cv2.cvtColor(plate.pixels, cv2.COLOR_BGR2GRAY).astype(int)
        assert np.ptp(grey) > 60
        assert plate.region == region


@can_draw
def test_the_same_seed_draws_the_same_pixels_and_another_seed_others() -> None:
    def draw(seed: int) -> list[camera_simulation.PlatePhoto]:
        rng = np.random.default_rng(seed)
        return [photograph(random_plate(rng), rng) for _ in range(25)]

    first, again, other = draw(11), draw(11), draw(12)
    for one, same in zip(first, again, strict=True):
        assert np.array_equal(one.pixels, same.pixels)
        assert (one.text, one.region) == (same.text, same.region)
    assert [one.text for one in first] != [one.text for one in other]


def test_regions_are_drawn_as_often_as_listed() -> None:
    rng = np.random.default_rng(5)
    counts = Counter(plates.random_region(rng) for _ in range(40_000))
    assert set(counts) == set(REGIONS)
    assert 0.17 < counts["Unknown"] / 40_000 < 0.19
    assert min(counts.values()) > 0.008 * 40_000
    assert counts["Belgium"] == max(counts[region] for region in REGIONS[:-1])
    whole = sum(FREQUENT.get(region, 1.0) for region in REGIONS[:-1])
    assert (1 - UNKNOWN_SHARE) / whole > 0.009
    assert set(FREQUENT) < set(REGIONS)


@can_draw
@pytest.mark.parametrize("region", REGIONS)
def test_two_drawings_of_a_region_differ(region: str) -> None:
    rng = np.random.default_rng(4)
    one, other = random_plate(rng, region), random_plate(rng, region)
    assert one.text != other.text
    assert not np.array_equal(one.pixels, other.pixels)


@can_draw
def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(KeyError):
        random_plate(np.random.default_rng(0), "Atlantis")


@can_draw
def test_rendered_photos_have_a_detection_crops_size_and_keep_their_label() -> None:
    rng = np.random.default_rng(7)
    widths = []
    for _ in range(400):
        plate = random_plate(rng)
        photo = photograph(plate, rng)
        height, width = photo.pixels.shape[:2]
        assert photo.pixels.dtype == np.uint8
        assert photo.pixels.flags.c_contiguous
        assert 12 <= width <= 540
        assert 8 <= height <= 500
        assert (photo.text, photo.region) == (plate.text, plate.region)
        widths.append(width)
    assert np.quantile(widths, 0.05) < 55
    assert 80 < np.median(widths) < 140
    assert np.quantile(widths, 0.95) > 180


@can_draw
def test_rendering_a_photo_leaves_the_flat_plate_unchanged() -> None:
    rng = np.random.default_rng(9)
    small = np.full((30, 60, 3), 200, np.uint8)  # most photographs need not shrink it
    for _ in range(60):
        photograph(plates.FlatPlate(small, "A1", "Unknown"), rng)
    assert (small == 200).all()


@can_draw
def test_some_rendered_photos_are_monochrome_and_some_are_dark() -> None:
    rng = np.random.default_rng(13)
    photos = [photograph(random_plate(rng), rng).pixels.astype(int) for _ in range(400)]
    grey = [one for one in photos if np.ptp(one, axis=2).max() <= 3]
    dark = [one for one in photos if one.mean() < 50]
    assert 0.08 < len(grey) / 400 < 0.3
    assert 0.05 < len(dark) / 400 < 0.35


def test_a_bent_plate_keeps_its_characters_and_lies_in_its_box() -> None:
    mounted = np.zeros((60, 240, 4), np.uint8)
    mounted[..., 3] = 255
    mounted[28:32, :, :3] = 255  # a line where the characters stand
    heights, bows = set(), 0
    for seed in range(24):
        picture, (left, top, right, foot) = bent(
            mounted, (0, 0, 240, 60), np.random.default_rng(seed)
        )
        assert picture.shape[0] == foot
        assert (left, top, right, picture.shape[1]) == (0, 0, 240, 240)
        assert 63 <= foot <= 72
        line = picture[..., 0].argmax(axis=0)
        assert (picture[..., 0].max(axis=0) > 200).all()
        assert 2 <= np.ptp(line) <= foot - 60
        assert np.abs(np.diff(line)).max() <= 1
        heights.add(int(np.ptp(line)))
        bows += abs(int(line[0]) - int(line[-1])) <= 1
    assert len(heights) > 3
    assert 0 < bows < 24


@can_draw
def test_some_photographs_are_of_bent_plates(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def noted(*given: Any) -> Any:
        calls.append(1)
        return bent(*given)

    monkeypatch.setattr(camera_simulation, "bent", noted)
    rng = np.random.default_rng(4)
    for _ in range(150):
        assert photograph(random_plate(rng), rng).pixels.size
    assert 2 <= len(calls) <= 25


def test_a_rotation_by_zero_leaves_the_plate_in_place() -> None:
    turn = camera_simulation._turned(520, 110, 0.0, 0.0, 0.0, 4.0)
    corners = camera_simulation._mapped(turn, (0, 0, 520, 110)) * 520 + (260, 55)
    assert np.allclose(corners, [(0, 0), (520, 0), (520, 110), (0, 110)])


def test_a_plate_seen_from_its_left_has_the_higher_edge_on_the_left() -> None:
    turn = camera_simulation._turned(520, 110, 0.6, 0.0, 0.0, 3.0)
    corners = camera_simulation._mapped(turn, (0, 0, 520, 110))
    left, right = corners[3, 1] - corners[0, 1], corners[2, 1] - corners[1, 1]
    assert left != pytest.approx(right, rel=0.05)
    assert corners[1, 0] - corners[0, 0] < 0.95


def test_a_box_crops_no_more_than_a_detector_does() -> None:
    rng: Rng = np.random.default_rng(0)
    errors = np.array([camera_simulation._box_errors(rng) for _ in range(2000)])
    assert errors.max() <= 0.35
    assert errors[:, (0, 2)].min() >= -0.03
    assert errors[:, (1, 3)].min() >= -0.06
    assert (errors < 0).mean() > 0.02


@can_draw
def test_a_text_line_fits_its_space_and_returns_the_positions_of_its_marks() -> None:
    line = line_of("AB|C 1*2", Face("OSP-DIN.ttf"), 60, 200)
    assert line.mask.shape[0] == 60
    assert line.mask.shape[1] <= 201
    assert [mark for mark, _, _ in line.marks] == ["|", " ", "*"]
    for _, left, wide in line.marks:
        assert not line.mask[:, left + 1 : left + wide - 1].any()


@can_draw
@pytest.mark.parametrize("pair", ["0O", "1I", "8B", "5S", "2Z", "6G"])
def test_characters_that_are_easily_mistaken_differ_in_german_letters(pair: str) -> None:
    face = Face("GL-Nummernschild-Mtl.ttf")
    one, other = (
        cv2.resize(line_of(text, face, 60, 400).mask, (40, 60)).astype(int) for text in pair
    )
    assert np.abs(one - other).mean() > 8


# --- fonts and the command ------------------------------------------------------------------


def test_the_error_names_each_missing_font_and_the_remedy(tmp_path: Path) -> None:
    for name, package in fonts.PACKAGES.items():
        cure = f"apt-get install {package}" if package else "PLATE_FONTS"
        with pytest.raises(fonts.MissingFontError, match=f"{re.escape(name)}: .*{cure}"):
            fonts.font_path(name, (tmp_path,))


def test_the_fonts_of_the_designs_are_all_listed() -> None:
    named = {font for region in REGIONS for design in designs(region) for font in design.fonts}
    named |= {small.font for region in REGIONS for one in designs(region) for small in one.small}
    assert named <= set(fonts.PACKAGES)


@can_draw
def test_the_command_writes_a_sheet(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    assert plate_sheet.main(["--sheet", str(path), "--region", "Belgium", "--plates", "7"]) == 0
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (500, 1800, 3)


@can_draw
@pytest.mark.parametrize("name", ["nowhere/sheet.png", "sheet.unheard"])
def test_an_unwritable_sheet_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert plate_sheet.main(["--sheet", str(tmp_path / name), "--plates", "1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path / name}: cannot be written")
    assert said.count("\n") == 1


def test_the_command_names_the_missing_font(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> None:
        fonts.font_path("RG2014D.ttf", (tmp_path,))

    if importlib.util.find_spec("PIL") is None:
        pytest.skip("Pillow is not installed (pip install -e '.[fixtures]')")
    monkeypatch.setattr(plate_sheet, "require_fonts", nowhere)
    assert plate_sheet.main(["--sheet", str(tmp_path / "sheet.png")]) == 1
    assert "apt-get install fonts-roadgeek" in capsys.readouterr().err
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("given", [["--region", "Atlantis"], ["--plates", "0"], []])
def test_a_command_with_bad_options_is_refused(given: list[str], tmp_path: Path) -> None:
    sheet = ["--sheet", str(tmp_path / "sheet.png")] if given else []
    with pytest.raises(SystemExit) as refused:
        plate_sheet.main([*sheet, *given])
    assert refused.value.code == 2
