"""Plates of India, Vietnam, Malaysia, New Zealand and Australia: region "Unknown"."""

from __future__ import annotations

from scripts.training.plate_design import (
    BLACK,
    BLUE,
    BRIGHT_RED,
    GREEN,
    MAROON,
    NAVY,
    WHITE,
    YELLOW,
    Band,
    Design,
    Rng,
    Small,
    chosen,
    fill,
    pick,
)


def asian(rng: Rng) -> Design:
    """An Indian, Vietnamese or Malaysian plate, often in two lines."""
    kind = rng.random()
    fonts = (
        "RG2014D.ttf",
        "OSP-DIN.ttf",
        "RobotoCondensed-Bold.ttf",
        "DejaVuSansCondensed-Bold.ttf",
        "B612-Bold.otf",
    )
    if kind < 0.4:  # India
        state = pick(rng, "MH DL KA TN GJ RJ UP HR PB KL AP TS WB MP".split())
        printed = f"{state} {fill(rng, pick(rng, ('## @@ ####', '## @ ####', '# @@ ####')))}"
        colours = chosen(
            rng,
            [
                (65, (WHITE, BLACK)),
                (25, (YELLOW, BLACK)),
                (6, (GREEN, WHITE)),
                (4, (BLACK, YELLOW)),
            ],
        )
        size: tuple[int, int] = (500, 120)
        lines: tuple[str, ...] = (printed,)
        if rng.random() < 0.35:
            lines, size = (
                (printed[: printed.index(" ", 3)], printed[printed.index(" ", 3) + 1 :]),
                pick(rng, ((340, 200), (200, 100))),
            )
        text = 62.0 if size[1] == 120 else 0.38 * size[1]
        band = Band(34, BLUE, "IND", stars=False) if rng.random() < 0.4 else None
        border = colours[1] if rng.random() < 0.5 else None
        return Design(
            "Unknown", lines, size, fonts, colours[0], colours[1], text, left=band, border=border
        )
    if kind < 0.75:  # Vietnam
        head = f"{11 + int(rng.random() * 88)}{fill(rng, '@', 'ABCDEFGHKLMNPSTUVXYZ')}"
        tail = fill(rng, pick(rng, ("###.##", "###.##", "####")))
        ground, ink = chosen(
            rng,
            [
                (80, (WHITE, BLACK)),
                (12, (YELLOW, BLACK)),
                (5, (BLUE, WHITE)),
                (3, (BRIGHT_RED, WHITE)),
            ],
        )
        shape = rng.random()
        if shape < 0.45:
            return Design(
                "Unknown", (f"{head}-{tail}",), (520, 110), fonts, ground, ink, 76, border=ink
            )
        if shape < 0.75:
            return Design("Unknown", (head, tail), (330, 165), fonts, ground, ink, 64, border=ink)
        return Design(
            "Unknown",
            (f"{head[:2]}-{head[2]}{fill(rng, '&')}", tail),
            (190, 140),
            fonts,
            ground,
            ink,
            54,
            border=ink,
        )
    printed = fill(rng, pick(rng, ("@@@ ####", "@ #### @@", "@@ #### @", "S@@ #### @", "@@ ###")))
    dark = rng.random() < 0.6
    return Design(
        "Unknown",
        (printed,),
        (450, 110),
        fonts,
        BLACK if dark else WHITE,
        WHITE if dark else BLACK,
        74,
        border=WHITE if dark else BLACK,
    )


def antipodean(rng: Rng) -> Design:
    """A plate of New Zealand or Australia."""
    fonts = ("RG2014D.ttf", "routed-gothic.ttf", "RG2014E.ttf", "OSP-DIN.ttf")
    if rng.random() < 0.5:
        printed = fill(rng, pick(rng, ("@@@###", "@@####", "@@@##", "@@@###")))
        colours = chosen(rng, [(88, (WHITE, BLACK)), (12, (BLACK, WHITE))])
        return Design(
            "Unknown",
            (printed,),
            (360, 125),
            fonts,
            colours[0],
            colours[1],
            78,
            border=colours[1] if rng.random() < 0.5 else None,
        )
    ground, ink = pick(
        rng,
        (
            (WHITE, BLACK),
            (YELLOW, BLACK),
            (WHITE, NAVY),
            (WHITE, GREEN),
            (BLACK, WHITE),
            (WHITE, MAROON),
        ),
    )
    printed = fill(
        rng,
        pick(
            rng, ("@@@-###", "###.@@@", "@@@ ##@", "&@@ &@@", "@ ### @@@", "S###-@@@", "@@ ## @@")
        ),
    )
    word = pick(rng, ("VICTORIA", "QUEENSLAND", "NEW SOUTH WALES", "SOUTH COAST", "STATE OF WINE"))
    return Design(
        "Unknown",
        (printed,),
        (372, 134),
        fonts,
        ground,
        ink,
        76,
        small=(Small(word, (0.5, 0.90), 11, ink),),
        border=ink if rng.random() < 0.5 else None,
        area=(0.06, 0.83),
    )
