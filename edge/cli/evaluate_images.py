"""`edge-anpr evaluate images`: measured accuracy on labelled photos."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.labels import distance, read_table
from edge.domain.accuracy import (
    AccuracyFigures,
    PlateOutcome,
    accuracy_figures,
    by_country,
    by_width,
    calibration_error,
    match,
    reliability,
    scored_reads,
)
from edge.domain.imaging import Box, Detection, PlatePatch, without_duplicates
from edge.domain.intervals import Interval, wilson
from edge.domain.plates import PlateFormatError, PlateText
from edge.domain.reading import PlateConsensus, PlateReading, fuse
from edge.domain.timing import median_and_p95_ms
from edge.errors import ConfigError
from edge.pipeline.watcher import WatchSettings, cut_patch

if TYPE_CHECKING:
    from edge.adapters.models.loading import PlateModels
    from edge.domain.imaging import Pixels

MARGIN = WatchSettings().patch_margin
"""Cut around a plate as in the corridor."""

ROUNDING = 1
"""A labelled box may leave its photo by so many pixels: labelling tools round."""

NO_COUNTRY = "not said"

_NUMBER = re.compile(r"-?[0-9]{1,7}(\.[0-9]{1,6})?")
_COUNTRY = re.compile(r"[A-Za-z]{2,20}")
_PLATE_COLUMNS = ("x", "y", "w", "h", "plate")


@dataclass(frozen=True, slots=True)
class LabelledPlate:
    """One row of the labels: where a plate is, in pixels of the photo, and what is on it."""

    line: int
    box: Box
    plate: PlateText
    country: str


@dataclass(slots=True)
class LabelledImage:
    """A photo and its plates; none is a photo without a plate."""

    path: Path
    first_line: int
    plates: list[LabelledPlate] = field(default_factory=list)


@dataclass(slots=True)
class ImageScore:
    """What was found and read on one photo."""

    outcomes: list[PlateOutcome]
    false_positives: int
    seconds: dict[str, float]
    reads: list[dict[str, Any]] = field(default_factory=list)


# --- labels ---------------------------------------------------------------------------------


def read_image_labels(labels: Path, root: Path) -> list[LabelledImage]:
    """The labelled photos, in the order of their first rows.

    A row whose box and plate are all empty says that the photo shows no plate.

    Raises:
        ConfigError: the file or a photo is missing, a column is or is unknown, or a cell is
            wrong. No photo's name is repeated: such names often hold the plate.
    """
    found: dict[str, LabelledImage] = {}
    for line, row in read_table(labels, ("image", *_PLATE_COLUMNS), ("country",)):
        where = f"{labels}:{line}"
        name = row["image"]
        if not name:
            raise ConfigError(f"{where}: image: empty; name a file below --root")
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ConfigError(f"{where}: image: must lie below --root; write a relative path")
        if name not in found:
            path = root / name
            if not path.is_file():
                raise ConfigError(f"{where}: image: no such file below {root}; check --root")
            found[name] = LabelledImage(path, line)
        image = found[name]
        if not any(row[column] for column in _PLATE_COLUMNS):
            continue
        plate = _labelled_plate(row, line, where)
        twin = next((one for one in image.plates if one.box == plate.box), None)
        if twin is not None:
            raise ConfigError(f"{where}: the same box as in line {twin.line}; keep one")
        image.plates.append(plate)
    if not any(image.plates for image in found.values()):
        raise ConfigError(f"{labels}: no labelled plate; add a row for each")
    return list(found.values())


def _labelled_plate(row: dict[str, str], line: int, where: str) -> LabelledPlate:
    numbers = {}
    for column in ("x", "y", "w", "h"):
        if not _NUMBER.fullmatch(row[column]):
            raise ConfigError(f"{where}: {column}: no number of pixels; write one, such as 120")
        numbers[column] = float(row[column])
    x, y, w, h = numbers.values()
    for column, start in (("x", x), ("y", y)):
        if start < -ROUNDING:
            raise ConfigError(f"{where}: {column}: below 0, outside the image; correct the box")
    for column, length in (("w", w), ("h", h)):
        if length <= 0:
            raise ConfigError(f"{where}: {column}: must be above 0; correct the box")
    try:
        plate = PlateText.parse(row["plate"])
    except PlateFormatError as error:
        raise ConfigError(f"{where}: plate: {error}; correct it") from None
    country = row.get("country", "")
    if country and not _COUNTRY.fullmatch(country):
        raise ConfigError(f"{where}: country: not 2 to 20 letters; write a code such as BE")
    return LabelledPlate(line, Box(x, y, x + w, y + h), plate, country.upper() or NO_COUNTRY)


def require_inside(image: LabelledImage, width: int, height: int, labels: Path) -> None:
    """Refuse a box that leaves its photo by more than rounding.

    Raises:
        ConfigError: one does.
    """
    for plate in image.plates:
        if plate.box.x2 > width + ROUNDING or plate.box.y2 > height + ROUNDING:
            side = "x + w" if plate.box.x2 > width + ROUNDING else "y + h"
            raise ConfigError(
                f"{labels}:{plate.line}: {side}: the box leaves the image, which is {width} by "
                f"{height} pixels; correct the box (pixels, from the top left)"
            )


# --- one photo ------------------------------------------------------------------------------


def score_image(
    image: LabelledImage, pixels: Pixels, eyes: PlateModels, *, show_reads: bool
) -> ImageScore:
    """Find and read a photo's plates, and compare with its labels afterwards."""
    started = time.perf_counter()
    detections = [
        one
        for one in without_duplicates(eyes.detector.detect(pixels))
        if one.score >= eyes.threshold
    ]
    detected = time.perf_counter()
    read = _texts(eyes, [cut_patch(pixels, one, MARGIN) for one in detections])
    done = time.perf_counter()
    given = _texts(
        eyes, [cut_patch(pixels, Detection(one.box, 1.0), MARGIN) for one in image.plates]
    )
    matched = match([one.box for one in image.plates], detections)
    score = ImageScore(
        outcomes=[],
        false_positives=len(detections) - sum(index is not None for index in matched),
        seconds={"detect": detected - started, "read": done - detected},
    )
    for label, index, on_box in zip(image.plates, matched, given, strict=True):
        text = None if index is None else read[index]
        outcome = _outcome(label, found=index is not None, read=text, given=on_box)
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


def _texts(eyes: PlateModels, patches: Sequence[PlatePatch]) -> list[PlateConsensus | None]:
    """What each patch says by itself, with its calibrated posterior."""
    readings: Iterable[PlateReading] = eyes.reader.read(patches)
    return [fuse([reading]) for reading in readings]


def _outcome(
    label: LabelledPlate,
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
        length=length,
        found=found,
        exact=read is not None and read.best.text == label.plate,
        edits=edits,
        posterior=0.0 if read is None else read.posterior,
        exact_given_box=given is not None and given.best.text == label.plate,
    )


# --- the verb -------------------------------------------------------------------------------


def images(
    labels: Annotated[
        Path,
        typer.Option(help="CSV with the columns image,x,y,w,h,plate and country if known."),
    ],
    root: Annotated[Path, typer.Option(help="Folder that the image column is relative to.")],
    models: Annotated[
        str | None, typer.Option(help="Pair of weights by its name in the manifest.")
    ] = None,
    detector: Annotated[str | None, typer.Option(help="Detector's name in the manifest.")] = None,
    reader: Annotated[str | None, typer.Option(help="Reader's name in the manifest.")] = None,
    provider: Annotated[str, typer.Option(help="cpu, cuda or tensorrt.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads inside an operator.")] = 1,
    report: Annotated[
        Path | None, typer.Option(help="Write one HTML page with plots into this folder.")
    ] = None,
    json_out: Annotated[bool, typer.Option("--json", help="One JSON document to stdout.")] = False,
    show_reads: Annotated[
        bool, typer.Option("--show-reads", help="Print the plates read and labelled.")
    ] = False,
    manifest: Annotated[Path | None, typer.Option(help="Another manifest of weights.")] = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar on stderr.")] = True,
) -> None:
    """Find and read labelled plates on photos and count.

    A plate is found if a detection at the shipped threshold overlaps its box at IoU 0.5 or
    more, one detection for one plate; it is exact if that detection's text is the label. Every
    other detection is a false positive. Labels are compared after a photo has been read.

    Example: edge-anpr evaluate images --labels eval/labels.csv --root eval --report report
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from edge.adapters.cameras.recordings import read_picture
    from edge.adapters.models.loading import load_plate_models
    from edge.adapters.models.weights import Manifest
    from edge.cli.report import Measured, images_page, require_writable, write_page

    labelled = read_image_labels(labels, root)
    page = None if report is None else require_writable(report, "accuracy-images.html")
    eyes = load_plate_models(
        Manifest.load(manifest), detector, reader, provider, threads, pair=models
    )
    measured = Measured.now(eyes, labels, provider, threads)
    scores: list[ImageScore] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("photos", total=len(labelled))
        for image in labelled:
            started = time.perf_counter()
            pixels = read_picture(image.path)
            decoded = time.perf_counter() - started
            if pixels is None:
                raise ConfigError(
                    f"{labels}:{image.first_line}: image: no picture that can be read; save it as "
                    "JPEG or PNG, or take its rows out"
                )
            require_inside(image, pixels.shape[1], pixels.shape[0], labels)
            if not scores:
                eyes.detector.detect(pixels)  # the first pass of a network is a slow one
            score = score_image(image, pixels, eyes, show_reads=show_reads)
            score.seconds["decode"] = decoded
            scores.append(score)
            bar.advance(task)
    result = summarise_images(scores, show_reads=show_reads)
    result.update(measured.as_json())
    if page is not None:
        write_page(page, images_page(result, _outcomes(scores), measured))
    if json_out:
        json.dump(result, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _print_tables(Console(), result)


def _outcomes(scores: Iterable[ImageScore]) -> list[PlateOutcome]:
    return [outcome for score in scores for outcome in score.outcomes]


def summarise_images(scores: Sequence[ImageScore], *, show_reads: bool) -> dict[str, Any]:
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
        "by_country": {name: figures_json(one) for name, one in by_country(outcomes).items()},
        "by_width": {name: figures_json(one) for name, one in by_width(outcomes).items()},
        "calibration": {
            "ece": calibration_error(reads),
            "reads": len(reads),
            "bins": [
                {
                    "low": one.low,
                    "high": one.high,
                    "count": one.count,
                    "said": one.mean_posterior,
                    "exact": one.exact.share,
                    "exact_ci95": _ci(one.exact),
                }
                for one in reliability(reads)
            ],
        },
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

    groups = [("all", result), *result["by_country"].items()]
    groups += [(f"{name} px", one) for name, one in result["by_width"].items()]
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
    ece = result["calibration"]["ece"]
    console.print(
        f"{result['images']} photos, {result['false_positives_per_image']:.3f} false positives "
        f"per photo, calibration error {'not measurable' if ece is None else f'{ece:.3f}'}"
    )
    stages = (f"{name} {one['median']:.1f} ms" for name, one in result["ms_per_image"].items())
    console.print("median per photo: " + ", ".join(stages))
    for read in result.get("reads", ()):
        console.print(
            f"line {read['line']}: {read['text'] or '-'} (label {read['label']}, "
            f"posterior {read['posterior']:.3f})"
        )


def _stacked(share: float | None, interval: list[float] | None) -> str:
    """A share and below it its interval, as a person reads them."""
    if share is None or interval is None:
        return "-"
    return f"{share:.3f}\n{interval[0]:.3f}-{interval[1]:.3f}"
