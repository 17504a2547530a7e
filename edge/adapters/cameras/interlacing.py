"""Splits interlaced pictures into one picture for each field.

An interlaced picture holds two moments, one in its even rows and one in its odd rows, so a moving
plate in it is torn into a comb. FFmpeg's filter `bwdif` makes a whole picture of each field, at its
own time (https://ffmpeg.org/ffmpeg-filters.html#bwdif). Only pictures that the decoder flags as
interlaced are split.
"""

from __future__ import annotations

from collections.abc import Iterator

import av.error
from av.filter import Graph
from av.video.frame import VideoFrame

LONGEST_GAP_S = 1.0
"""The filter looks at the pictures before and after. Across a longer gap they are not related."""


class FieldSplitter:
    """Turns the pictures of one stream into progressive ones.

    Pictures pass through unchanged, at no cost, until the first interlaced one. After that each
    call returns the pictures of the call before: the filter needs the next picture.

    Args:
        codec: FFmpeg's name of the codec.
        both: whether each field becomes a picture; otherwise only the first one of each picture.
    """

    def __init__(self, codec: str, *, both: bool = True) -> None:
        # FFmpeg gives each field of H.265 as a picture of its own, half as high.
        self._fields_are_pictures = codec == "hevc"
        self._options = f"mode={'send_field' if both else 'send_frame'}:deint=interlaced"
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._last_s: float | None = None

    def pictures(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Yield the pictures that are complete now that this frame is known."""
        if self._graph is None and not frame.interlaced_frame:
            yield frame
            return
        if self._fields_are_pictures:
            yield _at_full_height(frame)
            return
        time_s: float | None = frame.time  # PyAV's types leave out None
        shape = (frame.width, frame.height, frame.format.name)
        if shape != self._shape or not self._follows(time_s):
            yield from self.rest()
            self._graph, self._shape = _graph(frame, self._options), shape
        self._last_s = time_s
        if self._graph is not None:
            self._graph.push(frame)
            yield from _ready(self._graph)

    def rest(self) -> Iterator[VideoFrame]:
        """Yield the last pictures, at the end of the stream."""
        graph, self._graph, self._shape = self._graph, None, None
        if graph is not None:
            graph.push(None)
            yield from _ready(graph)

    def drop(self) -> None:
        """Drop what is waiting, since the next picture does not follow the last one."""
        self._shape = self._last_s = None
        self._graph = None

    def _follows(self, time_s: float | None) -> bool:
        if time_s is None or self._last_s is None:
            return True
        return 0 < time_s - self._last_s <= LONGEST_GAP_S


def _graph(frame: VideoFrame, options: str) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base,
    )
    split, sink = graph.add("bwdif", options), graph.add("buffersink")
    source.link_to(split)
    split.link_to(sink)
    graph.configure()
    return graph


def _ready(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, VideoFrame)  # noqa: S101 - for the type checker: a video filter
        yield frame


def _at_full_height(field: VideoFrame) -> VideoFrame:
    return field.reformat(width=field.width, height=2 * field.height)
