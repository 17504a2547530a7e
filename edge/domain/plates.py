"""Plates in clear text: normalised, and protected against accidental output."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import NoReturn

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""All characters of a normalised plate."""

MAX_LENGTH = 12
"""Largest number of characters of a plate, without separators."""

_FORMAT_MESSAGE = f"a plate is 1 to {MAX_LENGTH} letters A-Z and digits"

_SEPARATORS = str.maketrans("", "", " -._·•\t")


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
        """Normalise a plate: upper case, without separators. O/0 and I/1 stay distinct.

        Raises:
            PlateFormatError: the rest is empty, too long, or has characters outside A-Z and 0-9.
        """
        stripped = raw.translate(_SEPARATORS)
        # `upper` can create letters from non-ASCII text: ß becomes SS.
        if not stripped.isascii():
            raise PlateFormatError(_FORMAT_MESSAGE)
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
        message = "a clear-text plate is never serialised"
        raise TypeError(message)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One possible plate with its calibrated probability."""

    text: PlateText
    probability: float
