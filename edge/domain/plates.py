"""Number plates as text: normalised, and shy about being shown."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import NoReturn

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The closed alphabet of a normalised plate."""

MAX_LENGTH = 12
"""Longest plate that is accepted, separators stripped."""

_WHAT = f"a plate is 1 to {MAX_LENGTH} letters A-Z and digits"

_SEPARATORS = str.maketrans("", "", " -._·•\t")


class PlateFormatError(ValueError):
    """Text that is no plate. The message never repeats the text."""


class PlateText:
    """A normalised plate in clear. Lives in RAM and inside a seal, nowhere else.

    It is a wrapper and not a `str`: it has no readable repr, no pickle, no JSON, no
    format. `reveal()` is the only way to the text, and a test keeps the list of files
    that may call it.
    """

    __slots__ = ("_text",)

    def __init__(self, normalised: str) -> None:
        if not 1 <= len(normalised) <= MAX_LENGTH or any(c not in ALPHABET for c in normalised):
            raise PlateFormatError(_WHAT)
        self._text = normalised

    @classmethod
    def parse(cls, raw: str) -> PlateText:
        """Normalise: upper case, separators stripped. O/0 and I/1 are never folded.

        Raises:
            PlateFormatError: what remains is empty, too long or outside A-Z and 0-9.
        """
        stripped = raw.translate(_SEPARATORS)
        # Outside ASCII upper case would manufacture letters: ß would become SS.
        if not stripped.isascii():
            raise PlateFormatError(_WHAT)
        return cls(stripped.upper())

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
        message = "a clear plate is never serialised"
        raise TypeError(message)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One possible plate with its calibrated probability."""

    text: PlateText
    probability: float
