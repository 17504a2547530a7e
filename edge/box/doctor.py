"""Examines a box: its machine, keys, broker, networks and cameras, one finding after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.host.machine import machine
from edge.adapters.host.system import SystemClock
from edge.adapters.models.loading import PlateModels
from edge.box.assembly import load_models
from edge.box.delivery import broker_options
from edge.box.findings import (
    DoctorFinding,
    FindingState,
    of_broker,
    of_camera,
    of_error,
    of_keys,
    of_machine,
    of_plates,
)
from edge.box.gate import require_open
from edge.box.keys import load_authorities, load_own_keys
from edge.box.measuring import measure_camera, measure_speed
from edge.box.sources import CameraSetup, Source, camera_setups, find_sources, open_cameras
from edge.domain.geometry import Line
from edge.domain.rules import Rule
from edge.errors import EdgeError
from edge.pipeline.ports import Camera, PlateDetector
from edge.privacy.redaction import RedactedImage
from edge.site.folder import BoxFolders, SiteFolder
from edge.site.settings import Broker, Models, Region, SecondLook, SiteCamera, Tiles


def examine(
    site: SiteFolder,
    sources: Callable[[], Sequence[Source]],
    save_still: Callable[[str, RedactedImage], DoctorFinding] | None = None,
) -> Iterator[DoctorFinding]:
    """Yield findings about a box, each as soon as it is known.

    A camera is opened only if the gate would let `run` open it.

    Args:
        site: the checked site folder.
        sources: returns the sources to examine; it may raise an `EdgeError`.
        save_still: saves a camera's picture for aiming; called with the camera's name.
    """

    def options() -> BrokerOptions:
        password = site.broker_password(os.environ)
        return broker_options(site.settings, site.folder, password)

    yield from of_machine(machine(site.state_folder), site.settings.outbox.reserve_mib)
    yield _finding("keys", lambda: _examine_keys(site.rule_authorities, site.box))
    yield _finding("broker", lambda: _examine_broker(site.settings.broker, options))
    models: PlateModels | None = None
    try:
        models = load_models(site.settings.models)
        yield examine_speed(models, site.settings.models, site.settings.cameras)
    except EdgeError as error:
        yield of_error("speed", error)
    try:
        chosen = sources()
        require_open(site, chosen)
    except EdgeError as error:
        yield of_error("policy" if error.exit_code.name == "CONFIG" else "source", error)
        yield DoctorFinding(
            "cameras", FindingState.SKIPPED, "not opened, as `run` would not open them"
        )
        return
    yield DoctorFinding(
        "policy", FindingState.GOOD, f"version {site.policy.version} lets the cameras open"
    )
    if models is None:
        yield DoctorFinding(
            "cameras", FindingState.SKIPPED, "not examined, since the networks cannot be loaded"
        )
        return
    setups = camera_setups(
        site.settings.cameras, site.policy, site.camera_password, site.camera_authorities
    )
    for camera in _first_cameras(setups, chosen):
        lines = _lines(site.rules, camera.name)
        yield from _examine_camera(camera, models.detector, lines, save_still)


def _finding(about: str, ask: Callable[[], DoctorFinding]) -> DoctorFinding:
    """The finding that `ask` returns, or a finding for the error that it raises."""
    try:
        return ask()
    except EdgeError as error:
        return of_error(about, error)


def _examine_keys(authorities: Mapping[str, Path], box: BoxFolders) -> DoctorFinding:
    load_authorities(authorities)
    return of_keys(trial=load_own_keys(box).trial)


def _examine_broker(broker: Broker, options: Callable[[], BrokerOptions]) -> DoctorFinding:
    reach_broker(options())
    return of_broker(broker)


def reach_broker(options: BrokerOptions) -> None:
    """Connect to the broker as the box would, and disconnect.

    Raises:
        EdgeError: it cannot be reached, or refuses the connection.
    """
    # With the box's own client id, a running box would lose its connection.
    with BrokerLink.open(replace(options, client_id=f"{options.client_id}-doctor")):
        pass


def _first_cameras(
    setups: Mapping[str, CameraSetup], sources: Sequence[Source]
) -> tuple[Camera, ...]:
    """The first source of each camera, with the policy's hours and masks; none is opened yet.

    Raises:
        EdgeError: a source does not exist.
    """
    clock = SystemClock()
    found: dict[str, Camera] = {}
    for camera in open_cameras(find_sources(sources, clock), setups, clock):
        found.setdefault(camera.name, setups[camera.name].guarded(camera))
    return tuple(found.values())


def _lines(rules: Sequence[Rule], camera: str) -> list[Line]:
    """The lines that rules draw in a camera's picture."""
    return [
        rule.line
        for rule in rules
        if rule.line is not None and (not rule.cameras or camera in rule.cameras)
    ]


def _examine_camera(
    camera: Camera,
    detector: PlateDetector,
    lines: Sequence[Line],
    save_still: Callable[[str, RedactedImage], DoctorFinding] | None,
) -> Iterator[DoctorFinding]:
    try:
        measured = measure_camera(camera, detector, lines)
    except EdgeError as error:
        yield of_error(f"camera {camera.name}", error)
        return
    yield of_camera(camera.name, measured)
    yield of_plates(camera.name, measured, lines)
    if save_still is not None and measured.still is not None:
        yield save_still(camera.name, measured.still)


def examine_speed(
    models: PlateModels, settings: Models, cameras: Mapping[str, SiteCamera]
) -> DoctorFinding:
    """Whether the networks are fast enough for the site's cameras.

    Args:
        models: the networks.
        settings: the networks' provider and threads.
        cameras: the site's cameras; the one with the most passes for a frame counts.
    """
    return measure_speed(
        models.detector,
        models.reader,
        provider=settings.provider,
        cameras=len(cameras),
        passes=max((_passes(camera.second_look) for camera in cameras.values()), default=1),
    )


def _passes(second_look: SecondLook) -> int:
    """The number of detector passes for a frame."""
    if isinstance(second_look, Tiles):
        return 1 + second_look.columns * second_look.rows
    return 2 if isinstance(second_look, Region) else 1
