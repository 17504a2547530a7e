from __future__ import annotations

import pytest

from edge.domain.counting import coarse


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "<10"), (1, "<10"), (9, "<10"), (10, 10), (19, 10), (20, 20), (12345, 12340)],
)
def test_p7_a_published_count_is_neither_small_nor_exact(count: int, shown: int | str) -> None:
    assert coarse(count) == shown
