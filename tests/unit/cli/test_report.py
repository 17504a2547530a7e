"""The report page is self-contained, and has the figures and no plate."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge.adapters.host.system import product_version
from edge.adapters.models.weights import Manifest, Weights
from edge.cli.evaluate_clips import ClipScore, summarise
from edge.cli.evaluate_images import ImageScore, summarise_images
from edge.cli.evaluate_redaction import LEVELS, ImageShown, rows_of, summarise_redaction
from edge.cli.report import (
    Measured,
    clips_page,
    images_page,
    redaction_page,
    require_writable,
    write_page,
)
from edge.domain.accuracy import BREAKDOWNS, PlateOutcome, ScoredRead
from edge.domain.reveal import MaskMethod
from edge.domain.shown import Blocks, LevelShown
from edge.errors import ConfigError, OutboxError

VOID = {"meta", "link", "br"}
LABELS_SHA256 = "ab" * 32
GOLDEN = Path(__file__).with_name("golden_reports")


class Page(HTMLParser):
    """Parses a page: its words, elements and attributes; fails on unclosed elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words = ""
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data + " "


@pytest.fixture
def measured() -> Measured:
    return example()


def example() -> Measured:
    own = Manifest.load(environment={})
    return Measured(
        moment=datetime(2026, 3, 10, 8, 25, tzinfo=timezone.utc),
        labels_sha256=LABELS_SHA256,
        detector=Weights(own.entry("yolo-v9-t-416"), Path("d"), None),
        reader=Weights(own.entry("cct-xs-v2"), Path("r"), Path("c")),
        threshold=0.4,
        provider="cpu",
        threads=1,
    )


def outcomes() -> list[PlateOutcome]:
    exact = [PlateOutcome("BE", 120, 28, 130, 1, 7, True, True, 0, 0.95, True) for _ in range(3)]
    wrong = PlateOutcome("<NL>", 30, 9, 40, None, 6, True, False, 1, 0.55, True)
    missed = PlateOutcome("BE", 15, 8, 70, 2, 7, False, False, 7, 0.0, False)
    return [*exact, wrong, missed]


def images_text(measured: Measured, plates: list[PlateOutcome]) -> str:
    read = [{"label": "1ABC123", "text": "1ABC123", "line": 2, "posterior": 0.9}]
    seconds = {"decode": 0.001, "detect": 0.02, "read": 0.003}
    scores = [ImageScore(plates, 2, seconds, read)]
    return images_page(
        summarise_images(scores, show_reads=True, by=tuple(BREAKDOWNS)), plates, measured
    )


def clips_text(measured: Measured) -> str:
    reads = [ScoredRead(0.99, exact=True), ScoredRead(0.6, exact=False)]
    score = ClipScore("1ABC123.mp4", vehicles=3, exact=1, missed=1, spurious=4, frames=10)
    score.stage_s = {"detect": 0.2}
    score.outcomes = reads
    return clips_page(summarise([score], show_reads=False), reads, measured)


def redaction_text(measured: Measured) -> str:
    shown = LevelShown(
        MaskMethod.MEANING, Blocks(7, 10), Blocks(0, 20), (Blocks(0, 4),), Blocks(1, 99), ()
    )
    levels = {level: [shown] for level in LEVELS}
    result = summarise_redaction([ImageShown(levels, not_found=1)], Path("labels.csv"))
    calibration = {"threshold": 0.85, "suspected": 0.35}
    parser = {"name": "<parser>", "sha256": "ab" * 32, "calibration": calibration}
    result["weights"] = {"scene_parser": parser}
    return redaction_page(result, rows_of(result), measured)


def examples() -> dict[str, str]:
    measured = example()
    missed = [PlateOutcome("BE", 15, 8, 70, 2, 7, False, False, 7, 0.0, False)]
    pages = {
        "images.html": images_text(measured, outcomes()),
        "images-without-readings.html": images_text(measured, missed),
        "clips.html": clips_text(measured),
        "redaction.html": redaction_text(measured),
    }
    return {name: page.replace(product_version(), "VERSION") for name, page in pages.items()}


@pytest.mark.parametrize("name", examples())
def test_the_page_equals_the_stored_page(name: str) -> None:
    assert examples()[name].encode() == (GOLDEN / name).read_bytes()


def test_the_page_loads_no_external_resource(measured: Measured) -> None:
    page = Page(images_text(measured, outcomes()))

    assert not {"script", "img", "link", "iframe", "object", "a"} & set(page.elements)
    assert not [name for name, _ in page.attributes if name in {"src", "href", "srcset"}]
    assert not [value for _, value in page.attributes if "url(" in value]
    policies = [value for _, value in page.attributes if "default-src" in value]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_page_has_figures_with_intervals_weights_and_date(measured: Measured) -> None:
    page = Page(images_text(measured, outcomes()))

    for words in (
        "0.800", "0.376–0.964",  # four of five found, Wilson
        "0.600", "0.231–0.882",  # three of five exact
        "2026-03-10 08:25 UTC", LABELS_SHA256, product_version(),
        "yolo-v9-t-416", measured.detector.entry.sha256 or "?",
        "cct-xs-v2", measured.reader.entry.sha256 or "?",
        "20-40 (1)", "100-200 (3)", "2.000 per photo",
        "Expected calibration error", "10 bins of equal width", "0.175",
    ):  # fmt: skip
        assert words in page.words, words
    assert page.elements.count("svg") == 3


def test_the_page_shows_no_plate_even_if_reads_are_requested(measured: Measured) -> None:
    assert "1ABC123" not in images_text(measured, outcomes())


def test_text_from_labels_is_escaped(measured: Measured) -> None:
    text = images_text(measured, outcomes())

    assert "<NL>" not in text
    assert "&lt;NL&gt;" in text


def test_plots_stay_within_their_frame(measured: Measured) -> None:
    text = images_text(measured, outcomes())

    for points in re.findall(r'points="([^"]*)"', text):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 600
            assert 0 <= y <= 340


def test_a_page_without_a_single_reading_says_so(measured: Measured) -> None:
    missed = [PlateOutcome("BE", 15, 8, 70, 2, 7, False, False, 7, 0.0, False)]

    page = Page(images_text(measured, missed))

    assert "nothing can be said of posteriors" in page.words
    assert page.elements.count("svg") == 1


def test_the_page_on_recordings_counts_vehicles(measured: Measured) -> None:
    text = clips_text(measured)

    page = Page(text)
    for words in (
        "0.333",
        "0.061–0.792",
        "4 false reports",
        "1 recording with 3 labelled vehicles",
        "detect",
    ):
        assert words in page.words, words
    assert page.elements.count("svg") == 2
    assert "1ABC123" not in text  # recordings are often named after the plate


def test_the_folder_is_created_and_the_page_is_complete_or_missing(tmp_path: Path) -> None:
    page = require_writable(tmp_path / "new" / "report", "page.html")
    assert list(page.parent.iterdir()) == []

    write_page(page, "<p>é</p>")

    assert page.read_text("utf-8") == "<p>é</p>"
    assert list(page.parent.iterdir()) == [page]


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutboxError, match=r"file: .*--report"):
        require_writable(tmp_path / "file", "page.html")

    (tmp_path / "page.html").mkdir()
    with pytest.raises(ConfigError, match=r"page\.html: this is a folder"):
        require_writable(tmp_path, "page.html")


def record() -> None:
    """Rewrite every golden file: `python -m tests.unit.cli.test_report`."""
    GOLDEN.mkdir(exist_ok=True)
    for name, page in examples().items():
        (GOLDEN / name).write_bytes(page.encode())


if __name__ == "__main__":
    record()
