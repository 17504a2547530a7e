"""Frame selection: every frame while there is motion or a track, few frames otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.domain.motion import Cells, MotionGate, MotionSettings


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    """Parameters of the frame selection. Times in seconds of the stream."""

    motion: MotionSettings = field(default_factory=MotionSettings)
    after_motion_s: float = 0.5
    """Every frame is selected for this long after the last motion."""
    idle_interval_s: float = 1.0
    """Interval between selected frames without motion or tracks: slow objects cause no motion."""
    stationary_after_s: float = 5.0
    """A tracked object without motion for this long is stationary: a parked car, or a sign that is
    detected as a plate."""
    stationary_interval_s: float = 0.5
    """Interval between selected frames while all tracked objects are stationary. A track survives
    such a gap (`TrackSettings.coast_s`)."""


class Attention:
    """Decides which frames of one stream go to the detector.

    No frame is skipped in a stream whose frame interval is at least `idle_interval_s`. For a
    recording the watcher calls `selects`. For a live camera the decoder does, before it gives the
    frame out; that may happen in another thread.

    Args:
        settings: parameters.

    Attributes:
        has_tracks: whether a vehicle is being tracked; the watcher sets it after each frame.
    """

    def __init__(self, settings: AttentionSettings | None = None) -> None:
        self._settings = settings or AttentionSettings()
        self._gate = MotionGate(self._settings.motion)
        self._last_motion_s = self._last_selected_s = self._tracks_since_s = float("-inf")
        self._had_tracks = False
        self.has_tracks = False

    def restart(self) -> None:
        """Forget what was seen: the next frame belongs to another time."""
        self._gate.restart()

    def selects(self, cells: Cells, now_s: float) -> bool:
        """Whether the next frame goes to the detector. Call it once for each frame, in order.

        Args:
            cells: cell means of the frame, from `cell_means`.
            now_s: its time in the stream, in seconds.
        """
        has_tracks = self.has_tracks
        # Every frame must update the background, even one that is selected anyway.
        if self._gate.detects_motion(cells, now_s):
            self._last_motion_s = now_s
        if has_tracks and not self._had_tracks:
            self._tracks_since_s = now_s
        self._had_tracks = has_tracks
        selected = now_s - self._last_selected_s >= self._interval_s(now_s)
        if selected:
            self._last_selected_s = now_s
        return selected

    def _interval_s(self, now_s: float) -> float:
        """Smallest interval, in seconds, between the last selected frame and the next one."""
        settings = self._settings
        if now_s - self._last_motion_s <= settings.after_motion_s:
            return 0.0
        if not self._had_tracks:
            return settings.idle_interval_s
        stationary_s = now_s - max(self._last_motion_s, self._tracks_since_s)
        return settings.stationary_interval_s if stationary_s > settings.stationary_after_s else 0.0
