"""Fleets for tests: a folder with a signed template, its real server, and boxes that enrol."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AttributeOID

from edge.adapters.host.system import random_bytes
from edge.adapters.state.key_files import load_box_keys
from edge.adapters.state.key_making import new_authority_keys, new_box_keys
from edge.fleet.enrolling import EnrolmentOffice
from edge.fleet.folder import FleetFolder
from edge.fleet.making import make_fleet
from edge.formats.enrolment import request_of
from tests.support.brokers import HOST, wait_until
from tests.support.command_server import Started
from tests.support.product import Finished, product, start
from tests.support.sites import AUTHORITY, CAMERA, DPIA, SITE, policy, sign_site, write_yaml

TEMPLATE = f"""\
schema: edge-anpr/site/1
site: "$(site)"
box: "$(box)"
cameras:
  {CAMERA}: {{source: "clips/$(clip).mp4"}}
models: {{provider: cpu}}
broker:
  host: 127.0.0.1
  port: $(port)
  tls: {{ca: keys/fleet-ca.pem, certificate: keys/mqtt.pem, key: keys/mqtt.pem}}
"""
BOX = f"{SITE}.box-1"
SECOND = f"{SITE}.box-2"


@dataclass(slots=True)
class TestFleet:
    """A fleet's folder; with a server while `served` runs."""

    __test__: ClassVar[bool] = False
    path: Path
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def office(self) -> EnrolmentOffice:
        return EnrolmentOffice.open(FleetFolder.open(self.path))

    def inventory(self, *lines: str) -> None:
        """Replace the inventory by CSV rows below a header."""
        (self.path / "inventory.yaml").unlink(missing_ok=True)
        (self.path / "inventory.csv").write_text("\n".join(lines) + "\n")

    def run(self, verb: str, *words: str | Path) -> Finished:
        return product("fleet", verb, self.path, *words)

    def code(self, box: str = BOX) -> str:
        return str(self.run("codes", box, "--json").json["codes"][box])


def make_test_fleet(base: Path, *, signed: bool = True, passphrase: str | None = None) -> TestFleet:
    """A fleet with two boxes of one site, rendered from a template that is signed."""
    path = base / "fleet"
    asked = None if passphrase is None else lambda: passphrase
    make_fleet(path, AUTHORITY, HOST, datetime.now(timezone.utc), random_bytes, asked)
    template = path / "templates" / "street"
    write_yaml(template / "policy.yaml", policy())
    (template / "site.yaml").write_text(TEMPLATE)
    (template / "dpia.md").write_bytes(DPIA)
    public = new_authority_keys(base / "authority", AUTHORITY, datetime.now(timezone.utc))
    (template / "keys").mkdir()
    shutil.copy(public, template / "keys")
    if signed:
        sign_site(template)
    fleet = TestFleet(path)
    fleet.inventory(
        "site,box,template,clip,port",
        f"{SITE},box-1,street,north,8883",
        f"{SITE},box-2,street,south,8884",
    )
    return fleet


@contextlib.contextmanager
def served(fleet: TestFleet, *words: str | Path) -> Iterator[Started]:
    """The fleet's server as a process of its own, until the block ends.

    The first time it takes a free port; after that the same one, which boxes know.
    """
    port = str(fleet.port)
    server = start(["fleet", "serve", fleet.path, "--port", port, "--retry", "1", *words])
    try:
        said = server.stderr.readline()
        assert "the fleet's server is at" in said, said
        fleet.port = int(said.rpartition(":")[2])
        yield server
    finally:
        server.kill()
        server.communicate()


class EnrollingBox:
    """`edge-anpr fleet enrol` as a process; the code comes through a file of its owner only."""

    def __init__(
        self, fleet: TestFleet, site: Path, code: str | None, *, env: dict[str, str] | None = None
    ) -> None:
        self.site = site
        words: list[str | Path] = ["fleet", "enrol", "--site", site, "--json"]
        if code is not None:
            file = site.parent / f"{site.name}.code"
            file.touch(mode=0o600)
            file.write_text(code + "\n")
            words += ["--code-file", file, fleet.url]
        self.log = site.parent / f"{site.name}.log"
        self.process = start(words, env=env, log=self.log)

    def fingerprint(self) -> str:
        """What its screen shows."""
        if not wait_until(lambda: bool(self._shown())):
            self.kill()
            raise AssertionError(self.log.read_text())
        return self._shown()[-1]

    def _shown(self) -> Sequence[str]:
        return re.findall(r"fingerprint (\S+)", self.log.read_text())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def finished(self) -> Finished:
        try:
            out, _ = self.process.communicate(timeout=60)
        finally:
            self.kill()
        return Finished(self.process.wait(), out, self.log.read_text())


def enrol(
    fleet: TestFleet, site: Path, box: str = BOX, env: dict[str, str] | None = None
) -> Finished:
    """Enrol a box from code to certificate; the server runs."""
    enrolling = EnrollingBox(fleet, site, fleet.code(box), env=env)
    shown = enrolling.fingerprint()
    assert wait_until(lambda: box in fleet.run("pending", "--json").out)
    approved = fleet.run("approve", box, shown)
    assert approved.status == 0, approved.err
    return enrolling.finished()


def enrol_by_hand(folder: Path, site: str, box: str) -> bytes:
    """A request, DER, that OpenSSL makes; only the statement in it is signed with a box's key."""
    folder.mkdir()
    keys = folder / "keys"
    public = new_box_keys(keys, site, box, datetime.now(timezone.utc))
    key = folder / "key.pem"
    subprocess.run(
        [
            "openssl",
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            key,
        ],
        check=True,
        capture_output=True,
    )
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    ours = request_of(private, load_box_keys(keys), site, box, public.read_text(), 0)
    stated = x509.load_der_x509_csr(ours).attributes.get_attribute_for_oid(
        AttributeOID.UNSTRUCTURED_NAME
    )
    escaped = stated.value.decode().replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    configuration = folder / "request.cnf"
    configuration.write_text(
        "[req]\nprompt = no\nstring_mask = utf8only\ndistinguished_name = name\n"
        f'attributes = more\n[name]\nCN = {site}.{box}\n[more]\nunstructuredName = "{escaped}"\n'
    )
    done = subprocess.run(
        [
            "openssl",
            "req",
            "-new",
            "-utf8",
            "-config",
            configuration,
            "-key",
            key,
            "-outform",
            "DER",
        ],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
