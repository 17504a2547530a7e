"""Recordings made for tests: with jumps in their time stamps, with edit lists, interlaced."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import VideoStream

from edge.domain.imaging import Pixels

TICKS = 90_000
"""MPEG's time stamps per second."""

TICK = Fraction(1, TICKS)


def joined(clip: Path, path: Path, starts_s: Sequence[float]) -> Path:
    """A clip repeated without encoding it again; each repetition starts at its own time.

    The times may run back in MPEG-TS only, whose parts are complete files of their own.

    Args:
        clip: the clip to repeat.
        path: the file to write; its suffix says the format.
        starts_s: time of the first frame of each repetition, in seconds.
    """
    if path.suffix != ".ts":
        _write(clip, path, starts_s)
        return path
    parts = b""
    for start_s in starts_s:
        _write(clip, path, [start_s])
        parts += path.read_bytes()
    path.write_bytes(parts)
    return path


def _write(clip: Path, path: Path, starts_s: Sequence[float]) -> None:
    # Otherwise the muxer moves the first time stamp.
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream: VideoStream | None = None
        for start_s in starts_s:
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                stream = stream or container.add_stream_from_template(video)
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    for name in ("pts", "dts"):
                        time_s = getattr(packet, name) * packet.time_base
                        setattr(packet, name, round((time_s + Fraction(start_s)) / TICK))
                    packet.duration = round(packet.duration * packet.time_base / TICK)
                    packet.time_base, packet.stream = TICK, stream
                    container.mux(packet)


def with_edits(clip: Path, path: Path, edits_s: Sequence[tuple[float | None, float]]) -> Path:
    """An MP4 with another edit list.

    Args:
        clip: a recording with one video stream.
        path: the MP4 to write.
        edits_s: parts to play, each with its start in the recording (None: nothing is shown) and
            its length, in seconds.
    """
    with (
        av.open(str(path), "w", options={"use_editlist": "1"}) as container,
        av.open(str(clip)) as source,
    ):
        video = source.streams.video[0]
        stream = container.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    data = path.read_bytes()
    moov = _box(data, b"moov", 0, len(data))
    assert moov[0] > _box(data, b"mdat", 0, len(data))[0], "offsets of samples stay valid"
    trak = _box(data, b"trak", moov[0] + 8, moov[1])
    mdhd = _box(data, b"mdhd", _box(data, b"mdia", trak[0] + 8, trak[1])[0] + 8, trak[1])
    mvhd = _box(data, b"mvhd", moov[0] + 8, moov[1])
    (movie_ticks,) = struct.unpack_from(">I", data, mvhd[0] + 20)
    (media_ticks,) = struct.unpack_from(">I", data, mdhd[0] + 20)
    entries = b"".join(
        struct.pack(
            ">IiI",
            round(length_s * movie_ticks),
            -1 if start_s is None else round(start_s * media_ticks),
            0x10000,
        )
        for start_s, length_s in edits_s
    )
    elst = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits_s)) + entries
    new = struct.pack(">I4s", 8 + len(elst), b"edts") + elst
    old = _box(data, b"edts", trak[0] + 8, trak[1])
    changed = bytearray(data[: old[0]] + new + data[old[1] :])
    for begin, end in (moov, trak):
        struct.pack_into(">I", changed, begin, end - begin + len(new) - (old[1] - old[0]))
    path.write_bytes(changed)
    return path


def _box(data: bytes, kind: bytes, begin: int, end: int) -> tuple[int, int]:
    """First and last position of an MP4 box of this kind between two positions."""
    while begin < end:
        size, found = struct.unpack_from(">I4s", data, begin)
        if found == kind:
            return begin, begin + size
        begin += size
    raise AssertionError(f"no {kind.decode()}")


def pan(picture: Pixels, number: int, pixels: int = 10) -> Iterator[Pixels]:
    """A picture that moves to the right: the moments of two fields, one after the other."""
    for index in range(number):
        yield np.roll(picture, index * pixels, axis=1)


def interlaced(
    path: Path,
    moments: Iterable[Pixels],
    codec: str = "libx264",
    *,
    top_first: bool = True,
    fields_a_second: int = 50,
    rotation: int = 0,
) -> Path:
    """An interlaced recording, flagged as such, of these moments; two of them make one frame.

    Args:
        path: the file to write; its suffix says the format.
        moments: one picture for each field, all of one even height.
        codec: `libx264` (MBAFF), `mpeg2video`, or `libx265`, whose fields are pictures.
        top_first: whether the first moment of a frame is in its even rows.
        fields_a_second: their rate.
        rotation: the display matrix, degrees counter-clockwise.
    """
    fields = list(moments)
    height, width = fields[0].shape[:2]
    separate = codec == "libx265"
    options = {
        "libx264": {"flags": "+ildct+ilme", "crf": "18", "x264-params": "interlaced=1:bframes=0"},
        "mpeg2video": {"flags": "+ildct+ilme", "qscale": "2"},
        "libx265": {"x265-params": f"interlace={'tff' if top_first else 'bff'}:log-level=none"},
    }[codec]
    rate = fields_a_second if separate else fields_a_second // 2
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = width, height // 2 if separate else height
        stream.pix_fmt, stream.codec_context.options = "yuv420p", options
        if rotation:
            stream.set_display_rotation(rotation)
        flag = av.filter.Graph()
        source = flag.add_buffer(
            width=width, height=height, format=av.VideoFormat("yuv420p"), time_base=TICK
        )
        order, sink = flag.add("setfield", "tff" if top_first else "bff"), flag.add("buffersink")
        source.link_to(order)
        order.link_to(sink)
        flag.configure()
        first, second = (0, 1) if top_first else (1, 0)
        for number in range(len(fields) // 2):
            one, other = fields[2 * number], fields[2 * number + 1]
            if separate:
                for at, pixels in enumerate((one[first::2], other[second::2])):
                    frame = _yuv(pixels)
                    frame.pts, frame.time_base = 2 * number + at, Fraction(1, rate)
                    container.mux(stream.encode(frame))
                continue
            woven = one.copy()
            woven[second::2] = other[second::2]
            flag.push(_yuv(woven))
            flagged = flag.pull()
            assert isinstance(flagged, av.VideoFrame)
            flagged.pts, flagged.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(flagged))
        container.mux(stream.encode())
    return path


def _yuv(pixels: Pixels) -> av.VideoFrame:
    whole = np.ascontiguousarray(pixels)
    return av.VideoFrame.from_ndarray(whole, format="bgr24").reformat(format="yuv420p")
