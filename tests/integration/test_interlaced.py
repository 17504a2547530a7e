"""Interlaced video: each field becomes a whole picture at its own time, and plates can be read."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge.adapters.cameras.interlacing import FieldSplitter
from edge.adapters.cameras.recordings import RecordedCamera, open_recordings
from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.weights import Manifest
from edge.box.read_files import vehicles_of
from edge.domain.imaging import Pixels
from edge.site.settings import RtspCamera
from tests.support.live_cameras import (
    NEEDS_RTSP,
    RtspServer,
    has_rtsp_server,
    picture,
    watching,
)
from tests.support.product import CLIPS
from tests.support.recordings import interlaced, pan

STARTED = datetime(2026, 3, 10, 6, 25, tzinfo=timezone.utc)
KINDS = [
    ("a.mp4", "libx264", True),
    ("a.mkv", "libx264", False),
    ("a.ts", "libx264", True),
    ("a.mpg", "mpeg2video", True),
    ("a.ts", "mpeg2video", False),
    ("a.mkv", "libx265", True),
]


def recording(path: Path) -> RecordedCamera:
    (camera,) = open_recordings(path, camera="cam-1", started_at=STARTED)
    return camera


@cache
def models() -> PlateModels:
    return load_plate_models(Manifest.load())


@cache
def street() -> Pixels:
    """A picture with one vehicle, enlarged: a field has half of a plate's rows."""
    with av.open(str(CLIPS / "twin_a.mp4")) as container:
        frame = next(itertools.islice(container.decode(video=0), 15, None))
    part = frame.to_ndarray(format="bgr24")[400:716, 160:760]
    return np.asarray(cv2.resize(part, None, fx=2, fy=2), dtype=np.uint8)


def post(number: int) -> Pixels:
    """A bright post that moves to the right."""
    pixels = np.full((360, 640, 3), 80, np.uint8)
    pixels[60:300, 8 * number % 560 :][:, :40] = 230
    return pixels


def block_edge(pixels: Pixels, row: int) -> int:
    """First column of something bright in one row."""
    return int(np.argmax(pixels[row, :, 1] > 195))


@pytest.mark.parametrize(("name", "codec", "top_first"), KINDS)
def test_each_field_is_a_whole_picture_at_its_own_time(
    name: str, codec: str, top_first: bool, tmp_path: Path
) -> None:
    moments = [post(number) for number in range(40)]
    path = interlaced(tmp_path / name, moments, codec, top_first=top_first)
    camera = recording(path)

    frames = list(camera.frames())

    assert len(frames) == len(moments)
    assert {frame.pixels.shape for frame in frames} == {moments[0].shape}
    assert [frame.stream_s for frame in frames] == pytest.approx(
        [number / 50 for number in range(40)], abs=0.002
    )
    assert camera.corrupt_frames == 0
    for number, frame in list(enumerate(frames))[2:-2]:
        # Even and odd rows show the same moment: no comb.
        edges = [block_edge(frame.pixels, row) for row in (179, 180, 181, 182)]
        assert max(abs(edge - 8 * number) for edge in edges) <= 2


@pytest.mark.parametrize(("name", "codec", "top_first"), KINDS)
def test_a_moving_plate_in_interlaced_video_is_read(
    name: str, codec: str, top_first: bool, tmp_path: Path
) -> None:
    path = interlaced(tmp_path / name, pan(street(), 40), codec, top_first=top_first)

    seen = vehicles_of(recording(path).frames(), models())

    assert [one.consensus.best.text.reveal() for one in seen if one.consensus] == ["1ETB392"]


def test_the_display_matrix_of_interlaced_video_is_applied(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "a.mp4", [picture(0)] * 8, rotation=90)

    frames = list(recording(path).frames())

    assert len(frames) == 8
    expected = np.rot90(picture(0)).astype(int)
    assert all(frame.pixels.shape == expected.shape for frame in frames)
    assert np.abs(frames[4].pixels.astype(int) - expected).mean() < 5


def test_progressive_pictures_pass_through_untouched() -> None:
    with av.open(str(CLIPS / "twin_a.mp4")) as container:
        splitter = FieldSplitter("h264")
        for frame in itertools.islice(container.decode(video=0), 5):
            (given,) = splitter.pictures(frame)
            assert given is frame
        assert list(splitter.rest()) == []


def test_a_jump_of_the_time_stamps_gives_no_field_a_time_between(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "a.ts", [post(number) for number in range(20)], "mpeg2video")
    later = tmp_path / "b.ts"
    with av.open(str(path)) as source, av.open(str(later), "w") as container:
        video = source.streams.video[0]
        stream = container.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts, packet.dts = packet.pts + 3600 * 90_000, packet.dts + 3600 * 90_000
            packet.stream = stream
            container.mux(packet)
    path.write_bytes(path.read_bytes() + later.read_bytes())

    times = [frame.stream_s for frame in recording(path).frames()]

    assert len(times) == 40
    assert [time for time in times if 1 < time < 3590] == []


@pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)
def test_a_live_interlaced_camera_gives_each_field(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "a.ts", [post(number) for number in range(700)], "libx264")
    with RtspServer(path) as server:
        live = RtspCamera(type="rtsp", url=server.url)
        with watching(live) as watched:
            assert watched.gets(60), watched.problem
            frames = watched.frames[10:60]
    # `Watched` keeps every 90th row: the third one goes through the post.
    moves = [
        block_edge(after.pixels, 2) - block_edge(before.pixels, 2)
        for before, after in itertools.pairwise(frames)
    ]
    assert sum(abs(move - 8) > 3 for move in moves) <= 2, "where the film begins anew"
    steps = [after.stream_s - before.stream_s for before, after in itertools.pairwise(frames)]
    assert np.median(steps) == pytest.approx(0.02, abs=0.008)
