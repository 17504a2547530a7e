"""Examines a box: its machine, keys, broker, networks and cameras, one finding after another."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.host.machine import machine
from edge.adapters.host.system import SystemClock
from edge.adapters.models.loading import PlateModels
from edge.box.assembly import load_models
from edge.box.delivery import broker_options
from edge.box.findings import (
    LEAST_PER_SECOND,
    CameraMeasurement,
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
from edge.box.sources import CameraSetup, Source, camera_setups, find_sources, open_cameras
from edge.domain.geometry import Line
from edge.domain.imaging import Box, Detection, Frame, PlatePatch, without_duplicates
from edge.domain.rules import Rule
from edge.errors import EdgeError
from edge.pipeline.ports import Camera, PlateDetector, PlateReader
from edge.privacy.redaction import RedactedImage, aiming_still
from edge.site.folder import BoxFolders, SiteFolder
from edge.site.settings import Broker, Models, Region, SecondLook, SiteCamera, Tiles

GOOD_PER_SECOND = 10.0
"""At this frame rate a vehicle at 50 km/h appears about every 1.4 m."""
RESERVE = 0.8
"""The share of the box's time that is planned; the rest is a reserve for dense traffic."""
MEASURE_S = 8.0
"""How long a camera is measured."""
TRIES = 7


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


def measure_speed(
    detector: PlateDetector,
    reader: PlateReader,
    *,
    provider: str,
    cameras: int,
    passes: int,
    width: int = 1280,
    height: int = 720,
) -> DoctorFinding:
    """Measure both networks on noise, and compute how many cameras they can process.

    Args:
        detector: the detector.
        reader: the reader.
        provider: the provider that they run on.
        cameras: the number of the site's cameras.
        passes: detector passes for a frame, tiles included.
        width: the picture's width, pixels.
        height: the picture's height, pixels.
    """
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    patch = PlatePatch(Box(0, 0, 128, 64), 1.0, np.ascontiguousarray(noise[:64, :128]))
    detect_s = _median_s(lambda: detector.detect(noise))
    read_s = _median_s(lambda: reader.read([patch]))
    frame_s = detect_s * passes + read_s  # one plate in each frame: a busy street
    carried = int(RESERVE / (frame_s * GOOD_PER_SECOND))
    at_least = int(RESERVE / (frame_s * LEAST_PER_SECOND))
    figures: dict[str, float] = {
        "detect_ms": round(detect_s * 1000, 2),
        "read_ms": round(read_s * 1000, 2),
        "cameras_at_10_per_s": carried,
        "cameras_at_5_per_s": at_least,
    }
    text = (
        f"{provider}: {detect_s * passes * 1000:.1f} ms to analyse a frame, "
        f"{read_s * 1000:.1f} ms to read a plate; enough for {carried} cameras with "
        f"{GOOD_PER_SECOND:.0f} frames a second, {at_least} with {LEAST_PER_SECOND:.0f}; the site "
        f"has {cameras}"
    )
    if cameras <= carried:
        return DoctorFinding("speed", FindingState.GOOD, text, figures=figures)
    cure = "; use a faster provider, fewer tiles or fewer cameras"
    state = FindingState.WARNING if cameras <= at_least else FindingState.BAD
    return DoctorFinding("speed", state, text + cure, figures=figures)


def _median_s(work: Callable[[], object]) -> float:
    work()  # the first call allocates
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def measure_camera(
    camera: Camera, detector: PlateDetector, lines: Sequence[Line], *, measure_s: float = MEASURE_S
) -> CameraMeasurement:
    """Measure a camera for a while; its frames are not kept.

    Args:
        camera: the camera, with the policy's masks and hours.
        detector: the detector.
        lines: lines that vehicles are expected to cross.
        measure_s: for how long at most, in seconds.

    Raises:
        CameraError: it cannot be opened or read.
    """
    times: list[float] = []
    widths: list[tuple[float, float]] = []
    best: tuple[Frame, tuple[Detection, ...]] | None = None
    until = time.monotonic() + measure_s
    for frame in camera.frames():
        times.append(frame.stream_s)
        plates = without_duplicates(detector.detect(frame.pixels))
        widths += [(one.box.width, (one.box.y1 + one.box.y2) / 2 / frame.height) for one in plates]
        if best is None or len(plates) > len(best[1]):
            best = frame, plates
        if time.monotonic() >= until:
            break
    span_s = times[-1] - times[0] if times else 0.0
    still = None
    if best is not None:
        still = aiming_still(
            best[0].pixels,
            [one.box.clipped(best[0].width, best[0].height) for one in best[1]],
            [(line.start, line.end) for line in lines],
        )
    return CameraMeasurement(
        frames=len(times),
        corrupt=camera.corrupt_frames,
        per_second=(len(times) - 1) / span_s if span_s > 0 else None,
        size=(best[0].width, best[0].height) if best is not None else None,
        widths=tuple(widths),
        still=still,
    )
