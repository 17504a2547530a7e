"""A small HTTP server for metrics: a few pages, few requests at a time, and no log of them."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from typing_extensions import Self

from edge.errors import ConfigError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus' text format."""
REQUEST_S = 5.0
"""How long one request and its answer may take."""
MOST_REQUESTS = 16
"""Requests that are answered at the same time; further connections are closed."""

log = logging.getLogger(__name__)


class Reply(NamedTuple):
    """The answer to a request."""

    status: HTTPStatus
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on: a host name or address, and a port (0: any free one)."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, setting: str = "telemetry.listen") -> Self:
        """Parse an address such as `127.0.0.1:9109`, `[::1]:9109` or `localhost:9109`.

        Args:
            text: the address.
            setting: the setting or option that it comes from, for messages.

        Raises:
            ConfigError: it is not such an address.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise ConfigError(
                f"{setting}: {text!r} is not an address; write it like 127.0.0.1:9109"
            )
        return cls(host.removeprefix("[").removesuffix("]"), int(port))


class MetricsServer:
    """An HTTP server that answers in its own threads until it is closed.

    Args:
        listen: the address.
        pages: what answers a request, by path; each may be called from any thread.
        setting: the setting or option that the address comes from, for messages.

    Raises:
        ConfigError: the address cannot be used.
    """

    def __init__(
        self, listen: Listen, pages: Mapping[str, Callable[[], Reply]], setting: str
    ) -> None:
        try:
            self._server = _Server(listen, pages)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "no such address"
            raise ConfigError(
                f"{setting}: {listen.host}:{listen.port}: {reason}; choose another port or address"
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="telemetry", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """The address as a browser writes it, such as `http://127.0.0.1:9110`."""
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listen: Listen, pages: Mapping[str, Callable[[], Reply]]) -> None:
        if ":" in listen.host:
            self.address_family = socket.AF_INET6
        self.pages = pages
        self._seats = threading.BoundedSemaphore(MOST_REQUESTS)
        super().__init__((listen.host, listen.port), _Handler)

    def server_bind(self) -> None:
        # The method of `HTTPServer` also looks up this machine's host name, which is not needed.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        if self._seats.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._seats.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002
        """Log a failed request without quoting it; the base class would print a traceback."""
        log.warning("a telemetry request failed")


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_S
    server: _Server

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)
        if page is None:
            known = " ".join(self.server.pages).encode()
            page = partial(Reply, HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", known + b"\n")
        self._answer(page())

    do_HEAD = do_GET  # noqa: N815 - likewise

    def version_string(self) -> str:
        return "edge-anpr"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Log nothing: requests would be most of the log."""

    def _answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
