"""`edge-anpr evaluate redaction`: what released pictures show, on labelled photos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge.cli.labels import photo_pixels
from edge.cli.outline_labels import (
    OutlinedImage,
    OutlinedVehicle,
    Points,
    read_outline_labels,
    require_outlines_inside,
)
from edge.cli.output import print_json, time_text
from edge.cli.redact import scenes_around
from edge.domain.accuracy import match
from edge.domain.imaging import plates_among, told_apart
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.domain.scene import SceneClass
from edge.domain.shown import (
    BLOCK,
    ENOUGH,
    LEAK,
    Counted,
    LevelFigures,
    LevelShown,
    level_figures,
)
from edge.domain.wheel import WheelSide
from edge.errors import ConfigError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.adapters.models.loading import PlateModels
    from edge.domain.imaging import Pixels
    from edge.pipeline.ports import SceneParser

LEVELS = (RevealLevel.VEHICLE, RevealLevel.DRIVER, RevealLevel.OCCUPANTS)

FIGURES = (
    ("body_enough", f"vehicles with at least {ENOUGH:.0%} of their bodywork shown"),
    ("glass_leaks", f"vehicles with more than {LEAK:.0%} of their glass shown"),
    ("glass_blocks", "blocks of glass shown"),
    ("heads", "heads of occupants shown"),
    ("others_blocks", "blocks of other vehicles shown"),
    ("people", "people outside of whom anything is shown"),
)
"""The shares of a level: their keys in `LevelFigures`, and what they count."""

MATCHING_IOU = 0.3
"""A detection with at least this IoU is the labelled plate: plates are outlined by hand here."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ImageShown:
    """What each level shows of the labelled vehicles of one photo."""

    by_level: dict[RevealLevel, list[LevelShown]]
    not_found: int
    """Vehicles whose plate the detector does not find: a box would release no picture."""


# --- one photo ------------------------------------------------------------------------------


def score_photo(
    image: OutlinedImage,
    pixels: Pixels,
    models: PlateModels,
    parser: SceneParser | None,
    wheel: WheelSide = WheelSide.LEFT,
) -> ImageShown:
    """Mask a photo as a box would, for each labelled vehicle, and compare with the labels.

    Every vehicle is taken to be seen from ahead, with its steering wheel at this side.
    """
    from edge.privacy.scene_mask import shown_pixels

    height, width = pixels.shape[:2]
    found, below = plates_among(models.detector.detect(pixels), models.threshold)
    vehicles = list(image.vehicles.values())
    plates = [one.plate for one in vehicles if one.plate is not None]
    by_level: dict[RevealLevel, list[LevelShown]] = {level: [] for level in LEVELS}
    missing = 0
    for vehicle, index in zip(vehicles, match(plates, found, MATCHING_IOU), strict=True):
        if index is None:
            missing += 1
            continue
        plate = found[index].box
        rest = [one for one in (*found, *below) if one.box is not plate]
        others, weak = told_apart(rest, models.threshold)
        (scene,) = scenes_around((plate,), pixels, RevealLevel.VEHICLE, parser)
        truth = _Truth.of(image, vehicle, height, width)
        right = np.arange(width) + 0.5 > plate.centre[0]
        driver = np.broadcast_to(right == (wheel is WheelSide.LEFT), (height, width))
        for level in LEVELS:
            shown = shown_pixels(plate, others, level, height, width, scene, weak=weak, wheel=wheel)
            by_level[level].append(truth.compared(shown.mask, level, shown.method, driver))
    return ImageShown(by_level, missing)


@dataclass(frozen=True, slots=True)
class _Truth:
    """What is labelled around one vehicle that is taken as the offender.

    Attributes:
        meaning: the `SceneClass` of each pixel, shape (height, width).
        heads: where each head of its occupants is.
        people: where each person outside is.
    """

    meaning: npt.NDArray[np.int_]
    heads: tuple[Mask, ...]
    people: tuple[Mask, ...]

    @classmethod
    def of(cls, image: OutlinedImage, vehicle: OutlinedVehicle, height: int, width: int) -> _Truth:
        """Draw the outlines, in an order in which a later one covers an earlier one."""

        def drawn(outlines: Iterable[Points]) -> tuple[Mask, ...]:
            return tuple(_filled(points, height, width) for points in outlines)

        other_vehicles = [
            points
            for one in image.vehicles.values()
            if one is not vehicle
            for points in one.outlines.get("body", ())
        ]
        heads = drawn(vehicle.outlines.get("head", ()))
        people = drawn(image.around.get("person", ()))
        meaning = np.full((height, width), SceneClass.BACKGROUND)
        for kind, masks in (
            (SceneClass.OTHER, drawn([*image.around.get("other", ()), *other_vehicles])),
            (SceneClass.BODY, drawn(vehicle.outlines.get("body", ()))),
            (SceneClass.GLASS, drawn(vehicle.outlines.get("glass", ()))),
            (SceneClass.HEAD, heads),
            (SceneClass.PERSON, people),
        ):
            for mask in masks:
                meaning[mask] = kind
        return cls(meaning, tuple(head & (meaning == SceneClass.HEAD) for head in heads), people)

    def compared(
        self, shown: Mask, level: RevealLevel, method: MaskMethod, driver: Mask
    ) -> LevelShown:
        """What a mask shows of it; `driver` is the driver's side."""
        return LevelShown.of(
            self.meaning,
            self.heads,
            self.people,
            shown,
            method,
            occupants=level is RevealLevel.OCCUPANTS,
            driver=driver if level is RevealLevel.DRIVER else None,
        )


def _filled(points: Points, height: int, width: int) -> Mask:
    import cv2

    mask = np.zeros((height, width), np.uint8)
    # A pixel's middle is at half a pixel.
    cv2.fillPoly(mask, [np.round(np.array(points) - 0.5).astype(np.int32)], 1)
    return mask > 0


# --- the verb -------------------------------------------------------------------------------


def evaluate_redaction(
    labels: Path,
    root: Path,
    *,
    detector: str | None,
    threads: int,
    report: Path | None,
    as_json: bool,
    manifest: Path | None,
    progress: bool,
    wheel: WheelSide = WheelSide.LEFT,
) -> None:
    """Mask labelled photos as a box would, compare with the labels and print the shares.

    The parameters are the options of `edge-anpr evaluate redaction`.

    Raises:
        EdgeError: labels, photos, options or weights cannot be used.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from edge.adapters.models.loading import load_plate_models, load_scene_parser
    from edge.adapters.models.weights import Manifest
    from edge.cli.report import Measured, redaction_page, require_writable, write_page

    labelled = read_outline_labels(labels, root)
    page = None if report is None else require_writable(report, "accuracy-redaction.html")
    listed = Manifest.load(manifest)
    models = load_plate_models(listed, detector, threads=threads)
    parser = load_scene_parser(listed, threads)
    measured = Measured.now(models, labels, "cpu", threads)
    scores: list[ImageShown] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("photos", total=len(labelled))
        for image in labelled:
            pixels = photo_pixels(image.path, f"{labels}:{image.first_line}")
            require_outlines_inside(image, pixels.shape[1], pixels.shape[0], labels)
            scores.append(score_photo(image, pixels, models, parser, wheel))
            bar.advance(task)
    result = summarise_redaction(scores, labels)
    result.update(measured.as_json(), measured_at=time_text(measured.moment))
    result["weights"]["scene_parser"] = None
    if listed.scene_parser is not None:
        entry = listed.entry(listed.scene_parser)
        result["weights"]["scene_parser"] = {
            "name": entry.name,
            "file": entry.file,
            "sha256": entry.sha256,
            "calibration": entry.calibration.model_dump(exclude_none=True),
        }
    if page is not None:
        write_page(page, redaction_page(result, rows_of(result), measured))
    if as_json:
        print_json("edge-anpr/evaluate-redaction/1", result, indent=2)
    else:
        _print_table(Console(), result)


def summarise_redaction(scores: Sequence[ImageShown], labels: Path) -> dict[str, Any]:
    """All photos together, as printed by `--json`; fractions are between 0 and 1.

    Raises:
        ConfigError: no labelled plate was found, so that there is nothing to compare.
    """
    if not any(score.by_level[level] for score in scores for level in LEVELS):
        raise ConfigError(
            f"{labels}: none of the labelled plates is found on its photo; check the rows of kind "
            "plate, or name another --detector"
        )
    return {
        "images": len(scores),
        "vehicles": sum(len(score.by_level[RevealLevel.VEHICLE]) for score in scores),
        "plates_not_found": sum(score.not_found for score in scores),
        "block_px": BLOCK,
        "levels": {
            level.value: _figures_json(
                level_figures([one for score in scores for one in score.by_level[level]])
            )
            for level in LEVELS
        },
    }


def _figures_json(figures: LevelFigures) -> dict[str, Any]:
    """The figures of a level as JSON, each share with its counts and its 95 % interval."""
    document: dict[str, Any] = {
        "vehicles": figures.vehicles,
        "masked_by": {
            "meaning": figures.by_meaning,
            "geometry": figures.vehicles - figures.by_meaning,
        },
        "body_median": figures.body_median,
    }
    for key, _ in FIGURES:
        counted: Counted | None = getattr(figures, key)
        document[key] = (
            None
            if counted is None
            else {
                "count": counted.count,
                "total": counted.total,
                "share": counted.interval.share,
                "ci95": [counted.interval.low, counted.interval.high],
            }
        )
    return document


def rows_of(result: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Each measure with its figure at each level, as text."""
    levels = list(result["levels"].values())
    rows = [(what, [_share_text(one[key]) for one in levels]) for key, what in FIGURES]
    medians = [one["body_median"] for one in levels]
    rows.append(
        (
            "median share of bodywork shown",
            ["-" if one is None else f"{one:.1%}" for one in medians],
        )
    )
    by_meaning = [f"{one['masked_by']['meaning']}/{one['vehicles']}" for one in levels]
    return [*rows, ("pictures masked by meaning", by_meaning)]


def _print_table(console: Any, result: Mapping[str, Any]) -> None:  # noqa: ANN401
    from rich.table import Table

    table = Table(
        title="What released pictures show: share, and below it counts and the 95 % interval",
        title_justify="left",
    )
    table.add_column("")
    for level in result["levels"]:
        table.add_column(level, justify="right")
    for what, figures in rows_of(result):
        table.add_row(what, *figures)
    console.print(table)
    console.print(
        f"{quantity(result['images'], 'photo')}, {quantity(result['vehicles'], 'vehicle')}; the "
        "plates of "
        f"{result['plates_not_found']} more were not found"
    )


def _share_text(counted: Mapping[str, Any] | None) -> str:
    """A share with its counts and interval below it."""
    if counted is None:
        return "-"
    low, high = counted["ci95"]
    return f"{counted['share']:.1%}\n{counted['count']}/{counted['total']}, {low:.1%}-{high:.1%}"
