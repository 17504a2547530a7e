"""An RTSP camera that fails at random moments, and what the box says about its camera."""

from __future__ import annotations

import contextlib
import random
import re
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import Self

from scripts.benchmarks.rig import HOST
from tests.support.live_cameras import RtspServer

PAUSE_S = (8.0, 40.0)
"""Range of seconds between two faults."""
FAULT_S = (2.0, 12.0)
"""Range of seconds of a fault; the box disconnects from a camera that is silent for 4.5 s."""


class CameraFaults:
    """Faults of a camera at random moments while a `with` block runs: drop, restart, stall."""

    def __init__(self, server: RtspServer, films: Sequence[Path], seed: int) -> None:
        self.counts = {"drop": 0, "restart": 0, "stall": 0}
        self.fault = ""
        self._server = server
        self._films = films
        self._noise = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Stop the faults; the camera works from now on. A second call does nothing."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.wait(self._noise.uniform(*PAUSE_S)):
                kind = self._noise.choice(tuple(self.counts))
                self.counts[kind] += 1
                if kind == "stall":
                    self._server.stall()
                    self._over.wait(self._noise.uniform(*FAULT_S))
                    self._server.go_on()
                    continue
                self._server.kill()
                if kind == "restart":
                    self._over.wait(self._noise.uniform(*FAULT_S))
                self._server.start(self._noise.choice(self._films))
        except (AssertionError, OSError) as error:
            self.fault = f"the RTSP server failed: {error}"


def camera_figures(telemetry: int) -> tuple[bool, int]:
    """Whether the box's camera gives frames, and how often it connected, from the metrics."""
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://{HOST}:{telemetry}/metrics", timeout=10) as answer,
    ):
        text = answer.read().decode()
        up, connections = (
            re.search(rf"^edge_anpr_camera_{name}{{.*}} ([0-9.]+)$", text, re.MULTILINE)
            for name in ("up", "connections_total")
        )
        if up is not None and connections is not None:
            return float(up[1]) == 1, int(float(connections[1]))
    return False, 0
