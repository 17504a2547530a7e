"""Recordings with several video streams: the one that shows the street is read."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from edge.adapters.cameras.decoder_messages import DecoderRequest
from edge.adapters.cameras.live_camera import LiveCamera
from edge.adapters.cameras.recordings import RecordedCamera, open_recordings
from edge.adapters.cameras.stream_choice import choose_stream
from edge.adapters.cameras.video_writer import nominal_rate
from edge.adapters.host.system import SystemClock
from edge.errors import CameraError, ExitCode
from tests.support.brokers import wait_until

STARTED = datetime(2026, 3, 10, 6, 25, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Part:
    """One video stream: its size, how many pictures it has, and how many a second."""

    width: int
    height: int
    pictures: int
    rate: int = 10
    codec: str = "mpeg4"
    attached: bool = False


STREET = Part(320, 240, 40)
PAIR = (Part(160, 120, 40), STREET)
COVER = Part(640, 480, 1, codec="mjpeg")


def write(path: Path, *parts: Part) -> Path:
    with av.open(str(path), "w") as container:
        streams = []
        for part in parts:
            stream = container.add_stream(part.codec, rate=part.rate)
            stream.width, stream.height = part.width, part.height
            stream.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj420p"}.get(part.codec, "yuv420p")
            if part.attached:
                stream.disposition = Disposition.attached_pic
            streams.append(stream)
        moments = sorted(
            (Fraction(number, part.rate), which)
            for which, part in enumerate(parts)
            for number in range(part.pictures)
        )
        for time, which in moments:
            part, stream = parts[which], streams[which]
            pixels = np.full((part.height, part.width, 3), 40 + 20 * which, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = round(time * part.rate), Fraction(1, part.rate)
            container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    return path


def recording(path: Path, stream: int | None = None, *, in_site: bool = True) -> RecordedCamera:
    (camera,) = open_recordings(
        path, camera="cam-1", started_at=STARTED, stream=stream, in_site=in_site
    )
    return camera


@pytest.mark.parametrize(
    ("name", "parts", "right"),
    [
        ("a.mkv", (COVER, STREET), 1),
        ("a.mkv", (STREET, COVER), 0),
        ("a.mp4", (STREET, Part(640, 480, 1, codec="png", attached=True)), 0),
        ("a.mp4", (Part(640, 480, 1, codec="png"), STREET), 1),
        ("a.mkv", (Part(160, 120, 40), STREET), 1),
        ("a.ts", (Part(160, 120, 40, codec="mpeg2video", rate=25), Part(320, 240, 40, 25)), 1),
        ("a.mp4", (STREET, Part(160, 120, 100, 25)), 0),
        ("a.mkv", (Part(640, 480, 10), STREET), 1),
        ("a.mkv", (Part(640, 480, 4, rate=1), Part(320, 240, 100, 25)), 1),
        ("a.mkv", (Part(160, 120, 100, 25), COVER, STREET, Part(96, 64, 40)), 2),
    ],
    ids=[
        "a cover picture first",
        "a cover picture last",
        "an attached picture",
        "a cover picture as PNG",
        "a sub-stream first",
        "a sub-stream first in MPEG-TS",
        "a sub-stream with more frames a second",
        "a short title",
        "large thumbnails",
        "all of them",
    ],
)
def test_of_several_streams_the_one_that_shows_the_street_is_read(
    name: str, parts: tuple[Part, ...], right: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / name, *parts)
    camera = recording(path)

    frames = list(camera.frames())

    assert {frame.pixels.shape for frame in frames} == {
        (parts[right].height, parts[right].width, 3)
    }
    assert len(frames) == pytest.approx(parts[right].pictures, abs=1)
    assert f"{len(parts)} video streams" in caplog.text
    assert f"number {right} is read; cameras.<name>.stream in site.yaml" in caplog.text
    caplog.clear()
    next(recording(path, in_site=False).frames())
    assert f"number {right} is read" in caplog.text
    assert "site.yaml" not in caplog.text
    assert nominal_rate(path) == pytest.approx(parts[right].rate, rel=0.1)


def test_a_recording_with_one_stream_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = list(recording(write(tmp_path / "a.mkv", STREET)).frames())

    assert len(frames) == 40
    assert caplog.text == ""


def test_site_yaml_may_name_another_stream(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", Part(160, 120, 40), STREET)

    assert {frame.width for frame in recording(path, 0).frames()} == {160}
    assert {frame.width for frame in recording(path, 1).frames()} == {320}


def test_a_stream_that_is_not_there_is_refused(tmp_path: Path) -> None:
    camera = recording(write(tmp_path / "a.mkv", STREET), 2)

    assert camera.expected_frames is None
    with pytest.raises(CameraError, match="it has 1 video stream, numbered from 0") as refused:
        list(camera.frames())
    assert refused.value.code == "E_SOURCE_STREAM"
    assert refused.value.exit_code is ExitCode.SOURCE


def test_a_file_with_nothing_but_a_cover_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(frame))
        container.mux(cover.encode())
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
        container.mux(sound.encode())

    with pytest.raises(CameraError, match="no video stream but a cover picture") as refused:
        list(recording(path).frames())
    assert refused.value.code == "E_SOURCE_FORMAT"


def test_a_live_source_is_not_probed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", Part(160, 120, 40), STREET)
    with av.open(str(path)) as container:
        chosen = choose_stream(container)
        assert chosen is not None
        assert chosen.number == 1
        packet = next(container.demux(container.streams[chosen.index]))
        assert packet.pts == container.streams[chosen.index].start_time, "nothing is lost"


@pytest.mark.parametrize(("wanted", "width"), [(None, 320), (0, 160)])
def test_a_live_camera_with_several_streams_gives_the_largest_and_says_so(
    wanted: int | None, width: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.ts", *(replace(one, codec="mpeg2video", rate=25) for one in PAIR))
    camera = LiveCamera(
        "cam-1",
        "shown",
        lambda: DecoderRequest(str(path), format="mpegts", stream=wanted),
        clock=SystemClock(),
        jitter=lambda: 0.0,
    )

    frames = list(itertools.islice(camera.frames(), 10))
    camera.close()

    assert {frame.width for frame in frames} == {width}
    assert "camera cam-1: 2 video streams (0 is 160 x 120 mpeg2video" in caplog.text
    assert f"number {1 if wanted is None else 0} is read" in caplog.text
    assert str(path) not in caplog.text


def test_a_live_camera_without_the_wanted_stream_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", STREET)
    request = DecoderRequest(str(path), format="mpegts", stream=3)
    camera = LiveCamera("cam-1", "shown", lambda: request, clock=SystemClock(), jitter=lambda: 0.0)
    thread = threading.Thread(target=lambda: list(camera.frames()))
    thread.start()
    try:
        assert wait_until(lambda: camera.status().problem is not None)
        problem = camera.status().problem
        assert problem is not None
        assert problem.code == "E_CAMERA_STREAM"
        assert "cameras.<name>.stream" in problem.message
    finally:
        camera.close()
        thread.join(60)
