"""Memory, threads, descriptors and number of a process and its descendants, from /proc."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def family(pid: int) -> list[int]:
    """Numbers of a process and all its descendants, from /proc."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def footprint(pid: int) -> tuple[float, int, int, int]:
    """Resident MiB, threads, descriptors and processes of a process and its descendants.

    Raises:
        PermissionError: a process may not be inspected.
    """
    memory, threads, descriptors, processes = 0.0, 0, 0, 0
    for one in family(pid):
        # A process that ends meanwhile does not count.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, KeyError):
            status = dict(
                line.split(":", 1) for line in Path(f"/proc/{one}/status").read_text().splitlines()
            )
            processes += 1
            # A zombie has no memory: VmRSS is missing.
            memory += int(status["VmRSS"].split()[0]) / 1024
            # Only root may inspect the box.
            descriptors += len(os.listdir(f"/proc/{one}/fd"))  # noqa: PTH208 - names alone
            threads += int(status["Threads"])
    return memory, threads, descriptors, processes
