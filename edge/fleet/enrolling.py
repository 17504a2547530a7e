"""What the fleet's server and its operator do with requests: verify, approve, issue, forget."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.adapters.state.state_folder import exclusive, new_file, private_folder, storage_error
from edge.errors import ConfigError, KeyFileError
from edge.fleet.certificates import CertificateAuthority, RevokedCertificate, pair_bytes
from edge.fleet.codes import CodeDigests
from edge.fleet.folder import LARGEST_FILE, FleetFolder
from edge.fleet.inventory import Inventory, read_inventory
from edge.fleet.register import FleetRegister, IssuedCertificate, RevokedSerial
from edge.formats.atomic_files import disk_full, write_file
from edge.formats.enrolment import (
    SECRET_BYTES,
    EnrolmentRequest,
    OneTimeCode,
    RequestError,
    box_name,
    parse_request,
    verified_request,
)
from edge.formats.yaml_document import read_bytes
from edge.privacy.key_formats import PUBLIC_ENDING, parse_box_public_keys
from edge.privacy.protected_keys import Passphrase
from edge.site.folder import POLICY_FILE, SITE_FILE

_NO_FILES = (".csv", ".private.json", ".pem", ".key")


@dataclass(frozen=True, slots=True)
class EnrolmentOffice:
    """A fleet with everything that its server and its operator need.

    Attributes:
        fleet: its folder.
        authority: issues certificates.
        register: keeps codes, requests and certificates.
        digests: of codes.
    """

    fleet: FleetFolder
    authority: CertificateAuthority
    register: FleetRegister
    digests: CodeDigests

    @classmethod
    def open(cls, fleet: FleetFolder, passphrase: Passphrase | None = None) -> EnrolmentOffice:
        """Open a fleet.

        Args:
            fleet: its folder.
            passphrase: returns the passphrase of the authority's key, if it has one.

        Raises:
            KeyFileError: a key cannot be used.
            OutboxError: the register cannot be used.
        """
        return cls(
            fleet,
            CertificateAuthority.open(fleet.ca, passphrase),
            FleetRegister.open(fleet.register),
            CodeDigests.open(fleet),
        )

    def inventory(self) -> Inventory:
        """The boxes of the fleet as they are listed now.

        Raises:
            ConfigError: the inventory is wrong.
        """
        return read_inventory(self.fleet.inventory, self.fleet.templates)

    # --- the server ----------------------------------------------------------------------------

    def box_of(self, secret: bytes, now: datetime, *, unused: bool = False) -> tuple[str, str]:
        """Site and box of a one-time code.

        Raises:
            RequestError: the code is not valid; or, if `unused` is asked for, it was used.
        """
        name = self.register.named_by(self.digests.of(secret), now, unused=unused)
        site, _, box = name.partition(".")
        return site, box

    def enrol(self, secret: bytes, der: bytes, now: datetime) -> bytes | None:
        """A first request, with the secret of a code: the certificate, or None until approval.

        Raises:
            RequestError: it is refused.
        """
        return self.register.enrol(self.digests.of(secret), verified(der), now)

    def renew(self, serial: int, der: bytes, now: datetime) -> bytes | None:
        """A further request, under the certificate of this number; None until approval.

        Raises:
            RequestError: it is refused; `E_CLONE`: two boxes have this identity; `E_INVENTORY`: the
                inventory does not list it any more.
            ConfigError: the inventory cannot be read now.
        """
        try:
            self._require_listed(self.register.owner(serial))
            return self.register.renew(
                serial, verified(der), now, lambda one: self._issue(one, now)
            )
        except RequestError as refused:
            if refused.code == "E_CLONE":
                self.write_revoked(now)
            raise

    def site_files(self, serial: int) -> dict[str, str]:
        """The rendered site folder of the box with this certificate: base64 by name.

        Lists never leave in clear, and private keys are not there.

        Raises:
            RequestError: the certificate is not valid; `E_INVENTORY`: the inventory does not list
                the box any more.
            ConfigError: the folder was not rendered yet, or the inventory cannot be read now.
        """
        name = self.register.owner(serial)
        self._require_listed(name)
        site, _, box = name.partition(".")
        folder = self.fleet.site(site, box)
        if not all((folder / one).is_file() for one in (POLICY_FILE, SITE_FILE)):
            raise ConfigError(
                f"box {name}: its site folder is not there yet; the operator runs "
                "`edge-anpr fleet render`"
            )
        return {
            path.relative_to(folder).as_posix(): base64.b64encode(
                read_bytes(path, LARGEST_FILE)
            ).decode("ascii")
            for path in _sent(folder)
        }

    def _require_listed(self, name: str) -> None:
        """Refuse a box that was taken out of the inventory and is not forgotten yet."""
        try:
            listed = name in self.inventory().boxes
        except ConfigError:  # its lines are for the operator, not for a box
            raise ConfigError(
                "the fleet's inventory cannot be read now; the operator runs `edge-anpr fleet "
                "check`"
            ) from None
        if not listed:
            raise RequestError(
                f"box {name} is not in the fleet's inventory any more; the operator puts it back, "
                "or runs `edge-anpr fleet forget`",
                code="E_INVENTORY",
            )

    # --- the operator --------------------------------------------------------------------------

    def new_code(self, name: str, secret: bytes, now: datetime) -> OneTimeCode:
        """A one-time code for a box of the inventory; an earlier one is not valid any more.

        Args:
            name: of the box.
            secret: `SECRET_BYTES` random bytes.
            now: the wall clock.

        Raises:
            RequestError: the box is enrolled, or its request waits.
        """
        if len(secret) != SECRET_BYTES:
            raise ValueError("a secret has SECRET_BYTES bytes")
        expires = now + timedelta(hours=self.fleet.config.code_hours)
        self.register.add_code(name, self.digests.of(secret), expires)
        return OneTimeCode.of(secret, self.authority.der)

    def approve(self, name: str, shown: str, now: datetime) -> None:
        """Approve the waiting request of a box: it gets its certificate, and its keys count.

        Args:
            name: of the box.
            shown: the fingerprint that the box shows.
            now: the wall clock.

        Raises:
            RequestError: nothing waits, or another fingerprint does.
        """
        found = next((one for one in self.register.waiting() if one.name == name), None)
        if found is None:
            raise RequestError(f"box {name}: no request waits; see `edge-anpr fleet pending`")
        if _plain(shown) != _plain(found.fingerprint):
            raise RequestError(
                f"box {name}: the waiting request has another fingerprint than the one that you "
                "gave, so it may not be of this box; read it from the box's screen again, or run "
                "`edge-anpr fleet forget`"
            )
        request = verified(found.der)
        self.register.approve(
            request, lambda one: self._issue(one, now), lambda: self._install(request)
        )

    def forget(self, name: str, now: datetime) -> bool:
        """Revoke everything of a box, so that it can be enrolled again.

        Its public keys go to `boxes/former`, so that earlier hits can still be verified.

        Returns:
            Whether anything was known of it.
        """
        known = self.register.forget(name, now, lambda: self._retire(name))
        self.write_revoked(now)
        return known

    def issue_client(self, name: str, host: str | None, out: Path, now: datetime) -> None:
        """Make key and certificate of the broker (with a host) or of another client of it.

        Raises:
            OutboxError: the file exists, or cannot be written.
        """
        if host is not None:
            key, certificate = self.authority.new_server(host, now)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = self.authority.issue(name, key.public_key(), now, 397)
        self.register.note_client(name, _as_issued(certificate))
        private_folder(out.parent)
        new_file(out, pair_bytes(key, certificate))

    def write_revoked(self, now: datetime) -> None:
        """Write the list of revoked certificates again, with a later end.

        Raises:
            KeyFileError: it cannot be written.
        """
        # The server writes it too: without the lock it could write one that it has read before.
        with exclusive(self.fleet.ca / "crl.lock"):
            self.register.keep_revoked(
                RevokedSerial(one.serial, one.at, one.held) for one in self.authority.revoked()
            )
            revoked = self.register.revoked(now)
            self.authority.write_revoked(
                (RevokedCertificate(one.serial, one.at, one.held) for one in revoked), now
            )

    def _issue(self, request: EnrolmentRequest, now: datetime) -> IssuedCertificate:
        name = box_name(request.statement.site, request.statement.box)
        days = self.fleet.config.certificate_days
        return _as_issued(self.authority.issue(name, request.public, now, days))

    def _install(self, request: EnrolmentRequest) -> None:
        """Put the public keys of an approved box where the authority looks for them."""
        file = self._public_file(box_name(request.statement.site, request.statement.box))
        try:
            file.parent.mkdir(mode=0o755, exist_ok=True)
            write_file(file, request.statement.keys.encode(), mode=0o644)
        except OSError as error:
            raise disk_full(file, error) or KeyFileError(
                f"{file}: {error.strerror}; make the folder writable"
            ) from None

    def _retire(self, name: str) -> None:
        file = self._public_file(name)
        former = file.parent / "former"
        try:
            if file.exists():
                former.mkdir(exist_ok=True)
                number = sum(1 for _ in former.glob(f"{name}.*"))
                file.replace(former / f"{name}.{number}{PUBLIC_ENDING}")
        except OSError as error:
            raise storage_error(former, error) from None

    def _public_file(self, name: str) -> Path:
        return self.fleet.boxes / f"{name}{PUBLIC_ENDING}"


def verified(der: bytes) -> EnrolmentRequest:
    """A request whose signatures and public keys are right, and of one box.

    Raises:
        RequestError: it is not.
    """
    _, statement = parse_request(der)
    name = box_name(statement.site, statement.box)
    try:
        keys = parse_box_public_keys(statement.keys.encode(), Path(f"{name}{PUBLIC_ENDING}"))
    except KeyFileError as error:
        raise RequestError(error.message) from None
    if (keys.site, keys.box) != (statement.site, statement.box):
        raise RequestError(f"box {name}: the public keys in its request are of another box")
    if keys.trial:
        raise RequestError(
            f"box {name}: its keys are trial keys; make real ones with `edge-anpr keys new box`"
        )
    return verified_request(der, keys.signing_key)


def _as_issued(certificate: x509.Certificate) -> IssuedCertificate:
    return IssuedCertificate(
        certificate.public_bytes(serialization.Encoding.DER),
        certificate.serial_number,
        certificate.not_valid_after_utc,
    )


def _plain(shown: str) -> str:
    return "".join(shown.split()).replace("-", "").upper()


def _sent(folder: Path) -> Iterator[Path]:
    """The files of a rendered folder that go to its box."""
    for path in (*sorted(folder.iterdir()), *sorted((folder / "keys").glob(f"*{PUBLIC_ENDING}"))):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(_NO_FILES):
            yield path
