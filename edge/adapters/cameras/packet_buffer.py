"""Compressed packets of a live source in memory: the last two seconds at most, never on disk.

They are read in a thread, so that each one gets the time of its arrival. A packet is overwritten
with zeros when it has been decoded or is dropped. Copies inside FFmpeg (the reassembly of network
packets, the parser) are freed, and not overwritten.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import av.error
import av.logging
from av.packet import Packet
from av.video.stream import VideoStream

from edge.adapters.cameras.decoder_messages import DecoderRequest
from edge.adapters.cameras.opening import SourceError, chosen_stream, error_word, open_source
from edge.adapters.cameras.pictures import is_complaint
from edge.domain.stream_time import retry_delay_s

BUFFER_S = 2.0
"""Packets are kept for so long at most, seconds."""

BUFFER_BYTES = 8 << 20
"""They take so much memory at most: two seconds at 33 Mbit/s. A larger packet is kept alone."""

RARE_KEY_FRAMES_S = BUFFER_S + 0.3
"""Key frames that are further apart, seconds, are too rare to begin at the last one."""


@dataclass(frozen=True, slots=True)
class HeldPacket:
    """One packet in memory.

    Attributes:
        packet: the compressed packet.
        stream: the stream that it belongs to.
        arrival_s: when it arrived, on the monotonic clock, seconds.
        whole: whether it arrived without damage.
        begins: whether decoding can begin here: a key frame.
    """

    packet: Packet[VideoStream] = field(repr=False)
    stream: VideoStream = field(repr=False)
    arrival_s: float
    whole: bool
    begins: bool

    def wipe(self) -> None:
        """Overwrite its bytes with zeros."""
        memoryview(self.packet)[:] = bytes(self.packet.buffer_size)


class PacketBuffer:
    """The packets of one stream that are not decoded yet, oldest first, within fixed bounds.

    Args:
        changed: notified when a packet has no room, and if `tells` also when one comes.
        tells: whether it is worth waking up for each packet.
        longest_s: seconds between the arrivals of the first and the last packet, at most.
        most_bytes: bytes of all packets together, at most.
    """

    def __init__(
        self,
        changed: threading.Condition,
        *,
        tells: bool,
        longest_s: float = BUFFER_S,
        most_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._changed = changed
        self._tells = tells
        self._longest_s = longest_s
        self._most_bytes = most_bytes
        self._held: deque[HeldPacket] = deque()
        self._bytes = 0
        self._waits = False

    def __len__(self) -> int:
        return len(self._held)

    def put(self, new: HeldPacket) -> None:
        """Add a packet; wait as long as it has no room."""
        with self._changed:
            while not self._has_room_for(new):
                self._waits = True
                self._changed.notify_all()
                self._changed.wait()
            self._waits = False
            self._held.append(new)
            self._bytes += new.packet.size
            if self._tells:
                self._changed.notify_all()

    def is_over(self, now_s: float) -> bool:
        """Whether the oldest packet must be taken out now: too old, or in the way of a new one."""
        with self._changed:
            return bool(self._held) and (
                self._waits or now_s - self._held[0].arrival_s > self._longest_s
            )

    @property
    def oldest_s(self) -> float:
        """When the oldest packet arrived, seconds; infinite if there is none."""
        with self._changed:
            return self._held[0].arrival_s if self._held else math.inf

    @property
    def begins_anew(self) -> bool:
        """Whether a key frame is the oldest packet."""
        with self._changed:
            return bool(self._held) and self._held[0].begins

    def pop(self) -> HeldPacket | None:
        """Take out the oldest packet, which the caller wipes; None if there is none."""
        with self._changed:
            if not self._held:
                return None
            oldest = self._held.popleft()
            self._bytes -= oldest.packet.size
            if self._waits:
                self._changed.notify_all()
            return oldest

    def skip(self, until_s: float) -> bool:
        """Drop what is older than the last key frame that arrived until then.

        Returns:
            Whether anything was dropped, so that the next packet does not follow the last one that
            was taken out.
        """
        with self._changed:
            keys = [
                number
                for number, one in enumerate(self._held)
                if one.begins and one.arrival_s <= until_s
            ]
            for _ in range(keys[-1] if keys else 0):
                dropped = self._held.popleft()
                self._bytes -= dropped.packet.size
                dropped.wipe()
            if self._waits:
                self._changed.notify_all()
            return bool(keys and keys[-1])

    def _has_room_for(self, new: HeldPacket) -> bool:
        if not self._held:
            return True
        length_s = new.arrival_s - self._held[0].arrival_s
        return length_s <= self._longest_s and self._bytes + new.packet.size <= self._most_bytes


class PacketFeed:
    """Reads the packets of one source into a buffer, in a thread that ends with the process.

    Args:
        request: the source.
        changed: notified when a packet has no room, or the source fails.
        retries: whether to open the source again when it fails.
        tells: whether each packet is worth waking up for.
        wait: waits for so many seconds between two tries.

    Attributes:
        held: the packets.
        failure: why there are none now; None: there are, or nobody knows yet.
        note: a line about the choice among several video streams.
        rare_key_frames: whether key frames were more than `RARE_KEY_FRAMES_S` apart.
    """

    def __init__(
        self,
        request: DecoderRequest,
        changed: threading.Condition,
        *,
        retries: bool,
        tells: bool,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._request = request
        self._changed = changed
        self._retries = retries
        self._wait = wait
        self.held = PacketBuffer(changed, tells=tells)
        self.failure: str | None = None
        self.note: str | None = None
        self.rare_key_frames = False
        self._thread = threading.Thread(target=self._run, name="packets", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether no packet comes any more."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        lost_s = time.monotonic()
        while True:
            try:
                if self._read():
                    lost_s = time.monotonic()
                self.failure = "ended"
            except SourceError as error:
                self.failure = str(error)
            with self._changed:
                self._changed.notify_all()
            if not self._retries:
                return
            outage_s = time.monotonic() - lost_s
            refused = self.failure == "refused-password"
            self._wait(retry_delay_s(outage_s, 1.0, refused=refused))

    def _read(self) -> bool:
        """Read until the source ends; whether there was a packet.

        The container is not closed, since packets that are still held belong to it; it is freed
        with the last of them.
        """
        container = open_source(self._request)
        stream, self.note = chosen_stream(container, self._request.stream)
        packets = container.demux(stream)
        key_s = None
        while True:
            with av.logging.Capture() as complaints:
                try:
                    packet = next(packets, None)
                except av.error.FFmpegError as error:
                    raise SourceError(error_word(error, opened=True)) from None
            if packet is None or packet.size == 0:
                return key_s is not None
            now_s = time.monotonic()
            if key_s is not None:
                self.rare_key_frames |= now_s - key_s > RARE_KEY_FRAMES_S
            begins = bool(packet.is_keyframe)
            if key_s is None or begins:
                key_s = now_s
            self.failure = None
            whole = not packet.is_corrupt and not any(map(is_complaint, complaints))
            self.held.put(HeldPacket(packet, stream, now_s, whole, begins))
