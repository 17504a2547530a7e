"""Turns the doctor's measurements into findings with a cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import numpy as np

from edge.adapters.broker.options import BrokerOptions
from edge.adapters.host.kernel_clock import KernelClock
from edge.adapters.host.machine import Machine
from edge.domain.geometry import Line
from edge.domain.schedule import closed_until
from edge.errors import EdgeError
from edge.privacy.redaction import RedactedImage

LEAST_PER_SECOND = 5.0
"""The least frames a second by SI 2022/71 (UK)."""

ENOUGH_PIXELS = 95.0
"""Plate width at which strokes are two pixels wide: 20 px high for a plate of 520 x 110 mm."""
LEAST_PIXELS = 32.0
"""A narrower plate cannot be read; equals `WatchSettings.min_unread_width`."""
LEAST_PLATES = 8
"""Plates from which their width at other heights of the picture is estimated."""
NEAR_LINE = 0.1
"""Largest distance of a plate on the line, as a share of the picture's height."""

MOST_CLOCK_ERROR_S = 10.0
"""SI 2022/71 (UK) asks for a clock within 10 s."""
GOOD_CLOCK_ERROR_S = 0.1
SPARE_MIB = 200
"""Disk space besides the reserve for hits: state files, and space to rewrite them."""


class FindingState(str, Enum):
    """The states of a finding."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """The result of one check.

    Attributes:
        about: the examined part, in one or two words.
        state: whether it is good, doubtful, bad or was skipped.
        text: the result, and the cure if one is needed.
        code: the code of the error, if there was one.
        figures: the measured values, by name.
    """

    about: str
    state: FindingState
    text: str
    code: str | None = None
    figures: dict[str, float] = field(default_factory=dict)


def of_error(about: str, error: EdgeError) -> DoctorFinding:
    """The finding of an error."""
    text = error.message.removeprefix(f"{about}: ")
    return DoctorFinding(about, FindingState.BAD, text, code=error.code)


def of_closed(name: str, opening: datetime | None) -> DoctorFinding:
    """The finding of a camera that the policy keeps closed now.

    Args:
        name: the camera.
        opening: when its hours start next, in the policy's zone; None if not within a year.
    """
    cure = "check again within its hours" if opening else "check its hours in policy.yaml"
    text = f"closed by the policy {closed_until(opening)}; not examined, {cure}"
    return DoctorFinding(f"camera {name}", FindingState.SKIPPED, text)


def of_clock(clock: KernelClock | None) -> DoctorFinding:
    """Whether the machine's time is reliable."""
    if clock is None:
        return DoctorFinding(
            "clock", FindingState.WARNING, "the kernel does not report the state of its clock"
        )
    figures = {"offset_s": clock.offset_s, "max_error_s": clock.max_error_s}
    if not clock.synchronised:
        text = "not synchronised; start a time service (systemd-timesyncd or chrony)"
        return DoctorFinding("clock", FindingState.BAD, text, figures=figures)
    text = f"synchronised, the error is at most {clock.max_error_s:.3f} s"
    if clock.max_error_s > MOST_CLOCK_ERROR_S:
        cure = "; 10 s are allowed, check the time service"
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
        f"{found.free_mib} MiB free for the outbox, {needed} are needed"
        + ("" if found.free_mib >= needed else "; free space or lower outbox.reserve_mib"),
        figures={"free_mib": found.free_mib},
    )
    if found.swaps:
        swap = DoctorFinding(
            "swap",
            FindingState.WARNING,
            f"memory may be written to {', '.join(found.swaps)}, including plates; switch "
            "swap off, or for this service only (MemorySwapMax=0)",
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
    """Whether the loaded keys are the box's own, not trial keys."""
    if trial:
        text = "the box has trial keys; make its own with `edge-anpr keys new box`"
        return DoctorFinding("keys", FindingState.WARNING, text)
    return DoctorFinding("keys", FindingState.GOOD, "box and authorities have valid keys")


def of_broker(broker: BrokerOptions) -> DoctorFinding:
    """Whether the connection to the broker is encrypted."""
    how = "over TLS" if broker.tls is not None else "without TLS"
    local = broker.host in {"localhost", "127.0.0.1", "::1"}
    state = FindingState.GOOD if broker.tls is not None or local else FindingState.WARNING
    text = f"{broker.address} accepts this box, {how}"
    return DoctorFinding(
        "broker", state, text + ("" if state is FindingState.GOOD else "; add broker.tls")
    )


@dataclass(frozen=True, slots=True)
class CameraMeasurement:
    """The measurements of one camera; it holds no clear pixel.

    Attributes:
        frames: number of decoded frames.
        corrupt: number of frames that could not be decoded.
        per_second: rate by the frames' own times; None with fewer than two.
        size: width and height in pixels.
        widths: for each plate, its width in pixels and the height of its centre in the picture as
            a fraction.
        still: the coarse picture for aiming the camera.
        turns: quarter turns counter-clockwise that would put the picture upright.
    """

    frames: int
    corrupt: int
    per_second: float | None
    size: tuple[int, int] | None
    widths: tuple[tuple[float, float], ...]
    still: RedactedImage | None
    turns: int = 0


def of_turn(name: str, measured: CameraMeasurement) -> DoctorFinding | None:
    """The finding of a camera that is mounted sideways or upside down; None if it is upright."""
    how = {
        1: ("is turned on its side (its top points to the right)", "counter-clockwise"),
        2: ("is upside down", "by 180 degrees"),
        3: ("is turned on its side (its top points to the left)", "clockwise"),
    }.get(measured.turns)
    if how is None:
        return None
    what, cure = how
    turned = cure if measured.turns == 2 else f"by 90 degrees {cure}"
    text = (
        f"{what}: plates can be read when it is turned {turned}; turn the camera, or set this "
        "rotation in the camera's menu"
    )
    return DoctorFinding(
        f"picture {name}", FindingState.BAD, text, figures={"turn_degrees": 90 * measured.turns}
    )


def of_camera(name: str, measured: CameraMeasurement) -> DoctorFinding:
    """Whether a camera gives enough frames a second."""
    about = f"camera {name}"
    if measured.size is None:
        text = "gave no frame: it may be outside its hours, or the source is empty"
        return DoctorFinding(about, FindingState.BAD, text)
    figures: dict[str, float] = {
        "width": measured.size[0],
        "height": measured.size[1],
        "frames": measured.frames,
        "corrupt": measured.corrupt,
    }
    text = f"{measured.size[0]} x {measured.size[1]}"
    if measured.corrupt:
        text += f", {measured.corrupt} of {measured.frames + measured.corrupt} frames corrupt"
    if measured.per_second is None:
        return DoctorFinding(about, FindingState.GOOD, f"{text}, one picture", figures=figures)
    figures["per_second"] = round(measured.per_second, 2)
    text += f", {measured.per_second:.1f} frames a second"
    if measured.per_second < LEAST_PER_SECOND:
        cure = f"; at least {LEAST_PER_SECOND:.0f} are needed, set a higher rate in the camera"
        return DoctorFinding(about, FindingState.BAD, text + cure, figures=figures)
    return DoctorFinding(
        about,
        FindingState.WARNING if measured.corrupt else FindingState.GOOD,
        text,
        figures=figures,
    )


def of_plates(name: str, measured: CameraMeasurement, lines: Sequence[Line]) -> DoctorFinding:
    """Whether plates are wide enough at the place where they are read."""
    about = f"plates {name}"
    width = width_at(measured.widths, [(line.start[1] + line.end[1]) / 2 for line in lines])
    if width is None:
        text = "no plate was found during the check; run it again while a vehicle passes"
        return DoctorFinding(about, FindingState.SKIPPED, text)
    place = "at the line" if lines else "where they are widest"
    figures = {"plate_pixels": round(width, 1)}
    text = f"{width:.0f} px wide {place}"
    if width >= ENOUGH_PIXELS:
        return DoctorFinding(about, FindingState.GOOD, f"{text}, which is enough", figures=figures)
    cure = f"; {ENOUGH_PIXELS:.0f} are enough: zoom in, move nearer, or use tiles or a region"
    state = FindingState.WARNING if width >= LEAST_PIXELS else FindingState.BAD
    return DoctorFinding(about, state, text + cure, figures=figures)


def width_at(widths: Sequence[tuple[float, float]], where: Sequence[float]) -> float | None:
    """Plate width at these heights of the picture, estimated from all plates; None without plates.

    At a line it is the median of the plates near it. If there are none, it is taken from a straight
    line fitted to all plates: on a level road a plate's width grows evenly with its height in the
    picture.

    Args:
        widths: width in pixels and height of the centre as a fraction, of each plate.
        where: heights of lines as fractions; the narrowest width counts. Without a line it is the
            width that one plate in ten exceeds.
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


def height_of(width: float, widths: Sequence[tuple[float, float]]) -> float | None:
    """The height in the picture, 0 to 1, at which plates have this width; 0 is at the horizon.

    None if it is outside of the picture, or if the plates were all at about the same height.

    Args:
        width: in pixels.
        widths: as for `width_at`.
    """
    if len(widths) < LEAST_PLATES:
        return None
    pixels, places = (np.array(column, float) for column in zip(*widths, strict=True))
    if np.ptp(places) < NEAR_LINE:
        return None
    slope, start = np.polyfit(places, pixels, 1)
    height = (width - start) / slope if slope > 0 else -1.0
    return float(height) if 0 <= height < 1 else None
