"""One camera's vehicles: detect, read, track, and hand each vehicle over for judgement.

Everything here lives in RAM and is dropped when the vehicle has left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from edge.domain.imaging import Detection, Frame, Pixels, PlatePatch, without_duplicates
from edge.domain.motion import cells_of
from edge.domain.reading import PlateConsensus, PlateReading
from edge.domain.tracking import Tracker, TrackSettings
from edge.domain.vehicles import VehicleSeen
from edge.pipeline.attention import Attention
from edge.pipeline.dossier import SURE, Dossier, Remembered, same_plate
from edge.pipeline.ports import PlateDetector, PlateReader


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """When a track is a vehicle and when it is handed over. Times in seconds of the stream."""

    tracking: TrackSettings = field(default_factory=TrackSettings)
    patch_margin: float = 0.08
    """Cut around a plate on each side, as a share of its size: detectors crop tightly, and a
    reader loses the character that touches the edge."""
    judge_after_s: float = 4.0
    """A vehicle that lingers longer is handed over early, once its consensus is sure."""
    look_again_s: float = 0.5
    """How often a lingering vehicle's consensus is looked at."""
    read_again_s: float = 0.5
    """A vehicle that has all readings it can keep is read this often still: another one may
    have taken its place."""
    confirmations: int = 2
    """Detections that make a track with a reading a vehicle."""
    slow_s: float = 0.4
    """Between frames so far apart a vehicle may be seen once: one clear reading will do."""
    clear_posterior: float = 0.7
    """What makes a single reading clear."""
    unread_confirmations: int = 8
    """Detections that make a track a vehicle though nothing on it can be read."""
    unread_width: float = 32.0
    """Width in pixels from which a plate that cannot be read counts as a vehicle; a smaller
    one is out of reach."""
    weak_waits_s: float = 4.0
    """A vehicle with an unsure consensus waits so long for a better view of its plate."""
    remember_s: float = 10.0
    """A vehicle that comes back within this time with the same text is the same vehicle."""


def settings_for(threshold: float) -> WatchSettings:
    """Settings for a detector with this shipped threshold, 0 to 1."""
    return WatchSettings(tracking=TrackSettings(strong_score=threshold))


class VehicleWatcher:
    """Turns one stream's frames into vehicles, each handed over at most twice.

    A vehicle is handed over when its track has ended. One that lingers is handed over before
    that as well. A track that turns out to be a vehicle already handed over, or one still in
    view, is not handed over at all.

    Args:
        camera: name of the camera, copied into what is handed over.
        detector: finds plates.
        reader: reads them.
        settings: constants; the defaults are meant to fit every camera.
        attention: decides which frames are looked at, unless they come wanted; all of them when
            left out.
    """

    def __init__(
        self,
        camera: str,
        detector: PlateDetector,
        reader: PlateReader,
        settings: WatchSettings | None = None,
        attention: Attention | None = None,
    ) -> None:
        self._camera = camera
        self._detector = detector
        self._reader = reader
        self._settings = settings or WatchSettings()
        self._tracker = Tracker(self._settings.tracking)
        self._open: dict[int, Dossier] = {}
        self._looked_s: dict[int, float] = {}
        self._waiting: list[tuple[Dossier, PlateConsensus | None]] = []
        self._remembered: list[Remembered] = []
        self._numbers = count(1)
        self._last_s: float | None = None
        self._interval_s = math.inf  # a stream of one picture is a slow stream
        self._attention = attention
        self.looks = 0
        self.reads = 0
        self.stage_seconds = {"attend": 0.0, "detect": 0.0, "read": 0.0, "track": 0.0}

    def observe(self, frame: Frame) -> tuple[VehicleSeen, ...]:
        """Take in the next frame; returns the vehicles that are due for judgement."""
        before = time.perf_counter()
        now_s = frame.stream_s
        if self._last_s is not None:
            self._interval_s = now_s - self._last_s
        self._last_s = now_s
        wanted = self._wants(frame)
        started = time.perf_counter()
        self.stage_seconds["attend"] += started - before
        if not wanted:
            return self._pass(now_s)
        self.looks += 1
        detections = without_duplicates(self._detector.detect(frame.pixels))
        detected = time.perf_counter()
        readings = self._readings(frame, detections)
        read = time.perf_counter()
        update = self._tracker.update(now_s, detections, readings)
        due: list[VehicleSeen | None] = []
        together = frozenset(track for track, _ in update.matches)
        for track, index in update.matches:
            others = tuple(one.box for one in detections if one is not detections[index])
            dossier = self._open.setdefault(track, Dossier(track, frame))
            dossier.beside |= together - {track}
            dossier.add(frame, detections[index].box, readings[index], others)
            due.append(self._early(dossier))
        due.extend(self._close(track) for track in update.ended)
        due.extend(self._settle(now_s - self._settings.weak_waits_s))
        self._forget(now_s - self._settings.remember_s)
        if self._attention is not None:
            self._attention.following = bool(self._open)
        tracked = time.perf_counter()
        self.stage_seconds["detect"] += detected - started
        self.stage_seconds["read"] += read - detected
        self.stage_seconds["track"] += tracked - read
        return tuple(vehicle for vehicle in due if vehicle is not None)

    def _wants(self, frame: Frame) -> bool:
        if frame.wanted or self._attention is None:
            return True
        return self._attention.wants(cells_of(frame.pixels[..., 1]), frame.stream_s)

    def _pass(self, now_s: float) -> tuple[VehicleSeen, ...]:
        """Nothing is followed and nothing looked at: only time goes on."""
        due = self._settle(now_s - self._settings.weak_waits_s)
        self._forget(now_s - self._settings.remember_s)
        return tuple(vehicle for vehicle in due if vehicle is not None)

    def _readings(self, frame: Frame, detections: Sequence[Detection]) -> list[PlateReading | None]:
        """What the reader makes of each detection; None where it could say nothing new.

        A vehicle keeps its best readings only. A patch that cannot be among them, on a plate
        that beyond doubt continues a track, is not read.
        """
        patches = [cut(frame.pixels, one, self._settings.patch_margin) for one in detections]
        worth = [
            index
            for index, patch in enumerate(patches)
            if self._could_say_more(patch, frame.stream_s)
        ]
        self.reads += len(worth)
        readings: list[PlateReading | None] = [None] * len(patches)
        for index, reading in zip(
            worth, self._reader.read([patches[index] for index in worth]), strict=True
        ):
            readings[index] = reading
        return readings

    def _could_say_more(self, patch: PlatePatch, now_s: float) -> bool:
        track = self._tracker.continued_by(patch.box, now_s)
        if track is None or track not in self._open:
            return True
        dossier = self._open[track]
        return (
            dossier.would_keep(patch.quality, patch.box)
            or now_s - dossier.read_s >= self._settings.read_again_s
        )

    def finish(self) -> tuple[VehicleSeen, ...]:
        """The stream has ended: hand over whatever is still in view."""
        due = [self._close(track) for track in self._tracker.finish()]
        due.extend(self._settle(math.inf))
        self._forget(math.inf)
        return tuple(vehicle for vehicle in due if vehicle is not None)

    def _early(self, dossier: Dossier) -> VehicleSeen | None:
        """The vehicle if it lingers and its consensus is sure."""
        settings = self._settings
        lingers_since = max(
            dossier.first_s + settings.judge_after_s - settings.look_again_s,
            self._looked_s.get(dossier.track, -math.inf),
        )
        if dossier.handed_over or dossier.last_s - lingers_since < settings.look_again_s:
            return None
        self._looked_s[dossier.track] = dossier.last_s
        consensus = dossier.consensus()
        if consensus is None or consensus.posterior < SURE:
            return None
        return self._hand_over(dossier, consensus, final=False)

    def _close(self, track: int) -> VehicleSeen | None:
        """The vehicle of a track that has ended, if it is one and need not wait."""
        dossier = self._open.pop(track)
        self._looked_s.pop(track, None)
        consensus = dossier.consensus()
        if dossier.handed_over:
            return dossier.vehicle(self._camera, consensus, final=True) if dossier.number else None
        if not self._is_vehicle(dossier, consensus) or self._is_in_view(dossier, consensus):
            return None
        if consensus is None or consensus.posterior < SURE:
            self._waiting.append((dossier, consensus))
            return None
        return self._hand_over(dossier, consensus, final=True)

    def _is_vehicle(self, dossier: Dossier, consensus: PlateConsensus | None) -> bool:
        settings = self._settings
        if consensus is None:
            return (
                dossier.detections >= settings.unread_confirmations
                and dossier.widest >= settings.unread_width
            )
        slow_and_clear = (
            self._interval_s >= settings.slow_s and consensus.posterior >= settings.clear_posterior
        )
        return dossier.detections >= settings.confirmations or slow_and_clear

    def _is_in_view(self, dossier: Dossier, consensus: PlateConsensus | None) -> bool:
        """Whether another track still follows the same plate; if so it takes over."""
        if consensus is None:
            return False
        for other in self._open.values():
            seen = other.consensus()
            beside = other.track in dossier.beside
            if seen is not None and same_plate(seen, consensus, beside=beside):
                # Evidence of a text that is only similar could be another vehicle's picture.
                if seen.best.text == consensus.best.text:
                    other.absorb(dossier)
                return True
        return False

    def _settle(self, ended_before_s: float) -> list[VehicleSeen | None]:
        """Hand over the unsure vehicles that have waited long enough."""
        due = [one for one in self._waiting if one[0].last_s <= ended_before_s]
        self._waiting = [one for one in self._waiting if one[0].last_s > ended_before_s]
        return [
            self._hand_over(dossier, consensus, final=True)
            for dossier, consensus in due
            if not self._is_in_view(dossier, consensus)
        ]

    def _hand_over(
        self, dossier: Dossier, consensus: PlateConsensus | None, *, final: bool
    ) -> VehicleSeen | None:
        """The vehicle for the first time, unless it is one of a moment ago."""
        dossier.handed_over = True
        if consensus is not None:
            known = self._recall(dossier, consensus)
            if known is not None:
                dossier.memory = known
                return None
            dossier.memory = Remembered(consensus, frozenset({dossier.track}), dossier.last_s)
            self._remembered.append(dossier.memory)
        dossier.number = next(self._numbers)
        return dossier.vehicle(self._camera, consensus, final=final)

    def _recall(self, dossier: Dossier, consensus: PlateConsensus) -> Remembered | None:
        """The vehicle of a moment ago that this is; it is remembered anew."""
        for one in self._remembered:
            if _doubts_itself(one.consensus, consensus):
                continue
            if same_plate(one.consensus, consensus, beside=bool(one.tracks & dossier.beside)):
                one.last_s = max(one.last_s, dossier.last_s)
                one.tracks |= {dossier.track}
                if consensus.posterior > one.consensus.posterior:
                    one.consensus = consensus
                return one
        return None

    def _forget(self, before_s: float) -> None:
        """Drop the plates of vehicles gone for so long."""
        self._remembered = [one for one in self._remembered if one.last_s >= before_s]
        known = {track for one in self._remembered for track in one.tracks}
        known.update(self._open, (dossier.track for dossier, _ in self._waiting))
        for dossier in self._open.values():
            dossier.beside &= known


def _doubts_itself(known: PlateConsensus, new: PlateConsensus) -> bool:
    """Whether a sure reading would be taken for another text that was never sure."""
    return known.posterior < SURE <= new.posterior and known.best.text != new.best.text


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
