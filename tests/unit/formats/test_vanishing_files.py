"""A file that is deleted while it is being read counts as missing, with that error and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.adapters.state.policy_state import ACTIVATION, PolicyState
from edge.errors import ConfigError, KeyFileError
from edge.formats import yaml_document
from edge.formats.regular_files import open_regular_file
from edge.formats.yaml_document import read_text_if_any
from edge.policy.notice.counts import read_counts
from edge.policy.signatures import read_signatures


@pytest.fixture
def vanishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there when it is looked for, and gone when it is opened."""
    file = tmp_path / ACTIVATION
    file.write_text("{}")

    def too_late(path: Path) -> object:
        path.unlink()
        return open_regular_file(path)

    monkeypatch.setattr(yaml_document, "open_regular_file", too_late)
    return file


@pytest.mark.parametrize(
    "read",
    [
        lambda file: read_text_if_any(file, 100),
        lambda file: PolicyState(file.parent).in_force(),
        lambda file: read_counts(file, "test-street"),
    ],
    ids=["text", "activation", "counts"],
)
def test_p1_it_reads_as_none(vanishing: Path, read: Callable[[Path], object]) -> None:
    assert read(vanishing) is None


def test_p1_signatures_are_missing_and_not_unreadable(vanishing: Path) -> None:
    with pytest.raises(KeyFileError, match="the policy is not signed"):
        read_signatures(vanishing)


def test_what_is_there_and_no_file_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a folder, not a regular file"):
        read_text_if_any(tmp_path, 100)
