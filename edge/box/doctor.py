"""Examines a box: its machine, keys, broker, networks and cameras, one finding after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.cameras.guarded_camera import GuardedCamera
from edge.adapters.host.kernel_clock import kernel_clock
from edge.adapters.host.machine import Load, load, machine
from edge.adapters.host.system import SystemClock
from edge.adapters.models.loading import PlateModels, load_scene_parser
from edge.adapters.models.variants import FastestVariant
from edge.adapters.models.weights import Manifest
from edge.box.assembly import fastest_of, load_models
from edge.box.delivery import broker_options
from edge.box.examining import examine_sources, findings_of
from edge.box.findings import (
    DoctorFinding,
    FindingState,
    of_broker,
    of_camera,
    of_clock,
    of_closed,
    of_keys,
    of_machine,
    of_plates,
    of_turn,
)
from edge.box.keys import load_authorities, load_own_keys
from edge.box.measuring import FIRST_FRAME_S, MEASURE_S, measure_camera, measure_speed
from edge.box.sources import (
    CameraSetup,
    Recording,
    Source,
    camera_setups,
    find_sources,
    open_cameras,
)
from edge.box.substream_check import examine_substream
from edge.domain.geometry import Line
from edge.domain.rules import Rule
from edge.errors import EdgeError
from edge.privacy.redaction import RedactedImage
from edge.site.folder import SiteFolder
from edge.site.settings import Models, Region, SecondLook, SiteCamera, Tiles

STEPS = ("clock", "machine", "keys", "broker", "speed", "cameras")
"""The parts of an examination, in order; each may be skipped."""

STEP_S = 60.0
"""How long a step may take. Each step has shorter limits of its own; this is for one that hangs."""

BUILD_S = 1800.0
"""The same for loading the networks when TensorRT builds their engines."""


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """What to examine.

    Attributes:
        skip: steps of `STEPS` that are left out.
        step_s: how long a step may take, seconds.
        save_still: saves a camera's picture for aiming; called with the camera's name.
    """

    skip: frozenset[str] = frozenset()
    step_s: float = STEP_S
    save_still: Callable[[str, RedactedImage], DoctorFinding] | None = None


def examine(
    site: SiteFolder,
    sources: Callable[[], Sequence[Source]],
    options: DoctorOptions | None = None,
) -> Iterator[DoctorFinding]:
    """Yield findings about a box, each as soon as it is known. It always ends.

    A camera is opened only if the gate would let `run` open it.

    Args:
        site: the checked site folder.
        sources: returns the sources to examine; it may raise an `EdgeError`.
        options: what to examine; None: everything.
    """
    options = options or DoctorOptions()
    settings = site.settings
    models: list[PlateModels] = []

    def broker() -> list[DoctorFinding]:
        password = site.broker_password(os.environ)
        return [_examine_broker(broker_options(settings, site.folder, password))]

    def speed() -> list[DoctorFinding]:
        busy = load()
        manifest = Manifest.load()
        fastest = fastest_of(settings.models, manifest, site.state_folder)
        models.append(load_models(settings.models, manifest, fastest))
        load_scene_parser(manifest, settings.models.threads)  # a box does not start without it
        speed = examine_speed(models[0], settings.models, settings.cameras, busy)
        return [*of_weights(settings.models, fastest), speed]

    build_s = BUILD_S if settings.models.provider == "tensorrt" else 0.0
    steps: dict[str, tuple[float, Callable[[], list[DoctorFinding]]]] = {
        "clock": (0.0, lambda: [of_clock(kernel_clock())]),
        "machine": (
            0.0,
            lambda: of_machine(machine(site.state_folder), settings.outbox.reserve_mib),
        ),
        "keys": (0.0, lambda: [_examine_keys(site)]),
        "broker": (0.0, broker),
        "speed": (build_s, speed),
    }
    for step, (more_s, work) in steps.items():
        if step in options.skip:
            yield _skipped(step)
        else:
            yield from findings_of(step, options.step_s + more_s, work)
    chosen: list[Source] = []
    needed = "cameras" not in options.skip
    admission = [*examine_sources(site, sources, chosen, step_s=options.step_s, needed=needed)]
    yield from admission
    if not needed:
        yield _skipped("cameras")
    elif any(finding.state is FindingState.BAD for finding in admission):
        text = "not opened, as `run` would not open them"
        yield DoctorFinding("cameras", FindingState.SKIPPED, text)
    else:
        yield from _examine_cameras(site, chosen, models, options)


def _examine_cameras(
    site: SiteFolder,
    sources: Sequence[Source],
    models: list[PlateModels],
    options: DoctorOptions,
) -> Iterator[DoctorFinding]:
    setups = camera_setups(
        site.settings.cameras, site.policy, site.camera_password, site.camera_authorities
    )
    now = SystemClock().utc()
    recorded = {one.camera for one in sources if isinstance(one, Recording)}
    chosen: list[Source] = []
    for one in sources:
        hours = setups[one.camera].hours
        if one.camera in recorded or hours.is_active(now):
            chosen.append(one)
        else:
            yield of_closed(one.camera, hours.next_opening(now))
    if not chosen:
        return
    if not models:
        if "speed" not in options.skip:
            yield DoctorFinding(
                "cameras", FindingState.SKIPPED, "not examined, since the networks cannot be loaded"
            )
            return
        models.append(load_models(site.settings.models))
    for camera in _first_cameras(setups, chosen):
        examine_one = partial(
            _examine_camera, camera, models[0], _lines(site.rules, camera.name), options.save_still
        )
        limit_s = options.step_s + FIRST_FRAME_S + MEASURE_S
        yield from findings_of(f"camera {camera.name}", limit_s, examine_one)
        if camera.status() is not None and getattr(setups[camera.name].live, "substream", None):
            small = setups[camera.name].guarded(setups[camera.name].connect(SystemClock()))
            examine_small = partial(_examine_substream, small)
            yield from findings_of(f"substream {camera.name}", limit_s, examine_small)


def _skipped(step: str) -> DoctorFinding:
    return DoctorFinding(step, FindingState.SKIPPED, "not examined, as --skip says")


def _examine_keys(site: SiteFolder) -> DoctorFinding:
    load_authorities(site.rule_authorities, site.policy)
    return of_keys(trial=load_own_keys(site.box).trial)


def _examine_broker(options: BrokerOptions) -> DoctorFinding:
    reach_broker(options)
    return of_broker(options)


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
) -> tuple[GuardedCamera, ...]:
    """The first source of each camera, with the policy's hours and masks; none is opened yet.

    Raises:
        EdgeError: a source does not exist.
    """
    clock = SystemClock()
    found: dict[str, GuardedCamera] = {}
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
    camera: GuardedCamera,
    models: PlateModels,
    lines: Sequence[Line],
    save_still: Callable[[str, RedactedImage], DoctorFinding] | None,
) -> list[DoctorFinding]:
    def problem() -> EdgeError | None:
        status = camera.status()
        return None if status is None else status.problem

    measured = measure_camera(
        camera, models.detector, lines, models.threshold, reader=models.reader, problem=problem
    )
    found = [
        of_camera(camera.name, measured),
        of_turn(camera.name, measured),
        of_plates(camera.name, measured, lines),
    ]
    if save_still is not None and measured.still is not None:
        found.append(save_still(camera.name, measured.still))
    return [finding for finding in found if finding is not None]


def _examine_substream(camera: GuardedCamera) -> list[DoctorFinding]:
    return [examine_substream(camera)]


def examine_speed(
    models: PlateModels, settings: Models, cameras: Mapping[str, SiteCamera], busy: Load
) -> DoctorFinding:
    """Whether the networks are fast enough for the site's cameras.

    Args:
        models: the networks.
        settings: the networks' provider and threads.
        cameras: the site's cameras; the one with the most passes for a frame counts.
        busy: how busy the machine was before.
    """
    return measure_speed(
        models.detector,
        models.reader,
        provider=settings.provider,
        cameras=len(cameras),
        passes=max((_passes(camera.second_look) for camera in cameras.values()), default=1),
        load=busy,
    )


def of_weights(settings: Models, fastest: FastestVariant | None) -> list[DoctorFinding]:
    """Which detector the box uses and why; nothing where there is no choice."""
    if settings.detector is not None:
        text = (
            f"{settings.detector} is used, because `models.detector` in site.yaml names it; "
            "without that line the box chooses"
        )
        return [DoctorFinding("weights", FindingState.GOOD, text)]
    if fastest is None or not fastest.ms:
        return []
    times = ", ".join(f"{name} {ms:.1f} ms" for name, ms in fastest.ms.items())
    text = (
        f"{fastest.name} is used on this CPU ({times} for a picture); to use another, name it as "
        "`models.detector` in site.yaml"
    )
    figures = {f"{name}_ms": ms for name, ms in fastest.ms.items()}
    return [DoctorFinding("weights", FindingState.GOOD, text, figures=figures)]


def _passes(second_look: SecondLook) -> int:
    """The number of detector passes for a frame."""
    if isinstance(second_look, Tiles):
        return 1 + second_look.columns * second_look.rows
    return 2 if isinstance(second_look, Region) else 1
