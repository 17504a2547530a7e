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
from tests.support.live import RtspServer

CALM_S = (8.0, 40.0)
"""How long the camera is left alone between two troubles, at least and at most."""
TROUBLE_S = (2.0, 12.0)
"""How long it is away or hangs; a camera that is silent for 4.5 s is cut off."""


class Trouble:
    """What happens to a camera, at moments drawn from a seed, while a `with` block runs."""

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
        """From now on the camera works; a second call does nothing."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.wait(self._noise.uniform(*CALM_S)):
                kind = self._noise.choice(tuple(self.counts))
                self.counts[kind] += 1
                if kind == "stall":
                    self._server.stall()
                    self._over.wait(self._noise.uniform(*TROUBLE_S))
                    self._server.go_on()
                    continue
                self._server.kill()
                if kind == "restart":
                    self._over.wait(self._noise.uniform(*TROUBLE_S))
                self._server.start(self._noise.choice(self._films))
        except (AssertionError, OSError) as error:
            self.fault = f"the RTSP server failed: {error}"


def camera_figures(telemetry: int) -> tuple[bool, int]:
    """Whether the box's camera gives frames, and how often it began to; of its metrics."""
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
