"""Plates of Portugal, Greece and Turkey."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    BLACK,
    BLUE,
    BRIGHT_RED,
    GREEN,
    ORANGE,
    WHITE,
    YELLOW,
    Band,
    Design,
    Rng,
    Small,
    european,
)
from scripts.training.plate_series import Format, Series, plates_of

# --- Portugal ------------------------------------------------------------------------------
_PT_PLATE = Design(
    "Portugal",
    (),
    (520, 110),
    ("OSP-DIN.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf", "RG2014E.ttf"),
    text_mm=76,
    left=european("P", 42),
)
_PT_DATED = replace(_PT_PLATE, right=Band(32, YELLOW, "", stars=False))
_PT_BLACK = replace(_PT_PLATE, ground=BLACK, ink=WHITE, left=None)
_PT_OLD_LETTERS = "ABCDEFGHIJLMNOPQRSTUVXZ"


def _date(rng: Rng, design: Design) -> Design:
    """Year and month of the first registration on the yellow strip."""
    if design.right is None:
        return design
    x = 1 - 0.5 * design.right.mm / design.size[0]
    tall = 0.6 * design.right.mm
    year, month = f"{int(rng.random() * 20):02d}", f"{1 + int(rng.random() * 12):02d}"
    font = "LiberationSans-Bold.ttf"
    return replace(
        design,
        small=(
            Small(year, (x, 0.30), tall, BLACK, font),
            Small(month, (x, 0.68), tall, BLACK, font),
        ),
    )


portugal = plates_of(
    (_PT_PLATE, _PT_DATED),
    (
        Series(26, ("@@ ##/ @@",), (_PT_PLATE,)),
        Series(
            30,
            ("##-@@/-##", "##.@@/.##", "##~@@/~##"),
            (_PT_DATED, _PT_DATED, _PT_PLATE),
            _PT_OLD_LETTERS,
        ),
        Series(16, ("##-##/-@@", "##.##/.@@"), (_PT_DATED, _PT_PLATE), _PT_OLD_LETTERS),
        Series(10, ("@@-##/-##", "@@.##/.##"), (_PT_DATED, _PT_PLATE), _PT_OLD_LETTERS),
        Series(4, ("@@-##/-##",), (_PT_BLACK,), _PT_OLD_LETTERS),
        Series(5, ("L-/######", "P-/######", "C-/######", "AV-/######", "SE-/######")),  # trailers
        Series(2, ("###-CD###", "###-FM###"), (replace(_PT_PLATE, ink=BRIGHT_RED),)),
        Series(1, ("GNR /@-####", "GNR /@-###"), (_PT_PLATE,)),
        Series(1, ("ME-/##-##", "AM-/##-##"), (_PT_BLACK,)),
    ),
    formats=(Format(0.07, (200, 150), 56, 24), Format(0.05, (340, 220), 76, 36)),
    finish=_date,
)

# --- Greece --------------------------------------------------------------------------------
_GR_PLATE = Design(
    "Greece",
    (),
    (520, 113),
    ("OSP-DIN.ttf", "RobotoCondensed-Bold.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf"),
    text_mm=78,
    left=european("GR", 42),
)
_GR_BARE = replace(_GR_PLATE, left=None)
_GR_YELLOW = replace(_GR_PLATE, ground=YELLOW)
greece = plates_of(
    (_GR_PLATE, _GR_PLATE, _GR_PLATE, _GR_BARE),
    (
        Series(76, ("@@@-/####",)),
        Series(8, ("@@@-/###", "@@@-/##")),  # motorcycles
        Series(5, ("TA@-/####",), (_GR_YELLOW,)),
        Series(3, ("@@-/####",), (_GR_BARE,)),
        Series(2, ("EA-/#####",), (_GR_PLATE,)),  # police
        Series(2, ("P-####", "T-####"), (replace(_GR_PLATE, ground=ORANGE),)),
        Series(1, ("### ###",), (_GR_BARE,)),
        Series(2, ("@-/####",), (replace(_GR_PLATE, ink=GREEN),)),  # duty free
    ),
    letters="ABEHIKMNOPTXYZ",
    formats=(Format(0.08, (200, 150), 56, 26), Format(0.04, (275, 200), 74, 34)),
)

# --- Turkey --------------------------------------------------------------------------------
_TR_PROVINCES = (
    *(f"{number:02d}" for number in range(1, 82)),
    *("34 " * 12 + "06 06 06 06 06 35 35 35 35 16 16 07 07 41 41 01").split(),
)
_TR_PLATE = Design(
    "Turkey",
    (),
    (520, 110),
    ("LiberationSans-Bold.ttf", "RG2014E.ttf", "OSP-DIN.ttf", "RobotoCondensed-Bold.ttf"),
    text_mm=76,
    stretch=0.9,
    left=Band(40, BLUE, "TR", stars=False),
    border=BLACK,
)
_TR_BARE = replace(_TR_PLATE, left=None)
turkey = plates_of(
    (_TR_PLATE, _TR_PLATE, replace(_TR_PLATE, border=None)),
    (
        Series(30, ("$ @@@/ ##", "$ @@@/ ###")),
        Series(34, ("$ @@/ ###", "$ @@/ ####")),
        Series(14, ("$ @/ ####", "$ @/ #####")),
        Series(5, ("$ T/ ####", "$ T@@/ ##", "$ T@@/ ###")),  # taxis
        Series(4, ("$ M/ ####", "$ S/ ####", "$ J/ ####")),  # minibuses
        Series(3, ("$ A/ ####", "$ AA/ ###"), (replace(_TR_PLATE, ground=BLUE, ink=WHITE),)),
        Series(3, ("$ @@/ ###",), (replace(_TR_BARE, ground=BLACK, ink=WHITE),)),  # authorities
        Series(2, ("$ CA/ ###", "$ CC/ ###"), (replace(_TR_BARE, ground=GREEN, ink=WHITE),)),
        Series(3, ("$ MA/ ####", "$ MB/ ###")),  # foreigners
        Series(2, ("$ G/ ####",), (replace(_TR_BARE, ground=YELLOW),)),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVYZ",
    heads=_TR_PROVINCES,
    formats=(Format(0.08, (240, 150), 56, 26), Format(0.04, (320, 220), 76, 38)),
)
