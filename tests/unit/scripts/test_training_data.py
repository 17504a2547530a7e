"""The detector's training data: correct boxes, and new augmentations each time."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.domain.imaging import Box, Detection, Pixels
from scripts.training import scenes as scenes_module
from scripts.training.command_line import run
from scripts.training.distractors import fence
from scripts.training.errors import DataError
from scripts.training.photos import (
    GREY,
    Photo,
    corrected_boxes,
    in_validation_set,
    load_photos,
    read_boxes,
    views,
    without_plates,
)
from scripts.training.plate_pasting import framed, paste_plate
from scripts.training.scenes import FAR, NEAR, Mix, Scenes
from scripts.training.vehicle_backs import draw_back

BLUE, GREEN = (255, 0, 0), (0, 255, 0)
NEVER = 1e6


def photo(pixels: Pixels | None = None, *plates: tuple[float, ...]) -> Photo:
    """A grey street with a green plate on each box, and the same without."""
    street = np.full((240, 320, 3), 90, np.uint8)
    shown = street.copy() if pixels is None else pixels
    for x1, y1, x2, y2 in plates:
        cv2.rectangle(shown, (int(x1), int(y1)), (int(x2) - 1, int(y2) - 1), GREEN, -1)
    boxes = np.array(plates, np.float32).reshape(-1, 4)
    return Photo("a.jpg", shown, street, boxes, np.zeros((0, 4), np.float32))


def plain_scenes(photos: list[Photo], plates: list[Pixels], **mix: float) -> Scenes:
    nothing = dict.fromkeys(Mix.__slots__, 0.0)
    return Scenes(photos, plates, 256, Mix(**(nothing | mix)))


def share_of_colour(picture: Pixels, row: np.ndarray, channel: int) -> float:
    """Share of a box in which one channel outshines the others."""
    x1, y1, x2, y2 = (int(v) for v in row[:4])
    part = picture[y1:y2, x1:x2].astype(int)
    others = np.delete(part, channel, -1).max(-1)
    return float((part[..., channel] > others + 40).mean())


# --- boxes -------------------------------------------------------------------------------------


def test_the_smaller_of_label_and_teacher_box_is_kept() -> None:
    large, small = Box(0, 0, 100, 50), Box(10, 5, 92, 45)

    for label, seen in ((large, small), (small, large)):
        assert corrected_boxes([label], [Detection(seen, 0.9)], [], NEVER) == ([small], [])


def test_a_label_that_the_teacher_misses_is_kept() -> None:
    label = Box(0, 0, 100, 50)

    assert corrected_boxes([label], [], [], NEVER) == ([label], [])


@pytest.mark.parametrize(
    ("near", "at_once", "without_labels", "beside_labels"),
    [
        (0.8, 0.3, "plate", "unsure"),
        (0.8, 0.0, "unsure", "unsure"),
        (0.3, 0.3, "unsure", "unsure"),
        (0.3, 0.0, "unsure", "unsure"),
        (0.1, 0.0, "background", "background"),
    ],
)
def test_a_teacher_box_alone_is_a_plate_only_in_an_unlabelled_photo(
    near: float, at_once: float, without_labels: str, beside_labels: str
) -> None:
    box, label = Box(0, 0, 60, 20), Box(200, 0, 260, 20)
    seen, again = [Detection(box, near)], [Detection(box, at_once)]
    alone = {"plate": ([box], []), "unsure": ([], [box]), "background": ([], [])}

    assert corrected_boxes(None, seen, again, NEVER) == alone[without_labels]
    plates, unsure = corrected_boxes([label], seen, again, NEVER)
    assert plates == [label]
    assert ([], unsure) == alone[beside_labels]


def test_a_large_teacher_box_needs_a_label() -> None:
    handle = Box(0, 0, 120, 50)

    assert corrected_boxes([], [Detection(handle, 0.9)], [], 80) == ([], [])
    assert corrected_boxes([], [Detection(handle, 0.9)], [], 200) == ([], [handle])
    assert corrected_boxes(None, [Detection(handle, 0.9)], [], 80) == ([], [handle])


def test_labels_are_converted_to_pixels(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n")

    assert read_boxes(tmp_path / "a.txt", 400, 200) == [Box(150, 50, 250, 150)]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("0 0.5 0.5 0.25", "class x y width height"),
        ("0 a b c d", "class x y width height"),
        ("0 1.5 0.5 0.2 0.2", "outside"),
        ("0 0.5 0.5 0 0", "outside"),
    ],
)
def test_the_error_for_a_bad_label_names_file_and_line(
    tmp_path: Path, line: str, complaint: str
) -> None:
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")

    with pytest.raises(DataError, match=f"a.txt:2: .*{complaint}"):
        read_boxes(tmp_path / "a.txt", 400, 200)


def test_photos_and_labels_are_read_and_cached(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.full((100, 200, 3), 60, np.uint8))
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.5 0.2\n")

    for _ in range(2):
        (one,) = load_photos(tmp_path, None, tmp_path / "cache")

        assert one.plates.tolist() == [[50, 40, 150, 60]]
        assert one.erased.shape == one.pixels.shape


def test_boxes_may_come_from_a_table_and_photos_without_a_row_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("a", "b", "c"):
        pixels = np.full((100, 200, 3), 60, np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), pixels)
    rows = "image,x,y,w,h,plate\nimages/a.png,50,40,100,20,\nimages/b.png,,,,,\n"
    (tmp_path / "labels.csv").write_text(rows)

    first, second = load_photos(tmp_path, None, tmp_path / "cache")

    assert (first.name, first.plates.tolist()) == ("a.png", [[50, 40, 150, 60]])
    assert (second.name, second.plates.tolist()) == ("b.png", [])


def test_the_cover_check_learns_from_the_same_table(tmp_path: Path) -> None:
    cover_batches = pytest.importorskip("scripts.training.cover_batches")
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((100, 200, 3), 60, np.uint8))
    (tmp_path / "labels.csv").write_text("image,x,y,w,h\nb.png,,,,\na.png,50,40,100,20\n")

    (one,) = cover_batches.labelled_plates(tmp_path)

    assert (one.photo, one.inner, one.pixels.shape) == ("a.png", (35, 7, 135, 27), (34, 170, 3))


@pytest.mark.parametrize("row", ["images/a.png,x,40,100,20", "images/a.png,50,40,100"])
def test_the_error_names_a_table_with_a_bad_box(tmp_path: Path, row: str) -> None:
    (tmp_path / "labels.csv").write_text(f"image,x,y,w,h\n{row}\n")

    with pytest.raises(DataError, match=r"labels\.csv: needs the columns image,x,y,w,h"):
        load_photos(tmp_path, None, tmp_path / "cache")


def test_the_error_names_a_photo_of_the_table_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,x,y,w,h\nimages/a.png,1,2,30,10\n")

    with pytest.raises(DataError, match=r"a\.png: not readable"):
        load_photos(tmp_path, None, tmp_path / "cache")


def test_the_error_names_a_broken_photo(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")

    with pytest.raises(DataError, match=r"a\.jpg: no photograph"):
        load_photos(tmp_path, None, tmp_path / "cache")


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no photographs"):
        load_photos(tmp_path, None, tmp_path / "cache")


def test_the_error_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load_photos(tmp_path / "nowhere", None, tmp_path / "cache")


def test_the_validation_set_is_the_same_in_every_training() -> None:
    """Otherwise weights that continue others would be validated on their training photos."""
    apart = [number for number in range(100) if in_validation_set(f"{number}.jpg")]

    assert apart == [8, 30, 32, 40, 42, 46, 47]


def test_the_boxes_of_each_augmented_photo_match_their_plates() -> None:
    street = photo(None, (100, 100, 180, 120), (20, 180, 100, 210))

    seen = views(street)

    longest = [max(view.pixels.shape) for view in seen]
    assert [round(320 / each, 2) for each in longest] == [1, 1, 0.6, 0.45]
    for view in seen:
        assert [share_of_colour(view.pixels, row, 1) for row in view.plates] == [1, 1]
        assert share_of_colour(view.erased, np.array([0, 0, *view.erased.shape[1::-1]]), 1) == 0
    assert seen[1].plates[0].tolist() == [140, 100, 220, 120]


def test_an_unwritable_folder_is_refused_before_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    given = argparse.Namespace(work=tmp_path / "new" / "work", out=tmp_path / "file" / "out")
    begun: list[argparse.Namespace] = []

    def train(given: argparse.Namespace) -> int:
        begun.append(given)
        return 0

    assert run(train, given) == 1
    assert not begun
    assert given.work.is_dir()
    assert capsys.readouterr().err.startswith(f"error: {given.out}: no folder (")


def test_erasing_a_plate_leaves_the_rest_unchanged() -> None:
    shown = photo(None, (100, 100, 180, 120))

    erased = without_plates(shown.pixels, shown.plates.tolist())

    assert np.abs(erased[105:115, 110:170].astype(int) - 90).max() <= 5
    assert (erased[:80] == shown.pixels[:80]).all()


# --- scenes ------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_picture_and_another_seed_another() -> None:
    scenes = Scenes([photo(None, (100, 100, 180, 120))], [], 256)

    first, again = (scenes.draw(np.random.default_rng(5)) for _ in range(2))
    other, _ = scenes.draw(np.random.default_rng(6))

    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    assert (first[0] != other).any()


def test_a_box_matches_its_plate_under_every_rotation() -> None:
    scenes = plain_scenes([photo(None, (100, 100, 220, 140))], [])
    shares = []
    for seed in range(60):
        picture, rows = scenes.draw(np.random.default_rng(seed))
        shares += [share_of_colour(picture, row, 1) for row in rows if row[4] == 1]

    assert len(shares) > 40
    assert np.median(shares) > 0.8


def beside_its_box(picture: Pixels, box: np.ndarray) -> np.ndarray:
    """Offset (x, y) in pixels from the middle of a box to the white area."""
    x1, y1, x2, y2 = (int(v) for v in box[:4])
    left, top = max(0, x1 - 6), max(0, y1 - 6)
    white = picture[top : y2 + 7, left : x2 + 7, 1].astype(float)
    x = left + 0.5 + (white.sum(0) * np.arange(white.shape[1])).sum() / white.sum()
    y = top + 0.5 + (white.sum(1) * np.arange(white.shape[0])).sum() / white.sum()
    return np.asarray([x, y] - (box[:2] + box[2:4]) / 2, np.float64)


def test_a_box_matches_its_plate_to_a_tenth_of_a_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warping counts from the middle of a pixel, a box from its corner."""
    monkeypatch.setattr(scenes_module, "degraded", lambda picture, _rng: picture)
    dark = np.zeros((240, 320, 3), np.uint8)
    white = dark.copy()
    white[100:140, 100:220] = 255
    box = np.array([[100, 100, 220, 140]], np.float32)
    scenes = plain_scenes([Photo("a.jpg", white, dark, box, np.zeros((0, 4), np.float32))], [])
    beside = []
    for seed in range(150):
        picture, rows = scenes.draw(np.random.default_rng(seed))
        picture[(picture == GREY).all(-1)] = 0  # the area outside the photo
        whole = (rows[:, 4] == 1) & (rows[:, :2].min(1) > 0) & (rows[:, 2:4].max(1) < 256)
        beside += [beside_its_box(picture, row) for row in rows[whole]]

    assert len(beside) > 100
    assert np.abs(np.median(beside, 0)).max() < 0.05
    assert np.std(beside, 0).max() < 0.1


def test_most_boxes_are_no_higher_than_their_plate_after_rotation() -> None:
    scenes = plain_scenes([photo(None, (100, 100, 220, 140))], [])
    aspects = []
    for seed in range(200):
        _, rows = scenes.draw(np.random.default_rng(seed))
        aspects += [(row[2] - row[0]) / (row[3] - row[1]) for row in rows if row[4] == 1]

    assert len(aspects) > 150
    assert np.median(aspects) > 0.95 * 120 / 40


def test_a_vehicle_pasted_at_a_distance_has_its_plate_and_box() -> None:
    near = photo(None, (100, 100, 220, 140), (10, 10, 40, 20))
    scenes = plain_scenes([near], [], erased=1.0, far=1.0)
    shares, widths = [], []
    for seed in range(100):
        picture, rows = scenes.draw(np.random.default_rng(seed))
        counted = [row for row in rows if row[4] == 1]
        shares += [share_of_colour(picture, row, 1) for row in counted]
        widths += [row[2] - row[0] for row in counted]

    assert len(shares) > 60
    assert np.median(shares) > 0.8
    assert max(widths) <= FAR[1] + 1


def test_overlaid_text_covers_no_plate() -> None:
    street = photo(None, (100, 100, 220, 140), (20, 180, 100, 210))
    scenes = plain_scenes([street], [], writing=1.0)
    shares = []
    for seed in range(400):
        picture, rows = scenes.draw(np.random.default_rng(seed))
        greens = [share_of_colour(picture, row, 1) for row in rows if row[4] == 1]
        if greens and max(greens) > 0.8:  # others have no colour to see
            shares += greens

    assert len(shares) > 400
    assert min(shares) > 0.65


def test_only_a_large_plate_is_pasted_at_a_distance() -> None:
    scenes = plain_scenes([photo(None, (100, 100, 100 + NEAR - 1, 120))], [], erased=1.0, far=1.0)

    assert all(len(scenes.draw(np.random.default_rng(seed))[1]) == 0 for seed in range(10))


def test_a_swapped_plate_takes_the_place_of_the_old_one() -> None:
    blue = np.full((110, 520, 3), BLUE, np.uint8)
    scenes = plain_scenes([photo(None, (100, 100, 220, 140))], [blue], swapped=1.0)
    blues = greens = counted = 0.0
    for seed in range(40):
        picture, rows = scenes.draw(np.random.default_rng(seed))
        for row in rows[rows[:, 4] == 1]:
            counted += 1
            blues += share_of_colour(picture, row, 0) > 0.5
            greens += share_of_colour(picture, row, 1) > 0.2

    assert counted > 20
    assert blues / counted > 0.6  # grey pictures have no colour to see
    assert greens == 0


def test_the_box_of_a_mounted_plate_excludes_its_frame() -> None:
    blue = np.full((152, 305, 3), BLUE, np.uint8)
    filled, over = [], []
    for seed in range(200):
        picture = np.full((240, 320, 3), 90, np.uint8)
        box = paste_plate(picture, blue, (160, 120), 110, 200, np.random.default_rng(seed))
        x1, y1, x2, y2 = (round(float(v)) for v in box)
        is_blue = picture[..., 0].astype(int) > picture[..., 1:].max(-1).astype(int) + 60
        is_blue[: y1 - 12], is_blue[y2 + 12 :] = False, False  # a frame's own colour
        filled.append(is_blue[y1:y2, x1:x2].mean())
        over.append(is_blue.sum() / max(1, is_blue[y1:y2, x1:x2].sum()) - 1)

    assert min(filled) > 0.75
    assert np.median(filled) > 0.92
    assert np.median(over) < 0.06


def test_a_mounted_plate_is_centred_in_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECESSED", "FRAMED", "FRAMED_WIDE"):
        monkeypatch.setattr(f"scripts.training.plate_pasting.{name}", 0.0)
    white = np.full((110, 520, 3), 255, np.uint8)
    beside, filled = [], []
    for seed in range(200):
        picture = np.zeros((120, 160, 3), np.uint8)
        box = paste_plate(picture, white, (80.3, 60.2), 60, 255, np.random.default_rng(seed))
        beside.append(beside_its_box(picture, box))
        picture = (picture > picture.max() / 2).astype(np.uint8)
        filled.append(np.ptp(np.nonzero(picture.any((0, 2)))[0]) + 1 - (box[2] - box[0]))

    assert np.abs(np.median(beside, 0)).max() < 0.1
    assert abs(np.mean(filled)) < 0.3


@pytest.mark.parametrize("seed", range(30))
def test_a_drawn_vehicle_rear_covers_the_background_around_its_plate(seed: int) -> None:
    street = np.full((240, 320, 3), GREEN, np.uint8)

    draw_back(street, (160, 120), 30, 200, np.random.default_rng(seed))

    changed = (street != GREEN).any(-1)
    assert changed[110:130, 145:175].mean() > 0.95
    assert not changed[:, : 160 - 4 * 30 - 1].any()
    assert not changed[: 120 - round(2.5 * 30) - 1].any()


def test_a_drawn_vehicle_rear_at_the_edge_or_too_small_is_allowed() -> None:
    for seed in range(30):
        street = np.full((40, 40, 3), 90, np.uint8)
        draw_back(street, (39, 1), 22, 200, np.random.default_rng(seed))
        draw_back(street, (20, 20), 1, 200, np.random.default_rng(seed))


@pytest.mark.parametrize(("bare", "least", "most"), [(0.0, 30, 120), (1.0, 0, 0)])
def test_drawn_vehicle_rears_have_a_plate_or_none(
    monkeypatch: pytest.MonkeyPatch, bare: float, least: int, most: int
) -> None:
    monkeypatch.setattr(scenes_module, "degraded", lambda picture, _rng: picture)
    monkeypatch.setattr(scenes_module, "overlay_line", lambda _picture, _rng: None)
    monkeypatch.setattr(scenes_module, "fence", lambda _picture, _rng: None)
    monkeypatch.setattr(scenes_module, "BACKS", 1.0)
    monkeypatch.setattr(scenes_module, "BARE_BACKS", bare)
    blue = np.full((110, 520, 3), BLUE, np.uint8)
    scenes = plain_scenes([photo(None, (100, 100, 220, 140))], [blue], added=1.0)
    counted, backs = 0, 0
    for seed in range(40):
        picture, rows = scenes.draw(np.random.default_rng(seed))
        counted += int((rows[:, 4] == 1).sum())
        street = np.isin(picture, (90, GREY)).all(-1)
        backs += (~street).mean() > 0.01

    assert least <= counted <= most
    assert backs > 30


def test_a_plate_frame_covers_no_part_of_the_plate() -> None:
    blue = np.full((152, 305, 3), BLUE, np.uint8)

    for seed in range(30):
        picture, (left, top) = framed(blue, np.random.default_rng(seed))
        assert (picture[top : top + 152, left : left + 305] == blue).all()
        assert picture.shape[0] > 152 + top
        assert picture.shape[1] > 305 + left


def test_a_fence_leaves_most_of_the_picture_visible() -> None:
    for seed in range(40):
        street = np.full((240, 320, 3), 250, np.uint8)
        fence(street, np.random.default_rng(seed))
        assert 0.02 < (street.max(-1) < 249).mean() < 0.9


def test_an_erased_photo_has_no_plate_and_no_box() -> None:
    scenes = plain_scenes([photo(None, (100, 100, 220, 140))], [], erased=1.0)

    for seed in range(10):
        picture, rows = scenes.draw(np.random.default_rng(seed))
        assert len(rows) == 0
        assert share_of_colour(picture, np.array([0, 0, 256, 256]), 1) < 0.02


def test_a_covered_plate_keeps_its_whole_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.training.scenes.degraded", lambda picture, _rng: picture)
    photos = [photo(None, (100, 100, 220, 140))]
    bare, covered = plain_scenes(photos, []), plain_scenes(photos, [], covered=1.0)
    lost = []
    for seed in range(40):
        shown, without = bare.draw(np.random.default_rng(seed))
        picture, rows = covered.draw(np.random.default_rng(seed))
        np.testing.assert_array_equal(rows, without)
        plates = rows[rows[:, 4] == 1]
        lost += [
            share_of_colour(shown, one, 1) - share_of_colour(picture, one, 1) for one in plates
        ]

    assert 0.05 < np.mean(lost) < 0.5
    assert max(lost) > 0.2


def test_boxes_stay_inside_the_picture() -> None:
    plate = np.full((110, 520, 3), 200, np.uint8)
    scenes = Scenes([photo(None, (100, 100, 180, 120), (5, 200, 60, 220))], [plate], 256)

    for seed in range(60):
        picture, rows = scenes.draw(np.random.default_rng(seed))
        assert picture.shape == (256, 256, 3)
        assert picture.dtype == np.uint8
        assert (rows[:, :4] >= 0).all()
        assert (rows[:, :4] <= 256).all()
        assert (rows[:, 2:4] > rows[:, :2]).all()
