"""Whether anything moves: a picture against the running background of the same view.

Of the family of running averages (Wren et al. 1997, one Gaussian for each place), on cells
instead of pixels: a vehicle whose plate can be read covers many, and a cell's mean has little
noise. Each cell's own noise sets its threshold, so rain and leaves teach their cells patience.
A change that all cells share is light, and is taken out first. Of thousands of cells some
always stray by chance, but not two that touch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
"""One number for each pixel, shape (height, width): luma, or green, which is most of it."""

Cells = npt.NDArray[np.float32]
"""Mean of each cell of a plane, shape (rows, columns), 0 to 255."""

COLUMNS = 80
"""Cells across a picture, or a few more: a car with a legible plate is some ten wide."""


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """When a cell has changed. Grey levels are of 0 to 255, times in seconds."""

    floor: float = 3.0
    """A smaller change of a cell is no motion, however quiet it is."""
    deviations: float = 5.0
    """A change must exceed so many mean deviations of the cell: four standard ones."""
    background_s: float = 5.0
    """Time constant of the background: what stays for longer belongs to the view."""


class MotionGate:
    """Tells motion in one view. Nothing of a frame is kept but means of cells.

    Args:
        settings: constants.
    """

    def __init__(self, settings: MotionSettings | None = None) -> None:
        self._settings = settings or MotionSettings()
        self._background: Cells | None = None
        self._noise: Cells | None = None
        self._last_s = 0.0

    def moves(self, cells: Cells, stream_s: float) -> bool:
        """Take in the next picture; the first of a view, or of a size, always counts as motion.

        Args:
            cells: the picture's, by `cells_of`.
            stream_s: its time; never smaller than before.
        """
        settings = self._settings
        background, noise = self._background, self._noise
        if background is None or noise is None or background.shape != cells.shape:
            self._background, self._noise = cells, np.full_like(cells, settings.floor / 2)
            self._last_s = stream_s
            return True
        change = cells - background
        change -= np.median(change)
        size = np.abs(change)
        changed = size > np.maximum(settings.floor, settings.deviations * noise)
        share = 1 - float(np.exp(-(stream_s - self._last_s) / settings.background_s))
        self._last_s = stream_s
        # A cell that something covers learns its noise no further than its threshold: a vehicle
        # that passes must not blind the cell for the next one.
        limit = np.maximum(settings.floor, settings.deviations * noise)
        self._background = background + np.float32(share) * (cells - background)
        self._noise = noise + np.float32(share) * (np.minimum(size, limit) - noise)
        return bool((changed[:, 1:] & changed[:, :-1]).any())


def cells_of(plane: Plane) -> Cells:
    """Mean of each cell, from every fourth pixel of every fourth row where there are many."""
    step, per_cell, rows, across = _grid(*plane.shape)
    if rows == 0 or across == 0:
        return np.full((1, 1), float(plane.mean()), np.float32)
    height, width = rows * per_cell, across * per_cell
    # Copied first and summed as integers, rows before columns: a tenth of the time that the mean
    # of the view would take, and every frame goes through here.
    sample = np.ascontiguousarray(plane[: height * step : step, : width * step : step])
    strips = sample.reshape(rows, per_cell, width).sum(axis=1, dtype=np.uint32)
    sums = np.add.reduceat(strips, np.arange(0, width, per_cell), axis=1)
    return np.asarray(sums / per_cell**2, dtype=np.float32)


def cells_shape(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the cells of a plane of this size."""
    _, _, rows, across = _grid(height, width)
    return (rows, across) if rows and across else (1, 1)


def _grid(height: int, width: int) -> tuple[int, int, int, int]:
    """Pixels from one that is sampled to the next, samples along a cell's side, rows, columns."""
    side = max(1, width // COLUMNS)
    step = 4 if side >= 16 else 1
    per_cell = max(1, side // step)
    return step, per_cell, -(-height // step) // per_cell, -(-width // step) // per_cell
