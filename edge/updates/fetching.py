"""Fetches metadata and archives: from one web server over HTTPS, or from a folder.

python-tuf counts the bytes and checks digests and signatures. What is here only delivers them: it
follows no redirect, uses no proxy, and gives up when nothing comes or all takes too long, however
slowly a server sends.
"""

from __future__ import annotations

import http.client
import math
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final
from urllib.parse import quote, unquote, urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

from edge.formats.regular_files import open_regular_file

FOLDER_BASE: Final = "folder:"
"""What stands before a path in the addresses of a folder."""

IDLE_S: Final = 20.0
LONGEST_S: Final = 3600.0
"""After so much time for all files of a run it is given up, seconds: 500 MB at 1.2 Mbit/s."""

_BLOCK: Final = 64 * 1024
_NOT_FOUND: Final = 404
_OK: Final = 200


class FolderFetcher(FetcherInterface):
    """Reads files of a folder; addresses begin with `folder:`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = PurePosixPath(url.removeprefix(FOLDER_BASE).lstrip("/"))
        if ".." in name.parts or name.is_absolute():
            raise DownloadError(f"{name}: outside the folder")
        try:
            file = open_regular_file(self._folder / name)
        except FileNotFoundError:
            raise DownloadHTTPError(f"{name}: no such file there", _NOT_FOUND) from None
        except OSError as error:
            raise DownloadError(f"{name}: {error.strerror}; make it readable") from None
        return _blocks_of(file)


class HttpsFetcher(FetcherInterface):
    """Fetches files from one web server.

    Args:
        tls_ca: the PEM file that verifies the server; None: the system's authorities.
        idle_s: after this time without a byte it is given up, seconds.
        longest_s: after so much time for all files together it is given up, seconds. Installing
            between two files does not count.
    """

    def __init__(
        self, tls_ca: Path | None = None, *, idle_s: float = IDLE_S, longest_s: float = LONGEST_S
    ) -> None:
        self._tls_ca = tls_ca
        self._idle_s = idle_s
        self._left_s = longest_s

    def _fetch(self, url: str) -> Iterator[bytes]:
        began = time.monotonic()
        try:
            yield from self._fetched(url, began + self._left_s)
        finally:
            self._left_s -= time.monotonic() - began

    def _fetched(self, url: str, deadline: float) -> Iterator[bytes]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        name = PurePosixPath(parts.path).name
        where, what, count = f"{host}:{port}", f"{host}:{port}: {name}", 0
        try:
            with closing(self._connection(host, port, deadline)) as connection:
                path = quote(unquote(parts.path), safe="/")
                headers = {"Accept-Encoding": "identity", "User-Agent": "edge-anpr"}
                connection.request("GET", path, headers=headers)
                with closing(connection.getresponse()) as answer:
                    stated = _length(answer, where, name)
                    while block := answer.read1(_BLOCK):
                        count += len(block)
                        yield block
        except _TimeOverError:
            raise SlowRetrievalError(f"{what}: {count} bytes had come when time was over") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DownloadError(f"{what} cannot be fetched ({_why(error)})") from None
        if count < stated:
            raise DownloadError(f"{what}: the connection ended after {count} of {stated} bytes")

    def _connection(self, host: str, port: int, deadline: float) -> http.client.HTTPSConnection:
        """A connection that ends at the deadline, also between two bytes of a header.

        Raises:
            OSError: it cannot be made.
        """
        if time.monotonic() >= deadline:
            raise _TimeOverError
        connection = http.client.HTTPSConnection(
            host, port, timeout=self._idle_s, context=self._context()
        )
        connection.connect()
        assert isinstance(connection.sock, _TimedSocket)  # noqa: S101 - of this context
        connection.sock.idle_s, connection.sock.deadline = self._idle_s, deadline
        return connection

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._tls_ca)
        except OSError:  # includes ssl.SSLError
            raise DownloadError("updates.tls_ca in site.yaml: no usable PEM file") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = _TimedSocket
        return context


class _TimeOverError(TimeoutError):
    """The deadline of all files is over."""


class _TimedSocket(ssl.SSLSocket):
    """A TLS socket whose reads end at a deadline; `timeout` alone begins anew with each byte."""

    idle_s = IDLE_S
    deadline = math.inf

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:  # noqa: ANN401 - as its base class has it
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise _TimeOverError
        self.settimeout(min(self.idle_s, left))
        try:
            return super().recv_into(buffer, nbytes, flags)
        except TimeoutError:
            if left <= self.idle_s:
                raise _TimeOverError from None
            raise


def _length(answer: http.client.HTTPResponse, where: str, name: str) -> int:
    """The length of a file that is about to come.

    Raises:
        DownloadError: another answer, or one without its length.
    """
    if answer.status != _OK:
        raise DownloadHTTPError(f"{where}: answers {answer.status} for {name}", answer.status)
    if answer.chunked or answer.length is None:
        raise DownloadError(
            f"{where}: sends {name} without its length; let the server send files as they are, "
            "with Content-Length"
        )
    return answer.length


def _blocks_of(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK):
            yield block


def _why(error: Exception) -> str:
    """Why it failed, in words and without an address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "it sends nothing"
    if isinstance(error, socket.gaierror):
        return "its name is not found"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {error.reason or 'it was cut'}"
    if isinstance(error, http.client.HTTPException):
        return "its answer is not HTTP"
    return getattr(error, "strerror", None) or "its name or its answer is not valid"
