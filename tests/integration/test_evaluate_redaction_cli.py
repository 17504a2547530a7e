"""`evaluate redaction` as a process: photos whose every pixel is known, and a real plate."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.domain.imaging import Box
from edge.domain.scene import SceneClass
from tests.support.colour_parser import (
    COLOURS,
    manifest_with_colour_parser,
    plate_in_a_street,
)
from tests.support.product import Finished, product

NAMES = {
    SceneClass.BODY: "body",
    SceneClass.GLASS: "glass",
    SceneClass.HEAD: "head",
    SceneClass.OTHER: "other",
    SceneClass.PERSON: "person",
}


def corners(box: Box) -> str:
    return " ".join(f"{max(0, side):.0f}" for side in (box.x1, box.y1, box.x2, box.y2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photo with labels, and weights that know its colours."""
    picture, shapes, plate = plate_in_a_street()
    assert cv2.imwrite(str(tmp_path / "1ABC123.png"), picture)
    rows = [f"1ABC123.png,plate,{corners(plate)}"]
    rows += [f"1ABC123.png,{NAMES[kind]},{corners(box)}" for kind, box in shapes.items()]
    (tmp_path / "labels.csv").write_text("\n".join(["image,kind,outline", *rows]) + "\n")
    manifest_with_colour_parser(tmp_path)
    return tmp_path


def measure(folder: Path, *more: str | Path) -> Finished:
    return product(
        "evaluate", "redaction", "--labels", folder / "labels.csv", "--root", folder,
        "--manifest", folder / "manifest.toml", "--no-progress", *more,
    )  # fmt: skip


def test_the_shares_of_a_known_scene_are_measured(folder: Path) -> None:
    done = measure(folder, "--json")

    assert done.status == 0, done.err
    result = done.json
    assert result["schema"] == "edge-anpr/evaluate-redaction/1"
    assert (result["images"], result["vehicles"], result["plates_not_found"]) == (1, 1, 0)
    assert result["weights"]["scene_parser"]["name"] == "colours"
    vehicle, occupants = result["levels"]["vehicle"], result["levels"]["occupants"]
    for level in (vehicle, occupants):
        assert level["masked_by"] == {"meaning": 1, "geometry": 0}
        assert level["body_enough"]["share"] == 1
        assert level["body_median"] > 0.7
        assert level["others_blocks"]["count"] == level["people"]["count"] == 0
        assert level["people"]["total"] == 1
        assert level["others_blocks"]["total"] > 20
    assert vehicle["glass_leaks"]["count"] == vehicle["glass_blocks"]["count"] == 0
    assert vehicle["heads"]["share"] == 0
    assert occupants["heads"] == {
        "count": 1,
        "total": 1,
        "share": 1,
        "ci95": pytest.approx([0.2065, 1], abs=1e-3),
    }
    assert occupants["glass_blocks"]["share"] > 0.9


def test_a_parser_that_takes_glass_for_bodywork_is_found_out(folder: Path) -> None:
    """The labels say that there is glass where the network sees bodywork."""
    picture, shapes, _ = plate_in_a_street()
    glass = shapes[SceneClass.GLASS]
    wrong = picture.copy()
    wrong[round(glass.y1) : round(glass.y2), round(glass.x1) : round(glass.x2)] = COLOURS[
        SceneClass.BODY
    ]
    assert cv2.imwrite(str(folder / "1ABC123.png"), np.asarray(wrong))

    vehicle = measure(folder, "--json").json["levels"]["vehicle"]

    assert vehicle["glass_leaks"]["count"] == vehicle["glass_leaks"]["total"] == 1
    assert vehicle["glass_blocks"]["share"] > 0.9
    assert vehicle["heads"]["share"] == 1


def test_table_and_report_hold_figures_and_no_name_of_a_photo(folder: Path) -> None:
    done = measure(folder, "--report", folder / "report")

    assert done.status == 0, done.err
    page = (folder / "report" / "accuracy-redaction.html").read_text("utf-8")
    for text in (done.out, page):
        assert "1ABC123" not in text
        assert "heads of occupants shown" in " ".join(text.split())
        assert "1/1" in text
    assert "0.85" in page
    assert "<img" not in page


def test_without_a_scene_parser_the_geometry_is_measured(folder: Path) -> None:
    text = (folder / "manifest.toml").read_text()
    (folder / "manifest.toml").write_text(text.replace('scene_parser = "colours"\n', ""))

    done = measure(folder, "--json", "--report", folder / "report")

    assert done.status == 0, done.err
    assert done.json["weights"]["scene_parser"] is None
    assert done.json["levels"]["vehicle"]["masked_by"] == {"meaning": 0, "geometry": 1}
    assert done.json["levels"]["vehicle"]["body_enough"]["share"] == 0
    page = (folder / "report" / "accuracy-redaction.html").read_text("utf-8")
    assert "There was no scene parser" in page


def test_labels_whose_plates_are_found_nowhere_are_refused(folder: Path) -> None:
    labels = folder / "labels.csv"
    lines = labels.read_text().splitlines()
    lines[1] = "1ABC123.png,plate,2 2 40 12"
    labels.write_text("\n".join(lines))

    done = measure(folder)

    assert done.status == 3
    assert "none of the labelled plates is found" in done.error_lines[0]


def test_damaged_weights_of_the_parser_are_refused(folder: Path) -> None:
    (folder / "colours.onnx").unlink()

    done = measure(folder)

    assert done.status == 4
    assert "colours.onnx" in done.error_lines[0]
