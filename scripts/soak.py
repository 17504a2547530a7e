"""Does a box that runs for long stay as small as it was?

`edge-anpr run` reads a rendered street over and over, as fast as this machine can. A real mosquitto
takes its hits and is stopped and started now and then; an authority stores them and sends receipts.
With `--live` it reads an RTSP camera instead, at the camera's own pace, which restarts, stalls and
drops the connection at moments that are drawn at random from a seed, throughout.

Memory, threads, file descriptors and number of the box and all its children are sampled. After a
time to warm up none of them may rise by more than a little over the rest: 10 % of the median and 16
MiB of memory, one thread, two descriptors, half a process. The slope is Theil and Sen's: the median
of the slopes between all pairs of samples, which single peaks do not move
(https://doi.org/10.1080/01621459.1968.10480934).

Status: 0 flat, 1 something rises or the box did not live or deliver, 2 wrong usage, 3 no mosquitto,
no RTSP server or not root.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import logging
import math
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta, timezone
from html import escape
from itertools import combinations
from pathlib import Path

import av
from typing_extensions import Self

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from edge.adapters.broker.mqtt import BrokerOptions  # noqa: E402 - found from the root
from edge.adapters.host.system import SystemClock  # noqa: E402
from edge.adapters.state.key_files import (  # noqa: E402
    load_all_box_public_keys,
    load_authority_private_keys,
    load_signer_key,
)
from edge.adapters.state.key_making import (  # noqa: E402
    new_authority_keys,
    new_box_keys,
    new_signer_key,
)
from edge.authority.store import HitStore  # noqa: E402
from edge.authority.tail import Receiver, Tail  # noqa: E402
from edge.site.folder import load_site_folder  # noqa: E402
from tests.support.brokers import free_port  # noqa: E402
from tests.support.live import NEEDS_RTSP, RtspServer, has_rtsp_server, looped  # noqa: E402
from tests.support.sites import AUTHORITY, BOX, SITE, list_csv, make_real, make_site, site  # noqa: E402
from tests.support.sites import CAMERA as LIVE_CAMERA  # noqa: E402

CLIPS = REPOSITORY / "tests" / "fixtures" / "clips"
CLIP = CLIPS / "street_day.mp4"
CAMERA = "school-street"
RECORDED_AT = "2026-03-10T08:25:00+01:00"
HOST = "127.0.0.1"

WARM_UP = 0.2
"""Share of the samples that are left out at the start: caches fill, the outbox is made."""
FEWEST_SAMPLES = 20
MOST_PAIRS = 400
"""Samples that the slope is taken of; of more, every n-th: pairs grow with their square."""
PACE = 8
"""So many times faster than its own pace the street is read at most; it must not end too soon."""
BROKER_AWAY_S = 10.0
STOP_S = 40.0
LIVE_CLIPS = ("street_day.mp4", "wrong_way.mp4", "rain.mp4", "night.mp4", "side_by_side.mp4")
CALM_S = (8.0, 40.0)
"""How long the camera is left alone between two troubles, at least and at most."""
TROUBLE_S = (2.0, 12.0)
"""How long it is away or hangs; a camera that is silent for 4.5 s is cut off."""
BACK_S = 60.0
"""When all trouble is over the camera must give frames again within this time."""
STOPPED = 130
"""Status of a box that was told to stop and did so in order."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The box and its children at one moment."""

    second: float
    rss_mib: float
    threads: int
    descriptors: int
    processes: int
    hits: int
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a figure may rise over the time that is judged."""

    name: str
    unit: str
    absolute: float
    share: float

    def allowed(self, values: Sequence[float]) -> float:
        return max(self.absolute, self.share * statistics.median(values))


LIMITS = (
    Limit("rss_mib", "MiB", 16.0, 0.1),
    Limit("threads", "threads", 1.0, 0.0),
    Limit("descriptors", "descriptors", 2.0, 0.0),
    Limit("processes", "processes", 0.5, 0.0),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one figure: how far it rose after the warm-up, and how far it may."""

    limit: Limit
    median: float
    rise: float
    allowed: float

    @property
    def flat(self) -> bool:
        return self.rise <= self.allowed

    def line(self) -> str:
        word = "flat" if self.flat else "RISES"
        return (
            f"{self.limit.name}: {word}: median {self.median:.1f} {self.limit.unit}, "
            f"rise {self.rise:+.2f}, allowed {self.allowed:.1f}"
        )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil and Sen's slope: the median of all pairs'.

    Args:
        points: x and y, at least two with different x.
    """
    thinned = points[:: max(1, -(-len(points) // MOST_PAIRS))]
    return statistics.median(
        (y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(thinned, 2) if x2 != x1
    )


def judged(samples: Sequence[Sample]) -> tuple[Verdict, ...]:
    """What became of each figure after the warm-up.

    Raises:
        ValueError: the samples are too few to say anything.
    """
    warm = samples[int(len(samples) * WARM_UP) :]
    if len(warm) < FEWEST_SAMPLES:
        raise ValueError(f"{len(warm)} samples after the warm-up are too few to judge by")
    length = warm[-1].second - warm[0].second
    verdicts = []
    for limit in LIMITS:
        values = [float(getattr(sample, limit.name)) for sample in warm]
        seconds = [sample.second for sample in warm]
        rise = slope(list(zip(seconds, values, strict=True))) * length
        verdicts.append(Verdict(limit, statistics.median(values), rise, limit.allowed(values)))
    return tuple(verdicts)


# --- what is measured -----------------------------------------------------------------------


def family(pid: int) -> list[int]:
    """A process and all its descendants, as /proc tells."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def footprint(pid: int) -> tuple[float, int, int, int]:
    """Resident MiB, threads, descriptors and processes of a process and its descendants.

    Raises:
        PermissionError: one may not be looked into.
    """
    memory, threads, descriptors, processes = 0.0, 0, 0, 0
    for one in family(pid):
        # One that ends meanwhile counts no more.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, KeyError):
            status = dict(
                line.split(":", 1) for line in Path(f"/proc/{one}/status").read_text().splitlines()
            )
            processes += 1
            # One that nobody waited for holds its number and nothing else.
            memory += int(status["VmRSS"].split()[0]) / 1024
            # The box lets nobody look into it, so this needs the superuser.
            descriptors += len(os.listdir(f"/proc/{one}/fd"))  # noqa: PTH208 - names alone
            threads += int(status["Threads"])
    return memory, threads, descriptors, processes


# --- the stage ------------------------------------------------------------------------------


class Broker:
    """A mosquitto of one's own on loopback."""

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
    """The demo's site at a broker's port, with fresh keys; the authority's are beside it."""
    site = folder / "site"
    shutil.copytree(REPOSITORY / "config" / "demo", site)
    file = site / "site.yaml"
    file.write_text(file.read_text().replace("port: 1883", f"port: {port}"))
    loaded = load_site_folder(site)
    now = datetime.now(timezone.utc)
    new_box_keys(loaded.keys_folder, loaded.site.site, loaded.site.box, now, trial=True)
    for authority in loaded.policy.authorities:
        public = new_authority_keys(folder / "authority", authority, now, trial=True)
        shutil.copy(public, loaded.authority_keys(authority))
    return site


@contextlib.contextmanager
def receiving(folder: Path, site: Path, port: int) -> Iterator[HitStore]:
    """The authority: stores what comes, still sealed, and sends receipts."""
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
    """A site with a live camera, so with real keys and a policy in force; all plates are wanted.

    Args:
        folder: to make it in; the authority's keys are beside it.
        port: the broker's.
        url: the camera's.
        telemetry: the port at which the box tells how it is.
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


@dataclass(frozen=True, slots=True)
class Soak:
    """How long, how often and how.

    Attributes:
        minutes: how long.
        every_s: seconds between samples.
        restart_s: seconds until mosquitto stops.
        seed: of the moments at which a live camera has trouble; None reads a recording.
        csv: where the samples are written as they come.
    """

    minutes: float
    every_s: float
    restart_s: float
    seed: int | None
    csv: Path


def soak(plan: Soak, program: str) -> tuple[list[Sample], str]:
    """The samples, and what went wrong besides (empty: nothing).

    Args:
        plan: how long, how often and how.
        program: mosquitto.

    Raises:
        PermissionError: the box may not be looked into.
    """
    with tempfile.TemporaryDirectory(prefix="edge-anpr-soak-") as name, ExitStack() as stage:
        folder = Path(name)
        broker = Broker(program, folder)
        broker.start()
        stage.callback(broker.stop)
        telemetry: int | None = None
        trouble: Trouble | None = None
        run = [sys.executable, "-m", "edge", "run", "--site"]
        if plan.seed is None:
            street = looped(CLIP, folder / "street.ts", times(CLIP, plan.minutes * 60 * PACE))
            at = soak_site(folder, broker.port)
            run += [str(at), "--camera", CAMERA, "--source", str(street)]
            run += ["--recorded-at", RECORDED_AT]
        else:
            longest = max(CALM_S) * 4  # now and then a film ends, too
            films = [
                looped(CLIPS / clip, folder / f"{clip}.ts", times(CLIPS / clip, longest))
                for clip in LIVE_CLIPS
            ]
            server = stage.enter_context(RtspServer(films[0]))
            telemetry = free_port()
            at = live_site(folder, broker.port, server.url, telemetry)
            run.append(str(at))
            trouble = Trouble(server, films, plan.seed)
        store = stage.enter_context(receiving(folder, at, broker.port))
        log = stage.enter_context((folder / "log").open("w+"))
        box = subprocess.Popen(run, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=log)
        try:
            with trouble or contextlib.nullcontext():
                samples = _sampled(box, broker, store, telemetry, plan)
            fault = _came_back(trouble, telemetry) if trouble and telemetry else ""
            fault = fault or _stopped(box, samples)
        finally:
            box.kill()
            box.wait()
        if fault:
            log.seek(0)
            fault += "".join(f"\n  {line.rstrip()}" for line in log.readlines()[-5:])
    return samples, fault


def times(clip: Path, seconds: float) -> int:
    """How often a clip is to be repeated to last so many seconds."""
    with av.open(clip) as source:
        return math.ceil(seconds / (float(source.duration or 0) / av.time_base))


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


def _came_back(trouble: Trouble, telemetry: int) -> str:
    """What was wrong with the camera after all its trouble, if anything."""
    print("camera: " + ", ".join(f"{kind}: {count}" for kind, count in trouble.counts.items()))
    deadline = time.monotonic() + BACK_S
    while not camera_figures(telemetry)[0] and time.monotonic() < deadline:
        time.sleep(0.5)
    up, connections = camera_figures(telemetry)
    print(f"connections: {connections}")
    if trouble.fault or not up:
        return trouble.fault or f"the camera gave no frames again within {BACK_S:.0f} s"
    return ""


def _stopped(box: subprocess.Popen[bytes], samples: Sequence[Sample]) -> str:
    """End the box in order; what was wrong with it, if anything."""
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


# --- what is left ---------------------------------------------------------------------------


def write_csv(samples: Sequence[Sample], path: Path) -> None:
    """One line for each sample, under the names of its fields."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
        writer.writeheader()
        for sample in samples:
            row = asdict(sample)
            row["rss_mib"] = f"{sample.rss_mib:.1f}"
            writer.writerow(row)


PANEL_W, PANEL_H, MARGIN = 720, 130, 60


def write_plot(samples: Sequence[Sample], verdicts: Sequence[Verdict], path: Path) -> None:
    """One panel for each figure, each from zero, with the warm-up in grey."""
    width, height = PANEL_W + 2 * MARGIN, len(verdicts) * (PANEL_H + MARGIN) + 20
    end = samples[-1].second
    warm = samples[int(len(samples) * WARM_UP)].second
    right = MARGIN + PANEL_W
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        "<style>text { font: 13px sans-serif } .frame { fill: none; stroke: #999999 }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for row, verdict in enumerate(verdicts):
        top = row * (PANEL_H + MARGIN) + 35
        values = [float(getattr(sample, verdict.limit.name)) for sample in samples]
        most = max(values) * 1.15
        points = " ".join(
            f"{MARGIN + sample.second / end * PANEL_W:.1f},{top + PANEL_H * (1 - value / most):.1f}"
            for sample, value in zip(samples, values, strict=True)
        )
        grey, bottom = warm / end * PANEL_W, top + PANEL_H
        parts += [
            f'<text x="{MARGIN}" y="{top - 10}">{escape(verdict.line())}</text>',
            f'<rect x="{MARGIN}" y="{top}" width="{grey:.1f}" height="{PANEL_H}" fill="#eeeeee"/>',
            f'<rect x="{MARGIN}" y="{top}" width="{PANEL_W}" height="{PANEL_H}" class="frame"/>',
            f'<polyline points="{points}" fill="none" stroke="#14507a" stroke-width="1.5"/>',
            f'<text x="{MARGIN - 8}" y="{top + 10}" text-anchor="end">{most:.0f}</text>',
            f'<text x="{MARGIN - 8}" y="{bottom}" text-anchor="end">0</text>',
            f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{end / 60:.0f} min</text>',
        ]
    path.write_text("\n".join([*parts, "</svg>", ""]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write CSV and plot, print the verdict."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long; default: 30")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    parser.add_argument(
        "--restart", type=float, default=180.0, help="seconds until mosquitto stops"
    )
    parser.add_argument("--live", action="store_true", help="a live camera that fails now and then")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which it fails")
    parser.add_argument("--out", type=Path, default=Path("soak"), help="folder for CSV and plot")
    given = parser.parse_args(arguments)
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        print("error: no mosquitto here; install the package of this name", file=sys.stderr)
        return 3
    if given.live and not has_rtsp_server():
        print(f"error: --live {NEEDS_RTSP}", file=sys.stderr)
        return 3
    # That the broker is away now and then is the point.
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


if __name__ == "__main__":
    sys.exit(main())
