"""Plates of Denmark, Sweden, Norway, Finland and Iceland."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    ALL,
    BLACK,
    BLUE,
    BRIGHT_RED,
    GREEN,
    LIGHT_RED,
    ORANGE,
    WHITE,
    YELLOW,
    Band,
    Colour,
    Design,
    Rng,
    Small,
    european,
    fill,
    personal_text,
)
from scripts.training.plate_series import Format, Series, plates_of

# --- Denmark -------------------------------------------------------------------------------
_DK_LETTERS = "ABCDEHJKLMNOPRSTUVXYZ"


def denmark(rng: Rng) -> Design:
    """A Danish plate: two letters and five digits in a red frame."""
    if rng.random() < 0.07:
        return _rare_danish(rng)
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
    elif kind < 0.26:  # vans that are used privately too
        return replace(design, first_ground=(0.4 if design.left else 0.33, YELLOW))
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


_DK_RARE = Design(
    "Denmark",
    (),
    (504, 120),
    ("LiberationSans-Bold.ttf", "RG2014D.ttf", "RG2014E.ttf", "OSP-DIN.ttf"),
    text_mm=78,
    border=BRIGHT_RED,
    border_mm=4,
    left=european("DK", 42),
)
_DK_BARE = replace(_DK_RARE, left=None)
_rare_danish = plates_of(
    (_DK_RARE, _DK_BARE),
    (
        Series(5, ("@@ /## ##",)),  # trailers
        Series(2, ("@@ /## ##",), (replace(_DK_BARE, ground=BRIGHT_RED, ink=WHITE),)),  # trade
        Series(2, ("@@ /## ###",), (replace(_DK_BARE, ground=BLUE, ink=WHITE, border=WHITE),)),
        Series(2, ("@@ /###", "@@ /## ##"), (replace(_DK_BARE, ground=YELLOW),)),  # mopeds
    ),
    letters=_DK_LETTERS,
    formats=(Format(0.3, (240, 165), 60, 34),),
)


# --- Sweden --------------------------------------------------------------------------------
_SE_LETTERS = "ABCDEFGHJKLMNOPRSTUWXYZ"
_SE_PLATE = Design(
    "Sweden",
    (),
    (480, 110),
    ("RG2014D.ttf", "RobotoCondensed-Bold.ttf", "RG2014E.ttf", "OSP-DIN.ttf"),
    text_mm=76,
    left=european("S", 40),
    border=BLACK,
    mark=(70, 140, 190),
)
_SE_BARE = replace(_SE_PLATE, left=None)


def _swedish_end(rng: Rng, design: Design) -> Design:
    """Day and month on the left, and the year on the right, of a temporary plate."""
    if design.ground != BRIGHT_RED or len(design.lines) > 1:
        return design
    day, month = 1 + int(rng.random() * 28), 1 + int(rng.random() * 12)
    dates = ((f"{day:02d}", 0.03, 0.3), (f"{month:02d}", 0.03, 0.7), ("26", 0.97, 0.5))
    room = Band(28, BRIGHT_RED, "", stars=False)
    small = tuple(Small(date, (x, y), 20, WHITE) for date, x, y in dates)
    return replace(design, left=room, right=room, small=small)


sweden = plates_of(
    (_SE_PLATE, _SE_PLATE, _SE_PLATE, _SE_BARE),
    (
        Series(50, ("@@@ /###",)),
        Series(24, ("@@@ /##@",), letters="ABCDEFGHJKLMNPRSTUWXYZ"),
        Series(6, ("@@@:/###",), (_SE_BARE,)),
        Series(4, ("@@@ /###T", "@@@ /##@T"), (replace(_SE_PLATE, ground=YELLOW),)),
        Series(2, ("@@@ /###", "@@@ /##@"), (replace(_SE_BARE, ground=BRIGHT_RED, ink=WHITE),)),
        Series(2, ("@@@ /###",), (replace(_SE_BARE, ground=(80, 170, 60)),)),  # trade
        Series(1, ("@@@ /###",), (replace(_SE_BARE, ground=ORANGE),)),  # competitions
        Series(
            2,
            ("@@ ### C", "@@ ### A", "@@ ### D"),
            (replace(_SE_BARE, ground=(210, 160, 90)),),  # diplomatic
        ),
        Series(1, ("######", "#####"), (replace(_SE_BARE, ground=BLACK, ink=YELLOW),)),  # army
        Series(5, ("@@@@", "@@@@@", "@@@@@@", "@@@ #", "@@@@ ##", "@@@@@@@")),  # owner's choice
    ),
    letters=_SE_LETTERS,
    formats=(Format(0.09, (195, 150), 56, 26), Format(0.05, (280, 200), 76, 36)),
    finish=_swedish_end,
)


# --- Norway --------------------------------------------------------------------------------
_NO_FLAG: tuple[Colour, ...] = (BRIGHT_RED, WHITE, BLUE)
_NO_PLATE = Design(
    "Norway",
    (),
    (520, 110),
    ("RobotoCondensed-Bold.ttf", "RG2014D.ttf", "RG2014E.ttf", "OSP-DIN.ttf"),
    text_mm=76,
    left=Band(40, BLUE, "N", stars=False, flag=_NO_FLAG, flag_kind="cross"),
    border=BLACK,
)
_NO_BARE = replace(_NO_PLATE, left=None)
_NO_GREEN: Colour = (80, 170, 60)
_NO_END = Band(30, BRIGHT_RED, "", stars=False)


def _norwegian_end(rng: Rng, design: Design) -> Design:
    """Day and month on which an export plate ends, in its two red strips."""
    if design.left != _NO_END:
        return design
    day, month = 1 + int(rng.random() * 28), 1 + int(rng.random() * 12)
    small = (
        Small(f"{day:02d}", (0.03, 0.5), 20, WHITE),
        Small(f"{month:02d}", (0.97, 0.5), 20, WHITE),
    )
    return replace(design, small=small)


norway = plates_of(
    (_NO_PLATE, _NO_PLATE, _NO_BARE),
    (
        Series(58, ("@@ /#####", "@@ /## ###")),
        Series(12, ("EL /#####", "EK /#####", "EV /#####", "EB /#####")),
        Series(8, ("@@ /#####",), (replace(_NO_PLATE, ground=_NO_GREEN),)),  # vans
        Series(7, ("@@ /####",)),  # motorcycles, trailers, tractors
        Series(  # trade; T: trailers
            2,
            ("@@@ /##", "@@@ /##", "@@@ /##T"),
            (replace(_NO_BARE, ground=BRIGHT_RED, ink=WHITE),),
        ),
        Series(1, ("@@ /###",), (replace(_NO_BARE, ground=LIGHT_RED),)),  # tests
        Series(1, ("#####",), (replace(_NO_BARE, left=_NO_END, right=_NO_END),)),  # export
        Series(1, ("@@ /#####",), (replace(_NO_BARE, ground=BLACK, ink=WHITE),)),  # competitions
        Series(2, ("@@ /#####",), (replace(_NO_BARE, ground=BLACK, ink=YELLOW),)),  # closed areas
        Series(2, ("CD /#####",), (replace(_NO_BARE, ground=BLUE, ink=YELLOW),)),
        Series(1, ("#####",), (replace(_NO_BARE, ground=ORANGE),)),  # army
        Series(4, ("@@@@", "@@@@@", "@@@@@@", "@@@@@@@", "@@@ ##")),
    ),
    letters="ABCDEFHJKLNPRSTUVXYZ",
    formats=(Format(0.06, (240, 130), 50, 26), Format(0.08, (285, 200), 76, 36)),
    finish=_norwegian_end,
)


# --- Finland -------------------------------------------------------------------------------
_FI_PLATE = Design(
    "Finland",
    (),
    (442, 118),
    ("OSP-DIN.ttf", "RG2014E.ttf", "LiberationSans-Bold.ttf", "RG2014D.ttf"),
    text_mm=78,
    left=european("FIN", 40),
    border=BLACK,
)
_FI_BARE = replace(_FI_PLATE, left=None, size=(397, 118))
finland = plates_of(
    (_FI_PLATE, _FI_PLATE, _FI_PLATE, _FI_BARE),
    (
        Series(66, ("@@@-/###",)),
        Series(8, ("@@@-/##", "@@@-/#", "@@-/###", "@@-/##")),
        Series(8, ("D@@-/###", "P@@-/###", "W@@-/###")),  # trailers
        Series(4, ("@@@-/###", "@@-/##"), (replace(_FI_BARE, ground=BLACK, ink=WHITE),)),
        Series(4, ("@@@-/###",), (replace(_FI_BARE, ink=BRIGHT_RED),)),  # transfer
        Series(3, ("@@@-/###",), (replace(_FI_BARE, ground=YELLOW),)),
        Series(3, ("CD-####", "C-#####"), (replace(_FI_BARE, ground=BLUE, ink=WHITE),)),
        Series(3, ("AL@-/###", "AL@-/##"), (replace(_FI_BARE, ink=BLUE),)),  # Åland
    ),
    letters=ALL.replace("Q", ""),
    formats=(Format(0.08, (195, 150), 56, 28), Format(0.05, (256, 200), 76, 34)),
)


# --- Iceland -------------------------------------------------------------------------------
_IS_BLUE: Colour = (130, 60, 20)
_IS_BAND = Band(38, BLUE, "IS", stars=False, flag=(BLUE, WHITE, BRIGHT_RED), flag_kind="cross")
_IS_PLATE = Design(
    "Iceland",
    (),
    (520, 110),
    ("RG2014E.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf", "OSP-DIN.ttf"),
    ink=_IS_BLUE,
    text_mm=74,
    left=_IS_BAND,
    border=_IS_BLUE,
    mark=(60, 160, 60),
)
_IS_BARE = replace(_IS_PLATE, left=None)
_IS_OIL: Colour = (20, 160, 220)
"""Dark yellow: vehicles with untaxed diesel."""
iceland = plates_of(
    (_IS_PLATE, _IS_PLATE, _IS_BARE, replace(_IS_PLATE, mark=YELLOW), _IS_BARE),
    (
        Series(44, ("@@:/@##",)),
        Series(16, ("@@:/###",)),
        Series(14, ("@@ /@##",)),
        Series(10, ("@@ /@##", "@@:/###"), (replace(_IS_BARE, ink=BRIGHT_RED, border=BRIGHT_RED),)),
        Series(3, ("RN /###",), (replace(_IS_BARE, ground=LIGHT_RED, ink=BLACK, border=BLACK),)),
        Series(2, ("@@ /@##", "@@ /###"), (replace(_IS_BARE, ground=_IS_OIL, border=BLACK),)),
        Series(3, ("CD @##",), (replace(_IS_BARE, ground=GREEN, ink=WHITE, border=WHITE),)),
        Series(5, ("@ ####", "@ #####"), (replace(_IS_BARE, ground=BLACK, ink=WHITE),)),  # veterans
        Series(5, ("@@@@", "@@@@@", "@@@@@@", "@@@ #")),
    ),
    letters="ABDEFGHIJKLMNOPRSTUVXYZ",
    formats=(Format(0.10, (240, 130), 50, 26), Format(0.06, (280, 200), 74, 36)),
)
