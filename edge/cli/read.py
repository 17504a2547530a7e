"""`edge-anpr read`: which plates are on a photo or a recording."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.options import JsonOption, SecondLookOption
from edge.cli.output import print_json
from edge.cli.redact import is_picture, outlined_preview, regular_file
from edge.domain.reveal import RevealLevel
from edge.errors import CameraError, EdgeError, UsageError
from edge.formats.atomic_files import unwritable

if TYPE_CHECKING:
    from edge.adapters.models.loading import PlateModels
    from edge.domain.imaging import Box, Frame, Pixels
    from edge.domain.reading import PlateConsensus
    from edge.pipeline.ports import SceneParser

SURE = 0.9
"""A reading below this certainty is printed with the next best one beside it."""

_START = datetime.fromtimestamp(0, timezone.utc)


@dataclass(slots=True)
class PlateRead:
    """One row of the answer: a plate of a photo, or a vehicle of a recording.

    Attributes:
        consensus: the reading; None if no character is legible.
        box: the plate in pixels; of a recording, in the vehicle's best frame.
        place: centre of the plate in fractions of the picture, from the top left.
        seen_s: first and last second of a recording; None for a photo.
    """

    consensus: PlateConsensus | None = field(repr=False)
    box: Box
    place: tuple[float, float]
    seen_s: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture to write: plates that are shown, those of others, and what may be one."""

    pixels: Pixels = field(repr=False)
    shown: tuple[Box, ...]
    others: tuple[Box, ...] = ()
    weak: tuple[Box, ...] = ()


@dataclass(slots=True)
class FileRead:
    """Everything that was read in one file."""

    path: Path
    frames: int
    seconds: float
    plates: list[PlateRead]
    pictures: list[Path] = field(default_factory=list)
    warning: str | None = None


def read(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Photos and recordings: regular files, never a live source.",
            show_default=False,
        ),
    ],
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Write a picture with a box around each plate into this folder, one for each "
            "photo and one for each vehicle of a recording.",
            metavar="FOLDER",
        ),
    ] = None,
    reveal: Annotated[
        str,
        typer.Option(
            help="How much these pictures show around a plate: plate, vehicle, driver or "
            "occupants. Everything else is masked."
        ),
    ] = "vehicle",
    models: Annotated[
        str | None, typer.Option(help="Pair of weights by its name: `edge-anpr models list`.")
    ] = None,
    second_look: SecondLookOption = "none",
    as_json: JsonOption = False,
) -> None:
    """Read the plates on photos and recordings that you have.

    A photo gives one row for each plate, a recording one row for each vehicle. No site, list or
    key is needed, and nothing is stored or sent. The certainty is calibrated: about nine in
    ten readings with 90 % are right.

    Example: edge-anpr read street.jpg

    Example: edge-anpr read gate.mp4 --pictures boxes
    """
    paths = [regular_file(one, verb="read") for one in files]
    level = _level(reveal)
    _make(pictures)
    loaded = _models(models, second_look)
    parser = None if pictures is None else _scene_parser()
    found: list[FileRead] = []
    visible = not as_json and sys.stderr.isatty()
    try:
        for number, (one, previews) in enumerate(_read_all(paths, loaded, visible=visible), 1):
            if pictures is not None:
                one.pictures = _write_pictures(pictures / f"{number}", previews, level, parser)
            found.append(one)
    except EdgeError:
        if found and not as_json:
            _print(found)  # reading may have taken long; the error follows
        raise
    if as_json:
        print_json("edge-anpr/read/1", as_document(found), indent=2)
    else:
        _print(found)


def as_document(found: Sequence[FileRead]) -> dict[str, Any]:
    """The answer as printed by `--json`; boxes are x, y, width, height in pixels."""
    return {
        "files": [
            {
                "file": str(one.path),
                "frames": one.frames,
                "seconds": round(one.seconds, 3),
                "plates": [_row(plate) for plate in one.plates],
                "pictures": [str(path) for path in one.pictures],
                **({} if one.warning is None else {"warning": one.warning}),
            }
            for one in found
        ],
    }


def _row(plate: PlateRead) -> dict[str, Any]:
    box, consensus = plate.box, plate.consensus
    row: dict[str, Any] = {
        "plate": None,
        "certainty": 0.0,
        "alternatives": [],
        "region": None,
        "box": [round(value) for value in (box.x1, box.y1, box.width, box.height)],
    }
    if consensus is not None:
        first, *rest = consensus.hypotheses
        row["plate"] = first.text.reveal()
        row["certainty"] = round(first.probability, 4)
        row["alternatives"] = [
            {"plate": other.text.reveal(), "certainty": round(other.probability, 4)}
            for other in rest
            if other.probability >= 0.001
        ]
        row["region"] = consensus.region
    if plate.seen_s is not None:
        row["seen_s"] = [round(second, 3) for second in plate.seen_s]
        row["reads"] = 0 if consensus is None else consensus.reads
    return row


# --- reading ----------------------------------------------------------------------------------


def _read_all(
    paths: Sequence[Path], models: PlateModels, *, visible: bool
) -> Iterator[tuple[FileRead, list[Preview]]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from edge.adapters.cameras.recordings import open_recordings

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=Console(stderr=True), disable=not visible, transient=True
    ) as bar:
        for path in paths:
            camera = open_recordings(path, camera="file", started_at=_START, in_site=False)[0]
            task = bar.add_task(path.name, total=camera.expected_frames)
            started = time.perf_counter()
            read = FileRead(path, 0, 0.0, [])
            frames = _counted(camera.frames(), read, lambda task=task: bar.advance(task))
            of_file = _of_photo if is_picture(path) else _of_recording
            read.plates, previews = of_file(frames, models)
            read.seconds = time.perf_counter() - started
            yield read, previews


def _counted(frames: Iterator[Frame], read: FileRead, on_frame: Any) -> Iterator[Frame]:  # noqa: ANN401
    """The frames. A recording that ends early is read up to there, with a warning."""
    try:
        for frame in frames:
            yield frame
            read.frames += 1
            on_frame()
    except CameraError as error:
        if error.code != "E_SOURCE_TRUNCATED":
            raise
        read.warning = str(error)


def _of_photo(
    frames: Iterator[Frame], models: PlateModels
) -> tuple[list[PlateRead], list[Preview]]:
    from edge.box.read_files import read_photo

    read, previews = [], []
    for frame in frames:
        found = read_photo(frame.pixels, models)
        plates = found.plates
        read += [PlateRead(one.consensus, one.box, _place(one.box, frame.pixels)) for one in plates]
        if plates:
            shown = tuple(one.box for one in plates)
            previews.append(Preview(frame.pixels, shown, weak=found.weak))
    return read, previews


def _of_recording(
    frames: Iterator[Frame], models: PlateModels
) -> tuple[list[PlateRead], list[Preview]]:
    from edge.box.read_files import vehicles_of

    read, previews = [], []
    for vehicle in vehicles_of(frames, models):
        key = vehicle.key_frame
        if key is None:
            continue
        seen_s = (
            (vehicle.first_seen - _START).total_seconds(),
            (vehicle.last_seen - _START).total_seconds(),
        )
        read.append(PlateRead(vehicle.consensus, key.plate, _place(key.plate, key.pixels), seen_s))
        previews.append(Preview(key.pixels, (key.plate,), key.other_plates, key.weak_plates))
    return read, previews


def _place(box: Box, pixels: Pixels) -> tuple[float, float]:
    x, y = box.centre
    return x / pixels.shape[1], y / pixels.shape[0]


def _models(pair: str | None, second_look: str) -> PlateModels:
    from dataclasses import replace

    from edge.adapters.models.loading import load_plate_models
    from edge.adapters.models.second_look import SecondLook
    from edge.adapters.models.weights import Manifest
    from edge.cli.evaluate_clips import parse_second_look

    look = parse_second_look(second_look)
    models = load_plate_models(Manifest.load(), pair=pair)
    return replace(models, detector=SecondLook.around(models.detector, look))


def _scene_parser() -> SceneParser | None:
    """The scene parser that also decides what a box releases."""
    from edge.adapters.models.loading import load_scene_parser
    from edge.adapters.models.weights import Manifest

    return load_scene_parser(Manifest.load())


# --- pictures ---------------------------------------------------------------------------------


def _level(reveal: str) -> RevealLevel:
    levels = ("plate", "vehicle", "driver", "occupants")
    if reveal not in levels:
        raise UsageError(f"--reveal: {reveal!r} is not a level; write {', '.join(levels)}")
    return RevealLevel(reveal)


def _make(folder: Path | None) -> None:
    """Make the folder, before reading, so that an unusable one is reported at once."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        full = any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"--pictures: {folder}: {error.strerror}; name another folder") from None
    if full:
        raise UsageError(f"--pictures: {folder}: not empty; name a new folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--pictures: {folder}: Permission denied; name another folder")


def _write_pictures(
    start: Path, previews: Sequence[Preview], level: RevealLevel, parser: SceneParser | None
) -> list[Path]:
    """One JPEG for each preview, named by numbers: no file name can hold a plate."""
    written = []
    for number, one in enumerate(previews, 1):
        path = start.with_name(f"{start.name}-{number}.jpg")
        encoded = outlined_preview(one.pixels, one.shown, one.others, one.weak, level, parser)
        try:
            path.write_bytes(encoded)
        except OSError as error:
            raise unwritable(path, error) from None
        written.append(path)
    return written


# --- what is printed --------------------------------------------------------------------------


def _print(found: Sequence[FileRead]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for one in found:
        photo = is_picture(one.path)
        table = Table(title=escape(str(one.path)), title_justify="left")
        table.add_column("plate", style="bold", no_wrap=True)
        table.add_column("certainty", justify="right")
        table.add_column("or", style="dim")
        table.add_column("region")
        table.add_column("width", justify="right")
        table.add_column("place" if photo else "seen")
        for plate in one.plates:
            table.add_row(*_cells(plate))
        if one.plates:
            console.print(table)
        else:
            console.print(f"{one.path}: no {'plate' if photo else 'vehicle'} found", markup=False)
        per_frame = 1000 * one.seconds / max(1, one.frames)
        console.print(
            f"{one.frames} {'picture' if photo else 'frames'}, {one.seconds:.2f} s"
            + ("" if photo else f", {per_frame:.1f} ms a frame"),
            style="dim",
        )
        if one.warning is not None:
            sys.stderr.write(f"warning: {one.warning}\n")
        for path in one.pictures:
            console.print(str(path), soft_wrap=True, highlight=False, markup=False)
    if any(not one.plates for one in found):
        console.print(
            "A plate should be at least 32 pixels wide. For smaller ones try "
            "--second-look tiles:2x2.",
            highlight=False,
        )


def _cells(plate: PlateRead) -> tuple[str, ...]:
    if plate.seen_s is None:
        place = f"{plate.place[0]:.0%} from left, {plate.place[1]:.0%} from top"
    else:
        place = f"{plate.seen_s[0]:.1f} s to {plate.seen_s[1]:.1f} s"
    size = f"{plate.box.width:.0f} px"
    consensus = plate.consensus
    if consensus is None:
        return ("not legible", "", "", "", size, place)
    best, *rest = consensus.hypotheses
    other = ""
    if best.probability < SURE and rest:
        other = f"{rest[0].text.reveal()} ({rest[0].probability:.0%})"
    return (
        best.text.reveal(),
        f"{best.probability:.1%}",
        other,
        consensus.region or "",
        size,
        place,
    )
