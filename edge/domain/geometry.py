"""Lines across a picture, and which way a vehicle went over them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby, pairwise

from edge.domain.vehicles import TrackPoint

MIN_DISTANCE_PLATES = 0.5
"""A plate counts as beside the line from so many of its own widths away (0.26 m on the road);
nearer, it is on the line, and detector jitter there means nothing."""

MIN_POINTS_BESIDE = 2
"""So many observations in a row it takes on either side; a single one may be a stray box."""

MAX_PLATES_PER_SECOND = 110.0
"""A plate is 0.52 m wide, so this is about 200 km/h across the view. Anything faster is no
motion but a track that jumped to something else."""

MAX_GAP_S = 2.0
"""A vehicle unseen for longer may have gone anywhere, round the block included."""


class Direction(Enum):
    """Over a line, as seen by someone who looks from its `from` end to its `to` end."""

    LEFT_TO_RIGHT = "left_to_right"
    RIGHT_TO_LEFT = "right_to_left"


@dataclass(frozen=True, slots=True)
class Line:
    """A segment in fractions of the picture, (0, 0) top left, (1, 1) bottom right.

    Raises:
        ValueError: an end outside the picture, or both ends in one place.
    """

    start: tuple[float, float]
    end: tuple[float, float]

    def __post_init__(self) -> None:
        if not all(0.0 <= value <= 1.0 for value in (*self.start, *self.end)):
            raise ValueError("a line is given in fractions of the picture, 0 to 1")
        if math.dist(self.start, self.end) < 0.01:
            raise ValueError("a line needs two ends that lie apart")


@dataclass(frozen=True, slots=True)
class _Place:
    """A plate's centre relative to the line, in pixels.

    `across` is the distance from the line, positive on its right; `along` the fraction of
    the way from its start to its end.
    """

    across: float
    along: float
    plate_width: float

    @property
    def side(self) -> int:
        """-1 left, 1 right, 0 on the line."""
        if abs(self.across) < MIN_DISTANCE_PLATES * self.plate_width:
            return 0
        return 1 if self.across > 0 else -1


def crossing_direction(
    trajectory: Sequence[TrackPoint], line: Line, width: int, height: int
) -> Direction | None:
    """Which way a vehicle went over the line, or None if it cannot be said to have done so.

    Args:
        trajectory: the vehicle's plate over time, oldest first, boxes in pixels.
        line: the segment to cross; going round its end is not crossing.
        width: of the picture in pixels.
        height: of the picture in pixels.

    The answer is the net effect: there and back again is no crossing. Both sides must be
    held clearly (`MIN_DISTANCE_PLATES`) and repeatedly (`MIN_POINTS_BESIDE`), and the way
    between must be one that a vehicle can travel (`MAX_PLATES_PER_SECOND`) and that was
    watched (`MAX_GAP_S`).
    """
    if width <= 0 or height <= 0:
        return None
    net = sum(
        _net_crossings(tuple(_place(point, line, width, height) for point in piece))
        for piece in _pieces(trajectory)
    )
    if net == 0:
        return None
    return Direction.LEFT_TO_RIGHT if net > 0 else Direction.RIGHT_TO_LEFT


def _pieces(trajectory: Sequence[TrackPoint]) -> Iterator[list[TrackPoint]]:
    """Cut the trajectory wherever it jumps or was not watched."""
    piece: list[TrackPoint] = []
    for point in trajectory:
        if piece and _breaks(piece[-1], point):
            yield piece
            piece = []
        piece.append(point)
    if piece:
        yield piece


def _breaks(before: TrackPoint, after: TrackPoint) -> bool:
    elapsed = after.stream_s - before.stream_s
    plate = max(before.box.width, after.box.width)
    distance = math.dist(before.box.centre, after.box.centre)
    # One plate's width is always allowed: the box itself may change by as much.
    jumps = distance > plate * max(1.0, MAX_PLATES_PER_SECOND * elapsed)
    return jumps or elapsed > MAX_GAP_S


def _place(point: TrackPoint, line: Line, width: int, height: int) -> _Place:
    x1, y1 = line.start[0] * width, line.start[1] * height
    dx, dy = line.end[0] * width - x1, line.end[1] * height - y1
    x, y = point.box.centre
    length = math.hypot(dx, dy)
    # With y pointing down, the cross product is positive to the right of the line.
    across = (dx * (y - y1) - dy * (x - x1)) / length
    along = (dx * (x - x1) + dy * (y - y1)) / length**2
    return _Place(across, along, point.box.width)


def _net_crossings(places: Sequence[_Place]) -> int:
    """Crossings of the segment from left to right less those from right to left."""
    beside = [place for place in places if place.side != 0]
    runs = [list(run) for _, run in groupby(beside, key=lambda place: place.side)]
    steady = [run for run in runs if len(run) >= MIN_POINTS_BESIDE]
    net = 0
    for before, after in pairwise(steady):
        if before[0].side != after[0].side and _meets_segment(before[-1], after[0]):
            net += after[0].side
    return net


def _meets_segment(before: _Place, after: _Place) -> bool:
    """Whether the straight way between two sides passes between the segment's ends."""
    share = before.across / (before.across - after.across)
    return 0.0 <= before.along + share * (after.along - before.along) <= 1.0


Point = tuple[float, float]


def crosses_itself(polygon: Sequence[Point]) -> bool:
    """Whether two sides of a closed polygon, other than neighbours, meet.

    Args:
        polygon: corners in order, at least three; the last is joined to the first.
    """
    sides = list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))
    last = len(sides) - 1
    return any(
        _meet(*sides[one], *sides[other])
        for one in range(len(sides))
        for other in range(one + 2, len(sides))
        if (one, other) != (0, last)  # those are neighbours too
    )


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments from a to b and from c to d share a point."""
    turns = (_turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b))
    if turns[0] != turns[1] and turns[2] != turns[3]:
        return True
    ends = ((turns[0], a, b, c), (turns[1], a, b, d), (turns[2], c, d, a), (turns[3], c, d, b))
    return any(turn == 0 and _between(start, end, point) for turn, start, end, point in ends)


def _turn(a: Point, b: Point, c: Point) -> int:
    """1 or -1 as the way from a over b to c bends, 0 if it does not."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (area > 1e-12) - (area < -1e-12)


def _between(a: Point, b: Point, point: Point) -> bool:
    """Whether a point on the line through a and b lies between them."""
    return min(a[0], b[0]) <= point[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= point[1] <= max(
        a[1], b[1]
    )
