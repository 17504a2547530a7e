"""Plates of the United States, Canada and South America: region "Unknown"."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    BLACK,
    BLUE,
    BRIGHT_RED,
    DARK,
    GREEN,
    GREY,
    PASTEL,
    SANS,
    US_FONTS,
    WHITE,
    YELLOW,
    Band,
    Design,
    Rng,
    Small,
    chosen,
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


def american(rng: Rng) -> Design:
    """Twice as wide as high: a state's name above, a motto below, pictures behind."""
    dark = rng.random() < 0.14
    ground = pick(rng, DARK) if dark else pick(rng, PASTEL)
    ink = pick(rng, (WHITE, (130, 220, 250), YELLOW)) if dark else pick(rng, DARK)
    head = pick(rng, DARK) if not dark else ink
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
        US_FONTS,
        ground,
        ink,
        float(rng.uniform(62, 74)),
        stretch=float(rng.uniform(0.75, 1.1)),
        spacing=0.13,
        border=ink if rng.random() < 0.3 else None,
        mark=pick(rng, (*DARK, (60, 150, 240), (90, 90, 220))),
        small=tuple(small),
        scenery=rng.random() < 0.6,
        area=(0.22, 0.82),
    )


def brazilian(rng: Rng) -> Design:
    """A South American plate: grey with the town above, or with the blue Mercosur band."""
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
