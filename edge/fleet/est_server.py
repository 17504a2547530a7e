"""The fleet's server: EST (RFC 7030) with one-time codes, and what a box needs besides.

| path                             | authentication     | answer                      |
|----------------------------------|--------------------|-----------------------------|
| `/.well-known/est/cacerts`       | none               | the authority's certificate |
| `/.well-known/est/simpleenroll`  | Basic: code        | 200 certificate, 202 wait   |
| `/.well-known/est/simplereenroll`| client certificate | 200 certificate, 202 wait   |
| `/.well-known/edge-anpr/box`     | Basic: code        | the ids of the code's box   |
| `/.well-known/edge-anpr/site`    | client certificate | its rendered site folder    |

A refusal is one line of text. With Basic, the user name is `code` and the password is the secret
part of the one-time code in hexadecimal.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from edge.errors import EdgeError
from edge.fleet.enrolling import EnrolmentOffice
from edge.formats.enrolment import EST, LONGEST_REQUEST, OWN, RequestError

log = logging.getLogger(__name__)

PEER: Final = "edge_anpr_peer"
"""The key of the ASGI scope's state that holds the client's certificate, DER, or None."""

RETRY_S: Final = 10
_AWAY: Final = "the fleet's server cannot answer now; its operator sees why in its log\n"
_AGAIN: Final = timedelta(minutes=1)
_STATUS: Final = {"E_CLONE": 403, "E_ENROL": 403, "E_INVENTORY": 403, "E_CONFIG": 404}


class _NotAllowedError(RequestError):
    """Nobody has authenticated: status 401."""


def fleet_app(
    office: EnrolmentOffice, utc: Callable[[], datetime], retry_s: int = RETRY_S
) -> Starlette:
    """The server as an ASGI application.

    Args:
        office: the fleet.
        utc: the wall clock.
        retry_s: after how many seconds a waiting box is told to ask again.
    """
    server = _EstServer(office, utc, retry_s)
    return Starlette(
        routes=[
            Route(f"{EST}/cacerts", server.answered(server.cacerts), methods=["GET"]),
            Route(f"{EST}/simpleenroll", server.answered(server.enrol), methods=["POST"]),
            Route(f"{EST}/simplereenroll", server.answered(server.renew), methods=["POST"]),
            Route(f"{OWN}/box", server.answered(server.box), methods=["GET"]),
            Route(f"{OWN}/site", server.answered(server.site), methods=["GET"]),
        ]
    )


class _EstServer:
    def __init__(self, office: EnrolmentOffice, utc: Callable[[], datetime], retry_s: int) -> None:
        self._office = office
        self._utc = utc
        self._retry_s = retry_s
        self._told: tuple[str, datetime] | None = None

    def answered(
        self, handler: Callable[[Request, bytes], Response]
    ) -> Callable[[Request], object]:
        """The handler as an endpoint: the body is read with a limit, an error becomes one line."""

        async def endpoint(request: Request) -> Response:
            body = b""
            try:
                async for part in request.stream():
                    body += part
                    if len(body) > LONGEST_REQUEST:
                        return PlainTextResponse("the request is too long\n", 413)
            except ClientDisconnect:  # nobody hears the answer, and strangers fill no log
                return Response(status_code=400)
            try:
                return await run_in_threadpool(handler, request, body)
            except _NotAllowedError as error:
                told = {"WWW-Authenticate": 'Basic realm="edge-anpr fleet"'}
                return PlainTextResponse(f"{error}\n", 401, headers=told)
            except EdgeError as error:
                if error.code in _STATUS:
                    return PlainTextResponse(f"{error}\n", _STATUS[error.code])
                self._tell_operator(error.message)
                return PlainTextResponse(_AWAY, 503)

        return endpoint

    def _tell_operator(self, problem: str) -> None:
        """Log a problem of the server's own; again after a minute, so that no client fills the log.

        Its text names files of this machine, which concern no client.
        """
        now = self._utc()
        if self._told is None or self._told[0] != problem or abs(now - self._told[1]) >= _AGAIN:
            self._told = (problem, now)
            log.error("%s", problem)

    def cacerts(self, _request: Request, _body: bytes) -> Response:
        return _certificates([self._office.authority.certificate])

    def enrol(self, request: Request, body: bytes) -> Response:
        secret = self._secret(request)
        return self._issued(self._office.enrol(secret, _request_of(body), self._utc()))

    def renew(self, request: Request, body: bytes) -> Response:
        serial = _peer(request)
        return self._issued(self._office.renew(serial, _request_of(body), self._utc()))

    def box(self, request: Request, _body: bytes) -> Response:
        # A box asks this before it makes a request, so a code that was used is of no use to it.
        site, box = self._office.box_of(self._secret(request), self._utc(), unused=True)
        return JSONResponse({"schema": "edge-anpr/fleet-box/1", "site": site, "box": box})

    def site(self, request: Request, _body: bytes) -> Response:
        files = self._office.site_files(_peer(request))
        return JSONResponse({"schema": "edge-anpr/fleet-site/1", "files": files})

    def _secret(self, request: Request) -> bytes:
        """The secret of a code that is valid, or was used for a request.

        Raises:
            _NotAllowedError: there is none.
        """
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            user, _, password = (
                base64.b64decode(given, validate=True).decode("ascii").partition(":")
            )
            secret = bytes.fromhex(password)
        except (binascii.Error, ValueError):
            user, secret = "", b""
        if scheme.lower() != "basic" or user != "code" or not secret:
            raise _NotAllowedError("give the one-time code; see RFC 7030, section 3.2.3")
        try:
            # 80 random bits cannot be guessed; a limit would only let strangers lock boxes out.
            self._office.box_of(secret, self._utc())
        except RequestError as refused:
            raise _NotAllowedError(refused.message) from None
        return secret

    def _issued(self, der: bytes | None) -> Response:
        if der is None:
            told = "the request waits for the operator's approval\n"
            return PlainTextResponse(told, 202, headers={"Retry-After": str(self._retry_s)})
        return _certificates([x509.load_der_x509_certificate(der)])


def _certificates(found: list[x509.Certificate]) -> Response:
    body = base64.encodebytes(pkcs7.serialize_certificates(found, Encoding.DER))
    return Response(
        body,
        media_type="application/pkcs7-mime; smime-type=certs-only",
        headers={"Content-Transfer-Encoding": "base64"},
    )


def _request_of(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise RequestError("the request is not base64 of PKCS #10; see RFC 7030") from None


def _peer(request: Request) -> int:
    """The number of the certificate with which the client has authenticated itself.

    Raises:
        _NotAllowedError: it has none.
    """
    found = request.scope.get("state", {}).get(PEER)
    if not isinstance(found, bytes):
        raise _NotAllowedError("authenticate with the box's certificate")
    return x509.load_der_x509_certificate(found).serial_number
