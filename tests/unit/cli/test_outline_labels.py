"""Outline labels: what is read, and that each wrong cell is refused with line, field and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cli.outline_labels import read_outline_labels, require_outlines_inside
from edge.domain.imaging import Box
from edge.errors import ConfigError

GOOD = """image,vehicle,kind,outline
1ABC123.jpg,a,plate,10 20 60 31
1ABC123.jpg,a,body,"0,0 100,0 100,80 0,80"
1ABC123.jpg,a,glass,10 5; 90 5; 80 30.5
1ABC123.jpg,b,plate,110 20 160 31
1ABC123.jpg,b,body,105 0 190 80
1ABC123.jpg,,person,20 0 30 70
other.jpg,,other,1 1 9 9
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1ABC123.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(b"a photo")
    return tmp_path


def read(folder: Path, text: str) -> list[object]:
    (folder / "labels.csv").write_text(text)
    return list(read_outline_labels(folder / "labels.csv", folder))


def test_outlines_are_grouped_by_photo_and_vehicle(folder: Path) -> None:
    (folder / "labels.csv").write_text(GOOD)

    first, second = read_outline_labels(folder / "labels.csv", folder)

    assert first.path == folder / "1ABC123.jpg"
    assert list(first.vehicles) == ["a", "b"]
    assert first.vehicles["a"].plate == Box(10, 20, 60, 31)
    assert first.vehicles["a"].outlines["glass"] == [((10, 5), (90, 5), (80, 30.5))]
    assert first.vehicles["b"].outlines["body"] == [((105, 0), (190, 0), (190, 80), (105, 80))]
    assert len(first.around["person"]) == 1
    assert second.vehicles == {}


def test_one_vehicle_needs_no_name(folder: Path) -> None:
    text = "image,kind,outline\nother.jpg,plate,10 20 60 31\nother.jpg,body,0 0 99 80\n"

    (image,) = read(folder, text)

    assert list(image.vehicles) == [""]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("a,plate,10 20 60 31", "a,numberplate,10 20 60 31", 2, "kind: not one of plate, body"),
        ("a,plate,10 20 60 31", "a,plate,10 20 60", 2, "outline: not pairs of pixels"),
        ("a,plate,10 20 60 31", "a,plate,10 20", 2, "outline: not pairs of pixels"),
        ("a,plate,10 20 60 31", "a,plate,10 20 60 nan", 2, "outline: not pairs of pixels"),
        ("a,plate,10 20 60 31", "a,plate,10 20 60 20", 2, "outline: has no area"),
        ("a,plate,10 20 60 31", "a,plate,-9 20 60 31", 2, "outline: below 0"),
        ("a,plate,10 20 60 31", "a,plate,0.1 0.2 0.6 0.3", 2, "write pixels, not fractions"),
        ("a,plate,10 20 60 31", "a,plate,", 2, "outline: not pairs of pixels"),
        ("1ABC123.jpg,a,plate", ",a,plate", 2, "image: empty"),
        ("1ABC123.jpg,a,plate", "missing.jpg,a,plate", 2, "image: no such file"),
        ("1ABC123.jpg,a,plate", "../1ABC123.jpg,a,plate", 2, "image: must lie below --root"),
        ("b,plate,110", "a,plate,110", 5, "a second plate of one vehicle"),
        ("a,plate", "c,plate", 2, "no row of kind body"),
        ("b,body", "a,body", 5, "no row of kind body"),
        ("vehicle,kind", "vehicle,kinds", 1, "the column 'kind' is missing"),
        ("image,vehicle,kind,outline", "image,vehicles,kind,outline", 1, "did you mean 'vehicle'"),
    ],
)
def test_a_wrong_cell_is_refused_with_its_line(
    folder: Path, old: str, new: str, line: int, why: str
) -> None:
    assert old in GOOD

    with pytest.raises(ConfigError, match=why) as refused:
        read(folder, GOOD.replace(old, new, 1))

    assert f"labels.csv:{line}" in refused.value.message
    assert "1ABC123" not in refused.value.message


def test_labels_without_a_vehicle_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no labelled vehicle"):
        read(folder, "image,kind,outline\nother.jpg,other,1 1 9 9\n")


@pytest.mark.parametrize(("width", "height"), [(188, 100), (300, 78), (99, 99)])
def test_an_outline_outside_of_its_photo_is_refused(folder: Path, width: int, height: int) -> None:
    (folder / "labels.csv").write_text(GOOD)
    image = read_outline_labels(folder / "labels.csv", folder)[0]

    require_outlines_inside(image, 190, 80, folder / "labels.csv")
    with pytest.raises(ConfigError, match=f"leaves the image, which is {width} by {height}"):
        require_outlines_inside(image, width, height, folder / "labels.csv")
