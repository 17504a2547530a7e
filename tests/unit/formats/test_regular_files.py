from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.adapters.cameras.recordings import read_picture
from edge.adapters.state.policy_state import DpiaFile
from edge.adapters.state.state_folder import read_file
from edge.errors import OutboxError
from edge.formats.regular_files import open_regular_file


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
