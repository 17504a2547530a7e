"""What `scripts/bench peers` prints: tables, one JSON document, and plots (SVG)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edge.adapters.host.machine import cpu
from scripts.benchmarks.our_frame_path import DETECTIONS, READS
from scripts.benchmarks.peer_figures import (
    CAMERAS,
    FLOOR,
    OWN,
    PEER,
    RESOLUTION,
    SAME,
    TRAFFIC,
    Figure,
    Row,
    Spread,
)

SETS = (
    "sse4_2", "avx", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8",
    "asimd", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
"""Instruction sets that matter to a network, as Linux names them."""

RULES = (
    f"CPU seconds for a minute of film, children included, start-up excluded; median (range). "
    f"Of fast-alpr: its exact text in one frame counts as read exactly; another text in three "
    f"frames or more counts as other. The floor: decoding without conversion, and {DETECTIONS} "
    f"detections and {READS} readings for each labelled vehicle. MiB: the process's peak. First: "
    f"seconds from its start to the first analysed frame. Start: CPU seconds of the start-up. "
    f"fast-alpr runs with the default settings of ONNX Runtime, apart from its threads."
)


WIDTH = 118
"""Characters of a line where there is no terminal."""


def machine_text(facts: str) -> str:
    """The CPU's name and the instruction sets that matter, of the facts that the host gives."""
    name, _, rest = facts.partition(";")
    has = set(rest.replace(";", " ").split())
    return f"{name.strip() or 'unknown CPU'}, {os.cpu_count()} cores, {_words(has)}"


def _words(has: set[str]) -> str:
    return " ".join(one for one in SETS if one in has) or "no known instruction set"


def as_document(
    rows: Sequence[Row], figures: Sequence[Figure], repetitions: int, provider: str
) -> dict[str, Any]:
    """The measurement as one JSON document; it holds no text of a plate and no path."""
    return {
        "schema": "edge-anpr/bench-peers/1",
        "machine": machine_text(cpu()),
        "provider": provider,
        "measured_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
        "load_average": os.getloadavg()[0],
        "repetitions": repetitions,
        "rows": [_row(row) for row in rows],
        "figures": [{**asdict(figure), "holds": figure.holds} for figure in figures],
    }


def _row(row: Row) -> dict[str, Any]:
    case = row.case
    values = {key: value for key, value in asdict(row).items() if key != "case"}
    about = {"case": case.name, "series": case.series, "x": case.x, "threads": case.threads}
    return {**about, "cameras": len(case.clips), "vehicles": case.vehicles, **values}


def show(rows: Sequence[Row], figures: Sequence[Figure], document: dict[str, Any]) -> None:
    """Print the rows and the figures as tables."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table("program", title="beside fast-alpr")
    for heading in (
        "CPU s/min",
        "of fast-alpr",
        "exact",
        "twice",
        "other",
        "MiB",
        "first",
        "start",
    ):
        table.add_column(heading, justify="right")
    shown: set[tuple[str, int]] = set()
    for row in rows:
        case = row.case
        if (case.name, case.threads) not in shown:
            shown.add((case.name, case.threads))
            table.add_section()
            words = "1 thread" if case.threads == 1 else f"{case.threads} threads"
            table.add_row(f"[bold]{case.name}[/bold], {words}")
        table.add_row(
            f"  {row.program}",
            row.cpu_s_per_minute.text(),
            "1" if row.program == PEER else _ratio(row.ratio),
            "" if row.exact is None else f"{row.exact} of {case.vehicles}",
            "" if row.twice is None else str(row.twice),
            "" if row.others is None else str(row.others),
            f"{row.peak_mib:.0f}",
            "" if row.first_frame_s is None else f"{row.first_frame_s:.2f}",
            f"{row.startup_cpu_s:.2f}",
        )
    console.print(table)
    held = Table("figure", "measured", "at most", "", title="figures that must hold")
    for figure in figures:
        value = "not measured" if figure.value is None else f"{figure.value:.3f}"
        word = {None: "", True: "holds", False: "FAILS"}[figure.holds]
        held.add_row(figure.text, value, f"{figure.limit:.3f}".rstrip("0").rstrip("."), word)
    console.print(held)
    console.print(RULES)
    console.print(
        f"{document['machine']}; {document['provider']}; {document['repetitions']} repetitions; "
        f"load average {document['load_average']:.1f}."
    )


def _ratio(ratio: Spread | None) -> str:
    return "" if ratio is None else ratio.text(3)


# --- plots ----------------------------------------------------------------------------------

COLOURS = {PEER: "#b03a2e", SAME: "#7d6608", OWN: "#14507a", FLOOR: "#888888"}
PANELS = (
    (TRAFFIC, "vehicles a minute, 1080p"),
    (RESOLUTION, "lines of the picture"),
    (CAMERAS, "cameras, 1080p"),
)
PANEL_W, PANEL_H, GAP = 210, 150, 56


def write_plots(rows: Sequence[Row], machine: str, path: Path) -> None:
    """Draw CPU seconds per minute of film against traffic, resolution and cameras (SVG)."""
    said = f"CPU seconds for a minute of film, of all cameras; {machine}"
    width, height = len(PANELS) * (PANEL_W + GAP) + GAP, PANEL_H + 118
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        "<style>text { font: 12px sans-serif } .frame { fill: none; stroke: #999999 }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{GAP}" y="18">{escape(said)}</text>',
    ]
    for number, (series, title) in enumerate(PANELS):
        some = [row for row in rows if row.case.series == series]
        parts += _panel(some, title, GAP + number * (PANEL_W + GAP), 36)
    for number, (program, colour) in enumerate(COLOURS.items()):
        left, bottom = GAP + 170 * number, height - 16
        parts += [
            f'<rect x="{left}" y="{bottom - 9}" width="14" height="9" fill="{colour}"/>',
            f'<text x="{left + 20}" y="{bottom}">{escape(program)}</text>',
        ]
    path.write_text("\n".join([*parts, "</svg>", ""]), "utf-8")


def _panel(rows: Sequence[Row], title: str, left: int, top: int) -> list[str]:
    """One panel: a line for each program, both axes from zero."""
    bottom, middle = top + PANEL_H, left + PANEL_W / 2
    parts = [
        f'<rect x="{left}" y="{top}" width="{PANEL_W}" height="{PANEL_H}" class="frame"/>',
        f'<text x="{middle:.0f}" y="{bottom + 34}" text-anchor="middle">{escape(title)}</text>',
    ]
    if not rows:
        return parts
    most_x = max(row.case.x for row in rows) or 1.0
    most_y = _round_up(max(row.cpu_s_per_minute.high for row in rows))
    for program, colour in COLOURS.items():
        line = sorted((r.case.x, r.cpu_s_per_minute.median) for r in rows if r.program == program)
        points = " ".join(
            f"{left + x / most_x * PANEL_W:.1f},{bottom - y / most_y * PANEL_H:.1f}"
            for x, y in line
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
        )
    for x in sorted({row.case.x for row in rows}):
        at = left + x / most_x * PANEL_W
        parts.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{x:g}</text>')
    for y in (0.0, most_y):
        at = bottom - y / most_y * PANEL_H + 4
        parts.append(f'<text x="{left - 6}" y="{at:.1f}" text-anchor="end">{y:g}</text>')
    return parts


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return next(factor * power for factor in (1, 2, 5, 10) if value <= factor * power)
