"""Plates of Switzerland, Liechtenstein, Monaco, Andorra, San Marino, Malta and Cyprus."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    ALL,
    BLACK,
    BLUE,
    BRIGHT_RED,
    FE,
    GOLD,
    GREEN,
    WHITE,
    YELLOW,
    Band,
    Colour,
    Design,
    Rng,
    Small,
    european,
    pick,
)
from scripts.training.plate_series import Format, Series, plates_of

# --- Switzerland ---------------------------------------------------------------------------
_CH_CANTONS = tuple(
    "AG AI AR BE BL BS FR GE GL GR JU LU NE NW OW SG SH SO SZ TG TI UR VD VS ZG ZH "
    "ZH ZH ZH BE BE BE VD VD AG AG SG GE TI LU VS".split()
)
_CH_FRONT = Design(
    "Switzerland",
    (),
    (300, 80),
    ("OSP-DIN.ttf", "RG2014D.ttf", "routed-gothic.ttf", "RobotoCondensed-Bold.ttf"),
    text_mm=60,
    mark=BRIGHT_RED,
    arms="cross",
)
_CH_LONG = replace(_CH_FRONT, size=(500, 110), text_mm=76)
_CH_PLATES = (_CH_FRONT, _CH_LONG)
_CH_HIGH = (Format(0.8, (300, 160), 62, 0), Format(0.2, (180, 140), 50, 0))


def _swiss(share: float, end: str, ground: Colour, ink: Colour = BLACK) -> tuple[Series, ...]:
    """Plates of a colour: the front ones in one line, those at the rear between two shields."""
    one = (f"$.&#####{end}", f"$.&## ###{end}", f"$.&####{end}", f"$ &#####{end}", f"$.&###{end}")
    long = (f"*$ &#####{end}*", f"*$.&## ###{end}*", f"*$.&####{end}*")
    high = (f"*$*/&#####{end}", f"*$*/&## ###{end}", f"*$*/&####{end}", f"*$*/&###{end}")
    front, rear = (replace(plate, ground=ground, ink=ink) for plate in _CH_PLATES)
    return (
        Series(0.42 * share, one, (front,)),
        Series(0.18 * share, long, (rear,)),
        Series(0.40 * share, high, (rear,), formats=_CH_HIGH),
    )


switzerland = plates_of(
    _CH_PLATES,
    (
        *_swiss(78, "", WHITE),
        *_swiss(3, "U", WHITE),  # trade
        *_swiss(1, "V", WHITE),  # for hire
        *_swiss(4, "", (60, 150, 60)),  # agriculture
        *_swiss(4, "", (205, 140, 60)),  # working vehicles
        *_swiss(3, "", YELLOW),  # light motorcycles
        *_swiss(1.5, "", (60, 110, 170)),  # exceptional vehicles: brown
        Series(
            2, ("$.&#####Z",), (replace(_CH_LONG, right=Band(34, BRIGHT_RED, "26", stars=False)),)
        ),
        Series(2, ("A.#####", "P.#####", "M.#####"), (replace(_CH_LONG, ground=BLACK, ink=WHITE),)),
        Series(
            2,
            ("GE.##~##", "BE.##~##", "GE.###~##"),
            (replace(_CH_LONG, left=Band(40, GREEN, "CD", stars=False)),),
        ),
    ),
    heads=_CH_CANTONS,
)

# --- Liechtenstein -------------------------------------------------------------------------
_LI_PLATE = Design(
    "Liechtenstein",
    (),
    (520, 110),
    ("OSP-DIN.ttf", "RG2014D.ttf", "RobotoCondensed-Bold.ttf"),
    BLACK,
    WHITE,
    76,
    mark=(150, 40, 40),
)
_LI_FRONT = replace(_LI_PLATE, size=(300, 80), text_mm=58)
liechtenstein = plates_of(
    (_LI_PLATE, replace(_LI_PLATE, mark=BRIGHT_RED), _LI_FRONT),
    (
        Series(90, ("FL*/&####", "FL*/&####", "FL*/&####", "FL*/&###", "FL*/&####", "FL*/&####")),
        Series(3, ("FL*/&####",), (replace(_LI_PLATE, ground=(190, 120, 40), ink=BLACK),)),
        Series(3, ("FL*/&####",), (replace(_LI_PLATE, ground=(60, 150, 60), ink=BLACK),)),
        Series(2, ("FL*/&####",), (replace(_LI_PLATE, ground=BRIGHT_RED),)),
    ),
    formats=(Format(0.24, (300, 160), 62, 0), Format(0.06, (180, 140), 50, 0)),
)

# --- Monaco --------------------------------------------------------------------------------
_MC_BLUE: Colour = (130, 60, 20)
_MC_BAND = Band(36, WHITE, "", stars=False, flag=(BRIGHT_RED, WHITE))
_MC_PLATE = Design(
    "Monaco",
    (),
    (260, 110),
    ("LiberationSans-Bold.ttf", "RG2014E.ttf", "OSP-DIN.ttf", "RobotoCondensed-Bold.ttf"),
    ink=_MC_BLUE,
    text_mm=70,
    left=_MC_BAND,
    border=_MC_BLUE,
)


def _principality(rng: Rng, design: Design) -> Design:
    """The year below the arms, and the principality's name."""
    small: tuple[Small, ...] = ()
    if design.left is not None:
        year = f"{20 + int(rng.random() * 7)}"
        x = 0.5 * design.left.mm / design.size[0]
        small = (Small(year, (x, 0.72), 13, design.ink, "LiberationSans-Regular.ttf"),)
    if len(design.lines) == 1:
        name = pick(rng, ("PRINCIPAUTE DE MONACO", "MONACO", "MONACO"))
        small += (Small(name, (0.56, 0.92), 9, design.ink, "LiberationSans-Regular.ttf"),)
        design = replace(design, area=(0.0, 0.88))
    return replace(design, small=small)


monaco = plates_of(
    (
        _MC_PLATE,
        replace(_MC_PLATE, size=(520, 110)),
        replace(_MC_PLATE, size=(440, 110), stretch=1.2),
    ),
    (
        Series(44, ("/####", "#@/##")),
        Series(30, ("#@##", "##/#@", "@#/##", "##@/#")),
        Series(6, ("###",)),
        Series(5, ("@/###",)),  # motorcycles
        Series(3, ("@/###",), (replace(_MC_PLATE, ink=BRIGHT_RED, border=BRIGHT_RED),)),
        Series(3, ("/####",), (replace(_MC_PLATE, ground=_MC_BLUE, ink=WHITE),)),
        Series(2, ("CD##",), (replace(_MC_PLATE, ink=GREEN, border=GREEN),)),
    ),
    letters="ABCDEFGHJKLMNPQRSTUVWXYZ",
    formats=(Format(0.12, (170, 130), 50, 26),),
    finish=_principality,
)

# --- Andorra -------------------------------------------------------------------------------
_AD_BAND = Band(46, WHITE, "", stars=False, flag=(BLUE, GOLD, BRIGHT_RED), flag_kind="columns")
_AD_PLATE = Design(
    "Andorra",
    (),
    (520, 110),
    ("LiberationSans-Bold.ttf", "RG2014E.ttf", "OSP-DIN.ttf", "DejaVuSans-Bold.ttf"),
    text_mm=66,
    left=_AD_BAND,
    border=BLACK,
)


def _principat(rng: Rng, design: Design) -> Design:
    """The name of the country below the characters."""
    ink = pick(rng, (BLACK, BLUE, BRIGHT_RED))
    name = Small("PRINCIPAT D'ANDORRA", (0.54, 0.91), 10, ink, "LiberationSans-Bold.ttf")
    return replace(design, small=(name,), area=(0.0, 0.87))


andorra = plates_of(
    (_AD_PLATE, replace(_AD_PLATE, size=(340, 110), left=replace(_AD_BAND, mm=34))),
    (
        Series(84, ("@/####",)),
        Series(3, ("#####",)),  # until 1989
        Series(4, ("MT /####",), (replace(_AD_PLATE, ink=BRIGHT_RED),)),
        Series(3, ("CD ###", "CD ####"), (replace(_AD_PLATE, ground=GREEN, ink=WHITE),)),
        Series(3, ("@/####",), (replace(_AD_PLATE, ink=GREEN, border=GREEN),)),
    ),
    letters="ABCDEFGHJKLMNOPR",
    formats=(Format(0.10, (210, 140), 52, 28), Format(0.05, (300, 200), 76, 40)),
    finish=_principat,
)

# --- San Marino ----------------------------------------------------------------------------
_SM_BLUE: Colour = (150, 80, 20)
_SM_BAND = Band(
    40, WHITE, "RSM", _SM_BLUE, stars=False, flag=(WHITE, (220, 180, 90), (60, 160, 60))
)
_SM_PLATE = Design(
    "San Marino",
    (),
    (360, 110),
    ("RobotoCondensed-Bold.ttf", "OSP-DIN.ttf", "routed-gothic-narrow.ttf", "RG2014D.ttf"),
    ink=_SM_BLUE,
    text_mm=70,
    spacing=0.2,
    left=_SM_BAND,
    border=_SM_BLUE,
)


def _republic(rng: Rng, design: Design) -> Design:
    """The name of the republic below the characters, on most plates."""
    if rng.random() < 0.25 or len(design.lines) > 1:
        return design
    name = pick(rng, ("REPUBBLICA DI SAN MARINO", "RSM", "RSM"))
    small = (Small(name, (0.55, 0.92), 9, design.ink, "LiberationSans-Regular.ttf"),)
    return replace(design, small=small, area=(0.0, 0.88))


san_marino = plates_of(
    (_SM_PLATE, replace(_SM_PLATE, size=(520, 110), stretch=1.1)),
    (
        Series(78, ("@/####",)),
        Series(6, ("@/###",)),  # motorcycles
        Series(5, ("R/####", "R/###")),  # trailers
        Series(3, ("VE/####", "VE/###"), (replace(_SM_PLATE, ink=GREEN, border=GREEN),)),
        Series(2, ("CD ##", "CD ###"), (replace(_SM_PLATE, ground=_SM_BLUE, ink=WHITE),)),
        Series(1, ("POLIZIA ###",), (replace(_SM_PLATE, size=(520, 110)),)),
        Series(2, ("@@@@@", "@@@@@@")),
    ),
    letters="ABCDEFGHIJKLM",
    formats=(Format(0.12, (200, 150), 58, 30), Format(0.05, (297, 200), 76, 36)),
    finish=_republic,
)

# --- Malta ---------------------------------------------------------------------------------
_MT_PLATE = Design(
    "Malta",
    (),
    (520, 110),
    (*FE, "OSP-DIN.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf"),
    text_mm=76,
    left=european("M", 42),
    border=BLACK,
)
malta = plates_of(
    (_MT_PLATE,),
    (
        Series(78, ("@@@ /###",)),
        Series(6, ("@@K /###", "QZ@ /###")),  # for hire
        Series(4, ("TAXI ###M", "TAXI/ ###G"), (replace(_MT_PLATE, ground=YELLOW), _MT_PLATE)),
        Series(3, ("@BY /###", "@@Y /###"), (replace(_MT_PLATE, ground=YELLOW),)),
        Series(3, ("GV@ /###", "DMS /###", "CD@ /###"), (replace(_MT_PLATE, ink=BLUE),)),
        Series(2, ("TRX /###", "TRL /###")),
        Series(4, ("@@@@@", "@@@@@@", "@@@@@@@", "@@@@ #")),
    ),
    letters=ALL,
    formats=(Format(0.07, (210, 140), 52, 26), Format(0.06, (300, 200), 74, 38)),
)

# --- Cyprus --------------------------------------------------------------------------------
_CY_PLATE = Design(
    "Cyprus",
    (),
    (520, 110),
    (*FE, "OSP-DIN.ttf", "LiberationSans-Bold.ttf", "RG2014D.ttf"),
    text_mm=76,
    left=european("CY", 42),
    mark=(120, 120, 120),
    border=BLACK,
)
_CY_OLD = replace(
    _CY_PLATE,
    left=None,
    border=None,
    fonts=("LiberationSans-Bold.ttf", "RG2014E.ttf", "DejaVuSans-Bold.ttf", "OSP-DIN.ttf"),
    even=True,
)
_CY_REAR = replace(_CY_OLD, ground=YELLOW)
cyprus = plates_of(
    (_CY_PLATE,),
    (
        Series(48, ("@@@:/###", "@@@ /###")),  # since 2013
        Series(22, ("@@@ /###", "@@@/###"), (_CY_OLD, _CY_REAR)),
        Series(7, ("@@ /###", "@@@ /##", "@@ /####"), (_CY_OLD, _CY_REAR)),
        Series(5, ("T@@@ /###",), (_CY_REAR, replace(_CY_PLATE, ground=YELLOW))),
        Series(5, ("Z@@@ /###",), (replace(_CY_OLD, ground=BRIGHT_RED, ink=WHITE),)),  # for hire
        Series(3, ("@@@:/###",), (replace(_CY_PLATE, ground=BRIGHT_RED),)),  # for hire
        Series(3, ("## CD #", "## CD ##", "## AT #"), (replace(_CY_OLD, ground=GREEN, ink=WHITE),)),
        Series(2, ("### ###",), (replace(_CY_OLD, ink=BRIGHT_RED),)),  # trade
        Series(2, ("EF /####", "UN /###"), (replace(_CY_OLD, ground=(60, 90, 60), ink=WHITE),)),
    ),
    letters="ABCDEFGHJKLMNPQRSTUVWXYZ",
    formats=(Format(0.07, (210, 140), 52, 26), Format(0.06, (300, 200), 74, 38)),
)
