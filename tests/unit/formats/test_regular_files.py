from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge.adapters.cameras import recordings
from edge.adapters.cameras.recordings import read_picture
from edge.adapters.state.policy_state import DpiaFile
from edge.adapters.state.state_folder import read_file
from edge.cli.labels import photo_pixels
from edge.errors import CameraError, ConfigError, OutboxError
from edge.formats.regular_files import open_regular_file
from tests.support.policies import NOON


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe to which no process writes: opening it the usual way would wait."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with open_regular_file(path) as file:
        assert file.read() == b"content"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_other_files_are_refused_without_waiting(kind: str, pipe: Path, tmp_path: Path) -> None:
    path = {"pipe": pipe, "device": Path("/dev/zero"), "folder": tmp_path}[kind]
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="not a regular file"):
        open_regular_file(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_p17_a_pipe_in_place_of_a_state_file_is_an_error_and_no_wait(pipe: Path) -> None:
    with pytest.raises(OutboxError, match="not a regular file"):
        read_file(pipe, 100)


def test_p2_a_pipe_in_place_of_the_dpia_is_no_document(pipe: Path) -> None:
    assert DpiaFile(pipe).document() is None


def test_a_pipe_is_no_picture(pipe: Path) -> None:
    assert read_picture(pipe) is None


def test_a_picture_that_this_user_may_not_read_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(recordings, "open_regular_file", refused)
    picture = tmp_path / "1ABC123.jpg"
    picture.write_bytes(b"content")
    cameras = recordings.open_recordings(picture, camera="a", started_at=NOON)

    with pytest.raises(CameraError, match=r"1ABC123\.jpg: cannot be read \(Permission denied\)"):
        list(cameras[0].frames())
    with pytest.raises(ConfigError, match=r"labels\.csv:2: image: .* check its perm") as hidden:
        photo_pixels(picture, "labels.csv:2")
    assert "1ABC123" not in hidden.value.message


def test_pictures_that_cannot_be_decoded_are_called_pictures(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"content")

    for path, said in ((tmp_path / "a.jpg", "not a picture"), (tmp_path, "none of its pictures")):
        (camera,) = recordings.open_recordings(path, camera="a", started_at=NOON)
        with pytest.raises(CameraError, match=rf"{path}: {said}"):
            list(camera.frames())
