"""Plates of no listed country: their reader must read them all the same, and say "Unknown".

What is said of countries.py holds here too; there is less of each country, and more of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from scripts.training.design import (
    ALL,
    BLACK,
    BLUE,
    BRIGHT_RED,
    FE,
    GOLD,
    GREEN,
    GREY,
    MAROON,
    NAVY,
    SANS,
    WHITE,
    YELLOW,
    Band,
    Colour,
    Design,
    Rng,
    Small,
    chosen,
    european,
    fill,
    pick,
    two_lines,
)

_STATES = (
    "CALIFORNIA",
    "TEXAS",
    "NEW YORK",
    "FLORIDA",
    "OHIO",
    "ILLINOIS",
    "GEORGIA",
    "VIRGINIA",
    "UTAH",
    "NEVADA",
    "ARIZONA",
    "OREGON",
    "COLORADO",
    "MICHIGAN",
    "KANSAS",
    "IOWA",
    "MAINE",
    "VERMONT",
    "ALABAMA",
    "MISSOURI",
    "MONTANA",
    "IDAHO",
    "HAWAII",
    "ALASKA",
    "ONTARIO",
    "ALBERTA",
    "QUEBEC",
)
_WORDS = (
    "LAND OF LAKES",
    "SUNSHINE STATE",
    "FIRST IN FLIGHT",
    "GREAT OUTDOORS",
    "GARDEN STATE",
    "SCENIC",
    "DISCOVER",
    "PURE WATER",
    "MOUNTAINS",
    "HISTORIC",
    "COAST TO COAST",
    "WILD AND FREE",
)
_US_PATTERNS = (
    "@@@@@@",
    "@@@@@@@",
    "@@@@@",
    "@@@*###",
    "###*@@@",
    "@@@ ####",
    "### @@@",
    "@@@ ###",
    "&@@@###",
    "@@@@##",
    "###.@@@",
    "@## @##",
    "@@#####",
    "### ####",
    "@@ #####",
    "&## @@&",
    "@@@.####",
    "######@",
    "@@ ## @@",
    "@@@#@",
    "#@ ####",
)
_US_FONTS = (
    "routed-gothic-narrow.ttf",
    "BebasNeue-Bold.otf",
    "RG2014C.ttf",
    "RobotoCondensed-Bold.ttf",
    "RG2014D.ttf",
    "routed-gothic.ttf",
    "RobotoCondensed-Regular.ttf",
)
_PASTEL = (
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
_DARK = (
    BLACK,
    NAVY,
    (90, 30, 20),
    (60, 80, 20),
    (40, 40, 150),
    (30, 60, 100),
    MAROON,
    (20, 70, 30),
)


def american(rng: Rng) -> Design:
    """Twice as wide as high: a state's name above, a motto below, pictures behind."""
    dark = rng.random() < 0.14
    ground = pick(rng, _DARK) if dark else pick(rng, _PASTEL)
    ink = pick(rng, (WHITE, (130, 220, 250), YELLOW)) if dark else pick(rng, _DARK)
    head = pick(rng, _DARK) if not dark else ink
    small = [
        Small(pick(rng, _STATES), (0.5, 0.13), float(rng.uniform(13, 24)), head, pick(rng, SANS))
    ]
    if rng.random() < 0.7:
        words = pick(rng, (*_WORDS, *_STATES))
        small.append(Small(words, (0.5, 0.90), float(rng.uniform(8, 15)), head, pick(rng, SANS)))
    if rng.random() < 0.5:
        small.append(Small(fill(rng, pick(rng, ("##", "20##"))), (0.12, 0.13), 9, head))
    if rng.random() < 0.4:
        small.append(
            Small(
                pick(rng, ("JAN", "MAR", "APR", "JUN", "AUG", "OCT", "DEC")), (0.88, 0.13), 9, head
            )
        )
    return Design(
        "Unknown",
        (fill(rng, pick(rng, _US_PATTERNS)),),
        (305, 152),
        _US_FONTS,
        ground,
        ink,
        float(rng.uniform(62, 74)),
        stretch=float(rng.uniform(0.75, 1.1)),
        spacing=0.13,
        border=ink if rng.random() < 0.3 else None,
        mark=pick(rng, (*_DARK, (60, 150, 240), (90, 90, 220))),
        small=tuple(small),
        scenery=rng.random() < 0.6,
        area=(0.22, 0.82),
    )


def brazilian(rng: Rng) -> Design:
    """Grey with a town above, or Mercosur's with a blue band."""
    if rng.random() < 0.5:  # Mercosul
        ink = chosen(
            rng, [(80, BLACK), (8, BRIGHT_RED), (6, BLUE), (3, GREEN), (3, (140, 140, 140))]
        )
        fonts = ("GL-Nummernschild-Mtl.ttf", "GL-Nummernschild-Eng.ttf", "RG2014D.ttf")
        country = pick(
            rng, ("BRASIL", "BRASIL", "BRASIL", "REPUBLICA ARGENTINA", "URUGUAY", "PARAGUAY")
        )
        pattern = {
            "REPUBLICA ARGENTINA": "@@ ### @@",
            "URUGUAY": "@@@ ####",
            "PARAGUAY": "@@@@ ###",
        }.get(country, "@@@#@##")
        design = Design(
            "Unknown",
            (fill(rng, pattern),),
            (400, 130),
            fonts,
            WHITE,
            ink,
            65,
            spacing=0.16,
            top=Band(30, BLUE, country, stars=False),
            border=BLACK if rng.random() < 0.7 else None,
            border_mm=2,
            area=(0.24, 0.98),
        )
        if rng.random() < 0.25:
            printed = design.lines[0].replace(" ", "")
            return replace(
                design,
                lines=(printed[:3], printed[3:]),
                size=(200, 170),
                text_mm=56,
                top=Band(26, BLUE, country, stars=False),
                area=(0.18, 0.98),
            )
        return design
    ground, ink = chosen(
        rng,
        [(80, (GREY, BLACK)), (10, (BRIGHT_RED, WHITE)), (5, (WHITE, BLACK)), (5, (BLACK, WHITE))],
    )
    town = pick(
        rng,
        (
            "SP - SAO PAULO",
            "RJ - RIO DE JANEIRO",
            "PR - CURITIBA",
            "MG - BELO HORIZONTE",
            "BA - SALVADOR",
            "SC - JOINVILLE",
        ),
    )
    design = Design(
        "Unknown",
        (fill(rng, "@@@-####"),),
        (400, 130),
        ("RG2014D.ttf", "OSP-DIN.ttf", "RG2014E.ttf"),
        ground,
        ink,
        64,
        small=(Small(town, (0.5, 0.13), 13, ink, pick(rng, SANS)),),
        border=ink if rng.random() < 0.5 else None,
        area=(0.24, 0.97),
    )
    if rng.random() < 0.25:
        return replace(
            design, lines=two_lines(design.lines[0]), size=(187, 136), text_mm=42, area=(0.2, 0.97)
        )
    return design


def swiss(rng: Rng) -> Design:
    """A canton and a number between two shields; no band."""
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


def nordic(rng: Rng) -> Design:
    """Swedish, Norwegian, Finnish and Icelandic."""
    fonts = ("RG2014E.ttf", "RG2014D.ttf", "OSP-DIN.ttf")
    kind = rng.random()
    band: Band | None
    if kind < 0.35:
        printed, band = (
            fill(rng, pick(rng, ("@@@ ###", "@@@ ##@")), "ABCDEFGHJKLMNOPRSTUWXYZ"),
            european("S"),
        )
    elif kind < 0.65:
        printed, band = (
            fill(rng, "@@ #####", "ABCDEFHJKLNPRSTUVXYZ"),
            Band(40, BLUE, "N", stars=False, flag=(BRIGHT_RED, BLUE, BRIGHT_RED)),
        )
    elif kind < 0.85:
        printed, band = fill(rng, "@@@-###", ALL.replace("Q", "")), european("FIN")
    else:
        printed, band = fill(rng, "@@ @##"), Band(40, BLUE, "IS", stars=False)
    colours = chosen(
        rng, [(86, (WHITE, BLACK)), (5, (GREEN, WHITE)), (4, (YELLOW, BLACK)), (5, (BLACK, WHITE))]
    )
    return Design(
        "Unknown",
        (printed,),
        (520, 110),
        fonts,
        colours[0],
        colours[1],
        76,
        left=band if rng.random() < 0.75 else None,
        border=colours[1] if rng.random() < 0.6 else None,
    )


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """A country whose plates have a band: what they begin with, and how they go on."""

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
    """A band with other letters."""
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


def asian(rng: Rng) -> Design:
    """Indian, Vietnamese and Malaysian plates, many in two lines."""
    kind = rng.random()
    fonts = (
        "RG2014D.ttf",
        "OSP-DIN.ttf",
        "RobotoCondensed-Bold.ttf",
        "DejaVuSansCondensed-Bold.ttf",
        "B612-Bold.otf",
    )
    if kind < 0.4:  # India
        state = pick(rng, "MH DL KA TN GJ RJ UP HR PB KL AP TS WB MP".split())
        printed = f"{state} {fill(rng, pick(rng, ('## @@ ####', '## @ ####', '# @@ ####')))}"
        colours = chosen(
            rng,
            [
                (65, (WHITE, BLACK)),
                (25, (YELLOW, BLACK)),
                (6, (GREEN, WHITE)),
                (4, (BLACK, YELLOW)),
            ],
        )
        size: tuple[int, int] = (500, 120)
        lines: tuple[str, ...] = (printed,)
        if rng.random() < 0.35:
            lines, size = (
                (printed[: printed.index(" ", 3)], printed[printed.index(" ", 3) + 1 :]),
                pick(rng, ((340, 200), (200, 100))),
            )
        text = 62.0 if size[1] == 120 else 0.38 * size[1]
        band = Band(34, BLUE, "IND", stars=False) if rng.random() < 0.4 else None
        border = colours[1] if rng.random() < 0.5 else None
        return Design(
            "Unknown", lines, size, fonts, colours[0], colours[1], text, left=band, border=border
        )
    if kind < 0.75:  # Vietnam
        head = f"{11 + int(rng.random() * 88)}{fill(rng, '@', 'ABCDEFGHKLMNPSTUVXYZ')}"
        tail = fill(rng, pick(rng, ("###.##", "###.##", "####")))
        ground, ink = chosen(
            rng,
            [
                (80, (WHITE, BLACK)),
                (12, (YELLOW, BLACK)),
                (5, (BLUE, WHITE)),
                (3, (BRIGHT_RED, WHITE)),
            ],
        )
        shape = rng.random()
        if shape < 0.45:
            return Design(
                "Unknown", (f"{head}-{tail}",), (520, 110), fonts, ground, ink, 76, border=ink
            )
        if shape < 0.75:
            return Design("Unknown", (head, tail), (330, 165), fonts, ground, ink, 64, border=ink)
        return Design(
            "Unknown",
            (f"{head[:2]}-{head[2]}{fill(rng, '&')}", tail),
            (190, 140),
            fonts,
            ground,
            ink,
            54,
            border=ink,
        )
    printed = fill(rng, pick(rng, ("@@@ ####", "@ #### @@", "@@ #### @", "S@@ #### @", "@@ ###")))
    dark = rng.random() < 0.6
    return Design(
        "Unknown",
        (printed,),
        (450, 110),
        fonts,
        BLACK if dark else WHITE,
        WHITE if dark else BLACK,
        74,
        border=WHITE if dark else BLACK,
    )


def antipodean(rng: Rng) -> Design:
    """Of New Zealand and Australia."""
    fonts = ("RG2014D.ttf", "routed-gothic.ttf", "RG2014E.ttf", "OSP-DIN.ttf")
    if rng.random() < 0.5:
        printed = fill(rng, pick(rng, ("@@@###", "@@####", "@@@##", "@@@###")))
        colours = chosen(rng, [(88, (WHITE, BLACK)), (12, (BLACK, WHITE))])
        return Design(
            "Unknown",
            (printed,),
            (360, 125),
            fonts,
            colours[0],
            colours[1],
            78,
            border=colours[1] if rng.random() < 0.5 else None,
        )
    ground, ink = pick(
        rng,
        (
            (WHITE, BLACK),
            (YELLOW, BLACK),
            (WHITE, NAVY),
            (WHITE, GREEN),
            (BLACK, WHITE),
            (WHITE, MAROON),
        ),
    )
    printed = fill(
        rng,
        pick(
            rng, ("@@@-###", "###.@@@", "@@@ ##@", "&@@ &@@", "@ ### @@@", "S###-@@@", "@@ ## @@")
        ),
    )
    word = pick(rng, ("VICTORIA", "QUEENSLAND", "NEW SOUTH WALES", "SOUTH COAST", "STATE OF WINE"))
    return Design(
        "Unknown",
        (printed,),
        (372, 134),
        fonts,
        ground,
        ink,
        76,
        small=(Small(word, (0.5, 0.90), 11, ink),),
        border=ink if rng.random() < 0.5 else None,
        area=(0.06, 0.83),
    )


def invented(rng: Rng) -> Design:
    """No country's: any text in any colour, so that a reader learns letters and not habits."""
    length = 3 + int(rng.random() * 8)
    letters = [pick(rng, ALL + "0123456789" * 2) for _ in range(length)]
    printed = "".join(letters[:1])
    for one in letters[1:]:
        printed += (pick(rng, (" ", "-", ".", "~")) if rng.random() < 0.22 else "") + one
    if rng.random() < 0.6:
        ground, ink = pick(rng, _PASTEL), pick(rng, _DARK)
    elif rng.random() < 0.5:
        ground, ink = pick(rng, _DARK), pick(rng, (WHITE, YELLOW, GOLD))
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
        pick(rng, _DARK),
        pick(rng, ("", "A", "GB", "XX", "MK", "AL")),
        stars=rng.random() < 0.3,
    )
    return Design(
        "Unknown",
        lines,
        size,
        (*SANS, *_US_FONTS, "Play-Bold.ttf", "B612-Bold.otf", "DejaVuSans-Bold.ttf", *FE),
        ground,
        ink,
        tall,
        stretch=float(rng.uniform(0.75, 1.15)),
        even=rng.random() < 0.2,
        left=band if rng.random() < 0.4 else None,
        border=ink if rng.random() < 0.5 else None,
        scenery=rng.random() < 0.15,
    )


def elsewhere(rng: Rng) -> Design:
    """A plate of none of the listed countries."""
    make = chosen(
        rng,
        [
            (28, american),
            (18, brazilian),
            (5, swiss),
            (7, nordic),
            (14, other_european),
            (12, asian),
            (5, antipodean),
            (11, invented),
        ],
    )
    return make(rng)
