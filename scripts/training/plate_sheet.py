"""Draw a sheet of invented plates: `scripts/plate-sheet`."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from scripts.fixtures import fonts
from scripts.training.camera_simulation import photograph
from scripts.training.countries import REGIONS
from scripts.training.plates import random_plate, require_fonts

Pixels = npt.NDArray[np.uint8]


def main(arguments: list[str] | None = None) -> int:
    """Write a sheet of plates; 0 when it is written."""
    parser = argparse.ArgumentParser(
        prog="scripts/plate-sheet",
        description="Draw a sheet of invented plates: each flat plate, and below it the same one "
        "as a camera sees it. Look at a sheet before you train on thousands of plates.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="regions:\n  " + ", ".join(REGIONS) + "\n\nexamples:\n"
        "  scripts/plate-sheet --sheet all.png\n"
        "  scripts/plate-sheet --sheet be.png --region Belgium --seed 7\n\n"
        "fonts: scripts/fixtures/fonts.py lists them with their licences; folders named in the\n"
        "environment variable PLATE_FONTS are searched first.",
    )
    parser.add_argument("--sheet", type=Path, required=True, metavar="PNG", help="file to write")
    parser.add_argument("--region", choices=REGIONS, metavar="NAME", help="default: all, in turn")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default: 0)")
    parser.add_argument("--plates", type=int, default=42, help="number of plates (default: 42)")
    given = parser.parse_args(arguments)
    if given.plates < 1:
        parser.error("--plates: at least 1")
    if importlib.util.find_spec("PIL") is None:
        return _refuse("Pillow: not installed; run: pip install -e '.[fixtures]'")
    try:
        require_fonts()
    except fonts.MissingFontError as error:
        return _refuse(str(error))
    written = False
    with contextlib.suppress(cv2.error):  # a name whose ending is no format
        written = cv2.imwrite(str(given.sheet), sheet(given.seed, given.region, given.plates))
    return (
        0
        if written
        else _refuse(f"{given.sheet}: cannot be written; name a .png file in a folder that exists")
    )


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def sheet(seed: int, region: str | None, count: int) -> Pixels:
    """A picture of flat plates, each with its simulated photograph below, six in a row; BGR."""
    rng = np.random.default_rng(seed)
    cells = []
    for number in range(count):
        plate = random_plate(rng, region or REGIONS[number % len(REGIONS)])
        shown = photograph(plate, rng)
        cell = np.full((250, 300, 3), 70, np.uint8)
        _place(cell[:110], plate.pixels, cv2.INTER_AREA)
        _place(cell[112:232], shown.pixels, cv2.INTER_NEAREST)
        size = f"{shown.pixels.shape[1]}x{shown.pixels.shape[0]}"
        label = f"{plate.text} {plate.region[:8]} {size}"
        cv2.putText(cell, label, (4, 245), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (230, 230, 230), 1)
        cells.append(cell)
    across = min(6, count)
    cells += [np.full_like(cells[0], 70)] * (-count % across)
    rows = [np.hstack(cells[at : at + across]) for at in range(0, len(cells), across)]
    return np.vstack(rows)


def _place(room: Pixels, picture: Pixels, how: int) -> None:
    """Place the picture in the middle of `room`, as large as it fits."""
    height, width = picture.shape[:2]
    scale = min((room.shape[1] - 8) / width, (room.shape[0] - 4) / height)
    if how == cv2.INTER_NEAREST and scale > 1:
        scale = max(1.0, np.floor(scale))
    size = max(1, int(width * scale)), max(1, int(height * scale))
    small = cv2.resize(picture, size, interpolation=how)
    y, x = (room.shape[0] - size[1]) // 2, (room.shape[1] - size[0]) // 2
    room[y : y + size[1], x : x + size[0]] = small


if __name__ == "__main__":
    sys.exit(main())
