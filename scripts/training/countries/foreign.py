"""A plate of any country that is no region of the reader.

The reader must read these plates too, and answer "Unknown" for the country.
"""

from __future__ import annotations

from scripts.training.countries.americas import american, brazilian
from scripts.training.countries.asia_pacific import antipodean, asian
from scripts.training.plate_design import (
    ALL,
    BLACK,
    DARK,
    FE,
    GOLD,
    MAROON,
    NAVY,
    PASTEL,
    SANS,
    US_FONTS,
    WHITE,
    YELLOW,
    Band,
    Design,
    Rng,
    chosen,
    pick,
)


def invented(rng: Rng) -> Design:
    """A plate of no country: any text in any colour, so that a reader learns single letters."""
    length = 3 + int(rng.random() * 8)
    letters = [pick(rng, ALL + "0123456789" * 2) for _ in range(length)]
    printed = "".join(letters[:1])
    for one in letters[1:]:
        printed += (pick(rng, (" ", "-", ".", "~")) if rng.random() < 0.22 else "") + one
    if rng.random() < 0.6:
        ground, ink = pick(rng, PASTEL), pick(rng, DARK)
    elif rng.random() < 0.5:
        ground, ink = pick(rng, DARK), pick(rng, (WHITE, YELLOW, GOLD))
    else:
        ground = (int(rng.integers(256)), int(rng.integers(256)), int(rng.integers(256)))
        light = 0.11 * ground[0] + 0.59 * ground[1] + 0.30 * ground[2]
        ink = (
            pick(rng, (BLACK, NAVY, MAROON)) if light > 125 else pick(rng, (WHITE, (200, 250, 250)))
        )
    lines: tuple[str, ...] = (printed,)
    size = (int(rng.integers(300, 540)), int(rng.integers(95, 150)))
    tall = size[1] * float(rng.uniform(0.55, 0.75))
    if length > 4 and rng.random() < 0.3:
        at = len(printed) // 2
        lines = (printed[:at].strip(" -.~"), printed[at:].strip(" -.~"))
        size = (int(rng.integers(180, 350)), int(rng.integers(130, 220)))
        tall = size[1] * float(rng.uniform(0.32, 0.4))
    band = Band(
        int(rng.integers(24, 46)),
        pick(rng, DARK),
        pick(rng, ("", "A", "XX", "QZ", "AZ", "KZ")),
        stars=rng.random() < 0.3,
    )
    return Design(
        "Unknown",
        lines,
        size,
        (*SANS, *US_FONTS, "Play-Bold.ttf", "B612-Bold.otf", "DejaVuSans-Bold.ttf", *FE),
        ground,
        ink,
        tall,
        stretch=float(rng.uniform(0.75, 1.15)),
        even=rng.random() < 0.2,
        left=band if rng.random() < 0.4 else None,
        border=ink if rng.random() < 0.5 else None,
        scenery=rng.random() < 0.15,
    )


def foreign_plate(rng: Rng) -> Design:
    """A plate of a country that is no region of the reader, or of no country at all."""
    make = chosen(
        rng,
        [
            (30, american),
            (20, brazilian),
            (14, asian),
            (8, antipodean),
            (28, invented),
        ],
    )
    return make(rng)
