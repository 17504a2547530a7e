"""The model of `site.yaml`: the technical settings of a site, from cameras to the broker."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from edge.formats.brokers import BrokerAddress, broker_of, parse_address, without_port
from edge.formats.identifiers import Id
from edge.formats.problems import Location
from edge.formats.strict import Strict
from edge.policy import wording
from edge.policy.fields import FilePath, Fraction, SeenText
from edge.site.list_source import HttpsLists, ListSource, list_address_mistake
from edge.site.update_source import HttpsUpdates, UpdateSource

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]


class NoSecondLook(Strict):
    """Each frame is analysed once, as a whole."""

    mode: Literal["none"]


class Tiles(Strict):
    """The frame is analysed again in tiles, for plates that are small everywhere."""

    mode: Literal["tiles"]
    columns: int = Field(default=2, ge=1, le=8)
    rows: int = Field(default=1, ge=1, le=8)
    overlap: float = Field(
        default=0.2, ge=0, le=0.5, description="Share of a tile that overlaps its neighbour."
    )


class Region(Strict):
    """One part of the frame, where plates are small, is analysed again."""

    mode: Literal["region"]
    box: tuple[Fraction, Fraction, Fraction, Fraction] = Field(
        description="x1, y1, x2, y2 in fractions of the picture."
    )


SecondLook = Annotated[NoSecondLook | Tiles | Region, Field(discriminator="mode")]


EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
UserName = Annotated[SeenText, Field(min_length=1, max_length=200)]


TlsName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$"), AfterValidator(wording.seen)]
HostName = Annotated[TlsName, AfterValidator(without_port)]


class _NetworkCamera(Strict):
    url: SeenText
    substream: SeenText | None = Field(
        default=None,
        pattern=r"^(?:rtsp|http)s?://[^\s]{1,1000}$",
        description="Address of a smaller stream of the same view, at the same camera, with the "
        "same login. It is watched instead, and the main stream is decoded only to look. Left "
        "out: the main stream is decoded all the time.",
    )
    username: UserName | None = None
    password_env: EnvironmentName | None = Field(
        default=None, description="Name of the environment variable that holds the password."
    )
    password_file: FilePath | None = Field(
        default=None, description="File that holds the password, relative to the site folder."
    )
    tls_ca: FilePath | None = Field(
        default=None,
        description="PEM file of the authorities, or of the camera's own certificate, that rtsps "
        "or https trusts; left out: the system's.",
    )
    tls_name: TlsName | None = Field(
        default=None,
        description="The name in the camera's certificate, if it differs from the address.",
    )

    @property
    def over_tls(self) -> bool:
        """Whether the address asks for TLS, so that the camera is verified."""
        return self.url.startswith(("rtsps:", "https:"))


class RtspCamera(_NetworkCamera):
    """A network camera. This file never holds its password."""

    type: Literal["rtsp"]
    url: SeenText = Field(
        pattern=r"^rtsps?://[^\s]{1,1000}$", description="Without user name and password."
    )
    transport: Literal["tcp", "udp"] = "tcp"
    decoder: SeenText | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description="GStreamer elements that decode the video instead of the processor, such as "
        "`h264parse ! nvv4l2decoder ! nvvidconv ! video/x-raw`. The box connects by itself, so "
        "they get no address and no password.",
    )


class HttpCamera(_NetworkCamera):
    """A camera that sends JPEG pictures one after the other over HTTP."""

    type: Literal["http"]
    url: SeenText = Field(
        pattern=r"^https?://[^\s]{1,1000}$", description="Without user name and password."
    )


class DeviceCamera(Strict):
    """A camera on this box: USB, or whatever else Linux shows as a video device (V4L2)."""

    type: Literal["device"]
    device: str = Field(pattern=r"^/dev/[A-Za-z0-9/_.:-]{1,200}$")
    size: tuple[int, int] | None = Field(default=None, description="Width and height to ask for.")
    per_second: int | None = Field(default=None, ge=1, le=240, description="Rate to ask for.")
    pixels: Literal["mjpeg", "yuyv422", "nv12", "h264"] | None = Field(
        default=None, description="Format to ask for; USB 2 carries 1080p as mjpeg only."
    )


class PipelineCamera(Strict):
    """A GStreamer pipeline: a camera's own interface (CSI), or hardware decoding."""

    type: Literal["pipeline"]
    pipeline: SeenText = Field(
        min_length=1,
        max_length=2000,
        description="Source and filters in a line, without a sink, as gst-launch-1.0 takes them.",
    )


LiveCamera = Annotated[
    RtspCamera | HttpCamera | DeviceCamera | PipelineCamera, Field(discriminator="type")
]


class SiteCamera(Strict):
    """Where a camera's pictures come from: a recording, or a live camera."""

    source: FilePath | None = Field(
        default=None,
        description="A recording or a folder of them, relative to the site folder; "
        "`run --source` overrides it.",
    )
    live: LiveCamera | None = Field(
        default=None, description="A live camera, instead of a recording."
    )
    stream: int | None = Field(
        default=None,
        ge=0,
        le=63,
        description="Which video stream of the source is used, from 0; left out: the largest one "
        "that is no cover picture, thumbnail or title.",
    )
    second_look: SecondLook = NoSecondLook(mode="none")
    place_picture: FilePath | None = Field(
        default=None,
        description="The approved picture of the empty place, relative to the site folder. The "
        "policy names its digest.",
    )


class Models(Strict):
    """Weights by their names in models/manifest.toml, and what they run on.

    A name that is left out is that of the manifest's default pair.
    """

    detector: ModelName | None = None
    reader: ModelName | None = None
    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    threads: int = Field(default=1, ge=1, le=64)


class Tls(Strict):
    """TLS to the broker; with certificate and key the box authenticates itself."""

    ca: FilePath | None = Field(
        default=None, description="PEM file of trusted authorities; left out: the system's."
    )
    certificate: FilePath | None = Field(default=None, description="PEM file, with `key`.")
    key: FilePath | None = Field(default=None, description="PEM file, with `certificate`.")


BrokerName = Annotated[
    str,
    Field(pattern=r"^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$"),
    AfterValidator(wording.seen),
]


class Broker(Strict):
    """The MQTT 5 broker that hits are published to. This file never holds its password."""

    host: HostName | None = None
    hosts: tuple[BrokerName, ...] = Field(
        default=(),
        max_length=1024,
        description="Instead of `host`: several brokers, HOST or HOST:PORT. The box uses the one "
        "that the hash of its site chooses, so the same list may stand on every box.",
    )
    port: int = Field(default=1883, ge=1, le=65535)
    username: UserName | None = None
    password_env: EnvironmentName | None = Field(
        default=None, description="Name of the environment variable that holds the password."
    )
    password_file: FilePath | None = Field(
        default=None, description="File that holds the password, relative to the site folder."
    )
    tls: Tls | None = None
    message_expiry_s: int = Field(
        default=7 * 24 * 3600,
        ge=60,
        le=30 * 24 * 3600,
        description="How long the broker keeps a hit for an absent authority.",
    )
    payload_cap_kib: int = Field(
        default=112, ge=8, le=1024, description="Largest message the broker accepts, KiB."
    )
    home_assistant: bool = Field(
        default=False,
        description="Whether to announce this box's status (online, safe or offline) to Home "
        "Assistant. Nothing about vehicles is announced.",
    )

    def address(self, site: str) -> BrokerAddress:
        """The broker of a site: `host`, or the one of `hosts` that its hash chooses."""
        if self.host is not None:
            return BrokerAddress(self.host, self.port)
        return broker_of(site, self.addresses())

    def addresses(self) -> tuple[BrokerAddress, ...]:
        """The brokers that `hosts` names, in this order."""
        return tuple(parse_address(name, self.port) for name in self.hosts)


class Folders(Strict):
    """Folders of this box, relative to the site folder."""

    state: FilePath = "state"
    keys: FilePath = "keys"
    keyring: FilePath = Field(
        default="keyring",
        description="Where the keys of undelivered hits lie: outside `state`, best on another "
        "medium.",
    )
    anchor: FilePath | None = Field(
        default=None,
        description="Where the anchor of the audit log lies: outside `state`, and kept across "
        "restarts. Left out: in the keyring's folder.",
    )


class Telemetry(Strict):
    """The HTTP endpoint for health and metrics. Left out: there is none."""

    listen: str = Field(
        default="127.0.0.1:9109",
        pattern=r"^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$",
        description="Address and port. Metrics are for operators only: restrict access unless it "
        "is a loopback address.",
    )


class OutboxSettings(Strict):
    """The store of hits that wait for delivery."""

    reserve_mib: int = Field(
        default=64, ge=1, le=65536, description="Disk space set aside for hits, MiB."
    )


class Site(Strict):
    """The technical side of one site."""

    schema_: Literal["edge-anpr/site/1"] = Field(alias="schema")
    site: Id
    box: Id
    cameras: dict[Id, SiteCamera] = Field(min_length=1)
    models: Models
    broker: Broker
    folders: Folders = Folders()
    outbox: OutboxSettings = OutboxSettings()
    lists: ListSource | None = Field(
        default=None,
        description="Where this box fetches the bodies of lists that many boxes share. Left out: "
        "it takes lists that are sealed to it alone.",
    )
    telemetry: Telemetry | None = None
    updates: UpdateSource | None = Field(
        default=None,
        description="Where this box gets signed updates. Left out: it is updated by hand.",
    )


def contradictions(site: Site) -> Iterator[tuple[Location, str]]:
    """Settings that contradict each other: a location and one line for each."""
    broker = site.broker
    yield from _broker_contradictions(broker)
    if broker.password_env is not None and broker.password_file is not None:
        yield ("broker", "password_file"), "password_env is given too; keep one"
    if broker.username is None and (broker.password_env or broker.password_file):
        yield ("broker",), "a password without a username; add username"
    if broker.tls is not None and (broker.tls.certificate is None) != (broker.tls.key is None):
        yield ("broker", "tls"), "certificate and key belong together; give both or neither"
    state = PurePosixPath(posixpath.normpath(site.folders.state))
    outside = {
        "keyring": "so that a copy of that folder holds no keys",
        "anchor": "so that it stays when that folder is deleted",
    }
    for name, why in outside.items():
        path = getattr(site.folders, name)
        if path is None:
            continue
        other = PurePosixPath(posixpath.normpath(path))
        if state == other or state in other.parents or other in state.parents:
            yield ("folders", name), f"must be outside the state folder, {why}"
    yield from _list_contradictions(site.lists)
    yield from _update_contradictions(site)
    for name, camera in site.cameras.items():
        yield from _source_contradictions(("cameras", name), camera)
        look = camera.second_look
        if isinstance(look, Region):
            x1, y1, x2, y2 = look.box
            if x2 - x1 < 0.01 or y2 - y1 < 0.01:
                yield (
                    ("cameras", name, "second_look", "box"),
                    "must be x1, y1, x2, y2 with x1 < x2 and y1 < y2",
                )


def _list_contradictions(lists: ListSource | None) -> Iterator[tuple[Location, str]]:
    mistake = list_address_mistake(lists.url) if isinstance(lists, HttpsLists) else None
    if mistake is not None:
        yield ("lists", "url"), mistake


def _broker_contradictions(broker: Broker) -> Iterator[tuple[Location, str]]:
    if broker.host is None and not broker.hosts:
        yield ("broker",), "'host' is missing; name the broker, or several in hosts"
    if broker.host is not None and broker.hosts:
        yield ("broker", "hosts"), "host is given too; keep one"
    found: set[BrokerAddress] = set()
    for number, address in enumerate(broker.addresses()):
        if not 1 <= address.port <= 65535:
            yield ("broker", "hosts", number), "the port must be 1 to 65535"
        if address in found:
            yield ("broker", "hosts", number), f"{address} is given twice; remove one"
        found.add(address)


def _source_contradictions(at: Location, camera: SiteCamera) -> Iterator[tuple[Location, str]]:
    live = camera.live
    if live is None:
        return
    if camera.source is not None:
        yield (*at, "source"), "live is given too; keep one"
    if isinstance(live, PipelineCamera):
        wrong = pipeline_mistake(live.pipeline)
        if wrong is not None:
            yield (*at, "live", "pipeline"), wrong
    if not isinstance(live, RtspCamera | HttpCamera):
        return
    if live.password_env is not None and live.password_file is not None:
        yield (*at, "live", "password_file"), "password_env is given too; keep one"
    if live.username is None and (live.password_env or live.password_file):
        yield (*at, "live"), "a password without a username; add username"
    yield from _tls_contradictions((*at, "live"), live)
    decoder = live.decoder if isinstance(live, RtspCamera) else None
    for field, mistake in (
        ("url", address_mistake(live.url)),
        ("substream", substream_mistake(live)),
        ("decoder", None if decoder is None else decoder_mistake(decoder)),
    ):
        if mistake is not None:
            yield (*at, "live", field), mistake


def _tls_contradictions(
    at: Location, live: RtspCamera | HttpCamera
) -> Iterator[tuple[Location, str]]:
    if not live.over_tls and (live.tls_ca is not None or live.tls_name is not None):
        name = "tls_ca" if live.tls_ca is not None else "tls_name"
        yield (*at, name), "only rtsps:// and https:// use a certificate; remove it"
    if isinstance(live, RtspCamera) and live.over_tls and live.transport == "udp":
        yield (*at, "transport"), "over udp the pictures would not be encrypted; use tcp"


def address_mistake(url: str) -> str | None:
    """What is wrong with a camera's address, or None. It is never repeated: it may be secret."""
    try:
        parts = urlsplit(url)
        port_is_none_or_number = parts.port is None or parts.port > 0
    except ValueError:
        return "not an address; write it like rtsp://192.0.2.10:554/path"
    if "@" in parts.netloc or any(word in parts.query.lower() for word in _SECRET_WORDS):
        return (
            "a password does not belong in a file that is copied and committed; remove it and "
            "give username and password_env: NAME or password_file: PATH"
        )
    if not parts.hostname or not port_is_none_or_number:
        return "not an address; write it like rtsp://192.0.2.10:554/path"
    return None


def substream_mistake(live: RtspCamera | HttpCamera) -> str | None:
    """What is wrong with a camera's substream, or None. Its address is never repeated."""
    if live.substream is None or address_mistake(live.url) is not None:
        return None
    mistake = address_mistake(live.substream)
    if mistake is not None:
        return mistake
    main, small = urlsplit(live.url), urlsplit(live.substream)
    decoder = live.decoder if isinstance(live, RtspCamera) else None
    if live.substream == live.url:
        mistake = "is the address in url; name the smaller stream, or remove it"
    elif small.scheme != main.scheme:
        mistake = f"must begin with {main.scheme}:// as url does, with the same login; correct it"
    elif small.hostname != main.hostname:
        mistake = "must be at the host of url, which the login is for; correct it"
    elif decoder is not None:
        mistake = "decoder is given too, which decodes the main stream all the time; keep one"
    return mistake


_SECRET_WORDS = ("pass", "pwd", "token", "secret", "auth")

PIPELINE_ELEMENTS = frozenset(
    {
        "avdec_h264", "avdec_h265", "capsfilter", "h264parse", "h265parse", "jpegdec",
        "jpegparse", "libcamerasrc", "nvarguscamerasrc", "nvjpegdec", "nvv4l2decoder",
        "nvvidconv", "nvvideoconvert", "openh264dec", "queue", "v4l2convert", "v4l2h264dec",
        "v4l2h265dec", "v4l2jpegdec", "v4l2src", "videoconvert", "videocrop", "videoflip",
        "videorate", "videoscale", "videotestsrc",
    }
)  # fmt: skip
"""Sources, decoders and converters. None writes a file, opens a socket or branches off: a picture
can leave a pipeline only to the box's decoder."""

_PROPERTY = re.compile(r"[a-z][a-z0-9-]{0,60}=[A-Za-z0-9_./:,()-]{1,200}")
_CAPS = re.compile(r"(video|image)/[A-Za-z0-9_./:,=() -]{1,300}")


def pipeline_mistake(pipeline: str) -> str | None:
    """What is wrong with a pipeline, or None."""
    for number, part in enumerate(pipeline.split("!"), start=1):
        words = part.split()
        if words and words[0] in PIPELINE_ELEMENTS:
            if all(_PROPERTY.fullmatch(word) for word in words[1:]):
                continue
            return f"part {number}: after an element come properties, written as name=value"
        if not _CAPS.fullmatch(part.strip()):
            return (
                f"part {number}: only these elements, and formats such as video/x-raw, may be "
                f"used: {', '.join(sorted(PIPELINE_ELEMENTS))}"
            )
    return None


def decoder_mistake(pipeline: str) -> str | None:
    """What is wrong with a pipeline that decodes packets, or None."""
    wrong = pipeline_mistake(pipeline)
    if wrong is not None:
        return wrong
    elements = [part.split()[0] for part in pipeline.split("!")]
    if elements[0] not in {"h264parse", "h265parse"}:
        return "must begin with h264parse or h265parse; write `h264parse ! nvv4l2decoder ! …`"
    sources = [element for element in elements if element.endswith("src")]
    if sources:
        return f"the box itself is the source; remove {sources[0]}"
    return None


def _update_contradictions(site: Site) -> Iterator[tuple[Location, str]]:
    if isinstance(site.updates, HttpsUpdates):
        mistake = list_address_mistake(site.updates.url)
        if mistake is not None:
            yield ("updates", "url"), mistake
    if site.updates is not None and site.telemetry is None:
        yield ("updates",), "needs telemetry, by which an update is judged; add telemetry"
