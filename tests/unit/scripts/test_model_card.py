"""`scripts/model-card`: measured figures in a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.maintenance.model_card import BEGIN, END, SCHEMA, main

CARD = f"# Card\n\nBefore.\n\n{BEGIN}\nold figures\n{END}\n\nAfter.\n"


def shares(plates: int, exact: float) -> dict[str, Any]:
    return {
        "plates": plates,
        "recall_iou50": 1.0,
        "recall_ci95": [0.9, 1.0],
        "exact": exact,
        "exact_ci95": [exact - 0.1, 1.0],
        "exact_given_box": exact,
        "exact_given_box_ci95": [exact - 0.1, 1.0],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "card.md").write_text(CARD)
    weights = {half: {"name": f"a-{half}", "sha256": "ab" * 32} for half in ("detector", "reader")}
    result = {
        "schema": SCHEMA,
        "images": 9,
        **shares(12, 0.75),
        "by_country": {"BE": shares(12, 0.75)},
        "by_height": {"<10": shares(2, 0.5)},
        "weights": weights,
        "calibration": {
            "ece": 0.0123,
            "wrong_and_sure": [{"min_posterior": 0.95, "share": 0.0, "ci95": [0.0, 0.2435]}],
        },
    }
    (tmp_path / "street.json").write_text(json.dumps(result))
    return tmp_path


def test_the_figures_replace_those_between_the_marks(folder: Path) -> None:
    card, named = folder / "card.md", f"Street photos={folder / 'street.json'}"

    assert main([str(card), named]) == 0
    once = card.read_text()
    assert main([str(card), named]) == 0

    assert card.read_text() == once
    assert once.startswith(f"# Card\n\nBefore.\n\n{BEGIN}\n\n### Street photos\n")
    assert once.endswith(f"{END}\n\nAfter.\n")
    assert "old figures" not in once
    assert "| BE | 12 | 1.000 (0.900 to 1.000) | 0.750 (0.650 to 1.000) |" in once
    assert "| <10 px high | 2 |" in once
    assert "Calibration error of single readings: 0.012. Wrong with a posterior of at least" in once
    assert "0.95: 0.0000 (at most 0.2435)." in once
    assert "reader `a-reader` (SHA-256 `abababababab…`), detector `a-detector` (SHA-256" in once


def test_of_pictures_without_surroundings_only_the_reading_is_shown(folder: Path) -> None:
    card, named = folder / "card.md", f"boxes: Plates={folder / 'street.json'}"

    assert main([str(card), named]) == 0

    written = card.read_text()
    assert f"{BEGIN}\n\n### Plates\n" in written
    assert "| group | plates | exact, box given |\n| --- | --- | --- |\n" in written
    assert "| BE | 12 | 0.750 (0.650 to 1.000) |" in written
    assert "detector" not in written
    assert "Calibration" not in written


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("card.md", "# Card\n", "card.md: no line"),
        ("street.json", "{}", "street.json: not what `evaluate images --json` prints"),
        ("street.json", "{", "street.json: "),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_the_card_stays(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, content: str, complaint: str
) -> None:
    (folder / file).write_text(content)
    before = (folder / "card.md").read_text()

    assert main([str(folder / "card.md"), f"Street={folder / 'street.json'}"]) == 1

    assert complaint in capsys.readouterr().err
    assert (folder / "card.md").read_text() == before
