"""Benchmark of covered plates: how often something in front of a plate gives a sure wrong read."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edge.adapters.models.cover_check import CheckedReader
from edge.adapters.models.loading import load_plate_models, open_reader
from edge.adapters.models.manifest import Contract
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, Pixels, PlatePatch
from edge.domain.intervals import wilson
from edge.domain.reading import fuse
from edge.errors import EdgeError
from edge.pipeline.dossier import SURE_POSTERIOR
from edge.pipeline.ports import PlateReader
from scripts.fixtures.covers import COVERS, draw_cover

VIEWS = 8
"""Views of one plate: each is cut a little differently, with other noise and light."""

LEAST_HEIGHT = 16.0
"""Plates less high than this, in pixels, are left out: they are seldom read."""

UNCOVERED = "no cover"


@dataclass(frozen=True, slots=True)
class LabelledPlate:
    """A plate on a photo: the part of the photo with it, its box in that part, and its text."""

    pixels: Pixels
    box: Box
    text: str = field(repr=False)


@dataclass(slots=True)
class Reads:
    """How the plates behind one kind of cover were read."""

    plates: int = 0
    sure: int = 0
    sure_and_wrong: int = 0


def report(given: argparse.Namespace) -> int:
    """Measure, and print one table or one JSON document."""
    try:
        manifest = Manifest.load()
        checked = load_plate_models(manifest, pair=given.models).reader
        name = manifest.pair(given.models or manifest.default_pair).reader
        plain = open_reader(manifest.find(name, Contract.READER))
        if not isinstance(checked, CheckedReader):
            print("error: the manifest names no cover_check; add one", file=sys.stderr)
            return 1
        plates = [one for file in given.labels for one in labelled_plates(file)]
        result = {
            "reader": name,
            "without_check": measured(plates, plain, given.plates),
            "with_check": measured(plates, checked, given.plates),
        }
    except (EdgeError, OSError, KeyError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        _show(result)
    return 0


def labelled_plates(file: Path) -> list[LabelledPlate]:
    """The plates of a CSV file with the columns `image,x,y,w,h,plate`, high enough to be read."""
    found: list[LabelledPlate] = []
    with file.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            x, y, w, h = (float(row[key]) for key in "xywh")
            pixels = cv2.imread(str(file.parent / row["image"]))
            if pixels is None or not row["plate"] or h < LEAST_HEIGHT:
                continue
            height, width = pixels.shape[:2]
            around = Box(x - 0.08 * w, y - 0.08 * h, x + 1.08 * w, y + 1.08 * h)
            part = around.clipped(width, height)
            left, top = int(part.x1), int(part.y1)
            cut = np.ascontiguousarray(pixels[top : int(part.y2), left : int(part.x2)], np.uint8)
            box = Box(x - left, y - top, x - left + w, y - top + h)
            found.append(LabelledPlate(cut, box, row["plate"]))
    return found


def measured(
    plates: Sequence[LabelledPlate], reader: PlateReader, covered: int
) -> dict[str, dict[str, Any]]:
    """Reads by kind of cover, and of all covers together; each plate is also read uncovered."""
    counts = {name: Reads() for name in (UNCOVERED, *COVERS)}
    for number in range(covered):
        plate = plates[(number * 7919) % len(plates)]
        cover = list(COVERS)[number % len(COVERS)]
        inner = (plate.box.x1, plate.box.y1, plate.box.x2, plate.box.y2)
        drawn = draw_cover(cover, plate.pixels, inner, number)
        _count(counts[cover], plate, drawn, reader, number)
        _count(counts[UNCOVERED], plate, plate.pixels, reader, number)
    all_covers = Reads(
        *(
            sum(getattr(counts[name], key) for name in COVERS)
            for key in ("plates", "sure", "sure_and_wrong")
        )
    )
    return {name: _figures(one) for name, one in {**counts, "all covers": all_covers}.items()}


def _figures(reads: Reads) -> dict[str, Any]:
    wrong = wilson(reads.sure_and_wrong, reads.plates)
    return {
        "plates": reads.plates,
        "sure": reads.sure,
        "sure_and_wrong": reads.sure_and_wrong,
        "share": wrong.share,
        "ci95": [wrong.low, wrong.high],
    }


def _count(
    reads: Reads, plate: LabelledPlate, pixels: Pixels, reader: PlateReader, seed: int
) -> None:
    quality = min(1.0, plate.box.height / 20)
    patches = [PlatePatch(plate.box, quality, view) for view in views(pixels, seed)]
    consensus = fuse(reader.read(patches))
    reads.plates += 1
    if consensus is not None and consensus.posterior >= SURE_POSTERIOR:
        reads.sure += 1
        reads.sure_and_wrong += consensus.best.text.reveal() != plate.text


def views(pixels: Pixels, seed: int) -> Iterator[Pixels]:
    """Slightly different pictures of one plate, as in the frames of one passage."""
    rng = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    for _ in range(VIEWS):
        left, top, right, foot = (
            int(share * side)
            for share, side in zip(
                np.abs(rng.normal(0, 0.02, 4)), (width, height, width, height), strict=True
            )
        )
        part = pixels[top : height - foot, left : width - right]
        factor = rng.uniform(0.8, 1.0)
        size = max(8, int(part.shape[1] * factor)), max(6, int(part.shape[0] * factor))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
        light = part.astype(np.float32) * rng.uniform(0.85, 1.15)
        noisy = np.clip(light + rng.normal(0, 3, part.shape), 0, 255)
        yield np.ascontiguousarray(noisy.astype(np.uint8))


def _show(result: dict[str, Any]) -> None:
    table = Table(title=f"Reads above {SURE_POSTERIOR} with {result['reader']}: wrong, of all sure")
    for heading in ("cover", "plates", "without check", "with check"):
        table.add_column(heading, justify="left" if heading == "cover" else "right")
    for name, without in result["without_check"].items():
        checked = result["with_check"][name]
        table.add_row(
            name,
            str(without["plates"]),
            f"{without['sure_and_wrong']} of {without['sure']}",
            f"{checked['sure_and_wrong']} of {checked['sure']}",
        )
    Console().print(table)
