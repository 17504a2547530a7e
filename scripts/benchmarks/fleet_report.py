"""Draws a run of the fleet's simulator as one SVG: throughput, backlog and memory over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path

from scripts.benchmarks.fleet_servers import FleetKill

WIDTH, HEIGHT, MARGIN = 720, 150, 70
KILL_COLOURS = {"consumer": "#d9a406", "broker": "#1f9e89", "database": "#c0392b"}
_POINTS = 360


@dataclass(frozen=True, slots=True)
class FleetSample:
    """The state of a run at one second; `sizes` are MiB by process."""

    second: float
    sent: int
    receipted: int
    connected: int
    sizes: Mapping[str, float] = field(repr=False)

    @property
    def backlog(self) -> int:
        """Hits that were sent and have no receipt yet."""
        return self.sent - self.receipted


Line = Sequence[tuple[float, float]]


def lives(samples: Sequence[FleetSample], of: str) -> dict[str, list[tuple[float, float]]]:
    """Second and MiB of each process whose name begins with `of`."""
    found: dict[str, list[tuple[float, float]]] = {}
    for sample in samples:
        for name, mib in sample.sizes.items():
            if name.startswith(of):
                found.setdefault(name, []).append((sample.second, mib))
    return found


def write_fleet_plot(
    samples: Sequence[FleetSample], kills: Sequence[FleetKill], path: Path
) -> None:
    """Write the plot.

    Args:
        samples: at least two, in their order.
        kills: drawn as vertical lines.
        path: the SVG file.
    """
    end = samples[-1].second
    step = max(1, len(samples) // _POINTS)
    some = samples[::step]
    rates = [
        (after.second, (after.receipted - before.receipted) / (after.second - before.second))
        for before, after in pairwise(some)
    ]
    panels: list[tuple[str, list[tuple[str, Line]]]] = [
        ("confirmed hits a second", [("#14507a", rates)]),
        (
            "hits without a receipt yet",
            [("#14507a", [(one.second, float(one.backlog)) for one in some])],
        ),
        (
            "resident memory of each active consumer, MiB",
            [("#14507a", line) for line in lives(some, "consumer").values()],
        ),
        (
            "resident memory of each broker, MiB",
            [("#14507a", line) for line in lives(some, "broker").values()],
        ),
    ]
    height = len(panels) * (HEIGHT + 55) + 30
    width = WIDTH + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        "<style>text { font: 13px sans-serif } .frame { fill: none; stroke: #999999 }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for row, (title, lines) in enumerate(panels):
        parts += _panel(row * (HEIGHT + 55) + 35, title, lines, kills, end)
    parts.append(_legend(kills, height - 12))
    path.write_text("\n".join([*parts, "</svg>", ""]))


def _panel(
    top: int,
    title: str,
    lines: Sequence[tuple[str, Line]],
    kills: Sequence[FleetKill],
    end: float,
) -> list[str]:
    most = max((value for _, line in lines for _, value in line), default=0.0) * 1.1 or 1.0
    bottom, right = top + HEIGHT, MARGIN + WIDTH
    parts = [f'<text x="{MARGIN}" y="{top - 8}">{escape(title)}</text>']
    for kill in kills:
        x = MARGIN + kill.second / end * WIDTH
        parts.append(
            f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" '
            f'stroke="{KILL_COLOURS[kill.what]}" stroke-dasharray="4 3"/>'
        )
    for colour, line in lines:
        points = " ".join(
            f"{MARGIN + second / end * WIDTH:.1f},{top + HEIGHT * (1 - value / most):.1f}"
            for second, value in line
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
    length = f"{end / 60:.0f} min" if end >= 120 else f"{end:.0f} s"
    return [
        *parts,
        f'<rect x="{MARGIN}" y="{top}" width="{WIDTH}" height="{HEIGHT}" class="frame"/>',
        f'<text x="{MARGIN - 8}" y="{top + 12}" text-anchor="end">{most:,.0f}</text>',
        f'<text x="{MARGIN - 8}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{length}</text>',
    ]


def _legend(kills: Sequence[FleetKill], y: int) -> str:
    parts, x = [], MARGIN
    for what, colour in KILL_COLOURS.items():
        count = sum(kill.what == what for kill in kills)
        parts.append(
            f'<line x1="{x}" y1="{y - 5}" x2="{x + 24}" y2="{y - 5}" stroke="{colour}" '
            f'stroke-dasharray="4 3"/><text x="{x + 30}" y="{y}">{what} killed: {count}</text>'
        )
        x += 190
    return "".join(parts)
