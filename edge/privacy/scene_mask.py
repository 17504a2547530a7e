"""Which pixels a reveal level shows, by what they show: the mask by meaning.

A pixel is shown only if the level allows its class, the scene parser is sure of it, and it hangs
together with the plate. What the parser only suspects to be of a forbidden class is masked with its
surroundings. Where the parser is missing, or what it says does not fit the plate, there is no mask
by meaning; the mask by geometry is used, without what the parser suspects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.domain.scene import SIDE, Scene, SceneClass, unit_of
from edge.domain.wheel import WheelSide
from edge.privacy.geometric_mask import (
    Mask,
    fill,
    geometric_mask,
    other_plates,
    plate_region,
    protected_region,
)

FINER = 4
"""Each cell of a scene is divided into so many in rows and columns, so that edges are clean."""

SURROUNDINGS = 0.09
"""Width of the margin that is masked around what is suspected, in units of the window: 5 cm, and
more where the plate slants."""

SMOOTHED = 0.05
"""Parts and points narrower than twice this are masked, in units: 5 cm. They are no evidence."""

AROUND = 0.2
"""How far around a plate there is bodywork of its vehicle, in units: 10 cm."""

LEAST_BODY = 0.6
"""Least mean probability of bodywork there. A plate that somebody carries has less."""

LEAST_AREA = 0.8
"""Least area that a sure parser shows, in square units: 0.2 square metres, so that a motorcycle is
shown. The plate alone has 0.2 square units."""

LARGEST_DOUBTFUL = 3.0
"""What may be a plate, with little certainty, is ignored if its unit is more than this many units
of the offender's plate. Of 39 such boxes on street photographs none was a plate."""

FRONTAL = 3.4
"""A plate of one line seen from ahead is at least so many heights wide: 4.7, less what a detector
adds. At a slant, and of two lines, it is narrower; then the driver's side is not certain."""

WINDSCREEN = (1.6, 5.0)
"""Width of a windscreen, in units: 0.8 m to 2.6 m. A motorcycle has none."""

OFF_CENTRE = 0.4
"""Furthest that the middle of a windscreen may be beside the plate, in units: 20 cm. Seen at a
slant, or with a side window that was taken for a part of it, it is further."""

BETWEEN_SEATS = 0.15
"""How far from the middle the driver's side begins, in units: 8 cm."""

WIDEST, HIGHEST = 0.42, 0.12
"""Largest width and height of a plate, as shares of the picture's width. What is larger is too
close or a sign. The parser has learnt few such pictures. On recordings of close cameras plates are
up to 0.41 wide. A large sign, taken for a plate, made the parser show the windows of a car."""

EDGE = 1.0
"""A plate this near to the picture's edge, in pixels, may be cut: its unit is not known."""

NEAR_EDGE = 2 * FINER
"""A windscreen this near to the left or right edge of the picture, in fine cells, may be cut."""

_Floats = npt.NDArray[np.float32]
_Cells = npt.NDArray[np.bool_]
"""Fine cells of the window, shape (rows, columns) times `FINER`."""


@dataclass(frozen=True, slots=True)
class ShownPixels:
    """The pixels that a level shows.

    Attributes:
        mask: where they are, shape (height, width).
        method: what decided it.
        level: the level whose parts are shown: `vehicle` where `driver` could show no driver,
            otherwise the level that was asked for.
    """

    mask: Mask = field(repr=False)
    method: MaskMethod
    level: RevealLevel


def shown_pixels(
    plate: Box,
    others: Sequence[Box],
    level: RevealLevel,
    height: int,
    width: int,
    scene: Scene | None = None,
    *,
    weak: Sequence[Box] = (),
    wheel: WheelSide | None = None,
) -> ShownPixels:
    """The pixels that one vehicle, taken as the offender, shows in a picture of this size.

    Args:
        plate: its plate, in pixels.
        others: all other plates in the picture.
        level: the reveal level.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        scene: what the picture shows around the plate; None where no parser could say.
        weak: what may be plates, and is often a badge or a lamp. It is masked like a plate, and
            does not contradict the parser. What is too large for a plate is ignored.
        wheel: the side of the steering wheel, if this is the vehicle's front; None where it may
            not be, or the side is not known. Then `driver` shows what `vehicle` shows. So it does
            where no windscreen is seen from ahead.

    Raises:
        RedactionError: a box is not finite or smaller than a pixel, or the plate is outside.
    """
    weak = [one for one in weak if not unit_of(one) > LARGEST_DOUBTFUL * unit_of(plate)]
    by_geometry = geometric_mask(plate, (*others, *weak), level, height, width)
    if scene is None or level in (RevealLevel.NONE, RevealLevel.PLATE):
        return ShownPixels(by_geometry, MaskMethod.GEOMETRY, _by_geometry(level))
    rest = other_plates(plate, others, height, width)
    doubtful = other_plates(plate, weak, height, width)
    view = _View.of(scene, plate, Box(0, 0, width, height))
    inside = view.seats(level, wheel)
    forbidden = view.forbidden(inside)
    too_large = plate.width > WIDEST * width or plate.height > HIGHEST * width
    doubted = too_large or _is_cut(plate, height, width)
    if not doubted and not view.shows(inside, forbidden, rest):
        shown = view.shown(inside, forbidden, [protected_region(other) for other in rest])
        if shown is not None:
            mask = view.in_picture(shown, height, width)
            for one in doubtful:
                fill(mask, _around(one), value=False)
            mask = _with_plates(mask, plate, [*rest, *doubtful])
            by_meaning = level if level is not RevealLevel.DRIVER or inside.any() else _VEHICLE
            return ShownPixels(mask, MaskMethod.MEANING, by_meaning)
    mask = by_geometry & ~view.in_picture(forbidden, height, width)
    # Behind a person who carries the plate, nothing is known to be the plate's vehicle.
    mask = _connected(mask, _touched(_around(plate).clipped(width, height)))
    mask = _with_plates(mask, plate, [*rest, *doubtful])
    return ShownPixels(mask, MaskMethod.GEOMETRY, _by_geometry(level))


_VEHICLE = RevealLevel.VEHICLE


def _by_geometry(level: RevealLevel) -> RevealLevel:
    """The level that the geometry shows: it knows no driver's side."""
    return _VEHICLE if level is RevealLevel.DRIVER else level


@dataclass(frozen=True, slots=True)
class _View:
    """A scene in fine cells, `FINER` in rows and columns than its own.

    Attributes:
        scene: the scene.
        plate: its plate, in pixels of the picture.
        picture: the whole picture, in its pixels. Around it a window is grey, and what the parser
            says there means nothing.
        level: the plate if its lines were level.
        body: the probability of bodywork, per fine cell; likewise:
        inside: of glass and of who is behind it.
        strangers: of another vehicle or a person outside.
        cell: the size of a fine cell, in units of the level plate.
    """

    scene: Scene
    plate: Box
    picture: Box
    level: Box
    body: _Floats = field(repr=False)
    inside: _Floats = field(repr=False)
    strangers: _Floats = field(repr=False)
    cell: float

    @classmethod
    def of(cls, scene: Scene, plate: Box, picture: Box) -> _View:
        _, rows, columns = scene.probabilities.shape
        size = (columns * FINER, rows * FINER)
        fine = [
            np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_LINEAR), np.float32)
            for one in scene.probabilities
        ]
        level = scene.level or plate
        return cls(
            scene,
            plate,
            picture,
            level,
            body=fine[SceneClass.BODY],
            inside=fine[SceneClass.GLASS] + fine[SceneClass.HEAD],
            strangers=fine[SceneClass.OTHER] + fine[SceneClass.PERSON],
            cell=scene.window.width / size[0] / unit_of(level),
        )

    def seats(self, level: RevealLevel, wheel: WheelSide | None) -> _Cells:
        """The cells where the level shows the vehicle's glass and who sits behind it."""
        cells = np.zeros(self.body.shape, np.bool_)
        if level is RevealLevel.OCCUPANTS:
            cells[:] = True
        elif level is RevealLevel.DRIVER and wheel is not None:
            middles = self._middles()
            if middles is not None:
                beside = BETWEEN_SEATS / self.cell
                # Who looks at a vehicle from ahead sees its left side on the right.
                if wheel is WheelSide.LEFT:
                    cells[:, math.ceil(max(middles) + beside) :] = True
                else:
                    cells[:, : max(0, math.floor(min(middles) - beside))] = True
        return cells

    def _middles(self) -> tuple[float, float] | None:
        """The columns of the middle of the windscreen and of the plate.

        None if no windscreen is certainly seen from ahead, and whole from left to right.
        """
        if self.plate.width < FRONTAL * self.plate.height:
            return None
        top = self._cells(self.plate)[0].start
        columns = self._cells(self.picture)[1]
        glass = (self.inside >= self.scene.sure) & self._in_picture()
        glass[top:] = False
        count, _, stats, _ = cv2.connectedComponentsWithStats(glass.astype(np.uint8))
        if count < 2:
            return None
        left, _, width, _, _ = stats[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())]
        x, _ = self.plate.centre
        own = (x - self.scene.window.x1) / self.scene.window.width * glass.shape[1]
        middle = float(left + width / 2)
        off = abs(middle - own) * self.cell
        narrowest, widest = WINDSCREEN
        frontal = off <= OFF_CENTRE and narrowest <= width * self.cell <= widest
        if left <= columns.start + NEAR_EDGE or left + width >= columns.stop - NEAR_EDGE:
            return None
        return (middle, own) if frontal else None

    def forbidden(self, inside: _Cells) -> _Cells:
        """The cells that may show what the level masks, with their surroundings.

        Args:
            inside: the cells where the level shows who sits in the vehicle.
        """
        suspected = self.scene.suspected
        # `~(a < b)` instead of `a >= b`: what is no number is forbidden.
        found = ~(self.strangers < suspected) | (~(self.inside < suspected) & ~inside)
        found &= self._in_picture()
        window_cell = 2 * SIDE / found.shape[1]
        return _morphed(cv2.MORPH_DILATE, found, SURROUNDINGS / window_cell)

    def shows(self, inside: _Cells, forbidden: _Cells, plates: Sequence[Box]) -> bool:
        """Whether the parser alone would show one of these plates: it took two vehicles for one."""
        shown = self.shown(inside, forbidden, ())
        return shown is not None and any(shown[self._cells(_around(one))].any() for one in plates)

    def shown(self, inside: _Cells, forbidden: _Cells, elsewhere: Sequence[Box]) -> _Cells | None:
        """The cells that the level shows; None if the parser is unsure or contradicts the plate.

        Args:
            inside: the cells where the level shows who sits in the vehicle.
            forbidden: the cells that the level masks.
            elsewhere: where other vehicles may be, by the geometry of their plates.
        """
        around = self._cells(_around(self.level))
        if not self.body[around].size or not float(self.body[around].mean()) >= LEAST_BODY:
            return None
        sure, own = self.scene.sure, self.body + self.inside
        possible = (own >= sure) & (self.strangers < self.scene.suspected) & self._in_picture()
        for one in elsewhere:
            possible[self._cells(one)] = False
        # Another vehicle's bodywork is not connected to the plate.
        vehicle = _connected(possible, around)
        if vehicle[-1].any():
            return None  # no vehicle reaches so far below its plate: another one follows closely
        allowed = np.where(inside, own, self.body)
        shown = vehicle & (allowed >= sure) & ~forbidden
        shown = _morphed(cv2.MORPH_OPEN, shown, SMOOTHED / self.cell)
        return shown if shown.sum() * self.cell**2 >= LEAST_AREA else None

    def _in_picture(self) -> _Cells:
        """The cells that show a part of the picture."""
        cells: _Cells = np.zeros(self.body.shape, np.bool_)
        cells[self._cells(self.picture)] = True
        return cells

    def in_picture(self, cells: _Cells, height: int, width: int) -> Mask:
        """The cells as pixels of the picture; outside of the window there is none."""
        mask = np.zeros((height, width), np.bool_)
        window = self.scene.window
        left, top = max(0, int(window.x1)), max(0, int(window.y1))
        right, bottom = min(width, int(np.ceil(window.x2))), min(height, int(np.ceil(window.y2)))
        if left >= right or top >= bottom:
            return mask
        rows, columns = cells.shape
        across, down = columns / window.width, rows / window.height
        # From the middles of pixels of this part of the picture to those of cells.
        to_cells = np.array(
            [
                [across, 0, (left + 0.5 - window.x1) * across - 0.5],
                [0, down, (top + 0.5 - window.y1) * down - 0.5],
            ]
        )
        part = cv2.warpAffine(
            cells.astype(np.uint8) * 255,
            to_cells,
            (right - left, bottom - top),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        mask[top:bottom, left:right] = part >= 128
        return mask

    def _cells(self, part: Box) -> tuple[slice, slice]:
        """The fine cells that a part of the picture touches; they may be none."""
        rows, columns = self.body.shape
        window = self.scene.window
        across, down = columns / window.width, rows / window.height
        inside = Box(
            (part.x1 - window.x1) * across,
            (part.y1 - window.y1) * down,
            (part.x2 - window.x1) * across,
            (part.y2 - window.y1) * down,
        ).clipped(columns, rows)
        return _touched(inside)


def _morphed(operation: int, cells: _Cells, reach: float) -> _Cells:
    """The cells after a morphological operation with a disc of this radius, in cells."""
    radius = max(1, round(reach))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.morphologyEx(cells.astype(np.uint8), operation, disc) > 0


def _connected(cells: _Cells, seed: tuple[slice, slice]) -> _Cells:
    """The cells that are connected to one of those in the seed."""
    _, labels = cv2.connectedComponents(cells.astype(np.uint8), connectivity=4)
    wanted = np.unique(labels[seed])
    return np.isin(labels, wanted[wanted > 0])


def _around(plate: Box) -> Box:
    """A plate and what is right around it."""
    margin = AROUND * unit_of(plate)
    return plate.grown(left=margin, top=margin, right=margin, bottom=margin)


def _is_cut(plate: Box, height: int, width: int) -> bool:
    """Whether the picture's edge may cut the plate."""
    return plate.x1 < EDGE or plate.y1 < EDGE or plate.x2 > width - EDGE or plate.y2 > height - EDGE


def _touched(box: Box) -> tuple[slice, slice]:
    """The rows and columns that a box touches."""
    return (
        slice(int(box.y1), int(np.ceil(box.y2))),
        slice(int(box.x1), int(np.ceil(box.x2))),
    )


def _with_plates(mask: Mask, plate: Box, others: Sequence[Box]) -> Mask:
    """The mask with the offender's own plate, and without any other."""
    fill(mask, plate_region(plate), value=True)
    for other in others:
        fill(mask, plate_region(other), value=False)
    return mask
