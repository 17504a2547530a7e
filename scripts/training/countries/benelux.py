"""Plates of Belgium, the Netherlands and Luxembourg."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    ALL,
    BLACK,
    BLUE,
    BRIGHT_RED,
    GREEN,
    LIGHT_BLUE,
    NAVY,
    RED,
    WHITE,
    YELLOW,
    Band,
    Design,
    Rng,
    Small,
    chosen,
    european,
    fill,
    pick,
    two_lines,
)
from scripts.training.plate_series import Format, Series, plates_of

# --- Belgium -------------------------------------------------------------------------------
_BE_FONTS = ("OSP-DIN.ttf", "RG2014D.ttf", "RobotoCondensed-Bold.ttf", "RG2014C.ttf", "RG2014E.ttf")
_BE_PLATE = Design(
    "Belgium", (), (520, 110), _BE_FONTS, WHITE, RED, 78, border=RED, left=european("B")
)
_BE_OLD = replace(_BE_PLATE, left=None, size=(340, 110), text_mm=66)
_BE_OLDS = (_BE_OLD, _BE_OLD, _BE_OLD, _BE_PLATE, replace(_BE_PLATE, left=None))
"""Before 2010 the plate at the rear was small; that at the front was the owner's own make."""
_BE_GREEN = replace(_BE_PLATE, ink=GREEN, border=GREEN)
_BE_BLUE = replace(_BE_PLATE, ink=BLUE, border=BLUE)
_BE_TRANSIT = replace(_BE_PLATE, ground=BRIGHT_RED, ink=WHITE, border=WHITE)
_BE_MOTORCYCLE = (Format(0.9, (210, 140), 52, 26),)
_BE_MOPED = (Format(0.9, (100, 120), 34, 14),)


def _until(rng: Rng, design: Design) -> Design:
    """The day on which a transit plate ends, on its left."""
    if design.ground != BRIGHT_RED:
        return design
    dates = (f"{1 + int(rng.random() * 28):02d}", f"{1 + int(rng.random() * 12):02d}")
    x = 0.5 * 42 / design.size[0]
    small = (
        *(Small(one, (x, y), 17, WHITE) for one, y in zip(dates, (0.2, 0.5), strict=True)),
        Small(f"{22 + int(rng.random() * 6)}", (x, 0.8), 17, WHITE),
    )
    return replace(design, left=Band(42, BRIGHT_RED, "", stars=False), small=small)


belgium = plates_of(
    (_BE_PLATE,),
    (
        Series(39, ("1-@@@/-###", "2-@@@/-###")),
        Series(11, ("1-@@@/-###", "2-@@@/-###"), letters=ALL.replace("O", "")),
        Series(2, ("3-@@@/-###", "7-@@@/-###", "9-@@@/-###"), letters=ALL),
        Series(1.5, ("8-@@@/-###",), (_BE_BLUE, _BE_PLATE)),  # international
        Series(10, ("@@@-/###", "@@@-/###", "@@@./###"), _BE_OLDS),  # 1973 to 2008
        Series(5, ("###-/@@@",), _BE_OLDS),  # 2008 to 2010
        Series(1, ("@@./###", "###./@@", "#.@@./##", "##.@@./#", "@.###./@"), _BE_OLDS),
        Series(1, ("@./####", "#.@./###", "##.@./##", "####./@"), _BE_OLDS),  # 1953 to 1962
        Series(
            5, ("!!", "!!!", "!!!!", "!!!!!", "!!!!!!", "!!!!!!!", "!!!!!!!!", "@"), letters=ALL
        ),
        Series(2, ("@@@@@@", "@@@@", "@@@@@##", "@@@###", "@@@@####", "@-####"), letters=ALL),
        Series(4, ("Q-@@@/-###", "Q-@@@/-###", "U-@@@/-###")),  # trailers
        Series(1, ("Q@@-/###", "U@@-/###"), (_BE_OLD,)),
        Series(3, ("O-@@@/-###",)),  # oldtimers
        Series(1, ("O@@-/###",), _BE_OLDS),
        Series(3, ("T-X@@/-###", "T-L@@/-###")),  # taxis
        Series(0.5, ("TX@-/###",), _BE_OLDS),
        Series(3, ("M-@@@/-###", "1-M@@/-###", "W-@@@/-###"), formats=_BE_MOTORCYCLE),
        Series(
            1,
            ("M@@-/###", "W@@-/###"),
            (replace(_BE_OLD, ground=YELLOW, ink=BLACK, border=BLACK),),  # before 2010
            formats=_BE_MOTORCYCLE,
        ),
        Series(1.5, ("S-A@@/-###", "S-B@@/-###", "S-P@@/-###"), formats=_BE_MOPED),
        Series(1, ("G-@@@/-###", "E-@@@/-###")),  # tractors
        Series(3, ("Z-@@@/-###", "Y-@@@/-###", "V-@@@/-###"), (_BE_GREEN,)),  # trade
        Series(0.5, ("Z@@-/###",), (replace(_BE_OLD, ink=GREEN, border=GREEN),)),
        Series(2, ("X-@@@/-###", "X@-##/-@@@", "W@-##/-@@@", "@@@-##/-X@"), (_BE_TRANSIT,)),
        Series(1, ("U@-##/-@@@", "U-@@@/-###")),  # national, for 20 days
        Series(2.5, ("CD-@@/-###",)),
        Series(0.5, ("CD-@###", "CD-####"), _BE_OLDS),
        Series(1, ("EUR-/####",), (_BE_BLUE,)),
        Series(0.5, ("A-##", "E-##", "P-###")),  # governments, parliaments
    ),
    letters="ABCDEFGHJKLNPRSTUVXYZ",
    formats=(Format(0.03, (210, 140), 52, 26), Format(0.09, (340, 210), 76, 40)),
    finish=_until,
)


# --- Netherlands ---------------------------------------------------------------------------
_NL_LETTERS = "BDFGHJKLNPRSTVXZ"
_NL_OLD_LETTERS = "ABDEFGHJKLMNPRSTUVXYZ"
_NL_CODES = [
    (0.4, "@@-##-##"),
    (0.4, "##-##-@@"),
    (0.5, "##-@@-##"),
    (3, "@@-##-@@"),
    (4, "@@-@@-##"),
    (6, "##-@@-@@"),
    (16, "##-@@@-#"),
    (14, "#-@@@-##"),
    (20, "@@-###-@"),
    (18, "@-###-@@"),
    (3, "@@@-##-@"),
    (2, "@-##-@@@"),
    (2, "#-@@-###"),
    (2, "###-@@-#"),
]


def netherlands(rng: Rng) -> Design:
    """A Dutch plate: black on yellow, in fourteen series called sidecodes."""
    if rng.random() < 0.03:
        return _rare_dutch(rng)
    kind = rng.random()
    # Dark blue plates are for vehicles of before 1978, with four digits and two letters.
    code = chosen(rng, _NL_CODES[:3] if 0.04 <= kind < 0.07 else _NL_CODES)
    letters = (
        _NL_LETTERS
        if code.count("@") > 2 or "###" in code or rng.random() < 0.5
        else _NL_OLD_LETTERS
    )
    printed = fill(rng, code, letters)
    design = Design(
        "Netherlands",
        (printed,),
        (520, 110),
        ("RG2014E.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf", "RobotoCondensed-Bold.ttf"),
        YELLOW,
        BLACK,
        pick(rng, (74, 77)),
        left=european("NL"),
        border=BLACK if rng.random() < 0.5 else None,
        border_mm=2,
    )
    if kind < 0.04:
        design = replace(design, ground=LIGHT_BLUE)
    elif kind < 0.07:
        design = replace(design, ground=NAVY, ink=WHITE, border=WHITE, left=None)
    elif kind < 0.10:  # a repeated plate on a bicycle carrier
        design = replace(design, ground=WHITE)
    shape = rng.random()
    if shape < 0.10:
        design = replace(
            design, lines=two_lines(printed), size=(340, 210), text_mm=75, left=european("NL", 40)
        )
    elif shape < 0.16:
        motorcycle = two_lines(("M" + printed[1:]) if printed[0].isalpha() else printed)
        design = replace(
            design, lines=motorcycle, size=(210, 143), text_mm=50, left=european("NL", 26)
        )
    elif shape < 0.18 and design.ground != NAVY:
        moped = fill(rng, pick(rng, ("@-###-@@", "##-@@@-#")), _NL_LETTERS)
        if rng.random() < 0.5:  # those up to 25 km/h
            design = replace(design, ground=(160, 80, 20), ink=WHITE, border=WHITE)
        design = replace(
            design, lines=two_lines(moped), size=(145, 125), text_mm=44, left=european("NL", 20)
        )
    return design


_NL_PLATE = Design(
    "Netherlands",
    (),
    (520, 110),
    ("RG2014E.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf", "RobotoCondensed-Bold.ttf"),
    YELLOW,
    text_mm=76,
    left=european("NL"),
)
_rare_dutch = plates_of(
    (_NL_PLATE,),
    (
        Series(4, ("W@-/##-@@", "O@-/##-@@", "W@-##/-##")),  # trailers
        Series(
            3,
            ("HA-##/-##", "OA-##/-##", "FH-##/-##", "HC-##/-##"),  # trade, import
            (replace(_NL_PLATE, ground=GREEN), replace(_NL_PLATE, ground=GREEN, ink=WHITE)),
        ),
        Series(2, ("CD-##/-##", "##-CD/-##")),
        Series(1, ("CDJ-/###",)),  # International Court of Justice
        Series(1, ("KN-##/-##", "KL-##/-##", "LM-##/-##")),  # army
    ),
    letters=_NL_LETTERS,
    formats=(Format(0.1, (340, 210), 75, 40),),
)


# --- Luxembourg ----------------------------------------------------------------------------
def luxembourg(rng: Rng) -> Design:
    """A Luxembourg plate: black on yellow, two letters and four digits, or digits only."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    pattern = chosen(
        rng,
        [
            (70, "@@ ####"),
            (14, "&####"),
            (8, "&###"),
            (3, "CD ## ##"),
            (3, "@ ####"),
            (2, "P ####"),
            (1, "ZZ ####"),
            (1, "AA ####"),
            (1, "#### EXP"),
            (3, "####~2#"),
            (2, "@@ &#"),
        ],
    )
    printed = fill(rng, pattern, letters)
    kind = rng.random()
    design = Design(
        "Luxembourg",
        (printed,),
        (520, 110),
        ("OSP-DIN.ttf", "OSP-DIN.ttf", "LiberationSans-Bold.ttf", "RG2014D.ttf"),
        YELLOW,
        BLACK,
        76,
        left=european("L"),
        border=BLACK if rng.random() < 0.4 else None,
    )
    if pattern == "####~2#":  # trade, with the year
        return replace(design, ground=BRIGHT_RED, ink=WHITE, border=None)
    if pattern == "@@ &#":  # mopeds
        return replace(
            design, lines=two_lines(printed, " "), size=(140, 120), text_mm=44, left=None
        )
    if kind < 0.04:  # before 2003; the oldest of them white on black
        design = replace(design, lines=(fill(rng, "@@ ###", letters),), left=None)
        printed = design.lines[0]
        if kind < 0.01:
            design = replace(design, ground=BLACK, ink=WHITE, border=None)
    shape = rng.random()
    if shape < 0.1 and " " in printed:
        return replace(
            design,
            lines=two_lines(printed, " "),
            size=(340, 210),
            left=european("L", 40) if design.left else None,
        )
    if shape < 0.15 and " " in printed:
        return replace(
            design,
            lines=two_lines(printed, " "),
            size=(210, 140),
            text_mm=50,
            left=european("L", 26) if design.left else None,
        )
    return design
