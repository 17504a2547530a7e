"""Benchmark of the time to the first analysed frame, at the start and after an absence."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table
from typing_extensions import Self

from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_authority_keys, new_box_keys, new_signer_key
from tests.support.live_cameras import NEEDS_RTSP, RtspServer, film, has_rtsp_server
from tests.support.product import CLIPS, command, environment, verb
from tests.support.sites import AUTHORITY, BOX, CAMERA, SITE, MadeSite, make_real, make_site
from tests.support.sites import site as site_yaml

START_TARGET_S = 3.0
BACK_TARGET_S = 2.0
RECORDING = CLIPS / "street_day.mp4"
SIZE = (1920, 1080)
PATIENCE_S = 120.0
STOP_S = 60.0

ANALYSED = "the first frame is analysed"
LOST = "E_CAMERA_"
BACK = "gives frames again"

IMPORTS = "import edge.cli, edge.box.run"
"""What a box imports at its start."""
MODELS = """
import time
from edge.adapters.models.loading import load_plate_models
from edge.adapters.models.weights import Manifest
begun = time.monotonic()
load_plate_models(Manifest.load())
print(time.monotonic() - begun)
"""
DECODER = "import edge.adapters.cameras.decoder"


class BoxError(Exception):
    """The box did not do what is measured."""


class Box:
    """`edge-anpr run` as a process; its log and its messages to the service manager, with times.

    Args:
        folder: for the socket of the service manager.
        arguments: of `run`.
    """

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        address = folder / "notify"
        address.unlink(missing_ok=True)
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(address))
        self._manager.settimeout(PATIENCE_S)
        self._lines: queue.Queue[tuple[float, str]] = queue.Queue()
        self._said: list[str] = []
        self.begun_s = time.monotonic()
        self._process = subprocess.Popen(
            command("--log-level", "info", "--log-format", "json", "run", *arguments),
            env=environment({"NOTIFY_SOCKET": str(address)}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self._process.kill()
        self._process.wait()
        self._manager.close()
        self._reader.join()

    def until_ready(self) -> float:
        """The time at which it tells the service manager that it is ready.

        Raises:
            BoxError: it does not within the time limit.
        """
        try:
            while b"READY=1" not in self._manager.recv(4096):
                pass
        except TimeoutError:
            raise self._failed("is not ready") from None
        return time.monotonic()

    def until(self, words: str) -> float:
        """The time at which the next line with these words came.

        Raises:
            BoxError: there was no such line within the time limit.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                moment, line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise self._failed(f"never said {words!r}") from None
            if words in line:
                return moment
            if not line:
                raise self._failed(f"ended before it said {words!r}")

    def _read(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - for the type checker: it was asked for
        with self._process.stderr as log:
            for line in log:
                self._said.append(line.rstrip())
                self._lines.put((time.monotonic(), line))
        self._lines.put((time.monotonic(), ""))

    def _failed(self, how: str) -> BoxError:
        return BoxError("\n  ".join([f"the box {how}; its last lines:", *self._said[-5:]]))


# --- sites ----------------------------------------------------------------------------------


def live_site(folder: Path, url: str) -> MadeSite:
    """A site with one live camera, real keys and an active policy."""
    camera = {"live": {"type": "rtsp", "url": url}}
    made = make_site(folder, site_yaml=site_yaml(port=1, cameras={CAMERA: camera}))
    now = datetime.now(timezone.utc)
    for trial in (made.folder / "keys", made.authority_keys):
        shutil.rmtree(trial)
    new_box_keys(made.folder / "keys", SITE, BOX, now)
    public = new_authority_keys(made.authority_keys, AUTHORITY, now)
    shutil.copy(public, made.folder / "keys" / f"{AUTHORITY}.public.json")
    key = new_signer_key(folder / "signer", "mayor", now)
    make_real(made, {"mayor": load_signer_key(key)})
    activated = verb("policy", "activate", made.folder, "--key", key)
    if activated.status:
        raise BoxError(f"the policy was not activated: {activated.err.strip()}")
    return made


@contextlib.contextmanager
def camera(folder: Path, seconds: int) -> Iterator[RtspServer]:
    """Run an RTSP server with a film of so many seconds."""
    _say("filming")
    with RtspServer(film(folder / "film.ts", (*SIZE, seconds))) as server:
        yield server


def start(times: int, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds to the first analysed frame, and the parts of that time.

    Raises:
        BoxError: a box analysed no frame.
    """
    with camera(folder, 120) as server:
        live = ("--site", live_site(folder / "live", server.url).folder)
        recorded_site = make_site(folder / "recorded")
        recorded = ("--site", recorded_site.folder, "--source", RECORDING, "--drain", "0")
        result = {
            name: _started(name, times, folder, arguments)
            for name, arguments in (("recorded", recorded), ("live", live))
        }
    _say("parts")
    result["parts"] = {
        "python_s": _median([_seconds("pass") for _ in range(times)]),
        "imports_s": _median([_seconds(IMPORTS) for _ in range(times)]),
        "models_s": _median([float(_output(MODELS)) for _ in range(times)]),
        "decoder_imports_s": _median([_seconds(DECODER) for _ in range(times)]),
    }
    return result


def _started(
    name: str, times: int, folder: Path, arguments: Sequence[str | Path]
) -> dict[str, float]:
    ready, taken = [], []
    for number in range(times):
        _say(f"{name}: start {number + 1} of {times}")
        with Box(folder, *arguments) as box:
            ready.append(box.until_ready() - box.begun_s)
            taken.append(box.until(ANALYSED) - box.begun_s)
    return {
        "starts": float(times),
        "ready_median_s": _median(ready),
        **_summary(taken),
    }


def reconnect(times: int, away_s: float, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds from the moment a camera listens again to the first frame.

    Raises:
        BoxError: a frame never came.
    """
    noticed, taken = [], []
    with (
        camera(folder, round(60 + away_s)) as server,
        Box(folder, "--site", live_site(folder / "live", server.url).folder) as box,
    ):
        box.until(ANALYSED)
        for number in range(times):
            _say(f"return {number + 1} of {times}")
            server.kill()
            gone_s = time.monotonic()
            noticed.append(box.until(LOST) - gone_s)
            time.sleep(max(0.0, gone_s + away_s - time.monotonic()))
            server.start()
            back_s = time.monotonic()
            taken.append(box.until(BACK) - back_s)
    return {
        "reconnect": {
            "returns": float(times),
            "away_s": away_s,
            "noticed_median_s": _median(noticed),
            **_summary(taken),
        }
    }


def _summary(seconds: Sequence[float]) -> dict[str, float]:
    return {"median_s": _median(seconds), "worst_s": max(seconds)}


def _median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def _seconds(program: str) -> float:
    begun = time.monotonic()
    _output(program)
    return time.monotonic() - begun


def _output(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BoxError(f"{program!r} failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


# --- what is told ---------------------------------------------------------------------------


def _say(what: str) -> None:
    if sys.stderr.isatty():
        print(f"{what} ...", file=sys.stderr)


def show(title: str, target_s: float, result: Mapping[str, Mapping[str, float]]) -> None:
    """Print the result as a table."""
    table = Table("of", "figure", "value", title=title)
    for name, figures in result.items():
        for figure, value in figures.items():
            table.add_row(name, figure, f"{value:.2f}".rstrip("0").rstrip("."))
    console = Console()
    console.print(table)
    console.print(
        f"target: {target_s:.0f} s. Load average of the last minute: {os.getloadavg()[0]:.1f}."
    )


def report(given: argparse.Namespace) -> int:
    """Measure, and print one table or one JSON document; 1 if the worst is above the target."""
    if not has_rtsp_server():
        print(f"error: {NEEDS_RTSP}", file=sys.stderr)
        return 3
    target_s = START_TARGET_S if given.verb == "start" else BACK_TARGET_S
    try:
        with tempfile.TemporaryDirectory(prefix="edge-anpr-bench-") as name:
            if given.verb == "start":
                result = start(given.times, Path(name))
            else:
                result = reconnect(given.times, given.away, Path(name))
    except BoxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        show(given.verb, target_s, result)
    late = any(figures.get("worst_s", 0.0) > target_s for figures in result.values())
    return 1 if late else 0
