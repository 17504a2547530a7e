"""List entries: which plate, from when until when, and who said so on what ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from edge.domain.plates import PlateText


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry of an alert or exempt list, valid from `start` until just before `end`.

    Both moments are aware and in UTC. `basis` is the legal basis, `reason` why this vehicle
    is listed, `issuer` who decided it. Nothing that leads to a person shows in the repr.
    """

    entry_id: str = field(repr=False)
    plate: PlateText
    start: datetime
    end: datetime
    basis: str = field(repr=False)
    reason: str = field(repr=False)
    issuer: str = field(repr=False)
