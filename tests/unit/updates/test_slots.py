"""What a version that cannot be made ready is blamed for."""

from __future__ import annotations

import sys

import pytest

from edge.updates import slots
from edge.updates.problems import UpdateError, UpdateStateError


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (
            "import os, errno, sys; sys.exit('OSError: ' + os.strerror(errno.ENOSPC))",
            UpdateStateError,
        ),
        ("import sys; sys.exit('no matching wheel')", UpdateError),
    ],
)
def test_only_a_fault_of_the_version_makes_it_given_up(
    program: str, error: type[UpdateError]
) -> None:
    with pytest.raises(UpdateError, match="pip of the new version failed: ") as said:
        slots._run("pip", sys.executable, "-c", program)
    assert type(said.value) is error
