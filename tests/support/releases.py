"""A repository of updates with its three keys, a real server, and a box that asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata

from edge.formats.signing import SigningKey
from edge.updates.client import TrustedUpdates
from edge.updates.fetching import HttpsFetcher
from edge.updates.metadata_files import read_metadata, write_signed
from edge.updates.repository import ReleaseRepository
from edge.updates.signing import ReleaseKeys, sign_metadata
from edge.updates.targets import TargetFacts
from edge.updates.waves import OpenWave, WavesDocument
from tests.support.brokers import Certificate
from tests.support.list_server import Bodies, list_server

RELEASE = TargetFacts(kind="release", version="0.2.0")
ALL = WavesDocument(waves={RELEASE.name: OpenWave(percent=100)})


class ReleaseOffice:
    """Vendor, controller and online key with their repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vendor = SigningKey.generate("vendor")
        self.controller = SigningKey.generate("controller")
        self.online = SigningKey.generate("online")
        keys = ReleaseKeys(self.vendor.public, self.controller.public, self.online.public)
        self.sign(*self.repository().begin(keys))
        self.publish()

    def repository(self, *, days_ago: int = 0) -> ReleaseRepository:
        now = datetime.now(timezone.utc) - timedelta(days=days_ago)
        return ReleaseRepository(self.folder, now)

    def sign(self, *files: Path, keys: tuple[SigningKey, ...] | None = None) -> None:
        """Sign pending files, with both keys unless others are named."""
        for file in files:
            metadata = read_metadata(file)
            for key in (self.vendor, self.controller) if keys is None else keys:
                sign_metadata(metadata, key)
            write_signed(file, metadata)

    def publish(self, document: WavesDocument | None = None, *, days_ago: int = 0) -> int:
        return self.repository(days_ago=days_ago).publish(self.online, document).version

    def offer(
        self, content: bytes, facts: TargetFacts = RELEASE, *keys: SigningKey, publish: bool = True
    ) -> Path:
        """Add an archive, let both keys (or the named ones) sign it, and publish it."""
        archive = self.folder.parent / "new.zip"
        archive.write_bytes(content)
        pending = self.repository().add(archive, facts)
        self.sign(pending, keys=keys or None)
        if publish:
            self.publish(ALL)
        return pending

    @property
    def public(self) -> Path:
        return self.folder / "public"

    @property
    def first_root(self) -> bytes:
        return (self.public / "metadata" / "1.root.json").read_bytes()

    def newest(self, role: str) -> Path:
        """The newest published file of a role."""
        if role == "timestamp":
            return self.public / "metadata" / "timestamp.json"
        files = self.public.glob(f"metadata/*.{role}.json")
        return max(files, key=lambda one: int(one.name.split(".")[0]))

    def forge(self, role: str, key: SigningKey, **changed: Any) -> None:
        """Replace the newest file of a role by a changed one that only this key has signed."""
        file = self.newest(role)
        metadata = Metadata[Any].from_bytes(file.read_bytes())
        for name, value in changed.items():
            setattr(metadata.signed, name, value)
        metadata.signatures.clear()
        sign_metadata(metadata, key)
        if role != "timestamp":
            file = file.with_name(f"{metadata.signed.version}.{role}.json")
        file.write_bytes(metadata.to_bytes())


@contextmanager
def release_server(office: ReleaseOffice, certificate: Certificate) -> Iterator[Bodies]:
    """An HTTPS server with what the office has published; `upload` brings it up to date."""
    with list_server(certificate) as server:
        upload(office, server)
        yield server


def upload(office: ReleaseOffice, server: Bodies) -> None:
    server.files = published(office)


def published(office: ReleaseOffice) -> dict[str, bytes]:
    """The published files, by their paths on the server."""
    return {
        f"/anpr/{file.relative_to(office.public)}": file.read_bytes()
        for file in office.public.rglob("*")
        if file.is_file()
    }


def asking(office: ReleaseOffice, server: Bodies, work: Path, ca: Path) -> TrustedUpdates:
    """A run of a box's updater; give the same folder again for the next run."""
    fetcher = HttpsFetcher(ca, idle_s=2, longest_s=30)
    return TrustedUpdates(work, office.first_root, server.url, fetcher)
