"""Changes the version of a box: stop, copy, switch, try, and keep it or go back.

Each step is written to the journal before it is taken, and each can be taken twice. So whenever the
updater or the machine is killed, `current` names the old or the new version, the next run continues
at the step, and the box runs one of the two.

The updater itself runs from `proven`, the last version that proved healthy. A new version that does
not even start can therefore not stop the way back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.adapters.host.system import SystemClock
from edge.errors import EdgeError
from edge.formats.timestamps import utc_text
from edge.pipeline.ports import Clock
from edge.privacy.box_status import Outcome
from edge.updates.journal import (
    Ended,
    HealthHeard,
    Journal,
    VersionChange,
    load_journal,
    save_journal,
    tell_box,
)
from edge.updates.ports import BoxService, HealthProbe, boot_id
from edge.updates.problems import UpdateError, UpdateStateError
from edge.updates.slots import PROVEN, Slot
from edge.updates.state_copy import copy_state, drop_copy, put_back, require_room
from edge.updates.targets import Kind

MOST_TRIES: Final = 3
"""How often a trial is begun again after the updater or the machine stopped during it."""

STOPPED: Final = "somebody has stopped the service of the box during the trial"

ORDERED: Final = frozenset({"E_SUSPENDED"})
"""Why a box may be safe after a change in any case: a version that obeys an order works."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrialTerms:
    """When a new version is healthy.

    Attributes:
        longest_s: how long it may take, seconds.
        steady_s: how long it must stay healthy without a break, seconds.
        every_s: how often it is asked, seconds.
    """

    longest_s: float = 600.0
    steady_s: float = 60.0
    every_s: float = 2.0


class VersionChanger:
    """Changes versions on one box. Only one runs at a time: `edge.cli.update` holds a lock.

    Args:
        slots: the versions of each kind.
        work: the updater's folder.
        state: the box's state folder.
        service: the service of the box.
        probe: asks for its state.
        terms: when a new version is healthy.
        clock: the machine's.
        pause: waits for seconds.
    """

    def __init__(
        self,
        slots: dict[Kind, Slot],
        work: Path,
        state: Path,
        service: BoxService,
        probe: HealthProbe,
        *,
        terms: TrialTerms,
        clock: Clock | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._slots = slots
        self._work = work
        self._state = state
        self._service = service
        self._probe = probe
        self._terms = terms
        self._clock = clock or SystemClock()
        self._pause = pause

    def change(self, kind: Kind, version: str) -> Ended:
        """Try a version that is prepared; returns how that ended.

        Raises:
            UpdateError: it could not begin; the version before runs, or stays stopped.
        """
        if self._service.is_stopped():
            raise UpdateError(
                f"{kind}/{version} is not tried: somebody has stopped the service of the box, and "
                "a trial would open its cameras again; start the service first"
            )
        before = self._slots[kind].current()
        if kind == "release" and before is None:
            raise UpdateStateError(
                "the program's folder has no link `current`, so there would be no way back; "
                "install the box as docs/updates.md describes"
            )
        change = VersionChange(
            kind=kind,
            before=before,
            after=version,
            health=self._probe(),
            phase="stopping",
        )
        return self._taken(change)

    def go_back(self, kind: Kind, version: str) -> Ended:
        """Go back to an older version because a person asks for it; returns how that ended.

        A service that somebody has stopped stays stopped.
        """
        current = self._slots[kind].current()
        if current is None:
            raise UpdateError(
                f"no version of {kind} is in use, so there is nothing to go back from"
            )
        change = VersionChange(
            kind=kind,
            before=version,
            after=current,
            health=self._probe(),
            phase="returning",
            why="a person asked to go back",
            by_hand=True,
            stopped=self._service.is_stopped() or None,
        )
        return self._taken(change)

    def refuse(self, name: str, why: str) -> Ended:
        """Note that a signed archive is not usable on this box; it is not tried again."""
        journal = load_journal(self._work)
        ended = self._tell(name, "failed", why)
        failed = {**journal.failed, name: why}
        save_journal(self._work, journal.model_copy(update={"failed": failed, "last": ended}))
        return ended

    def resume(self) -> Ended | None:
        """Finish what an earlier run has begun; None if there was nothing."""
        change = load_journal(self._work).change
        if change is None:
            return None
        # After a power cut it does not run either, though nobody stopped it.
        same_boot = change.started_in is not None and change.started_in == boot_id()
        if same_boot and self._service.is_stopped():
            returning = {"phase": "returning", "why": change.why or STOPPED, "stopped": True}
            change = change.model_copy(update=returning)
        elif change.phase == "trial" and self._slots[change.kind].current() != change.after:
            # Killed before the switch. The version before may have run since, so copy again.
            change = change.model_copy(update={"phase": "stopping"})
        return self._taken(change)

    # --- the steps ----------------------------------------------------------------------------

    def _taken(self, change: VersionChange) -> Ended:
        if change.phase == "stopping":
            change = self._stopped(change)
        if change.phase == "trial":
            change, healthy = self._tried(change)
            if healthy:
                return self._accepted(change)
        return self._returned(self._noted(change.model_copy(update={"started_in": None})))

    def _stopped(self, change: VersionChange) -> VersionChange:
        """Stop the box and copy its state.

        Raises:
            EdgeError: that failed, or there is no room; the version before runs.
        """
        try:
            self._noted(change)
            require_room(self._state, self._work, copies=change.kind == "release")
            self._service.stop()
            if change.kind == "release":
                copy_state(self._state, self._work)
        except EdgeError as error:
            self._service.start()
            self._end(change, "failed", error.message, again=True)
            raise
        return change.model_copy(update={"phase": "trial"})

    def _tried(self, change: VersionChange) -> tuple[VersionChange, bool]:
        """Start the new version and watch it; returns whether it is healthy.

        Raises:
            EdgeError: the switch failed, as on a full disk; the version before was started again.
        """
        tries, slot = change.tries + 1, self._slots[change.kind]
        change = change.model_copy(update={"tries": tries, "started_in": None})
        if tries > MOST_TRIES:
            why = f"the machine or the updater stopped {MOST_TRIES} times during the trial"
            return change.model_copy(update={"phase": "returning", "why": why}), False
        try:
            self._noted(change)
            self._tell(change.name, "started", "")
            slot.point(change.after)
        except EdgeError as error:
            self._service.start()
            if slot.current() != change.after:
                self._end(change, "failed", error.message, again=True)
            raise
        change = self._started(change)
        problem = self._unhealthy(change)
        if problem is None:
            return change, True
        stopped = self._service.is_stopped() or None
        if stopped:
            problem = STOPPED
        log.warning("%s: %s; the box goes back", change.name, problem)
        returning = {"phase": "returning", "why": problem, "stopped": stopped}
        return change.model_copy(update=returning), False

    def _unhealthy(self, change: VersionChange) -> str | None:
        """Why a version did not prove healthy within its term, or None."""
        began, since = self._clock.monotonic(), self._clock.utc()
        good_since: float | None = None
        why = "nothing was heard of the box"
        while (now := self._clock.monotonic()) - began < self._terms.longest_s:
            problem = _problem(self._probe(since), change)
            if problem is not None:
                good_since, why = None, problem
            elif good_since is None:
                good_since = now
            elif now - good_since >= self._terms.steady_s:
                return None
            self._pause(self._terms.every_s)
        return f"not healthy within {self._terms.longest_s:.0f} s: {why}"

    def _accepted(self, change: VersionChange) -> Ended:
        slot = self._slots[change.kind]
        if change.kind == "release":
            slot.point(change.after, PROVEN)
        ended = self._end(change, "installed", "")
        drop_copy(self._work)
        slot.prune()
        return ended

    def _returned(self, change: VersionChange) -> Ended:
        """Go back to the version before, with what it needs of the state before."""
        slot = self._slots[change.kind]
        self._service.stop()
        try:
            slot.point(change.before)
        except EdgeError:  # what ran runs again, and the next run of the updater goes back
            self._start_again(change)
            raise
        shut = None
        if change.kind == "release":
            slot.point(change.before, PROVEN)
            shut = put_back(self._state, self._work, change.after)
        why = change.why if shut is None else f"{change.why}; the box stays shut: {shut}"
        self._start_again(change)  # before the journal is closed, else a killed updater forgets it
        again = bool(change.stopped) and not change.by_hand
        ended = self._end(change, "rolled-back", why, again=again)
        drop_copy(self._work)
        return ended

    def _start_again(self, change: VersionChange) -> None:
        """Start the service, unless somebody has stopped it: that would open its cameras."""
        if not change.stopped:
            self._started(change)

    def _started(self, change: VersionChange) -> VersionChange:
        """Start the service, and note it: if it is stopped later in this boot, a person did it."""
        self._service.start()
        return self._noted(change.model_copy(update={"started_in": boot_id()}))

    # --- the journal --------------------------------------------------------------------------

    def _noted(self, change: VersionChange) -> VersionChange:
        journal = load_journal(self._work)
        save_journal(self._work, journal.model_copy(update={"change": change}))
        return change

    def _end(
        self, change: VersionChange, outcome: Outcome, why: str, *, again: bool = False
    ) -> Ended:
        """Close the change. A version that failed is not tried again, unless `again`."""
        journal = load_journal(self._work)
        ended = self._tell(change.name, outcome, why)
        failed = dict(journal.failed)
        if outcome != "installed" and not again:
            failed[change.name] = why
        save_journal(self._work, Journal(failed=failed, last=ended))
        return ended

    def _tell(self, target: str, outcome: Outcome, why: str) -> Ended:
        ended = Ended(target=target, outcome=outcome, why=why, at=utc_text(self._clock.utc()))
        tell_box(self._state, ended)
        return ended


def _problem(health: HealthHeard | None, change: VersionChange) -> str | None:
    """Why a box is not healthy after a change, or None."""
    if health is None:
        return "nothing is heard of the box"
    if change.kind == "release" and health.version not in {None, change.after}:
        return f"version {health.version} answers"
    before = change.health
    ordered = health.state == "safe" and health.reason in ORDERED
    same = before is not None and (health.state, health.reason) == (before.state, before.reason)
    if health.state == "online" or ordered or (health.state == "safe" and same):
        return None
    was = "" if before is None else f", and before {before.state} because of {before.reason}"
    return f"{health.state} because of {health.reason}{was}"
