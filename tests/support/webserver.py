"""A real HTTP server on the loopback that can misbehave on request."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(slots=True)
class Served:
    """The server's files, its behaviour, and the requests that it received.

    `files` by path. `etag` of every file; `ranges` whether it knows them; `stop_after` breaks
    off after so many bytes of a body; `redirects` by path; `silent` never answers.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"one"'
    ranges: bool = True
    stop_after: int | None = None
    redirects: dict[str, str] = field(default_factory=dict)
    silent: threading.Event | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""

    def url(self, path: str) -> str:
        return self.address + path


class _Handler(http.server.BaseHTTPRequestHandler):
    served: ClassVar[Served]

    def do_GET(self) -> None:
        served = self.served
        asked = self.headers.get("Range")
        served.asked.append((self.path, asked))
        if served.silent is not None:
            served.silent.wait(20)
            return
        if self.path in served.redirects:
            self.send_response(302)
            self.send_header("Location", served.redirects[self.path])
            self.end_headers()
            return
        content = served.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if served.ranges and asked and self.headers.get("If-Range") == served.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        if served.etag:
            self.send_header("ETag", served.etag)
        self.end_headers()
        self.wfile.write(body if served.stop_after is None else body[: served.stop_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Says nothing."""


@contextmanager
def web_server() -> Iterator[Served]:
    """A server on a free port until the block ends."""
    served = Served()
    handler = type("Handler", (_Handler,), {"served": served})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    served.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        if served.silent is not None:
            served.silent.set()
        server.shutdown()
        server.server_close()
        thread.join()
