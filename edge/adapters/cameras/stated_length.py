"""How long a recording is according to its container, to notice one that is incomplete."""

from __future__ import annotations

from typing import NamedTuple

import av
from av.container import InputContainer

COMPLETE_SHARE = 0.9
"""A recording that gives a smaller share of what its container states is incomplete."""

_MISCOUNT = 2
"""Containers miscount by so many frames; an incomplete recording lacks far more."""

_FALLBACK_RATE = 25.0
"""Frames per second of a recording that states no rate."""

_STATE_THEIR_LENGTH = frozenset({"asf", "avi", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"})
"""Formats that state how long a recording is; of the others FFmpeg only guesses it."""


class StatedLength(NamedTuple):
    """What a container states about a video stream.

    Attributes:
        frames: number of frames; None: it states none.
        length_s: length in seconds; None: it states none.
        rate: frames a second.
    """

    frames: int | None
    length_s: float | None
    rate: float = _FALLBACK_RATE

    @classmethod
    def of(cls, container: InputContainer, stream: av.VideoStream) -> StatedLength:
        """What this container states about this stream of it."""
        rate = float(stream.average_rate or _FALLBACK_RATE)
        if container.format.name not in _STATE_THEIR_LENGTH:
            return cls(None, None, rate)
        length_s = _tagged_length_s(stream)
        if stream.duration and stream.time_base:
            length_s = float(stream.duration * stream.time_base)
        elif length_s is None and len(container.streams) == 1 and container.duration:
            length_s = container.duration / av.time_base  # sound may last longer
        return cls(stream.frames or None, length_s, rate)

    def is_longer_than(self, frames: int, length_s: float) -> bool:
        """Whether so many frames, and the seconds that they last, are too few.

        Both must be, if both are stated: an edit list plays some frames only, and a slow stream
        ends before its length.

        Args:
            frames: how many were found.
            length_s: by their time stamps; 0 if they have none.
        """
        lacks = []
        if self.frames is not None:
            lacks.append(lacks_frames(frames, self.frames))
        if self.length_s is not None and length_s:
            lacks.append(length_s < self.length_s * COMPLETE_SHARE - _MISCOUNT / self.rate)
        return bool(lacks) and all(lacks)


def lacks_frames(found: int, expected: int) -> bool:
    """Whether far fewer frames were found than expected."""
    return found < expected * COMPLETE_SHARE - _MISCOUNT


def _tagged_length_s(stream: av.VideoStream) -> float | None:
    """The length of a Matroska stream, from the tag that most programs write, in seconds."""
    hours, *rest = stream.metadata.get("DURATION", "").split(":")
    try:
        minutes, seconds = rest
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
