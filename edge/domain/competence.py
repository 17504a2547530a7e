"""For which hits an authority is competent: rules, places, hours and a time of validity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edge.domain.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Competence:
    """What an authority may be told. Nothing outside of it is ever sealed to it.

    Attributes:
        rules: ids of the rules that it acts on; no others.
        cameras: ids of the cameras in its territory; no others.
        since: the first moment of its mandate, aware.
        until: the first moment after it, aware.
        hours: when it is on duty; None means at any hour.
    """

    rules: frozenset[str]
    cameras: frozenset[str]
    since: datetime
    until: datetime
    hours: Schedule | None = None

    def covers(self, rule: str, camera: str, moment: datetime) -> bool:
        """Whether a hit of that rule, camera and moment is for this authority."""
        return (
            rule in self.rules
            and camera in self.cameras
            and self.since <= moment < self.until
            and (self.hours is None or self.hours.is_active(moment))
        )
