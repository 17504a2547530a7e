"""Reads the plates of one photo, or the vehicles of one recording, without a site.

This is the frame path up to the reading, without rules, lists, keys or a broker. It accepts regular
files only, for tests with a user's own pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edge.adapters.models.loading import PlateModels
from edge.domain.imaging import Box, Frame, Pixels, cut_patch, plates_among
from edge.domain.reading import PlateConsensus, fuse
from edge.domain.vehicles import VehicleSeen
from edge.pipeline.attention import Attention
from edge.pipeline.watcher import VehicleWatcher, WatchSettings, settings_for_threshold


@dataclass(frozen=True, slots=True)
class PlateOnPhoto:
    """One plate found on a photo.

    Attributes:
        box: the plate's box in pixels of the photo.
        score: the detector's score, 0 to 1, at least its threshold.
        consensus: the calibrated reading; None if no character is legible.
    """

    box: Box
    score: float
    consensus: PlateConsensus | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class PhotoReading:
    """The plates of one photo, and boxes of detections below the detector's threshold.

    A picture for people protects the weak boxes as plates of other vehicles.
    """

    plates: tuple[PlateOnPhoto, ...]
    weak: tuple[Box, ...]


def read_photo(pixels: Pixels, models: PlateModels) -> PhotoReading:
    """Find and read all plates of one photo, from the top left.

    Args:
        pixels: shape (height, width, 3), BGR.
        models: detector and reader.
    """
    plates, weak = plates_among(models.detector.detect(pixels), models.threshold)
    found = sorted(plates, key=lambda one: (one.box.y1, one.box.x1))
    margin = WatchSettings().patch_margin
    readings = models.reader.read([cut_patch(pixels, one, margin) for one in found])
    return PhotoReading(
        tuple(
            PlateOnPhoto(one.box, one.score, fuse([reading]))
            for one, reading in zip(found, readings, strict=True)
        ),
        tuple(one.box for one in weak),
    )


def vehicles_of(
    frames: Iterable[Frame],
    models: PlateModels,
    on_frame: Callable[[Frame], None] = lambda _frame: None,
) -> tuple[VehicleSeen, ...]:
    """Track and read all vehicles of one recording, in the order in which they appear.

    A vehicle that the box would hand over twice (early, and when it has left) is returned once.

    Args:
        frames: the frames of one stream, in order.
        models: detector and reader.
        on_frame: called after each frame.

    Raises:
        CameraError: raised by `frames`.
    """
    watcher = VehicleWatcher(
        "file",
        models.detector,
        models.reader,
        settings_for_threshold(models.threshold),
        attention=Attention(),
    )
    vehicles: dict[int, VehicleSeen] = {}
    for frame in frames:
        vehicles.update((one.number, one) for one in watcher.observe(frame))
        on_frame(frame)
    vehicles.update((one.number, one) for one in watcher.finish())
    return tuple(sorted(vehicles.values(), key=lambda one: one.first_seen))
