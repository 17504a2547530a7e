"""What released pictures show of photographs that were outlined by eye: the card's figures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from scripts.training.outline_labels import main, rows_of
from tests.support.product import product
from tests.support.shared_material import SHARED, needs_shared


def test_the_labels_name_plate_parts_and_surroundings_of_each_vehicle() -> None:
    view = {
        "image": "a.jpg",
        "plate": [10, 20, 30, 8],
        "body": [[[0, 0], [50, 0], [50, 40]]],
        "heads": [[[5, 5], [9, 5], [9, 9]]],
        "people": [[[60, 0], [70, 0], [70, 40]]],
        "hidden": [[[1, 1], [2, 1], [2, 2]]],
    }

    assert list(rows_of([view])) == [
        ("a.jpg", "0", "plate", "10 20 40 28"),
        ("a.jpg", "0", "body", "0 0 50 0 50 40"),
        ("a.jpg", "0", "head", "5 5 9 5 9 9"),
        ("a.jpg", "", "person", "60 0 70 0 70 40"),
    ]


def test_only_vehicles_of_the_validation_set_are_written(tmp_path: Path) -> None:
    file = tmp_path / "validation.csv"

    assert main([str(file)]) == 0

    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len({row["vehicle"] for row in rows if row["vehicle"]}) == 99
    assert sum(row["kind"] == "plate" for row in rows) == 99


def test_the_test_set_has_vehicles_of_its_own(tmp_path: Path) -> None:
    validation, test = tmp_path / "validation.csv", tmp_path / "test.csv"
    assert main([str(validation)]) == main([str(test), "--test"]) == 0

    images = []
    for file in (validation, test):
        with file.open(newline="") as lines:
            images.append({row["image"] for row in csv.DictReader(lines)})
    assert len(images[1]) == 96
    assert not images[0] & images[1]


def test_a_file_that_cannot_be_written_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}: cannot be written (Is a directory)\n"


@needs_shared
def test_p6_the_test_set_shows_as_much_and_leaks_as_little_as_the_card_says(
    tmp_path: Path,
) -> None:
    file = tmp_path / "test.csv"
    main([str(file), "--test"])

    done = product(
        "evaluate", "redaction", "--labels", file, "--root", SHARED / "train", "--no-progress",
        "--json",
    )  # fmt: skip

    assert done.status == 0, done.err
    levels: dict[str, dict[str, Any]] = done.json["levels"]
    vehicle, occupants = levels["vehicle"], levels["occupants"]
    assert vehicle["body_enough"]["count"] >= 68
    assert vehicle["glass_leaks"]["count"] <= 1
    assert vehicle["heads"]["count"] == 0
    assert vehicle["others_blocks"]["count"] <= 12
    assert occupants["body_enough"]["count"] >= 78
    assert occupants["heads"]["count"] >= 6
    assert occupants["others_blocks"]["count"] <= 103
    for level in (vehicle, occupants):
        assert level["vehicles"] == 87
        assert level["people"]["count"] == 0
