"""Applies the policy's hours and privacy masks to a camera.

Both are applied before a frame reaches the detector. The motion test of a live camera gets masked
cells too.

Masks are fractions of the picture. In a view that is cut or turned otherwise they would lie
elsewhere, so a picture whose width and height have another ratio than the first one shows nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from edge.adapters.cameras.camera_status import CameraStatus
from edge.adapters.cameras.live_camera import LiveCamera
from edge.domain.geometry import Point
from edge.domain.imaging import Frame, Pixels
from edge.domain.motion import Cells
from edge.domain.schedule import Schedule
from edge.pipeline.ports import Camera

AnyPixels = TypeVar("AnyPixels", Pixels, Cells)

MARGIN_PIXELS = 2
"""Pixels that a mask extends beyond its polygon, since neighbouring pixels share chroma."""


SAME_RATIO = 0.02
"""By which share width divided by height may differ in pictures of one view: sizes are rounded."""

log = logging.getLogger(__name__)


class GuardedCamera:
    """The frames of another camera within its hours, with masks filled in black.

    Args:
        camera: gives the frames.
        hours: when it may be open.
        masks: polygons in fractions of the picture, origin top left.
    """

    def __init__(
        self, camera: Camera, hours: Schedule, masks: Sequence[Sequence[Point]] = ()
    ) -> None:
        self._camera = camera
        self._hours = hours
        self._masks = tuple(tuple(mask) for mask in masks)
        self._first_size: tuple[int, int] | None = None
        self._is_other_view = False
        self.out_of_hours = 0

    @property
    def name(self) -> str:
        return self._camera.name

    @property
    def expected_frames(self) -> int | None:
        return self._camera.expected_frames

    @property
    def corrupt_frames(self) -> int:
        return self._camera.corrupt_frames

    def status(self) -> CameraStatus | None:
        """A live camera's status, None for a recording; safe to call from any thread."""
        return self._camera.status() if isinstance(self._camera, LiveCamera) else None

    def ask(self, selects: Callable[[Cells, float], bool], idles: Callable[[], bool]) -> None:
        """Ask about each frame of a live camera, with masks applied; see `LiveCamera.ask`."""
        if isinstance(self._camera, LiveCamera):
            self._camera.ask(
                lambda cells, now_s: selects(masked_cells(cells, self._masks), now_s), idles
            )

    def close(self) -> None:
        self._camera.close()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the source ends.

        Raises:
            CameraError: as the camera raises it.
        """
        for frame in self._camera.frames():
            if self._hours.is_active(frame.observed_at):
                yield self._masked(frame)
            else:
                self.out_of_hours += 1
            del frame  # the next one may come in hours only

    def _masked(self, frame: Frame) -> Frame:
        if not self._masks:
            return frame
        seen, masks = frame.cells, self._masks
        return replace(
            frame,
            picture=lambda: self._behind_masks(frame.pixels),
            cells=None if seen is None else lambda: masked_cells(seen(), masks),
        )

    def _behind_masks(self, pixels: Pixels) -> Pixels:
        """The picture behind its masks; nothing of it if they may lie elsewhere in it."""
        height, width = pixels.shape[:2]
        self._first_size = self._first_size or (width, height)
        first_width, first_height = self._first_size
        there = width * first_height
        is_other = abs(there - first_width * height) > SAME_RATIO * there
        if is_other and not self._is_other_view:
            log.warning(
                "camera %s: its pictures have %d x %d pixels, before %d x %d; the policy's privacy "
                "masks may lie elsewhere in them, so they show nothing; correct the camera, or "
                "restart the box if its view is still the one of the policy",
                self.name, width, height, first_width, first_height,
            )  # fmt: skip
        self._is_other_view = is_other
        return np.zeros_like(pixels) if is_other else masked(pixels, self._masks)


def masked_cells(cells: Cells, masks: Sequence[Sequence[Point]]) -> Cells:
    """The cells of a picture; those touched by a mask are 0, so motion there is ignored."""
    return _filled(cells, masks, 0) if masks else cells


def masked(pixels: Pixels, masks: Sequence[Sequence[Point]]) -> Pixels:
    """The picture with polygons filled in black, in place where it can be written to.

    Args:
        pixels: shape (height, width, 3).
        masks: polygons in fractions of the picture.
    """
    return _filled(pixels, masks, MARGIN_PIXELS)


def _filled(pixels: AnyPixels, masks: Sequence[Sequence[Point]], margin: int) -> AnyPixels:
    canvas = pixels if pixels.flags.writeable else pixels.copy()
    height, width = canvas.shape[:2]
    for mask in masks:
        corners: npt.NDArray[np.int32] = np.rint(
            np.asarray(mask, float) * (width - 1, height - 1)
        ).astype(np.int32)
        cv2.fillPoly(canvas, [corners], (0, 0, 0))
        cv2.polylines(canvas, [corners], True, (0, 0, 0), 2 * margin + 1)  # noqa: FBT003
    return canvas
