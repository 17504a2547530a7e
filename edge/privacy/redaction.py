"""Redaction by selective reveal: everything is masked unless a rule reveals it.

A picture starts as solid grey. Pixels are copied onto it only where the reveal level of the rule
allows it, and only where the geometry of the offender's own plate proves what is there.
Everything else (a pedestrian, a second car, a face in a mirror) stays grey. So a missed detection
hides too much and never too little.

No vehicle model is used. All lengths are derived from the plate, whose size is fixed by law:
520 x 110 mm in most of Europe. Squarer plates are narrower on the road (Belgium: two-line
340 x 210 mm, motorcycle 210 x 140 mm). A length in plate widths is then shorter and less is
shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import NoReturn, final

import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box, Pixels
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Offence
from edge.domain.vehicles import KeyFrame
from edge.errors import RedactionError

MASK_GREY = 127
"""The solid fill. A constant carries no information about what it covers; blur and mosaics do."""

BLANK_GREY = 48
"""The darker fill of a plate that a preview blanks, to show where the plate is."""

# --- lengths, in plate widths (w) or plate heights (h) ------------------------------------

MAX_LINE_RATIO = 0.22
"""Upper limit of h as a share of w (110 / 520 mm, and a little). The box around a tilted, two-line
or motorcycle plate is taller than one line of a plate and would enlarge all lengths."""

PATCH_SIDE = 0.06  # w: 3 cm; detectors sometimes crop the last stroke
PATCH_EDGE = 0.25  # h: 3 cm; the nearest glass measured on footage starts 0.6 h above a plate

BODY_SIDE = 0.6
"""w beyond each end of the plate: 31 cm. A centred plate has at least 49 cm of car beside it
(narrowest car 1.5 m). A plate at the corner of a van has about 20 cm, but there the shown area
tapers."""

BODY_BELOW = 1.5
"""h below the plate: 16 cm of bumper. A vehicle that follows closely hides the road from the edge
of its roof down. At least 1.2 m of roof comes before its glass. Seen from an elevation e this is
1.2 / 0.11 * tan(e) h: more than 1.5 h from 8 degrees up. Seen from lower down, a follower that
close would hide the plate itself."""

CABIN_ABOVE = 2.0
"""w above the plate: 1.04 m. Over a rear plate this reaches past the roof of a car; over a front
plate, seen obliquely from above, it covers most of the windscreen. The cabin is shown no wider
than the bodywork beside the plate: a person beside the car stays masked, and so may an occupant."""

OTHER_SIDE = 2.0
"""w beyond another vehicle's plate: 1.04 m and half its plate. This covers half a lorry, or a car
whose plate is at one corner."""

OTHER_ABOVE = 4.0
"""w above another vehicle's plate: 2.1 m, the roof of a high van, or a car's windscreen behind a
bonnet seen obliquely from above."""

OTHER_BELOW = 2.0  # h: the bumper that a picture of the other vehicle would show

OTHER_PLATE_WIDTH = 2.2
"""Another plate that is squarer than one line may be a narrow plate on a wide vehicle: its w is
taken as at least this many of its heights (340 x 155 mm and squarer)."""

OVERLAP_THRESHOLD = 0.5
"""More than this share of a plate's area must lie in the frame. Two boxes that share more than this
of the smaller one are two detections of the same plate."""

MAX_MOSAIC_COLUMNS = 48
"""Largest number of blocks across an aiming still."""

BLOCK_WIDTH = 0.25
"""w: smallest block of an aiming still. It covers more than a character, which is 0.09 w wide, and
most of a face, which is 0.31 w wide (16 of 52 cm): a plate has four blocks, a face has two."""

MOSAIC_STEP = 16
"""Grey levels that are told apart in a block; finer ones would help to recover what it covers."""

OUTLINE_BGR, LINE_BGR = (0, 220, 255), (80, 80, 255)
GRID_BGR, GUIDE_BGR, SCALE_BGR = (210, 210, 210), (255, 160, 0), (0, 200, 0)

GRID = 10
"""The grid of an aiming still divides width and height into this many parts."""

# --- the two kinds of picture that may leave the box ----------------------------------------

_KEY = object()


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """Base class of the two kinds of picture.

    Pixels have shape (height, width, 3), BGR, and are read-only. They share no memory with the
    frame they were made from. Only this module knows `key`, so only it can make a picture.
    """

    pixels: Pixels = field(repr=False, compare=False)
    key: InitVar[object]

    def __post_init__(self, key: object) -> None:
        if key is not _KEY:
            raise TypeError("only edge.privacy.redaction makes redacted pictures")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a redacted picture can be encoded, never pickled or copied")

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])


@final
@dataclass(frozen=True, slots=True, eq=False)
class RedactedImage(_Picture):
    """A picture that shows nobody: fully masked, or a preview of a regular file."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class EvidenceImage(_Picture):
    """One picture of an offence. Only `reveal` makes it, from an `Offence`.

    `name` says what it shows, `plate` or `vehicle`, and is used as a file name.
    """

    name: str


# --- the four functions that make a picture -------------------------------------------------


def mask_all(pixels: Pixels) -> RedactedImage:
    """A fully masked picture of the same size.

    Raises:
        RedactionError: `pixels` is not a picture.
    """
    _check_picture(pixels)
    return RedactedImage(_read_only(np.full_like(pixels, MASK_GREY)), _KEY)


def reveal(offence: Offence, key_frame: KeyFrame) -> tuple[EvidenceImage, ...]:
    """The minimum evidence that the rule's reveal level allows, cropped to what is shown.

    There is always a picture `plate` of the offender's own plate. At the levels `vehicle` and
    `occupants` there is also a picture `vehicle`, at the frame's full resolution. The rest of the
    scene is cropped away or solid grey.

    Raises:
        RedactionError: there is no offence, the rule reveals nothing, the frame is not a picture,
            or a plate box is not finite, smaller than a pixel or outside of the frame.
    """
    if not isinstance(offence, Offence):
        raise RedactionError("evidence needs an offence")
    level = offence.rule.reveal
    if level is RevealLevel.NONE:
        raise RedactionError(f"rule {offence.rule.id} reveals nothing: give it a reveal level")
    pictures = [("plate", RevealLevel.PLATE)]
    if level is not RevealLevel.PLATE:
        pictures.append(("vehicle", level))
    _check_picture(key_frame.pixels)
    return tuple(
        EvidenceImage(_cropped_to_visible(key_frame, shown_level), _KEY, name)
        for name, shown_level in pictures
    )


def preview_of_regular_file(
    pixels: Pixels,
    plates: Sequence[Box],
    level: RevealLevel,
    *,
    show_plates: bool,
    others: Sequence[Box] = (),
    outlines: bool = False,
) -> RedactedImage:
    """What a reveal level would show, with each vehicle in turn as the offender.

    This is the one exception to the rule that clear pixels need an offence. It lets a person judge
    a level on a recording that they already have. Call it for regular files only, never for a live
    source.

    Args:
        pixels: shape (height, width, 3), BGR.
        plates: plate boxes in pixels.
        level: the reveal level.
        show_plates: if false, every plate is covered with a darker solid fill.
        others: boxes of uncertain plates; they are protected like other vehicles' plates but are
            never taken as the offender's.
        outlines: whether to draw an outline around each plate.

    Raises:
        RedactionError: as for `reveal`.
    """
    _check_picture(pixels)
    visible = np.zeros(pixels.shape[:2], dtype=np.bool_)
    for index, plate in enumerate(plates):
        rest = (*plates[:index], *plates[index + 1 :], *others)
        visible |= _visible_mask(plate, rest, level, pixels.shape[0], pixels.shape[1])
    picture = _masked(pixels, visible)
    if not show_plates:
        for plate in plates:
            _fill(picture, _plate_region(plate), BLANK_GREY)
    if outlines:
        for plate in plates:
            _outline(picture, plate)
    return RedactedImage(_read_only(picture), _KEY)


def aiming_still(
    pixels: Pixels,
    plates: Sequence[Box],
    lines: Sequence[tuple[tuple[float, float], tuple[float, float]]] = (),
    *,
    weak: Sequence[Box] = (),
    guides: Sequence[float] = (),
    scales: Sequence[Box] = (),
) -> RedactedImage:
    """A picture to aim a camera by: a mosaic with a grid, lines and plate outlines drawn on it.

    Each block has one colour, its mean. Blocks are at least `BLOCK_WIDTH` of the widest plate and a
    `MAX_MOSAIC_COLUMNS`th of the picture wide. Road, cars and kerbs can be recognised, but no
    character and no face.

    Args:
        pixels: shape (height, width, 3), BGR.
        plates: boxes of the plates seen by this camera, in pixels; only outlines are drawn.
        lines: pairs of points in fractions of the picture.
        weak: boxes that may be plates; blocks are large enough for them, and nothing is drawn.
        guides: heights in fractions of the picture at which a horizontal line is drawn.
        scales: boxes in pixels to compare plates with.

    Raises:
        RedactionError: `pixels` is not a picture, or a box is not finite or smaller than a pixel.
    """
    _check_picture(pixels)
    height, width = pixels.shape[:2]
    for box in (*plates, *weak, *scales):
        _check_box(box)
    canvas = _mosaic(pixels, max((box.width for box in (*plates, *weak)), default=0.0))
    for part in range(1, GRID):
        canvas[:, part * width // GRID] = GRID_BGR
        canvas[part * height // GRID, :] = GRID_BGR
    for box in plates:
        _outline(canvas, box, OUTLINE_BGR)
    for box in scales:
        _outline(canvas, box, SCALE_BGR)
    for guide in guides:
        _draw_line(canvas, (0, guide * height), (width, guide * height), GUIDE_BGR)
    for start, end in lines:
        _draw_line(
            canvas,
            (start[0] * width, start[1] * height),
            (end[0] * width, end[1] * height),
            LINE_BGR,
        )
    return RedactedImage(_read_only(canvas), _KEY)


def _mosaic(pixels: Pixels, widest: float) -> Pixels:
    """The picture in blocks of one colour; `widest` is the widest plate's width in pixels."""
    height, width = pixels.shape[:2]
    side = math.ceil(max(width / MAX_MOSAIC_COLUMNS, BLOCK_WIDTH * widest, 1.0))
    canvas = np.empty_like(pixels)
    for top in range(0, height, side):
        for left in range(0, width, side):
            # A partial block at an edge takes the mean of a full block, so none is smaller.
            y, x = min(top, max(0, height - side)), min(left, max(0, width - side))
            mean = pixels[y : y + side, x : x + side].mean(axis=(0, 1))
            colour = mean // MOSAIC_STEP * MOSAIC_STEP + MOSAIC_STEP // 2
            canvas[top : top + side, left : left + side] = colour.astype(np.uint8)
    return canvas


def _outline(canvas: Pixels, plate: Box, colour: tuple[int, int, int] = OUTLINE_BGR) -> None:
    """Draw the outline of a plate's box."""
    corners = (
        (plate.x1, plate.y1),
        (plate.x2, plate.y1),
        (plate.x2, plate.y2),
        (plate.x1, plate.y2),
    )
    for start, end in zip(corners, (*corners[1:], corners[0]), strict=True):
        _draw_line(canvas, start, end, colour)


def _draw_line(
    canvas: Pixels,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: tuple[int, int, int],
) -> None:
    """Draw a line two pixels wide, clipped to the picture."""
    steps = 2 + math.ceil(2 * max(abs(end[0] - start[0]), abs(end[1] - start[1])))
    xs = np.linspace(start[0], end[0], steps).astype(int)
    ys = np.linspace(start[1], end[1], steps).astype(int)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        inside = (
            (xs + dx >= 0)
            & (ys + dy >= 0)
            & (xs + dx < canvas.shape[1])
            & (ys + dy < canvas.shape[0])
        )
        canvas[ys[inside] + dy, xs[inside] + dx] = colour


# --- pixels ---------------------------------------------------------------------------------

Mask = npt.NDArray[np.bool_]
"""Shape (height, width): True where a pixel is shown."""


def _masked(pixels: Pixels, visible: Mask) -> Pixels:
    """A new picture with all other pixels grey; not a view, which would keep the whole frame."""
    return np.where(visible[:, :, np.newaxis], pixels, np.uint8(MASK_GREY))


def _cropped_to_visible(key_frame: KeyFrame, level: RevealLevel) -> Pixels:
    """What one level shows of the key frame, cropped to the shown pixels."""
    pixels = key_frame.pixels
    visible = _visible_mask(
        key_frame.plate, key_frame.other_plates, level, pixels.shape[0], pixels.shape[1]
    )
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    if rows.size == 0:
        raise RedactionError("nothing of the offender's plate can be shown")
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _read_only(_masked(pixels[window], visible[window]))


def _read_only(pixels: Pixels) -> Pixels:
    """The same array, made read-only."""
    pixels.setflags(write=False)
    return pixels


def _check_picture(pixels: Pixels) -> None:
    """Raise unless the array is an image of shape (height, width, 3), uint8."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise RedactionError("a frame must be a picture of height x width x 3 bytes")


# --- geometry -------------------------------------------------------------------------------


def _visible_mask(
    plate: Box, others: Sequence[Box], level: RevealLevel, height: int, width: int
) -> Mask:
    """The pixels that one vehicle, taken as the offender, shows in a picture of this size."""
    _check_box(plate)
    for other in others:
        _check_box(other)
    if plate.clipped(width, height).area <= OVERLAP_THRESHOLD * plate.area:
        raise RedactionError("the offender's plate is not in the frame")
    others = [other for other in others if not _same_plate(plate, other)]

    visible = np.zeros((height, width), dtype=np.bool_)
    if level is RevealLevel.NONE:
        return visible
    if level is not RevealLevel.PLATE:
        if level is RevealLevel.OCCUPANTS:
            _show_cabin(visible, plate)
        _show_bodywork(visible, plate)
        for other in others:
            _fill(visible, _protected_region(other), value=False)
    # The plate was detected, so no vehicle hides it, even inside another's protected region.
    _fill(visible, _plate_region(plate), value=True)
    for other in others:
        _fill(visible, _plate_region(other), value=False)
    return visible


def _line_height(plate: Box) -> float:
    """Height of one line of the plate in pixels: h in the lengths above."""
    return min(plate.height, MAX_LINE_RATIO * plate.width)


def _plate_region(plate: Box) -> Box:
    """The plate with a small margin."""
    side, edge = PATCH_SIDE * plate.width, PATCH_EDGE * _line_height(plate)
    return plate.grown(left=side, top=edge, right=side, bottom=edge)


def _protected_region(other: Box) -> Box:
    """Where the glass of the vehicle with this plate may be, wherever the plate is mounted."""
    unit = max(other.width, OTHER_PLATE_WIDTH * other.height)
    return other.grown(
        left=OTHER_SIDE * unit,
        top=OTHER_ABOVE * unit,
        right=OTHER_SIDE * unit,
        bottom=OTHER_BELOW * other.height,
    )


def _show_bodywork(visible: Mask, plate: Box) -> None:
    """Show what is certainly bodywork: beside the plate and below it, never above.

    A box higher than one line holds a tilted plate, which may hang lower at either side by the
    excess. So beside the plate the upper edge starts lower by that amount. Outwards both edges
    converge with the slope height / width of the box, because no line along the plate is steeper
    than its box. So for every tilt and position of the camera, what is shown beside the plate stays
    below the line that continues its upper edge.
    """
    side_distance, y = _pixel_distances(visible, plate)
    line = _line_height(plate)
    closing = side_distance * (plate.height / plate.width)
    upper = plate.y1 + (plate.height - line) * (side_distance > 0) + closing
    lower = plate.y2 + BODY_BELOW * line - closing
    visible |= (side_distance <= BODY_SIDE * plate.width) & (y >= upper) & (y <= lower)


def _show_cabin(visible: Mask, plate: Box) -> None:
    """Show what is above the bodywork beside the plate: cabin and roof."""
    side_distance, y = _pixel_distances(visible, plate)
    top = plate.y1 - CABIN_ABOVE * plate.width
    visible |= (side_distance <= BODY_SIDE * plate.width) & (y >= top) & (y <= plate.y2)


def _pixel_distances(
    visible: Mask, plate: Box
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """For all pixel centres: horizontal distance from the plate (a row), and y (a column)."""
    height, width = visible.shape
    x = np.arange(width, dtype=np.float64) + 0.5
    y = np.arange(height, dtype=np.float64)[:, np.newaxis] + 0.5
    side_distance: npt.NDArray[np.float64] = np.maximum(np.maximum(plate.x1 - x, x - plate.x2), 0)
    return side_distance, y


def _fill(picture: npt.NDArray[np.uint8] | Mask, box: Box, value: int) -> None:
    """Set every pixel that the box touches."""
    height, width = picture.shape[:2]
    inside = box.clipped(width, height)
    picture[
        math.floor(inside.y1) : math.ceil(inside.y2), math.floor(inside.x1) : math.ceil(inside.x2)
    ] = value


def _check_box(box: Box) -> None:
    """Raise unless the box is finite and at least one pixel wide and high."""
    if not all(math.isfinite(edge) for edge in (box.x1, box.y1, box.x2, box.y2)):
        raise RedactionError("a plate box is not finite")
    if box.width < 1 or box.height < 1:
        raise RedactionError("a plate box is smaller than a pixel")


def _same_plate(first: Box, second: Box) -> bool:
    """Whether two boxes are two detections of the same plate."""
    return first.intersection(second) > OVERLAP_THRESHOLD * min(first.area, second.area)
