"""Random training pictures for the detector, made from photographs and rendered plates.

Each picture shows one photograph or four, at a random scale. Plate widths are distributed evenly on
a logarithmic scale. Pictures are turned, sheared, mirrored and degraded. In many, the plate is
replaced by a rendered one of another country, so that few photographs show many plates; or it is
removed, so that a bumper, a badge or a sign alone is no plate. Close photographs are also pasted in
small, since few show a plate far away (Kisantal et al. 2019). Distractors are added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from scripts.fixtures.covers import COVERS, OVER_CHARACTERS, draw_cover
from scripts.training.distractors import disjoint, draw_distractor, fence, overlay_line
from scripts.training.image_degradation import degraded
from scripts.training.photos import GREY, Photo
from scripts.training.plate_pasting import WIDE, between_centres, paste_plate
from scripts.training.vehicle_backs import draw_back

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

NARROWEST, WIDEST, WIDEST_OF_FOUR = 13.0, 0.9, 0.5
"""Range of plate widths: from so many pixels to this share of the picture's width, or of a part's
where four photographs are combined. Larger shares there taught that anything filling a corner is a
plate."""

LEGIBLE = 9.0
"""A plate narrower than this, in pixels, counts neither as plate nor as background."""

FAR, NEAR = (14.0, 56.0), 60.0
"""Range of plate widths of pasted vehicles, and least plate width in their photograph, in pixels.
The box must be exact there."""

BARE = 0.6
"""Share of pasted parts without a plate: that a part is pasted must not hint at a plate."""

SMOOTH = 0.5
"""Share of strong reductions that average areas. The others sample points, as the product does on
every frame because averaging takes ten times as long; fine detail becomes noise there."""

BACKS, BARE_BACKS = 0.6, 0.3
"""Share of freely placed plates on a drawn vehicle back, and share of such backs without one."""

THINGS = tuple(name for name in COVERS if name not in (*OVER_CHARACTERS, "patch"))
"""Covers that stand before a plate, as a bar of a rack does. It is still one plate, in one box."""

COVERABLE = 20.0
"""Plates narrower than this, in pixels, get no cover: it would hide them wholly."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the kinds of pictures."""

    mosaic: float = 0.45
    swapped: float = 0.40
    erased: float = 0.15
    added: float = 0.14
    writing: float = 0.6
    far: float = 0.3
    covered: float = 0.08


class Scenes:
    """Random training pictures of `size` x `size` pixels.

    Args:
        photos: photographs with plates, and traffic.
        plates: flat rendered plates (h, w, 3), BGR; may be empty.
        size: side of the pictures.
    """

    def __init__(
        self, photos: Sequence[Photo], plates: Sequence[Pixels], size: int, mix: Mix | None = None
    ) -> None:
        self.photos = photos
        self.plates = plates
        self.size = size
        self.mix = mix or Mix()
        near = [(photo, row) for photo in photos for row in photo.plates if row[2] - row[0] >= NEAR]
        # Half of the pasted vehicles have a plate that is not long: few photographs show one.
        wide = [one for one in near if _aspect(one[1]) >= WIDE]
        other = [one for one in near if _aspect(one[1]) < WIDE]
        self._near = [kind for kind in (wide, other) if kind]

    def draw(self, rng: Rng) -> tuple[Pixels, Floats]:
        """A random picture (size, size, 3), BGR, and its boxes (n, 5).

        A row is x1, y1, x2, y2, then 1 for a plate or 0 for a region that does not count.
        """
        canvas = np.full((self.size, self.size, 3), GREY, np.uint8)
        found: list[Floats] = []
        if rng.random() < self.mix.mosaic:
            cut_x, cut_y = (int(self.size * rng.uniform(0.3, 0.7)) for _ in range(2))
            cells = [
                (0, 0, cut_x, cut_y),
                (cut_x, 0, self.size, cut_y),
                (0, cut_y, cut_x, self.size),
                (cut_x, cut_y, self.size, self.size),
            ]
        else:
            cells = [(0, 0, self.size, self.size)]
        for x1, y1, x2, y2 in cells:
            widest = WIDEST if len(cells) == 1 else WIDEST_OF_FOUR
            picture, boxes = self._cell(rng, x2 - x1, y2 - y1, widest)
            canvas[y1:y2, x1:x2] = picture
            if len(boxes):
                found.append(boxes + np.array([x1, y1, x1, y1, 0], np.float32))
        rows = np.concatenate(found) if found else np.zeros((0, 5), np.float32)
        if self._near and rng.random() < self.mix.far:
            for _ in range(int(rng.integers(1, 5))):
                rows = self._far_off(canvas, rows, rng)
        for row in rows:
            if row[4] == 1 and row[2] - row[0] >= COVERABLE and rng.random() < self.mix.covered:
                _cover(canvas, row, rng)
        if rng.random() < 0.04:
            fence(canvas, rng)
        if rng.random() < 0.15:
            overlay_line(canvas, rng)
        return degraded(canvas, rng), rows

    def _cell(self, rng: Rng, width: int, height: int, widest: float) -> tuple[Pixels, Floats]:
        photo = self.photos[int(rng.integers(len(self.photos)))]
        pixels, plates = photo.pixels, photo.plates
        kind = rng.random()
        if kind < self.mix.erased:
            pixels, plates = photo.erased, plates[:0]
        elif kind < self.mix.erased + self.mix.swapped and len(self.plates) and len(plates):
            pixels, plates = self._swapped(photo, rng)
        elif kind < self.mix.erased + self.mix.swapped + self.mix.added and len(self.plates):
            pixels, plates = self._added(photo, rng)
        unsure = photo.unsure if pixels is photo.pixels else photo.unsure[:0]
        rows = _counted(plates, unsure)
        if rng.random() < self.mix.writing:
            pixels = pixels.copy()
            for _ in range(int(rng.integers(1, 4))):
                draw_distractor(pixels, rows, rng)
        return _shot(pixels, rows, rng, (width, height), widest)

    def _far_off(self, canvas: Pixels, rows: Floats, rng: Rng) -> Floats:
        """Paste a close vehicle in small, as if it were far; return the rows with its plates."""
        near = self._near[int(rng.integers(len(self._near)))]
        photo, plate = near[int(rng.integers(len(near)))]
        pixels, plates = photo.pixels, photo.plates
        if rng.random() < BARE:
            pixels, plates = photo.erased, plates[:0]
            if rng.random() < 0.5:  # any other part: a lamp, a window, a badge
                free = np.array(pixels.shape[1::-1]) - (plate[2:] - plate[:2])
                plate = plate + np.tile(rng.random(2) * free - plate[:2], 2)
        elif len(self.plates) and rng.random() < self.mix.swapped:
            pixels, plates = self._swapped(photo, rng)
        width = float(plate[2] - plate[0])
        scale = math.exp(rng.uniform(math.log(FAR[0]), math.log(FAR[1]))) / width
        # Surroundings are included: at least a bumper, at most the whole photograph.
        around = width * np.exp(rng.uniform(math.log(0.4), math.log(5), 4)) * [1, 0.7, 1, 0.7]
        limits = [pixels.shape[1], pixels.shape[0]] * 2
        cut = np.clip(plate + around * [-1, -1, 1, 1], 0, limits).astype(int)
        size = np.maximum(np.round((cut[2:] - cut[:2]) * scale).astype(int), 4)
        if (size > self.size * 0.9).any():
            return rows
        at = (rng.random(2) * (self.size - size)).astype(int)
        box = np.array([*at, *(at + size)], np.float32)
        if any(not disjoint(box, row) for row in rows):
            return rows
        part = pixels[cut[1] : cut[3], cut[0] : cut[2]]
        way = cv2.INTER_AREA if rng.random() < SMOOTH else cv2.INTER_LINEAR
        small = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=way)
        moved = np.eye(2, 3, dtype=np.float32) * (size / (cut[2:] - cut[:2]))[:, None]
        moved[:, 2] = -moved[[0, 1], [0, 1]] * cut[:2]
        found = _counted(plates, photo.unsure if pixels is photo.pixels else photo.unsure[:0])
        if rng.random() < 0.4:
            small = cv2.flip(small, 1)
            moved[0] = [-moved[0, 0], 0, size[0] - moved[0, 2]]
        canvas[at[1] : at[1] + size[1], at[0] : at[0] + size[0]] = small
        found = _moved(found, moved, int(size[0]), int(size[1]), 0.0)
        return np.concatenate((rows, found + np.array([*at, *at, 0], np.float32)))

    def _swapped(self, photo: Photo, rng: Rng) -> tuple[Pixels, Floats]:
        """The photograph with rendered plates in place of its own, and their boxes."""
        pixels = photo.erased.copy()
        boxes = []
        for x1, y1, x2, y2 in photo.plates:
            plate = self.plates[int(rng.integers(len(self.plates)))]
            aspect = plate.shape[1] / plate.shape[0]
            area = (x2 - x1) * (y2 - y1)
            # Between equal width and equal area: a square plate is higher and less wide.
            width = math.sqrt((x2 - x1) * math.sqrt(area * aspect)) * rng.uniform(0.85, 1.2)
            centre = ((x1 + x2) / 2, (y1 + y2) / 2)
            old = photo.pixels[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1]
            light = float(np.percentile(old, 80)) if old.size else 160.0
            boxes.append(paste_plate(pixels, plate, centre, width, light, rng))
        return pixels, np.array(boxes, np.float32).reshape(-1, 4)

    def _added(self, photo: Photo, rng: Rng) -> tuple[Pixels, Floats]:
        """A photograph with one to three rendered plates anywhere instead of its own.

        Many lie on a drawn back of a vehicle; some of those backs get no plate.
        """
        pixels = photo.erased.copy()
        height, width = pixels.shape[:2]
        spots = []
        for _ in range(int(rng.integers(1, 4))):
            wide = math.exp(rng.uniform(math.log(22), math.log(width / 3)))
            centre = (rng.uniform(0.1, 0.9) * width, rng.uniform(0.3, 0.95) * height)
            light = rng.uniform(90, 235)
            back = rng.random() < BACKS
            if back:
                draw_back(pixels, centre, wide, light, rng)
            if not back or rng.random() > BARE_BACKS:
                spots.append((centre, wide, light))
        boxes: list[Floats] = []
        for centre, wide, light in spots:
            plate = self.plates[int(rng.integers(len(self.plates)))]
            box = paste_plate(pixels, plate, centre, wide, light, rng)
            if all(disjoint(box, other) for other in boxes):
                boxes.append(box)
            else:  # a later plate may cover an earlier one: take the photograph as it is
                return photo.pixels, photo.plates
        return pixels, np.array(boxes, np.float32).reshape(-1, 4)


def _cover(canvas: Pixels, row: Floats, rng: Rng) -> None:
    """Draw something that stands before a plate, beyond its edges too, in place."""
    x1, y1, x2, y2 = (float(side) for side in row[:4])
    beyond = (y2 - y1) * rng.uniform(0.1, 1.0)
    left, top = max(0, round(x1 - beyond)), max(0, round(y1 - beyond))
    part = canvas[top : round(y2 + beyond), left : round(x2 + beyond)]
    box = (x1 - left, y1 - top, x2 - left, y2 - top)
    part[:] = draw_cover(
        THINGS[int(rng.integers(len(THINGS)))], part, box, int(rng.integers(1 << 31))
    )


def _counted(plates: Floats, unsure: Floats) -> Floats:
    """Rows of plates, marked 1, and of regions that may be a plate, marked 0."""
    return np.concatenate(
        (
            np.concatenate((plates, np.ones((len(plates), 1), np.float32)), 1),
            np.concatenate((unsure, np.zeros((len(unsure), 1), np.float32)), 1),
        )
    ).astype(np.float32)


def _aspect(row: Floats) -> float:
    return float((row[2] - row[0]) / max(1.0, row[3] - row[1]))


def _shot(
    pixels: Pixels, rows: Floats, rng: Rng, size: tuple[int, int], widest: float
) -> tuple[Pixels, Floats]:
    """The photograph as another camera would have taken it, with its rows.

    Args:
        pixels: the photograph.
        rows: its plates.
        rng: source of random numbers.
        size: width and height of the returned picture.
        widest: greatest plate width as a share of the picture's width.
    """
    width, height = size
    tall, wide = pixels.shape[:2]
    fit = min(width / wide, height / tall)
    plates = rows[rows[:, 4] == 1]
    if len(plates):
        chosen = plates[rng.integers(len(plates))]
        target = math.exp(rng.uniform(math.log(NARROWEST), math.log(widest * width)))
        scale = target / max(1.0, chosen[2] - chosen[0])
        # Stay near the whole photograph: a plate on a bumper alone teaches no surroundings.
        scale = float(np.clip(scale, fit * 0.6, max(fit * 4, 1.0)))
        target = scale * float(chosen[2] - chosen[0])
        middle = (chosen[:2] + chosen[2:4]) / 2
    else:
        scale = fit * math.exp(rng.uniform(math.log(0.8), math.log(3)))
        middle = np.array([rng.uniform(0.2, 0.8) * wide, rng.uniform(0.2, 0.8) * tall])
        target = 0.0
    # Half of the plate's share of the picture, so that a wide plate is not always cut.
    inside = float(np.clip(0.52 * target / width, 0.15, 0.5))
    stretch = math.exp(rng.normal(0, 0.08))
    # Turn most pictures only a little: a box around a turned box is too high, by a tenth for small
    # plates, and a network cannot see the turn of a small plate.
    turn = math.radians(rng.normal(0, 1.2) if rng.random() < 0.85 else rng.normal(0, 8))
    shear = rng.normal(0, 0.02)
    mirrored = -1.0 if rng.random() < 0.4 else 1.0
    linear = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    linear = linear @ np.array([[1, shear], [shear / 2, 1]])
    linear = linear @ np.diag([scale * stretch * mirrored, scale / stretch])
    if wide * scale <= width and rng.random() < 0.7:
        middle_x, at_x = wide / 2, width / 2
    else:
        middle_x, at_x = float(middle[0]), rng.uniform(inside, 1 - inside) * width
    if tall * scale <= height and rng.random() < 0.7:
        middle_y, at_y = tall / 2, height / 2
    else:
        middle_y, at_y = float(middle[1]), rng.uniform(0.2, 0.85) * height
    shift = np.array([at_x, at_y]) - linear @ np.array([middle_x, middle_y])
    matrix = np.concatenate((linear, shift[:, None]), 1).astype(np.float32)
    if scale < 0.6 and rng.random() < SMOOTH:
        first = min(1.0, scale * 1.3)
        reduced = (max(2, round(wide * first)), max(2, round(tall * first)))
        pixels = np.asarray(cv2.resize(pixels, reduced, interpolation=cv2.INTER_AREA), np.uint8)
        drawn = matrix.copy()
        drawn[:, 0] *= wide / reduced[0]
        drawn[:, 1] *= tall / reduced[1]
    else:
        drawn = matrix
    edge = cv2.BORDER_CONSTANT if rng.random() < 0.7 else cv2.BORDER_REFLECT_101
    if edge == cv2.BORDER_REFLECT_101 and len(rows):
        edge = cv2.BORDER_CONSTANT  # a reflected plate would be an unlabelled one
    picture = cv2.warpAffine(
        pixels, between_centres(drawn), (width, height), flags=cv2.INTER_LINEAR, borderMode=edge,
        borderValue=(GREY, GREY, GREY),
    )  # fmt: skip
    return np.asarray(picture, np.uint8), _moved(rows, matrix, width, height, abs(turn))


def _moved(rows: Floats, matrix: Floats, width: int, height: int, turn: float) -> Floats:
    """Boxes after the transformation, clipped; cut or tiny ones do not count.

    The box around a turned box is too large. Half of the increase is removed: it is not known
    whether the plate itself was upright or leaning.
    """
    kept = []
    for x1, y1, x2, y2, counted in rows:
        corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)
        moved = corners @ matrix[:, :2].T + matrix[:, 2]
        low, high = moved.min(0), moved.max(0)
        tall, wide = high[1] - low[1], high[0] - low[0]
        lean = 0.25 * math.sin(turn)
        trim = np.array([min(0.03 * wide, lean * tall), min(0.15 * tall, lean * wide)], np.float32)
        low, high = low + trim, high - trim
        inner_low = np.clip(low, 0, [width, height])
        inner_high = np.clip(high, 0, [width, height])
        whole = float(np.prod(np.maximum(high - low, 1e-3)))
        seen = float(np.prod(np.maximum(inner_high - inner_low, 0))) / whole
        if seen < 0.05:
            continue
        sure = counted and seen > 0.6 and (inner_high - inner_low)[0] >= LEGIBLE
        kept.append([*inner_low, *inner_high, 1.0 if sure else 0.0])
    return np.array(kept, np.float32).reshape(-1, 5)
