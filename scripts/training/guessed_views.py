"""Views for the scene parser whose labels are guesses of a trained parser, limited by boxes.

There are many more photographs than outlines. A trained parser looks at them, and a label allows
every class that it does not exclude (self-training with partial labels: Lee 2013, Cour et al.
2011). Where boxes of vehicles, people and other plates are known, they exclude more.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.adapters.models.loading import PlateModels
from edge.adapters.models.scene_parser import OnnxSceneParser, from_middles
from edge.domain.imaging import Box, Pixels, plates_among
from edge.domain.scene import CELL, COLUMNS, ROWS, Scene, SceneClass
from scripts.training.errors import DataError
from scripts.training.parser_batches import Pose, matrix_of
from scripts.training.parser_views import (
    BACKGROUND,
    ELSEWHERE,
    NARROWEST,
    OTHER,
    PERSON,
    Allowed,
    View,
    cropped,
    read_photo,
)

EXCLUDED = 0.05
"""A class with less than this probability is excluded."""

LEAST_BODY = 0.6
"""Least mean probability of bodywork on the plate; with less it is hardly a vehicle's plate."""

SURE_BOX = 0.6
"""Least score of a box that limits what the parser may say."""

BOX_ROOM = 0.05
"""A box of a vehicle may be so much too small on each side, relative to its size."""

Boxes = dict[str, list[tuple[str, Box]]]
"""The boxes of each photograph, with what they hold: `vehicle` or `person`."""


def guessed_views(
    folder: Path,
    root: Path,
    models: PlateModels,
    parser: OnnxSceneParser,
    wanted: Callable[[str], bool],
    most: int,
) -> Iterator[View]:
    """At most so many views of the vehicles whose plates are found on a folder's photographs.

    Args:
        folder: holds `images`, and perhaps `objects_pseudo.csv` with boxes.
        root: names of photographs are relative to it.
        models: find the plates.
        parser: guesses.
        wanted: says whether the photograph of this name may be used.
        most: number of views.

    Raises:
        DataError: the folder has no photographs.
        ModelError: a network fails.
    """
    files = sorted(one for one in (folder / "images").glob("*") if one.is_file())
    if not files:
        raise DataError(f"{folder}: no photographs in images; name a folder that has some")
    boxes, made = _boxes(folder), 0
    for file in files:
        name = str(file.relative_to(root))
        if not wanted(name):
            continue
        pixels = read_photo(file)
        found, _ = plates_among(models.detector.detect(pixels), models.threshold)
        plates = [one.box for one in found]
        inside = boxes.get(f"images/{file.name}", [])
        for plate in plates:
            others = [one for one in plates if one is not plate]
            view = guessed(name, pixels, plate, others, inside, parser)
            if view is not None:
                yield view
                made += 1
                if made == most:
                    return


def guessed(
    name: str,
    pixels: Pixels,
    plate: Box,
    others: list[Box],
    boxes: list[tuple[str, Box]],
    parser: OnnxSceneParser,
) -> View | None:
    """One view with a guessed label; None if the plate is small or on no vehicle.

    Args:
        name: of the photograph.
        pixels: the photograph.
        plate: the plate of the vehicle.
        others: the other plates.
        boxes: of vehicles and people.
        parser: guesses.
    """
    height, width = pixels.shape[:2]
    if plate.width < NARROWEST or plate.clipped(width, height).area < plate.area:
        return None
    scene = parser.parse(pixels, plate)
    if _body_on(scene, plate) < LEAST_BODY:
        return None
    allowed = np.zeros((height, width), np.uint8)
    to_cells = matrix_of(plate, Pose()) / CELL
    cv2.warpAffine(
        not_excluded(scene), from_middles(to_cells), (width, height), dst=allowed,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )  # fmt: skip
    known = allowed > 0
    for mask, classes in _limits((height, width), plate, others, boxes):
        here = mask & known
        left = allowed[here] & classes
        # Where boxes and parser contradict each other, anything that the boxes allow is possible.
        allowed[here] = np.where(left > 0, left, classes)
    return cropped(View(name, pixels, plate, allowed))


def not_excluded(scene: Scene) -> Allowed:
    """For each cell, the classes that the parser does not exclude, and always the likeliest."""
    found = scene.probabilities
    allowed = np.zeros(found.shape[1:], np.uint8)
    for number in SceneClass:
        allowed[found[number] >= EXCLUDED] |= np.uint8(1 << number)
    allowed |= (1 << found.argmax(0)).astype(np.uint8)
    return allowed


def _body_on(scene: Scene, plate: Box) -> float:
    """The mean probability of bodywork on the plate."""
    matrix = matrix_of(plate, Pose()) / CELL
    x1, y1 = matrix[:, :2] @ (plate.x1, plate.y1) + matrix[:, 2]
    x2, y2 = matrix[:, :2] @ (plate.x2, plate.y2) + matrix[:, 2]
    rows = slice(max(0, int(y1)), min(ROWS // CELL, int(np.ceil(y2))))
    columns = slice(max(0, int(x1)), min(COLUMNS // CELL, int(np.ceil(x2))))
    return float(scene.probabilities[SceneClass.BODY, rows, columns].mean())


Limit = tuple[npt.NDArray[np.bool_], int]


def _limits(
    shape: tuple[int, int], plate: Box, others: list[Box], boxes: list[tuple[str, Box]]
) -> Iterator[Limit]:
    """Where boxes limit the classes, and to which."""
    for other in others:
        yield _filled(shape, other), ELSEWHERE
    around = [
        box
        for kind, box in boxes
        if kind == "vehicle" and box.intersection(plate) > 0.9 * plate.area
    ]
    if around:
        grown = [_grown(one) for one in around]
        vehicle = np.logical_or.reduce([_filled(shape, one) for one in grown])
        yield ~vehicle, ELSEWHERE
        for kind, box in boxes:
            apart = all(box.intersection(one) == 0 for one in grown)
            if kind == "person" and apart:
                yield _filled(shape, box), BACKGROUND | PERSON | OTHER


def _grown(box: Box) -> Box:
    across, down = BOX_ROOM * box.width, BOX_ROOM * box.height
    return box.grown(left=across, top=down, right=across, bottom=down)


def _filled(shape: tuple[int, int], box: Box) -> npt.NDArray[np.bool_]:
    mask = np.zeros(shape, np.bool_)
    inside = box.clipped(shape[1], shape[0])
    mask[int(inside.y1) : int(np.ceil(inside.y2)), int(inside.x1) : int(np.ceil(inside.x2))] = True
    return mask


def _boxes(folder: Path) -> Boxes:
    """The sure boxes of a folder; none if it has no file of them."""
    file, found = folder / "objects_pseudo.csv", Boxes()
    if not file.is_file():
        return found
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if float(row["score"]) < SURE_BOX or row["class"] not in ("vehicle", "person"):
                continue
            x, y, wide, tall = (float(row[key]) for key in ("x", "y", "w", "h"))
            box = Box(x, y, x + wide, y + tall)
            found.setdefault(row["image"], []).append((row["class"], box))
    return found
