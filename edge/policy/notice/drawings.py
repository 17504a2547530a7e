"""What the notice draws: where cameras stand and look, how well they read, and a QR code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import segno

from edge.policy.model import PolicyCamera, Position
from edge.policy.notice.markup import Markup, element, join
from edge.policy.notice.words import Words

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius; on the few hundred metres of a map its error does not show."""

ONE_MAP_M = 1500.0
"""Cameras further apart than this are drawn on a map each."""

_WIDTH, _HEIGHT, _MARGIN = 640.0, 400.0, 56.0
_LEAST_SPAN_M = 30.0
_QUIET_ZONE = 4  # modules, ISO/IEC 18004

Point = tuple[float, float]
"""Metres east and north, or pixels."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A camera on a map: its number in the text, where it stands, what it sees."""

    number: int
    at: Point
    camera: PolicyCamera


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


def camera_map(spots: Sequence[Spot], words: Words, name: str) -> Markup:
    """A map to scale, with north up and a scale bar.

    Args:
        spots: the cameras on it.
        words: the language of its labels.
        name: id of the element that says what is to be seen.
    """
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

    bar_m = _round_length(120 / scale)
    return element(
        "svg",
        *_grid(bar_m * scale),
        *(
            element("path", class_="view", d=_path([pixel(spot.at), *map(pixel, _arc(spot))]))
            for spot in spots
        ),
        *(_marker(spot.number, pixel(spot.at)) for spot in spots),
        _scale_bar(bar_m, bar_m * scale),
        _north(words("where.north")),
        class_="map",
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        role="img",
        aria_labelledby=name,
    )


def share_bar(share: float, low: float, high: float, words: Words, name: str) -> Markup:
    """A share between 0 and 100 % with its interval."""

    def x(value: float) -> str:
        return f"{20 + value * 480:.1f}"

    return element(
        "svg",
        element("line", class_="track", x1=x(0), x2=x(1), y1=22, y2=22),
        element("line", class_="range", x1=x(low), x2=x(high), y1=22, y2=22),
        element("circle", class_="dot", cx=x(share), cy=22, r=8),
        *(
            element("text", words.percent(at), x=x(at), y=54, text_anchor=anchor)
            for at, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
        ),
        class_="share",
        viewBox="0 0 520 64",
        role="img",
        aria_labelledby=name,
    )


def qr_code(text: str, **attributes: str) -> Markup:
    """A QR code (ISO/IEC 18004, level M) as an SVG image, one unit for each module."""
    side, path = _modules(text)
    return element(
        "svg",
        element("rect", width=side, height=side, fill="#ffffff"),
        element("path", d=path, fill="#000000"),
        viewBox=f"0 0 {side} {side}",
        shape_rendering="crispEdges",
        **attributes,
    )


@cache
def _modules(text: str) -> tuple[int, str]:
    """Side of a QR code with its quiet zone, and the path of its dark modules."""
    rows = segno.make(text, error="m", micro=False, boost_error=False).matrix
    path = "".join(
        f"M{x + _QUIET_ZONE} {y + _QUIET_ZONE}h{length}v1h-{length}z"
        for y, row in enumerate(rows)
        for x, length in _runs(row)
    )
    return len(rows) + 2 * _QUIET_ZONE, path


def pictogram() -> Markup:
    """A camera on a wall, 120 units wide and 80 high."""
    return join(
        [
            element("path", d="M4 14h10v52h-10z"),
            element("path", d="M14 44h18l10-12l8 6l-14 16h-22z"),
            element("path", d="M24 12l78 12l-5 34l-78-12z"),
            element("path", d="M104 30l12 2l-2 20l-12-2z"),
        ]
    )


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


def _grid(step: float) -> Iterator[Markup]:
    for number in range(-20, 21):
        x, y = _WIDTH / 2 + number * step, _HEIGHT / 2 + number * step
        if 0 < x < _WIDTH:
            yield element(
                "line", class_="grid", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=0, y2=f"{_HEIGHT:.0f}"
            )
        if 0 < y < _HEIGHT:
            yield element(
                "line", class_="grid", x1=0, x2=f"{_WIDTH:.0f}", y1=f"{y:.1f}", y2=f"{y:.1f}"
            )


def _marker(number: int, at: Point) -> Markup:
    x, y = at
    return element(
        "g",
        element("circle", class_="spot", cx=f"{x:.1f}", cy=f"{y:.1f}", r=13),
        element("text", str(number), class_="label", x=f"{x:.1f}", y=f"{y + 5.5:.1f}"),
    )


def _scale_bar(metres: int, length: float) -> Markup:
    left, base = 20.0, _HEIGHT - 20
    right = left + length
    return element(
        "g",
        element(
            "path",
            class_="ink",
            d=f"M{left:.1f} {base - 8:.1f}V{base:.1f}H{right:.1f}V{base - 8:.1f}",
        ),
        element("text", f"{metres} m", x=f"{right + 8:.1f}", y=f"{base:.1f}"),
    )


def _north(letter: str) -> Markup:
    x = _WIDTH - 30
    return element(
        "g",
        element("path", class_="solid", d=f"M{x:.1f} 16l9 26l-9 -6l-9 6z"),
        element("text", letter, x=f"{x:.1f}", y=60, text_anchor="middle"),
    )


def _runs(row: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where dark modules begin in a row, and how many follow each other."""
    start = None
    for x, dark in enumerate((*row, 0)):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            yield start, x - start
            start = None
