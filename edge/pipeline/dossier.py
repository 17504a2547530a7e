"""The evidence about one vehicle while it is in view. It is kept in RAM and bounded in size."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from edge.domain.imaging import Box, Frame
from edge.domain.reading import PlateConsensus, PlateReading, fuse
from edge.domain.tracking import edit_distance
from edge.domain.vehicles import KeyFrame, TrackPoint, VehicleSeen

SURE_POSTERIOR = 0.95
"""A consensus with at least this posterior is sure: it is rarely wrong."""

MIN_POSTERIOR = 0.5
"""A consensus below this posterior is discarded: it is more likely wrong than right."""

MIN_LEGIBILITY = 0.6
"""Smallest legibility of a vehicle's best reading."""

MIN_TEXT_LENGTH = 3
"""A text with fewer characters is not a plate."""

MAX_READINGS = 24
"""Largest number of readings of one vehicle."""

MAX_POINTS = 128
"""The trajectory is thinned to half when it reaches this number of points."""

MIN_IMPROVEMENT = 1.05
"""A patch must exceed the weakest stored reading by this factor to be read: the weight of a
reading is its patch's quality times its legibility, which never quite reaches 1."""


@dataclass(frozen=True, slots=True)
class _WeightedReading:
    """A reading with its weight (quality x legibility) and its order of arrival."""

    weight: float
    order: int
    reading: PlateReading = field(repr=False)


@dataclass(slots=True)
class RecentVehicle:
    """A vehicle that was handed over recently: its plate and its track numbers.

    After a gap in the stream, `stays_at` is where it was before the gap. Then only a track that
    begins there until `stays_until_s` is the same vehicle.
    """

    consensus: PlateConsensus = field(repr=False)
    tracks: frozenset[int]
    last_s: float
    stays_at: Box | None = None
    stays_until_s: float = 0.0


class Dossier:
    """All that is known about one track: trajectory, readings and key frame.

    Args:
        track: number of the track.
        frame: the first frame of the track.

    Attributes:
        track: number of the track.
        concurrent_tracks: other tracks that were detected in the same frame at least once.
        recent_vehicle: the vehicle as remembered after its hand-over; None before.
        number: number of the vehicle; 0 if it was not handed over under its own number.
        first_s: time of the first detection, in seconds of the stream.
        last_s: time of the last detection.
        last_read_s: time of the last reading.
        detections: number of detections.
        widest: largest plate width in pixels.
        handed_over: whether the hand-over of the vehicle was decided.
    """

    def __init__(self, track: int, frame: Frame) -> None:
        self.track = track
        self.concurrent_tracks: frozenset[int] = frozenset()
        self.recent_vehicle: RecentVehicle | None = None
        self.number = 0
        self.first_s = self.last_s = self.last_read_s = frame.stream_s
        self.detections = 0
        self.widest = 0.0
        self.handed_over = False
        self._first_seen = frame.observed_at
        self._points: list[TrackPoint] = []
        self._stride = 1
        self._last_point: TrackPoint | None = None
        self._readings: list[_WeightedReading] = []
        self._key_frame: KeyFrame | None = None
        self._key_frame_score = -1.0

    @property
    def last_box(self) -> Box:
        """Box of the last detection."""
        assert self._last_point is not None  # noqa: S101 - `add` follows at once
        return self._last_point.box

    def continues(self, box: Box, until_s: float) -> bool:
        """Whether the track began by `until_s` where a plate stood before: it stayed in view."""
        (x1, y1), (x2, y2) = self._points[0].box.centre, box.centre
        return self.first_s <= until_s and math.hypot(x1 - x2, y1 - y2) <= box.width / 2

    def would_improve(self, quality: float, box: Box) -> bool:
        """Whether a patch could give a better reading, or a better key frame, than the stored ones.

        Args:
            quality: quality of the patch; the upper bound of its reading's weight.
            box: box of the plate in pixels.
        """
        return (
            len(self._readings) < MAX_READINGS
            or quality > MIN_IMPROVEMENT * self._readings[-1].weight
            or _picture_score(quality, box) > MIN_IMPROVEMENT * self._key_frame_score
        )

    def add(
        self, frame: Frame, box: Box, reading: PlateReading | None, others: tuple[Box, ...]
    ) -> None:
        """Add the track's detection in one more frame.

        Args:
            frame: the frame.
            box: box of the plate in pixels.
            reading: None where the plate was not read because it could not improve the dossier.
            others: boxes of the other plates in the frame.
        """
        if self.recent_vehicle is not None:
            self.recent_vehicle.last_s = frame.stream_s
        self.last_s = frame.stream_s
        self.detections += 1
        self.widest = max(self.widest, box.width)
        self._last_point = TrackPoint(frame.stream_s, box)
        if (self.detections - 1) % self._stride == 0:
            self._points.append(self._last_point)
        if len(self._points) >= MAX_POINTS:
            del self._points[1::2]
            self._stride *= 2
        if reading is None:
            return
        self.last_read_s = frame.stream_s
        weight = reading.quality * reading.legibility
        if weight > 0:
            self._add_readings([_WeightedReading(weight, self.detections, reading)])
        score = _picture_score(weight, box)
        if score > self._key_frame_score:
            self._key_frame_score = score
            seen = self._seen_at(frame.stream_s)
            self._key_frame = KeyFrame(frame.index, seen, box, others, frame.pixels)

    def _seen_at(self, stream_s: float) -> datetime:
        """UTC time of a moment in the stream, counted from the vehicle's first frame.

        This way a step of the wall clock cannot put the end of a passage before its start.
        """
        return self._first_seen + timedelta(seconds=stream_s - self.first_s)

    def _add_readings(self, more: list[_WeightedReading]) -> None:
        """Add readings and keep the best `MAX_READINGS`."""
        self._readings.extend(more)
        self._readings.sort(key=lambda one: (-one.weight, one.order))
        del self._readings[MAX_READINGS:]

    def merge(self, other: Dossier) -> None:
        """Merge the dossier of an earlier or parallel track of the same vehicle into this one."""
        if other.first_s < self.first_s:
            self.first_s, self._first_seen = other.first_s, other._first_seen
        self.detections += other.detections
        self._add_readings(other._readings)
        if other._key_frame_score > self._key_frame_score:
            self._key_frame_score, self._key_frame = other._key_frame_score, other._key_frame
        if other.last_s < self._points[0].stream_s:  # a parallel track adds no new path
            self._points = [*other._points, *self._points]
            while len(self._points) >= MAX_POINTS:
                del self._points[1::2]
                self._stride *= 2

    def consensus(self) -> PlateConsensus | None:
        """The fused reading, or None if it is too uncertain or too short."""
        readings = [one.reading for one in self._readings]
        if max((reading.legibility for reading in readings), default=0.0) < MIN_LEGIBILITY:
            return None
        consensus = fuse(readings)
        if (
            consensus is None
            or consensus.posterior < MIN_POSTERIOR
            or len(consensus.best.text) < MIN_TEXT_LENGTH
        ):
            return None
        return consensus

    def vehicle(self, camera: str, consensus: PlateConsensus | None, *, final: bool) -> VehicleSeen:
        """The vehicle as known now, for hand-over."""
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


def _picture_score(weight: float, box: Box) -> float:
    """Score of a picture as key frame: large and legible; an illegible one is better than none."""
    return (0.05 + weight) * math.sqrt(box.area)


def same_plate(known: PlateConsensus, new: PlateConsensus, *, same_frame: bool) -> bool:
    """Whether a later track shows the plate that is already known.

    - Equal texts are the same plate.
    - Other texts are different plates when both were in one frame (`same_frame`).
    - A text that is part of the known one is the same plate: half of it was hidden. So is one
      that has exactly one character more.
    - If either posterior is below `SURE_POSTERIOR`, a text that differs by up to two characters,
      and by less than half of them, is the same plate: a misread is far more likely than a second
      vehicle with almost the same plate.
    """
    if known.best.text == new.best.text:
        return True
    if same_frame:
        return False
    before, after = known.best.text.reveal(), new.best.text.reveal()
    changed = edit_distance(before.encode(), after.encode())
    if after in before or (before in after and changed == 1):
        return True
    if min(known.posterior, new.posterior) >= SURE_POSTERIOR:
        return False
    return changed <= 2 and changed * 2 < max(len(before), len(after))
