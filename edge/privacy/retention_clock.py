"""The time by which retention deletes: a wrong clock must neither delete everything nor nothing.

The machine's clock is compared with the time of the last run, and with the times of passage that
boxes have signed into the newest hits. The desk and `hits purge` both delete by it:

| the machine's clock                      | retention runs by                              |
| ---------------------------------------- | ---------------------------------------------- |
| has moved on by at most `LARGEST_STEP`   | it                                             |
| is further ahead of everything known     | the newest time known, until a person decides  |
| is behind the last run                   | the time of the last run                       |
| is a day behind what two boxes signed    | the time that both have reached, at most       |
|                                          | `LARGEST_STEP` past it                         |
| is a day behind what one box has signed  | itself; that box may be wrong                  |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from edge.formats.timestamps import utc_text

LARGEST_STEP: Final = timedelta(days=7)
"""How far the clock may move on without a hit and without a run before a person is asked.

Also how far past the clock retention runs because of boxes: two boxes with a wrong clock must not
delete everything.
"""

TOLERANCE: Final = timedelta(days=1)
"""How far clocks of boxes may be ahead."""


class ClockState(str, Enum):
    """What retention thinks of the machine's clock."""

    TRUSTED = "trusted"
    AHEAD = "ahead"
    BEHIND = "behind"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class TrustedTime:
    """The time by which retention runs, and what it thinks of the clock."""

    at: datetime
    state: ClockState

    @property
    def doubted(self) -> bool:
        """Whether a person must look at the clock."""
        return self.state in {ClockState.AHEAD, ClockState.BEHIND}


def clock_words(time: TrustedTime, now: datetime, command: str) -> str:
    """What is wrong with the clock, and the cure.

    Args:
        time: by which hits were deleted.
        now: the machine's clock.
        command: what deletes by the clock when a person says that it is right.
    """
    return (
        f"the clock of this machine says {utc_text(now)}, which is {time.state.value}: the newest "
        f"times that boxes and earlier runs have signed give {utc_text(time.at)}; hits "
        "that were due by then were deleted; synchronise the clock, or if it is right run "
        f"`edge-anpr {command} --clock-is-right`"
    )


def trusted_time(
    now: datetime, last_run: datetime | None, signed: Sequence[datetime], *, confirmed: bool
) -> TrustedTime:
    """The time by which retention runs.

    It is never more than `LARGEST_STEP` past the clock, unless an earlier run trusted that time.

    Args:
        now: the machine's clock.
        last_run: the latest time that an earlier run trusted; None: there was none.
        signed: the newest time of passage that each box has signed.
        confirmed: a person has compared the clock and says that it is right.
    """
    if confirmed:
        return TrustedTime(now, ClockState.CONFIRMED)
    boxes = sorted(signed, reverse=True)
    base = now if last_run is None else max(now, last_run)
    if boxes and boxes[0] > base + TOLERANCE:
        agreed = boxes[1] if len(boxes) > 1 else base
        return TrustedTime(max(base, min(agreed, now + LARGEST_STEP)), ClockState.BEHIND)
    known = [*boxes, *([] if last_run is None else [last_run])]
    if known and now > max(known) + LARGEST_STEP:
        return TrustedTime(max(known), ClockState.AHEAD)
    behind = last_run is not None and now < last_run - TOLERANCE
    return TrustedTime(base, ClockState.BEHIND if behind else ClockState.TRUSTED)
