"""Publishes signed statements of the box about itself: at the start, on changes, at a fixed rhythm.

Nothing here may follow the traffic. The rhythm is counted from the start, whatever happens in
between. Temperature and disk never cause a statement. The temperature is the lowest of a whole
interval, because work makes the processor warmer for a moment only.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.adapters.host.kernel_clock import KernelClock, kernel_clock
from edge.adapters.host.system import product_version
from edge.adapters.host.thermometers import temperatures
from edge.adapters.state.last_update import read_last_update
from edge.adapters.state.list_counters import COUNTERS_NAME, read_counters
from edge.adapters.state.policy_state import PolicyState
from edge.adapters.state.status_counter import next_counter
from edge.errors import EdgeError
from edge.pipeline.ports import Clock
from edge.privacy.box_status import (
    DISK_STEP_PERCENT,
    MOST_LISTS,
    TEMPERATURE_STEP_C,
    BoxClock,
    ListInForce,
    PolicyInForce,
    StatusFacts,
    UpdateResult,
    sign_status,
)
from edge.privacy.keys import BoxKeys
from edge.site.folder import SiteFolder

RHYTHM_S = 900.0
"""Seconds between two statements of a box in which nothing changes."""

LOOK_S = 30.0
"""Seconds between two looks at what may have changed, and at the thermometers."""

STOP_WITHIN_S = 2.0
"""How long a disk that hangs may delay the end of the run."""

log = logging.getLogger(__name__)


def _disk_share(folder: Path) -> float:
    """How full the disk of a folder is, as a share from 0 to 1.

    Raises:
        OSError: the folder does not exist.
    """
    usage = shutil.disk_usage(folder)
    return usage.used / max(1, usage.used + usage.free)


@dataclass(frozen=True, slots=True)
class Readings:
    """What is read from the machine.

    Attributes:
        clock: the kernel's clock.
        temperatures: rounded degrees by zone.
        disk: how full the disk of a folder is, as a share from 0 to 1.
    """

    clock: Callable[[], KernelClock | None] = kernel_clock
    temperatures: Callable[[], Mapping[str, int]] = temperatures
    disk: Callable[[Path], float] = _disk_share


@dataclass(frozen=True, slots=True)
class Running:
    """What only a running box knows.

    Attributes:
        weights_sha256: the digest of the weights in use; None: none are loaded.
        clock_steps: how often the wall clock was stepped since the start.
    """

    weights_sha256: str | None = None
    clock_steps: Callable[[], int] = lambda: 0


class StatusReports:
    """A thread that states what the box is. `say` may be called from any thread.

    Args:
        site: the checked site folder.
        keys: the box's own, which sign.
        clock: the box's clock, which never goes back.
        publish: gets each statement.
        running: what only a running box knows.
        readings: what is read from the machine.
        rhythm_s: seconds between two statements.
        look_s: seconds between two looks.
    """

    def __init__(
        self,
        site: SiteFolder,
        keys: BoxKeys,
        clock: Clock,
        publish: Callable[[bytes], None],
        *,
        running: Running | None = None,
        readings: Readings | None = None,
        rhythm_s: float = RHYTHM_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._site = site
        self._keys = keys
        self._clock = clock
        self._publish = publish
        self._running = running or Running()
        self._readings = readings or Readings()
        self._rhythm_s = rhythm_s
        self._look_s = look_s
        self._state: tuple[Literal["online", "safe"], str] = ("online", "running")
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        # The fields below are used by the thread only.
        self._policies: PolicyState | None = None
        self._said: StatusFacts | None = None
        self._due: float | None = None
        self._lowest: int | None = None
        self._slow: tuple[int | None, int | None] = (None, None)

    def say(self, state: Literal["online", "safe"], reason: str) -> None:
        """State soon that the box is in this state."""
        self._state = (state, reason)
        self._wake.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """State what has changed last, and end the thread; a second call does nothing."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_WITHIN_S)

    def _run(self) -> None:
        while True:
            ending = self._stopping.is_set()
            self._wake.clear()
            try:
                self.look()
            except EdgeError as error:
                log.warning("no status statement is sent: %s", error)
            except Exception as error:  # noqa: BLE001 - no reading may end the thread
                log.warning("no status statement is sent (%s)", type(error).__name__)
            if ending:
                return
            if not self._stopping.is_set():
                self._wake.wait(self._look_s)

    def look(self) -> None:
        """Publish a statement if one is due, or if anything but temperature and disk has changed.

        Raises:
            EdgeError: the counter cannot be written; the next look tries again.
        """
        now = self._clock.monotonic()
        self._measure()
        due = self._due is None or now >= self._due
        if due:
            self._slow = (self._lowest, self._disk())
        facts = self._facts()
        if not due and self._said is not None and facts == self._said:
            return
        at = self._clock.utc()
        counter = next_counter(self._site.state_folder, at)
        self._publish(sign_status(facts, counter, at, self._keys).to_bytes())
        self._said = facts
        if due:
            self._lowest = None
            self._due = now if self._due is None else self._due
            while self._due <= now:
                self._due += self._rhythm_s

    def _measure(self) -> None:
        """Keep the lowest reading of the warmest zone since the last statement of the rhythm."""
        zones = self._readings.temperatures()
        if zones:
            warmest = max(-100, min(200, max(zones.values())))
            rounded = TEMPERATURE_STEP_C * (warmest // TEMPERATURE_STEP_C)
            self._lowest = rounded if self._lowest is None else min(self._lowest, rounded)

    def _disk(self) -> int | None:
        try:
            share = self._readings.disk(self._site.state_folder)
        except OSError:
            return None
        return DISK_STEP_PERCENT * int(min(1.0, max(0.0, share)) * 100 / DISK_STEP_PERCENT)

    def _facts(self) -> StatusFacts:
        state, reason = self._state
        temperature, disk = self._slow
        update = read_last_update(self._site.state_folder)
        return StatusFacts(
            version=product_version(),
            state=state,
            reason=reason,
            weights_sha256=self._running.weights_sha256,
            policy=self._policy(),
            lists=self._lists(),
            clock=self._clock_state(),
            temperature_c=temperature,
            disk_percent=disk,
            update=None
            if update is None
            else UpdateResult(target=update.target, outcome=update.outcome),
        )

    def _policy(self) -> PolicyInForce:
        """The policy of the site folder, and when its lease on this box ends."""
        policy, digest, ends = self._site.policy, self._site.policy_sha256, None
        if not policy.demo:
            try:
                self._policies = self._policies or PolicyState(self._site.state_folder)
                in_force = self._policies.in_force()
            except EdgeError:
                in_force = None
            if in_force is not None and in_force.activation.lease.policy_sha256 == digest:
                ends = in_force.activation.lease.expires_at
        return PolicyInForce(sha256=digest, version=policy.version, lease_ends=ends)

    def _lists(self) -> tuple[ListInForce, ...]:
        try:
            held = read_counters(self._site.state_folder / COUNTERS_NAME).lists
        except EdgeError:
            return ()
        named = sorted(held.keys() & self._site.policy.lists.keys())[:MOST_LISTS]
        return tuple(ListInForce(list_=one, counter=held[one].counter) for one in named)

    def _clock_state(self) -> BoxClock:
        clock, steps = self._readings.clock(), self._running.clock_steps()
        return BoxClock(
            synchronised=None if clock is None else clock.synchronised,
            steps="none" if steps == 0 else "one" if steps == 1 else "several",
        )
