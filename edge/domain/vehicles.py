"""A vehicle as the camera saw it: one track, one consensus, one best picture."""

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
    """Where the vehicle's plate was at one moment of the stream."""

    stream_s: float
    box: Box


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """The vehicle's best frame, kept in RAM as possible evidence.

    `plate` is its own plate; `others` are all other plates seen in that frame.
    """

    frame_index: int
    observed_at: datetime
    plate: Box
    others: tuple[Box, ...]
    pixels: Pixels = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class VehicleSeen:
    """A vehicle due for judgement.

    It is handed over at most twice: once early (`final` False, only when its consensus is
    strong and it lingers) and once when it has left (`final` True). `number` identifies the
    vehicle within one run of one camera and nothing else.
    """

    camera: str
    number: int
    final: bool
    first_seen: datetime
    last_seen: datetime
    trajectory: tuple[TrackPoint, ...] = field(repr=False)
    consensus: PlateConsensus | None = field(repr=False)
    key_frame: KeyFrame | None = field(repr=False)
