"""Plates of Denmark, Sweden, Norway, Finland and Iceland.

Denmark is a region of the reader; the others count as "Unknown".
"""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    ALL,
    BLACK,
    BLUE,
    BRIGHT_RED,
    GREEN,
    WHITE,
    YELLOW,
    Band,
    Design,
    Rng,
    chosen,
    european,
    fill,
    personal_text,
    pick,
)

_DK_LETTERS = "ABCDEHJKLMNOPRSTUVXYZ"


def denmark(rng: Rng) -> Design:
    """A Danish plate: two letters and five digits in a red frame."""
    printed = fill(rng, "@@ ## ###", _DK_LETTERS)
    kind = rng.random()
    design = Design(
        "Denmark",
        (printed,),
        (504, 120),
        ("LiberationSans-Bold.ttf", "RG2014D.ttf", "RG2014E.ttf", "OSP-DIN.ttf"),
        WHITE,
        BLACK,
        78,
        border=BRIGHT_RED,
        border_mm=4,
        left=european("DK", 42) if rng.random() < 0.6 else None,
    )
    if kind < 0.06:
        own = personal_text(rng, 2 + int(rng.random() * 6))
        design = replace(design, lines=(own,))
    elif kind < 0.16:
        design = replace(design, ground=YELLOW)
    elif kind < 0.18:
        design = replace(design, ground=(120, 60, 0), ink=WHITE)
    elif kind < 0.20:
        design = replace(design, ground=BLACK, ink=WHITE, border=WHITE, left=None)
    elif kind < 0.22:
        design = replace(design, lines=(fill(rng, "## ###"),), left=None)
    shape = rng.random()
    if shape < 0.12 and kind >= 0.06 and design.lines[0] == printed:
        first, second, third = printed.split(" ")
        big = rng.random() < 0.5
        return replace(
            design,
            lines=(first, f"{second} {third}"),
            size=(285, 216) if big else (240, 165),
            text_mm=76 if big else 60,
            left=european("DK", 34) if design.left else None,
        )
    return design


def nordic(rng: Rng) -> Design:
    """A Swedish, Norwegian, Finnish or Icelandic plate."""
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
