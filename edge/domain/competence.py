"""The hits that an authority is competent for: by rule, camera, hours and mandate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edge.domain.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Competence:
    """The hits that may be sealed to one authority. No other hit is ever sealed to it.

    Attributes:
        rules: ids of the rules that it enforces.
        cameras: ids of the cameras in its territory.
        since: start of its mandate, an aware datetime.
        until: end of its mandate (exclusive), an aware datetime.
        hours: when it is on duty; None means at any hour.
    """

    rules: frozenset[str]
    cameras: frozenset[str]
    since: datetime
    until: datetime
    hours: Schedule | None = None

    def covers(self, rule: str, camera: str, moment: datetime) -> bool:
        """Whether this authority is competent for a hit of this rule, camera and moment (aware)."""
        return (
            rule in self.rules
            and camera in self.cameras
            and self.since <= moment < self.until
            and (self.hours is None or self.hours.is_active(moment))
        )
