"""A tracked vehicle: trajectory, fused reading and key frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Rules and policies name these types; whoever only reads a policy needs no NumPy.
    from edge.domain.imaging import Box, Pixels
    from edge.domain.reading import PlateConsensus


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """Position of the vehicle's plate at one time of the stream (seconds)."""

    stream_s: float
    box: Box


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """The best frame of a vehicle, kept in RAM as possible evidence.

    Attributes:
        frame_index: number of the frame in its stream.
        observed_at: its time, UTC.
        plate: box of the vehicle's own plate, in pixels.
        other_plates: boxes of what certainly is another plate in the frame, in pixels.
        pixels: the frame.
        weak_plates: boxes that may be plates, or badges, lamps and lettering (`told_apart`).
    """

    frame_index: int
    observed_at: datetime
    plate: Box
    other_plates: tuple[Box, ...]
    pixels: Pixels = field(repr=False, compare=False)
    weak_plates: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class VehicleSeen:
    """A vehicle that is ready for judgement.

    A vehicle is handed over at most twice: early (`final` False), only when its consensus is sure
    and it stays in view, and once more when it has left (`final` True).

    Attributes:
        camera: name of the camera.
        number: identifies the vehicle within one run of one camera, nowhere else.
        final: whether the vehicle has left.
        first_seen: time of the first frame, UTC.
        last_seen: time of the last frame so far, UTC.
        trajectory: positions of its plate, oldest first.
        consensus: the fused reading; None when the plate could not be read.
        key_frame: its best frame; None when no frame was read.
        path_frames: its first and its last frame, if a rule of the camera needs movement and the
            vehicle has left.
    """

    camera: str
    number: int
    final: bool
    first_seen: datetime
    last_seen: datetime
    trajectory: tuple[TrackPoint, ...] = field(repr=False)
    consensus: PlateConsensus | None = field(repr=False)
    key_frame: KeyFrame | None = field(repr=False)
    path_frames: tuple[KeyFrame, ...] = field(default=(), repr=False)
