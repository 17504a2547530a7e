"""Command line of the long run: `scripts/soak`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """\
Run a box for a long time and check that it does not grow.

`edge-anpr run` reads a rendered street again and again, as fast as this machine can. A real
mosquitto takes its hits and is stopped and started now and then. An authority stores the hits and
sends receipts. With `--live` the box reads an RTSP camera instead, at the camera's own pace. That
camera restarts, stalls and drops the connection at random moments, which a seed determines.

Memory, threads, file descriptors and number of the box's processes are sampled. After a warm-up,
none of them may rise by more than this over the rest of the run: memory by 10 % of the median and
16 MiB, threads by one, descriptors by two, processes by half a one. Single peaks do not count.

Needs root and mosquitto; `--live` also needs GStreamer's RTSP server.

Exit status: 0 nothing grows; 1 something grows, the box ended or no hit arrived; 2 wrong usage;
3 mosquitto or the RTSP server is not installed, or the user is not root."""

EXAMPLE = """\
  scripts/soak --minutes 60 --out runs/soak
  scripts/soak --live --seed 7 --minutes 120"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a box for a long time; write a CSV file and a plot, and print the result."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"examples:\n{EXAMPLE}",
    )
    add = parser.add_argument
    add("--minutes", type=float, default=30.0, help="length of the run (default: %(default)s)")
    add("--every", type=float, default=5.0, help="seconds between samples (default: %(default)s)")
    add(
        "--restart",
        type=float,
        default=180.0,
        help="seconds after which mosquitto is stopped, each time (default: %(default)s)",
    )
    add("--live", action="store_true", help="use a live camera with random faults")
    add("--seed", type=int, default=1, help="of the moments of those faults (default: %(default)s)")
    add(
        "--out",
        type=Path,
        default=Path("soak"),
        metavar="DIR",
        help="folder for the CSV file and the plot (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    # Imported after the command line was read, so that --help answers at once.
    status: int = importlib.import_module("scripts.benchmarks.long_run").report(given)
    return status


if __name__ == "__main__":
    sys.exit(main())
