"""A real HTTPS server with the bodies of lists, that can misbehave on request."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BufferedIOBase
from typing import ClassVar

from tests.support.brokers import Certificate


@dataclass(slots=True)
class Bodies:
    """The server's files by path, and the requests that it received.

    `raw` replaces the answer to every request; `answer` does so too, and writes to the connection
    as it likes.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    raw: bytes | None = None
    answer: Callable[[BufferedIOBase], object] | None = None
    asked: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/anpr"

    def drip(self, first: bytes, each: bytes, pause_s: float = 0.05) -> None:
        """Answer with the first bytes, then with the others again and again, without an end."""

        def forever(connection: BufferedIOBase) -> None:
            connection.write(first)
            while not self.ended.wait(pause_s):
                connection.write(each)

        self.answer = forever


class _Handler(http.server.BaseHTTPRequestHandler):
    bodies: ClassVar[Bodies]

    def do_GET(self) -> None:
        self.bodies.asked.append(self.path)
        if self.bodies.answer is not None:
            self.bodies.answer(self.wfile)
            return
        if self.bodies.raw is not None:
            self.wfile.write(self.bodies.raw)
            return
        content = self.bodies.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Says nothing."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: clients that cut the connection are what the tests are about."""


@contextmanager
def list_server(certificate: Certificate) -> Iterator[Bodies]:
    """A server on a free port until the block ends."""
    bodies = Bodies()
    handler = type("Handler", (_Handler,), {"bodies": bodies})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    with _Server(("127.0.0.1", 0), handler) as server:
        bodies.port = server.server_port
        server.daemon_threads = True
        # The handshake is made in the thread of the request, so that one client stops no other.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield bodies
        finally:
            bodies.ended.set()
            server.shutdown()
            thread.join()


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that accepts connections and never says anything; not even the TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def deaf_server() -> Iterator[int]:
    """A port whose queue is full, so that a connection to it is neither accepted nor refused."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
