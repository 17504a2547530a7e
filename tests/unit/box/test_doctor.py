"""The doctor's findings: each threshold, and a still that shows no person."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timezone
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from edge.adapters.cameras.guarded_camera import GuardedCamera
from edge.adapters.host.kernel_clock import KernelClock
from edge.adapters.host.machine import Load, Machine, load, machine
from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.weights import Manifest
from edge.box.doctor import _examine_camera
from edge.box.findings import (
    CameraMeasurement,
    DoctorFinding,
    FindingState,
    height_of,
    of_camera,
    of_clock,
    of_machine,
    of_plates,
    of_turn,
    width_at,
)
from edge.box.measuring import measure_camera, measure_speed, turns_of
from edge.box.time_limit import within
from edge.domain.geometry import Line
from edge.domain.imaging import (
    Box,
    Detection,
    Frame,
    Pixels,
    PlatePatch,
    cut_patch,
    without_duplicates,
)
from edge.domain.reading import PlateReading, fuse
from edge.domain.schedule import Hours, Schedule
from edge.errors import CameraError
from edge.privacy.redaction import aiming_still
from tests.support.fakes import STARTED, PartDetector, reading_of
from tests.support.product import CLIPS

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


class Blank:
    """A detector and reader without results, each slower than the one before it says."""

    def __init__(self, *delays_s: float) -> None:
        self._delays_s = itertools.cycle(delays_s or (0.0,))

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        time.sleep(next(self._delays_s))
        return ()

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        return ()


IDLE, BUSY = Load(0.1, 2), Load(5.2, 2)


def speed(models: Blank, cameras: int, load: Load) -> DoctorFinding:
    return measure_speed(models, models, provider="cpu", cameras=cameras, passes=1, load=load)


def test_the_speed_check_gives_the_number_of_cameras() -> None:
    quick, crowded = speed(Blank(), 1, IDLE), speed(Blank(), 10**9, IDLE)

    assert quick.state is FindingState.GOOD
    assert quick.figures["cameras_at_10_per_s"] >= 1
    assert crowded.state is FindingState.BAD


def test_the_best_of_several_times_counts_and_the_load_is_reported() -> None:
    # Other programs interrupt most of the runs.
    found = speed(Blank(0.2, 0.15, 0.02, 0.3), 1, BUSY)

    assert found.figures["detect_ms"] == pytest.approx(20, abs=10)
    assert found.state is FindingState.GOOD
    assert "load 5.2 on 2 processors" in found.text
    assert (found.figures["load"], found.figures["processors"]) == (5.2, 2)


def test_a_slow_machine_that_is_busy_gets_no_verdict() -> None:
    busy, idle = speed(Blank(0.25), 1, BUSY), speed(Blank(0.25), 1, IDLE)

    assert busy.state is FindingState.WARNING
    assert "measure again" in busy.text
    assert idle.state is FindingState.BAD


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
    measured = measure_camera(OnePlate(), PartDetector(), [LINE], 0.4)

    assert measured.per_second == pytest.approx(20)
    assert measured.size == (640, 480)
    assert {width for width, _ in measured.widths} == {100}
    assert measured.still is not None
    assert type(measured.still).__name__ == "RedactedImage"


class Lamps(PartDetector):
    """A detector that finds only what it takes for a lamp or a badge."""

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        return tuple(replace(one, score=0.2) for one in super().detect(pixels, region))


class NoReader:
    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        return tuple(reading_of("") for _ in patches)


def test_what_the_box_takes_for_no_plate_is_not_measured_as_one() -> None:
    weights = load_plate_models(Manifest.load(environment={}))
    models = replace(weights, detector=Lamps(), reader=NoReader(), threshold=0.4)
    hours = Schedule(timezone.utc, ((Hours(0, 1440),),) * 7)

    found = _examine_camera(GuardedCamera(OnePlate(), hours), models, [LINE], None)

    assert [one.text for one in found if one.about == "plates cam-1"] == [
        "no plate was found during the check; run it again while a vehicle passes"
    ]


# --- everything ends --------------------------------------------------------------------------


class SilentCamera(OnePlate):
    """A camera that gives some frames and then waits until it is closed."""

    def __init__(self, frames: int) -> None:
        self._closed = threading.Event()
        self._number = frames

    def frames(self) -> Iterator[Frame]:
        yield from itertools.islice(super().frames(), self._number)
        self._closed.wait(60)

    def close(self) -> None:
        self._closed.set()


def test_a_camera_that_gives_no_frame_is_given_up_with_its_problem() -> None:
    problem = CameraError("camera cam-1: it refuses the connection", code="E_CAMERA_UNREACHABLE")
    started = time.monotonic()

    with pytest.raises(CameraError, match="refuses the connection"):
        measure_camera(
            SilentCamera(0),
            PartDetector(),
            [],
            0.4,
            problem=lambda: problem,
            first_frame_s=0.2,
        )
    with pytest.raises(CameraError, match=r"no frame in 0 s") as silent:
        measure_camera(SilentCamera(0), PartDetector(), [], 0.4, first_frame_s=0.2)

    assert silent.value.code == "E_CAMERA_SILENT"
    assert time.monotonic() - started < 10


def test_a_camera_that_stalls_is_measured_by_the_frames_before() -> None:
    measured = measure_camera(
        SilentCamera(4), PartDetector(), [], 0.4, measure_s=2, first_frame_s=2
    )

    assert measured.frames == 4


def test_work_that_hangs_is_given_up_and_its_error_is_passed_on() -> None:
    hanging = threading.Event()

    with pytest.raises(TimeoutError):
        within(0.1, hanging.wait)
    hanging.set()

    assert within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)


def test_the_machine_says_how_busy_it_is() -> None:
    assert load().cores >= 1
    assert load().waiting >= 0


# --- turned pictures --------------------------------------------------------------------------


@cache
def models() -> PlateModels:
    return load_plate_models(Manifest.load())


@cache
def pictures(clip: str) -> tuple[Pixels, ...]:
    """Some pictures of a fixture clip, all of one second."""
    with av.open(str(CLIPS / f"{clip}.mp4")) as container:
        chosen = itertools.islice(container.decode(video=0), 20, 56, 12)
        return tuple(frame.to_ndarray(format="bgr24") for frame in chosen)


def frames_of(clip: str, turns: int) -> list[Frame]:
    """The pictures as a camera sees them that is turned clockwise by this many quarters."""
    return [
        Frame("cam-1", index, index * 0.5, STARTED, np.ascontiguousarray(np.rot90(one, -turns)))
        for index, one in enumerate(pictures(clip))
    ]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("clip", ["street_day", "night", "rain"])
def test_a_camera_that_is_mounted_sideways_or_upside_down_is_noticed(clip: str, turns: int) -> None:
    found = turns_of(frames_of(clip, turns), models().detector, models().reader)

    assert found == turns


def test_without_legible_plates_nothing_is_said_about_the_mounting() -> None:
    blank = [Frame("cam-1", 0, 0.0, STARTED, np.full((360, 640, 3), 90, np.uint8))]

    assert turns_of(blank, models().detector, models().reader) == 0
    assert turns_of([], models().detector, models().reader) == 0


@pytest.mark.parametrize(
    ("turns", "text"),
    [
        (1, "turned by 90 degrees counter-clockwise"),
        (2, "is upside down"),
        (3, "turned by 90 degrees clockwise"),
    ],
)
def test_the_finding_of_a_turned_camera_names_the_cure(turns: int, text: str) -> None:
    measured = CameraMeasurement(10, 0, 10.0, (640, 480), (), None, turns)

    found = of_turn("cam-1", measured)

    assert found is not None
    assert found.state is FindingState.BAD
    assert text in found.text
    assert "turn the camera" in found.text
    assert of_turn("cam-1", CameraMeasurement(10, 0, 10.0, (640, 480), (), None)) is None


# --- the picture to aim by --------------------------------------------------------------------


@pytest.mark.parametrize("enlarged", [1, 3])
@pytest.mark.parametrize("clip", ["street_day", "night", "rain", "wrong_way"])
def test_p8_no_plate_of_an_aiming_still_is_found_or_read(clip: str, enlarged: int) -> None:
    for pixels in pictures(clip):
        plates = [one.box for one in without_duplicates(models().detector.detect(pixels))]
        if enlarged > 1:  # a plate that is much nearer than any other
            middle = plates[0].centre
            height, width = pixels.shape[0] // enlarged, pixels.shape[1] // enlarged
            top = int(min(max(0, middle[1] - height / 2), pixels.shape[0] - height))
            left = int(min(max(0, middle[0] - width / 2), pixels.shape[1] - width))
            part = pixels[top : top + height, left : left + width]
            pixels = np.repeat(np.repeat(part, enlarged, 0), enlarged, 1)  # noqa: PLW2901
            plates = [one.box for one in without_duplicates(models().detector.detect(pixels))]
        for known in (plates, []):  # also if the detector had missed all of them
            still = aiming_still(pixels, known).pixels
            found = [
                one for one in models().detector.detect(still) if one.score >= models().threshold
            ]
            patches = [
                cut_patch(still, Detection(box, 1.0), 0.08)
                for box in (*plates, *(one.box for one in found))
            ]
            read = [fuse([one]) for one in models().reader.read(patches)]
            assert all(one is None or one.posterior < 0.5 for one in read)


def test_an_aiming_still_is_fine_enough_to_show_a_kerb() -> None:
    pixels = np.full((720, 1280, 3), 60, np.uint8)
    pixels[400:, :] = 180

    still = aiming_still(pixels, [Box(600, 500, 700, 522)]).pixels

    edge = int(np.argmax(still[:, 5, 0] == 184))  # not the grid, which is brighter
    assert abs(edge - 400) <= 27


@pytest.mark.parametrize(
    ("width", "expected"), [(0.0, 0.1), (100.0, 0.6), (95.0, 0.575), (500.0, None)]
)
def test_the_height_at_which_plates_have_a_width_is_estimated(
    width: float, expected: float | None
) -> None:
    widths = [(200 * (at - 0.1), at) for at in np.linspace(0.3, 0.9, 10)]

    found = height_of(width, widths)

    assert found == (None if expected is None else pytest.approx(expected, abs=0.001))
    assert height_of(width, widths[:3]) is None
    assert height_of(width, [(80.0, 0.5)] * 20) is None
