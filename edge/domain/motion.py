"""Motion detection by background subtraction on a grid of cells.

The background is a running average with one Gaussian for each cell (Wren et al. 1997). Cells
are used instead of pixels: a vehicle with a legible plate covers many cells, and the mean of a
cell has little noise. The threshold of each cell follows its own noise, so cells with rain or
leaves become less sensitive. The median change over all cells is a change of light and is
subtracted first. Among thousands of cells some exceed their threshold by chance, so motion
needs two neighbouring cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
"""One channel of a picture, shape (height, width): luma, or green, which is most of luma."""

Cells = npt.NDArray[np.float32]
"""Mean of each cell of a plane, shape (rows, columns), 0 to 255."""

Moving = npt.NDArray[np.bool_]
"""Whether each cell moves, shape (rows, columns)."""

COLUMNS = 80
"""Cells across a picture, or a few more. A car with a legible plate is about ten cells wide."""


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """Thresholds of the motion detector. Grey levels 0 to 255, times in seconds."""

    min_change: float = 3.0
    """Smallest change of a cell that is motion, even when the cell has no noise."""
    threshold_deviations: float = 5.0
    """Threshold of a cell in mean absolute deviations of its noise: five of them are about four
    standard deviations."""
    background_s: float = 5.0
    """Time constant of the background: an object that stays longer becomes background."""
    min_drift: float = 1.0
    """Smallest change of a cell's background that counts; a background has little noise."""
    drift_deviations: float = 1.0
    """The same in mean absolute deviations of the cell's noise."""


PASSED_OVER_S = 0.045
"""While nothing moves, a picture that follows so soon after the last one need not be compared."""


class MotionGate:
    """Motion detector for one view. It stores only the means and the noise of the cells.

    Args:
        settings: thresholds.
    """

    def __init__(self, settings: MotionSettings | None = None) -> None:
        self._settings = settings or MotionSettings()
        self._background: Cells | None = None
        self._noise: Cells | None = None
        self._kept: Cells | None = None
        self._last_s = 0.0

    def restart(self) -> None:
        """Forget the background: the next picture counts as the first one."""
        self._background = self._noise = self._kept = None

    def keep_background(self) -> None:
        """Keep the background as it is now, for `has_drifted`."""
        self._kept = self._background

    def has_drifted(self) -> bool:
        """Whether the background differs from the kept one, or none of its size was kept.

        It differs from then on if something came, left or moved in the meantime, however slowly.
        """
        kept, background, noise = self._kept, self._background, self._noise
        if kept is None or background is None or noise is None or kept.shape != background.shape:
            return True
        settings = self._settings
        drift = background - kept
        drift -= _median(drift)
        limit = np.maximum(settings.min_drift, settings.drift_deviations * noise)
        return bool(_paired(np.abs(drift) > limit).any())

    def moving_cells(self, cells: Cells, stream_s: float) -> Moving:
        """Where the next picture differs from the background; also updates the background.

        The first picture always counts as motion, everywhere. So does the first one of a new size,
        and the first one after a gap of more than `background_s`, since its background is out of
        date.

        Args:
            cells: cell means of the picture, from `cell_means`.
            stream_s: its time in seconds; never smaller than before.

        Returns:
            Which cells have changed together with a neighbour in their row, shape (rows, columns).
        """
        settings = self._settings
        background, noise = self._background, self._noise
        is_old = stream_s - self._last_s > settings.background_s
        if background is None or noise is None or background.shape != cells.shape or is_old:
            self._background, self._noise = cells, np.full_like(cells, settings.min_change / 2)
            self._last_s = stream_s
            return np.ones(cells.shape, np.bool_)
        change = cells - background
        change -= _median(change)
        size = np.abs(change)
        limit = np.maximum(settings.min_change, settings.threshold_deviations * noise)
        changed = size > limit
        share = 1 - float(np.exp(-(stream_s - self._last_s) / settings.background_s))
        self._last_s = stream_s
        # The change that updates the noise is capped at the threshold: otherwise a passing
        # vehicle would raise the threshold so far that the cell misses the next vehicle.
        self._background = background + np.float32(share) * (cells - background)
        self._noise = noise + np.float32(share) * (np.minimum(size, limit) - noise)
        return _paired(changed)


def _paired(cells: Moving) -> Moving:
    """Those of the cells that have a neighbour in their row."""
    pairs = cells[:, 1:] & cells[:, :-1]
    paired = np.zeros(cells.shape, np.bool_)
    paired[:, 1:] |= pairs
    paired[:, :-1] |= pairs
    return paired


def cell_means(plane: Plane) -> Cells:
    """Mean of each cell. In a large picture only every fourth pixel of every fourth row is used.

    Args:
        plane: shape (height, width).
    """
    step, per_cell, rows, across = _grid(*plane.shape)
    if rows == 0 or across == 0:
        return np.full((1, 1), float(plane.mean()), np.float32)
    height, width = rows * per_cell, across * per_cell
    # A contiguous copy summed as integers, rows before columns, takes a tenth of the time of
    # `mean` on the strided view. This runs for every frame.
    sample = np.ascontiguousarray(plane[: height * step : step, : width * step : step])
    strips = sample.reshape(rows, per_cell, width).sum(axis=1, dtype=np.uint32)
    sums = np.add.reduceat(strips, np.arange(0, width, per_cell), axis=1)
    return np.asarray(sums / per_cell**2, dtype=np.float32)


def _median(values: Cells) -> float:
    """The upper median; `np.median` takes four times as long, and this runs for every frame."""
    middle = values.size // 2
    return float(np.partition(values, middle, axis=None)[middle])


def cells_shape(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the cell grid for a plane of this size in pixels."""
    _, _, rows, across = _grid(height, width)
    return (rows, across) if rows and across else (1, 1)


def _grid(height: int, width: int) -> tuple[int, int, int, int]:
    """Sampling step in pixels, samples along one side of a cell, rows, columns."""
    cell_side = max(1, width // COLUMNS)
    step = 4 if cell_side >= 16 else 1
    per_cell = max(1, cell_side // step)
    return step, per_cell, -(-height // step) // per_cell, -(-width // step) // per_cell
