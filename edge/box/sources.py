"""The sources of a box: recordings and live cameras with the policy's hours and masks."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from edge.adapters.cameras.decoder_messages import DecoderRequest
from edge.adapters.cameras.decoder_request import request_for, shown_address
from edge.adapters.cameras.guarded_camera import GuardedCamera
from edge.adapters.cameras.live_camera import LiveCamera
from edge.adapters.cameras.recordings import RecordedCamera, open_recordings, recorded_at_of
from edge.adapters.models.loading import PlateModels
from edge.adapters.models.second_look import SecondLook
from edge.box.engine import Stream
from edge.domain.geometry import Point
from edge.domain.schedule import Schedule
from edge.errors import CameraError, ConfigError, EdgeError, PolicyError
from edge.pipeline.attention import Attention
from edge.pipeline.ports import Clock
from edge.pipeline.watcher import VehicleWatcher, settings_for_threshold
from edge.policy.model import Policy
from edge.site import settings
from edge.site.folder import resolved


@dataclass(frozen=True, slots=True)
class Recording:
    """A file or folder to run as a recording of one of the policy's cameras.

    Attributes:
        camera: the policy's camera.
        path: the file or folder.
        recorded_at: when it was made; None: its sidecar's moment, else now.
        stream: the number among its video streams to use; None: chosen.
    """

    camera: str
    path: Path
    recorded_at: datetime | None = None
    stream: int | None = None


@dataclass(frozen=True, slots=True)
class LiveFeed:
    """The live camera that site.yaml names for a camera of the policy."""

    camera: str


Source = Recording | LiveFeed


def require_recorded(source: str | Path, policy: Policy) -> Path:
    """The path of a source that is a recording: a regular file or a folder.

    Raises:
        PolicyError: `E_DEMO_KEYS`: the policy is signed with demo keys, and the source is an
            address, a device, a pipe or a socket.
        CameraError: such a source under any other policy, since site.yaml must name it; or the
            path does not exist.
    """
    text = str(source)
    # An address is not repeated: it may hold a password.
    shown = "this address" if "://" in text else text
    if "://" in text:
        raise _not_recorded(shown, policy)
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise CameraError(
            f"{path}: no such file or folder; check the source's path", code="E_SOURCE_MISSING"
        ) from None
    except OSError as error:
        raise CameraError(f"{path}: {error.strerror}; check the source's path") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise _not_recorded(shown, policy)
    return path


def _not_recorded(shown: str, policy: Policy) -> EdgeError:
    if policy.demo:
        return PolicyError(
            f"{shown}: the policy is signed with demo keys, which are public, so only recorded "
            "files and folders are read; name a recording",
            code="E_DEMO_KEYS",
        )
    return CameraError(
        f"{shown}: not a recording; name a recording here, or a live camera in site.yaml as "
        "cameras.<name>.live",
        code="E_SOURCE_LIVE",
    )


def site_sources(
    folder: Path, cameras: Mapping[str, settings.SiteCamera], policy: Policy
) -> tuple[Source, ...]:
    """The recordings and live cameras that site.yaml in this folder names for these cameras.

    Raises:
        ConfigError: a camera has no source.
        EdgeError: a source is not a recording; see `require_recorded`.
    """
    found: list[Source] = []
    for name, camera in cameras.items():
        if camera.live is not None:
            found.append(LiveFeed(name))
            continue
        source = camera.source
        if source is None:
            raise ConfigError(
                f"{folder / 'site.yaml'}: cameras.{name}.source is missing; "
                "name a recording or a live camera there, or a recording with --source"
            )
        address = source if "://" in source else str(resolved(folder, source))
        path = require_recorded(address, policy)
        found.append(Recording(name, path, stream=camera.stream))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class OpenedSources:
    """Recordings that were found, and the names of the live cameras to connect to."""

    recorded: tuple[RecordedCamera, ...]
    feeds: tuple[str, ...]

    @property
    def live(self) -> bool:
        """Whether a live camera is among them."""
        return bool(self.feeds)

    @property
    def recorded_at(self) -> tuple[datetime, ...]:
        """When each recording was made."""
        return tuple(recording.started_at for recording in self.recorded)


def find_sources(sources: Sequence[Source], clock: Clock) -> OpenedSources:
    """Find the recordings, without connecting to any camera.

    Args:
        sources: the sources to run.
        clock: gives the time of recordings that state none.

    Raises:
        EdgeError: a recording does not exist, or its sidecar is not valid.
    """
    return OpenedSources(
        recorded=tuple(_recordings([one for one in sources if isinstance(one, Recording)], clock)),
        feeds=tuple(one.camera for one in sources if isinstance(one, LiveFeed)),
    )


def _recordings(recordings: Sequence[Recording], clock: Clock) -> Iterator[RecordedCamera]:
    for recording in recordings:
        yield from open_recordings(
            recording.path,
            camera=recording.camera,
            started_at=_when(recording.recorded_at, clock),
            stream=recording.stream,
        )


def _when(recorded_at: datetime | None, clock: Clock) -> Callable[[Path], datetime]:
    """When a recording was made: the given moment, else its sidecar's, else now."""

    def when(path: Path) -> datetime:
        return recorded_at or recorded_at_of(path) or clock.utc()

    return when


@dataclass(frozen=True, slots=True)
class CameraSetup:
    """The settings of one camera from site.yaml and the policy.

    Attributes:
        name: the policy's camera.
        live: its address and options; None if there are only recordings of it.
        stream: the number among its video streams to use; None: chosen.
        second_look: the parts of its picture that the detector analyses again.
        hours: when it may be open.
        keeps_path: whether a rule of it needs movement.
        masks: polygons in fractions of the picture that are blackened.
        password: reads a live camera's password; it may change.
        tls_authorities: PEM file that verifies a live camera's certificate; None: the system's.
    """

    name: str
    live: settings.LiveCamera | None
    stream: int | None
    second_look: settings.SecondLook
    hours: Schedule
    keeps_path: bool
    masks: Sequence[Sequence[Point]]
    password: Callable[[], str | None]
    tls_authorities: Path | None

    def guarded(self, camera: RecordedCamera | LiveCamera) -> GuardedCamera:
        """The camera with the policy's hours and masks applied."""
        return GuardedCamera(camera, self.hours, self.masks)

    def connect(self, clock: Clock) -> LiveCamera:
        """Make the live camera; it connects when its frames are iterated.

        Raises:
            ConfigError: it is not a live camera, or its password or the authorities of its
                certificate are missing.
        """
        live = self.live
        if live is None:
            raise ConfigError(f"site.yaml: cameras.{self.name}.live is missing; add it")

        def request() -> DecoderRequest:
            made = request_for(live, self.password(), self.tls_authorities)
            return replace(made, stream=self.stream)

        request()  # a missing password or certificate is reported before anything starts
        return LiveCamera(
            self.name,
            shown_address(live),
            request,
            clock=clock,
            jitter=random.random,
            hours=self.hours,
        )


def camera_setups(
    cameras: Mapping[str, settings.SiteCamera],
    policy: Policy,
    password: Callable[[str, Mapping[str, str]], str | None],
    tls_authorities: Callable[[str], Path | None],
) -> dict[str, CameraSetup]:
    """The settings of each camera from site.yaml and the policy, by name.

    Args:
        cameras: the cameras of site.yaml.
        policy: the site's policy.
        password: reads a camera's password, given its name and the environment.
        tls_authorities: returns the PEM file that verifies a camera's certificate, given its name.
    """
    needing = [rule for rule in policy.domain_rules() if rule.needs_movement]
    moving = {name for rule in needing for name in rule.cameras or cameras}
    return {
        name: CameraSetup(
            name=name,
            live=camera.live,
            stream=camera.stream,
            second_look=camera.second_look,
            hours=policy.cameras[name].hours.schedule(policy.zone),
            keeps_path=name in moving,
            masks=policy.cameras[name].privacy_masks,
            password=partial(password, name, os.environ),
            tls_authorities=tls_authorities(name),
        )
        for name, camera in cameras.items()
    }


def open_cameras(
    opened: OpenedSources, setups: Mapping[str, CameraSetup], clock: Clock
) -> tuple[RecordedCamera | LiveCamera, ...]:
    """The cameras of all sources, recordings first.

    Raises:
        ConfigError: a setting of a live camera is missing.
    """
    return (*opened.recorded, *(setups[name].connect(clock) for name in opened.feeds))


def open_stream(
    setup: CameraSetup, models: PlateModels, camera: RecordedCamera | LiveCamera
) -> Stream:
    """Make a stream: a camera with the watcher that turns its frames into vehicles."""
    attention = Attention()
    guarded = setup.guarded(camera)
    guarded.ask(attention.selects, lambda: attention.idles)
    return Stream(
        camera=guarded,
        clip=camera.clip,
        watcher=VehicleWatcher(
            camera.name,
            SecondLook.around(models.detector, setup.second_look),
            models.reader,
            settings_for_threshold(models.threshold),
            attention=attention,
            keeps_path=setup.keeps_path,
        ),
        live=isinstance(camera, LiveCamera),
    )
