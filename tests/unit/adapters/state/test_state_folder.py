"""Files of the state folder are replaced completely or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.adapters.state.state_folder import replace_file
from edge.errors import OutboxError


def test_a_file_is_replaced_completely_or_left_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "file"
    replace_file(file, b"one")
    with pytest.raises(OutboxError):
        replace_file(tmp_path / "file" / "below", b"two")

    assert file.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [file]
