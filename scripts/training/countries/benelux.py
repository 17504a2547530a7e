"""Plates of Belgium, the Netherlands and Luxembourg."""

from __future__ import annotations

from dataclasses import replace

from scripts.training.plate_design import (
    ALL,
    BLACK,
    BLUE,
    GREEN,
    LIGHT_BLUE,
    NAVY,
    RED,
    WHITE,
    YELLOW,
    Design,
    Rng,
    chosen,
    european,
    fill,
    personal_text,
    pick,
    two_lines,
)

# --- Belgium -------------------------------------------------------------------------------
_BE_LETTERS = "ABCDEFGHJKLNPRSTUVXYZ"
_BE_FONTS = ("OSP-DIN.ttf", "RG2014D.ttf", "RobotoCondensed-Bold.ttf", "RG2014C.ttf", "RG2014E.ttf")


def belgium(rng: Rng) -> Design:
    """A Belgian plate: red on white; since 2010 a digit, three letters and three digits."""
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
        design = replace(banded, lines=(personal_text(rng, length),))
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
