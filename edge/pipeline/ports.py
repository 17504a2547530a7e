"""What the corridor needs from the world. Adapters implement these; tests/support/fakes.py too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # Types only: the state folder takes a `Clock` from here and needs no NumPy.
    from edge.domain.imaging import Detection, Frame, Pixels, PlatePatch
    from edge.domain.reading import PlateReading


class Camera(Protocol):
    """A source of frames, oldest first."""

    @property
    def name(self) -> str: ...

    @property
    def expected_frames(self) -> int | None:
        """How many frames a recording claims to hold, for a progress bar; None if unknown."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the source ends.

        Raises:
            CameraError: the source cannot be opened, or holds not one decodable frame.
        """
        ...

    def close(self) -> None:
        """From any thread: a source that would wait for frames ends instead, within a second."""
        ...

    @property
    def corrupt_frames(self) -> int:
        """Frames that could not be decoded and were skipped so far."""
        ...


class PlateDetector(Protocol):
    """Finds number plates in a picture."""

    def detect(self, pixels: Pixels) -> tuple[Detection, ...]:
        """Detections in pixels of the given picture, any order."""
        ...


class PlateReader(Protocol):
    """Reads the characters on plate patches."""

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        """One reading per patch, same order; an empty input gives an empty output."""
        ...


class Clock(Protocol):
    """Time, as the core may know it."""

    def monotonic(self) -> float:
        """Steady seconds; never stepped."""
        ...

    def utc(self) -> datetime:
        """The wall clock, aware, UTC: for validity dates and time stamps only."""
        ...
