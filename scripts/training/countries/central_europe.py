"""Plates of Germany, Austria, Poland and the Czech Republic."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    BLACK,
    BLUE,
    BRIGHT_RED,
    DIN,
    FE,
    FE_NARROW,
    GOLD,
    GREEN,
    LIGHT_GREEN,
    ORANGE,
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
)
from scripts.training.plate_series import Format, Series, plates_of

# --- Germany -------------------------------------------------------------------------------
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
    """A German plate: the district, two seals, and characters of choice, in FE-Schrift."""
    if rng.random() < 0.045:
        return _rare_german(rng)
    kind = rng.random()
    ink = BLACK
    suffix = ""
    if kind < 0.02:
        printed = f"Y~{fill(rng, '&## ###')}"
        lines: tuple[str, ...] = (printed,)
    elif kind < 0.035:
        lines = (f"{pick(rng, ('0', pick(rng, _DE_DISTRICTS)))}|{fill(rng, '&#~&##')}",)
    elif kind < 0.06:
        number = fill(rng, pick(rng, ("06###", "06##", "07###", "05###")))
        lines = (f"{pick(rng, _DE_DISTRICTS)}|{number}",)
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


_DE_RARE = Design(
    "Germany", (), (520, 110), FE, text_mm=75, spacing=0.13, border=BLACK, mark=_DE_SEALS[3]
)


_DE_INSURED = replace(_DE_RARE, size=(106, 130), border_mm=1.5)


def _german_end(rng: Rng, design: Design) -> Design:
    """Day, month and year on which a short-term or an export plate ends; a moped's year."""
    if design.size == _DE_INSURED.size:
        year = Small(f"GDV {2020 + int(rng.random() * 8)}", (0.5, 0.9), 10, design.ink)
        return replace(design, small=(year,), area=(0.0, 0.85))
    right = design.right
    if right is None:
        return design
    x = 1 - 0.5 * right.mm / design.size[0]
    dates = (1 + int(rng.random() * 28), 1 + int(rng.random() * 12), 20 + int(rng.random() * 7))
    return replace(
        design,
        small=tuple(
            Small(f"{date:02d}", (x, y), 0.6 * right.mm, right.ink, FE_NARROW[0])
            for date, y in zip(dates, (0.25, 0.5, 0.75), strict=True)
        ),
    )


_rare_german = plates_of(
    (_DE_RARE,),
    (
        Series(
            4,
            ("$|03###", "$|04###", "$|04####"),  # short-term
            (replace(_DE_RARE, right=Band(36, YELLOW, "", BLACK, stars=False)),),
        ),
        Series(
            3,
            ("$|&##@", "$|&#@", "$|&###@"),  # export
            (replace(_DE_RARE, right=Band(36, BRIGHT_RED, "", WHITE, stars=False)),),
        ),
        Series(3, ("0|&#~&##", "0|&##~&", "0|&#~&#")),  # diplomatic
        Series(2, ("BP|&#-&##", "THW|&####", "BD|&#-&##", "X|&###")),
        Series(2, ("$|&###", "$|&####", "$|&##")),  # authorities
        Series(2, ("$|@@/ &##", "$|@/ &###"), (replace(_DE_RARE, ground=BLACK, ink=WHITE),)),
        Series(  # insurance plates of mopeds, in another colour each year
            4,
            ("###/@@@",),
            tuple(replace(_DE_INSURED, ink=ink, border=ink) for ink in (BLACK, BLUE, GREEN)),
            "ABCDEFGHIJKLMNOPRSTUVWXYZ",
            formats=(Format(1.0, _DE_INSURED.size, 49, 0),),
        ),
    ),
    heads=tuple(_DE_DISTRICTS),
    formats=(Format(0.15, (340, 200), 75, 42),),
    finish=_german_end,
)


# --- Austria -------------------------------------------------------------------------------
_AT_ONE = tuple("BEGIKLPSW")
_AT_TWO = (
    "AM BA BL BM BN BR BZ DL DO EF EU FB FE FF FK FR GB GD GF GM GR GS GU HA HB HE HF HL HO "
    "IL IM JE JO JU JW KB KF KI KL KO KR KS KU LA LB LE LF LI LL LN LZ MA MD ME MI MT MU MZ "
    "ND NK OP OW PE PL RA RE RI RO SB SD SE SL SO SP SR SV SW SZ TA TU UU VB VI VK VL VO WB "
    "WE WL WN WO WT WU WY WZ ZE ZT"
).split()
_AT_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def austria(rng: Rng) -> Design:
    """An Austrian plate: the district, its arms and a number, between red lines."""
    if rng.random() < 0.06:
        return _rare_austrian(rng)
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


_AT_RARE = Design(
    "Austria",
    (),
    (520, 120),
    DIN,
    text_mm=67,
    left=european("A", 44),
    edges=(BRIGHT_RED, WHITE, BRIGHT_RED),
    mark=BRIGHT_RED,
)
_AT_OLD = replace(_AT_RARE, ground=BLACK, ink=WHITE, left=None, edges=())
_AT_BLUE = replace(_AT_RARE, ground=BLUE, ink=WHITE, left=None, edges=())
_AT_RED = replace(_AT_RARE, ground=BRIGHT_RED, ink=WHITE, edges=())
_AT_UNTIL = Band(34, BRIGHT_RED, "", stars=False)


def _austrian_end(rng: Rng, design: Design) -> Design:
    """The year in which a temporary plate ends, on its red strip."""
    if design.right is None:
        return design
    x = 1 - 0.5 * design.right.mm / design.size[0]
    year = Small(f"{20 + int(rng.random() * 8)}", (x, 0.5), 0.6 * design.right.mm, WHITE, DIN[0])
    return replace(design, small=(year,))


_rare_austrian = plates_of(
    (_AT_RARE,),
    (
        Series(3, ("$ &##./###", "$ &#./###"), (_AT_OLD,), heads=tuple("WNOSTKBV")),  # until 1989
        Series(3, ("WD*/&####", "WD*/&###", "GD*/&###")),  # diplomatic
        Series(2, ("BP*/&####", "BH*/&####", "BB*/&###", "PT*/&###")),  # authorities
        # Colours: KFG 1967, § 49.
        Series(3, ("$*/&###@", "$*/&##@@"), (replace(_AT_BLUE, ground=GREEN),)),  # transfer
        Series(2, ("$*/&###@", "$*/&##@@"), (_AT_BLUE,)),  # trade
        Series(1, ("$*/&###@", "$*/&##@@"), (replace(_AT_BLUE, right=_AT_UNTIL),)),  # temporary
        Series(2, ("$*/&###@", "$*/&##@@"), (_AT_RED, replace(_AT_RED, left=None))),  # repeated
        Series(
            2,
            ("$ /&##@", "$ /&#@@"),  # mopeds
            (replace(_AT_RED, left=None),),
            formats=(Format(1.0, (115, 150), 44, 0),),
        ),
        Series(3, ("$*/&##@@",), (replace(_AT_RARE, left=None),)),  # until 2002
    ),
    letters=_AT_LETTERS,
    heads=(*_AT_ONE, *_AT_TWO),
    formats=(Format(0.15, (300, 200), 67, 44),),
    finish=_austrian_end,
)


# --- Poland --------------------------------------------------------------------------------
_PL_LETTERS = "ACEFGHJKLMNPRSTUVWXY"
_PL_OLD_LETTERS = "ABCDEFGHIJKLMNOPRSTUVWXYZ"
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
    """A Polish plate: the district (powiat), a sticker, and four or five characters."""
    if rng.random() < 0.07:
        return _rare_polish(rng)
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
    elif kind < 0.08:  # until 2000
        old = pick(rng, _PL_THREE) + ":" + fill(rng, pick(rng, ("####", "###@")), _PL_OLD_LETTERS)
        design = replace(
            design, lines=(old,), ground=BLACK, ink=WHITE, left=None, mark=None, border=WHITE
        )
    elif kind < 0.11:
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


_PL_RARE = Design(
    "Poland",
    (),
    (520, 114),
    ("RG2014D.ttf", "RG2014E.ttf", "RobotoCondensed-Bold.ttf", "OSP-DIN.ttf"),
    text_mm=80,
    stretch=0.92,
    left=european("PL"),
    border=BLACK,
)
_rare_polish = plates_of(
    (_PL_RARE,),
    (
        Series(4, ("$@:/###", "$:/####", "$:/@###")),  # motorcycles
        Series(
            3, ("W####:/P##", "D####:/P##"), (replace(_PL_RARE, ink=GREEN, border=GREEN),)
        ),  # trade
        Series(
            3,
            ("W#:/#####", "D#:/#####", "P#:/#####"),  # temporary
            (replace(_PL_RARE, ink=BRIGHT_RED, border=BRIGHT_RED),),
        ),
        Series(2, ("W/ ######",), (replace(_PL_RARE, ground=BLUE, ink=WHITE),)),  # diplomatic
        Series(2, ("HPA @###", "HPB @###", "HPW @###")),  # police
        Series(2, ("U@ /#####",)),  # army
        Series(2, ("$:/##@",), (replace(_PL_RARE, ground=YELLOW),)),  # historic
    ),
    letters=_PL_LETTERS,
    heads=tuple(_PL_TWO),
    formats=(Format(0.3, (190, 150), 56, 26),),
)


# --- Czech Republic ------------------------------------------------------------------------
_CZ_LETTERS = "ABCDEFHIJKLMNPRSTUVXYZ"


def czech_republic(rng: Rng) -> Design:
    """A Czech plate: a digit, the region and a character, two stickers, four digits."""
    if rng.random() < 0.05:
        return _rare_czech(rng)
    region = pick(rng, "ASULKHEPCJBMTZ")
    kind = rng.random()
    if kind < 0.72:
        printed = f"{fill(rng, '&')}{region}{fill(rng, '#')}:{fill(rng, '####')}"
    elif kind < 0.83:
        printed = f"{fill(rng, '&')}{region}{fill(rng, '@', _CZ_LETTERS)}:{fill(rng, '####')}"
    elif kind < 0.86:  # Prague since 2023
        printed = fill(rng, "&A@:@###", _CZ_LETTERS)
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
        if kind < 0.905:  # lorries and buses
            design = replace(design, ground=pick(rng, (ORANGE, YELLOW)))
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


_CZ_RARE = Design("Czech Republic", (), (520, 110), DIN, text_mm=76, left=european("CZ"))
_rare_czech = plates_of(
    (replace(_CZ_RARE, border=BLACK, mark=(60, 150, 80)),),
    (
        Series(4, ("&$#:/###", "&$:/####", "&$@:/###")),  # motorcycles
        Series(2, ("### CD/ ##", "### XX/ ##"), (replace(_CZ_RARE, ink=BLUE, border=BLUE),)),
        Series(3, ("##V /###", "##V /####"), (replace(_CZ_RARE, ink=GREEN, border=GREEN),)),
        Series(2, ("&$#:/####",), (replace(_CZ_RARE, ink=BRIGHT_RED, border=BRIGHT_RED),)),
        Series(1, ("### ## ##",), (replace(_CZ_RARE, left=None, border=BLACK),)),  # army
    ),
    letters=_CZ_LETTERS,
    heads=tuple("ASULKHEPCJBMTZ"),
    formats=(Format(0.4, (200, 160), 60, 28),),
)
