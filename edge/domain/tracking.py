"""Tracking by detection: a Kalman filter and the read text associate plates between frames.

The tracker belongs to the SORT family (Bewley et al. 2016): a constant-velocity Kalman filter
for each track and an optimal assignment for each frame. Low-score detections are assigned last,
as in ByteTrack (Zhang et al. 2022). IoU is not used: plates are small and move by more than
their own height between two frames. Distances are in plate widths instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import numpy.typing as npt

from edge.domain.assignment import assign
from edge.domain.imaging import Box, Detection
from edge.domain.reading import PlateReading, most_probable_text
from edge.domain.stream_time import LONGEST_BREAK_S

Text = tuple[int, ...]
"""A text as alphabet indices without padding: it can be compared but not read by accident."""


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """Parameters of motion and text matching. Lengths are in plate widths (about 0.5 m)."""

    strong_score: float = 0.4
    """A detection with at least this score may start a track; a weaker one only continues one."""
    min_certainty: float = 0.8
    """A reading with at least this `certainty` is used as evidence."""
    high_certainty: float = 0.97
    """A reading with at least this `certainty` rarely has two wrong characters."""
    min_text_length: int = 3
    """A text with fewer characters is not used as evidence."""
    position_noise: float = 0.12
    """Measurement noise: standard deviation of the centre of a detected box, in widths."""
    acceleration: float = 25.0
    """Process noise: standard deviation in widths/s². Cars brake with 8 m/s², and cameras shake."""
    initial_speed: float = 25.0
    """Standard deviation of a new track's speed in widths/s: 45 km/h across the picture."""
    top_speed: float = 60.0
    """Widths/s: 110 km/h. Limits the distance at which an agreeing text may match."""
    gate_deviations: float = 3.5
    """Gate of the motion model, in standard deviations."""
    bounded_speed_s: float = 0.1
    """Seconds for which the search distance of the motion model grows at top speed. After that the
    prediction is too uncertain."""
    unambiguous_s: float = 0.6
    """Seconds since the last detection in which a plate at the predicted position surely continues
    its track: no other vehicle can follow so closely and arrive there."""
    certain_widths: float = 5.0
    """A track is looked at again before its prediction is uncertain by this many widths (standard
    deviation): half the length of a car, so that the next vehicle in its lane is further away."""
    longest_forecast_s: float = 0.6
    """A prediction is used for at most this many seconds."""
    coast_s: float = 0.7
    """Seconds since the last detection in which motion alone may match."""
    max_age_s: float = 2.0
    """Seconds since the last detection after which a lost track ends. Until then an agreeing text
    can recover it."""
    min_age_frames: float = 2.5
    """`coast_s` and `max_age_s` are at least this many frame intervals, for slow streams."""
    longest_gap_s: float = LONGEST_BREAK_S
    """Seconds without a frame after which every track ends, however slow the stream is."""


@dataclass(frozen=True, slots=True)
class TrackUpdate:
    """Result of one frame.

    Attributes:
        matches: pairs of (track number, index of the detection).
        ended: numbers of the tracks that have ended.
    """

    matches: tuple[tuple[int, int], ...]
    ended: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where a track is going.

    Attributes:
        number: of the track.
        last_s: time of its last detection.
        velocity: of its plate, (x, y) in pixels per second.
        speed: the same in plate widths per second.
        certain_s: seconds after the last detection for which its place can be predicted.
    """

    number: int
    last_s: float
    velocity: tuple[float, float]
    speed: float
    certain_s: float


class _KalmanFilter:
    """Kalman filter of centre, log width and log height, with constant velocity.

    All four coordinates share one 2 x 2 covariance, in plate widths. `mean` has shape (4, 2):
    value and velocity of each coordinate.
    """

    __slots__ = ("covariance", "mean", "settings", "stream_s", "unit")

    def __init__(self, box: Box, stream_s: float, settings: TrackSettings) -> None:
        self.settings = settings
        self.stream_s = stream_s
        self.unit = box.width
        self.mean = np.zeros((4, 2))
        self.mean[:, 0] = _coordinates(box)
        self.covariance = np.diag([settings.position_noise**2, settings.initial_speed**2])

    def predict(self, stream_s: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Predicted mean (4, 2) and covariance (2, 2) at a later time; the state is not changed."""
        dt = max(0.0, stream_s - self.stream_s)
        move = np.array([[1.0, dt], [0.0, 1.0]])
        # White acceleration over dt (Bar-Shalom et al., Estimation with Applications, 6.2.2).
        noise = self.settings.acceleration**2 * np.array(
            [[dt**4 / 4, dt**3 / 2], [dt**3 / 2, dt**2]]
        )
        return self.mean @ move.T, move @ self.covariance @ move.T + noise

    def distance(self, box: Box, stream_s: float) -> tuple[float, float, float]:
        """Distance of a box from the prediction.

        Returns:
            Distance of the centres in plate widths, the same in standard deviations, and one
            standard deviation in plate widths.
        """
        mean, covariance = self.predict(stream_s)
        x, y = box.centre
        widths = math.hypot(x - mean[0, 0], y - mean[1, 0]) / max(self.unit, 1.0)
        sigma = math.sqrt(covariance[0, 0] + self.settings.position_noise**2)
        return widths, widths / sigma, sigma

    def certain_s(self, widths: float) -> float:
        """For how many seconds one standard deviation of the prediction is below so many widths."""
        times = self.settings.longest_forecast_s * _FORECAST_STEPS
        (place, both), (_, speed) = self.covariance
        variance = (
            place
            + 2 * both * times
            + speed * times**2
            + self.settings.acceleration**2 * times**4 / 4
        )
        certain = times[variance <= widths**2]
        return float(certain[-1]) if len(certain) else 0.0

    def update_with(self, box: Box, stream_s: float) -> None:
        """Update the state with a measured box (Kalman 1960)."""
        mean, covariance = self.predict(stream_s)
        gain = covariance[:, 0] / (covariance[0, 0] + self.settings.position_noise**2)
        self.mean = mean + np.outer(_coordinates(box) - mean[:, 0], gain)
        self.covariance = covariance - np.outer(gain, covariance[0])
        self.stream_s = stream_s
        self.unit = math.exp(self.mean[2, 0])


_FORECAST_STEPS = np.linspace(0.02, 1, 50)
_NEIGHBOUR_SHARE = 0.5


@dataclass(slots=True)
class _Track:
    """State of one track: motion, time of the last detection, and its best texts."""

    number: int
    motion: _KalmanFilter
    last_s: float
    texts: list[tuple[float, Text]] = field(default_factory=list, repr=False)

    def add_text(self, text: Text, sure: float) -> None:
        """Add a text with its certainty; keep the three most certain different texts."""
        for index, (known, same) in enumerate(self.texts):
            if same == text:
                self.texts[index] = (max(known, sure), same)
                break
        else:
            self.texts.append((sure, text))
        self.texts.sort(reverse=True)
        del self.texts[3:]


@dataclass(frozen=True, slots=True)
class _Observation:
    """A detection with its reading.

    `text` is None when nothing usable was read. `strong` says whether it may start a track.
    """

    index: int
    detection: Detection
    text: Text | None = field(repr=False)
    certainty: float
    strong: bool


class Tracker:
    """Tracks the plates of one stream. Track numbers start at 1 and are unique within this object.

    Args:
        settings: parameters of motion and text matching.
    """

    def __init__(self, settings: TrackSettings | None = None) -> None:
        self._settings = settings or TrackSettings()
        self._numbers = count(1)
        self._tracks: list[_Track] = []
        self._last_s: float | None = None
        self._last_gap_s = math.inf
        self._slow_stream_age_s = 0.0

    def update(
        self,
        stream_s: float,
        detections: Sequence[Detection],
        readings: Sequence[PlateReading | None],
    ) -> TrackUpdate:
        """Assign the detections of the next frame to tracks.

        Strong detections are assigned first, to all tracks; weak ones only to the tracks that are
        left. A strong detection without a match starts a track. A legible text that contradicts
        the legible texts of a track never joins it, however near it is.

        Args:
            stream_s: time of the frame in seconds; never smaller than before.
            detections: of this frame.
            readings: one for each detection, None where nothing was read.
        """
        if self._last_s is not None:
            gap_s = stream_s - self._last_s
            # A single gap does not make a slow stream: the gap before it was short.
            interval_s = min(gap_s, self._last_gap_s)
            self._last_gap_s = gap_s
            self._slow_stream_age_s = min(
                self._settings.min_age_frames * interval_s, self._settings.longest_gap_s
            )
        self._last_s = stream_s
        max_age_s = max(self._settings.max_age_s, self._slow_stream_age_s)
        ended = [track for track in self._tracks if stream_s - track.last_s > max_age_s]
        self._tracks = [t for t in self._tracks if t not in ended]
        observations = [
            self._observation(index, detection, reading)
            for index, (detection, reading) in enumerate(zip(detections, readings, strict=True))
        ]
        free = list(self._tracks)
        matches: list[tuple[int, int]] = []
        for strong in (True, False):
            stage = [one for one in observations if one.strong is strong]
            costs = np.array(
                [[self._cost(track, one, stream_s) for one in stage] for track in free]
            ).reshape(len(free), len(stage))
            pairs = assign(costs)
            for row, column in pairs:
                self._update_track(free[row], stage[column], stream_s)
                matches.append((free[row].number, stage[column].index))
            taken = {row for row, _ in pairs}
            free = [track for row, track in enumerate(free) if row not in taken]
            if strong:
                found = {column for _, column in pairs}
                for column, one in enumerate(stage):
                    if column not in found:
                        matches.append((self._start_track(one, stream_s), one.index))
        return TrackUpdate(tuple(matches), tuple(track.number for track in ended))

    def unambiguous_match(self, box: Box, stream_s: float) -> int | None:
        """The track that a box surely continues by its position alone, or None.

        The track must have been detected a moment ago, within half a plate width of its predicted
        position, and no other track may be within three widths.
        """
        near: list[int] = []
        for track in self._tracks:
            widths, _, _ = track.motion.distance(box, stream_s)
            if widths > 3:
                continue
            if widths > 0.5 or stream_s - track.last_s > self._settings.unambiguous_s:
                return None
            near.append(track.number)
        return near[0] if len(near) == 1 else None

    def forecasts(self) -> tuple[Forecast, ...]:
        """Where each track is going, as of its last detection.

        Beside another track the place must be known better: to half of the distance to it.
        """
        made = []
        for track in self._tracks:
            motion = track.motion
            unit = max(motion.unit, 1.0)
            x, y, *_ = motion.mean
            others = [
                math.hypot(x[0] - one.motion.mean[0, 0], y[0] - one.motion.mean[1, 0]) / unit
                for one in self._tracks
                if one is not track
            ]
            widths = min(
                self._settings.certain_widths, _NEIGHBOUR_SHARE * min(others, default=math.inf)
            )
            made.append(
                Forecast(
                    track.number,
                    track.last_s,
                    (float(x[1]), float(y[1])),
                    math.hypot(x[1], y[1]) / unit,
                    motion.certain_s(widths),
                )
            )
        return tuple(made)

    def finish(self) -> tuple[int, ...]:
        """End all tracks because the stream has ended; returns their numbers."""
        numbers = tuple(track.number for track in self._tracks)
        self._tracks = []
        return numbers

    def _observation(
        self, index: int, detection: Detection, reading: PlateReading | None
    ) -> _Observation:
        """Combine a detection with its reading."""
        settings = self._settings
        text: Text | None = None
        sure = 0.0
        if reading is not None:
            characters = most_probable_text(reading.slots, reading.alphabet.index(reading.pad))
            if len(characters) >= settings.min_text_length:
                text, sure = characters, certainty(reading)
        strong = sure >= settings.min_certainty or detection.score >= settings.strong_score
        return _Observation(index, detection, text, sure, strong)

    def _start_track(self, one: _Observation, stream_s: float) -> int:
        """Start a track; returns its number."""
        track = _Track(
            next(self._numbers),
            _KalmanFilter(one.detection.box, stream_s, self._settings),
            stream_s,
        )
        if one.text is not None:
            track.add_text(one.text, one.certainty)
        self._tracks.append(track)
        return track.number

    @staticmethod
    def _update_track(track: _Track, one: _Observation, stream_s: float) -> None:
        """Update a track with an observation."""
        track.motion.update_with(one.detection.box, stream_s)
        track.last_s = stream_s
        if one.text is not None:
            track.add_text(one.text, one.certainty)

    def _cost(self, track: _Track, one: _Observation, stream_s: float) -> float:
        """Assignment cost: a negative log-likelihood, infinite if the pair is forbidden.

        Motion contributes a Gaussian in plate widths, text about -6 to +6: an agreeing text
        outweighs a motion error of three standard deviations.
        """
        settings = self._settings
        box = one.detection.box
        growth = abs(math.log(max(box.width, 1.0) / max(track.motion.unit, 1.0)))
        if growth > math.log(2.5):
            return math.inf
        unseen_s = stream_s - track.last_s
        widths, deviations, sigma = track.motion.distance(box, stream_s)
        difference, sure = self._text_difference(track, one)
        if difference >= self._conflict_threshold(sure):
            return math.inf
        coast_s = max(settings.coast_s, self._slow_stream_age_s)
        near = (
            deviations <= settings.gate_deviations
            and unseen_s <= coast_s
            and widths <= 1 + settings.top_speed * min(unseen_s, settings.bounded_speed_s)
        )
        agrees = (
            sure >= settings.min_certainty**2
            and difference <= 0.25
            and widths <= 3 + settings.top_speed * min(unseen_s, 1.0)
        )
        if not near and not agrees:
            return math.inf
        motion = 0.5 * min(deviations, 2 * settings.gate_deviations) ** 2 + math.log(sigma + 0.5)
        return motion + 0.5 * (growth / 0.2) ** 2 + 16 * sure * (difference - NEUTRAL_DIFFERENCE)

    def _conflict_threshold(self, sure: float) -> float:
        """Text difference from which two texts must be of different plates."""
        if sure >= self._settings.high_certainty**2:
            return 0.28  # two of seven characters
        return 0.6 if sure >= self._settings.min_certainty**2 else math.inf

    @staticmethod
    def _text_difference(track: _Track, one: _Observation) -> tuple[float, float]:
        """Difference (0 to 1) to the track's most similar text, and both certainties multiplied.

        The certainty is 0 when the texts cannot be compared.
        """
        known = [
            (difference, -sure)
            for sure, text in track.texts
            if one.text is not None and (difference := text_difference(one.text, text)) is not None
        ]
        difference, sure = min(known, default=(NEUTRAL_DIFFERENCE, 0.0))
        return difference, -sure * one.certainty


NEUTRAL_DIFFERENCE = 0.375
"""Text difference that is evidence neither for nor against the same plate."""


def certainty(reading: PlateReading) -> float:
    """How much weight a reading has when texts are compared, 0 to 1.

    It is the legibility, reduced for poor views: readers are overconfident on small and cut plates.
    """
    return reading.legibility * min(1.0, 2 * reading.quality)


def text_difference(one: Text, other: Text) -> float | None:
    """Share of characters that differ, 0 to 1.

    None when one text is part of the other and more than one character shorter: half of the plate
    may be hidden, so nothing follows.
    """
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    changed = edit_distance(one, other)
    if changed > 1 and any(
        longer[at : at + len(shorter)] == shorter for at in range(len(longer) - len(shorter) + 1)
    ):
        return None
    return changed / max(len(longer), 1)


def edit_distance(one: Sequence[int], other: Sequence[int]) -> int:
    """Levenshtein distance (1966): number of insertions, deletions and substitutions."""
    if one == other:
        return 0
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        previous, row = row, [i]
        for j, right in enumerate(other, start=1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (left != right)))
    return row[-1]


def _coordinates(box: Box) -> npt.NDArray[np.float64]:
    """State of a box: centre x and y in pixels, log width, log height."""
    x, y = box.centre
    return np.array([x, y, math.log(max(box.width, 1.0)), math.log(max(box.height, 1.0))])
