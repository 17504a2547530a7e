"""Write the samples of a long run as CSV and as a plot (SVG)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from html import escape
from pathlib import Path

from scripts.benchmarks.growth import WARM_UP, Sample, Verdict


def write_csv(samples: Sequence[Sample], path: Path) -> None:
    """Write one line for each sample, with the names of its fields as header."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
        writer.writeheader()
        for sample in samples:
            row = asdict(sample)
            row["rss_mib"] = f"{sample.rss_mib:.1f}"
            writer.writerow(row)


PANEL_W, PANEL_H, MARGIN = 720, 130, 60


def write_plot(samples: Sequence[Sample], verdicts: Sequence[Verdict], path: Path) -> None:
    """Draw one panel for each figure, from zero, with the warm-up in grey (SVG)."""
    width, height = PANEL_W + 2 * MARGIN, len(verdicts) * (PANEL_H + MARGIN) + 20
    end = samples[-1].second
    warm = samples[int(len(samples) * WARM_UP)].second
    right = MARGIN + PANEL_W
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        "<style>text { font: 13px sans-serif } .frame { fill: none; stroke: #999999 }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for row, verdict in enumerate(verdicts):
        top = row * (PANEL_H + MARGIN) + 35
        values = [float(getattr(sample, verdict.limit.name)) for sample in samples]
        most = max(values) * 1.15
        points = " ".join(
            f"{MARGIN + sample.second / end * PANEL_W:.1f},{top + PANEL_H * (1 - value / most):.1f}"
            for sample, value in zip(samples, values, strict=True)
        )
        grey, bottom = warm / end * PANEL_W, top + PANEL_H
        parts += [
            f'<text x="{MARGIN}" y="{top - 10}">{escape(verdict.line())}</text>',
            f'<rect x="{MARGIN}" y="{top}" width="{grey:.1f}" height="{PANEL_H}" fill="#eeeeee"/>',
            f'<rect x="{MARGIN}" y="{top}" width="{PANEL_W}" height="{PANEL_H}" class="frame"/>',
            f'<polyline points="{points}" fill="none" stroke="#14507a" stroke-width="1.5"/>',
            f'<text x="{MARGIN - 8}" y="{top + 10}" text-anchor="end">{most:.0f}</text>',
            f'<text x="{MARGIN - 8}" y="{bottom}" text-anchor="end">0</text>',
            f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{end / 60:.0f} min</text>',
        ]
    path.write_text("\n".join([*parts, "</svg>", ""]))
