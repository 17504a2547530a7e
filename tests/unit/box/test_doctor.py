"""The doctor's findings: each threshold, and a still that shows no person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from edge.adapters.host.kernel_clock import KernelClock
from edge.adapters.host.machine import Machine, machine
from edge.box.findings import (
    CameraMeasurement,
    FindingState,
    of_camera,
    of_clock,
    of_machine,
    of_plates,
    width_at,
)
from edge.box.measuring import measure_camera, measure_speed
from edge.domain.geometry import Line
from edge.domain.imaging import Detection, Frame, Pixels, PlatePatch
from edge.domain.reading import PlateReading
from tests.support.fakes import STARTED, PartDetector

LINE = Line((0.0, 0.6), (1.0, 0.6))


@pytest.mark.parametrize(
    ("clock", "state"),
    [
        (KernelClock(True, 0.0, 0.05), FindingState.GOOD),
        (KernelClock(True, 0.0, 0.5), FindingState.WARNING),
        (KernelClock(True, 0.0, 11.0), FindingState.BAD),
        (KernelClock(False, 0.0, 0.05), FindingState.BAD),
        (None, FindingState.WARNING),
    ],
)
def test_an_unsynchronised_clock_fails_the_check(
    clock: KernelClock | None, state: FindingState
) -> None:
    assert of_clock(clock).state is state


def states(found: Machine) -> dict[str, FindingState]:
    return {finding.about: finding.state for finding in of_machine(found, reserve_mib=64)}


def test_swap_and_core_dumps_to_disk_are_reported() -> None:
    good = {"disk": FindingState.GOOD, "swap": FindingState.GOOD, "core dumps": FindingState.GOOD}

    assert states(Machine(4, 264, (), leaves_cores=False)) == good
    assert states(Machine(4, 263, (), leaves_cores=False)) == {**good, "disk": FindingState.BAD}
    assert states(Machine(4, 264, ("/swapfile",), leaves_cores=False)) == {
        **good,
        "swap": FindingState.WARNING,
    }
    assert states(Machine(4, 264, (), leaves_cores=True)) == {
        **good,
        "core dumps": FindingState.BAD,
    }


def test_swap_in_compressed_memory_is_accepted(tmp_path: Path) -> None:
    swaps = tmp_path / "swaps"
    swaps.write_text("Filename Type Size Used Priority\n/dev/zram0 partition 1 0 100\n")
    assert machine(tmp_path / "not" / "there", swaps).swaps == ()

    swaps.write_text(swaps.read_text() + "/dev/sda2 partition 1 0 -2\n")
    assert machine(tmp_path, swaps).swaps == ("/dev/sda2",)


@pytest.mark.parametrize(
    ("widths", "where", "expected"),
    [
        ([], [0.5], None),
        ([(80, 0.5), (90, 0.55), (300, 0.9)], [0.5], 85),
        ([(50, 0.2), (100, 0.4)], [0.8], 200),
        ([(50, 0.2), (100, 0.4)], [0.8, 0.2], 50),
        ([(50, 0.2)], [0.9], 50),
        ([(10.0 * n, 0.1) for n in range(1, 12)], [], 100),
    ],
)
def test_the_plate_width_at_a_line_is_extrapolated_from_other_plates(
    widths: list[tuple[float, float]], where: list[float], expected: float | None
) -> None:
    found = width_at(widths, where)

    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("width", "state"),
    [
        (120, FindingState.GOOD),
        (95, FindingState.GOOD),
        (60, FindingState.WARNING),
        (31, FindingState.BAD),
    ],
)
def test_narrow_plates_are_reported(width: float, state: FindingState) -> None:
    measured = CameraMeasurement(10, 0, 10.0, (1280, 720), ((width, 0.6),), None)

    assert of_plates("cam-1", measured, [LINE]).state is state


def test_without_a_plate_there_is_no_verdict() -> None:
    assert (
        of_plates("cam-1", CameraMeasurement(10, 0, 10.0, (640, 480), (), None), []).state
        is FindingState.SKIPPED
    )


@pytest.mark.parametrize(
    ("per_second", "corrupt", "state"),
    [
        (25.0, 0, FindingState.GOOD),
        (4.0, 0, FindingState.BAD),
        (25.0, 3, FindingState.WARNING),
        (None, 0, FindingState.GOOD),
    ],
)
def test_a_slow_camera_fails_the_check(
    per_second: float | None, corrupt: int, state: FindingState
) -> None:
    assert (
        of_camera("cam-1", CameraMeasurement(9, corrupt, per_second, (64, 48), (), None)).state
        is state
    )
    assert (
        of_camera("cam-1", CameraMeasurement(0, 0, None, None, (), None)).state is FindingState.BAD
    )


def test_the_speed_check_gives_the_number_of_cameras() -> None:
    class Blank:
        """A detector and reader without results."""

        def detect(self, pixels: Pixels) -> tuple[Detection, ...]:
            return ()

        def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
            return ()

    models = Blank()

    quick = measure_speed(models, models, provider="cpu", cameras=1, passes=1)
    crowded = measure_speed(models, models, provider="cpu", cameras=10**9, passes=1)

    assert quick.state is FindingState.GOOD
    assert quick.figures["cameras_at_10_per_s"] >= 1
    assert crowded.state is FindingState.BAD


class OnePlate:
    """A camera at 20 frames a second with a bright plate on a detailed background."""

    name = "cam-1"
    expected_frames = None
    corrupt_frames = 0

    def frames(self) -> Iterator[Frame]:
        for index in range(5):
            pixels = np.random.default_rng(index).integers(0, 190, (480, 640, 3), np.uint8)
            pixels[300:320, 200:300] = 255
            yield Frame("cam-1", index, index / 20, STARTED, pixels)

    def close(self) -> None:
        """Nothing to be closed."""


def test_a_camera_is_checked_and_its_still_has_no_unmasked_pixel() -> None:
    measured = measure_camera(OnePlate(), PartDetector(), [LINE])

    assert measured.per_second == pytest.approx(20)
    assert measured.size == (640, 480)
    assert {width for width, _ in measured.widths} == {100}
    assert measured.still is not None
    assert type(measured.still).__name__ == "RedactedImage"
