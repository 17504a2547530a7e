"""Command line that writes labels of outlined vehicles: `scripts/outline-labels`."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.training.photos import in_validation_set

DESCRIPTION = """\
Write the outlined vehicles of the validation set, or of the test set, as labels for
`edge-anpr evaluate redaction`. The thresholds are chosen on the validation set. No training and no
choice uses the test set.

Outlines of what stands before a vehicle, and of what nobody could name, have no place there: such
parts count as what the other outlines say."""

EXAMPLE = """\
  scripts/outline-labels validation.csv
  scripts/outline-labels --test test.csv
  edge-anpr evaluate redaction --labels test.csv --root DATA"""

OUTLINES = Path(__file__).with_name("outlines") / "vehicles.json"
TEST_OUTLINES = OUTLINES.with_name("test_vehicles.json")

OF_THE_VEHICLE = (("body", "body"), ("glass", "glass"), ("heads", "head"))
AROUND = (("other", "other"), ("people", "person"))
"""Keys of an outlined vehicle, and the kinds that a label has for them."""

Row = tuple[str, str, str, str]
"""Image, vehicle, kind and outline."""


def rows_of(views: list[dict[str, Any]]) -> Iterator[Row]:
    """The labels of outlined vehicles; each has its place in the list as its name."""
    for number, one in enumerate(views):
        x, y, wide, tall = one["plate"]
        yield one["image"], str(number), "plate", f"{x} {y} {x + wide} {y + tall}"
        for kinds, vehicle in ((OF_THE_VEHICLE, str(number)), (AROUND, "")):
            for key, kind in kinds:
                for polygon in one.get(key, ()):
                    points = " ".join(str(value) for point in polygon for value in point)
                    yield one["image"], vehicle, kind, points


def main(arguments: list[str] | None = None) -> int:
    """Write the file; 0 when it is written, 1 and one line if that is not possible."""
    parser = argparse.ArgumentParser(
        prog="scripts/outline-labels",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"example:\n{EXAMPLE}\n\nmore: scripts/training/outlines/README.md",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the CSV file to write")
    parser.add_argument("--test", action="store_true", help="the test set, not the validation set")
    given = parser.parse_args(arguments)
    file: Path = given.file
    views = json.loads((TEST_OUTLINES if given.test else OUTLINES).read_text("utf-8"))["views"]
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(("image", "vehicle", "kind", "outline"))
            chosen = [one for one in views if given.test or in_validation_set(one["image"])]
            writer.writerows(rows_of(chosen))
    except OSError as error:
        print(f"error: {file}: cannot be written ({error.strerror})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
