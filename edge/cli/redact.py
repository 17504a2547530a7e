"""`edge-anpr redact`: preview what each reveal level would release, on a recorded file."""

from __future__ import annotations

import logging
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption, ManifestOption, SecondLookOption, WheelOption
from edge.cli.output import print_json
from edge.cli.redact_place import FORMATS, load_detector, polygons, write_place
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.domain.wheel import WheelSide
from edge.errors import CameraError, UsageError
from edge.formats.atomic_files import unwritable, write_file
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.adapters.cameras.recordings import RecordedCamera
    from edge.domain.imaging import Box, Frame, Pixels
    from edge.domain.scene import Scene
    from edge.pipeline.ports import PlateDetector, SceneParser
    from edge.privacy.redaction import RedactedImage

PICTURE_BYTES = 16 * 1024 * 1024
"""Size limit of a preview, bytes: far above any camera picture, as none is sent to a broker."""

PNG = ".png"
PICTURE_FORMATS = frozenset({".jpg", ".jpeg", PNG})

log = logging.getLogger(__name__)


class Reveal(str, Enum):
    """The reveal levels, as typed on the command line."""

    NONE = "none"
    PLATE = "plate"
    VEHICLE = "vehicle"
    DRIVER = "driver"
    OCCUPANTS = "occupants"


def redact(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="A recording or a picture; it must be a regular file.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The masked copy: .mp4, .mkv or .mov for a recording, .jpg or .png for a picture.",
            show_default=False,
        ),
    ],
    reveal: Annotated[
        Reveal,
        typer.Option(help="The level to show, as if each vehicle in turn were the offender."),
    ] = Reveal.NONE,
    show_plates: Annotated[
        bool, typer.Option("--show-plates", help="Leave the plates readable in the copy.")
    ] = False,
    detector: Annotated[
        str | None, typer.Option(help="Name of the detector in the manifest of weights.")
    ] = None,
    second_look: SecondLookOption = "none",
    wheel: WheelOption = WheelSide.LEFT,
    manifest: ManifestOption = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            metavar="MAP",
            help="Also write a map of what the scene parser sees in a picture: one colour for "
            "each class, no pixel of the picture. A .png or .jpg.",
        ),
    ] = None,
    place: Annotated[
        bool,
        typer.Option(
            "--place",
            help="Instead: a small picture of the empty place, for the policy's place_picture. OUT "
            "is a .jpg.",
        ),
    ] = False,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="X1,Y1,X2,Y2",
            help="With --place: also mask this part (fractions of the picture), or a polygon with "
            "more corners; may be repeated. Give every privacy mask of the policy.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace OUT and MAP if they exist.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a masked copy of a recording or a picture, to judge what a reveal level releases.

    By default everything is masked. With --reveal the copy shows what that level would release if
    each vehicle in turn were the offender: the same networks decide as on a box. At the level
    driver each vehicle is taken to be seen from ahead, which a box asks of its movement; where the
    driver's side cannot be told, the copy shows what vehicle shows. Plates are blanked unless
    --show-plates is given. It reads regular files only, never a live source. The copy has no sound
    and no metadata.

    With --place OUT is a picture of what stays the same in the recording, without what moves and
    what came or left. It has at most 320 pixels a side. A person must look at it and approve it.

    Example: edge-anpr redact clip.mp4 masked.mp4 --reveal vehicle
    """
    recording = regular_file(source, verb="redact")
    level = RevealLevel(reveal.value)
    if place:
        from edge.box.place_preview import make_place

        if level is not RevealLevel.NONE or show_plates or explain is not None:
            raise UsageError("--place: shows no vehicle; leave out the options that show one")
        masks = polygons(mask or ())
        _require_fit("OUT", recording, out, force=force, wanted=FORMATS)
        finder = load_detector(detector, second_look, manifest)
        made = make_place(_with_progress(_camera(recording)), finder, masks)
        write_place(made, out, as_json=as_json)
        return
    if mask:
        raise UsageError("--mask: only for --place; without it everything is masked anyway")
    _require_fit("OUT", recording, out, force=force)
    if show_plates and level is RevealLevel.NONE:
        raise UsageError("--show-plates: nothing is shown; add --reveal plate, or a higher level")
    if explain is not None:
        _require_explainable(recording, out, explain, level, force=force)
    networks = _networks(level, detector, second_look, manifest)
    if explain is not None and networks is not None and networks.parser is None:
        raise UsageError("--explain: the manifest names no scene parser; leave --explain out")
    preview = _Preview(level, show_plates, networks, wheel)
    camera = _camera(recording)
    if is_picture(recording):
        _copy_picture(camera, preview, out, explain)
    else:
        _copy_video(camera, recording, preview, out)
    result = {
        "out": str(out),
        "reveal": level.value,
        "plates_readable": show_plates,
        "frames": preview.frames,
        "corrupt_frames": camera.corrupt_frames,
        "plates_found": preview.plates_found,
        "masked_by": {one.value: preview.decided[one] for one in MaskMethod},
        "map": None if explain is None else str(explain),
    }
    if as_json:
        print_json("edge-anpr/redact/1", result)
    else:
        typer.echo(f"{out}: {_found_text(preview)}")
        if explain is not None:
            typer.echo(f"{explain}: what the scene parser sees")


# --- one frame ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Networks:
    """What finds plates, from which score on one counts, and what says what is around it."""

    detector: PlateDetector
    threshold: float
    parser: SceneParser | None


@dataclass(frozen=True, slots=True)
class _Found:
    """The plates of a frame, what may be none, and the scene around each plate.

    `weak` holds those plates too that are not certain (`told_apart`).
    """

    plates: tuple[Box, ...] = ()
    weak: tuple[Box, ...] = ()
    scenes: tuple[Scene | None, ...] = ()


@dataclass(slots=True)
class _Preview:
    """Masks frames one by one and counts.

    A detection below the threshold is protected like another vehicle's plate. It is never
    treated as the offender's, because the box would not begin a track with it.
    """

    level: RevealLevel
    show_plates: bool
    networks: _Networks | None
    wheel: WheelSide
    frames: int = 0
    plates_found: int = 0
    decided: Counter[MaskMethod] = field(default_factory=Counter)

    def find(self, frame: Frame) -> _Found:
        """The plates of a frame and what is around them."""
        from edge.domain.imaging import plates_among, told_apart

        if self.networks is None:
            return _Found()
        found, below = plates_among(
            self.networks.detector.detect(frame.pixels), self.networks.threshold
        )
        plates = tuple(one.box for one in found)
        return _Found(
            plates,
            told_apart((*found, *below), self.networks.threshold)[1],
            scenes_around(plates, frame.pixels, self.level, self.networks.parser),
        )

    def of(self, frame: Frame, found: _Found | None = None) -> RedactedImage:
        from edge.privacy.redaction import mask_all, preview_of_regular_file

        self.frames += 1
        if self.networks is None:
            return mask_all(frame.pixels)
        found = found or self.find(frame)
        self.plates_found += len(found.plates)
        return preview_of_regular_file(
            frame.pixels,
            found.plates,
            self.level,
            show_plates=self.show_plates,
            weak=found.weak,
            scenes=found.scenes,
            wheel=self.wheel,
            decided=lambda method: self.decided.update([method]),
        )

    def explanation(self, frame: Frame, found: _Found) -> RedactedImage:
        """The map of what the scene parser sees."""
        from edge.privacy.redaction import explanation_of_regular_file

        return explanation_of_regular_file(
            frame.pixels,
            found.plates,
            self.level,
            found.scenes,
            weak=found.weak,
            wheel=self.wheel,
        )


def scenes_around(
    plates: Sequence[Box], pixels: Pixels, level: RevealLevel, parser: SceneParser | None
) -> tuple[Scene | None, ...]:
    """What a picture shows around each plate; None where no parser can say it, or need not."""
    from edge.pipeline.evidence import scene_around

    if parser is None or level in (RevealLevel.NONE, RevealLevel.PLATE):
        return (None,) * len(plates)
    return tuple(scene_around(plate, pixels, parser) for plate in plates)


def _found_text(preview: _Preview) -> str:
    """Frames, plates, and how many vehicles each way of masking shows, if plates were sought."""
    plates = f"{quantity(preview.plates_found, 'plate')} found in them"
    found = "everything masked" if preview.level is RevealLevel.NONE else plates
    text = f"{quantity(preview.frames, 'frame')} at level {preview.level.value}, {found}"
    counts = ", ".join(f"{preview.decided[one]} by {one.value}" for one in MaskMethod)
    is_told = preview.decided and preview.level is not RevealLevel.PLATE
    return f"{text}; vehicles shown: {counts}" if is_told else text


def _networks(
    level: RevealLevel, name: str | None, second_look: str, manifest: Path | None
) -> _Networks | None:
    """The networks that a level needs; none if nothing is revealed."""
    if level is RevealLevel.NONE:
        return None
    from edge.adapters.models.loading import load_plate_models, load_scene_parser
    from edge.adapters.models.second_look import SecondLook
    from edge.adapters.models.weights import Manifest
    from edge.cli.evaluate_clips import parse_second_look

    look = parse_second_look(second_look)
    listed = Manifest.load(manifest)
    models = load_plate_models(listed, detector=name)
    parser = None if level is RevealLevel.PLATE else load_scene_parser(listed)
    return _Networks(SecondLook.around(models.detector, look), models.threshold, parser)


def outlined_preview(
    pixels: Pixels,
    plates: Sequence[Box],
    others: Sequence[Box],
    weak: Sequence[Box],
    level: RevealLevel,
    parser: SceneParser | None,
) -> bytes:
    """A JPEG of what a level releases, plates readable, with a line around each plate.

    Args:
        pixels: a frame of a regular file, shape (height, width, 3), BGR.
        plates: each is treated as the offender's in turn.
        others: other vehicles' plates; what belongs to them stays masked.
        weak: what may be a plate; it stays masked.
        level: how much is shown around each plate.
        parser: says what is around each plate; None: the geometry of the plate decides.

    Raises:
        RedactionError: the picture cannot be masked or encoded.
    """
    from edge.adapters.cameras.jpeg import encode_jpeg
    from edge.privacy.redaction import preview_of_regular_file

    picture = preview_of_regular_file(
        pixels,
        plates,
        level,
        show_plates=True,
        others=others,
        weak=weak,
        outlines=True,
        scenes=scenes_around(plates, pixels, level, parser),
        wheel=WheelSide.LEFT,
    )
    return encode_jpeg(picture, max_bytes=PICTURE_BYTES)


# --- whole files ----------------------------------------------------------------------------


def _camera(recording: Path) -> RecordedCamera:
    from edge.adapters.cameras.recordings import open_recordings

    # The time of the recording is not used here.
    epoch = datetime.fromtimestamp(0, timezone.utc)
    return open_recordings(recording, camera="preview", started_at=epoch, in_site=False)[0]


def _copy_video(camera: RecordedCamera, recording: Path, preview: _Preview, out: Path) -> None:
    from edge.adapters.cameras.video_writer import MaskedRecording, nominal_rate

    with MaskedRecording(out, nominal_rate(recording)) as copy:
        for frame in _with_progress(camera):
            copy.write(preview.of(frame), frame.stream_s)


def _copy_picture(
    camera: RecordedCamera, preview: _Preview, out: Path, explain: Path | None
) -> None:
    for frame in _with_progress(camera):
        found = preview.find(frame)
        _write_picture(preview.of(frame, found), out)
        if explain is not None:
            _write_picture(preview.explanation(frame, found), explain)


def _write_picture(picture: RedactedImage, out: Path) -> None:
    """Write a picture in the format of its name's ending."""
    from edge.adapters.cameras.jpeg import encode_jpeg, encode_png

    png = out.suffix.lower() == PNG
    encoded = encode_png(picture) if png else encode_jpeg(picture, max_bytes=PICTURE_BYTES)
    try:
        write_file(out, encoded)
    except OSError as error:
        raise unwritable(out, error) from None


def _with_progress(camera: RecordedCamera) -> Iterator[Frame]:
    """The frames. A recording that ends early is masked up to there, with a warning."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("masking", total=camera.expected_frames)
        try:
            for frame in camera.frames():
                yield frame
                progress.advance(task)
        except CameraError as error:
            if error.code != "E_SOURCE_TRUNCATED":
                raise
            log.warning("%s", error)


# --- which files ----------------------------------------------------------------------------


def regular_file(source: str, *, verb: str) -> Path:
    """The path of a regular file; anything that could be a live source is refused.

    Args:
        source: what the user named.
        verb: the verb that takes it, for the error.

    Raises:
        CameraError: `E_NOT_A_FILE` for an address, standard input, a device, a pipe, a socket or
            a folder, also behind a symbolic link; `E_SOURCE_MISSING` if nothing is there.
    """
    if "://" in source or source == "-":
        # An address may hold a password, so it is not repeated.
        named = "IN" if verb == "redact" else "FILE"
        raise _no_regular_file(named, "an address or standard input", verb)
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise CameraError(
            f"{path}: cannot be opened ({error.strerror}); check the path", code="E_SOURCE_MISSING"
        ) from None
    if not stat.S_ISREG(mode):
        kinds = {
            stat.S_IFDIR: "a folder",
            stat.S_IFCHR: "a device",
            stat.S_IFBLK: "a device",
            stat.S_IFIFO: "a pipe",
            stat.S_IFSOCK: "a socket",
        }
        raise _no_regular_file(source, kinds.get(stat.S_IFMT(mode), "something else"), verb)
    return path


def _no_regular_file(source: str, kind: str, verb: str) -> CameraError:
    return CameraError(
        f"{source}: {kind}; {verb} takes regular files, recordings or pictures, and never a "
        "live source",
        code="E_NOT_A_FILE",
    )


def is_picture(path: Path) -> bool:
    """Whether the name is that of a picture, not of a video."""
    from edge.adapters.cameras.recordings import PICTURE_SUFFIXES

    return path.suffix.lower() in PICTURE_SUFFIXES


def _require_explainable(
    recording: Path, out: Path, explain: Path, level: RevealLevel, *, force: bool
) -> None:
    """Refuse MAP unless there is something to explain and it can be written.

    Raises:
        UsageError: it is refused.
    """
    if not is_picture(recording):
        raise UsageError("--explain: only a picture is explained; give it one frame as a picture")
    if level in (RevealLevel.NONE, RevealLevel.PLATE):
        raise UsageError(
            f"--explain: at the level {level.value} nothing is parsed; add --reveal vehicle, "
            "driver or occupants"
        )
    if explain.absolute() == out.absolute():
        raise UsageError(f"--explain: {explain}: this is the same file as OUT; name another")
    _require_fit("--explain", recording, explain, force=force)


def _require_fit(
    what: str,
    recording: Path,
    out: Path,
    *,
    force: bool,
    wanted: frozenset[str] | None = None,
) -> None:
    """Refuse an output unless it is a new file of the right kind in an existing folder.

    Raises:
        UsageError: it is refused.
    """
    from edge.adapters.cameras.video_writer import VIDEO_FORMATS

    wanted = wanted or (PICTURE_FORMATS if is_picture(recording) else frozenset(VIDEO_FORMATS))
    if out.suffix.lower() not in wanted:
        raise UsageError(f"{what}: {out}: end the name in {', '.join(sorted(wanted))}")
    if not out.parent.is_dir():
        raise UsageError(f"{what}: {out.parent}: no such folder; make it first")
    if not out.exists():
        return
    if out.samefile(recording):
        raise UsageError(f"{what}: {out}: this is the same file as IN; name another")
    if not out.is_file():
        raise UsageError(f"{what}: {out}: not a regular file; name another")
    if not force:
        raise UsageError(f"{what}: {out}: exists; give --force to replace it")
