"""The sign at the place: what the Belgian royal decree of 10 February 2008 asks for, as SVG.

It holds the statement, the letters ANPR inside the drawing of the camera, the controller with
address, the data protection officer and the website. Colours and drawing are this product's own:
whoever orders the sign takes the model in the decree's annex, and the words from here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from edge.policy.notice.drawings import pictogram, qr_code
from edge.policy.notice.markup import Markup, element
from edge.policy.notice.page import Facts
from edge.policy.notice.words import Words

WIDTH_MM, HEIGHT_MM = 600, 400
"""The size for a place that is not enclosed: 0.60 by 0.40 m."""

_FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"
_INK, _PAPER = "#000000", "#ffffff"


def information_board(facts: Facts, words: Words) -> str:
    """The sign in one language, as an SVG document."""
    policy = facts.policy
    board = policy.information_board
    mark = "draft" if facts.draft else "demo" if policy.demo else None
    camera = element(
        "g",
        pictogram(),
        element(
            "text",
            "ANPR",
            x=62,
            y=43,
            font_size=19,
            font_weight="bold",
            fill=_INK,
            text_anchor="middle",
            transform="rotate(8.7 62 37)",
        ),
        transform="translate(32 36) scale(1.75)",
        fill="#f2b705",
        stroke=_INK,
        stroke_width="1.5",
        stroke_linejoin="round",
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        + element(
            "svg",
            element("title", words(f"board.{policy.legal.regime}")),
            element("rect", width=WIDTH_MM, height=HEIGHT_MM, fill=_PAPER),
            element(
                "rect", x=6, y=6, width=588, height=388, rx=10, fill="none", stroke=_INK,
                stroke_width=3,
            ),
            camera,
            *_lines(words(f"board.{policy.legal.regime}"), 268, 62, 24, 22, bold=True),
            *_told(policy.controller.name, policy.controller.contact, words("board.controller"), 215),
            *_told(policy.dpo.name, policy.dpo.contact, words("board.dpo"), 283),
            *_told("", board.website, words("board.website"), 351),
            qr_code(board.website, x="462", y="268", width="112", height="112"),
            None
            if mark is None
            else element(
                "text", words(f"board.{mark}"), x=300, y=262, font_size=110, font_weight="bold",
                fill="#b00020", fill_opacity="0.25", text_anchor="middle",
                transform="rotate(-18 300 220)",
            ),
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {WIDTH_MM} {HEIGHT_MM}",
            width=f"{WIDTH_MM}mm",
            height=f"{HEIGHT_MM}mm",
            font_family=_FONT,
            lang=words.language,
        ).text
    )  # fmt: skip


def _told(name: str, contact: str, term: str, y: int) -> Iterator[Markup]:
    """One party: a small heading, the name, how to reach it."""
    yield element("text", term, x=32, y=y, font_size=13, fill="#333333")
    lines = [(name, True)] if name else []
    lines += [(line, False) for line in textwrap.wrap(contact, 58)[:2]]
    for number, (line, bold) in enumerate(lines, start=1):
        yield element(
            "text",
            line,
            x=32,
            y=y + 17 * number,
            font_size=_fitting(line, 15, 420),
            font_weight="bold" if bold else None,
            fill=_INK,
        )


def _lines(
    text: str, x: int, y: int, size: int, columns: int, *, bold: bool = False
) -> Iterator[Markup]:
    for number, line in enumerate(textwrap.wrap(text, columns)):
        yield element(
            "text",
            line,
            x=x,
            y=y + number * size * 1.3,
            font_size=size,
            font_weight="bold" if bold else None,
            fill=_INK,
        )


def _fitting(line: str, size: float, width: float) -> str:
    """The size at which a line surely fits: no letter of the font is wider on average than 0.6."""
    return f"{min(size, width / (0.6 * max(1, len(line)))):.1f}"
