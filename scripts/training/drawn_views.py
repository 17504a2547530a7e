"""Views for the scene parser from drawn streets, where every pixel is known.

Photographs seldom show what leaks most: a vehicle that overlaps the offender's while its own plate
is hidden, and a cyclist right beside a vehicle. Drawn streets show it as often as wanted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge.domain.imaging import Box
from scripts.fixtures.camera import Camera
from scripts.fixtures.clips import BLACK, BLUE, GREEN, GREY, RED, SAND, WHITE, Clip, Mover, straight
from scripts.fixtures.lighting import DAY, NIGHT, RAIN
from scripts.fixtures.pixel_truth import DrawnThing, things_in
from scripts.fixtures.plates import Plate, require_fonts
from scripts.fixtures.renderer import Renderer
from scripts.training.parser_views import (
    BACKGROUND,
    BODY,
    GLASS,
    HEAD,
    NARROWEST,
    OTHER,
    PERSON,
    Allowed,
    View,
    cropped,
)

Rng = np.random.Generator

PAINTS = (RED, WHITE, BLACK, BLUE, GREY, GREEN, SAND, (70, 60, 90), (30, 30, 30), (200, 205, 210))
KINDS = ("hatchback", "saloon", "van", "lorry")
SHAPES = {
    "BE": "9-AAA-999",
    "NL": "A-999-AA",
    "DE": "AA-AA 999",
    "FR": "AA-999-AA",
}
"""How the plate of a country is made up: `A` for a letter and `9` for a digit."""

LANES = (3.7, 1.6, -1.6, -4.2)
"""Middles of the lanes, in metres to the left of the camera; the outer ones are for parking."""


def drawn_views(count: int, seed: int) -> Iterator[View]:
    """Views of vehicles in drawn streets, `count` of them.

    Raises:
        MissingFontError: a font that plates are drawn with is not installed.
    """
    require_fonts()
    made, number = 0, 0
    while made < count:
        rng = np.random.default_rng((seed, 29, number))
        for view in _views_of(random_street(rng, number)):
            yield view
            made += 1
            if made == count:
                return
        number += 1


def random_street(rng: Rng, number: int) -> Clip:
    """A street with vehicles that stand close to each other, and with cyclists among them."""
    light = (DAY, DAY, RAIN, NIGHT)[int(rng.integers(4))]
    height = float(rng.uniform(2.2, 6.5))
    camera = Camera(
        focal=float(rng.uniform(1000, 1900)),
        y=float(rng.uniform(-3, 3)),
        z=height,
        pitch_deg=float(np.clip(2.6 * height + rng.normal(0, 1.5), 4, 22)),
        yaw_deg=float(rng.normal(0, 4)),
        oversampling=1 if rng.random() < 0.5 else 2,
    )
    movers: list[Mover] = []
    for lane in LANES:
        movers += _lane(rng, lane, f"{lane:+.0f}")
    return Clip(
        f"drawn{number}",
        "random",
        1.0,
        tuple(movers),
        light=light,
        seed=int(rng.integers(1 << 30)),
        noise=float(rng.uniform(0.5, 3.0)),
        softness=float(rng.uniform(0.3, 0.9)),
        rain=int(rng.integers(300, 900)) if light is RAIN else 0,
        one_way=int(rng.integers(-1, 2)),
        camera=camera,
    )


def _lane(rng: Rng, lane: float, name: str) -> list[Mover]:
    """The vehicles of a lane, one behind the other, each perhaps with a cyclist beside it."""
    movers: list[Mover] = []
    away = bool(rng.random() < 0.5) if abs(lane) > 3 else bool((lane < 0) == (rng.random() < 0.85))
    if rng.random() < (0.5 if abs(lane) > 3 else 0.15):
        return movers
    x = float(rng.uniform(5, 16))
    for place in range(int(rng.integers(1, 4))):
        one = Mover(
            f"v{name}{place}",
            KINDS[int(rng.choice(4, p=(0.35, 0.3, 0.2, 0.15)))],
            straight(x, lane + float(rng.normal(0, 0.25)), 1.0 if away else -1.0),
            PAINTS[int(rng.integers(len(PAINTS)))],
            random_plate(rng),
            int(rng.integers(1, 3)),
        )
        half, wide = one.reach()
        movers.append(one)
        if rng.random() < 0.3:
            side = 1 if rng.random() < 0.5 else -1
            movers.append(
                Mover(
                    f"p{name}{place}",
                    "cyclist" if rng.random() < 0.7 else "motorcycle",
                    straight(
                        x + float(rng.uniform(-half - 1.5, half)),
                        lane + side * (wide + float(rng.uniform(0.35, 1.2))),
                        2.6 if away else -2.6,
                    ),
                    (float(rng.integers(20, 220)), float(rng.integers(20, 220)), 90.0),
                )
            )
        x += 2 * half + float(rng.uniform(0.8, 7.0))
    return movers


def random_plate(rng: Rng) -> Plate:
    """A plate of a random country, with a random text."""
    country = tuple(SHAPES)[int(rng.integers(len(SHAPES)))]
    signs = {"A": "ABCDEFGHJKLMNPRSTVXZ", "9": "0123456789"}
    text = "".join(
        signs[sign][int(rng.integers(len(signs[sign])))] if sign in signs else sign
        for sign in SHAPES[country]
    )
    if country == "BE":
        text = ("1", "2")[int(rng.integers(2))] + text[1:]
    return Plate(country, text)


def _views_of(clip: Clip) -> Iterator[View]:
    pixels, truth = Renderer(clip).frame(0)
    things = things_in(clip, 0)
    for entry in truth["vehicles"]:
        if entry.get("plate_visible", 0) < 0.7:
            continue
        plate = Box(*entry["plate_box"])
        own = next((one for one in things if one.mover.id == entry["id"]), None)
        if own is None or own.is_person or plate.width < NARROWEST:
            continue
        yield cropped(View(f"{clip.name}-{own.mover.id}", pixels, plate, _labels(things, own)))


def _labels(things: list[DrawnThing], own: DrawnThing) -> Allowed:
    allowed = np.full(own.whole.shape, BACKGROUND, np.uint8)
    for one in things:  # farthest first; each is without what nearer ones hide
        allowed[one.whole] = PERSON if one.is_person else BODY if one is own else OTHER
        if one is own:
            allowed[one.glass] = GLASS
            for head in one.heads:
                allowed[head] = GLASS | HEAD  # a head's truth is the box around it
    return allowed
