"""`edge-anpr doctor`: whether a box can do its work, in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError, EdgeError, OutboxError

if TYPE_CHECKING:
    from edge.adapters.models.loading import PlateModels
    from edge.box.doctor import DoctorFinding
    from edge.domain.geometry import Line
    from edge.privacy.redaction import RedactedImage
    from edge.site.folder import SiteFolder

STILL_BYTES = 512 * 1024
MARKS = {"good": "✓", "warning": "!", "bad": "✗", "skipped": "-"}


def doctor(
    site: Annotated[
        Path, typer.Option("--site", help="The site's folder, with policy.yaml and site.yaml.")
    ],
    source: Annotated[
        str | None, typer.Option(help="A recording to look at, as with `run`.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="Which of the site's cameras; needed with --source.")
    ] = None,
    recorded_at: Annotated[
        str | None, typer.Option(help="When the recording was made, as with `run`.")
    ] = None,
    stills: Annotated[
        Path | None,
        typer.Option(
            help="Put a picture of each camera here to aim by: a mosaic that shows nobody, with "
            "lines and the outlines of plates."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON and nothing else.")
    ] = False,
) -> None:
    """Look at clock, disk, memory, keys, policy, broker, networks and cameras, and say how each is.

    A camera is opened only if the policy would let `run` open it. Status 0: the box can do its
    work, perhaps with warnings; status 3: something is bad.

    Example: edge-anpr doctor --site config/school-street --source clip.mp4 --stills .
    """
    findings: list[DoctorFinding] = []
    for finding in _findings(site, source, camera, recorded_at, stills):
        findings.append(finding)
        if not as_json:
            _show(finding)
    bad = [finding.about for finding in findings if finding.state.value == "bad"]
    if as_json:
        typer.echo(json.dumps(_as_json(site, findings), indent=2, ensure_ascii=False))
    if bad:
        raise ConfigError(
            f"{site}: {len(bad)} of {len(findings)} findings are bad ({', '.join(bad)}); each says "
            "what helps",
            code="E_DOCTOR",
        )
    if not as_json:
        typer.secho("The box can do its work.", bold=True)


def _findings(
    site: Path,
    source: str | None,
    camera: str | None,
    recorded_at: str | None,
    stills: Path | None,
) -> Iterator[DoctorFinding]:
    from edge.adapters.host.kernel_clock import kernel_clock
    from edge.adapters.host.machine import machine
    from edge.box.doctor import of_clock, of_machine
    from edge.box.wiring import reach_broker, require_keys
    from edge.site.folder import load_site_folder

    yield of_clock(kernel_clock())
    folder = load_site_folder(site)
    yield from of_machine(machine(folder.state_folder), folder.site.outbox.reserve_mib)
    yield _asked("keys", lambda: _keys(require_keys(folder)))
    yield _asked("broker", lambda: _broker(folder, reach_broker))
    yield from _of_eyes_and_cameras(folder, source, camera, recorded_at, stills)


def _asked(about: str, ask: Callable[[], DoctorFinding]) -> DoctorFinding:
    """The finding, or the refusal as one."""
    from edge.box.doctor import of_error

    try:
        return ask()
    except EdgeError as error:
        return of_error(about, error)


def _keys(trial: bool) -> DoctorFinding:
    from edge.box.doctor import DoctorFinding, FindingState

    if trial:
        text = "the box's keys are for trying out; make its own with `edge-anpr keys new box`"
        return DoctorFinding("keys", FindingState.WARNING, text)
    return DoctorFinding("keys", FindingState.GOOD, "of the box and of each authority are there")


def _broker(folder: SiteFolder, reach: Callable[[SiteFolder], None]) -> DoctorFinding:
    from edge.box.doctor import DoctorFinding, FindingState

    broker = folder.site.broker
    reach(folder)
    how = "over TLS" if broker.tls is not None else "without TLS"
    local = broker.host in {"localhost", "127.0.0.1", "::1"}
    state = FindingState.GOOD if broker.tls is not None or local else FindingState.WARNING
    text = f"{broker.host}:{broker.port} takes this box, {how}"
    return DoctorFinding(
        "broker", state, text + ("" if state is FindingState.GOOD else "; add broker.tls")
    )


def _of_eyes_and_cameras(
    folder: SiteFolder,
    source: str | None,
    camera: str | None,
    recorded_at: str | None,
    stills: Path | None,
) -> Iterator[DoctorFinding]:
    from edge.box.doctor import (
        DoctorFinding,
        FindingState,
        look_at,
        of_camera,
        of_error,
        of_plates,
        of_speed,
    )
    from edge.box.wiring import open_cameras, require_open, site_models
    from edge.cli.run import moment_of, sources_of

    eyes: PlateModels | None = None
    try:
        eyes = site_models(folder)
        looked = max((_looks(folder, name) for name in folder.site.cameras), default=1)
        yield of_speed(
            eyes.detector,
            eyes.reader,
            provider=folder.site.models.provider,
            cameras=len(folder.site.cameras),
            looks=looked,
        )
    except EdgeError as error:
        yield of_error("speed", error)
    try:
        sources = sources_of(folder, source, camera, moment_of(recorded_at))
        require_open(folder, sources)
    except EdgeError as error:
        yield of_error("policy" if error.exit_code.name == "CONFIG" else "source", error)
        yield DoctorFinding(
            "cameras", FindingState.SKIPPED, "not opened, as `run` would not open them"
        )
        return
    yield DoctorFinding(
        "policy", FindingState.GOOD, f"version {folder.policy.version} lets the cameras open"
    )
    if eyes is None:
        yield DoctorFinding(
            "cameras", FindingState.SKIPPED, "without the networks nothing can be looked at"
        )
        return
    for one in open_cameras(folder, sources):
        lines = _lines(folder, one.name)
        try:
            look = look_at(one, eyes.detector, lines)
        except EdgeError as error:
            yield of_error(f"camera {one.name}", error)
            continue
        yield of_camera(one.name, look)
        yield of_plates(one.name, look, lines)
        if stills is not None and look.still is not None:
            path = stills / f"{one.name}.jpg"
            _write_still(path, look.still)
            yield DoctorFinding(f"still {one.name}", FindingState.GOOD, str(path))


def _looks(folder: SiteFolder, camera: str) -> int:
    """How often a frame of this camera is looked at."""
    from edge.site.settings import Region, Tiles

    look = folder.site.cameras[camera].second_look
    if isinstance(look, Tiles):
        return 1 + look.columns * look.rows
    return 2 if isinstance(look, Region) else 1


def _lines(folder: SiteFolder, camera: str) -> list[Line]:
    return [
        rule.line
        for rule in folder.rules
        if rule.line is not None and (not rule.cameras or camera in rule.cameras)
    ]


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
        "schema": "edge-anpr/doctor/1",
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
