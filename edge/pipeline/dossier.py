"""The evidence about one vehicle while it is in view. It is kept in RAM and bounded in size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box, Detection, Frame, are_pieces, told_apart
from edge.domain.plate_forms import fits
from edge.domain.plates import PlateText
from edge.domain.reading import PlateConsensus, PlateReading, fuse
from edge.domain.vehicles import KeyFrame, TrackPoint, VehicleSeen
from edge.pipeline.places import STANDING_GROWTH, STANDING_TRAVEL, displacement, median_box, ratio
from edge.pipeline.recent import SURE_POSTERIOR, RecentVehicle
from edge.pipeline.views import MIN_TEXT_LENGTH, VehicleViews, picture_score

MIN_POSTERIOR = 0.5
"""A consensus below this posterior is discarded: it is more likely wrong than right."""

MIN_LEGIBILITY = 0.6
"""Smallest legibility of a vehicle's best reading."""

MAX_READINGS = 24
"""Largest number of readings of one vehicle."""

MIN_IMPROVEMENT = 1.05
"""A patch must exceed the weakest stored reading by this factor to be read: the weight of a
reading is its patch's quality times its legibility, which never quite reaches 1."""

PIECES_ODDS = 0.5
"""Odds of another plate where each frame shows only a piece of it."""

PIECE_SHARE = 0.8
"""A box is a piece if it is shorter than this share of the plate, both measured in heights."""

FRAGMENT_LENGTH, FRAGMENT_ASPECT = 4, 2.4
"""A text of at most this many characters, whose box was never longer than this many heights, may be
a piece of a plate: short plates are on a longer sheet, or their country has a form for them."""

_COMPARED_TIMES = 8

GROWTH_S = 0.5
"""Seconds over which growth is measured: single boxes are too inexact for a shorter time."""

READ_AGAIN_S, NO_PLATE_AGAIN_S = 1.0, 2.0
"""What cannot be read better is read again after so many seconds, since another vehicle may have
taken its place. The second: what stands and was never legible."""

KNOWN_POSTERIOR = 0.98
"""A consensus with this posterior needs no more readings; a rule may ask for more than `sure`."""

SAME_READINGS, SAME_POSTERIOR, LIKELY_POSTERIOR = 5, 0.01, 0.8
"""Nor does one that kept its text over so many readings, and its posterior, which is likely at
least, to within this much."""

ENOUGH_READINGS = 8
"""From so many readings on, another one of a plate that stands tells nothing new."""

ENOUGH_TRIES = 3
"""After so many illegible readings a plate is read again only when it is seen better."""

BETTER_TRY = 1.1
"""Seen better: the quality of the patch has grown by this factor."""

STANDING_S = 1.0
"""A thing is seen to stand once it was in view for this many seconds without moving. In that time a
car at walking pace drives two plate widths."""


@dataclass(frozen=True, slots=True)
class _WeightedReading:
    """A reading with its weight (quality x legibility), its order of arrival and its box's shape.

    `aspect` is the width of the box divided by its height; `pieces` that of its detection.
    """

    weight: float
    order: int
    aspect: float
    pieces: int
    legibility: float
    reading: PlateReading = field(repr=False)


class Dossier:
    """All that is known about one track: trajectory, readings and key frame.

    Args:
        track: number of the track.
        frame: the first frame of the track.
        keeps_path: whether to keep its first and last frame too. This is one more frame for each
            vehicle, since the last frame is the same one for all vehicles in view.

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
        divided: whether other tracks showed other pieces of the same plate.
        travel: largest displacement since the first detections, in plate widths.
    """

    def __init__(self, track: int, frame: Frame, *, keeps_path: bool = False) -> None:
        self.track = track
        self.concurrent_tracks: frozenset[int] = frozenset()
        self.recent_vehicle: RecentVehicle | None = None
        self.number = 0
        self.first_s = self.last_s = self.last_read_s = frame.stream_s
        self.detections = 0
        self.widest = 0.0
        self.handed_over = False
        self.divided = False
        self.travel = 0.0
        self._growth = 1.0
        self._start: Box | None = None
        self._latest: tuple[Box, ...] = ()
        self._longest = 0.0
        self._whole_aspect = 0.0
        self._first_seen = frame.observed_at
        self._views = VehicleViews()
        self._readings: list[_WeightedReading] = []
        self.tries = 0
        self._tried_quality = 0.0
        self._course: tuple[tuple[PlateText | None, float], ...] = ()
        self._known: PlateText | None = None
        self._fused: PlateConsensus | None = None
        self._is_fused = False
        self._keeps_path = keeps_path

    @property
    def last_box(self) -> Box:
        """Box of the last detection."""
        return self._views.last_point.box

    def continues(self, box: Box, until_s: float) -> bool:
        """Whether the track began by `until_s` where a plate stood before: it stayed in view."""
        (x1, y1), (x2, y2) = self._views.first_point.box.centre, box.centre
        return self.first_s <= until_s and math.hypot(x1 - x2, y1 - y2) <= box.width / 2

    def is_worth_reading(self, quality: float, box: Box, frame: Frame) -> bool:
        """Whether the reading of a patch could change the consensus or give a better key frame.

        Args:
            quality: quality of the patch; the upper bound of its reading's weight.
            box: box of the plate in pixels.
            frame: the frame that it is in.
        """
        again_s = NO_PLATE_AGAIN_S if self.is_unreadable and self.stands else READ_AGAIN_S
        if frame.stream_s - self.last_read_s >= again_s:
            return True
        if self.is_unreadable:
            return quality > BETTER_TRY * self._tried_quality
        if picture_score(quality, box, frame) > MIN_IMPROVEMENT * self._views.key_score:
            return True
        if self.is_known:
            return not self.is_sure and quality > BETTER_TRY * self._tried_quality
        return (
            len(self._readings) < MAX_READINGS
            or quality > MIN_IMPROVEMENT * self._readings[-1].weight
        )

    @property
    def legible_readings(self) -> int:
        """Number of readings that may be of a plate."""
        return sum(one.legibility >= MIN_LEGIBILITY for one in self._readings)

    @property
    def is_unreadable(self) -> bool:
        """Whether it was read repeatedly, and never legibly."""
        return self.tries >= ENOUGH_TRIES and not self.legible_readings

    @property
    def is_sure(self) -> bool:
        """Whether the consensus is sure."""
        consensus = self.consensus()
        return consensus is not None and consensus.posterior >= SURE_POSTERIOR

    @property
    def is_known(self) -> bool:
        """Whether another reading of such a view would hardly change the consensus; sure or not.

        What was known stays so while its text stays the same and sure, however poor later views
        are: they are read only to notice another vehicle.
        """
        consensus = self.consensus()
        if consensus is None or consensus.posterior < LIKELY_POSTERIOR:
            return self.stands and self.tries >= ENOUGH_READINGS
        if consensus.posterior >= SURE_POSTERIOR and consensus.best.text == self._known:
            return True
        texts, posteriors = {text for text, _ in self._course}, [p for _, p in self._course]
        return max(consensus.posterior, consensus.agreement) >= KNOWN_POSTERIOR or (
            len(posteriors) == SAME_READINGS
            and len(texts) == 1
            and max(posteriors) - min(posteriors) < SAME_POSTERIOR
        )

    @property
    def is_disputed(self) -> bool:
        """Whether its readings make no text likely, and more of them, as it moves, may do so."""
        if self.stands or self.tries >= MAX_READINGS or not self.legible_readings:
            return False
        consensus = self.consensus()
        return consensus is None or consensus.posterior < LIKELY_POSTERIOR

    @property
    def is_settled(self) -> bool:
        """Whether it stands, and its plate will not be read better where it stands."""
        return self.stands and (self.is_known or self.is_unreadable)

    def add(
        self,
        frame: Frame,
        detection: Detection,
        reading: PlateReading | None,
        others: tuple[Detection, ...],
        *,
        strong_score: float,
    ) -> None:
        """Add the track's detection in one more frame.

        Args:
            frame: the frame.
            detection: the plate in the frame.
            reading: None where the plate was not read because it could not improve the dossier.
            others: all other detections in the frame.
            strong_score: the score from which on they are plates; weaker ones may be.
        """
        box = detection.box
        if self.recent_vehicle is not None:
            self.recent_vehicle.last_s = frame.stream_s
        self.last_s = frame.stream_s
        self.detections += 1
        self.widest = max(self.widest, box.width)
        self._measure_shape(detection)
        self._measure_travel(box)
        score = self._read(reading, detection) if reading is not None else None
        self._views.add_point(TrackPoint(frame.stream_s, box))
        if score is None and not self._keeps_path:
            return
        known = self.consensus()
        plate = known.best.text if known is not None else None
        picture = self._frame_as_evidence(frame, box, others, strong_score)
        if self._keeps_path:
            self._views.add_end(picture, plate)
        if score is not None:
            self._views.add_key(picture, picture_score(score, box, frame), plate)

    def _read(self, reading: PlateReading, detection: Detection) -> float:
        """Add the reading of the plate in one more frame; returns its weight."""
        self.last_read_s = self.last_s
        self.tries += 1
        self._tried_quality = max(self._tried_quality, reading.quality)
        self._views.note(reading)
        legibility = reading.legibility
        weight = reading.quality * legibility
        if weight > 0:
            order, aspect = self.detections, _aspect(detection.box)
            one = _WeightedReading(weight, order, aspect, detection.pieces, legibility, reading)
            self._add_readings([one])
        known = self.consensus()
        latest = (known.best.text, known.posterior) if known else (None, 0.0)
        self._course = (*self._course, latest)[-SAME_READINGS:]
        self._known = known.best.text if known and self.is_known else None
        return weight

    def _frame_as_evidence(
        self, frame: Frame, box: Box, others: Sequence[Detection], strong_score: float
    ) -> KeyFrame:
        """The frame with its time and all plates in it."""
        plates, weak = told_apart(others, strong_score)
        seen = self._seen_at(frame.stream_s)
        return KeyFrame(frame.index, seen, box, plates, frame.pixels, weak)

    def _measure_shape(self, detection: Detection) -> None:
        """Remember how long the plate is, in heights, and how long where pieces were joined."""
        aspect = _aspect(detection.box)
        self._longest = max(self._longest, aspect)
        if detection.pieces > 1:
            self._whole_aspect = max(self._whole_aspect, aspect)

    def _measure_travel(self, box: Box) -> None:
        """Measure displacement and growth, by the median of three boxes: one may be inexact."""
        self._latest = (*self._latest[-2:], box)
        here = median_box(self._latest)
        if self._start is None or self.detections <= len(self._latest):
            self._start = here
        self.travel = max(self.travel, displacement(self._start, here))
        self._growth = max(self._growth, ratio(self._start.height, here.height))

    @property
    def stands(self) -> bool:
        """Whether it was in view long enough to be seen to stand, and never moved."""
        return (
            self.last_s - self.first_s >= STANDING_S
            and self.travel < STANDING_TRAVEL
            and self._growth < STANDING_GROWTH
        )

    @property
    def growth(self) -> float:
        """By which share the plate grew in a second, over `GROWTH_S`; below 0: it shrank."""
        path = self._views.path()
        before = next(
            (one for one in reversed(path) if self.last_s - one.stream_s >= GROWTH_S), path[0]
        )
        span_s = max(self.last_s - before.stream_s, GROWTH_S)
        return (self.last_box.width / max(before.box.width, 1.0) - 1) / span_s

    @property
    def start(self) -> Box:
        """Where it was first seen."""
        return self._start or self._views.first_point.box

    def shows_other_piece(self, other: Dossier) -> bool:
        """Whether two tracks show two pieces of one plate: on one line, and moving together."""
        since, until = max(self.first_s, other.first_s), min(self.last_s, other.last_s)
        if since > until:
            return False
        times = np.linspace(since, until, _COMPARED_TIMES)
        pairs = zip(self._boxes_at(times), other._boxes_at(times), strict=True)
        return all(are_pieces(mine, theirs) for mine, theirs in pairs)

    def _boxes_at(self, times: npt.NDArray[np.float64]) -> list[Box]:
        """The boxes at these times of the stream, interpolated between detections."""
        path = self._views.path()
        seen_s = [point.stream_s for point in path]
        sides = np.array([(p.box.x1, p.box.y1, p.box.x2, p.box.y2) for p in path])
        boxes = np.stack([np.interp(times, seen_s, side) for side in sides.T], axis=1)
        return [Box(*(float(side) for side in box)) for box in boxes]

    def _seen_at(self, stream_s: float) -> datetime:
        """UTC time of a moment in the stream, counted from the vehicle's first frame.

        This way a step of the wall clock cannot put the end of a passage before its start.
        """
        return self._first_seen + timedelta(seconds=stream_s - self.first_s)

    def _add_readings(self, more: list[_WeightedReading]) -> None:
        """Add readings and keep the best `MAX_READINGS`.

        Where the plate was seen to be divided, the readings of pieces are dropped: a piece is often
        perfectly legible.
        """
        self._is_fused = False
        self._readings.extend(more)
        self._readings = [
            one
            for one in self._readings
            if one.pieces > 1 or one.aspect >= PIECE_SHARE * self._whole_aspect
        ]
        self._readings.sort(key=lambda one: (-one.weight, one.order))
        del self._readings[MAX_READINGS:]

    def merge(self, other: Dossier) -> None:
        """Merge the dossier of an earlier or parallel track of the same vehicle into this one."""
        self._longest = max(self._longest, other._longest)
        self._whole_aspect = max(self._whole_aspect, other._whole_aspect)
        self.divided = self.divided or other.divided
        self._merge_travel(other)
        if other.first_s < self.first_s:
            self.first_s, self._first_seen = other.first_s, other._first_seen
        self.detections += other.detections
        self._add_readings(other._readings)
        known = self.consensus()
        self._views.join(other._views, known.best.text if known is not None else None)

    def _merge_travel(self, other: Dossier) -> None:
        """The travel of both tracks: their own, and from one to the other."""
        self.travel = max(self.travel, other.travel)
        self._growth = max(self._growth, other._growth)
        if self._start is not None and other._start is not None and not self.divided:
            self.travel = max(self.travel, displacement(self._start, other._start))
            self._growth = max(self._growth, ratio(self._start.height, other._start.height))

    def consensus(self) -> PlateConsensus | None:
        """The fused reading, or None if it is too uncertain or too short.

        It is never sure if the readings may be of a piece of the plate.
        """
        if not self._is_fused:
            readings = [one.reading for one in self._readings] if self.legible_readings else []
            self._fused, self._is_fused = fuse(readings), True
        consensus = self._fused
        # The shape of the box decides too, so a fragment is judged anew with each longer box.
        if consensus is not None and (self.divided or self._may_be_fragment(consensus)):
            consensus = consensus.doubted(PIECES_ODDS)
        if (
            consensus is None
            or consensus.posterior < MIN_POSTERIOR
            or len(consensus.best.text) < MIN_TEXT_LENGTH
        ):
            return None
        return consensus

    def _may_be_fragment(self, consensus: PlateConsensus) -> bool:
        """Whether text and box are too short for a whole plate."""
        text = consensus.best.text
        return (
            len(text) <= FRAGMENT_LENGTH
            and self._longest < FRAGMENT_ASPECT
            and not fits(text.reveal(), consensus.certain_region)
        )

    def vehicle(self, camera: str, consensus: PlateConsensus | None, *, final: bool) -> VehicleSeen:
        """The vehicle as known now, for hand-over, without what was seen of another vehicle."""
        plate = consensus.best.text if consensus is not None else None
        path = self._views.path_of(plate)
        begun_later = path and path[0] != self._views.first_point
        return VehicleSeen(
            camera=camera,
            number=self.number,
            final=final,
            first_seen=self._seen_at(path[0].stream_s) if begun_later else self._first_seen,
            last_seen=self._seen_at(path[-1].stream_s if path else self.last_s),
            trajectory=path,
            consensus=consensus,
            key_frame=self._views.key_frame_of(plate),
            path_frames=self._views.ends_of(plate) if final else (),
        )


def _aspect(box: Box) -> float:
    """Width divided by height."""
    return box.width / max(box.height, 1.0)
