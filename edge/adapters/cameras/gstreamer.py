"""GStreamer as a child process of the decoder: a source of its own, or fed with packets.

Fed with packets it only decodes: the connection, the password and the check of the certificate
stay in the decoder process, so none of them is on a command line that other users can see.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

import av.error
from av import VideoStream
from av.container import InputContainer
from av.packet import Packet


def start_gstreamer(words: tuple[str, ...], cleanup: ExitStack) -> subprocess.Popen[bytes]:
    """Start GStreamer in this process group; it writes YUV4MPEG2 and may be fed on its input.

    Raises:
        OSError: it is not installed.
    """
    process = subprocess.Popen(  # noqa: S603 - no shell, and the elements are a closed list
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    cleanup.callback(process.wait)
    cleanup.callback(process.kill)
    return process


class PacketRelay:
    """Writes a stream's packets to GStreamer's input, in a thread, until either of them ends.

    After a damaged packet nothing is passed on until the next key frame.

    Args:
        container: the opened source.
        stream: one of its video streams, H.264 or H.265.
        sink: GStreamer's input.

    Attributes:
        failure: the error that ended the source; None: it ended, or GStreamer did.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, sink: IO[bytes]) -> None:
        self._container = container
        self._stream = stream
        self._sink = sink
        self._corrupt = 0
        self.failure: av.error.FFmpegError | None = None
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def corrupt_packets(self) -> int:
        """How many packets were damaged since the last call."""
        count, self._corrupt = self._corrupt, 0
        return count

    def join(self) -> None:
        """Wait until it has ended, for a moment."""
        self._thread.join(1.0)

    def _run(self) -> None:
        with contextlib.suppress(BrokenPipeError), self._sink:
            # An RTSP server may send the parameter sets in its description only.
            self._sink.write(self._stream.codec_context.extradata or b"")
            for packet in self._packets():
                self._sink.write(bytes(packet))
                self._sink.flush()

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        whole = False
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self.failure = error
                return
            if packet is None or packet.size == 0:
                return
            whole = not packet.is_corrupt and (whole or packet.is_keyframe)
            if whole:
                yield packet
            else:
                self._corrupt += packet.is_corrupt
