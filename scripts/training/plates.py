"""Random number plates as flat pictures: training data for the reader and the detector.

The same seed gives the same pixels on every machine with the same versions of OpenCV, Pillow
and the fonts. Needs `pip install -e '.[fixtures]'` (Pillow) and the free fonts that
scripts/fixtures/fonts.py lists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scripts.fixtures import fonts
from scripts.training.countries import COUNTRIES, FREQUENT, REGIONS
from scripts.training.plate_design import chosen
from scripts.training.plate_drawing import draw

Pixels = npt.NDArray[np.uint8]

UNKNOWN_SHARE = 0.18
"""Share of plates that belong to no listed country."""

_SHARES = [(FREQUENT.get(region, 1.0), region) for region in REGIONS[:-1]]


@dataclass(frozen=True, slots=True)
class FlatPlate:
    """A plate seen from the front, without surroundings.

    Attributes:
        pixels: uint8 (h, w, 3), BGR, one pixel per millimetre; a one-line plate is about 110 high.
        text: its characters A-Z and 0-9, the upper line first; 1 to 10 of them.
        region: one of REGIONS.
    """

    pixels: Pixels
    text: str
    region: str


def random_plate(rng: np.random.Generator, region: str | None = None) -> FlatPlate:
    """A random invented plate of a region, or of any region.

    Raises:
        MissingFontError: a font is not installed.
        KeyError: there is no such region.
    """
    region = region or random_region(rng)
    design = COUNTRIES[region](rng)
    return FlatPlate(draw(design, rng), design.text, region)


def random_region(rng: np.random.Generator) -> str:
    """One of REGIONS: "Unknown" with UNKNOWN_SHARE, else a country as often as FREQUENT says."""
    return REGIONS[-1] if rng.random() < UNKNOWN_SHARE else chosen(rng, _SHARES)


def require_fonts() -> None:
    """Raise MissingFontError for the first font that is not installed."""
    fonts.require_fonts(*fonts.PACKAGES)
