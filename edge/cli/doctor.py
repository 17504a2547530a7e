"""`edge-anpr doctor`: check whether a box can work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import CameraOption, JsonOption, RecordedAtOption, SiteOption
from edge.cli.output import print_json
from edge.errors import ConfigError, OutboxError, UsageError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.box.findings import DoctorFinding
    from edge.privacy.redaction import RedactedImage

STILL_BYTES = 512 * 1024
MARKS = {"good": "✓", "warning": "!", "bad": "✗", "skipped": "-"}


def doctor(
    site: SiteOption,
    source: Annotated[
        str | None, typer.Option(help="A recording to check with, as with `run`.")
    ] = None,
    camera: CameraOption = None,
    recorded_at: RecordedAtOption = None,
    stills: Annotated[
        Path | None,
        typer.Option(
            help="Write a picture of each camera to this folder, to aim it: a mosaic in which "
            "nobody can be recognised, with a grid, the lines and the outlines of plates."
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out a step: clock, machine, keys, broker, speed or cameras; may be "
            "repeated.",
            metavar="STEP",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check clock, disk, memory, keys, policy, broker, models and cameras of a box.

    The policy is always checked. A camera is opened only if the policy would let `run` open it; one
    that is closed at this hour is not examined. A step that hangs is given up
    after about a minute. Status 0: the box can do its work, perhaps with warnings. Status 3:
    something is wrong.

    Example: edge-anpr doctor --site config/school-street --source clip.mp4 --stills .
    """
    findings: list[DoctorFinding] = []
    left_out = frozenset(skip or ())
    for finding in _findings(site, source, camera, recorded_at, stills, left_out):
        findings.append(finding)
        if not as_json:
            _show(finding)
    bad = [finding.about for finding in findings if finding.state.value == "bad"]
    if as_json:
        print_json("edge-anpr/doctor/1", _as_json(site, findings), indent=2)
    if bad:
        raise ConfigError(
            f"{site}: {len(bad)} of {quantity(len(findings), 'finding')} "
            f"{'is' if len(bad) == 1 else 'are'} bad ({', '.join(bad)}); each says what helps",
            code="E_DOCTOR",
        )
    if not as_json:
        left_out |= {
            finding.about
            for finding in findings
            if finding.state.value == "skipped" and finding.about.startswith("camera ")
        }
        rest = f" Not examined: {', '.join(sorted(left_out))}." if left_out else ""
        typer.secho(f"The box can do its work.{rest}", bold=True)


def _findings(
    site: Path,
    source: str | None,
    camera: str | None,
    recorded_at: str | None,
    stills: Path | None,
    skip: frozenset[str],
) -> Iterator[DoctorFinding]:
    from edge.box.doctor import STEPS, DoctorOptions, examine
    from edge.box.findings import DoctorFinding, FindingState
    from edge.cli.run import moment_of, sources_of
    from edge.site.folder import load_site_folder

    unknown = sorted(skip - set(STEPS))
    if unknown:
        raise UsageError(f"--skip: there is no step {unknown[0]!r}; the steps: {', '.join(STEPS)}")

    def save_still(name: str, still: RedactedImage) -> DoctorFinding:
        assert stills is not None  # noqa: S101 - passed on only where there is a folder
        path = stills / f"{name}.jpg"
        _write_still(path, still)
        return DoctorFinding(f"still {name}", FindingState.GOOD, str(path))

    folder = load_site_folder(site, credentials=True)
    yield from examine(
        folder,
        lambda: sources_of(folder, source, camera, moment_of(recorded_at)),
        DoctorOptions(skip, save_still=None if stills is None else save_still),
    )


def _write_still(path: Path, still: RedactedImage) -> None:
    from edge.adapters.cameras.jpeg import encode_jpeg

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(still, max_bytes=STILL_BYTES))
    except OSError as error:
        raise OutboxError(
            f"{path}: {error.strerror}; name a folder for --stills that can be written to"
        ) from error


def _show(finding: DoctorFinding) -> None:
    colours = {"good": "green", "warning": "yellow", "bad": "red", "skipped": None}
    mark = typer.style(MARKS[finding.state.value], fg=colours[finding.state.value], bold=True)
    typer.echo(f"{mark} {finding.about}: {finding.text}")


def _as_json(site: Path, findings: list[DoctorFinding]) -> dict[str, object]:
    return {
        "folder": str(site),
        "able": all(finding.state.value != "bad" for finding in findings),
        "findings": [
            {
                "about": finding.about,
                "state": finding.state.value,
                "text": finding.text,
                "code": finding.code,
                "figures": finding.figures,
            }
            for finding in findings
        ],
    }
