"""Ports of the frame path and of the evidence. Adapters implement them; the tests' fakes do too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # Types only: the state folder takes a `Clock` from here and needs no NumPy.
    from edge.domain.imaging import Box, Detection, Frame, Pixels, PlatePatch
    from edge.domain.reading import PlateReading
    from edge.domain.scene import Scene


class Camera(Protocol):
    """A source of frames, oldest first."""

    @property
    def name(self) -> str:
        """Name of the camera."""
        ...

    @property
    def expected_frames(self) -> int | None:
        """Number of frames that a recording declares, for a progress bar; None if unknown."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the source ends.

        Raises:
            CameraError: the source cannot be opened, or has no frame that can be decoded.
        """
        ...

    def close(self) -> None:
        """Stop `frames` within a second, even while it waits. May be called from any thread."""
        ...

    @property
    def corrupt_frames(self) -> int:
        """Number of frames so far that could not be decoded and were skipped."""
        ...


class PlateDetector(Protocol):
    """Detects number plates."""

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        """Detections in pixels of the given picture, in any order.

        Args:
            pixels: the picture.
            region: the part to analyse, in pixels of the picture; None: all of it. A plate that
                the region's edge cuts gives a box that ends there.
        """
        ...


class PlateReader(Protocol):
    """Reads the characters on plate patches (OCR)."""

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        """One reading for each patch, in the same order."""
        ...


class SceneParser(Protocol):
    """Says what the surroundings of a plate show. It is asked for offences only."""

    def parse(self, pixels: Pixels, plate: Box) -> Scene:
        """What the picture shows around the plate.

        Raises:
            ModelError: it fails on this picture.
        """
        ...


class Clock(Protocol):
    """The clocks of the host."""

    def monotonic(self) -> float:
        """Seconds of a monotonic clock, unaffected by changes of the wall clock."""
        ...

    def utc(self) -> datetime:
        """Wall clock time, aware, UTC. Only for validity dates and timestamps."""
        ...
