"""Redaction by selective reveal: everything is masked unless a rule reveals it.

A picture starts as solid grey. Pixels are copied onto it only where the reveal level of the rule
allows it, and only where it is known what they show: because the scene parser is sure of it
(`scene_mask`), or because the geometry of the offender's own plate proves it (`geometric_mask`).
Everything else (a pedestrian, a second car, a face in a mirror) stays grey. So a missed detection
hides too much and never too little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from typing import NoReturn, final

import numpy as np

from edge.domain.imaging import Box, Pixels
from edge.domain.reveal import (
    FIRST_PICTURE,
    LAST_PICTURE,
    PLATE_PICTURE,
    VEHICLE_PICTURE,
    MaskMethod,
    RevealLevel,
)
from edge.domain.rules import Offence
from edge.domain.scene import Scene, unit_of
from edge.domain.vehicles import KeyFrame
from edge.domain.wheel import WheelSide
from edge.errors import RedactionError
from edge.privacy.class_map import class_map
from edge.privacy.geometric_mask import Mask, check_box, fill, plate_region
from edge.privacy.scene_mask import ShownPixels, shown_pixels

MASK_GREY = 127
"""The solid fill. A constant carries no information about what it covers; blur and mosaics do."""

BLANK_GREY = 48
"""The darker fill of a plate that a preview blanks, to show where the plate is."""

MARGIN = 0.25
"""Units of the plate that are left around what a mask by meaning shows: 13 cm."""

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

    Attributes:
        name: what it shows: `plate`, `vehicle`, or where the vehicle was at `first` and at `last`;
            used as a file name.
        method: what decided which pixels are shown.
        level: the level whose parts it shows; see `ShownPixels`.
    """

    name: str
    method: MaskMethod = field(repr=False)
    level: RevealLevel = field(repr=False)


# --- the functions that make a picture ------------------------------------------------------


def mask_all(pixels: Pixels) -> RedactedImage:
    """A fully masked picture of the same size.

    Raises:
        RedactionError: `pixels` is not a picture.
    """
    _check_picture(pixels)
    return RedactedImage(_read_only(np.full_like(pixels, MASK_GREY)), _KEY)


def reveal(
    offence: Offence,
    key_frame: KeyFrame,
    scene: Scene | None = None,
    *,
    wheel: WheelSide | None = None,
) -> tuple[EvidenceImage, ...]:
    """The minimum evidence that the rule's reveal level allows, cropped to what is shown.

    There is always a picture `plate` of the offender's own plate. At the levels above `plate` there
    is also a picture `vehicle`, at the frame's full resolution. The rest of the scene is cropped
    away or solid grey.

    Args:
        offence: its rule has the reveal level.
        key_frame: the picture, with the plates in it.
        scene: what the picture shows around the offender's plate; None where that is not known.
        wheel: the side of the steering wheel, if the picture shows the front; see `shown_pixels`.

    Raises:
        RedactionError: there is no offence, the rule reveals nothing, the frame is not a picture,
            or a plate box is not finite, smaller than a pixel or outside of the frame.
    """
    level = _level_of(offence)
    pictures = [(PLATE_PICTURE, RevealLevel.PLATE)]
    if level is not RevealLevel.PLATE:
        pictures.append((VEHICLE_PICTURE, level))
    _check_picture(key_frame.pixels)
    made = []
    for name, shown_level in pictures:
        shown = _shown(key_frame, shown_level, scene, wheel)
        cropped = _cut(key_frame, shown, _window(key_frame, shown))
        made.append(EvidenceImage(cropped, _KEY, name, shown.method, shown.level))
    return tuple(made)


def _level_of(offence: Offence) -> RevealLevel:
    """The level of the offence's rule.

    Raises:
        RedactionError: there is no offence, or the rule reveals nothing.
    """
    if not isinstance(offence, Offence):
        raise RedactionError("evidence needs an offence")
    level = offence.rule.reveal
    if level is RevealLevel.NONE:
        raise RedactionError(f"rule {offence.rule.id} reveals nothing: give it a reveal level")
    return level


def reveal_path(
    offence: Offence,
    frames: Sequence[KeyFrame],
    scenes: Sequence[Scene | None],
    *,
    wheel: WheelSide | None = None,
) -> tuple[EvidenceImage, ...]:
    """Where the vehicle was at first and at last, for a rule that needs movement.

    Both pictures show what the rule's reveal level allows, and the same part of the view, so that
    one can see how the vehicle moved. Their names are `first` and `last`.

    Args:
        offence: its rule has the reveal level and needs movement.
        frames: the first and the last picture of the vehicle, with the plates in them.
        scenes: what each shows around the offender's plate; None where that is not known.
        wheel: as for `reveal`.

    Raises:
        RedactionError: as for `reveal`, or the rule needs no movement, or the two pictures do not
            show one view.
    """
    level = _level_of(offence)
    if not offence.rule.needs_movement:
        raise RedactionError(f"rule {offence.rule.id} needs no pictures of a path")
    for frame in frames:
        _check_picture(frame.pixels)
    if len({frame.pixels.shape for frame in frames}) != 1:
        raise RedactionError("the pictures of a path do not have one size")
    found = [
        _shown(frame, level, scene, wheel) for frame, scene in zip(frames, scenes, strict=True)
    ]
    window = _united([_window(*one) for one in zip(frames, found, strict=True)])
    return tuple(
        EvidenceImage(_cut(frame, shown, window), _KEY, name, shown.method, shown.level)
        for name, frame, shown in zip((FIRST_PICTURE, LAST_PICTURE), frames, found, strict=True)
    )


def preview_of_regular_file(  # noqa: PLR0913 - what is shown and what is drawn, both by kind
    pixels: Pixels,
    plates: Sequence[Box],
    level: RevealLevel,
    *,
    show_plates: bool,
    others: Sequence[Box] = (),
    weak: Sequence[Box] = (),
    outlines: bool = False,
    scenes: Sequence[Scene | None] = (),
    wheel: WheelSide | None = None,
    decided: Callable[[MaskMethod], None] = lambda _method: None,
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
        others: boxes of other vehicles' plates, which are not taken as the offender's.
        weak: boxes of what may be a plate; they are masked too. Those that are among `plates` are
            taken as the offender's in turn, but are not certain beside another one.
        outlines: whether to draw an outline around each plate.
        scenes: what the picture shows around each plate, in the order of `plates`; None where that
            is not known, and for all if left out.
        wheel: the side of the steering wheel, with each vehicle taken to be seen from ahead.
        decided: called for each plate with what decided which of its pixels are shown.

    Raises:
        RedactionError: as for `reveal`.
    """
    _check_picture(pixels)
    visible = np.zeros(pixels.shape[:2], dtype=np.bool_)
    for shown in _shown_in_turn(pixels, plates, level, others, weak, scenes, wheel):
        decided(shown.method)
        visible |= shown.mask
    picture = _masked(pixels, visible)
    if not show_plates:
        for plate in plates:
            fill(picture, plate_region(plate), BLANK_GREY)
    if outlines:
        for plate in plates:
            _outline(picture, plate)
    return RedactedImage(_read_only(picture), _KEY)


def explanation_of_regular_file(
    pixels: Pixels,
    plates: Sequence[Box],
    level: RevealLevel,
    scenes: Sequence[Scene | None],
    *,
    weak: Sequence[Box] = (),
    wheel: WheelSide | None = None,
) -> RedactedImage:
    """A map of what the scene parser sees, with an outline of what a reveal level would show.

    It is drawn from the parser's answers and shows no pixel of the file.

    Args:
        pixels: shape (height, width, 3), BGR.
        plates: plate boxes in pixels.
        level: the reveal level.
        scenes: what the picture shows around each plate; None where that is not known.
        weak: boxes of what may be a plate, as for `preview_of_regular_file`.
        wheel: the side of the steering wheel, with each vehicle taken to be seen from ahead.

    Raises:
        RedactionError: as for `reveal`.
    """
    _check_picture(pixels)
    visible = np.zeros(pixels.shape[:2], dtype=np.bool_)
    for shown in _shown_in_turn(pixels, plates, level, (), weak, scenes, wheel):
        visible |= shown.mask
    drawn = class_map(pixels.shape[0], pixels.shape[1], plates, scenes, visible)
    return RedactedImage(_read_only(drawn), _KEY)


def _shown_in_turn(
    pixels: Pixels,
    plates: Sequence[Box],
    level: RevealLevel,
    others: Sequence[Box],
    weak: Sequence[Box],
    scenes: Sequence[Scene | None],
    wheel: WheelSide | None,
) -> Iterator[ShownPixels]:
    """What a level shows of each vehicle, taken as the offender."""
    known = scenes or [None] * len(plates)
    for index, (plate, scene) in enumerate(zip(plates, known, strict=True)):
        certain = [one for one in (*plates[:index], *plates[index + 1 :]) if one not in weak]
        rest = (*certain, *others)
        height, width = pixels.shape[:2]
        yield shown_pixels(plate, rest, level, height, width, scene, weak=weak, wheel=wheel)


def place_of_regular_file(pixels: Pixels, visible: Mask) -> RedactedImage:
    """A still of the empty place, grey but for its `visible` pixels, for a person to approve.

    Like a preview it is made of a regular file that a person has. No box calls it.

    Raises:
        RedactionError: `pixels` is not a picture.
    """
    _check_picture(pixels)
    return RedactedImage(_read_only(_masked(pixels, visible)), _KEY)


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
        check_box(box)
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


def _masked(pixels: Pixels, visible: Mask) -> Pixels:
    """A new picture with all other pixels grey; not a view, which would keep the whole frame."""
    return np.where(visible[:, :, np.newaxis], pixels, np.uint8(MASK_GREY))


def _shown(
    key_frame: KeyFrame, level: RevealLevel, scene: Scene | None, wheel: WheelSide | None
) -> ShownPixels:
    """The pixels of the key frame that one level shows."""
    height, width = key_frame.pixels.shape[:2]
    return shown_pixels(
        key_frame.plate,
        key_frame.other_plates,
        level,
        height,
        width,
        scene,
        weak=key_frame.weak_plates,
        wheel=wheel,
    )


_Window = tuple[slice, slice]
"""Rows and columns of a picture."""


def _window(key_frame: KeyFrame, shown: ShownPixels) -> _Window:
    """The part of the key frame that holds the shown pixels.

    A mask by meaning has an outline, so a margin is left around it.
    """
    rows, columns = np.flatnonzero(shown.mask.any(axis=1)), np.flatnonzero(shown.mask.any(axis=0))
    if rows.size == 0:
        raise RedactionError("nothing of the offender's plate can be shown")
    by_meaning = shown.method is MaskMethod.MEANING
    margin = round(MARGIN * unit_of(key_frame.plate)) if by_meaning else 0
    height, width = shown.mask.shape
    return (
        slice(max(0, rows[0] - margin), min(height, rows[-1] + 1 + margin)),
        slice(max(0, columns[0] - margin), min(width, columns[-1] + 1 + margin)),
    )


def _united(windows: Sequence[_Window]) -> _Window:
    """The smallest part of a picture that holds all these parts."""
    rows, columns = zip(*windows, strict=True)
    return (
        slice(min(one.start for one in rows), max(one.stop for one in rows)),
        slice(min(one.start for one in columns), max(one.stop for one in columns)),
    )


def _cut(key_frame: KeyFrame, shown: ShownPixels, window: _Window) -> Pixels:
    """A part of the key frame, masked."""
    return _read_only(_masked(key_frame.pixels[window], shown.mask[window]))


def _read_only(pixels: Pixels) -> Pixels:
    """The same array, made read-only."""
    pixels.setflags(write=False)
    return pixels


def _check_picture(pixels: Pixels) -> None:
    """Raise unless the array is an image of shape (height, width, 3), uint8."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise RedactionError("a frame must be a picture of height x width x 3 bytes")
