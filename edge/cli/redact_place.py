"""`edge-anpr redact --place`: the still of the empty place, for a person to approve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edge.cli.output import print_json
from edge.errors import UsageError
from edge.formats.atomic_files import unwritable, write_file

if TYPE_CHECKING:
    from edge.box.place_preview import PlacePreview
    from edge.pipeline.ports import PlateDetector

LARGE_SHARE = 0.5
"""Where more than this is masked, the recording was too short or too busy."""

SHORT_S = 60.0
"""A recording that is shorter, or a single picture, shows people who walk as if they stood."""

RECTANGLE = 2
"""Two corners name a rectangle, more than two a polygon."""

FORMATS = frozenset({".jpg", ".jpeg"})


_Polygon = tuple[tuple[float, float], ...]


def polygons(texts: Sequence[str]) -> tuple[_Polygon, ...]:
    """The parts of the picture that `--mask` names: corners in fractions.

    Raises:
        UsageError: one is neither a rectangle nor a polygon.
    """
    return tuple(map(_polygon, texts))


def _polygon(text: str) -> _Polygon:
    try:
        numbers = [float(one) for one in text.split(",")]
    except ValueError:
        numbers = []
    corners = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    if len(numbers) == 2 * RECTANGLE:
        (x1, y1), (x2, y2) = corners
        corners = ((x1, y1), (x2, y1), (x2, y2), (x1, y2)) if x1 < x2 and y1 < y2 else ()
    inside = all(0 <= one <= 1 for one in numbers)
    if len(corners) <= RECTANGLE or len(numbers) % 2 or not inside:
        raise UsageError(
            "--mask: write X1,Y1,X2,Y2 in fractions of the picture from the top left corner, such "
            "as 0.1,0.4,0.3,0.9, or three or more corners of a polygon"
        )
    return corners


def load_detector(name: str | None, second_look: str, manifest: Path | None) -> PlateDetector:
    """The detector that the options name.

    Raises:
        EdgeError: it cannot be loaded, or `second_look` is none.
    """
    from edge.adapters.models.loading import load_plate_models
    from edge.adapters.models.second_look import SecondLook
    from edge.adapters.models.weights import Manifest
    from edge.cli.evaluate_clips import parse_second_look

    look = parse_second_look(second_look)
    models = load_plate_models(Manifest.load(manifest), detector=name)
    return SecondLook.around(models.detector, look)


def write_place(made: PlacePreview, out: Path, *, as_json: bool) -> None:
    """Write the still, and print what the policy needs and what a person must do first.

    Raises:
        OutboxError: it cannot be written.
    """
    try:
        write_file(out, made.jpeg)
    except OSError as error:
        raise unwritable(out, error) from None
    if as_json:
        result = {
            "out": str(out),
            "sha256": made.sha256,
            "bytes": len(made.jpeg),
            "frames": made.frames,
            "seconds": round(made.seconds, 1),
            "plates_found": made.plates,
            "masked_share": round(made.masked_share, 3),
        }
        print_json("edge-anpr/redact-place/1", result)
        return
    typer.echo(
        f"{out}: {len(made.jpeg)} bytes, frames: {made.frames} in "
        f"{made.seconds:.0f} s, {made.masked_share:.0%} masked, plates found: {made.plates}"
    )
    typer.echo(
        "A person must look at it before anybody signs. Parked vehicles and people who stood still "
        "are still in it:\nmask them with --mask, or record again when the street is empty."
    )
    if made.seconds < SHORT_S:
        typer.echo("It is short: people who walk slowly may be in it too. Record some minutes.")
    if made.masked_share > LARGE_SHARE:
        typer.echo("Most of it is masked: record for some minutes in which hardly anything moves.")
    typer.echo(f"In policy.yaml:  place_picture: {{sha256: {made.sha256}, approved: DAY}}")
    typer.echo(f"In site.yaml:    place_picture: {out.name}")
    typer.echo("Both belong to the camera. DAY is the day on which that person approved it.")
