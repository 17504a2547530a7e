"""How one tracked vehicle is followed: how soon it is looked at again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.domain.imaging import Box, Frame
from edge.domain.tracking import Forecast
from edge.pipeline.attention import Followed
from edge.pipeline.dossier import Dossier
from edge.pipeline.places import KnownPlaces

LOST_AFTER_S = 0.5
"""What was not found again for this many seconds is no longer looked for."""


@dataclass(frozen=True, slots=True)
class VehicleSettings:
    """When one tracked vehicle is looked at again. Times in seconds."""

    new_s: float = 0.08
    """After its first detection: its speed is unknown."""
    unread_s: float = 0.12
    """While it has few readings, or such that disagree."""
    few_readings: int = 3
    doubt_s: float = 0.3
    """Largest interval while its plate is in doubt."""
    hopeless_s: float = 0.4
    """Largest interval while its plate is in doubt, and only a better view can change that."""
    sure_s: float = 0.45
    """While its plate is sure. A track survives one look in vain (`TrackSettings.coast_s`)."""
    standing_s: float = 0.5
    """While it stands, and reading it again would tell nothing new."""
    lost_s: float = 0.2
    """After a look in which it was not found."""
    growing: float = 0.2
    """A plate whose readings disagree and that grows by this share in a second has better views to
    come, so it is not looked at more often now."""
    growth: float = 0.1
    """A plate in doubt is looked at again when it has grown by this share."""
    looks_left: float = 4.0
    """Looks in the time that a vehicle in doubt remains in view."""
    path_widths: float = 2.0
    """A vehicle whose path is needed moves by this many plate widths between two looks."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known about one tracked vehicle after a look.

    Attributes:
        is_lost: whether the look did not find it.
        detections: number of its detections.
        readings: how often it was read.
        is_disputed: whether its readings disagree, so that no text is likely yet.
        is_unreadable: whether it was read repeatedly, and never legibly.
        is_known: whether another reading of such a view would hardly change what was read.
        is_sure: whether its plate is known and sure.
        is_settled: whether it stands, and reading it again would tell nothing new.
        speed: in plate widths per second.
        growth: by which share its plate grows in a second; below 0: it shrinks.
        certain_s: for how long its place can be predicted.
        remains_s: for how long it is predicted to remain in view.
    """

    is_lost: bool
    detections: int
    readings: int
    is_disputed: bool
    is_unreadable: bool
    is_known: bool
    is_sure: bool
    is_settled: bool
    speed: float
    growth: float
    certain_s: float
    remains_s: float


def look_interval_s(
    one: Outlook, settings: VehicleSettings | None = None, *, needs_path: bool = False
) -> float:
    """Seconds until one tracked vehicle is to be looked at again.

    Args:
        one: what is known about it.
        settings: parameters.
        needs_path: whether a rule of the camera needs its path.
    """
    settings = settings or VehicleSettings()
    if one.is_settled:
        return settings.standing_s
    if one.is_lost:
        return settings.lost_s
    if one.detections < 2:
        return settings.new_s
    if one.is_sure:
        wanted_s = settings.sure_s
    else:
        hopeless = one.is_unreadable or one.is_known
        longest_s = settings.hopeless_s if hopeless else settings.doubt_s
        grown_s = settings.growth / one.growth if one.growth > 0 else longest_s
        disputed = one.is_disputed and one.growth < settings.growing
        few = (one.readings < settings.few_readings or disputed) and not hopeless
        wanted_s = settings.unread_s if few else min(max(grown_s, settings.unread_s), longest_s)
        wanted_s = min(wanted_s, one.remains_s / settings.looks_left)
    if needs_path and one.speed > 0:
        wanted_s = min(wanted_s, settings.path_widths / one.speed)
    return min(wanted_s, one.certain_s)


def remaining_s(plate: Box, velocity: tuple[float, float], size: tuple[int, int]) -> float:
    """Seconds until the centre of a plate leaves the picture; infinite if it stands.

    Args:
        plate: its plate in pixels.
        velocity: of the plate, (x, y) in pixels per second.
        size: width and height of the picture in pixels.
    """
    times = [
        ((length if speed > 0 else 0) - at) / speed
        for at, speed, length in zip(plate.centre, velocity, size, strict=True)
        if speed
    ]
    return max(0.0, min(times, default=math.inf))


def follow(
    dossier: Dossier, forecast: Forecast, frame: Frame, places: KnownPlaces, *, needs_path: bool
) -> Followed | None:
    """How a track is followed after a look; None if it has left or was lost too long ago.

    Args:
        dossier: what is known about it.
        forecast: where it is going.
        frame: the frame that was looked at.
        places: what is known about places of this view.
        needs_path: whether a rule of the camera needs its path.
    """
    size = (frame.width, frame.height)
    box, (vx, vy) = dossier.last_box, forecast.velocity
    unseen_s = frame.stream_s - forecast.last_s
    remains_s = remaining_s(box, forecast.velocity, size)
    if unseen_s > 0 and (remains_s <= unseen_s or unseen_s > LOST_AFTER_S):
        return None
    outlook = Outlook(
        is_lost=unseen_s > 0,
        detections=dossier.detections,
        readings=dossier.tries,
        is_disputed=dossier.is_disputed,
        is_unreadable=dossier.is_unreadable,
        is_known=dossier.is_known,
        is_sure=dossier.is_sure and dossier.is_known,
        is_settled=dossier.is_settled or (dossier.is_unreadable and places.has_no_plate(box)),
        speed=forecast.speed,
        growth=dossier.growth,
        certain_s=forecast.certain_s,
        remains_s=remains_s,
    )
    return Followed.of(
        box.shifted(vx * unseen_s, vy * unseen_s),
        forecast.velocity,
        size,
        frame.stream_s,
        look_interval_s(outlook, needs_path=needs_path),
    )
