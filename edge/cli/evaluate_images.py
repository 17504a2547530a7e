"""`edge-anpr evaluate images`: accuracy on labelled photos."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.cli.certainty import certainty_json, certainty_lines
from edge.cli.labels import (
    LabelledImage,
    LabelledPlate,
    distance,
    photo_pixels,
    read_image_labels,
    require_inside,
)
from edge.cli.output import print_json, time_text
from edge.domain.accuracy import (
    BREAKDOWNS,
    AccuracyFigures,
    PlateOutcome,
    accuracy_figures,
    match,
    scored_reads,
)
from edge.domain.imaging import Box, Detection, PlatePatch, cut_patch, plates_among
from edge.domain.intervals import Interval, wilson
from edge.domain.reading import PlateConsensus, PlateReading, fuse
from edge.domain.timing import median_and_p95_ms
from edge.errors import ConfigError
from edge.pipeline.watcher import WatchSettings

if TYPE_CHECKING:
    from edge.adapters.models.loading import PlateModels
    from edge.domain.imaging import Pixels

MARGIN = WatchSettings().patch_margin
"""Margin around a plate in its patch, as in the frame pipeline."""

GROUP_NAMES = {"width": "{} px wide", "height": "{} px high", "lines": "lines: {}"}
"""How the groups of a breakdown are named in the table, where their names alone do not say it."""

USUAL = ("country", "width")
"""What the figures are broken down by where nothing else is asked for."""


@dataclass(slots=True)
class ImageScore:
    """What was found and read on one photo."""

    outcomes: list[PlateOutcome]
    false_positives: int
    seconds: dict[str, float]
    reads: list[dict[str, Any]] = field(default_factory=list)


# --- one photo ------------------------------------------------------------------------------


def score_image(
    image: LabelledImage, pixels: Pixels, models: PlateModels, *, show_reads: bool
) -> ImageScore:
    """Find and read a photo's plates, and compare with its labels afterwards."""
    started = time.perf_counter()
    detections, _ = plates_among(models.detector.detect(pixels), models.threshold)
    detected = time.perf_counter()
    read = _texts(models, [cut_patch(pixels, one, MARGIN) for one in detections])
    done = time.perf_counter()
    given = _texts(
        models, [cut_patch(pixels, Detection(one.box, 1.0), MARGIN) for one in image.plates]
    )
    matched = match([one.box for one in image.plates], detections)
    score = ImageScore(
        outcomes=[],
        false_positives=len(detections) - sum(index is not None for index in matched),
        seconds={"detect": detected - started, "read": done - detected},
    )
    for label, index, on_box in zip(image.plates, matched, given, strict=True):
        text = None if index is None else read[index]
        outcome = _outcome(
            label, _light(pixels, label.box), found=index is not None, read=text, given=on_box
        )
        score.outcomes.append(outcome)
        if show_reads:
            score.reads.append(
                {
                    "line": label.line,
                    "label": label.plate.reveal(),
                    "text": None if text is None else text.best.text.reveal(),
                    "posterior": round(outcome.posterior, 4),
                    "found": outcome.found,
                    "exact": outcome.exact,
                    "exact_given_box": outcome.exact_given_box,
                }
            )
    return score


def _texts(models: PlateModels, patches: Sequence[PlatePatch]) -> list[PlateConsensus | None]:
    """The reading of each patch by itself, with its calibrated posterior."""
    readings: Iterable[PlateReading] = models.reader.read(patches)
    return [fuse([reading]) for reading in readings]


def _light(pixels: Pixels, box: Box) -> float:
    """Median grey level of the photo within a plate's width around it, the plate included.

    The plate itself reflects headlamps and infrared light, so it alone does not say how dark it is.
    """
    around = box.grown(left=box.width, right=box.width, top=box.width, bottom=box.width)
    inside = around.clipped(pixels.shape[1], pixels.shape[0])
    part = pixels[int(inside.y1) : int(inside.y2) + 1, int(inside.x1) : int(inside.x2) + 1]
    return float(np.median(part @ np.array((0.114, 0.587, 0.299))))  # BT.601, of BGR


def _outcome(
    label: LabelledPlate,
    light: float,
    *,
    found: bool,
    read: PlateConsensus | None,
    given: PlateConsensus | None,
) -> PlateOutcome:
    length = len(label.plate)
    edits = length if read is None else min(length, distance(read.best.text, label.plate))
    return PlateOutcome(
        country=label.country,
        width=label.box.width,
        height=label.box.height,
        light=light,
        lines=label.lines,
        length=length,
        found=found,
        exact=read is not None and read.best.text == label.plate,
        edits=edits,
        posterior=0.0 if read is None else read.posterior,
        exact_given_box=given is not None and given.best.text == label.plate,
    )


# --- the verb -------------------------------------------------------------------------------


def evaluate_images(
    labels: Path,
    root: Path,
    *,
    pair: str | None,
    detector: str | None,
    reader: str | None,
    provider: str,
    threads: int,
    report: Path | None,
    as_json: bool,
    show_reads: bool,
    by: str,
    manifest: Path | None,
    progress: bool,
) -> None:
    """Find and read labelled plates on photos, compare with the labels and print the counts.

    The parameters are the options of `edge-anpr evaluate images`.

    Raises:
        EdgeError: labels, photos, options or weights cannot be used.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from edge.adapters.models.loading import load_plate_models
    from edge.adapters.models.weights import Manifest
    from edge.cli.report import Measured, images_page, require_writable, write_page

    chosen = breakdowns(by)
    labelled = read_image_labels(labels, root)
    page = None if report is None else require_writable(report, "accuracy-images.html")
    models = load_plate_models(
        Manifest.load(manifest), detector, reader, provider, threads, pair=pair
    )
    measured = Measured.now(models, labels, provider, threads)
    scores: list[ImageScore] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("photos", total=len(labelled))
        for image in labelled:
            started = time.perf_counter()
            pixels = photo_pixels(image.path, f"{labels}:{image.first_line}")
            decoded = time.perf_counter() - started
            require_inside(image, pixels.shape[1], pixels.shape[0], labels)
            if not scores:
                models.detector.detect(pixels)  # warm-up: the first inference is slow
            score = score_image(image, pixels, models, show_reads=show_reads)
            score.seconds["decode"] = decoded
            scores.append(score)
            bar.advance(task)
    result = summarise_images(scores, show_reads=show_reads, by=chosen)
    result.update(measured.as_json(), measured_at=time_text(measured.moment))
    if page is not None:
        write_page(page, images_page(result, _outcomes(scores), measured))
    if as_json:
        print_json("edge-anpr/evaluate-images/1", result, indent=2)
    else:
        _print_tables(Console(), result)


def breakdowns(by: str) -> tuple[str, ...]:
    """The names in `--by`, each once.

    Raises:
        ConfigError: one is unknown.
    """
    names = tuple(dict.fromkeys(one.strip() for one in by.split(",")))
    for name in names:
        if name not in BREAKDOWNS:
            raise ConfigError(f"--by: {name!r} is unknown; known are {', '.join(BREAKDOWNS)}")
    return names


def _outcomes(scores: Iterable[ImageScore]) -> list[PlateOutcome]:
    return [outcome for score in scores for outcome in score.outcomes]


def summarise_images(
    scores: Sequence[ImageScore], *, show_reads: bool, by: Sequence[str] = USUAL
) -> dict[str, Any]:
    """All photos together, as printed by `--json`; fractions are between 0 and 1."""
    outcomes = _outcomes(scores)
    false_positives = sum(score.false_positives for score in scores)
    spoiled = wilson(sum(score.false_positives > 0 for score in scores), len(scores))
    every = figures_json(accuracy_figures(outcomes))
    reads = scored_reads(outcomes)
    return {
        "images": len(scores),
        **every,
        "false_positives": false_positives,
        "false_positives_per_image": false_positives / len(scores),
        "images_with_false_positives": spoiled.share,
        "images_with_false_positives_ci95": _ci(spoiled),
        **{
            f"by_{what}": {
                name: figures_json(one) for name, one in BREAKDOWNS[what](outcomes).items()
            }
            for what in by
        },
        "calibration": certainty_json(reads),
        "ms_per_image": {
            stage: median_and_p95_ms([score.seconds[stage] for score in scores])
            for stage in ("decode", "detect", "read")
            if all(stage in score.seconds for score in scores)
        },
        **({"reads": [one for score in scores for one in score.reads]} if show_reads else {}),
    }


def figures_json(figures: AccuracyFigures) -> dict[str, Any]:
    """Accuracy figures as JSON, each with its 95 % interval."""
    characters = figures.characters
    return {
        "plates": figures.plates,
        "recall_iou50": figures.recall.share,
        "recall_ci95": _ci(figures.recall),
        "exact": figures.exact.share,
        "exact_ci95": _ci(figures.exact),
        "exact_given_box": figures.exact_given_box.share,
        "exact_given_box_ci95": _ci(figures.exact_given_box),
        "character_accuracy": None if characters is None else characters.share,
        "character_accuracy_ci95": None if characters is None else _ci(characters),
    }


def _ci(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _print_tables(console: Any, result: dict[str, Any]) -> None:  # noqa: ANN401
    from rich.table import Table

    groups = [("all", result)]
    for what in BREAKDOWNS:
        groups += [
            (GROUP_NAMES.get(what, "{}").format(name), one)
            for name, one in result.get(f"by_{what}", {}).items()
        ]
    table = Table(
        title="Labelled plates on photos: share, and below it its 95 % interval",
        title_justify="left",
    )
    headings = ("", "plates", "found", "exact", "exact, box given", "characters")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    for name, one in groups:
        table.add_row(
            name,
            str(one["plates"]),
            *(
                _stacked(one[key], one[interval])
                for key, interval in (
                    ("recall_iou50", "recall_ci95"),
                    ("exact", "exact_ci95"),
                    ("exact_given_box", "exact_given_box_ci95"),
                    ("character_accuracy", "character_accuracy_ci95"),
                )
            ),
        )
    console.print(table)
    console.print(
        f"{result['images']} photos, {result['false_positives_per_image']:.3f} false positives "
        "per photo"
    )
    for line in certainty_lines(result["calibration"], "readings on found plates"):
        console.print(line)
    stages = (f"{name} {one['median']:.1f} ms" for name, one in result["ms_per_image"].items())
    console.print("median per photo: " + ", ".join(stages))
    for read in result.get("reads", ()):
        console.print(
            f"line {read['line']}: {read['text'] or '-'} (label {read['label']}, "
            f"posterior {read['posterior']:.3f})"
        )


def _stacked(share: float | None, interval: list[float] | None) -> str:
    """The text of a share, with its interval on the line below."""
    if share is None or interval is None:
        return "-"
    return f"{share:.3f}\n{interval[0]:.3f}-{interval[1]:.3f}"
