"""Test rig for a box: sites with keys, an MQTT broker, and an authority that receives hits."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import av

from edge.adapters.broker.options import BrokerOptions
from edge.adapters.host.system import SystemClock
from edge.adapters.state.key_files import (
    load_all_box_public_keys,
    load_authority_private_keys,
    load_signer_key,
)
from edge.adapters.state.key_making import new_authority_keys, new_box_keys, new_signer_key
from edge.authority.store import HitStore
from edge.authority.tail import Receiver, Tail
from edge.site.folder import load_site_folder
from tests.support.sites import AUTHORITY, BOX, SITE, list_csv, make_real, make_site, site
from tests.support.sites import CAMERA as LIVE_CAMERA

REPOSITORY = Path(__file__).resolve().parents[2]
CLIPS = REPOSITORY / "tests" / "fixtures" / "clips"
CLIP = CLIPS / "street_day.mp4"
CAMERA = "school-street"
HOST = "127.0.0.1"
LIVE_CLIPS = ("street_day.mp4", "wrong_way.mp4", "rain.mp4", "night.mp4", "side_by_side.mp4")


class Broker:
    """A mosquitto on a free port of loopback."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        lines = [f"listener {self.port} {HOST}", "allow_anonymous true", "log_dest none"]
        if os.geteuid() == 0:
            lines.append("user root")
        (folder / "mosquitto.conf").write_text("\n".join([*lines, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


def soak_site(folder: Path, port: int) -> Path:
    """A copy of the demo site for a broker's port, with new keys; the authority's are beside it."""
    site = folder / "site"
    shutil.copytree(REPOSITORY / "config" / "demo", site)
    file = site / "site.yaml"
    file.write_text(file.read_text().replace("port: 1883", f"port: {port}"))
    loaded = load_site_folder(site)
    now = datetime.now(timezone.utc)
    new_box_keys(loaded.keys_folder, loaded.settings.site, loaded.settings.box, now, trial=True)
    for authority in loaded.policy.authorities:
        public = new_authority_keys(folder / "authority", authority, now, trial=True)
        shutil.copy(public, loaded.authority_keys(authority))
    return site


@contextlib.contextmanager
def receiving(folder: Path, site: Path, port: int) -> Iterator[HitStore]:
    """Run an authority that stores sealed hits and sends receipts."""
    boxes = load_all_box_public_keys(site / "keys")
    keys = load_authority_private_keys(folder / "authority")
    stopped = threading.Event()
    with HitStore.open(folder / "hits", create=True) as store:

        def receive() -> None:
            with HitStore.open(folder / "hits") as own:
                receiver = Receiver(own, boxes, keys, SystemClock().utc)
                Tail(BrokerOptions(HOST, port, "soak-authority"), receiver).run(
                    cancelled=stopped.is_set
                )

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        try:
            yield store
        finally:
            stopped.set()
            thread.join(10)


def live_site(folder: Path, port: int, url: str, telemetry: int) -> Path:
    """A site with a live camera, real keys and an active policy; all plates are on its list.

    Args:
        folder: where to make it; the authority's keys are put there too.
        port: of the broker.
        url: of the camera.
        telemetry: port of the box's metrics.
    """
    made = make_site(
        folder,
        site_yaml=site(
            port=port,
            cameras={LIVE_CAMERA: {"live": {"type": "rtsp", "url": url}}},
            telemetry={"listen": f"{HOST}:{telemetry}"},
        ),
    )
    with (CLIPS / "labels.csv").open(newline="") as file:
        wanted = {row["plate"]: None for row in csv.DictReader(file) if row["clip"] in LIVE_CLIPS}
    now = datetime.now(timezone.utc)
    later = (now + timedelta(days=30)).date().isoformat()
    (made.folder / "lists" / "stolen.csv").write_text(list_csv(wanted, end=later))
    shutil.rmtree(made.folder / "keys")
    shutil.rmtree(made.authority_keys)
    new_box_keys(made.folder / "keys", SITE, BOX, now)
    public = new_authority_keys(made.authority_keys, AUTHORITY, now)
    shutil.copy(public, made.folder / "keys" / f"{AUTHORITY}.public.json")
    key = new_signer_key(folder / "signer", "mayor", now)
    make_real(made, {"mayor": load_signer_key(key)})
    activate = ["policy", "activate", str(made.folder), "--key", str(key)]
    command = [sys.executable, "-m", "edge", *activate]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    return made.folder


def times(clip: Path, seconds: float) -> int:
    """How often to repeat a clip so that it lasts so many seconds."""
    with av.open(clip) as source:
        return math.ceil(seconds / (float(source.duration or 0) / av.time_base))
