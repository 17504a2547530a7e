"""The verdict of the soak test: a steady rise is a leak, fluctuation is not."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.benchmarks import camera_faults
from scripts.benchmarks.camera_faults import CameraFaults
from scripts.benchmarks.growth import Sample, judged, slope
from scripts.benchmarks.growth_report import write_plot
from scripts.benchmarks.process_sizes import family, footprint
from tests.support.brokers import wait_until
from tests.support.live_cameras import RtspServer


def samples(
    rss: Callable[[float], float] = lambda _second: 240.0,
    threads: Callable[[float], int] = lambda _second: 13,
    descriptors: Callable[[float], int] = lambda _second: 15,
    processes: Callable[[float], int] = lambda _second: 1,
    count: int = 360,
) -> list[Sample]:
    """Half an hour, a sample every five seconds."""
    return [
        Sample(second, rss(second), threads(second), descriptors(second), processes(second), hits=1)
        for second in (5.0 * number for number in range(count))
    ]


def rising(found: list[Sample]) -> set[str]:
    return {verdict.limit.name for verdict in judged(found) if not verdict.flat}


def test_fluctuating_memory_is_not_a_leak() -> None:
    noise = random.Random(3)

    assert rising(samples(rss=lambda _second: 240 + noise.uniform(-15, 15))) == set()


def test_growth_during_warm_up_is_not_a_leak() -> None:
    assert rising(samples(rss=lambda second: min(240.0, 100 + second))) == set()


def test_single_peaks_do_not_change_the_verdict() -> None:
    assert rising(samples(rss=lambda second: 900.0 if second % 100 == 0 else 240.0)) == set()


def test_a_memory_leak_is_detected_under_noise() -> None:
    noise = random.Random(3)

    def leaking(second: float) -> float:
        return 240 + second / 60 * 1.5 + noise.uniform(-10, 10)

    assert rising(samples(rss=leaking)) == {"rss_mib"}


def test_one_leaked_thread_per_broker_restart_is_detected() -> None:
    assert rising(samples(threads=lambda second: 13 + int(second // 180))) == {"threads"}


def test_one_leaked_descriptor_per_broker_restart_is_detected() -> None:
    assert rising(samples(descriptors=lambda second: 15 + int(second // 180))) == {"descriptors"}


def test_one_leaked_decoder_per_reconnection_is_detected() -> None:
    assert rising(samples(processes=lambda second: 2 + int(second // 300))) == {"processes"}


def test_too_few_samples_give_no_verdict() -> None:
    with pytest.raises(ValueError, match="too few"):
        judged(samples(count=10))


def test_the_slope_of_a_straight_line_is_exact() -> None:
    assert slope([(x, 3 + 2 * x) for x in range(1000)]) == pytest.approx(2)


def test_the_plot_has_a_line_for_each_figure(tmp_path: Path) -> None:
    found = samples()
    write_plot(found, judged(found), tmp_path / "soak.svg")

    lines = ET.parse(tmp_path / "soak.svg").getroot().findall("{*}polyline")  # noqa: S314 - our own
    assert [len(line.attrib["points"].split()) for line in lines] == [len(found)] * 4


def test_threads_and_descriptors_of_grandchild_processes_are_counted() -> None:
    inner = "import time; time.sleep(60)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    process = subprocess.Popen([sys.executable, "-c", outer])
    try:
        assert wait_until(lambda: len(family(process.pid)) == 2)
        memory, threads, descriptors, processes = footprint(process.pid)
    finally:
        for pid in reversed(family(process.pid)):
            os.kill(pid, 9)
        process.wait()

    assert processes == 2
    assert memory > 5
    assert threads >= 2
    assert descriptors >= 6


def test_a_zombie_process_is_counted() -> None:
    before = footprint(os.getpid())[3]
    process = subprocess.Popen([sys.executable, "-c", ""])
    ended = Path(f"/proc/{process.pid}/stat")
    try:
        assert wait_until(lambda: ") Z " in ended.read_text())
        after = footprint(os.getpid())[3]
    finally:
        process.wait()

    assert after == before + 1


class RecordingServer(RtspServer):
    """An RTSP server that records its faults."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def start(self, clip: Path | None = None) -> None:
        self.done.append(f"start {clip}")

    def kill(self) -> None:
        self.done.append("kill")

    def stall(self) -> None:
        self.done.append("stall")

    def go_on(self) -> None:
        self.done.append("go on")


def run_faults(monkeypatch: pytest.MonkeyPatch, seed: int) -> list[str]:
    monkeypatch.setattr(camera_faults, "PAUSE_S", (0.0, 0.002))
    monkeypatch.setattr(camera_faults, "FAULT_S", (0.0, 0.002))
    server = RecordingServer()
    with CameraFaults(server, [Path("a"), Path("b")], seed):
        assert wait_until(lambda: len(server.done) >= 60)
    return server.done


def test_the_same_seed_gives_the_same_faults_and_each_one_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, again, other = (run_faults(monkeypatch, seed) for seed in (1, 1, 2))

    assert first[:60] == again[:60] != other[:60]
    pairs = set(zip(first[::2], first[1::2], strict=True))
    assert pairs == {("stall", "go on"), ("kill", "start a"), ("kill", "start b")}


def test_an_additional_thread_and_file_are_counted(tmp_path: Path) -> None:
    program = (
        "import sys, threading\n"
        "print(flush=True); input()\n"
        "file = open(sys.argv[1], 'w'); wait = threading.Event()\n"
        "threading.Thread(target=wait.wait).start()\n"
        "print(flush=True); input(); wait.set()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "file")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        _, threads, descriptors, _ = footprint(other.pid)
        other.stdin.write("\n")
        other.stdin.flush()
        other.stdout.readline()
        _, more_threads, more_descriptors, _ = footprint(other.pid)
        other.stdin.write("\n")

    assert more_threads == threads + 1
    assert more_descriptors == descriptors + 1
