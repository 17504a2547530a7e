"""Reports whether the box's pipeline makes progress and its cameras and threads work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edge.adapters.host.kernel_clock import KernelClock
from edge.adapters.host.metrics import Answer, CameraFigures, Figures, RuleFigures, State
from edge.box.traffic import ClosedEpochs
from edge.domain.schedule import closed_until
from edge.formats.plurals import quantity

STALLED_S = 20.0
"""A pipeline that reports nothing for this long counts as stalled."""


class BoxHealth:
    """The health of the whole box; safe to use from any thread.

    Args:
        version, site, box: the product's version and the ids of site and box.
        traffic: the sums over closed epochs.
        cameras: returns the figures of each camera.
        broker: returns whether the broker is connected, and how often it was.
        rules: returns the figures of each rule.
        epoch_s: length of an epoch in seconds.
        monotonic: the monotonic clock, seconds.
        clock: returns the state of the kernel's clock.
        temperatures: returns rounded degrees by zone.
        stalled_s: seconds without a report after which the pipeline counts as stalled.
        broker_problems: returns in single words what the broker refuses, and the like.
        certificate_ends: returns when the box's certificate ends, Unix time; None: it has none.
    """

    def __init__(  # noqa: PLR0913 - one port for each reported part
        self,
        *,
        version: str,
        site: str,
        box: str,
        traffic: ClosedEpochs,
        cameras: Callable[[], Sequence[CameraFigures]],
        broker: Callable[[], tuple[bool, int]],
        rules: Callable[[], Sequence[RuleFigures]],
        epoch_s: float,
        monotonic: Callable[[], float],
        clock: Callable[[], KernelClock | None],
        temperatures: Callable[[], dict[str, int]],
        stalled_s: float = STALLED_S,
        broker_problems: Callable[[], Sequence[str]] = tuple,
        certificate_ends: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._version, self._site, self._box = version, site, box
        self._traffic = traffic
        self._cameras = cameras
        self._broker = broker
        self._broker_problems = broker_problems
        self._certificate_ends = certificate_ends
        self._rules = rules
        self._epoch_s = epoch_s
        self._monotonic = monotonic
        self._clock = clock
        self._temperatures = temperatures
        self._stalled_s = stalled_s
        self._lock = threading.Lock()
        self._state: State = "starting"
        self._reason = "starting"
        self._turned_at: float | None = None
        self._epochs_begun = 0
        self._key_since: float | None = None
        self._on_state: Callable[[State], None] = lambda _state: None
        self._parts: dict[str, Callable[[], bool]] = {}

    def watch(self, name: str, is_alive: Callable[[], bool]) -> None:
        """Report the box as unhealthy when this thread has ended."""
        with self._lock:
            self._parts[name] = is_alive

    def follow(self, on_state: Callable[[State], None]) -> None:
        """Call a function with each new state, from the thread that enters it."""
        self._on_state = on_state

    def turned(self, epochs_begun: int) -> None:
        """Record that the pipeline is alive: it took a frame, or none came while it waited.

        Args:
            epochs_begun: epochs so far; when the number changes, the epoch's key is new.
        """
        with self._lock:
            self._turned_at = self._monotonic()
            if epochs_begun != self._epochs_begun:
                self._epochs_begun, self._key_since = epochs_begun, self._turned_at

    def enter(self, state: State, reason: str) -> None:
        """Enter another state; a box that is safe or stopping does not come back online."""
        with self._lock:
            if state == "online" and self._state != "starting":
                return
            if self._state == "safe":  # the safe state and its reason stay visible
                return
            self._state, self._reason = state, reason
        self._on_state(state)

    def healthy(self) -> Answer:
        """Whether every thread is alive and a pipeline that has started makes progress."""
        with self._lock:
            parts, turned_at = dict(self._parts), self._turned_at
            working = self._state == "online"
        for name, is_alive in parts.items():
            if working and not is_alive():
                return Answer(holds=False, reason=f"{name}-ended")
        if working and turned_at is not None and self._monotonic() - turned_at > self._stalled_s:
            return Answer(holds=False, reason="stalled")
        return Answer(holds=True, reason="running")

    def ready(self) -> Answer:
        """Whether the box is online and each camera gives frames."""
        with self._lock:
            state, reason = self._state, self._reason
        if state != "online":
            return Answer(holds=False, reason=reason)
        if not all(camera.up for camera in self._cameras()):
            return Answer(holds=False, reason="camera-away")
        alive = self.healthy()
        return alive if not alive.holds else Answer(holds=True, reason="online")

    def status(self) -> str:
        """One line for the service manager, about cameras and broker, never about the traffic."""
        with self._lock:
            state, reason = self._state, self._reason
        cameras = self._cameras()
        connected, _ = self._broker()
        broker = "reached" if connected else "away"
        problems = "".join(f", {problem}" for problem in self._broker_problems())
        up = sum(camera.up and camera.opens_at is None for camera in cameras)
        gives = "gives" if 1 in {up, len(cameras)} else "give"
        why = "" if reason == state else f" ({reason})"
        return (
            f"{state}{why}; {up} of {quantity(len(cameras), 'camera')} {gives} frames; "
            f"broker {broker}{problems}"
            f"{_closed(cameras)}{_without_substream(cameras)}{self._idle_rules()}"
        )

    def _idle_rules(self) -> str:
        """Which rules make no hits, and why; empty if all do."""
        rules = self._rules()
        stopped = [rule.name for rule in rules if rule.stopped]
        without = [rule.name for rule in rules if rule.without_permits]
        return "".join(
            f"; {why}: {', '.join(names)}"
            for why, names in (("E_HIT_SHARE, stopped", stopped), ("too few permits left", without))
            if names
        )

    def figures(self) -> Figures:
        """The figures that the metrics show, now."""
        shown = self._traffic.shown
        connected, connections = self._broker()
        with self._lock:
            key_since, state, reason = self._key_since, self._state, self._reason
        return Figures(
            version=self._version,
            site=self._site,
            box=self._box,
            state=state,
            reason=reason,
            cameras=tuple(self._cameras()),
            broker_connected=connected,
            broker_connections=connections,
            broker_problems=tuple(self._broker_problems()),
            key_age_s=None if key_since is None else round(self._monotonic() - key_since, 3),
            clock=self._clock(),
            temperatures=self._temperatures(),
            epochs=shown.epochs,
            vehicles=shown.vehicles,
            hits=shown.hits,
            contradicted=shown.contradicted,
            analysed=shown.analysed,
            dropped=shown.dropped,
            stage_s=shown.stage_s,
            outbox=shown.waiting,
            outbox_age_s=shown.waiting_epochs * self._epoch_s,
            rules=tuple(self._rules()),
            certificate_ends=self._certificate_ends(),
        )


def _closed(cameras: Sequence[CameraFigures]) -> str:
    """Which cameras the policy's hours keep closed, and until when; empty if none."""
    return "".join(
        f"; {one.name} closed {closed_until(one.opens_at)}" for one in cameras if one.opens_at
    )


def _without_substream(cameras: Sequence[CameraFigures]) -> str:
    """Which cameras that give frames are watched at more work; empty if none is."""
    open_ones = [one for one in cameras if one.up and one.opens_at is None]
    names = [one.name for one in open_ones if one.substream is False]
    return f"; without substream: {', '.join(names)}" if names else ""
