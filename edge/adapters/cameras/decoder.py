"""The decoder process: opens one live source, once, and writes its frames to a pipe.

`python -m edge.adapters.cameras.decoder FD` reads one line of JSON on standard input
(`DecoderRequest`) and writes messages to the descriptor until the source ends or the parent
closes the pipe. It is a separate process because only a process can always be stopped: if a driver
or a resolver hangs, or a library crashes on camera data, only this process has to end. It holds no
key and no list, and no setting except the address.

If the request asks for it (`asking`), the cell means of each frame are sent first, and the answer
is one byte on standard input. A frame is converted and sent only if that byte is `WANTED`; other
frames never leave this process.

Messages of libraries are never passed on: they may hold the address and its password.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import math
import os
import resource
import signal
import socket
import ssl
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import IO
from urllib.parse import urlsplit

import av
import av.error
import av.logging
import numpy as np
import numpy.typing as npt
from av._core import library_meta
from av.video.frame import VideoFrame

from edge.adapters.cameras.gstreamer import PacketRelay, start_gstreamer
from edge.adapters.cameras.interlacing import FieldSplitter
from edge.adapters.cameras.stream_choice import NoSuchStreamError, choose_stream
from edge.domain.motion import Cells, Plane, cell_means

HEADER = struct.Struct("<cIIIdd")
"""Kind, width, height, corrupt frames before this message, time stamp (NaN: none), arrival time."""

FRAME, CELLS, NOTE, END = b"F", b"G", b"N", b"E"
"""Kinds of messages. They are followed by pixels, by cell means (`cells_shape`), by a line about
the source that holds neither address nor login, or by a word."""

LONGEST_TEXT = 400
"""Bytes of a note or a word, at most."""

WANTED, UNWANTED = b"y", b"n"

_LUMA_FIRST = frozenset(
    {"gray", "nv12", "yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"}
)
"""Formats whose first plane is luma, a byte for each pixel."""

CONCEALED = range(126, 133)
"""BGR values that a decoder uses for missing parts of a picture: mid-grey."""

_CONCEALED_LUMA = range(124, 133)
"""The same as luma values, in limited or full range."""

GREY_SHARE = 0.5
"""A picture counts as grey if at least this share of it has one colour, a mid-grey."""

_BUILD = library_meta["libavformat"]["configuration"]
"""FFmpeg's build options."""

_CERTIFICATE_WORDS = {9: "expired", 10: "expired", 62: "wrong-name", 64: "wrong-name"}
"""OpenSSL's X509_V_ERR_*: not yet valid, no longer valid, another host name, another address."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


@dataclass(frozen=True, slots=True)
class DecoderRequest:
    """The source that the decoder opens, and its options.

    Attributes:
        address: FFmpeg's address of the source; it may hold a password and is not in the repr.
        format: FFmpeg's name of the format; None: FFmpeg detects it.
        options: FFmpeg's options.
        pipeline: words of a `gst-launch-1.0` command whose frames are read instead; if there is an
            address as well, it is fed with that source's packets and decodes them.
        stream: the number among the video streams to use, from 0; None: the largest.
        stamped: whether the source's time stamps are more exact than its stated rate.
        asking: whether to send each frame's cell means first and wait for the answer.
        open_s: how long opening may take, seconds.
        read_s: how long the source may be silent, seconds.
    """

    address: str = field(repr=False)
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    pipeline: tuple[str, ...] = ()
    stream: int | None = None
    stamped: bool = True
    asking: bool = False
    open_s: float = 8.0
    read_s: float = 4.5

    @property
    def verified(self) -> bool:
        """Whether the source must show a trusted certificate."""
        return "tls_verify" in self.options

    def line(self) -> bytes:
        """The request as one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def parse(cls, line: str) -> DecoderRequest:
        """The request of a line that `line` made."""
        fields = json.loads(line)
        return cls(**{**fields, "pipeline": tuple(fields["pipeline"])})


class SourceError(Exception):
    """The source gives no frames; the text is one word of the closed list in `live_camera`."""


def main() -> None:
    """Decode the source of the request on standard input; the last message says why it ended."""
    _forbid_core_dumps()
    _die_with_parent()
    out = int(sys.argv[1])
    line = sys.stdin.readline()
    if not line:
        return
    writer = _Writer(out)
    try:
        with contextlib.suppress(BrokenPipeError):
            _decode(DecoderRequest.parse(line), writer)
            writer.end("ended")
    except SourceError as error:
        writer.end(str(error))


class _Writer:
    """Writes messages to the parent process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.corrupt = 0

    def is_wanted(
        self, cells: Cells, size: tuple[int, int], stamp_s: float, arrival_s: float
    ) -> bool:
        """Send a frame's cell means and return the answer; `size` is (height, width)."""
        height, width = size
        self._write(HEADER.pack(CELLS, width, height, self.corrupt, stamp_s, arrival_s))
        self._write(cells.tobytes())
        self.corrupt = 0
        answer = os.read(sys.stdin.fileno(), 1)
        if not answer:
            raise BrokenPipeError
        return answer == WANTED

    def frame(self, pixels: npt.NDArray[np.uint8], stamp_s: float, arrival_s: float) -> None:
        height, width = pixels.shape[:2]
        self._write(HEADER.pack(FRAME, width, height, self.corrupt, stamp_s, arrival_s))
        self._write(pixels.tobytes())
        self.corrupt = 0

    def note(self, line: str) -> None:
        self._message(NOTE, line)

    def end(self, word: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._message(END, word)

    def _message(self, kind: bytes, line: str) -> None:
        text = line.encode()[:LONGEST_TEXT]
        header = HEADER.pack(kind, len(text), 0, self.corrupt, math.nan, time.monotonic())
        self._write(header + text)
        self.corrupt = 0

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


def _decode(request: DecoderRequest, writer: _Writer) -> None:
    # FFmpeg conceals missing parts of a picture and reports them only in its log.
    av.logging.set_level(av.logging.INFO)
    with ExitStack() as cleanup:
        container, stream, relay = _open(request, cleanup, writer)
        splitter = FieldSplitter(stream.codec_context.name, both=request.stamped)
        # Frame threading would delay the stream by as many frames as there are threads.
        stream.thread_type = "SLICE"
        if stream.codec_context.name == "h264":
            # With several threads missing slices are not reported; they are shown in green.
            stream.codec_context.thread_count = 1
        damaged = False
        for arrival_s, frames, whole in _pictures(container, stream):
            writer.corrupt += 0 if relay is None else relay.corrupt_packets()
            damaged = damaged or not whole
            writer.corrupt += not whole and not frames
            for frame in frames:
                damaged = damaged or frame.is_corrupt
                if damaged and not (whole and frame.key_frame and not frame.is_corrupt):
                    writer.corrupt += 1
                    splitter.drop()
                    continue
                # Converting to BGR is slow and is needed here only if the luma looks grey.
                damaged = is_one_grey(luma_of(frame)) and is_grey(upright(frame))
                if damaged:
                    writer.corrupt += 1
                    splitter.drop()
                    continue
                for one in splitter.pictures(frame):
                    _send(one, arrival_s, request, writer)
        if relay is not None:
            relay.join()
            if relay.failure is not None:
                raise SourceError(_word(relay.failure, opened=True))


def _send(picture: VideoFrame, arrival_s: float, request: DecoderRequest, writer: _Writer) -> None:
    luma = luma_of(picture)
    time_s: float | None = picture.time if request.stamped else None
    stamp_s = math.nan if time_s is None else time_s
    if not request.asking or writer.is_wanted(cell_means(luma), luma.shape, stamp_s, arrival_s):
        writer.frame(upright(picture), stamp_s, arrival_s)


def _chosen_stream(
    container: av.container.InputContainer, wanted: int | None, writer: _Writer
) -> av.VideoStream:
    try:
        choice = choose_stream(container, wanted)
    except NoSuchStreamError:
        raise SourceError("no-such-stream") from None
    if choice is None:
        raise SourceError("no-video")
    if len(choice.shown) > 1:
        writer.note(choice.text())
    stream = container.streams[choice.index]
    assert isinstance(stream, av.VideoStream)  # noqa: S101 - for the type checker
    return stream


def _pictures(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[tuple[float, Sequence[VideoFrame], bool]]:
    """For each packet: its arrival time, its frames, and whether all of it was decoded."""
    packets = container.demux(stream)
    while True:
        with av.logging.Capture(local=False) as complaints:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                raise SourceError(_word(error, opened=True)) from None
            if packet is None or packet.size == 0:
                return
            arrival_s = time.monotonic()
            frames: Sequence[VideoFrame] = ()
            failed = packet.is_corrupt
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                failed = True
        yield arrival_s, frames, not failed and not any(map(_is_complaint, complaints))


def _is_complaint(entry: tuple[int, str, str]) -> bool:
    """Whether a line of the library's log reports a damaged picture."""
    level, _, text = entry
    return level <= av.logging.ERROR or text.startswith("concealing ")


def _open(
    request: DecoderRequest, cleanup: ExitStack, writer: _Writer
) -> tuple[av.container.InputContainer, av.VideoStream, PacketRelay | None]:
    """The source of pictures and its stream, and what feeds GStreamer, if it decodes."""
    if not request.pipeline:
        container = _open_source(request, cleanup)
        return container, _chosen_stream(container, request.stream, writer), None
    network: tuple[av.container.InputContainer, av.VideoStream] | None = None
    if request.address:
        container = _open_source(request, cleanup)
        network = container, _chosen_stream(container, request.stream, writer)
    try:
        process = start_gstreamer(request.pipeline, cleanup)
    except OSError:
        raise SourceError("no-gstreamer") from None
    assert process.stdin is not None  # noqa: S101 - for the type checker: pipes were asked for
    assert process.stdout is not None  # noqa: S101
    relay = None
    if network is not None:
        relay = PacketRelay(*network, process.stdin)
    else:
        process.stdin.close()
    decoded = DecoderRequest("", format="yuv4mpegpipe", open_s=request.open_s)
    try:
        container = _open_source(decoded, cleanup, process.stdout)
    except SourceError:
        if relay is not None and relay.failure is None:
            raise SourceError("not-decoded") from None
        raise
    return container, _chosen_stream(container, None, writer), relay


def _open_source(
    request: DecoderRequest, cleanup: ExitStack, pipe: IO[bytes] | None = None
) -> av.container.InputContainer:
    started = time.monotonic()
    _require_name(request.address)
    if request.verified and "--enable-gnutls" not in _BUILD:
        # With other TLS libraries FFmpeg does not check the host name in a certificate.
        raise SourceError("no-verification")
    try:
        container = av.open(
            request.address if pipe is None else pipe,
            format=request.format,
            mode="r",
            options=request.options,
            timeout=(request.open_s, request.read_s),
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        late = time.monotonic() - started > request.open_s * 0.9
        if late:
            raise SourceError("silent") from None
        unverified = isinstance(error, OSError) and error.errno == errno.EIO and request.verified
        raise SourceError(
            _handshake_problem(request) if unverified else _word(error, opened=False)
        ) from None
    cleanup.callback(container.close)
    return container


def _word(error: Exception, *, opened: bool) -> str:
    """One word for an error, whose own text may hold the address."""
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        return "refused-password"
    if isinstance(error, av.error.HTTPError):
        return "no-stream"
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return "silent"
    if isinstance(error, (av.error.InvalidDataError, av.error.EOFError)):
        return "broken" if opened else "no-stream"
    number = getattr(error, "errno", None)
    words = {
        errno.ECONNREFUSED: "refused",
        errno.ENOENT: "no-device",
        errno.ENODEV: "no-device",
        errno.ENXIO: "no-device",
        errno.ENOTTY: "no-device",
        errno.EACCES: "no-permission",
        errno.EPERM: "no-permission",
        errno.EBUSY: "busy",
        errno.ETIMEDOUT: "silent",
        errno.EHOSTUNREACH: "unreachable",
        errno.ENETUNREACH: "unreachable",
    }
    return words.get(number or 0, "lost" if opened else "no-stream")


def _handshake_problem(request: DecoderRequest) -> str:
    """Why a TLS handshake failed, found by a second handshake, since FFmpeg does not say.

    The result is used in messages only.
    """
    parts = urlsplit(request.address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a self-signed certificate
    name = request.options.get("verifyhost", parts.hostname)
    port = parts.port or (322 if parts.scheme == "rtsps" else 443)
    try:
        context.load_verify_locations(request.options["ca_file"])
        with (
            socket.create_connection((parts.hostname, port), request.read_s) as connection,
            context.wrap_socket(connection, server_hostname=name),
        ):
            return "untrusted"
    except ssl.SSLCertVerificationError as error:
        return _CERTIFICATE_WORDS.get(error.verify_code, "untrusted")
    except ssl.SSLError:
        return "no-tls"
    except OSError:
        return "lost"


def _require_name(address: str) -> None:
    """Raise an error if the host name does not resolve; FFmpeg's own error does not say that."""
    parts = urlsplit(address)
    if "://" in address and parts.hostname:
        try:
            socket.getaddrinfo(parts.hostname, parts.port)
        except OSError:
            raise SourceError("no-name") from None


def upright(frame: VideoFrame) -> npt.NDArray[np.uint8]:
    """The frame in BGR, rotated as its metadata says."""
    pixels = np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, _quarter_turns(frame)))


def luma_of(frame: VideoFrame) -> Plane:
    """The frame's luma, rotated likewise; a view if the frame has a luma plane."""
    turns = _quarter_turns(frame)
    if frame.format.name not in _LUMA_FIRST:
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.rot90(rows[:, : plane.width], turns)


def _quarter_turns(frame: VideoFrame) -> int:
    return round(frame.rotation / 90) % 4  # counter-clockwise, as np.rot90 counts


def is_one_grey(luma: Plane) -> bool:
    """Whether a picture may be grey for lack of data: a quick test before `is_grey`."""
    counts = np.bincount(luma[::16, ::16].ravel(), minlength=256)
    return bool(
        counts.max() >= GREY_SHARE * counts.sum() and int(counts.argmax()) in _CONCEALED_LUMA
    )


def is_grey(pixels: npt.NDArray[np.uint8]) -> bool:
    """Whether the picture is grey because the decoder had no data.

    Args:
        pixels: shape (height, width, 3), BGR.
    """
    sample = pixels[::16, ::16].reshape(-1, 3).astype(np.int32)
    values, counts = np.unique(sample @ (1, 256, 65536), return_counts=True)
    most = int(values[counts.argmax()])
    channels = (most & 255, most >> 8 & 255, most >> 16)
    return bool(counts.max() >= GREY_SHARE * len(sample)) and all(
        channel in CONCEALED for channel in channels
    )


def _forbid_core_dumps() -> None:
    """Forbid core dumps, which would write frames to disk: the parent's mark ends at `exec`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _die_with_parent() -> None:
    """Make Linux kill this process when the thread that started it ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
