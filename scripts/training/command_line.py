"""Command line options, progress and errors that both training programs share.

Nothing here imports PyTorch, so that `--help` answers at once and a missing PyTorch is one line.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from edge.errors import EdgeError
from scripts.fixtures.fonts import MissingFontError
from scripts.training.errors import DataError

ARITHMETIC_CHOICES = ("auto", "float32", "bfloat16")
NEEDED = {
    "PIL": "Pillow",
    "cv2": "OpenCV",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
    "skimage": "scikit-image",
    "torch": "PyTorch",
}
"""Modules that a training imports, with the names that people know them by."""


def whole(least: int, multiple_of: int = 1) -> Callable[[str], int]:
    """The type of an option that is a whole number from `least` on, or a multiple of one."""

    def number(given: str) -> int:
        value = int(given)
        if value < least or value % multiple_of:
            step = f", a multiple of {multiple_of}" if multiple_of > 1 else ""
            raise argparse.ArgumentTypeError(f"{given}: at least {least}{step}")
        return value

    return number


def training_parser(
    program: str, description: str, example: str, *, steps: int, batch: int, rate: float,
    rendered: int, fewest_rendered: int = 0,
) -> argparse.ArgumentParser:  # fmt: skip
    """A parser with the options of every training, and the defaults of this one."""
    parser = argparse.ArgumentParser(
        prog=f"scripts/{program}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"example:\n{example}\n\nmore: docs/training.md",
    )
    add = parser.add_argument
    add(
        "--work",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for checkpoints, cache and log; a later call with it continues the training",
    )
    add("--out", type=Path, metavar="DIR", help="folder for the weights (default: --work)")
    add(
        "--start",
        type=Path,
        metavar="ONNX",
        help="start from these float weights instead of random ones (fine-tuning); the scene "
        "parser also starts from a folder with a checkpoint",
    )
    add("--steps", type=whole(1), default=steps, help="number of batches (default: %(default)s)")
    add("--batch", type=whole(1), default=batch, help="pictures in a batch (default: %(default)s)")
    add("--rate", type=float, default=rate, help="highest learning rate (default: %(default)s)")
    add(
        "--rendered",
        type=whole(fewest_rendered),
        default=rendered,
        help="number of plates to render (default: %(default)s)",
    )
    add(
        "--arithmetic",
        choices=ARITHMETIC_CHOICES,
        default=ARITHMETIC_CHOICES[0],
        help="of the network's layers; auto times batches in each and takes the faster one "
        "(default: %(default)s)",
    )
    add("--threads", type=whole(1), help="threads of the CPU (default: PyTorch's choice)")
    add(
        "--workers",
        type=whole(0),
        default=1,
        help="processes that make pictures (default: %(default)s)",
    )
    add("--seed", type=int, default=1, help="of all random numbers (default: %(default)s)")
    add(
        "--export-only",
        action="store_true",
        help="do not train; write the weights of the last checkpoint",
    )
    return parser


def train_with(module: str) -> Callable[[argparse.Namespace], int]:
    """The function `train_as_given` of a module, which is imported when it is called.

    The returned function raises DataError when a library that training needs is not installed.
    """

    def train(given: argparse.Namespace) -> int:
        for name, known_as in NEEDED.items():
            if importlib.util.find_spec(name) is None:
                raise DataError(f"{known_as}: not installed; run: pip install -e '.[cpu,training]'")
        result: int = importlib.import_module(module).train_as_given(given)
        return result

    return train


def run(train: Callable[[argparse.Namespace], int], given: argparse.Namespace) -> int:
    """Run a training; when its data, fonts or folders cannot be used, 1 and one line on stderr.

    130 and one line when somebody stops it with Ctrl-C.
    """
    try:
        for folder in (given.work, given.out or given.work):
            _make(folder)  # before hours of training, not after them
        return train(given)
    except (DataError, EdgeError, MissingFontError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"stopped; call it again with --work {given.work} to continue from the last checkpoint",
            file=sys.stderr,
        )
        return 130


def checkpoint_of(folder: Path) -> Path:
    """The checkpoint of a training.

    Raises:
        DataError: there is none.
    """
    file = folder / "last.pt"
    if not file.is_file():
        raise DataError(f"{file}: no checkpoint; train with this --work first")
    return file


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: no folder ({error.strerror}); name another") from None


def tell(what: str, done: int, all_: int) -> None:
    """Show the progress of a step: continuously on a terminal, elsewhere only its end."""
    if sys.stderr.isatty() or done == all_:
        end = "\n" if done == all_ else ""
        print(f"\r{what}: {done} of {all_}", end=end, file=sys.stderr, flush=True)
