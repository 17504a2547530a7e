"""Statistics of `scripts/bench peers`, and the figures that must hold."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PEER, SAME, OWN = "fast-alpr", "ours, same weights", "ours, embedded"
FLOOR_SAME, FLOOR = "floor, same weights", "floor, embedded"
PROGRAMS = (PEER, SAME, OWN, FLOOR_SAME, FLOOR)
FLOOR_OF = {SAME: FLOOR_SAME, OWN: FLOOR}

FIXED_CAMERA, TOLL_LANE, STREET = "kosni68_traffic", "parkpow_cars", "street_day"
CLIPS, TRAFFIC, RESOLUTION, CAMERAS = "clips", "traffic", "resolution", "cameras"

PEAK_MIB = 300.0
FIRST_FRAME_S = 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, smallest and largest of some values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value.

        Raises:
            ValueError: there is no value.
        """
        if not values:
            raise ValueError("no value was measured")
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 1) -> str:
        """The median, and the range if the values differ at this many digits."""
        median, low, high = (f"{one:.{digits}f}" for one in (self.median, self.low, self.high))
        return median if low == high else f"{median} ({low} to {high})"


@dataclass(frozen=True, slots=True)
class Case:
    """One input: `clips` has one path for each camera, `labels` the texts of one clip's vehicles.

    Attributes:
        series: `clips`, `traffic`, `resolution` or `cameras`.
        x: vehicles a minute, lines of the picture or cameras; 0 in `clips`.
    """

    name: str
    clips: tuple[str, ...]
    labels: tuple[str, ...] = field(default=(), repr=False)
    series: str = CLIPS
    x: float = 0.0
    threads: int = 1

    @property
    def vehicles(self) -> int:
        """Labelled vehicles of all cameras."""
        return len(self.labels) * len(self.clips)


@dataclass(frozen=True, slots=True)
class Row:
    """What one program did with one case, over all repetitions.

    Attributes:
        cpu_s_per_minute: processor seconds for a minute of film, of all cameras together.
        ratio: processor seconds relative to fast-alpr's in the same repetition; None for it alone.
        twice: vehicles that were reported twice; None if the program does not fuse readings.
        others: reports that are no label's, or nearly one's.
        beside_decoding: processor seconds without decoding, relative to fast-alpr's, median.
        outside: without decoding and inference, likewise.
    """

    case: Case
    program: str
    name: str
    cpu_s_per_minute: Spread
    wall_s_per_minute: Spread
    ratio: Spread | None
    exact: int | None
    twice: int | None
    others: int | None
    peak_mib: float
    first_frame_s: float | None
    startup_cpu_s: float
    beside_decoding: float | None = None
    outside: float | None = None


Runs = Mapping[str, Sequence[Mapping[str, Any]]]
"""For each program, what its process said in each repetition, in order."""


def rows_of(case: Case, runs: Runs) -> list[Row]:
    """The rows of one case.

    Args:
        case: the input.
        runs: of at least our own path, whose frames state the length of the film.
    """
    minutes = next(runs[name][0]["film_s"] for name in (SAME, OWN) if name in runs) / 60
    return [_row(case, program, runs, minutes) for program in PROGRAMS if program in runs]


def _row(case: Case, program: str, runs: Runs, minutes: float) -> Row:
    own = runs[program]
    peer = [one["cpu_s"] for one in runs.get(PEER, ())]
    floors = runs.get(FLOOR_OF.get(program, ""), ())
    decoding = [one["decode_s"] for one in floors]

    def spread(values: Iterable[float]) -> Spread:
        return Spread.of(list(values))

    def counted(key: str, choose: Any) -> int | None:  # noqa: ANN401 - min or max
        values = [one[key] for one in own if one.get(key) is not None]
        return choose(values) if values else None

    firsts = [one["first_frame_s"] for one in own if one.get("first_frame_s") is not None]
    beside = [one["cpu_s"] - spent for one, spent in zip(own, decoding, strict=False)]
    inferring = [one.get("inference_s") for one in own]
    outside = [rest - part for rest, part in zip(beside, inferring, strict=False) if part]
    return Row(
        case,
        program,
        own[0].get("name", program),
        spread(one["cpu_s"] / minutes for one in own),
        spread(one["wall_s"] / minutes for one in own),
        spread(one["cpu_s"] / theirs for one, theirs in zip(own, peer, strict=False))
        if peer and program != PEER
        else None,
        counted("exact", min),
        counted("twice", max),
        counted("others", max),
        max(one["peak_mib"] for one in own),
        statistics.median(firsts) if firsts else None,
        statistics.median(one["startup_cpu_s"] for one in own),
        _share(beside, peer),
        _share(outside, peer),
    )


def _share(parts: Sequence[float], wholes: Sequence[float]) -> float | None:
    shares = [part / whole for part, whole in zip(parts, wholes, strict=False)]
    return statistics.median(shares) if shares else None


# --- the figures that must hold -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with the most that it may be; its value is None if it was not measured."""

    text: str
    value: float | None
    limit: float

    @property
    def holds(self) -> bool | None:
        """None if it was not measured."""
        return None if self.value is None else self.value <= self.limit + 1e-9


def figures_of(rows: Sequence[Row]) -> tuple[Figure, ...]:
    """The figures that this benchmark can judge; those of one thread."""
    one = [row for row in rows if row.case.threads == 1]
    idle = _found(one, OWN, series=TRAFFIC, x=0)
    street = _found(one, OWN, name=STREET)
    dense = [
        row.ratio.median
        for row in one
        if row.program == SAME and row.ratio and row.case.series in (CLIPS, TRAFFIC)
    ]
    ours = [row for row in one if row.program in (SAME, OWN)]
    return (
        Figure("fixed camera, same weights", _ratio(one, SAME, FIXED_CAMERA), 1 / 6),
        Figure("toll lane, same weights", _ratio(one, SAME, TOLL_LANE), 1 / 5),
        Figure("the densest case, same weights", max(dense, default=None), 0.7),
        Figure("fixed camera, embedded weights", _ratio(one, OWN, FIXED_CAMERA), 1 / 12),
        Figure("rendered street, embedded weights", _ratio(one, OWN, STREET), 1 / 4),
        Figure("idle 1080p road, beside decoding", idle.beside_decoding if idle else None, 1 / 40),
        Figure("idle 1080p road, in all", _median_ratio(idle), 1 / 10),
        Figure(
            "outside decoding and inference, worst of the clips",
            max((r.outside for r in ours if r.outside and r.case.series == CLIPS), default=None),
            0.03,
        ),
        Figure("vehicles that only fast-alpr read exactly", _lost(one), 0),
        Figure("vehicles reported twice", _sum(row.twice for row in ours), 0),
        Figure("eight cameras, relative to one", _eight_of_one(one), 8.0),
        Figure("peak memory of one 1080p camera, MiB", _full_hd_mib(one), PEAK_MIB),
        Figure("start to first frame, s", street.first_frame_s if street else None, FIRST_FRAME_S),
    )


def _found(
    rows: Sequence[Row], program: str, *, name: str = "", series: str = CLIPS, x: float = 0
) -> Row | None:
    return next(
        (
            row
            for row in rows
            if row.program == program
            and row.case.series == series
            and (row.case.name == name if name else row.case.x == x)
        ),
        None,
    )


def _ratio(rows: Sequence[Row], program: str, name: str) -> float | None:
    return _median_ratio(_found(rows, program, name=name))


def _median_ratio(row: Row | None) -> float | None:
    return None if row is None or row.ratio is None else row.ratio.median


def _lost(rows: Sequence[Row]) -> float | None:
    """Labelled vehicles that fast-alpr read exactly and we did not, with either weights."""
    lost = []
    for peer in rows:
        if peer.program == PEER and peer.exact is not None:
            lost += [
                max(0, peer.exact - row.exact)
                for row in rows
                if row.case == peer.case and row.program in (SAME, OWN) and row.exact is not None
            ]
    return _sum(lost)


def _sum(values: Iterable[int | None]) -> float | None:
    known = [one for one in values if one is not None]
    return float(sum(known)) if known else None


def _eight_of_one(rows: Sequence[Row]) -> float | None:
    one, eight = (_found(rows, OWN, series=CAMERAS, x=x) for x in (1, 8))
    if one is None or eight is None:
        return None
    return eight.cpu_s_per_minute.median / one.cpu_s_per_minute.median


def _full_hd_mib(rows: Sequence[Row]) -> float | None:
    return max(
        (
            row.peak_mib
            for row in rows
            if row.program == OWN
            and (row.case.series == TRAFFIC or (row.case.series, row.case.x) == (RESOLUTION, 1080))
        ),
        default=None,
    )
