"""Measures both networks and a camera, for the doctor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from edge.box.findings import LEAST_PER_SECOND, CameraMeasurement, DoctorFinding, FindingState
from edge.domain.geometry import Line
from edge.domain.imaging import Box, Detection, Frame, PlatePatch, without_duplicates
from edge.pipeline.ports import Camera, PlateDetector, PlateReader
from edge.privacy.redaction import aiming_still

GOOD_PER_SECOND = 10.0
"""At this frame rate a vehicle at 50 km/h appears about every 1.4 m."""
RESERVE = 0.8
"""The share of the box's time that is planned; the rest is a reserve for dense traffic."""
MEASURE_S = 8.0
"""How long a camera is measured."""
TRIES = 7


def measure_speed(
    detector: PlateDetector,
    reader: PlateReader,
    *,
    provider: str,
    cameras: int,
    passes: int,
    width: int = 1280,
    height: int = 720,
) -> DoctorFinding:
    """Measure both networks on noise, and compute how many cameras they can process.

    Args:
        detector: the detector.
        reader: the reader.
        provider: the provider that they run on.
        cameras: the number of the site's cameras.
        passes: detector passes for a frame, tiles included.
        width: the picture's width, pixels.
        height: the picture's height, pixels.
    """
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    patch = PlatePatch(Box(0, 0, 128, 64), 1.0, np.ascontiguousarray(noise[:64, :128]))
    detect_s = _median_s(lambda: detector.detect(noise))
    read_s = _median_s(lambda: reader.read([patch]))
    frame_s = detect_s * passes + read_s  # one plate in each frame: a busy street
    carried = int(RESERVE / (frame_s * GOOD_PER_SECOND))
    at_least = int(RESERVE / (frame_s * LEAST_PER_SECOND))
    figures: dict[str, float] = {
        "detect_ms": round(detect_s * 1000, 2),
        "read_ms": round(read_s * 1000, 2),
        "cameras_at_10_per_s": carried,
        "cameras_at_5_per_s": at_least,
    }
    text = (
        f"{provider}: {detect_s * passes * 1000:.1f} ms to analyse a frame, "
        f"{read_s * 1000:.1f} ms to read a plate; enough for {carried} cameras with "
        f"{GOOD_PER_SECOND:.0f} frames a second, {at_least} with {LEAST_PER_SECOND:.0f}; the site "
        f"has {cameras}"
    )
    if cameras <= carried:
        return DoctorFinding("speed", FindingState.GOOD, text, figures=figures)
    cure = "; use a faster provider, fewer tiles or fewer cameras"
    state = FindingState.WARNING if cameras <= at_least else FindingState.BAD
    return DoctorFinding("speed", state, text + cure, figures=figures)


def _median_s(work: Callable[[], object]) -> float:
    work()  # the first call allocates
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def measure_camera(
    camera: Camera, detector: PlateDetector, lines: Sequence[Line], *, measure_s: float = MEASURE_S
) -> CameraMeasurement:
    """Measure a camera for a while; its frames are not kept.

    Args:
        camera: the camera, with the policy's masks and hours.
        detector: the detector.
        lines: lines that vehicles are expected to cross.
        measure_s: for how long at most, in seconds.

    Raises:
        CameraError: it cannot be opened or read.
    """
    times: list[float] = []
    widths: list[tuple[float, float]] = []
    best: tuple[Frame, tuple[Detection, ...]] | None = None
    until = time.monotonic() + measure_s
    for frame in camera.frames():
        times.append(frame.stream_s)
        plates = without_duplicates(detector.detect(frame.pixels))
        widths += [(one.box.width, (one.box.y1 + one.box.y2) / 2 / frame.height) for one in plates]
        if best is None or len(plates) > len(best[1]):
            best = frame, plates
        if time.monotonic() >= until:
            break
    span_s = times[-1] - times[0] if times else 0.0
    still = None
    if best is not None:
        still = aiming_still(
            best[0].pixels,
            [one.box.clipped(best[0].width, best[0].height) for one in best[1]],
            [(line.start, line.end) for line in lines],
        )
    return CameraMeasurement(
        frames=len(times),
        corrupt=camera.corrupt_frames,
        per_second=(len(times) - 1) / span_s if span_s > 0 else None,
        size=(best[0].width, best[0].height) if best is not None else None,
        widths=tuple(widths),
        still=still,
    )
