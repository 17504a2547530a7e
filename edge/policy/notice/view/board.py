"""The text of the sign, broken into lines that fit on it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from edge.policy.fields import Party
from edge.policy.notice.content import NoticeContent
from edge.policy.notice.drawings import QrCode, qr_code
from edge.policy.notice.words import Words

_LEFT, _TOP, _RIGHT, _BOTTOM = 32, 182, 440, 380
_LETTER = 0.56
"""Width of a letter in parts of its height, on the safe side of the average of the font."""

Line = tuple[str, float, bool]
"""Text, height in parts of a common size, bold or not; an empty one is a gap."""


@dataclass(frozen=True, slots=True)
class BoardLine:
    """A line of text: where it begins, how large it is, bold or not, grey or not."""

    text: str
    x: int
    y: str
    size: str
    bold: bool
    soft: bool


@dataclass(frozen=True, slots=True)
class BoardMark:
    """A word across a draft of the sign, which must not be put up."""

    word: str
    size: str


@dataclass(frozen=True, slots=True)
class Board:
    """The sign in one language."""

    language: str
    title: str
    lines: tuple[BoardLine, ...]
    website: QrCode
    mark: BoardMark | None


def board(content: NoticeContent, words: Words) -> Board:
    """The sign in one language."""
    policy = content.policy
    website = policy.information_board.website
    heading = words(f"board.{policy.legal.regime}")
    mark = "draft" if content.draft else "demo" if policy.demo else None
    lines = [
        *_party_lines(words("board.controller"), *_named(policy.controller, words)),
        ("", 0.5, False),
        *_party_lines(words("board.dpo"), *_named(policy.dpo, words)),
        ("", 0.5, False),
        *_party_lines(words("board.website"), "", website),
    ]
    return Board(
        language=words.language,
        title=heading,
        lines=(*_heading(heading), *_fitted(lines)),
        website=qr_code(website),
        mark=None if mark is None else _mark(words(f"board.{mark}")),
    )


def _heading(text: str) -> Iterator[BoardLine]:
    """The heading: the kind of surveillance in large letters, the act below."""
    what, _, act = text.partition(" – ")
    y = 62.0
    for part, size, columns in ((what, 29, 19), (act, 21, 27)):
        for line in textwrap.wrap(part, columns):
            yield _line(line, 250, y, size, bold=True)
            y += size * 1.25


def _named(one: Party, words: Words) -> tuple[str, str]:
    return one.name.of(words.language), one.contact.of(words.language)


def _party_lines(term: str, name: str, contact: str) -> Iterator[Line]:
    """One party: a small heading, the name, how to reach it."""
    yield term, 0.82, False
    if name:
        yield from ((line, 1.0, True) for line in _wrapped(name))
    yield from ((line, 1.0, False) for line in _wrapped(contact))


def _wrapped(text: str) -> list[str]:
    """The text in lines that break between words only, so that an address stays whole."""
    return textwrap.wrap(text, 48, break_long_words=False, break_on_hyphens=False)


def _fitted(lines: list[Line]) -> Iterator[BoardLine]:
    """All lines, as large as the height and width of the sign allow; none is left out."""
    height = sum(part for _, part, _ in lines) * 1.25
    longest = max(len(text) * part for text, part, _ in lines)
    size = min(17.5, (_BOTTOM - _TOP) / height, (_RIGHT - _LEFT) / (longest * _LETTER))
    y = float(_TOP)
    for text, part, bold in lines:
        y += part * size * 1.25
        if text:
            yield _line(text, _LEFT, y, part * size, bold=bold, soft=part < 1)


def _line(
    text: str, x: int, y: float, size: float, *, bold: bool = False, soft: bool = False
) -> BoardLine:
    return BoardLine(text, x, f"{y:.1f}", f"{size:.1f}", bold, soft)


def _mark(word: str) -> BoardMark:
    return BoardMark(word, f"{min(110.0, 620 / (0.72 * len(word))):.0f}")
