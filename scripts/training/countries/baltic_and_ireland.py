"""Plates of Estonia, Latvia, Lithuania and Ireland."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    BLACK,
    BLUE,
    BRIGHT_RED,
    GREEN,
    LIGHT_RED,
    WHITE,
    YELLOW,
    Band,
    Design,
    Rng,
    Small,
    european,
)
from scripts.training.plate_series import Format, Series, plates_of

# --- Estonia -------------------------------------------------------------------------------
_EE_FLAG = Band(40, WHITE, "EST", BLACK, stars=False, flag=((150, 90, 10), BLACK, WHITE))
_EE_PLATE = Design(
    "Estonia",
    (),
    (520, 113),
    ("OSP-DIN.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf", "RobotoCondensed-Bold.ttf"),
    text_mm=78,
    left=european("EST", 42),
    border=BLACK,
)
_EE_OLD = replace(_EE_PLATE, left=_EE_FLAG)
estonia = plates_of(
    (_EE_PLATE, _EE_PLATE, _EE_PLATE, _EE_PLATE, _EE_OLD),
    (
        Series(80, ("### /@@@",)),
        Series(5, ("## /@@",)),  # motorcycles
        Series(3, ("## /@@@", "### /@@")),
        Series(3, ("CD ###", "AT ###", "CMD ##"), (replace(_EE_PLATE, ground=BLUE, ink=WHITE),)),
        Series(2, ("PROOV ####",), (replace(_EE_PLATE, ink=BRIGHT_RED),)),
        Series(2, ("### /@@@",), (replace(_EE_PLATE, ground=BLACK, ink=WHITE, left=None),)),
        Series(1, ("#### @@",), (replace(_EE_PLATE, left=None),)),  # army
        Series(4, ("@@@@@", "@@@@@@", "@@@@ #", "## @@@@", "@@@@@@@")),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVXYZ",
    formats=(Format(0.06, (195, 160), 58, 26), Format(0.05, (300, 200), 76, 38)),
)

# --- Latvia --------------------------------------------------------------------------------
_LV_RED = (50, 30, 130)
_LV_PLATE = Design(
    "Latvia",
    (),
    (520, 110),
    ("OSP-DIN.ttf", "RobotoCondensed-Bold.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf"),
    text_mm=77,
    left=european("LV", 42),
    border=BLACK,
)
_LV_OLD = replace(_LV_PLATE, left=Band(40, BLUE, "LV", stars=False, flag=(_LV_RED, WHITE, _LV_RED)))
latvia = plates_of(
    (_LV_PLATE, _LV_PLATE, _LV_PLATE, _LV_OLD),
    (
        Series(70, ("@@-/####",)),
        Series(8, ("@@-/###", "@@-/##")),
        Series(5, ("@ /###", "@ /####")),  # trailers
        Series(4, ("TX-/####", "TE-/####", "TQ-/####"), (replace(_LV_PLATE, ground=YELLOW),)),
        Series(3, ("EL-/####", "EV-/####"), (replace(_LV_PLATE, ink=GREEN),)),
        Series(2, ("@ /#####",), (replace(_LV_PLATE, ink=BRIGHT_RED, border=BRIGHT_RED),)),
        Series(2, ("CD-####",), (replace(_LV_PLATE, ground=BRIGHT_RED, ink=WHITE),)),
        Series(2, ("@@-/####",), (replace(_LV_PLATE, ground=BLACK, ink=WHITE, left=None),)),
        Series(4, ("@@@@@", "@@@@@@", "@@@@-##", "@@@@")),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVZ",
    formats=(Format(0.07, (260, 135), 52, 26), Format(0.06, (280, 202), 76, 36)),
)

# --- Lithuania -----------------------------------------------------------------------------
_LT_FLAG = Band(40, BLUE, "LT", stars=False, flag=((0, 190, 240), (60, 120, 20), (50, 40, 190)))
_LT_PLATE = Design(
    "Lithuania",
    (),
    (520, 110),
    ("OSP-DIN.ttf", "RG2014D.ttf", "RobotoCondensed-Bold.ttf", "RG2014E.ttf"),
    text_mm=77,
    left=european("LT", 42),
    border=BLACK,
    mark=(60, 60, 200),
)
_LT_PLATES = (
    _LT_PLATE,
    replace(_LT_PLATE, mark=(60, 150, 60)),
    replace(_LT_PLATE, mark=(150, 150, 150)),
    replace(_LT_PLATE, left=_LT_FLAG),
)
lithuania = plates_of(
    _LT_PLATES,
    (
        Series(58, ("@@@:/###",)),
        Series(18, ("@@@ /###",)),
        Series(5, ("@@ /###", "@@:/###")),  # trailers
        Series(4, ("### /@@",)),  # motorcycles
        Series(4, ("E@ /####",), (replace(_LT_PLATE, ink=GREEN),)),
        Series(3, ("T /#####",), (replace(_LT_PLATE, ground=YELLOW),)),
        Series(2, ("P######", "P#####/#"), (replace(_LT_PLATE, ink=BRIGHT_RED),)),
        Series(1, ("##### /@@", "#### /@@"), (replace(_LT_PLATE, ink=BRIGHT_RED),)),
        Series(2, ("## # ###", "######"), (replace(_LT_PLATE, ground=GREEN, ink=WHITE),)),
        Series(3, ("@@@@", "@@@@@", "@@@@@@", "@@@@#")),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVYZ",
    formats=(Format(0.07, (195, 150), 56, 26), Format(0.06, (300, 150), 58, 32)),
)

# --- Ireland -------------------------------------------------------------------------------
_IE_COUNTIES = {
    "C": "CORCAIGH",
    "CE": "AN CLAR",
    "CN": "AN CABHAN",
    "CW": "CEATHARLACH",
    "D": "BAILE ATHA CLIATH",
    "DL": "DUN NA NGALL",
    "G": "GAILLIMH",
    "KE": "CILL DARA",
    "KK": "CILL CHAINNIGH",
    "KY": "CIARRAI",
    "L": "LUIMNEACH",
    "LD": "AN LONGFORT",
    "LH": "LU",
    "LM": "LIATROIM",
    "LS": "LAOIS",
    "MH": "AN MHI",
    "MN": "MUINEACHAN",
    "MO": "MAIGH EO",
    "OY": "UIBH FHAILI",
    "RN": "ROS COMAIN",
    "SO": "SLIGEACH",
    "T": "TIOBRAID ARANN",
    "TN": "TIOBRAID ARANN",
    "TS": "TIOBRAID ARANN",
    "W": "PORT LAIRGE",
    "WH": "AN IARMHI",
    "WW": "CILL MHANTAIN",
    "WX": "LOCH GARMAN",
}
_IE_HEADS = ("D", "D", "D", "D", "D", "D", "D", "D", "C", "C", "C", "G", "L", *_IE_COUNTIES)
_IE_PLATE = Design(
    "Ireland",
    (),
    (520, 111),
    ("LiberationSans-Bold.ttf", "RG2014E.ttf", "OSP-DIN.ttf", "RobotoCondensed-Bold.ttf"),
    text_mm=70,
    left=european("IRL", 44),
    border=BLACK,
)
_IE_OLD = replace(_IE_PLATE, left=None, ground=BLACK, ink=(200, 200, 200), border=None)
_IE_OLDS = (_IE_OLD, _IE_OLD, replace(_IE_OLD, ground=LIGHT_RED, ink=BLACK))
"""Black ones, and the rear plates of 1969 to 1986."""


def _county(rng: Rng, design: Design) -> Design:
    """The name of the county in Irish above the characters; a green strip for electric cars."""
    parts = "".join(design.lines).replace(" ", "-").split("-")
    county = _IE_COUNTIES.get(parts[1], "") if len(parts) == 3 else ""
    if not county or design.left is None:
        return design
    name = Small(county, (0.54, 0.11), 0.105 * design.size[1], BLACK, "LiberationSans-Bold.ttf")
    electric = Band(design.left.mm // 2, GREEN, "", stars=False) if rng.random() < 0.06 else None
    return replace(design, small=(name,), area=(0.17, 1.0), right=electric)


ireland = plates_of(
    (_IE_PLATE,),
    (
        Series(46, ("1&1-$-/&####", "1&2-$-/&####", "1&1-$-/&###", "1&2-$-/&###")),
        Series(18, ("2&1-$-/&####", "2&2-$-/&###", "241-$-/&####", "231-$-/&####")),
        Series(18, ("0#-$-/&####", "1#-$-/&###", "0#-$-/&###", "9#-$-/&####")),
        Series(4, ("1&1-$-/&##", "0#-$-/&##", "9#-$-/&#")),
        Series(3, ("ZV /####", "ZV /#####"), (_IE_OLD, _IE_PLATE)),
        Series(2, ("ZZ /#####",), (replace(_IE_PLATE, left=None),)),
        Series(4, ("@@@ /###", "&### /@@", "@@ /&###", "&## /@@@"), _IE_OLDS),
        Series(2, ("2#-D-CD##", "1#-D-CD#")),
        Series(2, ("1&1-$-/&####",), (replace(_IE_PLATE, left=None),)),  # owner's own make
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVWXYZ",
    heads=_IE_HEADS,
    formats=(Format(0.05, (195, 165), 50, 30), Format(0.06, (340, 220), 74, 44)),
    finish=_county,
)
