"""Plates of Croatia, Slovenia, Serbia, Bosnia, Montenegro, Kosovo, North Macedonia and Albania."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    BLACK,
    BLUE,
    BRIGHT_RED,
    FE,
    GOLD,
    GREEN,
    LIGHT_BLUE,
    NAVY,
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

_FONTS = ("OSP-DIN.ttf", "RobotoCondensed-Bold.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf")
_FORMATS = (Format(0.06, (210, 145), 52, 26), Format(0.06, (320, 200), 74, 38))
_DIPLOMATIC = Design("", (), (520, 110), _FONTS, BLACK, YELLOW, 74)

# --- Croatia -------------------------------------------------------------------------------
_HR_PLATE = Design(
    "Croatia",
    (),
    (520, 110),
    _FONTS,
    text_mm=76,
    left=european("HR"),
    border=BLACK,
    mark=BRIGHT_RED,
    arms="checks",
)
_HR_OLD = replace(_HR_PLATE, left=None)
croatia = plates_of(
    (_HR_PLATE, _HR_OLD),
    (
        Series(84, ("$*/###-@@", "$*/####-@", "$*/####-@@", "$*/###-@@", "$*/###-@")),
        Series(3, ("$ #####", "$*#####"), (_HR_OLD,)),  # temporary
        Series(3, ("$*/###-@@",), (replace(_HR_PLATE, ink=GREEN, border=GREEN),)),  # foreigners
        Series(2, ("$*/###-@@",), (replace(_HR_PLATE, ink=BRIGHT_RED),)),  # oversized vehicles
        Series(1, ("###*###",), (replace(_HR_OLD, ink=BLUE, border=BLUE),)),  # police
        Series(2, ("###-@-###",), (replace(_DIPLOMATIC, region="Croatia", ground=BLUE),)),
        Series(1, ("HV*/###-@@",), (replace(_HR_OLD, ground=YELLOW),)),  # army
        Series(5, ("$*/@@@@", "$*/@@@@@", "$*/@@@@##", "$*/@@@@@#")),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVZ",
    heads=tuple(
        "BJ BM CK DA DE DJ DU GS IM KA KC KR KT KZ MA NA NG OG OS PU PZ RI SB SI SK SL ST VK "
        "VT VU VZ ZD ZG ZU ZG ZG ZG ZG ZG ST ST RI OS PU ZD".split()
    ),
    formats=_FORMATS,
)

# --- Slovenia ------------------------------------------------------------------------------
_SI_GREEN: Colour = (70, 140, 30)
_SI_PLATE = Design(
    "Slovenia",
    (),
    (520, 120),
    _FONTS,
    text_mm=76,
    left=european("SLO", 44),
    border=_SI_GREEN,
    border_mm=4,
    mark=_SI_GREEN,
)
_SI_PLATES = (
    _SI_PLATE,
    replace(_SI_PLATE, mark=(190, 110, 30)),
    replace(_SI_PLATE, mark=BRIGHT_RED),
    replace(_SI_PLATE, left=None, ink=_SI_GREEN),
)
slovenia = plates_of(
    _SI_PLATES,
    (
        Series(84, ("$*/@@-###", "$*/##-@@@", "$*/@#-###", "$*/##-@##", "$*/@@-#@#")),
        Series(4, ("$*/@@-##", "$*/@#-##")),  # motorcycles
        Series(2, ("CMD ####", "M ####"), (replace(_SI_PLATE, ground=GREEN, ink=YELLOW),)),
        Series(1, ("P ##-###",), (replace(_SI_PLATE, ink=BLUE, border=BLUE),)),  # police
        Series(2, ("$*/##-###",), (replace(_SI_PLATE, ink=BRIGHT_RED, border=BRIGHT_RED),)),
        Series(6, ("$*/@@@@", "$*/@@@@@", "$*/@@@@#", "$*/@@@@@@")),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVZ",
    heads=tuple("LJ LJ LJ LJ MB MB CE KR KR KP GO KK MS NM PO SG".split()),
    formats=_FORMATS,
)

# --- Serbia --------------------------------------------------------------------------------
_RS_PLATE = Design(
    "Serbia",
    (),
    (520, 110),
    _FONTS,
    text_mm=76,
    left=Band(40, BLUE, "SRB", stars=False),
    border=BLACK,
    mark=BRIGHT_RED,
)
_RS_HEADS = tuple(
    "AL AC AR BB BC BG BO BP BU BT VA VB VL VP VR VS GL GM DE DJ ZR ZA IN JA KA KG KI KO KL KM KV "
    "KR KC KS KU LB LE LO LU ML NV NG NI NP NS PA PB PE PZ PI PK PN PO PP PR RA RU SA SD SM SU TO "
    "TS TT UB UE UR CA CU SI SP ST BG BG BG BG BG BG BG NS NS NS NI NI KG SU".split()
)
serbia = plates_of(
    (_RS_PLATE,),
    (
        Series(82, ("$*/###-@@", "$*/####-@@", "$*/###-@@")),
        Series(4, ("$*/###", "$*/####")),  # motorcycles
        Series(4, ("@@-/###*BG", "@@-/###*NS", "@@-/###*NI")),  # trailers
        Series(3, ("$*/###-TX", "$*/####-TX", "$*/#####TX")),
        Series(2, ("$ RP/ ###",), (replace(_RS_PLATE, ink=BRIGHT_RED, mark=None),)),
        Series(1, ("P ##-###", "P ###-###"), (replace(_RS_PLATE, ground=BLUE, ink=WHITE),)),
        Series(2, ("##-A-###", "###-M-###"), (replace(_DIPLOMATIC, region="Serbia"),)),
        Series(3, ("$*/@@@@@", "$*/@@@@@@", "$*/@@@-@@"), (_RS_PLATE,)),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVXYZ",
    heads=_RS_HEADS,
    formats=_FORMATS,
)

# --- Bosnia and Herzegovina ----------------------------------------------------------------
_BA_PLATE = Design(
    "Bosnia and Herzegovina",
    (),
    (520, 110),
    (*FE, *_FONTS),
    text_mm=74,
    left=Band(42, BLUE, "BIH", stars=False),
    border=BLACK,
)
_BA_OLD = replace(_BA_PLATE, left=None)
bosnia_and_herzegovina = plates_of(
    (_BA_PLATE, _BA_PLATE, _BA_OLD),
    (
        Series(84, ("@##-@/-###",)),
        Series(5, ("TA-/######",), (replace(_BA_PLATE, ground=YELLOW), _BA_PLATE)),
        Series(4, ("TT-/######",), (replace(_BA_OLD, ink=BRIGHT_RED),)),
        Series(3, ("##-A-###", "##-M-###"), (replace(_DIPLOMATIC, region=_BA_PLATE.region),)),
        Series(1, ("#####-@",), (_BA_OLD,)),
    ),
    letters="AEJKMOT",
    formats=_FORMATS,
)

# --- Montenegro ----------------------------------------------------------------------------
_ME_PLATE = Design(
    "Montenegro",
    (),
    (520, 110),
    (*_FONTS, *FE),
    text_mm=76,
    left=Band(40, BLUE, "MNE", stars=False),
    border=BLACK,
    mark=(30, 60, 190),
)
montenegro = plates_of(
    (_ME_PLATE, replace(_ME_PLATE, mark=GOLD)),
    (
        Series(84, ("$*/@@###", "$ *@@/###")),
        Series(4, ("$*/@@##",)),  # motorcycles
        Series(3, ("@@###*$",)),  # trailers
        Series(3, ("$ RP/###",), (replace(_ME_PLATE, ink=BRIGHT_RED, mark=None),)),
        Series(1, ("P @@/ ###",), (replace(_ME_PLATE, ground=BLUE, ink=WHITE),)),
        Series(2, ("## A ###", "## M ###"), (replace(_DIPLOMATIC, region="Montenegro"),)),
        Series(4, ("$*/@@@@", "$*/@@@@@", "$*/@@@@#")),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVZ",
    heads=tuple(
        "AN BA BD BP CT DG GS HN KL KO MK NK PG PL PV PT RO SN TV UL ZB PG PG PG PG BD BD".split()
    ),
    formats=_FORMATS,
)

# --- Kosovo --------------------------------------------------------------------------------
_XK_PLATE = Design(
    "Kosovo",
    (),
    (520, 110),
    _FONTS,
    text_mm=76,
    left=Band(42, BLUE, "RKS", GOLD, stars=False),
    border=BLACK,
    mark=(170, 110, 20),
)
kosovo = plates_of(
    (_XK_PLATE,),
    (
        Series(86, ("$*/###-@@", "$ *###/-@@")),
        Series(
            3,
            ("###-KS-###",),  # until 2010
            (replace(_XK_PLATE, left=None, border=None, edges=(LIGHT_BLUE,)),),
        ),
        Series(3, ("$*/###-@@",), (replace(_XK_PLATE, ink=NAVY),)),  # trailers
        Series(2, ("$*/###-@@",), (replace(_XK_PLATE, ground=BLUE, ink=WHITE),)),  # export
        Series(2, ("##-CD/-###",), (replace(_DIPLOMATIC, region="Kosovo", ink=WHITE),)),
    ),
    letters="ABCDEFGHIJKLMNOPQRSTUVXYZ",
    heads=("01", "01", "01", "02", "03", "04", "05", "06", "07"),
    formats=_FORMATS,
)

# --- North Macedonia -----------------------------------------------------------------------
_MK_PLATE = Design(
    "North Macedonia",
    (),
    (520, 110),
    (*_FONTS, *FE),
    text_mm=74,
    left=Band(42, BLUE, "NMK", stars=False),
    border=BLACK,
    mark=BRIGHT_RED,
)
_MK_PLATES = (
    _MK_PLATE,
    replace(_MK_PLATE, left=Band(42, BLUE, "MK", stars=False)),
    replace(_MK_PLATE, left=None),
)
north_macedonia = plates_of(
    _MK_PLATES,
    (
        Series(66, ("$*/####-@@", "$ *####/-@@")),
        Series(24, ("$*/###-@@", "$-/###-@@")),
        Series(3, ("###-A-###", "##-A-###"), (replace(_DIPLOMATIC, region="North Macedonia"),)),
        Series(3, ("$*/####-@@",), (replace(_MK_PLATE, ink=GREEN, border=GREEN),)),
        Series(3, ("$*/@@@@", "$*/@@@@@")),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVXZ",
    heads=tuple(
        "SK SK SK SK SK BT BE VE VI GE GV DB DE DK KA KI KO KP KR KS KU MB NE OH PE PP PS RA "
        "RE SN SR ST SU TE".split()
    ),
    formats=_FORMATS,
)

# --- Albania -------------------------------------------------------------------------------
_AL_BAND = Band(40, BLUE, "AL", stars=False, flag=(BRIGHT_RED, BLACK, BRIGHT_RED))
_AL_PLATE = Design(
    "Albania",
    (),
    (520, 110),
    (*FE, *_FONTS),
    text_mm=76,
    left=_AL_BAND,
    right=Band(36, BLUE, "", stars=False),
    border=BLACK,
)
_AL_RED = (40, 30, 170)
_AL_OLD = replace(
    _AL_PLATE, left=Band(40, _AL_RED, "AL", stars=False, flag=(BLACK, BLACK)), right=None
)


def _eagle(rng: Rng, design: Design) -> Design:
    """The year of registration on the right band."""
    if design.right is None:
        return design
    x = 1 - 0.5 * design.right.mm / design.size[0]
    year = f"{11 + int(rng.random() * 16)}"
    tall = 0.5 * design.right.mm
    return replace(design, small=(Small(year, (x, pick(rng, (0.3, 0.7))), tall, WHITE, _FONTS[3]),))


albania = plates_of(
    (_AL_PLATE,),
    (
        Series(74, ("@@ ###/ @@", "@@ ###/@@")),
        Series(8, ("$ ####/ @",), (_AL_OLD,)),  # until 2011
        Series(4, ("@@ ###/ T",), (replace(_AL_PLATE, ground=YELLOW), _AL_PLATE)),
        Series(4, ("@@/ R###",)),  # trailers
        Series(4, ("@@ /###",)),  # motorcycles
        Series(2, ("MB ###/ @@", "MM ###/ @@"), (_AL_PLATE,)),  # police, army
        Series(2, ("CD ####/ @",), (replace(_AL_PLATE, ground=GREEN, ink=WHITE),)),
        Series(3, ("@@ ###/ @@",), (replace(_AL_PLATE, ink=BRIGHT_RED, border=BRIGHT_RED),)),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVXYZ",
    heads=tuple("TR TR TR DR VL SH EL FR KO BR GJ LU KR LE BE DI MR KU PR".split()),
    formats=_FORMATS,
    finish=_eagle,
)
