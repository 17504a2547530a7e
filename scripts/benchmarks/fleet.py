"""Simulator of a large fleet: real brokers, a real PostgreSQL, real consumers, and kills."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edge.adapters.host.machine import cpu
from scripts.benchmarks.fleet_boxes import FleetCounts, FleetTask, more_files
from scripts.benchmarks.fleet_checks import (
    FleetFindings,
    FleetGrowth,
    SentHit,
    findings,
    growth,
    stored_rows,
)
from scripts.benchmarks.fleet_lists import ListFigures, spread_to_fleet
from scripts.benchmarks.fleet_material import FleetMaterial, FleetSize, fleet_material
from scripts.benchmarks.fleet_report import FleetSample, lives, write_fleet_plot
from scripts.benchmarks.fleet_servers import (
    REPOSITORY,
    FleetServers,
    fleet_servers,
    kill_plan,
)
from tests.support.brokers import MOSQUITTO
from tests.support.postgres import why_not

MOST_IN_A_PROCESS = 2500
_BOXES = "from scripts.benchmarks.fleet_boxes import main; main()"
_TURN_S = 0.1
_TOLD_S = 10.0
_CONNECT_S = 300.0
_GRACE_WAITS, _GRACE_S = 3, 60.0
"""How long after the last hit was sent all must have a receipt: a hit is sent again after one wait
for its receipt, and after two more; and some seconds."""


@dataclass(eq=False)
class BoxProcess:
    """A process of the simulator, and what it has told last."""

    process: subprocess.Popen[str]
    task: FleetTask
    counts: FleetCounts = field(default_factory=FleetCounts)
    _reader: threading.Thread | None = field(default=None, repr=False)

    def follow(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        if self.process.stdout is not None:
            with self.process.stdout as told:
                for line in told:
                    self.counts = FleetCounts(**json.loads(line)["counts"])

    def end(self) -> tuple[array[float], array[float]]:
        """End it; for each hit when its first receipt came, and what time of storing that says."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(120)
        self.close()
        size = FleetSize(self.task.sessions, self.task.hits, self.task.groups)
        count = size.hits_of(self.task.group)
        both = array("d")
        with Path(self.task.result).open("rb") as file:
            both.fromfile(file, 2 * count)
        return both[:count], both[count:]

    def close(self) -> None:
        """End it at once; a second call does nothing."""
        self.process.kill()
        self.process.wait(30)
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self._reader is not None:
            self._reader.join(10)


class FleetRun:
    """One run: starts the boxes, kills servers, and waits until every hit has a receipt."""

    def __init__(
        self,
        servers: FleetServers,
        material: FleetMaterial,
        arguments: argparse.Namespace,
        note: Callable[[str], None],
    ) -> None:
        self.samples: list[FleetSample] = []
        self.wall_s = 0.0
        self._servers = servers
        self._material = material
        self._arguments = arguments
        self._note = note
        self._planned_s = arguments.hits / arguments.rate
        self._every_s = max(0.5, min(5.0, self._planned_s / 600))
        self._boxes: list[BoxProcess] = []

    def total(self, name: str) -> int:
        """The sum of one count of all processes."""
        return sum(int(getattr(one.counts, name)) for one in self._boxes)

    def run(self) -> bool:
        """Run to the end; returns whether every hit got a receipt in time."""
        servers, given = self._servers, self._arguments
        servers.start(self._material)
        self._wait(servers.all_active, "consumers are not active")
        for group in range(self._material.size.groups):
            self._boxes.append(self._start(group))
        everyone = self._material.size.sessions
        self._wait(lambda: self.total("connections") >= everyone, "not all boxes are connected")
        self._note(f"{everyone:,} sessions are open; {given.hits:,} hits follow")
        kills = kill_plan(
            given.seed,
            self._planned_s,
            given.kill_consumers,
            given.kill_brokers,
            given.kill_databases,
        )
        chosen = random.Random(given.seed + 1)
        grace_s = _GRACE_WAITS * given.receipt_wait + _GRACE_S
        began = time.monotonic()
        sampled, told = -math.inf, began
        while True:
            second = time.monotonic() - began
            servers.keep()
            if second - sampled >= self._every_s:
                sampled = second
                self._sample(second)
            if time.monotonic() - told >= _TOLD_S:
                told = time.monotonic()
                self._tell(second)
            if kills and kills[0].second <= second:
                servers.kill(kills.pop(0), chosen, partial(self._say, second))
                servers.done[-1] = type(servers.done[-1])(second, servers.done[-1].what)
            self.wall_s = second
            complete = self.total("receipted") == int(given.hits)
            if (complete and not kills) or second > self._planned_s + grace_s:
                if second > sampled:
                    self._sample(second)
                return complete
            time.sleep(_TURN_S)

    def sent(self) -> dict[str, SentHit]:
        """Every hit with its first receipt; ends the boxes."""
        found: dict[str, SentHit] = {}
        for one in self._boxes:
            received, stored = one.end()
            hits = self._material.hits(one.task.group)
            for number, hit in enumerate(hits):
                found[hit.hit_id.hex()] = SentHit(hit.sha256, received[number], stored[number])
        return found

    def close(self) -> None:
        """End all processes of boxes."""
        for one in self._boxes:
            one.close()

    def _start(self, group: int) -> BoxProcess:
        size = self._material.size
        task = FleetTask(
            folder=str(self._material.folder),
            sessions=size.sessions,
            hits=size.hits,
            groups=size.groups,
            group=group,
            ports=tuple(one.port for one in self._servers.brokers),
            rate=self._arguments.rate * size.hits_of(group) / size.hits,
            receipt_wait_s=self._arguments.receipt_wait,
            seed=self._arguments.seed,
            result=str(self._servers.folder / f"result-{group}"),
        )
        words = [sys.executable, "-c", _BOXES, json.dumps(asdict(task))]
        process = subprocess.Popen(
            words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started = BoxProcess(process, task)
        started.follow()
        return started

    def _wait(self, until: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + _CONNECT_S
        while not until():
            self._servers.keep()
            if time.monotonic() > deadline:
                message = f"{failure} after {_CONNECT_S:.0f} s; see {self._servers.folder}"
                raise SystemExit(message)
            time.sleep(_TURN_S)

    def _sample(self, second: float) -> None:
        self.samples.append(
            FleetSample(
                second=second,
                sent=self.total("sent"),
                receipted=self.total("receipted"),
                connected=self.total("connected"),
                sizes=self._servers.sizes(),
            )
        )

    def _tell(self, second: float) -> None:
        sent, confirmed = self.total("sent"), self.total("receipted")
        self._say(
            second,
            f"sent {sent:,}, confirmed {confirmed:,} of {self._arguments.hits:,}, "
            f"{self.total('connected'):,} sessions open",
        )

    def _say(self, second: float, text: str) -> None:
        self._note(f"[{second:6.0f} s] {text}")


def report(arguments: argparse.Namespace) -> int:
    """Run the simulator and print its figures; returns the exit status."""
    reason = why_not() or (None if MOSQUITTO else "mosquitto is not installed")
    if reason is not None:
        _note(f"error: {reason}")
        return 3
    # Servers and consumers end with this program.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    more_files()
    groups = -(-arguments.sessions // MOST_IN_A_PROCESS)
    size = FleetSize(arguments.sessions, arguments.hits, groups)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-")))
        cache = (arguments.cache or folder / "material").resolve()
        began = time.monotonic()
        material = fleet_material(cache, size, _note)
        sealing_s = time.monotonic() - began
        payload_bytes = round(material.payload_bytes())
        with (
            fleet_servers(folder, arguments.brokers) as servers,
            _ended(FleetRun(servers, material, arguments, _note)) as run,
        ):
            complete = run.run()
            sent = run.sent()
            servers.stop()
            _note("reading all stored hits")
            found = findings(
                sent,
                stored_rows(servers.desk.address),
                other_times=run.total("other_times"),
                receipts_refused=run.total("refused_receipts"),
            )
            del sent
            _note(f"hits: {json.dumps(asdict(found))}")
            kills = list(servers.done)
        spread = None
        if arguments.entries:
            spread = spread_to_fleet(folder, material, arguments.entries, arguments.brokers, _note)
    risen = growth(lives(run.samples, "consumer").values(), run.wall_s)
    if arguments.plot:
        write_fleet_plot(run.samples, kills, arguments.plot)
    figures = _figures(arguments, run, found, risen, spread)
    figures["payload_bytes"] = payload_bytes
    figures["sealing_s"] = round(sealing_s, 1)
    _print(figures, as_json=arguments.json)
    holds = [complete, found.hold, risen is None or risen.flat, spread is None or spread.hold]
    return 0 if all(holds) else 1


@contextmanager
def _ended(run: FleetRun) -> Iterator[FleetRun]:
    try:
        yield run
    finally:
        run.close()


def _figures(
    arguments: argparse.Namespace,
    run: FleetRun,
    found: FleetFindings,
    risen: FleetGrowth | None,
    spread: ListFigures | None,
) -> dict[str, object]:
    return {
        "cpu": f"{os.cpu_count()} x {cpu().partition(';')[0]}",
        "sessions": arguments.sessions,
        "brokers": arguments.brokers,
        "kills": {
            "consumers": arguments.kill_consumers,
            "brokers": arguments.kill_brokers,
            "databases": arguments.kill_databases,
        },
        "wall_s": round(run.wall_s, 1),
        "hits_a_second": round(run.total("receipted") / run.wall_s, 1),
        "largest_backlog": max(one.backlog for one in run.samples),
        "connections": run.total("connections"),
        "sent_again_after_a_wait": run.total("sent_again"),
        "receipts": run.total("receipts"),
        "invariants": asdict(found),
        "memory": None if risen is None else {**asdict(risen), "flat": risen.flat},
        "list": None if spread is None else asdict(spread),
    }


def _print(figures: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    table = Table(title="scripts/bench fleet")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in _flat(figures):
        table.add_row(name.replace("_", " "), value)
    Console().print(table)


def _flat(figures: dict[str, object], under: str = "") -> Iterator[tuple[str, str]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{under}{name}: ")
        elif isinstance(value, float):
            yield under + name, f"{value:,.1f}"
        else:
            yield under + name, f"{value:,}" if isinstance(value, int) else str(value)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
