"""Plates in clear text: normalised, and protected against accidental output."""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""All characters of a normalised plate."""

MAX_LENGTH = 12
"""Largest number of characters of a plate, without separators."""

_FORMAT_MESSAGE = f"a plate is 1 to {MAX_LENGTH} letters A-Z and digits"
_FOREIGN_MESSAGE = (
    "a letter or sign that no box can read; write the letters A-Z and the digits that the plate "
    "shows"
)

_SEPARATORS: Final = frozenset("._·•\t\N{MINUS SIGN}")
# Word processors and web pages put these between letters, where nobody sees them.
_INVISIBLE: Final = frozenset("\N{SOFT HYPHEN}\N{ZERO WIDTH SPACE}\N{WORD JOINER}\ufeff")

# Letters whose mark Unicode does not take apart, and the ligature of two letters.
_WITHOUT_MARKS: Final[Mapping[str, str]] = {
    "Æ": "AE",
    "Ø": "O",
    "Đ": "D",
    "Ð": "D",
    "Ł": "L",
    "Ħ": "H",
}
# Letters of Greek and Cyrillic plates by their names in Unicode, each with the Latin letter of the
# same shape. Countries with these scripts use no other letters, so that every camera can read them.
_GREEK: Final = (
    "ALPHA=A BETA=B EPSILON=E ZETA=Z ETA=H IOTA=I KAPPA=K MU=M NU=N OMICRON=O RHO=P TAU=T "
    "UPSILON=Y CHI=X"
)
_CYRILLIC: Final = (
    "A=A VE=B IE=E KA=K EM=M EN=H O=O ER=P ES=C TE=T U=Y HA=X BYELORUSSIAN-UKRAINIAN_I=I JE=J"
)
_LOOKALIKES: Final[Mapping[str, str]] = {
    unicodedata.lookup(f"{script} CAPITAL LETTER {name.replace('_', ' ')}"): latin
    for script, letters in (("GREEK", _GREEK), ("CYRILLIC", _CYRILLIC))
    for name, latin in (one.split("=") for one in letters.split())
}
_MARKS: Final = range(0x0300, 0x0370)
"""Combining Diacritical Marks: what canonical decomposition makes of the mark of a letter."""


class PlateFormatError(ValueError):
    """The text is not a plate. The message never repeats the text."""


class PlateText:
    """A normalised plate in clear text. It exists only in RAM and inside a seal.

    It is a wrapper, not a `str`: its repr is redacted and it cannot be pickled, copied, formatted
    or written as JSON. `reveal()` is the only way to the text, and a test keeps the list of files
    that may call it.

    Raises:
        PlateFormatError: not 1 to `MAX_LENGTH` characters of `ALPHABET`.
    """

    __slots__ = ("_text",)

    def __init__(self, normalised: str) -> None:
        if not 1 <= len(normalised) <= MAX_LENGTH or any(c not in ALPHABET for c in normalised):
            raise PlateFormatError(_FORMAT_MESSAGE)
        self._text = normalised

    @classmethod
    def parse(cls, raw: str) -> PlateText:
        """Normalise a plate as a person types it: upper case, without separators and marks.

        Marks are dropped, composed or not (Ü becomes U), since readers know A-Z only. Greek and
        Cyrillic letters become the Latin ones of the same shape. Separators are all spaces, all
        hyphens and dashes, and `._·•`. O/0 and I/1 stay distinct.

        Raises:
            PlateFormatError: the rest is empty, too long, or has other characters.
        """
        folded = fold(raw)
        if not folded.isascii():
            raise PlateFormatError(_FOREIGN_MESSAGE)
        return cls(folded)

    def reveal(self) -> str:
        """The clear text. Every caller is on the list in tests/unit/test_plate_text_callers.py."""
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PlateText):
            return NotImplemented
        return hmac.compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash((PlateText, self._text))

    def __repr__(self) -> str:
        return "PlateText(…)"

    def __str__(self) -> str:
        return "PlateText(…)"

    def __format__(self, spec: str) -> str:
        return "PlateText(…)"

    def __reduce__(self) -> NoReturn:
        message = "a clear-text plate is never serialised"
        raise TypeError(message)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()


def fold(raw: str) -> str:
    """A text as `PlateText.parse` reads it: capitals without marks, spaces, hyphens and dots."""
    folded = letters = ""
    for character in unicodedata.normalize("NFD", raw):
        if _is_mark(character) and letters.isalpha():
            continue
        letters = _folded(character)
        folded += letters
    return folded


def is_folded(raw: str) -> bool:
    """Whether `PlateText.parse` changes a letter of this plate, other than to upper case."""
    return any(_is_mark(one) or (one.isalpha() and not one.isascii()) for one in raw)


def _is_mark(character: str) -> bool:
    return ord(character) in _MARKS


def _folded(character: str) -> str:
    """What `PlateText.parse` makes of one character without marks; itself if it is no letter."""
    if (
        character in _SEPARATORS
        or character in _INVISIBLE
        or unicodedata.category(character) in {"Zs", "Pd"}
    ):
        return ""
    # `upper` can also make other letters: SS of ß, S of the long s, I of the dotless i.
    capital = character.upper()
    if capital.lower() != character.lower():
        return character
    return _WITHOUT_MARKS.get(capital) or _LOOKALIKES.get(capital) or capital


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One possible plate with its calibrated probability."""

    text: PlateText
    probability: float
