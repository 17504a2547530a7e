"""Live cameras for tests: GStreamer's RTSP server, an HTTP server of JPEGs, TLS, and clips."""

from __future__ import annotations

import base64
import contextlib
import functools
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from typing_extensions import Self

from edge.adapters.cameras.camera_status import CameraState
from edge.adapters.cameras.decoder_request import request_for, shown_address
from edge.adapters.cameras.live_camera import STALE_S, LiveCamera
from edge.adapters.host.system import SystemClock
from edge.domain.imaging import Frame, Pixels
from edge.domain.motion import Cells
from edge.pipeline.ports import Clock
from edge.site.settings import LiveCamera as Settings
from tests.support.brokers import HOST, Certificate, free_port, wait_until

PATIENCE_S = 60.0
SYSTEM_PYTHON = "/usr/bin/python3"
PROGRAM = Path(__file__).with_name("rtsp_program.py")
RATE = 25
NEEDS_RTSP = "needs GStreamer's RTSP server: gir1.2-gst-rtsp-server-1.0, gstreamer1.0-tools"


@functools.cache
def has_rtsp_server() -> bool:
    """Whether GStreamer's RTSP server is installed; .ci/run does so on Debian and Ubuntu."""
    if not Path(SYSTEM_PYTHON).exists() or shutil.which("gst-launch-1.0") is None:
        return False
    versions = "import gi; gi.require_version('GstRtspServer', '1.0')"
    command = [SYSTEM_PYTHON, "-c", versions]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def picture(number: int, width: int = 640, height: int = 360) -> Pixels:
    """A grey ramp with a moving bright block."""
    ramp = np.broadcast_to(np.linspace(40, 160, width, dtype=np.uint8), (height, width))
    pixels = np.dstack([ramp, ramp, ramp])
    x = number * 8 % (width - 40)
    pixels[height // 2 : height // 2 + 24, x : x + 40] = 230
    return pixels


def film(
    path: Path,
    *parts: tuple[int, int, int],
    damage: Callable[[int, bytes], bytes] = lambda _number, picture: picture,
) -> Path:
    """H.264 in MPEG-TS with a key frame each second, in parts of (width, height, seconds).

    A part is drawn once for two seconds and repeated. `damage` gets each picture's number and its
    bytes, in two slices one below the other, and says what is left of them.
    """
    with av.open(path, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = parts[0][0], parts[0][1], "yuv420p"
        number = 0
        for width, height, seconds in parts:
            encoder = av.CodecContext.create("libx264", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base, encoder.framerate = Fraction(1, RATE), Fraction(RATE)
            encoder.gop_size, encoder.max_b_frames = RATE, 0
            encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "slices": "2"}
            drawn: list[bytes] = []
            for index in range(2 * RATE):
                frame = VideoFrame.from_ndarray(picture(index, width, height), format="bgr24")
                frame.pts = index
                drawn += [bytes(packet) for packet in encoder.encode(frame)]
            drawn += [bytes(packet) for packet in encoder.encode(None)]
            for index in range(seconds * RATE):
                packet = av.Packet(damage(number, drawn[index % len(drawn)]))
                packet.stream, packet.time_base = stream, Fraction(1, RATE)
                packet.pts = packet.dts = number
                packet.is_keyframe = index % RATE == 0
                number += 1
                container.mux(packet)
    return path


def looped(clip: Path, path: Path, times: int) -> Path:
    """A clip repeated in MPEG-TS, without encoding it again."""
    with av.open(path, "w", format="mpegts") as container:
        stream = None
        begin = 0
        for _ in range(times):
            with av.open(clip) as source:
                video = source.streams.video[0]
                stream = stream or container.add_stream_from_template(video)
                length = 0
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    length = max(length, packet.pts + (packet.duration or 1))
                    packet.pts, packet.dts = packet.pts + begin, packet.dts + begin
                    packet.stream = stream
                    container.mux(packet)
                begin += length
    return path


class RtspServer:
    """GStreamer's RTSP server on loopback, as a process that can be stalled and killed.

    Args:
        clip: an MPEG-TS file, which each client sees from its beginning.
        login: user and password that it asks for.
    """

    def __init__(self, clip: Path, login: tuple[str, str] | None = None) -> None:
        self.port = free_port()
        self._clip = clip
        self._login = login
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://{HOST}:{self.port}/camera"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, clip: Path | None = None) -> None:
        """Start or restart the server on the same port, optionally with another clip."""
        self._clip = clip or self._clip
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(PROGRAM), str(self.port), str(self._clip), *(self._login or ())],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], 60)
        assert ready, "the RTSP server did not start"
        assert self._process.stdout.readline() == "ready\n"

    def stall(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


class TlsFront:
    """A TLS proxy in front of a server without TLS.

    Args:
        port: the server's, on loopback.
        certificate: what it shows.
    """

    def __init__(self, port: int, certificate: Certificate) -> None:
        self._behind = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self.passed: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._visit, args=(connection,), daemon=True).start()

    def _visit(self, connection: socket.socket) -> None:
        # One thread for both directions: a TLS connection is not thread-safe.
        with contextlib.suppress(OSError), contextlib.ExitStack() as cleanup:
            cleanup.enter_context(connection)
            shown = cleanup.enter_context(self._context.wrap_socket(connection, server_side=True))
            behind = cleanup.enter_context(socket.create_connection((HOST, self._behind)))
            while True:
                ready = [shown] if shown.pending() else select.select([shown, behind], [], [])[0]
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    if one is shown:
                        self.passed.append(data)
                    (behind if one is shown else shown).sendall(data)


def jpeg(pixels: Pixels) -> bytes:
    done, encoded = cv2.imencode(".jpg", pixels)
    assert done
    return encoded.tobytes()


Send = Callable[[bytes], None]
"""Sends one part of the stream, as it is."""


class JpegServer:
    """A web server whose one page is a stream of JPEGs, as network cameras give it.

    Args:
        play: sends the parts of one visit, given its number; the stream ends when it returns.
        login: user and password that it asks for (basic).
        content_type: of the page.
    """

    def __init__(
        self,
        play: Callable[[int, Send], None],
        *,
        login: tuple[str, str] | None = None,
        content_type: str = "multipart/x-mixed-replace; boundary=frame",
    ) -> None:
        self.visits = 0
        wanted = None
        if login is not None:
            wanted = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        server = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if wanted is not None and self.headers["Authorization"] != wanted:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    self.end_headers()
                    return
                server.visits += 1
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.end_headers()
                with contextlib.suppress(OSError):
                    play(server.visits, self._send)

            def _send(self, data: bytes) -> None:
                self.wfile.write(data)
                self.wfile.flush()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Page)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/video"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def part(image: bytes) -> bytes:
    """One JPEG as a part of the stream."""
    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
    return head.encode() + image + b"\r\n"


def play(number: int = 10_000, *, every_s: float = 0.04) -> Callable[[int, Send], None]:
    images = [part(jpeg(picture(index))) for index in range(10)]

    def visit(_visit: int, send: Send) -> None:
        for index in range(number):
            send(images[index % len(images)])
            time.sleep(every_s)

    return visit


@dataclass
class Watched:
    """A live camera and the frames that its thread received."""

    camera: LiveCamera
    frames: list[Frame] = field(default_factory=list)
    arrived: list[datetime] = field(default_factory=list)

    def run(self) -> None:
        for frame in self.camera.frames():
            self.arrived.append(datetime.now(timezone.utc))
            # A small part is enough to distinguish pictures.
            small = np.ascontiguousarray(frame.pixels[:: frame.height // 4])
            self.frames.append(replace(frame, picture=small))

    def gets(self, more: int) -> bool:
        wanted = len(self.frames) + more
        return wait_until(lambda: len(self.frames) >= wanted, PATIENCE_S)

    def becomes(self, state: CameraState, timeout_s: float = PATIENCE_S) -> bool:
        return wait_until(lambda: self.camera.status().state is state, timeout_s)

    def connects(self, times: int) -> bool:
        return wait_until(lambda: self.camera.status().connections >= times, PATIENCE_S)

    @property
    def problem(self) -> str:
        problem = self.camera.status().problem
        return "" if problem is None else str(problem)


@contextlib.contextmanager
def watching(
    live: Settings,
    password: str | None = None,
    *,
    authorities: Path | None = None,
    jitter: float = 0.0,
    clock: Clock | None = None,
    wants: Callable[[Cells, float], bool] | None = None,
    idles: Callable[[], bool] = bool,
    stale_s: float = STALE_S,
) -> Iterator[Watched]:
    """A live camera whose frames a thread receives until the block ends."""
    camera = LiveCamera(
        "cam-1",
        shown_address(live),
        lambda: request_for(live, password, authorities),
        clock=clock or SystemClock(),
        jitter=lambda: jitter,
        stale_s=stale_s,
    )
    if wants is not None:
        camera.ask(wants, idles)
    watched = Watched(camera)
    thread = threading.Thread(target=watched.run)
    thread.start()
    try:
        yield watched
    finally:
        camera.close()
        thread.join(60)
        assert not thread.is_alive()
