"""Benchmark of released pictures: how often one shows what its level is to hide."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edge.adapters.models.loading import PlateModels, load_plate_models, load_scene_parser
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, Pixels, plates_among, told_apart
from edge.domain.intervals import wilson
from edge.domain.pseudonym import Candidate, PlateToken
from edge.domain.reveal import VEHICLE_PICTURE, MaskMethod, RevealLevel
from edge.domain.rules import Offence, Rule, RuleKind
from edge.domain.shown import LEAK, blocks, has_block
from edge.domain.vehicles import KeyFrame
from edge.domain.wheel import WheelSide
from edge.errors import EdgeError
from edge.pipeline.evidence import scene_around
from edge.pipeline.ports import SceneParser
from edge.privacy.redaction import reveal
from edge.privacy.scene_mask import shown_pixels
from scripts.fixtures.clips import BLACK, BLUE, CLIPS, GREEN, GREY, RED, SAND, WHITE, Clip
from scripts.fixtures.fonts import MissingFontError
from scripts.fixtures.pixel_truth import DrawnThing, Mask, things_in
from scripts.fixtures.renderer import Renderer

LEVELS = (RevealLevel.VEHICLE, RevealLevel.DRIVER, RevealLevel.OCCUPANTS)

WHEEL = WheelSide.LEFT
"""The side of the steering wheel of every vehicle. The level `driver` is released where the front
of a rendered vehicle is seen; elsewhere it is the same as `vehicle`, or it is not known."""

RENDERED = "rendered"
"""The source of pictures whose every pixel is known."""

FACE_SCORE = 0.6
"""Score from which the face detector counts."""

FACE_ZOOM = 2
"""A released picture is enlarged by this before faces are searched: people are far away."""

TILE = (320, 240)
COLUMNS, ROWS = 6, 6
"""Size of a picture on a contact sheet, and how many are on one."""

PAINTS = (RED, WHITE, BLACK, BLUE, GREY, GREEN, SAND)
KINDS = ("hatchback", "saloon", "van", "lorry")
_WHEN = datetime(2026, 3, 10, 8, 25, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, and what each of its pixels shows where that is known."""

    source: str
    name: str
    pixels: Pixels = field(repr=False)
    things: tuple[tuple[Box, str], ...] | None = None
    """The visible plates with the ids of their vehicles; None where nothing is known."""
    drawn: tuple[DrawnThing, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Release:
    """What one released picture shows that it should not.

    Attributes:
        source: kind of picture.
        name: clip, frame and number of the plate.
        level: its level.
        method: what decided it.
        leaks: what it shows that the level hides.
        faces: number of faces that a detector finds in it; 0 if it was not asked.
        pixels: the picture, for contact sheets.
    """

    source: str
    name: str
    level: RevealLevel
    method: MaskMethod
    leaks: Leaks
    faces: int
    pixels: Pixels = field(repr=False)


def report(given: argparse.Namespace) -> int:
    """Release pictures, and print one table or one JSON document."""
    try:
        manifest = Manifest.load()
        models, parser = load_plate_models(manifest, threads=1), load_scene_parser(manifest, 1)
        finder = None if given.faces is None else FaceFinder(given.faces)
        pictures = _pictures(given.recordings, given.step, given.rendered, given.variants)
        releases: Iterable[Release] = released(pictures, models, parser, finder)
        if given.sheets is not None:
            given.sheets.mkdir(parents=True, exist_ok=True)
            releases = _with_sheets(releases, given.sheets, given.sheet_step)
        result = summarised(releases)
    except (EdgeError, MissingFontError, OSError, av.error.FFmpegError, cv2.error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        _show(result)
    return 0


# --- the pictures -----------------------------------------------------------------------------


def _pictures(
    recordings: Sequence[Path], step: int, rendered: int, variants: int
) -> Iterator[Picture]:
    if rendered:
        for clip in CLIPS.values():
            for number in range(variants):
                yield from rendered_pictures(varied(clip(), number), rendered)
    for path in recordings:
        yield from recorded_pictures(path, step)


def recorded_pictures(path: Path, step: int) -> Iterator[Picture]:
    """Every `step`th frame of a recording."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % step == 0:
                pixels = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                yield Picture("recordings", f"{path.stem}-{index}", pixels)


def rendered_pictures(clip: Clip, step: int) -> Iterator[Picture]:
    """Every `step`th frame of a clip, rendered now, with its truth."""
    renderer = Renderer(clip)
    for index in range(0, clip.frame_count, step):
        pixels, truth = renderer.frame(index)
        plates = plates_of(truth)
        if plates:
            name = f"{clip.name}-{clip.seed}-{index}"
            yield Picture(RENDERED, name, pixels, plates, tuple(things_in(clip, index)))


def plates_of(truth: dict[str, Any]) -> tuple[tuple[Box, str], ...]:
    """The visible plates of a frame with the ids of their vehicles."""
    return tuple(
        (Box(*one["plate_box"]), one["id"]) for one in truth["vehicles"] if "plate_box" in one
    )


def varied(clip: Clip, number: int) -> Clip:
    """The clip with other vehicles, paints, occupants and noise; number 0 is the clip itself."""
    if number == 0:
        return clip
    rng = np.random.default_rng([clip.seed, number])
    movers = [
        one
        if one.plate is None
        else dataclasses.replace(
            one,
            kind=KINDS[rng.integers(len(KINDS))],
            paint=PAINTS[rng.integers(len(PAINTS))],
            occupants=int(rng.integers(1, 3)),
        )
        for one in clip.movers
    ]
    return dataclasses.replace(clip, movers=tuple(movers), seed=clip.seed + 100 * number)


# --- releasing them ---------------------------------------------------------------------------


def released(
    pictures: Iterable[Picture],
    models: PlateModels,
    parser: SceneParser | None,
    finder: FaceFinder | None = None,
) -> Iterator[Release]:
    """Release each vehicle whose plate is found, at each level, as if it were the offender.

    At the level `vehicle` a detector searches the picture for faces.
    """
    for picture in pictures:
        found, below = plates_among(models.detector.detect(picture.pixels), models.threshold)
        for number, one in enumerate(found):
            rest = [other for other in (*found, *below) if other is not one]
            others, weak = told_apart(rest, models.threshold)
            frame = KeyFrame(0, _WHEN, one.box, others, picture.pixels, weak)
            scene = scene_around(one.box, picture.pixels, parser) if parser else None
            offender = offender_in(picture, one.box)
            wheel = WHEEL if offender is not None and offender.from_ahead else None
            for level in LEVELS:
                if level is RevealLevel.DRIVER and wheel is None:
                    continue
                (made,) = (
                    each
                    for each in reveal(_offence(level), frame, scene, wheel=wheel)
                    if each.name == VEHICLE_PICTURE
                )
                height, width = picture.pixels.shape[:2]
                shown = shown_pixels(
                    one.box, others, level, height, width, scene, weak=weak, wheel=wheel
                )
                searched = finder is not None and level is RevealLevel.VEHICLE
                yield Release(
                    picture.source,
                    f"{picture.name}-{number}",
                    level,
                    made.method,
                    leaks_of(picture, one.box, shown.mask, level),
                    finder.count(made.pixels) if searched and finder else 0,
                    made.pixels,
                )


def _offence(level: RevealLevel) -> Offence:
    rule = Rule("rule", RuleKind.PERMIT_ZONE, "safety", "police", level, 0.95, 0.5)
    return Offence(rule, Candidate(PlateToken(bytes(16)), 0.99), 0.99, 0.98)


@dataclass(frozen=True, slots=True)
class Leaks:
    """What a picture shows that its level hides.

    Attributes:
        parts: those that have a block of `BLOCK` pixels.
        slivers: those of which less than a block is visible at all; no person can be seen there.
    """

    parts: tuple[str, ...] = ()
    slivers: tuple[str, ...] = ()


def offender_in(picture: Picture, plate: Box) -> DrawnThing | None:
    """The drawn vehicle that a plate belongs to; None if there is none, or nothing is known."""
    owner = max(picture.things or (), key=lambda one: one[0].intersection(plate), default=None)
    if owner is None or not owner[0].intersection(plate):
        return None
    return next((one for one in picture.drawn if one.mover.id == owner[1]), None)


def leaks_of(picture: Picture, plate: Box, shown: Mask, level: RevealLevel) -> Leaks:
    """What a mask shows of a rendered picture that the level hides.

    That is more than `LEAK` of the blocks of a vehicle's glass, at `driver` only on the other side
    of the offender's, at `occupants` only of another vehicle's; at `driver` any block of a head on
    that side; more than `LEAK` of those of another vehicle; any block of a person outside.
    """
    if picture.things is None:
        return Leaks()
    offender = offender_in(picture, plate)
    hidden: list[tuple[str, Mask, float]] = []
    for thing in picture.drawn:
        own = thing is offender
        if thing.is_person:
            hidden.append((f"person {thing.mover.id}", thing.whole, 0.0))
            continue
        if own and level is RevealLevel.DRIVER:
            beside = _other_side(thing.glass, plate)
            hidden.append((f"glass beside the driver of {thing.mover.id}", beside, LEAK))
            heads = [one for one in thing.heads if (one & beside).sum() * 2 > one.sum()]
            hidden += [(f"head beside the driver of {thing.mover.id}", one, 0.0) for one in heads]
        elif not own or level is RevealLevel.VEHICLE:
            hidden.append((f"glass of {thing.mover.id}", thing.glass, LEAK))
        if not own:
            hidden.append((f"vehicle {thing.mover.id}", thing.whole, LEAK))
    found: dict[bool, list[str]] = {True: [], False: []}
    for what, part, allowed in hidden:
        counted = blocks(part, shown, hidden_kind=True)
        if (counted.share or 0.0) > allowed:
            found[has_block(part)].append(what)
    return Leaks(tuple(found[True]), tuple(found[False]))


def _other_side(glass: Mask, plate: Box) -> Mask:
    """The part of the glass that is not on the driver's side; the front is seen."""
    beside = np.array(glass, np.bool_)
    middle = round(plate.centre[0])
    if WHEEL is WheelSide.LEFT:  # seen from ahead it is on the right
        beside[:, middle:] = False
    else:
        beside[:, :middle] = False
    return beside


class FaceFinder:
    """Finds faces with YuNet (Wu et al. 2023).

    Args:
        path: its weights, `face_detection_yunet_2023mar.onnx`.
    """

    def __init__(self, path: Path) -> None:
        self._detector: Any = cv2.FaceDetectorYN.create(
            str(path), "", TILE, score_threshold=FACE_SCORE
        )

    def count(self, pixels: Pixels) -> int:
        """The number of faces in a picture."""
        enlarged = cv2.resize(pixels, None, fx=FACE_ZOOM, fy=FACE_ZOOM)
        self._detector.setInputSize((enlarged.shape[1], enlarged.shape[0]))
        found = self._detector.detect(enlarged)[1]
        return 0 if found is None else len(found)


# --- what came out ----------------------------------------------------------------------------


def summarised(releases: Iterable[Release]) -> dict[str, Any]:
    """Counts by source and level, with the 95 % interval of the share of leaks.

    A face that a detector finds is no proof of one: each is listed, to be looked at.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in releases:
        row = rows.setdefault(
            (one.source, one.level.value),
            {"released": 0, "by_meaning": 0, "leaking": [], "slivers": 0, "faces": []},
        )
        row["released"] += 1
        row["by_meaning"] += one.method is MaskMethod.MEANING
        row["slivers"] += bool(one.leaks.slivers)
        if one.leaks.parts:
            row["leaking"].append({"picture": one.name, "shows": list(one.leaks.parts)})
        if one.faces:
            row["faces"].append(one.name)
    for (source, _), row in rows.items():
        interval = wilson(len(row["leaking"]), row["released"])
        known = source == RENDERED
        row["leak_share"] = interval.share if known else None
        row["leak_ci95"] = [interval.low, interval.high] if known else None
    return {
        "schema": "edge-anpr/bench-releases/1",
        "rows": [
            {"source": source, "level": level, **row} for (source, level), row in rows.items()
        ],
    }


def _with_sheets(releases: Iterable[Release], folder: Path, step: int) -> Iterator[Release]:
    """Write every `step`th picture of a level to contact sheets, and each that leaks by itself."""
    tiles: dict[str, list[Pixels]] = {}
    counts: dict[str, int] = {}
    for one in releases:
        key = f"{one.source}-{one.level.value}"
        counts[key] = counts.get(key, 0) + 1
        if one.leaks.parts or one.faces:
            cv2.imwrite(str(folder / f"leak-{one.level.value}-{one.name}.png"), one.pixels)
        if counts[key] % step == 0:
            waiting = tiles.setdefault(key, [])
            waiting.append(_tile(one))
            if len(waiting) == COLUMNS * ROWS:
                _write_sheet(folder, key, counts[key], waiting)
                waiting.clear()
        yield one
    for key, waiting in tiles.items():
        if waiting:
            _write_sheet(folder, key, counts[key], waiting)


def _tile(one: Release) -> Pixels:
    height, width = one.pixels.shape[:2]
    scale = min(TILE[0] / width, (TILE[1] - 16) / height)
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    tile = np.zeros((TILE[1], TILE[0], 3), np.uint8)
    tile[16 : 16 + size[1], : size[0]] = cv2.resize(one.pixels, size, interpolation=cv2.INTER_AREA)
    cv2.putText(tile, one.name, (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1)
    return tile


def _write_sheet(folder: Path, key: str, number: int, tiles: Sequence[Pixels]) -> None:
    blank = [np.zeros((TILE[1], TILE[0], 3), np.uint8)] * (-len(tiles) % COLUMNS)
    filled = [*tiles, *blank]
    rows = [np.hstack(filled[at : at + COLUMNS]) for at in range(0, len(filled), COLUMNS)]
    cv2.imwrite(str(folder / f"{key}-{number:05}.jpg"), np.vstack(rows))


def _show(result: dict[str, Any]) -> None:
    table = Table(title="Released pictures that show what their level hides")
    for heading in ("pictures", "level", "released", "by meaning", "leaks", "95 %", "faces"):
        table.add_column(heading, justify="left" if heading in ("pictures", "level") else "right")
    for row in result["rows"]:
        interval = row["leak_ci95"]
        table.add_row(
            row["source"],
            row["level"],
            str(row["released"]),
            str(row["by_meaning"]),
            str(len(row["leaking"])) if interval else "look",
            f"{interval[0]:.2%}-{interval[1]:.2%}" if interval else "",
            str(len(row["faces"])) if row["level"] == "vehicle" else "",
        )
    console = Console()
    console.print(table)
    for row in result["rows"]:
        for one in row["leaking"]:
            console.print(f"{row['level']} {one['picture']}: {', '.join(one['shows'])}")
        for name in row["faces"]:
            console.print(f"{row['level']} {name}: a face, says the detector")
