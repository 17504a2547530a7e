"""Entries of alert lists and exempt lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from edge.domain.appearance import NOTHING_STATED, Description
from edge.domain.plates import PlateText


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry of an alert or exempt list, valid from `start` until `end` (exclusive).

    The repr shows nothing that identifies a person.

    Attributes:
        entry_id: id of the entry in its list.
        plate: the listed plate.
        start: start of validity, aware, UTC.
        end: end of validity, aware, UTC.
        basis: the legal basis.
        reason: why this vehicle is listed.
        issuer: who decided to list it.
        stated: kind and colour of the listed vehicle, as far as the entry states them.
    """

    entry_id: str = field(repr=False)
    plate: PlateText
    start: datetime
    end: datetime
    basis: str = field(repr=False)
    reason: str = field(repr=False)
    issuer: str = field(repr=False)
    stated: Description = field(default=NOTHING_STATED, repr=False)
