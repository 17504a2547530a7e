"""Which pixels a reveal level shows, by the geometry of the offender's plate alone.

No vehicle model is used. All lengths are derived from the plate, whose size is fixed by law:
520 x 110 mm in most of Europe. Squarer plates are narrower on the road (Belgium: two-line
340 x 210 mm, motorcycle 210 x 140 mm). A length in plate widths is then shorter and less is
shown.

This is the mask where no scene parser says what the picture shows, or where it is not sure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box
from edge.domain.reveal import RevealLevel
from edge.errors import RedactionError

Mask = npt.NDArray[np.bool_]
"""Shape (height, width): True where a pixel is shown."""

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


def geometric_mask(
    plate: Box, others: Sequence[Box], level: RevealLevel, height: int, width: int
) -> Mask:
    """The pixels that one vehicle, taken as the offender, shows in a picture of this size.

    Args:
        plate: its plate, in pixels.
        others: all other plates in the picture; a second detection of its own plate hides nothing.
        level: the reveal level.
        height: of the picture, in pixels.
        width: of the picture, in pixels.

    Raises:
        RedactionError: a box is not finite or smaller than a pixel, or the plate is outside.
    """
    others = other_plates(plate, others, height, width)

    visible = np.zeros((height, width), dtype=np.bool_)
    if level is RevealLevel.NONE:
        return visible
    if level is not RevealLevel.PLATE:
        if level is RevealLevel.OCCUPANTS:
            _show_cabin(visible, plate)
        _show_bodywork(visible, plate)
        for other in others:
            fill(visible, protected_region(other), value=False)
    # The plate was detected, so no vehicle hides it, even inside another's protected region.
    fill(visible, plate_region(plate), value=True)
    for other in others:
        fill(visible, plate_region(other), value=False)
    return visible


def other_plates(plate: Box, others: Sequence[Box], height: int, width: int) -> list[Box]:
    """The plates that are not a second detection of this one, after a check of all boxes.

    Raises:
        RedactionError: a box is not finite or smaller than a pixel, or the plate is outside.
    """
    check_box(plate)
    for other in others:
        check_box(other)
    if plate.clipped(width, height).area <= OVERLAP_THRESHOLD * plate.area:
        raise RedactionError("the offender's plate is not in the frame")
    return [other for other in others if not _same_plate(plate, other)]


def _line_height(plate: Box) -> float:
    """Height of one line of the plate in pixels: h in the lengths above."""
    return min(plate.height, MAX_LINE_RATIO * plate.width)


def plate_region(plate: Box) -> Box:
    """The plate with a small margin."""
    side, edge = PATCH_SIDE * plate.width, PATCH_EDGE * _line_height(plate)
    return plate.grown(left=side, top=edge, right=side, bottom=edge)


def protected_region(other: Box) -> Box:
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


def fill(picture: npt.NDArray[np.uint8] | Mask, box: Box, value: int) -> None:
    """Set every pixel that the box touches."""
    height, width = picture.shape[:2]
    inside = box.clipped(width, height)
    picture[
        math.floor(inside.y1) : math.ceil(inside.y2), math.floor(inside.x1) : math.ceil(inside.x2)
    ] = value


def check_box(box: Box) -> None:
    """Raise unless the box is finite and at least one pixel wide and high."""
    if not all(math.isfinite(edge) for edge in (box.x1, box.y1, box.x2, box.y2)):
        raise RedactionError("a plate box is not finite")
    if box.width < 1 or box.height < 1:
        raise RedactionError("a plate box is smaller than a pixel")


def _same_plate(first: Box, second: Box) -> bool:
    """Whether two boxes are two detections of the same plate."""
    return first.intersection(second) > OVERLAP_THRESHOLD * min(first.area, second.area)
