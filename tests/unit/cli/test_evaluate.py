"""`evaluate clips`: its counts, and the labels that it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli.evaluate_clips import (
    ClipScore,
    parse_second_look,
    read_labels,
    score_clip,
    summarise,
)
from edge.domain.plates import PlateText
from edge.errors import ConfigError
from edge.site.settings import NoSecondLook, Region, Tiles


def plates(*texts: str) -> list[PlateText]:
    return [PlateText(text) for text in texts]


@pytest.mark.parametrize(
    ("labels", "reports", "exact", "missed", "spurious", "split"),
    [
        (["1ABC123"], ["1ABC123"], 1, 0, 0, 0),
        (["1ABC123"], [], 0, 1, 0, 0),
        (["1ABC123"], ["1A8C123"], 0, 0, 0, 0),
        (["1ABC123"], ["1ABC123", "1A8C123"], 1, 0, 0, 1),
        (["1ABC123"], ["1ABC123", "1ABC123"], 1, 0, 0, 1),
        (["1ABC123"], ["2XYZ987"], 0, 1, 1, 0),
        (["1ABC123", "2XYZ987"], ["2XYZ987", "1ABC123"], 2, 0, 0, 0),
        (["1ABC123", "1ABC124"], ["1ABC123", "1ABC124"], 2, 0, 0, 0),
        (["1ABC123", "2XYZ987"], ["1AXXX23"], 0, 2, 1, 0),
        (["1ABC123", "1ABC123"], ["1ABC123"], 1, 1, 0, 0),
        (["1ABC123", "1ABC123"], ["1ABC123", "1ABC123"], 2, 0, 0, 0),
        (["1ABC123", "1ABC123"], ["1ABC123", "1A8C123"], 1, 0, 0, 0),
    ],
    ids=["exact", "nothing", "misread", "two reports", "twice", "another", "both", "near labels",
         "too far", "labelled twice", "two passages", "one misread"],
)  # fmt: skip
def test_reports_are_counted_against_labels(
    labels: list[str], reports: list[str], exact: int, missed: int, spurious: int, split: int
) -> None:
    score = score_clip("clip", plates(*labels), plates(*reports))

    assert (score.vehicles, score.reports) == (len(labels), len(reports))
    assert (score.exact, score.missed, score.spurious, score.split) == (
        exact,
        missed,
        spurious,
        split,
    )


def test_the_summary_adds_up_and_shows_no_plate_by_default() -> None:
    read = ClipScore("a.mp4", vehicles=3, exact=2, missed=1, frames=10, reads=[{"text": "1ABC123"}])
    other = ClipScore("b.mp4", vehicles=1, exact=1, spurious=2, split=1, frames=30)

    result = summarise([read, other], show_reads=False)

    assert {k: result[k] for k in ("vehicles", "exact", "missed", "spurious", "split")} == {
        "vehicles": 4,
        "exact": 0.75,
        "missed": 1,
        "spurious": 2,
        "split": 1,
    }
    assert result["exact_ci95"][0] < 0.75 < result["exact_ci95"][1]
    assert "1ABC123" not in json.dumps(result)
    assert "1ABC123" in json.dumps(summarise([read, other], show_reads=True))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.mp4").touch()
    return tmp_path


def test_labels_are_read_by_clip_with_separators_ignored(root: Path) -> None:
    file = root / "labels.csv"
    file.write_text("clip,country,plate\nb.mp4,BE,1-abc-123\na.mp4,FR,AB 123 CD\nb.mp4,NL,XX·1\n")

    found = read_labels(file, root)

    assert list(found) == ["b.mp4", "a.mp4"]
    assert found["b.mp4"] == plates("1ABC123", "XX1")


def test_labels_may_have_letters_with_marks_as_lists_may(root: Path) -> None:
    file = root / "labels.csv"
    file.write_text("clip,plate\na.mp4,MÜ-AB 123\na.mp4,mu\u0308 ab\u2011123\n", encoding="utf-8")

    assert read_labels(file, root)["a.mp4"] == plates("MUAB123", "MUAB123")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"clip,text\na.mp4,1ABC123\n", r"labels\.csv:1: the column 'plate' is missing"),
        (b"plate\n1ABC123\n", r"labels\.csv:1: the column 'clip' is missing"),
        (b"", r"labels\.csv:1: the column 'clip' is missing"),
        (b"clip,plate\na.mp4,1ABC123\nc.mp4,2XYZ987\n", r"labels\.csv:3: clip: c\.mp4 is not in"),
        (b"clip,plate\n,1ABC123\n", r"labels\.csv:2: clip: empty"),
        (b"clip,plate\na.mp4,\n", r"labels\.csv:2: plate: "),
        (b"clip,plate\na.mp4\n", r"labels\.csv:2: plate: "),
        (b"clip,plate\na.mp4,1ABC?23\n", r"labels\.csv:2: plate: "),
        (b"clip,plate\n", r"labels\.csv: no labelled vehicle"),
        (b"clip,plate\na.mp4,\xff\xfe\n", r"labels\.csv: not CSV in UTF-8"),
        (b"clip;plate\na.mp4;1ABC123\n", r"labels\.csv:1: the cells are separated by semicolons"),
        (b'"plate"\tclip\n', r"labels\.csv:1: the cells are separated by tabs"),
        (b'clip,plate\na.mp4,1ABC123\na.mp4,"1\n', r"labels\.csv:3: the row that begins here"),
    ],
)
def test_the_error_for_bad_labels_names_file_and_line(
    root: Path, content: bytes, message: str
) -> None:
    file = root / "labels.csv"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=message) as refused:
        read_labels(file, root)

    assert "1ABC?23" not in refused.value.message


def test_missing_labels_are_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv: cannot be read"):
        read_labels(root / "none.csv", root)


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("none", NoSecondLook(mode="none")),
        ("tiles:3x2", Tiles(mode="tiles", columns=3, rows=2)),
        ("tiles:2x1:0.1", Tiles(mode="tiles", columns=2, rows=1, overlap=0.1)),
        ("region:0.1,0.2,0.9,1", Region(mode="region", box=(0.1, 0.2, 0.9, 1.0))),
    ],
)
def test_a_tiling_option_is_parsed(text: str, look: NoSecondLook | Tiles | Region) -> None:
    assert parse_second_look(text) == look


@pytest.mark.parametrize("text", ["", "tile", "tiles:", "tiles:0x1", "region:0,0,1", "none:1"])
def test_an_invalid_tiling_option_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--second-look"):
        parse_second_look(text)
