"""Benchmark of covered plates: how often something in front of a plate gives a sure wrong read."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edge.adapters.models.cover_check import OnnxCoverCheck, texts_of, weighed
from edge.adapters.models.loading import open_cover_check, open_reader
from edge.adapters.models.manifest import Contract
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, Pixels, PlatePatch
from edge.domain.intervals import wilson
from edge.domain.reading import PlateReading, fuse
from edge.errors import EdgeError
from edge.pipeline.ports import PlateReader
from edge.pipeline.recent import SURE_POSTERIOR
from edge.policy.limits import LIMITS
from scripts.fixtures.covers import COVERS, OVER_CHARACTERS, OVER_PARTS, characters, draw_cover
from scripts.training.photos import in_validation_set

VIEWS = 8
"""Views of one plate: each is cut a little differently, with other noise and light."""

LEAST_HEIGHT = 16.0
"""Plates less high than this, in pixels, are left out: they are seldom read."""

UNCOVERED = "no cover"

FLOOR = min(limits.min_posterior for limits in LIMITS.values())
"""The lowest `min_posterior` that a policy may ask for."""


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
    wrong_above_floor: int = 0


def report(given: argparse.Namespace) -> int:
    """Measure, and print one table or one JSON document."""
    try:
        manifest = Manifest.load()
        name = manifest.pair(given.models or manifest.default_pair).reader
        reader = open_reader(manifest.find(name, Contract.READER))
        if manifest.cover_check is None:
            print("error: the manifest names no cover_check; add one", file=sys.stderr)
            return 1
        check = open_cover_check(manifest.find(manifest.cover_check, Contract.COVER_CHECK))
        plates = [one for file in given.labels for one in labelled_plates(file)]
        if given.held_out:
            plates = [one for one in plates if in_validation_set(one.text)]
        if not plates:
            print("error: no plate is left to measure; check the labels", file=sys.stderr)
            return 1
        without_check, with_check = measured(plates, reader, check, given.plates)
        result = {"reader": name, "without_check": without_check, "with_check": with_check}
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
    plates: Sequence[LabelledPlate], reader: PlateReader, check: OnnxCoverCheck, covered: int
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Reads without and with the check, by kind of cover and of all covers together.

    Each plate is also read uncovered. A cover over characters or parts of them needs a plate whose
    characters can all be told apart.

    Raises:
        ValueError: there is no such plate.
    """
    names = (UNCOVERED, *COVERS)
    without, checked = {name: Reads() for name in names}, {name: Reads() for name in names}
    told_apart = [
        one for one in plates if len(characters(one.pixels, _inner(one))) == len(one.text)
    ]
    if not told_apart:
        raise ValueError("no plate's characters can all be told apart; name more labels")
    for number in range(covered):
        cover = list(COVERS)[number % len(COVERS)]
        usable = told_apart if cover in (*OVER_CHARACTERS, *OVER_PARTS) else plates
        plate = usable[(number * 7919) % len(usable)]
        drawn = draw_cover(cover, plate.pixels, _inner(plate), number)
        for name, pixels in ((cover, drawn), (UNCOVERED, plate.pixels)):
            quality = min(1.0, plate.box.height / 20)
            patches = [PlatePatch(plate.box, quality, view) for view in views(pixels, number)]
            readings = reader.read(patches)
            _count(without[name], plate, readings)
            hidden = check.hidden(patches, texts_of(readings))
            _count(checked[name], plate, weighed(readings, hidden))
    return _by_cover(without), _by_cover(checked)


def _by_cover(counts: dict[str, Reads]) -> dict[str, dict[str, Any]]:
    keys = [one.name for one in fields(Reads)]
    together = Reads(*(sum(getattr(counts[name], key) for name in COVERS) for key in keys))
    return {name: _figures(one) for name, one in {**counts, "all covers": together}.items()}


def _inner(plate: LabelledPlate) -> tuple[float, float, float, float]:
    return plate.box.x1, plate.box.y1, plate.box.x2, plate.box.y2


def _figures(reads: Reads) -> dict[str, Any]:
    wrong = wilson(reads.sure_and_wrong, reads.plates)
    return {**asdict(reads), "share": wrong.share, "ci95": [wrong.low, wrong.high]}


def _count(reads: Reads, plate: LabelledPlate, readings: Sequence[PlateReading]) -> None:
    consensus = fuse(readings)
    reads.plates += 1
    if consensus is not None and consensus.posterior >= FLOOR:
        wrong = consensus.best.text.reveal() != plate.text
        reads.wrong_above_floor += wrong
        if consensus.posterior >= SURE_POSTERIOR:
            reads.sure += 1
            reads.sure_and_wrong += wrong


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
    table = Table(title=f"Wrong reads with {result['reader']}, without and with the check")
    floor, sure = f"{FLOOR} or more", f"{SURE_POSTERIOR} or more, of all sure"
    table.add_column("cover")
    for heading in ("plates", floor, "with check", sure, "with check"):
        table.add_column(heading, justify="right")
    for name, without in result["without_check"].items():
        checked = result["with_check"][name]
        table.add_row(
            name,
            str(without["plates"]),
            str(without["wrong_above_floor"]),
            str(checked["wrong_above_floor"]),
            f"{without['sure_and_wrong']} of {without['sure']}",
            f"{checked['sure_and_wrong']} of {checked['sure']}",
        )
    Console().print(table)
