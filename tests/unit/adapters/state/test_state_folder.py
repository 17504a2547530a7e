"""Files of the state folder are replaced completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.adapters.state.state_folder import StateLock, is_locked, replace_file
from edge.errors import OutboxError


def test_a_file_is_replaced_completely_or_left_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "file"
    replace_file(file, b"one")
    with pytest.raises(OutboxError):
        replace_file(tmp_path / "file" / "below", b"two")

    assert file.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [file]


def test_a_pipe_in_place_of_the_lock_stops_nobody(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    assert is_locked(tmp_path)
    lock.release()
    assert not is_locked(tmp_path)
    (name,) = tmp_path.iterdir()
    name.unlink()
    os.mkfifo(name)
    assert not is_locked(tmp_path)
