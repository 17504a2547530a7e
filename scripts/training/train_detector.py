"""Command line of the detector's training: `scripts/train-detector`."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.training.command_line import run, train_with, training_parser, whole

DESCRIPTION = """\
Train the plate detector on photographs and rendered plates.

Writes plate_detector.onnx (eight bits, for CPUs) and plate_detector_float.onnx (the same network
in floats, for GPUs). Needs `pip install -e '.[cpu,training]'`. Uses a GPU where there is one.

A folder given with --plates has photographs in images/ and boxes in labels/. Photographs given
with --unlabelled get their boxes from the teacher, which is any detector of the manifest."""

EXAMPLE = """\
  scripts/train-detector --plates DATA/plates --unlabelled DATA/traffic \\
      --teacher yolo-v9-t-416 --work runs/detector --out models"""


def main(arguments: list[str] | None = None) -> int:
    """Train, export and choose the threshold; 0 when the weights are written."""
    parser = training_parser(
        "train-detector", DESCRIPTION, EXAMPLE, steps=20_000, batch=16, rate=2e-3, rendered=6000
    )
    add = parser.add_argument
    add(
        "--plates",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder of labelled photographs; may be given several times",
    )
    add(
        "--unlabelled",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder of photographs without labels; may be given several times",
    )
    add("--teacher", metavar="NAME", help="detector of the manifest that corrects the boxes")
    add(
        "--mean-with",
        type=Path,
        action="append",
        default=[],
        metavar="WORK",
        help="--work of another training from the same start: write the mean of both weights",
    )
    side = whole(64, multiple_of=32)
    add("--size", type=side, default=416, help="input side, multiple of 32 (default: %(default)s)")
    add("--export-size", type=side, help="input side of the written weights (default: --size)")
    add(
        "--small-size",
        type=side,
        default=320,
        help="input side in a first part with smaller pictures (default: %(default)s)",
    )
    add(
        "--small-steps",
        type=whole(0),
        default=0,
        help="number of batches of that first part (default: %(default)s)",
    )
    return run(train_with("scripts.training.detector_training"), parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
