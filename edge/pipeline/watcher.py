"""Vehicles of one camera: detect, read and track plates, and hand each vehicle over to judgement.

All data is kept in RAM and is dropped soon after the vehicle has left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from edge.domain.imaging import (
    Detection,
    Frame,
    PlatePatch,
    cut_patch,
    joined_pieces,
    without_duplicates,
)
from edge.domain.motion import cell_means
from edge.domain.reading import PlateConsensus, PlateReading
from edge.domain.tracking import Tracker, TrackSettings, certainty
from edge.domain.vehicles import VehicleSeen
from edge.pipeline.attention import Attention
from edge.pipeline.dossier import Dossier
from edge.pipeline.following import follow
from edge.pipeline.places import KnownPlaces
from edge.pipeline.ports import PlateDetector, PlateReader
from edge.pipeline.recent import SURE_POSTERIOR, RecentVehicle, only_new_is_sure, same_plate


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """When a track is confirmed as a vehicle and when it is handed over. Times in seconds."""

    tracking: TrackSettings = field(default_factory=TrackSettings)
    patch_margin: float = 0.08
    """Margin of a patch on each side, as a share of the plate's size: detectors crop tightly, and
    a reader misses a character that touches the edge."""
    early_hand_over_s: float = 4.0
    """A vehicle that stays longer is handed over early, once its consensus is sure."""
    early_check_interval_s: float = 0.5
    """Interval between checks of the consensus of a vehicle that stays."""
    n_init: int = 2
    """Detections that confirm a track with a reading as a vehicle."""
    slow_stream_interval_s: float = 0.4
    """In a stream with this frame interval or more, one clear reading confirms a vehicle: it may
    be in a single frame only."""
    single_read_posterior: float = 0.7
    """Smallest posterior of such a single reading."""
    n_init_unread: int = 8
    """Detections that confirm a track without a reading as a vehicle."""
    n_init_unread_s: float = 0.7
    unread_looks: int = 4
    """So do this many detections over so many seconds: not every frame is looked at."""
    min_unread_width: float = 32.0
    """Smallest plate width, in pixels, at which an unreadable plate counts as a vehicle; a smaller
    plate is too far away."""
    unsure_wait_s: float = 4.0
    """A vehicle with an unsure consensus waits this long for a better view of its plate."""
    same_vehicle_s: float = 10.0
    """A vehicle that returns with the same text within this time is the same vehicle."""
    passing_travel: float = 2.0
    """What is displaced by this many plate widths shows that the street moves."""
    max_standing_s: float = 30.0
    """What never moves for this long is no passing vehicle, even if nothing else moves."""
    same_place_s: float = 60.0
    """Something that stands where something stood within this time is the same thing."""
    in_view_s: float = 0.5
    """A vehicle stays in view over a gap in the stream if it was seen so shortly before the gap and
    at the same place so shortly after it."""
    longest_stay_s: float = 60.0
    """Over a longer gap no vehicle stays in view: it is another passage."""


def settings_for_threshold(threshold: float) -> WatchSettings:
    """Settings for a detector with this score threshold, 0 to 1."""
    return WatchSettings(tracking=TrackSettings(strong_score=threshold))


class VehicleWatcher:
    """Turns the frames of one stream into vehicles; each is handed over at most twice.

    A vehicle is handed over when its track has ended. One that stays in view is also handed over
    before that. A track is not handed over if its vehicle was handed over already or is still in
    view under another track.

    Args:
        camera: name of the camera.
        detector: detects plates.
        reader: reads plates.
        settings: parameters; the defaults are meant to fit every camera.
        attention: selects the frames for the detector, except those that the decoder already
            selected. None means all frames.
        keeps_path: whether a rule of this camera needs movement: then the first and the last frame
            of each vehicle are kept too.

    Attributes:
        detector_runs: number of frames that went to the detector.
        reads: number of patches that were read.
        stage_seconds: processing time of each stage, in seconds.
    """

    def __init__(
        self,
        camera: str,
        detector: PlateDetector,
        reader: PlateReader,
        settings: WatchSettings | None = None,
        attention: Attention | None = None,
        *,
        keeps_path: bool = False,
    ) -> None:
        self._camera = camera
        self._detector = detector
        self._reader = reader
        self._settings = settings or WatchSettings()
        self._tracker = Tracker(self._settings.tracking)
        self._dossiers: dict[int, Dossier] = {}
        self._last_check_s: dict[int, float] = {}
        self._waiting: list[tuple[Dossier, PlateConsensus | None]] = []
        self._recent_vehicles: list[RecentVehicle] = []
        self._numbers = count(1)
        self._last_s: float | None = None
        self._street_moved_s = -math.inf
        self._places = KnownPlaces()
        self._section = 0
        self._breaks = 0
        self._size: tuple[int, int] | None = None
        self._interval_s = math.inf  # a stream of one picture counts as slow
        self._attention = attention
        if attention is not None:
            attention.follows_paths = keeps_path
        self._keeps_path = keeps_path
        self.detector_runs = 0
        self.reads = 0
        self.stage_seconds = {"attend": 0.0, "detect": 0.0, "read": 0.0, "track": 0.0}

    def observe(self, frame: Frame) -> tuple[VehicleSeen, ...]:
        """Process the next frame; returns the vehicles that are ready for judgement."""
        before = time.perf_counter()
        now_s = frame.stream_s
        due: list[VehicleSeen | None] = []
        if self._last_s is not None and self._is_apart(frame, self._last_s):
            due.extend(self._break_off(frame, self._last_s))
        self._breaks = frame.breaks or 0
        if self._last_s is not None:
            self._interval_s = now_s - self._last_s
        self._last_s = now_s
        selected = self._is_selected(frame)
        if frame.selected and self._attention is not None:
            self._interval_s = self._attention.frame_interval_s or self._interval_s
        started = time.perf_counter()
        self.stage_seconds["attend"] += started - before
        if not selected:
            due.extend(self._skip(now_s))
            return tuple(vehicle for vehicle in due if vehicle is not None)
        self.detector_runs += 1
        due.extend(self._begin_size(frame))
        detections = joined_pieces(without_duplicates(self._detector.detect(frame.pixels)))
        detected = time.perf_counter()
        readings = self._readings(frame, detections)
        read = time.perf_counter()
        update = self._tracker.update(now_s, detections, readings)
        visible_tracks = frozenset(track for track, _ in update.matches)
        for track, index in update.matches:
            others = tuple(one for one in detections if one is not detections[index])
            if track not in self._dossiers:
                self._dossiers[track] = Dossier(track, frame, keeps_path=self._keeps_path)
            dossier = self._dossiers[track]
            dossier.concurrent_tracks |= visible_tracks - {track}
            dossier.add(
                frame,
                detections[index],
                readings[index],
                others,
                strong_score=self._settings.tracking.strong_score,
            )
            if dossier.travel >= self._settings.passing_travel:
                self._street_moved_s = now_s
            due.append(self._early_hand_over(dossier))
        due.extend(self._end_track(track) for track in update.ended)
        due.extend(self._hand_over_unsure(now_s - self._settings.unsure_wait_s))
        self._drop_old_state(now_s - self._settings.same_vehicle_s)
        self._plan_next_look(frame)
        tracked = time.perf_counter()
        self.stage_seconds["detect"] += detected - started
        self.stage_seconds["read"] += read - detected
        self.stage_seconds["track"] += tracked - read
        return tuple(vehicle for vehicle in due if vehicle is not None)

    def _is_selected(self, frame: Frame) -> bool:
        """Whether this frame goes to the detector."""
        if frame.selected or self._attention is None:
            return True
        if self._attention.passes_over(frame.stream_s):
            return False
        cells = cell_means(frame.pixels[..., 1]) if frame.cells is None else frame.cells()
        return self._attention.selects(cells, frame.stream_s)

    def _plan_next_look(self, frame: Frame) -> None:
        """Tell the attention which vehicles are followed, and when each is to be looked at."""
        if self._attention is None:
            return
        followed = (
            follow(
                self._dossiers[forecast.number],
                forecast,
                frame,
                self._places,
                needs_path=self._keeps_path,
            )
            for forecast in self._tracker.forecasts()
        )
        self._attention.followed = tuple(one for one in followed if one is not None)

    def _skip(self, now_s: float) -> tuple[VehicleSeen, ...]:
        """A frame that was not selected: only update what depends on time."""
        due = self._hand_over_unsure(now_s - self._settings.unsure_wait_s)
        self._drop_old_state(now_s - self._settings.same_vehicle_s)
        return tuple(vehicle for vehicle in due if vehicle is not None)

    def _is_apart(self, frame: Frame, last_s: float) -> bool:
        """Whether this frame is too long after the last one, or nobody knows how long after it."""
        if frame.breaks is not None:
            return frame.breaks != self._breaks
        gap_s = frame.stream_s - last_s
        return frame.section != self._section or gap_s > self._settings.tracking.longest_gap_s

    def _break_off(self, frame: Frame, last_s: float) -> tuple[VehicleSeen, ...]:
        """End all tracks before a frame that does not follow the last one; returns their vehicles.

        A vehicle that returns after the gap is another passage, except one that stayed in view.
        """
        settings = self._settings
        boxes = {
            track: dossier.last_box
            for track, dossier in self._dossiers.items()
            if dossier.last_s >= last_s - settings.in_view_s
        }
        due = self._end_all()
        unknown = frame.section != self._section
        if unknown or frame.stream_s - last_s <= settings.longest_stay_s:
            for one in self._recent_vehicles:
                one.stays_at = next((boxes[track] for track in one.tracks if track in boxes), None)
                if one.stays_at is not None:
                    one.last_s = frame.stream_s
                    one.stays_until_s = frame.stream_s + settings.in_view_s
        self._section = frame.section
        self._drop_old_state(frame.stream_s - (0.0 if unknown else settings.same_vehicle_s))
        if self._attention is not None:
            self._attention.restart()
        return due

    def _begin_size(self, frame: Frame) -> tuple[VehicleSeen, ...]:
        """End all tracks before a picture of another size; returns their vehicles.

        Boxes of the two cannot be compared, so what stands would seem to move. What is known about
        places is kept, on the scale of the new size: the camera shows the same view.
        """
        before, size = self._size, (frame.width, frame.height)
        self._size = size
        if before is None or before == size:
            return ()
        due = self._end_all()
        across, down = size[0] / before[0], size[1] / before[1]
        self._places.scale(across, down)
        for one in self._recent_vehicles:
            one.stays_at = one.stays_at and one.stays_at.scaled(across, down)
        if self._attention is not None:
            self._attention.restart()
        return due

    def _readings(self, frame: Frame, detections: Sequence[Detection]) -> list[PlateReading | None]:
        """The reading of each detection; None where a reading could tell nothing new.

        A patch is not read if it surely continues a track whose consensus its reading cannot
        change, or if it is a weak detection where there was no plate a moment ago.
        """
        patches = [cut_patch(frame.pixels, one, self._settings.patch_margin) for one in detections]
        indices = [
            index
            for index, (patch, one) in enumerate(zip(patches, detections, strict=True))
            if self._is_worth_reading(patch, one, frame)
        ]
        self.reads += len(indices)
        readings: list[PlateReading | None] = [None] * len(patches)
        for index, reading in zip(
            indices, self._reader.read([patches[index] for index in indices]), strict=True
        ):
            readings[index] = reading
            if (
                self._is_weak(detections[index])
                and certainty(reading) < self._settings.tracking.min_certainty
            ):
                self._places.add_no_plate(detections[index].box, frame.stream_s)
        return readings

    def _is_weak(self, one: Detection) -> bool:
        return one.score < self._settings.tracking.strong_score

    def _is_worth_reading(self, patch: PlatePatch, one: Detection, frame: Frame) -> bool:
        """Whether a reading of this patch could change a dossier or belong to a new vehicle."""
        track = self._tracker.unambiguous_match(patch.box, frame.stream_s)
        if track is not None and track in self._dossiers:
            return self._dossiers[track].is_worth_reading(patch.quality, patch.box, frame)
        return not (self._is_weak(one) and self._places.was_read(patch.box, frame.stream_s))

    def finish(self) -> tuple[VehicleSeen, ...]:
        """The stream has ended: returns the vehicles that are still in view."""
        due = self._end_all()
        self._drop_old_state(math.inf)
        return due

    def _end_all(self) -> tuple[VehicleSeen, ...]:
        """End all tracks; returns their vehicles and those that waited for a better view."""
        due = [self._end_track(track) for track in self._tracker.finish()]
        due.extend(self._hand_over_unsure(math.inf))
        return tuple(vehicle for vehicle in due if vehicle is not None)

    def _early_hand_over(self, dossier: Dossier) -> VehicleSeen | None:
        """The vehicle, if it stays in view, was seen to move and is sure; else None."""
        settings = self._settings
        last_check_s = max(
            dossier.first_s + settings.early_hand_over_s - settings.early_check_interval_s,
            self._last_check_s.get(dossier.track, -math.inf),
        )
        if dossier.handed_over or dossier.last_s - last_check_s < settings.early_check_interval_s:
            return None
        self._last_check_s[dossier.track] = dossier.last_s
        if dossier.stands or self._other_piece(dossier) is not None:
            return None
        consensus = dossier.consensus()
        if consensus is None or consensus.posterior < SURE_POSTERIOR:
            return None
        return self._hand_over(dossier, consensus, final=False)

    def _end_track(self, track: int) -> VehicleSeen | None:
        """The vehicle of an ended track, if it is confirmed and need not wait; else None."""
        dossier = self._dossiers.pop(track)
        self._last_check_s.pop(track, None)
        consensus = dossier.consensus()
        self._learn_from(dossier)
        if dossier.handed_over:
            return dossier.vehicle(self._camera, consensus, final=True) if dossier.number else None
        if not self._is_vehicle(dossier, consensus) or self._is_in_view(dossier, consensus):
            return None
        if dossier.stands:
            self._places.standing_since(dossier.start, dossier.first_s, dossier.last_s)
        if dossier.stands or consensus is None or consensus.posterior < SURE_POSTERIOR:
            self._waiting.append((dossier, consensus))
            return None
        return self._hand_over(dossier, consensus, final=True)

    def _learn_from(self, dossier: Dossier) -> None:
        """Learn from an ended track how long vehicles are in view, and where there is no plate."""
        if dossier.stands and dossier.is_unreadable:
            self._places.add_no_plate(dossier.start, dossier.last_s)
        elif self._attention is not None and dossier.is_sure:
            self._attention.learn_view(dossier.last_s - dossier.first_s)

    def _is_passage(self, dossier: Dossier) -> bool:
        """Whether it may be a vehicle that passes, not one that is parked, or a sign.

        Something that stands while the street moves is no passage, and neither is something that
        stands for long. In a short recording in which nothing moves a vehicle may stand.
        """
        if not dossier.stands:
            return True
        since_s = self._places.standing_since(dossier.start, dossier.first_s, dossier.last_s)
        return (
            self._street_moved_s < since_s
            and dossier.last_s - since_s < self._settings.max_standing_s
        )

    def _other_piece(self, dossier: Dossier) -> Dossier | None:
        """A track in view that shows another piece of the same plate, or None."""
        return next(
            (
                other
                for other in self._dossiers.values()
                if other is not dossier and other.shows_other_piece(dossier)
            ),
            None,
        )

    def _is_vehicle(self, dossier: Dossier, consensus: PlateConsensus | None) -> bool:
        """Whether the track is confirmed as a vehicle."""
        settings = self._settings
        if consensus is None:
            span_s = dossier.last_s - dossier.first_s
            lasts = span_s >= settings.n_init_unread_s
            return dossier.widest >= settings.min_unread_width and (
                dossier.detections >= settings.n_init_unread
                or (lasts and dossier.detections >= settings.unread_looks)
            )
        single_clear_read = (
            self._interval_s >= settings.slow_stream_interval_s
            and consensus.posterior >= settings.single_read_posterior
        )
        return dossier.detections >= settings.n_init or single_clear_read

    def _is_in_view(self, dossier: Dossier, consensus: PlateConsensus | None) -> bool:
        """Whether another track shows the same plate; with an equal text it takes the evidence.

        So does a track that shows another piece of the plate.
        """
        piece = self._other_piece(dossier)
        if piece is not None:
            piece.divided = True
            piece.merge(dossier)
            return True
        if consensus is None:
            return False
        for other in self._dossiers.values():
            seen = other.consensus()
            same_frame = other.track in dossier.concurrent_tracks
            if seen is not None and same_plate(seen, consensus, same_frame=same_frame):
                # With a text that is only similar, the pictures may show another vehicle.
                if seen.best.text == consensus.best.text:
                    other.merge(dossier)
                return True
        return False

    def _hand_over_unsure(self, ended_before_s: float) -> list[VehicleSeen | None]:
        """Hand over the unsure vehicles that have waited long enough.

        Args:
            ended_before_s: those last seen at or before this time, in seconds of the stream.
        """
        due = [one for one in self._waiting if one[0].last_s <= ended_before_s]
        self._waiting = [one for one in self._waiting if one[0].last_s > ended_before_s]
        return [
            self._hand_over(dossier, consensus, final=True)
            for dossier, consensus in due
            if not self._is_in_view(dossier, consensus) and self._is_passage(dossier)
        ]

    def _hand_over(
        self, dossier: Dossier, consensus: PlateConsensus | None, *, final: bool
    ) -> VehicleSeen | None:
        """The vehicle under a new number; None if it was handed over a moment ago."""
        dossier.handed_over = True
        if consensus is not None:
            known = self._find_recent(dossier, consensus)
            if known is not None:
                dossier.recent_vehicle = known
                return None
            dossier.recent_vehicle = RecentVehicle(
                consensus, frozenset({dossier.track}), dossier.last_s
            )
            self._recent_vehicles.append(dossier.recent_vehicle)
        dossier.number = next(self._numbers)
        return dossier.vehicle(self._camera, consensus, final=final)

    def _find_recent(self, dossier: Dossier, consensus: PlateConsensus) -> RecentVehicle | None:
        """The recently handed over vehicle with the same plate, updated; None if there is none."""
        for one in self._recent_vehicles:
            if only_new_is_sure(one.consensus, consensus):
                continue
            if one.stays_at is not None and not dossier.continues(one.stays_at, one.stays_until_s):
                continue
            if same_plate(
                one.consensus, consensus, same_frame=bool(one.tracks & dossier.concurrent_tracks)
            ):
                one.stays_at = None
                one.last_s = max(one.last_s, dossier.last_s)
                one.tracks |= {dossier.track}
                if consensus.posterior > one.consensus.posterior:
                    one.consensus = consensus
                return one
        return None

    def _drop_old_state(self, before_s: float) -> None:
        """Drop the plates of vehicles that were last seen before this time."""
        kept_s = before_s + self._settings.same_vehicle_s - self._settings.same_place_s
        self._places.forget(kept_s)
        self._recent_vehicles = [one for one in self._recent_vehicles if one.last_s >= before_s]
        known = {track for one in self._recent_vehicles for track in one.tracks}
        known.update(self._dossiers, (dossier.track for dossier, _ in self._waiting))
        for dossier in self._dossiers.values():
            dossier.concurrent_tracks &= known
