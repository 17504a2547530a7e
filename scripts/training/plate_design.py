"""The description of a plate before it is drawn, and random choices for its text.

In a printed line, letters and digits are characters of the plate. Separators are a space, `~`, `-`,
`.`, `|` (seals), `*` (coat of arms), `:` (small stickers), and `^`: a line across the plate, after
which the characters are smaller and stand higher (the region of a Russian plate).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Colour = tuple[int, int, int]
Rng = np.random.Generator
T = TypeVar("T")

BLACK: Colour = (26, 24, 24)
WHITE: Colour = (238, 240, 240)
YELLOW: Colour = (20, 184, 246)
RED: Colour = (44, 29, 141)
BRIGHT_RED: Colour = (40, 30, 200)
LIGHT_RED: Colour = (75, 75, 228)
BLUE: Colour = (153, 51, 0)
NAVY: Colour = (96, 44, 18)
LIGHT_BLUE: Colour = (214, 160, 78)
GREEN: Colour = (74, 122, 20)
LIGHT_GREEN: Colour = (96, 196, 92)
GREY: Colour = (168, 168, 164)
ORANGE: Colour = (30, 120, 236)
GOLD: Colour = (0, 204, 255)
MAROON: Colour = (40, 24, 96)

ALL = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Band:
    """A coloured band along an edge; `stars` are those of the European Union."""

    mm: int
    colour: Colour = BLUE
    letters: str = ""
    ink: Colour = WHITE
    stars: bool = True
    flag: tuple[Colour, ...] = ()
    """Stripes in place of the stars; a single colour is drawn as a ring."""
    flag_kind: str = "stripes"
    """How the colours lie: "stripes", "columns", or "cross": the field, a cross, one inside it."""


@dataclass(frozen=True, slots=True)
class Small:
    """Small print that is not part of the plate's text: a state, a town, the year of a sticker."""

    text: str
    at: tuple[float, float]
    """Its centre, as shares of the plate's width and height."""
    mm: float
    ink: Colour
    font: str = "LiberationSans-Bold.ttf"
    across: bool = False
    """Written from the bottom upwards."""


@dataclass(frozen=True, slots=True)
class Design:
    """The description of a plate; colours are BGR, lengths in millimetres."""

    region: str
    lines: tuple[str, ...]
    size: tuple[int, int]
    fonts: tuple[str, ...]
    """One of these is used; the first ones more often."""
    ground: Colour = WHITE
    ink: Colour = BLACK
    text_mm: float = 78
    stretch: float = 1.0
    even: bool = False
    spacing: float = 0.11
    left: Band | None = None
    right: Band | None = None
    top: Band | None = None
    border: Colour | None = None
    border_mm: float = 2.5
    edges: tuple[Colour, ...] = ()
    """Colours of thin lines along the upper and the lower edge."""
    mark: Colour | None = None
    """Colour of seals, arms or stickers."""
    arms: str = ""
    """What is on coats of arms, one of `plate_marks.ARMS`; "": anything."""
    small: tuple[Small, ...] = ()
    scenery: bool = False
    """A picture or a gradient behind the characters."""
    area: tuple[float, float] | None = None
    """Upper and lower end of the characters' area as shares of the height; None: all of it."""
    letter_share: float = 1.0
    """Height of the letters, which stand on the same line, as a share of the digits' height."""
    first_ground: tuple[float, Colour] | None = None
    """Another ground on a first share of the width."""

    @property
    def text(self) -> str:
        """The characters without separators, as a reader must return them."""
        plain = "".join(self.lines).translate(_PLAIN)
        return "".join(one for one in plain if one.isalnum())


_PLAIN = str.maketrans("ÄÖÜ", "AOU")


def pick(rng: Rng, choices: Sequence[T]) -> T:
    """A random one of the choices, all equally likely."""
    return choices[int(rng.random() * len(choices))]


def chosen(rng: Rng, shares: Sequence[tuple[float, T]]) -> T:
    """A random one of the values, each as likely as its share."""
    at = rng.random() * sum(share for share, _ in shares)
    for share, value in shares:
        at -= share
        if at < 0:
            return value
    return shares[-1][1]


def fill(rng: Rng, pattern: str, letters: str = ALL) -> str:
    """The pattern with random characters.

    `@` stands for a letter, `#` a digit, `&` a digit from 1 to 9, `!` any letter or digit.
    """
    out = []
    for one in pattern:
        if one == "@":
            out.append(pick(rng, letters))
        elif one == "#":
            out.append(chr(48 + int(rng.random() * 10)))
        elif one == "&":
            out.append(chr(49 + int(rng.random() * 9)))
        elif one == "!":
            out.append(pick(rng, ALL + "0123456789"))
        else:
            out.append(one)
    return "".join(out)


def personal_text(rng: Rng, length: int) -> str:
    """A text that an owner chose: letters then digits, or any mixture."""
    if rng.random() < 0.5:
        named = 1 + int(rng.random() * length)
        return fill(rng, "@" * named + "#" * (length - named))
    return "".join(pick(rng, ALL + "0123456789") for _ in range(length))


def two_lines(printed: str, separators: str = "- ~|*:.") -> tuple[str, ...]:
    """The text in two lines, broken at the separator nearest to its middle."""
    places = [at for at, one in enumerate(printed) if one in separators and at > 0]
    if not places:
        return (printed,)
    middle = min(places, key=lambda at: abs(at - len(printed) / 2))
    return printed[:middle], printed[middle + 1 :]


def european(letters: str, mm: int = 42) -> Band:
    """A blue band with the stars of the European Union and a country's letters."""
    return Band(mm, BLUE, letters)


SANS = ("LiberationSans-Bold.ttf", "RobotoCondensed-Bold.ttf", "OSP-DIN.ttf", "RG2014D.ttf")
ROAD = ("RG2014D.ttf", "RG2014E.ttf", "OSP-DIN.ttf", "RobotoCondensed-Bold.ttf")
DIN = ("OSP-DIN.ttf", "RG2014D.ttf", "RobotoCondensed-Bold.ttf", "routed-gothic.ttf")
FE = ("GL-Nummernschild-Mtl.ttf",)
FE_NARROW = ("GL-Nummernschild-Eng.ttf",)
US_FONTS = (
    "routed-gothic-narrow.ttf",
    "BebasNeue-Bold.otf",
    "RG2014C.ttf",
    "RobotoCondensed-Bold.ttf",
    "RG2014D.ttf",
    "routed-gothic.ttf",
    "RobotoCondensed-Regular.ttf",
)
PASTEL = (
    WHITE,
    WHITE,
    WHITE,
    (210, 235, 245),
    (235, 225, 200),
    (200, 225, 235),
    (170, 220, 250),
    (230, 230, 225),
    (215, 200, 240),
    (200, 240, 215),
    (60, 190, 245),
    (220, 180, 130),
)
DARK = (
    BLACK,
    NAVY,
    (90, 30, 20),
    (60, 80, 20),
    (40, 40, 150),
    (30, 60, 100),
    MAROON,
    (20, 70, 30),
)
