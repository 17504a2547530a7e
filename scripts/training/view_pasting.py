"""People and vehicles, cut out of photographs, pasted into the scene parser's training pictures.

Few photographs show somebody close to the offender's vehicle, or another vehicle that overlaps it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Pixels
from edge.domain.scene import unit_of
from scripts.training.parser_views import (
    ANYTHING,
    INSIDE,
    OTHER,
    PERSON,
    View,
    filled,
    read_photo,
)

Rng = np.random.Generator

LEAST_TALL = 24
"""People and vehicles less high than this, in pixels, are not cut out."""

SMALLEST, LARGEST = 4, 14
"""Nothing is pasted that is smaller than this in pixels of the view, or larger in units."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A person outside or another vehicle, cut out of a photograph along its outline.

    Attributes:
        pixels: the part of the picture around it, BGR.
        mask: where it is, 0 or 1, of the same size.
        unit: the unit of the plate that the outline belongs to, in pixels.
        meaning: `PERSON` or `OTHER`.
    """

    pixels: Pixels
    mask: npt.NDArray[np.uint8]
    unit: float
    meaning: int


def cutouts(labels: Path, root: Path, wanted: Callable[[str], bool]) -> list[Cutout]:
    """People and vehicles cut out of those outlined photographs whose name is wanted."""
    found: list[Cutout] = []
    for one in json.loads(labels.read_text("utf-8"))["views"]:
        if not wanted(one["image"]):
            continue
        pixels = read_photo(root / one["image"])
        _, _, wide, tall = one["plate"]
        covering = filled(pixels, [np.array(p, float) for p in one.get("people", ())])
        hidden = filled(pixels, [np.array(p, float) for p in one.get("hidden", ())])
        for kind, meaning in (("people", PERSON), ("body", OTHER)):
            for polygon in one.get(kind, ()):
                shape = filled(pixels, [np.array(polygon, float)])
                if meaning == OTHER:
                    shape[(covering > 0) | (hidden > 0)] = 0
                rows, columns = (np.flatnonzero(shape.any(axis)) for axis in (1, 0))
                if rows.size < LEAST_TALL or columns.size < LEAST_TALL / 4:
                    continue
                part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                unit = max(wide, 3.0 * tall)
                found.append(Cutout(pixels[part].copy(), shape[part], unit, meaning))
    return found


def with_person(view: View, person: Cutout, rng: Rng) -> View:
    """The view with somebody beside or before the vehicle, at about the vehicle's distance."""
    unit = unit_of(view.plate)
    foot = view.plate.centre[1] + rng.uniform(-0.2, 1.4) * unit
    across = view.plate.centre[0] + rng.uniform(-3.5, 3.5) * unit
    return pasted(view, person, (across, foot), float(np.exp(rng.normal(0, 0.25))), rng)


def with_vehicle(view: View, vehicle: Cutout, rng: Rng) -> View:
    """The view with another vehicle beside, before or behind the offender's, mostly overlapping.

    One that stands further away is behind: it hides nothing of the offender's vehicle.
    """
    unit = unit_of(view.plate)
    behind = bool(rng.random() < 0.6)
    scale = float(np.exp(rng.normal(-0.2 if behind else 0.15, 0.2)))
    side = 1 if rng.random() < 0.5 else -1
    across = view.plate.centre[0] + side * rng.uniform(1.5, 5.0) * unit
    foot = (
        view.plate.centre[1] + (rng.uniform(-1.2, 0.6) if behind else rng.uniform(0.4, 2.0)) * unit
    )
    return pasted(view, vehicle, (across, foot), scale, rng, behind=behind)


def pasted(
    view: View,
    cutout: Cutout,
    foot: tuple[float, float],
    scale: float,
    rng: Rng,
    *,
    behind: bool = False,
) -> View:
    """The view with a cutout in it, in its picture and in its label; the plate stays visible.

    Args:
        view: the view; it is not changed.
        cutout: what to paste.
        foot: x and y of the middle of its lower edge, in pixels of the view.
        scale: its size relative to the offender's vehicle, 1 for the same distance.
        rng: draws its light and whether it is mirrored.
        behind: whether the offender's vehicle stands before it.
    """
    unit = unit_of(view.plate)
    factor = unit / cutout.unit * scale
    size = (round(cutout.mask.shape[1] * factor), round(cutout.mask.shape[0] * factor))
    if min(size) < SMALLEST or max(size) > LARGEST * unit:
        return view
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    cut = np.asarray(cv2.resize(cutout.pixels, size, interpolation=how), np.uint8)
    mask = np.asarray(cv2.resize(cutout.mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    if rng.random() < 0.5:
        cut, mask = cut[:, ::-1], mask[:, ::-1]
    left, top = round(foot[0] - size[0] / 2), round(foot[1]) - size[1]
    height, width = view.allowed.shape
    x1, y1 = max(0, left), max(0, top)
    x2, y2 = min(width, left + size[0]), min(height, top + size[1])
    if x1 >= x2 or y1 >= y2:
        return view
    there, part = np.s_[y1:y2, x1:x2], np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    shown = np.array(mask[part])
    if behind:
        shown[(view.allowed[there] & INSIDE) > 0] = 0
    plate = view.plate
    covered = shown[
        max(0, int(plate.y1) - y1) : max(0, int(plate.y2) - y1 + 1),
        max(0, int(plate.x1) - x1) : max(0, int(plate.x2) - x1 + 1),
    ]
    if covered.any():  # the offender's plate is what the parser is asked about
        return view
    pixels, allowed = view.pixels.copy(), view.allowed.copy()
    soft = cv2.GaussianBlur(shown.astype(np.float32), (3, 3), 0)[..., None]
    lit = np.clip(cut[part].astype(np.float32) * rng.uniform(0.6, 1.3), 0, 255)
    pixels[there] = (pixels[there] * (1 - soft) + lit * soft).astype(np.uint8)
    edge = cv2.morphologyEx(shown, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    allowed[there][shown > 0] = cutout.meaning
    allowed[there][edge] = ANYTHING
    return replace(view, pixels=pixels, allowed=allowed)
