"""Following plates from frame to frame: motion first, the reading as a witness.

Of the SORT family (Bewley et al. 2016): a constant-velocity Kalman filter for each track and
an optimal assignment for each frame, weak detections last as in ByteTrack (Zhang et al. 2022).
Plates are small, so overlap of boxes (IoU) is no measure of nearness: between two frames a
plate moves by more than its own height. Distances are counted in plate widths instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box, Detection
from edge.domain.reading import PlateReading, text_of

Text = tuple[int, ...]
"""A text as alphabet indices, padding left out: comparable, and not readable by accident."""


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How plates may move and when texts may differ. Lengths in plate widths (about 0.5 m)."""

    strong_score: float = 0.4
    """A detection from here on may begin a track; weaker ones only continue one."""
    legible: float = 0.8
    """A reading at least so certain is evidence (`certainty`)."""
    clear: float = 0.97
    """A reading at least so certain is seldom wrong in two characters."""
    shortest_text: int = 3
    """Fewer characters are no evidence for or against anything."""
    position_noise: float = 0.12
    """Standard deviation of a detected box's centre."""
    acceleration: float = 25.0
    """Standard deviation, widths/s²: a car brakes with 8 m/s², and cameras shake."""
    first_speed: float = 25.0
    """Standard deviation of a new track's speed, widths/s: 45 km/h across the picture."""
    top_speed: float = 60.0
    """Widths/s: 110 km/h. Bounds how far an agreeing text may reach."""
    gate: float = 3.5
    """Motion alone carries a detection to a track within so many standard deviations."""
    trust_s: float = 0.1
    """Motion alone reaches no further than top speed for so long: a guess grows, a car not."""
    moment_s: float = 0.15
    """A plate in its foreseen place continues its track beyond doubt for so long."""
    coast_s: float = 0.7
    """Motion alone is believed for so long after the last detection."""
    max_age_s: float = 2.0
    """A track ends this long after its last detection; until then an agreeing text revives it."""
    slow_frames: float = 2.5
    """Both last at least so many intervals between frames: a slow stream is no empty road."""


@dataclass(frozen=True, slots=True)
class TrackUpdate:
    """What one frame did.

    `matches` are (track number, index of the detection); `ended` are numbers of tracks that
    will never match again.
    """

    matches: tuple[tuple[int, int], ...]
    ended: tuple[int, ...]


class _Motion:
    """Kalman filter of centre, log width and log height with constant velocity.

    All four coordinates share one 2×2 covariance, in units of the plate's width.
    """

    __slots__ = ("covariance", "mean", "settings", "stream_s", "unit")

    def __init__(self, box: Box, stream_s: float, settings: TrackSettings) -> None:
        self.settings = settings
        self.stream_s = stream_s
        self.unit = box.width
        self.mean = np.zeros((4, 2))
        self.mean[:, 0] = _coordinates(box)
        self.covariance = np.diag([settings.position_noise**2, settings.first_speed**2])

    def predicted(self, stream_s: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean (4, 2) and covariance (2, 2) at a later time."""
        dt = max(0.0, stream_s - self.stream_s)
        move = np.array([[1.0, dt], [0.0, 1.0]])
        # White acceleration over dt (Bar-Shalom et al., Estimation with Applications, 6.2.2).
        noise = self.settings.acceleration**2 * np.array(
            [[dt**4 / 4, dt**3 / 2], [dt**3 / 2, dt**2]]
        )
        return self.mean @ move.T, move @ self.covariance @ move.T + noise

    def distance(self, box: Box, stream_s: float) -> tuple[float, float, float]:
        """Distance of centres in widths, the same in standard deviations, and the latter's unit."""
        mean, covariance = self.predicted(stream_s)
        x, y = box.centre
        widths = math.hypot(x - mean[0, 0], y - mean[1, 0]) / max(self.unit, 1.0)
        sigma = math.sqrt(covariance[0, 0] + self.settings.position_noise**2)
        return widths, widths / sigma, sigma

    def correct(self, box: Box, stream_s: float) -> None:
        """Take in a measured box (Kalman 1960)."""
        mean, covariance = self.predicted(stream_s)
        gain = covariance[:, 0] / (covariance[0, 0] + self.settings.position_noise**2)
        self.mean = mean + np.outer(_coordinates(box) - mean[:, 0], gain)
        self.covariance = covariance - np.outer(gain, covariance[0])
        self.stream_s = stream_s
        self.unit = math.exp(self.mean[2, 0])


@dataclass(slots=True)
class _Track:
    number: int
    motion: _Motion
    last_s: float
    texts: list[tuple[float, Text]] = field(default_factory=list, repr=False)

    def remember(self, text: Text, sure: float) -> None:
        """Keep the three most certain different texts."""
        for index, (known, same) in enumerate(self.texts):
            if same == text:
                self.texts[index] = (max(known, sure), same)
                break
        else:
            self.texts.append((sure, text))
        self.texts.sort(reverse=True)
        del self.texts[3:]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A detection with what the reader made of it."""

    index: int
    detection: Detection
    text: Text | None = field(repr=False)
    certainty: float
    strong: bool


class Tracker:
    """Follows plates in one stream. Numbers start at 1 and belong to this object alone.

    Args:
        settings: constants of motion and text.
    """

    def __init__(self, settings: TrackSettings | None = None) -> None:
        self._settings = settings or TrackSettings()
        self._numbers = count(1)
        self._tracks: list[_Track] = []
        self._last_s: float | None = None
        self._patience_s = 0.0

    def update(
        self,
        stream_s: float,
        detections: Sequence[Detection],
        readings: Sequence[PlateReading | None],
    ) -> TrackUpdate:
        """Take in one frame.

        Strong detections choose first among all tracks, weak ones among what is left; strong
        ones that fit nowhere begin tracks. A legible text that contradicts a track's own
        legible texts never joins it, however near it is.

        Args:
            stream_s: the frame's time; never smaller than before.
            detections: of this frame.
            readings: one for each detection, None where nothing was read.
        """
        if self._last_s is not None:
            self._patience_s = self._settings.slow_frames * (stream_s - self._last_s)
        self._last_s = stream_s
        max_age_s = max(self._settings.max_age_s, self._patience_s)
        ended = [track for track in self._tracks if stream_s - track.last_s > max_age_s]
        self._tracks = [t for t in self._tracks if t not in ended]
        seen = [
            self._seen(index, detection, reading)
            for index, (detection, reading) in enumerate(zip(detections, readings, strict=True))
        ]
        free = list(self._tracks)
        matches: list[tuple[int, int]] = []
        for strong in (True, False):
            stage = [one for one in seen if one.strong is strong]
            costs = np.array(
                [[self._cost(track, one, stream_s) for one in stage] for track in free]
            ).reshape(len(free), len(stage))
            pairs = assign(costs)
            for row, column in pairs:
                self._join(free[row], stage[column], stream_s)
                matches.append((free[row].number, stage[column].index))
            taken = {row for row, _ in pairs}
            free = [track for row, track in enumerate(free) if row not in taken]
            if strong:
                found = {column for _, column in pairs}
                for column, one in enumerate(stage):
                    if column not in found:
                        matches.append((self._begin(one, stream_s), one.index))
        return TrackUpdate(tuple(matches), tuple(track.number for track in ended))

    def continued_by(self, box: Box, stream_s: float) -> int | None:
        """The track that a box continues by its place alone; None where there is any doubt.

        That is one seen a moment ago within half a plate's width of where it must be, with no
        other track within three.
        """
        near: list[int] = []
        for track in self._tracks:
            widths, _, _ = track.motion.distance(box, stream_s)
            if widths > 3:
                continue
            if widths > 0.5 or stream_s - track.last_s > self._settings.moment_s:
                return None
            near.append(track.number)
        return near[0] if len(near) == 1 else None

    def finish(self) -> tuple[int, ...]:
        """The stream has ended: the numbers of all tracks that had not."""
        numbers = tuple(track.number for track in self._tracks)
        self._tracks = []
        return numbers

    def _seen(self, index: int, detection: Detection, reading: PlateReading | None) -> _Seen:
        settings = self._settings
        text: Text | None = None
        sure = 0.0
        if reading is not None:
            characters = text_of(reading.slots, reading.alphabet.index(reading.pad))
            if len(characters) >= settings.shortest_text:
                text, sure = characters, certainty(reading)
        strong = sure >= settings.legible or detection.score >= settings.strong_score
        return _Seen(index, detection, text, sure, strong)

    def _begin(self, one: _Seen, stream_s: float) -> int:
        track = _Track(
            next(self._numbers), _Motion(one.detection.box, stream_s, self._settings), stream_s
        )
        if one.text is not None:
            track.remember(one.text, one.certainty)
        self._tracks.append(track)
        return track.number

    @staticmethod
    def _join(track: _Track, one: _Seen, stream_s: float) -> None:
        track.motion.correct(one.detection.box, stream_s)
        track.last_s = stream_s
        if one.text is not None:
            track.remember(one.text, one.certainty)

    def _cost(self, track: _Track, one: _Seen, stream_s: float) -> float:
        """How little a detection fits a track, as a negative log likelihood; inf if never.

        Motion gives a Gaussian in widths, the text up to ±6: agreement outweighs four
        standard deviations of motion.
        """
        settings = self._settings
        box = one.detection.box
        growth = abs(math.log(max(box.width, 1.0) / max(track.motion.unit, 1.0)))
        if growth > math.log(2.5):
            return math.inf
        gone_s = stream_s - track.last_s
        widths, deviations, sigma = track.motion.distance(box, stream_s)
        unlike, sure = self._unlike(track, one)
        if unlike >= self._conflict(sure):
            return math.inf
        coast_s = max(settings.coast_s, self._patience_s)
        near = (
            deviations <= settings.gate
            and gone_s <= coast_s
            and widths <= 1 + settings.top_speed * min(gone_s, settings.trust_s)
        )
        agrees = (
            sure >= settings.legible**2
            and unlike <= 0.25
            and widths <= 3 + settings.top_speed * min(gone_s, 1.0)
        )
        if not near and not agrees:
            return math.inf
        motion = 0.5 * min(deviations, 2 * settings.gate) ** 2 + math.log(sigma + 0.5)
        return motion + 0.5 * (growth / 0.2) ** 2 + 16 * sure * (unlike - NEUTRAL)

    def _conflict(self, sure: float) -> float:
        """From which share of differing characters on two texts cannot be of one plate."""
        if sure >= self._settings.clear**2:
            return 0.28  # two of seven
        return 0.6 if sure >= self._settings.legible**2 else math.inf

    @staticmethod
    def _unlike(track: _Track, one: _Seen) -> tuple[float, float]:
        """Share of differing characters (0 to 1) to the most similar text, and how sure both are.

        The certainty is 0 where they cannot be compared.
        """
        known = [
            (unlike, -sure)
            for sure, text in track.texts
            if one.text is not None and (unlike := difference(one.text, text)) is not None
        ]
        unlike, sure = min(known, default=(NEUTRAL, 0.0))
        return unlike, -sure * one.certainty


NEUTRAL = 0.375
"""A share of differing characters that speaks neither for nor against one plate."""


def certainty(reading: PlateReading) -> float:
    """How far a reading may decide whose plate it is, 0 to 1.

    Its legibility, less where the view is poor: readers are sure of small and cut plates too.
    """
    return reading.legibility * min(1.0, 2 * reading.quality)


def difference(one: Text, other: Text) -> float | None:
    """Share of characters that differ, 0 to 1.

    None where one is a part of the other, which says nothing: half a plate may be hidden.
    """
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    changed = edits(one, other)
    if changed > 1 and any(
        longer[at : at + len(shorter)] == shorter for at in range(len(longer) - len(shorter) + 1)
    ):
        return None
    return changed / max(len(longer), 1)


def edits(one: Sequence[int], other: Sequence[int]) -> int:
    """Levenshtein distance: insertions, deletions and substitutions (1966)."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        previous, row = row, [i]
        for j, right in enumerate(other, start=1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (left != right)))
    return row[-1]


UNMATCHED = 1e4
"""Price of leaving a row or column without a partner: more than any finite cost."""


def assign(costs: npt.NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """The cheapest one-to-one assignment that matches as many pairs as it can.

    The Hungarian method with potentials and shortest augmenting paths (Jonker and Volgenant
    1987), O(n³).

    Args:
        costs: (rows, columns); infinity forbids a pair.

    Returns:
        Matched (row, column) pairs, by row. Forbidden pairs are never among them.
    """
    rows, columns = costs.shape
    if rows == 0 or columns == 0:
        return ()
    if rows > columns:
        return tuple(sorted((row, column) for column, row in assign(costs.T)))
    table = np.where(np.isfinite(costs), costs, UNMATCHED)
    u, v = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, dtype=np.intp)  # the row of each column; 0 is none
    for row in range(1, rows + 1):
        owner[0] = row
        column = 0
        shortest = np.full(columns + 1, np.inf)
        via = np.zeros(columns + 1, dtype=np.intp)
        done = np.zeros(columns + 1, dtype=bool)
        while owner[column] != 0:
            done[column] = True
            here = owner[column]
            slack = table[here - 1] - u[here] - v[1:]
            closer = ~done[1:] & (slack < shortest[1:])
            shortest[1:][closer] = slack[closer]
            via[1:][closer] = column
            reach = np.where(done, np.inf, shortest)
            reach[0] = np.inf
            following = int(reach.argmin())
            step = reach[following]
            u[owner[done]] += step
            v[done] -= step
            shortest[~done] -= step
            column = following
        while column != 0:
            owner[column] = owner[via[column]]
            column = int(via[column])
    pairs = ((int(owner[c]) - 1, c - 1) for c in range(1, columns + 1) if owner[c] != 0)
    return tuple(sorted(pair for pair in pairs if np.isfinite(costs[pair])))


def _coordinates(box: Box) -> npt.NDArray[np.float64]:
    """Centre in pixels, log width, log height."""
    x, y = box.centre
    return np.array([x, y, math.log(max(box.width, 1.0)), math.log(max(box.height, 1.0))])
