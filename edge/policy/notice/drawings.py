"""Drawings of the notice: maps of the cameras, accuracy bars and a QR code.

Each drawing is computed here, in the units of its picture; the templates draw it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import segno

from edge.policy.model import PolicyCamera, Position

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the earth, metres; accurate enough for a map of a few hundred metres."""

ONE_MAP_M = 1500.0
"""Cameras further apart than this, in metres, are drawn on separate maps."""

_WIDTH, _HEIGHT, _MARGIN = 640.0, 400.0, 56.0
_LEAST_SPAN_M = 30.0
_QUIET_ZONE = 4  # modules, ISO/IEC 18004

Point = tuple[float, float]
"""Metres east and north, or pixels."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A camera on a map: its number in the text, place and field of view."""

    number: int
    at: Point
    camera: PolicyCamera


@dataclass(frozen=True, slots=True)
class GridLine:
    """A line of a map's grid, from edge to edge."""

    x1: str
    x2: str
    y1: str
    y2: str


@dataclass(frozen=True, slots=True)
class Marker:
    """A camera's place on a map, and the line that its number stands on."""

    number: int
    x: str
    y: str
    baseline: str


@dataclass(frozen=True, slots=True)
class CameraMap:
    """A map to scale, with north up and a scale bar; `views` are paths of what cameras see."""

    width: int
    height: int
    grid: tuple[GridLine, ...]
    views: tuple[str, ...]
    markers: tuple[Marker, ...]
    bar: str
    bar_end: str
    bar_metres: int


@dataclass(frozen=True, slots=True)
class ShareBar:
    """A share between 0 and 1 with its interval, on a bar."""

    share: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class QrCode:
    """A QR code: its side with the quiet zone in modules, and the path of its dark modules."""

    side: int
    path: str


def maps(cameras: Sequence[PolicyCamera]) -> tuple[tuple[Spot, ...], ...]:
    """Which cameras are drawn together, each with its place in metres from the first."""
    together: list[list[Spot]] = []
    origins: list[Position | None] = []
    for number, camera in enumerate(cameras, start=1):
        for spots, origin in zip(together, origins, strict=True):
            if origin is None or camera.position is None:
                continue
            at = _metres(origin, camera.position)
            if math.hypot(*at) <= ONE_MAP_M:
                spots.append(Spot(number, at, camera))
                break
        else:
            together.append([Spot(number, (0.0, 0.0), camera)])
            origins.append(camera.position)
    return tuple(tuple(spots) for spots in together)


def camera_map(spots: Sequence[Spot]) -> CameraMap:
    """The map of cameras that stand near each other."""
    outline = [point for spot in spots for point in (spot.at, *_arc(spot))]
    west, east = min(x for x, _ in outline), max(x for x, _ in outline)
    south, north = min(y for _, y in outline), max(y for _, y in outline)
    scale = min(
        (_WIDTH - 2 * _MARGIN) / max(east - west, _LEAST_SPAN_M),
        (_HEIGHT - 2 * _MARGIN) / max(north - south, _LEAST_SPAN_M),
    )
    middle = ((west + east) / 2, (south + north) / 2)

    def pixel(point: Point) -> Point:
        return (
            _WIDTH / 2 + (point[0] - middle[0]) * scale,
            _HEIGHT / 2 - (point[1] - middle[1]) * scale,
        )

    metres = _round_length(120 / scale)
    left, base = 20.0, _HEIGHT - 20
    right = left + metres * scale
    return CameraMap(
        width=int(_WIDTH),
        height=int(_HEIGHT),
        grid=tuple(_grid(metres * scale)),
        views=tuple(_path([pixel(spot.at), *map(pixel, _arc(spot))]) for spot in spots),
        markers=tuple(_marker(spot, pixel) for spot in spots),
        bar=f"M{left:.1f} {base - 8:.1f}V{base:.1f}H{right:.1f}V{base - 8:.1f}",
        bar_end=f"{right + 8:.1f}",
        bar_metres=metres,
    )


def share_bar(share: float, low: float, high: float) -> ShareBar:
    """Where a share and its interval lie on a bar from 20 to 500."""
    return ShareBar(*(f"{20 + value * 480:.1f}" for value in (share, low, high)))


@cache
def qr_code(text: str) -> QrCode:
    """A QR code (ISO/IEC 18004, level M)."""
    rows = segno.make(text, error="m", micro=False, boost_error=False).matrix
    path = "".join(
        f"M{x + _QUIET_ZONE} {y + _QUIET_ZONE}h{length}v1h-{length}z"
        for y, row in enumerate(rows)
        for x, length in _runs(row)
    )
    return QrCode(len(rows) + 2 * _QUIET_ZONE, path)


# --- maps -------------------------------------------------------------------------------------


def _metres(origin: Position, position: Position) -> Point:
    """East and north of the origin, on a plane that touches the earth there."""
    east = math.radians(position.longitude - origin.longitude)
    north = math.radians(position.latitude - origin.latitude)
    return (
        east * math.cos(math.radians(origin.latitude)) * EARTH_RADIUS_M,
        north * EARTH_RADIUS_M,
    )


def _arc(spot: Spot) -> Iterator[Point]:
    """The far edge of what a camera sees, from left to right."""
    view = spot.camera.field_of_view
    steps = max(8, view.angle_degrees // 5)
    for step in range(steps + 1):
        bearing = view.bearing_degrees + view.angle_degrees * (step / steps - 0.5)
        angle = math.radians(bearing)
        yield (
            spot.at[0] + view.reach_m * math.sin(angle),
            spot.at[1] + view.reach_m * math.cos(angle),
        )


def _round_length(about: float) -> int:
    """The longest of 1, 2, 5, 10, 20, 50 … metres that is no longer than this."""
    lengths = [base * 10**power for power in range(4) for base in (1, 2, 5)]
    return max((one for one in lengths if one <= about), default=1)


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "z"


def _grid(step: float) -> Iterator[GridLine]:
    for number in range(-20, 21):
        x, y = _WIDTH / 2 + number * step, _HEIGHT / 2 + number * step
        if 0 < x < _WIDTH:
            yield GridLine(f"{x:.1f}", f"{x:.1f}", "0", f"{_HEIGHT:.0f}")
        if 0 < y < _HEIGHT:
            yield GridLine("0", f"{_WIDTH:.0f}", f"{y:.1f}", f"{y:.1f}")


def _marker(spot: Spot, pixel: Callable[[Point], Point]) -> Marker:
    x, y = pixel(spot.at)
    return Marker(spot.number, f"{x:.1f}", f"{y:.1f}", f"{y + 5.5:.1f}")


def _runs(row: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where dark modules begin in a row, and how many follow each other."""
    start = None
    for x, dark in enumerate((*row, 0)):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            yield start, x - start
            start = None
