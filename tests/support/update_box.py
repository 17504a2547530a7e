"""A box whose versions are changed: real folders, links and files, and a service of files.

`FileService` stands for systemd and the box: a start reads the link `current`, as ExecStart does,
and does to the state folder what that version does to it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from edge.adapters.state.outbox_file import FILE_NAME, create_outbox
from edge.updates.journal import HealthHeard
from edge.updates.slots import COMPLETE, CURRENT, PROVEN, Slot
from edge.updates.switching import TrialTerms, VersionChanger
from edge.updates.targets import KINDS

TERMS = TrialTerms(longest_s=30, steady_s=4, every_s=2)
OLD, NEW = "0.1.0", "0.2.0"


@dataclass
class FileService:
    """A service whose process is a file with the version that it runs.

    Attributes:
        program: the program's folder.
        running: the file; missing while it is stopped.
        starts: what a start of each version does.
        stopped: what happens after a stop.
    """

    program: Path
    running: Path
    starts: dict[str, Callable[[], None]] = field(default_factory=dict)
    stopped: Callable[[], None] = lambda: None

    def is_stopped(self) -> bool:
        return not self.running.exists()

    def stop(self) -> None:
        self.running.unlink(missing_ok=True)
        self.stopped()

    def start(self) -> None:
        if self.running.exists():
            return  # as systemd: it runs already
        version = (self.program / CURRENT).readlink().name
        self.starts.get(version, lambda: None)()
        self.running.write_text(version)

    @property
    def version(self) -> str | None:
        return self.running.read_text() if self.running.exists() else None


@dataclass
class SteppedClock:
    """A clock that a pause moves on, so that a trial takes no time."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> datetime:
        return datetime.fromisoformat("2026-11-29T12:00:00+00:00")

    def pause(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class UpdatedBox:
    """A box with two versions on it, of which the old one runs.

    Attributes:
        base: its folder.
        healthy: the state that each version reports; missing: online.
    """

    base: Path
    healthy: dict[str, HealthHeard | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for version in (OLD, NEW):
            folder = self.program / "releases" / version
            folder.mkdir(parents=True)
            (folder / COMPLETE).touch()
        for link in (CURRENT, PROVEN):
            (self.program / link).symlink_to(f"releases/{OLD}")
        self.state.mkdir()
        self.work.mkdir()
        create_outbox(self.outbox)
        self.write_hits(7)
        self.service = FileService(self.program, self.base / "running")
        self.service.start()

    @property
    def program(self) -> Path:
        return self.base / "program"

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def work(self) -> Path:
        return self.base / "work"

    @property
    def outbox(self) -> Path:
        return self.state / FILE_NAME

    @property
    def current(self) -> str:
        return (self.program / CURRENT).readlink().name

    def changer(
        self, heard: Callable[[HealthHeard | None], HealthHeard | None] = lambda health: health
    ) -> VersionChanger:
        """What changes its version.

        Args:
            heard: is given the answer to each question about its health, and returns it.
        """
        clock = SteppedClock()
        return VersionChanger(
            {kind: Slot(kind, self.program, self.work) for kind in KINDS},
            self.work,
            self.state,
            self.service,
            lambda since=None: heard(self.probe(since)),
            terms=TERMS,
            clock=clock,
            pause=clock.pause,
        )

    def probe(self, since: datetime | None = None) -> HealthHeard | None:
        version = self.service.version
        if version is None:
            return None
        return self.healthy.get(
            version, HealthHeard(state="online", reason="online", version=version)
        )

    def write_hits(self, count: int, *, schema: int | None = None) -> None:
        """Let the outbox hold a number, and perhaps another version of its tables."""
        with contextlib.closing(sqlite3.connect(self.outbox)) as database, database:
            database.execute("UPDATE counter SET value = ?", (count,))
            if schema is not None:
                database.execute(f"PRAGMA user_version = {schema}")

    def hits(self, outbox: Path | None = None) -> tuple[int, int]:
        """The outbox's number, and the version of its tables."""
        with contextlib.closing(sqlite3.connect(outbox or self.outbox)) as database:
            (count,) = database.execute("SELECT value FROM counter").fetchone()
            (version,) = database.execute("PRAGMA user_version").fetchone()
        return int(count), int(version)


CHANGES = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.symlink", "os.rmdir", "shutil.rmtree", "open"}
)
"""Events of Python's audit hooks before something on the disk changes."""


def killed_at(step: int, act: Callable[[], object], below: Path) -> bool:
    """Run an act in a process that is killed just before its step-th change on the disk.

    Returns:
        Whether it was killed; False: the act was over before.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    left, base = step, str(below)

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in CHANGES or not any(str(one).startswith(base) for one in arguments[:2]):
            return
        if event == "open" and arguments[1] is not None and "r" in str(arguments[1]):
            return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(count)
        act()
    finally:
        os._exit(0)


def kill_in_trial(box: UpdatedBox) -> None:
    """Kill the updater of a box after it has started the new version."""
    heard: list[object] = []

    def killed_later(health: HealthHeard | None) -> HealthHeard | None:
        heard.append(health)
        if len(heard) == 3:  # the first is from before the trial
            os.kill(os.getpid(), signal.SIGKILL)
        return health

    assert killed_at(10**9, partial(box.changer(killed_later).change, "release", NEW), box.base)
