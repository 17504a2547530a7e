"""Command line of the scene parser's training: `scripts/train-parser`."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.training.command_line import run, train_with, training_parser

DESCRIPTION = """\
Train the scene parser: what each part of a picture around a number plate shows, and the kind and
colour of the vehicle with the plate.

Writes scene_parser.onnx. Needs `pip install -e '.[cpu,training]'`. Uses a GPU where there is one.

The labels of scripts/training/outlines were made by eye on photographs that --photos holds.
A folder given with --parts has photographs with polygons of the parts of cars, in COCO form."""

EXAMPLE = """\
  scripts/train-parser --photos DATA --parts DATA/carparts --work runs/parser --threads 1"""


def main(arguments: list[str] | None = None) -> int:
    """Train, export and measure; 0 when the weights are written."""
    parser = training_parser(
        "train-parser", DESCRIPTION, EXAMPLE, steps=20_000, batch=16, rate=2e-3, rendered=0
    )
    add = parser.add_argument
    add(
        "--photos",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder that holds the photographs of the outlines, under the names written there",
    )
    add(
        "--parts",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder of photographs with polygons of car parts; may be given several times",
    )
    add(
        "--boxes",
        type=Path,
        metavar="DIR",
        help="folder below --photos with labels.csv (plates) and objects_pseudo.csv (vehicles and "
        "motorcycles): they help to tell the kind of a vehicle",
    )
    add(
        "--paste",
        action="store_true",
        help="paste people and other vehicles of the photographs beside and before the vehicle",
    )
    add(
        "--guess",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder below --photos with more photographs in images: the scene parser of the "
        "manifest guesses their labels; may be given several times",
    )
    add(
        "--second",
        action="store_true",
        help="with --start and a file of two networks: start from the second one",
    )
    add("--teacher", metavar="NAME", help="detector of the manifest that finds the plates")
    return run(train_with("scripts.training.parser_training"), parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
