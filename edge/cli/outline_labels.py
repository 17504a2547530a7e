"""Labels of what photos show: a CSV file with one outline in each row, checked cell by cell."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from edge.cli.labels import ROUNDING, photo_below, read_table
from edge.domain.imaging import Box
from edge.errors import ConfigError

Points = tuple[tuple[float, float], ...]

PLATE, WHOLE = "plate", "body"
KINDS = (PLATE, WHOLE, "glass", "head", "other", "person")
"""What an outline may be around. `body` is the whole vehicle with its windows."""

OF_A_VEHICLE = frozenset((PLATE, WHOLE, "glass", "head"))

_NUMBER = re.compile(r"-?[0-9]{1,7}(\.[0-9]{1,20})?")


@dataclass(slots=True)
class OutlinedVehicle:
    """One vehicle that is taken as the offender: where its plate is, and its outlines by kind."""

    line: int
    plate: Box | None = None
    outlines: dict[str, list[Points]] = field(default_factory=dict)


@dataclass(slots=True)
class OutlinedImage:
    """A photo, its vehicles by their names, and what surrounds them."""

    path: Path
    first_line: int
    vehicles: dict[str, OutlinedVehicle] = field(default_factory=dict)
    around: dict[str, list[Points]] = field(default_factory=dict)
    reaches: list[tuple[int, float, float]] = field(default_factory=list)
    """The line of each outline, and how far it reaches: x and y."""


def read_outline_labels(labels: Path, root: Path) -> list[OutlinedImage]:
    """The labelled photos, in the order of their first rows.

    Raises:
        ConfigError: the file, a photo or a column is missing, a column is unknown, a cell is
            wrong, or a vehicle has no plate or no bodywork. The message never repeats a photo's
            name, which often holds the plate.
    """
    found: dict[str, OutlinedImage] = {}
    for line, row in read_table(labels, ("image", "kind", "outline"), ("vehicle",)):
        where = f"{labels}:{line}"
        name = row["image"]
        if name not in found:
            found[name] = OutlinedImage(photo_below(root, name, where), line)
        image = found[name]
        kind = row["kind"]
        if kind not in KINDS:
            raise ConfigError(f"{where}: kind: not one of {', '.join(KINDS)}; write one of them")
        points = _points(row["outline"], where)
        image.reaches.append((line, max(x for x, _ in points), max(y for _, y in points)))
        if kind in OF_A_VEHICLE:
            vehicle = image.vehicles.setdefault(row.get("vehicle", ""), OutlinedVehicle(line))
            _add(vehicle, kind, points, where)
        else:
            image.around.setdefault(kind, []).append(points)
    for image in found.values():
        for vehicle in image.vehicles.values():
            for kind, there in ((PLATE, vehicle.plate), (WHOLE, vehicle.outlines.get(WHOLE))):
                if there is None:
                    raise ConfigError(
                        f"{labels}:{vehicle.line}: this vehicle has no row of kind {kind}; add it"
                    )
    if not any(image.vehicles for image in found.values()):
        raise ConfigError(f"{labels}: no labelled vehicle; add rows of the kinds plate and body")
    return list(found.values())


def _points(text: str, where: str) -> Points:
    """Two opposite corners of a box, or three corners of a polygon and more."""
    parts = text.replace(",", " ").replace(";", " ").split()
    if len(parts) < 4 or len(parts) % 2 or not all(map(_NUMBER.fullmatch, parts)):
        raise ConfigError(
            f"{where}: outline: not pairs of pixels; write x y of two opposite corners, such as "
            "120 80 240 110, or of each corner of a polygon"
        )
    numbers = [float(part) for part in parts]
    points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    if min(numbers) < -ROUNDING:
        raise ConfigError(f"{where}: outline: below 0, outside the image; correct it")
    if len(points) == 2:
        (x1, y1), (x2, y2) = points
        points = ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
    lengths = [max(side) - min(side) for side in zip(*points, strict=True)]
    if math.isclose(min(lengths), 0, abs_tol=1e-9):
        raise ConfigError(f"{where}: outline: has no area; correct it")
    if max(lengths) <= 1:
        raise ConfigError(
            f"{where}: outline: at most one pixel; write pixels, not fractions of the photo"
        )
    return points


def _add(vehicle: OutlinedVehicle, kind: str, points: Points, where: str) -> None:
    if kind != PLATE:
        vehicle.outlines.setdefault(kind, []).append(points)
        return
    if vehicle.plate is not None:
        raise ConfigError(
            f"{where}: a second plate of one vehicle; keep one, or name another vehicle in the "
            "column vehicle"
        )
    xs, ys = zip(*points, strict=True)
    vehicle.plate = Box(min(xs), min(ys), max(xs), max(ys))


def require_outlines_inside(image: OutlinedImage, width: int, height: int, labels: Path) -> None:
    """Refuse an outline that exceeds its photo by more than rounding.

    Raises:
        ConfigError: an outline exceeds it.
    """
    for line, x, y in image.reaches:
        if x > width + ROUNDING or y > height + ROUNDING:
            raise ConfigError(
                f"{labels}:{line}: outline: leaves the image, which is {width} by {height} pixels; "
                "correct it (pixels, from the top left)"
            )
