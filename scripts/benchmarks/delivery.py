"""Benchmark of the delivery of hits: latency to the broker, and a week of hits without one."""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.system import SystemClock
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.box import Recording, assembly, run_site
from edge.box.evidence_worker import EvidenceCase, EvidenceWorker
from edge.errors import EdgeError
from edge.pipeline.evidence import SealedHit
from edge.site.folder import load_site_folder
from scripts.benchmarks.rig import CAMERA, CLIP, HOST, Broker, receiving, soak_site, times
from tests.support.live_cameras import looped

TARGET_S = 0.5
PAYLOAD_BYTES = 112 * 1024
RESERVE_MIB = 1024
CLIP_S = 20.0
MEAN_GAP_S = 0.5
"""Mean gap between hits: two a second, over a hundred times a thousand a day."""
DELIVERY_S = 900.0


class ReplayingWorker(EvidenceWorker):
    """The evidence worker; submits the cases that it was given again until there are enough.

    Class attributes, since the box creates the object: `wanted` is the number of hits,
    `submitted` the time of submission by hit.
    """

    wanted = 0
    submitted: dict[str, float] = {}  # noqa: RUF012 - one worker for each process

    def __init__(
        self, store: Callable[[EvidenceCase], SealedHit], on_failure: Callable[..., None]
    ) -> None:
        self._seen: list[EvidenceCase] = []
        self._first = threading.Event()
        # The time of each submission; cases are stored in this order.
        self._order: list[float] = []
        done = itertools.count()

        def timed(case: EvidenceCase) -> SealedHit:
            number = next(done)
            sealed = store(case)
            self.submitted[sealed.hit_id] = self._order[number]
            return sealed

        super().__init__(timed, on_failure)
        self._lock = threading.Lock()
        self._replay = threading.Thread(target=self._again, daemon=True)

    def submit(self, case: EvidenceCase) -> None:
        self._submit(case)
        self._seen.append(case)
        self._first.set()

    def start(self) -> None:
        super().start()
        self._replay.start()

    def close(self) -> None:
        self._first.set()
        self._replay.join()
        super().close()

    def _submit(self, case: EvidenceCase) -> None:
        with self._lock:  # the queue must have the order of the times
            self._order.append(time.monotonic())
            super().submit(case)

    def _again(self) -> None:
        self._first.wait()
        gaps = random.Random(1)
        while self._seen and len(self._order) < self.wanted:
            time.sleep(gaps.expovariate(1 / MEAN_GAP_S))
            self._submit(gaps.choice(self._seen))


def latency(hits: int, program: str) -> dict[str, float]:
    """Seconds from the submission of a hit to PUBACK.

    Raises:
        EdgeError: the run failed.
    """
    acknowledged: dict[str, float] = {}
    publish = BrokerLink.publish

    def timed_publish(link: BrokerLink, topic: str, payload: bytes, **options: object) -> int:
        reason = publish(link, topic, payload, **options)  # type: ignore[arg-type]
        if topic.endswith("/hit"):
            acknowledged.setdefault(json.loads(payload)["hit_id"], time.monotonic())
        return reason

    ReplayingWorker.wanted = hits
    BrokerLink.publish = timed_publish  # type: ignore[method-assign, assignment]
    vars(assembly)["EvidenceWorker"] = ReplayingWorker
    with tempfile.TemporaryDirectory(prefix="edge-anpr-bench-") as name:
        folder = Path(name)
        broker = Broker(program, folder)
        broker.start()
        site = soak_site(folder, broker.port)
        street = folder / "street.ts"
        looped(CLIP, street, times(CLIP, CLIP_S))
        recorded_at = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)
        with receiving(folder, site, broker.port):
            result = run_site(
                load_site_folder(site),
                [Recording(CAMERA, street, recorded_at)],
                drain_s=60,
            )
        broker.stop()
    if result.failure is not None:
        raise result.failure
    taken = sorted(
        acknowledged[hit_id] - begun for hit_id, begun in ReplayingWorker.submitted.items()
    )
    return {
        "hits": float(len(taken)),
        "median_s": statistics.median(taken),
        "p99_s": taken[min(len(taken) - 1, int(0.99 * len(taken)))],
        "worst_s": taken[-1],
    }


def week(hits: int, program: str) -> dict[str, float]:
    """Store hits without a broker, then deliver them; rates, losses and memory.

    Raises:
        EdgeError: the outbox or the broker failed.
    """
    topics = BoxTopics("bench", "box-1", frozenset({"cam-1"}))
    expires_at = datetime.now(timezone.utc) + timedelta(days=14)
    ids = [f"{number:032x}" for number in range(hits)]
    filling = base64.b64encode(os.urandom(PAYLOAD_BYTES)).decode()
    arrived: list[str] = []
    stopped = threading.Event()
    with tempfile.TemporaryDirectory(prefix="edge-anpr-bench-") as name:
        folder = Path(name)
        broker = Broker(program, folder)
        clock = SystemClock()
        with Keyring.open(folder / "keyring", clock) as keyring:  # noqa: SIM117 - in this order
            with Outbox.open(folder / "state", keyring, reserve_mib=RESERVE_MIB) as outbox:
                before = _rss_mib()
                begun = time.monotonic()
                for hit_id in ids:
                    payload = json.dumps({"hit_id": hit_id, "sealed": filling}).encode()
                    outbox.put(
                        hit_id,
                        "cam-1",
                        topics.hit("cam-1"),
                        payload[: PAYLOAD_BYTES - 2] + b'"}',
                        purpose="bench",
                        receipt_required=False,
                        expires_at=expires_at,
                    )
                stored_s = time.monotonic() - begun
                most = [_rss_mib()]
                broker.start()
                listener = _listening(broker.port, topics.hit("cam-1"), arrived, stopped)
                publisher = Publisher(
                    outbox,
                    BrokerOptions(HOST, broker.port, "bench-box"),
                    topics,
                    lambda _receipt: None,
                    clock=clock,
                    jitter=random.random,
                )
                begun = time.monotonic()
                publisher.start()
                deadline = begun + DELIVERY_S
                while len(arrived) < hits and time.monotonic() < deadline:
                    most.append(_rss_mib())
                    time.sleep(0.2)
                delivered_s = time.monotonic() - begun
                publisher.drain(10)
                publisher.stop()
                left = outbox.depth()
        stopped.set()
        listener.join()
        broker.stop()
    return {
        "hits": float(hits),
        "hit_kib": PAYLOAD_BYTES / 1024,
        "stored_per_s": hits / stored_s,
        "delivered_per_s": len(arrived) / delivered_s,
        "missing": float(len(set(ids) - set(arrived))),
        "twice": float(len(arrived) - len(set(arrived))),
        "out_of_order": float(sum(one > two for one, two in itertools.pairwise(arrived))),
        "left": float(left),
        "rss_before_mib": before,
        "rss_most_mib": max(most),
    }


def _listening(
    port: int, topic: str, arrived: list[str], stopped: threading.Event
) -> threading.Thread:
    """Start an authority that notes the ids of arriving hits; return once it has subscribed."""
    ready = threading.Event()

    def listen() -> None:
        with BrokerLink.open(BrokerOptions(HOST, port, "bench-authority")) as link:
            link.subscribe([topic])
            ready.set()
            while not stopped.is_set():
                message = link.receive(0.1)
                if message is not None:
                    link.acknowledge(message)
                    arrived.append(json.loads(message.payload)["hit_id"])

    for _ in range(50):  # until mosquitto listens
        thread = threading.Thread(target=_quietly(listen), daemon=True)
        thread.start()
        if ready.wait(0.3):
            return thread
    raise SystemExit("error: mosquitto did not start")


def _quietly(work: Callable[[], None]) -> Callable[[], None]:
    def quiet() -> None:
        try:
            work()
        except EdgeError:
            return

    return quiet


def _rss_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def report(given: argparse.Namespace) -> int:
    """Measure, and print one table or one JSON document; 1 if a figure is not within its target."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        print("error: mosquitto: not installed; run: apt-get install mosquitto", file=sys.stderr)
        return 3
    try:
        result = {"week": week(given.waiting, program), "latency": latency(given.hits, program)}
    except EdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        table = Table("what", "figure", "value", title="delivery")
        for name, figures in result.items():
            for figure, value in figures.items():
                table.add_row(name, figure, f"{value:.3f}".rstrip("0").rstrip("."))
        Console().print(table)
    late = result["latency"]["p99_s"] > TARGET_S
    lost = any(result["week"][figure] for figure in ("missing", "twice", "out_of_order", "left"))
    return 1 if late or lost else 0
