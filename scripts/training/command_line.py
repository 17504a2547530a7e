"""What the command lines of the training programs have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from edge.errors import EdgeError
from scripts.training.photos import DataError


def training_parser(
    description: str | None, example: str, *, steps: int, batch: int, rate: float, rendered: int
) -> argparse.ArgumentParser:
    """A parser with the options of every training, and the defaults of this one."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"example:\n{example}",
    )
    add = parser.add_argument
    add("--work", type=Path, required=True, help="checkpoints, cache and log")
    add("--out", type=Path, help="folder for the weights (default: --work)")
    add("--start", type=Path, metavar="ONNX", help="begin at these weights in floats, not at noise")
    add("--steps", type=int, default=steps, help="batches in all")
    add("--batch", type=int, default=batch)
    add("--rate", type=float, default=rate, help="highest learning rate")
    add("--rendered", type=int, default=rendered, help="how many plates to render")
    add("--threads", type=int, help="threads of the CPU")
    add("--workers", type=int, default=1, help="processes that make pictures")
    add("--seed", type=int, default=1)
    add("--export-only", action="store_true", help="write the weights as they are")
    return parser


def run(train: Callable[[argparse.Namespace], int], given: argparse.Namespace) -> int:
    """Run a training; 1 and one line on stderr where data, start or a folder cannot be used."""
    try:
        for folder in (given.work, given.out or given.work):
            _ready(folder)  # not after hours of training
        return train(given)
    except (DataError, EdgeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _ready(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: no folder ({error.strerror}); name another") from None


def tell(what: str, done: int, all_: int) -> None:
    """Show how far something is: at once on a terminal, else only the end."""
    if sys.stderr.isatty() or done == all_:
        end = "\n" if done == all_ else ""
        print(f"\r{what}: {done} of {all_}", end=end, file=sys.stderr, flush=True)
