"""Benchmark of the forms of plates in the fusion: what they change, with several weights."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edge.adapters.models.loading import load_plate_models
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, PlatePatch
from edge.domain.intervals import wilson
from edge.domain.reading import FORM_ESCAPE, PlateReading, fuse
from edge.errors import EdgeError
from edge.pipeline.ports import PlateReader
from edge.pipeline.recent import SURE_POSTERIOR
from scripts.benchmarks.covered_plates import LabelledPlate, labelled_plates, views
from scripts.fixtures.fonts import MissingFontError
from scripts.training.photos import in_validation_set

ESCAPES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.005)
"""Weights that are tried, see `edge.domain.reading.FORM_ESCAPE`; 1 leaves the forms out."""

DRAWN_SEED = 20_261
"""Seeds the rendered plates: no training uses it."""

LEAST_PROBABILITY = 1e-4
"""A true plate that is no hypothesis counts as this probable in the log-likelihood."""


def report(given: argparse.Namespace) -> int:
    """Measure, and print one table or one JSON document."""
    try:
        reader = load_plate_models(Manifest.load(), pair=given.models).reader
        plates = [one for file in given.labels for one in labelled_plates(file)]
        if given.held_out:
            plates = [one for one in plates if in_validation_set(one.text)]
        plates += drawn_plates(given.rendered)
        if not plates:
            print("error: no plate is left to measure; check the labels", file=sys.stderr)
            return 1
        result = measured(plates, reader, given.height)
    except (EdgeError, MissingFontError, OSError, KeyError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        _show(result)
    return 0


def drawn_plates(count: int) -> list[LabelledPlate]:
    """Rendered plates of every country, each as a camera sees it; the same ones at each call.

    Raises:
        MissingFontError: a font for rendered plates is not installed.
    """
    from scripts.training.camera_simulation import photograph  # noqa: PLC0415 - needs fonts
    from scripts.training.plates import random_plate  # noqa: PLC0415

    rng = np.random.default_rng(DRAWN_SEED)
    found = []
    for _ in range(count):
        photo = photograph(random_plate(rng), rng)
        height, width = photo.pixels.shape[:2]
        found.append(LabelledPlate(photo.pixels, Box(0, 0, width, height), photo.text))
    return found


def measured(
    plates: Sequence[LabelledPlate], reader: PlateReader, heights: Sequence[int]
) -> dict[str, Any]:
    """Each plate at each height in pixels, fused with each weight."""
    looks = [
        (plate.text, _read(plate, height, reader, number))
        for height in heights
        for number, plate in enumerate(plates)
    ]
    return {
        "plates": len(plates),
        "looks": len(looks),
        "shipped": FORM_ESCAPE,
        "by_escape": {str(escape): _figures(looks, escape) for escape in ESCAPES},
    }


def _read(plate: LabelledPlate, height: int, reader: PlateReader, seed: int) -> list[PlateReading]:
    factor = min(1.0, height / plate.box.height)
    size = (
        max(8, round(plate.pixels.shape[1] * factor)),
        max(6, round(plate.pixels.shape[0] * factor)),
    )
    small = np.asarray(cv2.resize(plate.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    quality = min(1.0, max(0.1, size[1] / 20))  # as on a box, for a detection that is certain
    return list(reader.read([PlatePatch(plate.box, quality, view) for view in views(small, seed)]))


def _figures(looks: Sequence[tuple[str, list[PlateReading]]], escape: float) -> dict[str, Any]:
    exact = sure = wrong = 0
    likelihood = 0.0
    for text, readings in looks:
        consensus = fuse(readings, form_escape=escape)
        found = {} if consensus is None else {
            one.text.reveal(): one.probability for one in consensus.hypotheses
        }  # fmt: skip
        likelihood += math.log(max(found.get(text, 0.0), LEAST_PROBABILITY))
        if consensus is None:
            continue
        right = consensus.best.text.reveal() == text
        exact += right
        if consensus.posterior >= SURE_POSTERIOR:
            sure += 1
            wrong += not right
    share = wilson(wrong, len(looks))
    return {
        "exact": exact,
        "sure": sure,
        "sure_and_wrong": wrong,
        "sure_and_wrong_ci95": [share.low, share.high],
        "log_likelihood": likelihood / len(looks),
    }


def _show(result: dict[str, Any]) -> None:
    table = Table(title=f"{result['looks']} passages of {result['plates']} plates, by form_escape")
    for heading in ("form_escape", "exact", "sure", "sure and wrong", "log-likelihood"):
        table.add_column(heading, justify="right")
    for escape, one in result["by_escape"].items():
        mark = " (shipped)" if float(escape) == result["shipped"] else ""
        mark = " (no forms)" if float(escape) == 1 else mark
        table.add_row(
            escape + mark,
            str(one["exact"]),
            str(one["sure"]),
            str(one["sure_and_wrong"]),
            f"{one['log_likelihood']:.4f}",
        )
    Console().print(table)
