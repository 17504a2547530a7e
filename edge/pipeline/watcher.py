"""One camera's vehicles: detect, read, track, and hand each vehicle over for judgement.

Everything here lives in RAM and is dropped when the vehicle has left.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

import numpy as np

from edge.domain.imaging import Detection, Frame, Pixels, PlatePatch, without_duplicates
from edge.domain.reading import PlateConsensus, PlateReading, fuse
from edge.domain.tracking import Tracker, TrackSettings, edits
from edge.domain.vehicles import KeyFrame, TrackPoint, VehicleSeen
from edge.pipeline.ports import PlateDetector, PlateReader

SURE = 0.95
"""A consensus from here on is seldom wrong."""

CLEAR = 0.85
"""A single reading from here on is seldom wrong."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """When a track is a vehicle and when it is handed over. Times in seconds of the stream."""

    tracking: TrackSettings = field(default_factory=TrackSettings)
    patch_margin: float = 0.08
    """Cut around a plate on each side, as a share of its size: detectors crop tightly, and a
    reader loses the character that touches the edge."""
    judge_after_s: float = 4.0
    """A vehicle that lingers longer is handed over early, once its consensus is strong."""
    least_posterior: float = 0.5
    """A consensus below is no reading: more likely wrong than right."""
    least_legibility: float = 0.6
    """The best of a vehicle's readings must be at least this legible."""
    confirmations: int = 2
    """Detections that make a track a vehicle."""
    slow_s: float = 0.4
    """Between frames so far apart a vehicle may be seen once: one certain reading will do."""
    unread_confirmations: int = 8
    """Detections that make a track a vehicle though nothing on it can be read."""
    unread_width: float = 32.0
    """Width in pixels from which a plate that cannot be read counts as a vehicle; a smaller
    one is out of reach."""
    weak_waits_s: float = 4.0
    """A vehicle with a weak consensus waits so long for a better view of the same plate."""
    remember_s: float = 10.0
    """A vehicle that comes back within this time with the same text is the same vehicle."""
    kept_readings: int = 24
    kept_points: int = 128


@dataclass(slots=True)
class _Dossier:
    """All that is known of one track while it lasts."""

    number: int
    first_seen: datetime
    last_seen: datetime
    last_s: float
    points: list[TrackPoint] = field(default_factory=list, repr=False)
    readings: list[tuple[float, int, PlateReading]] = field(default_factory=list, repr=False)
    detections: int = 0
    widest: float = 0.0
    key_frame: KeyFrame | None = field(default=None, repr=False)
    key_worth: float = -1.0
    first_s: float = 0.0
    stride: int = 1
    handed_over: bool = False
    tried_at: int = 0


@dataclass(slots=True)
class _Remembered:
    """A vehicle that was handed over a moment ago."""

    consensus: PlateConsensus = field(repr=False)
    last_s: float


class VehicleWatcher:
    """Turns one stream's frames into vehicles, each handed over at most twice.

    Args:
        camera: name of the camera, copied into what is handed over.
        detector: finds plates.
        reader: reads them.
        settings: constants; the defaults are meant to fit every camera.
    """

    def __init__(
        self,
        camera: str,
        detector: PlateDetector,
        reader: PlateReader,
        settings: WatchSettings | None = None,
    ) -> None:
        self._camera = camera
        self._detector = detector
        self._reader = reader
        self._settings = settings or WatchSettings()
        self._tracker = Tracker(self._settings.tracking)
        self._dossiers: dict[int, _Dossier] = {}
        self._remembered: list[_Remembered] = []
        self._waiting: list[tuple[_Dossier, PlateConsensus | None]] = []
        self._numbers = count(1)
        self._last_s: float | None = None
        self._interval_s = 0.0
        self.stage_seconds = {"detect": 0.0, "read": 0.0, "track": 0.0}

    def observe(self, frame: Frame) -> tuple[VehicleSeen, ...]:
        """Take in the next frame; returns the vehicles that are due for judgement."""
        started = time.perf_counter()
        detections = without_duplicates(self._detector.detect(frame.pixels))
        detected = time.perf_counter()
        patches = [cut(frame.pixels, d, self._settings.patch_margin) for d in detections]
        readings = self._reader.read(patches)
        read = time.perf_counter()
        if self._last_s is not None:
            self._interval_s = frame.stream_s - self._last_s
        self._last_s = frame.stream_s
        update = self._tracker.update(frame.stream_s, detections, readings)
        for track, index in update.matches:
            self._add(track, frame, detections, index, readings[index])
        due = [self._close(track) for track in update.ended]
        due.extend(self._early(track, frame.stream_s) for track, _ in update.matches)
        due.extend(self._settle(frame.stream_s - self._settings.weak_waits_s))
        self._remembered = [
            one
            for one in self._remembered
            if frame.stream_s - one.last_s <= self._settings.remember_s
        ]
        tracked = time.perf_counter()
        self.stage_seconds["detect"] += detected - started
        self.stage_seconds["read"] += read - detected
        self.stage_seconds["track"] += tracked - read
        return tuple(vehicle for vehicle in due if vehicle is not None)

    def finish(self) -> tuple[VehicleSeen, ...]:
        """The stream has ended: hand over whatever is still in view."""
        due = [self._close(track) for track in self._tracker.finish()]
        due.extend(self._settle(math.inf))
        return tuple(vehicle for vehicle in due if vehicle is not None)

    def _add(
        self,
        track: int,
        frame: Frame,
        detections: tuple[Detection, ...],
        index: int,
        reading: PlateReading,
    ) -> None:
        box = detections[index].box
        dossier = self._dossiers.get(track)
        if dossier is None:
            dossier = self._dossiers[track] = _Dossier(
                0, frame.observed_at, frame.observed_at, frame.stream_s, first_s=frame.stream_s
            )
        dossier.last_seen = frame.observed_at
        dossier.last_s = frame.stream_s
        dossier.detections += 1
        dossier.widest = max(dossier.widest, box.width)
        if dossier.detections % dossier.stride == 0 or dossier.detections == 1:
            dossier.points.append(TrackPoint(frame.stream_s, box))
        if len(dossier.points) >= self._settings.kept_points:
            del dossier.points[1::2]
            dossier.stride *= 2
        weight = reading.quality * reading.legibility
        if reading.legibility > 0:
            dossier.readings.append((weight, dossier.detections, reading))
            if len(dossier.readings) > self._settings.kept_readings:
                dossier.readings.remove(min(dossier.readings, key=lambda item: item[:2]))
        worth = (0.05 + weight) * math.sqrt(box.area)
        if worth > dossier.key_worth:
            dossier.key_worth = worth
            dossier.key_frame = KeyFrame(
                frame.index,
                frame.observed_at,
                box,
                tuple(d.box for i, d in enumerate(detections) if i != index),
                frame.pixels,
            )

    def _early(self, track: int, now_s: float) -> VehicleSeen | None:
        """The vehicle if it lingers and its consensus is strong; looked at twice a second."""
        settings = self._settings
        dossier = self._dossiers[track]
        if dossier.handed_over or now_s - dossier.first_s < settings.judge_after_s:
            return None
        half_second = int(now_s * 2)
        if dossier.tried_at == half_second:
            return None
        dossier.tried_at = half_second
        consensus = self._consensus(dossier)
        if consensus is None or consensus.posterior < SURE:
            return None
        dossier.handed_over = True
        if self._is_remembered(consensus, now_s):
            dossier.number = -1
            return None
        self._remembered.append(_Remembered(consensus, now_s))
        return self._vehicle(dossier, consensus, final=False)

    def _close(self, track: int) -> VehicleSeen | None:
        dossier = self._dossiers.pop(track)
        if dossier.number < 0:
            return None
        consensus = self._consensus(dossier)
        if dossier.number > 0:
            self._remember(dossier, consensus)
            return self._vehicle(dossier, consensus, final=True)
        settings = self._settings
        if consensus is None:
            if dossier.detections < settings.unread_confirmations:
                return None
            if dossier.widest < settings.unread_width:
                return None
        elif dossier.detections < settings.confirmations and not (
            self._interval_s >= settings.slow_s and consensus.posterior >= CLEAR
        ):
            return None
        if consensus is None or consensus.posterior < SURE:
            self._waiting.append((dossier, consensus))
            return None
        return self._new(dossier, consensus)

    def _new(self, dossier: _Dossier, consensus: PlateConsensus | None) -> VehicleSeen | None:
        """The vehicle, unless it is one of a moment ago."""
        if consensus is not None:
            if self._is_remembered(consensus, dossier.last_s):
                return None
            self._remembered.append(_Remembered(consensus, dossier.last_s))
        return self._vehicle(dossier, consensus, final=True)

    def _settle(self, ended_before_s: float) -> list[VehicleSeen | None]:
        """Hand over weak vehicles that have waited, unless a better view is still open."""
        due = [one for one in self._waiting if one[0].last_s <= ended_before_s]
        if not due:
            return []
        self._waiting = [one for one in self._waiting if one[0].last_s > ended_before_s]
        better = [c for c in map(self._consensus, self._dossiers.values()) if c is not None]
        return [
            self._new(dossier, consensus)
            for dossier, consensus in due
            if consensus is None or not any(same_plate(consensus, one) for one in better)
        ]

    def _consensus(self, dossier: _Dossier) -> PlateConsensus | None:
        """What the readings say together, or None if that is no reading."""
        if not dossier.readings:
            return None
        legible = max(reading.legibility for _, _, reading in dossier.readings)
        if legible < self._settings.least_legibility:
            return None
        consensus = fuse([reading for _, _, reading in dossier.readings])
        if consensus is None or consensus.posterior < self._settings.least_posterior:
            return None
        if len(consensus.best.text) < self._settings.tracking.shortest_text:
            return None
        return consensus

    def _vehicle(
        self, dossier: _Dossier, consensus: PlateConsensus | None, *, final: bool
    ) -> VehicleSeen:
        if dossier.number == 0:
            dossier.number = next(self._numbers)
        return VehicleSeen(
            camera=self._camera,
            number=dossier.number,
            final=final,
            first_seen=dossier.first_seen,
            last_seen=dossier.last_seen,
            trajectory=tuple(dossier.points),
            consensus=consensus,
            key_frame=dossier.key_frame,
        )

    def _remember(self, dossier: _Dossier, consensus: PlateConsensus | None) -> None:
        if consensus is not None and not self._is_remembered(consensus, dossier.last_s):
            self._remembered.append(_Remembered(consensus, dossier.last_s))

    def _is_remembered(self, consensus: PlateConsensus, now_s: float) -> bool:
        """Whether this is a vehicle of a moment ago; if so its time is renewed."""
        for one in self._remembered:
            if same_plate(one.consensus, consensus):
                one.last_s = max(one.last_s, now_s)
                if consensus.posterior > one.consensus.posterior:
                    one.consensus = consensus
                return True
        return False


def same_plate(one: PlateConsensus, other: PlateConsensus) -> bool:
    """Whether two consensuses within a few seconds are of one plate.

    Equal texts are, and one that is a part of the other (half a plate was hidden). Where
    either is unsure, so are texts that differ by up to two characters, if that is less than
    half of them.
    """
    left, right = one.best.text, other.best.text
    if left == right:
        return True
    shorter, longer = sorted((left.reveal(), right.reveal()), key=len)
    if shorter in longer:
        return True
    if min(one.posterior, other.posterior) >= SURE:
        return False
    changed = edits(shorter.encode(), longer.encode())
    return changed <= 2 and changed * 2 < len(longer)


def cut(pixels: Pixels, detection: Detection, margin: float) -> PlatePatch:
    """The plate's pixels with a margin, and how much its reading should count.

    Quality grows with the plate's height up to 20 pixels, where strokes of characters become
    two pixels wide, and with the detector's score; a plate cut by the picture's edge counts a
    tenth.
    """
    height, width = pixels.shape[:2]
    box = detection.box
    around = box.grown(
        left=box.width * margin,
        right=box.width * margin,
        top=box.height * margin,
        bottom=box.height * margin,
    ).clipped(width, height)
    x1, y1 = int(around.x1), int(around.y1)
    x2, y2 = max(x1 + 1, math.ceil(around.x2)), max(y1 + 1, math.ceil(around.y2))
    whole = box.x1 > 1 and box.y1 > 1 and box.x2 < width - 1 and box.y2 < height - 1
    quality = min(1.0, max(0.1, box.height / 20)) * math.sqrt(max(detection.score, 0.01))
    return PlatePatch(
        box, quality if whole else quality / 10, np.ascontiguousarray(pixels[y1:y2, x1:x2])
    )
