"""A map of what a scene parser sees in a picture: one colour for each class, and a legend.

It is drawn from the parser's answers alone and holds no pixel of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box, Pixels
from edge.domain.scene import Scene, SceneClass

COLOURS = {
    SceneClass.BACKGROUND: (96, 96, 96),
    SceneClass.BODY: (200, 140, 60),
    SceneClass.GLASS: (40, 200, 240),
    SceneClass.HEAD: (60, 60, 230),
    SceneClass.OTHER: (110, 170, 70),
    SceneClass.PERSON: (190, 80, 190),
}
"""BGR."""

NAMES = {
    SceneClass.BACKGROUND: "road and all else",
    SceneClass.BODY: "bodywork",
    SceneClass.GLASS: "glass",
    SceneClass.HEAD: "heads of occupants",
    SceneClass.OTHER: "other vehicles",
    SceneClass.PERSON: "people outside",
}

UNKNOWN = (56, 56, 56)
"""Where nothing was looked at."""

UNSURE = 0.45
"""Share of its colour that a class has where the parser is not sure of it."""

SHOWN, PLATE = (255, 255, 255), (0, 220, 255)
"""Outlines of what the level shows, and of the plates."""

_OWN = (SceneClass.BODY, SceneClass.GLASS, SceneClass.HEAD)
_LINE = 26
"""Height of a line of the legend, in pixels."""


def class_map(
    height: int,
    width: int,
    plates: Sequence[Box],
    scenes: Sequence[Scene | None],
    shown: npt.NDArray[np.bool_],
) -> Pixels:
    """The map, with the legend below it.

    Args:
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        plates: in pixels.
        scenes: what is around each of them; None where that is not known.
        shown: the pixels that the level shows, shape (height, width); they get an outline.

    Returns:
        Shape (height and the legend, width and at least the legend's, 3), BGR.
    """
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = UNKNOWN
    known = [one for one in scenes if one is not None]
    for scene in sorted(known, key=lambda one: one.window.width):
        # A nearer vehicle is drawn last. Other classes are drawn where nothing is yet.
        _draw(canvas, scene)
    outlines, _ = cv2.findContours(shown.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(canvas, outlines, -1, SHOWN, 2)
    for plate in plates:
        corners = [(round(plate.x1), round(plate.y1)), (round(plate.x2), round(plate.y2))]
        cv2.rectangle(canvas, corners[0], corners[1], PLATE, 2)
    return _with_legend(canvas)


def _draw(canvas: Pixels, scene: Scene) -> None:
    """Draw what a scene shows inside its window."""
    height, width = canvas.shape[:2]
    window = scene.window.clipped(width, height)
    left, top = int(window.x1), int(window.y1)
    right, bottom = int(np.ceil(window.x2)), int(np.ceil(window.y2))
    if left >= right or top >= bottom:
        return
    _, rows, columns = scene.probabilities.shape
    y = (np.arange(top, bottom) + 0.5 - scene.window.y1) / scene.window.height * rows
    x = (np.arange(left, right) + 0.5 - scene.window.x1) / scene.window.width * columns
    cells = np.ix_(np.clip(y.astype(int), 0, rows - 1), np.clip(x.astype(int), 0, columns - 1))
    best = scene.probabilities.argmax(axis=0)[cells]
    sure = (scene.probabilities.max(axis=0) >= scene.sure)[cells]
    palette = np.array([COLOURS[one] for one in SceneClass], np.float32)
    colours = palette[best] * np.where(sure, 1.0, UNSURE)[:, :, np.newaxis]
    part = canvas[top:bottom, left:right]
    drawn = np.isin(best, _OWN) | (part == UNKNOWN).all(axis=2)
    part[drawn] = colours[drawn].astype(np.uint8)


def _with_legend(canvas: Pixels) -> Pixels:
    """The map with a line for each colour below it."""
    blue, green, red = COLOURS[SceneClass.BODY]
    darker = (round(UNSURE * blue), round(UNSURE * green), round(UNSURE * red))
    entries = [(COLOURS[one], NAMES[one]) for one in SceneClass]
    entries += [
        (darker, "darker: not sure"),
        (SHOWN, "outline: shown at this level"),
        (PLATE, "number plate"),
    ]
    legend = np.zeros((_LINE * len(entries) + 8, max(canvas.shape[1], 300), 3), np.uint8)
    for line, (colour, name) in enumerate(entries):
        top = 6 + line * _LINE
        cv2.rectangle(legend, (8, top), (32, top + 18), colour, cv2.FILLED)
        cv2.putText(
            legend, name, (42, top + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255, 255, 255), 1,
            cv2.LINE_AA,
        )  # fmt: skip
    right = legend.shape[1] - canvas.shape[1]
    widened = cv2.copyMakeBorder(canvas, 0, 0, 0, right, cv2.BORDER_CONSTANT)
    return np.asarray(np.vstack([widened, legend]), np.uint8)
