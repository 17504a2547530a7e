"""The sign at the place: what the Belgian royal decree of 10 February 2008 asks for, as SVG.

Below the drawing of a camera with the letters ANPR on it stand the act, the controller with an
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
_INK, _SOFT, _PAPER, _CAMERA, _MARK = "#000000", "#333333", "#ffffff", "#f2b705", "#b00020"
_LEFT, _TOP, _BOTTOM = 32, 182, 380
_LETTER = 0.56
"""Width of a letter in parts of its height, on the safe side of the average of the font."""

Line = tuple[str, float, bool]
"""Text, height in parts of a common size, bold or not; an empty one is a gap."""


def information_board(facts: Facts, words: Words) -> str:
    """The sign in one language, as an SVG document."""
    policy = facts.policy
    website = policy.information_board.website
    heading = words(f"board.{policy.legal.regime}")
    mark = "draft" if facts.draft else "demo" if policy.demo else None
    lines = [
        *_told(words("board.controller"), policy.controller.name, policy.controller.contact),
        ("", 0.5, False),
        *_told(words("board.dpo"), policy.dpo.name, policy.dpo.contact),
        ("", 0.5, False),
        *_told(words("board.website"), "", website),
    ]
    drawn = element(
        "svg",
        element("title", heading),
        element("rect", width=WIDTH_MM, height=HEIGHT_MM, fill=_PAPER),
        _frame(),
        _camera(),
        *_heading(heading),
        *_fitted(lines),
        qr_code(website, x="452", y="258", width="122", height="122"),
        None if mark is None else _marked(words(f"board.{mark}")),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH_MM} {HEIGHT_MM}",
        width=f"{WIDTH_MM}mm",
        height=f"{HEIGHT_MM}mm",
        font_family=_FONT,
        lang=words.language,
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{drawn.text}'


def _frame() -> Markup:
    return element(
        "rect", x=6, y=6, width=588, height=388, rx=10, fill="none", stroke=_INK, stroke_width=3
    )


def _camera() -> Markup:
    letters = element(
        "text",
        "ANPR",
        x=62,
        y=43,
        font_size=19,
        font_weight="bold",
        fill=_INK,
        stroke="none",
        text_anchor="middle",
        transform="rotate(8.7 62 37)",
    )
    return element(
        "g",
        pictogram(),
        letters,
        transform="translate(28 26) scale(1.7)",
        fill=_CAMERA,
        stroke=_INK,
        stroke_width="1.5",
        stroke_linejoin="round",
    )


def _heading(text: str) -> Iterator[Markup]:
    """The act's words: what it is large, the act itself below."""
    what, _, act = text.partition(" – ")
    y = 62.0
    for part, size, columns in ((what, 29, 19), (act, 21, 27)):
        for line in textwrap.wrap(part, columns):
            yield _text(line, 250, y, size, bold=True)
            y += size * 1.25


def _told(term: str, name: str, contact: str) -> Iterator[Line]:
    """One party: a small heading, the name, how to reach it."""
    yield term, 0.82, False
    if name:
        yield from ((line, 1.0, True) for line in _wrapped(name))
    yield from ((line, 1.0, False) for line in _wrapped(contact))


def _wrapped(text: str) -> list[str]:
    """Lines that break between words only: an address must stay whole."""
    return textwrap.wrap(text, 48, break_long_words=False, break_on_hyphens=False)


def _fitted(lines: list[Line]) -> Iterator[Markup]:
    """All lines, as large as height and width of the sign allow: none is ever left out."""
    height = sum(part for _, part, _ in lines) * 1.25
    longest = max(len(text) * part for text, part, _ in lines)
    size = min(17.5, (_BOTTOM - _TOP) / height, (440 - _LEFT) / (longest * _LETTER))
    y = float(_TOP)
    for text, part, bold in lines:
        y += part * size * 1.25
        if text:
            yield _text(text, _LEFT, y, part * size, bold=bold, soft=part < 1)


def _text(
    text: str, x: float, y: float, size: float, *, bold: bool = False, soft: bool = False
) -> Markup:
    return element(
        "text",
        text,
        x=f"{x:.0f}",
        y=f"{y:.1f}",
        font_size=f"{size:.1f}",
        font_weight="bold" if bold else None,
        fill=_SOFT if soft else _INK,
    )


def _marked(word: str) -> Markup:
    return element(
        "text",
        word,
        x=300,
        y=250,
        font_size=f"{min(110.0, 620 / (0.72 * len(word))):.0f}",
        font_weight="bold",
        fill=_MARK,
        fill_opacity="0.25",
        text_anchor="middle",
        transform="rotate(-18 300 220)",
    )
