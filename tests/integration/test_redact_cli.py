from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge.domain.imaging import Pixels
from tests.support.product import product

MASK = 127


def noise(seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (120, 160, 3), dtype=np.uint8)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of noise at 15 a second, with sound and a title."""
    path = tmp_path / "recording.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Mrs Peeters leaves her house"
        video = container.add_stream("mpeg4", rate=15)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for number in range(30):
            frame = VideoFrame.from_ndarray(noise(number), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 15)
            container.mux(video.encode(frame))
        samples = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.int16), format="s16", layout="mono"
        )
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
        container.mux(video.encode(None))
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    assert cv2.imwrite(str(path), noise())
    return path


def test_by_default_everything_is_masked_and_no_weights_are_needed(
    recording: Path, tmp_path: Path
) -> None:
    out = tmp_path / "masked.mp4"
    done = product(
        "redact", recording, out, "--json", env={"EDGE_ANPR_MODELS": str(tmp_path / "none")}
    )
    assert done.status == 0, done.err
    assert done.json == {
        "schema": "edge-anpr/redact/1",
        "out": str(out),
        "reveal": "none",
        "plates_readable": False,
        "frames": 30,
        "corrupt_frames": 0,
        "plates_found": 0,
    }
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert "title" not in container.metadata
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(
        [number / 15 for number in range(30)], abs=0.002
    )
    for frame in frames:
        assert np.abs(frame.to_ndarray(format="bgr24").astype(int) - MASK).max() <= 6
    assert b"Peeters" not in out.read_bytes()


def test_redacting_a_picture_gives_a_picture(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "masked.jpg"
    done = product("redact", picture, out)
    assert done.status == 0, done.err
    assert "1 frames at level none" in done.out
    masked = cv2.imread(str(out))
    assert masked is not None
    assert np.unique(masked).tolist() == [MASK]


def test_no_temporary_file_is_left(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    assert product("redact", recording, folder / "masked.mp4").status == 0
    assert [path.name for path in folder.iterdir()] == ["masked.mp4"]


def a_pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def a_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    return path


def a_link_to_a_device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


LIVE: list[tuple[str, Callable[[Path], str | Path]]] = [
    ("an address", lambda _: "rtsp://camera.example/stream"),
    ("an address", lambda _: "http://camera.example/picture.jpg"),
    ("an address", lambda _: "file:///dev/zero"),
    ("standard input", lambda _: "-"),
    ("a device", lambda _: "/dev/zero"),
    ("a device", a_link_to_a_device),
    ("a device", lambda _: "/dev/stdin"),
    ("a pipe", a_pipe),
    ("a socket", a_socket),
    ("a folder", a_folder),
]


@pytest.mark.parametrize(("kind", "make"), LIVE, ids=[f"{k}-{i}" for i, (k, _) in enumerate(LIVE)])
def test_a_possibly_live_source_is_refused_without_being_opened(
    kind: str, make: Callable[[Path], str | Path], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    source = make(tmp_path / "live.mp4")
    done = product("redact", source, folder / "masked.mp4", "--reveal", "occupants", timeout_s=20)
    assert done.status == 5
    assert len(done.error_lines) == 1
    assert "E_NOT_A_FILE" in done.error_lines[0]
    assert kind in done.error_lines[0]
    assert "never a live source" in done.error_lines[0]
    assert list(folder.iterdir()) == []


def test_the_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    done = product("redact", "rtsp://admin:hunter2@camera.example/1", tmp_path / "masked.mp4")
    assert done.status == 5
    assert "hunter2" not in done.err + done.out


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "E_SOURCE_MISSING"), (b"", "E_SOURCE_EMPTY"), (b"no video" * 99, "E_SOURCE_FORMAT")],
    ids=["missing", "empty", "no video"],
)
def test_a_file_that_is_no_recording_is_refused(
    content: bytes | None, code: str, tmp_path: Path
) -> None:
    source = tmp_path / "recording.mp4"
    if content is not None:
        source.write_bytes(content)
    done = product("redact", source, tmp_path / "masked.mp4")
    assert done.status == 5
    assert len(done.error_lines) == 1
    assert code in done.error_lines[0]
    assert "recording.mp4" in done.error_lines[0]
    assert not (tmp_path / "masked.mp4").exists()
    assert list(tmp_path.iterdir()) == ([] if content is None else [source])


def test_the_original_is_never_overwritten(recording: Path, tmp_path: Path) -> None:
    before = recording.read_bytes()
    link, hard = tmp_path / "link.mkv", tmp_path / "hard.mkv"
    link.symlink_to(recording)
    os.link(recording, hard)
    for out in (recording, link, hard):
        done = product("redact", recording, out, "--force")
        assert done.status == 2
        assert len(done.error_lines) == 1
        assert "the same file as IN" in done.error_lines[0]
    assert recording.read_bytes() == before


def test_an_existing_copy_is_replaced_only_on_request(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "masked.mp4"
    out.write_bytes(b"an earlier copy")
    refused = product("redact", recording, out)
    assert refused.status == 2
    assert len(refused.error_lines) == 1
    assert "--force" in refused.error_lines[0]
    assert out.read_bytes() == b"an earlier copy"
    assert product("redact", recording, out, "--force").status == 0
    assert out.stat().st_size > 100


@pytest.mark.parametrize("name", ["masked.avi", "masked.jpg", "masked", "missing/masked.mp4"])
def test_an_unwritable_output_is_a_usage_error(name: str, recording: Path, tmp_path: Path) -> None:
    done = product("redact", recording, tmp_path / name)
    assert done.status == 2
    assert len(done.error_lines) == 1
    assert "OUT" in done.error_lines[0]


def test_an_unknown_level_is_a_usage_error(recording: Path, tmp_path: Path) -> None:
    done = product("redact", recording, tmp_path / "masked.mp4", "--reveal", "everything")
    assert done.status == 2
    assert "occupants" in done.err


def test_a_level_that_reveals_plates_needs_weights(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "masked.mp4"
    done = product("redact", recording, out, "--reveal", "plate", "--detector", "no-such-detector")
    assert done.status == 4
    assert len(done.error_lines) == 1
    assert not out.exists()


def test_the_decodable_part_of_a_truncated_recording_is_redacted(
    recording: Path, tmp_path: Path
) -> None:
    short = tmp_path / "short.mkv"
    shutil.copyfile(recording, short)
    os.truncate(short, recording.stat().st_size // 2)
    done = product("redact", short, tmp_path / "masked.mp4", "--json")
    assert done.status == 0, done.err
    assert 0 < done.json["frames"] < 30
    assert "E_SOURCE_TRUNCATED" in done.err
