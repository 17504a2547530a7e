"""Plates of Hungary, Slovakia, Romania, Bulgaria, Ukraine, Moldova, Georgia, Russia and Belarus.

Countries with another alphabet use the letters that look like Latin ones; Georgia uses all of them.
"""

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
    fill,
    pick,
)
from scripts.training.plate_series import Format, Series, plates_of

_FONTS = ("OSP-DIN.ttf", "RobotoCondensed-Bold.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf")
_FORMATS = (Format(0.07, (240, 140), 52, 26), Format(0.06, (300, 200), 74, 38))

# --- Hungary -------------------------------------------------------------------------------
_HU_PLATE = Design(
    "Hungary",
    (),
    (520, 110),
    ("RobotoCondensed-Bold.ttf", "OSP-DIN.ttf", "RG2014D.ttf", "RG2014C.ttf"),
    text_mm=78,
    left=european("H"),
    border=BLACK,
    mark=(60, 60, 200),
)
_HU_FLAG = Band(40, WHITE, "H", BLACK, stars=False, flag=(BRIGHT_RED, WHITE, GREEN))
_HU_OLD = replace(_HU_PLATE, left=_HU_FLAG)
_HU_GREEN = replace(_HU_PLATE, ground=(110, 190, 70))
_HU_YELLOW = replace(_HU_PLATE, ground=YELLOW)
hungary = plates_of(
    (_HU_PLATE, _HU_PLATE, _HU_PLATE, _HU_OLD),
    (
        Series(46, ("@@@-/###", "@@@:/###")),  # 1990 to 2022
        Series(20, ("@@*/@@-###", "@@*/@@:###"), (_HU_PLATE,)),
        Series(6, ("@@@-/###", "@@*/@@-###"), (_HU_GREEN,)),  # electric
        Series(4, ("@@@-/###", "@@*/@@-###"), (_HU_YELLOW,)),  # taxis, buses
        Series(4, ("X@@-/###", "W@@-/###", "U@@-/###", "AA*/W@-###")),  # trailers, motorcycles
        Series(3, ("@@@-/###",), (replace(_HU_PLATE, ink=BRIGHT_RED, border=BRIGHT_RED),)),
        Series(
            4, ("E-/#####", "P-/#####", "V-/#####", "Z-/#####"), (replace(_HU_PLATE, ink=BLUE),)
        ),
        Series(2, ("RA/##-###", "HA/##-###", "MA/##-###", "OT/##-###")),
        Series(3, ("DT/##-##", "CK/##-##"), (replace(_HU_PLATE, ground=BLUE, ink=WHITE),)),
        Series(5, ("@@@@-/##", "@@@@@-/#", "@@@@-/###")),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVWXYZ",
    formats=(Format(0.06, (240, 130), 50, 26), Format(0.06, (280, 200), 76, 36)),
)

# --- Slovakia ------------------------------------------------------------------------------
_SK_PLATE = Design(
    "Slovakia",
    (),
    (520, 110),
    _FONTS,
    text_mm=76,
    left=european("SK"),
    border=BLACK,
    mark=BRIGHT_RED,
    arms="cross",
)
_SK_OLD = replace(_SK_PLATE, left=Band(40, WHITE, "SK", BLACK, stars=False))
slovakia = plates_of(
    (_SK_PLATE, _SK_PLATE, _SK_PLATE, _SK_PLATE, _SK_OLD),
    (
        Series(76, ("$*/###@@", "$*/### @@")),
        Series(6, ("AA*/###@@", "AB*/###@@"), (_SK_PLATE,)),  # since 2023
        Series(4, ("$*/###Y@",)),  # trailers
        Series(3, ("EL*/###@@", "EV*/###@@"), (replace(_SK_PLATE, ink=GREEN, border=GREEN),)),
        Series(2, ("$*/M###", "$*/C###"), (replace(_SK_PLATE, ink=BLUE, border=BLUE),)),
        Series(2, ("$*/H###", "$*/V###"), (replace(_SK_PLATE, ink=BRIGHT_RED),)),
        Series(2, ("EE/ ## ###", "ZZ/ ## ###"), (replace(_SK_PLATE, ground=BLUE, ink=WHITE),)),
        Series(5, ("$*/@@@@@", "$*/@@@##", "$*/@@@@#")),
    ),
    letters="ABCDEFGHIJKLMNOPRSTUVXYZ",
    heads=tuple(
        "BA BA BA BL BB BJ BN BR BS BY CA DK DS DT GA GL HC HE IL KA KE KE KK KM KN KS LC LE "
        "LM LV MA MI ML MT MY NM NO NR NZ PB PD PE PK PN PO PP PT PU RA RK RS RV SA SB SC SE "
        "SI SK SL SN SO SP SV TN TO TR TS TT TV VK VT ZA ZC ZH ZM ZV".split()
    ),
    formats=_FORMATS,
)

# --- Bulgaria ------------------------------------------------------------------------------
_BG_PLATE = Design(
    "Bulgaria",
    (),
    (520, 112),
    _FONTS,
    text_mm=77,
    left=european("BG"),
    border=BLACK,
)
_BG_OLD = replace(
    _BG_PLATE, left=Band(40, BLUE, "BG", stars=False, flag=(WHITE, (90, 150, 0), (40, 40, 200)))
)
_BG_UNTIL = replace(_BG_PLATE, right=Band(34, BRIGHT_RED, "", stars=False))


def _bulgarian_end(rng: Rng, design: Design) -> Design:
    """The month in which a temporary plate ends, on its red strip."""
    if design.right is None:
        return design
    x = 1 - 0.5 * design.right.mm / design.size[0]
    month, year = f"{1 + int(rng.random() * 12):02d}", f"{20 + int(rng.random() * 8)}"
    tall = 0.55 * design.right.mm
    return replace(
        design, small=(Small(month, (x, 0.32), tall, WHITE), Small(year, (x, 0.68), tall, WHITE))
    )


bulgaria = plates_of(
    (_BG_PLATE, _BG_PLATE, _BG_PLATE, _BG_OLD),
    (
        Series(80, ("$ ####/ @@", "$ ####/@@")),
        Series(4, ("$ ####/ @",)),  # motorcycles
        Series(4, ("$ ####/ E@",)),  # trailers
        Series(4, ("EA ####/ @@", "EB ####/ @@"), (replace(_BG_PLATE, ink=GREEN, border=GREEN),)),
        Series(3, ("### T/ ###", "### H/ ###", "### B/ ###"), (_BG_UNTIL,)),  # temporary
        Series(2, ("BA /### ###", "CP /## ####"), (replace(_BG_PLATE, left=None),)),
        Series(2, ("C ####", "CC ####"), (replace(_BG_PLATE, ground=BRIGHT_RED, ink=WHITE),)),
        Series(2, ("$ @@@@@@", "$ @@@@")),
    ),
    letters="ABCEHKMOPTXY",
    heads=tuple(
        "A B BH BP BT CA CA CA CA CB CB CB CB CC CH CM CO CT E EB EH H K KH M OB P PA PB PB "
        "PK PP T TX X Y".split()
    ),
    formats=_FORMATS,
    finish=_bulgarian_end,
)

# --- Ukraine -------------------------------------------------------------------------------
_UA_BLUE: Colour = (180, 90, 0)
_UA_PLATE = Design(
    "Ukraine",
    (),
    (520, 112),
    ("OSP-DIN.ttf", "RG2014D.ttf", "RobotoCondensed-Bold.ttf", "RG2014E.ttf"),
    text_mm=76,
    left=Band(42, BLUE, "UA", stars=False, flag=(_UA_BLUE, GOLD)),
    border=BLACK,
)
_UA_OLD = replace(_UA_PLATE, left=Band(42, WHITE, "UA", BLACK, stars=False, flag=(_UA_BLUE, GOLD)))
_UA_GREEN = replace(_UA_PLATE, ink=GREEN, border=GREEN)
ukraine = plates_of(
    (_UA_PLATE, _UA_PLATE, _UA_OLD),
    (
        Series(78, ("$ ####/ @@", "$ ####/@@")),
        Series(4, ("$/####/@@",)),  # motorcycles in three lines
        Series(4, ("$ ####/ Y@", "$ ####/ Z@", "$ ####/ J@"), (_UA_GREEN,)),  # electric
        Series(3, ("###-## /@@", "#### /@@"), (_UA_OLD,)),  # until 2004
        Series(3, ("$ ####/ @@",), (replace(_UA_PLATE, ground=YELLOW),)),
        Series(2, ("T@ /######",), (replace(_UA_PLATE, ink=BRIGHT_RED, border=BRIGHT_RED),)),
        Series(2, ("D ### ###", "S ## ###"), (replace(_UA_PLATE, ground=GREEN, ink=WHITE),)),
        Series(1, ("#### @#",), (replace(_UA_OLD, left=None, ground=BLACK, ink=WHITE),)),
        Series(3, ("@@@@@", "@@@@@@", "@@@@ ##", "@@ ##")),
    ),
    letters="ABCEHIKMOPTX",
    heads=tuple(
        "AA AA AA AB AC AE AE AE AH AH AI AM AO AP AT AX AX BA BB BC BC BC BE BH BI BK BM BO "
        "BT BX CA CB CE KA KA KA KI KC KE HH HA HB HC HT HX".split()
    ),
    formats=(Format(0.06, (220, 174), 54, 28), Format(0.06, (300, 200), 74, 38)),
)

# --- Moldova -------------------------------------------------------------------------------
_MD_FLAG: tuple[Colour, ...] = ((150, 70, 0), GOLD, (40, 40, 200))
_MD_PLATE = Design(
    "Moldova",
    (),
    (520, 112),
    (*FE, *_FONTS),
    text_mm=76,
    left=Band(42, BLUE, "MD", stars=False, flag=_MD_FLAG, flag_kind="columns"),
    border=BLACK,
)
_MD_OLD = replace(
    _MD_PLATE,
    fonts=_FONTS,
    left=Band(40, WHITE, "MD", BLACK, stars=False, flag=_MD_FLAG, flag_kind="columns"),
)
moldova = plates_of(
    (_MD_PLATE,),
    (
        Series(68, ("@@@ /###",)),
        Series(14, ("C @@ /###", "K @@ /###", "C @@ /##"), (_MD_OLD,)),
        Series(
            8, ("$ @@ /###", "$ @@ /##"), (_MD_OLD,), heads=tuple("AN BL CH OR UN CU SR".split())
        ),
        Series(3, ("CD ### A", "TC ### A"), (replace(_MD_PLATE, ground=BLUE, ink=WHITE),)),
        Series(2, ("FA ####", "DG ####"), (replace(_MD_OLD, left=None),)),
        Series(1, ("MAI ####",), (replace(_MD_PLATE, ink=BLUE),)),
        Series(3, ("@@@@@", "@@@@@@", "@@@@ #")),
    ),
    letters="ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    formats=_FORMATS,
)

# --- Georgia -------------------------------------------------------------------------------
_GE_BAND = Band(40, BLUE, "GE", stars=False, flag=(WHITE, (40, 30, 220)), flag_kind="cross")
_GE_PLATE = Design(
    "Georgia",
    (),
    (520, 112),
    ("OSP-DIN.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf", "RG2014E.ttf"),
    text_mm=76,
    left=_GE_BAND,
    border=BLACK,
)
_GE_OLD = replace(_GE_PLATE, left=replace(_GE_BAND, colour=WHITE, ink=BLACK))
georgia = plates_of(
    (_GE_PLATE,),
    (
        Series(74, ("@@-###/-@@",)),
        Series(16, ("@@@-/###",), (_GE_OLD,)),
        Series(5, ("@@-/####",)),  # motorcycles
        Series(2, ("@@-###/-@@",), (replace(_GE_PLATE, ink=BRIGHT_RED, border=BRIGHT_RED),)),
        Series(3, ("@@@@@", "@@@@@@", "@@@@-##")),
    ),
    letters=ALL,
    formats=_FORMATS,
)

# --- Russia --------------------------------------------------------------------------------
_RU_REGIONS = (
    *(f"{number:02d}" for number in range(1, 99)),
    *(
        "77 77 99 97 177 197 777 799 797 50 90 150 190 750 78 98 178 198 16 116 23 123 93 39 "
        "60".split()
    ),
)
_RU_PLATE = Design(
    "Russia",
    (),
    (520, 112),
    ("RG2014D.ttf", "OSP-DIN.ttf", "RG2014E.ttf", "LiberationSans-Bold.ttf"),
    text_mm=76,
    border=BLACK,
    letter_share=0.8,
)


def _rus(rng: Rng, design: Design) -> Design:
    """The letters and the flag of the country below the region."""
    line = design.lines[-1]
    if "^" not in line or rng.random() < 0.06:
        return design
    wide = len(line.split("^")[1])
    last = 1 if len(design.lines) == 1 else 0.96
    x = last - (26 + 18 * wide) / design.size[0]
    y, tall = (0.84, 15) if len(design.lines) == 1 else (0.92, 13)
    name = Small("RUS", (x, y), tall, design.ink, "LiberationSans-Bold.ttf")
    return replace(design, small=(name,))


russia = plates_of(
    (_RU_PLATE,),
    (
        Series(84, ("@###@@^$", "@ ### @@^$")),
        Series(4, ("@@###^$", "@@ ###^$"), (replace(_RU_PLATE, ground=YELLOW),)),  # taxis, buses
        Series(4, ("@@####^$",)),  # trailers
        Series(3, ("####/@@^$",)),  # motorcycles
        Series(1, ("@####^$",), (replace(_RU_PLATE, ground=BLUE, ink=WHITE, border=WHITE),)),
        Series(1, ("####@@^$",), (replace(_RU_PLATE, ground=BLACK, ink=WHITE, border=WHITE),)),
        Series(
            2,
            ("###D###^$", "###CD#^$"),
            (replace(_RU_PLATE, ground=BRIGHT_RED, ink=WHITE, border=WHITE),),
        ),
        Series(2, ("@@###@^$",)),  # transit
        Series(8, ("@###/@@^$",), formats=(Format(1.0, (290, 170), 70, 0),)),
    ),
    letters="ABEKMHOPCTYX",
    heads=_RU_REGIONS,
    formats=(Format(0.9, (245, 160), 60, 0),),
    finish=_rus,
)

# --- Belarus -------------------------------------------------------------------------------
_BY_FLAG: tuple[Colour, ...] = ((40, 40, 200), (40, 40, 200), (80, 140, 0))
_BY_PLATE = Design(
    "Belarus",
    (),
    (520, 112),
    ("OSP-DIN.ttf", "RG2014D.ttf", "RobotoCondensed-Bold.ttf", "RG2014E.ttf"),
    text_mm=76,
    left=Band(40, WHITE, "BY", BLACK, stars=False, flag=_BY_FLAG),
    border=BLACK,
)
_BY_OLD = replace(_BY_PLATE, left=None)
belarus = plates_of(
    (_BY_PLATE,),
    (
        Series(72, ("#### /@@-$",)),
        Series(6, ("@@/####-$", "@@ /####-$")),  # lorries, buses
        Series(5, ("@/####@-$",)),  # trailers
        Series(4, ("E### /@@-$",), (replace(_BY_PLATE, ink=GREEN, border=GREEN),)),
        Series(3, ("$TAX/####",), (replace(_BY_PLATE, ground=YELLOW),)),
        Series(3, ("#### /@@", "####/ @@@"), (_BY_OLD,)),  # until 2004
        Series(2, ("CD #####", "CC #####"), (replace(_BY_OLD, ground=BRIGHT_RED, ink=WHITE),)),
        Series(2, ("$@@T/####",), (_BY_OLD,)),
    ),
    letters="ABCEHIKMOPTX",
    heads=("1", "2", "3", "4", "5", "6", "7", "7", "7"),
    formats=_FORMATS,
)


# --- Romania -------------------------------------------------------------------------------
_RO_COUNTIES = (
    "AB AG AR BC BH BN BR BT BV BZ CJ CL CS CT CV DB DJ GJ GL GR HD HR IF IL IS MH MM MS NT OT PH "
    "SB SJ SM SV TL TM TR VL VN VS"
).split()
_RO_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_RO_TOWNS = ("CLUJ-NAPOCA", "BRASOV", "PLOIESTI", "VOLUNTARI-IF", "SIGHISOARA-MS", "DEVA")


def romania(rng: Rng) -> Design:
    """A Romanian plate: the county, two or three digits, and three letters."""
    bucharest = rng.random() < 0.4
    head = "B" if bucharest else pick(rng, _RO_COUNTIES)
    numbers = "###" if bucharest and rng.random() < 0.8 else "##"
    ink, tail = BLACK, fill(rng, f"{numbers} @@@", _RO_LETTERS)
    kind = rng.random()
    if kind < 0.06:  # temporary, dealers
        ink, tail = BRIGHT_RED, fill(rng, pick(rng, ("0&####", "0&###", "&###", "### PROBE")))
    elif kind < 0.08:
        ink, head, tail = BLUE, pick(rng, ("CD", "TC", "CO")), fill(rng, "### ###")
    elif kind < 0.09:  # leased, and owners from abroad: with the month of the end
        tail = fill(rng, "&#####")
    elif kind < 0.10:  # army
        head, tail = "A", fill(rng, pick(rng, ("####", "#####", "######")))
    band = european("RO")
    if rng.random() < 0.1:
        band = Band(42, BLUE, "RO", stars=False, flag=(BLUE, GOLD, BRIGHT_RED))
    design = Design(
        "Romania",
        (f"{head} {tail}" if rng.random() < 0.85 else f"{head}-{tail.replace(' ', '-')}",),
        (520, 110),
        ("OSP-DIN.ttf", "RobotoCondensed-Bold.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf"),
        WHITE,
        ink,
        77,
        left=band,
        border=ink,
    )
    if 0.08 <= kind < 0.09:
        year, month = f"{20 + int(rng.random() * 10)}", f"{1 + int(rng.random() * 12):02d}"
        return replace(
            design,
            right=Band(32, BRIGHT_RED, "", stars=False),
            small=(Small(year, (0.969, 0.3), 20, WHITE), Small(month, (0.969, 0.68), 20, WHITE)),
        )
    if 0.10 <= kind < 0.13:
        design = replace(design, ink=GREEN, border=GREEN)
    elif 0.13 <= kind < 0.14:  # of a municipality: mopeds, tractors, trams
        number = fill(rng, pick(rng, ("####", "#####", "######")))
        town = Small(pick(rng, _RO_TOWNS), (0.5, 0.13), 16, BLACK)
        return replace(
            design, lines=(number,), left=None, ground=YELLOW, small=(town,), area=(0.2, 1.0)
        )
    shape = rng.random()
    if shape < 0.06:
        return replace(
            design,
            lines=(head + " " + tail.split(" ")[0], tail.split(" ")[-1])
            if " " in tail
            else (head, tail),
            size=(340, 200),
            left=replace(band, mm=40),
        )
    if shape < 0.11:
        return replace(
            design,
            lines=(head + " " + tail.split(" ")[0], tail.split(" ")[-1])
            if " " in tail
            else (head, tail),
            size=(240, 130),
            text_mm=47,
            left=replace(band, mm=26),
        )
    return design
