"""Examines the substream of a live camera, for the doctor."""

from __future__ import annotations

import threading
import time

from edge.adapters.cameras.camera_status import RARE_KEY_FRAMES_TEXT, CameraStatus
from edge.adapters.cameras.guarded_camera import GuardedCamera
from edge.box.findings import LEAST_PER_SECOND, DoctorFinding, FindingState
from edge.errors import CameraError

WATCH_S = 6.0
"""How long both streams are watched: three key frames two seconds apart."""

STARTS_WITHIN_S = 20.0
"""How long the camera may take to give its first frame."""


def examine_substream(camera: GuardedCamera, watch_s: float = WATCH_S) -> DoctorFinding:
    """Watch a camera through its substream as the box does; no frame is stored.

    Args:
        camera: a live camera with a substream, within its hours.
        watch_s: for how long after the first frame, seconds.

    Raises:
        CameraError: the camera gave no frame at all.
    """
    camera.ask(lambda _cells, _now_s: True, bool)
    timer = threading.Timer(STARTS_WITHIN_S + watch_s, camera.close)
    timer.daemon = True
    timer.start()
    status: CameraStatus | None = None
    until_s = None
    try:
        for _ in camera.frames():
            status = camera.status()
            until_s = until_s or time.monotonic() + watch_s
            if time.monotonic() >= until_s:
                break
    finally:
        timer.cancel()
        camera.close()
    if status is None:
        raise CameraError(
            f"substream {camera.name}: no frame in {STARTS_WITHIN_S:.0f} s; check the camera and "
            "its network",
            code="E_CAMERA_SILENT",
        )
    return of_substream(camera.name, status)


def of_substream(name: str, status: CameraStatus) -> DoctorFinding:
    """Whether a substream does its work."""
    about = f"substream {name}"
    small = status.substream
    if small is None or not small.works or small.size is None or status.size is None:
        problem = None if small is None else small.problem
        text = problem or "gives no picture; the main stream is watched, at more work"
        return DoctorFinding(about, FindingState.WARNING, text.removeprefix("its substream "))
    width, height = small.size
    rate = status.per_second
    figures = {"width": float(width), "height": float(height)}
    text = f"{width} x {height}"
    if rate is not None:
        figures["per_second"] = round(rate, 1)
        text += f", {rate:.1f} frames a second"
    text += f", for a main stream of {status.size[0]} x {status.size[1]}"
    cures = []
    if rate is not None and rate < LEAST_PER_SECOND:
        cures.append(f"set it to at least {LEAST_PER_SECOND:.0f} frames a second in the camera")
    if width * height > status.size[0] * status.size[1] / 2:
        cures.append("it is too large to save work; choose about 640 x 360 in the camera")
    if small.rare_key_frames:
        cures.append(RARE_KEY_FRAMES_TEXT)
    state = FindingState.WARNING if cures else FindingState.GOOD
    return DoctorFinding(about, state, "; ".join([text, *cures]), figures=figures)
