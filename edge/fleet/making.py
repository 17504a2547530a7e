"""Makes the folder of a new fleet.

The folders `templates` and `ca` are made in `.fleet-init` and renamed when they are whole. So a
command that was killed can be given again: it makes what is missing.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from edge.adapters.state.state_folder import written_once
from edge.errors import ConfigError, KeyFileError, UsageError
from edge.fleet.certificates import CertificateAuthority
from edge.fleet.codes import CodeDigests
from edge.fleet.folder import CONFIG_FILE, INVENTORY_FILES, SERVER_NAME, FleetFolder
from edge.fleet.register import FleetRegister
from edge.formats.atomic_files import disk_full, sync_folder
from edge.formats.enrolment import CA_FILE, IDENTITY_FILE, ca_digest
from edge.formats.identifiers import is_id
from edge.policy.skeleton import CAMERA, DPIA_FILE, dpia_skeleton
from edge.policy.template import template
from edge.privacy.protected_keys import CODE
from edge.site.folder import POLICY_FILE, SITE_FILE

_DRAFT: Final = ".fleet-init"
"""Folders that are not whole yet are in here."""

TEMPLATE: Final = "street"
"""The name of the first template."""

_CONFIG: Final = """\
# The fleet of one authority. docs/fleet.md explains each field.
schema: edge-anpr/fleet/1
authority: {authority}
host: "{host}"             # where boxes reach `edge-anpr fleet serve`
certificate_days: 30       # boxes renew theirs when a third of this is left
code_hours: 72             # how long a one-time code is valid
"""
_INVENTORY: Final = """\
# Every box of the fleet: its site, its id there, the folder below templates/, and its own values,
# which fill the places $(name) of the template. A table as inventory.csv does it too: the columns
# site, box and template, and one for each value.
schema: edge-anpr/inventory/1
boxes: []
#  - {site: school-street, box: box-1, template: street, values: {camera_host: 192.0.2.10}}
#  - {site: school-street, box: box-2, template: street, values: {camera_host: 192.0.2.11}}
"""
_SITE: Final = f"""\
# A template: each $(name) is filled in with the value of that name in the inventory. $(site) and
# $(box) are the ids there. docs/sites.md describes the fields.
schema: edge-anpr/site/1
site: "$(site)"
box: "$(box)"
cameras:
  {CAMERA}:
    live: {{type: rtsp, url: "rtsp://$(camera_host):554/stream", username: viewer,
      password_file: credential:camera-password}}
models: {{provider: cpu}}
broker:
  host: "BROKER"
  port: 8883
  # `edge-anpr fleet enrol` writes these files.
  tls: {{ca: keys/{CA_FILE}, certificate: keys/{IDENTITY_FILE}, key: keys/{IDENTITY_FILE}}}
"""


@dataclass(frozen=True, slots=True)
class MadeFleet:
    """What was made: the files' names, and the digest of the authority's certificate, hex."""

    files: tuple[str, ...]
    ca_sha256: str


def make_fleet(
    path: Path,
    authority: str,
    host: str,
    now: datetime,
    random_bytes: Callable[[int], bytes],
    passphrase: Callable[[], str] | None = None,
) -> MadeFleet:
    """Make a fleet's folder. Files that exist already stay as they are.

    Args:
        path: the folder, which may exist.
        authority: the authority's id.
        host: where boxes reach the server.
        now: the wall clock.
        random_bytes: unpredictable bytes, as many as asked for.
        passphrase: returns the passphrase of the authority's new key; None: it has none.

    Raises:
        UsageError: `authority` or `host` cannot be used.
        ConfigError: a file cannot be written, or `fleet.yaml` is there and wrong.
        OutboxError: the register of a fleet that is there is missing or cannot be used.
        KeyFileError: a key is there already, or cannot be written; `E_PASSPHRASE`: there is one
            without a passphrase, and one was asked for.
    """
    if not is_id(authority):
        raise UsageError("--authority: use 1 to 40 of a-z, 0-9 and '-'")
    if not re.fullmatch(SERVER_NAME, host):
        raise UsageError(
            "--host: give a name or an IP address, without https:// and without a port"
        )
    draft = path / _DRAFT
    _cleared(draft)
    files = [
        name
        for name, text in _files(authority, host)
        if not _has(path, name) and written_once(path / name, text)
    ]
    fleet = FleetFolder.open(path)
    if not fleet.templates.exists():
        for name, text in _template(host):
            written_once(draft / name, text)
            files.append(name)
        _moved(draft, fleet.templates)
    for folder in (fleet.boxes, fleet.path / "sites"):
        folder.mkdir(mode=0o755, exist_ok=True)
    if (fleet.ca / "ca.key").exists():
        made = CertificateAuthority.open(fleet.ca)
        if passphrase is not None and not made.protected:
            file = fleet.ca / "ca.key"
            raise KeyFileError(
                f"{file}: is there already, without a passphrase, and stays so; encrypt it with "
                f"`openssl pkcs8 -topk8 -scrypt -in {file} -out {file}.new`, and rename {file}.new "
                f"to {file.name}",
                code=CODE,
            )
        CodeDigests.open(fleet)
        FleetRegister.open(fleet.register)
    else:
        _require_unused(fleet.ca)
        chosen = None if passphrase is None else passphrase()
        new = FleetFolder(draft, fleet.config)
        made = CertificateAuthority.make(new.ca, authority, now, chosen)
        made.keep_server_certificate(fleet.config.host, now)
        CodeDigests.make(new, random_bytes)
        FleetRegister.make(fleet.register)
        _moved(draft, fleet.ca)  # the last step: with an authority, a missing register is lost
        files += ["ca/ca.key", "ca/ca.pem", "ca/crl.pem", "ca/codes.key"]
    _cleared(draft)
    return MadeFleet(tuple(files), ca_digest(made.der).hex())


def _files(authority: str, host: str) -> Iterator[tuple[str, str]]:
    yield CONFIG_FILE, _CONFIG.format(authority=authority, host=host)
    yield INVENTORY_FILES[0], _INVENTORY


def _has(path: Path, name: str) -> bool:
    """Whether the file is there, or another form of it: an inventory may be YAML or CSV."""
    names = INVENTORY_FILES if name in INVENTORY_FILES else (name,)
    return any((path / one).exists() for one in names)


def _template(host: str) -> Iterator[tuple[str, str]]:
    folder = f"templates/{TEMPLATE}"
    yield f"{folder}/{POLICY_FILE}", template("en", {})
    yield f"{folder}/{SITE_FILE}", _SITE.replace("BROKER", host)
    yield f"{folder}/{DPIA_FILE}", dpia_skeleton("en")


def _cleared(folder: Path) -> None:
    """Remove what a killed command has left."""
    try:
        if os.path.lexists(folder):
            shutil.rmtree(folder)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror or error}; remove it") from None


def _require_unused(ca: Path) -> None:
    """Refuse a folder without a key that has other files: those of an authority whose key is lost.

    Raises:
        KeyFileError: it has files, or cannot be read.
    """
    try:
        used = ca.exists() and any(ca.iterdir())
    except OSError as error:
        raise KeyFileError(f"{ca}: {error.strerror}; move it away") from None
    if used:
        raise KeyFileError(
            f"{ca}: has files but no ca.key; restore that from a copy, or move the folder away for "
            "a new authority, with which every box must be enrolled anew"
        )


def _moved(draft: Path, folder: Path) -> None:
    """Give a whole folder its place; one with files in it stays as it is, and no draft remains."""
    try:
        (draft / folder.name).rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        _cleared(draft)  # a private key may be in it
        cure = (
            "it has files of another origin, so move them away"
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}
            else "remove it; where a link or another disk is to take its place, move it there later"
        )
        raise disk_full(folder, error) or ConfigError(
            f"{folder}: {error.strerror}; {cure}"
        ) from None
