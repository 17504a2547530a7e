"""`site.yaml`: technique. Where the pictures come from and where the hits go."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from edge.policy.document import Location
from edge.policy.model import FilePath, Fraction, Id, Strict

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]


class NoSecondLook(Strict):
    """Each frame is looked at once, whole."""

    mode: Literal["none"]


class Tiles(Strict):
    """The frame is looked at again in tiles, for plates that are small everywhere."""

    mode: Literal["tiles"]
    columns: int = Field(default=2, ge=1, le=8)
    rows: int = Field(default=1, ge=1, le=8)
    overlap: float = Field(
        default=0.2, ge=0, le=0.5, description="Share of a tile that its neighbour sees too."
    )


class Region(Strict):
    """One part of the frame is looked at again, where plates are small."""

    mode: Literal["region"]
    box: tuple[Fraction, Fraction, Fraction, Fraction] = Field(
        description="x1, y1, x2, y2 in fractions of the picture."
    )


SecondLook = Annotated[NoSecondLook | Tiles | Region, Field(discriminator="mode")]


class SiteCamera(Strict):
    """Where a camera's pictures come from."""

    source: FilePath | None = Field(
        default=None,
        description="A recording or a folder of them, relative to the site folder; "
        "`run --source` stands above it.",
    )
    second_look: SecondLook = NoSecondLook(mode="none")


class Models(Strict):
    """Weights by their names in models/manifest.toml, and what they run on.

    A name that is left out is that of the manifest's default pair.
    """

    detector: ModelName | None = None
    reader: ModelName | None = None
    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    threads: int = Field(default=1, ge=1, le=64)


class Tls(Strict):
    """TLS to the broker; with certificate and key the box shows who it is."""

    ca: FilePath | None = Field(
        default=None, description="PEM file of trusted authorities; left out: the system's."
    )
    certificate: FilePath | None = Field(default=None, description="PEM file, with `key`.")
    key: FilePath | None = Field(default=None, description="PEM file, with `certificate`.")


class Broker(Strict):
    """The MQTT 5 broker that hits are published to. A password is never written here."""

    host: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$")
    port: int = Field(default=1883, ge=1, le=65535)
    username: str | None = Field(default=None, min_length=1, max_length=200)
    password_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$",
        description="Name of the environment variable that holds the password.",
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
        description="Whether Home Assistant is told where this box's status is: online, safe or "
        "offline, and nothing of what passes.",
    )


class Folders(Strict):
    """Folders of this box, relative to the site folder."""

    state: FilePath = "state"
    keys: FilePath = "keys"
    keyring: FilePath = Field(
        default="keyring",
        description="Where the keys of undelivered hits lie: outside `state`, best on another "
        "medium.",
    )


class OutboxSettings(Strict):
    """Where hits wait until they are delivered."""

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


def contradictions(site: Site) -> Iterator[tuple[Location, str]]:
    """What each part allows but the whole does not: a location and one line for each."""
    broker = site.broker
    if broker.password_env is not None and broker.password_file is not None:
        yield ("broker", "password_file"), "password_env is given too; keep one"
    if broker.username is None and (broker.password_env or broker.password_file):
        yield ("broker",), "a password without a username; add username"
    if broker.tls is not None and (broker.tls.certificate is None) != (broker.tls.key is None):
        yield ("broker", "tls"), "certificate and key belong together; give both or neither"
    state, keyring = (
        PurePosixPath(posixpath.normpath(path))
        for path in (site.folders.state, site.folders.keyring)
    )
    if state == keyring or state in keyring.parents or keyring in state.parents:
        yield (
            ("folders", "keyring"),
            "must lie outside the state folder: a copy of that would hold its keys as well",
        )
    for name, camera in site.cameras.items():
        look = camera.second_look
        if isinstance(look, Region):
            x1, y1, x2, y2 = look.box
            if x2 - x1 < 0.01 or y2 - y1 < 0.01:
                yield (
                    ("cameras", name, "second_look", "box"),
                    "must be x1, y1, x2, y2 with x1 < x2 and y1 < y2",
                )
