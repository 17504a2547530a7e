"""Tokens: what a plate becomes before anything is compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class PlateToken:
    """A plate under one epoch, purpose, rule and box. A pseudonym, never anonymous.

    Its repr hides the value: a token in a log would link passages within an epoch.
    """

    value: bytes = field(repr=False)

    def hex(self) -> str:
        """For the hit that is published, and nothing else."""
        return self.value.hex()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One hypothesis after its clear text is gone."""

    token: PlateToken
    probability: float


@dataclass(frozen=True, slots=True)
class ListedPeriod:
    """A list entry as matching sees it: which entry, valid from `start` until before `end`."""

    entry_id: str = field(repr=False)
    start: datetime
    end: datetime

    def covers(self, moment: datetime) -> bool:
        return self.start <= moment < self.end
