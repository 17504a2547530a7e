"""The words of a list for kinds and colours of vehicles, in four languages; in lower case."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from edge.domain.appearance import Colour, VehicleKind

_KINDS: Final = {
    VehicleKind.CAR: "car, passenger car, auto, personenauto, personenwagen, wagen, voiture, "
    "voiture particulière, pkw, personenkraftwagen",
    VehicleKind.VAN: "van, bestelwagen, bestelauto, bestelbus, camionnette, fourgon, fourgonnette, "
    "utilitaire, kleintransporter, lieferwagen, transporter, kastenwagen",
    VehicleKind.LORRY: "lorry, truck, vrachtwagen, vrachtauto, camion, poids lourd, lkw, "
    "lastwagen, lastkraftwagen",
    VehicleKind.BUS: "bus, coach, autobus, autocar, touringcar, reisebus, omnibus",
    VehicleKind.MOTORCYCLE: "motorcycle, motorbike, motor, motorfiets, moto, motocyclette, "
    "motorrad, kraftrad",
}
_COLOURS: Final = {
    Colour.WHITE: "white, wit, blanc, blanche, weiß, weiss",
    Colour.GREY: "grey, gray, silver, grijs, zilver, zilvergrijs, gris, grise, argent, argenté, "
    "grau, silber, silbern",
    Colour.BLACK: "black, zwart, noir, noire, schwarz",
    Colour.BLUE: "blue, blauw, bleu, bleue, blau",
    Colour.RED: "red, rood, rouge, rot",
    Colour.GREEN: "green, groen, vert, verte, grün, gruen",
    Colour.YELLOW: "yellow, orange, geel, oranje, jaune, gelb",
    Colour.BROWN: "brown, beige, bruin, brun, brune, marron, braun",
}

KIND_WORDS: Final[Mapping[str, VehicleKind]] = MappingProxyType(
    {word.casefold(): kind for kind, words in _KINDS.items() for word in words.split(", ")}
)
COLOUR_WORDS: Final[Mapping[str, Colour]] = MappingProxyType(
    {word.casefold(): colour for colour, words in _COLOURS.items() for word in words.split(", ")}
)
