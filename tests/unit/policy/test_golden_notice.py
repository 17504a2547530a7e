"""The longest and the shortest notice equal the stored ones, byte for byte.

`tests/vectors/` pins the notices of the example sites. These two add what no example has: markup in
the policy's texts, every kind of change, counts below ten, cameras without a position. After a
change on purpose, record them with `python -m tests.unit.policy.test_golden_notice`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.policy.notice.publication import publication
from tests.support.notices import long_notice, short_notice

GOLDEN = Path(__file__).with_name("golden_notices")
NOTICES = {"long": long_notice, "short": short_notice}


@pytest.mark.parametrize("name", NOTICES)
def test_p14_a_notice_equals_the_stored_notice(name: str) -> None:
    made = publication(NOTICES[name]())

    assert {file.name for file in (GOLDEN / name).iterdir()} == set(made)
    for file, text in made.items():
        assert text.encode() == (GOLDEN / name / file).read_bytes(), f"{name}/{file}"


def record() -> None:
    """Write both notices."""
    for name, notice in NOTICES.items():
        (GOLDEN / name).mkdir(parents=True, exist_ok=True)
        for file, text in publication(notice()).items():
            (GOLDEN / name / file).write_bytes(text.encode())


if __name__ == "__main__":
    record()
