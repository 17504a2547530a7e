"""Judges what the doctor measured: findings in plain words, each with a cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from edge.adapters.host.kernel_clock import KernelClock
from edge.adapters.host.machine import Machine
from edge.domain.geometry import Line
from edge.errors import EdgeError
from edge.privacy.redaction import RedactedImage
from edge.site.settings import Broker

LEAST_PER_SECOND = 5.0
"""SI 2022/71 (UK) asks for at least so many frames a second."""

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


def of_keys(*, trial: bool) -> DoctorFinding:
    """Whether the keys that were loaded are the box's own."""
    if trial:
        text = "the box's keys are for trying out; make its own with `edge-anpr keys new box`"
        return DoctorFinding("keys", FindingState.WARNING, text)
    return DoctorFinding("keys", FindingState.GOOD, "of the box and of each authority are there")


def of_broker(broker: Broker) -> DoctorFinding:
    """Whether the broker that was reached is connected to safely."""
    how = "over TLS" if broker.tls is not None else "without TLS"
    local = broker.host in {"localhost", "127.0.0.1", "::1"}
    state = FindingState.GOOD if broker.tls is not None or local else FindingState.WARNING
    text = f"{broker.host}:{broker.port} takes this box, {how}"
    return DoctorFinding(
        "broker", state, text + ("" if state is FindingState.GOOD else "; add broker.tls")
    )


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
