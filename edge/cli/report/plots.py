"""The report's plots: each is computed here as shapes, in pixels, which the template draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.domain.accuracy import (
    PlateOutcome,
    ScoredRead,
    by_width,
    figures_at_thresholds,
    reliability,
)
from edge.domain.intervals import Interval

THRESHOLDS = (
    *(0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99),
)
"""Posterior thresholds of the first plot."""

WIDTH, HEIGHT = 600, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 22, 34, 50
_BLUE, _ORANGE, _GREY = "#1f4e79", "#b35900", "#777"

Point = tuple[float, float]
"""A point of a plot, both coordinates 0 to 1."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A straight line."""

    x1: str
    y1: str
    x2: str
    y2: str
    colour: str
    width: float
    kind: Literal["segment"] = "segment"


@dataclass(frozen=True, slots=True)
class Word:
    """A word beside the plot."""

    x: str
    y: str
    anchor: str
    text: str
    kind: Literal["word"] = "word"


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points."""

    points: str
    colour: str
    dashes: str
    kind: Literal["curve"] = "curve"


@dataclass(frozen=True, slots=True)
class Area:
    """The area between two lines."""

    points: str
    colour: str
    kind: Literal["area"] = "area"


@dataclass(frozen=True, slots=True)
class Square:
    """A share, as a square."""

    x: str
    y: str
    colour: str
    kind: Literal["square"] = "square"


@dataclass(frozen=True, slots=True)
class Dot:
    """A share, as a dot."""

    x: str
    y: str
    colour: str
    kind: Literal["dot"] = "dot"


@dataclass(frozen=True, slots=True)
class Column:
    """The share of readings in a bin, as a column."""

    x: str
    y: str
    width: str
    height: str
    kind: Literal["column"] = "column"


@dataclass(frozen=True, slots=True)
class Key:
    """A line of the legend above the plot."""

    x1: int
    x2: int
    text_x: int
    label: str
    colour: str
    dashes: str
    kind: Literal["key"] = "key"


Shape = Segment | Word | Curve | Area | Square | Dot | Column | Key


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot whose y axis goes from 0 to 1: its shapes in the order in which they are drawn."""

    title: str
    shapes: tuple[Shape, ...]


class _Drawing:
    """Builds a plot: first its axes, then its other shapes."""

    def __init__(self, title: str, x_label: str, ticks: Iterable[tuple[float, str]]) -> None:
        self._title = title
        self._shapes: list[Shape] = []
        self._keys = 0
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

    def plot(self) -> Plot:
        return Plot(self._title, tuple(self._shapes))

    def line(self, points: Iterable[Point], colour: str, dashes: str = "") -> None:
        self._shapes.append(Curve(_path(points), colour, dashes))

    def area(self, lower: Sequence[Point], upper: Sequence[Point], colour: str) -> None:
        self._shapes.append(Area(_path([*lower, *reversed(upper)]), colour))

    def dot(self, x: float, interval: Interval, colour: str, *, square: bool = False) -> None:
        """A share with its interval as a whisker."""
        self._segment((x, interval.low), (x, interval.high), colour, 1.5)
        left, top = _at((x, interval.share))
        self._shapes.append(
            Square(f"{left - 4:.1f}", f"{top - 4:.1f}", colour)
            if square
            else Dot(f"{left:.1f}", f"{top:.1f}", colour)
        )

    def column(self, x1: float, x2: float, height: float) -> None:
        left, top = _at((x1, height))
        right, bottom = _at((x2, 0))
        self._shapes.append(
            Column(f"{left:.1f}", f"{top:.1f}", f"{right - left:.1f}", f"{bottom - top:.1f}")
        )

    def key(self, label: str, colour: str, dashes: str = "") -> None:
        """A line of the legend above the plot."""
        x = _LEFT + 182 * self._keys
        self._keys += 1
        self._shapes.append(Key(x, x + 26, x + 32, label, colour, dashes))

    def _word(
        self, point: Point, label: str, *, dx: float = 0, dy: float = 0, anchor: str = "middle"
    ) -> None:
        x, y = _at(point)
        self._shapes.append(Word(f"{x + dx:.1f}", f"{y + dy:.1f}", anchor, label))

    def _segment(self, one: Point, other: Point, colour: str, width: float = 1) -> None:
        (x1, y1), (x2, y2) = _at(one), _at(other)
        self._shapes.append(
            Segment(f"{x1:.1f}", f"{y1:.1f}", f"{x2:.1f}", f"{y2:.1f}", colour, width)
        )


def threshold_plot(reads: Sequence[ScoredRead]) -> Plot:
    """Exact and remaining share against -log10(1 - threshold), which separates 0.9 and 0.99."""

    def x(threshold: float) -> float:
        return -math.log10(1 - threshold) / -math.log10(1 - THRESHOLDS[-1])

    drawing = _Drawing(
        "Share exact and share left over the posterior's threshold",
        "minimum posterior",
        [(x(one), f"{one:g}") for one in (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)],
    )
    kept = figures_at_thresholds(reads, THRESHOLDS)
    exact = [(x(one.threshold), one.exact) for one in kept if one.exact is not None]
    drawing.area([(a, i.low) for a, i in exact], [(a, i.high) for a, i in exact], _BLUE)
    drawing.line([(x(one.threshold), one.coverage) for one in kept], _ORANGE, "7 4")
    drawing.line([(a, i.share) for a, i in exact], _BLUE)
    drawing.key("exact, of those left", _BLUE)
    drawing.key("share left", _ORANGE, "7 4")
    return drawing.plot()


def reliability_plot(reads: Sequence[ScoredRead]) -> Plot:
    """Exact share against posterior, in bins, with the share of readings in each bin."""
    drawing = _Drawing(
        "Reliability diagram: share exact over posterior",
        "posterior",
        [(tenth / 10, f"{tenth / 10:.1f}") for tenth in range(0, 11, 2)],
    )
    drawing.line([(0, 0), (1, 1)], _GREY, "3 4")
    for one in reliability(reads):
        drawing.column(one.low, one.high, one.count / len(reads))
    for one in reliability(reads):
        drawing.dot(one.mean_posterior, one.exact, _BLUE)
    drawing.key("exact (95 % interval)", _BLUE)
    drawing.key("perfect calibration", _GREY, "3 4")
    drawing.key("bars: share of readings", "#bbb")
    return drawing.plot()


def width_plot(outcomes: Sequence[PlateOutcome]) -> Plot:
    """Found and exact share against classes of plate width."""
    classes = by_width(outcomes)
    places = {name: (place + 0.5) / len(classes) for place, name in enumerate(classes)}
    drawing = _Drawing(
        "Share found and share exact over the width of the plate",
        "width of the plate, pixels of the photo (number of plates)",
        [(places[name], f"{name} ({one.plates})") for name, one in classes.items()],
    )
    for name, one in classes.items():
        drawing.dot(places[name] - 0.02, one.recall, _ORANGE, square=True)
        drawing.dot(places[name] + 0.02, one.exact, _BLUE)
    drawing.key("found (95 % interval)", _ORANGE)
    drawing.key("exact (95 % interval)", _BLUE)
    return drawing.plot()


def _path(points: Iterable[Point]) -> str:
    return " ".join("{:.1f},{:.1f}".format(*_at(point)) for point in points)


def _at(point: Point) -> Point:
    """A point of the plot in pixels."""
    across, down = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    return _LEFT + point[0] * across, _TOP + (1 - point[1]) * down
