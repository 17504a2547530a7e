"""The outlines of the validation set as labels for `edge-anpr evaluate redaction`.

    python -m scripts.training.outline_labels validation.csv
    edge-anpr evaluate redaction --labels validation.csv --root DATA

Outlines of what stands before a vehicle, and of what nobody could name, have no place there: such
parts count as what the other outlines say.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.training.photos import in_validation_set

OUTLINES = Path(__file__).with_name("outlines") / "vehicles.json"

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


def main(arguments: list[str]) -> int:
    """Write the file that the only argument names; 2 if there is none."""
    if len(arguments) != 1:
        print("usage: python -m scripts.training.outline_labels FILE.csv", file=sys.stderr)
        return 2
    views = json.loads(OUTLINES.read_text("utf-8"))["views"]
    with Path(arguments[0]).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "vehicle", "kind", "outline"))
        writer.writerows(rows_of([one for one in views if in_validation_set(one["image"])]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
