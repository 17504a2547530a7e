"""Kills a change of files in each of its writes, syncs, renames and unlinks, and judges the rest.

A process makes one change again and again, each time from the same state, and ends itself in its
first, second, third … change of a file (`preload/killed_write.c`). Each time the state that it has
left is judged.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from tests.support.preload_libraries import compiled
from tests.support.product import REPOSITORY, environment

FEWEST_MOMENTS, MOST_MOMENTS = 12, 25
UNKILLED = 1 << 30


class Acknowledged:
    """Counts the steps of a change that were acknowledged; survives the kill."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)
        self.reset()

    def reset(self) -> None:
        self._shared[0] = 0

    def step(self) -> None:
        self._shared[0] += 1

    @property
    def steps(self) -> int:
        return self._shared[0]


class Scenario(ABC):
    """A state, a change to it, and a check of the state after a kill.

    `imports`: the change is made once before, so that no child needs to import its modules.
    """

    imports = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def prepare(self) -> None:
        """Create the state from which each change starts."""

    @abstractmethod
    def change(self, done: Acknowledged) -> None:
        """Make the change that is killed; acknowledges each completed step."""

    @abstractmethod
    def judge(self, steps: int) -> None:
        """Check a restart after this number of acknowledged steps; raises AssertionError."""


def kill_in_each_change(
    scenario: type[Scenario],
    folder: Path,
    *,
    fewest: int = FEWEST_MOMENTS,
    most: int = MOST_MOMENTS,
) -> None:
    """Kill a change in each of its moments, or in a random sample; each state is judged.

    Args:
        scenario: what is changed and judged.
        folder: an empty folder.
        fewest: so many moments there are at least.
        most: so many of them are judged at most, by chance.

    Raises:
        AssertionError: a state is wrong; the message says after which moment.
    """
    program = (
        f"import sys; from pathlib import Path; from {scenario.__module__} import "
        f"{scenario.__name__} as one; from {__name__} import kill_each; "
        f"print(kill_each(one, Path(sys.argv[1]), {most}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder],
        cwd=REPOSITORY,
        env=environment(
            {
                "LD_PRELOAD": str(compiled("killed_write", folder)),
                "PYTHONDONTWRITEBYTECODE": "1",  # a module's cache would be a change too
            }
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) >= fewest


def kill_each(make: type[Scenario], base: Path, most: int) -> int:
    """Kill a scenario in this process's children; returns how many moments it has."""
    begin, work = base / "begin", base / "work"
    scenario = make(begin)
    scenario.prepare()
    scenario.folder = work
    done = Acknowledged()
    if scenario.imports:
        shutil.copytree(begin, work)
        scenario.change(done)

    def attempt(moment: int) -> int:
        """Kill one change and check the state; returns how many changes were still to come."""
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(begin, work)
        left = _killed(scenario, done, moment)
        try:
            scenario.judge(done.steps)
        except Exception:
            sys.stderr.write(f"killed in change {moment}, after {done.steps} steps\n")
            raise
        return left

    changes = UNKILLED - attempt(UNKILLED)
    moments = range(1, changes + 1)
    for moment in random.Random(20261125).sample(moments, min(len(moments), most)):
        assert attempt(moment) == 0
    return changes


def _killed(scenario: Scenario, done: Acknowledged, moment: int) -> int:
    """Make the change in a child process; returns how many changes remain before the kill."""
    arm = ctypes.CDLL(None).kill_at
    arm.argtypes, arm.restype = [ctypes.c_long], ctypes.c_long
    left = mmap.mmap(-1, 8)
    done.reset()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            arm(moment)
            scenario.change(done)
            status = 0
        finally:
            left[:] = arm(0).to_bytes(8, "big")
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    if moment == UNKILLED:
        assert os.waitstatus_to_exitcode(ended) == 0
    else:
        assert os.waitstatus_to_exitcode(ended) == -signal.SIGKILL
    return int.from_bytes(left[:], "big")
