"""The decoder process: opens one live source, once, and writes its frames to a pipe.

`python -m edge.adapters.cameras.decoder FD` reads one line of JSON on standard input
(`DecoderRequest`) and writes messages to the descriptor until the source ends or the parent
closes the pipe. It is a separate process because only a process can always be stopped: if a driver
or a resolver hangs, or a library crashes on camera data, only this process has to end. It holds no
key and no list, and no setting except the address.

If the request asks for it (`asking`), the cell means of each frame are sent first, and the answer
is one byte on standard input. A frame is converted and sent only if that byte is `WANTED`; other
frames never leave this process. After `IDLE` the frames of the next moment are only counted.

With a substream in the request, that one is watched and the main stream is decoded only for looks
(`edge.adapters.cameras.substream`).

Messages of libraries are never passed on: they may hold the address and its password.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO

import av
import av.error
import av.logging
from av.video.frame import VideoFrame

from edge.adapters.cameras.decoder_messages import UNWANTED, DecoderRequest, MessageWriter
from edge.adapters.cameras.gstreamer import PacketRelay, start_gstreamer
from edge.adapters.cameras.opening import SourceError, chosen_stream, error_word, open_source
from edge.adapters.cameras.pictures import WholePictures, is_complaint, luma_of, stamp_s, upright
from edge.adapters.cameras.substream import watch_both
from edge.domain.motion import cell_means

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


def main() -> None:
    """Decode the source of the request on standard input; the last message says why it ended."""
    _forbid_core_dumps()
    _die_with_parent()
    out = int(sys.argv[1])
    line = sys.stdin.readline()
    if not line:
        return
    writer = MessageWriter(out)
    try:
        with contextlib.suppress(BrokenPipeError):
            _decode(DecoderRequest.parse(line), writer)
            writer.end("ended")
    except SourceError as error:
        writer.end(str(error))


def _decode(request: DecoderRequest, writer: MessageWriter) -> None:
    # FFmpeg conceals missing parts of a picture and reports them only in its log.
    av.logging.set_level(av.logging.INFO)
    if not request.pipeline:  # GStreamer, which would inherit it, keeps a register of its plugins
        _forbid_files()
    av.logging.set_skip_repeated(False)
    if request.substream and request.asking:
        watch_both(request, writer)
        return
    with ExitStack() as cleanup:
        container, stream, relay = _open(request, cleanup, writer)
        pictures = WholePictures(stream, both_fields=request.stamped)
        for arrival_s, frames, whole in _pictures(container, stream):
            writer.corrupt += 0 if relay is None else relay.corrupt_packets()
            for picture in pictures.of(frames, whole=whole):
                writer.corrupt += pictures.corrupt_frames()
                _send(picture, arrival_s, request, writer)
            writer.corrupt += pictures.corrupt_frames()
        if relay is not None:
            relay.join()
            if relay.failure is not None:
                raise SourceError(error_word(relay.failure, opened=True))


def _send(
    picture: VideoFrame, arrival_s: float, request: DecoderRequest, writer: MessageWriter
) -> None:
    stamp = stamp_s(picture, stamped=request.stamped)
    if request.asking:
        if writer.passes_over(stamp, arrival_s):
            return
        luma = luma_of(picture)
        answer = writer.answer(cell_means(luma), luma.shape, stamp, arrival_s)
        if answer in UNWANTED:
            return
    writer.frame(upright(picture), stamp, arrival_s)


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
                raise SourceError(error_word(error, opened=True)) from None
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
        yield arrival_s, frames, not failed and not any(map(is_complaint, complaints))


def _open(
    request: DecoderRequest, cleanup: ExitStack, writer: MessageWriter
) -> tuple[av.container.InputContainer, av.VideoStream, PacketRelay | None]:
    """The source of pictures and its stream, and what feeds GStreamer, if it decodes."""
    if not request.pipeline:
        return *_open_stream(request, cleanup, writer), None
    network: tuple[av.container.InputContainer, av.VideoStream] | None = None
    if request.address:
        network = _open_stream(request, cleanup, writer)
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
        container, stream = _open_stream(decoded, cleanup, writer, process.stdout)
    except SourceError:
        if relay is not None and relay.failure is None:
            raise SourceError("not-decoded") from None
        raise
    return container, stream, relay


def _open_stream(
    request: DecoderRequest,
    cleanup: ExitStack,
    writer: MessageWriter,
    pipe: IO[bytes] | None = None,
) -> tuple[av.container.InputContainer, av.VideoStream]:
    container = open_source(request, pipe)
    cleanup.callback(container.close)
    stream, note = chosen_stream(container, request.stream)
    if note is not None:
        writer.note(note)
    return container, stream


def _forbid_core_dumps() -> None:
    """Forbid core dumps, which would write frames to disk: the parent's mark ends at `exec`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _forbid_files() -> None:
    """Forbid writing to any file: frames and packets exist in memory only."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _die_with_parent() -> None:
    """Make Linux kill this process when the thread that started it ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
