"""Plate designs by country: what is printed on the plates and how it is laid out.

Syntaxes, unused letters, sizes in millimetres and colours are facts as commonly published.
District and county codes are the registration authorities' own. How often each kind of plate is
drawn is an estimate of what a camera in Belgium sees. The first fonts of a country are those
whose plates a public reader, trained on photographs, most often assigned to that country. The
other fonts stay in use, so that the network does not learn one font only.
"""

from __future__ import annotations

from collections.abc import Callable

from scripts.training.countries.benelux import belgium, luxembourg, netherlands
from scripts.training.countries.central_europe import (
    austria,
    czech_republic,
    germany,
    poland,
    romania,
)
from scripts.training.countries.foreign import foreign_plate
from scripts.training.countries.northern_europe import denmark
from scripts.training.countries.western_europe import france, italy, spain, united_kingdom
from scripts.training.plate_design import Design, Rng

COUNTRIES: dict[str, Callable[[Rng], Design]] = {
    "Belgium": belgium,
    "Netherlands": netherlands,
    "Germany": germany,
    "France": france,
    "Luxembourg": luxembourg,
    "United Kingdom": united_kingdom,
    "Spain": spain,
    "Italy": italy,
    "Austria": austria,
    "Poland": poland,
    "Czech Republic": czech_republic,
    "Romania": romania,
    "Denmark": denmark,
    "Unknown": foreign_plate,
}
"""Region to the function that draws a random design of it; "Unknown" comes last."""

REGIONS: tuple[str, ...] = tuple(COUNTRIES)
"""Names of the regions as fast-plate-ocr spells them; "Unknown" means any other country."""
