"""What was seen of one vehicle: its path and its pictures, each with the plate that was read there.

Two vehicles may share a track: those of a fleet, whose plates differ in one character only, when
one follows the other. Where another plate was surely read than that of the vehicle, path and
pictures are somebody else's: they are no movement of the vehicle and no evidence against it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge.domain.imaging import Box, Frame
from edge.domain.plates import PlateText
from edge.domain.reading import PlateReading, most_probable_text
from edge.domain.scene import unit_of
from edge.domain.tracking import certainty
from edge.domain.vehicles import KeyFrame, TrackPoint
from edge.pipeline.recent import is_other_plate

MAX_POINTS = 128
"""The trajectory is thinned to half when it reaches this number of points."""

MIN_TEXT_LENGTH = 3
"""A text with fewer characters is not a plate."""

SURELY_READ = 0.6
"""A reading with at least this `certainty` tells whose plate it is: the tracker takes no less for
two views of one vehicle that are far from each other (`TrackSettings.min_certainty`, squared)."""

CAR_ABOVE, CAR_BELOW = 2.2, 0.5
"""How far a car reaches above and below its plate, in units of the plate: 1.15 m and 25 cm."""

CUT_SCORE = 0.4
"""Factor of the score of a picture that shows nothing of the vehicle but its plate."""

_Point = tuple[TrackPoint, PlateText | None]
_Picture = tuple[KeyFrame, PlateText | None]
"""Each with what was surely read there, or just before; None: nothing yet."""


class VehicleViews:
    """Path, best picture, and first and last picture of one track. Bounded in size.

    A plate is that of the vehicle as far as it is known, or None.

    Attributes:
        key_score: score of the best picture; -1 before the first.
    """

    def __init__(self) -> None:
        self.key_score = -1.0
        self._read: PlateText | None = None
        self._points: list[_Point] = []
        self._stride = 1
        self._seen = 0
        self._last: _Point | None = None
        self._key: _Picture | None = None
        self._ends: tuple[_Picture, ...] = ()

    @property
    def first_point(self) -> TrackPoint:
        """The first point; there must be one."""
        return self._points[0][0]

    @property
    def last_point(self) -> TrackPoint:
        """The last point; there must be one."""
        assert self._last is not None  # noqa: S101 - `add_point` comes first
        return self._last[0]

    def note(self, reading: PlateReading) -> None:
        """Remember what was surely read in the frame that is added next, and in those after it."""
        self._read = _surely_read(reading) or self._read

    def add_point(self, point: TrackPoint) -> None:
        """Add the place of the plate in one more frame."""
        self._last = (point, self._read)
        if self._seen % self._stride == 0:
            self._points.append(self._last)
        self._seen += 1
        if len(self._points) >= MAX_POINTS:
            del self._points[1::2]
            self._stride *= 2

    def add_end(self, picture: KeyFrame, plate: PlateText | None) -> None:
        """Keep a picture if it is the first or the last one of the vehicle."""
        self._keep_ends((*self._ends, (picture, self._read)), plate)

    def add_key(self, picture: KeyFrame, score: float, plate: PlateText | None) -> None:
        """Keep a picture if it is the best one of the vehicle."""
        self._keep_key((picture, self._read), score, plate)

    def join(self, other: VehicleViews, plate: PlateText | None) -> None:
        """Join the views of an earlier or parallel track of the same vehicle."""
        if other._key is not None:
            self._keep_key(other._key, other.key_score, plate)
        ends = sorted((*other._ends, *self._ends), key=lambda one: one[0].observed_at)
        self._keep_ends(ends, plate)
        # A parallel track adds no new path.
        if other.last_point.stream_s < self.first_point.stream_s:
            self._points = [*other._points, *self._points]
            while len(self._points) >= MAX_POINTS:
                del self._points[1::2]
                self._stride *= 2

    def path(self) -> list[TrackPoint]:
        """The whole path of the track, oldest first."""
        return [point for point, _ in self._all_points()]

    def path_of(self, plate: PlateText | None) -> tuple[TrackPoint, ...]:
        """The path without the points at which another plate was read."""
        return tuple(point for point, read in self._all_points() if not _is_other(read, plate))

    def key_frame_of(self, plate: PlateText | None) -> KeyFrame | None:
        """The best picture; None if another plate was read in it."""
        return None if self._key is None or _is_other(self._key[1], plate) else self._key[0]

    def ends_of(self, plate: PlateText | None) -> tuple[KeyFrame, ...]:
        """The first and the last picture, without those in which another plate was read."""
        return tuple(frame for frame, read in self._ends if not _is_other(read, plate))

    def _all_points(self) -> list[_Point]:
        if self._last is None or self._points[-1:] == [self._last]:
            return self._points
        return [*self._points, self._last]

    def _keep_key(self, picture: _Picture, score: float, plate: PlateText | None) -> None:
        """Replace the best picture by a better one; that of another vehicle by any of this one."""
        ranked = (not _is_other(picture[1], plate), score)
        kept = (self._key is None or not _is_other(self._key[1], plate), self.key_score)
        if ranked > kept:
            self._key, self.key_score = picture, score

    def _keep_ends(self, pictures: Sequence[_Picture], plate: PlateText | None) -> None:
        """Keep the first and the last of these pictures, in which the plate is not cut if possible.

        Where the picture's edge cuts it in all of them, the first and the last.
        """
        own = [one for one in pictures if not _is_other(one[1], plate)]
        whole = [one for one in own if not _is_cut(one[0])] or own
        self._ends = (whole[0], whole[-1]) if len(whole) > 1 else tuple(whole)


def picture_score(weight: float, box: Box, frame: Frame) -> float:
    """Score of a picture as key frame: large, sharp, legible, and the whole vehicle in it.

    An illegible one is better than none.
    """
    return (0.05 + weight) * math.sqrt(box.area) * _completeness(box, frame)


def _completeness(plate: Box, frame: Frame) -> float:
    """How much of the vehicle the frame shows, as a factor.

    A car reaches `CAR_ABOVE` above its plate, `CAR_BELOW` below it, and one unit to each side.
    """
    unit = unit_of(plate)
    car = plate.grown(left=unit, top=CAR_ABOVE * unit, right=unit, bottom=CAR_BELOW * unit)
    shown = car.clipped(frame.width, frame.height).area / car.area
    return CUT_SCORE + (1 - CUT_SCORE) * shown


def _surely_read(reading: PlateReading) -> PlateText | None:
    """The text of a reading, if it is sure enough to be that of one plate and of no other."""
    if certainty(reading) < SURELY_READ:
        return None
    text = most_probable_text(reading.slots, reading.alphabet.index(reading.pad))
    if len(text) < MIN_TEXT_LENGTH:
        return None
    return PlateText("".join(reading.alphabet[one] for one in text))


def _is_other(read: PlateText | None, plate: PlateText | None) -> bool:
    return read is not None and plate is not None and is_other_plate(read, plate)


def _is_cut(frame: KeyFrame) -> bool:
    """Whether the edge of the picture may cut the plate."""
    height, width = frame.pixels.shape[:2]
    plate = frame.plate
    return plate.x1 < 1 or plate.y1 < 1 or plate.x2 > width - 1 or plate.y2 > height - 1
