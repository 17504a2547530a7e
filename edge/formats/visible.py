"""Which characters a text may hold: those that people see, and spaces between them.

A character that cannot be seen, or that turns the direction of the text around, makes a document
look other than it is: what was signed and what is read must be the same.
"""

from __future__ import annotations

import re
import unicodedata

# Control, format, surrogate, private and unassigned characters, line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Characters of other categories that Unicode calls ignorable (DerivedCoreProperties.txt), or that
# have no ink: joiners, Hangul and Braille fillers, variation selectors.
_BLANK_LETTERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f"
    "\U000e0100-\U000e01ef]"
)
_LINES = frozenset("\t\n\r")
# No language of Europe writes more than two marks on a letter once it is composed.
_MARKS = 3


def unseen_at(text: str) -> int | None:
    """The position of the first character that cannot be seen; None if there is none.

    Spaces, tabs and line breaks are no such characters.
    """
    marks = 0
    for position, character in enumerate(text):
        if " " <= character <= "~" or character in _LINES:
            marks = 0
            continue
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if category in _UNSEEN or _BLANK_LETTERS.match(character) or marks == _MARKS:
            return position
    return None


def code_point(character: str) -> str:
    """A character by number and name, such as `U+00AD SOFT HYPHEN`; it must not be printed itself.

    Control characters have no name.
    """
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def visible(text: str) -> str:
    """A text in which each character that cannot be seen stands as `[U+202E]`; one line."""
    while (at := unseen_at(text)) is not None:
        text = f"{text[:at]}[U+{ord(text[at]):04X}]{text[at + 1 :]}"
    return " ".join(text.split())
