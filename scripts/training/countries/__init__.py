"""Plate designs by country: what is printed on the plates and how it is laid out.

Syntaxes and letters follow the forms of `edge/domain/plate_registers.py`, which names the source
of each; a test compares them. Sizes in millimetres and colours are facts as commonly published.
District and county codes are the registration authorities' own. How often each kind of plate is
drawn is an estimate of what a camera in Belgium sees. The first fonts of Belgium to Denmark, in the
table's order, are those whose plates a public reader, trained on photographs, most often assigned
to that country; those of the others were chosen as the nearest by common knowledge. The other fonts
stay in use, so that the network does not learn one font only.
"""

from __future__ import annotations

from collections.abc import Callable

from scripts.training.countries.baltic_and_ireland import estonia, ireland, latvia, lithuania
from scripts.training.countries.benelux import belgium, luxembourg, netherlands
from scripts.training.countries.central_europe import (
    austria,
    czech_republic,
    germany,
    poland,
)
from scripts.training.countries.eastern_europe import (
    belarus,
    bulgaria,
    georgia,
    hungary,
    moldova,
    romania,
    russia,
    slovakia,
    ukraine,
)
from scripts.training.countries.foreign import foreign_plate
from scripts.training.countries.northern_europe import denmark, finland, iceland, norway, sweden
from scripts.training.countries.small_states import (
    andorra,
    cyprus,
    liechtenstein,
    malta,
    monaco,
    san_marino,
    switzerland,
)
from scripts.training.countries.southern_europe import greece, portugal, turkey
from scripts.training.countries.western_balkans import (
    albania,
    bosnia_and_herzegovina,
    croatia,
    kosovo,
    montenegro,
    north_macedonia,
    serbia,
    slovenia,
)
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
    "Albania": albania,
    "Andorra": andorra,
    "Belarus": belarus,
    "Bosnia and Herzegovina": bosnia_and_herzegovina,
    "Bulgaria": bulgaria,
    "Croatia": croatia,
    "Cyprus": cyprus,
    "Estonia": estonia,
    "Finland": finland,
    "Georgia": georgia,
    "Greece": greece,
    "Hungary": hungary,
    "Iceland": iceland,
    "Ireland": ireland,
    "Kosovo": kosovo,
    "Latvia": latvia,
    "Liechtenstein": liechtenstein,
    "Lithuania": lithuania,
    "Malta": malta,
    "Moldova": moldova,
    "Monaco": monaco,
    "Montenegro": montenegro,
    "North Macedonia": north_macedonia,
    "Norway": norway,
    "Portugal": portugal,
    "Russia": russia,
    "San Marino": san_marino,
    "Serbia": serbia,
    "Slovakia": slovakia,
    "Slovenia": slovenia,
    "Sweden": sweden,
    "Switzerland": switzerland,
    "Turkey": turkey,
    "Ukraine": ukraine,
    "Unknown": foreign_plate,
}
"""Region to the function that draws a random design of it; "Unknown" comes last."""

REGIONS: tuple[str, ...] = tuple(COUNTRIES)
"""Names of the regions as fast-plate-ocr spells them; "Unknown" means any other country.

Kosovo and Russia are no regions of fast-plate-ocr; their names are the usual English ones."""

FREQUENT = {
    "Belgium": 9.0,
    "Netherlands": 5.0,
    "Germany": 5.0,
    "France": 5.0,
    "Luxembourg": 2.5,
    "United Kingdom": 4.0,
    "Spain": 2.5,
    "Italy": 3.0,
    "Poland": 3.0,
    "Romania": 2.0,
    "Austria": 1.5,
    "Czech Republic": 1.5,
    "Portugal": 1.5,
    "Hungary": 1.5,
    "Switzerland": 1.5,
    "Turkey": 1.5,
    "Ukraine": 1.5,
    "Bulgaria": 1.5,
    "Sweden": 1.5,
}
"""How often a listed country is drawn, relative to 1 for the others: those near Belgium and the
large ones more often."""
