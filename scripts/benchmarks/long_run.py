"""Run a box for a long time, sample its size, and report whether it grows."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge.authority.store import HitStore
from scripts.benchmarks.camera_faults import PAUSE_S, CameraFaults, camera_figures
from scripts.benchmarks.growth import Sample, judged
from scripts.benchmarks.growth_report import write_csv, write_plot
from scripts.benchmarks.process_sizes import footprint
from scripts.benchmarks.rig import (
    CAMERA,
    CLIP,
    CLIPS,
    LIVE_CLIPS,
    REPOSITORY,
    Broker,
    live_site,
    receiving,
    soak_site,
    times,
)
from tests.support.brokers import free_port
from tests.support.live_cameras import NEEDS_RTSP, RtspServer, has_rtsp_server, looped

RECORDED_AT = "2026-03-10T08:25:00+01:00"
PACE = 8
"""The recording is at most read so many times faster than real time; it must not end early."""
BROKER_AWAY_S = 10.0
STOP_S = 40.0
BACK_S = 60.0
"""Time within which the camera must give frames again after the last fault."""
STOPPED = 130
"""Exit status of a box that stopped in order when it was told to."""


@dataclass(frozen=True, slots=True)
class Soak:
    """The plan of a run.

    Attributes:
        minutes: length of the run.
        every_s: seconds between samples.
        restart_s: seconds after which mosquitto is stopped, each time.
        seed: of the faults of a live camera; None reads a recording.
        csv: file for the samples.
    """

    minutes: float
    every_s: float
    restart_s: float
    seed: int | None
    csv: Path


def soak(plan: Soak, program: str) -> tuple[list[Sample], str]:
    """Run a box; return the samples and, if something else went wrong, what (else empty).

    Args:
        plan: of the run.
        program: path of mosquitto.

    Raises:
        PermissionError: the box may not be inspected.
    """
    with tempfile.TemporaryDirectory(prefix="edge-anpr-soak-") as name, ExitStack() as stage:
        folder = Path(name)
        broker = Broker(program, folder)
        broker.start()
        stage.callback(broker.stop)
        telemetry: int | None = None
        faults: CameraFaults | None = None
        run = [sys.executable, "-m", "edge", "run", "--site"]
        if plan.seed is None:
            street = looped(CLIP, folder / "street.ts", times(CLIP, plan.minutes * 60 * PACE))
            at = soak_site(folder, broker.port)
            run += [str(at), "--camera", CAMERA, "--source", str(street)]
            run += ["--recorded-at", RECORDED_AT]
        else:
            longest = max(PAUSE_S) * 4  # now and then a recording ends, too
            films = [
                looped(CLIPS / clip, folder / f"{clip}.ts", times(CLIPS / clip, longest))
                for clip in LIVE_CLIPS
            ]
            server = stage.enter_context(RtspServer(films[0]))
            telemetry = free_port()
            at = live_site(folder, broker.port, server.url, telemetry)
            run.append(str(at))
            faults = CameraFaults(server, films, plan.seed)
        store = stage.enter_context(receiving(folder, at, broker.port))
        log = stage.enter_context((folder / "log").open("w+"))
        box = subprocess.Popen(run, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=log)
        try:
            with faults or contextlib.nullcontext():
                samples = _sampled(box, broker, store, telemetry, plan)
            fault = _came_back(faults, telemetry) if faults and telemetry else ""
            fault = fault or _stopped(box, samples)
        finally:
            box.kill()
            box.wait()
        if fault:
            log.seek(0)
            fault += "".join(f"\n  {line.rstrip()}" for line in log.readlines()[-5:])
    return samples, fault


def _sampled(
    box: subprocess.Popen[bytes],
    broker: Broker,
    store: HitStore,
    telemetry: int | None,
    plan: Soak,
) -> list[Sample]:
    samples: list[Sample] = []
    begun = time.monotonic()
    restart_due = begun + plan.restart_s
    back_due: float | None = None
    while (now := time.monotonic()) < begun + plan.minutes * 60 and box.poll() is None:
        if back_due is None and now >= restart_due:
            broker.stop()
            back_due = now + BROKER_AWAY_S
        elif back_due is not None and now >= back_due:
            broker.start()
            back_due, restart_due = None, now + plan.restart_s
        found = footprint(box.pid)
        _, connections = camera_figures(telemetry) if telemetry else (True, 0)
        samples.append(Sample(round(now - begun, 1), *found, len(list(store.hits())), connections))
        write_csv(samples, plan.csv)
        time.sleep(plan.every_s)
    if back_due is not None:
        broker.start()
    return samples


def _came_back(faults: CameraFaults, telemetry: int) -> str:
    """Error of the camera after the last fault; empty if it gives frames."""
    print("camera: " + ", ".join(f"{kind}: {count}" for kind, count in faults.counts.items()))
    deadline = time.monotonic() + BACK_S
    while not camera_figures(telemetry)[0] and time.monotonic() < deadline:
        time.sleep(0.5)
    up, connections = camera_figures(telemetry)
    print(f"connections: {connections}")
    if faults.fault or not up:
        return faults.fault or f"the camera gave no frames again within {BACK_S:.0f} s"
    return ""


def _stopped(box: subprocess.Popen[bytes], samples: Sequence[Sample]) -> str:
    """Stop the box in order; return its error, empty if there is none."""
    if box.poll() is not None:
        return f"the box ended by itself with status {box.returncode}"
    box.send_signal(signal.SIGTERM)
    try:
        box.wait(STOP_S)
    except subprocess.TimeoutExpired:
        return f"the box did not stop within {STOP_S:.0f} s"
    if box.returncode != STOPPED:
        return f"the box, told to stop, ended with status {box.returncode}"
    if not samples or samples[-1].hits == 0:
        return "the authority received no hit"
    return ""


def report(given: argparse.Namespace) -> int:
    """Run, write CSV and plot, print the result of each figure; 0 when nothing grows."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        print("error: mosquitto: not installed; run: apt-get install mosquitto", file=sys.stderr)
        return 3
    if given.live and not has_rtsp_server():
        print(f"error: --live {NEEDS_RTSP}", file=sys.stderr)
        return 3
    # The broker is away on purpose; do not log that.
    logging.getLogger("edge").setLevel(logging.ERROR)
    given.out.mkdir(parents=True, exist_ok=True)
    name = "soak-live" if given.live else "soak"
    plan = Soak(
        given.minutes,
        given.every,
        given.restart,
        given.seed if given.live else None,
        given.out / f"{name}.csv",
    )
    try:
        samples, fault = soak(plan, program)
    except PermissionError as error:
        print(f"error: {error.filename}: cannot be read; run this as root", file=sys.stderr)
        return 3
    try:
        verdicts = judged(samples)
    except ValueError as error:
        print(f"FAILED: {fault or error}")
        return 1
    write_plot(samples, verdicts, given.out / f"{name}.svg")
    for verdict in verdicts:
        print(verdict.line())
    print(f"hits at the authority: {samples[-1].hits}; samples: {len(samples)}")
    if fault:
        print(f"FAILED: {fault}")
    return 0 if not fault and all(verdict.flat for verdict in verdicts) else 1
