"""Counts in sentences: one is never followed by a plural."""

from __future__ import annotations

import re

import pytest

from edge.formats.plurals import quantity
from tests.support.product import REPOSITORY


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 hits wait"), (1, "1 hit waits"), (2, "2 hits wait"), (21, "21 hits wait")],
)
def test_one_is_never_followed_by_a_plural(count: int, told: str) -> None:
    assert quantity(count, "hit waits", "hits wait") == told
    assert quantity(count, "hit") == told.rpartition(" ")[0]


AT_LEAST_TWO = {
    "hits begin like this; give more characters",
    "hits are damaged",
    "real hits; make them with the ",
    "files, none changed, removed or added; {told} ",
    "video streams ({others}); number {self.number} is read",
    "keys; the ",
}
"""What is counted here is never one."""


def test_what_a_text_counts_may_be_one() -> None:
    plural = re.compile(r'\{len\([^{}]*\)\} ((?:[a-z-]+ )?[a-z]+s\b[^"]*)')
    found = {
        one[1]
        for file in (REPOSITORY / "edge").rglob("*.py")
        for one in plural.finditer(file.read_text(encoding="utf-8"))
        if not one[1].startswith(("bytes", "of "))
    }
    assert found == AT_LEAST_TWO, "use `quantity` for what may be one"
