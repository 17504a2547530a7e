"""Facts about this machine: processors, disk space, swap; core dumps and standard streams."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

_PR_GET_DUMPABLE = 3  # linux/prctl.h
_PR_SET_DUMPABLE = 4
SWAPS, CPUINFO = Path("/proc/swaps"), Path("/proc/cpuinfo")
CPU_FACTS = ("model name", "CPU implementer", "CPU part", "flags", "Features")
"""What identifies a CPU in its description, on x86 and on Arm."""


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine and this process now.

    Attributes:
        cores: processors that this process may use.
        free_mib: free space where the state folder is or will be, MiB.
        swaps: swap areas on a disk; compressed memory (zram) does not count.
        leaves_cores: whether a crash of this process could leave a core dump.
    """

    cores: int
    free_mib: int
    swaps: tuple[str, ...]
    leaves_cores: bool


@dataclass(frozen=True, slots=True)
class Load:
    """How busy this machine is.

    Attributes:
        waiting: processes that ran or waited for a processor, mean of the last minute.
        cores: processors that this process may use.
    """

    waiting: float
    cores: int

    @property
    def is_high(self) -> bool:
        """Whether other programs took a good part of the processors."""
        return self.waiting > 0.75 * self.cores


def cpu(cpuinfo: Path = CPUINFO) -> str:
    """The CPU's name and instruction sets, in one line; empty if the kernel does not say them.

    Args:
        cpuinfo: the kernel's description of the processors (proc(5)).
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    facts: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and name.strip() in CPU_FACTS:
            facts.setdefault(name.strip(), " ".join(value.split()))
    return "; ".join(facts[name] for name in CPU_FACTS if name in facts)


def load() -> Load:
    """Read how busy this machine is."""
    return Load(os.getloadavg()[0], len(os.sched_getaffinity(0)))


def machine(state_folder: Path, swaps: Path = SWAPS) -> Machine:
    """Read the facts about this machine and process.

    Args:
        state_folder: the folder of the outbox; it may not exist yet.
        swaps: the kernel's list of swap areas.
    """
    there = next(folder for folder in (state_folder, *state_folder.parents) if folder.exists())
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        free_mib=shutil.disk_usage(there).free // 2**20,
        swaps=_on_disk(swaps),
        leaves_cores=resource.getrlimit(resource.RLIMIT_CORE)[0] != 0 and _dumpable(),
    )


def open_standard_streams() -> None:
    """Open the null device in place of each standard stream that is closed.

    Otherwise the next file gets the number of the stream, and what libraries print there would be
    written into it; in programs that this one starts too.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            os.set_inheritable(number, True)  # noqa: FBT003 - takes no keywords
            mode = "r" if number == 0 else "w"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def forbid_core_dumps() -> None:
    """Forbid core dumps of this process, which would write every plate in memory to disk.

    Programs that it starts inherit the limit, but not the mark: each marks itself.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # With a pipe as core_pattern Linux ignores that limit, so also mark the process not dumpable.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _on_disk(swaps: Path) -> tuple[str, ...]:
    try:
        lines = swaps.read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        return ()
    names = (line.split()[0] for line in lines if line.split())
    return tuple(name for name in names if not Path(name).name.startswith("zram"))


def _dumpable() -> bool:
    return bool(ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0))
