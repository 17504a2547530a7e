"""Recordings as cameras, with real files made for each test."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from edge.adapters.cameras.recordings import (
    RecordedCamera,
    open_recordings,
    open_regular,
    recorded_at_of,
)
from edge.domain.imaging import Frame, Pixels
from edge.errors import CameraError, ConfigError, ExitCode
from edge.pipeline.attention import Attention
from edge.pipeline.watcher import VehicleWatcher
from tests.support.fakes import ScriptedModels
from tests.support.product import CLIPS

STARTED = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)
WIDTH, HEIGHT = 160, 96


def grey(level: int) -> Pixels:
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def write_video(path: Path, frames: int = 20, ticks: Sequence[int] | None = None) -> Path:
    """A clip whose frame i has the grey level 10·i; `ticks` are times in tenths of a second."""
    return write_frames(path, [grey(10 * index % 250) for index in range(frames)], ticks)


def write_frames(
    path: Path, pictures: Sequence[Pixels], ticks: Sequence[int] | None = None
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            frame.pts = ticks[index] if ticks else index
            frame.time_base = Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def opened(path: Path) -> tuple[RecordedCamera, ...]:
    return open_recordings(path, camera="cam-1", started_at=STARTED)


def only(path: Path) -> RecordedCamera:
    (camera,) = opened(path)
    return camera


def frames_of(path: Path) -> list[Frame]:
    return list(only(path).frames())


def test_a_file_is_one_stream_with_its_own_times(tmp_path: Path) -> None:
    camera = only(write_video(tmp_path / "a.mp4"))

    frames = list(camera.frames())

    assert (camera.name, camera.clip, camera.expected_frames) == ("cam-1", "a.mp4", 20)
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.stream_s for frame in frames] == pytest.approx([i / 10 for i in range(20)])
    assert frames[10].observed_at == STARTED + timedelta(seconds=1)
    assert {frame.camera for frame in frames} == {"cam-1"}
    assert camera.corrupt_frames == 0


def test_pixels_are_blue_green_red(tmp_path: Path) -> None:
    pixels = grey(0)
    pixels[:, :, 0] = 255
    cv2.imwrite(str(tmp_path / "blue.png"), pixels)

    (frame,) = frames_of(tmp_path / "blue.png")

    assert frame.pixels.shape == (HEIGHT, WIDTH, 3)
    assert frame.pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("clip", ["empty_road.mp4", "street_day.mp4"])
def test_only_frames_that_are_analysed_are_converted(clip: str) -> None:
    models = ScriptedModels([])
    watcher = VehicleWatcher("cam-1", models, models, attention=Attention())
    frames = converted = 0
    for frame in only(CLIPS / clip).frames():
        watcher.observe(frame)
        frames += 1
        converted += not callable(frame.picture)

    assert converted == watcher.detector_runs
    # The first picture counts as motion, for half a second.
    assert 0 < converted <= frames / (1 if clip == "street_day.mp4" else 2)


def test_a_recording_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """To open a file takes as long as to decode several frames of it."""
    opened: list[object] = []

    def counting(*given: Any, **named: Any) -> Any:
        opened.append(given)
        return real_open(*given, **named)

    real_open = av.open
    monkeypatch.setattr(av, "open", counting)

    frames = frames_of(CLIPS / "empty_road.mp4")

    assert len(frames) == 24
    assert len(opened) == 1


def test_the_cells_of_a_frame_are_those_of_its_luma(tmp_path: Path) -> None:
    for frame in frames_of(write_video(tmp_path / "a.mp4")):
        assert frame.cells is not None
        luma = 16 + (10 * frame.index % 250) * 219 / 255
        cells = frame.cells()
        assert cells == pytest.approx(np.full_like(cells, luma), abs=3)
        assert frame.pixels is frame.pixels  # converted once


def test_a_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", frames=5, ticks=[0, 1, 7, 8, 30])

    times = [frame.stream_s for frame in frames_of(path)]

    assert times == pytest.approx([0, 0.1, 0.7, 0.8, 3.0], abs=0.02)


def test_a_stream_without_times_runs_at_its_nominal_rate(tmp_path: Path) -> None:
    """A bare MPEG-4 stream has no container and so no time stamps of its own."""
    path = tmp_path / "bare.m4v"
    write_video(path)

    times = [frame.stream_s for frame in frames_of(path)]

    assert len(times) == 20
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


def test_each_video_of_a_folder_is_a_stream_and_its_pictures_are_one(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    write_video(folder / "b.mp4", frames=3)
    write_video(folder / "a.avi", frames=4)
    for number in (2, 1, 10):
        cv2.imwrite(str(folder / f"p{number:02}.jpg"), grey(number * 10))
    (folder / "notes.txt").write_text("no recording")
    (folder / ".hidden.mp4").write_bytes(b"")

    cameras = opened(folder)

    assert [(camera.clip, len(list(camera.frames()))) for camera in cameras] == [
        ("a.avi", 4),
        ("b.mp4", 3),
        ("recordings", 3),
    ]
    pictures = list(cameras[2].frames())
    assert [int(frame.pixels.mean().round()) for frame in pictures] == [10, 20, 100]
    assert [frame.stream_s for frame in pictures] == [0, 1, 2]
    assert cameras[2].expected_frames == 3


def test_a_function_gives_each_recordings_start_time(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=2)
    write_video(tmp_path / "b.mp4", frames=2)

    def when(path: Path) -> datetime:
        return STARTED + timedelta(days=path.stem == "b")

    cameras = open_recordings(tmp_path, camera="cam-1", started_at=when)

    assert [next(iter(camera.frames())).observed_at for camera in cameras] == [
        STARTED,
        STARTED + timedelta(days=1),
    ]


# --- bad input ----------------------------------------------------------------------------


def test_a_missing_path_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"none\.mp4: no such file") as refused:
        opened(tmp_path / "none.mp4")

    assert refused.value.code == "E_SOURCE_MISSING"
    assert refused.value.exit_code is ExitCode.SOURCE


def test_a_folder_without_recordings_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no recording")

    with pytest.raises(CameraError, match="neither a video nor a picture"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.mp4", b"", "E_SOURCE_EMPTY"),
        ("text.mp4", b"this is no video\n" * 50, "E_SOURCE_FORMAT"),
        ("empty.jpg", b"", "E_SOURCE_EMPTY"),
        ("text.jpg", b"this is no picture", "E_SOURCE_EMPTY"),
    ],
)
def test_the_error_for_an_invalid_recording_names_it(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    (tmp_path / name).write_bytes(content)
    camera = only(tmp_path / name)

    assert camera.expected_frames in {None, 1}
    with pytest.raises(CameraError, match=name) as refused:
        list(camera.frames())
    assert refused.value.code == code


def test_a_recording_without_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))

    with pytest.raises(CameraError, match="no video stream"):
        frames_of(path)


def test_a_recording_with_a_truncated_index_gives_no_frame(tmp_path: Path) -> None:
    """An MP4 keeps its index at the end."""
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(CameraError, match=r"a\.mp4: cannot be opened as video"):
        frames_of(path)


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mp4"])
def test_a_truncated_recording_gives_its_frames_and_then_an_error(
    suffix: str, tmp_path: Path
) -> None:
    path = write_video(tmp_path / f"a{suffix}", frames=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames: list[Frame] = []

    with pytest.raises(CameraError, match=path.name) as refused:
        frames.extend(only(path).frames())

    assert refused.value.exit_code == 5
    if suffix == ".mkv":  # an AVI's or MP4's index is at its end, here cut off
        assert refused.value.code == "E_SOURCE_TRUNCATED"


def test_frames_before_a_truncation_come_before_the_error(tmp_path: Path) -> None:
    clip = CLIPS / "twin_a.mp4"  # its index comes first
    path = tmp_path / "a.mp4"
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    frames: list[Frame] = []
    camera = only(path)

    with pytest.raises(CameraError, match="is incomplete and ends after") as refused:
        frames.extend(camera.frames())

    assert refused.value.code == "E_SOURCE_TRUNCATED"
    assert 5 < len(frames) < 36


def test_a_sidecar_of_another_program_is_ignored(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    path.with_suffix(".json").write_text('{"labels": []}')
    assert recorded_at_of(path) is None


@pytest.mark.parametrize(
    ("begin", "end"), [(0.0, 1.0), (0.4, 0.7)], ids=["the whole frame", "a part of it"]
)
def test_a_corrupt_frame_is_counted_and_skipped(tmp_path: Path, begin: float, end: float) -> None:
    path = tmp_path / "a.avi"
    noise = np.random.default_rng(0)
    texture = noise.integers(0, 255, (HEIGHT, 400, 3), np.uint8)
    write_frames(path, [texture[:, 4 * i : 4 * i + WIDTH] for i in range(30)])
    with av.open(str(path)) as container:
        places = [
            (packet.pos, packet.size)
            for packet in container.demux(video=0)
            if packet.size and packet.pos
        ]
    content = bytearray(path.read_bytes())
    position, size = places[15]
    first, last = position + 8 + int(begin * size), position + int(end * size)
    content[first:last] = noise.integers(0, 255, last - first, np.uint8).tobytes()
    path.write_bytes(content)
    camera = only(path)

    frames = list(camera.frames())

    assert camera.corrupt_frames == 1
    assert 28 <= len(frames) < 30
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_a_picture_that_does_not_decode_is_counted_and_skipped(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), grey(number * 10))
    (tmp_path / "1.png").write_bytes(b"no picture")
    camera = only(tmp_path)

    frames = list(camera.frames())

    assert [frame.stream_s for frame in frames] == [0, 2]
    assert camera.corrupt_frames == 1


# --- when it was made ---------------------------------------------------------------------


def test_a_sidecar_gives_the_recordings_start_time(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.mp4").touch()
    (tmp_path / "a.json").write_text(json.dumps({"recorded_at": "2026-03-10T08:25:00+01:00"}))

    assert recorded_at_of(tmp_path / "a.mp4") == STARTED
    assert recorded_at_of(tmp_path / "b.mp4") is None


def test_the_sidecar_of_a_folder_of_pictures_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures.json").write_text('{"recorded_at": "2026-03-10T07:25:00Z"}')

    assert recorded_at_of(tmp_path / "pictures") == STARTED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "recorded_at: missing"),
        ('{"recorded_at": "1999-12-31T00:00:00Z"}', "the year must be"),
        ('{"recorded_at": "9999-12-31T23:59:59+00:00"}', "the year must be"),
        ('{"recorded_at": 5}', "recorded_at: missing"),
        ('{"recorded_at": "yesterday"}', "recorded_at: not an ISO 8601"),
        ('{"recorded_at": "2026-03-10T08:25:00"}', "recorded_at: the UTC offset is missing"),
    ],
)
def test_the_error_for_a_bad_sidecar_names_file_and_field(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.json").write_text(content)

    with pytest.raises(ConfigError, match=rf"a\.json: .*{message}|a\.json: {message}"):
        recorded_at_of(tmp_path / "a.mp4")


# --- a file leads to nothing but itself -------------------------------------------------------


def test_a_playlist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where FFmpeg would search for the entries of the playlist
    clip = write_video(tmp_path / "real.mp4")
    listing = tmp_path / "list.mp4"
    listing.write_text(f"ffconcat version 1.0\nfile {clip.name}\n")

    with pytest.raises(CameraError, match=r"list\.mp4"):
        frames_of(listing)


@pytest.mark.parametrize("name", ["pipe:0", "concat:real.mp4", "http:", "lavfi"])
def test_a_file_named_like_a_url_is_read_as_a_file(name: str, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "real.mp4", frames=7)
    path = tmp_path / name
    path.write_bytes(clip.read_bytes())

    assert len(frames_of(path)) == 7


def test_a_pipe_that_replaces_a_file_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    camera = only(path)
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(CameraError, match=r"a\.mp4"):
        next(iter(camera.frames()))
    with pytest.raises(CameraError, match="not a regular file"), open_regular(path):
        pass


def test_a_timestamp_that_jumps_by_years_is_rejected(tmp_path: Path) -> None:
    ticks = [*range(10), *(10**8 + n for n in range(10))]
    frames = frames_of(write_video(tmp_path / "a.mkv", frames=20, ticks=ticks))

    assert len(frames) == 20
    assert frames[-1].stream_s == pytest.approx(1.9)


def test_an_oversized_picture_is_counted_and_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((20, 30, 3), np.uint8))
    header = bytearray((folder / "a.png").read_bytes())
    header[16:24] = (40_000).to_bytes(4, "big") * 2
    (folder / "b.png").write_bytes(header)
    (folder / "c.png").write_bytes(b"")
    cv2.imwrite(str(folder / "d.png"), np.zeros((20, 30, 3), np.uint8))
    (camera,) = open_recordings(folder, camera="cam-1", started_at=STARTED)

    assert len(list(camera.frames())) == 2
    assert camera.corrupt_frames == 2
