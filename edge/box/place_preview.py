"""Makes the still of the empty place from a recording, for a person to approve.

A small picture of what stays the same: ADR 35. It is for regular files, never for a live source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.adapters.cameras.guarded_camera import masked_cells
from edge.adapters.cameras.jpeg import encode_jpeg, shrunk
from edge.domain.imaging import Frame, Pixels
from edge.errors import CameraError
from edge.pipeline.ports import PlateDetector
from edge.privacy.empty_place import empty_place, hide_vehicles
from edge.privacy.place_still import MAX_BYTES, MAX_SIDE, require_plain
from edge.privacy.redaction import place_of_regular_file

WORKING_SIDE = 960
"""Longer side in pixels at which frames are compared: four times less memory than at 1080p."""

MOST_FRAMES = 64
"""So many frames are kept, evenly spread over the recording."""


@dataclass(frozen=True, slots=True)
class PlacePreview:
    """The still of a place, and what is known of it; nobody has looked at it yet."""

    jpeg: bytes
    frames: int
    seconds: float
    plates: int
    masked_share: float

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.jpeg).hexdigest()


def make_place(
    frames: Iterable[Frame],
    detector: PlateDetector,
    masks: Sequence[Sequence[tuple[float, float]]],
) -> PlacePreview:
    """The still of the place that a recording shows.

    Args:
        frames: of a regular file, never of a live source.
        detector: finds plates of vehicles that stand in the result.
        masks: what is masked besides, in fractions of the picture.

    Raises:
        CameraError: there is no frame.
        RedactionError: it cannot be encoded.
    """
    kept, seconds = _spread(frames)
    if not kept:
        raise CameraError("no frame could be read; give another recording")
    median, visible = empty_place(kept)
    plates = [one.box for one in detector.detect(median)]  # uncertain ones too
    hide_vehicles(visible, plates)
    visible = masked_cells(visible.astype(np.uint8), masks).astype(np.bool_)
    image = place_of_regular_file(median, visible)
    jpeg = encode_jpeg(image, max_bytes=MAX_BYTES, max_side=MAX_SIDE)
    require_plain(jpeg)
    return PlacePreview(jpeg, len(kept), seconds, len(plates), 1 - float(visible.mean()))


def _spread(frames: Iterable[Frame]) -> tuple[list[Pixels], float]:
    """At most `MOST_FRAMES` frames of the first frame's size, evenly spread, shrunk.

    With them the time between the first and the last frame, seconds.
    """
    kept: list[Pixels] = []
    step, seconds = 1, 0.0
    for number, frame in enumerate(frames):
        seconds = frame.stream_s
        if number % step:
            continue
        pixels = shrunk(frame.pixels, WORKING_SIDE)
        if kept and pixels.shape != kept[0].shape:
            raise CameraError("the frames do not have one size; give a recording of one camera")
        kept.append(pixels)
        if len(kept) == MOST_FRAMES:
            kept, step = kept[::2], step * 2
    return kept, seconds
