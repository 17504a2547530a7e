"""One vehicle's evidence while it is in view. It lives in RAM and its size is bounded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from edge.domain.imaging import Box, Frame
from edge.domain.reading import PlateConsensus, PlateReading, fuse
from edge.domain.tracking import edits
from edge.domain.vehicles import KeyFrame, TrackPoint, VehicleSeen

SURE = 0.95
"""A consensus from here on is seldom wrong."""

LEAST_POSTERIOR = 0.5
"""A consensus below is no reading: more likely wrong than right."""

LEAST_LEGIBILITY = 0.6
"""The best of a vehicle's readings must be at least this legible."""

SHORTEST_TEXT = 3
"""Fewer characters are no plate."""

KEPT_READINGS = 24
KEPT_POINTS = 128
BETTER = 1.05
"""What promises less than this is no better: no reading is so sure as to weigh all it could."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A reading with its weight against others and the order in which it came."""

    weight: float
    order: int
    reading: PlateReading = field(repr=False)


@dataclass(slots=True)
class Remembered:
    """A vehicle that was handed over a moment ago: its plate and the tracks it had."""

    consensus: PlateConsensus = field(repr=False)
    tracks: frozenset[int]
    last_s: float


class Dossier:
    """What is known of one track: where it was, what was read, its best picture.

    Args:
        track: number of its track.
        frame: the first frame that it is in.
    """

    def __init__(self, track: int, frame: Frame) -> None:
        self.track = track
        self.beside: frozenset[int] = frozenset()
        self.memory: Remembered | None = None
        self.number = 0
        self.first_s = self.last_s = self.read_s = frame.stream_s
        self.detections = 0
        self.widest = 0.0
        self.handed_over = False
        self._first_seen = frame.observed_at
        self._points: list[TrackPoint] = []
        self._stride = 1
        self._last_point: TrackPoint | None = None
        self._readings: list[_Kept] = []
        self._key_frame: KeyFrame | None = None
        self._key_worth = -1.0

    def would_keep(self, quality: float, box: Box) -> bool:
        """Whether a patch of this quality could give a reading, or a picture, that is better.

        A reading weighs no more than its patch's quality.
        """
        return (
            len(self._readings) < KEPT_READINGS
            or quality > BETTER * self._readings[-1].weight
            or _worth(quality, box) > BETTER * self._key_worth
        )

    def add(
        self, frame: Frame, box: Box, reading: PlateReading | None, others: tuple[Box, ...]
    ) -> None:
        """Take in one more frame; `others` are the other plates in it.

        `reading` is None where the plate was not read, being no better than those before.
        """
        if self.memory is not None:
            self.memory.last_s = frame.stream_s
        self.last_s = frame.stream_s
        self.detections += 1
        self.widest = max(self.widest, box.width)
        self._last_point = TrackPoint(frame.stream_s, box)
        if (self.detections - 1) % self._stride == 0:
            self._points.append(self._last_point)
        if len(self._points) >= KEPT_POINTS:
            del self._points[1::2]
            self._stride *= 2
        if reading is None:
            return
        self.read_s = frame.stream_s
        weight = reading.quality * reading.legibility
        if weight > 0:
            self._keep([_Kept(weight, self.detections, reading)])
        worth = _worth(weight, box)
        if worth > self._key_worth:
            self._key_worth = worth
            seen = self._seen_at(frame.stream_s)
            self._key_frame = KeyFrame(frame.index, seen, box, others, frame.pixels)

    def _seen_at(self, stream_s: float) -> datetime:
        """A moment of this vehicle, counted from its first.

        So no step of the wall clock puts its end before its beginning.
        """
        return self._first_seen + timedelta(seconds=stream_s - self.first_s)

    def _keep(self, more: list[_Kept]) -> None:
        self._readings.extend(more)
        self._readings.sort(key=lambda kept: (-kept.weight, kept.order))
        del self._readings[KEPT_READINGS:]

    def absorb(self, other: Dossier) -> None:
        """Take over what is known of the same vehicle from an earlier or parallel track."""
        if other.first_s < self.first_s:
            self.first_s, self._first_seen = other.first_s, other._first_seen
        self.detections += other.detections
        self._keep(other._readings)
        if other._key_worth > self._key_worth:
            self._key_worth, self._key_frame = other._key_worth, other._key_frame
        if other.last_s < self._points[0].stream_s:  # a track beside this one adds no way
            self._points = [*other._points, *self._points]
            while len(self._points) >= KEPT_POINTS:
                del self._points[1::2]
                self._stride *= 2

    def consensus(self) -> PlateConsensus | None:
        """What the readings say together, or None if that is no reading."""
        readings = [kept.reading for kept in self._readings]
        if max((reading.legibility for reading in readings), default=0.0) < LEAST_LEGIBILITY:
            return None
        consensus = fuse(readings)
        if (
            consensus is None
            or consensus.posterior < LEAST_POSTERIOR
            or len(consensus.best.text) < SHORTEST_TEXT
        ):
            return None
        return consensus

    def vehicle(self, camera: str, consensus: PlateConsensus | None, *, final: bool) -> VehicleSeen:
        """The vehicle as it is handed over now."""
        points = list(self._points)
        if self._last_point is not None and points[-1] != self._last_point:
            points.append(self._last_point)
        return VehicleSeen(
            camera=camera,
            number=self.number,
            final=final,
            first_seen=self._first_seen,
            last_seen=self._seen_at(self.last_s),
            trajectory=tuple(points),
            consensus=consensus,
            key_frame=self._key_frame,
        )


def _worth(weight: float, box: Box) -> float:
    """The best picture is large and legible; an illegible one is better than none."""
    return (0.05 + weight) * math.sqrt(box.area)


def same_plate(known: PlateConsensus, new: PlateConsensus, *, beside: bool) -> bool:
    """Whether a track seconds later is of the plate that is known already.

    Equal texts are. So is, unless both were seen in one frame (`beside`), a text that is a
    part of the known one (half a plate was hidden), and one a single character longer.
    Where either is unsure, so is one that differs by up to two characters, if that is less
    than half of them: a misread is far likelier than a follower with almost the same plate.
    """
    if known.best.text == new.best.text:
        return True
    if beside:
        return False
    before, after = known.best.text.reveal(), new.best.text.reveal()
    changed = edits(before.encode(), after.encode())
    if after in before or (before in after and changed == 1):
        return True
    if min(known.posterior, new.posterior) >= SURE:
        return False
    return changed <= 2 and changed * 2 < max(len(before), len(after))
