"""What is known about places of one view: where something stands, and where there is no plate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.domain.imaging import Box

STANDING_TRAVEL, STANDING_GROWTH = 0.75, 1.3
"""What stands is displaced by less than this, in plate widths, and its height changes by less than
this factor: boxes are inexact and cameras shake. What drives towards the camera grows."""

READ_AGAIN_S = 2.0
"""Something weak at a place without a plate is read again after this many seconds."""


@dataclass(slots=True)
class _StandingThing:
    """Where something stands that was seen at times, and between which seconds. No text."""

    place: Box
    first_s: float
    last_s: float


class KnownPlaces:
    """Places of one view, without any text. They are forgotten after a while."""

    def __init__(self) -> None:
        self._standing: list[_StandingThing] = []
        self._no_plate: list[_StandingThing] = []

    def standing_since(self, box: Box, first_s: float, last_s: float) -> float:
        """Since when something stands where this stood; also remembers it for the next time."""
        return _seen(self._standing, box, first_s, last_s).first_s

    def add_no_plate(self, box: Box, now_s: float) -> None:
        """Remember that what was detected here was read and is no plate: a sign, or a grille."""
        _seen(self._no_plate, box, now_s, now_s)

    def has_no_plate(self, box: Box) -> bool:
        """Whether what was detected here before was no plate."""
        return any(is_same_place(one.place, box) for one in self._no_plate)

    def was_read(self, box: Box, now_s: float) -> bool:
        """Whether what is detected here was read a moment ago, and was no plate."""
        return any(
            now_s - one.last_s < READ_AGAIN_S and is_same_place(one.place, box)
            for one in self._no_plate
        )

    def scale(self, across: float, down: float) -> None:
        """Go on in pictures of the same view that are so many times as wide and as high."""
        for one in (*self._standing, *self._no_plate):
            one.place = one.place.scaled(across, down)

    def forget(self, before_s: float) -> None:
        """Forget what was last seen before this time."""
        self._standing = [one for one in self._standing if one.last_s >= before_s]
        self._no_plate = [one for one in self._no_plate if one.last_s >= before_s]


def _seen(
    things: list[_StandingThing], place: Box, first_s: float, last_s: float
) -> _StandingThing:
    """The thing at this place, seen in this time too; a new one if nothing was known there."""
    for thing in things:
        if is_same_place(thing.place, place):
            thing.first_s = min(thing.first_s, first_s)
            thing.last_s = max(thing.last_s, last_s)
            return thing
    things.append(_StandingThing(place, first_s, last_s))
    return things[-1]


def is_same_place(one: Box, other: Box) -> bool:
    """Whether two boxes may be of one thing that stands."""
    return (
        displacement(one, other) < STANDING_TRAVEL
        and ratio(one.height, other.height) < STANDING_GROWTH
    )


def displacement(one: Box, other: Box) -> float:
    """Distance of the centres, in widths of the larger box."""
    (x, y), (to_x, to_y) = one.centre, other.centre
    return math.hypot(x - to_x, y - to_y) / max(one.width, other.width, 1.0)


def ratio(one: float, other: float) -> float:
    """The larger value divided by the smaller one."""
    return max(one, other, 1.0) / max(min(one, other), 1.0)


def median_box(boxes: Sequence[Box]) -> Box:
    """The median of each side."""
    sides = np.median([(one.x1, one.y1, one.x2, one.y2) for one in boxes], axis=0)
    return Box(*(float(side) for side in sides))
