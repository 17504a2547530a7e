"""Does a box that runs for long stay as small as it was?

`edge-anpr run` reads a rendered street over and over, as fast as this machine can. A real mosquitto
takes its hits and is stopped and started now and then; an authority stores them and sends receipts.
Memory, threads and file descriptors of the box and of all its children are sampled. After a time to
warm up none of them may rise by more than a little over the rest: 10 % of the median and 16 MiB of
memory, one thread, two descriptors. The slope is Theil and Sen's: the median of the slopes between
all pairs of samples, which single peaks do not move (https://doi.org/10.1080/01621459.1968.10480934).

Status: 0 flat, 1 something rises or the box did not live or deliver, 2 wrong usage, 3 no mosquitto
or not root.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import logging
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from html import escape
from itertools import combinations
from pathlib import Path

import av

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from edge.adapters.mqtt import BrokerOptions  # noqa: E402 - found from the root
from edge.adapters.system import SystemClock  # noqa: E402
from edge.authority.store import HitStore  # noqa: E402
from edge.authority.tail import Receiver, Tail  # noqa: E402
from edge.policy.site_folder import load_site_folder  # noqa: E402
from edge.privacy.keys import (  # noqa: E402
    AuthorityPrivateKeys,
    BoxPublicKeys,
    new_authority_keys,
    new_box_keys,
)

CLIP = REPOSITORY / "tests" / "fixtures" / "clips" / "street_day.mp4"
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
            # The box lets nobody look into it, so this needs the superuser.
            opened = len(os.listdir(f"/proc/{one}/fd"))  # noqa: PTH208 - names alone
            status = dict(
                line.split(":", 1) for line in Path(f"/proc/{one}/status").read_text().splitlines()
            )
            memory += int(status["VmRSS"].split()[0]) / 1024
            threads += int(status["Threads"])
            descriptors += opened
            processes += 1
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


def looped(clip: Path, path: Path, seconds: float) -> None:
    """A clip over and over until it lasts so many seconds, without encoding it anew."""
    with av.open(path, "w", format="mpegts") as container:
        stream = None
        begin, reached = 0, 0.0
        while reached < seconds:
            with av.open(clip) as source:
                video = source.streams.video[0]
                stream = stream or container.add_stream_from_template(video)
                length = 0
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    length = max(length, packet.pts + (packet.duration or 1))
                    packet.pts, packet.dts = packet.pts + begin, packet.dts + begin
                    packet.stream = stream
                    container.mux(packet)
                begin += length
                assert video.time_base is not None  # noqa: S101 - every video has one
                reached = float(begin * video.time_base)


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
    boxes = BoxPublicKeys.load_all(site / "keys")
    keys = AuthorityPrivateKeys.load(folder / "authority")
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


def soak(
    minutes: float, every_s: float, restart_s: float, program: str
) -> tuple[list[Sample], str]:
    """The samples, and what went wrong besides (empty: nothing)."""
    with tempfile.TemporaryDirectory(prefix="edge-anpr-soak-") as name:
        folder = Path(name)
        broker = Broker(program, folder)
        street = folder / "street.ts"
        looped(CLIP, street, minutes * 60 * PACE)
        site = soak_site(folder, broker.port)
        broker.start()
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "edge",
            "run",
            "--site",
            site,
            "--camera",
            CAMERA,
        ]
        command += ["--source", street, "--recorded-at", RECORDED_AT]
        with receiving(folder, site, broker.port) as store, (folder / "log").open("w+") as log:
            box = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=log)
            try:
                samples = _sampled(box, broker, store, minutes * 60, every_s, restart_s)
                fault = _stopped(box, samples)
            finally:
                box.kill()
                box.wait()
                broker.stop()
            if fault:
                log.seek(0)
                fault += "".join(f"\n  {line.rstrip()}" for line in log.readlines()[-5:])
        return samples, fault


def _sampled(
    box: subprocess.Popen[bytes],
    broker: Broker,
    store: HitStore,
    length_s: float,
    every_s: float,
    restart_s: float,
) -> list[Sample]:
    samples: list[Sample] = []
    begun = time.monotonic()
    restart_due = begun + restart_s
    back_due: float | None = None
    while (now := time.monotonic()) < begun + length_s and box.poll() is None:
        if back_due is None and now >= restart_due:
            broker.stop()
            back_due = now + BROKER_AWAY_S
        elif back_due is not None and now >= back_due:
            broker.start()
            back_due, restart_due = None, now + restart_s
        figures = footprint(box.pid)
        samples.append(Sample(round(now - begun, 1), *figures, hits=len(list(store.hits()))))
        time.sleep(every_s)
    if back_due is not None:
        broker.start()
    return samples


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
    parser.add_argument("--out", type=Path, default=Path("soak"), help="folder for CSV and plot")
    given = parser.parse_args(arguments)
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        print("error: no mosquitto here; install the package of this name", file=sys.stderr)
        return 3
    # That the broker is away now and then is the point.
    logging.getLogger("edge").setLevel(logging.ERROR)
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        samples, fault = soak(given.minutes, given.every, given.restart, program)
    except PermissionError as error:
        print(f"error: {error.filename}: cannot be read; run this as root", file=sys.stderr)
        return 3
    write_csv(samples, given.out / "soak.csv")
    try:
        verdicts = judged(samples)
    except ValueError as error:
        print(f"FAILED: {fault or error}")
        return 1
    write_plot(samples, verdicts, given.out / "soak.svg")
    for verdict in verdicts:
        print(verdict.line())
    print(f"hits at the authority: {samples[-1].hits}; samples: {len(samples)}")
    if fault:
        print(f"FAILED: {fault}")
    return 0 if not fault and all(verdict.flat for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
