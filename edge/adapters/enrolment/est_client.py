"""A client of the fleet's server: EST (RFC 7030) over TLS, for one request at a time.

A bare box trusts nobody yet. It fetches the authority's certificate over an unverified connection,
compares its digest with the one in the one-time code (RFC 7030, section 4.1.1), and speaks to the
server only over connections that this authority proves. The code's secret goes over none but these.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from edge.errors import EdgeError, ExitCode, UsageError
from edge.formats.enrolment import EST, OWN, OneTimeCode, RequestError
from edge.formats.visible import visible

TIMEOUT_S: Final = 20.0
_LARGEST: Final = 64 * 1024 * 1024
_LARGEST_SHORT: Final = 256 * 1024


class FleetAwayError(EdgeError):
    """The fleet's server cannot be reached, or does not answer as it should; worth another try."""

    exit_code = ExitCode.BROKER
    default_code = "E_FLEET"


@dataclass(frozen=True, slots=True)
class FleetAddress:
    """Host and port of the fleet's server."""

    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> FleetAddress:
        """Read `https://HOST:PORT`.

        Raises:
            UsageError: it is something else.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 443
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme != "https" or not parts.hostname or parts.path not in {"", "/"}:
            raise UsageError("the server's address is https://HOST:PORT; write it like that")
        return cls(parts.hostname, port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Wait:
    """The request waits for approval; ask again after so many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_s: int


def fetch_authority(address: FleetAddress, code: OneTimeCode) -> bytes:
    """The authority's certificate, DER, after it was compared with the code.

    Raises:
        RequestError: it is not the authority of the code.
        FleetAwayError: the server cannot be reached.
    """
    # Nothing is verified, and nothing secret is sent: the digest in the code decides.
    open_to_all = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    open_to_all.check_hostname = False
    open_to_all.verify_mode = ssl.CERT_NONE
    answer = _asked(address, open_to_all, "GET", f"{EST}/cacerts")
    found = _certificates(address, answer)
    trusted = [one for one in found if code.trusts(one.public_bytes(Encoding.DER))]
    if len(trusted) != 1:
        raise RequestError(
            f"{address}: not the server of this one-time code, so nothing was sent to it; check "
            "address and code, and ask the operator if both are right"
        )
    return trusted[0].public_bytes(Encoding.DER)


class FleetClient:
    """Speaks to the server that an authority proves.

    Args:
        address: of the server.
        ca: the authority's certificate, PEM.
        code: the one-time code, for a first request.
        identity: file with the box's certificate and key, for further ones.
        password: opens an encrypted key; empty: it is not encrypted.
    """

    def __init__(
        self,
        address: FleetAddress,
        ca: str,
        *,
        code: OneTimeCode | None = None,
        identity: Path | None = None,
        password: bytes = b"",
    ) -> None:
        self._address = address
        self._headers: dict[str, str] = {}
        try:
            self._context = ssl.create_default_context(cadata=ca)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
            if identity is not None:
                self._context.load_cert_chain(identity, password=password)
        except (OSError, ValueError) as error:
            raise RequestError(
                f"{identity or 'fleet-ca.pem'}: cannot be used ({type(error).__name__}); enrol the "
                "box again"
            ) from None
        if code is not None:
            given = base64.b64encode(b"code:" + code.secret.hex().encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {given}"

    def box(self) -> tuple[str, str]:
        """Site and box of the code.

        Raises:
            RequestError: the code is refused.
            FleetAwayError: the server cannot be reached.
        """
        found = self._json(f"{OWN}/box", _LARGEST_SHORT)
        try:
            return str(found["site"]), str(found["box"])
        except KeyError:
            raise self._unclear() from None

    def site_files(self) -> dict[str, bytes]:
        """The box's rendered site folder: content by name.

        Raises:
            RequestError: it is refused.
            FleetAwayError: the server cannot be reached, or has no folder yet.
        """
        found = self._json(f"{OWN}/site", _LARGEST).get("files")
        if not isinstance(found, dict):
            raise self._unclear()
        try:
            return {str(k): base64.b64decode(v, validate=True) for k, v in found.items()}
        except (TypeError, ValueError):
            raise self._unclear() from None

    def certificate(self, request: bytes, *, first: bool) -> x509.Certificate | Wait:
        """Ask for a certificate.

        Args:
            request: PKCS #10, DER.
            first: whether the box has none yet.

        Raises:
            RequestError: it is refused.
            FleetAwayError: the server cannot be reached.
        """
        path = f"{EST}/{'simpleenroll' if first else 'simplereenroll'}"
        headers = {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64"}
        answer = self._ask("POST", path, base64.encodebytes(request), headers)
        if answer.status == 202:
            return Wait(answer.retry_s)
        found = _certificates(self._address, answer)
        if len(found) != 1:
            raise self._unclear()
        return found[0]

    def _json(self, path: str, largest: int) -> dict[str, object]:
        answer = self._ask("GET", path, None, {}, largest)
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._unclear()
        return found

    def _unclear(self) -> FleetAwayError:
        return FleetAwayError(f"{self._address}: an answer that is not of a fleet's server")

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        largest: int = _LARGEST_SHORT,
    ) -> _Answer:
        whole = {**self._headers, **headers}
        answer = _asked(self._address, self._context, method, path, body, whole, largest)
        if answer.status in {200, 202}:
            return answer
        told = visible(answer.body[:500].decode("utf-8", "replace").strip())
        if answer.status in {400, 401, 403}:
            code, _, rest = told.partition(": ")
            if code not in {"E_ENROL", "E_CLONE", "E_INVENTORY"}:
                code, rest = "E_ENROL", told
            raise RequestError(f"{self._address} refuses: {rest}", code=code)
        raise FleetAwayError(f"{self._address}: {told or answer.status}")


def _asked(
    address: FleetAddress,
    context: ssl.SSLContext,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    largest: int = _LARGEST_SHORT,
) -> _Answer:
    connection = http.client.HTTPSConnection(
        address.host, address.port, timeout=TIMEOUT_S, context=context
    )
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        content = response.read(largest + 1)
        retry = response.getheader("Retry-After", "")
    except ssl.SSLCertVerificationError as error:
        raise RequestError(
            f"{address}: its certificate is not the fleet's for this name "
            f"({error.verify_message}); use the host that fleet.yaml names, and check the clock"
        ) from None
    except ssl.SSLError as error:
        raise FleetAwayError(
            f"{address}: not an answer of the fleet's server ({error.reason}); check the port"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise FleetAwayError(
            f"{address}: cannot be reached ({why}); check network, address and firewall"
        ) from None
    finally:
        connection.close()
    if len(content) > largest:
        raise FleetAwayError(f"{address}: an answer that is too long")
    return _Answer(response.status, content, int(retry) if retry.isdigit() else 60)


def _certificates(address: FleetAddress, answer: _Answer) -> list[x509.Certificate]:
    try:
        if answer.status != 200:
            raise ValueError  # noqa: TRY301 - the same as an unreadable answer
        return pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.body))
    except (ValueError, binascii.Error):
        raise FleetAwayError(
            f"{address}: an answer that is not of a fleet's server; check the address"
        ) from None
