"""A small authority for certificates: its key, the certificates of boxes, the list of revoked ones.

    ca/ca.key      its private key, P-256, PEM (PKCS #8), mode 0600; perhaps under a passphrase
    ca/ca.pem      its certificate: what boxes and broker trust
    ca/crl.pem     the certificates that are revoked or held, for mosquitto's `crlfile`
    ca/server.pem  the fleet server's own certificate with its key, mode 0600

X.509 certificates after RFC 5280. A box's certificate names it `site.box`, and is for clients only.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.errors import KeyFileError
from edge.formats.atomic_files import create_file, disk_full, remove_strays, write_file
from edge.formats.enrolment import is_due
from edge.privacy.protected_keys import CODE, Passphrase

CA_DAYS: Final = 3650
SERVER_DAYS: Final = 397
CRL_DAYS: Final = 180
"""The broker refuses every box once its list of revoked certificates is older than this."""

_EARLIER: Final = timedelta(minutes=10)
"""How much the clock of a box may be behind."""

_LONGEST_SECRET: Final = 1000
_ENCRYPTED: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
_KEY_FILE, _CERTIFICATE, _CRL, _SERVER = "ca.key", "ca.pem", "crl.pem", "server.pem"


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """A certificate that is not valid any more; `held`: perhaps it will be again."""

    serial: int
    at: datetime
    held: bool


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """The authority of a fleet; `_opened` returns its private key.

    `protected` says whether the key has a passphrase.
    """

    folder: Path
    certificate: x509.Certificate
    protected: bool
    _opened: Callable[[], ec.EllipticCurvePrivateKey] = field(repr=False)

    @classmethod
    def make(
        cls, folder: Path, name: str, now: datetime, passphrase: str | None = None
    ) -> CertificateAuthority:
        """Make an authority's key and certificate.

        Args:
            folder: a new folder.
            name: what the certificate calls it.
            now: the moment of making, aware.
            passphrase: encrypts the private key; None: it is written in clear.

        Raises:
            KeyFileError: there is one already, or the folder cannot be written.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} fleet")])
        usage = _usage(signs=True)
        certificate = (
            _builder(subject, subject, key.public_key(), now, now + timedelta(days=CA_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            create_file(folder / _KEY_FILE, _private_pem(key, passphrase), mode=0o600)
            create_file(folder / _CERTIFICATE, pem(certificate), mode=0o644)
        except OSError as error:
            file = Path(error.filename or folder)
            raise disk_full(file, error) or KeyFileError(
                f"{file}: {error.strerror}; name a new folder"
            ) from None
        made = cls(folder, certificate, passphrase is not None, lambda: key)
        made.write_revoked((), now)
        return made

    @classmethod
    def open(cls, folder: Path, passphrase: Passphrase | None = None) -> CertificateAuthority:
        """Read an authority. A key with a passphrase is opened when it is first needed.

        Args:
            folder: its folder.
            passphrase: returns the passphrase; None: nobody can be asked.

        Raises:
            KeyFileError: a file is missing, damaged, of another key, or other users can read it.
        """
        file = folder / _KEY_FILE
        try:
            mode, content = file.stat().st_mode, file.read_bytes()
            certificate = x509.load_pem_x509_certificate((folder / _CERTIFICATE).read_bytes())
        except OSError as error:
            raise KeyFileError(
                f"{error.filename}: {error.strerror}; restore it from a copy"
            ) from None
        except ValueError:
            raise KeyFileError(f"{folder}: damaged; restore it from a copy") from None
        if mode & 0o077:
            raise KeyFileError(
                f"{file}: other users can read this private key; run `chmod 600 {file}`",
                code="E_KEY_MODE",
            )

        @cache
        def opened() -> ec.EllipticCurvePrivateKey:
            key = _private_key(file, content, passphrase)
            if key.public_key() != certificate.public_key():
                raise KeyFileError(f"{file}: not the key of {_CERTIFICATE}; restore it from a copy")
            return key

        protected = _ENCRYPTED in content
        if not protected:
            opened()
        return cls(folder, certificate, protected, opened)

    @property
    def der(self) -> bytes:
        """Its certificate, DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def file(self) -> Path:
        """Its certificate, PEM."""
        return self.folder / _CERTIFICATE

    @property
    def server_file(self) -> Path:
        """The fleet server's certificate with its key, PEM."""
        return self.folder / _SERVER

    def unlock(self) -> None:
        """Open the private key now, so that nothing waits for a passphrase later.

        Raises:
            KeyFileError: `E_PASSPHRASE`: the passphrase is missing or wrong.
        """
        self._opened()

    def issue(
        self, name: str, public: ec.EllipticCurvePublicKey, now: datetime, days: int
    ) -> x509.Certificate:
        """A client's certificate.

        Args:
            name: of the box or of another client of the broker.
            public: its key.
            now: the moment of issue, aware.
            days: how long it is valid; it ends with the authority's at the latest.

        Raises:
            KeyFileError: the moment is not within the life of the authority.
        """
        return self._signed(name, public, now, days, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def issue_server(
        self, host: str, public: ec.EllipticCurvePublicKey, now: datetime
    ) -> x509.Certificate:
        """A server's certificate for a name or an address."""
        use = ExtendedKeyUsageOID.SERVER_AUTH
        return self._signed(host[:64], public, now, SERVER_DAYS, use, host)

    def _signed(
        self,
        name: str,
        public: ec.EllipticCurvePublicKey,
        now: datetime,
        days: int,
        use: x509.ObjectIdentifier,
        host: str | None,
    ) -> x509.Certificate:
        self._require_time(now)
        end = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = self._opened().public_key()
        builder = (
            _builder(subject, self.certificate.subject, public, now, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False
            )
        )
        if host is not None:
            names = x509.SubjectAlternativeName([_host_name(host)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._opened(), hashes.SHA256())

    def _require_time(self, now: datetime) -> None:
        """Refuse a clock outside the life of the authority: what it issues could not be used.

        Raises:
            KeyFileError: the clock is wrong, or the authority has ended.
        """
        first, last = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        if not first <= now < last:
            raise KeyFileError(
                f"{self.file}: valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}, and this machine's "
                f"clock says {now:%Y-%m-%d}; correct the clock, or make a new authority as "
                "docs/fleet.md says"
            )

    def keep_server_certificate(self, host: str, now: datetime) -> bool:
        """Make the server's certificate if there is none, or a third of its life is left.

        One that is not valid yet is replaced too: the clock was ahead when it was made.

        Returns:
            Whether it was made.

        Raises:
            KeyFileError: it cannot be written.
        """
        try:
            known = x509.load_pem_x509_certificate(self.server_file.read_bytes())
        except (OSError, ValueError):
            known = None
        wanted = x509.SubjectAlternativeName([_host_name(host)])
        if known is not None and known.not_valid_before_utc <= now and not is_due(known, now):
            named = known.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            if named.value == wanted:
                return False
        _write_pair(self.server_file, *self.new_server(host, now))
        return True

    def new_server(
        self, host: str, now: datetime
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """A key and a certificate for a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        return key, self.issue_server(host, key.public_key(), now)

    def revoked(self) -> tuple[RevokedCertificate, ...]:
        """The certificates that the list of revoked ones names; none if it is lost or damaged."""
        try:
            listed = x509.load_pem_x509_crl((self.folder / _CRL).read_bytes())
        except (OSError, ValueError):
            return ()
        if not listed.is_signature_valid(self._opened().public_key()):
            return ()
        return tuple(
            RevokedCertificate(one.serial_number, one.revocation_date_utc, _is_held(one))
            for one in listed
        )

    def write_revoked(self, revoked: Iterable[RevokedCertificate], now: datetime) -> None:
        """Write the list of revoked certificates, for the broker.

        Raises:
            KeyFileError: it cannot be written.
        """
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - _EARLIER)
            .next_update(now + timedelta(days=CRL_DAYS))
        )
        for one in revoked:
            reason = x509.ReasonFlags.certificate_hold if one.held else x509.ReasonFlags.superseded
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(one.serial)
                .revocation_date(one.at)
                .add_extension(x509.CRLReason(reason), critical=False)
                .build()
            )
        content = builder.sign(self._opened(), hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM
        )
        file = self.folder / _CRL
        try:
            write_file(file, content, mode=0o644)
        except OSError as error:
            raise disk_full(file, error) or KeyFileError(
                f"{file}: {error.strerror}; make it writable"
            ) from None


def _is_held(one: x509.RevokedCertificate) -> bool:
    reason = one.extensions.get_extension_for_class(x509.CRLReason).value.reason
    return reason is x509.ReasonFlags.certificate_hold


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def pair_bytes(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    """A certificate with its key as PEM, so that they always belong together."""
    return _private_pem(key) + pem(certificate)


def _write_pair(file: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    """Write a certificate with its key into one file.

    Raises:
        KeyFileError: it cannot be written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_strays(file.parent, file.name)  # of a killed process, with a private key
        write_file(file, pair_bytes(key, certificate), mode=0o600)
    except OSError as error:
        raise disk_full(file, error) or KeyFileError(
            f"{file}: {error.strerror}; name a folder to write in"
        ) from None


def _private_key(
    file: Path, content: bytes, passphrase: Passphrase | None
) -> ec.EllipticCurvePrivateKey:
    """The private key in a PEM file.

    Raises:
        KeyFileError: `E_PASSPHRASE`: the passphrase is missing or wrong; or the file is damaged.
    """
    typed: bytes | None = None
    if _ENCRYPTED in content:
        if passphrase is None:
            raise KeyFileError(
                f"{file}: has a passphrase, and nobody can be asked for it here", code=CODE
            )
        typed = _secret(passphrase(file))
    try:
        key = serialization.load_pem_private_key(content, typed)
    except (ValueError, TypeError):
        if typed is not None:
            raise KeyFileError(
                f"{file}: wrong passphrase, or the file is damaged; try again, or restore the file "
                "from a copy",
                code=CODE,
            ) from None
        raise KeyFileError(f"{file}: damaged; restore it from a copy") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyFileError(f"{file}: not the key of {_CERTIFICATE}; restore it from a copy")
    return key


def _private_pem(key: ec.EllipticCurvePrivateKey, passphrase: str | None = None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(_secret(passphrase)),
    )


def _secret(passphrase: str) -> bytes:
    """A passphrase as PKCS #8 takes it: the same on every keyboard.

    Raises:
        KeyFileError: `E_PASSPHRASE`: it is too long.
    """
    typed = unicodedata.normalize("NFC", passphrase).encode()
    if len(typed) > _LONGEST_SECRET:
        raise KeyFileError(f"the passphrase has more than {_LONGEST_SECRET} bytes", code=CODE)
    return typed


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
