"""Accuracy on labelled recordings, measured by `edge-anpr evaluate clips`.

Twice: with the default weights, and with larger public ones, whose figures show that nothing is
lost after the networks.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import Finished, product
from tests.support.shared_material import SHARED, needs_shared

pytestmark = needs_shared

FOOTAGE = SHARED / "footage"
LONGEST_S = 600


def evaluate(labels: Path, *options: str) -> Finished:
    return product(
        "evaluate", "clips", "--labels", labels, "--root", FOOTAGE, "--no-progress", *options,
        timeout_s=LONGEST_S,
    )  # fmt: skip


def labels_of(folder: Path, *beginnings: str) -> Path:
    """The labels of the clips whose names begin like one of these."""
    with (FOOTAGE / "labels.csv").open(encoding="utf-8", newline="") as opened:
        rows = [row for row in csv.DictReader(opened) if row["clip"].startswith(beginnings)]
    file = folder / "labels.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        table = csv.DictWriter(opened, ["clip", "plate"], extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    return file


def read_all(folder: Path, models: str, *beginnings: str) -> dict[str, Any]:
    labels = labels_of(folder, *beginnings)
    done = evaluate(labels, "--json", "--show-reads", "--models", models)
    assert done.status == 0, done.err
    found: dict[str, Any] = done.json
    return found


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of the Dutch and the Spanish clips; one run for all tests below."""
    return read_all(tmp_path_factory.mktemp("labels"), "embedded", "nl_", "marcoom")


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of the public pair, on those with more than one vehicle: it is slow."""
    return read_all(tmp_path_factory.mktemp("labels"), "public", "nl_iii", "nl_iv", "marcoom")


def clips(result: dict[str, Any], beginning: str) -> list[dict[str, Any]]:
    return [clip for clip in result["per_clip"] if clip["clip"].startswith(beginning)]


def test_24_of_the_25_vehicles_in_dutch_car_parks_are_read_exactly(
    result: dict[str, Any],
) -> None:
    dutch = clips(result, "nl_")

    assert sum(clip["vehicles"] for clip in dutch) == 25
    assert sum(clip["exact"] for clip in dutch) >= 24


def test_seven_of_the_eight_spanish_vehicles_are_read_exactly(result: dict[str, Any]) -> None:
    (spanish,) = clips(result, "marcoom")

    assert spanish["vehicles"] == 8
    assert spanish["exact"] >= 7


def test_at_most_one_vehicle_is_reported_twice(result: dict[str, Any]) -> None:
    assert result["split"] <= 1


def test_there_are_few_false_reports(result: dict[str, Any]) -> None:
    # One plate fills the picture and comes in halves; one reading is of a thing without a label.
    assert result["spurious"] <= 2


def test_public_weights_read_all_but_one_vehicle_once_without_false_reports(
    public: dict[str, Any],
) -> None:
    assert public["vehicles"] == 18
    assert sum(clip["exact"] for clip in public["per_clip"]) >= 17
    assert public["split"] == 0
    assert public["spurious"] <= 1


def test_the_last_character_of_a_long_plate_is_kept(public: dict[str, Any]) -> None:
    (spanish,) = clips(public, "marcoom")

    assert "MA4844CC" in [read["text"] for read in spanish["reads"]]


def test_the_figures_add_up(result: dict[str, Any]) -> None:
    low, high = result["exact_ci95"]

    assert result["vehicles"] == 33
    assert result["exact"] == pytest.approx(sum(c["exact"] for c in result["per_clip"]) / 33)
    assert 0 < low < result["exact"] <= high <= 1
    assert set(result["stage_ms_per_frame"]) == {"decode", "attend", "detect", "read", "track"}


def test_the_summary_table_shows_figures_and_no_plate(tmp_path: Path) -> None:
    done = evaluate(labels_of(tmp_path, "nl_i_Video10_"))

    assert done.status == 0, done.err
    assert "95 % interval" in done.out
    assert "XSNB23" not in done.out + done.err


def test_bad_labels_give_one_line_and_the_exit_status_of_a_configuration_error(
    tmp_path: Path,
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("clip,plate\nnone.mp4,1ABC123\n")

    done = evaluate(labels, "--json")

    assert done.status == 3
    assert done.out == ""
    (line,) = done.error_lines
    assert "labels.csv:2: clip: none.mp4" in line


def test_the_json_is_one_document(tmp_path: Path) -> None:
    done = evaluate(labels_of(tmp_path, "nl_i_Video10_"), "--json")

    assert json.loads(done.out)["vehicles"] == 1
