"""What a broker refuses waits: twice as long after each refusal, and is logged once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from edge.adapters.broker.mqtt import PACKET_TOO_LARGE
from edge.errors import PublishError

_LOG = logging.getLogger(__name__)

# Reason codes of MQTT 5, section 2.4, with their names and cures.
_REASONS = {
    0x80: ("unspecified error", "see the broker's log"),
    0x83: ("implementation specific error", "see the broker's log"),
    0x87: ("not authorized", "allow it in the broker's access list"),
    0x90: ("topic name invalid", "allow the topic at the broker"),
    PACKET_TOO_LARGE: ("packet too large", "raise the broker's limit"),
    0x97: ("quota exceeded", "raise the broker's quota"),
    0x99: ("payload format invalid", "see the broker's log"),
}


def reason_text(reason: int) -> str:
    """A refusal's reason code with its name, and the cure."""
    name, cure = _REASONS.get(reason, ("no such reason is known", "see the broker's log"))
    return f"(reason 0x{reason:02x}): {name}; {cure}"


@dataclass(slots=True)
class RetryDelay:
    """When something may be sent again; each delay is twice the one before."""

    first_s: float
    due: float = 0.0
    times: int = 0

    def extend(self, now: float, longest_s: float) -> None:
        """Wait longer than before."""
        # 2**20 seconds is longer than any delay; without a bound the power would overflow.
        self.due = now + min(self.first_s * 2.0 ** min(self.times, 20), longest_s)
        self.times += 1


class Holds:
    """Things that the broker has refused, by key. Only one thread may use it.

    Args:
        monotonic: the monotonic clock, seconds.
        first_s: the wait after the first refusal.
        longest_s: the longest wait.
    """

    def __init__(self, monotonic: Callable[[], float], first_s: float, longest_s: float) -> None:
        self._monotonic = monotonic
        self._first_s = first_s
        self._longest_s = longest_s
        self._delays: dict[str, RetryDelay] = {}
        self._errors: dict[str, PublishError] = {}

    def hold(self, key: str, error: PublishError) -> None:
        """Let something wait; the first refusal is logged."""
        if key not in self._delays:
            _LOG.warning("%s", error)
        delay = self._delays.setdefault(key, RetryDelay(self._first_s))
        delay.extend(self._monotonic(), self._longest_s)
        self._errors[key] = error

    def waiting(self) -> list[str]:
        """What may not be tried yet."""
        now = self._monotonic()
        return [key for key, delay in self._delays.items() if delay.due > now]

    def release(self, key: str) -> bool:
        """Forget a refusal; returns whether there was one."""
        self._errors.pop(key, None)
        return self._delays.pop(key, None) is not None

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget the refusals of everything else."""
        for key in self._delays.keys() - set(keys):
            self.release(key)

    @property
    def refused(self) -> tuple[str, ...]:
        """What the broker has refused and not accepted since."""
        return tuple(self._delays)

    @property
    def error(self) -> PublishError | None:
        """Why the last of them was refused; None if there is none."""
        return next(reversed(self._errors.values()), None)
