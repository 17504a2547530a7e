"""Plates of European countries that are no region of the reader: region "Unknown"."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scripts.training.plate_design import (
    ALL,
    BLACK,
    BLUE,
    BRIGHT_RED,
    GOLD,
    WHITE,
    YELLOW,
    Band,
    Colour,
    Design,
    Rng,
    chosen,
    european,
    fill,
    pick,
    two_lines,
)


def swiss(rng: Rng) -> Design:
    """A Swiss plate: canton and number between two shields, without a band."""
    canton = pick(
        rng, "AG AI AR BE BL BS FR GE GL GR JU LU NE NW OW SG SH SO SZ TG TI UR VD VS ZG ZH".split()
    )
    number = fill(rng, pick(rng, ("&#####", "&#####", "&####", "&###")))
    ground = chosen(rng, [(85, WHITE), (6, (60, 150, 60)), (5, (190, 120, 40)), (4, YELLOW)])
    design = Design(
        "Unknown",
        (
            f"{canton}~{number[:-3]} {number[-3:]}"
            if rng.random() < 0.5
            else f"*{canton} {number}*",
        ),
        (500, 110),
        ("OSP-DIN.ttf", "RG2014D.ttf", "routed-gothic.ttf"),
        ground,
        BLACK,
        74,
        mark=BRIGHT_RED,
    )
    if rng.random() < 0.3:
        return replace(design, lines=(f"*{canton}*", number), size=(300, 160), text_mm=62)
    return (
        replace(design, size=(300, 80), text_mm=58, lines=(f"*{canton} {number}",))
        if rng.random() < 0.4
        else design
    )


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """A country whose plates have a band, with the patterns of their two parts."""

    band: Band
    heads: tuple[str, ...]
    tails: tuple[str, ...]
    letters: str = ALL
    mark: Colour | None = None
    border: Colour | None = BLACK


_GREEK = "ABEHIKMNOPTXYZ"  # what the Greek and the Cyrillic alphabet share with the Latin one
_CYRILLIC = "ABCEHIKMOPTXY"
_CREST_GREEN: Colour = (60, 140, 40)
_NEIGHBOURS = (
    _Neighbour(european("H"), ("@@@-", "@@ @@-"), ("###",)),
    _Neighbour(european("SK"), ("BA*", "KE*", "TT*", "@@*"), ("###@@",), mark=BRIGHT_RED),
    _Neighbour(european("P"), ("##-", "@@-"), ("@@-##", "##-@@"), border=None),
    _Neighbour(european("P"), ("@@.",), ("##.@@",)),
    _Neighbour(
        Band(38, BLUE, "TR", stars=False),
        ("01 ", "06 ", "07 ", "16 ", "27 ", "34 ", "34 ", "35 ", "41 ", "55 ", "61 "),
        ("@@@ ##", "@@@ ###", "@@ ###", "@@ ####", "@ ####"),
        border=None,
    ),
    _Neighbour(european("BG"), ("CB ", "PB ", "@ ", "@@ "), ("####@@",), _CYRILLIC),
    _Neighbour(
        european("HR"),
        ("ZG*", "ST*", "RI*", "OS*", "PU*", "ZD*"),
        ("####-@", "###-@@", "####-@@"),
        mark=BRIGHT_RED,
    ),
    _Neighbour(
        european("SLO"),
        ("LJ*", "MB*", "CE*", "KR*", "KP*", "GO*"),
        ("##-@@@", "@#-###", "@@-###"),
        mark=_CREST_GREEN,
        border=_CREST_GREEN,
    ),
    _Neighbour(european("LT"), ("@@@:",), ("###",), mark=(60, 60, 200)),
    _Neighbour(european("EST"), ("### ",), ("@@@",)),
    _Neighbour(european("LV"), ("@@-",), ("####", "###", "##")),
    _Neighbour(european("GR"), ("@@@-",), ("####",), _GREEK, border=None),
    _Neighbour(
        european("IRL"),
        ("1&1-", "1&2-", "2&1-", "0#-", "9#-"),
        ("D-&####", "D-&####", "C-&###", "G-&##", "L-&####", "KY-&###", "WX-&##"),
    ),
    _Neighbour(
        Band(40, (180, 90, 0), "UA", stars=False, flag=((180, 90, 0), GOLD)),
        ("@@ ",),
        ("#### @@",),
        _CYRILLIC,
    ),
    _Neighbour(
        Band(40, BLUE, "SRB", stars=False),
        ("BG*", "NS*", "NI*", "KG*"),
        ("###-@@", "####-@@"),
        mark=BRIGHT_RED,
    ),
)


def other_european(rng: Rng) -> Design:
    """A plate of a European country that is not listed, with its band."""
    country = pick(rng, _NEIGHBOURS)
    printed = fill(rng, pick(rng, country.heads) + pick(rng, country.tails), country.letters)
    design = Design(
        "Unknown",
        (printed,),
        (520, 110),
        ("OSP-DIN.ttf", "RG2014D.ttf", "RobotoCondensed-Bold.ttf", "LiberationSans-Bold.ttf"),
        text_mm=77,
        left=country.band,
        border=country.border,
        mark=country.mark,
    )
    if country.band.letters == "P" and rng.random() < 0.5:  # year and month of the first licence
        design = replace(design, right=Band(32, YELLOW, "", stars=False))
    if rng.random() < 0.14:
        return replace(
            design,
            lines=two_lines(printed),
            size=(320, 210),
            left=replace(country.band, mm=38),
            right=None,
        )
    return design
