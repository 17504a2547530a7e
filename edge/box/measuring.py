"""Measures both networks and a camera, for the doctor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.adapters.host.machine import Load
from edge.box.findings import (
    ENOUGH_PIXELS,
    LEAST_PER_SECOND,
    LEAST_PIXELS,
    CameraMeasurement,
    DoctorFinding,
    FindingState,
    height_of,
)
from edge.domain.geometry import Line
from edge.domain.imaging import Box, Detection, Frame, PlatePatch, cut_patch, without_duplicates
from edge.domain.motion import Cells, cell_means
from edge.domain.reading import fuse
from edge.errors import CameraError, EdgeError
from edge.pipeline.ports import Camera, PlateDetector, PlateReader
from edge.pipeline.watcher import WatchSettings
from edge.privacy.redaction import RedactedImage, aiming_still

GOOD_PER_SECOND = 10.0
"""At this frame rate a vehicle at 50 km/h appears about every 1.4 m."""
RESERVE = 0.8
"""The share of the box's time that is planned; the rest is a reserve for dense traffic."""
MEASURE_S = 8.0
"""How long a camera is measured."""
FIRST_FRAME_S = 20.0
"""How long a camera may take to give its first frame: start, address, handshake, key frame."""
LEAST_TRIES, SPEED_S = 7, 4.0
"""A network is timed so often at least, and for so long."""

SAMPLES = 6
"""Frames that are kept to find out whether the picture is turned."""
SAMPLE_EVERY_S = 0.5
MOST_OUTLINES = 40
"""Plates that are drawn in the picture to aim by."""
LEAST_READ = 1.5
"""Sum of posteriors with which turned frames must be read: two plates."""
LEAST_GAIN = 2.0
"""How much better turned frames must be read than the same frames as they are."""


def measure_speed(
    detector: PlateDetector,
    reader: PlateReader,
    *,
    provider: str,
    cameras: int,
    passes: int,
    load: Load,
    width: int = 1280,
    height: int = 720,
) -> DoctorFinding:
    """Measure both networks on noise, and compute how many cameras they can process.

    The best of several times counts: other programs can only make it longer.

    Args:
        detector: the detector.
        reader: the reader.
        provider: the provider that they run on.
        cameras: the number of the site's cameras.
        passes: detector passes for a frame, tiles included.
        load: how busy the machine was before.
        width: the picture's width, pixels.
        height: the picture's height, pixels.
    """
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    patch = PlatePatch(Box(0, 0, 128, 64), 1.0, np.ascontiguousarray(noise[:64, :128]))
    detect_s = _best_s(lambda: detector.detect(noise))
    read_s = _best_s(lambda: reader.read([patch]))
    frame_s = detect_s * passes + read_s  # one plate in each frame: a busy street
    carried = int(RESERVE / (frame_s * GOOD_PER_SECOND))
    at_least = int(RESERVE / (frame_s * LEAST_PER_SECOND))
    figures: dict[str, float] = {
        "detect_ms": round(detect_s * 1000, 2),
        "read_ms": round(read_s * 1000, 2),
        "cameras_at_10_per_s": carried,
        "cameras_at_5_per_s": at_least,
        "load": round(load.waiting, 2),
        "processors": load.cores,
    }
    text = (
        f"{provider}: {detect_s * passes * 1000:.1f} ms to analyse a frame, "
        f"{read_s * 1000:.1f} ms to read a plate; enough for {carried} cameras with "
        f"{GOOD_PER_SECOND:.0f} frames a second, {at_least} with {LEAST_PER_SECOND:.0f}; the site "
        f"has {cameras}; load {load.waiting:.1f} on {load.cores} processors"
    )
    if cameras <= carried:
        return DoctorFinding("speed", FindingState.GOOD, text, figures=figures)
    if load.is_high:
        cure = "; other programs took processor time, stop them and measure again"
        return DoctorFinding("speed", FindingState.WARNING, text + cure, figures=figures)
    cure = "; use a faster provider, fewer tiles or fewer cameras"
    state = FindingState.WARNING if cameras <= at_least else FindingState.BAD
    return DoctorFinding("speed", state, text + cure, figures=figures)


def _best_s(work: Callable[[], object]) -> float:
    work()  # the first call allocates
    times: list[float] = []
    until = time.monotonic() + SPEED_S
    while len(times) < LEAST_TRIES or (time.monotonic() < until and len(times) < 10 * LEAST_TRIES):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


@dataclass(slots=True)
class _Samples:
    """The frames with most motion, a few, for `turns_of`. They are never stored."""

    kept: list[tuple[float, Frame]] = field(default_factory=list)
    _before: Cells | None = None

    def add(self, frame: Frame) -> None:
        """Keep the frame if more moves in it than in one that is kept."""
        cells = cell_means(frame.pixels[..., 1])
        before, self._before = self._before, cells
        change = 0.0
        if before is not None and before.shape == cells.shape:
            change = float(np.abs(cells - before).mean())
        if self.kept and frame.stream_s - self.kept[-1][1].stream_s < SAMPLE_EVERY_S:
            if change > self.kept[-1][0]:
                self.kept[-1] = change, frame
            return
        self.kept.append((change, frame))
        if len(self.kept) > SAMPLES:
            self.kept.remove(min(self.kept, key=lambda one: one[0]))


def turns_of(frames: Sequence[Frame], detector: PlateDetector, reader: PlateReader) -> int:
    """How the picture is turned: quarter turns counter-clockwise that make its plates readable.

    0 if it is upright, or if not enough plates can be read to tell.
    """
    scores = [0.0] * 4
    for turns in (0, 2, 1, 3):
        scores[turns] = sum(_read_score(frame, turns, detector, reader) for frame in frames)
        if turns == 0 and scores[0] >= LEAST_READ * LEAST_GAIN:
            return 0
    best = max(range(4), key=scores.__getitem__)
    if scores[best] >= max(LEAST_READ, LEAST_GAIN * scores[0]):
        return best
    return 0


def _read_score(frame: Frame, turns: int, detector: PlateDetector, reader: PlateReader) -> float:
    """Sum of the posteriors of the plates that are probably read right in a turned frame."""
    pixels = np.ascontiguousarray(np.rot90(frame.pixels, turns))
    margin = WatchSettings().patch_margin
    patches = [
        cut_patch(pixels, one, margin) for one in without_duplicates(detector.detect(pixels))
    ]
    read = [fuse([reading]) for reading in reader.read(patches)]
    return sum(one.posterior for one in read if one is not None and one.posterior >= 0.5)


def measure_camera(
    camera: Camera,
    detector: PlateDetector,
    lines: Sequence[Line],
    threshold: float,
    *,
    reader: PlateReader | None = None,
    problem: Callable[[], EdgeError | None] = lambda: None,
    measure_s: float = MEASURE_S,
    first_frame_s: float = FIRST_FRAME_S,
) -> CameraMeasurement:
    """Measure a camera for a while; no frame of it is stored. It ends in any case.

    Args:
        camera: the camera, with the policy's masks and hours.
        detector: the detector.
        lines: lines that vehicles are expected to cross.
        threshold: the detector's; detections below it are not counted as plates.
        reader: the reader; None: whether the picture is turned is not examined.
        problem: why the camera gives no frame now, if it is known.
        measure_s: for how long at most after the first frame, in seconds.
        first_frame_s: for how long at most to wait for the first frame, in seconds.

    Raises:
        CameraError: it cannot be opened or read.
        EdgeError: it gave no frame in time, for this reason.
    """
    times: list[float] = []
    plates: list[Box] = []
    weak: list[Box] = []
    best: tuple[Frame, tuple[Detection, ...]] | None = None
    samples = _Samples()
    found: list[EdgeError | None] = []
    until = 0.0

    def give_up() -> None:
        found.append(problem())
        camera.close()  # ends the loop below, even while the camera gives nothing

    timer = threading.Timer(first_frame_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        for frame in camera.frames():
            if not times:
                timer.cancel()
                timer = threading.Timer(measure_s + first_frame_s, give_up)
                timer.daemon = True
                timer.start()
                until = time.monotonic() + measure_s
            times.append(frame.stream_s)
            seen = without_duplicates(detector.detect(frame.pixels))
            for one in seen:
                (plates if one.score >= threshold else weak).append(
                    one.box.clipped(frame.width, frame.height)
                )
            samples.add(frame)
            if best is None or len(seen) > len(best[1]):
                best = frame, seen
            if time.monotonic() >= until:
                break
    finally:
        timer.cancel()
    if found and not times:
        raise found[0] or CameraError(
            f"camera {camera.name}: no frame in {first_frame_s:.0f} s; check the camera and its "
            "network",
            code="E_CAMERA_SILENT",
        )
    span_s = times[-1] - times[0] if times else 0.0
    height = best[0].height if best is not None else 1
    widths = tuple((box.width, box.centre[1] / height) for box in plates)
    frames = [frame for _, frame in samples.kept]
    return CameraMeasurement(
        frames=len(times),
        corrupt=camera.corrupt_frames,
        per_second=(len(times) - 1) / span_s if span_s > 0 else None,
        size=(best[0].width, best[0].height) if best is not None else None,
        widths=widths,
        still=None if best is None else _still(best[0], plates, weak, lines, widths),
        turns=0 if reader is None else turns_of(frames, detector, reader),
    )


def _still(
    frame: Frame,
    plates: Sequence[Box],
    weak: Sequence[Box],
    lines: Sequence[Line],
    widths: Sequence[tuple[float, float]],
) -> RedactedImage:
    """The picture to aim by: where plates were, where they are wide enough, and the horizon."""
    guides = [height_of(width, widths) for width in (0.0, ENOUGH_PIXELS)]
    at, enough_height = 8.0, ENOUGH_PIXELS * 110 / 520
    bottom = frame.height - at
    scales = [
        Box(at, bottom - enough_height, at + ENOUGH_PIXELS, bottom),
        Box(at, bottom - enough_height, at + LEAST_PIXELS, bottom - enough_height * 2 / 3),
    ]
    plates, weak = (
        [box for box in boxes if box.width >= 1 and box.height >= 1] for boxes in (plates, weak)
    )
    step = -(-len(plates) // MOST_OUTLINES) or 1
    return aiming_still(
        frame.pixels,
        plates[::step],
        [(line.start, line.end) for line in lines],
        weak=[*plates, *weak],
        guides=[guide for guide in guides if guide is not None],
        scales=scales if frame.height > 2 * enough_height else (),
    )
