"""Command line of the reader's training: `scripts/train-reader`."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.training.command_line import run, train_with, training_parser

DESCRIPTION = """\
Train the plate reader on rendered plates and on plates cut from photographs.

Writes plate_reader.onnx and its plate_reader.yaml. Needs `pip install -e '.[cpu,training]'` and
the fonts that scripts/fixtures/fonts.py lists. Uses a GPU where there is one.

The texts of rendered plates are known. Plates on photographs (--plates) get their texts from the
teachers, which are a detector and a reader of the manifest. Pictures of plates with texts (--crops)
need no teacher. If one is named, its doubt counts as much as their texts. Of boxes without a text
(--boxes) the teacher's probabilities are learnt."""

EXAMPLE = """\
  scripts/train-reader --plates DATA/plates --crops DATA/crops --work runs/reader --out models

to fine-tune on a camera of your own, give its photographs as --plates and
the published weights as --start models/plate_reader.onnx, with a --rate of 2e-4."""


def main(arguments: list[str] | None = None) -> int:
    """Train, export and calibrate; 0 when the weights are written."""
    parser = training_parser(
        "train-reader",
        DESCRIPTION,
        EXAMPLE,
        steps=20_000,
        batch=64,
        rate=1e-3,
        rendered=40_000,
        fewest_rendered=1,
    )
    add = parser.add_argument
    add(
        "--plates",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder of photographs with plates; may be given several times",
    )
    add(
        "--crops",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder with crops.csv: pictures of plates with texts; may be given several times",
    )
    add(
        "--boxes",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder with labels.csv: photographs with boxes of plates, for those without a text; "
        "may be given several times",
    )
    add("--teacher-detector", metavar="NAME", help="detector of the manifest that finds the plates")
    add("--teacher-reader", metavar="NAME", help="reader of the manifest that gives their texts")
    return run(train_with("scripts.training.reader_training"), parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
