"""What a box of a fleet keeps in its keys folder, beside its own keys.

    fleet.json      where the server is, how often the box has asked, and a request under way
    fleet-ca.pem    the authority that it trusts
    mqtt-next.key   the key of the request under way
    mqtt.pem        its certificate with its key, in one file: they are replaced together

With a TPM both keys are encrypted under the folder's secret (`adapters.state.key_sealing`).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field, ValidationError

from edge.adapters.state.key_files import load_box_keys
from edge.adapters.state.key_sealing import key_password
from edge.errors import KeyFileError
from edge.formats.atomic_files import disk_full, write_file
from edge.formats.enrolment import CA_FILE, IDENTITY_FILE, RequestError, box_name, request_of
from edge.formats.identifiers import Base64, Id
from edge.formats.strict import Strict
from edge.privacy.key_formats import PUBLIC_ENDING

STATE_FILE: Final = "fleet.json"
_NEXT_FILE: Final = "mqtt-next.key"


class FleetState(Strict, populate_by_name=True):
    """`fleet.json`: `code` until the first certificate, `request` while one is under way."""

    schema_: Literal["edge-anpr/box-enrolment/1"] = Field(
        default="edge-anpr/box-enrolment/1", alias="schema"
    )
    server: str = Field(max_length=300)
    site: Id
    box: Id
    ca: str = Field(max_length=16 * 1024)
    counter: int = Field(ge=0)
    code: str | None = None
    request: Base64 | None = None


@dataclass(frozen=True, slots=True)
class BoxIdentity:
    """The identity of a box in its fleet.

    Attributes:
        folder: its keys folder.
        state: `fleet.json`.
    """

    folder: Path
    state: FleetState

    @classmethod
    def read(cls, folder: Path) -> BoxIdentity | None:
        """The identity in a keys folder; None if the box is not of a fleet.

        Raises:
            KeyFileError: `fleet.json` is damaged or cannot be read.
        """
        file = folder / STATE_FILE
        try:
            return cls(folder, FleetState.model_validate_json(file.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise KeyFileError(
                f"{file}: {error.strerror}; make it readable for this user"
            ) from None
        except ValidationError:
            raise KeyFileError(f"{file}: damaged; enrol the box again") from None

    @classmethod
    def begin(
        cls, folder: Path, server: str, ca: x509.Certificate, ids: tuple[str, str], code: str
    ) -> BoxIdentity:
        """Begin to enrol: the first request is made and kept. The box's own keys are there.

        Args:
            folder: its keys folder.
            server: the address of the fleet's server.
            ca: the authority.
            ids: of site and box.
            code: the one-time code.

        Raises:
            KeyFileError: the keys cannot be read, or the folder cannot be written.
        """
        pem = ca.public_bytes(serialization.Encoding.PEM).decode("ascii")
        bare = FleetState(server=server, site=ids[0], box=ids[1], ca=pem, counter=0, code=code)
        return cls(folder, bare).asking(0)

    @property
    def file(self) -> Path:
        """Certificate and key, PEM."""
        return self.folder / IDENTITY_FILE

    @property
    def request(self) -> bytes | None:
        """The request under way, DER."""
        return None if self.state.request is None else base64.b64decode(self.state.request)

    @property
    def enrolled(self) -> bool:
        """Whether the box has a certificate, and does not enrol anew with a code."""
        return self.state.code is None and self.file.exists()

    def certificate(self) -> x509.Certificate:
        """The box's certificate.

        Raises:
            KeyFileError: it is missing or damaged.
        """
        try:
            return x509.load_pem_x509_certificate(self.file.read_bytes())
        except OSError as error:
            raise KeyFileError(f"{self.file}: {error.strerror}; enrol the box again") from None
        except ValueError:
            raise KeyFileError(f"{self.file}: damaged; enrol the box again") from None

    def ask_again(self) -> BoxIdentity:
        """The identity with a request for the next certificate, which is on disk then.

        A request under way stays: the server answers the same request always in the same way.

        Raises:
            KeyFileError: the keys cannot be read, or the folder cannot be written.
        """
        if self.state.request is not None:
            return self
        return self.asking(self.state.counter + 1)

    def asking(self, counter: int) -> BoxIdentity:
        """The identity with a new request of this counter, which is on disk then.

        Raises:
            KeyFileError: the keys cannot be read, or the folder cannot be written.
        """
        keys = load_box_keys(self.folder)
        site, box = self.state.site, self.state.box
        if (keys.site, keys.box) != (site, box):
            raise KeyFileError(
                f"{self.folder}: these are the keys of box {keys.box} at {keys.site}, and the code "
                f"is for {box} at {site}; use the code of this box"
            )
        public = (self.folder / f"{box_name(site, box)}{PUBLIC_ENDING}").read_text("utf-8")
        key = ec.generate_private_key(ec.SECP256R1())
        der = request_of(key, keys, site, box, public, counter)
        self._write(_NEXT_FILE, _pem(key, key_password(self.folder)), 0o600)
        request = base64.b64encode(der).decode("ascii")
        return self._stored(self.state.model_copy(update={"counter": counter, "request": request}))

    def accept(self, certificate: x509.Certificate) -> BoxIdentity:
        """Take the certificate of the request under way; key and certificate are replaced at once.

        Raises:
            RequestError: it is another certificate than the one asked for.
            KeyFileError: the keys cannot be read, or the folder cannot be written.
        """
        password = key_password(self.folder)
        key = self._next_key(password)
        name = box_name(self.state.site, self.state.box)
        try:
            certificate.verify_directly_issued_by(
                x509.load_pem_x509_certificate(self.state.ca.encode())
            )
            right = certificate.subject.rfc4514_string() == f"CN={name}"
        except (ValueError, TypeError, InvalidSignature):
            right = False
        if not right or certificate.public_key() != key.public_key():
            raise RequestError(
                "the server sent a certificate of another authority, box or key; ask the operator"
            )
        whole = _pem(key, password) + certificate.public_bytes(serialization.Encoding.PEM)
        self._write(CA_FILE, self.state.ca.encode(), 0o644)
        self._write(IDENTITY_FILE, whole, 0o600)
        done = self._stored(self.state.model_copy(update={"request": None, "code": None}))
        (self.folder / _NEXT_FILE).unlink(missing_ok=True)
        return done

    def days_left(self, now: datetime) -> float:
        """Days until the certificate ends; below nothing it has ended.

        Raises:
            KeyFileError: it is missing or damaged.
        """
        return (self.certificate().not_valid_after_utc - now).total_seconds() / 86400

    def _next_key(self, password: bytes) -> ec.EllipticCurvePrivateKey:
        file = self.folder / _NEXT_FILE
        try:
            key = serialization.load_pem_private_key(file.read_bytes(), password or None)
        except (OSError, ValueError, TypeError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyFileError(
                f"{file}: missing or damaged; restore it from a copy, or have the operator run "
                "`edge-anpr fleet forget`, delete fleet.json and enrol again"
            )
        return key

    def _stored(self, state: FleetState) -> BoxIdentity:
        content = state.model_dump_json(by_alias=True, exclude_none=True, indent=2)
        self._write(STATE_FILE, content.encode(), 0o600)
        return BoxIdentity(self.folder, state)

    def _write(self, name: str, content: bytes, mode: int) -> None:
        try:
            write_file(self.folder / name, content, mode=mode, sole_writer=True)
        except OSError as error:
            raise disk_full(self.folder / name, error) or KeyFileError(
                f"{self.folder / name}: {error.strerror}; the keys folder must be writable"
            ) from None


def _pem(key: ec.EllipticCurvePrivateKey, password: bytes) -> bytes:
    kind: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        # 32 random bytes in hexadecimal: they need no slow derivation.
        kind = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kind)
