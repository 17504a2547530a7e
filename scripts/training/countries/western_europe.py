"""Plates of France, the United Kingdom, Spain and Italy."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    BLACK,
    BLUE,
    BRIGHT_RED,
    DIN,
    GOLD,
    GREEN,
    GREY,
    ORANGE,
    RED,
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
from scripts.training.plate_series import Format, Series, plates_of

# --- France --------------------------------------------------------------------------------
_FR_LETTERS = "ABCDEFGHJKLMNPQRSTVWXYZ"


def _department(rng: Rng) -> str:
    if rng.random() < 0.02:
        return pick(rng, ("2A", "2B", "971", "972", "973", "974", "976"))
    return f"{1 + int(rng.random() * 95):02d}"


def france(rng: Rng) -> Design:
    """A French plate: black on white since 2009, with the department on the right."""
    if rng.random() < 0.02:
        return _rare_french(rng)
    design = Design(
        "France",
        (fill(rng, "@@-###-@@", _FR_LETTERS),),
        (520, 110),
        ("RG2014E.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf", "OSP-DIN.ttf"),
        WHITE,
        BLACK,
        pick(rng, (70, 74, 78)),
        stretch=pick(rng, (0.9, 1.0)),
        left=european("F", 40),
    )
    kind = rng.random()
    if kind < 0.12:  # the departments' own series, until 2009
        return _old_french(rng, design)
    if kind < 0.15:
        ground = pick(rng, ((170, 150, 236), BRIGHT_RED))
        lines = (fill(rng, pick(rng, ("WW-###-@@", "W-###-@@")), _FR_LETTERS),)
        ink = BLACK if ground != BRIGHT_RED else WHITE
        design = replace(design, lines=lines, ground=ground, ink=ink)
    elif kind < 0.17:
        design = replace(design, ground=BLACK, ink=WHITE, left=None)
    right = Band(
        40, BLUE, _department(rng), stars=False, flag=(pick(rng, _ARMS), WHITE, pick(rng, _ARMS))
    )
    shape = rng.random()
    first, middle, last = design.lines[0].split("-")
    if shape < 0.10:
        return replace(
            design,
            lines=(f"{first}-{middle}", last),
            size=(210, 130),
            text_mm=48,
            left=european("F", 25),
            right=replace(right, mm=25),
        )
    if shape < 0.16:
        return replace(
            design,
            lines=(f"{first}-{middle}", last),
            size=(275, 200),
            text_mm=72,
            left=european("F", 36),
            right=replace(right, mm=36),
        )
    return replace(design, right=right if design.left is not None else None)


_ARMS = ((40, 40, 190), (0, 190, 240), (190, 110, 30), (60, 60, 60), (70, 140, 60))


def _old_french(rng: Rng, design: Design) -> Design:
    pattern = pick(rng, ("&## @@@ ", "&### @@ ", "&## @@ ", "&## @@@ "))
    printed = fill(rng, pattern, _FR_LETTERS) + _department(rng)
    lines: tuple[str, ...] = (printed,)
    size = (520, 110)
    if rng.random() < 0.2:
        lines, size = two_lines(printed, " "), (275, 200)
    colours = pick(rng, ((WHITE, BLACK), (YELLOW, BLACK), (YELLOW, BLACK), (BLACK, GREY)))
    band = design.left if rng.random() < 0.5 and colours[0] != BLACK else None
    return replace(
        design,
        lines=lines,
        size=size,
        ground=colours[0],
        ink=colours[1],
        left=band,
    )


_FR_GREEN = Design(
    "France", (), (520, 110), DIN, (70, 110, 30), (90, 170, 250), 72, left=european("F", 40)
)
_rare_french = plates_of(
    (_FR_GREEN, replace(_FR_GREEN, left=None)),
    (
        Series(3, ("&## CD/ &#", "E &## CD/ &##", "&# CMD/ &", "&## C/ &##")),  # diplomatic
        Series(1, ("&## K/ &##", "U &## K/ &##"), (replace(_FR_GREEN, ink=WHITE),)),  # their staff
        Series(1, ("&### ####", "####~####"), (replace(_FR_GREEN, ground=BLACK, ink=WHITE),)),
        Series(2, ("W-/###-@@",), (replace(_FR_GREEN, ground=WHITE, ink=BLACK),)),  # trade
    ),
    letters=_FR_LETTERS,
    formats=(Format(0.1, (275, 200), 72, 36),),
)


# --- United Kingdom ------------------------------------------------------------------------
_GB_AREA = "ABCDEFGHJKLMNOPRSTUVWXY"
_GB_LAST = "ABCDEFGHJKLMNOPRSTUVWXYZ"
_GB_YEAR = "ABCDEFGHJKLMNPRSTVWXY"
_GB_NORTHERN = "IA IB JI IG IL IW UI XI AZ CZ EZ FZ HZ JZ KZ NZ OI UZ YZ".split()


def united_kingdom(rng: Rng) -> Design:
    """A British plate: white at the front, yellow at the rear."""
    if rng.random() < 0.02:
        return _rare_british(rng)
    kind = chosen(
        rng,
        [
            (70, "now"),
            (8, "prefix"),
            (4, "suffix"),
            (5, "old"),
            (6, "ni"),
            (4, "own"),
            (2, "trade"),
        ],
    )
    if kind == "now":
        year = int(rng.random() * 26)
        age = f"{year:02d}" if rng.random() < 0.5 else f"{50 + year:02d}"
        printed = f"{fill(rng, '@@', _GB_AREA)}{age} {fill(rng, '@@@', _GB_LAST)}"
    elif kind == "prefix":
        digits = pick(rng, ("&", "&#", "&##", "&##"))
        printed = f"{pick(rng, _GB_YEAR + 'Q')}{fill(rng, digits + ' @@@', _GB_LAST)}"
    elif kind == "suffix":
        printed = f"{fill(rng, '@@@ &##', _GB_LAST)}{pick(rng, _GB_YEAR)}"
    elif kind == "old":
        printed = fill(
            rng, pick(rng, ("@@ &###", "@@@ &##", "&### @@", "&## @@@", "@ &##")), _GB_LAST
        )
    elif kind == "ni":
        printed = f"{pick(rng, _GB_LAST)}{pick(rng, _GB_NORTHERN)} {fill(rng, '&###')}"
    elif kind == "own":
        printed = fill(rng, pick(rng, ("&# @@", "@ &", "@@@ &", "& @@", "@@ &", "&## @")), _GB_LAST)
    else:
        printed = fill(rng, "&###& @" if rng.random() < 0.5 else "### @@", _GB_LAST)
    rear = rng.random() < 0.5
    design = Design(
        "United Kingdom",
        (printed,),
        (520, 111),
        (
            "LiberationSans-Bold.ttf",
            "RG2014E.ttf",
            "RobotoCondensed-Bold.ttf",
            "DejaVuSans-Bold.ttf",
            "OSP-DIN.ttf",
        ),
        YELLOW if rear else WHITE,
        BLACK,
        79,
        stretch=pick(rng, (0.8, 0.9, 1.0)),
        even=True,
        spacing=0.14,
        border=BLACK if rng.random() < 0.15 else None,
    )
    if kind == "trade":
        design = replace(design, ground=WHITE, ink=BRIGHT_RED, border=BRIGHT_RED)
    elif kind in {"old", "suffix"} and rng.random() < 0.4:
        return replace(design, ground=BLACK, ink=GREY, border=GREY if rng.random() < 0.5 else None)
    side = rng.random()
    if side < 0.22:
        design = replace(
            design, left=Band(40, BLUE, pick(rng, ("GB", "UK", "UK")), stars=rng.random() < 0.6)
        )
    elif side < 0.30:
        flag = pick(
            rng,
            (
                (BLUE, BRIGHT_RED, WHITE, BRIGHT_RED, BLUE),
                (WHITE, BRIGHT_RED, WHITE),
                (BLUE, WHITE, BLUE),
            ),
        )
        design = replace(
            design,
            left=Band(
                40, BLUE, pick(rng, ("GB", "UK", "ENG", "SCO")), GOLD, stars=False, flag=flag
            ),
        )
    elif side < 0.36:
        design = replace(design, left=Band(32, (84, 160, 20), pick(rng, ("", "UK")), stars=False))
    if rng.random() < 0.6:
        design = replace(design, small=(_maker(rng, 0.955 if rear else 0.96, BLACK),))
    shape = rng.random()
    if shape < 0.10 and rear:
        lines = (printed,) if " " not in printed else tuple(printed.split(" "))
        size = pick(rng, ((285, 203), (229, 178)))
        tall = 79 if size[0] == 285 else 64
        return replace(design, lines=lines, size=size, text_mm=tall, left=None)
    return design


def _maker(rng: Rng, y: float, ink: Colour) -> Small:
    """The name of the plate maker along the lower edge."""
    word = pick(rng, _TRADES) + " " + pick(rng, _TRADES)
    return Small(word, (0.5, y), 7, ink, "LiberationSans-Regular.ttf")


_TRADES = (
    "AUTO",
    "MOTORS",
    "CARS",
    "GARAGE",
    "CENTRE",
    "SALES",
    "GROUP",
    "LTD",
    "BROS",
    "CITY",
    "PARK",
    "LEASE",
)


_GB_RARE = Design(
    "United Kingdom",
    (),
    (520, 111),
    ("LiberationSans-Bold.ttf", "RG2014E.ttf", "RobotoCondensed-Bold.ttf"),
    text_mm=79,
    even=True,
    spacing=0.14,
)
_GB_OLD = replace(_GB_RARE, ground=BLACK, ink=GREY)
_rare_british = plates_of(
    (_GB_RARE, replace(_GB_RARE, ground=YELLOW)),
    (
        Series(2, ("### D/ ###", "### X/ ###")),  # diplomatic
        Series(1, ("## @@/ ##",), (_GB_OLD,)),  # army
        Series(
            2,
            ("@@@/###/@", "@/###/@@@"),  # motorcycles in three lines
            (_GB_OLD, replace(_GB_RARE, ground=YELLOW)),
            "ABCDEFGHJKLMNPRSTVWXY",
            formats=(Format(1.0, (200, 230), 60, 0),),
        ),
        Series(2, ("@@/## /@@@",), formats=(Format(1.0, (200, 230), 60, 0),)),
    ),
    letters="ABCDEFGHJKLMNOPRSTUVWXY",
)


# --- Spain ---------------------------------------------------------------------------------
_ES_LETTERS = "BCDFGHJKLMNPRSTVWXYZ"
_ES_PROVINCES = (
    "A AB AL AV B BA BI BU C CA CC CE CO CR CS CU GC GI GR GU H HU J L LE LO LU M MA ML MU NA O OU "
    "P PM PO S SA SE SG SO SS T TE TF TO V VA VI Z ZA"
).split()


def spain(rng: Rng) -> Design:
    """A Spanish plate: four digits and three consonants; before 2000 with the province."""
    if rng.random() < 0.04:
        return _rare_spanish(rng)
    fonts = ("OSP-DIN.ttf", "LiberationSans-Bold.ttf", "RG2014D.ttf", "RG2014E.ttf")
    design = Design(
        "Spain",
        (fill(rng, "#### @@@", _ES_LETTERS),),
        (520, 110),
        fonts,
        WHITE,
        BLACK,
        77,
        left=european("E"),
        border=BLACK,
        border_mm=3,
    )
    kind = rng.random()
    if kind < 0.08:
        province = pick(rng, _ES_PROVINCES)
        printed = f"{province}-{fill(rng, '####-@@', _ES_LETTERS)}"
        if rng.random() < 0.25:
            printed = f"{province}-{fill(rng, '######')}"
        design = replace(
            design, lines=(printed,), left=design.left if rng.random() < 0.15 else None
        )
    elif kind < 0.13:
        design = replace(design, ground=(160, 80, 20), ink=WHITE, border=WHITE)
    elif kind < 0.15:
        design = replace(design, lines=(fill(rng, "R #### @@@", _ES_LETTERS),), ground=BRIGHT_RED)
    elif kind < 0.17:
        design = replace(
            design,
            lines=(fill(rng, "P #### @@@", _ES_LETTERS),),
            ground=GREEN,
            ink=WHITE,
            border=WHITE,
        )
    elif kind < 0.19:
        return replace(
            design,
            lines=tuple(fill(rng, "C #/###/@@@", _ES_LETTERS).split("/")),
            size=(100, 168),
            text_mm=40,
            ground=YELLOW,
            left=None,
        )
    shape = rng.random()
    if shape < 0.09 and " " in design.lines[0]:
        return replace(
            design,
            lines=two_lines(design.lines[0], " "),
            size=(220, 160),
            text_mm=56,
            left=european("E", 28) if design.left else None,
        )
    if shape < 0.13 and " " in design.lines[0]:
        return replace(
            design,
            lines=two_lines(design.lines[0], " "),
            size=(340, 220),
            text_mm=77,
            left=european("E", 40) if design.left else None,
        )
    return design


_ES_RARE = Design("Spain", (), (520, 110), DIN, text_mm=77, left=european("E"), border=BLACK)
_rare_spanish = plates_of(
    (_ES_RARE,),
    (
        Series(3, ("H /####/ @@@",)),  # historic
        Series(3, ("E /####/ @@@",), (replace(_ES_RARE, ground=BRIGHT_RED, ink=WHITE),)),
        Series(  # of dealers and workshops; FV: tests of makers
            4,
            ("V /####/ @@@", "S /####/ @@@", "S /####/ @@@", "FV /####/ @@@"),
            (replace(_ES_RARE, ground=BRIGHT_RED, ink=WHITE),),
        ),
        *(
            Series(
                0.5, (f"{kind}-###~###",), (replace(_ES_RARE, ground=ground, ink=ink, left=None),)
            )
            for kind, ground, ink in (
                ("CD", BRIGHT_RED, WHITE),
                ("CC", GREEN, WHITE),
                ("OI", BLUE, WHITE),
                ("TA", YELLOW, BLACK),
            )
        ),
        Series(2, ("PGC-####~@", "CNP-####~@@", "ET-#####", "EA-#####"), (_ES_RARE,)),
    ),
    letters=_ES_LETTERS,
    formats=(Format(0.3, (200, 200), 52, 28),),
)


# --- Italy ---------------------------------------------------------------------------------
_IT_LETTERS = "ABCDEFGHJKLMNPRSTVWXYZ"


def italy(rng: Rng) -> Design:
    """An Italian plate: between two blue bands; the front plate is smaller."""
    if rng.random() < 0.06:
        return _rare_italian(rng)
    fonts = (
        "routed-gothic-narrow.ttf",
        "RobotoCondensed-Bold.ttf",
        "RG2014C.ttf",
        "OSP-DIN.ttf",
        "RG2014D.ttf",
    )
    right = Band(40, BLUE, pick(rng, ("", "", "MI", "RM", "TO", "NA", "BO", "FI")), stars=False)
    if right.letters and rng.random() < 0.7:
        right = replace(right, flag=(GOLD,))
    design = Design(
        "Italy",
        (fill(rng, "@@ ###@@", _IT_LETTERS),),
        (520, 110),
        fonts,
        WHITE,
        BLACK,
        77,
        spacing=0.24,
        left=european("I", 40),
        right=right,
    )
    kind = rng.random()
    if kind < 0.03:
        lines = (
            fill(
                rng,
                pick(rng, ("MI ######", "RM &#####", "TO ######", "BO ######")).replace(
                    "######", "@#####" if kind < 0.01 else "######"
                ),
                "ABCDEFGHKLMNPRSTVXZ",
            ),
        )
        return replace(
            design, lines=lines, ground=BLACK, ink=pick(rng, (WHITE, ORANGE)), left=None, right=None
        )
    shape = rng.random()
    if shape < 0.28:  # the front plate
        return replace(
            design,
            size=(360, 110),
            left=european("I", 30),
            right=replace(right, mm=30),
            stretch=0.8,
        )
    if shape < 0.38:
        return replace(
            design,
            lines=(fill(rng, "@@", _IT_LETTERS), fill(rng, "#####")),
            size=(177, 177),
            text_mm=62,
            left=european("I", 22),
            right=replace(right, mm=22, letters="", flag=()),
        )
    if shape < 0.44:
        first = design.lines[0]
        return replace(
            design,
            lines=(first[:2], first[3:]) if rng.random() < 0.5 else (first[:6], first[6:]),
            size=(297, 214),
            left=european("I", 32),
            right=replace(right, mm=32),
        )
    return design


_IT_RARE = Design(
    "Italy",
    (),
    (520, 110),
    ("routed-gothic-narrow.ttf", "RobotoCondensed-Bold.ttf", "RG2014C.ttf", "OSP-DIN.ttf"),
    text_mm=77,
    spacing=0.2,
    left=european("I", 40),
    right=Band(40, BLUE, "", stars=False),
)
_IT_BARE = replace(_IT_RARE, left=None, right=None)
_IT_MOPED = "BCDFGHJKLMNPRSTVWXYZ23456789"
_rare_italian = plates_of(
    (_IT_RARE,),
    (
        Series(4, ("X@ /###@@",)),  # trailers
        Series(3, ("Z@ /###@@", "@@ /###@@"), (replace(_IT_RARE, ground=YELLOW),)),
        Series(2, ("Y@ /###@@",)),  # local police
        Series(2, ("EI @@###", "CC @@/###", "AM @@###"), (replace(_IT_BARE, ink=RED),)),
        Series(2, ("##P /#####", "@#P /#####")),  # trade
        Series(  # mopeds since 2006
            3, ("X@@/@@@",), (_IT_BARE,), _IT_MOPED, formats=(Format(1.0, (140, 120), 42, 0),)
        ),
    ),
    letters=_IT_LETTERS,
    formats=(Format(0.3, (297, 214), 77, 32),),
)
