"""The same policy makes the same notice as when these files were recorded, byte for byte.

Published pages are verified by making them anew (`edge-anpr notice verify`): a release that makes
other bytes from the same policy refuses every page that is published. To record the files after a
change that is meant: `python -m tests.unit.policy.test_golden_notice`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.policy.model import ROLES
from edge.policy.notice.content import NoticeContent
from edge.policy.notice.publication import notice_content, publication
from edge.policy.site_folder import read_policy
from tests.notices import MADE_BY, long_notice, short_notice
from tests.product import REPOSITORY

GOLDEN = Path(__file__).with_name("golden_notices")
EXAMPLES = sorted(file.parent.name for file in (REPOSITORY / "config").glob("*/policy.yaml"))


def notices() -> dict[str, NoticeContent]:
    examples = {
        name: notice_content(
            read_policy(REPOSITORY / "config" / name / "policy.yaml").model,
            frozenset(ROLES),
            made_by=MADE_BY,
        )
        for name in EXAMPLES
    }
    return {**examples, "long": long_notice(), "short": short_notice()}


@pytest.mark.parametrize("name", notices())
def test_p14_a_notice_is_byte_for_byte_what_it_was(name: str) -> None:
    made = publication(notices()[name])

    assert {file.name for file in (GOLDEN / name).iterdir()} == set(made)
    for file, text in made.items():
        assert text.encode() == (GOLDEN / name / file).read_bytes(), f"{name}/{file}"


def record() -> None:
    """Write every golden file anew."""
    for name, notice in notices().items():
        (GOLDEN / name).mkdir(parents=True, exist_ok=True)
        for file, text in publication(notice).items():
            (GOLDEN / name / file).write_bytes(text.encode())


if __name__ == "__main__":
    record()
