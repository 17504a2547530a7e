"""Virtual lines in the picture, and the direction in which a vehicle crossed them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby, pairwise

from edge.domain.vehicles import TrackPoint

MIN_DISTANCE_PLATES = 0.5
"""Smallest distance from the line, in plate widths, at which a plate is on one side of it
(0.26 m on the road). A nearer plate is on the line, where detector jitter decides the side."""

MIN_POINTS_PER_SIDE = 2
"""Consecutive observations needed on each side; a single one may be a false detection."""

MAX_PLATES_PER_SECOND = 110.0
"""Fastest motion across the view, in plate widths per second. A plate is 0.52 m wide, so this is
about 200 km/h. A faster move means that the track jumped to another object."""

MAX_GAP_S = 2.0
"""Longest gap, in seconds, between two observations of one continuous path. In a longer gap the
vehicle may have gone anywhere."""


class Direction(Enum):
    """Direction of a crossing, seen by an observer who looks from the line's start to its end."""

    LEFT_TO_RIGHT = "left_to_right"
    RIGHT_TO_LEFT = "right_to_left"


@dataclass(frozen=True, slots=True)
class Line:
    """A line segment in fractions of the picture: (0, 0) is top left, (1, 1) is bottom right.

    Raises:
        ValueError: an end is outside the picture, or the ends are less than 0.01 apart.
    """

    start: tuple[float, float]
    end: tuple[float, float]

    def __post_init__(self) -> None:
        if not all(0.0 <= value <= 1.0 for value in (*self.start, *self.end)):
            raise ValueError("the ends of a line must lie in the picture: fractions from 0 to 1")
        if math.dist(self.start, self.end) < 0.01:
            raise ValueError("the two ends of a line must be at least 0.01 apart")


@dataclass(frozen=True, slots=True)
class _RelativePosition:
    """Centre of a plate relative to the line.

    `signed_distance` is in pixels, positive to the right of the line. `line_fraction` is the
    projection onto the line: 0 at its start, 1 at its end. `plate_width` is in pixels.
    """

    signed_distance: float
    line_fraction: float
    plate_width: float

    @property
    def side(self) -> int:
        """-1 for left, 1 for right, 0 for on the line."""
        if abs(self.signed_distance) < MIN_DISTANCE_PLATES * self.plate_width:
            return 0
        return 1 if self.signed_distance > 0 else -1


def crossing_direction(
    trajectory: Sequence[TrackPoint], line: Line, width: int, height: int
) -> Direction | None:
    """The direction in which a vehicle crossed the line, or None without a clear crossing.

    Only the net effect counts: crossing and coming back is no crossing. The vehicle must be seen
    clearly (`MIN_DISTANCE_PLATES`) and repeatedly (`MIN_POINTS_PER_SIDE`) on both sides. Its path
    between the sides must be physically possible (`MAX_PLATES_PER_SECOND`) and without a long gap
    (`MAX_GAP_S`).

    Args:
        trajectory: positions of the vehicle's plate, oldest first, boxes in pixels.
        line: the segment to cross; a path around its end is not a crossing.
        width: picture width in pixels.
        height: picture height in pixels.
    """
    if width <= 0 or height <= 0:
        return None
    net = sum(
        _net_crossings(tuple(_relative_position(point, line, width, height) for point in piece))
        for piece in _continuous_pieces(trajectory)
    )
    if net == 0:
        return None
    return Direction.LEFT_TO_RIGHT if net > 0 else Direction.RIGHT_TO_LEFT


def _continuous_pieces(trajectory: Sequence[TrackPoint]) -> Iterator[list[TrackPoint]]:
    """Split the trajectory where it jumps or has a long gap."""
    piece: list[TrackPoint] = []
    for point in trajectory:
        if piece and _is_break(piece[-1], point):
            yield piece
            piece = []
        piece.append(point)
    if piece:
        yield piece


def _is_break(before: TrackPoint, after: TrackPoint) -> bool:
    """Whether the move between two points is too fast, or the gap too long, for one path."""
    elapsed = after.stream_s - before.stream_s
    plate = max(before.box.width, after.box.width)
    distance = math.dist(before.box.centre, after.box.centre)
    # A move of one plate width is always allowed: the box alone can change by that much.
    jumps = distance > plate * max(1.0, MAX_PLATES_PER_SECOND * elapsed)
    return jumps or elapsed > MAX_GAP_S


def _relative_position(point: TrackPoint, line: Line, width: int, height: int) -> _RelativePosition:
    """Position of the plate's centre relative to the line."""
    x1, y1 = line.start[0] * width, line.start[1] * height
    dx, dy = line.end[0] * width - x1, line.end[1] * height - y1
    x, y = point.box.centre
    length = math.hypot(dx, dy)
    # With y pointing down, the cross product is positive to the right of the line.
    signed_distance = (dx * (y - y1) - dy * (x - x1)) / length
    line_fraction = (dx * (x - x1) + dy * (y - y1)) / length**2
    return _RelativePosition(signed_distance, line_fraction, point.box.width)


def _net_crossings(positions: Sequence[_RelativePosition]) -> int:
    """Number of crossings from left to right minus those from right to left."""
    off_line = [position for position in positions if position.side != 0]
    runs = [list(run) for _, run in groupby(off_line, key=lambda position: position.side)]
    held_runs = [run for run in runs if len(run) >= MIN_POINTS_PER_SIDE]
    net = 0
    for before, after in pairwise(held_runs):
        if before[0].side != after[0].side and _crosses_segment(before[-1], after[0]):
            net += after[0].side
    return net


def _crosses_segment(before: _RelativePosition, after: _RelativePosition) -> bool:
    """Whether the straight path between the two positions crosses between the segment's ends."""
    fraction = before.signed_distance / (before.signed_distance - after.signed_distance)
    return (
        0.0 <= before.line_fraction + fraction * (after.line_fraction - before.line_fraction) <= 1.0
    )


Point = tuple[float, float]


def is_self_intersecting(polygon: Sequence[Point]) -> bool:
    """Whether two sides of a closed polygon meet that are not neighbours.

    Args:
        polygon: corners in order, at least three; the last is joined to the first.
    """
    sides = list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))
    last = len(sides) - 1
    return any(
        _segments_meet(*sides[one], *sides[other])
        for one in range(len(sides))
        for other in range(one + 2, len(sides))
        if (one, other) != (0, last)  # first and last side are neighbours too
    )


def _segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments a-b and c-d have a point in common."""
    turns = (_turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b))
    if turns[0] != turns[1] and turns[2] != turns[3]:
        return True
    ends = ((turns[0], a, b, c), (turns[1], a, b, d), (turns[2], c, d, a), (turns[3], c, d, b))
    return any(turn == 0 and _between(start, end, point) for turn, start, end, point in ends)


def _turn(a: Point, b: Point, c: Point) -> int:
    """Orientation of the corner a, b, c: 1 or -1 for its two senses, 0 for a straight line."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (area > 1e-12) - (area < -1e-12)


def _between(a: Point, b: Point, point: Point) -> bool:
    """Whether `point`, which is on the line through a and b, lies between them."""
    return min(a[0], b[0]) <= point[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= point[1] <= max(
        a[1], b[1]
    )
