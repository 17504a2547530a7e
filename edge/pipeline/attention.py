"""When to look: the interval between the frames that go to the detector.

It follows what is to be learnt. Motion that no tracked vehicle explains may be a new vehicle. A
tracked vehicle is looked at again before its place becomes uncertain, and as long as another view
may tell more about its plate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box
from edge.domain.motion import PASSED_OVER_S, Cells, MotionGate, MotionSettings, Moving
from edge.domain.scene import unit_of


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    """Parameters of the frame selection. Times in seconds of the stream."""

    motion: MotionSettings = field(default_factory=MotionSettings)
    after_motion_s: float = 0.5
    """A place counts as moving for this long after its last motion."""
    idle_interval_s: float = 1.0
    """Interval between looks without motion or tracks: slow objects cause no motion."""
    longest_idle_s: float = 4.0
    """That interval grows to this, as long as still nothing moves: what moves too slowly to be
    noticed stays in view for far longer."""
    idle_share: float = 0.2
    """An idle view is looked at again after this share of the time since its last motion."""
    longest_unchanged_s: float = 10.0
    unchanged_share: float = 0.5
    """Both again for a view in which nothing has changed since the last look, not even slowly."""
    untracked_interval_s: float = 0.24
    """Interval between looks while something moves that is not tracked, as long as nobody knows
    how long a vehicle stays in view."""
    shortest_untracked_s: float = 0.06
    longest_untracked_s: float = 0.3
    """Limits of that interval."""
    looks_in_view: float = 5.0
    """Looks in the time in which the fastest of the last vehicles was in view."""
    small_motion: float = 0.005
    """Share of the picture below which motion is too small for a car whose plate can be read."""
    vain_looks: int = 4
    """After so many looks without a vehicle, small motion at that place is looked at as rarely as
    an idle view: traffic far away, leaves, a reflection."""
    rest_s: float = 10.0
    """A place without motion for this long counts as new when it moves again."""
    remembered_views: int = 8
    """Number of vehicles whose time in view is remembered."""
    path_interval_s: float = 0.06
    """Largest interval while something moves, if a rule of the camera needs the vehicle's path."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A tracked vehicle between two looks, in fractions of the picture.

    Attributes:
        around: what moves with it, at the last look.
        velocity: of that, (x, y) in fractions per second.
        seen_s: time of the last look.
        interval_s: the next look is due so long after the last one.
    """

    around: Box
    velocity: tuple[float, float]
    seen_s: float
    interval_s: float

    @classmethod
    def of(
        cls,
        plate: Box,
        velocity: tuple[float, float],
        size: tuple[int, int],
        seen_s: float,
        interval_s: float,
    ) -> Followed:
        """From its plate in pixels.

        Args:
            plate: its plate at the last look.
            velocity: of the plate, (x, y) in pixels per second.
            size: width and height of the picture in pixels.
            seen_s: time of the last look.
            interval_s: seconds until the next look.
        """
        width, height = size
        unit = unit_of(plate)
        car = plate.grown(
            left=BESIDE * unit, top=ABOVE * unit, right=BESIDE * unit, bottom=BELOW * unit
        )
        return cls(
            Box(car.x1 / width, car.y1 / height, car.x2 / width, car.y2 / height),
            (velocity[0] / width, velocity[1] / height),
            seen_s,
            interval_s,
        )


BESIDE, ABOVE, BELOW = 2.5, 4.0, 1.5
"""How far a vehicle and its shadow reach beside, above and below its plate, in units of the plate.
What moves there is no new vehicle, or one that hides behind this one."""


class Attention:
    """Decides which frames of one stream go to the detector.

    No frame is skipped in a stream whose frame interval is as long as the interval between looks.
    For a recording the watcher calls `selects`. For a live camera the decoder does, before it gives
    the frame out; that may happen in another thread. The watcher therefore only replaces whole
    attributes.

    Args:
        settings: parameters.

    Attributes:
        followed: the tracked vehicles; the watcher sets it after each look.
        follows_paths: whether a rule of the camera needs the path of each vehicle.
        idles: whether nothing moved and nobody was followed in the last frame that was compared.
        frame_interval_s: seconds between the last two frames, looked at or not; 0 before.
    """

    def __init__(self, settings: AttentionSettings | None = None) -> None:
        self._settings = settings or AttentionSettings()
        self._gate = MotionGate(self._settings.motion)
        self._last_selected_s = float("-inf")
        self._last_s: float | None = None
        self._compared_s = float("-inf")
        self._busy_s = float("-inf")
        self._moved_s: npt.NDArray[np.float64] | None = None
        self._looks: npt.NDArray[np.int_] | None = None
        self._views_s: deque[float] = deque(maxlen=self._settings.remembered_views)
        self._untracked_s = self._settings.untracked_interval_s
        self.followed: tuple[Followed, ...] = ()
        self.follows_paths = False
        self.idles = False
        self.frame_interval_s = 0.0

    def restart(self) -> None:
        """Forget what was seen: the next frame belongs to another time."""
        self._gate.restart()
        self.followed = ()
        self.idles = False

    def learn_view(self, seconds: float) -> None:
        """Learn that a vehicle was in view for so long; the fastest ones set the interval."""
        settings = self._settings
        self._views_s.append(seconds)
        self._untracked_s = min(
            max(min(self._views_s) / settings.looks_in_view, settings.shortest_untracked_s),
            settings.longest_untracked_s,
        )

    def passes_over(self, now_s: float) -> bool:
        """Whether the next frame need not even be compared: nothing moved a moment ago.

        Call it for each frame, in order, and `selects` unless it is true.

        Args:
            now_s: the frame's time in the stream, in seconds.
        """
        if not self.idles or self.followed or not 0 < now_s - self._compared_s < PASSED_OVER_S:
            return False
        self._count(now_s)
        return True

    def selects(self, cells: Cells, now_s: float) -> bool:
        """Whether the next frame goes to the detector.

        Args:
            cells: cell means of the frame, from `cell_means`.
            now_s: its time in the stream, in seconds.
        """
        self._count(now_s)
        self._compared_s = now_s
        followed = self.followed
        # Each of them must update the background, even one that is selected anyway.
        moving = self._untracked_motion(cells, now_s, followed)
        moves = bool(moving.any())
        self.idles = not moves and not followed
        if not self.idles:
            self._busy_s = now_s
        interval_s = min((one.interval_s for one in followed), default=self._idle_s(now_s))
        if moves and not self._was_looked_at_in_vain(moving, now_s):
            interval_s = min(interval_s, self._untracked_interval_s)
        # Half a frame of tolerance: the frame nearest to the time that is due.
        slack_s = min(self.frame_interval_s, interval_s) / 2
        selected = now_s - self._last_selected_s >= interval_s - slack_s
        if selected and self.idles and not self._gate.has_drifted():
            interval_s = self._idle_s(now_s, unchanged=True)
            selected = now_s - self._last_selected_s >= interval_s - slack_s
        if selected:
            self._last_selected_s = now_s
            self._gate.keep_background()
            if self._looks is not None:
                self._looks[moving] += 1
        return selected

    def _count(self, now_s: float) -> None:
        if self._last_s is not None:
            self.frame_interval_s = now_s - self._last_s
        self._last_s = now_s

    def _idle_s(self, now_s: float, *, unchanged: bool = False) -> float:
        """Interval between looks while nothing moves, or has not even changed slowly."""
        settings = self._settings
        if self.frame_interval_s > settings.idle_interval_s / 2:  # pictures, not a film
            return settings.idle_interval_s
        share, longest_s = settings.idle_share, settings.longest_idle_s
        if unchanged:
            share, longest_s = settings.unchanged_share, settings.longest_unchanged_s
        quiet_s = now_s - self._busy_s
        return min(max(settings.idle_interval_s, share * quiet_s), longest_s)

    @property
    def _untracked_interval_s(self) -> float:
        if self.follows_paths:
            return min(self._untracked_s, self._settings.path_interval_s)
        return self._untracked_s

    def _untracked_motion(self, cells: Cells, now_s: float, followed: Iterable[Followed]) -> Moving:
        """Where something moved a moment ago and no tracked vehicle is."""
        moving = self._gate.moving_cells(cells, now_s)
        if self._moved_s is None or self._looks is None or self._looks.shape != moving.shape:
            self._moved_s = np.full(moving.shape, -np.inf)
            self._looks = np.zeros(moving.shape, np.int_)
        moving = moving.copy()
        rows, columns = moving.shape
        for one in followed:
            since_s = now_s - one.seen_s
            car = one.around.shifted(one.velocity[0] * since_s, one.velocity[1] * since_s)
            x1, y1 = max(0, int(car.x1 * columns)), max(0, int(car.y1 * rows))
            here = (
                slice(y1, max(0, int(car.y2 * rows) + 1)),
                slice(x1, max(0, int(car.x2 * columns) + 1)),
            )
            moving[here] = False
            self._looks[here] = 0  # a look found a vehicle there
        self._moved_s[moving] = now_s
        return np.asarray(now_s - self._moved_s <= self._settings.after_motion_s)

    def _was_looked_at_in_vain(self, moving: Moving, now_s: float) -> bool:
        """Whether motion is small, and each of its cells is near one that was looked at often.

        A vehicle that comes into view moves on to other cells, or grows.
        """
        settings = self._settings
        assert self._moved_s is not None  # noqa: S101 - `_untracked_motion` was called
        assert self._looks is not None  # noqa: S101
        self._looks[now_s - self._moved_s > settings.rest_s] = 0
        if moving.mean() > settings.small_motion:
            return False
        often = np.pad(self._looks >= settings.vain_looks, 1)
        rows, columns = moving.shape
        near = np.zeros_like(moving)
        for y in range(3):
            for x in range(3):
                near |= often[y : y + rows, x : x + columns]
        return bool(near[moving].all())
