"""`evaluate images` and `evaluate clips` as processes, on real photos with real weights."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import ExitCode
from tests.support.product import CLIPS, Finished, product
from tests.support.shared_material import SHARED, needs_shared

HEADER = "image,x,y,w,h,plate,country\n"
PHOTOS = 12


@pytest.fixture
def some(tmp_path: Path) -> Path:
    """Labels of the first photos of each country."""
    source = SHARED / "eval" / "labels.csv"
    if not source.is_file():
        pytest.skip("the labelled photos are not on this machine")
    with source.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    chosen = [
        r for c in ("BR", "US") for r in [x for x in rows if x["country"] == c][: PHOTOS // 2]
    ]
    file = tmp_path / "labels.csv"
    with file.open("w", newline="") as written:
        table = csv.DictWriter(written, list(rows[0]))
        table.writeheader()
        table.writerows(chosen)
    return file


def measure(labels: Path, *arguments: str | Path, root: Path | None = None) -> Finished:
    where = root or SHARED / "eval"
    return product("evaluate", "images", "--labels", labels, "--root", where, *arguments)


@needs_shared
def test_photos_are_measured_end_to_end_and_the_report_shows_no_plate(
    some: Path, tmp_path: Path
) -> None:
    done = measure(some, "--models", "public", "--json", "--report", tmp_path / "report")

    assert done.status == 0, done.err
    result = done.json
    assert (result["images"], result["plates"]) == (PHOTOS, PHOTOS)
    assert result["recall_iou50"] >= 0.9
    assert result["exact"] >= 0.6
    assert 0 <= result["exact_ci95"][0] <= result["exact"] <= result["exact_ci95"][1] <= 1
    assert set(result["by_country"]) == {"BR", "US"}
    assert sum(one["plates"] for one in result["by_width"].values()) == PHOTOS
    assert result["weights"]["detector"]["name"] == "yolo-v9-t-416"
    assert "photos" in done.err
    page = (tmp_path / "report" / "accuracy-images.html").read_text("utf-8")
    assert result["labels_sha256"] in page
    assert result["weights"]["reader"]["sha256"] in page
    with some.open(newline="") as opened:
        plates = [row["plate"] for row in csv.DictReader(opened)]
    for plate in plates:
        assert plate not in page + done.out + done.err


@needs_shared
def test_reads_are_printed_only_on_request(some: Path) -> None:
    shown = measure(some, "--show-reads", "--json").json["reads"]

    exact = [one for one in shown if one["exact"]]
    assert len(shown) == PHOTOS
    assert exact
    assert all(one["text"] == one["label"] for one in exact)
    assert all(0.3 < one["posterior"] <= 1 for one in exact)


@needs_shared
def test_a_photo_without_a_plate_counts_for_false_positives_only(some: Path) -> None:
    empty = some.parent / "empty.png"
    assert cv2.imwrite(str(empty), np.full((200, 300, 3), 90, np.uint8))
    labels = some.parent / "two.csv"
    with some.open(newline="") as opened:
        real = next(csv.DictReader(opened))
    picture = cv2.imread(str(SHARED / "eval" / real["image"]))
    assert cv2.imwrite(str(some.parent / "real.png"), np.asarray(picture, np.uint8))
    box = ",".join(real[column] for column in "xywh")
    labels.write_text(f"{HEADER}empty.png,,,,,,\nreal.png,{box},{real['plate']},BR\n")

    result = measure(labels, "--json", root=some.parent).json

    assert (result["images"], result["plates"]) == (2, 1)
    assert result["recall_iou50"] == 1.0


NO_PICTURE = {
    "text": b"a shopping list",
    "empty": b"",
    "half a JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01",
}


@needs_shared
@pytest.mark.parametrize("content", NO_PICTURE)
def test_the_error_for_an_invalid_picture_names_its_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "1ABC123.jpg").write_bytes(NO_PICTURE[content])
    labels = tmp_path / "labels.csv"
    labels.write_text(HEADER + "1ABC123.jpg,1,2,30,10,1ABC123,BE\n")

    done = measure(labels, root=tmp_path)

    assert (done.status, len(done.error_lines)) == (ExitCode.CONFIG, 1), done.err
    assert "labels.csv:2: image: not a readable picture" in done.err
    assert "1ABC123" not in done.err


@needs_shared
def test_the_error_for_a_box_outside_its_photo_names_its_line_and_no_report_is_written(
    tmp_path: Path,
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((200, 300, 3), 90, np.uint8))
    labels = tmp_path / "labels.csv"
    labels.write_text(HEADER + "a.png,280,2,30,10,1ABC123,BE\n")

    done = measure(labels, "--report", tmp_path / "report", root=tmp_path)

    assert (done.status, len(done.error_lines)) == (ExitCode.CONFIG, 1), done.err
    assert "labels.csv:2: x + w: the box leaves the image, which is 300 by 200" in done.err
    assert list((tmp_path / "report").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--models", "embeded"], ExitCode.MODEL, "no pair named 'embeded'; choose one of:"),
        (["--detector", "none"], ExitCode.MODEL, "no end2end-detector named 'none'"),
        (["--reader", "yolo-v9-t-416"], ExitCode.MODEL, "no plate-reader named"),
        (["--threads", "0"], ExitCode.USAGE, "--threads"),
        (["--report", "labels.csv"], ExitCode.STORAGE, "--report"),
    ],
)
def test_unusable_input_is_refused_in_one_line(
    tmp_path: Path, arguments: list[str], status: ExitCode, words: str
) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "labels.csv").write_text(HEADER + "a.png,1,2,30,10,1ABC123,BE\n")

    done = product(
        "evaluate", "images", "--labels", "labels.csv", "--root", ".", *arguments, cwd=tmp_path
    )

    assert done.status == status, done.err
    assert words in done.err
    assert "Traceback" not in done.err


@needs_shared
def test_recordings_have_a_report(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("clip,plate\nnight.mp4,1HDA951\nnight.mp4,T473RF\n")

    done = product(
        "evaluate", "clips", "--labels", labels, "--root", CLIPS, "--models", "public", "--json",
        "--report", tmp_path / "report",
    )  # fmt: skip

    assert done.status == 0, done.err
    assert done.json["vehicles"] == 2
    assert done.json["calibration"]["reads"] == done.json["reports"]
    page = (tmp_path / "report" / "accuracy-clips.html").read_text("utf-8")
    for plate in ("1HDA951", "T473RF"):
        assert plate not in page
        assert plate not in json.dumps(done.json)
