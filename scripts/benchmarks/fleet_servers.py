"""The servers of the fleet's simulator: brokers, PostgreSQL, and two consumers for each broker."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from scripts.benchmarks.fleet_material import FleetMaterial
from scripts.benchmarks.process_sizes import family
from tests.support.brokers import HOST, Mosquitto
from tests.support.desks import make_desk
from tests.support.postgres import Postgres
from tests.support.postgres import running as running_postgres

REPOSITORY = Path(__file__).resolve().parents[2]
RESTART_S = 1.0
"""After this time a consumer that has ended is started again, as systemd does."""

_BROKER_LINES = (
    "persistence true",
    "autosave_interval 30",
    "max_queued_messages 100000",
    "sys_interval 1",
    "log_type error",
    "log_type warning",
    "connection_messages false",
)
_POSTGRES_LINES = ("max_wal_size = 1GB", "track_commit_timestamp = on")


@dataclass(frozen=True, slots=True)
class FleetKill:
    """What is killed at which second of the run."""

    second: float
    what: str


def kill_plan(
    seed: int, seconds: float, consumers: int, brokers: int, databases: int
) -> list[FleetKill]:
    """Moments between the first and last tenth of the run, drawn from the seed."""
    chosen = random.Random(seed)
    kinds = ["consumer"] * consumers + ["broker"] * brokers + ["database"] * databases
    planned = [FleetKill(seconds * chosen.uniform(0.1, 0.9), kind) for kind in kinds]
    return sorted(planned, key=lambda one: one.second)


@dataclass(eq=False)
class FleetConsumer:
    """`desk consume --shard` as a process, which is started again whenever it ends."""

    shard: int
    words: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    active: bool = False
    starts: int = 0
    ended_at: float = 0.0
    _reader: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        self.active = False
        self.starts += 1
        self.process = subprocess.Popen(
            self.words, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        if process.stderr is None:
            return
        with self.log.open("ab") as log, process.stderr as said:
            for line in said:
                if b"is active" in line and b"another" not in line and process is self.process:
                    self.active = True
                log.write(line)

    def keep(self, now: float) -> None:
        """Start it again if it has ended for a while."""
        if self.process is not None and self.process.poll() is not None:
            self.process, self.active, self.ended_at = None, False, now
        if self.process is None and now - self.ended_at >= RESTART_S:
            self.start()

    def end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            if self._reader is not None:
                self._reader.join(10)


class FleetServers:
    """All servers of a run. Made by `fleet_servers`."""

    def __init__(self, folder: Path, postgres: Postgres, brokers: int) -> None:
        self.folder = folder
        self.postgres = postgres
        self.brokers = []
        for number in range(brokers):
            place = folder / f"broker-{number + 1}"
            place.mkdir()
            lines = (*_BROKER_LINES, f"persistence_location {place}/")
            self.brokers.append(Mosquitto(place, *lines))
        self.desk = make_desk(
            folder / "desk", postgres.new_database(), lambda: datetime.now(timezone.utc)
        )
        self.consumers: list[FleetConsumer] = []
        self.done: list[FleetKill] = []

    def start(self, material: FleetMaterial) -> None:
        """Start the brokers and two consumers for each."""
        for broker in self.brokers:
            broker.start()
        given = [word for one in self.brokers for word in ("--broker", f"{HOST}:{one.port}")]
        for shard in range(1, len(self.brokers) + 1):
            words = [
                sys.executable, "-m", "edge", "--log-format", "json", "desk", "consume",
                "--shard", f"{shard}/{len(self.brokers)}", *given,
                "--database", self.desk.address, "--box-keys", str(material.boxes),
                "--keys", str(material.authority),
            ]  # fmt: skip
            for name in ("a", "b"):
                log = self.folder / f"consumer-{shard}{name}.log"
                self.consumers.append(FleetConsumer(shard, words, log))
                self.consumers[-1].start()

    def all_active(self) -> bool:
        """Whether each shard has an active consumer."""
        return {one.shard for one in self.consumers if one.active} == {
            number + 1 for number in range(len(self.brokers))
        }

    def keep(self) -> None:
        """Start again what has ended by itself."""
        now = time.monotonic()
        for consumer in self.consumers:
            consumer.keep(now)

    def kill(self, kill: FleetKill, chosen: random.Random, note: Callable[[str], None]) -> None:
        """Kill one server; brokers and the database are started again before this returns."""
        away_s = chosen.uniform(0.2, 2.0)
        if kill.what == "consumer":
            active = [one for one in self.consumers if one.active and one.process is not None]
            victim = chosen.choice(active or self.consumers)
            note(f"kill -9: the active consumer of shard {victim.shard}")
            victim.end(signal.SIGKILL)
        elif kill.what == "broker":
            number = chosen.randrange(len(self.brokers))
            note(f"kill -9: broker {number + 1}, away for {away_s:.1f} s")
            self.brokers[number].kill()
            time.sleep(away_s)
            self.brokers[number].start()
        else:
            note(f"immediate stop: PostgreSQL, away for {away_s:.1f} s")
            self.postgres.stop("immediate")
            time.sleep(away_s)
            self.postgres.start()
        self.done.append(kill)

    def sizes(self) -> dict[str, float]:
        """Resident MiB by process: consumers by their number, brokers, and PostgreSQL in all.

        Pages that the processes of PostgreSQL share are counted once for each.
        """
        found = {}
        for consumer in self.consumers:
            if consumer.active and consumer.process is not None:
                key = f"consumer {consumer.shard} {consumer.process.pid}"
                found[key] = _resident_mib(consumer.process.pid)
        for number, broker in enumerate(self.brokers, start=1):
            if broker.pid is not None:
                found[f"broker {number}"] = _resident_mib(broker.pid)
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid_file = self.postgres.folder / "postmaster.pid"
            main = int(pid_file.read_text().splitlines()[0])
            found["postgresql"] = sum(map(_private_mib, family(main)))
        return found

    def stop(self) -> None:
        """End consumers and brokers; a second call does nothing."""
        for consumer in self.consumers:
            consumer.end(signal.SIGTERM)
        self.consumers.clear()
        for broker in self.brokers:
            broker.stop()


@contextlib.contextmanager
def fleet_servers(folder: Path, brokers: int) -> Iterator[FleetServers]:
    """Servers whose data is in a folder; they end with the block."""
    with running_postgres(_POSTGRES_LINES) as postgres:
        servers = FleetServers(folder, postgres, brokers)
        try:
            yield servers
        finally:
            servers.stop()


def _resident_mib(pid: int) -> float:
    return _status_mib(pid, "VmRSS")


def _private_mib(pid: int) -> float:
    return _status_mib(pid, "RssAnon")


def _status_mib(pid: int, name: str) -> float:
    """A figure of /proc/PID/status in MiB; 0 if the process has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return 0.0
