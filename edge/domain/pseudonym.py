"""Pseudonyms of plates (tokens). Only tokens are compared with lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from edge.domain.appearance import NOTHING_STATED, Description

TOKEN_BYTES = 16
"""Length of a token in bytes."""


@dataclass(frozen=True, slots=True)
class PlateToken:
    """Pseudonym of a plate for one epoch, purpose, rule and box. It is not anonymous.

    The repr hides the value: a token in a log would link the passages within an epoch.
    """

    value: bytes = field(repr=False)

    def hex(self) -> str:
        """The value in hexadecimal. Only for the published hit."""
        return self.value.hex()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One hypothesis as a token with its probability, without the clear text."""

    token: PlateToken
    probability: float


@dataclass(frozen=True, slots=True)
class ListedPeriod:
    """A list entry without its plate: id and validity from `start` until `end` (exclusive).

    `stated` is what it says of the vehicle's kind and colour.
    """

    entry_id: str = field(repr=False)
    start: datetime
    end: datetime
    stated: Description = field(default=NOTHING_STATED, repr=False)

    def covers(self, moment: datetime) -> bool:
        """Whether the entry is valid at this moment (aware)."""
        return self.start <= moment < self.end
