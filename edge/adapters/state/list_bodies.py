"""Fetches the body of a list by its digest: from a folder, or from a web server over HTTPS.

`edge.adapters.broker.list_parts` fetches it over MQTT. Each source yields blocks; `fetched` counts
and hashes them while they come, so a body that is too long, cut off or another one is never used.
Only a digest that a signed manifest names is asked for. Nothing is written to disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote, urlsplit

from edge.errors import CODES, ExitCode
from edge.formats.regular_files import open_regular_file
from edge.policy.bundle_format import ListBundleError
from edge.policy.shared_lists import body_name

LONGEST_S: Final = 900.0
"""After this time a fetch is given up, seconds: 16 MiB at 150 kbit/s."""

IDLE_S: Final = 20.0
"""After this time without a byte a fetch is given up, seconds."""

_BLOCK: Final = 64 * 1024
_WATCH_S: Final = 0.1
_NUMBER: Final = re.compile(r"[0-9]{1,20}")


class ListFetchError(ListBundleError):
    """A body cannot be fetched now, or what was fetched is not the body; worth another try."""

    exit_code = ExitCode.BROKER
    default_code = "E_LIST_FETCH"


def is_tried_again(code: str) -> bool:
    """Whether a box tries a list again after this error: it could not fetch it, or not store it."""
    meaning = CODES.get(code)
    return code == ListFetchError.default_code or (
        meaning is not None and meaning.status == ExitCode.STORAGE
    )


@dataclass(frozen=True, slots=True)
class Cutoff:
    """When a fetch is given up.

    Args:
        deadline: on the monotonic clock, seconds.
        cancelled: True gives it up earlier.
    """

    deadline: float
    cancelled: Callable[[], bool] = lambda: False

    @classmethod
    def after(
        cls, seconds: float = LONGEST_S, cancelled: Callable[[], bool] = lambda: False
    ) -> Cutoff:
        """Given up after so many seconds from now."""
        return cls(time.monotonic() + seconds, cancelled)

    def over(self) -> bool:
        """Whether it is given up now."""
        return self.cancelled() or time.monotonic() >= self.deadline

    def left_s(self) -> float:
        """Seconds until the deadline; 0 after it."""
        return max(0.0, self.deadline - time.monotonic())


class BodySource(Protocol):
    """A place where bodies are got by their digest."""

    def blocks(self, sha256: str, size: int, until: Cutoff) -> Generator[bytes, None, None]:
        """The bytes found there under a digest, unverified and perhaps without an end.

        Args:
            sha256: the digest, hex.
            size: how many bytes the body has.
            until: when it is given up.

        Raises:
            ListFetchError: nothing there, or it cannot be had.
        """


def fetched(source: BodySource, sha256: str, size: int, until: Cutoff) -> bytes:
    """The body of a digest, with this digest and size.

    Raises:
        ListFetchError: it cannot be fetched, or is not the body.
    """
    parts: list[bytes] = []
    count, digest = 0, hashlib.sha256()
    with closing(source.blocks(sha256, size, until)) as blocks:
        for block in blocks:
            count += len(block)
            if count > size:
                raise ListFetchError(
                    f"body {sha256[:16]}: more than the {size} bytes that the manifest names; "
                    "upload the file of this build again"
                )
            digest.update(block)
            parts.append(block)
            if until.over():
                break
    if until.over():
        raise ListFetchError(
            f"body {sha256[:16]}: {count} of {size} bytes had come when the time was over; check "
            "the connection of the box"
        )
    if count < size:
        raise ListFetchError(
            f"body {sha256[:16]}: only {count} of the {size} bytes that the manifest names; "
            "upload the whole file of this build"
        )
    if digest.hexdigest() != sha256:
        raise ListFetchError(
            f"body {sha256[:16]}: does not match the digest in the manifest; upload the file of "
            "this build again"
        )
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class FolderBodies:
    """Reads bodies from a folder; `named` is what messages call it, so that they hold no path."""

    folder: Path
    named: str = "lists.folder in site.yaml"

    def blocks(self, sha256: str, size: int, until: Cutoff) -> Generator[bytes, None, None]:
        # A file of a folder ends, and `fetched` counts, and asks whether the time is over. Nothing
        # can cut a read from a share that is away; `ListReceiver.close` does not wait for it.
        del size, until
        try:
            with open_regular_file(self.folder / body_name(sha256)) as file:
                while block := file.read(_BLOCK):
                    yield block
        except FileNotFoundError:
            raise ListFetchError(
                f"{self.named}: no file {body_name(sha256)} there; copy it there"
            ) from None
        except OSError as error:
            raise ListFetchError(
                f"{self.named}: {body_name(sha256)} cannot be read ({error.strerror}); make it "
                "readable for the box"
            ) from None


@dataclass(frozen=True, slots=True)
class HttpsBodies:
    """Fetches bodies from one web server, and follows it to no other address.

    Proxies of the environment are not used.

    Args:
        url: `https://…`, the folder of the bodies.
        tls_ca: the PEM file that verifies the server; None: the system's authorities.
        idle_s: after this time without a byte it is given up, seconds.
    """

    url: str
    tls_ca: Path | None = None
    idle_s: float = IDLE_S

    def blocks(self, sha256: str, size: int, until: Cutoff) -> Generator[bytes, None, None]:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or 443
        where = f"{host}:{port}"
        path = f"{quote(parts.path.rstrip('/'), safe='/%')}/{body_name(sha256)}"
        with (
            _explained(where, until),
            closing(http.client.HTTPSConnection(host, port, timeout=self.idle_s)) as connection,
            _connected(host, port, self._context(), self.idle_s, until) as tls,
            _cut(tls, until),
        ):
            tls.do_handshake()
            connection.sock = tls
            headers = {"Accept-Encoding": "identity", "User-Agent": "edge-anpr"}
            connection.request("GET", path, headers=headers)
            with closing(connection.getresponse()) as answer:
                if until.over():
                    return  # the header was cut off, and says nothing
                _require_found(answer, where, sha256, size)
                while block := answer.read(_BLOCK):
                    yield block

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
        except OSError:  # includes ssl.SSLError
            raise ListFetchError(
                "lists.tls_ca in site.yaml: no usable PEM file; name the file of the authority "
                "that has issued the server's certificate"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _require_found(answer: http.client.HTTPResponse, where: str, sha256: str, size: int) -> None:
    """Refuse every answer but the file itself.

    Raises:
        ListFetchError: another answer, or a file of another size.
    """
    status, named = answer.status, body_name(sha256)
    if 300 <= status < 400:
        raise ListFetchError(
            f"{where}: refers to another address ({status}), which a box does not follow; write "
            "the address of the bodies itself into lists.url in site.yaml"
        )
    if status == 404:
        raise ListFetchError(f"{where}: has no {named} (404); upload it to lists.url of site.yaml")
    if status != 200:
        raise ListFetchError(f"{where}: answers {status} for {named}; see the server's log")
    _require_plain(answer, where, sha256, size)


def _require_plain(answer: http.client.HTTPResponse, where: str, sha256: str, size: int) -> None:
    """Refuse an answer whose length is not stated before it, and right.

    The chunks of a chunked answer have lengths of their own, which `http.client` believes: one of
    -1 makes it read until the memory is full.

    Raises:
        ListFetchError: chunked, compressed, or not exactly `size` bytes long.
    """
    named, headers = body_name(sha256), answer.headers
    encodings = headers.get_all("Content-Encoding", [])
    if "Transfer-Encoding" in headers or any(one.strip() != "identity" for one in encodings):
        raise ListFetchError(
            f"{where}: sends {named} in chunks or compressed; let the server send such files as "
            "they are, with Content-Length"
        )
    lengths = [one.strip() for one in headers.get_all("Content-Length", [])]
    if lengths != [str(size)]:  # compared as text: a number may have thousands of digits
        stated = lengths[0] if len(lengths) == 1 else ""
        has = f"{stated} bytes" if _NUMBER.fullmatch(stated) else "no usable Content-Length"
        raise ListFetchError(
            f"{where}: {named} has {has} there and {size} in the manifest; upload the whole file "
            "of this build again, to a server that states the length of a file"
        )


@contextlib.contextmanager
def _connected(
    host: str, port: int, context: ssl.SSLContext, idle_s: float, until: Cutoff
) -> Iterator[ssl.SSLSocket]:
    """A connection whose handshake is still to come, so that it can be cut off too."""
    with socket.create_connection((host, port), timeout=min(idle_s, until.left_s())) as plain:
        plain.settimeout(idle_s)
        with context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False) as tls:
            yield tls


@contextlib.contextmanager
def _cut(tls: ssl.SSLSocket, until: Cutoff) -> Iterator[None]:
    """Cut the connection when the fetch is given up, even while a read waits for the server."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_WATCH_S):
            if until.over():
                # Not the TLS socket: it would drop its keys while the read still waits.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(tls, socket.SHUT_RDWR)
                return

    watcher = threading.Thread(target=watch, name="list fetch watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@contextlib.contextmanager
def _explained(where: str, until: Cutoff) -> Iterator[None]:
    """Turn errors of the network into one line with its cure."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise ListFetchError(
            f"{where}: its certificate is not accepted ({error.verify_message}); correct lists.url "
            "or lists.tls_ca in site.yaml, or have the certificate renewed"
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if until.over():
            why = "the time was over before the body was here"
        elif isinstance(error, TimeoutError):
            why = "it sends nothing"
        elif isinstance(error, ssl.SSLError):
            why = f"no TLS connection: {error.reason or 'it was cut'}"
        elif isinstance(error, socket.gaierror):
            why = "its name is not found"
        elif isinstance(error, http.client.IncompleteRead):
            why = "the connection ended early"
        elif isinstance(error, http.client.HTTPException):
            why = "its answer is not HTTP"
        elif isinstance(
            error, ValueError
        ):  # of `http.client`, or of a name that cannot be looked up
            why = "its name or its answer is not valid"
        else:
            why = error.strerror or "no connection"
        raise ListFetchError(
            f"{where}: the body cannot be fetched ({why}); check that the server runs, and "
            "lists.url in site.yaml"
        ) from None
