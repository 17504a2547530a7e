"""What the doctor makes of what was measured: findings in plain words, each with a cure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from edge.adapters.host.kernel_clock import KernelClock
from edge.adapters.host.machine import Machine
from edge.domain.geometry import Line
from edge.domain.imaging import Box, Detection, Frame, PlatePatch, without_duplicates
from edge.errors import EdgeError
from edge.pipeline.ports import Camera, PlateDetector, PlateReader
from edge.privacy.redaction import RedactedImage, aiming_still

LEAST_PER_SECOND = 5.0
"""SI 2022/71 (UK) asks for at least so many frames a second."""
GOOD_PER_SECOND = 10.0
"""With so many a vehicle at 50 km/h is seen about once every 1.4 m."""
RESERVE = 0.8
"""The share of the box's time that is promised; the rest is for dense moments."""

ENOUGH_PIXELS = 95.0
"""Plate width from which strokes are two pixels wide: 20 px high on a plate of 520 x 110 mm."""
LEAST_PIXELS = 32.0
"""A narrower plate is out of reach; `WatchSettings.min_unread_width` says so as well."""
NEAR_LINE = 0.1
"""How far from the line, as a share of the picture's height, a plate counts as being on it."""

MOST_CLOCK_ERROR_S = 10.0
"""SI 2022/71 (UK) asks for a clock within 10 s."""
GOOD_CLOCK_ERROR_S = 0.1
SPARE_MIB = 200
"""Beside the reserve for hits: state files, and room to write them anew."""
LOOK_S = 8.0
"""How long a camera is looked at."""
TRIES = 7


class FindingState(str, Enum):
    """How a finding is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One thing that was looked at.

    Attributes:
        about: what, in one or two words.
        state: how it is.
        text: what was found, and the cure where one is needed.
        code: of the refusal behind it, if one is.
        figures: what was measured, by name.
    """

    about: str
    state: FindingState
    text: str
    code: str | None = None
    figures: dict[str, float] = field(default_factory=dict)


def of_error(about: str, error: EdgeError) -> DoctorFinding:
    """What refused itself says why."""
    return DoctorFinding(about, FindingState.BAD, error.message, code=error.code)


def of_clock(clock: KernelClock | None) -> DoctorFinding:
    """Whether the machine's time can be relied on."""
    if clock is None:
        return DoctorFinding(
            "clock", FindingState.WARNING, "the kernel does not say how its clock is"
        )
    figures = {"offset_s": clock.offset_s, "max_error_s": clock.max_error_s}
    if not clock.synchronised:
        text = "no time service holds the clock; start one (systemd-timesyncd or chrony)"
        return DoctorFinding("clock", FindingState.BAD, text, figures=figures)
    text = f"synchronised, off by {clock.max_error_s:.3f} s at the most"
    if clock.max_error_s > MOST_CLOCK_ERROR_S:
        cure = "; 10 s are allowed, so see to the time service"
        return DoctorFinding("clock", FindingState.BAD, text + cure, figures=figures)
    if clock.max_error_s > GOOD_CLOCK_ERROR_S:
        cure = "; for 0.1 s use a nearer time server"
        return DoctorFinding("clock", FindingState.WARNING, text + cure, figures=figures)
    return DoctorFinding("clock", FindingState.GOOD, text, figures=figures)


def of_machine(found: Machine, reserve_mib: int) -> list[DoctorFinding]:
    """Disk, swap and core dumps."""
    needed = reserve_mib + SPARE_MIB
    space = DoctorFinding(
        "disk",
        FindingState.GOOD if found.free_mib >= needed else FindingState.BAD,
        f"{found.free_mib} MiB free where hits wait, {needed} are needed"
        + ("" if found.free_mib >= needed else "; free space or lower outbox.reserve_mib"),
        figures={"free_mib": found.free_mib},
    )
    if found.swaps:
        swap = DoctorFinding(
            "swap",
            FindingState.WARNING,
            f"memory may be written to {', '.join(found.swaps)}, and plates with it; switch "
            "swap off, or let the service have none (MemorySwapMax=0)",
        )
    else:
        swap = DoctorFinding("swap", FindingState.GOOD, "none on a disk")
    cores = DoctorFinding(
        "core dumps",
        FindingState.BAD if found.leaves_cores else FindingState.GOOD,
        "a crash would write the memory to disk; set LimitCORE=0"
        if found.leaves_cores
        else "switched off for this process",
    )
    return [space, swap, cores]


def of_speed(
    detector: PlateDetector,
    reader: PlateReader,
    *,
    provider: str,
    cameras: int,
    looks: int,
    width: int = 1280,
    height: int = 720,
) -> DoctorFinding:
    """Measure both networks on noise, and say how many cameras that carries.

    Args:
        detector: finds plates.
        reader: reads them.
        provider: what they run on.
        cameras: how many the site has.
        looks: how often a frame is looked at, tiles included.
        width: of the picture, pixels.
        height: likewise.
    """
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    patch = PlatePatch(Box(0, 0, 128, 64), 1.0, np.ascontiguousarray(noise[:64, :128]))
    detect_s = _median_s(lambda: detector.detect(noise))
    read_s = _median_s(lambda: reader.read([patch]))
    frame_s = detect_s * looks + read_s  # one plate in each frame: a busy street
    carried = int(RESERVE / (frame_s * GOOD_PER_SECOND))
    at_least = int(RESERVE / (frame_s * LEAST_PER_SECOND))
    figures: dict[str, float] = {
        "detect_ms": round(detect_s * 1000, 2),
        "read_ms": round(read_s * 1000, 2),
        "cameras_at_10_per_s": carried,
        "cameras_at_5_per_s": at_least,
    }
    text = (
        f"{provider}: {detect_s * looks * 1000:.1f} ms to look at a frame, "
        f"{read_s * 1000:.1f} ms to read a plate; carries {carried} at {GOOD_PER_SECOND:.0f} "
        f"frames a second, {at_least} at {LEAST_PER_SECOND:.0f}; the site has {cameras}"
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


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one camera; no pixel of it is clear.

    Attributes:
        frames: frames that came, with `corrupt` broken ones beside them.
        per_second: true rate by the frames' own times, None with fewer than two.
        size: width and height in pixels.
        widths: pixel width of each plate found, with the height of its centre in the picture
            as a fraction.
        still: the picture to aim by.
    """

    frames: int
    corrupt: int
    per_second: float | None
    size: tuple[int, int] | None
    widths: tuple[tuple[float, float], ...]
    still: RedactedImage | None


def look_at(
    camera: Camera, detector: PlateDetector, lines: Sequence[Line], *, look_s: float = LOOK_S
) -> Look:
    """Look at a camera for a while. Frames are dropped as they were seen.

    Args:
        camera: behind the policy's masks and hours.
        detector: finds plates.
        lines: where vehicles are expected to cross.
        look_s: for how long at most, in seconds.

    Raises:
        CameraError: it cannot be opened or read.
    """
    times: list[float] = []
    widths: list[tuple[float, float]] = []
    best: tuple[Frame, tuple[Detection, ...]] | None = None
    until = time.monotonic() + look_s
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
    return Look(
        frames=len(times),
        corrupt=camera.corrupt_frames,
        per_second=(len(times) - 1) / span_s if span_s > 0 else None,
        size=(best[0].width, best[0].height) if best is not None else None,
        widths=tuple(widths),
        still=still,
    )


def of_camera(name: str, look: Look) -> DoctorFinding:
    """Whether a camera gives frames, and how fast."""
    about = f"camera {name}"
    if look.size is None:
        text = "gave no frame: it may be outside its hours, or the source is empty"
        return DoctorFinding(about, FindingState.BAD, text)
    figures: dict[str, float] = {
        "width": look.size[0],
        "height": look.size[1],
        "frames": look.frames,
        "corrupt": look.corrupt,
    }
    text = f"{look.size[0]} x {look.size[1]}"
    if look.corrupt:
        text += f", {look.corrupt} of {look.frames + look.corrupt} frames broken"
    if look.per_second is None:
        return DoctorFinding(about, FindingState.GOOD, f"{text}, one picture", figures=figures)
    figures["per_second"] = round(look.per_second, 2)
    text += f", {look.per_second:.1f} frames a second by their own times"
    if look.per_second < LEAST_PER_SECOND:
        cure = f"; {LEAST_PER_SECOND:.0f} are the least, so set the camera to more"
        return DoctorFinding(about, FindingState.BAD, text + cure, figures=figures)
    return DoctorFinding(
        about, FindingState.WARNING if look.corrupt else FindingState.GOOD, text, figures=figures
    )


def of_plates(name: str, look: Look, lines: Sequence[Line]) -> DoctorFinding:
    """Whether plates are wide enough where vehicles are to be read."""
    about = f"plates {name}"
    width = width_at(look.widths, [(line.start[1] + line.end[1]) / 2 for line in lines])
    if width is None:
        text = "no plate was seen while looking; drive one past, and ask again"
        return DoctorFinding(about, FindingState.SKIPPED, text)
    place = "at the line" if lines else "where they are widest"
    figures = {"plate_pixels": round(width, 1)}
    text = f"{width:.0f} px wide {place}"
    if width >= ENOUGH_PIXELS:
        return DoctorFinding(about, FindingState.GOOD, f"{text}, which suffices", figures=figures)
    cure = f"; {ENOUGH_PIXELS:.0f} are enough: zoom in, move nearer, or take tiles or a region"
    state = FindingState.WARNING if width >= LEAST_PIXELS else FindingState.BAD
    return DoctorFinding(about, state, text + cure, figures=figures)


def width_at(widths: Sequence[tuple[float, float]], where: Sequence[float]) -> float | None:
    """Plate width at these heights of the picture, of plates seen anywhere; None if none was.

    Near a line the median of those on it. Elsewhere a straight line through all is followed: on a
    level road a plate's width grows evenly with its place in the picture.

    Args:
        widths: width in pixels and height of the centre as a fraction, of each plate.
        where: heights of lines as fractions; the narrowest counts. Without a line a plate is read
            where it is widest, and the width that one in ten exceeds is given.
    """
    if not widths:
        return None
    pixels, places = (np.array(column, float) for column in zip(*widths, strict=True))
    if not where:
        return float(np.quantile(pixels, 0.9))
    found = []
    for place in where:
        near = pixels[np.abs(places - place) <= NEAR_LINE]
        if len(near):
            found.append(float(np.median(near)))
        elif np.ptp(places) >= NEAR_LINE:
            slope, start = np.polyfit(places, pixels, 1)
            found.append(max(0.0, float(slope * place + start)))
        else:
            found.append(float(np.median(pixels)))
    return min(found)
