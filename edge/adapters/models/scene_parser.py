"""The scene parser: says what each part of the picture around a number plate shows.

It also tells the kind and the colour of the vehicle with the plate.

It runs on the few pictures that become evidence, never on the frame path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.adapters.models.plate_slant import level_plate
from edge.adapters.models.session import open_session, runtime_errors
from edge.domain.appearance import UNKNOWN, Appearance, Colour, VehicleKind
from edge.domain.imaging import Box, Pixels
from edge.domain.scene import (
    CELL,
    COLUMNS,
    DOWN,
    ROWS,
    UNIT,
    Scene,
    SceneClass,
    unit_of,
    window_around,
)
from edge.errors import ModelError

Matrix = npt.NDArray[np.float64]
"""Shape (2, 3): from pixels of the picture to pixels of the window, counted from pixel edges."""

GREY = 114
"""Grey level where the window reaches past the picture."""

ALIASING_SCALE = 0.6
"""A picture that is shrunk to less than this is first shrunk by area, or thin lines alias."""

SHRUNK_SCALE = 0.9
"""The scale that is left after it."""

SUM_TOLERANCE = 0.02
"""Probabilities may miss 1 by this much together: the weights are stored in float16."""

COLOURED_SHARE, LEAST_COLOURED = 95, 12.0
"""The colour is not known if in this percentage of a window's pixels red, green and blue differ by
less than this, in grey levels: it is near infrared or fog. By day something is always coloured."""

LEAST_LIT = 45.0
"""In a window darker than this on average, in grey levels, the colour is not known."""


def window_matrix(plate: Box) -> Matrix:
    """Moves the plate's centre to its place in the window, and scales its unit to `UNIT`."""
    x, y = plate.centre
    scale = UNIT / unit_of(plate)
    return np.array(
        [[scale, 0, COLUMNS / 2 - scale * x], [0, scale, ROWS - DOWN * UNIT - scale * y]]
    )


def cut_window(pixels: Pixels, plate: Box, matrix: Matrix) -> Pixels:
    """What a parser sees of a picture.

    Args:
        pixels: shape (height, width, 3), BGR.
        plate: its box in the picture.
        matrix: `window_matrix`; in training it also turns, shifts and mirrors.

    Returns:
        Shape (ROWS, COLUMNS, 4): BGR, and 255 where the plate is.
    """
    source, to_window = _seen_part(pixels, matrix)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < ALIASING_SCALE:
        factor = scale / SHRUNK_SCALE
        height, width = source.shape[:2]
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        source = np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.uint8)
        to_window[:, :2] *= np.array([width / size[0], height / size[1]])
    window = np.empty((ROWS, COLUMNS, 4), np.uint8)
    window[:, :, :3] = cv2.warpAffine(
        source,
        from_middles(to_window),
        (COLUMNS, ROWS),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(GREY, GREY, GREY),
    )
    corners = np.array(
        [(plate.x1, plate.y1), (plate.x2, plate.y1), (plate.x2, plate.y2), (plate.x1, plate.y2)]
    )
    placed = corners @ matrix[:, :2].T + matrix[:, 2]
    where = np.zeros((ROWS, COLUMNS), np.uint8)
    cv2.fillConvexPoly(where, np.round(placed - 0.5).astype(np.int32), 255)
    window[:, :, 3] = where
    return window


def _seen_part(pixels: Pixels, matrix: Matrix) -> tuple[Pixels, Matrix]:
    """The part of the picture that is in the window, and the matrix from that part."""
    height, width = pixels.shape[:2]
    linear = np.linalg.inv(matrix[:, :2])
    corners = np.array([(0, 0), (COLUMNS, 0), (0, ROWS), (COLUMNS, ROWS)])
    placed = (corners - matrix[:, 2]) @ linear.T
    margin = np.abs(linear).sum()  # a pixel of the window, in pixels of the picture
    low = np.clip(np.floor(placed.min(axis=0) - margin), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(placed.max(axis=0) + margin), 1, (width, height)).astype(int)
    high = np.maximum(high, low + 1)
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ low
    return pixels[low[1] : high[1], low[0] : high[0]], moved


def from_middles(matrix: Matrix) -> Matrix:
    """The same matrix for coordinates that count from the middle of a pixel, as OpenCV's do."""
    moved: Matrix = matrix.copy()
    moved[:, 2] = matrix[:, :2] @ np.array([0.5, 0.5]) + matrix[:, 2] - 0.5
    return moved


class OnnxSceneParser:
    """A scene parser on ONNX Runtime.

    Input: uint8 of shape (n, `ROWS`, `COLUMNS`, 4), from `cut_window`. Outputs: `classes`,
    (n, 6, `ROWS` / 2, `COLUMNS` / 2), the probability of each `SceneClass`; then `kinds`, (n, 5),
    and `colours`, (n, 8), those of each `VehicleKind` and `Colour`. A network may lack these two:
    then kind and colour are not known.

    Args:
        path: the weights; their digest has been checked.
        input_size: height and width that the manifest states.
        sure: the calibrated probability from which on what a cell shows is sure.
        suspected: the one from which on a cell may show a class.
        temperature: calibrates the output, above 0.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: threads inside an operator, 1 or more.

    Raises:
        ModelError: the file cannot be loaded or has another contract, or the provider is not
            available.
    """

    def __init__(
        self,
        path: Path,
        *,
        input_size: tuple[int, int],
        sure: float,
        suspected: float,
        temperature: float = 1.0,
        provider: str = "cpu",
        threads: int = 1,
    ) -> None:
        self._sure = sure
        self._suspected = suspected
        self._temperature = temperature
        self._session: Any = open_session(path, provider, threads)
        self._input = self._checked_input(path, input_size)
        self._outputs = [one.name for one in self._session.get_outputs()]

    def _checked_input(self, path: Path, input_size: tuple[int, int]) -> str:
        """The name of the input, if the contract is right."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if (
            input_size != (ROWS, COLUMNS)
            or len(inputs) != 1
            or inputs[0].type != "tensor(uint8)"
            or tuple(inputs[0].shape[1:]) != (ROWS, COLUMNS, 4)
            or [(one.name, tuple(one.shape[1:])) for one in outputs] not in (_OUTPUTS[:1], _OUTPUTS)
        ):
            raise ModelError(
                f"{path}: not a scene-parser: takes {[one.shape for one in inputs]} and gives "
                f"{[(one.name, one.shape) for one in outputs]}; use weights that fit the manifest",
                code="E_MODEL_CONTRACT",
            )
        return str(inputs[0].name)

    def parse(self, pixels: Pixels, plate: Box) -> Scene:
        """What the surroundings of a plate show: the mean of the window's answer and its mirror's.

        The plate is in the middle of the window, so a mirrored window is one as good. Where the two
        answers differ the parser is unsure, and the mean says so.

        Raises:
            ModelError: the network fails on this picture, or its answer holds no probabilities.
        """
        level = level_plate(pixels, plate)
        seen = scaling_box(plate, level)
        window = cut_window(pixels, seen, window_matrix(seen))
        views = np.stack([window, window[:, ::-1]])
        try:
            answers = self._session.run(self._outputs, {self._input: views})
        except runtime_errors() as error:
            raise ModelError(
                f"the scene parser failed on one picture ({type(error).__name__}); check the "
                "weights with `edge-anpr models verify`",
                code="E_MODEL_RUN",
            ) from None
        classes, *attributes = (np.asarray(one, np.float32) for one in answers)
        # NaN fails each of these comparisons.
        if classes.shape != (2, *_ANSWER) or not all(
            (one >= 0).all() and (np.abs(one.sum(axis=1) - 1) <= SUM_TOLERANCE).all()
            for one in (classes, *attributes)
        ):
            raise ModelError(
                "the scene parser's answer for one picture holds no probabilities; check the "
                "weights with `edge-anpr models verify`",
                code="E_MODEL_RUN",
            )
        found: npt.NDArray[np.float32] = (classes[0] + classes[1, :, :, ::-1]) * np.float32(0.5)
        if self._temperature != 1.0:
            found **= 1 / self._temperature
            found /= found.sum(axis=0)
        appearance = _appearance(attributes, window) if attributes else UNKNOWN
        return Scene(window_around(seen), found, self._sure, self._suspected, appearance, level)


def scaling_box(plate: Box, level: Box) -> Box:
    """A box as wide as the plate, whose unit is the geometric mean of those of the two boxes.

    It scales the window. A vehicle whose plate slants is seen from the side, so it is long. In the
    unit of the level plate it would not fit into the window; in that of the slanting one it would
    be small.
    """
    unit = math.sqrt(unit_of(plate) * unit_of(level))
    if unit == unit_of(plate):
        return plate
    x, y = plate.centre
    return Box(x - plate.width / 2, y - unit / 6, x + plate.width / 2, y + unit / 6)


def _appearance(attributes: Sequence[npt.NDArray[np.float32]], window: Pixels) -> Appearance:
    """Kind and colour: the means of the answers for a window and its mirror image.

    Args:
        attributes: the answers `kinds` and `colours`, each of shape (2, n).
        window: shape (ROWS, COLUMNS, 4).
    """
    kinds, colours = (one.mean(axis=0).tolist() for one in attributes)
    return Appearance(
        dict(zip(VehicleKind, kinds, strict=True)),
        dict(zip(Colour, colours, strict=True)) if shows_colours(window[:, :, :3]) else {},
    )


def shows_colours(picture: Pixels) -> bool:
    """Whether a window's picture, BGR, tells colours: not at night, nor in near infrared or fog."""
    inside = picture[(picture != GREY).any(axis=2)].astype(np.int16)
    if not inside.size or float(inside.mean()) < LEAST_LIT:
        return False
    return float(np.percentile(np.ptp(inside, axis=1), COLOURED_SHARE)) >= LEAST_COLOURED


_ANSWER = (len(SceneClass), ROWS // CELL, COLUMNS // CELL)
_OUTPUTS = [("classes", _ANSWER), ("kinds", (len(VehicleKind),)), ("colours", (len(Colour),))]
