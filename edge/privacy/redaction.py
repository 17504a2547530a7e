"""Redaction that reveals instead of hides.

A picture starts out as one solid grey. Pixels are copied onto it only where the reveal level
of the fired rule says so, and only where the geometry of the offender's own plate proves what
is there. Whatever was not thought of (a pedestrian, a second car, a face in a mirror) stays
grey, so a missed detection hides too much and never too little.

There is no vehicle model here. All lengths come from the plate itself, whose size the law
fixes: 520 x 110 mm in most of Europe. Squarer plates are narrower on the road (Belgium: two-line
340 x 210 mm, motorcycle 210 x 140 mm), so a length counted in plate widths is then shorter and
less is shown.
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
"""The solid fill. A constant carries nothing of what it covers; blur and mosaics do."""

BLANK_GREY = 48
"""The darker fill of a plate that a preview blanks, so that one sees where it was."""

# --- lengths, in plate widths (w) or plate heights (h) ------------------------------------

FLATTEST = 0.22
"""h is never taken for more than this share of w (110 / 520 mm, and a little): a box around a
tilted, two-line or motorcycle plate is taller than a plate line and would stretch everything."""

PATCH_SIDE = 0.06  # w: 3 cm, detectors cut the last stroke off now and then
PATCH_EDGE = 0.25  # h: 3 cm; the nearest glass measured on footage begins 0.6 h above a plate

BODY_SIDE = 0.6
"""w beyond each end of the plate: 31 cm. A centred plate has at least 49 cm of car beside it
(narrowest car 1.5 m); one at the corner of a van has about 20 cm, and there the wing tapers."""

BODY_BELOW = 1.5
"""h below the plate: 16 cm of bumper. A vehicle that follows closely hides the road from its
roof edge down. At least 1.2 m of roof comes before its glass, which seen from an elevation e
is 1.2 / 0.11 * tan(e) h: more than 1.5 h from 8 degrees up. Seen from lower down, a follower
that close would hide the plate itself."""

CABIN_ABOVE = 2.0
"""w above the plate: 1.04 m. Over a rear plate that is past the roof of a car; over a front
plate, seen obliquely from above, most of the windscreen. The cabin is shown no wider than the
bodywork beside the plate: who stands beside the car stays masked, and so may an occupant."""

OTHER_SIDE = 2.0
"""w beyond another vehicle's plate: 1.04 m and half its plate, so half a lorry, or a car whose
plate sits at one corner."""

OTHER_ABOVE = 4.0
"""w above another vehicle's plate: 2.1 m, the roof of a high van, or a car's windscreen behind
a bonnet seen obliquely from above."""

OTHER_BELOW = 2.0  # h: the bumper that the other's own picture would show

OTHER_PLATE_WIDTH = 2.2
"""Another plate that is squarer than a plate line may be a narrow plate on a wide vehicle: its
w is taken as at least so many of its heights (340 x 155 mm and squarer)."""

MOST = 0.5
"""A plate must lie in the frame with more than this share of its area; and two boxes that share
more than this of the smaller one are one plate found twice."""

STILL_COLUMNS = 12
"""Blocks side by side in a picture to aim by, at the most."""

OUTLINE_BGR, LINE_BGR = (0, 220, 255), (80, 80, 255)

# --- the two kinds of picture that may leave ------------------------------------------------

_KEY = object()


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """Pixels of shape (height, width, 3), BGR, read-only.

    They share no memory with the frame they were made of. `key` is known to this module alone.
    """

    pixels: Pixels = field(repr=False, compare=False)
    key: InitVar[object]

    def __post_init__(self, key: object) -> None:
        if key is not _KEY:
            raise TypeError("redacted pictures are made by edge.privacy.redaction alone")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a redacted picture is encoded, never pickled or copied")

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@final
@dataclass(frozen=True, slots=True, eq=False)
class RedactedImage(_Picture):
    """A picture that shows nobody: masked throughout, or a preview of a regular file."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class EvidenceImage(_Picture):
    """One picture of an offence; `reveal` makes it from an `Offence`, nothing else does.

    `name` says what it shows and serves as a file name: `plate` or `vehicle`.
    """

    name: str


# --- the three ways to a picture ------------------------------------------------------------


def mask_all(pixels: Pixels) -> RedactedImage:
    """A picture of the same size in which nothing is left.

    Raises:
        RedactionError: `pixels` is no picture.
    """
    _check_picture(pixels)
    return RedactedImage(_frozen(np.full_like(pixels, MASK_GREY)), _KEY)


def reveal(offence: Offence, key_frame: KeyFrame) -> tuple[EvidenceImage, ...]:
    """The least evidence that the level of the fired rule allows, cropped to what it shows.

    Always a picture `plate` of the offender's own plate; at the levels `vehicle` and
    `occupants` also a picture `vehicle`, at the frame's full resolution. The rest of the
    scene is cut away or solid grey.

    Raises:
        RedactionError: no offence, a rule that reveals nothing, a frame that is no picture,
            or a plate box that is not finite, smaller than a pixel or not in the frame.
    """
    if not isinstance(offence, Offence):
        raise RedactionError("evidence is made of an offence and of nothing else")
    level = offence.rule.reveal
    if level is RevealLevel.NONE:
        raise RedactionError(f"rule {offence.rule.id} reveals nothing: give it a reveal level")
    pictures = [("plate", RevealLevel.PLATE)]
    if level is not RevealLevel.PLATE:
        pictures.append(("vehicle", level))
    _check_picture(key_frame.pixels)
    return tuple(EvidenceImage(_cropped(key_frame, shown), _KEY, name) for name, shown in pictures)


def preview_of_regular_file(
    pixels: Pixels,
    plates: Sequence[Box],
    level: RevealLevel,
    *,
    show_plates: bool,
    others: Sequence[Box] = (),
    outlines: bool = False,
) -> RedactedImage:
    """What each level would release, each vehicle in turn taken as the offender.

    The one exception to the rule that clear pixels need an offence: it lets a person judge a
    level on a recording that they already hold. Call it for regular files, never for a live
    source. Unless `show_plates`, every plate is covered with a darker solid fill. `others` are
    plates that are protected but never taken as an offender's: those too faint to be sure of.
    With `outlines` a line is drawn around each plate.

    Raises:
        RedactionError: as for `reveal`.
    """
    _check_picture(pixels)
    shown = np.zeros(pixels.shape[:2], dtype=np.bool_)
    for index, plate in enumerate(plates):
        rest = (*plates[:index], *plates[index + 1 :], *others)
        shown |= _shown(plate, rest, level, pixels.shape[0], pixels.shape[1])
    picture = _masked(pixels, shown)
    if not show_plates:
        for plate in plates:
            _fill(picture, _patch(plate), BLANK_GREY)
    if outlines:
        for plate in plates:
            _outline(picture, plate)
    return RedactedImage(_frozen(picture), _KEY)


def aiming_still(
    pixels: Pixels,
    plates: Sequence[Box],
    lines: Sequence[tuple[tuple[float, float], tuple[float, float]]] = (),
) -> RedactedImage:
    """A picture to aim a camera by: a mosaic, with lines and the outlines of plates drawn on it.

    Each block is one colour, its mean. A block is at least a twelfth of the picture wide and as
    wide as the widest plate in it; a face is about a third of a plate's width, so no block holds
    less than a whole face, and where the road, its edges and the sky are can still be made out.

    Args:
        pixels: shape (height, width, 3), BGR.
        plates: boxes in pixels; their outlines are drawn, nothing inside is shown.
        lines: pairs of points in fractions of the picture.

    Raises:
        RedactionError: `pixels` is no picture, or a box is not in it.
    """
    _check_picture(pixels)
    height, width = pixels.shape[:2]
    for plate in plates:
        _check_box(plate)
    widest = max((plate.width for plate in plates), default=0.0)
    side = math.ceil(max(width / STILL_COLUMNS, widest, 1.0))
    canvas = np.empty_like(pixels)
    for top in range(0, height, side):
        for left in range(0, width, side):
            # What is left over at an edge shares its neighbour's pixels: no block is smaller.
            y, x = min(top, max(0, height - side)), min(left, max(0, width - side))
            mean = pixels[y : y + side, x : x + side].mean(axis=(0, 1))
            canvas[top : top + side, left : left + side] = np.rint(mean).astype(np.uint8)
    for plate in plates:
        _outline(canvas, plate)
    for start, end in lines:
        _draw(
            canvas,
            (start[0] * width, start[1] * height),
            (end[0] * width, end[1] * height),
            LINE_BGR,
        )
    return RedactedImage(_frozen(canvas), _KEY)


def _outline(canvas: Pixels, plate: Box) -> None:
    """A line around a plate's box."""
    corners = (
        (plate.x1, plate.y1),
        (plate.x2, plate.y1),
        (plate.x2, plate.y2),
        (plate.x1, plate.y2),
    )
    for start, end in zip(corners, (*corners[1:], corners[0]), strict=True):
        _draw(canvas, start, end, OUTLINE_BGR)


def _draw(
    canvas: Pixels,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: tuple[int, int, int],
) -> None:
    """A line two pixels wide, clipped to the picture."""
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
"""Shape (height, width): True where a pixel may be seen."""


def _masked(pixels: Pixels, shown: Mask) -> Pixels:
    """A new picture, never a view: a view would still hold the whole frame."""
    return np.where(shown[:, :, np.newaxis], pixels, np.uint8(MASK_GREY))


def _cropped(key_frame: KeyFrame, level: RevealLevel) -> Pixels:
    pixels = key_frame.pixels
    shown = _shown(key_frame.plate, key_frame.others, level, pixels.shape[0], pixels.shape[1])
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if rows.size == 0:
        raise RedactionError("nothing of the offender's plate is left to show")
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _frozen(_masked(pixels[window], shown[window]))


def _frozen(pixels: Pixels) -> Pixels:
    pixels.setflags(write=False)
    return pixels


def _check_picture(pixels: Pixels) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise RedactionError("a frame must be a picture of height x width x 3 bytes")


# --- geometry -------------------------------------------------------------------------------


def _shown(plate: Box, others: Sequence[Box], level: RevealLevel, height: int, width: int) -> Mask:
    """What one vehicle taken as the offender shows in a picture of this size."""
    _check_box(plate)
    for other in others:
        _check_box(other)
    if plate.clipped(width, height).area <= MOST * plate.area:
        raise RedactionError("the offender's plate does not lie in the frame")
    others = [other for other in others if not _same_plate(plate, other)]

    shown = np.zeros((height, width), dtype=np.bool_)
    if level is RevealLevel.NONE:
        return shown
    if level is not RevealLevel.PLATE:
        if level is RevealLevel.OCCUPANTS:
            _show_cabin(shown, plate)
        _show_bodywork(shown, plate)
        for other in others:
            _fill(shown, _surroundings(other), value=False)
    # The plate was seen, so no other vehicle stands before it, whatever its surroundings say.
    _fill(shown, _patch(plate), value=True)
    for other in others:
        _fill(shown, _patch(other), value=False)
    return shown


def _line(plate: Box) -> float:
    """The height of one plate line in pixels: h in the lengths above."""
    return min(plate.height, FLATTEST * plate.width)


def _patch(plate: Box) -> Box:
    """The plate with a small margin."""
    side, edge = PATCH_SIDE * plate.width, PATCH_EDGE * _line(plate)
    return plate.grown(left=side, top=edge, right=side, bottom=edge)


def _surroundings(other: Box) -> Box:
    """Where the glass of the vehicle that carries this plate may be, wherever its plate sits."""
    unit = max(other.width, OTHER_PLATE_WIDTH * other.height)
    return other.grown(
        left=OTHER_SIDE * unit,
        top=OTHER_ABOVE * unit,
        right=OTHER_SIDE * unit,
        bottom=OTHER_BELOW * other.height,
    )


def _show_bodywork(shown: Mask, plate: Box) -> None:
    """Show what is proven to be bodywork: beside the plate and below, never above.

    A box higher than a plate line holds a tilted plate, which may hang by the excess on either
    side, so beside the plate the upper edge begins that much lower. Outwards both edges close
    in with the slope height / width of the box, as no line along the plate is steeper than its
    box. So however the camera tilts and wherever it stands, what is shown beside the plate
    stays below the line that continues its upper edge.
    """
    beside, y = _places(shown, plate)
    line = _line(plate)
    closing = beside * (plate.height / plate.width)
    upper = plate.y1 + (plate.height - line) * (beside > 0) + closing
    lower = plate.y2 + BODY_BELOW * line - closing
    shown |= (beside <= BODY_SIDE * plate.width) & (y >= upper) & (y <= lower)


def _show_cabin(shown: Mask, plate: Box) -> None:
    """Show what is above the bodywork beside the plate: cabin and roof."""
    beside, y = _places(shown, plate)
    top = plate.y1 - CABIN_ABOVE * plate.width
    shown |= (beside <= BODY_SIDE * plate.width) & (y >= top) & (y <= plate.y2)


def _places(shown: Mask, plate: Box) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centres of all pixels: how far beside the plate (a row), and y (a column)."""
    height, width = shown.shape
    x = np.arange(width, dtype=np.float64) + 0.5
    y = np.arange(height, dtype=np.float64)[:, np.newaxis] + 0.5
    beside: npt.NDArray[np.float64] = np.maximum(np.maximum(plate.x1 - x, x - plate.x2), 0)
    return beside, y


def _fill(picture: npt.NDArray[np.uint8] | Mask, box: Box, value: int) -> None:
    """Set every pixel that the box touches."""
    height, width = picture.shape[:2]
    inside = box.clipped(width, height)
    picture[
        math.floor(inside.y1) : math.ceil(inside.y2), math.floor(inside.x1) : math.ceil(inside.x2)
    ] = value


def _check_box(box: Box) -> None:
    if not all(math.isfinite(edge) for edge in (box.x1, box.y1, box.x2, box.y2)):
        raise RedactionError("a plate box is not finite")
    if box.width < 1 or box.height < 1:
        raise RedactionError("a plate box is smaller than a pixel")


def _same_plate(first: Box, second: Box) -> bool:
    return first.intersection(second) > MOST * min(first.area, second.area)
