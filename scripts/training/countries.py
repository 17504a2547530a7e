"""What is printed on the plates of each listed country and how it is laid out.

Syntaxes, letters left out of use, sizes in millimetres and colours are facts as commonly
published; districts and counties are the registration authorities' own codes. Which plate is
drawn how often is an estimate of what a camera in Belgium sees. Of a country's fonts those
come first whose plates a public reader, trained on photographs, took for that country's most
often; the others stay, so that no one font is learnt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scripts.training.design import (
    ALL,
    BLACK,
    BLUE,
    BRIGHT_RED,
    DIN,
    FE,
    FE_NARROW,
    GOLD,
    GREEN,
    GREY,
    LIGHT_BLUE,
    LIGHT_GREEN,
    NAVY,
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
from scripts.training.elsewhere import elsewhere

# --- Belgium ---------------------------------------------------------------------------------

_BE_LETTERS = "ABCDEFGHJKLNPRSTUVXYZ"
_BE_FONTS = ("OSP-DIN.ttf", "RG2014D.ttf", "RobotoCondensed-Bold.ttf", "RG2014C.ttf", "RG2014E.ttf")


def belgium(rng: Rng) -> Design:
    """Red on white; since 2010 of a digit, three letters and three digits."""
    letters = ALL if rng.random() < 0.25 else _BE_LETTERS
    kind = chosen(
        rng,
        [
            (56, "now"),
            (11, "old"),
            (6, "older"),
            (8, "own"),
            (4, "trailer"),
            (4, "oldtimer"),
            (4, "taxi"),
            (2, "diplomat"),
            (3, "dealer"),
            (2, "court"),
        ],
    )
    plain = Design("Belgium", (), (520, 110), _BE_FONTS, WHITE, RED, 78, border=RED)
    banded = replace(plain, left=european("B"))
    if kind == "now":
        first = chosen(rng, [(50, "1"), (45, "2"), (1, "3"), (1, "8"), (1, "9")])
        design = replace(banded, lines=(f"{first}-{fill(rng, '@@@-###', letters)}",))
    elif kind == "old":
        design = replace(plain, lines=(fill(rng, "@@@-###", letters),), size=(340, 110), text_mm=66)
        if rng.random() < 0.4:  # front plates were the owner's own make
            design = replace(design, size=(520, 110), left=european("B"))
    elif kind == "older":
        design = replace(plain, lines=(fill(rng, "###-@@@", letters),), size=(340, 110), text_mm=66)
        if rng.random() < 0.4:
            design = replace(design, size=(520, 110), left=european("B"))
    elif kind == "own":
        length = 1 + int(rng.random() * 8)
        design = replace(banded, lines=(_personal(rng, length),))
    elif kind == "trailer":
        design = replace(banded, lines=(f"Q-{fill(rng, '@@@-###', letters)}",))
    elif kind == "oldtimer":
        design = replace(banded, lines=(f"O-{fill(rng, '@@@-###', letters)}",))
    elif kind == "taxi":
        prefix = pick(rng, ("X", "L"))
        design = replace(banded, lines=(f"T-{prefix}{fill(rng, '@@-###', letters)}",))
    elif kind == "diplomat":
        design = replace(banded, lines=(f"CD-{fill(rng, '@@-###', letters)}",))
    elif kind == "dealer":
        prefix = pick(rng, ("Z", "Y", "V", "W"))
        design = replace(
            banded, lines=(f"{prefix}-{fill(rng, '@@@-###', letters)}",), ink=GREEN, border=GREEN
        )
    else:
        design = replace(banded, lines=(fill(rng, "EUR-####"),), ink=BLUE, border=BLUE)
    printed = design.lines[0]
    shape = rng.random()
    if kind != "own" and shape < 0.16:
        lines = (printed[:-4], printed[-3:])
        if shape < 0.07:  # motorcycle
            if kind == "now":
                lines = (lines[0][:2] + "M" + lines[0][3:], lines[1])
            return replace(
                design,
                lines=lines,
                size=(210, 140),
                text_mm=52,
                left=european("B", 26),
                stretch=0.9,
            )
        return replace(design, lines=lines, size=(340, 210), text_mm=76, left=european("B", 40))
    return design


def _personal(rng: Rng, length: int) -> str:
    if rng.random() < 0.5:
        named = 1 + int(rng.random() * length)
        return fill(rng, "@" * named + "#" * (length - named))
    return "".join(pick(rng, ALL + "0123456789") for _ in range(length))


# --- Netherlands -----------------------------------------------------------------------------

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
    """Black on yellow, in fourteen series, called sidecodes."""
    code = chosen(rng, _NL_CODES)
    letters = _NL_LETTERS if code.count("@") > 2 or rng.random() < 0.5 else _NL_OLD_LETTERS
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
    kind = rng.random()
    if kind < 0.04:
        design = replace(design, ground=LIGHT_BLUE)
    elif kind < 0.07:
        design = replace(design, ground=NAVY, ink=WHITE, border=WHITE, left=None)
    elif kind < 0.09:
        design = replace(design, ground=GREEN, ink=BLACK if rng.random() < 0.5 else WHITE)
    elif kind < 0.12:  # a repeated plate on a bicycle carrier
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
    elif shape < 0.18:
        moped = fill(rng, pick(rng, ("@-###-@@", "##-@@@-#")), _NL_LETTERS)
        design = replace(
            design, lines=two_lines(moped), size=(145, 125), text_mm=44, left=european("NL", 20)
        )
    return design


# --- Germany ---------------------------------------------------------------------------------

_DE_DISTRICTS = (
    "A AA AB AC AIC AK AM AN AP AS AUR AW AZ B BA BAD BB BC BE BGL BI BIR BIT BL BM BN BO BOR "
    "BOT BRA BS BT C CB CE CHA CLP COC COE CUX D DA DAH DAN DAU DB DD DE DEG DGF DH DL DM DN "
    "DO DON DU E EBE ED EE EF EI EIC EL EM EMD EN ER ERB ES ESW EU F FB FD FDS FF FFB FG FL "
    "FN FO FR FRG FRI FS FT G GAP GC GE GER GF GG GI GL GM GP GR GS GT GTH H HA HAL HAM HB HD "
    "HE HEF HEI HER HF HG HH HI HL HM HN HO HOL HOM HP HR HRO HS HSK HST HU HX HZ IGB IK IN "
    "IZ J K KA KB KC KE KEH KF KG KH KI KL KLE KN KO KR KS KT KU KUS L LA LB LD LDK LEV LG LI "
    "LIF LIP LL LM LOS LU LWL M MA MB MD ME MEI MG MH MI MIL MK MKK MN MOL MOS MR MS MSP MTK "
    "MYK MZ N NB ND NE NEA NES NEW NF NI NK NMS NOH NOM NR NU NW OA OAL OB OD OE OF OG OH OHA "
    "OL OPR OS OSL OVP P PA PAF PAN PB PE PF PI PIR PLÖ PM PR PS R RA RD RE REG RH RO ROW RP "
    "RT RV RW S SAD SB SC SE SFA SG SHA SHG SHK SI SIG SIM SK SL SLS SN SO SON SP SR ST STA "
    "STD SU SW SZ TBB TIR TO TR TS TUT UE UL UM UN V VB VEC VER VIE VS W WAF WB WE WES WF WHV "
    "WI WIL WL WM WN WND WO WOB WST WT WTM WUG WUN WW Z ZW FÜ GÖ KÖN LÖ MÜ TÜ WÜ FÜS KÜN GÜ "
    "RÜD SÖM"
).split()
_DE_REFUSED = {"HJ", "KZ", "NS", "SA", "SS"}
_DE_SEALS = ((40, 150, 60), (150, 90, 30), (40, 60, 190), (30, 160, 220), (90, 90, 90))


def germany(rng: Rng) -> Design:
    """A district's letters, two seals, and what the owner chose; FE-Schrift."""
    kind = rng.random()
    ink = BLACK
    suffix = ""
    if kind < 0.02:
        printed = f"Y~{fill(rng, '&## ###')}"
        lines: tuple[str, ...] = (printed,)
    elif kind < 0.035:
        lines = (f"{pick(rng, ('0', pick(rng, _DE_DISTRICTS)))}|{fill(rng, '&#~&##')}",)
    elif kind < 0.06:
        lines = (f"{pick(rng, _DE_DISTRICTS)}|{fill(rng, pick(rng, ('06###', '06##', '07###')))}",)
        ink = BRIGHT_RED
    else:
        district = pick(rng, _DE_DISTRICTS)
        letters = fill(rng, "@" if rng.random() < 0.22 else "@@")
        if letters in _DE_REFUSED:
            letters = "MK"
        most = 8 - len(district) - len(letters)
        suffix = chosen(rng, [(88, ""), (8, "E"), (4, "H")])
        count = min(most - len(suffix), chosen(rng, [(6, 1), (16, 2), (38, 3), (40, 4)]))
        lines = (f"{district}|{letters} {fill(rng, '&' + '#' * (count - 1))}{suffix}",)
        if kind < 0.085:
            ink = GREEN
    modern = rng.random() < 0.9
    design = Design(
        "Germany",
        lines,
        (520, 110),
        FE if modern else DIN,
        WHITE,
        ink,
        75,
        stretch=1.0,
        spacing=0.13,
        left=european("D", 44) if rng.random() < 0.95 else None,
        border=ink,
        mark=pick(rng, _DE_SEALS),
    )
    if kind < 0.02:
        flag: tuple[Colour, ...] = (BLACK, BRIGHT_RED, GOLD)
        return replace(design, left=Band(42, WHITE, "", BLACK, stars=False, flag=flag))
    shape = rng.random()
    head, _, tail = lines[0].partition("|")
    narrow = FE_NARROW if modern else DIN
    if len(design.text) >= 8:
        design = replace(design, fonts=narrow)
    if shape < 0.09:
        wide = 340 if rng.random() < 0.6 else 280
        return replace(
            design, lines=(f"{head}|", tail), size=(wide, 200), left=european("D", 42), fonts=narrow
        )
    if shape < 0.16:
        size, tall = pick(rng, (((180, 200), 72), ((220, 200), 75), ((255, 130), 49)))
        return replace(
            design,
            lines=(f"{head}|", tail),
            size=size,
            text_mm=tall,
            left=european("D", 34),
            fonts=narrow,
        )
    if shape < 0.20 and not suffix:
        months = f"{1 + int(rng.random() * 6):02d}", f"{7 + int(rng.random() * 6):02d}"
        return replace(
            design,
            right=Band(30, WHITE, "", stars=False),
            small=(
                Small(months[0], (0.955, 0.34), 24, ink, FE_NARROW[0]),
                Small(months[1], (0.955, 0.68), 24, ink, FE_NARROW[0]),
            ),
        )
    if shape < 0.30:
        return replace(design, size=(460, 110), fonts=narrow)
    return design


# --- France ----------------------------------------------------------------------------------

_FR_LETTERS = "ABCDEFGHJKLMNPQRSTVWXYZ"


def _department(rng: Rng) -> str:
    return "2A" if rng.random() < 0.01 else f"{1 + int(rng.random() * 95):02d}"


def france(rng: Rng) -> Design:
    """Black on white since 2009, the department on the right."""
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
    pattern = pick(rng, ("### @@@ ", "#### @@ ", "### @@ ", "### @@@ "))
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


# --- Luxembourg ------------------------------------------------------------------------------


def luxembourg(rng: Rng) -> Design:
    """Black on yellow: two letters and four digits, or digits alone."""
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
    if kind < 0.04:
        design = replace(design, ground=WHITE, ink=GREEN)
    elif kind < 0.07:
        design = replace(design, ground=GREEN, ink=WHITE, border=None)
    shape = rng.random()
    if shape < 0.1 and " " in printed:
        return replace(
            design, lines=two_lines(printed, " "), size=(340, 210), left=european("L", 40)
        )
    if shape < 0.15 and " " in printed:
        return replace(
            design,
            lines=two_lines(printed, " "),
            size=(210, 140),
            text_mm=50,
            left=european("L", 26),
        )
    return design


# --- United Kingdom --------------------------------------------------------------------------

_GB_AREA = "ABCDEFGHJKLMNOPRSTUVWXY"
_GB_LAST = "ABCDEFGHJKLMNOPRSTUVWXYZ"
_GB_YEAR = "ABCDEFGHJKLMNPRSTVWXY"
_GB_NORTHERN = "IA IB JI IG IL IW UI XI AZ CZ EZ FZ HZ JZ KZ NZ OI UZ YZ".split()


def united_kingdom(rng: Rng) -> Design:
    """White in front, yellow behind; two letters, the half-year and three letters."""
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
        printed = f"{pick(rng, _GB_YEAR)}{fill(rng, digits + ' @@@', _GB_LAST)}"
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
    """The plate maker's name along the foot."""
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

# --- Spain -----------------------------------------------------------------------------------

_ES_LETTERS = "BCDFGHJKLMNPRSTVWXYZ"
_ES_PROVINCES = (
    "A AB AL AV B BA BI BU C CA CC CE CO CR CS CU GC GI GR GU H HU J L LE LO LU M MA ML MU NA O OU "
    "P PM PO S SA SE SG SO SS T TE TF TO V VA VI Z ZA"
).split()


def spain(rng: Rng) -> Design:
    """Four digits and three consonants; before 2000 a province's letters."""
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
            lines=(fill(rng, pick(rng, ("P #### @@@", "S #### @@@")), _ES_LETTERS),),
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


# --- Italy -----------------------------------------------------------------------------------

_IT_LETTERS = "ABCDEFGHJKLMNPRSTVWXYZ"


def italy(rng: Rng) -> Design:
    """Between two blue bands; the front plate is smaller than the rear one."""
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


# --- Austria ---------------------------------------------------------------------------------

_AT_ONE = tuple("BEGIKLPSW")
_AT_TWO = (
    "AM BA BL BM BN BR BZ DL DO EF EU FB FE FF FK FR GB GD GF GM GR GS GU HA HB HE HF HL HO "
    "IL IM JE JO JU JW KB KF KI KL KO KR KS KU LA LB LE LF LI LL LN LZ MA MD ME MI MT MU MZ "
    "ND NK OP OW PE PL RA RE RI RO SB SD SE SL SO SP SR SV SW SZ TA TU UU VB VI VK VL VO WB "
    "WE WL WN WO WT WU WY WZ ZE ZT"
).split()
_AT_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def austria(rng: Rng) -> Design:
    """A district, its arms, and what follows, between red lines."""
    if rng.random() < 0.4:
        district = pick(rng, _AT_ONE)
        tail = fill(
            rng,
            chosen(rng, [(60, "&####@"), (25, "&###@@"), (10, "@@ &##"), (5, "@@@ &#")]),
            _AT_LETTERS,
        )
    else:
        district = pick(rng, _AT_TWO)
        tail = fill(
            rng,
            chosen(
                rng, [(60, "&##@@"), (12, "&###@"), (10, "&##@@@"), (12, "@@@ &"), (6, "@@ &#")]
            ),
            _AT_LETTERS,
        )
    if tail[0].isdigit():
        cut = next(at for at, one in enumerate(tail) if one.isalpha())
        tail = f"{tail[:cut]}~{tail[cut:]}"
    fonts = ("OSP-DIN.ttf", "RobotoCondensed-Bold.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf")
    ink = (64, 120, 16) if rng.random() < 0.08 else BLACK
    design = Design(
        "Austria",
        (f"{district}*{tail}",),
        (520, 120),
        fonts,
        WHITE,
        ink,
        67,
        left=european("A", 44),
        edges=(BRIGHT_RED, WHITE, BRIGHT_RED),
        mark=pick(rng, (BRIGHT_RED, (60, 60, 60), (60, 140, 40), GOLD)),
    )
    shape = rng.random()
    if shape < 0.09:
        return replace(design, lines=(f"{district}*", tail), size=(300, 200), text_mm=67)
    if shape < 0.14:
        return replace(
            design,
            lines=(f"{district}*", tail),
            size=(210, 170),
            text_mm=58,
            left=european("A", 30),
        )
    return design


# --- Poland ----------------------------------------------------------------------------------

_PL_LETTERS = "ACEFGHJKLMNPRSTUVWXY"
_PL_TWO = (
    "BI BL CB CG CT CW DB DJ DL DW EL EP ES EZ FG FZ GA GD GS KK KN KR KT LB LC LU LZ NE NO "
    "OP PK PL PN PO PY RK RP RT RZ SB SC SD SG SH SI SJ SK SL SM SO SR ST SW SY SZ TK WA WB "
    "WE WF WI WN WO WP WR WS WT WU WW WX WY ZK ZS"
).split()
_PL_THREE = (
    "BIA BSK CBY CIN DLU DWR EBE EKU ESI FSU FZI GDA GKA GWE KBR KLI KNS KOL KTA KWI LBI LPU "
    "LUB NOL NIL OKL ONY OPO PGN PKA PLE POB POZ PSZ RDE RJA RKR RMI RZE SBE SCI SGL SPS SRC "
    "STA SWD TBU TKI TST WBR WGM WLS WML WOT WPI WPR WSC WWL WZY ZGR ZKO ZSW"
).split()


def poland(rng: Rng) -> Design:
    """A powiat's two or three letters, a sticker, and four or five characters."""
    if rng.random() < 0.6:
        head = pick(rng, _PL_TWO)
        tail = fill(
            rng,
            pick(rng, ("#####", "####@", "###@@", "#@###", "#@@##", "####@", "#####")),
            _PL_LETTERS,
        )
    else:
        head = pick(rng, _PL_THREE)
        tail = fill(
            rng,
            pick(rng, ("@###", "##@@", "#@##", "##@#", "#@@#", "@@##", "#####", "####@", "###@@")),
            _PL_LETTERS,
        )
    design = Design(
        "Poland",
        (f"{head}:{tail}",),
        (520, 114),
        ("RG2014D.ttf", "RG2014E.ttf", "RobotoCondensed-Bold.ttf", "OSP-DIN.ttf"),
        WHITE,
        BLACK,
        80,
        stretch=0.92,
        left=european("PL"),
        border=BLACK,
        mark=(196, 190, 170),
    )
    kind = rng.random()
    if kind < 0.06:
        design = replace(design, ground=LIGHT_GREEN)
    elif kind < 0.08:
        design = replace(design, ground=BLACK, ink=WHITE, left=None, mark=None, border=WHITE)
    elif kind < 0.10:
        design = replace(design, ground=YELLOW)
    elif kind < 0.13:
        letter = pick(rng, "BCDEFGKLNOPRSTWZ")
        own = (
            letter + fill(rng, "#") + ":" + fill(rng, pick(rng, ("@@@", "@@@@", "@@@@@", "@@@##")))
        )
        design = replace(design, lines=(own,))
    shape = rng.random()
    if shape < 0.07:
        return replace(
            design,
            lines=tuple(design.lines[0].split(":")),
            size=(305, 214),
            left=european("PL", 40) if design.left else None,
        )
    if shape < 0.12:
        return replace(
            design,
            lines=tuple(design.lines[0].split(":")),
            size=(190, 150),
            text_mm=56,
            left=european("PL", 26) if design.left else None,
        )
    return design


# --- Czech Republic --------------------------------------------------------------------------

_CZ_LETTERS = "ABCDEFHIJKLMNPRSTUVXYZ"


def czech_republic(rng: Rng) -> Design:
    """A digit, the region's letter and a character, two stickers, four digits."""
    region = pick(rng, "ASULKHEPCJBMTZ")
    kind = rng.random()
    if kind < 0.72:
        printed = f"{fill(rng, '&')}{region}{fill(rng, '#')}:{fill(rng, '####')}"
    elif kind < 0.86:
        printed = f"{fill(rng, '&')}{region}{fill(rng, '@', _CZ_LETTERS)}:{fill(rng, '####')}"
    elif kind < 0.90:
        printed = f"EL{fill(rng, '&')}:{fill(rng, '##@@', _CZ_LETTERS)}"
    elif kind < 0.94:
        printed = fill(rng, "@@@:##-##", "ABCDEFHJKLMNOPRSTUVZ")
    else:
        printed = _own_czech(rng)
    design = Design(
        "Czech Republic",
        (printed,),
        (520, 110),
        ("OSP-DIN.ttf", "RobotoCondensed-Bold.ttf", "RG2014D.ttf", "LiberationSans-Bold.ttf"),
        WHITE,
        BLACK,
        76,
        stretch=0.95,
        even=rng.random() < 0.6,
        left=european("CZ"),
        border=BLACK,
        mark=pick(rng, ((60, 150, 80), (150, 110, 40), (160, 160, 160))),
    )
    if 0.90 <= kind < 0.94:
        design = replace(design, left=None if rng.random() < 0.6 else design.left)
    elif kind > 0.985:
        design = replace(design, ground=YELLOW)
    shape = rng.random()
    if shape < 0.08 and ":" in printed:
        return replace(
            design,
            lines=(printed.split(":")[0] + ":", printed.split(":")[1]),
            size=(320, 200),
            left=european("CZ", 40) if design.left else None,
        )
    if shape < 0.13 and ":" in printed:
        return replace(
            design,
            lines=(printed.split(":")[0] + ":", printed.split(":")[1]),
            size=(200, 160),
            text_mm=60,
            left=european("CZ", 28) if design.left else None,
        )
    return design


def _own_czech(rng: Rng) -> str:
    body = [pick(rng, "ABCDEFHIJKLMNPRSTUVXYZ0123456789") for _ in range(8)]
    body[int(rng.random() * 8)] = fill(rng, "#")
    return "".join(body[:3]) + ":" + "".join(body[3:])


# --- Romania ---------------------------------------------------------------------------------

_RO_COUNTIES = (
    "AB AG AR BC BH BN BR BT BV BZ CJ CL CS CT CV DB DJ GJ GL GR HD HR IF IL IS MH MM MS NT OT PH "
    "SB SJ SM SV TL TM TR VL VN VS"
).split()
_RO_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def romania(rng: Rng) -> Design:
    """The county, two digits (in the capital often three) and three letters."""
    bucharest = rng.random() < 0.4
    head = "B" if bucharest else pick(rng, _RO_COUNTIES)
    numbers = "###" if bucharest and rng.random() < 0.8 else "##"
    ink, tail = BLACK, fill(rng, f"{numbers} @@@", _RO_LETTERS)
    kind = rng.random()
    if kind < 0.06:
        ink, tail = BRIGHT_RED, fill(rng, pick(rng, ("0#####", "&#####", "&###")))
    elif kind < 0.08:
        head, tail = pick(rng, ("CD", "TC", "CO")), fill(rng, "### ###")
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
    if 0.08 <= kind < 0.11:
        design = replace(design, ink=GREEN, border=GREEN)
    elif 0.11 <= kind < 0.12:
        design = replace(design, ground=YELLOW)
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


# --- Denmark ---------------------------------------------------------------------------------

_DK_LETTERS = "ABCDEHJKLMNOPRSTUVXYZ"


def denmark(rng: Rng) -> Design:
    """Two letters and five digits in a red frame."""
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
        own = _personal(rng, 2 + int(rng.random() * 6))
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


COUNTRIES: dict[str, Callable[[Rng], Design]] = {
    "Belgium": belgium,
    "Netherlands": netherlands,
    "Germany": germany,
    "France": france,
    "Luxembourg": luxembourg,
    "United Kingdom": united_kingdom,
    "Spain": spain,
    "Italy": italy,
    "Austria": austria,
    "Poland": poland,
    "Czech Republic": czech_republic,
    "Romania": romania,
    "Denmark": denmark,
    "Unknown": elsewhere,
}
"""A maker of designs for each region; "Unknown" comes last."""
