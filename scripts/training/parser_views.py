"""Views of vehicles for the scene parser's training: a picture, the offender's plate, and labels.

A label is a set of classes for each pixel, as bits (see `parser_net.CLASSES`). Photographs with
polygons of car parts (`carparts`) tell some pixels exactly and others in part: a door is bodywork
or glass. Outlines drawn by eye tell every pixel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.adapters.models.plate_slant import level_plate
from edge.adapters.models.scene_parser import scaling_box
from edge.domain.imaging import Box, Pixels
from edge.domain.scene import unit_of, window_around
from edge.pipeline.ports import PlateDetector
from scripts.training.errors import DataError
from scripts.training.parser_net import CLASSES

BACKGROUND, BODY, GLASS, HEAD, OTHER, PERSON = (1 << bit for bit in range(len(CLASSES)))
ANYTHING = (1 << len(CLASSES)) - 1
ELSEWHERE = BACKGROUND | OTHER | PERSON
INSIDE = BODY | GLASS | HEAD

Allowed = npt.NDArray[np.uint8]
"""Shape (height, width): the classes that a pixel may be of, as bits."""

WHOLE_PARTS = frozenset(
    "back_bumper back_left_light back_right_light front_bumper front_left_light "
    "front_right_light hood left_mirror right_mirror tailgate trunk wheel".split()
)
GLASS_PARTS = frozenset(("back_glass", "front_glass"))
PLATE_PARTS = ("front_bumper", "back_bumper", "tailgate", "trunk")


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A vehicle in a photograph.

    Attributes:
        name: of the photograph; decides whether it is in the validation set.
        pixels: the picture, BGR.
        plate: box of the offender's plate, in pixels.
        allowed: the label, of the picture's size.
        drawn: whether a plate must be drawn there, because the picture shows none that is sharp.
    """

    name: str
    pixels: Pixels
    plate: Box
    allowed: Allowed
    drawn: bool = False


# --- photographs with polygons of parts -----------------------------------------------------------


def part_views(folder: Path, detector: PlateDetector) -> Iterator[View]:
    """Views of a folder in the form of `carparts`: annotations in COCO form, and pictures.

    Plates are blurred there. Where the detector finds none, its place is estimated from the parts.

    Raises:
        DataError: there are no annotations, or a picture is missing.
    """
    files = sorted(folder.glob("annotations-*.json"))
    if not files:
        raise DataError(f"{folder}: no annotations-*.json; name the folder that holds them")
    for file in files:
        table = json.loads(file.read_text("utf-8"))
        names = {one["id"]: one["name"] for one in table["categories"]}
        by_image: dict[int, list[tuple[str, list[npt.NDArray[np.float64]]]]] = {}
        for one in table["annotations"]:
            polygons = [np.array(flat, float).reshape(-1, 2) for flat in one["segmentation"]]
            by_image.setdefault(one["image_id"], []).append((names[one["category_id"]], polygons))
        for image in table["images"]:
            pixels = read_photo(folder / image["file_name"])
            scale = np.array([pixels.shape[1] / image["width"], pixels.shape[0] / image["height"]])
            parts = [
                (name, [polygon * scale for polygon in polygons])
                for name, polygons in by_image.get(image["id"], [])
            ]
            view = _part_view(image["file_name"], pixels, parts, detector)
            if view is not None:
                yield view


Parts = Sequence[tuple[str, Sequence[npt.NDArray[np.float64]]]]


def _part_view(name: str, pixels: Pixels, parts: Parts, detector: PlateDetector) -> View | None:
    masks = {name: filled(pixels, _polygons(parts, {name})) for name in PLATE_PARTS}
    bumper = np.maximum.reduce(list(masks.values()))
    columns = np.flatnonzero(filled(pixels, _polygons(parts, None)).any(0))
    across = float(np.ptp(columns)) if columns.size else 0.0
    found = [
        (one.score, one.box)
        for one in detector.detect(pixels)
        if across / 12 < one.box.width < across / 2  # smaller ones are badges
        and bumper[
            min(int(one.box.centre[1]), pixels.shape[0] - 1),
            min(int(one.box.centre[0]), pixels.shape[1] - 1),
        ]
    ]
    drawn = not found
    plate = max(found, key=lambda one: one[0])[1] if found else _likely_plate(parts, masks)
    if plate is None:
        return None
    allowed = _part_labels(pixels, parts)
    return View(name, pixels, plate, allowed, drawn=drawn)


def _part_labels(pixels: Pixels, parts: Parts) -> Allowed:
    everything = filled(pixels, _polygons(parts, None))
    points = np.argwhere(everything > 0)[:, ::-1].astype(np.int32)
    hull = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    span = int(np.ptp(points[:, 0]))
    near = cv2.dilate(hull, _disc(max(2, span // 25)))
    allowed = np.full(pixels.shape[:2], ELSEWHERE, np.uint8)
    names = {name for name, _ in parts}
    if not names & GLASS_PARTS:
        # A window may be seen and not be labelled: what is above the parts is not known.
        allowed[: int(points[:, 1].mean())] = ANYTHING
    allowed[near > 0] = ANYTHING
    allowed[hull > 0] = BACKGROUND | INSIDE
    allowed[cv2.erode(everything, _disc(1)) > 0] = INSIDE
    body = filled(pixels, _polygons(parts, WHOLE_PARTS))
    glass = filled(pixels, _polygons(parts, GLASS_PARTS))
    allowed[cv2.erode(body, _disc(1)) > 0] = BODY
    allowed[glass > 0] = GLASS | HEAD
    # Mirrors and lamps may be drawn over a window's edge.
    allowed[(glass > 0) & (body > 0)] = BODY | GLASS
    return allowed


_PLACES = (("front", ("front_bumper",)), ("back", ("tailgate", "trunk", "back_bumper")))


def _likely_plate(parts: Parts, masks: dict[str, npt.NDArray[np.uint8]]) -> Box | None:
    """Where the plate probably is: on the bumper, between the lamps."""
    lamps = {name: np.concatenate(list(polygons)).mean(0) for name, polygons in parts
             if name.endswith("_light") and polygons}  # fmt: skip
    for side, places in (
        ("front", ("front_bumper",)),
        ("back", ("tailgate", "trunk", "back_bumper")),
    ):
        pair = [lamps.get(f"{side}_{hand}_light") for hand in ("left", "right")]
        if pair[0] is None or pair[1] is None:
            continue
        gap = float(np.linalg.norm(pair[0] - pair[1]))
        middle = (pair[0] + pair[1]) / 2
        for place in places:
            column = masks[place][:, int(np.clip(middle[0], 0, masks[place].shape[1] - 1))]
            rows = np.flatnonzero(column)
            if rows.size < 4 or gap < 20:
                continue
            share = 0.55 if place == "front_bumper" else 0.45
            y = rows[0] + share * (rows[-1] - rows[0])
            wide = 0.36 * gap
            tall = wide * 0.23
            return Box(middle[0] - wide / 2, y - tall / 2, middle[0] + wide / 2, y + tall / 2)
    return None


def _polygons(parts: Parts, names: Iterable[str] | None) -> list[npt.NDArray[np.float64]]:
    return [p for name, polygons in parts if names is None or name in names for p in polygons]


def filled(pixels: Pixels, polygons: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    """1 inside of one of the polygons and 0 elsewhere, of the picture's size."""
    mask = np.zeros(pixels.shape[:2], np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1)
    return mask


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    size = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def as_seen(pixels: Pixels, plate: Box) -> Box:
    """The box that scales a plate's window, as on a box: less high where the plate slants."""
    return scaling_box(plate, level_plate(pixels, plate))


def read_photo(file: Path) -> Pixels:
    """The picture of a file, BGR.

    Raises:
        DataError: it cannot be read.
    """
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if pixels is None:
        raise DataError(f"{file}: no picture that can be read")
    return np.asarray(pixels, np.uint8)


# --- photographs with outlines drawn by eye -------------------------------------------------------


def outlined_views(labels: Path, root: Path) -> Iterator[View]:
    """Views of a file of outlines drawn by eye; scripts/training/outlines/README.md has its form.

    Raises:
        DataError: the file cannot be read, or a picture is missing.
    """
    try:
        views = json.loads(labels.read_text("utf-8"))["views"]
    except (OSError, ValueError, KeyError):
        raise DataError(f"{labels}: not a file of outlines; restore it") from None
    for one in views:
        pixels = read_photo(root / one["image"])
        x, y, wide, tall = one["plate"]
        plate = as_seen(pixels, Box(x, y, x + wide, y + tall))
        yield View(one["image"], pixels, plate, outlined(pixels, one))


KINDS = (
    ("other", OTHER),
    ("body", BODY),
    ("glass", GLASS),
    ("heads", HEAD),
    ("people", PERSON),
    ("hidden", BACKGROUND),
)
"""Kinds of outlines and what they mean; a later one covers an earlier one."""

EDGE_SHARE = 1 / 22
"""Half the width of the band along an outline where two classes are allowed, in plate widths."""


def outlined(pixels: Pixels, one: dict[str, Any]) -> Allowed:
    """The label of one outlined view. Outside the part that was looked at anything is allowed."""
    allowed = np.full(pixels.shape[:2], BACKGROUND, np.uint8)
    edge = max(1, round(float(one["plate"][2]) * EDGE_SHARE))
    for kind, meaning in KINDS:
        for polygon in one.get(kind, ()):
            shape = filled(pixels, [np.array(polygon, float)])
            # Beyond the picture's edge the shape goes on: only its inner edges are unsure.
            inner = cv2.erode(shape, _disc(edge), borderType=cv2.BORDER_REPLICATE)
            outer = cv2.dilate(shape, _disc(edge))
            allowed[(outer > 0) & (inner == 0)] |= meaning
            allowed[inner > 0] = meaning
    for polygon in one.get("unknown", ()):
        allowed[filled(pixels, [np.array(polygon, float)]) > 0] = ANYTHING
    x, y, wide, tall = one["seen"]
    seen = np.zeros(allowed.shape, np.bool_)
    seen[y : y + tall, x : x + wide] = True
    allowed[~seen] = ANYTHING
    return allowed


# --- views cut to what a training needs -----------------------------------------------------------

NARROWEST = 20.0
"""Plates narrower than this, in pixels, are not used."""

FINEST = 45.0
"""A view is shrunk until the unit has no more pixels than this; the parser sees 20.8."""

ROOM = 1.6
"""A view shows the parser's window and so much around it: training moves and turns the window."""


def cropped(view: View) -> View:
    """The part of a view around the parser's window, shrunk to what a training needs."""
    window = window_around(view.plate)
    grown = window.grown(
        left=(ROOM - 1) / 2 * window.width,
        top=(ROOM - 1) / 2 * window.height,
        right=(ROOM - 1) / 2 * window.width,
        bottom=(ROOM - 1) / 2 * window.height,
    )
    height, width = view.pixels.shape[:2]
    box = grown.clipped(width, height)
    x1, y1, x2, y2 = int(box.x1), int(box.y1), int(np.ceil(box.x2)), int(np.ceil(box.y2))
    scale = min(1.0, FINEST / unit_of(view.plate))
    size = (max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale)))
    across, down = size[0] / (x2 - x1), size[1] / (y2 - y1)
    plate = view.plate
    moved = Box(
        (plate.x1 - x1) * across,
        (plate.y1 - y1) * down,
        (plate.x2 - x1) * across,
        (plate.y2 - y1) * down,
    )
    return View(
        view.name,
        _shrunk(view.pixels[y1:y2, x1:x2], size, cv2.INTER_AREA),
        moved,
        _shrunk(view.allowed[y1:y2, x1:x2], size, cv2.INTER_NEAREST),
        drawn=view.drawn,
    )


def _shrunk(picture: Pixels, size: tuple[int, int], how: int) -> Pixels:
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=how), np.uint8)
