"""Command line of the cover check's training: `scripts/train-covers`."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.training.command_line import run, train_with, training_parser

DESCRIPTION = """\
Train the cover check, which finds plates that something hides in part.

Writes plate_covers.onnx. Needs `pip install -e '.[cpu,training]'` and the fonts that
scripts/fixtures/fonts.py lists. Uses a GPU where there is one.

The covers (tow bars, balls, racks, poles, barrier arms, snow, branches) are drawn, over rendered
plates and over plates of photographs (--plates), whose boxes must be known; no text is needed."""

EXAMPLE = """\
  scripts/train-covers --plates DATA/plates --work runs --out models"""


def main(arguments: list[str] | None = None) -> int:
    """Train and export; 0 when the weights are written."""
    parser = training_parser(
        "train-covers",
        DESCRIPTION,
        EXAMPLE,
        steps=2000,
        batch=64,
        rate=4e-3,
        rendered=6000,
        fewest_rendered=1,
    )
    parser.add_argument(
        "--plates",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder of photographs with labels/ or labels.csv; may be given several times",
    )
    return run(train_with("scripts.training.cover_training"), parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
