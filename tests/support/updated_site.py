"""A box in a folder whose site.yaml has `updates`, and an office that signs for it."""

from __future__ import annotations

import socket
from pathlib import Path

from edge.formats.yaml_document import read_document
from edge.site.folder import read_box_folders
from edge.site.settings import Site
from edge.updates.archive import pack_release
from edge.updates.box import BoxUpdates
from edge.updates.switching import TrialTerms
from edge.updates.targets import TargetFacts, this_platform
from edge.updates.waves import OpenWave, WavesDocument
from tests.support.dummy_product import ProcessService, dummy_version, dummy_wheel
from tests.support.releases import ReleaseOffice
from tests.support.sites import site as site_yaml
from tests.support.sites import write_yaml

TERMS = TrialTerms(longest_s=15, steady_s=0.2, every_s=0.05)
SHORT = TrialTerms(longest_s=2, steady_s=0.2, every_s=0.05)


class BoxWithUpdates:
    """A box in a folder, with version 0.1.0 that was installed by hand."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.office = ReleaseOffice(base / "releases")
        self.program = base / "program"
        dummy_version(self.program / "releases", "0.1.0")
        for link in ("current", "proven"):
            (self.program / link).symlink_to("releases/0.1.0")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.site = base / "site"
        (self.site / "state").mkdir(parents=True)
        self.use(self.office.public)
        self.service = ProcessService(self.program, self.port)

    def use(self, public: Path) -> None:
        """Let the box ask this repository from now on."""
        (self.site / "root.json").write_bytes((public / "metadata" / "1.root.json").read_bytes())
        write_yaml(
            self.site / "site.yaml",
            site_yaml(
                telemetry={"listen": f"127.0.0.1:{self.port}"},
                updates={
                    "source": "folder",
                    "folder": str(public),
                    "root": "root.json",
                    "program": str(self.program),
                    "work": str(self.work),
                },
            ),
        )

    @property
    def work(self) -> Path:
        return self.base / "work"

    def updates(self, terms: TrialTerms = TERMS) -> BoxUpdates:
        source = read_document(self.site / "site.yaml", Site).model.updates
        assert source is not None
        self.work.mkdir(exist_ok=True)
        return BoxUpdates(
            self.site,
            read_box_folders(self.site),
            source,
            f"127.0.0.1:{self.port}",
            service=self.service,
            terms=terms,
        )

    def offer(self, kind: str, version: str, archive: Path, platform: str = "any") -> None:
        facts = TargetFacts.model_validate({"kind": kind, "version": version, "platform": platform})
        self.office.offer(archive.read_bytes(), facts, publish=False)
        self.office.publish(WavesDocument(waves={facts.name: OpenWave(percent=100)}))

    def release(self, version: str, **wheel: str) -> None:
        """Offer a release with the dummy."""
        out = self.base / f"{version}.zip"
        pack_release([dummy_wheel(self.base, version, **wheel)], version, out)
        self.offer("release", version, out, this_platform())
