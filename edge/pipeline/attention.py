"""Which frames are worth a look: all while something is there, few while nothing is."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.domain.motion import Cells, MotionGate, MotionSettings


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    """How long attention lasts. Times in seconds of the stream."""

    motion: MotionSettings = field(default_factory=MotionSettings)
    linger_s: float = 0.5
    """After the last motion every frame is looked at for so long."""
    periodic_s: float = 1.0
    """A view without motion is looked at this often: what comes slowly is no motion."""
    stands_after_s: float = 5.0
    """What is followed without any motion for so long stands: a parked car, or a sign that is
    taken for a plate."""
    standing_s: float = 0.5
    """A view in which something stands is looked at this often; a track outlives such a gap
    (`TrackSettings.coast_s`)."""


class Attention:
    """Decides for one stream which frames the detector sees.

    A stream whose frames are further apart than `linger_s` is looked at whole. A recording's
    frames are asked for by the watcher that sees them; a live camera's are asked for before they
    leave its decoder, which may be in another thread than the watcher.

    Args:
        settings: constants.

    Attributes:
        following: whether some vehicle is being followed; the watcher says so after each frame.
    """

    def __init__(self, settings: AttentionSettings | None = None) -> None:
        self._settings = settings or AttentionSettings()
        self._gate = MotionGate(self._settings.motion)
        self._moved_s = self._looked_s = self._found_s = float("-inf")
        self._followed = False
        self.following = False

    def wants(self, cells: Cells, now_s: float) -> bool:
        """Whether a frame is to be looked at; to be asked for each frame, in order.

        Args:
            cells: the next frame's.
            now_s: its time in the stream, seconds.
        """
        following = self.following
        # The background must learn from every frame, also from those that are wanted anyway.
        if self._gate.moves(cells, now_s):
            self._moved_s = now_s
        if following and not self._followed:
            self._found_s = now_s
        self._followed = following
        wanted = now_s - self._looked_s >= self._pause_s(now_s)
        if wanted:
            self._looked_s = now_s
        return wanted

    def _pause_s(self, now_s: float) -> float:
        """How long nothing need be looked at after the last look."""
        settings = self._settings
        if now_s - self._moved_s <= settings.linger_s:
            return 0.0
        if not self._followed:
            return settings.periodic_s
        still_s = now_s - max(self._moved_s, self._found_s)
        return settings.standing_s if still_s > settings.stands_after_s else 0.0
