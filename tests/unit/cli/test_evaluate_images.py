"""`evaluate images`: its counts, and the labels that it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.adapters.models.loading import PlateModels
from edge.adapters.models.manifest import Contract
from edge.adapters.models.weights import Manifest, Weights
from edge.cli.evaluate_images import breakdowns, score_image, summarise_images
from edge.cli.labels import LabelledImage, LabelledPlate, read_image_labels, require_inside
from edge.domain.imaging import Box, Detection
from edge.domain.plates import PlateText
from edge.errors import ConfigError
from tests.support.fakes import DrawnModels

HEADER = "image,x,y,w,h,plate,country\n"
PHOTO = "1ABC123.jpg"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / PHOTO).touch()
    (tmp_path / "other.jpg").touch()
    return tmp_path


def labels(root: Path, content: str | bytes) -> Path:
    file = root / "labels.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


# --- labels ---------------------------------------------------------------------------------


def test_labels_are_read_by_photo_with_their_lines(root: Path) -> None:
    rows = f"{PHOTO},10,20,100,30.5,1-abc-123,be\nother.jpg,,,,,,\n{PHOTO},200,20,90,30,XX1,\n"

    one, other = read_image_labels(labels(root, HEADER + rows), root)

    assert (one.path, one.first_line) == (root / PHOTO, 2)
    assert one.plates == [
        LabelledPlate(2, Box(10, 20, 110, 50.5), PlateText("1ABC123"), "BE"),
        LabelledPlate(4, Box(200, 20, 290, 50), PlateText("XX1"), "not said"),
    ]
    assert other.plates == []


def test_labels_may_have_letters_with_marks_as_lists_may(root: Path) -> None:
    (one,) = read_image_labels(labels(root, HEADER + f"{PHOTO},1,2,30,10,ŠÜ-Č 123,de\n"), root)

    assert one.plates[0].plate == PlateText("SUC123")


def test_the_lines_of_a_plate_are_a_column_that_may_be_left_out(root: Path) -> None:
    file = labels(root, f"{HEADER[:-1]},lines\n{PHOTO},1,2,30,10,1ABC123,BE,2\n")

    assert read_image_labels(file, root)[0].plates[0].lines == 2


@pytest.mark.parametrize("lines", ["0", "4", "two", "1.0", "1ABC123"])
def test_lines_other_than_one_to_three_are_refused(root: Path, lines: str) -> None:
    file = labels(root, f"{HEADER[:-1]},lines\n{PHOTO},1,2,30,10,1ABC123,BE,{lines}\n")

    with pytest.raises(ConfigError, match=r"labels\.csv:2: lines: not 1, 2 or 3;") as caught:
        read_image_labels(file, root)

    assert "1ABC123" not in str(caught.value)


def test_an_unknown_breakdown_is_refused() -> None:
    with pytest.raises(ConfigError, match="--by: 'age' is unknown; known are country, width,"):
        breakdowns("country,age")


def test_the_country_may_be_left_out(root: Path) -> None:
    file = labels(root, f"image,x,y,w,h,plate\n{PHOTO},1,2,30,10,1ABC123\n")

    assert read_image_labels(file, root)[0].plates[0].country == "not said"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"labels\.csv:1: the column 'image' is missing; add it"),
        ("image,x,y,w,plate\n", r"labels\.csv:1: the column 'h' is missing"),
        ("image,x,y,w,h,plate,contry\n", r"labels\.csv:1: unknown column 'contry'; did you mean"),
        ("image,x,y,w,h,plate,colour\n", r"unknown column 'colour'; known are image, x"),
        ("image,x,y,w,h,plate,x\n", r"labels\.csv:1: the column 'x' is there twice"),
        (HEADER, r"labels\.csv: no labelled plate"),
        (HEADER + "other.jpg,,,,,,\n", r"labels\.csv: no labelled plate"),
        (HEADER + ",1,2,30,10,1ABC123,BE\n", r"labels\.csv:2: image: empty"),
        (HEADER + "gone1ABC123.jpg,1,2,30,10,1ABC123,BE\n", r"labels\.csv:2: image: no such file"),
        (HEADER + f"../{PHOTO},1,2,30,10,1ABC123,BE\n", r"csv:2: image: must lie below --root"),
        (HEADER + f"/{PHOTO},1,2,30,10,1ABC123,BE\n", r"csv:2: image: must lie below --root"),
        (HEADER + f"{PHOTO},a,2,30,10,1ABC123,BE\n", r"labels\.csv:2: x: not a number of pixels"),
        (HEADER + f"{PHOTO},1,nan,30,10,1ABC123,BE\n", r"labels\.csv:2: y: not a number"),
        (HEADER + f"{PHOTO},1,2,3e9,10,1ABC123,BE\n", r"labels\.csv:2: w: not a number"),
        (HEADER + f"{PHOTO},1,2,,10,1ABC123,BE\n", r"labels\.csv:2: w: not a number"),
        (HEADER + f"{PHOTO},1,2,30\n", r"labels\.csv:2: h: not a number"),
        (HEADER + f"{PHOTO},-2,2,30,10,1ABC123,BE\n", r"labels\.csv:2: x: below 0, outside the"),
        (HEADER + f"{PHOTO},1,-9,30,10,1ABC123,BE\n", r"labels\.csv:2: y: below 0, outside the"),
        (HEADER + f"{PHOTO},1,2,0,10,1ABC123,BE\n", r"labels\.csv:2: w: must be above 0"),
        (HEADER + f"{PHOTO},1,2,30,-1,1ABC123,BE\n", r"labels\.csv:2: h: must be above 0"),
        (HEADER + f"{PHOTO},.3,2,30,9,1ABC123,BE\n", r"labels\.csv:2: x: not a number of pixels"),
        (HEADER + f"{PHOTO},0.3,0.5,0.05,0.02,1ABC123,BE\n", r"labels\.csv:2: w: at most one pix"),
        (HEADER.replace(",", ";"), r"labels\.csv:1: the cells are separated by semicolons"),
        (HEADER + f"{PHOTO},1,2,30,10,,BE\n", r"labels\.csv:2: plate: a plate is"),
        (HEADER + f"{PHOTO},1,2,30,10,1ABC123?,BE\n", r"labels\.csv:2: plate: a plate is"),
        (HEADER + f"{PHOTO},1,2,30,10,1ABC123,1ABC123\n", r"labels\.csv:2: country: not 2 to 20"),
        (HEADER + f"{PHOTO},1,2,30,10,1ABC123,BE,x\n", r"labels\.csv:2: more cells than columns"),
        (
            HEADER + f"{PHOTO},1,2,30,10,1ABC123,BE\n{PHOTO},1,2,30,10,1ABC123,BE\n",
            r"labels\.csv:3: the same box as in line 2",
        ),
        (HEADER.encode() + b"\xff\xfe", r"labels\.csv: not CSV in UTF-8"),
        (HEADER + f'{PHOTO},1,2,30,10,"1ABC123\n', r"labels\.csv:2: the row that begins here"),
    ],
)
def test_the_error_for_bad_labels_names_line_and_field_and_no_plate(
    root: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        read_image_labels(labels(root, content), root)

    assert "1ABC123" not in refused.value.message
    assert "\n" not in refused.value.message


def test_missing_labels_are_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv: cannot be read"):
        read_image_labels(root / "none.csv", root)


@pytest.mark.parametrize(
    ("box", "side"),
    [(Box(600, 10, 642, 30), r"x \+ w"), (Box(10, 460, 60, 482), r"y \+ h"), (None, "")],
    ids=["right", "below", "a pixel of rounding"],
)
def test_a_box_outside_its_photo_is_refused(root: Path, box: Box | None, side: str) -> None:
    plate = LabelledPlate(7, box or Box(-1, 460, 641, 481), PlateText("1ABC123"), "BE")
    image = LabelledImage(root / PHOTO, 2, [plate])

    if box is None:
        require_inside(image, 640, 480, root / "labels.csv")
        return
    with pytest.raises(
        ConfigError, match=rf"labels\.csv:7: {side}: the box leaves the image, which is 640 by 480"
    ) as refused:
        require_inside(image, 640, 480, root / "labels.csv")
    assert "1ABC123" not in refused.value.message


# --- scoring --------------------------------------------------------------------------------


def drawn(plates: dict[Box, str], found: list[Detection], threshold: float = 0.4) -> PlateModels:
    """Models that return given detections and read given texts."""
    own = Manifest.load(environment={})
    detector = Weights(own.entry(own.default_detector), Path("d"), None)
    reader = Weights(own.entry(own.default_reader), Path("r"), Path("c"))
    models = DrawnModels(plates, found)
    assert detector.entry.contract is Contract.DETECTOR
    return PlateModels(models, models, threshold, detector, reader)


ONE, TWO = Box(100, 100, 200, 130), Box(300, 100, 400, 130)
BLANK = np.zeros((480, 640, 3), np.uint8)


def photo(*plates: tuple[Box, str]) -> LabelledImage:
    rows = [LabelledPlate(n, box, PlateText(text), "BE") for n, (box, text) in enumerate(plates, 2)]
    return LabelledImage(Path(PHOTO), 2, rows)


def test_a_plate_is_exact_if_its_matching_detection_reads_its_text() -> None:
    models = drawn({ONE: "1ABC123", TWO: "2XYZ987"}, [Detection(ONE, 0.9), Detection(TWO, 0.9)])

    score = score_image(photo((ONE, "1ABC123"), (TWO, "2XYZ988")), BLANK, models, show_reads=False)

    right, wrong = score.outcomes
    assert (right.found, right.exact, right.edits, right.exact_given_box) == (True, True, 0, True)
    assert (wrong.found, wrong.exact, wrong.edits, wrong.exact_given_box) == (True, False, 1, False)
    assert 0.5 < right.posterior < 1
    assert score.false_positives == 0
    assert score.reads == []


def test_an_undetected_plate_is_still_read_in_its_labelled_box() -> None:
    models = drawn({ONE: "1ABC123"}, [])

    (missed,) = score_image(photo((ONE, "1ABC123")), BLANK, models, show_reads=False).outcomes

    assert (missed.found, missed.exact, missed.edits) == (False, False, 7)
    assert missed.exact_given_box


def test_every_other_detection_at_the_threshold_is_a_false_positive() -> None:
    found = [Detection(ONE, 0.9), Detection(TWO, 0.4), Detection(Box(10, 300, 60, 320), 0.39)]
    models = drawn({ONE: "1ABC123", TWO: "2XYZ987"}, found)

    score = score_image(photo((ONE, "1ABC123")), BLANK, models, show_reads=False)

    assert score.false_positives == 1


def test_a_detection_below_the_threshold_does_not_count() -> None:
    models = drawn({ONE: "1ABC123"}, [Detection(ONE, 0.59)], threshold=0.6)

    (missed,) = score_image(photo((ONE, "1ABC123")), BLANK, models, show_reads=False).outcomes

    assert not missed.found


def test_a_detected_plate_without_a_reading_has_all_characters_wrong() -> None:
    models = drawn({}, [Detection(ONE, 0.9)])

    (blank,) = score_image(photo((ONE, "1ABC123")), BLANK, models, show_reads=False).outcomes

    assert (blank.found, blank.exact, blank.edits, blank.posterior) == (True, False, 7, 0.0)


def test_the_character_errors_of_a_plate_are_at_most_its_length() -> None:
    models = drawn({ONE: "2XYZ987"}, [Detection(ONE, 0.9)])

    (wrong,) = score_image(photo((ONE, "AB1")), BLANK, models, show_reads=False).outcomes

    assert (wrong.length, wrong.edits) == (3, 3)


def test_the_summary_has_the_documented_keys_and_shows_no_plate_by_default() -> None:
    models = drawn({ONE: "1ABC123", TWO: "2XYZ987"}, [Detection(ONE, 0.9), Detection(TWO, 0.9)])
    both = photo((ONE, "1ABC123"), (TWO, "2XYZ988"))
    scores = [score_image(both, BLANK, models, show_reads=True)]
    scores.append(score_image(photo(), BLANK, models, show_reads=True))
    for score in scores:
        score.seconds["decode"] = 0.001

    result = summarise_images(scores, show_reads=False)

    assert {
        key: result[key]
        for key in ("images", "plates", "recall_iou50", "false_positives_per_image", "exact")
    } == {
        "images": 2,
        "plates": 2,
        "recall_iou50": 1.0,
        "false_positives_per_image": 1.0,
        "exact": 0.5,
    }
    assert result["exact_given_box"] == 0.5
    assert result["character_accuracy"] == pytest.approx(13 / 14)
    assert result["exact_ci95"][0] < 0.5 < result["exact_ci95"][1]
    assert result["recall_ci95"][0] < 1.0 == result["recall_ci95"][1]
    assert result["by_country"]["BE"]["plates"] == 2
    assert result["by_width"]["100-200"]["exact"] == 0.5
    assert set(result["ms_per_image"]) == {"decode", "detect", "read"}
    assert not {"by_height", "by_lines", "by_light"} & set(result)
    broken_down = summarise_images(scores, show_reads=False, by=("height", "lines", "light"))
    assert {key for key in broken_down if key.startswith("by_")} == {
        "by_height",
        "by_lines",
        "by_light",
    }
    assert broken_down["by_height"]["20-40"]["plates"] == 2
    assert broken_down["by_light"]["dark"]["plates"] == 2
    assert result["calibration"]["reads"] == 2
    text = json.dumps(result)
    assert "1ABC123" not in text
    assert "2XYZ98" not in text
    shown = summarise_images(scores, show_reads=True)["reads"]
    assert [(one["line"], one["label"], one["text"], one["exact"]) for one in shown] == [
        (2, "1ABC123", "1ABC123", True),
        (3, "2XYZ988", "2XYZ987", False),
    ]
