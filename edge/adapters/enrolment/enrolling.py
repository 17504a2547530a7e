"""Enrols a box: keys on the box, a request, the certificate after approval, the site folder.

Each step is on disk before the next begins. A box that loses power in the middle goes on where it
was, without the code being typed again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edge.adapters.enrolment.est_client import (
    FleetAddress,
    FleetAwayError,
    FleetClient,
    Wait,
    fetch_authority,
)
from edge.adapters.enrolment.identity import BoxIdentity
from edge.adapters.state.key_files import public_files
from edge.adapters.state.key_making import new_box_keys
from edge.adapters.state.key_sealing import key_password, seal_folder
from edge.errors import ConfigError, KeyFileError
from edge.formats.atomic_files import disk_full, write_file
from edge.formats.enrolment import OneTimeCode, RequestError, fingerprint
from edge.formats.identifiers import is_id
from edge.formats.yaml_document import parse_document, read_document
from edge.policy.signatures import SIGNATURES_FILE
from edge.privacy.key_formats import PUBLIC_ENDING, AuthorityPublicFile, BoxPublicFile, kind_of
from edge.site.folder import SITE_FILE
from edge.site.settings import Site

KEYS: Final = "keys"
_MOST_DOUBLINGS: Final = 6
_LONGEST_WAIT_S: Final = 300
_OF_ROOT: Final = ("root", "program", "work", "service")
"""The fields of `updates` by which somebody could have root run a program of his own."""

_NAME: Final = re.compile(r"(?:keys/)?[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")


def begin(site: Path, address: FleetAddress, code: OneTimeCode, now: datetime) -> BoxIdentity:
    """Make the box's keys, if it has none yet, and its first request.

    A box that was enrolled before begins anew. Nothing of it changes if the code is refused.

    Args:
        site: the site folder, which may not exist yet.
        address: of the fleet's server.
        code: the one-time code.
        now: the wall clock.

    Raises:
        RequestError: another server, or the code is refused.
        KeyFileError: keys cannot be made, or there are keys of another box.
        FleetAwayError: the server cannot be reached.
    """
    ca = x509.load_der_x509_certificate(fetch_authority(address, code))
    client = FleetClient(address, ca.public_bytes(Encoding.PEM).decode("ascii"), code=code)
    ids = client.box()
    if not all(map(is_id, ids)):
        raise RequestError(f"{address}: an answer that is not of a fleet's server")
    keys = site / KEYS
    if not public_files(keys, BoxPublicFile):
        seal_folder(keys)
        new_box_keys(keys, *ids, now)
    return BoxIdentity.begin(keys, str(address), ca, ids, code.text())


def ask(identity: BoxIdentity) -> BoxIdentity | Wait:
    """Send the request under way; returns the identity with its certificate, or how long to wait.

    Raises:
        RequestError: it is refused.
        KeyFileError: the keys cannot be read or written.
        FleetAwayError: the server cannot be reached.
    """
    request = identity.request
    if request is None:
        return identity
    first = not identity.enrolled
    answer = client_of(identity).certificate(request, first=first)
    return answer if isinstance(answer, Wait) else identity.accept(answer)


def client_of(identity: BoxIdentity) -> FleetClient:
    """A client that authenticates itself as this box.

    Raises:
        RequestError: the certificate cannot be used.
        KeyFileError: the TPM does not open its key.
    """
    state = identity.state
    address = FleetAddress.parse(state.server)
    if identity.enrolled:
        password = key_password(identity.folder)
        return FleetClient(address, state.ca, identity=identity.file, password=password)
    if state.code is None:
        raise KeyFileError(f"{identity.file}: missing; enrol the box again")
    return FleetClient(address, state.ca, code=OneTimeCode.parse(state.code))


def shown_fingerprint(identity: BoxIdentity) -> str | None:
    """What the operator compares; None if no request is under way."""
    return None if identity.request is None else fingerprint(identity.request)


def install_site(site: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Write the rendered site folder; returns the names of files that are new or have changed.

    Private keys, state and the box's own public file are never touched. Nor does the server change
    to whom the box seals, or whose updates it installs: that is not the fleet operator's decision.

    Raises:
        ConfigError: a name is not one of a site folder, site.yaml is wrong or changes whose updates
            are installed, or the folder cannot be written.
        KeyFileError: other keys of an authority came than the box has.
    """
    own = {path.name for path in public_files(site / KEYS, BoxPublicFile)}
    for name in files:
        inside = name.removeprefix(f"{KEYS}/")
        public = inside != name and inside.endswith(PUBLIC_ENDING) and inside not in own
        if not _NAME.fullmatch(name) or not (public or "/" not in name):
            raise ConfigError(
                "the server sent a file that does not belong into a site folder; nothing was "
                "written, ask the operator"
            )
    _require_same_authorities(site, files)
    _require_same_updates(site, files)
    # The signatures come last: with those of another version the box would not start.
    order = sorted(files, key=lambda name: (name == SIGNATURES_FILE, name))
    changed = [name for name in order if not _is_same(site / name, files[name])]
    try:
        for name in changed:
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            write_file(site / name, files[name], mode=0o644)
    except OSError as error:
        raise disk_full(site, error) or ConfigError(
            f"{site}: {error.strerror}; name a folder that can be written"
        ) from None
    return tuple(changed)


def _require_same_authorities(site: Path, files: Mapping[str, bytes]) -> None:
    """Refuse other keys of an authority: the box would seal plates to whoever has sent them.

    The policy's signatures cover the keys only where it names them (`key_sha256`).

    Raises:
        KeyFileError: such keys came.
    """
    for name, content in files.items():
        file = site / name
        if _is_of_authority(file) and not _is_same(file, content):
            raise KeyFileError(
                f"{file}: the server sent other keys of this authority, and nothing was written; "
                "if the authority has new keys, get the file from the authority itself, compare "
                "the key id with it, and copy it to this place on the box and into the template"
            )


def _is_of_authority(file: Path) -> bool:
    try:
        return kind_of(file.read_bytes()) is AuthorityPublicFile
    except (OSError, ValueError):
        return False


def _require_same_updates(site: Path, files: Mapping[str, bytes]) -> None:
    """Refuse a site.yaml that changes who may sign updates, or where root installs them.

    Raises:
        ConfigError: it does, or it is wrong.
    """
    if SITE_FILE not in files:
        return
    file = site / SITE_FILE
    sent = parse_document(files[SITE_FILE].decode("utf-8", "replace"), file, Site).model.updates
    known = read_document(file, Site).model.updates if file.exists() else None
    if sent is None:
        return
    for name in _OF_ROOT:
        ours = getattr(known, name) if known else type(sent).model_fields[name].default
        if getattr(sent, name) != ours:
            raise ConfigError(
                f"{file}: the server sent another updates.{name} than this box has, and nothing "
                "was written; only root on the box changes it: take it out of the template, or "
                "write it into this file first"
            )


def _is_same(file: Path, content: bytes) -> bool:
    try:
        return file.read_bytes() == content
    except OSError:
        return False


def enrolled(
    identity: BoxIdentity, wait: Callable[[int], object], away: Callable[[Exception], object]
) -> BoxIdentity:
    """Ask until the certificate is there.

    Args:
        identity: with a request under way, or not.
        wait: waits so many seconds.
        away: told of each attempt that did not reach the server.

    Raises:
        RequestError: the request is refused.
        KeyFileError: the keys cannot be read or written.
    """
    attempts = 0
    while True:
        try:
            answer = ask(identity)
            attempts = 0
        except FleetAwayError as error:
            away(error)
            answer = Wait(2 ** min(attempts, _MOST_DOUBLINGS))
            attempts += 1
        if isinstance(answer, BoxIdentity):
            return answer
        wait(min(max(answer.seconds, 1), _LONGEST_WAIT_S))
