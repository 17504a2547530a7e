"""One HTML page on measured accuracy, to be printed and filed with the impact assessment.

The page stands alone: its plots are inline SVG, it asks for nothing from anywhere, and it holds
no plate, no name of a photo and no picture.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.adapters.host.system import product_version
from edge.domain.accuracy import (
    BINS,
    PlateOutcome,
    ScoredRead,
    by_width,
    calibration_error,
    kept_at,
    reads_of,
    reliability,
)
from edge.domain.intervals import Interval
from edge.errors import ConfigError, OutboxError
from edge.formats.atomic_files import write_file

if TYPE_CHECKING:
    from edge.adapters.models.loading import PlateModels
    from edge.adapters.models.weights import Weights

THRESHOLDS = (
    0.0,
    0.2,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.85,
    0.9,
    0.92,
    0.94,
    0.95,
    0.96,
    0.97,
    0.98,
    0.99,
)
"""Posterior thresholds of the first plot."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, with what, and when."""

    moment: datetime
    labels_sha256: str
    detector: Weights
    reader: Weights
    threshold: float
    provider: str
    threads: int

    @classmethod
    def now(cls, eyes: PlateModels, labels: Path, provider: str, threads: int) -> Measured:
        """These eyes and labels at this moment."""
        return cls(
            moment=datetime.now(timezone.utc).replace(microsecond=0),
            labels_sha256=hashlib.sha256(labels.read_bytes()).hexdigest(),
            detector=eyes.detector_weights,
            reader=eyes.reader_weights,
            threshold=eyes.threshold,
            provider=provider,
            threads=threads,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "weights": {
                half: {
                    "name": weights.entry.name,
                    "file": weights.entry.file,
                    "sha256": weights.entry.sha256,
                    "calibration": weights.entry.calibration.model_dump(exclude_none=True),
                }
                for half, weights in (("detector", self.detector), ("reader", self.reader))
            },
            "labels_sha256": self.labels_sha256,
            "measured_at": self.moment.isoformat(),
            "product_version": product_version(),
            "provider": self.provider,
            "threads": self.threads,
        }


# --- the file -------------------------------------------------------------------------------


def require_writable(folder: Path, name: str) -> Path:
    """Where the page will be; tried before anything is measured.

    Raises:
        OutboxError: the folder cannot be made or written.
    """
    page = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if page.is_dir():
            raise ConfigError(f"{page}: a folder is in the way; move it or name another --report")
        trial = folder / f".{name}.{os.getpid()}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise _unwritable(folder, error) from None
    return page


def write_page(page: Path, text: str) -> None:
    """Write the page so that it is whole or not there.

    Raises:
        OutboxError: it cannot be written.
    """
    try:
        write_file(page, text.encode(), mode=0o666)
    except OSError as error:
        raise _unwritable(page.parent, error) from None


def _unwritable(folder: Path, error: OSError) -> OutboxError:
    return OutboxError(
        f"{folder}: {error.strerror}; name a folder for --report that can be written"
    )


# --- pages ----------------------------------------------------------------------------------


def images_page(
    result: dict[str, Any], outcomes: Sequence[PlateOutcome], measured: Measured
) -> str:
    """The page on labelled photos."""
    plates = result["plates"]
    share_rows = [
        (
            "Plates found",
            result["recall_iou50"],
            result["recall_ci95"],
            (
                f"of {plates} labelled plates; a detection at the shipped threshold "
                f"({measured.threshold:.3g}) overlaps the labelled box at IoU 0.5 or more"
            ),
        ),
        (
            "Read exactly, end to end",
            result["exact"],
            result["exact_ci95"],
            f"of {plates} labelled plates; found, and every character right",
        ),
        (
            "Read exactly on given boxes",
            result["exact_given_box"],
            result["exact_given_box_ci95"],
            f"of {plates} labelled plates; the reader alone, on the labelled box",
        ),
        (
            "Characters right",
            result["character_accuracy"],
            result["character_accuracy_ci95"],
            (
                "of the characters of found plates: 1 less edits over length. Characters of one "
                "plate are not independent, so this interval is somewhat too narrow"
            ),
        ),
        (
            "Photos with a false positive",
            result["images_with_false_positives"],
            result["images_with_false_positives_ci95"],
            (
                f"of {result['images']} photos; {result['false_positives']} false positives in "
                f"all, {result['false_positives_per_image']:.3f} per photo"
            ),
        ),
    ]
    reads = reads_of(outcomes)
    sections = [
        ("Figures", _figures(share_rows)),
        *_sureness(reads, "readings on found plates"),
        (
            "Accuracy over plate width",
            "<p>Width of the labelled box in pixels of the photo as it is stored; 20-40 is from "
            "20 to below 40, and 200 itself belongs to 100-200.</p>"
            + _width_plot(outcomes)
            + _groups("width", result["by_width"]),
        ),
        ("By country", _groups("country", result["by_country"])),
        ("Time", _times(result["ms_per_image"], measured)),
        ("How to read this", _notes("photo")),
    ]
    return _page(
        "Measured accuracy on labelled photos",
        f"{_count(result['images'], 'photo')} with {_count(plates, 'labelled plate')}",
        measured,
        sections,
    )


def clips_page(result: dict[str, Any], reads: Sequence[ScoredRead], measured: Measured) -> str:
    """The page on labelled recordings, where a vehicle is read over many frames."""
    vehicles = result["vehicles"]
    share_rows = [
        (
            "Vehicles read exactly",
            result["exact"],
            result["exact_ci95"],
            f"of {vehicles} labelled vehicles; one report with every character right",
        ),
        (
            "Vehicles missed",
            result["missed_share"],
            result["missed_ci95"],
            f"of {vehicles} labelled vehicles; no report within two edits of the label",
        ),
    ]
    counts = (
        f"<p>{_count(result['spurious'], 'false report')} (further than two edits from every "
        f"label), {_count(result['split'], 'vehicle')} reported more than once, "
        f"{_count(result['unreadable'], 'vehicle')} seen and not read, in {result['frames']} "
        "frames.</p>"
    )
    sections = [
        ("Figures", _figures(share_rows) + counts),
        *_sureness(reads, "reports of vehicles"),
        (
            "Time",
            _table(
                ("stage", "ms per frame"),
                [(stage, f"{ms:.1f}") for stage, ms in result["stage_ms_per_frame"].items()],
            ),
        ),
        ("How to read this", _notes("recording")),
    ]
    return _page(
        "Measured accuracy on labelled recordings",
        f"{_count(len(result['per_clip']), 'recording')} with "
        f"{_count(vehicles, 'labelled vehicle')}",
        measured,
        sections,
    )


def _sureness(reads: Sequence[ScoredRead], what: str) -> list[tuple[str, str]]:
    """Accuracy over threshold and the reliability diagram."""
    if not reads:
        return [
            ("Posteriors", f"<p>There are no {what}, so nothing can be said of posteriors.</p>")
        ]
    error = calibration_error(reads)
    bins = reliability(reads)
    rows = [
        (
            f"{one.low:.1f}–{one.high:.1f}",
            str(one.count),
            f"{one.said:.3f}",
            f"{one.right.share:.3f}",
            _span(one.right),
        )
        for one in bins
    ]
    return [
        (
            "Accuracy over the posterior's threshold",
            f"<p>If only {what} with at least this posterior count: how many of them are exact "
            "(line, with its 95 % interval) and how many are left (dashes). A rule's "
            "<code>min_posterior</code> in the policy is such a threshold.</p>"
            + _threshold_plot(reads),
        ),
        (
            "Reliability",
            f"<p>Of the {len(reads)} {what}: said against right, in {BINS} bins of equal width. "
            "On the diagonal a posterior is right as often as it says; below it is too sure. "
            f"Expected calibration error: <strong>{error:.3f}</strong>, the mean distance from "
            "the diagonal, each bin counting by its readings.</p>"
            + _reliability_plot(reads)
            + _table(("posterior", "readings", "said", "exact", "95 % interval"), rows),
        ),
    ]


def _figures(rows: Iterable[tuple[str, float | None, list[float] | None, str]]) -> str:
    return _table(
        ("measure", "share", "95 % interval", "of what"),
        [
            (
                name,
                "–" if share is None else f"{share:.3f}",
                "–" if interval is None else f"{interval[0]:.3f}–{interval[1]:.3f}",
                meaning,
            )
            for name, share, interval, meaning in rows
        ],
        "figures",
    )


def _groups(of: str, groups: dict[str, dict[str, Any]]) -> str:
    keys = (
        ("recall_iou50", "recall_ci95"),
        ("exact", "exact_ci95"),
        ("exact_given_box", "exact_given_box_ci95"),
        ("character_accuracy", "character_accuracy_ci95"),
    )
    rows = []
    for name, one in groups.items():
        cells = [
            "–" if one[key] is None else f"{one[key]:.3f} ({one[ci][0]:.3f}–{one[ci][1]:.3f})"
            for key, ci in keys
        ]
        rows.append((name, str(one["plates"]), *cells))
    return _table((of, "plates", "found", "exact", "exact on given boxes", "characters"), rows)


def _times(stages: dict[str, dict[str, float]], measured: Measured) -> str:
    rows = [(name, f"{one['median']:.1f}", f"{one['p95']:.1f}") for name, one in stages.items()]
    note = (
        f"<p>On {escape(measured.provider)} with {measured.threads} "
        f"thread{'s' if measured.threads > 1 else ''}, on the machine of the measurement.</p>"
    )
    return note + _table(("stage", "median ms per photo", "95th percentile"), rows)


def _notes(unit: str) -> str:
    return (
        "<ul>"
        f"<li>The figures hold for the labelled {unit}s and say little of a street that looks "
        "different. Label some of your own and measure again.</li>"
        "<li>Intervals are Wilson's (1927), 95 %: so wide is the uncertainty that comes from the "
        "number of labels. They know nothing of wrong labels or of an unfit set.</li>"
        "<li>No list and no label took part in the reading; labels were compared afterwards.</li>"
        "<li>This page holds no plate and no picture. The SHA-256 of the labels says which file "
        "was measured, without holding it.</li>"
        "</ul>"
    )


# --- HTML -----------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; font-size: .92rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc;
  vertical-align: top; } th { border-bottom: 2px solid #555; }
td { font-variant-numeric: tabular-nums; } .facts td { overflow-wrap: anywhere; }
.figures td:nth-child(-n+3) { white-space: nowrap; }
.facts td:first-child { white-space: nowrap; width: 12rem; color: #444; }
svg { display: block; max-width: 38rem; width: 100%; height: auto; margin: .8rem 0; }
svg text { font: 12px system-ui, sans-serif; fill: #1a1a1a; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; }
  h2 { break-after: avoid; } svg, tr { break-inside: avoid; } }
"""


def _page(
    title: str, subtitle: str, measured: Measured, sections: Iterable[tuple[str, str]]
) -> str:
    facts = [
        ("measured", measured.moment.strftime("%Y-%m-%d %H:%M UTC")),
        ("product", f"edge-anpr {product_version()}"),
        ("labels, SHA-256", measured.labels_sha256),
        *_weights_facts("detector", measured.detector),
        *_weights_facts("reader", measured.reader),
    ]
    body = "".join(f"<h2>{escape(name)}</h2>{content}" for name, content in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p>{escape(subtitle)}</p>"
        f"{_table(None, facts, 'facts')}{body}</body></html>\n"
    )


def _weights_facts(half: str, weights: Weights) -> list[tuple[str, str]]:
    entry = weights.entry
    calibration = entry.calibration
    said = f"temperature {calibration.temperature:.3g}"
    if calibration.threshold is not None:
        said = f"threshold {calibration.threshold:.3g}, {said}"
    return [
        (half, f"{entry.name} ({entry.source}); {said}"),
        (f"{half}, SHA-256", entry.sha256 or ""),
    ]


def _table(headings: Sequence[str] | None, rows: Iterable[Sequence[str]], style: str = "") -> str:
    head = ""
    if headings is not None:
        head = "<tr>" + "".join(f"<th>{escape(one)}</th>" for one in headings) + "</tr>"
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<table class="{style}">{head}{body}</table>'


def _count(number: int, of: str) -> str:
    return f"{number} {of}" if number == 1 else f"{number} {of}s"


def _span(interval: Interval) -> str:
    return f"{interval.low:.3f}–{interval.high:.3f}"


# --- plots ----------------------------------------------------------------------------------

_WIDTH, _HEIGHT = 600, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 22, 34, 50
_BLUE, _ORANGE, _GREY = "#1f4e79", "#b35900", "#777"

Point = tuple[float, float]
"""A point of a plot, both coordinates 0 to 1."""


class _Plot:
    """A plot whose y axis goes from 0 to 1."""

    def __init__(self, title: str, x_label: str, ticks: Iterable[tuple[float, str]]) -> None:
        self._parts = [f"<title>{escape(title)}</title>"]
        for tenth in range(0, 11, 2):
            y = tenth / 10
            self._segment((0, y), (1, y), "#ddd")
            self._word((0, y), f"{y:.1f}", dx=-8, dy=4, anchor="end")
        for x, label in ticks:
            self._segment((x, 0), (x, -0.015), _GREY)
            self._word((x, 0), label, dy=18)
        self._segment((0, 0), (1, 0), _GREY)
        self._segment((0, 0), (0, 1), _GREY)
        self._word((0.5, 0), x_label, dy=40)
        self._keys = 0

    def line(self, points: Sequence[Point], colour: str, dashes: str = "") -> None:
        path = " ".join("{:.1f},{:.1f}".format(*self._at(point)) for point in points)
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"'
            f' stroke-dasharray="{dashes}"/>'
        )

    def area(self, lower: Sequence[Point], upper: Sequence[Point], colour: str) -> None:
        edge = [*lower, *reversed(upper)]
        path = " ".join("{:.1f},{:.1f}".format(*self._at(point)) for point in edge)
        self._parts.append(f'<polygon points="{path}" fill="{colour}" fill-opacity="0.15"/>')

    def dot(self, x: float, interval: Interval, colour: str, *, square: bool = False) -> None:
        """A share with its interval as a whisker."""
        self._segment((x, interval.low), (x, interval.high), colour, 1.5)
        left, top = self._at((x, interval.share))
        self._parts.append(
            f'<rect x="{left - 4:.1f}" y="{top - 4:.1f}" width="8" height="8" fill="{colour}"/>'
            if square
            else f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4.5" fill="{colour}"/>'
        )

    def bar(self, x1: float, x2: float, height: float) -> None:
        left, top = self._at((x1, height))
        right, bottom = self._at((x2, 0))
        self._parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{bottom - top:.1f}" fill="{_GREY}" fill-opacity="0.25"/>'
        )

    def key(self, label: str, colour: str, dashes: str = "") -> None:
        """A line of the legend above the plot."""
        x = _LEFT + 182 * self._keys
        self._keys += 1
        self._parts.append(
            f'<line x1="{x}" y1="14" x2="{x + 26}" y2="14" stroke="{colour}" stroke-width="3"'
            f' stroke-dasharray="{dashes}"/><text x="{x + 32}" y="18">{escape(label)}</text>'
        )

    def svg(self) -> str:
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">' + "".join(self._parts) + "</svg>"
        )

    def _word(
        self, point: Point, label: str, *, dx: float = 0, dy: float = 0, anchor: str = "middle"
    ) -> None:
        x, y = self._at(point)
        self._parts.append(
            f'<text x="{x + dx:.1f}" y="{y + dy:.1f}" text-anchor="{anchor}">{escape(label)}</text>'
        )

    def _segment(self, one: Point, other: Point, colour: str, width: float = 1) -> None:
        (x1, y1), (x2, y2) = self._at(one), self._at(other)
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"/>'
        )

    @staticmethod
    def _at(point: Point) -> Point:
        across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + point[0] * across, _TOP + (1 - point[1]) * down


def _threshold_plot(reads: Sequence[ScoredRead]) -> str:
    """Over -log10(1 - threshold), so that 0.9 and 0.99 stand apart."""

    def x(threshold: float) -> float:
        return -math.log10(1 - threshold) / -math.log10(1 - THRESHOLDS[-1])

    plot = _Plot(
        "Share exact and share left over the posterior's threshold",
        "least posterior",
        [(x(one), f"{one:g}") for one in (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)],
    )
    kept = kept_at(reads, THRESHOLDS)
    exact = [(x(one.threshold), one.exact) for one in kept if one.exact is not None]
    plot.area([(a, i.low) for a, i in exact], [(a, i.high) for a, i in exact], _BLUE)
    plot.line([(x(one.threshold), one.share) for one in kept], _ORANGE, "7 4")
    plot.line([(a, i.share) for a, i in exact], _BLUE)
    plot.key("exact among those left", _BLUE)
    plot.key("share left", _ORANGE, "7 4")
    return plot.svg()


def _reliability_plot(reads: Sequence[ScoredRead]) -> str:
    plot = _Plot(
        "Reliability diagram: share exact over posterior",
        "posterior said",
        [(tenth / 10, f"{tenth / 10:.1f}") for tenth in range(0, 11, 2)],
    )
    plot.line([(0, 0), (1, 1)], _GREY, "3 4")
    for one in reliability(reads):
        plot.bar(one.low, one.high, one.count / len(reads))
    for one in reliability(reads):
        plot.dot(one.said, one.right, _BLUE)
    plot.key("exact (95 % interval)", _BLUE)
    plot.key("right as often as said", _GREY, "3 4")
    plot.key("bars: share of readings", "#bbb")
    return plot.svg()


def _width_plot(outcomes: Sequence[PlateOutcome]) -> str:
    classes = by_width(outcomes)
    places = {name: (place + 0.5) / len(classes) for place, name in enumerate(classes)}
    plot = _Plot(
        "Share found and share exact over the width of the plate",
        "width of the plate, pixels of the photo (number of plates)",
        [(places[name], f"{name} ({one.plates})") for name, one in classes.items()],
    )
    for name, one in classes.items():
        plot.dot(places[name] - 0.02, one.recall, _ORANGE, square=True)
        plot.dot(places[name] + 0.02, one.exact, _BLUE)
    plot.key("found (95 % interval)", _ORANGE)
    plot.key("exact (95 % interval)", _BLUE)
    return plot.svg()
