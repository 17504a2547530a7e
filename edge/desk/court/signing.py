"""Signs reports with the authority's certificate (PAdES), with an RFC 3161 time stamp if wanted.

The file stays PDF/A-2b: the signature is an incremental update with a field that is not drawn. Of
the report only a digest goes to the time stamping service.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import pkcs12
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.timestamps import HTTPTimeStamper

from edge.errors import KeyFileError, UsageError

FIELD: Final = "Desk"
_TSA_TIMEOUT_S: Final = 20
_MAX_BYTES: Final = 1024 * 1024

# The library logs what it signs at level info, and certificates at debug.
logging.getLogger("pyhanko").setLevel(logging.ERROR)


class _KeepsMetadata(IncrementalPdfFileWriter):
    """Adds a signature and leaves the metadata as Typst wrote them.

    The library would write the XMP packet anew, in a form that PDF/A does not allow.
    """

    def _update_meta(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ReportSigner:
    """Signs PDFs. Made by `load_report_signer`."""

    name: str
    _signer: signers.SimpleSigner = field(repr=False)
    _tsa: str | None

    def __call__(self, pdf: bytes) -> bytes:
        """The PDF with a signature.

        Raises:
            KeyFileError: `E_TSA`: the time stamping service gave no time stamp; or the certificate
                cannot sign.
        """
        stamper = None if self._tsa is None else HTTPTimeStamper(self._tsa, timeout=_TSA_TIMEOUT_S)
        metadata = signers.PdfSignatureMetadata(
            field_name=FIELD, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
        )
        try:
            made = signers.sign_pdf(
                _KeepsMetadata(io.BytesIO(pdf)),
                metadata,
                signer=self._signer,
                timestamper=stamper,
                output=io.BytesIO(),
            )
        except OSError:
            raise KeyFileError(
                f"--tsa: {urlsplit(self._tsa or '').hostname}: gave no time stamp; nothing is "
                "exported, so try again later, or export without it",
                code="E_TSA",
            ) from None
        except (PdfError, SigningError, ValueError) as error:
            raise KeyFileError(
                f"--pdf-key: the report could not be signed ({type(error).__name__}); use a "
                "certificate for signatures"
            ) from None
        return bytes(made.getbuffer())


def load_report_signer(
    file: Path, passphrase: Callable[[Path], str], tsa: str | None, now: datetime
) -> ReportSigner:
    """Load key and certificate from a PKCS #12 file.

    Args:
        file: the file; other users must not be able to read it.
        passphrase: returns the passphrase of a file.
        tsa: the address of an RFC 3161 time stamping service; None: no time stamp.
        now: the certificate must be valid now.

    Raises:
        KeyFileError: `E_PASSPHRASE`: the passphrase is wrong, or it is no PKCS #12 file;
            `E_KEY_MODE`: others can read it; no certificate, or not valid now.
        UsageError: the address of the service has another form.
    """
    if tsa is not None and (
        urlsplit(tsa).scheme not in {"http", "https"} or not urlsplit(tsa).hostname
    ):
        raise UsageError("--tsa: write the address of the service as https://tsa.example/path")
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(_MAX_BYTES)
    except OSError as error:
        raise KeyFileError(f"--pdf-key: {file}: {error.strerror}; name a .p12 file") from None
    if mode & 0o077:
        raise KeyFileError(
            f"--pdf-key: {file}: other users can read it (mode {mode & 0o777:04o}); run "
            f"`chmod 600 {file}`",
            code="E_KEY_MODE",
        )
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(content, passphrase(file).encode())
        if key is None or certificate is None:
            raise KeyFileError(f"--pdf-key: {file}: no key with its certificate; export both")
        signer = signers.SimpleSigner.load_pkcs12_data(content, [], passphrase(file).encode())
    except ValueError:
        raise KeyFileError(
            f"--pdf-key: {file}: the passphrase is wrong, or it is no PKCS #12 file (.p12)",
            code="E_PASSPHRASE",
        ) from None
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= now <= last:
        raise KeyFileError(
            f"--pdf-key: {file}: its certificate is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d} "
            "only; get a new one"
        )
    return ReportSigner(certificate.subject.rfc4514_string(), signer, tsa)
