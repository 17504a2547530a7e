"""Chooses the video stream that shows the street, when a source has several.

The others are cover pictures, thumbnails of chapters, or the same view in a smaller size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from av import VideoStream
from av.container import InputContainer
from av.stream import Disposition

PROBE_BYTES = 64 << 20
"""How much of a recording is searched for pictures of each stream."""

LEAST_LENGTH = 0.5
"""A stream that lasts a smaller share of the longest one's time is a title or a preview."""

LEAST_PICTURES = 0.1
"""A stream with a smaller share of the pictures that another one has consists of thumbnails."""

_STILLS = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails


class NoSuchStreamError(Exception):
    """The source has no video stream of that number."""


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """The stream to decode, among the video streams of a source.

    Attributes:
        index: its index among all streams of the container.
        number: its number among the video streams, from 0.
        shown: each video stream as text, such as `640 x 360 h264`.
    """

    index: int
    number: int
    shown: tuple[str, ...]

    def text(self) -> str:
        """One line that says which stream was chosen among several."""
        others = ", ".join(f"{number} is {one}" for number, one in enumerate(self.shown))
        return f"{len(self.shown)} video streams ({others}); number {self.number} is read"


@dataclass(slots=True)
class _Extent:
    """The pictures of one stream that were found, and the time between first and last, seconds."""

    pictures: int = 0
    first_s: float = 0.0
    last_s: float = 0.0

    @property
    def length_s(self) -> float:
        return self.last_s - self.first_s


def choose_stream(
    container: InputContainer, wanted: int | None = None, *, probe: bool = False
) -> StreamChoice | None:
    """The stream to decode; None if there is none but cover pictures.

    Streams that hold still pictures are left out, then those that are much shorter or have far
    fewer pictures than another one. The largest picture of the rest is chosen.

    Args:
        container: the opened source.
        wanted: the number among its video streams that is to be used, from 0; None: choose.
        probe: whether to read the beginning of a recording with several streams, to measure them.
            The container is at another place after that.

    Raises:
        NoSuchStreamError: there is no stream of the wanted number.
    """
    streams = container.streams.video
    if wanted is not None and not 0 <= wanted < len(streams):
        raise NoSuchStreamError
    moving = [one for one in streams if not one.disposition & _STILLS and _is_decodable(one)]
    if wanted is not None:
        chosen = streams[wanted]
    elif not moving:
        return None
    elif len(moving) == 1:
        chosen = moving[0]
    else:
        chosen = max(_long_enough(container, moving) if probe else moving, key=_area)
    return StreamChoice(
        chosen.index, streams.index(chosen), tuple(_shown(stream) for stream in streams)
    )


def _long_enough(
    container: InputContainer, streams: Sequence[VideoStream]
) -> Sequence[VideoStream]:
    extents = _extents(container, streams)
    longest_s = max(extents[one.index].length_s for one in streams)
    most = max(extents[one.index].pictures for one in streams)
    return [
        one
        for one in streams
        if extents[one.index].length_s >= LEAST_LENGTH * longest_s
        and extents[one.index].pictures >= LEAST_PICTURES * most
    ] or streams


def _extents(container: InputContainer, streams: Sequence[VideoStream]) -> dict[int, _Extent]:
    extents = {one.index: _Extent() for one in streams}
    found = 0
    packets = container.demux(*streams)
    while found < PROBE_BYTES:
        try:
            packet = next(packets, None)
        except OSError:  # the recording is damaged; it is read up to there
            break
        if packet is None:
            break
        found += packet.size
        time = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or time is None:
            continue
        extent, time_s = extents[packet.stream_index], float(time * packet.time_base)
        if not extent.pictures:
            extent.first_s = extent.last_s = time_s
        extent.pictures += 1
        extent.first_s = min(extent.first_s, time_s)
        extent.last_s = max(extent.last_s, time_s)
    return extents


def _is_decodable(stream: VideoStream) -> bool:
    return stream.codec_context is not None


def _area(stream: VideoStream) -> int:
    return stream.width * stream.height if _is_decodable(stream) else 0


def _shown(stream: VideoStream) -> str:
    if not _is_decodable(stream):
        return "of an unknown kind"
    return f"{stream.width} x {stream.height} {stream.codec_context.name}"
